"""What people write <-> the E.164 digits the API wants (heymarket-api.md, section 1).

1. Fold first: digits of every script, full-width forms, every dash and space, invisible characters. Then allow only the characters of
   one phone: digits, one leading plus, ( ) - . / and spaces, `tel:` before and a sentence's full stop or comma behind. The rest is refused
   before the library sees it: left alone, it finds a number inside prose and turns a letter O into another number.
2. A leading 00 is a plus; so is the region's own exit code (011 in the US). A "(0)" inside is dropped where the number is valid without it.
3. Without a plus the number is read at home, in `region`. 11 to 15 digits, and any that begin with the home country code, are also read
   as already international. Two different valid readings are refused as ambiguous, naming both: no number is moved to another country.
4. Valid is required; or, written in full with a plus or 00, possible in length (`verified=False`).
5. Letters are keypad digits only in a word at the end with three or more in a row, when the digits before it are no number themselves.
6. Extensions, short codes, two numbers, e-mails and prose cannot be texted: each is refused with its own stable `reason`.
7. What was not written and had to be assumed (country, keypad letters) is kept on the Phone and said in its `notes`.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import lru_cache
from typing import NamedTuple

from contacts_mcp.errors import InvalidPhone
from contacts_mcp.words.display import is_invisible, visible
from contacts_mcp.words.note import Note

LONGEST_TEXT = 64  # visible characters; nobody writes one phone longer
_LONGEST_RAW = 4 * LONGEST_TEXT  # with room for marks nobody sees
_E164_DIGITS = 15
_SHORT_CODE_DIGITS = 6
_LEAST_UNVERIFIED_DIGITS = 8
_LEAST_LOCAL_DIGITS = 7
_LEAST_INTERNATIONAL_DIGITS = 11
_LEAST_DIGITS_BEFORE_A_WORD = 3


@dataclass(frozen=True, slots=True)
class Phone:
    """One number that can be texted."""

    digits: str  # E.164 without the plus, as the API wants it
    assumed_region: str = ""  # the region of a number that was written without a country, "" if it was written
    verified: bool = True  # False if the library does not know the number and its length is all that speaks for it
    bare_country: str = field(
        default="", compare=False
    )  # the country that the first digits name, if no plus was written
    spelled: bool = field(default=False, compare=False)  # letters were read as keypad digits

    def __str__(self) -> str:
        return show(self.digits)

    @property
    def notes(self) -> list[Note]:
        """As `notes_on`, for this number alone."""
        return notes_on(self)


def notes_on(*phones: Phone) -> list[Note]:
    """The assumptions made and checks missed in reading the phones of one call, each said once and with its numbers.

    The list is empty if everything was written and known. Kinds: assumed_country, country_from_digits,
    keypad_letters, unverified_phone.
    """
    texts: dict[tuple[str, str], list[str]] = {}
    for phone in phones:
        for kind, applies, text in _REMARKS:
            if applies(phone):
                texts.setdefault((kind, text.format(phone=phone, numbers="{numbers}")), []).append(str(phone))
    return [Note(kind, text.format(numbers=" and ".join(numbers))) for (kind, text), numbers in texts.items()]


_REMARKS: tuple[tuple[str, Callable[[Phone], object], str], ...] = (
    (
        "assumed_country",
        lambda phone: phone.assumed_region,
        "No country was written; {phone.assumed_region} was assumed for {numbers}.",
    ),
    (
        "country_from_digits",
        lambda phone: phone.bare_country,
        "No plus was written; {numbers} was read as a number of {phone.bare_country}.",
    ),
    ("keypad_letters", lambda phone: phone.spelled, "Letters were read as keypad digits: {numbers}."),
    (
        "unverified_phone",
        lambda phone: not phone.verified,
        "{numbers} has a possible length, but could not be verified as a real number.",
    ),
)


def parse_phone(text: str, *, region: str = "US", argument: str = "phone") -> Phone:
    """Read one phone as people write it; `region` (ISO 3166 alpha-2) is where a number without a country is read.

    Raises InvalidPhone, whose `reason` is one of: empty, text_too_long, email, several, extension, plus, letters, characters, ambiguous,
    short_code, local, length, country_code, invalid, unknown_region.
    """
    region = region.strip().upper()
    try:
        return _parse(text, region)
    except _Unreadable as unreadable:
        problem = f'"{visible(text.strip(), limit=40)}" {unreadable.problem}'
        raise InvalidPhone(
            unreadable.reason, problem, expected=unreadable.expected or _example(region), argument=argument
        ) from None


def is_region(code: str) -> bool:
    """Whether `code` is a country (ISO 3166 alpha-2, capital letters) that has phone numbers."""
    from phonenumbers import SUPPORTED_REGIONS

    return code in SUPPORTED_REGIONS


def from_api(value: object) -> str:
    """The digits of a phone in an API answer, in whatever form (digits, with a plus, spaced, a number); "" for none. Never raises."""
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if isinstance(value, bool) or not isinstance(value, str | int):
        return ""
    if isinstance(value, int):
        return str(value) if 0 < value < 10**20 else ""
    number = re.search(r"\d[\d ()\-./]*", _fold(value[:_LONGEST_RAW]))
    return re.sub(r"\D", "", number[0]) if number else ""


def show(digits: str) -> str:
    """The API's digits as people read them: "15105553344" -> "+15105553344", "" -> ""."""
    return f"+{digits}" if digits else ""


class _Unreadable(Exception):
    """Why a text is no phone; `parse_phone` adds what was read and an example."""

    def __init__(self, reason: str, problem: str, *, expected: str = "") -> None:
        self.reason = reason
        self.problem = problem
        self.expected = expected
        super().__init__(reason)


def _parse(text: str, region: str) -> Phone:
    written = _written(text)
    _refuse_misshapen(written)
    spelled = re.search("[A-Z]", written) is not None
    if spelled:
        written = _without_letters(written, region)
    return _chosen(written, region, spelled=spelled)


# --- folding -------------------------------------------------------------------------

_FULL_WIDTH_OFFSET = 0xFEE0
_SAME_AS = {
    **dict.fromkeys(
        "\u2212\u02d7\u2043\u30fc\uff70\u2500\u2501", "-"
    ),  # minus signs, hyphen bullet, Japanese long marks, box lines
    **dict.fromkeys(
        "\u00b7\u2022\u2027\u2219\u22c5\u30fb\uff65\u3002\uff61", "."
    ),  # dots in the middle, ideographic full stops
    **dict.fromkeys("\t\n\v\f\r\x85\u2028\u2029", " "),
    "\u2044": "/",
    "\u2215": "/",
    "\u3001": ",",
    "\u20e3": "",  # the box around a keycap digit
}


@lru_cache(maxsize=1024)
def _fold_char(char: str) -> str:
    """One character as the ASCII a phone is written in; "" where nothing is seen; itself where it is no part of a phone."""
    if char in _SAME_AS:
        return _SAME_AS[char]
    if "\uff01" <= char <= "\uff5e":
        return chr(ord(char) - _FULL_WIDTH_OFFSET)
    category = unicodedata.category(char)
    if category == "Nd":
        return str(unicodedata.digit(char))
    by_category = {"Pd": "-", "Zs": " "}
    return by_category.get(category) or ("" if is_invisible(char) and category not in {"Cc", "Cs"} else char)


def _fold(text: str) -> str:
    return "".join(map(_fold_char, text))


