"""The hosted server with all its parts on this machine. Called by `scripts/team`.

Without a flag it runs until Ctrl-C, and says how to try it. Exits 1 where a part does not start, or a rule is broken.
"""

from __future__ import annotations

import argparse
import signal
import sys
import tempfile
import time
from pathlib import Path
from types import FrameType
from typing import NoReturn

import anyio
from topology.parts import NotStarted, ProgramMissing
from topology.proxy import RecipeChanged, complaints
from topology.session import LIMIT, OFFICE, OTHERS, Session
from topology.storm import Storm
from topology.team import Team

UNLIMITED = 100_000  # requests a minute, where the limit is not what is tried


def show(replicas: int) -> int:
    """Runs it until a signal."""
    with Team(replicas) as team:
        account = team.accounts["oakland"]
        print(f"nginx with TLS  {team.url}/mcp   (its certificate: {team.certificate})")
        for replica in team.replicas:
            print(f"{replica.part.name}       {replica.url}/mcp   metrics: http://127.0.0.1:{replica.metrics}/metrics")
        print(f"sandbox         {account.address}   its log and all others: {team.folder}")
        print(f"a static token  {account.token}")
        print(f"one of OAuth    {team.token('oakland')}")
        print("\nTry it, for example with Claude Code:")
        print(f"  claude mcp add --transport http contacts {team.replicas[0].url}/mcp \\")
        print(f'    --header "Authorization: Bearer {account.token}"')
        print("Ctrl-C ends it.", flush=True)
        while all(part.is_running for part in [team.nginx, *(replica.part for replica in team.replicas)]):
            time.sleep(0.5)
        print("A part ended; its log has the reason.", file=sys.stderr)
    return 1


def check(replicas: int) -> int:
    """Runs the scripted session."""
    begun = time.monotonic()
    with Team(replicas, limits={OFFICE: UNLIMITED, OTHERS: LIMIT}) as team:
        print(
            f"{replicas} replicas behind nginx, with PostgreSQL and Redis ({time.monotonic() - begun:.1f} s)",
            flush=True,
        )
        session = Session(team)
        session.run()
        if session.failed:
            print(f"\nThe end of the replicas' logs:\n{team.last_words()}", file=sys.stderr)
    print(f"{session.passed} rules hold, {session.failed} are broken ({time.monotonic() - begun:.0f} s)")
    return int(bool(session.failed))


def storm(replicas: int, seconds: float, clients: int, by: signal.Signals) -> int:
    """Lets many clients work while the replicas are restarted one after the other."""
    with Team(replicas, limits={OFFICE: UNLIMITED}) as team:
        raging = Storm(team, clients, by=by)
        wrong = anyio.run(raging.rage, seconds)
        print(raging)
        print(*wrong[:20], sep="\n")
        print(f"{len(wrong)} faults")
    return int(bool(wrong))


def look_at_nginx() -> int:
    """Has nginx itself read deploy/nginx.conf, where it is installed."""
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o711)
        try:
            said = complaints(Path(folder))
        except ProgramMissing:
            print("SKIPPED: nginx is not installed")
            return 0
    print(said, end="", file=sys.stderr)
    return int(bool(said))


def _end(number: int, _: FrameType | None) -> NoReturn:
    raise SystemExit(128 + number)  # through the contexts, so no part is left behind


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--replicas", type=int, default=2, metavar="N", help="how many, 2 by default")
    parser.add_argument("--check", action="store_true", help="run the scripted session instead, and end")
    parser.add_argument("--storm", type=float, metavar="SECONDS", help="many clients instead, while replicas restart")
    parser.add_argument("--clients", type=int, default=200, metavar="N", help="of a storm, 200 by default")
    parser.add_argument("--kill", action="store_true", help="end the replicas of a storm by kill -9")
    parser.add_argument("--nginx", action="store_true", help="only have nginx read deploy/nginx.conf")
    chosen = parser.parse_args()
    signal.signal(signal.SIGTERM, _end)
    try:
        if chosen.nginx:
            return look_at_nginx()
        if chosen.storm:
            by = signal.SIGKILL if chosen.kill else signal.SIGTERM
            return storm(chosen.replicas, chosen.storm, chosen.clients, by)
        return check(chosen.replicas) if chosen.check else show(chosen.replicas)
    except (ProgramMissing, NotStarted, RecipeChanged) as error:
        print(f"team: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 0


if __name__ == "__main__":
    sys.exit(main())
