"""The ends of a probe: credentials that may not write, a kill at a request, a phone that is taken, a used-up rate."""

from __future__ import annotations

import json
import subprocess
import sys
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import Any

import anyio
import pytest
from support import HURRIED, Backend
from support.probing import RUN, dump, probed

from contacts_mcp.config import Settings
from contacts_mcp.errors import AccountError, CredentialsRefused, UpstreamError
from contacts_mcp.sandbox import Behaviour, Fault, Intervention, Lag, open_sandbox
from contacts_mcp.setup.probe.running import FICTIONAL, PAIRS, Plan, Probed, run
from contacts_mcp.setup.probe.writing import MARK

HERE = Path(__file__).parent
ROOT = HERE.parents[2]
FIRST_PHONE = f"{FICTIONAL}{100 + int(RUN, 16) % PAIRS * 2}"


@pytest.fixture
def anyio_backend() -> Backend:
    return HURRIED


async def test_credentials_that_may_only_read_get_a_clear_answer(tmp_path: Path) -> None:
    sandbox = open_sandbox()
    before = dump(sandbox)
    for operation in ("create_contact", "update_contact", "delete_contact", "batch_contacts"):
        sandbox.faults.add(Fault(operation, "status", status=403, times=-1))
    end = await probed(sandbox, tmp_path)
    assert "Writing ended early: these credentials may not write (403)." in end.notes
    assert end.found["cursor"].position == "strict"
    assert end.found["clear_empty"].position == ""
    assert (end.is_clean, dump(sandbox)) == (True, before)


async def test_refused_credentials_end_the_probe(tmp_path: Path) -> None:
    sandbox = open_sandbox()
    sandbox.faults.add(Fault("*", "status", status=401, times=-1))
    with pytest.raises(CredentialsRefused):
        await probed(sandbox, tmp_path)
    assert len(sandbox.requests) == 1


@pytest.mark.parametrize("kind", ["refuse", "status", "html", "empty"])
async def test_a_service_that_gives_no_answer_ends_the_probe_early(kind: Any, tmp_path: Path) -> None:
    sandbox = open_sandbox()
    sandbox.faults.add(Fault("*", kind, times=-1))
    with pytest.raises(UpstreamError):
        await probed(sandbox, tmp_path)
    assert len(sandbox.requests) <= 8


async def test_a_phone_that_somebody_has_is_left_alone(tmp_path: Path) -> None:
    sandbox = open_sandbox()
    sandbox.store.add_contact(phone=FIRST_PHONE, first="Somebody")
    before = dump(sandbox)
    end = await probed(sandbox, tmp_path)
    assert end.found["clear_empty"].position == "empties"
    assert dump(sandbox) == before
    created = [request.body["phone"] for request in sandbox.requests if request.operation == "create_contact"]
    assert created
    assert FIRST_PHONE not in created


async def test_only_contacts_with_the_mark_of_the_run_are_deleted(tmp_path: Path) -> None:
    """Somebody takes the phone over after a run was killed."""
    sandbox = open_sandbox()
    sandbox.faults.add(Fault("delete_contact", "status", times=-1))
    left = await probed(sandbox, tmp_path)
    assert not left.is_clean
    sandbox.faults.clear()
    (mine, *_) = [row for row in sandbox.store.contacts() if row["email"].startswith(MARK)]
    sandbox.store.touch(mine["id"], email="somebody@example.com")
    await probed(sandbox, tmp_path, writes=False)
    assert [row["id"] for row in sandbox.store.contacts() if "probe" in row["display_name"].lower()] == [mine["id"]]


async def test_a_contact_that_got_the_phone_at_the_same_moment_is_not_deleted(tmp_path: Path) -> None:
    """The service puts a create into the contact that is there, which then has the mark."""
    sandbox = open_sandbox(behaviour=Behaviour(requests_per_minute=0, known_phone="update"))
    theirs = {"phone": FIRST_PHONE, "first": "Somebody", "email": "somebody@example.com"}
    sandbox.interventions.add(Intervention("create", "create_contact", members=theirs))
    end = await probed(sandbox, tmp_path)
    (row,) = [row for row in sandbox.store.contacts() if row["phone"] == FIRST_PHONE]
    assert not end.is_clean
    assert any(f"Contact {row['id']} " in note for note in end.notes)
    assert [request.operation for request in sandbox.requests].count("update_contact") == 0


