"""Words -> contacts: from the exact to the guess, one rung after the other, until somebody fits.

1. Namesakes: the same words in any order, before any limit can hide them.
2. All words as they stand, and one of them as a nickname.
3. One word loosened at a time (misspelled, a nickname, the beginning of a word), the others as they stand. Then all.
4. The same sound. Neighbouring words as one, or one long word as two. A piece inside a word. All words but one.
5. Only the words that somebody has (`of_words_in_use`), for a question of which several words are nobody's.

No rung ranks in SQL: each gives ids, the newest first, and the rows are scored (`scoring.py`).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import chain, islice

from contacts_mcp.book.search.filters import Filters
from contacts_mcp.book.search.question import SURE
from contacts_mcp.book.search.reading import FILLERS, MOST_WORDS, Asked, Words, is_filler
from contacts_mcp.book.search.scoring import INSIDE, INSIDE_SHARE, SOUND, Option, Scored, exact, ranked, score
from contacts_mcp.state.match import NOBODY, Clause, Expression, beginning, expression, in_name, in_name_beginning, word
from contacts_mcp.state.word_index import WordIndex
from contacts_mcp.words.kindred import kindred
from contacts_mcp.words.likeness import misspelled
from contacts_mcp.words.search_words import is_ideographic

MOST = 300  # contacts of one rung
FLOOR = 0.35  # a contact with a lower score is no hit
_MOST_KIN = 60
_MOST_LOOSE = 120
_MOST_PARTIAL = 40  # contacts that lack one word
_MOST_NEAR = 30  # words that one may be misspelled
_FEW = 8  # contacts of one misspelling of a single word
_GOOD = 0.8  # a best score from which on no further rung is tried
_VERY_GOOD = 0.88  # the same for several words: a better one has one slip at most
_LEAST_LOOSE = 3  # letters of a word that may be misspelled
_LEAST_OF_SIGNS = 6  # letters of ideographs that may be misspelled
_LEAST_INSIDE = 4
_AS_THEY_STAND = ("same", "phone", "phone_has", "phone_ends_with")
_MOST_DIVISIONS = 16  # ways to part the query into other words
_LEAST_PART = 3  # letters of half a word
_LEAST_PHONE = 7  # digits that are a phone beside words that nobody has

Options = dict[str, Option]
_NOTHING = Option(0.0, "inside")


@dataclass(slots=True)
class Found:
    """The contacts of a climb."""

    scored: list[Scored] = field(default_factory=list)  # the best first
    expression: Expression = NOBODY  # the exact search, where it filled its limit
    lowest: int | None = None  # the lowest id of that search so far
    has_all: bool = False  # whether a contact has all the words, or what may be meant by them
    is_capped: bool = False  # whether a limit cut a looser rung, so that the total is a lower bound


class Ladder:
    """One climb, for the words of one query."""

    def __init__(
        self,
        index: WordIndex,
        asked: Words,
        filters: Filters,
        *,
        fillers: frozenset[str] = FILLERS,
        most: int = MOST,
    ) -> None:
        self._index = index
        self._given = asked.words
        self._words: Sequence[Asked] = asked.words
        self._said = asked.said
        self._fillers = fillers
        self._filters = filters
        self._most = most
        self._options: list[Options] = [exact(each) for each in asked.words]
        self._scored: dict[int, Scored] = {}
        self._found = Found()

    def climb(self) -> Found:
        """The contacts that fit the words, from as few rungs as possible."""
        if not self._words:
            return self._found
        self._namesakes()
        is_exact = self._all_words()
        self._names_alone()
        if is_exact and len(self._words) > 1:
            self._with_kin()
        if len(self._words) == 1:
            self._one_word(is_exact=is_exact)
        elif not is_exact and self._best() < _GOOD:
            self._loosened()
        if self._best() < (_GOOD if len(self._words) == 1 else _VERY_GOOD):
            self._guesses()
        self._found.scored = ranked(each for each in self._scored.values() if each.score >= FLOOR)
        self._found.has_all = any(_words_of(each) >= len(self._words) for each in self._found.scored)
        return self._found

    def after(self, below: int) -> Found:
        """The next contacts that have all words as they stand, for an answer of which `below` was the last id."""
        self._namesakes()
        self._all_words()  # may find that the words must be made simpler
        self._names_alone()
        shown = {*self._scored}
        self._scored.clear()
        self._found = Found()
        self._score(self._exact(below=below))
        self._found.scored = ranked(each for each in self._scored.values() if each.line.id not in shown)
        return self._found

    def answers_less_than(self, part: Ladder) -> bool:
        """Whether the best contact has no more words than those of `part`, and each as it stands."""
        best = self._found.scored[0].why if self._found.scored else ()
        return len(best) <= len(part._words) and all(why.how in _AS_THEY_STAND for why in best)

    def of_words_in_use(self) -> Ladder | None:
        """A ladder for the words that somebody has as they stand. None if these are all of the words, or if none is."""
        parts = [part for each in self._given for part in ([each] if self._is_in_use(each) else _apart([each]))]
        parts = [*{each.plain: each for each in parts}.values()][:MOST_WORDS]
        used = [each for each in parts if each.date != "part" and self._is_in_use(each)]
        says_nothing = all(is_filler(each, used, self._fillers) for each in used)  # "the" of "the newest"
        if says_nothing or used in ([*self._given], [*self._words]):
            return None
        return Ladder(self._index, _whole(used), self._filters, fillers=self._fillers, most=self._most)

    def _is_in_use(self, asked: Asked) -> bool:
        is_word = bool(self._index.matching(expression([_as_said(asked)]), most=1))
        is_phone = asked.is_digits and len(asked.plain) >= _LEAST_PHONE
        return is_word or (is_phone and bool(self._index.holding_part(asked.plain, most=1)))

    # Rungs

    def _namesakes(self) -> None:
        ids = self._index.ids_by_name((each.plain for each in _apart(self._words)), most=self._most)
        if self._filters.are_none:
            self._score(ids)
        else:
            self._score([row.id for row in self._index.rows(ids) if self._filters.passes(row)])

    def _all_words(self) -> bool:
        """Everybody with all words as they stand. Returns whether there is anybody."""
        ids = self._exact()
        if not ids and (simpler := _simpler(self._words, self._fillers)):
            self._set_words(simpler)
            return self._all_words()
        self._score(ids)
        return bool(ids)

    def _exact(self, *, below: int | None = None) -> list[int]:
        clauses = [_as_said(each) for each in self._words]
        ids = self._matching(clauses, most=self._most, below=below)
        if len(ids) == self._most:
            self._found.expression = self._expression(clauses)
            self._found.lowest = ids[-1]
        return ids

    def _names_alone(self) -> None:
        """The same in names alone, where the limit was reached: older contacts may have the words in their name."""
        if self._found.expression:
            names = [
                [in_name_beginning(each.plain)] if each.is_initial else in_name(each.forms) for each in self._words
            ]
            self._score(self._matching(names, most=self._most))

    def _with_kin(self) -> None:
        """One word as a nickname, or the last one as a beginning, the others as they stand."""
        self._add_kin()
        clauses = [_as_said(each) for each in self._words]
        for at, each in enumerate(self._words):
            if kin := in_name(_kin(each)):
                self._look_for(_with(clauses, at, kin), most=_MOST_KIN)
        if self._best() < SURE:  # "amedeo gold" may be Amedeo on the gold plan, and Amedeo Goldoni
            last = len(self._words) - 1
            self._look_for(_with(clauses, last, [in_name_beginning(self._words[last].plain)]), most=_MOST_KIN)

    def _one_word(self, *, is_exact: bool) -> None:
        """Nicknames, beginnings, and misspellings of a single word, each with a few contacts."""
        asked = self._words[0]
        self._add_kin()
        kin = sorted(_kin(asked).items(), key=lambda pair: -pair[1])
        self._look_for_each([in_name([name]) for name, _ in kin])
        if is_exact and len(self._scored) >= self._most // 10:
            return
        if len(asked.plain) > 1:
            self._look_for([[beginning(asked.plain)]], most=_MOST_LOOSE)
        if not is_exact:
            self._joined_or_split()
        if not is_exact or len(self._scored) < _FEW:
            self._add_misspelled(0)
            self._add_containing(0)
            guessed = [name for name, option in self._options[0].items() if option.how in ("misspelled", "inside")]
            self._look_for_each([[word(name)] for name in guessed])

    def _loosened(self) -> None:
        self._add_kin()
        as_said = [_as_said(each) for each in self._words]
        loose = []
        for at, each in enumerate(self._words):
            self._add_misspelled(at)
            loose.append([*map(word, self._options[at]), beginning(each.plain)])
        for at in range(len(self._words)):
            if self._look_for(_with(as_said, at, loose[at]), most=_MOST_LOOSE) == _MOST_LOOSE:
                for name in self._options[at]:  # many of one guess must not hide the others
                    self._look_for(_with(as_said, at, [word(name)]), most=_FEW)
        if self._best() < _GOOD:
            self._look_for(loose, most=self._most)

    def _guesses(self) -> None:
        """The looser rungs, until one finds somebody good."""
        for rung in (self._sounds, self._joined_or_split, self._inside, self._all_but_one):
            rung()
            if self._best() >= _GOOD:
                return

    def _sounds(self) -> None:
        for at, each in enumerate(self._words):
            for name in chain.from_iterable(map(self._index.sounding, each.spellings)):
                self._options[at].setdefault(name, Option(SOUND, "sounds_like"))
        self._search_options()

    def _joined_or_split(self) -> None:
        """ "mary ann" for Maryann, "annalee" for Anna Lee."""
        for words in islice(self._other_divisions(), _MOST_DIVISIONS):
            other = Ladder(self._index, _whole(words), self._filters, most=_MOST_LOOSE)
            other._namesakes()
            if not other._all_words() and not any(each.is_initial for each in self._words):
                other._loosened()
            self._take(other._scored.values())

    def _other_divisions(self) -> Iterator[list[Asked]]:
        words = self._words
        for at in range(len(words) - 1):
            one, other = words[at : at + 2]
            joined = Asked(f"{one.said} {other.said}", (one.plain + other.plain,))
            yield [*words[:at], joined, *words[at + 2 :]]
        for at, each in enumerate(words):
            for text in each.spellings:
                for halves in self._halves(Asked(each.said, (text,))):
                    yield [*words[:at], *halves, *words[at + 1 :]]

    def _halves(self, asked: Asked) -> Iterator[list[Asked]]:
        """The ways to part a long word into two known ones, the most frequent first."""
        text = asked.plain
        least = 1 if is_ideographic(text) else _LEAST_PART
        if len(text) < 2 * least:
            return
        cuts = [(text[:at], text[at:]) for at in range(least, len(text) - least + 1)]
        known = self._index.known({half for cut in cuts for half in cut})
        counts = {cut: min(known.get(half, 0) for half in cut) for cut in cuts}
        for cut in sorted(filter(counts.get, cuts), key=lambda cut: -counts[cut])[:2]:
            yield [Asked(asked.said, (half,)) for half in cut]

    def _inside(self) -> None:
        for at in range(len(self._words)):
            self._add_containing(at)
        self._search_options()

    def _all_but_one(self) -> None:
        if len(self._words) == 1:
            return
        clauses = [
            [*map(word, options), beginning(each.plain)]
            for each, options in zip(self._words, self._options, strict=True)
        ]
        for at in range(len(self._words)):
            if not all(each.is_initial for each in (*self._words[:at], *self._words[at + 1 :])):
                self._look_for(clauses[:at] + clauses[at + 1 :], most=_MOST_PARTIAL)

    # Tools

    def _search_options(self) -> None:
        """Everybody with one of its options for each word."""
        clauses = [
            [*map(word, options), beginning(each.plain)]
            for each, options in zip(self._words, self._options, strict=True)
        ]
        self._look_for(clauses, most=self._most)

    def _matching(self, clauses: Sequence[Clause], *, most: int, below: int | None = None) -> list[int]:
        """The ids for the clauses and the filters. Digits may also be a piece of the phone."""
        bounds = self._filters.bounds
        ids = self._index.matching(self._expression(clauses), most=most, bounds=bounds, below=below)
        digits = [at for at, each in enumerate(self._words) if each.is_digits]
        if digits and len(clauses) == len(self._words) and len(ids) < most:
            others = [clause for at, clause in enumerate(clauses) if at not in digits]
            of_phone = self._with_phone(others, [self._words[at].plain for at in digits], most=most, below=below)
            ids = sorted({*ids, *of_phone}, reverse=True)[:most]
        return ids

    def _with_phone(self, others: Sequence[Clause], parts: Sequence[str], *, most: int, below: int | None) -> list[int]:
        """The ids for these clauses, of those whose phone holds all the parts."""
        longest = max(parts, key=len)
        if not others and self._filters.are_none and below is None:
            ids = self._index.holding_part(longest, most=most)
        else:
            wanted = self._expression(others)
            ids = self._index.matching(wanted, most=most, bounds=self._filters.bounds, below=below, part=longest)
        return [line.id for line in self._index.lines(ids) if all(part in line.phone for part in parts)]

    def _expression(self, clauses: Sequence[Clause]) -> Expression:
        return expression([*clauses, *self._filters.clauses], without=self._filters.without)

    def _look_for(self, clauses: Sequence[Clause], *, most: int) -> int:
        """Score the newest contacts for the clauses. Returns how many."""
        ids = self._matching(clauses, most=most)
        self._found.is_capped |= len(ids) == most
        self._score(ids)
        return len(ids)

    def _look_for_each(self, clauses: Sequence[Clause]) -> None:
        """Score a few of the newest contacts for each of the clauses."""
        wanted = [self._expression([clause]) for clause in clauses]
        found = self._index.matching_each(wanted, most=_FEW, bounds=self._filters.bounds)
        self._found.is_capped |= any(len(ids) == _FEW for ids in found)
        self._score({each: None for ids in found for each in ids})

    def _score(self, ids: Iterable[int]) -> None:
        self._take(score(line, self._words, self._options, said=self._said) for line in self._index.lines(ids))

    def _take(self, scored: Iterable[Scored]) -> None:
        for each in scored:
            known = self._scored.get(each.line.id)
            if known is None or each.score > known.score:
                self._scored[each.line.id] = each

    def _best(self) -> float:
        return max((each.score for each in self._scored.values()), default=0.0)

    def _set_words(self, words: Sequence[Asked]) -> None:
        self._words = words
        self._options = [exact(each) for each in words]

    def _add_kin(self) -> None:
        for options, each in zip(self._options, self._words, strict=True):
            for name, likeness in _kin(each).items():
                options.setdefault(name, Option(likeness, "nickname"))

    def _add_misspelled(self, at: int) -> None:
        asked = self._words[at]
        for text in asked.spellings:
            if len(text) >= _LEAST_OF_SIGNS or not is_ideographic(asked.plain):
                self._add_near(at, text)

    def _add_near(self, at: int, text: str) -> None:
        if len(text) < _LEAST_LOOSE or any(map(str.isdigit, text)) or is_ideographic(text):
            return
        counts = dict(self._index.near(text))
        alike = misspelled(text, counts)
        nearest = sorted(alike, key=lambda name: (-alike[name][0], -counts[name]))[:_MOST_NEAR]
        for name in nearest:
            self._options[at].setdefault(name, Option(alike[name][0], "misspelled", alike[name][1]))

    def _add_containing(self, at: int) -> None:
        text = self._words[at].plain
        if len(text) < _LEAST_INSIDE:
            return
        for name in self._index.containing(text):
            option = Option(INSIDE + INSIDE_SHARE * len(text) / len(name), "inside")
            if option.likeness > self._options[at].get(name, _NOTHING).likeness:
                self._options[at][name] = option


def _as_said(asked: Asked) -> Clause:
    """The alternatives of a word as it stands. An initial is every name that begins so, and a month its days."""
    if asked.date == "month":
        return [beginning(asked.plain)]
    return [in_name_beginning(asked.plain)] if asked.is_initial else [*map(word, asked.forms)]


def _kin(asked: Asked) -> dict[str, float]:
    """The names that a word may stand for."""
    return {name: likeness for text in asked.spellings for name, likeness in kindred(text).items()}


def _apart(words: Sequence[Asked]) -> list[Asked]:
    """The words with those of a hyphen or of a date apart."""
    return [part for each in words for part in (_parts_of(each) or [each])]


def _parts_of(asked: Asked) -> list[Asked]:
    return [Asked(text, (text,), date="part" if asked.date else "") for text in asked.parts]


def _words_of(scored: Scored) -> int:
    """How many of the words that were said the contact has. Two that were joined count as two."""
    return len({word for why in scored.why for word in why.said.split()})


def _whole(words: Sequence[Asked]) -> Words:
    return Words(tuple(words), frozenset(each.plain for each in words))


def _simpler(words: Sequence[Asked], fillers: frozenset[str]) -> list[Asked]:
    """The words with hyphens apart, else without fillers. Empty where nothing can be made simpler.

    A word with hundreds of hyphens, or one sign that stands for a sentence, has no more words than a query may have.
    """
    if any(each.parts for each in words):
        whole = [each for each in words if not (each.parts and each.plain in fillers)]  # "e-mail" is no initial
        return [*{word.plain: word for word in _apart(whole)}.values()][:MOST_WORDS]
    telling = [each for each in words if not is_filler(each, words, fillers)]
    return telling if len(telling) < len(words) else []


def _with(clauses: Sequence[Clause], at: int, clause: Clause) -> list[Clause]:
    return [*clauses[:at], clause, *clauses[at + 1 :]]
