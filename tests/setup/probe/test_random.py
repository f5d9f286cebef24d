"""Random combinations of all switches, and faults: the probe never names a position wrongly, and leaves nothing."""

from __future__ import annotations

import os
import random
from pathlib import Path
from typing import Any

import pytest
from support import HURRIED, Backend
from support.probing import dump, expected, probed, wrong

from contacts_mcp.sandbox import Behaviour, Fault, Lag, Sandbox, open_sandbox
from contacts_mcp.setup.probe.asking import MOST_REQUESTS

COMBINATIONS = int(os.environ.get("PROBES", "240"))  # PROBES=1200 for a thorough run
PARTS = 12
KINDS = ("status", "status_after", "html", "gateway", "gateway_after", "empty", "truncate", "drop_before", "drop_after")
NASTY = (*KINDS, "pretend", "html_after", "wrong_type", "refuse")


@pytest.fixture
def anyio_backend() -> Backend:
    return HURRIED


def anything(dice: random.Random) -> Behaviour:
    """A random position of every switch, and of the numbers beside them."""
    sides = {name: dice.choice(sides) for name, sides in Behaviour.switches().items()}
    numbers = {
        "page_size": dice.choice([10, 30, 50]),
        "max_limit": dice.choice([20, 100, 500]),
        "read_delay_writes": dice.choice([0, 0, 0, 1, 2]),
        "batch_limit": dice.choice([0, 0, 1]),
    }
    return Behaviour(**sides, **numbers, requests_per_minute=0)


@pytest.mark.parametrize("part", range(PARTS))
async def test_random_combinations_are_never_named_wrongly(part: int, tmp_path: Path) -> None:
    dice = random.Random(part)
    told = asked = 0
    for number in range(COMBINATIONS // PARTS):
        behaviour = anything(dice)
        sandbox = open_sandbox(behaviour=behaviour, contacts=dice.choice([3, 40, 120]), seed=dice.randrange(5))
        before = dump(sandbox)
        end = await probed(sandbox, tmp_path / str(number))
        assert wrong(end, behaviour) == {}, behaviour
        assert dump(sandbox) == before, behaviour
        assert len(sandbox.requests) <= MOST_REQUESTS
        assert end.is_clean, end.notes
        told += sum(bool(end.found[name].position) for name in expected(behaviour))
        asked += len(expected(behaviour))
    assert told > 0.8 * asked  # to say nothing is no way to be never wrong


def rows(sandbox: Sandbox) -> list[dict[str, object]]:
    return sandbox.store.contacts()


@pytest.mark.parametrize("kind", NASTY)
async def test_with_faults_of_a_fifth_nothing_is_named_wrongly_or_left(kind: Any, tmp_path: Path) -> None:
    dice = random.Random(kind)
    for number in range(4):
        behaviour = anything(dice)
        sandbox = open_sandbox(behaviour=behaviour, contacts=40, seed=number)
        before = rows(sandbox)
        sandbox.faults.add(Fault("*", kind, times=-1, probability=0.2))
        end = await probed(sandbox, tmp_path / str(number))
        assert wrong(end, behaviour) == {}, behaviour
        assert len(sandbox.requests) <= MOST_REQUESTS
        if not end.is_clean:  # told, and deleted by the next run
            assert end.notes
            sandbox.faults.clear()
            await probed(sandbox, tmp_path / str(number), writes=False)
        assert rows(sandbox) == before, behaviour


@pytest.mark.parametrize("late", [0.5, 20.0])
async def test_writes_that_arrive_late_mislead_nobody(late: float, tmp_path: Path) -> None:
    dice = random.Random(late)
    for number in range(6):
        behaviour = anything(dice)
        sandbox = open_sandbox(behaviour=behaviour, contacts=40)
        sandbox.faults.add(Fault("*", "status", times=-1, probability=0.2, late=late))
        end = await probed(sandbox, tmp_path / str(number))
        assert wrong(end, behaviour) == {}, behaviour


async def test_looks_that_lag_for_seconds_mislead_nobody(tmp_path: Path) -> None:
    dice = random.Random(1)
    for number in range(6):
        behaviour = anything(dice)
        sandbox = open_sandbox(behaviour=behaviour, contacts=40)
        sandbox.faults.add(Fault("*", "lag", times=-1, probability=0.3, lag=Lag(reads=dice.choice([1, 3]))))
        end = await probed(sandbox, tmp_path / str(number))
        found = wrong(end, behaviour)
        found.pop("read_after_write", None)  # the faults make some reads lag
        assert found == {}, behaviour
