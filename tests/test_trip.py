"""The trip of a create as `scripts/bench trip` counts it: our functions in the order of their calls."""

from __future__ import annotations

from itertools import pairwise

import pytest
import trip


@pytest.mark.parametrize(
    ("module", "room"),
    [("book/writing/plan.py", "book"), ("book/book.py", "book"), ("words/names.py", "words"), ("models.py", ".")],
)
def test_a_room_is_the_first_folder(module: str, room: str) -> None:
    assert trip.room_of(module) == room


def test_a_trip_begins_in_the_server_passes_the_book_and_reaches_the_wire() -> None:
    verdicts = [str(row) for row in trip.measure()]
    assert verdicts[0].startswith("modules entered")
    assert any("  book -> api" in row for row in verdicts)
    assert not any("sandbox" in row for row in verdicts)


async def test_functions_are_entered_once_however_often_they_go_on() -> None:
    trip_of_a_call = await trip.enter()
    rooms = [trip.room_of(module) for module in trip_of_a_call]
    assert rooms[0] == "server"
    assert {"server", "book", "api", "state", "words"} <= set(rooms)
    assert len([1 for one, other in pairwise(rooms) if one != other]) <= trip.SWITCHES
    assert await trip.enter() == trip_of_a_call
