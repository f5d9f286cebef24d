"""Phones as people write them become E.164 digits, or are refused with a reason. They never become another number."""

from __future__ import annotations

import re
import subprocess
import sys
import unicodedata

import phonenumbers
import pytest
from hypothesis import given
from hypothesis import strategies as st
from phonenumbers import PhoneNumberFormat, PhoneNumberType
from support import effort

from contacts_mcp.errors import InvalidPhone
from contacts_mcp.words.phone_text import LONGEST_TEXT
from contacts_mcp.words.phones import Phone, from_api, notes_on, parse_phone, show

JORDAN = "15105553344"
LONDON = "442079460958"

# id: (as written, default region, digits)
READ = {
    "us-national": ("(510) 555-3344", "US", JORDAN),
    "spreadsheet-apostrophe": ("'5105553344", "US", JORDAN),
    "spreadsheet-apostrophe-plus": ("\u2019+1 510 555 3344", "US", JORDAN),
    "spreadsheet-formula": ('="5105553344"', "US", JORDAN),
    "spreadsheet-formula-plus": ('="+15105553344"', "US", JORDAN),
    "scheme-sms": ("sms:+15105553344", "US", JORDAN),
    "scheme-whatsapp": ("whatsapp:+15105553344", "US", JORDAN),
    "scheme-slashes": ("callto://510-555-3344", "US", JORDAN),
    "us-dashes": ("510-555-3344", "US", JORDAN),
    "us-dots": ("510.555.3344", "US", JORDAN),
    "us-bare": ("5105553344", "US", JORDAN),
    "us-trunk": ("1-510-555-3344", "US", JORDAN),
    "us-eleven-digits": ("15105553344", "US", JORDAN),
    "us-full": ("+1 510-555-3344", "US", JORDAN),
    "us-full-parentheses": ("+1 (510) 555-3344", "US", JORDAN),
    "us-full-glued": ("+15105553344", "US", JORDAN),
    "us-read-from-france": ("+1 510 555 3344", "FR", JORDAN),
    "us-small-region": ("510-555-3344", "us", JORDAN),
    "us-half-parenthesis": ("510) 555-3344", "US", JORDAN),
    "us-middle-dots": ("510·555·3344", "US", JORDAN),
    "canadian-at-home-in-the-us": ("416 555 1234", "US", "14165551234"),
    "caribbean-local": ("464 1234", "AG", "12684641234"),
    "sentence-full-stop": ("510-555-3344.", "US", JORDAN),
    "sentence-comma": ("510-555-3344, ", "US", JORDAN),
    "spaces-around": ("  510 555 3344\n", "US", JORDAN),
    "tel-uri": ("tel:+1-510-555-3344", "US", JORDAN),
    "tel-uri-capital": ("Tel: 510 555 3344", "US", JORDAN),
    "full-width": ("（５１０）５５５－３３４４", "US", JORDAN),
    "full-width-plus": ("＋１５１０５５５３３４４", "FR", JORDAN),
    "arabic-indic": ("+١٥١٠٥٥٥٣٣٤٤", "US", JORDAN),
    "devanagari": ("५१०५५५३३४४", "US", JORDAN),
    "no-break-spaces": ("510\u00a0555\u202f3344", "US", JORDAN),
    "unicode-dashes": ("510\u2011555\u20133344", "US", JORDAN),
    "minus-signs": ("510\u2212555\u22123344", "US", JORDAN),
    "zero-width": ("510\u200b555\ufeff3344", "US", JORDAN),
    "bidi-marks": ("\u202a+1 510 555 3344\u202c", "US", JORDAN),
    "soft-hyphen": ("510\u00ad5553344", "US", JORDAN),
    "keycaps": ("5\ufe0f\u20e31\ufe0f\u20e30\ufe0f\u20e3 555 3344", "US", JORDAN),
    "exit-code-00": ("00 44 20 7946 0958", "US", LONDON),
    "exit-code-00-at-home": ("0044 20 7946 0958", "GB", LONDON),
    "exit-code-011": ("011 44 20 7946 0958", "US", LONDON),
    "exit-code-011-canada": ("011442079460958", "CA", LONDON),
    "exit-code-0011": ("0011 44 20 7946 0958", "AU", LONDON),
    "exit-code-010": ("010 44 20 7946 0958", "JP", LONDON),
    "exit-code-with-carrier": ("0015 44 20 7946 0958", "BR", LONDON),
    "exit-code-810": ("810 44 20 7946 0958", "RU", LONDON),
    "gb-national": ("020 7946 0958", "GB", LONDON),
    "gb-trunk-zero": ("+44 (0)20 7946 0958", "US", LONDON),
    "gb-trunk-zero-glued": ("+44(0)2079460958", "US", LONDON),
    "gb-trunk-zero-00": ("0044 (0) 20 7946 0958", "US", LONDON),
    "gb-trunk-zero-011": ("011 44 (0)20 7946 0958", "US", LONDON),
    "gb-trunk-zero-unmarked": ("+44 020 7946 0958", "US", LONDON),
    "gb-plus-in-parentheses": ("(+44) 20 7946 0958", "US", LONDON),
    "gb-area-in-parentheses": ("(020) 7946 0958", "GB", LONDON),
    "gb-bare-country": ("442079460958", "US", LONDON),
    "chinese-mobile-not-chicago": ("131 2345 6789", "CN", "8613123456789"),
    "porto-alegre-not-peru": ("51 96123 4567", "BR", "5551961234567"),
    "vendor-s-own-form": ("4915112345678", "US", "4915112345678"),
    "vendor-s-own-form-ten-digits": ("4722123456", "SG", "4722123456"),
    "spreadsheet": ("6145550123.0", "US", "16145550123"),
    "spreadsheet-two-decimals": ("6145550123.00", "US", "16145550123"),
    "spreadsheet-comma": ("6145550123,0", "US", "16145550123"),
    "spreadsheet-britain": ("7911123456.0", "GB", "447911123456"),
    "spreadsheet-full": ("+16145550123.0", "US", "16145550123"),
    "spreadsheet-vendor-s-own-form": ("442079460958.0", "US", LONDON),
    "spreadsheet-full-width": ("６１４５５５０１２３．０", "US", "16145550123"),
    "spreadsheet-uri": ("tel:6145550123.0", "US", "16145550123"),
    "spreadsheet-scientific": ("6.145550123E9", "US", "16145550123"),
    "spreadsheet-scientific-small": ("6.145550123e+09", "US", "16145550123"),
    "spreadsheet-scientific-comma": ("6,145550123E+09", "US", "16145550123"),
    "spreadsheet-scientific-vendor": ("4.42079460958E+11", "US", LONDON),
    "spreadsheet-scientific-zeros": ("6.14555012300E9", "US", "16145550123"),
    "spreadsheet-thousands": ("6,145,550,123", "US", "16145550123"),
    "spreadsheet-thousands-decimals": ("6,145,550,123.00", "US", "16145550123"),
    "spreadsheet-thousands-german": ("6.145.550.123,00", "US", "16145550123"),
    "separators-and-decimal": ("(614) 555-0123.0", "US", "16145550123"),
    "german-separators-and-decimal": ("+49 30 123456.0", "US", "4930123456"),
    "dots-are-not-decimals": ("614.555.0000", "US", "16145550000"),
    "gb-bare-country-at-home": ("44 20 7946 0958", "GB", LONDON),
    "gb-mobile": ("07400 123456", "GB", "447400123456"),
    "fr-national": ("01 23 45 67 89", "FR", "33123456789"),
    "fr-dots": ("06.12.34.56.78", "FR", "33612345678"),
    "fr-full": ("+33 1 23 45 67 89", "US", "33123456789"),
    "fr-trunk-zero": ("+33 (0)1 23 45 67 89", "US", "33123456789"),
    "it-keeps-zero": ("06 1234 5678", "IT", "390612345678"),
    "it-full-keeps-zero": ("+39 06 1234 5678", "US", "390612345678"),
    "it-trunk-zero-is-part": ("+39 (0)6 1234 5678", "US", "390612345678"),
    "it-mobile": ("312 345 6789", "IT", "393123456789"),
    "de-slash": ("030/123456", "DE", "4930123456"),
    "de-full-slash": ("+49 34609/1234567", "US", "49346091234567"),
    "de-slash-trunk": ("+49 (0)30/123456", "US", "4930123456"),
    "be-slash-dots": ("0470/12.34.56", "BE", "32470123456"),
    "ch-national": ("044 668 18 00", "CH", "41446681800"),
    "ar-mobile-15": ("011 15-2345-6789", "AR", "5491123456789"),
    "ar-mobile-15-full": ("+54 11 15 2345 6789", "US", "5491123456789"),
    "ar-mobile-9": ("+54 9 11 2345-6789", "US", "5491123456789"),
    "ar-landline": ("+54 11 2345 6789", "US", "541123456789"),
    "mx-ten-digits": ("55 1234 5678", "MX", "525512345678"),
    "mx-full": ("+52 55 1234 5678", "US", "525512345678"),
    "br-carrier": ("0 15 21 96123-4567", "BR", "5521961234567"),
    "br-mobile": ("(21) 96123-4567", "BR", "5521961234567"),
    "jp-long-mark": ("03ー1234ー5678", "JP", "81312345678"),
    "in-mobile": ("081234 56789", "IN", "918123456789"),
    "sg-local": ("8123 4567", "SG", "6581234567"),
    "sg-country-without-plus": ("65 8123 4567", "SG", "6581234567"),
    "ru-eight": ("8 (912) 345-67-89", "RU", "79123456789"),
    "kz-shares-seven": ("+7 710 000 9998", "RU", "77100009998"),
    "niue-four-digits": ("+683 4012", "US", "6834012"),
    "freephone-without-a-country": ("+800 1234 5678", "US", "80012345678"),
    "vanity": ("1-800-FLOWERS", "US", "18003569377"),
    "vanity-small": ("1 800 flowers", "US", "18003569377"),
    "vanity-full": ("+1-800-FLOWERS", "FR", "18003569377"),
    "vanity-two-words": ("1-800-GO-FEDEX", "US", "18004633339"),
    "vanity-digit-first": ("1-888-4HEALTH", "US", "18884432584"),
    "vanity-four": ("510-555-HOME", "US", "15105554663"),
    "vanity-britain": ("0800 FLOWERS", "GB", "448003569377"),
}

