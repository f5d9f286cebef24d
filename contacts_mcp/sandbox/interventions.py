"""Somebody else who creates, edits and deletes contacts between the requests of a client, as data."""

from __future__ import annotations

from dataclasses import field
from typing import Any, Literal

from pydantic import ConfigDict
from pydantic.dataclasses import dataclass

from .orders import Orders, check_operation
from .rows.replica import Lag
from .rows.store import Store, check_members

Action = Literal["create", "edit", "delete"]
When = Literal["before", "after"]


@dataclass(frozen=True, config=ConfigDict(strict=True, extra="forbid"))
class Intervention:
    """One deed of somebody else, right before or right after a request.

    Requests are counted as they arrive. "Before" is before a request is carried out, "after" is before it is answered.
    An edit or a deletion finds its contact by `contact_id`, or else by `phone`. It does nothing if there is none.
    Raises ValueError for an instruction that could never be followed.
    """

    action: Action
    operation: str = "*"  # `*` is every operation
    when: When = "before"
    times: int = 1  # so many requests. -1 is for ever
    skip: int = 0  # so many requests pass before
    contact_id: int | None = None
    phone: str | None = None  # digits, as they are stored at that moment
    members: dict[str, Any] = field(default_factory=dict)  # of a create or an edit, as the Store takes them
    lag: Lag | None = None  # the reads that do not see it yet

    def __post_init__(self) -> None:
        check_operation(self.operation)
        if self.action != "create" and self.contact_id is None and self.phone is None:
            raise ValueError(f"contact_id or phone says whom to {self.action}")
        check_members(self.members)


class Interventions(Orders[Intervention]):
    """The deeds that are still to come. All that are due at one request happen, in order."""

    def happen(self, when: When, operation: str, store: Store) -> None:
        """Does everything that is due around this request."""
        due = [
            index for index, deed in enumerate(self._pending) if deed.when == when and self._is_due(index, operation)
        ]
        deeds = [self._pending[index] for index in due]
        for index in reversed(due):
            self._use(index)
        for deed in deeds:
            _do(deed, store)


def _do(deed: Intervention, store: Store) -> None:
    if deed.action == "create":
        store.add_contact(lag=deed.lag, **deed.members)
        return
    found = store.contact_by_phone(deed.phone or "") if deed.contact_id is None else store.contact(deed.contact_id)
    if found is None:
        return
    if deed.action == "edit":
        store.touch(found["id"], lag=deed.lag, **deed.members)
    else:
        store.delete(found["id"], lag=deed.lag)
