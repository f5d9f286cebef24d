"""The calls about the rest of an account: fields, tags, the team, inboxes (heymarket-api.md, section 4)."""

from __future__ import annotations

from . import shapes
from .call import Call
from .replies import BadData, Reply, json_reply
from .rows.records import Record, is_beyond, new_tag, rank
from .rows.timestamps import nanoseconds


def list_fields(call: Call) -> Reply:
    """All custom fields. The body does not matter."""
    fields = [
        call.oddities.applied(shapes.field(row, call.behaviour), row="field", row_id=row["id"])
        for row in call.records.fields()
    ]
    return json_reply(shapes.listing(fields, under="fields", behaviour=call.behaviour))


def create_fields(call: Call) -> Reply:
    """Creates fields. A title that exists is answered as a duplicate."""
    return json_reply([_create_field(item["title"], call) for item in call.body])


def list_tags(call: Call) -> Reply:
    """A page of tags, newest change first."""
    bound = nanoseconds(call.body["date"]) if "date" in call.body else None
    inclusive, precision = call.behaviour.cursor == "inclusive", call.behaviour.timestamps
    rows = [row for row in call.records.tags() if is_beyond(row, bound, inclusive=inclusive, precision=precision)]
    rows.sort(key=lambda row: rank(row, precision=precision), reverse=True)
    team_id = call.records.team()["id"]
    page = [
        call.oddities.applied(shapes.tag(row, team_id=team_id, behaviour=call.behaviour), row="tag", row_id=row["id"])
        for row in rows[: call.behaviour.page_size]
    ]
    return json_reply(shapes.listing(page, under="tags", behaviour=call.behaviour))


def create_tag(call: Call) -> Reply:
    """Creates a tag. A label that exists is refused."""
    if any(row["tag"] == call.body["tag"] for row in call.records.tags()):
        raise BadData("tag is there already")
    row = new_tag(call.body["tag"], color=call.body.get("color", ""), now=call.now)
    return json_reply(shapes.receipt({**row, "id": call.records.add_row("tags", row)}, call.behaviour))


def get_team(call: Call) -> Reply:
    """The team and its members."""
    members = [call.oddities.applied(row, row="member", row_id=row["id"]) for row in call.records.members()]
    return json_reply({**call.records.team(), "list_size": call.records.count(), "members": members})


def list_inboxes(call: Call) -> Reply:
    """All inboxes."""
    inboxes = [{**row, "phone": shapes.phone(row, call.behaviour)} for row in call.records.inboxes()]
    return json_reply(shapes.listing(inboxes, under="inboxes", behaviour=call.behaviour))


def _create_field(title: str, call: Call) -> Record:
    same = next((row for row in call.records.fields() if row["title"] == title), None)
    if same:
        return {"id": same["id"], "title": title, "duplicate": True}
    return {"id": call.records.add_row("fields", {"title": title}), "title": title, "duplicate": False}
