"""The encoding of a text file.

1. A byte order mark, or the zeros of UTF-16 without one.
2. UTF-8, if the whole file is.
3. The Windows page of the region. Nothing in the file proves it, so the assumption is told with examples. Another page
   is taken only if this one makes no words and the other does.
"""

from __future__ import annotations

import codecs
import re
from collections.abc import Iterator
from io import TextIOWrapper
from typing import BinaryIO, NamedTuple, NoReturn

from contacts_mcp.book.transfer.limits import LONGEST_LINE, unreadable
from contacts_mcp.words.display import quoted
from contacts_mcp.words.note import Note

_CHUNK = 1 << 20
_SAMPLE = 1 << 16
_MARKS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_PAGES = {
    "cp1250": "PL CZ SK HU SI HR BA RO AL",
    "cp1251": "RU UA BY BG RS MK KZ KG MN",
    "cp1253": "GR CY",
    "cp1254": "TR AZ",
    "cp1255": "IL",
    "cp1256": "EG SA AE IR IQ JO KW LB LY MA OM QA SY TN YE DZ PK",
    "cp1257": "LT LV EE",
    "cp1258": "VN",
    "cp874": "TH",
    "cp932": "JP",
    "cp949": "KR",
    "gb18030": "CN SG",
    "cp950": "TW HK MO",
}
_REGION_PAGE = {region: page for page, regions in _PAGES.items() for region in regions.split()}
_RIVALS = {  # pages of other systems that write the same languages
    "cp1252": ("mac_roman", "cp850"),
    "cp1250": ("mac_latin2", "cp852", "iso8859_2"),
    "cp1251": ("cp866", "koi8_r", "mac_cyrillic"),
    "cp932": ("euc_jp",),
}
_ENOUGH = 8_192  # bytes of lines to judge a page by
_PLAUSIBLE, _IMPLAUSIBLE = 0.9, 0.7
_BEHIND_WORDS = frozenset("\u201d\u201c\u00bb\u00ab\u2026\u2013\u2014\u00ae\u2122\u00b0\u20ac\u00a3\xa0\u00ba\u00aa")


class Encoding(NamedTuple):
    """The name of an encoding, and the note of the assumption if it is one."""

    name: str
    note: Note | None = None


def page_of(region: str) -> str:
    """The Windows page of a region: windows-1252 of most."""
    return _REGION_PAGE.get(region.upper(), "cp1252")


def encoding_of(stream: BinaryIO, *, region: str, given: str = "") -> Encoding:
    """The encoding of a stream, which is read from its beginning. Raises Refused for one that does not exist."""
    stream.seek(0)
    start = stream.read(_SAMPLE)
    if given:
        return Encoding(_checked(given))
    if marked := next((name for mark, name in _MARKS if start.startswith(mark)), ""):
        return Encoding(marked)
    if wide := _wide(start):
        return Encoding(wide)
    foreign = _first_foreign(stream)
    if foreign is None:
        return Encoding("utf-8")
    page = _likeliest(foreign, page_of(region))
    return Encoding(page, _assumed(page, foreign))


def lines_of(stream: BinaryIO, encoding: str) -> Iterator[str]:
    """The physical lines of a text with their ends, from its beginning.

    Raises Refused for an endless line, and for a text that is not in that encoding at all.
    """
    stream.seek(0)
    text = TextIOWrapper(stream, encoding=encoding, errors="replace", newline="")
    try:
        number = 0
        while line := text.readline(LONGEST_LINE + 1):
            number += 1
            if len(line) > LONGEST_LINE:
                raise unreadable("line_too_long", f"Line {number} is longer than {LONGEST_LINE:,} characters.")
            yield line
    except UnicodeError:  # some encodings have no replacement, such as UTF-16 without its mark
        raise unreadable("wrong_encoding", f"The file is not in {encoding}.", "Leave the encoding out.") from None
    finally:
        if not stream.closed:  # a reader that gave up may outlive its file
            text.detach()


def _checked(name: str) -> str:
    """The plain name of an encoding. One that cannot read every file, such as punycode, is none of files."""
    try:
        bytes(range(256)).decode(name, "replace")
    except (LookupError, ValueError):
        _unknown(name)
    return codecs.lookup(name).name


def _unknown(name: str) -> NoReturn:
    raise unreadable("unknown_encoding", f"There is no encoding {quoted(name, limit=40)}.", "Try utf-8 or cp1252.")


def _wide(start: bytes) -> str:
    """UTF-16 without a mark: every other byte of Latin text is zero."""
    pairs = len(start) // 2
    if pairs < 4:  # noqa: PLR2004 -- too short to tell
        return ""
    even, odd = start[: 2 * pairs : 2].count(0), start[1 : 2 * pairs : 2].count(0)
    if even > 0.6 * pairs and odd < 0.1 * pairs:
        return "utf-16-be"
    return "utf-16-le" if odd > 0.6 * pairs and even < 0.1 * pairs else ""


def _first_foreign(stream: BinaryIO) -> bytes | None:
    """Bytes around the first ones that are no UTF-8, None if all of the stream is."""
    stream.seek(0)
    decoder = codecs.getincrementaldecoder("utf-8")()
    behind = b""
    while chunk := stream.read(_CHUNK):
        try:
            decoder.decode(chunk)
        except UnicodeDecodeError:
            return _around_foreign((behind + chunk)[-_CHUNK - _SAMPLE :] + stream.read(_SAMPLE))
        behind = chunk[-_SAMPLE:]
    try:
        decoder.decode(b"", final=True)
    except UnicodeDecodeError:
        return behind
    return None


def _around_foreign(data: bytes) -> bytes:
    """Whole lines with bytes beyond ASCII, enough to judge by."""
    lines = [line for line in data.split(b"\n") if not line.isascii()]
    enough = next((at for at in range(1, len(lines)) if sum(map(len, lines[:at])) > _ENOUGH), len(lines))
    return b"\n".join(lines[:enough])


def _likeliest(data: bytes, page: str) -> str:
    candidates = {name: _plausibility(data, name) for name in (page, *_RIVALS.get(page, ()))}
    if candidates[page] >= _IMPLAUSIBLE:
        return page
    best = max(candidates, key=lambda name: candidates[name])
    return best if candidates[best] >= _PLAUSIBLE else page


_WORD = re.compile(r"[^\W\d_]+")


def _plausibility(data: bytes, page: str) -> float:
    """The share of characters beyond ASCII that stand as they do in words, 0 if the page does not decode."""
    try:
        text = data.decode(page)
    except UnicodeDecodeError:
        return 0.0
    around = [text[max(at - 1, 0) : at + 2] for at, char in enumerate(text) if not char.isascii()]
    return sum(map(_is_in_place, around)) / len(around) if around else 1.0


def _is_in_place(around: str) -> bool:
    """Whether the middle one of three characters stands where it stands in words."""
    before, char, behind = around[0], around[1:2], around[2:]
    if char.isalpha():
        return not (char.isupper() and before.islower())
    if before.isalpha():
        return char == "\u2019" or (char in _BEHIND_WORDS and not behind.isalpha())
    return char.isprintable() or char == "\xa0"


def _assumed(page: str, data: bytes) -> Note:
    words = [word for word in _WORD.findall(data.decode(page, "replace")) if not word.isascii()]
    shown = " and ".join(quoted(word, limit=40) for word in list(dict.fromkeys(words))[:2])
    examples = f", so it reads {shown}" if shown else ""
    return Note("assumed_encoding", f"The file is not UTF-8; {page} was assumed{examples}.")
