"""The sandbox over HTTP in a process of its own, without a quota. Prints its address, and ends when its stdin does."""

from __future__ import annotations

import socket
import sys
import threading

import uvicorn

from contacts_mcp.sandbox import Behaviour, open_sandbox


def main() -> None:
    sandbox = open_sandbox(behaviour=Behaviour(requests_per_minute=0))
    server = uvicorn.Server(
        uvicorn.Config(sandbox.app, http="h11", ws="none", lifespan="off", log_level="warning", access_log=False)
    )
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.setsockopt(
            socket.IPPROTO_TCP, socket.TCP_NODELAY, 1
        )  # or answers in two parts wait 40 ms for an acknowledgement
        print(f"http://127.0.0.1:{listener.getsockname()[1]}", flush=True)
        threading.Thread(target=_end_with_stdin, args=(server,), daemon=True).start()
        server.run(sockets=[listener])
    sandbox.close()


def _end_with_stdin(server: uvicorn.Server) -> None:
    sys.stdin.read()
    server.should_exit = True


if __name__ == "__main__":
    main()
