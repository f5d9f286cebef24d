"""Our own reader gives back every text of an exported file as it was, in each format."""

from __future__ import annotations

import csv
import json
import re
import zipfile
from io import BytesIO, StringIO
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from contacts_mcp.book.transfer.formats import Format, line_of, write
from contacts_mcp.book.transfer.mapping import mapping_of
from contacts_mcp.book.transfer.reading import Row, rows_of
from contacts_mcp.book.transfer.sources import choosing
from contacts_mcp.book.transfer.sources.source import Source
from contacts_mcp.book.vocabulary import Snapshot
from contacts_mcp.models import Contact
from contacts_mcp.words.areas import code_apart
from contacts_mcp.words.names import Named, Names

FORMATS: tuple[Format, ...] = ("csv", "xlsx", "vcard", "vcard4", "jsonl")
FIELDS = {31: "Plan", 32: "email", 33: "Region", 34: "region", 35: "=cmd"}
TAGS = {101: "VIP", 102: 'a, "b"; c', 103: "+1"}
NAMES = Snapshot(
    Names("custom field", [Named(*one) for one in FIELDS.items()]),
    Names("tag", [Named(*one) for one in TAGS.items()]),
    Names("team member", [Named(501, "Pat Lee", ("pat@acme.org",)), Named(502, "Al")]),
)
CUSTOM = ("Plan", "email (32)", "Region (33)", "region (34)", "=cmd")


def exported(contacts: list[Contact], kind: Format) -> bytes:
    stream = BytesIO()
    write(stream, kind, [line_of(one, NAMES) for one in contacts], CUSTOM)
    return stream.getvalue()


def read_back(data: bytes) -> tuple[Source, list[Row]]:
    source = choosing.read(BytesIO(data))
    mapping = mapping_of(source, fields=NAMES.fields)
    return source, list(rows_of(source, mapping, region="US"))


def facts(row: Row) -> dict[str, Any]:
    names = ("phone", "first", "last", "display_name", "email", "avatar", "assignee", "tags", "opt_out", "custom")
    return {name: getattr(row, name) for name in names} | {"refused": row.refused}


def wanted(contact: Contact) -> dict[str, Any]:
    line = line_of(contact, NAMES)
    return {
        **{name: getattr(contact, name) for name in ("phone", "first", "last", "display_name", "email", "avatar")},
        "assignee": line.cells["assignee"],
        "tags": line.tags,
        "opt_out": contact.is_opted_out,
        "custom": {NAMES.fields.label(number): text for number, text in contact.custom.items() if text},
        "refused": "",
    }


# Every text that a file can hold: no half characters, and no NUL, which no format has a place for.
TEXTS = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=30) | st.sampled_from(
    [
        "=1+1",
        "'=1",
        "''=x",
        "@x",
        "\t",
        " ",
        "a\r\nb",
        "\rx",
        "\\n",
        "\\",
        "a;b,c",
        '"',
        "0042",
        "true",
        "_x0041_",
        " " * 200,
    ]
)
CONTACTS = st.builds(
    Contact,
    id=st.integers(1, 10**9),
    phone=st.sampled_from(["15105550101", "447911123456", "4915112345678", "33612345678"]),
    first=TEXTS,
    last=TEXTS,
    display_name=TEXTS,
    email=TEXTS,
    avatar=TEXTS,
    custom=st.dictionaries(st.sampled_from([*FIELDS]), TEXTS, max_size=4),
    tags=st.lists(st.sampled_from([*TAGS]), unique=True, max_size=3).map(tuple),
    assigned_user_id=st.sampled_from([None, 501, 502]),
    is_opted_out=st.sampled_from([True, False, None]),
    created=st.just("2026-01-02T03:04:05Z"),
    updated=st.just("2026-01-02T03:04:06Z"),
)


@pytest.mark.parametrize("kind", FORMATS)
@given(contacts=st.lists(CONTACTS, min_size=1, max_size=3))
@example(contacts=[Contact(id=1, phone="15105550101", first="=1+1", last="'=2", custom={31: " \r\n", 35: "\t"})])
def test_what_is_exported_is_read_back_text_for_text(kind: Format, contacts: list[Contact]) -> None:
    source, rows = read_back(exported(contacts, kind))
    assert source.is_ours
    assert [facts(row) for row in rows] == [wanted(contact) for contact in contacts]


