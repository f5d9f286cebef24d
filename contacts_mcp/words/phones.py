"""Phones as people write them <-> the E.164 digits that the API wants (heymarket-api.md, section 1).

1. `phone_text` folds the text and refuses everything that has not the shape of one phone. Extensions, short codes,
   two numbers, e-mails and prose cannot be texted. Each refusal has its own stable `reason`.
2. `phone_readings` lists every number that the digits can mean. Two valid ones are refused as ambiguous, both named.
3. No number moves to another country by itself. Without a plus or an exit code only a bare run of digits can be
   another country's. It must be longer by two or more than the region's numbers. Any other text is refused, and the
   refusal names the number at home and the number abroad.
4. A number must be valid. If it is written in full, with a plus or 00, a possible length is enough.
5. The assumptions (country, keypad letters, decimals) are kept on the Phone and said in its `notes`.
6. A contact that exists is named by any number that an answer shows. A plus and digits are then taken as they stand,
   whatever the library thinks of them. `variants` are other digits that the same number may be stored under.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import lru_cache

from contacts_mcp.errors import InvalidPhone
from contacts_mcp.words import north_america
from contacts_mcp.words.display import quoted
from contacts_mcp.words.note import Note
from contacts_mcp.words.phone_readings import (
    ROAMING,
    Reading,
    elsewhere,
    excess,
    lacks_trunk,
    longest_and_trunk,
    readings,
)
from contacts_mcp.words.phone_text import (
    LONGEST_RAW,
    LONGEST_TEXT,
    Unreadable,
    Written,
    fold,
    read_text,
    without_decimals,
)
from contacts_mcp.words.renumbering import other_forms

_SHORT_CODE_DIGITS = 6
_LEAST_LOCAL_DIGITS = 7
_MOST_DIGITS_BEFORE_A_WORD = 7  # as in 1-510-555-HOME


@dataclass(frozen=True, slots=True)
class Phone:
    """One number that can be texted."""

    digits: str  # E.164 without the plus, as the API wants it
    assumed_region: str = ""  # the region of a number that was written without a country, "" if it was written
    verified: bool = True  # False if the library does not know the number and its length is all that speaks for it
    foreign_country: str = field(default="", compare=False)  # the country that the digits name, if no plus was written
    spelled: bool = field(default=False, compare=False)  # letters were read as keypad digits
    had_decimals: bool = field(default=False, compare=False)  # written as a spreadsheet does: 6145550123.0
    at_home: str = field(
        default="", compare=False
    )  # the valid number at home that an unverified one is without its plus
    today: str = field(default="", compare=False)  # the valid form of a number that its country has changed
    variants: tuple[str, ...] = field(default=(), compare=False)  # other digits that the number may be stored under

    def __str__(self) -> str:
        return show(self.digits)

    @property
    def notes(self) -> list[Note]:
        """As `notes_on`, for this number alone."""
        return notes_on(self)

    @property
    def note_kinds(self) -> list[str]:
        """The kinds of the notes, where their texts are not told."""
        return [kind for kind, applies, _ in _REMARKS if applies(self)]


def notes_on(*phones: Phone) -> list[Note]:
    """The assumptions made and checks missed in reading the phones of one call, each said once and with its numbers.

    The list is empty if everything was written and known. Kinds: assumed_country, country_from_digits,
    keypad_letters, spreadsheet_number, unverified_phone, plus_too_many, renumbered.
    """
    texts: dict[tuple[str, str], list[str]] = {}
    for phone in phones:
        for kind, applies, text in _REMARKS:
            if applies(phone):
                texts.setdefault((kind, text.format(phone=phone, numbers="{numbers}")), []).append(str(phone))
    return [
        Note(kind, text.format(numbers=" and ".join(dict.fromkeys(numbers)))) for (kind, text), numbers in texts.items()
    ]


_REMARKS: tuple[tuple[str, Callable[[Phone], object], str], ...] = (
    (
        "assumed_country",
        lambda phone: phone.assumed_region,
        "No country was written; {phone.assumed_region} was assumed for {numbers}.",
    ),
    (
        "country_from_digits",
        lambda phone: phone.foreign_country,
        "No plus was written; {numbers} was read as a number of {phone.foreign_country}.",
    ),
    ("keypad_letters", lambda phone: phone.spelled, "Letters were read as keypad digits: {numbers}."),
    (
        "spreadsheet_number",
        lambda phone: phone.had_decimals,
        "Read as a number of a spreadsheet, its digits alone: {numbers}.",
    ),
    (
        "unverified_phone",
        lambda phone: not phone.verified,
        "{numbers} could not be verified as a real number.",
    ),
    ("plus_too_many", lambda phone: phone.at_home, "Without its plus, {numbers} would be {phone.at_home}."),
    (
        "renumbered",
        lambda phone: phone.today,
        "Its country changed such numbers: {numbers} is {phone.today} today.",
    ),
)


def parse_phone(text: str, *, region: str = "US", argument: str = "phone", naming: bool = False) -> Phone:
    """Read one phone as people write it. A number without a country is read in `region` (ISO 3166 alpha-2).

    `naming` is for the phone of a contact that exists. Raises InvalidPhone, whose `reason` is one of: empty,
    text_too_long, email, several, extension, plus, letters, characters, digits_lost, ambiguous, short_code, local,
    length, country_code, renumbered, invalid, unknown_region.
    """
    region = region.strip().upper()
    if not naming and (quick := north_america.read(text, region)):
        return Phone(quick.digits, assumed_region=quick.assumed_region)
    try:
        written = read_text(text)
        if naming:
            return _parse_name(written, region)
        read = _parse(written, region)
        return replace(read, variants=other_forms(read.digits))
    except Unreadable as unreadable:
        problem = f"{quoted(text.strip(), limit=40)} {unreadable.problem}"
        raise InvalidPhone(
            unreadable.reason, problem, expected=unreadable.expected or _example(region), argument=argument
        ) from None


def is_region(code: str) -> bool:
    """Whether `code` is a country (ISO 3166 alpha-2, capital letters) that has phone numbers."""
    from phonenumbers import SUPPORTED_REGIONS

    return code in SUPPORTED_REGIONS


def region_of_code(code: int) -> str:
    """The main country of a calling code: 44 -> "GB", "" for a code of no country."""
    import phonenumbers

    region = phonenumbers.region_code_for_country_code(code)
    return region if region in phonenumbers.SUPPORTED_REGIONS else ""


def trunk_prefix(region: str) -> str:
    """The digit that people of a region write before a number at home ("0" in Germany), "" if there is none."""
    return longest_and_trunk(region)[1]


def from_api(value: object) -> str:
    """The digits of a phone in an API answer, in any form (digits, a plus, spaces, a number), "" for none.

    Never raises. A number that was rounded has lost its digits and is "".
    """
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if isinstance(value, bool) or not isinstance(value, str | int):
        return ""
    if isinstance(value, int):
        return str(value) if 0 < value < 10**20 else ""
    try:
        text = without_decimals(fold(value[:LONGEST_RAW]).strip())
    except Unreadable:
        return ""
    number = re.search(r"\d[\d ()\-./]*", text)
    digits = re.sub(r"\D", "", number[0]) if number else ""
    return digits if len(digits) < LONGEST_TEXT else ""  # one that could not be named


def show(digits: str) -> str:
    """The API's digits as people read them: "15105553344" -> "+15105553344", "" -> ""."""
    return f"+{digits}" if digits else ""


