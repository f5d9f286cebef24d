"""The calls that are about contacts (heymarket-api.md, sections 3 and 4)."""

from __future__ import annotations

from typing import Any

from . import shapes, writes
from .bodies import ContactWrite, checked
from .call import Call, existing
from .replies import BadData, Reply, json_reply
from .rows.records import Record, blank_contact
from .rows.timestamps import nanoseconds

_STATUS_CHANGES: dict[str, Record] = {
    "active": {"blocked": False, "is_opted_out": False},
    "blocked": {"blocked": True},
    "unblocked": {"blocked": False},
    "subscribed": {"is_opted_out": False},
    "unsubscribed": {"is_opted_out": True},
}


def create_contact(call: Call) -> Reply:
    """Adds a contact. A taken phone is refused, or by behaviour updated silently or given to a second contact."""
    _check_ids(call.body, call)
    same = _with_phone(call.body["phone"], call) if call.behaviour.known_phone != "double" else []
    if same and call.behaviour.known_phone == "reject":
        raise BadData("phone belongs to another contact")
    record = _update(call.body, same[0], call, overwrite=False) if same else _create(call.body, call)
    return json_reply(shapes.receipt(record, call.behaviour), status=call.behaviour.create_status)


def get_contact(call: Call) -> Reply:
    """Reads one contact."""
    record = existing(call.replica.contact(call.contact_id))
    return json_reply(call.shown([record])[0])


def update_contact(call: Call) -> Reply:
    """Changes one contact."""
    stored = existing(call.records.contact(call.contact_id))
    overwrite = call.overwrite
    _check_ids(call.body, call)
    is_moved = call.body["phone"] != stored["phone"]
    if is_moved and call.behaviour.known_phone != "double" and _with_phone(call.body["phone"], call):
        raise BadData("phone belongs to another contact")
    return json_reply(shapes.receipt(_update(call.body, stored, call, overwrite=overwrite), call.behaviour))


def delete_contact(call: Call) -> Reply:
    """Deletes one contact for good."""
    record = existing(call.records.contact(call.contact_id))
    call.records.delete(record["id"])
    call.wrote(record["id"], before=record)
    return json_reply("ok")


def list_contacts(call: Call) -> Reply:
    """A page of contacts, newest change first."""
    query, behaviour = call.body, call.behaviour
    limit = behaviour.page_size
    if behaviour.honours_limit:
        limit = min(query.get("limit", limit), behaviour.max_limit)
    page = query.get("page", 1) if behaviour.honours_page else 1
    records = call.replica.page(
        before=nanoseconds(query["date"]) if "date" in query else None,
        inclusive=behaviour.cursor == "inclusive",
        precision=behaviour.timestamps,
        limit=limit,
        offset=(page - 1) * limit,
    )
    return _listing(records, call)


def count_contacts(call: Call) -> Reply:
    """How many contacts there are."""
    return json_reply(shapes.count(call.replica.count(), call.behaviour))


def find_contact(call: Call) -> Reply:
    """Reads one contact by phone or id. The phone wins."""
    return json_reply(call.shown([existing(_read_named(call))])[0])


def contact_status(call: Call) -> Reply:
    """Whether a contact is unsubscribed or blocked."""
    return json_reply(shapes.status(existing(_read_named(call)), call.behaviour))


def set_contact_status(call: Call) -> Reply:
    """Blocks, unblocks, subscribes or unsubscribes a contact."""
    stored = existing(_stored_named(call))
    change = _STATUS_CHANGES[call.body["status"]]
    _replace({**stored, **change, "rev": stored["rev"] + 1, "updated": call.now}, stored, call)
    return json_reply("success")


def search_contacts(call: Call) -> Reply:
    """Contacts that have exactly one of the given values."""
    found: dict[int, Record] = {}
    for channel in call.body["contact_channels"]:
        matches = call.replica.with_values(channel["channel_type"], channel["channel_ids"])
        found.update({record["id"]: record for record in matches})
    return _listing(list(found.values()), call)


def batch_contacts(call: Call) -> Reply:
    """Creates contacts. Known phones are skipped, or updated with `overwrite`. A bad item does not stop the others."""
    overwrite = call.overwrite
    failed: list[Any] = []
    written: list[Record] = []
    if call.behaviour.batch_limit and len(call.body) > call.behaviour.batch_limit:
        raise BadData(f"a batch may have {call.behaviour.batch_limit} contacts")
    for item in call.body[: call.items]:
        try:
            written += _write_one(item, call, overwrite=overwrite)
        except BadData:
            failed.append(item)
    if call.behaviour.batch_reply == "contacts":
        return _listing(written, call)
    return json_reply(failed if call.behaviour.batch_reply == "failed" else "ok")


def _write_one(item: Any, call: Call, *, overwrite: bool) -> list[Record]:
    body = checked(ContactWrite, item)
    _check_ids(body, call)
    same = _with_phone(body["phone"], call)
    if not same:
        return [_create(body, call)]
    return [_update_by_batch(body, same[0], call)] if overwrite else []


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


def _update_by_batch(body: dict[str, Any], stored: Record, call: Call) -> Record:
    fields = call.records.ids("fields")
    record = writes.updated_by_batch(body, stored, fields=fields, behaviour=call.behaviour, now=call.now)
    return _replace(record, stored, call)


def _replace(record: Record, stored: Record, call: Call) -> Record:
    call.records.replace(record)
    call.wrote(record["id"], before=stored)
    return record


def _check_ids(body: dict[str, Any], call: Call) -> None:
    """Raises BadData for a tag or an assignee that does not exist."""
    if not {item["tag_id"] for item in body.get("tags", [])} <= call.records.ids("tags"):
        raise BadData("tags has an unknown tag_id")
    if "assignee_id" in body and body["assignee_id"] not in {-1, *call.records.ids("members")}:
        raise BadData("assignee_id must be the id of a member, or -1")


def _with_phone(phone: str, call: Call) -> list[Record]:
    return call.records.with_values("phone", [phone])


def _read_named(call: Call) -> Record | None:
    if "phone" in call.body:
        return next(iter(call.replica.with_values("phone", [call.body["phone"]])), None)
    return call.replica.contact(int(call.body["id"]))


def _stored_named(call: Call) -> Record | None:
    if "phone" in call.body:
        return next(iter(_with_phone(call.body["phone"], call)), None)
    return call.records.contact(int(call.body["id"]))


def _listing(records: list[Record], call: Call) -> Reply:
    return json_reply(shapes.listing(call.shown(records), under="contacts", behaviour=call.behaviour))