# id: (as written, default region, reason)
REFUSED = {
    "nothing": ("", "US", "empty"),
    "blank": (" \u00a0\t ", "US", "empty"),
    "only-invisible": ("\u200b\u2060", "US", "empty"),
    "only-punctuation": ("( ) -", "US", "empty"),
    "landline-like-an-old-mobile": ("011 1578-5692", "AR", "invalid"),
    "only-a-plus": ("+", "US", "empty"),
    "too-long-text": ("1" * 65, "US", "text_too_long"),
    "email": ("jordan5105553344@example.com", "US", "email"),
    "two-with-or": ("510 555 3344 or 510 555 3355", "US", "several"),
    "two-with-and": ("510 555 3344 and 510 555 3355", "US", "several"),
    "two-with-slash": ("5105553344/5105553355", "US", "several"),
    "two-with-comma": ("510-555-3344, 510-555-3355", "US", "several"),
    "two-with-ampersand": ("510-555-3344 & 510-555-3355", "US", "several"),
    "two-with-plus": ("+1 510 555 3344 +1 510 555 3355", "US", "several"),
    "two-german-with-slash": ("030 1234567/030 1234568", "DE", "several"),
    "two-german-endings": ("030/123456-78/79", "DE", "several"),
    "two-lines": ("510 555 3344\n510 555 3355", "US", "length"),
    "extension-x": ("510-555-3344 x12", "US", "extension"),
    "extension-x-glued": ("510-555-3344x12", "US", "extension"),
    "extension-ext": ("510-555-3344 ext. 5", "US", "extension"),
    "extension-word": ("510-555-3344, extension 5", "US", "extension"),
    "extension-pause": ("510-555-3344,,12", "US", "extension"),
    "extension-hash": ("510-555-3344#12", "US", "extension"),
    "extension-rfc3966": ("tel:+1-510-555-3344;ext=12", "US", "extension"),
    "two-pluses": ("++15105553344", "US", "plus"),
    "plus-in-the-middle": ("1+5105553344", "US", "plus"),
    "plus-at-the-end": ("15105553344+", "US", "plus"),
    "letter-o": ("51O-555-3344", "US", "letters"),
    "letters-drawn-like-digits": ("510-555-OOOO", "US", "letters"),
    "letter-l": ("+l5105553344", "US", "letters"),
    "cyrillic-o": ("51\u043e-555-3344", "US", "letters"),
    "prose-before": ("call 510 555 3344", "US", "letters"),
    "prose-behind": ("510 555 3344 home", "US", "letters"),
    "prose-around": ("my number is 510-555-3344 thanks", "US", "letters"),
    "word-behind-a-german-number": ("030 123456 mom", "DE", "letters"),
    "word-behind-a-local-number": ("5105553 Bob", "US", "letters"),
    "only-a-name": ("Jordan", "US", "letters"),
    "other-letters": ("한글 5105553344", "US", "letters"),
    "sharp-s-is-not-two": ("510 555 ßßßß", "US", "letters"),
    "two-letters": ("510-555-33AB", "US", "letters"),
    "star-code": ("*67 5105553344", "US", "characters"),
    "hash-behind": ("5105553344#", "US", "characters"),
    "quotes": ('"5105553344"', "US", "characters"),
    "tilde": ("510~555~3344", "US", "characters"),
    "escape-character": ("510\x1b5553344", "US", "characters"),
    "lone-surrogate": ("510\ud8005553344", "US", "characters"),
    "circled-digit": ("①510 555 3344", "US", "characters"),
    "parameters": ("tel:510-555-3344;phone-context=+1", "US", "plus"),
    "emergency": ("911", "US", "short_code"),
    "emergency-europe": ("112", "DE", "short_code"),
    "short-code": ("12345", "US", "short_code"),
    "no-area-code": ("555-3344", "US", "local"),
    "no-area-code-full": ("+1 555 3344", "US", "local"),
    "too-short": ("510 555 334", "US", "length"),
    "too-long": ("510 555 3344 5", "US", "length"),
    "far-too-long": ("5105553344 5105553355", "US", "length"),
    "full-too-short": ("+44 20", "US", "length"),
    "full-too-long": ("+1 510 555 3344 55", "US", "length"),
    "full-six-digits": ("+49 1234", "US", "length"),
    "country-alone": ("+1", "US", "length"),
    "mx-retired-one": ("+52 1 55 1234 5678", "US", "renumbered"),
    "ivory-coast-eight-digits": ("+225 07 12 34 56", "US", "renumbered"),
    "no-such-country": ("+999 123 4567", "US", "country_code"),
    "plus-zero": ("+0 510 555 3344", "US", "country_code"),
    "sixteen-digits-with-the-country": ("20100000000000", "DE", "invalid"),
    "would-not-read-back-as-itself": ("+49 0041 4707349", "US", "length"),
    "plus-before-an-exit-code": ("+011 44 20 7946 0958", "US", "country_code"),
    "no-such-area": ("555 555 3344", "US", "invalid"),
    "not-a-number-of-home": ("020 7946 0958", "US", "length"),
    "vanity-too-long": ("1-800-CONTACTS", "US", "length"),
    "vanity-not-valid": ("+1-555-FLOWERS", "US", "invalid"),
    "no-such-region": ("510 555 3344", "UK", "unknown_region"),
    "no-region": ("510 555 3344", "", "unknown_region"),
    "german-fixed-line-or-mobile": ("4915123457989", "DE", "ambiguous"),
    "one-digit-too-many": ("(614) 555-01234", "US", "ambiguous"),
    "one-digit-too-many-bare": ("61455501234", "US", "ambiguous"),
    "one-digit-too-many-britain": ("79111234567", "GB", "ambiguous"),
    "one-digit-too-many-behind-the-trunk": ("819012345678", "RU", "ambiguous"),
    "two-digits-too-many-and-separators": ("614-555-012345", "US", "length"),
    "country-without-plus-and-separators": ("44 20 7946 0958", "US", "ambiguous"),
    "country-without-plus-and-parentheses": ("(44) 2079460958", "US", "ambiguous"),
    "spelled-abroad": ("44207WELCOME", "US", "ambiguous"),
    "spreadsheet-half": ("6145550123.5", "US", "ambiguous"),
    "spreadsheet-one-digit-too-few": ("614555012.0", "US", "length"),
    "spreadsheet-short": ("5550123.000", "US", "local"),
    "spreadsheet-rounded": ("6.14555E+09", "US", "digits_lost"),
    "spreadsheet-rounded-comma": ("6,14555E+09", "US", "digits_lost"),
    "spreadsheet-rounded-whole": ("6E9", "US", "digits_lost"),
    "spreadsheet-rounded-full": ("+1.61456E+10", "US", "digits_lost"),
    "spreadsheet-fraction": ("6.1455501235E9", "US", "digits_lost"),
    "exit-code-too-short-to-be-one": ("0 44 20 7946 0958", "CV", "length"),
    "sondrio-or-an-italian-mobile": ("+39 (0)342 123456", "US", "ambiguous"),
}