# Choosing one reading


def _parse_name(written: Written, region: str) -> Phone:
    """The phone of a contact that exists: as an answer shows it, else as the library reads it."""
    stored = _as_stored(written.text, region)
    try:
        read = _parse(written, region)
    except Unreadable:
        if not stored:
            raise
        read = Phone(stored, verified=False, had_decimals=written.has_decimals)
    digits = stored if written.text == show(stored) else read.digits
    forms = dict.fromkeys(form for each in (digits, read.digits, stored) for form in (each, *other_forms(each)))
    variants = tuple(form for form in forms if form not in ("", digits))
    return replace(read, digits=digits, verified=read.verified and digits == read.digits, variants=variants)


def _as_stored(text: str, region: str) -> str:
    """The digits of a number in full, as they stand, "" for a text that is none.

    It has a plus, or it is a bare run of digits too long for the region.
    """
    digits = re.sub(r"\D", "", text)
    is_bare = text == digits and not text.startswith("0") and excess(digits, region) >= ROAMING
    return digits if is_bare or re.fullmatch(r"\(?\+[\d ()\-./]+", text) else ""


def _parse(written: Written, region: str) -> Phone:
    if written.is_spelled:
        _refuse_word_behind_number(written, region)
    text = written.dialled
    found = readings(text, region, may_roam=not written.is_spelled)
    meant = _valid(text, region, found)
    if meant is None and not written.is_spelled:
        meant = next((reading for reading in found if reading.possible), None)
    if meant is None:
        raise _no_number(text, region, found)
    return Phone(
        meant.digits,
        assumed_region=meant.region,
        verified=meant.valid,
        foreign_country=meant.country if meant.is_foreign else "",
        spelled=written.is_spelled,
        had_decimals=written.has_decimals,
        today="" if meant.valid else show(_today(meant.digits)),
        at_home="" if meant.valid else _at_home_alone(meant.digits, region),
    )


def _valid(text: str, region: str, found: list[Reading]) -> Reading | None:
    """The one valid reading, None if there is none. Raises Unreadable for several."""
    valid = {reading.digits: reading for reading in found if reading.valid}
    if any(lacks_trunk(text, reading) for reading in valid.values()) and (abroad := elsewhere(text, region)):
        valid[abroad.digits] = abroad
    if len(valid) > 1:
        raise _ambiguous(" or as ".join(map(show, valid)))
    return next(iter(valid.values()), None)


