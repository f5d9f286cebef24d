"""The time from the start of the process to its first answer: of `tools/list`, and of the first call of a tool.

It is compared with ten-line servers. The call is a `lookup_contact` by id, which makes a request of the sandbox over
HTTP. The ten-line server for it makes the same GET. The processor time is printed beside each: it says the same on a
busy machine.
"""

from __future__ import annotations

import resource
import tempfile
import time
from collections.abc import Iterator
from typing import Any, NamedTuple

from measuring import Row, compared
from peers import ERAS, Era, ours, script, started, upstream

ROUNDS = 15
KEY = "sandbox-api-key"


class First(NamedTuple):
    """The first thing asked, the server it is compared with, and how many times as long it may take."""

    method: str
    params: dict[str, Any] | None
    ten_lines: str
    target: float | None


FIRSTS = (
    First("tools/list", None, "ten_lines.py", 1.10),
    First("tools/call", {"name": "lookup_contact", "arguments": {"contact_id": 1001}}, "ten_lines_get.py", None),
)


class Took(NamedTuple):
    """Seconds of one start."""

    clock: float
    processor: float


def measure() -> Iterator[Row]:
    """Two rows an era, for `tools/list` and then for the first call."""
    with upstream() as url, tempfile.TemporaryDirectory() as home:
        variables = {"HEYMARKET_BASE_URL": url, "HEYMARKET_API_KEY": KEY, "CONTACTS_MCP_DATA_DIR": home}
        for first in FIRSTS:
            commands = {"ours": ours(), "ten lines": script(first.ten_lines)}
            for era in ERAS:
                took: dict[str, list[Took]] = {name: [] for name in commands}
                for turn in range(ROUNDS + 1):
                    for name in sorted(commands, reverse=turn % 2 == 1):
                        seconds = _start(commands[name], era, first, variables)
                        if turn:  # the first is to warm the disk up
                            took[name].append(seconds)
                yield from _rows(f"start to {first.method}, {era}", took, target=first.target)


def _rows(what: str, took: dict[str, list[Took]], *, target: float | None) -> Iterator[Row]:
    ours, theirs = took["ours"], took["ten lines"]
    yield compared(what, [one.clock for one in ours], [one.clock for one in theirs], target=target)
    yield compared("  its processor time", [one.processor for one in ours], [one.processor for one in theirs])


def _start(command: list[str], era: Era, first: First, variables: dict[str, str]) -> Took:
    before, begin = _processor(), time.perf_counter()
    with started(command, era=era, **variables) as peer:
        peer.ask(first.method, first.params)
        clock = time.perf_counter() - begin
    return Took(clock, _processor() - before)


def _processor() -> float:
    """The processor time of the children that have ended."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime
