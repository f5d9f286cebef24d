"""The words of a contact as the shared index keeps them, and the questions to them in PostgreSQL's language.

A contact's words are one text with blanks between. The first character of each says its kind:

| kind | holds |
|---|---|
| `=jordan` | a word of the name |
| `:jordan` | a word of name, value or e-mail address |
| `@acme` | a word of the e-mail address |
| `~j`, `^j` | the first letter of a word of the name, of any word: an initial is a search of its own |
| U+0002 `t101` | a mark (`row.py`) without its `§§` |

Words of names and values come first, then the marks, then all others: so SQL can tell the first ones.
In the index stands the number of the account before each, `7=jordan`, so that accounts share no entry.
"""

from __future__ import annotations

from typing import Any
from zlib import crc32

from contacts_mcp.state.match import Bounds, Expression, Term
from contacts_mcp.state.row import Words
from contacts_mcp.state.vocabulary import beginnings_of

MARK = "\x02"
_SIGN = "§§"  # that a mark begins with
_KEY = 0x7FFFFFFF  # 31 bits, a positive integer of PostgreSQL

# The indexes are on exactly these.
VECTOR = "mirror_vector(c.account, c.words)"
TRIGRAMS = "mirror_trigrams(c.account, c.parts)"
# The words of names and values of a contact, each behind its kind, with a blank before the first.
OF_NAMES_AND_VALUES = f"split_part(' ' || c.words, ' {MARK}', 1)"


def text_of(words: Words) -> str:
    """The text that is kept. It holds a mark at least."""
    names, addresses = words.name.split(), words.email.split()
    all_values = words.values.split(" ")
    values = [word for word in all_values if not word.startswith(_SIGN)]
    marks = [f"{MARK}{word[2:]}" for word in all_values if word.startswith(_SIGN)]
    everywhere = dict.fromkeys((*names, *addresses))
    letters = dict.fromkeys(word[0] for word in (*everywhere, *values) if _has_letter(word))
    found = (
        *map("=".__add__, dict.fromkeys(names)),
        *map(":".__add__, values),
        *marks,
        *map(":".__add__, everywhere.keys() - {*values}),
        *map("@".__add__, addresses),
        *map("^".__add__, letters),
        *map("~".__add__, {word[0] for word in names if _has_letter(word)}),
    )
    return " ".join(found)


def marks_in(text: str) -> list[str]:
    """The marks among the words that are kept."""
    return [f"{_SIGN}{word[1:]}" for word in text.split(" ") if word.startswith(MARK)]


def _has_letter(word: str) -> bool:
    return word[0].isascii() and word[0].isalpha()


# Questions


def queries_of(wanted: Expression, account: int) -> list[str]:
    """A tsquery for each clause. All must match. The last one has the words that may not."""
    clauses = [" | ".join([_lexeme(term, account) for term in clause]) for clause in wanted.clauses]
    if wanted.without:
        unwanted = " | ".join([_lexeme(Term(text), account) for text in wanted.without])
        clauses[-1] = f"({clauses[-1]}) & !({unwanted})"
    return clauses


def _lexeme(term: Term, account: int) -> str:
    """Only words of `match.py` get here, which hold no quote and no backslash."""
    text, place, is_beginning = term
    if text.startswith(_SIGN):
        kept = f"{MARK}{text[2:]}"
    elif is_beginning and len(text) == 1 and _has_letter(text):
        kept, is_beginning = ("~" if place == "n" else "^") + text, False
    else:
        kept = f"{_KINDS[place]}{text}"
    return f"'{account}{kept}':*" if is_beginning else f"'{account}{kept}'"


_KINDS = {"": ":", "n": "=", "e": "@"}


def trigrams(text: str, account: int) -> list[str]:
    """The trigrams of a text as `mirror_trigrams` makes them. None for a text shorter than one."""
    clean = text.replace("\0", "")
    return [*dict.fromkeys(f"{account}:{clean[at : at + 3]}" for at in range(len(clean) - 2))]


def conditions(bounds: Bounds | None) -> tuple[str, list[Any]]:
    """The conditions on the table `mirror_contact c` with an AND before each, and their values."""
    if bounds is None:
        return "", []
    numbers = (
        ("c.created >= %s", bounds.created_from),
        ("c.created < %s", bounds.created_before),
        ("c.updated >= %s", bounds.changed_from),
        ("c.updated < %s", bounds.updated_before),
    )
    found: list[tuple[str, Any]] = [(test, value) for test, value in numbers if value is not None]
    if bounds.phone_prefixes:
        found.append(("c.phone ^@ ANY(%s)", [*bounds.phone_prefixes]))
    return "".join(f" AND {test}" for test, _ in found), [value for _, value in found]


# The vocabulary


def keys_of(word: str, account: int) -> list[int]:
    """The keys under which a word is kept: of what it is near to, and of its trigrams."""
    return [*{*near_keys(word, account), *trigram_keys(word, account)}]


def near_keys(word: str, account: int) -> list[int]:
    """A word and a misspelled one have one of these in common."""
    return [_key(f"{account}:{start}") for start in beginnings_of(word)]


def trigram_keys(part: str, account: int) -> list[int]:
    """A word that holds the part has all of these."""
    return [_key(f"{account}|{part[at : at + 3]}") for at in range(len(part) - 2)]


def _key(text: str) -> int:
    return crc32(text.encode()) & _KEY
