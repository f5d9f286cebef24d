"""A run of many contacts asks for the scopes of what it does, whichever tool carries it out.

Guards `contacts_mcp/server/tools/transfer.py` and `contacts_mcp/state/acting.py`.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from support.hosting import ERAS, MODERN, Team, holder, hosted

ALL, NO_DELETE, NO_BULK = "a" * 40, "b" * 40, "c" * 40
ACCOUNTS = "[accounts.oakland]\nsandbox = true\n" + "".join(
    (
        holder("oakland", "Ada", ALL, "read", "write", "delete", "bulk"),
        holder("oakland", "Ben", NO_DELETE, "read", "write", "bulk"),
        holder("oakland", "Cleo", NO_BULK, "read", "write", "delete"),
    )
)
TABLE = "Name,Phone\nNew One,+15105550191\nNew Two,+15105550192\n"


@pytest.fixture
async def team(tmp_path: Path) -> AsyncIterator[Team]:
    async with hosted(tmp_path, ACCOUNTS) as opened:
        yield opened


@pytest.fixture
async def change(team: Team) -> int:
    """The number of an import that made two contacts."""
    plan = await team.call(MODERN, "import_contacts", ALL, text=TABLE)
    done = await team.call(MODERN, "import_contacts", ALL, plan=plan["plan"], confirm_token=plan["confirm_token"])
    assert done["status"] == "done", done
    return int(done["change_id"])


@pytest.mark.parametrize("era", ERAS)
async def test_a_whole_import_is_taken_back_only_with_all_scopes(team: Team, change: int, era: str) -> None:
    sandbox = team.sandboxes["oakland"]
    refused = await team.call(era, "undo_change", NO_BULK, change_id=change)
    assert refused["kind"] == "insufficient_scope"
    assert "contacts:bulk" in refused["message"]
    review = await team.call(era, "undo_change", ALL, change_id=change)
    assert review["status"] == "needs_confirmation"
    permit = {"plan": review["plan"], "confirm_token": review["confirm_token"]}
    refused = await team.call(era, "import_contacts", NO_DELETE, **permit)
    assert refused["kind"] == "insufficient_scope"
    assert "contacts:delete" in refused["message"]
    assert sandbox.store.contact_by_phone("15105550191")
    done = await team.call(era, "undo_change", ALL, change_id=change, confirm_token=review["confirm_token"])
    assert done["status"] == "done", "the confirmation was not used up by the refusals"
    assert sandbox.store.contact_by_phone("15105550191") is None
