"""The forms of one phone number find each other, and never lead to somebody else's number."""

from __future__ import annotations

import phonenumbers
import pytest
from hypothesis import given
from hypothesis import strategies as st
from phonenumbers import PhoneNumberFormat, PhoneNumberType

from contacts_mcp.words.renumbering import other_forms

# id: (today's form, all its other forms)
FORMS = {
    "mexico": ("525512345678", {"5215512345678"}),
    "brazil": ("5521961234567", {"552161234567"}),
    "argentina": ("5491123456789", {"541123456789", "54111523456789"}),
    "argentina-three-digit-area": ("5493411234567", {"543411234567", "54341151234567"}),
    "argentina-four-digit-area": ("5492966123456", {"542966123456", "54296615123456"}),
    "ivory-coast-orange": ("2250707123456", {"22507123456"}),
    "ivory-coast-mtn": ("2250545123456", {"22545123456"}),
    "ivory-coast-moov": ("2250102123456", {"22502123456"}),
    "ivory-coast-fixed": ("2252720312345", {"22520312345"}),
    "ivory-coast-fixed-mtn": ("2252521012345", {"22521012345"}),
    "ivory-coast-fixed-moov": ("2252120812345", {"22520812345"}),
    "benin": ("2290190123456", {"22990123456"}),
    "gabon-mobile": ("24166111111", {"24106111111", "2416111111"}),
    "gabon-airtel": ("24177280150", {"24107280150", "2417280150"}),
    "gabon-fixed": ("24111223344", {"24101223344", "2411223344"}),
    "cameroon": ("237675505247", {"23775505247"}),
    "cameroon-fixed": ("237222146469", {"23722146469"}),
    "mauritius": ("23057123456", {"2307123456"}),
    "ecuador": ("593991234567", {"59391234567"}),
    "colombia-fixed": ("576012345678", {"5712345678"}),
    "vietnam": ("84701234567", {"841201234567"}),
    "vietnam-viettel": ("84321234567", {"841621234567"}),
    "palestine": ("970591234567", {"972591234567"}),
    "italy-fixed": ("390612345678", {"39612345678"}),
    "russia": ("79123456789", {"89123456789"}),
}

# Numbers that look like one of the above and have no other form.
ALONE = {
    "united-states": "15105553344",
    "mexico-too-short": "52551234567",
    "brazil-fixed": "552131234567",
    "brazil-mobile-of-the-new-kind-only": "5521931234567",
    "italy-mobile": "393123456789",
    "chile": "56961234567",
    "ecuador-fixed": "59322123456",
    "colombia-mobile": "573211234567",
    "japan-not-russia": "819012345678",
    "slovenia": "38631234567",
    "nothing": "",
}


@pytest.mark.parametrize(("today", "others"), FORMS.values(), ids=FORMS.keys())
def test_every_form_of_a_number_finds_all_the_others(today: str, others: set[str]) -> None:
    forms = {today} | others
    assert {form: set(other_forms(form)) for form in forms} == {form: forms - {form} for form in forms}


@pytest.mark.parametrize("digits", ALONE.values(), ids=ALONE.keys())
def test_nearly_every_number_has_one_form(digits: str) -> None:
    assert other_forms(digits) == ()


ANY_DIGITS = st.text("0123456789", max_size=16)
OF_THOSE_COUNTRIES = st.builds(
    "{}{}".format, st.sampled_from(["52", "55", "54", "225", "229", "241", "237", "230", "593", "57", "84"]), ANY_DIGITS
)


@given(ANY_DIGITS | OF_THOSE_COUNTRIES | st.sampled_from([today for today, _ in FORMS.values()]))
def test_a_form_of_a_form_is_a_form(digits: str) -> None:
    forms = {digits, *other_forms(digits)}
    assert all({form, *other_forms(form)} == forms for form in forms)
    assert all(form.isdecimal() for form in other_forms(digits))


# The library knows both forms there, and they mean one line.
TWO_VALID_FORMS = {"AR", "BR", "CO", "GA", "PS", "IL"}


@given(st.sampled_from(sorted(phonenumbers.SUPPORTED_REGIONS - TWO_VALID_FORMS)), st.data())
def test_no_form_of_a_valid_number_is_another_valid_number(region: str, data: st.DataObject) -> None:
    kind = data.draw(st.sampled_from([PhoneNumberType.FIXED_LINE, PhoneNumberType.MOBILE]))
    example = phonenumbers.example_number_for_type(region, kind) or phonenumbers.example_number(region)
    assert example is not None
    digits = phonenumbers.format_number(example, PhoneNumberFormat.E164)[1:]
    digits = digits[:-6] + data.draw(st.text("0123456789", min_size=6, max_size=6))
    if _is_valid_as_it_stands(digits):
        assert [form for form in other_forms(digits) if _is_valid_as_it_stands(form)] == []


@pytest.mark.parametrize("region", sorted(phonenumbers.SUPPORTED_REGIONS - TWO_VALID_FORMS))
def test_no_form_of_an_example_is_another_valid_number(region: str) -> None:
    for kind in PhoneNumberType.values():
        example = phonenumbers.example_number_for_type(region, kind)
        if example:
            forms = other_forms(phonenumbers.format_number(example, PhoneNumberFormat.E164)[1:])
            assert [form for form in forms if _is_valid_as_it_stands(form)] == []


def _is_valid_as_it_stands(digits: str) -> bool:
    """The library turns some old forms into new ones by itself."""
    try:
        number = phonenumbers.parse("+" + digits)
    except phonenumbers.NumberParseException:
        return False
    same = phonenumbers.format_number(number, PhoneNumberFormat.E164) == "+" + digits
    return same and phonenumbers.is_valid_number(number)
