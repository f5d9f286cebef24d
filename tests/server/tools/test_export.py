"""`export_contacts` through the real chain: its contacts, its file, and the words about a part."""

from __future__ import annotations

import csv
import os
from collections import Counter
from dataclasses import replace
from datetime import datetime
from io import BytesIO, StringIO
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from support import OpenSession, Session, text_of

from contacts_mcp.book.search.filters import Filters
from contacts_mcp.book.search.search import everybody_in
from contacts_mcp.book.transfer.mapping import mapping_of
from contacts_mcp.book.transfer.reading import Row, rows_of
from contacts_mcp.book.transfer.sources import choosing
from contacts_mcp.sandbox import Fault
from contacts_mcp.sandbox.operations import WRITES
from contacts_mcp.words.names import Named, Names

VIP, PLAN = 101, "31"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "lists"
    made.mkdir()
    return made


def table(path: str | Path) -> list[dict[str, str]]:
    return [*csv.DictReader(StringIO(Path(path).read_text(encoding="utf-8-sig"), newline=""))]


def names_in(folder: Path) -> list[str]:
    return [each.name for each in folder.iterdir()]


def people(session: Session) -> list[dict[str, Any]]:
    return sorted(session.sandbox.store.contacts(), key=lambda one: one["phone"])


@pytest.mark.parametrize("index", ["disk", "memory", "off"])
async def test_the_whole_book_is_written_by_phone(open_session: OpenSession, folder: Path, index: str) -> None:
    async with open_session(files=[folder], index=index) as session:
        facts = await session.ok("export_contacts", file="contacts.csv")
        rows = table(folder / "contacts.csv")
        wanted = people(session)
    assert (facts["complete"], facts["contacts"]) == (True, len(wanted))
    assert facts["file"] == str(folder / "contacts.csv")
    assert [row["contact id"] for row in rows] == [str(one["id"]) for one in wanted]
    assert [row["phone"].replace(" ", "") for row in rows] == [f"+{one['phone']}" for one in wanted]
    assert (folder / "contacts.csv").stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("index", ["disk", "off"])
@pytest.mark.parametrize(
    ("filters", "passes"),
    [
        ({"tag": "VIP"}, lambda one: VIP in one["tags"]),
        ({"Plan": "gold"}, lambda one: one["custom"].get(PLAN) == "Gold"),
        ({"opted_out": "true"}, lambda one: one["is_opted_out"] is True),
        ({"has_email": "no"}, lambda one: not one["email"]),
        ({"country": "GB"}, lambda one: one["phone"].startswith("44")),
        ({"created_after": "2026-05-01"}, lambda one: one["created"] >= "2026-05-01"),
    ],
    ids=["tag", "value", "opted out", "without e-mail", "country", "created"],
)
async def test_the_filters_are_those_of_the_search(
    open_session: OpenSession, folder: Path, index: str, filters: dict[str, Any], passes: Any
) -> None:
    async with open_session(files=[folder], index=index) as session:
        facts = await session.ok("export_contacts", file="some.csv", where=filters)
        wanted = {str(one["id"]) for one in people(session) if passes(one)}
    assert wanted
    assert facts["complete"] is True
    assert {row["contact id"] for row in table(folder / "some.csv")} == wanted


async def test_the_contacts_are_read_again_in_batches_before_they_are_written(
    open_session: OpenSession, folder: Path
) -> None:
    async with open_session(files=[folder], contacts=230) as session:
        await session.ok("search_contacts", limit=1)
        await session.ok("export_contacts", file="contacts.csv")
        assert session.operations.count("search_contacts") == 3
        assert "get_contact" not in session.operations


@pytest.mark.parametrize("ending", ["csv", "xlsx", "vcf", "jsonl"])
async def test_an_export_is_read_back_as_the_contacts_that_it_was_made_of(
    open_session: OpenSession, folder: Path, ending: str
) -> None:
    async with open_session(files=[folder]) as session:
        await session.ok("export_contacts", file=f"contacts.{ending}")
        wanted = people(session)
        fields = Names("custom field", [Named(one["id"], one["title"]) for one in session.sandbox.store.fields()])
    found = read((folder / f"contacts.{ending}").read_bytes(), fields)
    assert [told(row) for row in found] == [
        {
            **{name: one[name] for name in ("phone", "first", "last", "display_name", "email")},
            "opt_out": one["is_opted_out"],
            "custom": {fields.label(int(number)): text for number, text in one["custom"].items() if text},
            "id": str(one["id"]),
        }
        for one in wanted
    ]


def read(data: bytes, fields: Names) -> list[Row]:
    source = choosing.read(BytesIO(data))
    assert source.is_ours
    return [*rows_of(source, mapping_of(source, fields=fields), region="US")]


def told(row: Row) -> dict[str, Any]:
    names = ("phone", "first", "last", "display_name", "email", "opt_out", "custom")
    return {name: getattr(row, name) for name in names} | {"id": row.other["contact id"]}


