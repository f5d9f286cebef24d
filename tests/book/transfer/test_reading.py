"""Rules of the reading beyond the files of `imports/`: other programs, languages and pages."""

from __future__ import annotations

import csv
import json
from contextlib import closing
from io import BytesIO, StringIO
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from contacts_mcp.book.transfer import own
from contacts_mcp.book.transfer.full_names import split_name
from contacts_mcp.book.transfer.headers import known
from contacts_mcp.book.transfer.mapping import mapping_of
from contacts_mcp.book.transfer.reading import Row, rows_of
from contacts_mcp.book.transfer.report import report
from contacts_mcp.book.transfer.sources import choosing
from contacts_mcp.book.transfer.twins import SeenInFile, Together
from contacts_mcp.book.transfer.wishes import wish_of
from contacts_mcp.book.vocabulary import Snapshot
from contacts_mcp.errors import InvalidArgument
from contacts_mcp.state.scratch import Scratch
from contacts_mcp.words.names import Named, Names

FIELDS = Names("custom field", [Named(31, "Plan"), Named(32, "Renewal date"), Named(33, "Email")])
NAMES = Snapshot(
    FIELDS, Names("tag", [Named(n, f"T{n}") for n in range(1, 8)]), Names("team member", [Named(9, "Pat Lee")])
)


def rows(data: str | bytes, region: str = "US", given: dict[str, str] | None = None) -> list[Row]:
    source = choosing.read(BytesIO(data if isinstance(data, bytes) else data.encode()), region=region)
    return list(rows_of(source, mapping_of(source, fields=FIELDS, given=given, region=region), region=region))


def together(text: str, *, fills: bool) -> list[Row]:
    """The first row of each phone, with what the later ones change about it."""
    source = choosing.read(BytesIO(text.encode()), region="US")
    mapping = mapping_of(source, fields=FIELDS)
    with closing(Scratch()) as scratch:
        seen = SeenInFile(scratch)
        all_rows = Together(scratch, source, mapping, lambda row: wish_of(row, NAMES), region="US", fills=fills)
        found = [row for row in rows_of(source, mapping, region="US") if not row.refused and not seen.first_with(row)]
        return [all_rows.first(row) for row in found]


def head(data: str | bytes, region: str = "US") -> dict[str, Any]:
    source = choosing.read(BytesIO(data if isinstance(data, bytes) else data.encode()), region=region)
    told: dict[str, Any] = json.loads(next(report(source, mapping_of(source, fields=FIELDS), name="x", region=region)))
    return told


@pytest.mark.parametrize(
    ("header", "target", "kind"),
    [
        ("Billing Phone", "phone", "main"),
        ("Mobile Phone #", "phone", "mobile"),
        ("Work Mobile No.", "phone", "mobile"),
        ("customer_cell_phone", "phone", "mobile"),
        ("HomePhone", "phone", "home"),
        ("Fax Number (work)", "phone", "never"),
        ("Phone number (for texts)", "phone", "mobile"),
        ("電話番号1", "phone", "main"),
        ("Phone 2 - Label", "phone_label", ""),
        ("Client's e-mail address", "email", ""),
        ("Assistant's mobile phone", None, None),
        ("Customer First Name", "first", ""),
        ("*Email", "email", ""),
        ("E-Mail 2: Adresse", "email", ""),
        ("Opted Out of SMS", "opt_out", ""),
        ("Text message consent", "consent", ""),
        ("Email Opt-Out", "consent_other", ""),
        ("Opt-out reason", None, None),
        ("Last contact", None, None),
        ("Emergency phone", None, None),
        ("Phone number status", None, None),
        ("Order #", "id", ""),
    ],
)
def test_a_header_is_known_by_its_words(header: str, target: str | None, kind: str | None) -> None:
    found = known(header)
    assert (found and found.target, found and found.kind) == (target, kind)


@pytest.mark.parametrize(
    ("page", "region"),
    [
        ("cp1252", "US"),
        ("mac_roman", "US"),
        ("cp850", "US"),
        ("cp1250", "PL"),
        ("cp1251", "RU"),
        ("cp932", "JP"),
        ("utf-16", "US"),
        ("utf-16-le", "US"),
        ("utf-32", "US"),
        ("utf-8-sig", "US"),
    ],
)
def test_the_page_of_a_file_is_found(page: str, region: str) -> None:
    names = {"PL": ("Łukasz", "Żółć"), "RU": ("Иван", "Ильин"), "JP": ("花子", "能登")}.get(region, ("José", "Größe"))
    data = f"First name;Last name;Phone\n{names[0]};{names[1]};+1 510 555 0101\n".encode(page)
    assert [(row.first, row.last) for row in rows(data, region)] == [names]


