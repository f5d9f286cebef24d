"""One `create_contact` as a trip through the code: the modules it enters, and its switches between rooms.

The call is the first request of the README: "add Jordan Rivera, (510) 555-3344, plan Premium". The server has learned
the names before, as it has in a conversation. The trip is the list of our functions in the order in which they are
entered, each entry once. A coroutine that is resumed is not entered again. Comprehensions and lambdas belong to the
function around them.

A room is a folder directly under `contacts_mcp`, with its subfolders. The files beside the rooms are one more room. A
switch is a function that is entered after a function of another room. The sandbox is not counted. Before the rooms
existed, 27 modules and 89 switches were counted.
"""

from __future__ import annotations

import sys
import tempfile
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from itertools import pairwise
from pathlib import Path
from types import FrameType
from typing import Any

import anyio
from mcp.client import Client
from measuring import MISSED, OK, Row

import contacts_mcp
from contacts_mcp.config import Settings
from contacts_mcp.sandbox import open_sandbox
from contacts_mcp.server.server import build_server
from contacts_mcp.workspace import Workspace

MODULES = 24
SWITCHES = 60
HOME = Path(contacts_mcp.__file__).parent
BESIDE_THE_ROOMS = "."

JORDAN = {"phone": "(510) 555-3344", "first": "Jordan", "last": "Rivera", "custom_fields": {"Plan": "Premium"}}
ANOTHER = JORDAN | {"phone": "(510) 555-3345"}


def measure() -> Iterator[Row]:
    """The three counts, then the ways between two rooms and the modules, the most used first."""
    trip = anyio.run(enter)
    rooms = [room_of(module) for module in trip]
    yield _counted("modules entered by create_contact", len(set(trip)), most=MODULES)
    yield _counted("switches between rooms", _switches(rooms), most=SWITCHES)
    yield _counted("switches between modules", _switches(trip))
    ways = Counter((one, other) for one, other in pairwise(rooms) if one != other)
    for (one, other), times in ways.most_common():
        yield Row(f"  {one} -> {other}", f"{times:>4}")
    for module, times in Counter(trip).most_common():
        yield Row(f"  {module}", f"{times:>4} functions entered")


def room_of(module: str) -> str:
    """The room of a module such as `book/writing/plan.py`."""
    room, *inside = Path(module).parts
    return room if inside else BESIDE_THE_ROOMS


def _counted(what: str, count: int, *, most: int | None = None) -> Row:
    if most is None:
        return Row(what, f"{count:>4}")
    return Row(what, f"{count:>4}, at most {most}", OK if count <= most else MISSED)


def _switches(stations: Sequence[str]) -> int:
    return sum(one != other for one, other in pairwise(stations))


async def enter() -> list[str]:
    """The module of every function that the call enters, in order."""
    with tempfile.TemporaryDirectory() as home, closing(open_sandbox()) as sandbox:
        settings = Settings.load(sandbox=True, data_dir=home)
        workspace = Workspace(settings, sandbox=sandbox)
        async with Client(build_server(settings, workspace=workspace)) as client:
            await client.call_tool("create_contact", ANOTHER)
            with _watched() as trip:
                result = await client.call_tool("create_contact", JORDAN)
        await workspace.aclose()
    if result.is_error:
        raise RuntimeError(f"create_contact: {result.content}")
    return trip


@contextmanager
def _watched() -> Iterator[list[str]]:
    """Within this, the module of every function of ours that is entered goes to the end of the list."""
    trip: list[str] = []
    entered: dict[int, FrameType] = {}  # the frames are kept, so that no id is used twice

    def note(frame: FrameType, event: str, _: Any) -> None:
        if event != "call" or frame.f_code.co_name.startswith("<") or id(frame) in entered:
            return
        path = Path(frame.f_code.co_filename)
        if path.is_relative_to(HOME) and room_of(module := str(path.relative_to(HOME))) != "sandbox":
            entered[id(frame)] = frame
            trip.append(module)

    sys.setprofile(note)
    try:
        yield trip
    finally:
        sys.setprofile(None)


if __name__ == "__main__":
    for line in measure():
        print(line)
