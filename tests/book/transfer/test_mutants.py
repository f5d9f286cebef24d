"""Broken files: a clear refusal or rows, never a traceback, and never one row less than was said."""

from __future__ import annotations

import json
import random
import zipfile
from io import BytesIO
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support import OpenStage
from support.clock import HURRIED, Backend

from contacts_mcp.book.transfer.limits import LONGEST_CELL, MOST_COLUMNS
from contacts_mcp.book.transfer.mapping import mapping_of
from contacts_mcp.book.transfer.own import guarded, joined_tags, parted_tags, unguarded
from contacts_mcp.book.transfer.planning import Asked, plan_file
from contacts_mcp.book.transfer.reading import rows_of
from contacts_mcp.book.transfer.report import report
from contacts_mcp.book.transfer.sources import choosing, pasted
from contacts_mcp.errors import ContactsError, Refused

IMPORTS = Path(__file__).parent / "imports"
FILES = sorted(path for path in IMPORTS.iterdir() if path.is_file() and path.name != "README.md")
MUTANTS = 240


@pytest.fixture
def anyio_backend() -> Backend:
    return HURRIED


def outcome(data: bytes) -> str:
    """The kind of the refusal, or "read" for rows of which each has its decision."""
    try:
        source = choosing.read(BytesIO(data))
        head, *rows = map(json.loads, report(source, mapping_of(source), name="mutant", region="US"))
    except Refused as error:
        refused = error
    else:
        assert head["rows"] == len(rows) == sum(head["counts"].values())
        assert all(row.get("phone") or row.get("refused") for row in rows)
        return "read"
    assert str(refused).endswith("Nothing was imported.")
    return refused.kind


def mutant(number: int) -> bytes:
    dice = random.Random(number)
    data = FILES[number % len(FILES)].read_bytes()
    at, to = sorted(dice.randrange(len(data) + 1) for _ in range(2))
    byte = bytes([dice.randrange(256)])
    noise = bytes(dice.randrange(256) for _ in range(9))
    return dice.choice(
        [
            data[:at],
            data[at:],
            data[:at] + data[to:],
            data[:to] + data[at:to] * 3 + data[to:],
            data.replace(b",", b";").replace(b"\t", b"|"),
            data[:at] + b"\0" * dice.randrange(1, 400) + data[at:],
            data[:at] + b'"' + data[at:],
            data[:at] + byte * 3 + data[to:],
            data.replace(dice.choice([b"\n", b":", b'"', b"=", b"<"]), byte),
            data[:at] + noise + data[at:to] + noise + data[to:],
            data + FILES[dice.randrange(len(FILES))].read_bytes(),
        ]
    )


@pytest.mark.parametrize("number", range(MUTANTS))
def test_a_mutant_is_read_or_refused(number: int) -> None:
    assert outcome(mutant(number))


@pytest.mark.parametrize(
    ("data", "kind"),
    [
        pytest.param(b"", "empty", id="nothing"),
        pytest.param(b" \r\n\0\0", "empty", id="blank"),
        pytest.param(b"%PDF-1.7 ...", "not_readable", id="PDF"),
        pytest.param(b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(600), "not_readable", id="old Excel"),
        pytest.param(bytes(range(1, 32)) * 90, "not_readable", id="a program"),
        pytest.param(b"Name,Phone\nAda,5105550101\n" + b"x" * 10_000_000, "line_too_long", id="10 MB in a line"),
        pytest.param(b'Name,Phone\nAda,"' + b"x\n" * 500_000, "cell_too_long", id="a quote without its partner"),
        pytest.param(
            b",".join(b"Phone%d" % at for at in range(MOST_COLUMNS + 1)) + b"\n1", "too_many_columns", id="columns"
        ),
        pytest.param(b"PK\x03\x04" + bytes(900), "not_readable", id="a broken archive"),
        pytest.param(b'Name,Phone\nAda,"' + b"x" * 10_000_000 + b'"\n', "line_too_long", id="a cell of 10 MB"),
        pytest.param(b'{"phone": "' + b"5" * 10_000_000 + b'"}\n', "line_too_long", id="a JSON text of 10 MB"),
    ],
)
def test_a_file_as_a_whole_is_refused(data: bytes, kind: str) -> None:
    assert outcome(data) == kind


def test_a_file_that_is_not_in_the_given_encoding_is_refused() -> None:
    with pytest.raises(Refused, match="not in utf-16") as refused:
        choosing.read(BytesIO(b"Name,Phone\nAda,5105550101\n"), encoding="UTF-16")
    assert refused.value.kind == "wrong_encoding"


def test_a_long_cell_refuses_its_row_alone() -> None:
    source = choosing.read(BytesIO(b"Name,Phone\n" + b"x" * (LONGEST_CELL + 1) + b",5105550101\nAda,5105550102\n"))
    assert [record.refused for record in source.records()] == ["cell_too_long", ""]


def test_a_file_of_too_many_rows_is_refused() -> None:
    source = choosing.read(BytesIO(b"Name,Phone\n" + b"a,b\n" * 11))
    assert len(list(rows_of(source, mapping_of(source), region="US", most=11))) == 11
    with pytest.raises(Refused, match="more than 10 rows"):
        list(rows_of(source, mapping_of(source), region="US", most=10))


def archive(**parts: bytes) -> bytes:
    held = BytesIO()
    with zipfile.ZipFile(held, "w", zipfile.ZIP_DEFLATED) as packed:
        for name, data in parts.items():
            packed.writestr(name.replace("__", "/").replace("_xml", ".xml"), data)
    return held.getvalue()


