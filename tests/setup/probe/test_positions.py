"""The probe names every position of every switch of the sandbox rightly, and leaves the book as it was."""

from __future__ import annotations

from pathlib import Path

import pytest
from support import HURRIED, Backend
from support.probing import CLEARING, EXPECTED, READING, dump, expected, probed, wrong

from contacts_mcp.sandbox import Behaviour, open_sandbox
from contacts_mcp.setup.probe.asking import MOST_REQUESTS

POSITIONS = [(switch, side) for switch, sides in Behaviour.switches().items() for side in sides]


@pytest.fixture
def anyio_backend() -> Backend:
    return HURRIED


def test_every_switch_of_the_sandbox_is_a_question_of_the_probe() -> None:
    assert {*Behaviour.switches()} == {*EXPECTED, "clears_with"}


@pytest.mark.parametrize(("switch", "side"), POSITIONS, ids=str)
async def test_the_probe_names_the_position_of_a_switch(switch: str, side: object, tmp_path: Path) -> None:
    behaviour = Behaviour(**{"requests_per_minute": 0, switch: side})
    sandbox = open_sandbox(behaviour=behaviour)
    before = dump(sandbox)
    end = await probed(sandbox, tmp_path)
    named = [*(("clear_empty", "clear_null") if switch == "clears_with" else (EXPECTED[switch][0],))]
    right = expected(behaviour)
    assert {name: end.found[name].position for name in named} == {name: right[name] for name in named}
    assert wrong(end, behaviour) == {}
    assert dump(sandbox) == before
    assert len(sandbox.requests) == end.requests <= MOST_REQUESTS
    assert end.is_clean


@pytest.mark.parametrize(("switch", "side"), POSITIONS, ids=str)
async def test_reading_alone_names_a_position_rightly_or_not_at_all(switch: str, side: object, tmp_path: Path) -> None:
    behaviour = Behaviour(**{"requests_per_minute": 0, switch: side})
    sandbox = open_sandbox(behaviour=behaviour)
    before = dump(sandbox)
    end = await probed(sandbox, tmp_path, writes=False)
    assert wrong(end, behaviour) == {}
    assert (switch not in READING) or end.found[EXPECTED[switch][0]].position
    assert dump(sandbox) == before
    assert not [request for request in sandbox.requests if request.operation.startswith(("create", "update", "batch"))]


@pytest.mark.parametrize("largest", [30, 100, 250])
async def test_the_largest_page_is_seen(largest: int, tmp_path: Path) -> None:
    behaviour = Behaviour(requests_per_minute=0, honours_limit=True, max_limit=largest)
    end = await probed(open_sandbox(behaviour=behaviour), tmp_path, writes=False)
    assert end.found["largest_page"].position == str(largest)


@pytest.mark.parametrize("contacts", [0, 1, 2, 30, 31])
async def test_a_small_book_is_told_as_far_as_it_proves_anything(contacts: int, tmp_path: Path) -> None:
    for behaviour in (Behaviour(), Behaviour(cursor="inclusive", honours_page=True, honours_limit=True)):
        sandbox = open_sandbox(behaviour=behaviour, contacts=contacts)
        assert wrong(await probed(sandbox, tmp_path), behaviour) == {}


async def test_reads_that_lag_are_seen(tmp_path: Path) -> None:
    behaviour = Behaviour(requests_per_minute=0, read_delay_writes=1)
    sandbox = open_sandbox(behaviour=behaviour)
    before = dump(sandbox)
    end = await probed(sandbox, tmp_path)
    assert end.found["read_after_write"].position == "behind"
    assert wrong(end, behaviour) == {}
    assert dump(sandbox) == before


def test_both_sides_of_clearing_are_in_the_table() -> None:
    assert {*CLEARING} == {*Behaviour.switches()["clears_with"]}
