"""Kinds of files beside those of `imports/`, each with its right reading: other languages, quotes, footers, cards."""

from __future__ import annotations

import json
from io import BytesIO
from typing import Any

import pytest

from contacts_mcp.book.transfer.cells import opt_out_of
from contacts_mcp.book.transfer.headers import kind_of_phone, known
from contacts_mcp.book.transfer.mapping import mapping_of
from contacts_mcp.book.transfer.report import report
from contacts_mcp.book.transfer.sources import choosing
from contacts_mcp.words.names import Named, Names

FIELDS = Names("custom field", [Named(31, "Plan")])

Read = tuple[dict[str, Any], list[dict[str, Any]]]


def read(data: str, region: str = "US") -> Read:
    """The report of a file: its head and its rows."""
    source = choosing.read(BytesIO(data.encode()), region=region)
    columns = mapping_of(source, fields=FIELDS, region=region)
    head, *rows = map(json.loads, report(source, columns, name="x", region=region))
    assert sum(head["counts"].values()) == head["rows"] == len(rows)
    return head, rows


def shown(row: dict[str, Any]) -> tuple[int, str, str]:
    """The line, the phone or the reason of a refusal, and the whole name."""
    name = row["display_name"] or "|".join(filter(None, (row["first"], row["last"])))
    return row["line"], row.get("phone") or row["refused"], name


ADA, BEN, CY = "15105550101", "15105550102", "15105550103"
QUOTE = "quote_not_closed"
CARD = "BEGIN:VCARD\r\nVERSION:3.0\r\nN:Byron;Ada;;;\r\n{}END:VCARD\r\n"


@pytest.mark.parametrize(
    ("table", "rows"),
    [
        pytest.param(
            'First,Last,Phone\nAda,"Byron,510-555-0101\nBen,Ott,510-555-0102\nCy,Poe,510-555-0103\n',
            [(2, QUOTE, ""), (3, BEN, "Ben|Ott"), (4, CY, "Cy|Poe")],
            id="a quote open to the end",
        ),
        pytest.param(
            'First,Last,Phone\nAda,"Byron,510-555-0101\nBen,"Ott",510-555-0102\n',
            [(2, QUOTE, ""), (3, BEN, "Ben|Ott")],
            id="a quote that the next row closes",
        ),
        pytest.param(
            'First,Last,Phone\nAda,"Byron,510-555-0101\nBen,"Ott,510-555-0102\nCy,Poe,510-555-0103\n',
            [(2, QUOTE, ""), (3, QUOTE, ""), (4, CY, "Cy|Poe")],
            id="two open quotes",
        ),
        pytest.param(
            'Name,Phone,Notes\nAda Byron,510-555-0101,"a ""b""\n\nc, d"\nBen Ott,510-555-0102,\n',
            [(2, ADA, "Ada|Byron"), (5, BEN, "Ben|Ott")],
            id="a cell of several lines",
        ),
        pytest.param(
            "Number,First,Last\n15105550101,Ada,Byron\n", [(2, ADA, "Ada|Byron")], id="the only number is the phone"
        ),
        pytest.param(
            "Number,Name,Cell\n5105550109,Ada Byron,510-555-0101\n", [(2, ADA, "Ada|Byron")], id="a number beside one"
        ),
        pytest.param(
            "Guest name,Contact,Check-in\nAda Byron,+1 510-555-0101,2026-01-02\n",
            [(2, ADA, "Ada|Byron")],
            id="dates are no phones",
        ),
        pytest.param(
            "Display name,Full name,Phone\nCap,Ada Byron,510-555-0101\nCap,Mary Ann Smith,510-555-0102\n",
            [(2, ADA, "Cap"), (3, BEN, "Mary Ann Smith (Cap)")],
            id="a full name beside a display name",
        ),
        pytest.param(
            "Nom / Name,Prénom / First name,Téléphone / Phone\nByron,Ada,510-555-0101\n",
            [(2, ADA, "Ada|Byron")],
            id="two languages",
        ),
        pytest.param(
            "Name - First Name,Name - Last Name,Phone\nAda,Byron,510-555-0101\n", [(2, ADA, "Ada|Byron")], id="a form"
        ),
        pytest.param(
            "| **Name** | `Phone` |\n|---|---|\n| **Ada Byron** | `510-555-0101` |\n",
            [(3, ADA, "Ada|Byron")],
            id="Markdown in bold",
        ),
        pytest.param(
            'Those with the 12" sign\n\n| Name | Phone |\n|---|---|\n| Ada Byron | 510-555-0101 |\n',
            [(5, ADA, "Ada|Byron")],
            id="Markdown under a text with inches",
        ),
        pytest.param(
            '{\n "contacts": [\n  {"name": "Ada Byron", "phone": "510-555-0101"},\n  {"name": "Ben Ott", "phone": '
            '"510-555-0102"}\n ],\n "total": 2\n}\n',
            [(3, ADA, "Ada|Byron"), (4, BEN, "Ben|Ott")],
            id="a list within an object",
        ),
        pytest.param(
            '{"contacts":[{"name":"Ada Byron","phone":"510-555-0101"},{"name":"Ben Ott","phone":"510-555-0102"}]}',
            [(1, ADA, "Ada|Byron"), (1, BEN, "Ben|Ott")],
            id="the same in one line",
        ),
        pytest.param(
            '{\n "name": "Ada Byron",\n "phones": [{"type": "mobile", "number": "510-555-0101"}]\n}\n{\n "phone": '
            '"510-555-0102"\n}\n',
            [(1, ADA, "Ada|Byron"), (5, BEN, "")],
            id="objects over several lines",
        ),
        pytest.param(
            '{"name": "Ada Byron", "phone": "510-555-0101"\n{"name": "Ben Ott", "phone": "510-555-0102"}\n',
            [(1, "not_json", ""), (2, BEN, "Ben|Ott")],
            id="a broken first line",
        ),
    ],
)
def test_a_kind_of_file_is_read(table: str, rows: list[tuple[int, str, str]]) -> None:
    assert [shown(row) for row in read(table)[1]] == rows


