"""vCard 2.1, 3.0 and 4.0, as phones, mail programs and other address books write it.

1. A property is a group, a name, parameters and a value, over several lines if they are folded, or if quoted-printable
   ends in "=". Pictures are skipped without decoding.
2. A value is read in its CHARSET, else in the encoding of the file. Quoted-printable without one is UTF-8 if it can be,
   else the region's Windows page, which is told.
3. The kind of a phone is its label, else its types. A preferred value comes before others of its kind.
4. A group of people is no person. A card without its end is refused, and so is one that is larger than any card is.
"""

from __future__ import annotations

import quopri
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import BinaryIO, NamedTuple

from contacts_mcp.book.transfer import own_cards
from contacts_mcp.book.transfer.headers import Known, kind_of_phone
from contacts_mcp.book.transfer.limits import LARGEST_CARD, LONGEST_CELL, MOST_COLUMNS
from contacts_mcp.book.transfer.own import joined_tags
from contacts_mcp.book.transfer.sources.encoding import Encoding, lines_of, page_of
from contacts_mcp.book.transfer.sources.source import Record, Source, free_header

_BEGIN = re.compile(r"\s*BEGIN\s*:\s*VCARD\s*", re.IGNORECASE)
_END = re.compile(r"\s*END\s*:\s*VCARD\s*", re.IGNORECASE)
_PROPERTY = re.compile(r'(?P<head>[A-Za-z0-9.\-]+(?:;(?:[^:"]|"[^"]*")*)?):(?P<value>.*)', re.DOTALL)
_HEAD = re.compile(r'((?:[^;"]|"[^"]*")+)')
_BASE64 = re.compile(r"\s*[A-Za-z0-9+/=]*\s*")
_CUSTOM_LABEL = re.compile(r"X-CUSTOM\((?:CHARSET=[^,]*,)?(?:ENCODING=[^,]*,)?(?P<text>.*)\)", re.IGNORECASE)
_APPLE_LABEL = re.compile(r"_\$!<(.*)>!\$_")

LONGEST_PROPERTY = 4 * LONGEST_CELL  # characters; quoted-printable takes three for one

_DEVICES = ("FAX", "PAGER", "MODEM", "ISDN", "TLX", "TELEX")
_BINARY = frozenset(["PHOTO", "LOGO", "SOUND", "KEY"])
_NO_LABELS = frozenset(["VOICE", "PREF", "INTERNET", "MSG", "TEXT", "VIDEO", "X400", "IPHONE", "OTHER", "X-INTERNET"])
_SYSTEM_TAGS = frozenset(["my contacts", "mycontacts", "starred"])
_MOBILE_TYPES = frozenset(["CELL", "IPHONE", "MOBILE", "APPLEWATCH"])

# Headers of ours -> what they hold. A label follows in brackets: "phone (work)".
_MEANINGS = {
    "first": Known("first"),
    "last": Known("last"),
    "middle": Known("middle"),
    "prefix": Known("prefix"),
    "suffix": Known("suffix"),
    "full name": Known("full"),
    "display name": Known("display"),
    "company": Known("company"),
    "email": Known("email"),
    "tags": Known("tags"),
    "opted out": Known("opt_out"),
    "assignee": Known("assignee"),
    "avatar": Known("avatar"),
}
_KEPT = {
    "TITLE": "title",
    "NICKNAME": "nickname",
    "NOTE": "note",
    "BDAY": "birthday",
    "ANNIVERSARY": "anniversary",
    "URL": "url",
    "ROLE": "role",
    "IMPP": "message address",
    "X-SKYPE": "skype",
    "UID": "uid",
    **{name: place for name, place in own_cards.PLACES.items() if place in _MEANINGS},
}
OUR_FIELD = "field "  # a custom field that our export wrote into a card
# Properties that are read elsewhere, or are about the file and its look.
_NOT_KEPT = _BINARY | frozenset(
    [
        "VERSION",
        "PRODID",
        "REV",
        "N",
        "FN",
        "ORG",
        "ADR",
        "TEL",
        "EMAIL",
        "CATEGORIES",
        "KIND",
        "X-ADDRESSBOOKSERVER-KIND",
        "X-ABLABEL",
        "X-ABSHOWAS",
        "X-ABADR",
        "X-MS-OL-DESIGN",
        "X-MS-CARDPICTURE",
        "CLIENTPIDMAP",
        "CLASS",
        "MAILER",
        "SORT-STRING",
        "PROFILE",
    ]
)


