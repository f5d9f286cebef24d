"""What a handler is given, and the little they all need."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from . import shapes
from .answers import Answer
from .behaviour import Behaviour
from .records import Record, Records
from .refusals import ContactMissing
from .replica import Replica


@dataclass(frozen=True, kw_only=True, slots=True)
class Call:
    """One request that may be carried out, and everything it may touch. `now` is in microseconds."""

    records: Records
    replica: Replica
    behaviour: Behaviour
    now: int
    path: Mapping[str, str]
    query: Mapping[str, str]
    body: Any

    def shown(self, records: list[Record]) -> list[Record]:
        """Contacts as reads give them."""
        labels = {tag["id"]: tag["tag"] for tag in self.records.tags()} if self.behaviour.tag_shape == "object" else {}
        return [shapes.contact(record, labels=labels, behaviour=self.behaviour) for record in records]

    def wrote(self, contact_id: int, *, before: Record | None) -> None:
        """Says that a contact was written, for reads that are to lag behind."""
        self.replica.hold_back(contact_id, before, reads=self.behaviour.read_delay_writes)


Handler = Callable[[Call], Answer]


def existing(record: Record | None) -> Record:
    """`record`, if there is one. Raises ContactMissing."""
    if record is None:
        raise ContactMissing("contact not found")
    return record