@pytest.mark.parametrize(("text", "region", "digits"), READ.values(), ids=READ.keys())
def test_people_write_phones_in_many_ways(text: str, region: str, digits: str) -> None:
    assert parse_phone(text, region=region).digits == digits


@pytest.mark.parametrize(("text", "region", "reason"), REFUSED.values(), ids=REFUSED.keys())
def test_what_is_not_one_textable_phone_is_refused_with_a_stable_reason(text: str, region: str, reason: str) -> None:
    assert _refusal(text, region).reason == reason


# --- what is said

# id: (as written, kind and text of its notes)
NOTES = {
    "written-in-full": ("+1 510 555 3344", {}),
    "trunk-one-is-the-country": ("1 510 555 3344", {}),
    "exit-code": ("011 44 20 7946 0958", {}),
    "country-assumed": (
        "510 555 3344",
        {"assumed_country": "No country was written; US was assumed for +15105553344."},
    ),
    "country-code-assumed": (
        "442079460958",
        {"country_from_digits": "No plus was written; +442079460958 was read as a number of GB."},
    ),
    "decimals": (
        "6145550123.0",
        {
            "assumed_country": "No country was written; US was assumed for +16145550123.",
            "spreadsheet_number": "Read as a number of a spreadsheet, its digits alone: +16145550123.",
        },
    ),
    "decimals-and-a-plus-too-many": (
        "+6145550123.0",
        {
            "spreadsheet_number": "Read as a number of a spreadsheet, its digits alone: +6145550123.",
            "unverified_phone": "+6145550123 could not be verified as a real number.",
            "plus_too_many": "Without its plus, +6145550123 would be +16145550123.",
        },
    ),
    "spelled": ("1-800-FLOWERS", {"keypad_letters": "Letters were read as keypad digits: +18003569377."}),
    "not-verified": (
        "+1 555 555 3344",
        {"unverified_phone": "+15555553344 could not be verified as a real number."},
    ),
}


