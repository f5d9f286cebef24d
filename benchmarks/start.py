"""From the start of the process to the first answer of `tools/list`, against a ten-line server with two tools."""

from __future__ import annotations

import time
from collections.abc import Iterator

from measuring import Row, compared
from peers import ERAS, Era, ours, script, started

TARGET = 1.10
ROUNDS = 15


def measure() -> Iterator[Row]:
    """One row an era."""
    commands = {"ours": ours(), "ten lines": script("ten_lines.py")}
    for era in ERAS:
        seconds: dict[str, list[float]] = {name: [] for name in commands}
        for turn in range(ROUNDS + 1):
            for name in sorted(commands, reverse=turn % 2 == 1):
                took = _start(commands[name], era)
                if turn:  # the first is to warm the disk up
                    seconds[name].append(took)
        yield compared(f"start to tools/list, {era}", seconds["ours"], seconds["ten lines"], target=TARGET)


def _start(command: list[str], era: Era) -> float:
    begin = time.perf_counter()
    with started(command, era=era, HEYMARKET_API_KEY="none") as peer:
        peer.ask("tools/list")
        return time.perf_counter() - begin