def _written(text: str) -> str:
    """The folded text of one phone in capitals, without `tel:` before it and a sentence's punctuation behind it."""
    folded = _fold(text[:_LONGEST_RAW]).strip()
    if len(text) > _LONGEST_RAW or len(folded) > LONGEST_TEXT:
        raise _Unreadable(
            "text_too_long", f"is {len(text)} characters long; a phone number is shorter than {LONGEST_TEXT}."
        )
    capitals = re.sub(
        "[a-z]+", lambda letters: letters[0].upper(), folded
    )  # str.upper would make ASCII of others: \u00df -> SS
    return re.sub(r"^TEL:\s*", "", capitals).rstrip(" .,")


# --- shape: what is refused before the library sees it -------------------------------

_SEVERAL = re.compile(r"[/,;|&]|\b(?:OR|AND)\b|(?=\+)")
_EXTENSION = re.compile(r"(?:(?<=[\d)\s.,;])(?:X|EXT|EXTN|EXTENSION)[.:]?\s*\d+|#\s*\d+|[,;]+\s*\d+|;EXT=.*)$")
_WORD = re.compile(r"^(?P<digits>[^A-Z]*\d[^A-Z]*)(?P<word>[A-Z][A-Z\d .\-]*)$")
_LOOKALIKES = frozenset("OIL")


def _is_empty(written: str) -> bool:
    return not re.search(r"[^\s()\-./+]", written)


def _is_email(written: str) -> bool:
    return "@" in written


def _is_several(written: str) -> bool:
    """Two full numbers, or the `78/79` behind a German one."""
    return sum(map(_is_full, _SEVERAL.split(written))) > 1 or re.search(r"\d{2}/\s*\d{1,2}$", written) is not None


def _is_full(part: str) -> bool:
    """Digits enough for a number by itself: `+49 34609` in front of a slash is a country and an area."""
    part = part.strip(" (")
    return len(re.findall(r"\d", part)) >= (9 if part.startswith(("+", "00")) else 7)


def _has_extension(written: str) -> bool:
    return _EXTENSION.search(written) is not None


def _has_misplaced_plus(written: str) -> bool:
    return re.search(r"\+", re.sub(r"^\(?\s*\+", "", written)) is not None


def _has_stray_letters(written: str) -> bool:
    return any(char.isalpha() for char in written) and not _is_spelled(written)


def _is_spelled(written: str) -> bool:
    """`1-800-FLOWERS`: three digits or more, then a word with three letters in a row that are not all drawn like digits."""
    match = _WORD.match(written)
    if match is None or not re.search("[A-Z]{3}", match["word"]):
        return False
    digits, letters = re.findall(r"\d", match["digits"]), re.findall("[A-Z]", match["word"])
    return len(digits) >= _LEAST_DIGITS_BEFORE_A_WORD and not _LOOKALIKES.issuperset(letters)


def _has_other_characters(written: str) -> bool:
    return re.search(r"[^\dA-Z ()\-./+]", written) is not None


_REFUSALS = [
    (_is_empty, "empty", "holds no phone number."),
    (_is_email, "email", "is an e-mail address, not a phone number."),
    (_is_several, "several", "holds more than one phone number; write one."),
    (
        _has_extension,
        "extension",
        "has an extension, which cannot be texted; write the number without it, if it can be texted itself.",
    ),
    (_has_misplaced_plus, "plus", "has a plus that is not at its beginning."),
    (_has_stray_letters, "letters", "has letters in it; write the digits alone (0 and 1, not the letters O, I or L)."),
    (_has_other_characters, "characters", "has characters that are no part of a phone number."),
]


def _refuse_misshapen(written: str) -> None:
    for applies, reason, problem in _REFUSALS:
        if applies(written):
            raise _Unreadable(reason, problem)


_KEYPAD = str.maketrans("ABCDEFGHIJKLMNOPQRSTUVWXYZ", "22233344455566677778889999")


def _without_letters(written: str, region: str) -> str:
    """The keypad digits of a spelled number; refused where the word only follows a number ("510 555 3344 home")."""
    match = _WORD.match(written)
    if match is None or _is_number_already(match["digits"], region):
        raise _Unreadable("letters", "has a word behind a number; write the digits alone.")
    return written.translate(_KEYPAD)


