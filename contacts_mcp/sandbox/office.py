"""The calls that are about everything around the contacts: fields, tags, the team, inboxes (heymarket-api.md, section 4)."""

from __future__ import annotations

from . import checks, shapes
from .answers import Answer, json_answer
from .blanks import new_tag
from .call import Call
from .cursor import is_beyond, rank
from .records import Record
from .refusals import BadData
from .timestamps import nanoseconds


def list_fields(call: Call) -> Answer:
    """All custom fields; whatever the body says."""
    fields = [shapes.field(row, call.behaviour) for row in call.records.fields()]
    return json_answer(shapes.listing(fields, under="fields", behaviour=call.behaviour))


def create_fields(call: Call) -> Answer:
    """Creates fields; a title that is there already is answered as a duplicate."""
    titles = [checks.field_write(item)["title"] for item in checks.array(call.body)]
    return json_answer([_create_field(title, call) for title in titles])


def list_tags(call: Call) -> Answer:
    """A page of tags, newest change first."""
    query = checks.tag_query(call.body)
    bound = nanoseconds(query["date"]) if "date" in query else None
    inclusive, precision = call.behaviour.cursor == "inclusive", call.behaviour.timestamps
    rows = [row for row in call.records.tags() if is_beyond(row, bound, inclusive=inclusive, precision=precision)]
    rows.sort(key=lambda row: rank(row, precision=precision), reverse=True)
    team_id = call.records.team()["id"]
    page = [shapes.tag(row, team_id=team_id, behaviour=call.behaviour) for row in rows[: call.behaviour.page_size]]
    return json_answer(shapes.listing(page, under="tags", behaviour=call.behaviour))


def create_tag(call: Call) -> Answer:
    """Creates a tag with a label that is not there yet."""
    body = checks.tag_write(call.body)
    if any(row["tag"] == body["tag"] for row in call.records.tags()):
        raise BadData("tag is there already")
    row = new_tag(body["tag"], color=body.get("color", ""), now=call.now)
    return json_answer(shapes.receipt({**row, "id": call.records.add_row("tags", row)}, call.behaviour))


def get_team(call: Call) -> Answer:
    """The team and its members."""
    team = call.records.team()
    return json_answer({**team, "list_size": call.records.count(), "members": call.records.members()})


def list_inboxes(call: Call) -> Answer:
    """All inboxes."""
    inboxes = [{**row, "phone": shapes.phone(row, call.behaviour)} for row in call.records.inboxes()]
    return json_answer(shapes.listing(inboxes, under="inboxes", behaviour=call.behaviour))


def _create_field(title: str, call: Call) -> Record:
    same = next((row for row in call.records.fields() if row["title"] == title), None)
    if same:
        return {"id": same["id"], "title": title, "duplicate": True}
    return {"id": call.records.add_row("fields", {"title": title}), "title": title, "duplicate": False}
