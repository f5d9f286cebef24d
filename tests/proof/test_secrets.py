"""Secrets and personal data stay in tool results, in the journal and in the sandbox's file.

They never reach a log, stderr, an error or a file name.

Guards `contacts_mcp/api/client.py` and `contacts_mcp/server/logs.py`.
"""

from __future__ import annotations

import logging
import sqlite3
from typing import Any

import httpx
import pytest
from support import Backend, OpenStage, Stage, text_of

from contacts_mcp.sandbox import Credentials, Fault

KEY = "planted-api-key-5b1c"
SECRET_ID = "planted-secret-id-77d2"
SECRET_KEY = "planted-secret-key-9f3e"
PHONE = "15105557777"
WRITTEN = "(510) 555-7777"
NAMES = ("Plantedfirst", "Plantedlast", "planted@example.com", "Plantedvalue", "Plantedconsent")
PEOPLE = (PHONE, "555-7777", "5557777", *NAMES)
LEVELS = ("DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL")
CREDENTIALS: dict[str, dict[str, Any]] = {
    "sandbox": {"sandbox": True},
    "bearer": {"sandbox": False, "api_key": KEY},
    "basic": {"sandbox": False, "api_key": KEY, "api_key_scheme": "basic"},
    "jwt": {"sandbox": False, "secret_id": SECRET_ID, "secret_key": SECRET_KEY},
}
KINDS = (
    "status",
    "status_after",
    "refuse",
    "drop_before",
    "drop_after",
    "stall",
    "drip",
    "truncate",
    "html",
    "wrong_type",
    "empty",
)
STATUSES = (400, 401, 403, 404, 429, 500)

CALLS: tuple[tuple[str, dict[str, Any]], ...] = (
    (
        "create_contact",
        {"phone": WRITTEN, "first": NAMES[0], "last": NAMES[1], "email": NAMES[2], "custom_fields": {"Plan": NAMES[3]}},
    ),
    ("lookup_contact", {"phone": WRITTEN}),
    ("lookup_contact", {"email": NAMES[2]}),
    ("lookup_contact", {"contact_id": 1}),
    ("update_contact", {"phone": WRITTEN, "last": NAMES[0]}),
    ("update_contact", {"contact_id": 1, "is_opted_out": False, "consent": NAMES[4]}),
    ("list_contacts", {"detail": "full"}),
    ("list_changes", {}),
    ("delete_contact", {"contact_id": 1}),
    ("undo_change", {"change_id": 1}),
)
# The same people in what a caller writes; an error may say it back to them, a log may not.
WRONG_CALLS: tuple[tuple[str, dict[str, Any]], ...] = (
    ("create_contact", {"phone": WRITTEN, "email": NAMES[0]}),
    ("create_contact", {"phone": f"{WRITTEN} or {NAMES[1]}"}),
    ("create_contact", {"phone": WRITTEN, "custom_fields": {NAMES[3]: NAMES[3]}}),
    ("create_contact", {"phone": WRITTEN, "tags": [NAMES[3]]}),
    ("create_contact", {"phone": WRITTEN, NAMES[0]: NAMES[1]}),
    ("create_contact", {"first": NAMES[0]}),
    ("lookup_contact", {"contact_id": NAMES[0]}),
    ("no_such_tool", {"phone": WRITTEN}),
)


@pytest.fixture
def anyio_backend(hurried: Backend) -> Backend:
    return hurried


@pytest.fixture
def written(caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]) -> Any:
    """The output of all loggers with the root at DEBUG, tracebacks included, and that of stdout and stderr."""
    caplog.set_level(logging.DEBUG)

    def all_of_it() -> str:
        formatter = logging.Formatter("%(name)s %(levelname)s %(message)s")
        return "\n".join([*map(formatter.format, caplog.records), *capfd.readouterr()])

    return all_of_it


def assert_none_of(planted: tuple[str, ...], text: str) -> None:
    found = [each for each in planted if each in text]
    assert not found, f"{found} in {text[:2_000]}"