@pytest.mark.parametrize(
    ("table", "read"),
    [
        pytest.param("Nome;Cognome;Cellulare\nMarco;Rossi;+15105550101", ("Marco", "Rossi", ""), id="Italian"),
        pytest.param("Nombre,Teléfono\nAna Reyes,+15105550101", ("Ana", "Reyes", ""), id="a name alone"),
        pytest.param("Name;Vorname;Handy\nMüller;Jörg;+15105550101", ("Jörg", "Müller", ""), id="Name is the last"),
        pytest.param("Name,First name,Phone\nAda Byron,Ada,+15105550101", ("Ada", "", "Ada Byron"), id="Name is all"),
        pytest.param(
            "Voornaam,Tussenvoegsel,Achternaam,GSM\nJan,van der,Berg,+15105550101",
            ("Jan", "van der Berg", ""),
            id="infix",
        ),
        pytest.param("Ada Byron,+15105550101,a@example.com", ("Ada", "Byron", ""), id="no header"),
        pytest.param("Title,First,Last,Phone\nBuyer,Ada,Byron,+15105550101", ("Ada", "Byron", ""), id="a job"),
        pytest.param(
            "Title,First,Last,Phone\nDr.,Ada,Byron,+15105550101", ("Ada", "Byron", "Dr. Ada Byron"), id="a title"
        ),
    ],
)
def test_names_are_told_apart_by_their_columns(table: str, read: tuple[str, str, str]) -> None:
    assert [(row.first, row.last, row.display_name) for row in rows(table)] == [read]


@pytest.mark.parametrize(
    "name", ["De Niro", "de Boer", "Van Halen", "Al", "X", "A & B", "Anna y Ben", "能登 花子", ",", "a,", ",b"]
)
def test_no_name_is_split_that_is_not_certain(name: str) -> None:
    found = split_name(name)
    assert (found.first, found.last) in (("", ""), tuple(name.split(" ")))


@given(st.text())
def test_a_split_name_is_made_of_the_words_of_the_whole(name: str) -> None:
    found = split_name(name)
    assert {*found.first.split(), *found.last.split()} <= {*name.replace(",", " ").split()}
    assert bool(found.first) == bool(found.last)


def test_a_column_of_dates_shows_its_order() -> None:
    table = "Phone,Renewal date\n+15105550101,03/04/2027\n+15105550102,25/04/2027\n"
    assert [row.custom["Renewal date"] for row in rows(table)] == ["2027-04-03", "2027-04-25"]
    assert "the day first" in head(table)["assumptions"][0]
    assert next(row.custom["Renewal date"] for row in rows(table.replace("25/04", "05/04"))) == "03/04/2027"


def test_an_unclear_date_refuses_its_row() -> None:
    (row,) = rows("Phone,Renewal date\n+15105550101,03/04/2027\n")
    assert wish_of(row, NAMES).refused == "unreadable_value"


def test_a_column_of_an_own_and_a_custom_field_is_asked_about() -> None:
    assert "custom field Email" in head("Phone,Email\n+15105550101,a@example.com")["questions"][0]


def test_the_caller_names_columns() -> None:
    table = "Item,Number,Texts\nAda Byron,5105550101,no\nBen Ott,5105550102,\n"
    given = {"Item": "full name", "Number": "phone", "Texts": "not is_opted_out"}
    assert [(row.first, row.phone, row.opt_out) for row in rows(table, given=given)] == [
        ("Ada", "15105550101", True),
        ("Ben", "15105550102", None),
    ]
    with pytest.raises(InvalidArgument, match="no column"):
        rows(table, given={"Gone": "phone"})


def test_a_header_of_a_kind_alone_is_a_phone_if_its_texts_are() -> None:
    found = rows("First,Home,Work,Mobile\nAda,510-555-0101,,\nBen,Oakland,510-555-0102,\n")
    assert [row.phone or row.refused for row in found] == ["no_phone", "15105550102"]
    found = rows("First,Home,Work,Mobile\nAda,510-555-0101,,\nBen,,510-555-0102,\n")
    assert [row.phone for row in found] == ["15105550101", "15105550102"]


@pytest.mark.parametrize("text", ["n/a", "-", "unknown", "None", "[not provided]", ""])
def test_a_placeholder_is_no_phone(text: str) -> None:
    (row,) = rows(f"Name,Phone\nAda Byron,{text}\n")
    assert (row.refused, row.value) == ("no_phone", "")


