"""The calls that are about contacts (heymarket-api.md, sections 3 and 4)."""

from __future__ import annotations

from typing import Any

from . import checks, shapes, writes
from .answers import Answer, json_answer
from .blanks import blank_contact
from .call import Call, existing
from .records import Record
from .refusals import BadData
from .timestamps import nanoseconds

_STATUS_CHANGES: dict[str, Record] = {
    "active": {"blocked": False, "is_opted_out": False},
    "blocked": {"blocked": True},
    "unblocked": {"blocked": False},
    "subscribed": {"is_opted_out": False},
    "unsubscribed": {"is_opted_out": True},
}


def create_contact(call: Call) -> Answer:
    """Adds a contact; with a phone that is there already it refuses or, by behaviour, updates silently."""
    body = _write_body(call.body, call)
    same = _with_phone(body["phone"], call)
    if same and call.behaviour.known_phone == "reject":
        raise BadData("phone belongs to another contact")
    record = _update(body, same[0], call, overwrite=False) if same else _create(body, call)
    return json_answer(shapes.receipt(record, call.behaviour), status=call.behaviour.create_status)


def get_contact(call: Call) -> Answer:
    """Reads one contact."""
    record = existing(call.replica.contact(_path_id(call)))
    return json_answer(call.shown([record])[0])


def update_contact(call: Call) -> Answer:
    """Changes one contact."""
    stored = existing(call.records.contact(_path_id(call)))
    overwrite = checks.overwrite(call.query)
    body = _write_body(call.body, call)
    if body["phone"] != stored["phone"] and _with_phone(body["phone"], call):
        raise BadData("phone belongs to another contact")
    return json_answer(shapes.receipt(_update(body, stored, call, overwrite=overwrite), call.behaviour))


def delete_contact(call: Call) -> Answer:
    """Deletes one contact for good."""
    record = existing(call.records.contact(_path_id(call)))
    call.records.delete(record["id"])
    call.wrote(record["id"], before=record)
    return json_answer("ok")


def list_contacts(call: Call) -> Answer:
    """A page of contacts, newest change first."""
    query, behaviour = checks.list_query(call.body), call.behaviour
    limit = min(query.get("limit", behaviour.page_size), behaviour.max_limit) if behaviour.honours_limit else behaviour.page_size
    page = query.get("page", 1) if behaviour.honours_page else 1
    records = call.replica.page(
        before=nanoseconds(query["date"]) if "date" in query else None,
        inclusive=behaviour.cursor == "inclusive",
        precision=behaviour.timestamps,
        limit=limit,
        offset=(page - 1) * limit,
    )
    return _listing(records, call)


def count_contacts(call: Call) -> Answer:
    """How many contacts there are."""
    checks.nothing(call.body)
    return json_answer(shapes.count(call.replica.count(), call.behaviour))


def find_contact(call: Call) -> Answer:
    """Reads one contact by phone or id; the phone wins."""
    record = existing(_read_named(checks.who(call.body), call))
    return json_answer(call.shown([record])[0])


def contact_status(call: Call) -> Answer:
    """Whether a contact is unsubscribed or blocked."""
    return json_answer(shapes.status(existing(_read_named(checks.who(call.body), call)), call.behaviour))


def set_contact_status(call: Call) -> Answer:
    """Blocks, unblocks, subscribes or unsubscribes a contact."""
    body = checks.status_write(call.body)
    stored = existing(_stored_named(body, call))
    change = _STATUS_CHANGES[body["status"]]
    _replace({**stored, **change, "rev": stored["rev"] + 1, "updated": call.now}, stored, call)
    return json_answer("success")


def search_contacts(call: Call) -> Answer:
    """Contacts that have exactly one of the values given."""
    found: dict[int, Record] = {}
    for channel in checks.search(call.body):
        matches = call.replica.with_values(channel["channel_type"], channel["channel_ids"])
        found.update({record["id"]: record for record in matches})
    return _listing(list(found.values()), call)


def batch_contacts(call: Call) -> Answer:
    """Creates contacts, and skips known phones or, with `overwrite`, updates them; what is wrong with one does not stop the others."""
    overwrite = checks.overwrite(call.query)
    failed: list[Any] = []
    written: list[Record] = []
    for item in checks.array(call.body):
        try:
            written += _write_one(item, call, overwrite=overwrite)
        except BadData:
            failed.append(item)
    if call.behaviour.batch_reply == "contacts":
        return _listing(written, call)
    return json_answer(failed if call.behaviour.batch_reply == "failed" else "ok")


def _write_one(item: Any, call: Call, *, overwrite: bool) -> list[Record]:
    body = _write_body(item, call)
    same = _with_phone(body["phone"], call)
    if not same:
        return [_create(body, call)]
    return [_update(body, same[0], call, overwrite=True)] if overwrite else []


def _create(body: dict[str, Any], call: Call) -> Record:
    blank = blank_contact(team_id=call.records.team()["id"], now=call.now)
    record = writes.created(body, blank, fields=call.records.ids("fields"), behaviour=call.behaviour)
    record["id"] = call.records.insert(record)
    call.wrote(record["id"], before=None)
    return record


def _update(body: dict[str, Any], stored: Record, call: Call, *, overwrite: bool) -> Record:
    fields = call.records.ids("fields")
    record = writes.updated(body, stored, overwrite=overwrite, fields=fields, behaviour=call.behaviour, now=call.now)
    return _replace(record, stored, call)


def _replace(record: Record, stored: Record, call: Call) -> Record:
    call.records.replace(record)
    call.wrote(record["id"], before=stored)
    return record


def _write_body(body: Any, call: Call) -> dict[str, Any]:
    known = checks.Known(tags=call.records.ids("tags"), members=call.records.ids("members"))
    return checks.contact_write(body, known)


def _with_phone(phone: str, call: Call) -> list[Record]:
    return call.records.with_values("phone", [phone])


def _path_id(call: Call) -> int:
    return checks.contact_id(call.path["id"])


def _read_named(who: dict[str, Any], call: Call) -> Record | None:
    if "phone" in who:
        return next(iter(call.replica.with_values("phone", [who["phone"]])), None)
    return call.replica.contact(checks.contact_id(who["id"]))


def _stored_named(who: dict[str, Any], call: Call) -> Record | None:
    if "phone" in who:
        return next(iter(_with_phone(who["phone"], call)), None)
    return call.records.contact(checks.contact_id(who["id"]))


def _listing(records: list[Record], call: Call) -> Answer:
    return json_answer(shapes.listing(call.shown(records), under="contacts", behaviour=call.behaviour))
