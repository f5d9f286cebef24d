"""Three hundred random argument objects for each tool end in a result or in a clear error.

`benchmarks/fuzz.py` tries 20,000. Guards `contacts_mcp/server/boundary.py` and `contacts_mcp/server/tools/`.
"""

from __future__ import annotations

import random
from typing import Any

import fuzz
import pytest
from support import Backend

from contacts_mcp.server import server
from contacts_mcp.server.tools import TOOLS, contacts

NAMES = [tool.name for tool in TOOLS]


@pytest.fixture
def anyio_backend(hurried: Backend) -> Backend:
    return hurried


@pytest.mark.parametrize("tool", NAMES)
async def test_whatever_comes_in_a_result_or_a_clear_error_comes_out(tool: str) -> None:
    figures = await fuzz.fuzz(tool, 300, seed=11)
    assert figures.wrong == []
    assert figures.objects == 300
    assert figures.errors > 20
    assert figures.results.total() > 15, "the objects are too far from right to reach anything"


async def test_a_mistake_of_the_server_is_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    """The fuzz is worth nothing if it overlooks what it is for."""
    monkeypatch.setattr(contacts, "looked_up", lambda _: 1 / 0)
    figures = await fuzz.fuzz("lookup_contact", 100, seed=11)
    assert any("error 'internal' says" in wrong for wrong in figures.wrong)


async def test_a_result_that_does_not_fit_the_published_schema_is_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    result_of = server.result_of

    def misshapen(answer: Any, **stamp: Any) -> Any:
        return result_of(answer, **stamp).model_copy(update={"structured_content": {"found": "perhaps"}})

    monkeypatch.setattr(server, "result_of", misshapen)
    assert (await fuzz.fuzz("lookup_contact", 100, seed=11)).wrong


def test_texts_reach_into_every_plane_and_deep_structures_are_among_the_objects() -> None:
    dice = random.Random(11)
    drawn = [fuzz.some_value(dice) for _ in range(2000)]
    assert {type(value) for value in drawn} == {type(None), bool, int, float, str, list, dict}
    assert any(isinstance(value, str) and max(value, default="") > "\uffff" for value in drawn)
    assert any(depth_of(value) > 50 for value in drawn)


def depth_of(value: Any) -> int:
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return 1 + max(map(depth_of, inner), default=0)
