"""The index of one account's contacts as a search sees it. `index.py` and `postgres/index.py` are its forms.

- One search serves every engine. So the same contacts give the same ids in the same order, and the same counts.
- An index is made for one account. No method takes an account.
- Every method may be called from any thread, and works in the calling one.
- Every method raises IndexUnavailable where the index cannot be used, and nothing else.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol

from contacts_mcp.state.match import Bounds, Expression
from contacts_mcp.state.row import Row, custom_of

MOST_IN_MEMORY = 150_000  # contacts
LARGE_PAGE = 200  # rows of one call from which on new words are read at the end of the walk
MOST_VALUES = 2_000  # different values of a field that are looked at


@dataclass(frozen=True, slots=True, kw_only=True)
class State:
    """The knowledge of the index about itself."""

    contacts: int = 0
    generation: int = 0  # the number of the last walk that began
    place: str = ""  # where the walk that is under way goes on, as its walker wrote it; "" where none is
    newest: str = ""  # the highest `updated` that is known, as the service wrote it
    complete_since: float | None = None  # Unix seconds; when the last walk that ended began. None before the first.
    last_walk: float | None = None  # Unix seconds at its end
    needs_rebuild: bool = False  # the words were folded by another version's rules
    started_over: bool = False  # the index could not be read and was thrown away; nobody has told it yet
    notes: Mapping[str, str] | None = None  # other texts of the walker, by name


class Facts(NamedTuple):
    """The part of a contact by which its doubles are found."""

    id: int
    phone: str  # digits
    first: str
    last: str
    display_name: str
    email: str
    custom: str
    name_key: int | None
    display_key: int | None

    @property
    def values(self) -> dict[int, str]:
        return custom_of(self.custom)


@dataclass(frozen=True, slots=True)
class Line:
    """The part of a contact by which a search ranks it."""

    id: int
    names: str  # folded words, § and other forms
    email: str
    custom: str  # JSON
    phone: str
    updated: int  # microseconds since 1970, 0 where it is not known
    created: int

    @property
    def values(self) -> dict[int, str]:
        return custom_of(self.custom)


class WalkIsOver(Exception):
    """Another walk began, or the index was emptied. The walk that asked is not the one under way."""


class WordIndex(Protocol):
    """The contacts of one account, and the words that find them."""

    def close(self) -> None:
        """Let go of files and connections. They are opened again when they are needed."""

    # Filling

    def upsert(self, rows: Iterable[Row], *, walk: int | None = None, **state: Any) -> int:
        """Put rows in, all or none of them, and with them the `state` (see `set_state`). Returns how many changed.

        A row that is older than the one in the index, or was seen deleted, is left out. Of two rows of one id the newer
        one counts. Raises IndexUnavailable, with `too_large` for an index in memory, and WalkIsOver where `walk` is
        given and another walk began since.
        """

    def remove(self, ids: Iterable[int]) -> int:
        """Take out contacts that were seen deleted. Returns how many there were. Their last bytes go with a walk."""

    def begin_walk(self, **state: Any) -> int:
        """Begin a walk. Returns its generation. A walk that goes on after a stop does not begin again."""

    def end_walk(self, *, began: float, ended: float, walk: int | None = None, **state: Any) -> int:
        """End a walk that saw every contact. Returns how many contacts it did not see, which are removed.

        Both times are Unix seconds. It takes seconds for a large account, in transactions short enough for others.
        Raises WalkIsOver as `upsert` does.
        """

    def rebuild(self) -> Iterator[int]:
        """Fold everything again by the rules of this version. Yields the number of contacts done, chunk by chunk."""

    def forget(self) -> None:
        """Delete the index with everything in it. It is empty afterwards, and may be filled again."""

    # State

    @property
    def state(self) -> State:
        """A snapshot."""

    @property
    def generation(self) -> int:
        """The number of the last walk that began. It is quick to read."""

    def set_state(self, **values: Any) -> None:
        """Write down `place`, `newest`, or notes of other names. None removes one."""

    def told_of_starting_over(self) -> None:
        """Somebody was told that the index was thrown away."""

    # Reading contacts

    def rows(self, ids: Iterable[int]) -> list[Row]:
        """The contacts of these ids that are there, in the order of the ids."""

    def unseen(self, *, most: int) -> list[Row]:
        """Contacts that the walk under way has not seen."""

    def by_phone(self, digits: str) -> list[Row]:
        """The contacts of exactly that phone, the newest first."""

    def by_email(self, address: str) -> list[Row]:
        """The contacts of that address, case and width aside, the newest first."""

    def by_name(self, name: str, *, most: int = 1_000) -> list[Row]:
        """The newest contacts whose name, or display name, has exactly these words in any order.

        Titles, case, accents, and written out letters are forgiven. A few others may be among them (see `name_key`).
        """

    def nameless(self) -> int:
        """How many contacts have no name of any kind."""

    # Searching

    def ids_by_name(self, words: Iterable[str], *, most: int) -> list[int]:
        """As `by_name`, for folded words."""

    def matching(
        self, wanted: Expression, *, most: int, bounds: Bounds | None = None, below: int | None = None, part: str = ""
    ) -> list[int]:
        """The newest contacts that match the expression and the bounds, newest first.

        Their ids are under `below`. `part` is as in `holding_part`.
        """

    def matching_each(
        self, wanted: Sequence[Expression], *, most: int, bounds: Bounds | None = None
    ) -> list[list[int]]:
        """As `matching`, for several expressions: at most `most` contacts of each."""

    def matching_and_count(
        self, wanted: Expression, *, most: int, bounds: Bounds, below: int | None = None
    ) -> tuple[list[int], int]:
        """As `matching`, and how many contacts match with any id."""

    def count(self, wanted: Expression, bounds: Bounds | None = None) -> int:
        """How many contacts match."""

    def recent(self, *, most: int, bounds: Bounds, below: tuple[int, int] | None = None) -> list[tuple[int, int]]:
        """The contacts that changed last: pairs of `updated` and id, from `below` on. The words are not looked at."""

    def newest(self, *, most: int, bounds: Bounds, below: int | None = None) -> list[int]:
        """The newest contacts within the bounds with ids under `below`. The words are not looked at."""

    def counted(self, bounds: Bounds) -> int:
        """How many contacts are within the bounds."""

    def phones_beginning(self, beginnings: Iterable[str], *, longest: int = 15, most: int) -> list[int]:
        """The newest contacts whose phone begins with one of these texts of digits, and has at most `longest`."""

    def holding_part(self, part: str, *, most: int) -> list[int]:
        """The newest contacts that may have this part in phone or address. "|" stands at both ends of a phone."""

    def lines(self, ids: Iterable[int]) -> list[Line]:
        """The parts of these contacts by which a search ranks them, in any order."""

    # Doubles

    def facts(self, *, after: int = 0, most: int) -> list[Facts]:
        """The facts that tell doubles, of the contacts with ids above `after`, in the order of their ids."""

    def facts_of(self, ids: Iterable[int]) -> dict[int, Facts]:
        """The same of the contacts of these ids that are there."""

    def namesakes(self, keys: Iterable[int]) -> dict[int, int]:
        """How many contacts have each of these name keys, as name or as display name."""

    def spread(self, field_id: int) -> tuple[int, int]:
        """How many different values a custom field has, and how many contacts have one."""

    def holders(self, mark: str) -> int:
        """How many contacts have exactly that mark."""

    @property
    def stamp(self) -> tuple[int, int, int]:
        """How many contacts there are, and two numbers, one of which changes with every change of a contact."""

    # Words

    def near(self, word: str) -> list[tuple[str, int]]:
        """The words that may be `word` misspelled, each with the number of its contacts."""

    def sounding(self, word: str, *, most: int = 30) -> list[str]:
        """The most frequent words that sound like `word`."""

    def containing(self, part: str, *, most: int = 30) -> list[str]:
        """The most frequent words that hold `part`."""

    def known(self, words: Iterable[str]) -> dict[str, int]:
        """Those of the words that a name or value has, each with the number of its contacts."""

    def values(self, field_id: int, *, most: int = MOST_VALUES) -> list[tuple[str, int]]:
        """The values of a custom field in folded form, each with the number of its contacts, in order of the text."""

    def counts(self, mark: str) -> dict[str, int]:
        """How many contacts have each mark that begins so: `counts("§§t")` is {"§§t101": 5, ...}."""
