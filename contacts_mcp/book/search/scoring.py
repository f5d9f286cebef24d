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
from dataclasses import dataclass, replace
from operator import itemgetter

from contacts_mcp.book.search.question import How, Why
from contacts_mcp.book.search.reading import Asked
from contacts_mcp.state.word_index import Line
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
_BEGINNING_OPTION = Option(_BEGINNING, "begins_with")


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
    for word, its_options in zip(words, options, strict=True):
        value, why = _best_in_name(word, its_options, left_names, left_forms)
        if value < 1:
            other_value, other = _best_elsewhere(word, its_options, line)
            if other_value > value:
                value, why = other_value, other
        if why:
            whys.append(why)
        sum_of_words += value
    missing = len(words) - len(whys)
    in_name = sum(why.where == "name" for why in whys)
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


def _best_in_name(word: Asked, options: Options, names: list[str], forms: list[str]) -> tuple[float, Why | None]:
    """The best word of the name, which is taken out of the list that it is in."""
    value, why = _best(word, options, names)
    form_value, form = _best(word, options, forms) if value < _FORM else (0.0, None)
    if form and form_value * _FORM > value:
        forms.remove(form.found)
        return form_value * _FORM, form
    if why:
        names.remove(why.found)
    return value, why


def _best(word: Asked, options: Options, candidates: Iterable[str]) -> tuple[float, Why | None]:
    """The best of the candidates for a word."""
    value, found, best = 0.0, "", _BEGINNING_OPTION
    for candidate in candidates:
        option = options.get(candidate)
        if option:
            likeness = option.likeness
        elif candidate.startswith(word.plain):
            option = _BEGINNING_OPTION
            share = len(word.plain) / len(candidate)
            likeness = _likeness_of_beginning(word, share)
        else:
            continue
        if likeness > value:
            value, found, best = likeness, candidate, option
    return (value, Why(said=word.said, found=found, how=best.how, edits=best.edits)) if found else (0.0, None)


def _likeness_of_beginning(word: Asked, share: float) -> float:
    """The likeness of the beginning of a word that makes up that share of it. A month is said in full."""
    if word.date == "month":
        return 1.0
    return _INITIAL if word.is_initial else _BEGINNING + _BEGINNING_SHARE * share


def _best_elsewhere(word: Asked, options: Options, line: Line) -> tuple[float, Why | None]:
    """The best word of the values, the address and the phone. An initial is of a name alone."""
    if word.is_initial:
        return 0.0, None
    found = [_best_of_phone(word, line.phone)]
    for field_id, text in line.values.items():
        value, why = _best(word, options, value_words(text))
        if why:
            found.append((value * _ELSEWHERE, replace(why, where="field", field_id=field_id)))
    value, why = _best(word, options, email_words(line.email) if line.email else ())
    if why:
        found.append((value * _ELSEWHERE, replace(why, where="email")))
    return max(found, key=itemgetter(0))


def _best_of_phone(word: Asked, phone: str) -> tuple[float, Why | None]:
    if not (word.is_digits and word.plain in phone):
        return 0.0, None
    is_ending = phone.endswith(word.plain)
    why = Why(said=word.said, found=phone, how="phone_ends_with" if is_ending else "phone_has", where="phone")
    return 1.0 if phone == word.plain else _PHONE_ENDING if is_ending else _PHONE_PIECE, why