def test_one_open_quote_costs_one_row_of_a_large_file() -> None:
    lines = [
        f'N{number},"X,510-555-{number}' if number == 1500 else f"N,X,510-555-{number}" for number in range(1000, 9000)
    ]
    head, rows = read("First,Last,Phone\n" + "\n".join(lines) + "\n")
    assert (head["rows"], head["refused_rows"]) == (8000, 1)
    assert rows[500]["value"] == 'N1500,"X,510-555-1500'


def test_a_footer_of_a_report_is_no_contact() -> None:
    table = (
        "First,Last,Phone,Email\nAda,Byron,510-555-0101,\nBen,,,\n\nContacts with phones\n"
        'Copyright (c) 2000-2026 example.com\n"Generated by: Pat 1/2/2026, 10:11"\nExample Office\n'
    )
    head, rows = read(table)
    assert [row["line"] for row in rows] == [2, 3]
    assert head["not_contacts"] == [4, 5, 6, 7, 8]


@pytest.mark.parametrize("header", ["Dial code", "Ländervorwahl", "Indicatif", "Prefix", "Anything"])
def test_a_column_of_calling_codes_places_the_phones(header: str) -> None:
    head, rows = read(f"Name,Country,{header},Phone\nAda Byron,Germany,+44,2079460104\nBen Ott,,0044,1614960105\n")
    assert [row["phone"] for row in rows] == ["442079460104", "441614960105"]
    assert all("country_from_column" in row["notes"] for row in rows)
    assert head["columns"][header] == "country of the phone"


def test_two_columns_of_calling_codes_place_no_phone() -> None:
    _, rows = read("Name,Code A,Code B,Phone\nAda Byron,+44,+49,510-555-0101\n")
    assert rows[0]["phone"] == ADA