def _is_number_already(written: str, region: str) -> bool:
    readings = _readings(written, region)
    local = len(re.findall(r"\d", written)) >= _LEAST_LOCAL_DIGITS
    return any(reading.valid or (local and reading.lacks_area_code) for reading in readings)


# --- readings: every way the digits can be meant -------------------------------------


class _Reading(NamedTuple):
    digits: str
    region: str  # the region that was assumed; "" where the country was written
    in_full: bool  # written with a plus or 00
    bare: str  # the country, if it is not the home one and neither a plus nor an exit code was written
    length: int  # phonenumbers.ValidationResult
    valid: bool

    @property
    def possible(self) -> bool:
        """Whether a number that is not known as valid may be taken all the same."""
        from phonenumbers import ValidationResult

        long_enough = _LEAST_UNVERIFIED_DIGITS <= len(self.digits) <= _E164_DIGITS
        return self.in_full and self.length == ValidationResult.IS_POSSIBLE and long_enough

    @property
    def lacks_area_code(self) -> bool:
        from phonenumbers import ValidationResult

        return self.length == ValidationResult.IS_POSSIBLE_LOCAL_ONLY


def _readings(written: str, region: str) -> list[_Reading]:
    return [reading for variant in _variants(written) for reading in _readings_of(variant, region)]


def _variants(written: str) -> list[str]:
    """The text without and with a `(0)` that stands behind something: Italy keeps it, most others do not."""
    trunk = re.match(r"(?P<before>.*\d.*?)\(\s*0\s*\)(?P<behind>.*)", written)
    return [trunk["before"] + trunk["behind"], written] if trunk else [written]


def _readings_of(written: str, region: str) -> Iterator[_Reading]:
    digits = re.sub(r"\D", "", written)
    if "+" in written:
        forms = [("+" + digits, True)]
    elif digits.startswith("00"):
        forms = [("+" + digits[2:], True), (digits, False)]
    elif _may_be_international(digits, region):
        forms = [(digits, False), ("+" + digits, False)]
    else:
        forms = [(digits, False)]
    for form, in_full in forms:
        reading = _read(form, region, in_full=in_full)
        if reading:
            yield reading


def _may_be_international(digits: str, region: str) -> bool:
    import phonenumbers

    home = phonenumbers.country_code_for_region(region)
    begins_at_home = home > 0 and digits.startswith(str(home))
    return not digits.startswith("0") and (_LEAST_INTERNATIONAL_DIGITS <= len(digits) <= _E164_DIGITS or begins_at_home)


def _read(form: str, region: str, *, in_full: bool) -> _Reading | None:
    """One reading by the library of nothing but digits and perhaps a plus; None where it makes no number of them, or an unfaithful one."""
    import phonenumbers

    try:
        number = phonenumbers.parse(form, None if form.startswith("+") else region, keep_raw_input=True)
    except phonenumbers.NumberParseException:
        return None
    digits = phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)[1:]
    home = number.country_code_source == phonenumbers.CountryCodeSource.FROM_DEFAULT_COUNTRY
    if not _is_faithful(form, digits, region if home else ""):
        return None
    is_bare = (
        form.startswith("+") and not in_full and number.country_code != phonenumbers.country_code_for_region(region)
    )
    bare = phonenumbers.region_code_for_number(number) or str(number.country_code) if is_bare else ""
    length = phonenumbers.is_possible_number_with_reason(number)
    valid = phonenumbers.is_valid_number(number) and len(digits) <= _E164_DIGITS  # German metadata knows longer ones
    return _Reading(digits, region if home else "", in_full, bare, length, valid)


