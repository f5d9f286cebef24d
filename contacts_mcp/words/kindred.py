"""Given names that may stand for each other in a search: "Bob" for Robert, "Rob" for Bob, "Muhammad" for Mohammed.

- A short form and its name are direct kin. Two short forms of one name are siblings, which is weaker.
- Two names that share a short form are not kin: Sam may be Samuel or Samantha, and Samuel is not Samantha.
- This is generous, because a search offers what it finds. `nicknames.may_be_called` is stricter, because it allows.
- The data is read when it is first needed, and takes some thousandths of a second.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from functools import cache, lru_cache
from importlib.resources import files

from contacts_mcp.words.nicknames import SHORT_FORMS

DIRECT = 0.9
RARE = 0.87  # of a short form that the large list alone has, as Bill for Robert
SIBLING = 0.75

# One name in several spellings.
_SPELLINGS = """
mohammed muhammad mohamed mohammad muhammed mohamad mehmet / catherine katherine kathryn catharine katharine cathryn
stephen steven stephan stefan / jeffrey geoffrey jeffery / john jon / sean shaun shawn / brian bryan / eric erik erick
mark marc / philip phillip / sara sarah / ann anne anna / teresa theresa / elizabeth elisabeth / isabel isabelle isobel
alan allan allen / gregory gregor / lawrence laurence lorenz / carl karl / christian kristian / christina kristina
nicholas nicolas nikolas nikolaus / sofia sophia / zachary zachery zackary / michael mikhail michal mikael
alexander aleksandr alexandre aleksander / joseph josef jozef / yusuf youssef yousef yusef / ahmed ahmad achmed
hussein husain hussain husayn / ali aly / hassan hasan / fatima fatimah fatma / aisha ayesha aysha / omar umar
abdullah abdallah abdulla / ibrahim ebrahim / khaled khalid / said saeed sayed / jamal gamal / mustafa mostafa
dmitry dmitri dimitri dmitriy / sergei sergey sergej / yuri yuriy juri / andrei andrey andrej / alexei alexey aleksei
natalia nataliya natalya natalie / julia yulia juliya / tatiana tatyana / yelena elena / yekaterina ekaterina
"""


def kindred(word: str) -> Mapping[str, float]:
    """The names that a folded word may stand for, each with its likeness. The word itself is not among them."""
    return _kindred(word)


def is_short_form(short: str, name: str) -> bool:
    """Whether people say `short` for the folded `name`: "sam" for "samuel", and not the other way round.

    Two spellings of one name, and two short forms of it, are none of each other.
    """
    short_forms, _ = _tables()
    return len(short) < len(name) and short in short_forms.get(name, ()) and not _are_spellings(short, name)


@lru_cache(maxsize=2048)
def _kindred(word: str) -> Mapping[str, float]:
    short_forms, names = _tables()
    direct = {*short_forms.get(word, ()), *names.get(word, ())}
    siblings = {form for name in names.get(word, ()) for form in short_forms[name]} - direct
    usual = {name for name in direct if _is_usual(word, name)}
    found = dict.fromkeys(direct, RARE) | dict.fromkeys(usual, DIRECT) | dict.fromkeys(siblings, SIBLING)
    found.pop(word, None)
    return found


@cache
def _tables() -> tuple[dict[str, set[str]], dict[str, set[str]]]:
    """name -> its short forms, and short form -> the names that it stands for."""
    short_forms, names = defaultdict(set), defaultdict(set)
    for name, forms in _pairs():
        for form in forms:
            short_forms[name].add(form)
            names[form].add(name)
    for spellings in _spellings():
        for name in spellings:
            short_forms[name].update(spellings)
    return dict(short_forms), dict(names)


def _is_usual(word: str, name: str) -> bool:
    forms = _own_short_forms()
    return name in forms.get(word, ()) or word in forms.get(name, ()) or _are_spellings(word, name)


def _are_spellings(one: str, other: str) -> bool:
    return any({one, other} <= {*spellings} for spellings in _spellings())


@cache
def _own_short_forms() -> dict[str, set[str]]:
    found = defaultdict(set)
    for name, forms in _entries(re.split(r"[/\n]", SHORT_FORMS)):
        found[name].update(forms)
    return dict(found)


@cache
def _spellings() -> list[list[str]]:
    return [*map(str.split, re.split(r"[/\n]", _SPELLINGS))]


def _pairs() -> Iterator[tuple[str, Iterable[str]]]:
    data = files(__package__).joinpath("nicknames.txt").read_text(encoding="utf-8")
    entries = [line for line in data.splitlines() if not line.startswith("#")]
    yield from _entries(entries)
    yield from _own_short_forms().items()


def _entries(lines: Iterable[str]) -> Iterator[tuple[str, list[str]]]:
    for line in lines:
        name, _, forms = line.partition(":")
        yield name.strip(), forms.split()
