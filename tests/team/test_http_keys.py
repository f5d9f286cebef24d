"""Replicas with a ring of signing keys: a confirmation or a question of one is good at the other.

Guards `contacts_mcp/book/confirmations.py`, `contacts_mcp/server/asking.py` and `contacts_mcp/workspace.py`.
"""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from support.hosting import ERAS, MODERN, Team, holder, hosted, message, read

from contacts_mcp.server import asking
from contacts_mcp.state import uptime

ADA = "token-of-ada"
ACCOUNTS = f"[accounts.a]\nsandbox = true\n{holder('a', 'Ada', ADA, 'read', 'write', 'delete')}"
OLD, NEW = "the old key of the team", "the new key of the team"
JORDAN = 1001

# A key is changed in three steps, each rolled out: the keys of the replica that asks, and of the one that is answered.
GOOD = [
    ((OLD,), (OLD,)),
    ((OLD,), (OLD, NEW)),
    ((OLD, NEW), (NEW, OLD)),
    ((NEW, OLD), (OLD, NEW)),
    ((NEW, OLD), (NEW,)),
]
BAD = [((OLD,), (NEW,)), ((OLD, NEW), (NEW,))]
_EXPECTED = [*((keys, True) for keys in GOOD), *((keys, False) for keys in BAD)]


@asynccontextmanager
async def replicas(folder: Path, first: tuple[str, ...], second: tuple[str, ...]) -> AsyncIterator[tuple[Team, Team]]:
    def keys(ring: tuple[str, ...]) -> dict[str, str]:
        return {"signing_key": ring[0], "other_signing_keys": ", ".join(ring[1:])}

    async with (
        hosted(folder, ACCOUNTS, **keys(first)) as one,
        hosted(folder, ACCOUNTS, shared=one.sandboxes, **keys(second)) as other,
    ):
        yield one, other


@pytest.mark.parametrize(("keys", "is_good"), _EXPECTED, ids=str)
async def test_a_confirmation_is_good_at_a_replica_that_knows_its_key(
    keys: tuple[tuple[str, ...], tuple[str, ...]], is_good: bool, tmp_path: Path
) -> None:
    async with replicas(tmp_path, *keys) as (one, other):
        for era in ERAS:
            contact = JORDAN + ERAS.index(era)
            token = (await one.call(era, "delete_contact", ADA, contact_id=contact))["confirm_token"]
            done = await other.call(era, "delete_contact", ADA, contact_id=contact, confirm_token=token)
            assert (done["status"] == "deleted") == is_good
            await one.call(era, "delete_contact", ADA, contact_id=contact, confirm_token=token)
        deletes = [request for request in one.sandboxes["a"].requests if request.operation == "delete_contact"]
        assert len(deletes) == len(ERAS), "a token is good once, at all replicas together"


async def deleting(team: Team, **more: Any) -> dict[str, Any]:
    params = {"name": "delete_contact", "arguments": {"contact_id": JORDAN}} | more
    headers, body = message(MODERN, "tools/call", params, asks=True)
    response = await team.client.post("/mcp", json=body, headers=headers | {"Authorization": f"Bearer {ADA}"})
    answer = read(response)
    found: dict[str, Any] = answer.get("result") or answer["error"]
    return found


def yes(asked: dict[str, Any], *, approves: bool = True) -> dict[str, Any]:
    reply = {"confirm": {"action": "accept", "content": {"approve": approves}}}
    return {"inputResponses": reply, "requestState": asked["requestState"]}


@pytest.mark.parametrize(("keys", "is_good"), _EXPECTED, ids=str)
async def test_a_question_is_answered_at_a_replica_that_knows_its_key(
    keys: tuple[tuple[str, ...], tuple[str, ...]], is_good: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with replicas(tmp_path, *keys) as (one, other):
        asked = await deleting(one)
        read_for(5.0, monkeypatch)
        answer = await deleting(other, **yes(asked))
        if is_good:
            assert answer["structuredContent"]["status"] == "deleted"
        else:
            assert answer["message"] == "Invalid or expired requestState"


def read_for(seconds: float, monkeypatch: pytest.MonkeyPatch) -> None:
    """A person reads for so long: the time of day goes on, and another machine has another uptime."""
    now = time.time()
    monkeypatch.setattr(asking, "_OURS", "another process")
    monkeypatch.setattr(asking, "uptime", lambda: uptime.uptime() + 0.5)
    monkeypatch.setattr(asking.time, "time", lambda: now + seconds)


async def test_a_reply_at_another_machine_that_no_person_gave_is_nobodys(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with replicas(tmp_path, (OLD,), (OLD,)) as (one, other):
        asked = await deleting(one)
        read_for(0.3, monkeypatch)
        answer = await deleting(other, **yes(asked))
        assert answer["structuredContent"]["status"] == "needs_confirmation"
        assert one.sandboxes["a"].store.contact(JORDAN) is not None


async def test_a_no_is_final_at_all_replicas(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with replicas(tmp_path, (OLD,), (OLD,)) as (one, other):
        asked = await deleting(one)
        read_for(5.0, monkeypatch)
        assert (await deleting(one, **yes(asked, approves=False)))["structuredContent"]["status"] == "declined"
        for replica in (one, other):
            answer = (await deleting(replica, **yes(asked)))["structuredContent"]
            assert answer["status"] == "needs_confirmation"
            assert "used already" in repr(answer["notes"])
        assert one.sandboxes["a"].store.contact(JORDAN) is not None


async def test_a_no_after_a_yes_does_not_claim_that_nothing_was_done(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with replicas(tmp_path, (OLD,), (OLD,)) as (one, other):
        asked = await deleting(one)
        read_for(5.0, monkeypatch)
        assert (await deleting(one, **yes(asked)))["structuredContent"]["status"] == "deleted"
        answer = (await deleting(other, **yes(asked, approves=False)))["structuredContent"]
        assert (answer["status"], "done already" in repr(answer["notes"])) == ("deleted", True)
