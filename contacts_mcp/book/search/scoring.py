"""How well a contact fits the words that were said. Pure.

- Each word that was said takes its best word of the contact, and a word of the contact answers one of them.
- A word that the contact lacks costs its share, and 0.1 more.
- The rest of the name counts a little: "Ann Lee" is a better answer to "ann lee" than "Ann Lee Jones".
- Many contacts may rest on one guess ("Carlos" for "carlom"). The third and later of them stand back, so that they do
  not hide those of another guess ("Carlon").
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from contacts_mcp.book.search.question import How, Why
from contacts_mcp.book.search.reading import Asked
from contacts_mcp.state.index import Line
from contacts_mcp.words.search_words import email_words, value_words, without_titles

OTHER_SPELLING = 0.98
_ROMANIZED = 0.95
INSIDE, INSIDE_SHARE = 0.68, 0.25
SOUND = 0.78
_ELSEWHERE = 0.9  # of a word in a value or an address
_PHONE_ENDING, _PHONE_PIECE = 0.9, 0.82
_BEGINNING, _BEGINNING_SHARE = 0.72, 0.25
_INITIAL = 0.9
_FORM = 0.985  # of a form that the name does not show: joined, written out, romanized
_NAME_SHARE = 0.03
_NOT_VERBATIM = 0.001  # "Dr. Ann Lee" for "ann lee"
_MISSING = 0.1
_STANDS_BACK = 0.02
_MOST_BACK = 0.1
_SAME_GUESS = 2  # contacts of one guess that do not stand back


@dataclass(frozen=True, slots=True)
class Option:
    """A word of the index that may be the one that was said."""

    likeness: float
    how: How
    edits: int = 0


Options = Mapping[str, Option]


@dataclass(frozen=True, slots=True)
class Scored:
    """A contact with its score."""

    line: Line
    score: float
    why: tuple[Why, ...]

    @property
    def order(self) -> tuple[float, int, int]:
        """The best first: by score, then the newer."""
        return (-self.score, -self.line.updated, -self.line.id)


def exact(word: Asked) -> dict[str, Option]:
    """The options of a word as it stands, and in its other spellings."""
    is_ascii = word.plain.isascii()
    others = {
        form: Option(OTHER_SPELLING if form.isascii() == is_ascii else _ROMANIZED, "other_spelling")
        for form in word.forms[1:]
    }
    return others | {word.plain: Option(1.0, "same")}


def score(
    line: Line, words: Sequence[Asked], options: Sequence[Options], *, said: frozenset[str] = frozenset()
) -> Scored:
    """The line's score for the words, each with its options. `said` are all words of the query, titles included."""
    plain, _, others = line.names.partition("§")
    names, forms = plain.split(), others.split()
    left_names, left_forms = [*names], [*forms]
    whys: list[Why] = []
    sum_of_words = 0.0
    missing = in_name = 0
    for word, its_options in zip(words, options, strict=True):
        value, why = _best(word, its_options, left_names)
        if value < _FORM and left_forms:
            form_value, form = _best(word, its_options, left_forms)
            if form_value * _FORM > value:
                value, why = form_value * _FORM, form
        if why:
            left = left_names if why.found in left_names else left_forms
            left.remove(why.found)
            in_name += 1
        if value < 1:
            other_value, other = _best_elsewhere(word, its_options, line)
            if other_value > value:
                in_name -= bool(why)
                value, why = other_value, other
        if why:
            whys.append(why)
        else:
            missing += 1
        sum_of_words += value
    mean = sum_of_words / len(words)
    share = min(1.0, in_name / len(without_titles(names))) if names else 0.0
    total = (1 - _NAME_SHARE) * mean + _NAME_SHARE * share - _MISSING * missing
    if said != {*names}:
        total -= _NOT_VERBATIM
    return Scored(line, max(0.0, total), tuple(whys))


def ranked(scored: Iterable[Scored]) -> list[Scored]:
    """Every contact once, with its best score, the best first."""
    best: dict[int, Scored] = {}
    for each in scored:
        if each.line.id not in best or each.score > best[each.line.id].score:
            best[each.line.id] = each
    guesses: Counter[tuple[tuple[str, str], ...]] = Counter()
    found = []
    for each in sorted(best.values(), key=lambda each: each.order):
        guess = tuple((why.said, why.found) for why in each.why if why.how != "same")
        guesses[guess] += bool(guess)
        back = min(_MOST_BACK, _STANDS_BACK * max(0, guesses[guess] - _SAME_GUESS))
        found.append(Scored(each.line, each.score - back, each.why) if back else each)
    return sorted(found, key=lambda each: each.order)


def _best(word: Asked, options: Options, candidates: Iterable[str]) -> tuple[float, Why | None]:
    """The best of the candidates for a word."""
    value, found, how, edits = 0.0, "", "", 0
    for candidate in candidates:
        option = options.get(candidate)
        if option:
            if option.likeness > value:
                value, found, how, edits = option.likeness, candidate, option.how, option.edits
        elif candidate.startswith(word.plain):
            likeness = _BEGINNING + _BEGINNING_SHARE * len(word.plain) / len(candidate)
            if word.is_initial:
                likeness = _INITIAL
            if likeness > value:
                value, found, how, edits = likeness, candidate, "begins_with", 0
    return (value, Why(said=word.said, found=found, how=how, edits=edits)) if found else (0.0, None)  # type: ignore[arg-type]


def _best_elsewhere(word: Asked, options: Options, line: Line) -> tuple[float, Why | None]:
    """The best word of the values, the address and the phone. An initial is of a name alone."""
    best: tuple[float, Why | None] = (0.0, None)
    if word.is_initial:
        return best
    if word.is_digits and word.plain in line.phone:
        is_ending = line.phone.endswith(word.plain)
        how: How = "phone_ends_with" if is_ending else "phone_has"
        best = (
            1.0 if line.phone == word.plain else _PHONE_ENDING if is_ending else _PHONE_PIECE,
            Why(said=word.said, found=line.phone, how=how, where="phone"),
        )
    for field_id, text in line.values.items():
        value, why = _best(word, options, value_words(text))
        if why and value * _ELSEWHERE > best[0]:
            best = (
                value * _ELSEWHERE,
                Why(said=word.said, found=why.found, how=why.how, edits=why.edits, where="field", field_id=field_id),
            )
    if line.email:
        value, why = _best(word, options, email_words(line.email))
        if why and value * _ELSEWHERE > best[0]:
            best = value * _ELSEWHERE, Why(said=word.said, found=why.found, how=why.how, edits=why.edits, where="email")
    return best