@pytest.mark.parametrize(("text", "notes"), NOTES.values(), ids=NOTES.keys())
def test_an_assumption_is_said_with_its_kind(text: str, notes: dict[str, str]) -> None:
    assert {note.kind: note for note in parse_phone(text).notes} == notes


def test_an_assumption_about_two_numbers_is_said_once_and_says_which() -> None:
    one, other = parse_phone("510 555 3344"), parse_phone("(614) 555-0123")
    assert notes_on(one, other) == ["No country was written; US was assumed for +15105553344 and +16145550123."]
    assert notes_on(one, parse_phone("+16145550123")) == one.notes


def test_a_possible_number_needs_a_plus_to_be_taken_unverified() -> None:
    assert parse_phone("+1 555 555 3344") == Phone("15555553344", assumed_region="", verified=False)
    assert parse_phone("001 555 555 3344").verified is False
    assert _refusal("1 555 555 3344").reason == "invalid"


@pytest.mark.parametrize(
    ("text", "region", "problem"),
    [
        ("4915123457989", "DE", "+494915123457989 or as +4915123457989."),
        ("(614) 555-01234", "US", "+161455501234, which has 1 digit too many for US, or as +61455501234 of AU."),
        ("79111234567", "GB", "+4479111234567, which has 1 digit too many for GB, or as +79111234567 of RU."),
        ("44 20 7946 0958", "US", "+1442079460958, which has 2 digits too many for US, or as +442079460958 of GB."),
        ("442079460958", "DE", "+49442079460958 or as +442079460958."),
        ("47 22 12 34 56", "DK", "+454722123456, which has 2 digits too many for DK, or as +4722123456 of NO."),
        ("33612345678", "AT", "+4333612345678 or as +33612345678."),
        ("14165551234", "DE", "+4914165551234, which is no number of DE, or as +14165551234 of CA."),
    ],
    ids=[
        "two-at-home",
        "one-too-many",
        "one-too-many-britain",
        "country-without-plus",
        "long-numbers-at-home",
        "separators",
        "eleven-digits-without-the-trunk-zero",
        "no-number-at-home",
    ],
)
def test_a_number_with_two_readings_is_refused_with_both(text: str, region: str, problem: str) -> None:
    refusal = _refusal(text, region)
    assert refusal.problem == f'"{text}" can be read as {problem}'
    assert refusal.expected == "Write the one that is meant, with its plus and country code."


def test_a_refusal_says_what_came_and_what_is_right() -> None:
    assert str(_refusal("51O-555-3344")) == (
        'phone: "51O-555-3344" has letters in it; write the digits alone (0 and 1, not the letters O, I or L). '
        "Write it like (510) 555-3344 or +1 510-555-3344."
    )
    assert "020" not in str(_refusal("x", "US"))
    assert "+44 121 234 5678" in str(_refusal("x", "GB"))