JORDAN = Contact(
    id=7, phone="15105550101", first="=cmd()", last="-1", custom={31: "@x", 35: "Gold"}, tags=(101, 102), rev=3
)


def test_csv_has_the_mark_the_ends_and_the_order_that_spreadsheets_and_our_import_expect() -> None:
    header, row, end = exported([JORDAN], "csv").decode().split("\r\n")
    assert header == (
        "\ufeffphone,first,last,display_name,email,tags,assignee,opted out,avatar,"
        "Plan,email (32),Region (33),region (34),'=cmd,created,updated,contact id"
    )
    assert row == '+1 5105550101,\'=cmd(),\'-1,,,"VIP; ""a, """"b""""; c""",,,,\'@x,,,,Gold,,,7'
    assert end == ""


@given(texts=st.lists(TEXTS, min_size=1, max_size=9))
def test_no_cell_of_a_csv_begins_as_a_formula_but_the_phone_that_is_none(texts: list[str]) -> None:
    contacts = [Contact(id=1, phone="15105550101", first=text, custom={31: text, 35: text}) for text in texts]
    table = [*csv.reader(StringIO(exported(contacts, "csv").decode("utf-8-sig"), newline=""))]
    assert len(table) == 1 + len(texts)
    for phone, *others in table:
        assert phone in ("phone", "+1 5105550101")
        assert [cell for cell in others if cell.startswith(("=", "+", "-", "@", "\t", "\r"))] == []


def test_a_sheet_holds_texts_alone_under_a_header_that_stays() -> None:
    with zipfile.ZipFile(BytesIO(exported([JORDAN], "xlsx"))) as archive:
        sheet = archive.read("xl/worksheets/sheet1.xml").decode()
    assert "<f>" not in sheet
    assert {*re.findall(r' t="(\w+)"', sheet)} == {"inlineStr"}
    assert 'state="frozen"' in sheet
    assert "=cmd()" in sheet


def test_a_card_is_one_that_any_address_book_reads() -> None:
    lines = exported([JORDAN], "vcard").decode().split("\r\n")
    assert lines[:3] == ["BEGIN:VCARD", "VERSION:3.0", "PRODID:-//contacts_mcp//export//EN"]
    assert {"N:-1;=cmd();;;", "FN:=cmd() -1", "TEL;TYPE=CELL:+1 5105550101"} < {*lines}
    assert 'CATEGORIES:VIP,a\\, "b"\\; c' in lines
    assert lines[-2:] == ["END:VCARD", ""]
    assert "VERSION:4.0" in exported([JORDAN], "vcard4").decode()


def test_the_lines_of_a_card_are_folded_at_75_bytes() -> None:
    data = exported([Contact(id=1, phone="15105550101", first="日本" * 100)], "vcard")
    assert max(map(len, data.split(b"\r\n"))) <= 75


def test_json_lines_hold_everything_ids_too() -> None:
    (told,) = map(json.loads, exported([JORDAN], "jsonl").splitlines())
    assert (told["contact id"], told["rev"], told["tag_ids"], told["opted out"]) == (7, 3, [101, 102], None)
    assert told["custom"] == {"Plan": "@x", "=cmd": "Gold"}
    assert told["field_ids"] == {"Plan": 31, "=cmd": 35}


def test_cards_of_ours_among_others_are_read_as_any() -> None:
    other = b"BEGIN:VCARD\r\nVERSION:3.0\r\nN:Lee;Ann;;;\r\nTEL:+15105550102\r\nEND:VCARD\r\n"
    source, rows = read_back(exported([JORDAN], "vcard") + other)
    assert not source.is_ours
    assert [(row.phone, row.last) for row in rows] == [("15105550101", "-1"), ("15105550102", "Lee")]


@pytest.mark.parametrize(
    ("digits", "written"),
    [
        ("15105550101", "+1 5105550101"),
        ("447911123456", "+44 7911123456"),
        ("35312345678", "+353 12345678"),
        ("9991234", "+9 991234"),
        ("", ""),
    ],
)
def test_a_phone_has_a_blank_behind_its_code(digits: str, written: str) -> None:
    assert code_apart(digits) == written
