"""What reads see: the records, or for a while what they were before a write.

With `read_delay_writes=n` a write shows only after n further reads of that contact, as with a replica that lags behind.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from .records import Record, Records, is_beyond, rank
from .timestamps import Precision


@dataclass
class _Lag:
    """A contact as reads still see it (None: not there yet), and for how many reads."""

    record: Record | None
    reads: int


class Replica:
    """The reading side of the records."""

    def __init__(self, records: Records) -> None:
        self._records = records
        self._lags: dict[int, _Lag] = {}

    def hold_back(self, contact_id: int, before: Record | None, *, reads: int) -> None:
        """Lets the next `reads` reads of a contact that was just written see `before`."""
        if reads > 0:
            seen = self._lags[contact_id].record if contact_id in self._lags else before
            self._lags[contact_id] = _Lag(seen, reads)

    def catch_up(self) -> None:
        """Shows every write at once."""
        self._lags.clear()

    def contact(self, contact_id: int) -> Record | None:
        """The contact with this id."""
        lag = self._lags.get(contact_id)
        if lag is None:
            return self._records.contact(contact_id)
        self._tick({contact_id})
        return lag.record

    def with_values(self, column: str, values: list[str]) -> list[Record]:
        """The contacts whose `column` is exactly one of `values`, by id."""
        seen = self._as_seen(self._records.with_values(column, values), shows=lambda record: record[column] in values)
        return sorted(seen, key=lambda record: int(record["id"]))

    def page(
        self, *, before: int | None, inclusive: bool, precision: Precision, limit: int, offset: int
    ) -> list[Record]:
        """The latest updated first, then the highest id, from `before` (nanoseconds) on."""
        if not self._lags:
            return self._records.page(
                before=before, inclusive=inclusive, precision=precision, limit=limit, offset=offset
            )
        reach = offset + limit + len(self._lags)
        fresh = self._records.page(before=before, inclusive=inclusive, precision=precision, limit=reach)
        seen = self._as_seen(
            fresh, shows=lambda record: is_beyond(record, before, inclusive=inclusive, precision=precision)
        )
        return sorted(seen, key=lambda record: rank(record, precision=precision), reverse=True)[offset : offset + limit]

    def count(self) -> int:
        """How many contacts there are."""
        lagging = list(self._lags.items())
        unseen = sum(lag.record is None for _, lag in lagging)
        ghosts = sum(
            lag.record is not None and self._records.contact(contact_id) is None for contact_id, lag in lagging
        )
        self._tick(set(self._lags))
        return self._records.count() - unseen + ghosts

    def _as_seen(self, fresh: list[Record], *, shows: Callable[[Record], bool]) -> list[Record]:
        if not self._lags:
            return fresh
        old = [lag.record for lag in self._lags.values() if lag.record is not None and shows(lag.record)]
        kept = [record for record in fresh if record["id"] not in self._lags]
        self._tick({record["id"] for record in (*fresh, *old)} & self._lags.keys())
        return kept + old

    def _tick(self, contact_ids: set[int]) -> None:
        for contact_id in contact_ids:
            self._lags[contact_id].reads -= 1
            if self._lags[contact_id].reads == 0:
                del self._lags[contact_id]
