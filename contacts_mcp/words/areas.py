"""The beginnings of the phones of a country or an area, by the metadata of the numbering library.

- Most countries have a calling code of their own, and their phones begin with it.
- In North America twenty-five countries share the 1. The area code says which one a phone is of.
- Elsewhere the smaller countries that share a code (Kazakhstan, Jersey) have beginnings of their own. The largest
  country of such a code counts as all of it.
"""

from __future__ import annotations

import re
from functools import lru_cache
from itertools import product

_NORTH_AMERICA = 1
_LONGEST_BEGINNING = 5  # digits after the calling code
_LONGEST_AREA = 6
_SUBSCRIBER = "5550123"


@lru_cache
def prefixes_of(country: str) -> list[str]:
    """The beginnings of E.164 digits of that country (ISO 3166, two letters). Empty for what is no country."""
    from phonenumbers import COUNTRY_CODE_TO_REGION_CODE, country_code_for_region

    region = country.strip().upper()
    code = country_code_for_region(region)
    if not code:
        return []
    if code == _NORTH_AMERICA:
        return [f"1{area}" for area in map(str, range(200, 1000)) if _region_of(f"{area}{_SUBSCRIBER}") == region]
    sharing = COUNTRY_CODE_TO_REGION_CODE[code]
    return [str(code)] if sharing[0] == region else [f"{code}{beginning}" for beginning in _leading(region)]


def prefix_of_area(area: str, country: str) -> str:
    """The beginning of the phones of an area code there, with or without its trunk 0. "" for what is no area code."""
    from phonenumbers import country_code_for_region

    digits = re.sub(r"[\s()+\-./]", "", area)
    code = country_code_for_region(country.strip().upper())
    if not code or not digits.isascii() or not digits.isdigit() or not 0 < len(digits) <= _LONGEST_AREA:
        return ""
    national = digits.lstrip("0") if code != _NORTH_AMERICA else digits.removeprefix("1")
    return "" if code == _NORTH_AMERICA and national[:1] in ("0", "1") else f"{code}{national}"


def _region_of(national: str) -> str | None:
    from phonenumbers import PhoneNumber, region_code_for_number

    found: str | None = region_code_for_number(PhoneNumber(country_code=_NORTH_AMERICA, national_number=int(national)))
    return found


def _leading(region: str) -> list[str]:
    """The shortest beginnings of the region's national numbers."""
    from phonenumbers import PhoneMetadata

    metadata = PhoneMetadata.metadata_for_region(region)
    if metadata is None or not metadata.leading_digits:
        return []
    pattern, found = re.compile(metadata.leading_digits), list[str]()
    for length in range(1, _LONGEST_BEGINNING + 1):
        for digits in map("".join, product("0123456789", repeat=length)):
            if pattern.fullmatch(digits) and not digits.startswith(tuple(found)):
                found.append(digits)
    return found


@lru_cache
def calling_code(country: str) -> str:
    """The digits that phones of that country begin with: "1" for US."""
    from phonenumbers import country_code_for_region

    return str(country_code_for_region(country.upper()) or "")


def code_apart(digits: str) -> str:
    """A phone with a blank behind its calling code: "15105550101" -> "+1 5105550101".

    A spreadsheet keeps such a text as it is, and takes digits alone for a number.
    """
    from phonenumbers import COUNTRY_CODE_TO_REGION_CODE

    length = next((cut for cut in (1, 2, 3) if int(digits[:cut] or 0) in COUNTRY_CODE_TO_REGION_CODE), 1)
    return f"+{digits[:length]} {digits[length:]}" if digits else ""
