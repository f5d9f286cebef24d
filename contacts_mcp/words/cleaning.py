"""Texts that people give, made fit to be stored: trimmed, without the characters that nobody sees.

1. A line break in a name or an address becomes a space. In a value it stays, as `\\n`. A tab becomes a space.
2. Invisible characters go: zero-width ones, marks of direction, controls, the codes of terminals. The ones that a
   script or an emoji needs stay (`display.needed`). A blank that is a symbol or letter (Braille, Hangul) becomes a
   space.
3. Windows characters that came as Latin-1 are read as what they were: `\\x92` is an apostrophe.
4. U+FFFD and half characters are refused. The text lost a character on its way, and nobody knows which.
5. A text of which nothing is left is refused. Every other change is said in a note.
6. A word that programs write for no value, such as `null`, is stored, because it may be a name. A note says so.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import NamedTuple

from contacts_mcp.errors import InvalidArgument
from contacts_mcp.words.display import is_all_visible, is_invisible, needed
from contacts_mcp.words.note import Note

MOST_NAMED = 3  # kinds of characters that a note names
REPLACEMENT = "\N{REPLACEMENT CHARACTER}"
OBJECT = "\N{OBJECT REPLACEMENT CHARACTER}"  # a picture that was copied with the text

_BREAK = re.compile(r"\r\n|[\n\v\f\r\x85\u2028\u2029]")
_BREAK_AMONG_SPACES = re.compile(r"\s*[\n\v\f\r\x85\u2028\u2029]\s*")
_TERMINAL_CODE = re.compile("\x1b\\[[0-?]*[ -/]*[@-~]")
_LATIN_1 = re.compile("[\x80-\x84\x86-\x9f]")
_BLANKS = "\u2800\u3164\uffa0"
_TO_SPACES = str.maketrans(dict.fromkeys("\t" + _BLANKS, " "))
_HALF = re.compile("[\ud800-\udfff]")
_NO_VALUE = frozenset({"null", "undefined", "NaN"})


class Cleaned(NamedTuple):
    """A text fit to be stored, and a note if it is not the text that was given. Spaces around it are not noted."""

    text: str
    notes: list[Note]


def clean_line(text: str, *, argument: str) -> Cleaned:
    """A name, an address or another text of one line. Raises InvalidArgument for a broken or empty one."""
    return _cleaned(text, argument, keeps_breaks=False)


def clean_lines(texts: Mapping[str, str]) -> dict[str, Cleaned]:
    """As `clean_line`, for the text of each argument."""
    return {argument: clean_line(text, argument=argument) for argument, text in texts.items()}


def clean_value(text: str, *, argument: str) -> Cleaned:
    """A custom value, which may have several lines. Raises InvalidArgument for a broken or empty one."""
    return _cleaned(text, argument, keeps_breaks=True)


def _cleaned(text: str, argument: str, *, keeps_breaks: bool) -> Cleaned:
    if is_all_visible(text) and REPLACEMENT not in text and OBJECT not in text and (bare := text.strip()):
        return Cleaned(bare, _on_no_value(bare, argument))  # nearly all there is
    _refuse_broken(text, argument)
    right = _LATIN_1.sub(_of_windows, text)
    lines = _BREAK.sub("\n", right) if keeps_breaks else _BREAK_AMONG_SPACES.sub(" ", right.strip())
    seen, unseen = _parted(_TERMINAL_CODE.sub("\x1b", lines))
    clean = "\n".join(map(str.rstrip, seen.translate(_TO_SPACES).split("\n"))).strip()
    if not clean:
        problem = f"holds only characters that nobody sees ({_named(unseen)})." if unseen else "is empty."
        raise InvalidArgument(argument, problem, expected="To leave it as it is, leave it out.")
    changes = {
        "Windows characters that came as Latin-1 were put right": right != text,
        "line breaks became spaces": not keeps_breaks and _BREAK.search(right.strip()),
        "tabs became spaces": "\t" in right.strip(),
        f"characters that nobody sees were taken out ({_named(unseen)})": unseen,
    }
    said = ", ".join(change for change, is_made in changes.items() if is_made)
    return Cleaned(clean, [Note("cleaned_text", f"{argument}: {said}.")] if said else [])


def _on_no_value(word: str, argument: str) -> list[Note]:
    if word not in _NO_VALUE:
        return []
    text = (
        f'{argument}: the word "{word}" is the value now. If no value was meant, take the change back with undo_change.'
    )
    return [Note("word_for_nothing", text)]


def _refuse_broken(text: str, argument: str) -> None:
    if REPLACEMENT in text or _HALF.search(text):
        what = "U+FFFD" if REPLACEMENT in text else "half a character"
        raise InvalidArgument(
            argument,
            f"holds {what}: a character was lost on the way, as through a wrong code page.",
            expected="Ask for the right text, or give it anew.",
        )


def _of_windows(match: re.Match[str]) -> str:
    """The character of Windows-1252 with that number, the same one if there is none."""
    return match[0].encode("latin-1").decode("cp1252", "ignore") or match[0]


def _parted(text: str) -> tuple[str, str]:
    """The characters to keep, and the ones that nobody sees. A blank counts among both: it becomes a space."""
    kept = needed(text)
    unseen = {at for at, char in enumerate(text) if _is_unseen(char) and at not in kept}
    seen = "".join(char for at, char in enumerate(text) if at not in unseen or char in _BLANKS)
    return seen, "".join(text[at] for at in sorted(unseen))


def _is_unseen(char: str) -> bool:
    return char == OBJECT or (is_invisible(char) and char not in "\n\t")


def _named(chars: str) -> str:
    kinds = [f"U+{ord(char):04X}" for char in dict.fromkeys(chars)]
    more = len(kinds) - MOST_NAMED
    return ", ".join(kinds[:MOST_NAMED]) + (f" and {more} more" if more > 0 else "")