def test_a_refusal_names_the_argument_it_is_about() -> None:
    with pytest.raises(InvalidPhone, match=r"^new_phone: ") as caught:
        parse_phone("x", argument="new_phone")
    assert caught.value.argument == "new_phone"


def test_the_old_form_of_a_number_is_answered_with_the_new_one() -> None:
    assert str(_refusal("+52 1 55 1234 5678")) == (
        'phone: "+52 1 55 1234 5678" has the form of before its country changed such numbers. Write +525512345678.'
    )
    assert parse_phone("+55 21 9612-3456").notes == [
        "+552196123456 could not be verified as a real number.",
        "Its country changed such numbers: +552196123456 is +5521996123456 today.",
    ]


@pytest.mark.parametrize(
    ("text", "region", "problem"),
    [
        ("5550142", "US", "has no area code."),
        ("+99912345678", "US", "does not begin with a country code that exists."),
        ("0099912345678", "US", "does not begin with a country code that exists."),
        ("+1 2125550142123", "US", "has too few or too many digits (14) for a number of its country."),
        ("0044", "US", "has too few or too many digits (2) for a number of its country."),
        ("123456", "US", "is too short for a phone number; short codes and emergency numbers are no contacts."),
        ("2125550142", "XX123456789", 'has no country, and the default region "XX123456… (+3 characters)" is not one.'),
        (
            "1234567890",
            "US",
            "is not a phone number of US; for one of another country write its plus and country code.",
        ),
        (
            "2125550142abc",
            "US",
            "has a word behind a number; write the digits alone, and for a country its plus and code in front.",
        ),
        (
            "0151 23456789 in Germany",
            "US",
            "has a word behind a number; write the digits alone, and for a country its plus and code in front.",
        ),
        (
            "020 7946 0958 London",
            "US",
            "has a word behind a number; write the digits alone, and for a country its plus and code in front.",
        ),
        (
            "Germany 0151 23456789",
            "US",
            "has words in it; write the digits alone, and for a country its plus and code in front.",
        ),
        ("1" * 65, "US", "is 65 characters long; a phone number is shorter than 64."),
    ],
)
def test_every_refusal_says_why_to_the_word(text: str, region: str, problem: str) -> None:
    assert f" {problem} " in f"{_refusal(text, region)} "


@pytest.mark.parametrize(("length", "reason"), [(LONGEST_TEXT, "length"), (LONGEST_TEXT + 1, "text_too_long")])
def test_the_longest_text_is_exactly_as_long_as_promised(length: int, reason: str) -> None:
    assert _refusal("+1" + "1" * (length - 2)).reason == reason


@pytest.mark.parametrize(("value", "digits"), [(1, "1"), (10**20 - 1, "9" * 20), (10**20, ""), (0, ""), (-1, "")])
def test_a_number_from_the_api_is_at_most_twenty_digits(value: int, digits: str) -> None:
    assert from_api(value) == digits


def test_an_echo_is_cut_and_shows_what_is_hidden() -> None:
    text = str(_refusal("a\x1b[31m\u202e" + "b" * 50))
    assert "\\u{1b}[31m\\u{202e}bbb" in text
    assert len(text) < 400
    assert text.isprintable()


# --- the API's side

API_VALUES = {
    "digits": ("15105553344", JORDAN),
    "plus": ("+15105553344", JORDAN),
    "spaced": (" +1 (510) 555-3344 ", JORDAN),
    "uri": ("tel:+15105553344", JORDAN),
    "integer": (15105553344, JORDAN),
    "whole-float": (15105553344.0, JORDAN),
    "extension": ("15105553344 x12", JORDAN),
    "decimals": ("15105553344.0", JORDAN),
    "decimals-with-a-plus": ("+15105553344.00", JORDAN),
    "scientific": ("1.5105553344E+10", JORDAN),
    "thousands": ("15,105,553,344", JORDAN),
    "rounded": ("1.51056E+10", ""),
    "full-width": ("１５１０５５５３３４４", JORDAN),
    "empty": ("", ""),
    "null": (None, ""),
    "word": ("unknown", ""),
    "true": (True, ""),
    "zero": (0, ""),
    "negative": (-15, ""),
    "nan": (float("nan"), ""),
    "infinite": (float("inf"), ""),
    "huge": (10**5000, ""),
    "as-long-as-can-be-named": ("9" * 63, "9" * 63),
    "too-long-to-be-named": ("9" * 64, ""),
    "list": (["15105553344"], ""),
    "object": ({"phone": "15105553344"}, ""),
    "bytes": (b"15105553344", ""),
}


@pytest.mark.parametrize(("value", "digits"), API_VALUES.values(), ids=API_VALUES.keys())
def test_whatever_the_api_sends_is_read_as_digits(value: object, digits: str) -> None:
    assert from_api(value) == digits


@given(
    st.one_of(st.text(st.characters(exclude_categories=[])), st.integers(), st.floats(), st.none(), st.lists(st.text()))
)
def test_reading_the_api_never_fails(value: object) -> None:
    assert re.fullmatch(r"[0-9]*", from_api(value))


def test_digits_are_shown_with_a_plus() -> None:
    assert (show(JORDAN), show("")) == ("+15105553344", "")
    assert str(parse_phone("510 555 3344")) == "+15105553344"


# --- laws