def _at_home_alone(digits: str, region: str) -> str:
    """The valid number at home that the digits are without a plus, "" if they are none."""
    home = next(
        (reading for reading in readings(digits, region, may_roam=False) if reading.valid and reading.region), None
    )
    return show(home.digits) if home else ""


def _refuse_word_behind_number(written: Written, region: str) -> None:
    """Raises Unreadable for a word behind a number that is one already ("510 555 3344 home", "... in Germany")."""
    match = written.spelled
    if match is None or _is_number_already(match["digits"], region) or _may_be_of_another_country(match["digits"]):
        way = "write the digits alone, and for a country its plus and code in front."
        raise Unreadable("letters", f"has a word behind a number; {way}")


def _may_be_of_another_country(text: str) -> bool:
    return not text.startswith("+") and len(re.findall(r"\d", text)) > _MOST_DIGITS_BEFORE_A_WORD


def _is_number_already(text: str, region: str) -> bool:
    is_long = len(re.findall(r"\d", text)) >= _LEAST_LOCAL_DIGITS
    return any(reading.valid or (is_long and reading.lacks_area_code) for reading in readings(text, region))


def _ambiguous(both: str) -> Unreadable:
    return Unreadable(
        "ambiguous", f"can be read as {both}.", expected="Write the one that is meant, with its plus and country code."
    )


# Refusing: why the digits are no number


def _no_number(text: str, region: str, found: list[Reading]) -> Unreadable:
    digits = re.sub(r"\D", "", text)
    if any(reading.lacks_area_code for reading in found) and len(digits) >= _LEAST_LOCAL_DIGITS:
        return Unreadable("local", "has no area code.")
    if "+" in text or digits.startswith("00"):
        return _no_full_number(digits.removeprefix("00"), found)
    return _no_home_number(digits, region, found)


def _no_full_number(digits: str, found: list[Reading]) -> Unreadable:
    if not _begins_with_country(digits):
        return Unreadable("country_code", "does not begin with a country code that exists.")
    if today := _today(digits):
        return Unreadable(
            "renumbered", "has the form of before its country changed such numbers.", expected=f"Write {show(today)}."
        )
    if any(reading.possible for reading in found):
        return Unreadable("invalid", "is not a phone number of its country.")
    return Unreadable("length", f"has too few or too many digits ({len(digits)}) for a number of its country.")


def _today(digits: str) -> str:
    """The valid form of a number that its country has changed, "" if there is none."""
    return next((form for form in other_forms(digits) if any(read.valid for read in readings(show(form), ""))), "")


def _begins_with_country(digits: str) -> bool:
    from phonenumbers import COUNTRY_CODE_TO_REGION_CODE

    return any(digits.startswith(str(code)) for code in COUNTRY_CODE_TO_REGION_CODE)


def _no_home_number(digits: str, region: str, found: list[Reading]) -> Unreadable:
    from phonenumbers import ValidationResult

    if len(digits) <= _SHORT_CODE_DIGITS:
        return Unreadable(
            "short_code", "is too short for a phone number; short codes and emergency numbers are no contacts."
        )
    if not is_region(region):
        return Unreadable(
            "unknown_region", f"has no country, and the default region {quoted(region, limit=8)} is not one."
        )
    if abroad := elsewhere(digits, region):
        return _ambiguous(f"{_at_home(digits, region, found)}, or as {show(abroad.digits)} of {abroad.country}")
    advice = "for one of another country write its plus and country code."
    if any(reading.length == ValidationResult.IS_POSSIBLE for reading in found):
        return Unreadable("invalid", f"is not a phone number of {region}; {advice}")
    problem = f"has too few or too many digits ({len(digits)}) for a phone number of {region}; {advice}"
    return Unreadable("length", problem)


def _at_home(digits: str, region: str, found: list[Reading]) -> str:
    """The number at home, and why it is none: "+161455501234, which has 1 digit too many for US"."""
    import phonenumbers

    home = next((reading.digits for reading in found if reading.region), "")
    number = show(home or f"{phonenumbers.country_code_for_region(region)}{digits}")
    too_many = excess(digits, region)
    if too_many <= 0:
        return f"{number}, which is no number of {region}"
    return f"{number}, which has {too_many} digit{'' if too_many == 1 else 's'} too many for {region}"


@lru_cache(maxsize=8)
def _example(region: str) -> str:
    import phonenumbers
    from phonenumbers import PhoneNumberFormat

    number = phonenumbers.example_number(region)
    if region == "US" or number is None:
        return "Write it like (510) 555-3344 or +1 510-555-3344."
    forms = PhoneNumberFormat.NATIONAL, PhoneNumberFormat.INTERNATIONAL
    return "Write it like {} or {}.".format(*(phonenumbers.format_number(number, form) for form in forms))
