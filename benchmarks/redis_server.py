"""A throwaway redis-server, which may be killed, emptied and frozen."""

from __future__ import annotations

import signal
import socket
import subprocess
import time
from pathlib import Path


class RedisServer:
    """A real redis-server on a port of this machine. It keeps nothing in `folder`, unless it is told to save.

    Raises FileNotFoundError where the program is not installed.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = int(free.getsockname()[1])
        self.url = f"redis://127.0.0.1:{self.port}/0"
        self._process: subprocess.Popen[bytes] | None = None
        self.start()

    def start(self) -> None:
        where = ["--port", str(self.port), "--bind", "127.0.0.1", "--dir", str(self._folder), "--save", ""]
        self._process = subprocess.Popen(["redis-server", *where], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        end = time.monotonic() + 10
        while time.monotonic() < end:
            try:
                if self.ask("PING") == "+PONG":
                    return
            except OSError:
                time.sleep(0.01)
        raise TimeoutError

    def ask(self, *words: str) -> str:
        """The answer to a command, as it comes over the wire."""
        with socket.create_connection(("127.0.0.1", self.port), timeout=5) as wire:
            parts = [f"${len(word.encode())}\r\n{word}\r\n" for word in words]
            wire.sendall(f"*{len(words)}\r\n{''.join(parts)}".encode())
            heard = wire.recv(1_000_000).decode()
        return heard.removesuffix("\r\n")

    def scripts_run(self) -> int:
        """How many scripts were run since its start."""
        stats = dict(line.split(":", 1) for line in self.ask("INFO", "commandstats").splitlines() if ":" in line)
        return int(stats.get("cmdstat_evalsha", "calls=0,").split("calls=")[1].split(",")[0])

    def kill(self) -> None:
        assert self._process
        self._process.kill()
        self._process.wait()

    def freeze(self) -> None:
        assert self._process
        self._process.send_signal(signal.SIGSTOP)

    def thaw(self) -> None:
        assert self._process
        self._process.send_signal(signal.SIGCONT)