REGIONS = sorted(phonenumbers.SUPPORTED_REGIONS)
STYLES = {
    "E164": PhoneNumberFormat.E164,
    "INTERNATIONAL": PhoneNumberFormat.INTERNATIONAL,
    "RFC3966": PhoneNumberFormat.RFC3966,
    "NATIONAL": PhoneNumberFormat.NATIONAL,
}
# Here a national form is no proof of one number: Argentina's old mobile prefix 15 looks like the first digits of some
# landlines.
UNREADABLE_AT_HOME = {"AR"}


@pytest.mark.parametrize("style", STYLES)
@pytest.mark.parametrize("kind", [PhoneNumberType.FIXED_LINE, PhoneNumberType.MOBILE], ids=["fixed-line", "mobile"])
def test_every_region_s_own_way_of_writing_reads_back(kind: int, style: str) -> None:
    for region in REGIONS:
        example = phonenumbers.example_number_for_type(region, kind)
        if example is None:
            continue
        written = phonenumbers.format_number(example, STYLES[style])
        assert parse_phone(written, region=region).digits == _e164(example), (region, written)


@st.composite
def valid_numbers(draw: st.DrawFn) -> tuple[str, phonenumbers.PhoneNumber]:
    """A region and a valid number of it: an example with its last digits changed."""
    region = draw(st.sampled_from(REGIONS))
    example = phonenumbers.example_number_for_type(
        region, draw(st.sampled_from([PhoneNumberType.FIXED_LINE, PhoneNumberType.MOBILE]))
    )
    if example is None:
        example = phonenumbers.example_number(region)
    assert example is not None
    digits = _e164(example)
    changed = draw(st.integers(0, min(6, len(phonenumbers.national_significant_number(example)) - 1)))
    tail = draw(st.text("0123456789", min_size=changed, max_size=changed))
    number = phonenumbers.parse("+" + digits[: len(digits) - changed] + tail)
    usable = phonenumbers.is_valid_number(number) and phonenumbers.region_code_for_number(number) == region
    return region, number if usable else example


@given(valid_numbers(), st.sampled_from(list(STYLES)))
def test_a_valid_number_is_read_as_itself_or_refused_as_ambiguous(
    valid: tuple[str, phonenumbers.PhoneNumber], style: str
) -> None:
    region, number = valid
    written = phonenumbers.format_number(number, STYLES[style])
    phone = _phone_or_none(written, region)
    if phone is None:
        assert style == "NATIONAL"
        assert region in UNREADABLE_AT_HOME or _refusal(written, region).reason == "ambiguous"
    else:
        assert phone.digits == _e164(number)
        assert phone.assumed_region in ("", region if style == "NATIONAL" else "")


@given(valid_numbers(), st.sampled_from(REGIONS))
def test_a_number_with_a_plus_is_the_same_in_every_region(
    valid: tuple[str, phonenumbers.PhoneNumber], region: str
) -> None:
    assert parse_phone("+" + _e164(valid[1]), region=region) == Phone(_e164(valid[1]))


PHONE_LIKE = st.text("0123456789 ()-./+", min_size=4, max_size=22)


@given(PHONE_LIKE, st.sampled_from(["US", "GB", "DE", "IT", "AR", "BR", "CN", "JP", "SG", "XX"]))
def test_reading_keeps_the_last_digits_and_is_stable(text: str, region: str) -> None:
    """The last four digits are the ones written, and at most fifteen come out. A shown number reads back anywhere."""
    phone = _phone_or_none(text, region)
    if phone is None or phone.had_decimals:
        return
    assert phone.digits[-4:] == re.sub(r"\D", "", text)[-4:]
    assert len(phone.digits) <= 15
    again = parse_phone(str(phone), region="FR")
    assert (again.digits, again.verified, again.assumed_region) == (phone.digits, phone.verified, "")


# A number of another country: never with separators or one digit too many, always in full or as the service writes it.

KINDS = [PhoneNumberType.FIXED_LINE, PhoneNumberType.MOBILE, PhoneNumberType.TOLL_FREE, PhoneNumberType.UAN]


def longest(region: str) -> int:
    """The digits of the longest number that people of the region have."""
    metadata = phonenumbers.PhoneMetadata.metadata_for_region(region)
    kinds = [kind for kind in (metadata.fixed_line, metadata.mobile) if kind and kind.possible_length]
    return max(max(kind.possible_length) for kind in kinds)


def is_marked(digits: str, region: str) -> bool:
    """Whether the digits begin with 00, 011 or the region's own exit code."""
    code = re.match(phonenumbers.PhoneMetadata.metadata_for_region(region).international_prefix or "x", digits)
    return digits.startswith(("00", "011")) or (code is not None and len(code[0]) >= 3)


def assert_at_home_or_refused(text: str, region: str) -> None:
    phone = _phone_or_none(text, region)
    home = str(phonenumbers.country_code_for_region(region))
    assert phone is None or phone.digits.startswith(home), f"{text!r} in {region} became {phone}"


@given(PHONE_LIKE, st.sampled_from(REGIONS))
def test_no_text_with_separators_becomes_a_number_of_another_country(text: str, region: str) -> None:
    digits = re.sub(r"\D", "", text)
    if "+" not in text and not is_marked(digits, region) and re.search(r"\d[^\d]+\d", text.removesuffix(".0")):
        assert_at_home_or_refused(text, region)


@given(st.sampled_from(REGIONS), st.integers(0, 1), st.data())
def test_no_bare_digits_with_one_too_many_become_a_number_of_another_country(
    region: str, too_many: int, data: st.DataObject
) -> None:
    length = longest(region) + too_many
    digits = data.draw(st.text("0123456789", min_size=length, max_size=length))
    if not is_marked(digits, region):
        assert_at_home_or_refused(digits, region)


