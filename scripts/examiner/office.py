"""The sandbox of one task: edits before it, and the differences after it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from contacts_mcp.sandbox import Sandbox
from contacts_mcp.words.folding import fold

from .matching import matches
from .tasks import BadTask, Row

Contacts = dict[int, Row]

# Members that every write moves, and that nobody promises.
_MOVING = frozenset({"rev", "updated"})
_OF_THE_SERVICE = _MOVING | {"id", "uuid", "created", "creator_id", "inbox_id", "team_id"}
_BLANK: Row = {
    **dict.fromkeys(("first", "last", "display_name", "email", "avatar"), ""),
    "custom": {},
    "tags": [],
    "assigned_user_id": None,
    "is_opted_out": False,
}
_ABOUT_ENTRY = frozenset({"contact", "new", "gone", "like"})


class Office:
    """The account behind the server, in names instead of ids."""

    def __init__(self, sandbox: Sandbox) -> None:
        self._store = sandbox.store

    def contacts(self) -> Contacts:
        """Every contact as it is now, by id."""
        return {contact["id"]: contact for contact in self._store.contacts()}

    def edit(self, row: Row) -> None:
        """Does what somebody else does meanwhile. Raises BadTask for an edit that is not known."""
        kind = next(iter(row))
        if kind not in self._edits:
            raise BadTask(f"there is no edit {kind}")
        self._edits[kind](**row)

    @property
    def _edits(self) -> Mapping[str, Callable[..., object]]:
        return {
            "add": self._add,
            "touch": self._touch,
            "crowd": self._crowd,
            "add_field": self._add_field,
            "add_tag": self._add_tag,
        }

    def _add(self, add: Row) -> None:
        self._store.add_contact(**self._in_ids(add))

    def _touch(self, touch: int, **members: Any) -> None:
        given = self._in_ids(members)
        if "custom" in given:
            given["custom"] = {**self.contacts()[touch]["custom"], **given["custom"]}
        self._store.touch(touch, **given)

    def _crowd(self, crowd: int, **members: Any) -> None:
        """So many contacts that differ in their phone alone, as an import leaves them."""
        for number in range(crowd):
            self._store.add_contact(phone=f"1907555{1000 + number}", **self._in_ids(members))

    def _add_field(self, add_field: str) -> None:
        self._store.add_field(add_field)

    def _add_tag(self, add_tag: str) -> None:
        self._store.add_tag(add_tag)

    def _in_ids(self, members: Row) -> Row:
        """`members` with the names of fields, tags and colleagues as ids."""
        given = dict(members)
        if "custom" in given:
            given["custom"] = {str(self._field(name)): value for name, value in given["custom"].items()}
        if "tags" in given:
            given["tags"] = [_id_of(self._store.tags(), "tag", name) for name in given["tags"]]
        if "assignee" in given:
            name = given.pop("assignee")
            given["assigned_user_id"] = None if name == "none" else _id_of(self._store.members(), "name", name)
        if "note" in given:
            given["note"] = [
                {"id": 5000, "user_id": 501, "name": "Alex Kim", "text": given["note"], "date": "2026-10-01T09:00:00Z"}
            ]
        return given

    def _field(self, name: str) -> int:
        """By its exact name, or by its id."""
        return int(name) if name.isdigit() else _id_of(self._store.fields(), "title", name)

    def problems(self, before: Contacts, after: list[Row]) -> Iterator[str]:
        """Everything that is not as `after` says, or was touched although it says nothing."""
        now = self.contacts()
        expected = dict(before)
        changed = {entry["contact"]: entry for entry in after if "contact" in entry}
        for entry in after:
            if "gone" in entry:
                expected.pop(entry["gone"])
        yield from (f"contact {number} is gone" for number in expected.keys() - now.keys())
        yield from (f"contact {number} is still there" for number in (before.keys() - expected.keys()) & now.keys())
        for number in sorted(expected.keys() & now.keys()):
            yield from self._differences(expected[number], now[number], changed.get(number))
        yield from self._news(
            {number: now[number] for number in now.keys() - before.keys()},
            before,
            [row for row in after if "new" in row],
        )

    def _news(self, fresh: Contacts, before: Contacts, entries: list[Row]) -> Iterator[str]:
        by_phone = {contact["phone"]: contact for contact in fresh.values()}
        yield from (
            f"a contact was made that nobody asked for ({phone})"
            for phone in by_phone.keys() - {entry["new"] for entry in entries}
        )
        for entry in entries:
            found = by_phone.get(entry["new"])
            if found is None:
                yield f"no contact was made with {entry['new']}"
                continue
            blank = {**found, **_BLANK, "display_name": f"{found['first']} {found['last']}".strip()}
            model = {**found, **{name: before[entry["like"]][name] for name in _BLANK}} if "like" in entry else blank
            yield from self._compare(model, found, entry, ignoring=_OF_THE_SERVICE)

    def _differences(self, before: Row, now: Row, entry: Row | None) -> Iterator[str]:
        yield from self._compare(before, now, entry or {}, ignoring=_MOVING if entry else frozenset())

    def _compare(self, before: Row, now: Row, entry: Row, *, ignoring: frozenset[str]) -> Iterator[str]:
        """Where `now` is not `before` with what `entry` says on top."""
        said = self._in_ids({name: value for name, value in entry.items() if name not in _ABOUT_ENTRY})
        custom = {**before["custom"], **said.pop("custom", {})}
        for number in sorted({*custom, *now["custom"]}):
            yield from _mismatch(now, f"custom field {number}", custom.get(number, ""), now["custom"].get(number, ""))
        expected = {**before, **said}
        for name in sorted(before.keys() - ignoring - {"custom", "tags", "note"}):
            yield from _mismatch(now, name, expected[name], now[name])
        if sorted(expected["tags"]) != sorted(now["tags"]):
            yield f"contact {now['id']}: tags are {now['tags']}, not {expected['tags']}"


def _mismatch(now: Row, name: str, expected: Any, found: Any) -> Iterator[str]:
    if expected != found and not matches(expected, found):
        yield f"contact {now['id']}: {name} is {found!r}, not {expected!r}"


def _id_of(rows: list[Row], column: str, name: str) -> int:
    found = [row["id"] for row in rows if row[column] == name] or [
        row["id"] for row in rows if fold(row[column]) == fold(name)
    ]
    if not found:
        raise BadTask(f"there is no {column} {name!r}")
    return int(found[0])
