"""A server that is killed in the middle of its writes leaves a journal and a store that tell the same story; `benchmarks/kill.py` does it 100 times."""

from __future__ import annotations

import importlib.util
import os
import sys
from pathlib import Path
from typing import Any

import pytest

KILL = Path(__file__).parents[2] / "benchmarks" / "kill.py"

pytestmark = pytest.mark.skipif(os.name != "posix", reason="kill -9 is a word of POSIX systems")


@pytest.fixture
def kill(monkeypatch: pytest.MonkeyPatch) -> Any:
    spec = importlib.util.spec_from_file_location("kill", KILL)
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, "kill", module)
    spec.loader.exec_module(module)
    return module


async def test_kill_9_in_the_middle_of_writes_loses_and_doubles_nothing_and_all_is_resolved(kill: Any) -> None:
    figures = await kill.run(6, seed=3)
    assert figures.wrong == []
    assert figures.kills == 6
    assert figures.unfinished > 0