@pytest.mark.parametrize("region", REGIONS)
def test_an_example_with_a_digit_too_many_stays_at_home_or_is_refused(region: str) -> None:
    """Every place of the digit, as the region writes its numbers and bare."""
    for kind in KINDS[:2]:
        example = phonenumbers.example_number_for_type(region, kind)
        if example is None:
            continue
        for written in (
            phonenumbers.format_number(example, PhoneNumberFormat.NATIONAL),
            phonenumbers.national_significant_number(example),
        ):
            for at in range(len(written) + 1):
                text = f"{written[:at]}{(at * 7 + 4) % 10}{written[at:]}"
                if not is_marked(re.sub(r"\D", "", text), region):
                    assert_at_home_or_refused(text, region)


@given(st.sampled_from(REGIONS), st.sampled_from(KINDS), st.sampled_from([".0", ".00", ",0", ".000000"]), st.data())
def test_the_decimals_of_a_spreadsheet_change_no_number(
    region: str, kind: int, decimals: str, data: st.DataObject
) -> None:
    example = phonenumbers.example_number_for_type(region, kind) or phonenumbers.example_number(region)
    assert example is not None
    plus = data.draw(st.sampled_from(["", "+"]))
    digits = _e164(example) if plus else phonenumbers.national_significant_number(example)
    with_decimals = _phone_or_none(plus + digits + decimals, region)
    assert with_decimals == _phone_or_none(plus + digits, region)
    assert with_decimals is None or "spreadsheet_number" in {note.kind for note in with_decimals.notes}


@given(valid_numbers(), st.sampled_from(REGIONS))
def test_a_number_as_the_service_writes_it_is_read_and_the_answer_names_its_country(
    valid: tuple[str, phonenumbers.PhoneNumber], region: str
) -> None:
    """It must be longer by two or more than the region's numbers, trunk prefix included.

    A number that is valid at home too is refused.
    """
    number = valid[1]
    country = phonenumbers.region_code_for_number(number)  # several share a code: Finland and Åland
    digits = _e164(number)
    home = phonenumbers.country_code_for_region(region)
    trunk = phonenumbers.PhoneMetadata.metadata_for_region(region).national_prefix or ""
    if len(digits) < longest(region) + len(trunk) + 2 or is_marked(digits, region) or number.country_code == home:
        return
    phone = _phone_or_none(digits, region)
    if phone is None:
        assert _refusal(digits, region).reason == "ambiguous"
    elif phone.digits != digits:
        assert phone.assumed_region == region
    else:
        assert [note for note in phone.notes if note.kind == "country_from_digits" and f"of {country}." in note]


@pytest.mark.parametrize("region", ["US", "CA", "GB", "FR", "AU", "MX", "IN", "JP", "ZA", "IL"])
def test_an_example_of_every_country_is_read_as_the_service_writes_it(region: str) -> None:
    for country in REGIONS:
        example = phonenumbers.example_number_for_type(country, PhoneNumberType.MOBILE)
        digits = _e164(example) if example else ""
        is_home = example and example.country_code == phonenumbers.country_code_for_region(region)
        if len(digits) >= longest(region) + 2 and not is_home and not is_marked(digits, region):
            phone = parse_phone(digits, region=region)
            assert (phone.digits, phone.foreign_country) == (digits, phonenumbers.region_code_for_number(example))


@given(PHONE_LIKE, st.sampled_from(["US", "GB", "DE", "IT", "AR", "SG"]))
def test_a_number_keeps_the_country_that_is_written_or_assumed(text: str, region: str) -> None:
    phone = _phone_or_none(text, region)
    digits = re.sub(r"\D", "", text)
    if phone is None:
        return
    if phone.assumed_region:
        assert phone.digits.startswith(str(phonenumbers.country_code_for_region(region)))
    if "+" in text:
        assert phone.digits[:2] == digits[:2]


@given(st.text(st.characters(exclude_categories=[]), max_size=80), st.sampled_from(["US", "GB", "DE", "", "\ud800"]))
def test_any_text_is_a_phone_or_an_invalid_phone(text: str, region: str) -> None:
    phone = _phone_or_none(text, region)
    assert phone is None or re.fullmatch(r"[1-9][0-9]{5,14}", phone.digits)


INVISIBLE = "\u200b\u200c\u200d\u2060\ufeff\u200e\u200f\u202a\u202c\u2066\u2069\u00ad\ufe0f\U000e0041"
DASHES = "-\u2010\u2011\u2012\u2013\u2014\u2015\u2212\ufe58\ufe63\uff0d\u30fc"
SPACES = " \u00a0\u2002\u2007\u2009\u202f\u3000\t"
ALL_DIGITS = [chr(zero + value) for zero in (0x30, 0x660, 0x6F0, 0x966, 0xFF10, 0x1D7CE) for value in range(10)]


@given(st.sampled_from([*READ.values()]), st.data())
def test_the_kind_of_dash_space_or_digit_and_invisible_marks_change_nothing(
    case: tuple[str, str, str], data: st.DataObject
) -> None:
    text, region, digits = case
    disguised = "".join(
        data.draw(st.sampled_from(_alike(char))) + data.draw(st.text(INVISIBLE, max_size=2)) for char in text
    )
    assert parse_phone(disguised, region=region).digits == digits


HUGE = {
    "digits": "1" * 1_000_000,
    "spaces": " " * 1_000_000 + "5105553344",
    "invisible": "\u200b" * 1_000_000 + "5105553344",
    "parentheses": "(" * 1_000_000,
    "letters": "a" * 1_000_000,
    "pluses": "+" * 1_000_000,
    "extensions": "1x" * 500_000,
}