@pytest.mark.parametrize(
    ("label", "kind"),
    [
        ("Мобильный", "mobile"),
        ("携帯", "mobile"),
        ("Komórka", "mobile"),
        ("Cep", "mobile"),
        ("Домашний", "home"),
        ("自宅", "home"),
        ("Рабочий", "work"),
        ("Факс", "never"),
        ("ファックス", "never"),
        ("Karate", "other"),
    ],
)
def test_the_label_of_a_phone_is_known_in_other_languages(label: str, kind: str) -> None:
    assert kind_of_phone(label) == kind


@pytest.mark.parametrize(
    ("header", "target"),
    [
        ("Do you agree to receive text messages?", "consent"),
        ("SMS erlaubt", "consent"),
        ("Acepta recibir SMS", "consent"),
        ("Vill ha sms", "consent"),
        ("TCPA consent", "consent"),
        ("DND", "consent"),
        ("Opt-Out Date", "consent"),
        ("SMS opt-out date", "consent"),
        ("Opted out at", "consent"),
        ("Has opted out", "consent"),
        ("Invitee accepted marketing emails", "consent_other"),
        ("Do not send text messages", "opt_out"),
        ("Please do not contact by SMS", "opt_out"),
        ("Uitgeschreven voor sms", "opt_out"),
        ("Opt-out reason", None),
        ("Mailing State", None),
        ("SMS consent timestamp", None),
        ("WhatsApp Phone Number", "phone"),
        ("Text Reminder Number", "phone"),
        ("Invitee First Name", "first"),
        ("Indirizzo posta elettronica", "email"),
        ("رقم الجوال", "phone"),
        ("שם פרטי", "first"),
    ],
)
def test_a_header_about_consent_or_of_another_language_is_known(header: str, target: str | None) -> None:
    found = known(header)
    assert (found and found.target) == target


def test_a_consent_of_any_words_opts_nobody_in_or_out() -> None:
    head, rows = read("Phone,SMS erlaubt,Opt-Out Date\n510-555-0101,ja,2026-01-02\n510-555-0102,nein,\n")
    assert [row["opt_out"] for row in rows] == [None, None]
    assert [question.partition(":")[0] for question in head["questions"]] == ["SMS erlaubt", "Opt-Out Date"]


@pytest.mark.parametrize(("text", "meant"), [("1.0", True), ("0.0", False), ("nee", False), ("はい", True)])
def test_an_opt_out_is_read_in_other_languages_and_as_a_float(text: str, meant: bool) -> None:
    assert opt_out_of(text) is meant


# Cards


def test_every_property_of_a_card_is_kept() -> None:
    properties = {
        "ADR;TYPE=HOME": ";;1 A St;Oakland;;;",
        "ADR;TYPE=WORK": ";;2 B St;Oakland;;;",
        "X-SOCIALPROFILE;type=x": "ada",
        "RELATED": "Bo",
        "GENDER": "F",
    }
    card = CARD.format("TEL:510-555-0101\r\n" + "".join(f"{name}:{text}\r\n" for name, text in properties.items()))
    _, (row,) = read(card)
    assert {"1 A St, Oakland", "2 B St, Oakland", "ada", "Bo", "F"} <= {*row["other"].values()}


def test_a_card_of_our_export_that_another_program_saved_keeps_its_opt_out() -> None:
    ours = "TEL:+1 5105550101\r\nX-CONTACTS-OPTED-OUT:yes\r\nX-CONTACTS-FIELD:Plan;Gold\\, 2\r\n"
    head, (row,) = read(CARD.format("PRODID:-//Other//EN\r\n" + ours))
    assert (row["opt_out"], row["other"]["Plan"]) == (True, "Gold, 2")
    assert head["counts"] == {"new": 1}


def test_the_label_of_a_card_is_known_in_other_languages() -> None:
    labels = {
        "item1": ("+81 3-1234-5678", "ファックス"),
        "item2": ("+81 3-1234-5679", "自宅"),
        "item3": ("+81 90-1234-5678", "携帯"),
    }
    lines = "".join(f"{group}.TEL:{text}\r\n{group}.X-ABLABEL:{label}\r\n" for group, (text, label) in labels.items())
    assert read(CARD.format(lines), "JP")[1][0]["phone"] == "819012345678"
