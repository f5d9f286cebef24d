"""Every number that the digits of a phone can mean, by the metadata of the numbering library.

1. A leading 00 is a plus. So is the region's own exit code (011 in the US), if it has three digits or more.
2. A "(0)" inside is dropped if the number is valid without it.
3. Without a plus the digits are read at home, in the region. Digits that begin with the home country's code are also
   read as written in full.
4. A bare run of digits that is longer by two or more than the region's numbers is read as written in full, too.
   The service writes numbers so ("442079460958"). Any other text without a plus never becomes a number of another
   country: `elsewhere` says which it would be, for the refusal.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import lru_cache
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:  # the library takes 35 ms to load, and is loaded by the first phone
    from phonenumbers import PhoneNumber

_E164_DIGITS = 15
_LEAST_UNVERIFIED_DIGITS = 8
_SHORTEST_EXIT_CODE = 3  # shorter ones, such as the 0 of Cape Verde, are too easily something else
_LEAST_ABROAD_DIGITS = 11
ROAMING = 2  # digits more than the region's own numbers
_LONGEST_WHERE_UNKNOWN = 9


class Reading(NamedTuple):
    """One number that a text can mean."""

    digits: str  # E.164 without the plus
    region: str  # the region that was assumed, "" if the country was written
    in_full: bool  # written with a plus or 00
    country: str  # the country of the number, "GB" or "+800"
    is_foreign: bool  # another country than the region's, and neither a plus nor an exit code was written
    length: int  # phonenumbers.ValidationResult
    valid: bool

    @property
    def possible(self) -> bool:
        """Whether the number may be taken although it is not known as valid."""
        from phonenumbers import ValidationResult

        long_enough = _LEAST_UNVERIFIED_DIGITS <= len(self.digits) <= _E164_DIGITS
        return self.in_full and self.length == ValidationResult.IS_POSSIBLE and long_enough

    @property
    def lacks_area_code(self) -> bool:
        from phonenumbers import ValidationResult

        return self.length == ValidationResult.IS_POSSIBLE_LOCAL_ONLY


def readings(written: str, region: str, *, may_roam: bool = True) -> list[Reading]:
    """Every reading of the text. `may_roam` False never takes a bare run of digits for another country's number."""
    return [reading for variant in _variants(written) for reading in _readings_of(variant, region, may_roam=may_roam)]


def elsewhere(written: str, region: str) -> Reading | None:
    """The valid number of another country that the text would be with a plus in front, None if there is none."""
    digits = re.sub(r"\D", "", written)
    reading = _read("+" + digits, region, in_full=False) if len(digits) <= _E164_DIGITS else None
    return reading if reading and reading.valid and reading.is_foreign else None


def lacks_trunk(written: str, home: Reading) -> bool:
    """Whether a bare run of eleven digits or more lacks the trunk prefix with which people write that number at home.

    A German number has one, so such digits may be meant as written in full. A Chinese mobile has none.
    """
    import phonenumbers

    if not home.region or not written.isdecimal() or len(written) < _LEAST_ABROAD_DIGITS:
        return False
    number = phonenumbers.parse("+" + home.digits)
    national = re.sub(r"\D", "", phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.NATIONAL))
    return national != written and national.endswith(written)


def excess(digits: str, region: str) -> int:
    """How many digits there are more than the region's longest number has, its trunk prefix included."""
    longest, trunk = longest_and_trunk(region)
    return len(digits) - longest - (len(trunk) if trunk and digits.startswith(trunk) else 0)


@lru_cache(maxsize=256)
def longest_and_trunk(region: str) -> tuple[int, str]:
    """The digits of the region's longest number, of those that people have, and its trunk prefix.

    Service numbers do not count: an Australian one may have 12 digits, a person's has 9.
    """
    from phonenumbers import PhoneMetadata

    metadata = PhoneMetadata.metadata_for_region(region, None)
    if metadata is None:
        return _LONGEST_WHERE_UNKNOWN, ""
    kinds = [kind for kind in (metadata.fixed_line, metadata.mobile) if kind and kind.possible_length]
    return max(max(kind.possible_length) for kind in kinds), metadata.national_prefix or ""


