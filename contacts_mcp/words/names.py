"""Human names <-> the numeric ids of custom fields, tags and team members.

1. A label of ours, "Region (37)", means item 37 if the part before the number folds to that item's name.
   No other item's name counts then.
2. Any other text may mean an item by name or by id. Names are compared from strict to loose: as written (or as we
   show it), `caseless`, `fold`, then an alias (an e-mail) caseless. The first level that hits counts.
   An id is all digits ("37"), or the kind and digits ("field 37"). A number given as a number is only an id.
3. The name and the id must mean one item. Among several none is chosen: UnknownName lists them as "name (id)".
4. An item without a visible name is called "field 37", as if that were its name.
5. A label reads back: `resolve(label(x.id))` is x for every item, whatever the names are. The label is the plain name
   if that means x alone and nobody shares the folded name. Otherwise it is "name (id)".
6. A miss offers the nearest five, by likeness of the folded names and aliases. A name that holds the text, or is held
   by it, counts as near.
7. Names are data written by strangers. They are shown through `visible`, and cut.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

from contacts_mcp.errors import UnknownName
from contacts_mcp.words.display import is_invisible, quoted, visible
from contacts_mcp.words.folding import caseless, fold

LONGEST_SHOWN = 60
LONGEST_LABEL = 700  # of one that is shown safe and short already, and must read back
NEAREST = 5
_MOST_LISTED = 10
_MOST_RESOLVED = 1_000  # texts kept with what they mean: a file says the same names in every row
_LONGEST_LOOSE = 1_000  # a longer text is only compared as written
_LONGEST_LIKENESS = 80  # characters of a folded name that near misses are looked for by
_LEAST_LIKENESS = 0.6
_LEAST_CONTAINED = 3
_LONGEST_ID = 18

_AS_WRITTEN = 2  # tiers that keep the signs of a name
# "-VIP" and "!VIP" mean all but VIP in many programs. "- VIP" is a bullet.
_NEGATED = re.compile(r"\s*(?:[-\u2212](?=\w)|[!~\u00ac\u2260]|<>)")
_LABEL = re.compile(rf"\s*(?P<name>.*\S)\s*\((?P<id>\d{{1,{_LONGEST_ID}}})\)\s*", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Named:
    """One thing with a numeric id and the name that people gave it."""

    id: int
    name: str
    aliases: tuple[str, ...] = ()  # other names of it, such as a member's e-mail


class Names:
    """An immutable index of items of one kind, in upstream order. Of items with one id the first counts.

    `kind` ("custom field", "tag", "team member") stands in texts. `hint` is the sentence that says where to see all.
    It is for the arguments of `hint_for` alone, if there are any.
    `unread` is how many more there are whose name cannot be read.
    """

    def __init__(
        self, kind: str, items: Iterable[Named], *, hint: str = "", hint_for: Collection[str] = (), unread: int = 0
    ) -> None:
        self.kind = kind
        self.hint = hint
        self.hint_for = hint_for
        self.unread = unread
        self._by_id: dict[int, Named] = {}
        for item in items:
            self._by_id.setdefault(item.id, item)
        self.items = tuple(self._by_id.values())
        self.ids = self._by_id.keys()
        self._tiers = self._strict_to_loose()
        kinds = "|".join(map(re.escape, (kind, self._noun)))
        self._number = re.compile(rf"\s*(?:(?:{kinds})\s*)?(\d{{1,{_LONGEST_ID}}})\s*", re.IGNORECASE)
        self._labels: dict[int, str] = {}
        self._resolved: dict[str, Named] = {}

    def resolve(self, text: str | int, *, argument: str) -> Named:
        """The one item that a name, an id or a label means. Raises UnknownName for none or for several."""
        if isinstance(text, str) and text in self._resolved:
            return self._resolved[text]
        meant = self._with_id(text) if isinstance(text, int) else self._meant(text)
        if len(meant) == 1:
            if isinstance(text, str) and len(self._resolved) < _MOST_RESOLVED:
                self._resolved[text] = meant[0]
            return meant[0]
        raise self._several(str(text), meant, argument) if meant else self._unknown(str(text), argument)

    def label(self, item_id: int) -> str:
        """The text shown for an id: the name, "Region (37)" if others share it, "field 37" without a name or item."""
        item = self._by_id.get(item_id)
        if item is None:
            return f"{self._noun} {item_id}"
        if item_id not in self._labels:
            self._labels[item_id] = self._plain_label(item) or self._tagged_label(item)
        return self._labels[item_id]

    def named(self, text: str) -> list[Named]:
        """The items whose folded name is that of `text`, in upstream order."""
        return list(self._tiers[2].find(text))

    def __contains__(self, item_id: object) -> bool:
        return item_id in self._by_id

    def matching(self, query: str) -> list[Named]:
        """The items whose name or alias holds the query, in upstream order, or else the nearest. "" is all of them."""
        if not query.strip():
            return list(self.items)
        holding = self._ids_holding(query)
        return [item for item in self.items if item.id in holding] or self.nearest(query)

    def nearest(self, text: str) -> list[Named]:
        """At most five items that may have been meant, the likeliest first."""
        best: dict[int, float] = {}
        tier = self._near_words
        for word, score in _scores(_start(text[:_LONGEST_LOOSE]), list(tier.index)):
            best.update({item.id: score for item in tier.index[word] if score > best.get(item.id, 0)})
        likeliest = sorted(best, key=lambda item_id: (-best[item_id], item_id))
        return [self._by_id[item_id] for item_id in likeliest[:NEAREST]]

    # Names and ids

    @property
    def _noun(self) -> str:
        return self.kind.split()[-1]

    def _strict_to_loose(self) -> list[_Tier]:
        return [
            _Tier(str, self.items, self._names),
            _Tier(caseless, self.items, self._names),
            _Tier(fold, self.items, self._names),
            _Tier(caseless, self.items, lambda item: item.aliases),
        ]

    def _names(self, item: Named) -> set[str]:
        return {item.name, self._shown(item)} if _is_named(item) else {self._shown(item)}

    def _shown(self, item: Named) -> str:
        """The name fit for showing, "field 37" for an item without one."""
        return (
            visible(" ".join(item.name.split()), limit=LONGEST_SHOWN) if _is_named(item) else f"{self._noun} {item.id}"
        )

    def _with_id(self, item_id: int) -> list[Named]:
        return [self._by_id[item_id]] if item_id in self._by_id else []

    def _meant(self, text: str) -> list[Named]:
        """Every item the text may mean, in the order of their ids."""
        if len(text) > _LONGEST_LOOSE:
            return self._tiers[0].find(text)
        return self._meant_by_label(text) or self._meant_by_name_or_number(text)

    def _meant_by_label(self, text: str) -> list[Named]:
        label = _LABEL.fullmatch(text)
        items = self._with_id(int(label["id"])) if label else []
        return [item for item in items if label and fold(label["name"]) in map(fold, self._names(item))]

    def _meant_by_name_or_number(self, text: str) -> list[Named]:
        tiers = self._tiers[:_AS_WRITTEN] if _NEGATED.match(text) else self._tiers
        named = next((hits for tier in tiers if (hits := tier.find(text))), [])
        number = self._number.fullmatch(text)
        numbered = self._with_id(int(number[1])) if number else []
        found = {item.id: item for item in [*named, *numbered]}
        return [found[item_id] for item_id in sorted(found)]

    # Labels

    def _plain_label(self, item: Named) -> str:
        """The name as shown, "" if it does not mean this item alone."""
        shared = any(len(self._tiers[2].find(name)) > 1 for name in self._names(item))
        shown = self._shown(item)
        return "" if shared or self._meant(shown) != [item] else shown

    def _tagged_label(self, item: Named) -> str:
        return f"{self._shown(item)} ({item.id})"

    # Near misses and errors

    def _ids_holding(self, query: str) -> set[int]:
        found = {item.id for tier in self._tiers[1:] for item in tier.holding(query)}
        return found | {item.id for item in self.items if query.strip() == str(item.id)}

    @cached_property
    def _near_words(self) -> _Tier:
        return _Tier(_start, self.items, lambda item: {*self._names(item), *item.aliases})

    def _unknown(self, text: str, argument: str) -> UnknownName:
        hint = self.hint if not self.hint_for or argument in self.hint_for else ""
        if not self.items and not self.unread:
            return UnknownName(argument, f"the account has no {self.kind}s.", expected=hint)
        if not text.strip():
            return UnknownName(argument, "one of the names is empty.", expected="Leave it out.")
        nearest = [self.label(item.id) for item in self.nearest(text)]
        there_are = f" Nearest: {_listed(nearest)}." if nearest else self._all_of_few()
        return UnknownName(argument, f"{self.absence(text)}{there_are}", candidates=nearest, expected=hint)

    def absence(self, text: str) -> str:
        """The sentence that no item has the name `text`, as far as the names can be read."""
        if not self.unread:
            return f"there is no {self.kind} {_quoted(text)}."
        return f"no {self.kind} that can be read is called {_quoted(text)}. {self.unread_rows()}"

    def unread_rows(self) -> str:
        """The sentence on the rows that cannot be read. It is empty if there are none."""
        if not self.unread:
            return ""
        rows = "1 row" if self.unread == 1 else f"{self.unread} rows"
        return f"{rows} of Heymarket's list of {self.kind}s could not be read."

    def _all_of_few(self) -> str:
        if not 0 < len(self.items) <= _MOST_LISTED:
            return ""
        return f" There are: {_listed(sorted(self.label(item.id) for item in self.items))}."

    def _several(self, text: str, meant: list[Named], argument: str) -> UnknownName:
        labels = [self._tagged_label(item) for item in meant[:_MOST_LISTED]]
        more = f" and {len(meant) - _MOST_LISTED} more" if len(meant) > _MOST_LISTED else ""
        problem = f"{_quoted(text)} may be any of {len(meant)} {self.kind}s: {_listed(labels)}{more}."
        expected = "Write the one that is meant like that, with its number."
        return UnknownName(argument, problem, candidates=labels, expected=expected, is_ambiguous=True)


class _Tier:
    """One level of comparing: `key(word)` -> the items with such a word, each once, in upstream order."""

    def __init__(
        self, key: Callable[[str], str], items: Iterable[Named], words: Callable[[Named], Iterable[str]]
    ) -> None:
        self._key = key
        self.index: dict[str, list[Named]] = {}
        for item in items:
            for word in {key(word) for word in words(item)} - {""}:
                self.index.setdefault(word, []).append(item)

    def find(self, text: str) -> list[Named]:
        return self.index.get(self._key(text), [])

    def holding(self, text: str) -> Iterator[Named]:
        part = self._key(text)
        return (item for word, items in self.index.items() if part and part in word for item in items)


def _scores(sought: str, words: Sequence[str]) -> Iterator[tuple[str, float]]:
    """The words that are at least `_LEAST_LIKENESS` like `sought`, each with its likeness of 0 to 1.

    If one holds the other, the likeness is at least 0.75. A word may come twice. The higher score counts then.
    """
    from rapidfuzz import fuzz, process  # only a miss needs it, and it takes 30 ms to load

    for word, percent, _ in process.extract(
        sought, words, scorer=fuzz.ratio, score_cutoff=100 * _LEAST_LIKENESS, limit=None
    ):
        yield word, percent / 100
    for word in words:
        short, long = sorted((sought, word), key=len)
        if len(short) >= _LEAST_CONTAINED and short in long:
            yield word, 0.75 + 0.25 * len(short) / len(long)


def _start(text: str) -> str:
    """The part of the folded text that near misses are looked for by."""
    return fold(text)[:_LONGEST_LIKENESS]


def _is_named(item: Named) -> bool:
    return any(not char.isspace() and not is_invisible(char) for char in item.name)


def _quoted(text: str) -> str:
    return quoted(text, limit=LONGEST_SHOWN)


def _listed(labels: Iterable[str]) -> str:
    return ", ".join(quoted(label, limit=LONGEST_LABEL) for label in labels)