def _is_faithful(form: str, digits: str, region: str) -> bool:
    """The last digits are those written, the country is the one written or assumed, and the result reads back as itself."""
    import phonenumbers

    if form[-4:] != digits[-4:] or (
        region and not digits.startswith(str(phonenumbers.country_code_for_region(region)))
    ):
        return False
    try:
        again = phonenumbers.parse("+" + digits)
    except phonenumbers.NumberParseException:
        return False
    return phonenumbers.format_number(again, phonenumbers.PhoneNumberFormat.E164) == "+" + digits


# --- choosing one --------------------------------------------------------------------


def _chosen(written: str, region: str, *, spelled: bool) -> Phone:
    readings = _readings(written, region)
    valid = {reading.digits: reading for reading in readings if reading.valid}
    if len(valid) > 1:
        both = " or as ".join(map(show, valid))
        raise _Unreadable(
            "ambiguous", f"can be read as {both}.", expected="Write the one that is meant, with its plus."
        )
    possible = [] if spelled else [reading for reading in readings if reading.possible]
    for reading in [*valid.values(), *possible]:
        return Phone(reading.digits, reading.region, reading.valid, bare_country=reading.bare, spelled=spelled)
    raise _no_number(written, region, readings)


def _no_number(written: str, region: str, readings: list[_Reading]) -> _Unreadable:
    digits = re.sub(r"\D", "", written)
    if any(reading.lacks_area_code for reading in readings) and len(digits) >= _LEAST_LOCAL_DIGITS:
        return _Unreadable("local", "has no area code.")
    if "+" in written or digits.startswith("00"):
        return _no_full_number(digits.removeprefix("00"), readings)
    return _no_home_number(digits, region, readings)


# Old ways of writing a number that its country has given up: what the digits begin with, and what to do about it.
_RETIRED = {"521": "Mexican mobiles no longer take a 1 behind +52: write +52 and the ten digits."}


def _no_full_number(digits: str, readings: list[_Reading]) -> _Unreadable:
    if not _begins_with_country(digits):
        return _Unreadable("country_code", "does not begin with a country code that exists.")
    if any(reading.possible for reading in readings):
        return _Unreadable("invalid", "is not a phone number of its country.")
    retired = next((advice for start, advice in _RETIRED.items() if digits.startswith(start)), "")
    return _Unreadable(
        "length", f"has too few or too many digits ({len(digits)}) for a number of its country.", expected=retired
    )


def _begins_with_country(digits: str) -> bool:
    from phonenumbers import COUNTRY_CODE_TO_REGION_CODE

    return any(digits.startswith(str(code)) for code in COUNTRY_CODE_TO_REGION_CODE)


def _no_home_number(digits: str, region: str, readings: list[_Reading]) -> _Unreadable:
    from phonenumbers import SUPPORTED_REGIONS, ValidationResult

    if len(digits) <= _SHORT_CODE_DIGITS:
        return _Unreadable(
            "short_code", "is too short for a phone number; short codes and emergency numbers are no contacts."
        )
    if region not in SUPPORTED_REGIONS:
        return _Unreadable(
            "unknown_region", f'has no country, and the default region "{visible(region, limit=8)}" is not one.'
        )
    elsewhere = "for one of another country write its plus and country code."
    if any(reading.length == ValidationResult.IS_POSSIBLE and not reading.bare for reading in readings):
        return _Unreadable("invalid", f"is not a phone number of {region}; {elsewhere}")
    return _Unreadable(
        "length", f"has too few or too many digits ({len(digits)}) for a phone number of {region}; {elsewhere}"
    )


@lru_cache(maxsize=8)
def _example(region: str) -> str:
    import phonenumbers
    from phonenumbers import PhoneNumberFormat

    number = phonenumbers.example_number(region)
    if region == "US" or number is None:
        return "Write it like (510) 555-3344 or +1 510-555-3344."
    forms = PhoneNumberFormat.NATIONAL, PhoneNumberFormat.INTERNATIONAL
    return "Write it like {} or {}.".format(*(phonenumbers.format_number(number, form) for form in forms))