class _Property(NamedTuple):
    group: str
    name: str
    parameters: list[tuple[str, str]]  # name in capitals ("" for a bare type), value
    value: str

    @property
    def types(self) -> list[str]:
        found = [text for name, text in self.parameters if name in ("", "TYPE")]
        return [part.strip().upper() for text in found for part in text.strip('"').split(",")]

    @property
    def preference(self) -> int:
        said = next((text.strip('"') for name, text in self.parameters if name == "PREF"), "")
        return int(said) if said.isdigit() else 1 if "PREF" in self.types else 101


@dataclass(slots=True)
class _Card:
    line: int
    version: str = ""
    properties: list[_Property] = field(default_factory=list)
    size: int = 0
    is_assumed: bool = False  # quoted-printable in an assumed charset

    def first(self, name: str) -> str:
        found = sorted((one for one in self.properties if one.name == name), key=lambda one: one.preference)
        return found[0].value if found else ""

    @property
    def kind(self) -> str:
        return (self.first("KIND") or self.first("X-ADDRESSBOOKSERVER-KIND")).strip().lower()

    @property
    def is_group(self) -> bool:
        return self.kind in ("group", "list")

    @property
    def is_of_a_person(self) -> bool:
        """Whether its full name is that of a person, and no company or group."""
        is_shown_as_company = self.first("X-ABSHOWAS").strip().upper() == "COMPANY"
        return not (self.is_group or self.kind == "org" or is_shown_as_company)

    @property
    def is_too_large(self) -> bool:
        return self.size > LARGEST_CARD


