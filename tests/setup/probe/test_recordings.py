"""Recorded services: a probe that is played a recording sees what the recorded one saw, and no value of a person.

A file in `recordings` is a service to test against. To add one is to add a test.
"""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from support import HURRIED, Backend
from support.probing import RUN, wrong
from support.replay import Replay

from contacts_mcp.config import Settings
from contacts_mcp.sandbox import Behaviour, Sandbox, open_sandbox
from contacts_mcp.setup.probe.report import markdown, table
from contacts_mcp.setup.probe.running import Plan, Probed, probe
from contacts_mcp.workspace import Workspace

RECORDINGS = sorted((Path(__file__).parent / "recordings").glob("*.json"))
UNLIKE = {
    "plain": Behaviour(requests_per_minute=0),
    "unlike": Behaviour(
        requests_per_minute=0,
        create_status=201,
        error_body="html",
        not_found="null",
        known_phone="double",
        batch_reply="contacts",
        put_without_names="keep",
        tags_on_put="add",
        unknown_custom_key="reject",
        clears_with="null",
        cursor="inclusive",
        honours_page=True,
        honours_limit=True,
        timestamps="micros",
        offset="-05:00",
        empty_members="send",
        phone_plus=True,
        tag_shape="object",
        lists="wrapped",
        ids_as_strings=True,
        field_name_key="name",
        count_shape="object",
    ),
}


@pytest.fixture
def anyio_backend() -> Backend:
    return HURRIED


async def probed_by(service: Sandbox | Replay, room: Path, *, run: str = RUN, record: Path | None = None) -> Probed:
    settings = Settings.load(sandbox=True, data_dir=room, requests_per_minute=100_000)
    workspace = Workspace(settings, sandbox=service)  # type: ignore[arg-type]  # it plays the part of a sandbox
    try:
        return await probe(await workspace.book(), Plan(writes=True, run=run, record=record))
    finally:
        await workspace.aclose()


def test_two_recordings_are_shipped() -> None:
    assert {"plain.json", "unlike.json"} <= {file.name for file in RECORDINGS}


@pytest.mark.parametrize("file", RECORDINGS, ids=lambda file: file.stem)
async def test_a_recorded_service_is_seen_as_it_was(file: Path, tmp_path: Path) -> None:
    service = Replay(file)
    end = await probed_by(service, tmp_path, run=service.run)
    seen = {name: seen.position for name, seen in end.found.items() if name != "latency"}
    assert seen == {name: position for name, position in service.positions.items() if name != "latency"}
    assert service.unknown == []
    assert end.is_clean


@pytest.mark.parametrize("file", RECORDINGS, ids=lambda file: file.stem)
async def test_ordinary_calls_read_a_recorded_service(file: Path, tmp_path: Path) -> None:
    settings = Settings.load(sandbox=True, data_dir=tmp_path)
    workspace = Workspace(settings, sandbox=Replay(file))  # type: ignore[arg-type]  # it plays the part of a sandbox
    try:
        book = await workspace.book()
        fields, tags = await book.api.list_custom_fields(), await book.api.list_tags()
        page = await book.api.list_contacts()
    finally:
        await workspace.aclose()
    assert fields
    assert any(field.label for field in fields)
    assert tags
    assert page
    assert all(contact.phone.isdecimal() and contact.updated_at for contact in page)
    assert page.unread == ()


@pytest.mark.parametrize("name", UNLIKE)
async def test_a_recording_and_a_report_hold_no_value_of_a_person(name: str, tmp_path: Path) -> None:
    sandbox = open_sandbox(behaviour=UNLIKE[name])
    end = await probed_by(sandbox, tmp_path / "first", record=tmp_path / "record.json")
    assert wrong(end, UNLIKE[name]) == {}
    told = [(tmp_path / "record.json").read_text(encoding="utf-8"), markdown(end.found, end.notes), table(end.found)]
    for text in told:
        assert [value for value in values_in(sandbox) if re.search(rf"\b{re.escape(value)}\b", text)] == []
        assert "sandbox-api-key" not in text


def values_in(sandbox: Sandbox) -> set[str]:
    """Every text about somebody that the sandbox holds, and every name of the account."""
    records = sandbox.state.records
    people = [
        text
        for row in records.contacts()
        for text in (
            *(row[name] for name in ("first", "last", "email", "phone", "avatar", "uuid")),
            *row["custom"].values(),
        )
    ]
    named = [
        row[key] for table, key in (("members", "name"), ("members", "email")) for row in getattr(records, table)()
    ]
    named += [row["tag"] for row in records.tags()] + [row["title"] for row in records.fields()]
    named += [row["name"] for row in records.inboxes()] + [records.team()["name"]]
    return {text for text in (*people, *named) if len(text) > 3 and text not in COMMON}


COMMON = {"Text", "text", "name", "Name", "Notes"}


@pytest.mark.parametrize("name", UNLIKE)
async def test_what_is_recorded_is_played_back_to_the_same_end(name: str, tmp_path: Path) -> None:
    """The first test, for recordings as this version writes them."""
    first = await probed_by(open_sandbox(behaviour=UNLIKE[name]), tmp_path / "a", record=tmp_path / "record.json")
    service = Replay(tmp_path / "record.json")
    again = await probed_by(service, tmp_path / "b", run=service.run)
    positions = [
        {name: seen.position for name, seen in end.found.items() if name != "latency"} for end in (first, again)
    ]
    assert positions[0] == positions[1]
    assert service.unknown == []
