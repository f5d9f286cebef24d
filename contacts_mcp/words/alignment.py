"""How well two names may be the same person's: the words of one name set against the words of the other.

- Each word takes its best word of the other name, the best pairs first, in any order. A word answers one word.
- A word of the shorter name that no word answers halves the likeness: households share a last name.
- Of two words that many contacts have, none is a misspelling of the other: Maria is not Mario.
- "de la Cruz" and "Delacruz" are the same words.
- Titles are left out, and so are Jr. and Sr., which `Name` keeps apart.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple

from contacts_mcp.words.kindred import kindred
from contacts_mcp.words.likeness import likeness
from contacts_mcp.words.search_words import name_key, pieces
from contacts_mcp.words.titles import GENERATIONS, TITLES, generation_in

How = Literal["same", "nickname", "spelling", "beginning", "initial"]

BEGINNING, INITIAL = 0.8, 0.75
ONE_WORD = 0.8  # of the likeness, where a name of one word answers a longer one
UNANSWERED = 0.5
_LEAST_BEGINNING = 3  # letters
_LEAST_MISSPELLED = 4
_LONG = 6  # letters from which on two edits are forgiven
_MOST_WORDS = 8


class Name(NamedTuple):
    """One way to say who somebody is, as words that can be compared."""

    words: tuple[str, ...]
    generation: str = ""  # junior, senior, ii, iii, iv


class Pair(NamedTuple):
    """A word of each name."""

    one: str
    other: str
    how: How
    likeness: float


@dataclass(frozen=True, slots=True)
class Alignment:
    """Two names, word by word."""

    likeness: float
    pairs: tuple[Pair, ...]
    unanswered: int  # words of the shorter name
    is_part: bool = False  # whether one name is a single word, and the other has more

    @property
    def has_only(self) -> frozenset[How]:
        """The ways in which words differ."""
        return frozenset(pair.how for pair in self.pairs if pair.how != "same")


NOTHING = Alignment(0.0, (), 0)


def names_of(*parts: str) -> tuple[Name, ...]:
    """The words of a name, and its words in Latin letters where it has others. There may be none."""
    found = [*(piece for part in parts for piece in pieces(part))][:_MOST_WORDS]
    plain = [word for piece in found for word in piece.words]
    latin = [
        word
        for piece in found
        for word in (piece.words if "".join(piece.words).isascii() else piece.spellings[:1] or piece.words)
    ]
    return tuple(dict.fromkeys(_name(words) for words in (plain, latin) if words))


def _name(words: Sequence[str]) -> Name:
    words = words[:_MOST_WORDS]
    kept = tuple(word for word in words if word not in TITLES and word not in GENERATIONS)
    return Name(kept or tuple(words), generation_in(words))


def aligned(one: Sequence[str], other: Sequence[str], *, known: Collection[str] = ()) -> Alignment:
    """The alignment of two names. `known` are the words that many contacts have. It is the same either way round."""
    if not one or not other:
        return NOTHING
    one, other = _joined(one, other), _joined(other, one)
    pairs = sorted(
        (
            (found, at, its_at)
            for at, word in enumerate(one)
            for its_at, its_word in enumerate(other)
            if (found := _compared(word, its_word, known))
        ),
        key=lambda each: (-each[0].likeness, *sorted(each[0][:2])),
    )
    taken: list[Pair] = []
    used, its_used = set[int](), set[int]()
    for pair, at, its_at in pairs:
        if at not in used and its_at not in its_used:
            taken.append(pair)
            used.add(at)
            its_used.add(its_at)
    return _weighed(taken, len(one), len(other))


def _weighed(pairs: list[Pair], length: int, its_length: int) -> Alignment:
    shorter, longer = sorted((length, its_length))
    unanswered = shorter - len(pairs)
    if not pairs:
        return Alignment(0.0, (), unanswered)
    mean = sum(pair.likeness for pair in pairs) / len(pairs)
    is_part = shorter == 1 < longer
    return Alignment(mean * UNANSWERED**unanswered * (ONE_WORD if is_part else 1.0), tuple(pairs), unanswered, is_part)


def _joined(words: Sequence[str], other: Iterable[str]) -> list[str]:
    """The words, those written as one that the other name writes as one, and not apart as well."""
    whole = set(other)
    found: list[str] = []
    at = 0
    while at < len(words):
        runs = (words[at:end] for end in range(len(words), at + 1, -1))
        run = next((run for run in runs if "".join(run) in whole and not whole.issuperset(run)), words[at : at + 1])
        found.append("".join(run))
        at += len(run)
    return found


def _compared(one: str, other: str, known: Collection[str]) -> Pair | None:
    if one == other:
        return Pair(one, other, "same", 1.0)
    if one[0] == other[0] and 1 in (len(one), len(other)):
        return Pair(one, other, "initial", INITIAL)
    kin = max(kindred(one).get(other, 0.0), kindred(other).get(one, 0.0))
    if kin:
        return Pair(one, other, "nickname", kin)
    shorter, longer = sorted((one, other), key=len)
    if len(shorter) >= _LEAST_BEGINNING and longer.startswith(shorter) and not _are_both(known, one, other):
        return Pair(one, other, "beginning", BEGINNING)
    return _misspelled(one, other, known)


def _misspelled(one: str, other: str, known: Collection[str]) -> Pair | None:
    shorter, longer = sorted((len(one), len(other)))
    most = 2 if longer >= _LONG else 1
    if shorter < _LEAST_MISSPELLED or longer - shorter > most:
        return None
    from rapidfuzz.distance import OSA  # it takes 30 ms to load

    edits = OSA.distance(one, other, score_cutoff=most)
    if edits > most:
        return None
    if name_key([one]) == name_key([other]):  # "muller" and "mueller"
        return Pair(one, other, "same", 1.0)
    if _are_both(known, one, other):
        return None
    return Pair(one, other, "spelling", likeness(one, other, edits=edits))


def _are_both(known: Collection[str], one: str, other: str) -> bool:
    return one in known and other in known
