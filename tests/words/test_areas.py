"""The beginnings of the phones of countries and areas."""

from __future__ import annotations

import phonenumbers
import pytest

from contacts_mcp.words.areas import calling_code, prefix_of_area, prefixes_of


@pytest.mark.parametrize(
    ("country", "inside", "outside"),
    [
        ("US", ["15105553344", "12125550123"], ["14165550123", "16585550123", "442079460958"]),
        ("CA", ["14165550123", "16045550123"], ["15105553344"]),
        ("jm", ["18765550123", "16585550123"], ["15105553344"]),
        ("DE", ["4915123456789"], ["431234567", "15105553344"]),
        ("KZ", ["77011234567"], ["79161234567"]),
    ],
)
def test_a_phone_is_of_the_country_that_the_library_says(country: str, inside: list[str], outside: list[str]) -> None:
    beginnings = tuple(prefixes_of(country))
    assert all(digits.startswith(beginnings) for digits in inside)
    assert not any(digits.startswith(beginnings) for digits in outside)


@pytest.mark.parametrize("country", ["US", "CA", "DE", "FR", "BR", "IN", "AU", "JP", "MX", "KZ", "JM"])
def test_the_example_numbers_of_the_library_are_inside(country: str) -> None:
    for kind in (phonenumbers.PhoneNumberType.FIXED_LINE, phonenumbers.PhoneNumberType.MOBILE):
        example = phonenumbers.example_number_for_type(country, kind)
        if example is not None:
            digits = f"{example.country_code}{example.national_number}"
            assert digits.startswith(tuple(prefixes_of(country)))


@pytest.mark.parametrize("text", ["", "XX", "Germany", "D", "1"])
def test_other_text_is_no_country(text: str) -> None:
    assert prefixes_of(text) == []


@pytest.mark.parametrize(
    ("area", "country", "prefix"),
    [
        ("510", "US", "1510"),
        ("(510)", "US", "1510"),
        ("1510", "US", "1510"),
        ("020", "GB", "4420"),
        ("030", "DE", "4930"),
        ("510", "XX", ""),
        ("", "US", ""),
        ("five", "US", ""),
        ("5105553344", "US", ""),
        ("0151", "US", ""),
    ],
)
def test_an_area_code_has_its_country_in_front(area: str, country: str, prefix: str) -> None:
    assert prefix_of_area(area, country) == prefix


def test_a_country_has_a_calling_code() -> None:
    assert [calling_code(country) for country in ("US", "gb", "XX")] == ["1", "44", ""]