@pytest.mark.parametrize("text", HUGE.values(), ids=HUGE.keys())
def test_a_megabyte_is_refused_in_milliseconds(text: str) -> None:
    assert effort(lambda: _refusal(text)) < 0.1
    assert len(str(_refusal(text))) < 1_000


@pytest.mark.parametrize("piece", ["1", "(", "(0)", "1 ", "1/", "1,", "1x", "A", "1A", ". ", "+", "1+"])
def test_the_longest_text_allowed_is_quick_too(piece: str) -> None:
    text = (piece * LONGEST_TEXT)[:LONGEST_TEXT]
    assert effort(lambda: _refusal(text)) < 0.05


def test_the_library_is_not_imported_before_the_first_phone() -> None:
    code = "import sys, contacts_mcp.words.phones; sys.exit('phonenumbers' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


# --- naming a contact that exists

# id: (as written, default region, digits, variants)
NAMED = {
    "as-anybody-writes-it": ("(510) 555-3344", "US", JORDAN, ()),
    "in-full": ("+1 510 555 3344", "US", JORDAN, ()),
    "old-mexican": ("+5215512345678", "US", "5215512345678", ("525512345678",)),
    "old-mexican-spaced": ("+52 1 55 1234 5678", "US", "5215512345678", ("525512345678",)),
    "old-mexican-bare": ("5215512345678", "US", "5215512345678", ("525512345678",)),
    "old-mexican-at-home": ("5215512345678", "MX", "5215512345678", ("525512345678",)),
    "new-mexican": ("55 1234 5678", "MX", "525512345678", ("5215512345678",)),
    "brazilian": ("(21) 96123-4567", "BR", "5521961234567", ("552161234567",)),
    "ivory-coast-old": ("+22507123456", "US", "22507123456", ("2250707123456",)),
    "trunk-zero-was-stored": ("+4402079460958", "US", "4402079460958", (LONDON,)),
    "trunk-zero-in-parentheses": ("+44 (0)20 7946 0958", "US", LONDON, ("4402079460958",)),
    "argentinian-fifteen-was-stored": (
        "+54111523456789",
        "US",
        "54111523456789",
        ("541123456789", "5491123456789"),
    ),
    "no-such-country": ("+999 123 4567", "US", "9991234567", ()),
    "short-code-was-stored": ("+12345", "US", "12345", ()),
    "one-digit-was-stored": ("+1", "US", "1", ()),
    "without-its-country-was-stored": ("+5105553344", "US", "5105553344", ()),
    "too-long-was-stored": ("+1510555334455667788", "US", "1510555334455667788", ()),
    "zeros-were-stored": ("+0015105553344", "US", "0015105553344", ()),
}


@pytest.mark.parametrize(("text", "region", "digits", "variants"), NAMED.values(), ids=NAMED.keys())
def test_a_contact_is_named_by_every_form_of_its_number(
    text: str, region: str, digits: str, variants: tuple[str, ...]
) -> None:
    phone = parse_phone(text, region=region, naming=True)
    assert (phone.digits, phone.variants) == (digits, variants)


@given(st.text("0123456789", min_size=1, max_size=40), st.sampled_from(REGIONS))
def test_every_number_that_an_answer_shows_names_its_contact(digits: str, region: str) -> None:
    assert parse_phone(show(digits), region=region, naming=True).digits == digits


@given(
    st.text(st.characters(exclude_categories=[]), max_size=60) | st.text("0123456789 -()", min_size=50, max_size=300)
)
def test_every_phone_that_the_service_sends_can_be_named(text: str) -> None:
    digits = from_api(text)
    assert not digits or parse_phone(show(digits), naming=True).digits == digits


@pytest.mark.parametrize(
    "case", ["one-digit-too-many", "no-area-code", "letter-o", "email", "several", "spreadsheet-rounded"]
)
def test_a_text_that_no_answer_shows_is_refused_in_naming_too(case: str) -> None:
    text, region, reason = {"several": REFUSED["two-with-or"], **REFUSED}[case]
    with pytest.raises(InvalidPhone) as caught:
        parse_phone(text, region=region, naming=True)
    assert caught.value.reason == reason


@given(valid_numbers(), st.sampled_from(list(STYLES)))
def test_naming_reads_every_number_that_creating_reads(valid: tuple[str, phonenumbers.PhoneNumber], style: str) -> None:
    region, number = valid
    written = phonenumbers.format_number(number, STYLES[style])
    created = _phone_or_none(written, region)
    if created:
        named = parse_phone(written, region=region, naming=True)
        assert created.digits in (named.digits, *named.variants)


# --- helpers


def _refusal(text: str, region: str = "US") -> InvalidPhone:
    with pytest.raises(InvalidPhone) as caught:
        parse_phone(text, region=region)
    return caught.value


def _phone_or_none(text: str, region: str) -> Phone | None:
    try:
        return parse_phone(text, region=region)
    except InvalidPhone:
        return None


def _e164(number: phonenumbers.PhoneNumber) -> str:
    return phonenumbers.format_number(number, PhoneNumberFormat.E164)[1:]


def _alike(char: str) -> list[str]:
    """Other characters that mean the same in a phone."""
    if char.isdecimal():
        return [other for other in ALL_DIGITS if unicodedata.digit(other) == unicodedata.digit(char)]
    return next((list(family) for family in (DASHES, SPACES) if char in family), [char])
