"""The words of a contact as the shared index keeps them, and the questions to them in PostgreSQL's language.

A contact's words are one text. A sign before each says its kind, and ends the one before it:

| part of the text | holds |
|---|---|
| `=jordan=rivera=` | the words of the name |
| `:gold:oakland:` | the words of values |
| `|in|t101|` | the marks (`row.py`) without their `§§` |
| `@jordan@acme@` | the words of the e-mail address |
| `!31§gold!` | the marks of values. Each stands for the mark of its field, too. |

The bar is U+0002 there, and the exclamation mark U+0003. They stand in this order, so SQL can tell the words of names
and values. `mirror_vector` makes the entries of the index of them, with the account's number before each: `7:jordan`.
It adds the first letters of all words, and of words of the name: `7^j`, `7~j`. An initial is a search of its own.
Some of these say less than the text. So a question for these looks into the text as well.
An entry `7@1f2e` is a checksum of a whole address.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from hashlib import md5
from typing import Any

from contacts_mcp.state.match import Bounds, Expression, Term
from contacts_mcp.state.row import FIELDS, Words

MARK, VALUE = "\x02", "\x03"
_MARKS = "§§"  # that a mark begins with
_FIELD = FIELDS.removeprefix(_MARKS)
_SIGNS = {"": "=:@", "n": "=", "e": "@"}  # by the place of a term
_OF_NAME = 4  # letters of a word of a name that the index has by themselves

# The indexes are on exactly these.
VECTOR = "mirror_vector(c.account, c.words, c.email_key)"
TRIGRAMS = "mirror_trigrams(c.account, c.phone, c.email, c.local)"
KEYS = "mirror_keys(account, mirror_pieces(word))"
# The words of names and values of a contact, with empty ones between.
NAMES_AND_VALUES = f"string_to_array(replace(split_part(c.words, '{MARK}', 1), '=', ':'), ':')"


def text_of(words: Words) -> str:
    """The text that is kept. It holds a mark at least."""
    names, addresses = dict.fromkeys(words.name.split()), words.email.split()
    of_values, _, all_marks = words.values.partition(_MARKS)
    values = of_values.split()
    marks = all_marks.split(f" {_MARKS}")
    found = (
        _within("=", names),
        _within(":", values),
        _within(MARK, [mark for mark in marks if "§" not in mark and not mark.startswith(_FIELD)]),
        _within("@", addresses),
        _within(VALUE, [mark for mark in marks if "§" in mark]),
    )
    return "".join(found)


def _within(sign: str, words: Collection[str]) -> str:
    return f"{sign}{sign.join(words)}{sign}" if words else ""


def marks_in(text: str) -> list[str]:
    """The marks among the words that are kept."""
    rest, *values = text.rstrip(VALUE).split(VALUE)
    marks = rest.split(MARK)[1:-1]
    fields = dict.fromkeys(f"{_FIELD}{value.partition('§')[0]}" for value in values)
    return [f"{_MARKS}{mark}" for mark in (*marks, *fields, *values)]


def names_and_values_in(text: str) -> list[str]:
    """The words of names and values among the words that are kept."""
    return [*filter(None, text.partition(MARK)[0].replace("=", ":").split(":"))]


# Questions. Only words of `match.py` get there, which hold no sign of tsquery, of LIKE or of regular expressions.


def on_words(wanted: Expression, account: int) -> tuple[str, list[Any]]:
    """The conditions on `mirror_contact c` with an AND before each, and their values. They use the index."""
    queries = _queries_of(wanted, account)
    tests = [_on_text(clause) for clause in wanted.clauses if any(map(_says_more, clause))]
    values = [*queries, *(value for _, value in tests)]
    return f" AND {VECTOR} @@ %s::tsquery" * len(queries) + "".join(f" AND {test}" for test, _ in tests), values


def on_text_alone(wanted: Expression) -> tuple[str, list[Any]]:
    """The same without the index. A look into one contact takes a millionth of a second for each clause."""
    tests = [_on_text(clause) for clause in wanted.clauses]
    tests += [(f"NOT {test}", value) for test, value in (_on_text([Term(text)]) for text in wanted.without)]
    return "".join(f" AND {test}" for test, _ in tests), [value for _, value in tests]


def in_one(wanted: Expression, account: int) -> tuple[str | None, str] | None:
    """A tsquery of the whole expression, and with blanks between patterns of LIKE that the text must match.

    None where the text may match one of several patterns.
    """
    pieces = [_pieces(clause) for clause in wanted.clauses if any(map(_says_more, clause))]
    if any(len(each) > 1 for each in pieces):
        return None
    query = " & ".join(f"({query})" for query in _queries_of(wanted, account)) if wanted else None
    return query, " ".join(f"%{piece}%" for (piece,) in pieces)


def _on_text(clause: Sequence[Term]) -> tuple[str, str]:
    """The condition on the text for one of these terms, and its value."""
    pieces = _pieces(clause)
    if len(pieces) == 1:
        return "c.words LIKE %s", f"%{pieces[0]}%"
    return "c.words ~ %s", "|".join(pieces)


def _queries_of(wanted: Expression, account: int) -> list[str]:
    """A tsquery for each clause. All must match. The last one has the words that may not, of which none says more."""
    clauses = [" | ".join([_lexeme(term, account) for term in clause]) for clause in wanted.clauses]
    if wanted.without:
        unwanted = " | ".join([_lexeme(Term(text), account) for text in wanted.without])
        clauses[-1] = f"({clauses[-1]}) & !({unwanted})"
    return clauses


def _lexeme(term: Term, account: int) -> str:
    """The entry of the index that a term finds."""
    text, place, is_beginning = term
    is_of_name = is_beginning and place == "n"
    if _is_value(term):
        kept, is_beginning = f"{VALUE}{md5(text[2:].encode(), usedforsecurity=False).hexdigest()[:4]}", False
    elif text.startswith(_MARKS):
        kept = f"{MARK}{text[2:]}"
    elif _is_initial(term):
        kept, is_beginning = f"{'~' if is_of_name else '^'}{text}", False
    else:
        kept = f"~{text[:_OF_NAME]}" if is_of_name else f":{text}"
        is_beginning = is_beginning and not (is_of_name and len(text) >= _OF_NAME)
    return f"'{account}{kept}':*" if is_beginning else f"'{account}{kept}'"


def _says_more(term: Term) -> bool:
    """Whether the term says more than the entry of the index."""
    if term.place == "n" and term.is_beginning:
        return len(term.text) > _OF_NAME
    return bool(term.place) or _is_value(term)


def _pieces(clause: Iterable[Term]) -> list[str]:
    """The pieces of the text, of which one is in it."""
    return [piece for term in clause for piece in _pieces_of(term)]


def _pieces_of(term: Term) -> list[str]:
    text, place, is_beginning = term
    if text.startswith(f"{_MARKS}{_FIELD}"):
        return [f"{VALUE}{text[3:]}§"]
    if text.startswith(_MARKS):
        signs, text = VALUE if _is_value(term) else MARK, text[2:]
    else:
        signs = _SIGNS[place]
    return [f"{sign}{text}{'' if is_beginning else sign}" for sign in signs]


def address_key(key: int | None) -> int | None:
    """The key of an address (`row.py`), as short as it is kept."""
    return None if key is None else key & 0x7FFFFFFF


def on_address(key: int, account: int) -> str:
    """A tsquery for the addresses of that key, and for some others."""
    return f"'{account}@{key & 0x3FFF:x}'"


def _is_value(term: Term) -> bool:
    return term.text.startswith(_MARKS) and "§" in term.text[2:]


def _is_initial(term: Term) -> bool:
    return term.is_beginning and len(term.text) == 1 and term.text.isascii() and term.text.isalpha()


def trigrams(text: str, account: int) -> list[str]:
    """The trigrams of a text as `mirror_trigrams` makes them. None for a text shorter than one."""
    return [*dict.fromkeys(f"{account}:{gram}" for gram in trigrams_in(text.replace("\0", "")))]


def trigrams_in(text: str) -> list[str]:
    """All three neighbouring characters of a text."""
    return [text[at : at + 3] for at in range(len(text) - 2)]


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
