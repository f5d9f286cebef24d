"""The door for tests: it looks behind the API, and it edits as somebody else would."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from .records import COLUMNS, Record, Records, blank_contact, new_tag
from .timestamps import Timestamp, microseconds, plain_text

_MEMBERS = frozenset({"id", "custom", "tags", *COLUMNS})


class Store:
    """Access to all rows, past every check of the API.

    A contact is a complete dict. `custom` maps field ids (as text) to values, and `tags` is a list of ids.
    Times are RFC 3339 with `Z`. A time may be given as such a text, as a datetime with a zone, or as unix seconds.
    """

    def __init__(self, records: Records, *, clock: Callable[[], float], catch_up: Callable[[], object]) -> None:
        """`catch_up` carries out everything that is due. It is called before each look and each edit."""
        self._records = records
        self._clock = clock
        self._catch_up = catch_up

    @property
    def _current(self) -> Records:
        self._catch_up()
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

    def add_contact(self, **members: Any) -> int:
        """Adds a contact and returns its id.

        `display_name` follows the names, and `created` follows `updated`. Both times default to now.
        """
        given = _given(members)
        moment = given.get("updated", self._now())
        record = {**blank_contact(team_id=self._records.team()["id"], now=moment), **given}
        full_name = f"{record['first']} {record['last']}".strip()
        record["display_name"] = given.get("display_name", full_name)
        with self._current.transaction():
            return self._records.insert(record)

    def touch(self, contact_id: int, **members: Any) -> None:
        """Somebody else edits a contact. `rev` grows by one, and `updated` is now. Raises KeyError."""
        with self._current.transaction():
            record = self._existing(contact_id)
            record |= {"rev": record["rev"] + 1, "updated": self._now()}
            self._records.replace({**record, **_given(members)})

    def delete(self, contact_id: int) -> None:
        """Somebody else deletes a contact. Raises KeyError."""
        with self._current.transaction():
            self._existing(contact_id)
            self._records.delete(contact_id)

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
