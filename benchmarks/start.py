"""From the start of the process to the first answer of `tools/list`, against a ten-line server with two tools.

The processor time is printed beside it: it says the same on a machine that has other things to do.
"""

from __future__ import annotations

import resource
import time
from collections.abc import Iterator
from typing import NamedTuple

from measuring import Row, compared
from peers import ERAS, Era, ours, script, started

TARGET = 1.10
ROUNDS = 15


class Took(NamedTuple):
    """Seconds of one start."""

    clock: float
    processor: float


def measure() -> Iterator[Row]:
    """Two rows an era."""
    commands = {"ours": ours(), "ten lines": script("ten_lines.py")}
    for era in ERAS:
        took: dict[str, list[Took]] = {name: [] for name in commands}
        for turn in range(ROUNDS + 1):
            for name in sorted(commands, reverse=turn % 2 == 1):
                seconds = _start(commands[name], era)
                if turn:  # the first is to warm the disk up
                    took[name].append(seconds)
        mine, theirs = took["ours"], took["ten lines"]
        yield compared(
            f"start to tools/list, {era}", [one.clock for one in mine], [one.clock for one in theirs], target=TARGET
        )
        yield compared("  its processor time", [one.processor for one in mine], [one.processor for one in theirs])


def _start(command: list[str], era: Era) -> Took:
    before, begin = _processor(), time.perf_counter()
    with started(command, era=era, HEYMARKET_API_KEY="none") as peer:
        peer.ask("tools/list")
        clock = time.perf_counter() - begin
    return Took(clock, _processor() - before)


def _processor() -> float:
    """What the children that ended have used."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime
