"""Words around a name: titles, which say nothing about who is meant, and generations, which do.

- A title counts nowhere as long as other words remain: "Mrs. Rivera", "Señor Rivera".
- A generation tells a father from his son: "King Jr." is not "King Sr.". It stands behind a name, never in front of it.
"""

from __future__ import annotations

from collections.abc import Sequence

GENERATIONS = {
    "jr": "junior",
    "junior": "junior",
    "jnr": "junior",
    "sr": "senior",
    "senior": "senior",
    "snr": "senior",
    "ii": "ii",
    "2nd": "ii",
    "iii": "iii",
    "3rd": "iii",
    "iv": "iv",
    "4th": "iv",
}

_HONORIFICS = """
mr mrs ms miss mx dr doctor prof professor sir dame madam rev reverend capt captain phd md esq sr
herr frau doktor senor senora senorita sra srta dona monsieur madame mademoiselle mme mlle
signor signora signorina sig dott meneer mevrouw dhr mevr
"""
# "M." and "Don" are missing: an initial, and a name.
TITLES = frozenset([*_HONORIFICS.split(), "jr", "ii", "iii", "iv"])


def generation_in(words: Sequence[str]) -> str:
    """The generation that folded words say behind a name: junior, senior, ii, iii, iv. It is "" for none."""
    return next((GENERATIONS[word] for word in words[1:] if word in GENERATIONS), "")


def are_other_generations(one: str, other: str) -> bool:
    """Whether two generations contradict each other. A name without one contradicts none."""
    return bool(one and other) and one != other
