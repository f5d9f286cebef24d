"""The door for tests: it looks behind the API, and it edits as somebody else would."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any, Literal

from .records import COLUMNS, Record, Records, blank_contact, new_tag
from .replica import Lag
from .timestamps import Timestamp, microseconds, plain_text

Kind = Literal["fields", "tags", "members"]

_MEMBERS = frozenset({"id", "custom", "tags", *COLUMNS})
_NAMES: dict[Kind, str] = {"fields": "title", "tags": "tag", "members": "name"}


class Store:
    """Access to all rows, past every check of the API.

    A contact is a complete dict. `custom` maps field ids (as text) to values, and `tags` is a list of ids.
    Reads of the API see an edit at once, unless it comes with a lag.
    Times are RFC 3339 with `Z`. A time may be given as such a text, as a datetime with a zone, or as unix seconds.
    """

    def __init__(
        self,
        records: Records,
        *,
        clock: Callable[[], float],
        before_use: Callable[[], object],
        hold_back: Callable[[int, Record | None, Lag | None], None],
    ) -> None:
        """`before_use` is called before each look and each edit. `hold_back` lets reads lag behind an edit."""
        self._records = records
        self._clock = clock
        self._before_use = before_use
        self._hold_back = hold_back

    @property
    def _current(self) -> Records:
        self._before_use()
        return self._records

    def contacts(self) -> list[Record]:
        """Every contact, by id."""
        return [_shown(record) for record in self._current.contacts()]

    def contact(self, contact_id: int) -> Record | None:
        """The contact with this id."""
        record = self._current.contact(contact_id)
        return None if record is None else _shown(record)

    def contact_by_phone(self, digits: str) -> Record | None:
        """The contact with this phone. If there are several, it is the one with the lowest id."""
        records = self._current.with_values("phone", [digits])
        return _shown(records[0]) if records else None

    def add_contact(self, *, lag: Lag | None = None, **members: Any) -> int:
        """Adds a contact and returns its id.

        `display_name` follows the names, and `created` follows `updated`. Both times default to now.
        """
        given = _given(members)
        moment = given.get("updated", self._now())
        record = {**blank_contact(team_id=self._records.team()["id"], now=moment), **given}
        full_name = f"{record['first']} {record['last']}".strip()
        record["display_name"] = given.get("display_name", full_name)
        with self._current.transaction():
            contact_id = self._records.insert(record)
        self._hold_back(contact_id, None, lag)
        return contact_id

    def touch(self, contact_id: int, *, lag: Lag | None = None, **members: Any) -> None:
        """Somebody else edits a contact. `rev` grows by one, and `updated` is now. Raises KeyError."""
        with self._current.transaction():
            record = self._existing(contact_id)
            grown = {"rev": record["rev"] + 1, "updated": self._now()}
            self._records.replace({**record, **grown, **_given(members)})
        self._hold_back(contact_id, record, lag)

    def delete(self, contact_id: int, *, lag: Lag | None = None) -> None:
        """Somebody else deletes a contact. Raises KeyError."""
        with self._current.transaction():
            record = self._existing(contact_id)
            self._records.delete(contact_id)
        self._hold_back(contact_id, record, lag)

    def hide(self, contact_id: int, lag: Lag) -> None:
        """Lets reads behave as if a contact was created only now, and is not seen yet."""
        self._hold_back(contact_id, None, lag)

    def set_updated(self, contact_ids: Iterable[int], timestamp: Timestamp) -> None:
        """Gives contacts one `updated`, as an import does. `rev` stays."""
        with self._current.transaction():
            self._records.set_updated(contact_ids, microseconds(timestamp))

    def fields(self) -> list[Record]:
        """The custom fields: `id`, `title`."""
        return self._current.fields()

    def add_field(self, name: str) -> int:
        """Adds a custom field, even if the name exists, and returns its id."""
        with self._current.transaction():
            return self._records.add_row("fields", {"title": name})

    def tags(self) -> list[Record]:
        """The tags: `id`, `uuid`, `tag` (the label), `color`, `created`, `updated`, `rev`."""
        return [_shown(tag) for tag in self._current.tags()]

    def add_tag(self, label: str, *, color: str = "") -> int:
        """Adds a tag, even if the label exists, and returns its id."""
        with self._current.transaction():
            return self._records.add_row("tags", new_tag(label, color=color, now=self._now()))

    def members(self) -> list[Record]:
        """The team's members: `id`, `name`, `role`, `email`."""
        return self._current.members()

    def rename(self, kind: Kind, row_id: int, name: str) -> None:
        """Somebody else gives a custom field, a tag or a member another name."""
        with self._current.transaction():
            self._records.rename_row(kind, row_id, column=_NAMES[kind], name=name)

    def remove(self, kind: Kind, row_id: int) -> None:
        """Somebody else removes a custom field, a tag or a member. Contacts lose it too."""
        with self._current.transaction():
            self._records.delete_row(kind, row_id)

    def inboxes(self) -> list[Record]:
        """The inboxes: `id`, `name`, `phone`."""
        return self._current.inboxes()

    def _existing(self, contact_id: int) -> Record:
        record = self._records.contact(contact_id)
        if record is None:
            raise KeyError(contact_id)
        return record

    def _now(self) -> int:
        return microseconds(self._clock())


def _shown(record: Record) -> Record:
    return {**record, "created": plain_text(record["created"]), "updated": plain_text(record["updated"])}


def check_members(members: Mapping[str, Any]) -> None:
    """Raises TypeError for a member that no contact has."""
    unknown = members.keys() - _MEMBERS
    if unknown:
        raise TypeError(f"a contact has no {', '.join(sorted(unknown))}")


def _given(members: Record) -> Record:
    check_members(members)
    given = dict(members)
    for name in ("created", "updated"):
        if name in given:
            given[name] = microseconds(given[name])
    if "custom" in given:
        given["custom"] = {str(field_id): value for field_id, value in given["custom"].items()}
    return given