class _Reader:
    """Reads cards, and remembers in which charsets they were written."""

    def __init__(self, encoding: Encoding, region: str) -> None:
        self.is_wide = encoding.name.startswith(("utf-16", "utf-32"))
        self.encoding = encoding.name
        self.page = page_of(region)
        self.charsets: set[str] = set()  # of values with bytes beyond ASCII that say theirs
        self.is_raw = False  # whether a value has bytes beyond ASCII and says no charset
        self.is_assumed = False
        self.is_ours = True  # until a card is met that our export did not write

    def records(self, lines: Iterator[str], not_contacts: list[int]) -> Iterator[Record]:
        not_contacts.clear()
        card: _Card | None = None
        for number, text in _without_agents(self._logical(lines)):
            if _BEGIN.fullmatch(text):
                if card:
                    yield self._record(card, "card_not_ended")
                card = _Card(number)
            elif card and _END.fullmatch(text):
                yield self._record(card)
                card = None
            elif card:
                self._add(card, text)
            elif text.strip():
                not_contacts.append(number)
        if card:
            yield self._record(card, "card_not_ended")

    def _logical(self, lines: Iterator[str]) -> Iterator[tuple[int, str]]:
        """Unfolded lines, each with the number of its first physical line. Pictures are left out."""
        held, begun, is_picture = "", 0, False
        for number, raw in enumerate(lines, start=1):
            line = raw.rstrip("\r\n")
            if is_picture and _goes_on_in_base64(line):
                continue
            longer = _continued(held, line)
            if longer:
                held = longer
                continue
            if held:
                yield begun, held
            is_picture = _is_binary(line)
            held, begun = "" if is_picture else line, number
        if held:
            yield begun, held

    def _add(self, card: _Card, text: str) -> None:
        match = _PROPERTY.fullmatch(text)
        card.size += len(text)
        if not match or card.is_too_large or len(card.properties) >= MOST_COLUMNS:
            return
        named, *rest = _HEAD.findall(match["head"]) or [""]
        group, _, name = named.rpartition(".")
        parameters = [
            (key.upper(), value) if is_named else ("", key)
            for one in rest
            for key, is_named, value in [one.partition("=")]
        ]
        parameters = [
            ("", one) if one.upper().startswith("X-CUSTOM(") else pair
            for one, pair in zip(rest, parameters, strict=True)
        ]
        value = self._decoded(card, match["value"], parameters)
        if name.upper() == "VERSION":
            card.version = value.strip()
        card.properties.append(_Property(group.lower(), name.upper(), parameters, value))

    def _decoded(self, card: _Card, value: str, parameters: list[tuple[str, str]]) -> str:
        charset = next((text.strip('"') for name, text in parameters if name == "CHARSET"), "")
        is_quoted = any(
            text.strip('"').upper() == "QUOTED-PRINTABLE" for name, text in parameters if name in ("", "ENCODING")
        )
        data = value.encode("utf-8" if self.is_wide else "latin-1", "replace")
        if is_quoted:
            data = quopri.decodestring(data)
        elif self.is_wide or data.isascii():
            return value
        return self._text(card, data, charset, is_quoted=is_quoted)

    def _text(self, card: _Card, data: bytes, charset: str, *, is_quoted: bool) -> str:
        for name in filter(None, (charset, "utf-8" if is_quoted or not charset else "")):
            try:
                text = data.decode(name)
            except (LookupError, ValueError):
                continue
            if not data.isascii() and not is_quoted:
                self.is_raw |= not charset
                self.charsets |= {charset.lower()} if charset else set()
            return text
        if is_quoted:
            self.is_assumed = card.is_assumed = True
            return data.decode(self.page, "replace")
        self.is_raw = True
        return data.decode(self.encoding if self.encoding != "utf-8" else self.page, "replace")

    # One card

    def _record(self, card: _Card, refused: str = "") -> Record:
        self.is_ours = self.is_ours and own_cards.is_own(card.properties)
        if self.is_ours:
            fault = "card_too_large" if card.is_too_large else ""
            return Record(card.line, own_cards.cells_of(card.properties), refused or fault)
        cells: dict[str, str] = {}
        self._names(card, cells)
        self._numbers(card, cells)
        self._others(card, cells)
        faults = {
            "card_too_large": card.is_too_large,
            "cell_too_long": any(len(text) > LONGEST_CELL for text in cells.values()),
            "group": card.is_group,
        }
        reason = refused or next((fault for fault, applies in faults.items() if applies), "")
        return Record(card.line, cells, reason, "", ("assumed_charset",) if card.is_assumed else ())

    def _names(self, card: _Card, cells: dict[str, str]) -> None:
        parts = next((_structured(one.value, card.version) for one in card.properties if one.name == "N"), [])
        for header, part in zip(("last", "first", "middle", "prefix", "suffix"), parts, strict=False):
            _put(cells, header, ", ".join(filter(None, _listed(part, card.version))) if header != "last" else part)
        _put(cells, "full name" if card.is_of_a_person else "display name", _plain(card.first("FN"), card.version))
        organization = _structured(card.first("ORG"), card.version)
        _put(cells, "company", ", ".join(part for part in organization if part.strip()))
        for one in card.properties:
            if one.name == "ADR":
                _put(cells, "address", ", ".join(part for part in _structured(one.value, card.version) if part.strip()))

    def _numbers(self, card: _Card, cells: dict[str, str]) -> None:
        labels = {one.group: one.value for one in card.properties if one.name == "X-ABLABEL" and one.group}
        for name, noun in (("TEL", "phone"), ("EMAIL", "email")):
            found = [one for one in card.properties if one.name == name]
            for one in sorted(found, key=lambda one: one.preference):  # a stable sort
                device = _device(one).lower()
                label = _label(one, labels.get(one.group, "")).removeprefix(device)
                _put(cells, f"{device or noun} ({label})" if label else device or noun, one.value)

    def _others(self, card: _Card, cells: dict[str, str]) -> None:
        tags = [
            tag
            for one in card.properties
            if one.name == "CATEGORIES"
            for tag in _listed(one.value, card.version, also=";" if card.version.startswith("2") else "")
        ]
        _put(cells, "tags", joined_tags(tag for tag in tags if tag and tag.casefold() not in _SYSTEM_TAGS))
        for one in card.properties:
            if one.name == own_cards.FIELD:
                label, text, *_ = [*_structured(one.value, "3.0"), ""]
                _put(cells, f"{OUR_FIELD}{label}", text)
            elif one.name not in _NOT_KEPT:
                _put(cells, _KEPT.get(one.name, one.name.lower()), _plain(one.value, card.version))


def _device(one: _Property) -> str:
    """The kind of a number that is no phone of a person, "" for a phone or an e-mail."""
    return next((kind for kind in one.types if kind in _DEVICES), "")


def _label(one: _Property, said: str) -> str:
    """The label of a phone or e-mail, "" for one without. `said` is the label that a property beside it gives."""
    if said:
        return _APPLE_LABEL.sub(r"\1", said.strip()).strip()
    for _, text in one.parameters:
        if custom := _CUSTOM_LABEL.fullmatch(text):
            return quopri.decodestring(custom["text"].encode()).decode("utf-8", "replace")
    if not _MOBILE_TYPES.isdisjoint(one.types):
        return "cell"
    types = [kind for kind in one.types if kind and kind not in _NO_LABELS]
    return next((kind if kind.startswith("X-") else kind.lower() for kind in types), "")


