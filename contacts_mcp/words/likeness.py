"""How alike two folded words are, as somebody who typed one of them may have meant the other.

- One edit is a letter more, less or other, or two neighbours exchanged. Words of up to five letters may have one edit,
  longer ones two.
- An edit weighs less where fingers slip: exchanged neighbours, a doubled letter, a key beside the right one.
"""

from __future__ import annotations

from collections.abc import Iterable

_SHORT = 5
_SLIP = 0.8
_NEIGHBOUR = 0.85
_OTHER_START = 0.03
_ROWS = ("qwertyuiop", "asdfghjkl", "zxcvbnm")


def _neighbours() -> frozenset[tuple[str, str]]:
    """The pairs of letters whose keys touch."""
    at = {letter: (row, column + row / 2) for row, keys in enumerate(_ROWS) for column, letter in enumerate(keys)}
    return frozenset(
        (one, other)
        for one, (row, column) in at.items()
        for other, (its_row, its_column) in at.items()
        if one != other and abs(row - its_row) <= 1 and abs(column - its_column) <= 1
    )


_NEIGHBOURS = _neighbours()


def misspelled(word: str, candidates: Iterable[str]) -> dict[str, tuple[float, int]]:
    """The candidates that may be `word` misspelled: candidate -> likeness below 1, and the number of edits."""
    from rapidfuzz import process  # only a miss needs it, and it takes 30 ms to load
    from rapidfuzz.distance import OSA

    most = 1 if len(word) <= _SHORT else 2
    near = process.extract(word, [*candidates], scorer=OSA.distance, score_cutoff=most, limit=None)
    return {
        found: (likeness(word, found, edits=int(edits)), int(edits))
        for found, edits, _ in near
        if edits and edits <= _allowed(found, most)
    }


def likeness(word: str, other: str, *, edits: int) -> float:
    """The likeness of two words that are so many edits apart, 0 to 1."""
    weight = _weight(word, other) if edits == 1 else edits - (1 - _SLIP) * (sorted(word) == sorted(other))
    other_start = _OTHER_START if word[0] != other[0] else 0.0
    return max(0.0, 1 - 0.9 * weight / max(len(word), len(other)) - other_start)


def _allowed(word: str, most: int) -> int:
    """The edits between a long word and this one: short words have one."""
    return most if len(word) >= _SHORT else 1


def _weight(word: str, other: str) -> float:
    """The weight of the one edit between two words."""
    start = next((at for at, (one, two) in enumerate(zip(word, other, strict=False)) if one != two), None)
    if len(word) == len(other):
        if start is None:
            return 0.0
        if word[start : start + 2] == other[start : start + 2][::-1]:
            return _SLIP
        return _NEIGHBOUR if (word[start], other[start]) in _NEIGHBOURS else 1.0
    longer, at = max(word, other, key=len), min(len(word), len(other)) if start is None else start
    is_doubled = longer[at] in (longer[at - 1 : at] or "", longer[at + 1 : at + 2])
    return _SLIP if is_doubled else 1.0