async def test_few_contacts_are_answered_as_text(session: Session) -> None:
    facts = await session.ok("export_contacts", where={"tag": "VIP", "opted_out": True})
    rows = [*csv.DictReader(StringIO(facts["text"], newline=""))]
    assert [row["contact id"] for row in rows] == [
        str(one["id"]) for one in people(session) if VIP in one["tags"] and one["is_opted_out"]
    ]
    assert "file" not in facts


async def test_many_contacts_need_a_file(open_session: OpenSession, folder: Path) -> None:
    async with open_session(files=[folder]) as session:
        told = text_of(await session.call("export_contacts"))
    assert "too many for an answer, which holds 25. Give file." in told


async def test_where_no_folder_is_open_the_answer_says_how_to_go_on(open_session: OpenSession) -> None:
    async with open_session(files=[]) as session:
        for given in {}, {"file": "contacts.csv"}:
            told = text_of(await session.call("export_contacts", **given))
            assert "Give file" not in told
            assert "page with search_contacts (detail full, next_cursor)" in told
            assert "contacts-mcp export FILE" in told
        page = await session.ok("search_contacts", detail="full")
        assert page["next_cursor"], "the way that was told is none"


@pytest.mark.parametrize(
    ("file", "kind"),
    [
        ("../contacts.csv", "outside_folders"),
        ("/etc/contacts.csv", "outside_folders"),
        ("link.csv", "link"),
        ("taken.csv", "name_taken"),
        ("gone/contacts.csv", "not_found"),
        ("contacts.txt", "invalid_argument"),
    ],
)
async def test_a_file_that_may_not_be_written_is_refused_before_anything_is_read(
    open_session: OpenSession, folder: Path, tmp_path: Path, file: str, kind: str
) -> None:
    (folder / "taken.csv").write_text("theirs")
    (folder / "link.csv").symlink_to(tmp_path / "elsewhere.csv")
    async with open_session(files=[folder]) as session:
        session.sandbox.requests.clear()
        assert await session.kind_of("export_contacts", file=file) == kind
        assert session.operations == []
    assert (folder / "taken.csv").read_text() == "theirs"
    assert not (tmp_path / "elsewhere.csv").exists()


async def test_a_file_is_overwritten_only_when_told(open_session: OpenSession, folder: Path) -> None:
    (folder / "taken.csv").write_text("theirs")
    async with open_session(files=[folder]) as session:
        await session.ok("export_contacts", file="taken.csv", where={"tag": "VIP"}, overwrite=True)
    assert table(folder / "taken.csv")


async def test_without_folders_no_file_is_written(open_session: OpenSession) -> None:
    async with open_session(files=[]) as session:
        assert await session.kind_of("export_contacts", file="contacts.csv") == "no_folders"


async def test_it_reads_and_so_it_is_there_for_reading_only(open_session: OpenSession, folder: Path) -> None:
    async with open_session(files=[folder], read_only=True) as session:
        await session.ok("export_contacts", file="vips.csv", where={"tag": "VIP"})
        assert session.operations
        assert not {*session.operations} & WRITES


