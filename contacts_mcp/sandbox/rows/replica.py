"""The reading side of the records. For a while it may show a contact as it was before a write.

A `Lag` names the reads that do not see a write yet, and says for how long. It begins when that write is carried out.
Each write of a contact is one version. A read sees the contact as it was before the oldest version it must not see yet.
So a later write never shows before an earlier one. Writes themselves always see the records.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Literal, get_args

from pydantic import ConfigDict
from pydantic.dataclasses import dataclass as pydantic_dataclass

from .records import Record, Records, is_beyond, rank
from .timestamps import Precision

ReadKind = Literal[
    "get_contact", "find_contact", "search_contacts", "list_contacts", "count_contacts", "contact_status"
]

READ_KINDS: tuple[ReadKind, ...] = get_args(ReadKind)


@pydantic_dataclass(frozen=True, config=ConfigDict(strict=True, extra="forbid"))
class Lag:
    """For how long some kinds of read do not see a write. It ends when both the reads and the seconds have passed."""

    reads: int = 0  # so many reads of that contact, of these kinds together
    seconds: float = 0.0  # by the sandbox's clock, from the moment the write is carried out
    of: tuple[ReadKind, ...] = READ_KINDS  # the reads that lag, by their operations


@dataclass
class _Hold:
    """The rest of a lag."""

    of: tuple[ReadKind, ...]
    reads: int
    until: float

    def hides(self, kind: str, now: float) -> bool:
        return kind in self.of and self.is_on(now)

    def is_on(self, now: float) -> bool:
        return self.reads > 0 or now < self.until


@dataclass
class _Version:
    """A contact before one write."""

    before: Record | None  # None: it was not there
    holds: list[_Hold]  # the reads that still see it so


class Replica:
    """The writes that some reads do not see yet."""

    def __init__(self, records: Records) -> None:
        self.records = records
        self._versions: dict[int, list[_Version]] = {}

    def hold_back(self, contact_id: int, before: Record | None, *, lags: Iterable[Lag], now: float) -> None:
        """Lets reads lag behind a write of this moment. `before` is the contact before it, None if it was not there.

        An earlier write that is still waiting for reads waits anew, so that both show at once.
        """
        holds = [_Hold(lag.of, lag.reads, now + lag.seconds) for lag in lags if lag.reads > 0 or lag.seconds > 0]
        if not holds:
            return
        versions = self._versions.setdefault(contact_id, [])
        for old in (hold for version in versions for hold in version.holds if hold.reads > 0):
            old.reads = max([old.reads, *(hold.reads for hold in holds if set(hold.of) & set(old.of))])
        versions.append(_Version(before, holds))

    def catch_up(self) -> None:
        """Shows every write at once."""
        self._versions.clear()

    def view(self, kind: str, *, now: float) -> ReplicaView:
        """The contacts as one read of `kind` sees them at `now` (unix seconds)."""
        return ReplicaView(self, kind, now)

    def hidden(self, kind: str, now: float) -> dict[int, Record | None]:
        """The contacts that a read of `kind` sees in an old state, and that state."""
        self._forget_what_is_over(now)
        old: dict[int, Record | None] = {}
        for contact_id, versions in self._versions.items():
            for version in versions:
                if any(hold.hides(kind, now) for hold in version.holds):
                    old[contact_id] = version.before
                    break
        return old

    def count_read(self, kind: str, contact_ids: Iterable[int]) -> None:
        """Counts one read of `kind` for each of these contacts."""
        for contact_id in contact_ids:
            for hold in (hold for version in self._versions[contact_id] for hold in version.holds):
                if kind in hold.of and hold.reads > 0:
                    hold.reads -= 1

    def _forget_what_is_over(self, now: float) -> None:
        for contact_id, versions in list(self._versions.items()):
            versions[:] = [version for version in versions if any(hold.is_on(now) for hold in version.holds)]
            if not versions:
                del self._versions[contact_id]


class ReplicaView:
    """The contacts as one read sees them. Each method counts as a read of the contacts it meets."""

    def __init__(self, replica: Replica, kind: str, now: float) -> None:
        self._replica = replica
        self._records = replica.records
        self._kind = kind
        self._old = replica.hidden(kind, now)

    def contact(self, contact_id: int) -> Record | None:
        """The contact with this id."""
        if contact_id not in self._old:
            return self._records.contact(contact_id)
        self._replica.count_read(self._kind, [contact_id])
        return self._old[contact_id]

    def with_values(self, column: str, values: list[str]) -> list[Record]:
        """The contacts whose `column` is exactly one of `values`, by id."""
        fresh = self._records.with_values(column, values)
        seen = self._as_seen(fresh, shows=lambda record: record[column] in values)
        return sorted(seen, key=lambda record: int(record["id"]))

    def page(
        self, *, before: int | None, inclusive: bool, precision: Precision, limit: int, offset: int
    ) -> list[Record]:
        """A page of contacts in the order of lists, from `before` (nanoseconds) on."""
        if not self._old:
            return self._records.page(
                before=before, inclusive=inclusive, precision=precision, limit=limit, offset=offset
            )
        reach = offset + limit + len(self._old)
        fresh = self._records.page(before=before, inclusive=inclusive, precision=precision, limit=reach)
        seen = self._as_seen(
            fresh, shows=lambda record: is_beyond(record, before, inclusive=inclusive, precision=precision)
        )
        seen.sort(key=lambda record: rank(record, precision=precision), reverse=True)
        return seen[offset : offset + limit]

    def count(self) -> int:
        """How many contacts there are."""
        seen = sum(record is not None for record in self._old.values())
        stored = sum(self._records.contact(contact_id) is not None for contact_id in self._old)
        self._replica.count_read(self._kind, self._old)
        return self._records.count() + seen - stored

    def _as_seen(self, fresh: list[Record], *, shows: Callable[[Record], bool]) -> list[Record]:
        if not self._old:
            return fresh
        old = [record for record in self._old.values() if record is not None and shows(record)]
        kept = [record for record in fresh if record["id"] not in self._old]
        self._replica.count_read(self._kind, {record["id"] for record in (*fresh, *old)} & self._old.keys())
        return kept + old