async def test_a_batch_that_is_refused_and_carried_out_all_the_same_leaves_nothing(tmp_path: Path) -> None:
    sandbox = open_sandbox()
    before = dump(sandbox)
    sandbox.faults.add(Fault("batch_contacts", "status_after", status=400, times=2))
    end = await probed(sandbox, tmp_path)
    assert (end.is_clean, dump(sandbox)) == (True, before)


async def test_credentials_that_are_refused_on_the_way_name_what_may_be_left(tmp_path: Path) -> None:
    sandbox = open_sandbox()
    for operation in ("update_contact", "delete_contact"):
        sandbox.faults.add(Fault(operation, "status", status=401, times=-1))
    with pytest.raises(CredentialsRefused, match="Contacts of a probe may be left"):
        await probed(sandbox, tmp_path)


async def test_a_rate_that_is_used_up_is_waited_for_and_told(tmp_path: Path) -> None:
    sandbox = open_sandbox(behaviour=Behaviour(requests_per_minute=0, retry_after=1))
    sandbox.faults.add(Fault("*", "status", status=429, times=2, skip=3, retry_after=1))
    end = await probed(sandbox, tmp_path)
    assert end.found["retry_after"].position == "sent"
    assert end.found["clear_null"].position == "empties"


def test_writing_needs_a_journal_and_the_right_to_write(tmp_path: Path) -> None:
    for settings in ({"journal": False}, {"read_only": True}):
        with pytest.raises(AccountError, match="Nothing was asked"):
            run(Settings.load(sandbox=True, data_dir=tmp_path, **settings), Plan(writes=True))


def test_where_only_reading_is_allowed_what_a_probe_left_is_told_and_kept(tmp_path: Path) -> None:
    def left_after(**settings: Any) -> tuple[Probed, int]:
        end = run(Settings.load(sandbox=True, data_dir=tmp_path, **settings), Plan())
        with closing(open_sandbox(kept)) as sandbox:
            return end, sum(row.get("email", "").startswith(MARK) for row in sandbox.store.contacts())

    kept = tmp_path / "sandbox.sqlite3"
    with closing(open_sandbox(kept)) as sandbox:
        sandbox.faults.add(Fault("delete_contact", "status", times=-1))
        anyio.run(partial(probed, sandbox, tmp_path))
    end, left = left_after(read_only=True)
    assert (end.is_clean, left > 0) == (False, True)
    assert "CONTACTS_MCP_READ_ONLY keeps them" in " ".join(end.notes)
    end, left = left_after()
    assert (end.is_clean, left) == (True, 0)


@pytest.mark.parametrize("first", [17, 24, 31, 38, 45])
def test_a_probe_killed_at_a_request_leaves_nothing_that_the_next_run_does_not_delete(
    first: int, tmp_path: Path
) -> None:
    """`killed.py TMP 1 1` kills at every request."""
    done = subprocess.run(
        [sys.executable, HERE / "killed.py", tmp_path, str(first), "40"],
        capture_output=True,
        text=True,
        check=True,
        env={"PYTHONPATH": ":".join(str(ROOT / name) for name in ("tests", "benchmarks", "scripts"))},
    )
    kills = [json.loads(line) for line in done.stdout.splitlines()]
    assert [kill["carried_out"] for kill in kills] == [False, True]
    assert all(kill["is_same"] for kill in kills)
    assert all(kill["is_clean"] or "may still arrive" in " ".join(kill["notes"]) for kill in kills)


async def test_somebody_who_writes_between_a_write_and_its_look_misleads_nobody(tmp_path: Path) -> None:
    """A colleague empties the name right after a PUT that did not."""
    sandbox = open_sandbox(behaviour=Behaviour(requests_per_minute=0, clears_with="neither"))
    edit = Intervention("edit", "update_contact", "after", phone=FIRST_PHONE, members={"last": "", "custom": {}})
    sandbox.interventions.add(edit)
    end = await probed(sandbox, tmp_path)
    assert end.found["clear_empty"].position != "empties"


async def test_a_single_read_that_is_behind_is_noticed(tmp_path: Path) -> None:
    sandbox = open_sandbox()
    sandbox.faults.add(Fault("create_contact", "lag", lag=Lag(reads=1)))
    end = await probed(sandbox, tmp_path)
    assert end.found["read_after_write"].position == "behind"