def read(stream: BinaryIO, encoding: Encoding, *, region: str) -> Source:
    """The cards of a file."""
    reader = _Reader(encoding, region)
    not_contacts: list[int] = []

    def records() -> Iterator[Record]:
        lines = lines_of(stream, reader.encoding if reader.is_wide else "latin-1")
        return reader.records(_without_mark(lines), not_contacts)

    headers: dict[str, None] = {}
    has_own = False
    for record in records():
        has_own |= reader.is_ours
        headers.update(dict.fromkeys(record.cells))
    if has_own and not reader.is_ours:  # cards of ours among others are read as any
        headers = dict.fromkeys(header for record in records() for header in record.cells)
    return Source(
        format="vcard",
        encoding=_shown_encoding(reader),
        headers=tuple(headers),
        records=records,
        is_ours=reader.is_ours and bool(headers),
        assumptions=[encoding.note] if encoding.note and (reader.is_raw or not reader.charsets) else [],
        not_contacts=not_contacts,
    )


def meaning(header: str) -> Known | None:
    """The meaning of a header that this module has made."""
    base, _, label = re.sub(r" \(\d+\)$", "", header).partition(" (")
    if base.upper() in _DEVICES:
        return Known("phone", "never")
    if base != "phone":
        return _MEANINGS.get(base, Known("other"))
    if not label:
        return Known("phone", "main")
    return Known("phone", kind_of_phone(label.rstrip(")")))


def is_cards(start: str) -> bool:
    return re.match(r"\s*BEGIN\s*:\s*VCARD", start.lstrip("\ufeff"), re.IGNORECASE) is not None


def _shown_encoding(reader: _Reader) -> str:
    if reader.is_assumed and not reader.is_raw and reader.encoding == "utf-8":
        return f"us-ascii with quoted-printable {reader.page.replace('cp', 'windows-')}"
    if reader.charsets and not reader.is_raw and not reader.is_wide:
        return ", ".join(sorted(reader.charsets))
    return reader.encoding


def _without_agents(lines: Iterator[tuple[int, str]]) -> Iterator[tuple[int, str]]:
    """The lines without the cards that stand inside others, as the agent of a person."""
    depth, is_agent = 0, False
    for number, text in lines:
        if _BEGIN.fullmatch(text) and (is_agent or depth):
            depth += 1
        elif depth:
            depth -= _END.fullmatch(text) is not None
        else:
            yield number, text
        is_agent = text.upper().startswith("AGENT") or (is_agent and not text.strip())


def _without_mark(lines: Iterator[str]) -> Iterator[str]:
    for number, line in enumerate(lines):
        yield line.removeprefix("\ufeff").removeprefix("ï»¿") if number == 0 else line


def _continued(held: str, line: str) -> str:
    """The property with a line that goes on with it, "" for a line of its own. A far too long one grows no longer."""
    is_folded = line[:1] in (" ", "\t") and not line.isspace()
    if not held or not (is_folded or _is_soft(held)):
        return ""
    if len(held) > LONGEST_PROPERTY:
        return held
    return held[:-1] + line if _is_soft(held) else held + line[1:]


def _goes_on_in_base64(line: str) -> bool:
    return line[:1] in (" ", "\t") or (bool(line) and _BASE64.fullmatch(line) is not None)


def _is_soft(held: str) -> bool:
    """Whether a quoted-printable value goes on in the next line."""
    return held.endswith("=") and re.match(r"[^:]*QUOTED-PRINTABLE", held, re.IGNORECASE) is not None


def _is_binary(line: str) -> bool:
    head = line.partition(":")[0].upper()
    name = head.partition(";")[0].rpartition(".")[2]
    return name in _BINARY or re.search(r";(?:ENCODING=)?(?:BASE64|B)(?:;|$)", head) is not None


def _structured(value: str, version: str) -> list[str]:
    return [_plain(part, version) for part in re.split(r"(?<!\\);", value)]


def _listed(value: str, version: str, also: str = "") -> list[str]:
    return [_plain(part, version).strip() for part in re.split(rf"(?<!\\)[,{also}]", value)]


_ESCAPES = {"n": "\n", "N": "\n"}


def _plain(value: str, version: str) -> str:
    """The value without its escapes. In 2.1 a backslash is one, but before the separators."""
    escaped = r"\\([;,])" if version.startswith("2") else r"\\([\\;,nN:])"
    return re.sub(escaped, lambda match: _ESCAPES.get(match[1], match[1]), value)


def _put(cells: dict[str, str], header: str, text: str) -> None:
    """Keeps a text under a header of its own."""
    if text.strip():
        cells[free_header(header, cells)] = text
