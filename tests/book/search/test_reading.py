"""The reading of a free text."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contacts_mcp.book.search.reading import MOST_WORDS, Email, Phone, Words, numbers_meant, read, without_trunk

PHONES = {
    "a national number": ("(510) 555-3344", Phone("5105553344")),
    "an international one": ("+1 510 555 3344", Phone("15105553344", has_plus=True)),
    "four digits": ("3344", Phone("3344")),
    "ends in": ("ends in 3344", Phone("3344", "ending")),
    "the one ending": ("the one ending 0104", Phone("0104", "ending")),
    "ending with": ("ending with 0104", Phone("0104", "ending")),
    "last four": ("last four 0421", Phone("0421", "ending")),
    "the last 4 digits are": ("the last 4 digits are 0421", Phone("0421", "ending")),
    "dots": ("...3344", Phone("3344", "ending")),
    "an ellipsis": ("\u20263344", Phone("3344", "ending")),
    "a star in front": ("*3344", Phone("3344", "ending")),
    "a star behind": ("510*", Phone("510", "beginning")),
    "area code": ("area code 510", Phone("510", "beginning")),
    "begins with": ("begins with +1 510", Phone("1510", "beginning", has_plus=True)),
    "area code behind": ("212 area code", Phone("212", "beginning")),
    "a sentence around it": ("who has a 212 number?", Phone("212")),
    "the last 4 with a colon": ("last 4: 3344", Phone("3344", "ending")),
    "a dash before the ending": ("ending -3344", Phone("3344", "ending")),
    "a mask": ("(xxx) xxx-3344", Phone("3344", "ending")),
    "a mask of stars": ("+1 ***-***-3344", Phone("3344", "ending")),
    "one digit of an ending": ("ends in 4", Phone("4", "ending")),
    "a trunk 0 in brackets": ("(0)151", Phone("151")),
    "the same abroad": ("+49 (0)151 23456789", Phone("4915123456789", has_plus=True)),
    "the same at home": ("(0)151 23456789", Phone("015123456789")),
    "Arabic digits": ("\u0660\u0661\u0662\u0663", Phone("0123")),
    "full width digits": ("\uff13\uff13\uff14\uff14", Phone("3344")),
}
OTHERS = {
    "an address": ("jo@acme.org", Email("jo@acme.org")),
    "an address in brackets": ("<jo@acme.org>", Email("jo@acme.org")),
    "a domain": ("acme.org", Email("acme.org")),
    "the beginning of an address": ("jordan.rivera@", Email("jordan.rivera@")),
    "everybody at": ("@acme.org", Email("@acme.org")),
    "in a sentence": ("who has jo@acme.org?", Email("jo@acme.org")),
    "a domain in a sentence": ("e-mail ends in acme.org", Email("acme.org")),
}
WORDS = {
    "a name": ("Jordan Rivera", ["jordan", "rivera"]),
    "a title is dropped": ("Mrs. Rivera", ["rivera"]),
    "a title alone stays": ("dr", ["dr"]),
    "a name with digits": ("jordan 3344", ["jordan", "3344"]),
    "a phone inside": ("jordan (510) 555-3344", ["jordan", "5105553344"]),
    "two digits are no phone": ("12", ["12"]),
    "a hyphen": ("min-jun kim", ["minjun", "kim"]),
    "a word twice": ("ann ann lee", ["ann", "lee"]),
    "too many words": ("a1 b2 c3 d4 e5 f6 g7 h8 i9", ["a1", "b2", "c3", "d4", "e5", "f6", "g7", "h8"]),
    "no word": ("?!", []),
    "nothing": ("", []),
    "an initial with a dot": ("l.r.", ["lr"]),
    "a day": ("renews 14 March 2027", ["renews", "20270314"]),
    "a day in digits": ("14.3.2027 or later", ["20270314", "or", "later"]),
    "a month": ("March 2027 jordan", ["202703", "jordan"]),
    "a phone abroad inside": ("Ann +49 (0)151 23456789", ["ann", "4915123456789"]),
}


@pytest.mark.parametrize(("text", "reading"), [*PHONES.values(), *OTHERS.values()], ids=[*PHONES, *OTHERS])
def test_a_phone_and_an_address_are_read_as_such(text: str, reading: Phone | Email) -> None:
    assert read(text) == reading


@pytest.mark.parametrize(("text", "words"), WORDS.values(), ids=WORDS)
def test_all_else_is_words(text: str, words: list[str]) -> None:
    reading = read(text)
    assert isinstance(reading, Words)
    assert [word.plain for word in reading.words] == words


def test_either_spelling_of_a_letter_is_a_form_of_the_word() -> None:
    reading = read("Müller")
    assert isinstance(reading, Words)
    assert reading.words[0].forms == ("muller", "mueller")


NUMBERS = {
    "ten digits are at home": ("5105553344", "15105553344"),
    "a trunk 0 of a long number": ("01701234567", "491701234567"),
    "00 in front": ("004917012345678", "4917012345678"),
}


@pytest.mark.parametrize(("digits", "number"), NUMBERS.values(), ids=NUMBERS)
def test_digits_may_mean_a_full_number(digits: str, number: str) -> None:
    country = "1" if number.startswith("1") else "49"
    assert number in numbers_meant(Phone(digits), country)


def test_a_day_that_can_be_read_in_two_ways_is_both() -> None:
    reading = read("jordan 3/4/2027")
    assert isinstance(reading, Words)
    assert reading.words[1].forms == ("20270304", "20270403")


WITHOUT_TRUNK = {
    "as it is dialled at home": ("0151 23456789", Phone("15123456789", "ending")),
    "as it is dialled abroad": ("0049 151", Phone("49151", "beginning", has_plus=True)),
    "four digits keep their zeros": ("0044", None),
    "an ending keeps its zero": ("ends in 015123456", None),
}


@pytest.mark.parametrize(("text", "expected"), WITHOUT_TRUNK.values(), ids=WITHOUT_TRUNK)
def test_a_number_as_it_is_dialled_may_be_of_any_country(text: str, expected: Phone | None) -> None:
    reading = read(text)
    assert isinstance(reading, Phone)
    assert without_trunk(reading) == expected


def test_only_a_number_longer_than_eight_digits_loses_a_trunk_zero() -> None:
    """ "ends in 0421" must keep its zero (trap 4)."""
    assert numbers_meant(Phone("0421"), "1") == ["0421"]
    assert numbers_meant(Phone("04211234"), "49") == ["04211234"]
    reading = read("ends in 0421")
    assert isinstance(reading, Phone)
    assert reading.digits == "0421"


@given(st.text())
def test_any_text_can_be_read(text: str) -> None:
    reading = read(text)
    if isinstance(reading, Words):
        assert len(reading.words) <= MOST_WORDS
    elif isinstance(reading, Phone):
        assert reading.digits.isascii()
        assert reading.digits.isdigit()
