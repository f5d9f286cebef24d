"""One request: its record for tests, and the values that its handler gets."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from . import shapes
from .behaviour import Behaviour
from .oddities import Oddities
from .replies import BadData, ContactMissing, Reply
from .rows.records import Record, Records
from .rows.replica import ReplicaView

_MOST = 10_000
_CONTACT_ID = re.compile(r"[0-9]{1,18}")


@dataclass
class Request:
    """One request that arrived, for tests to look at."""

    operation: str  # empty for an unknown path
    method: str
    path: str
    query: dict[str, str]
    body: Any  # the parsed JSON, None for no body, the text of a body that is not JSON
    request_id: str
    status: int | None = None  # of the reply that was sent. None as long as none was sent
    landed: int | None = None  # of the reply that nobody got, after a late write was carried out


class Requests(list[Request]):
    """The latest 10,000 requests in the order of their arrival."""

    def append(self, request: Request) -> None:
        """Adds a request and drops the oldest."""
        super().append(request)
        del self[:-_MOST]


@dataclass(frozen=True, kw_only=True, slots=True)
class Call:
    """Everything that the handler of one request may use."""

    records: Records
    replica: ReplicaView
    oddities: Oddities
    behaviour: Behaviour
    now: int  # microseconds
    path: Mapping[str, str]
    query: Mapping[str, str]
    body: Any  # checked already
    items: int | None = None  # of a batch, only so many are carried out
    written: list[tuple[int, Record | None]] = field(default_factory=list)  # ids, and the contacts as they were before

    @property
    def contact_id(self) -> int:
        """The id in the path. Raises BadData."""
        if not _CONTACT_ID.fullmatch(self.path["id"]):
            raise BadData("id must be a number")
        return int(self.path["id"])

    @property
    def overwrite(self) -> bool:
        """The value of `?overwrite=`, false if it is left out. Raises BadData."""
        said = self.query.get("overwrite", "false")
        if said not in ("true", "false"):
            raise BadData("overwrite must be true or false")
        return said == "true"

    def shown(self, records: list[Record]) -> list[Record]:
        """Contacts as reads send them."""
        labels = {tag["id"]: tag["tag"] for tag in self.records.tags()} if self.behaviour.tag_shape == "object" else {}
        shown = [shapes.contact(record, labels=labels, behaviour=self.behaviour) for record in records]
        ids = [record["id"] for record in records]
        return [
            self.oddities.applied(one, row="contact", row_id=row_id) for one, row_id in zip(shown, ids, strict=True)
        ]

    def wrote(self, contact_id: int, *, before: Record | None) -> None:
        """Notes that a contact was written, so that reads can lag behind."""
        self.written.append((contact_id, before))


Handler = Callable[[Call], Reply]


def existing(record: Record | None) -> Record:
    """`record`, if there is one. Raises ContactMissing."""
    if record is None:
        raise ContactMissing("contact not found")
    return record