def sheet(rows: str) -> bytes:
    """A spreadsheet of the fixtures with other rows."""
    held = BytesIO()
    with (
        zipfile.ZipFile(IMPORTS / "xlsx-same-headers.xlsx") as fixture,
        zipfile.ZipFile(held, "w", zipfile.ZIP_DEFLATED) as packed,
    ):
        for name in fixture.namelist():
            data = fixture.read(name)
            if name == "xl/worksheets/sheet1.xml":
                start, _, _ = data.partition(b"<dimension")
                data = start + f"<sheetData>{rows}</sheetData></worksheet>".encode()
            packed.writestr(name, data)
    return held.getvalue()


def cell(place: str, text: str) -> str:
    return f'<c r="{place}" t="inlineStr"><is><t>{text}</t></is></c>'


TABLE = (
    f'<row r="3">{cell("B3", "Name")}{cell("C3", "Phone")}</row>'
    f'<row r="5">{cell("B5", "Ada Byron")}<c r="C5"><v>5105550101</v></c></row>'
)


@pytest.mark.parametrize(
    ("data", "kind"),
    [
        pytest.param(archive(xl__workbook_xml=bytes(30_000_000)), "too_large", id="a bomb"),
        pytest.param(archive(word__document_xml=b"<w/>"), "not_readable", id="a document"),
        pytest.param(sheet(TABLE + f'<row r="1048576">{cell("B1048576", "x")}</row>'), "too_many_rows", id="a far row"),
        pytest.param(
            sheet(f'<row r="1">{cell("A1", "Phone")}{cell("XFD1", "x")}</row>'), "too_many_columns", id="a far cell"
        ),
        pytest.param(sheet(TABLE), "read", id="a table in the middle"),
    ],
)
def test_an_archive_cannot_harm(data: bytes, kind: str) -> None:
    assert outcome(data) == kind


def test_the_rows_of_a_sheet_keep_their_numbers() -> None:
    source = choosing.read(BytesIO(sheet(TABLE)))
    assert (source.header_line, [record.line for record in source.records()]) == (3, [5])


def test_errors_and_formulas_stand_in_their_own_cells() -> None:
    error = f'<row r="6" hidden="1">{cell("B6", "Ben")}<c r="C6" t="e"><v>#N/A</v></c></row>'
    formula = f'<row r="7">{cell("B7", "Cy")}<c r="C7"><f>A1&amp;B1</f></c></row>'
    *_, without, unstored = choosing.read(BytesIO(sheet(TABLE + error + formula))).records()
    assert (without.cells, without.notes) == ({"Name": "Ben", "Phone": "#N/A"}, ("hidden_row",))
    assert unstored.cells == {"Name": "Cy", "Phone": "=A1&B1"}


def test_a_pasted_table_is_bounded() -> None:
    with pytest.raises(ContactsError, match="in parts, or as a file"):
        pasted.read("Phone\n" + "5105550101\n" * 300)


@given(st.text())
def test_any_pasted_text_is_read_or_refused(text: str) -> None:
    try:
        source = pasted.read(text)
        list(report(source, mapping_of(source), name="pasted", region="US"))
    except Refused:
        pass


# The guard of formulas, and the tags in a cell

SIGNS = st.text(alphabet="'=+-@\t\r a1")


@given(st.one_of(SIGNS, st.text()))
def test_the_guard_of_formulas_loses_nothing(text: str) -> None:
    assert unguarded(guarded(text)) == text
    assert guarded(text)[:1] not in ("=", "+", "-", "@", "\t", "\r")


@given(st.one_of(SIGNS, st.text()), st.one_of(SIGNS, st.text()))
def test_two_texts_have_two_guarded_forms(one: str, other: str) -> None:
    assert (guarded(one) == guarded(other)) == (one == other)


@given(st.lists(st.text(" aé🌸\n\r\t\"',;|", min_size=1)))
def test_tags_come_back_from_their_cell(names: list[str]) -> None:
    assert parted_tags(joined_tags(names)) == names


# The same files, planned against a book

ENCODINGS = ("", "", "", "utf-8", "utf-16", "utf-32", "cp1252", "cp932", "utf-7", "idna", "punycode", "hz", "gb18030")


@pytest.mark.parametrize("part", range(8))
async def test_a_mutant_is_planned_or_refused_and_nothing_is_written(open_stage: OpenStage, part: int) -> None:
    async with open_stage() as stage:
        book = await stage.book()
        before = stage.people()
        for number in range(part, MUTANTS, 8):
            encoding = random.Random(number).choice(ENCODINGS)
            plan = await book.imports.begin("file", {"file": "mutant"}, Asked().as_json())
            try:
                source = choosing.read(BytesIO(mutant(number)), region="US", encoding=encoding)
                made = await plan_file(book, plan, source, Asked())
            except ContactsError:
                continue
            rows = [row async for row in book.imports.every_row(made.plan)]
            assert sum(made.counts.get("decisions", {}).values()) == len(rows)
        assert {request.operation for request in stage.sandbox.requests} <= READS
        assert stage.people() == before


READS = {"search_contacts", "list_fields", "list_tags", "get_team", "find_contact", "get_contact", "count_contacts"}


async def test_half_characters_of_a_file_are_kept_in_its_plan(open_stage: OpenStage) -> None:
    async with open_stage() as stage:
        book = await stage.book()
        source = choosing.read(BytesIO(b'{"phone": "5105550190", "first": "a\\ud800b", "N\\udc00te": "\\ud800"}\n'))
        made = await plan_file(book, await book.imports.begin("file", {"file": "\udcff"}, {}), source, Asked())
        (row,) = [row async for row in book.imports.every_row(made.plan)]
        assert (row.decision, row.shown["cells"]["first"]) == ("new", "a\ud800b")
        assert row.wanted == {"phone": "15105550190"}