@pytest.mark.parametrize("level", LEVELS)
async def test_nothing_planted_reaches_a_log_over_all_faults_at_any_level(
    level: str, open_stage: OpenStage, written: Any, log_of_a_server: Any
) -> None:
    log_of_a_server(level)
    async with open_stage() as stage:
        for name in ("httpx", "mcp", "mcp.server", "httpcore"):
            logging.getLogger(name).debug("heard only where it is not kept quiet")
        faults = [{"kind": kind} for kind in KINDS] + [{"kind": "status", "status": status} for status in STATUSES]
        for fault in faults:
            await stage.fresh()
            plant(stage)
            stage.sandbox.faults.add(Fault("*", times=-1, probability=0.4, delay=1, **fault))
            for tool, arguments in (*CALLS, *WRONG_CALLS):
                await stage.call(tool, **arguments)
    log = written()
    assert_none_of((*PEOPLE, Credentials().api_key), log)
    assert "heard only" not in log


def plant(stage: Stage) -> None:
    stage.sandbox.store.touch(
        1,
        phone=PHONE,
        first=NAMES[0],
        last=NAMES[1],
        email=NAMES[2],
        custom={"31": NAMES[3]},
        is_opted_out=True,
        display_name=NAMES[0],
    )


@pytest.mark.parametrize("how", CREDENTIALS)
async def test_no_credential_reaches_an_answer_a_log_or_a_file_name(
    how: str, open_stage: OpenStage, written: Any, log_of_a_server: Any
) -> None:
    """Neither the secrets nor the JWT made of them, whatever the service says, even where it sends them back."""
    log_of_a_server("DEBUG")
    sent: list[str] = []

    async def note(request: httpx.Request) -> None:
        sent.append(request.headers["Authorization"])
        stage.wire.answer = (401, f"bad credentials {request.headers['Authorization']}") if len(sent) % 2 else None

    async with open_stage(**CREDENTIALS[how]) as stage:
        answers = []
        stage.sandbox.state.credentials = Credentials(api_key=KEY, secret_id=SECRET_ID, secret_key=SECRET_KEY)
        stage.wire.before = note
        for kind in (None, *KINDS):
            stage.sandbox.faults.clear()
            if kind:
                stage.sandbox.faults.add(Fault("*", kind, times=-1, delay=1))
            answers += [text_of(await stage.call(tool, **arguments)) for tool, arguments in CALLS]
        names = " ".join(path.name for path in stage.room.rglob("*"))
        everything = "\n".join([*answers, names, written(), repr(stage.settings)])
    assert sent
    tokens = {header.partition(" ")[2] for header in sent}
    assert_none_of((KEY, SECRET_ID, SECRET_KEY, Credentials().api_key, *tokens), everything)


async def test_errors_of_the_service_say_nothing_of_people_the_caller_did_not_name(open_stage: OpenStage) -> None:
    async with open_stage() as stage:
        plant(stage)
        for kind in KINDS:
            stage.restart()
            stage.sandbox.faults.clear()
            stage.sandbox.faults.add(Fault("*", kind, times=-1, delay=9))
            for tool, arguments in (
                ("lookup_contact", {"contact_id": 1}),
                ("update_contact", {"contact_id": 1, "clear": ["email"]}),
                ("delete_contact", {"contact_id": 1}),
                ("list_contacts", {}),
            ):
                result = await stage.call(tool, **arguments)
                if result.is_error:
                    assert_none_of(PEOPLE, text_of(result))


async def test_file_names_say_nothing_and_only_the_journal_holds_people(open_stage: OpenStage) -> None:
    async with open_stage(confirm="off") as stage:
        plant(stage)
        for tool, arguments in CALLS:
            await stage.call(tool, **arguments)
        files = [path for path in stage.room.rglob("*") if path.is_file()]
        assert_none_of(PEOPLE, " ".join(str(path.relative_to(stage.room)) for path in files))
        holding = {path.name for path in files if any(planted.encode() in path.read_bytes() for planted in PEOPLE)}
        assert {name.removesuffix("-wal").removesuffix("-shm") for name in holding} == {"journal.sqlite3"}
        with sqlite3.connect(stage.room / "journal.sqlite3") as journal:
            (count,) = journal.execute("SELECT count(*) FROM changes").fetchone()
        journal.close()
        assert count > 0


async def test_the_journal_is_for_its_owner_only(open_stage: OpenStage) -> None:
    async with open_stage(confirm="off") as stage:
        await stage.call(*CALLS[0][:1], **CALLS[0][1])
        modes = {
            path.name: path.stat().st_mode & 0o077 for path in stage.room.iterdir() if path.name.startswith("journal")
        }
        assert modes
        assert not any(modes.values())