def test_a_consent_opts_nobody_in_or_out() -> None:
    found = rows("Phone,SMS consent\n+15105550101,yes\n+15105550102,no\n")
    assert [row.opt_out for row in found] == [None, None]


def test_too_many_tags_refuse_a_row_and_unknown_ones_are_told() -> None:
    few, many = rows('Phone,Tags\n+15105550101,"T1,Gone"\n+15105550102,"T1,T2,T3,T4,T5,T6"\n')
    assert wish_of(few, NAMES).edit.add_tags == (1,)
    assert wish_of(few, NAMES).unknown == (("tag", "Gone"),)
    assert wish_of(many, NAMES).refused == "too_many_tags"


def test_an_unknown_colleague_is_told_or_refused() -> None:
    known_one, other = rows("Phone,Owner\n+15105550101,Pat Lee\n+15105550102,Sam\n")
    assert wish_of(known_one, NAMES).edit.values["assignee"] == 9
    assert wish_of(other, NAMES).unknown == (("assignee", "Sam"),)
    assert wish_of(other, NAMES, needs_assignee=True).refused == "unknown_assignee"


def test_an_opt_out_of_a_later_row_counts() -> None:
    text = "Phone,First,Email,Opt out\n+15105550101,Ada,,\n+15105550101,Ada,ada@x.org,yes\n+15105550102,Ben,,no\n"
    assert [(row.email, row.opt_out) for row in together(text, fills=False)] == [("", True), ("", False)]
    assert [(row.email, row.opt_out) for row in together(text, fills=True)] == [("ada@x.org", True), ("", False)]


def test_an_opt_out_of_a_row_that_is_refused_does_not_count() -> None:
    text = 'Phone,Name,Opt out\n+15105550101,Ada,\n"+15105550101, +15105550102",Ada,yes\n'
    assert [row.opt_out for row in together(text, fills=False)] == [None]


@settings(deadline=None)  # a busy machine takes long to make a file
@given(st.lists(st.tuples(st.integers(0, 3), st.sampled_from(["", "A", "B"]), st.sampled_from(["", "yes", "no"]))))
def test_rows_of_a_phone_together_say_all_that_they_say(people: list[tuple[int, str, str]]) -> None:
    lines = [f"+1510555010{phone},{name},{out}\n" for phone, name, out in people]
    for fills in (True, False):
        found = together("Phone,First,Opt out\n" + "".join(lines), fills=fills)
        for row in found:
            same = [person for person in people if row.phone.endswith(f"010{person[0]}")]
            assert (row.opt_out is True) == any(out == "yes" for *_, out in same)
            names = [name for _, name, _ in same]
            assert row.first == (next(filter(None, names), "") if fills else names[0])


# Our own export

TEXTS = st.text(" aé🌸\u00a0\u2028\n\r\t\"',;|=+-@", max_size=12)


@example([("", "", "|", "\r-|\r", False)])  # looks like the rule of a Markdown table
@given(st.lists(st.tuples(TEXTS, TEXTS, TEXTS, TEXTS, st.booleans()), min_size=1, max_size=4))
def test_an_export_is_read_as_it_was(contacts: list[tuple[str, str, str, str, bool]]) -> None:
    held = StringIO(newline="")
    writer = csv.writer(held)
    writer.writerow(own.own_header(["Plan"]))
    for at, (first, last, tag, plan, out) in enumerate(contacts):
        texts = ("", "", tag and own.joined_tags([tag]), "", own.opt_out_text(out), "", plan, "", "", "")
        writer.writerow([f"+1 510555{at:04}", *map(own.guarded, (first, last, *texts))])
    found = rows(b"\xef\xbb\xbf" + held.getvalue().encode())
    assert [(row.first, row.last, row.custom.get("Plan", ""), row.opt_out) for row in found] == [
        (first, last, plan, out) for first, last, _, plan, out in contacts
    ]
    assert [row.tags for row in found] == [(tag,) if tag else () for _, _, tag, _, _ in contacts]


def test_the_texts_of_an_export_are_not_trimmed() -> None:
    table = ",".join(own.own_header(["Plan"])) + '\n+1 5105550101," Ada","\n",,,,,yes,,  Gold ,,,7\n'
    (row,) = rows(table)
    edit = wish_of(row, NAMES, is_exact=True).edit
    assert edit.values == {
        "phone": "15105550101",
        "first": " Ada",
        "last": "\n",
        "custom:31": "  Gold ",
        "is_opted_out": True,
    }