def _variants(written: str) -> list[str]:
    """The text without and with a `(0)` that stands behind something: Italy keeps it, most others do not."""
    trunk = re.match(r"(?P<before>.*\d.*?)\(\s*0\s*\)(?P<behind>.*)", written)
    return [trunk["before"] + trunk["behind"], written] if trunk else [written]


def _readings_of(written: str, region: str, *, may_roam: bool) -> Iterator[Reading]:
    digits = re.sub(r"\D", "", written)
    if "+" in written:
        forms = [("+" + digits, True)]
    elif digits.startswith("00"):
        forms = [("+" + digits[2:], True), (digits, False)]
    elif _may_be_in_full(written, digits, region, may_roam=may_roam):
        forms = [(digits, False), ("+" + digits, False)]
    else:
        forms = [(digits, False)]
    for form, in_full in forms:
        reading = _read(form, region, in_full=in_full)
        if reading:
            yield reading


def _may_be_in_full(written: str, digits: str, region: str, *, may_roam: bool) -> bool:
    import phonenumbers

    home = phonenumbers.country_code_for_region(region)
    if len(digits) > _E164_DIGITS or digits.startswith("0"):
        return False
    is_home = home > 0 and digits.startswith(str(home))
    return is_home or (may_roam and written == digits and excess(digits, region) >= ROAMING)


def _read(form: str, region: str, *, in_full: bool) -> Reading | None:
    """The library's reading of digits with or without a plus, None if it makes no number of them, or another one."""
    import phonenumbers
    from phonenumbers import CountryCodeSource

    try:
        number = phonenumbers.parse(form, None if form.startswith("+") else region, keep_raw_input=True)
    except phonenumbers.NumberParseException:
        return None
    digits = phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)[1:]
    source = number.country_code_source
    is_home = source == CountryCodeSource.FROM_DEFAULT_COUNTRY
    if source == CountryCodeSource.FROM_NUMBER_WITH_IDD and not _has_exit_code(form, region):
        return None
    if not _is_faithful(form, digits, region if is_home else ""):
        return None
    unmarked = form.startswith("+") and not in_full
    return Reading(
        digits=digits,
        region=region if is_home else "",
        in_full=in_full,
        country=_country(number),
        is_foreign=unmarked and number.country_code != phonenumbers.country_code_for_region(region),
        length=phonenumbers.is_possible_number_with_reason(number),
        # German metadata knows longer numbers than E.164
        valid=phonenumbers.is_valid_number(number) and len(digits) <= _E164_DIGITS,
    )


def _has_exit_code(digits: str, region: str) -> bool:
    from phonenumbers import PhoneMetadata

    metadata = PhoneMetadata.metadata_for_region(region, None)
    code = re.match(metadata.international_prefix or "", digits) if metadata else None
    return code is not None and (len(code[0]) >= _SHORTEST_EXIT_CODE or code[0] == "00")


def _country(number: PhoneNumber) -> str:
    """The region of a number ("GB"). A number of no country has its code ("+800")."""
    import phonenumbers

    region = phonenumbers.region_code_for_number(number)
    return region if region in phonenumbers.SUPPORTED_REGIONS else f"+{number.country_code}"


def _is_faithful(form: str, digits: str, region: str) -> bool:
    """The last digits are as written, the country is as written or assumed, and the result reads back as itself."""
    import phonenumbers

    is_elsewhere = region and not digits.startswith(str(phonenumbers.country_code_for_region(region)))
    if form[-4:] != digits[-4:] or is_elsewhere:
        return False
    try:
        again = phonenumbers.parse("+" + digits)
    except phonenumbers.NumberParseException:
        return False
    return phonenumbers.format_number(again, phonenumbers.PhoneNumberFormat.E164) == "+" + digits