@pytest.mark.parametrize("ending", ["csv", "xlsx", "vcf", "jsonl"])
async def test_a_full_disk_is_told_and_leaves_nothing(
    open_session: OpenSession, folder: Path, ending: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    async with open_session(files=[folder], index="memory") as session:
        text = await session.refused("export_contacts", file=f"contacts.{ending}")
    assert "No space left on device" in text
    assert names_in(folder) == []


@pytest.mark.parametrize("pages", [1, 5])
@pytest.mark.parametrize("index", ["memory", "off"])
async def test_a_part_of_the_book_says_so_in_the_answer_and_in_the_name(
    open_session: OpenSession, folder: Path, index: str, pages: int
) -> None:
    async with open_session(files=[folder], index=index, contacts=1_500) as session:
        session.sandbox.faults.add(Fault("list_contacts", "status", times=-1, skip=pages))
        result = await session.call("export_contacts", file="contacts.csv")
        facts = result.structured_content
        assert (facts["complete"], facts["file"]) == (False, str(folder / "contacts.partial.csv"))
        assert "complete: false" in text_of(result)
        assert set(facts["note_kinds"]) & {"book_partial", "stopped_early"}
    assert names_in(folder) == ["contacts.partial.csv"]
    assert 0 < len(table(folder / "contacts.partial.csv")) == facts["contacts"] < 1_500


async def test_a_service_that_fails_between_two_batches_leaves_a_part(open_session: OpenSession, folder: Path) -> None:
    async with open_session(files=[folder], contacts=230) as session:
        await session.ok("search_contacts", limit=1)
        session.sandbox.faults.add(Fault("search_contacts", "status", times=-1, skip=2))
        facts = await session.ok("export_contacts", file="contacts.csv")
    assert (facts["complete"], facts["contacts"]) == (False, 200)
    assert facts["note_kinds"] == ["stopped_early"]


async def test_a_contact_that_was_changed_behind_the_mirror_is_judged_anew(
    open_session: OpenSession, folder: Path
) -> None:
    """Its change is not in the list yet, and the look before the writing shows it."""
    async with open_session(files=[folder], index="memory", contacts=400) as session:
        await session.ok("search_contacts", limit=1)
        vips = [one["id"] for one in people(session) if VIP in one["tags"]]
        mirror = (await session.workspace.book()).mirror
        row = (await mirror.ask(lambda index: index.rows(vips[:1])))[0]
        others = [one for one in people(session) if VIP not in one["tags"]]
        oldest = min(others, key=lambda one: one["updated"])["id"]  # on no page that a refresh reads
        stale = (await mirror.ask(lambda index: index.rows([oldest])))[0]
        await mirror.ask(lambda index: index.upsert([replace(stale, tags=row.tags)]))
        assert oldest in await mirror.ask(lambda index: everybody_in(index, Filters(tags=(VIP,))))
        await session.ok("export_contacts", file="vips.csv", where={"tag": "VIP"})
    assert {int(each["contact id"]) for each in table(folder / "vips.csv")} == {*vips}


async def test_the_book_is_shown_in_counts(session: Session) -> None:
    result = await session.call("export_contacts", by="Plan")
    facts, everybody = result.structured_content, people(session)
    counts = {(one["part"], one["name"]): one.get("contacts") for one in facts["counts"]}
    assert (facts["contacts"], facts["complete"]) == (len(everybody), True)
    assert counts["tag", "VIP"] == sum(VIP in one["tags"] for one in everybody)
    assert counts["filled", "e-mail"] == sum(bool(one["email"]) for one in everybody)
    assert counts["filled", "Plan"] == sum(bool(one["custom"].get(PLAN)) for one in everybody)
    assert counts["opted out", "yes"] == sum(one["is_opted_out"] is True for one in everybody)
    assert counts["Plan", "Gold"] == sum(one["custom"].get(PLAN) == "Gold" for one in everybody)
    assert sum(count for (part, _), count in counts.items() if part == "created") == len(everybody)
    assert "| tag | VIP |" in text_of(result)


async def test_months_are_those_of_the_time_zone(open_session: OpenSession) -> None:
    async with open_session(time_zone="Pacific/Auckland") as session:
        facts = await session.ok("export_contacts", by="all")
        zone = ZoneInfo("Pacific/Auckland")
        created = Counter(f"{datetime.fromisoformat(one['created']).astimezone(zone):%Y-%m}" for one in people(session))
    told = {one["name"]: one["contacts"] for one in facts["counts"] if one["part"] == "created"}
    assert {name: count for name, count in told.items() if name != "before"}.items() <= created.items()


async def test_counts_take_no_file_and_no_filter(session: Session) -> None:
    assert (await session.refusal("export_contacts", by="Plan", file="x.csv"))["argument"] == "by"
    assert (await session.refusal("export_contacts", by="Plan", where={"tag": "VIP"}))["argument"] == "by"
    assert await session.kind_of("export_contacts", by="Shoe size") == "unknown_name"


async def test_without_an_index_there_are_no_counts_and_the_answer_says_why(open_session: OpenSession) -> None:
    async with open_session(index="off") as session:
        facts = await session.ok("export_contacts", by="all")
    assert (facts["counts"], facts["complete"], facts["note_kinds"]) == ([], False, ["index_off"])
    assert "contacts" not in facts  # nobody counted them, and 0 would be a number


async def test_a_filter_that_cannot_be_used_is_refused(session: Session) -> None:
    assert (await session.refusal("export_contacts", where={"opted_out": "perhaps"}))["argument"] == "where"
    assert await session.kind_of("export_contacts", where={"Shoe size": "9"}) == "unknown_name"


async def test_a_name_like_a_formula_is_no_formula_in_the_file(open_session: OpenSession, folder: Path) -> None:
    async with open_session(files=[folder]) as session:
        made = await session.ok("create_contact", phone="510 555 7781", first="=HYPERLINK(1)", last="@x")
        await session.ok("export_contacts", file="contacts.csv")
    assert made["status"] == "created"
    (row,) = (each for each in table(folder / "contacts.csv") if each["phone"] == "+1 5105557781")
    assert (row["first"], row["last"]) == ("'=HYPERLINK(1)", "'@x")


@pytest.mark.parametrize("name", ["query", "sort", "tag_match", "custom_fields"])
async def test_a_parameter_of_the_search_that_is_no_filter_is_refused_with_the_filters(
    session: Session, name: str
) -> None:
    """Taken for a custom field, it would be refused with a list of fields, which leads nowhere."""
    facts = await session.refusal("export_contacts", where={name: "name"})
    assert facts["argument"] == "where"
    assert f"{name} is no filter here. Filters: tag, opted_out," in facts["message"]
