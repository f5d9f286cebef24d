"""A server that is killed in the middle of its writes leaves a journal and a store that tell the same story.

`benchmarks/kill.py` does it 100 times.

Guards `contacts_mcp/state/journal.py` and `contacts_mcp/book/writing/settle.py`.
"""

from __future__ import annotations

import os

import kill
import pytest

pytestmark = pytest.mark.skipif(os.name != "posix", reason="kill -9 is a word of POSIX systems")


async def test_kill_9_in_the_middle_of_writes_loses_and_doubles_nothing_and_all_is_resolved() -> None:
    figures = await kill.run(6, seed=3)
    assert figures.wrong == []
    assert figures.kills == 6
    assert figures.unfinished > 0
