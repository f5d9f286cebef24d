"""The fields that an update does not mention stay byte for byte as they were, whatever the service does.

Guards `contacts_mcp/book/values.py`, `contacts_mcp/book/writing/plan.py` and `contacts_mcp/book/people/update.py`.
"""

from __future__ import annotations

import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import anyio
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from support import OpenSession

from contacts_mcp.book.book import Book, Outcome
from contacts_mcp.book.people.requests import Wanted
from contacts_mcp.book.people.update import update
from contacts_mcp.book.values import custom_key
from contacts_mcp.config import Settings
from contacts_mcp.errors import InvalidArgument, OutcomeUnknown, Rejected
from contacts_mcp.models import Contact
from contacts_mcp.sandbox import Behaviour, Sandbox, open_sandbox
from contacts_mcp.words.cleaning import clean_line
from contacts_mcp.words.dates import read_date
from contacts_mcp.workspace import Workspace

TEXTS = ("first", "last", "display_name", "email", "avatar")
FIELDS = {"Plan": "31", "Renewal Date": "32", "Region": "33", "Customer #": "34", "Été / Saison": "40"}
TAGS = {"VIP": 101, "Lead": 102, "Newsletter": 103, "Past Due": 104, "Supplier": 105, "Do Not Call": 106}
MEMBERS = {"Alex Kim": 501, "Priya Patel": 502, "Dana Levy": 505}
KEPT = (
    "uuid",
    "phone",
    *TEXTS,
    "assigned_user_id",
    "is_opted_out",
    "blocked",
    "inbox_id",
    "creator_id",
    "created",
    "note",
)
"""Members of a stored contact that only change when they are mentioned. `flat` adds custom values and tags."""

behaviours = st.fixed_dictionaries({name: st.sampled_from(sides) for name, sides in Behaviour.switches().items()}).map(
    lambda switches: Behaviour(requests_per_minute=0, **switches)
)


def is_clean(text: str) -> bool:
    """Whether a text is stored as it is given, the spaces around it aside (`test_cleaning.py` has all the others)."""
    try:
        return clean_line(text, argument="first").notes == []
    except InvalidArgument:
        return False


def is_no_date(text: str) -> bool:
    """Whether a field of dates takes a text as it is: "today" is refused there."""
    try:
        return read_date(text, argument="custom_fields").notes == []
    except InvalidArgument:
        return False


words = st.text(st.characters(codec="utf-8", exclude_categories=["Cs", "Cc"]), min_size=1, max_size=12).filter(is_clean)
texts = {
    "first": words,
    "last": words,
    "display_name": words,
    "email": st.integers(0, 999).map("person{}@example.com".format),
    "avatar": st.integers(0, 999).map("https://pictures.example.com/{}.png".format),
}
customs = st.dictionaries(st.sampled_from(sorted(FIELDS)), words.filter(is_no_date))
contacts = st.fixed_dictionaries(
    {
        "custom": customs.map(lambda values: {FIELDS[name]: text for name, text in values.items()}),
        "tags": st.lists(st.sampled_from(sorted(TAGS.values())), unique=True, max_size=5),
        "assigned_user_id": st.sampled_from([None, *MEMBERS.values()]),
        "is_opted_out": st.booleans(),
    },
    optional=texts,
)


@st.composite
def requests(draw: st.DrawFn) -> dict[str, Any]:
    """A partial update in the words of `Wanted`: some fields are set, others cleared, and tags change in one way."""
    wanted = draw(st.fixed_dictionaries({}, optional=texts))
    custom = draw(customs)
    free = [name for name in (*TEXTS, *FIELDS) if name not in wanted and name not in custom]
    clear = draw(st.lists(st.sampled_from(free), unique=True, max_size=3)) if free else []
    if draw(st.booleans()):
        wanted |= draw(
            st.sampled_from(
                [
                    {"tags": ["VIP", "Lead"]},
                    {"add_tags": ["VIP"]},
                    {"remove_tags": ["Lead"]},
                    {"add_tags": ["Supplier"], "remove_tags": ["VIP"]},
                ]
            )
        )
    if draw(st.booleans()):
        wanted["assignee"] = draw(st.sampled_from(["none", *MEMBERS]))
    if draw(st.integers(0, 4)) == 0:
        wanted["is_opted_out"] = True
    replaces = bool(custom) and draw(st.integers(0, 3)) == 0
    return wanted | {"custom_fields": custom, "clear": clear, "replace_custom_fields": replaces}


@asynccontextmanager
async def opened(behaviour: Behaviour, directory: str) -> AsyncIterator[tuple[Book, Sandbox]]:
    sandbox = open_sandbox(behaviour=behaviour, contacts=3)
    workspace = Workspace(
        Settings.load(sandbox=True, data_dir=Path(directory), journal=False, requests_per_minute=100_000),
        sandbox=sandbox,
    )
    try:
        yield await workspace.book(), sandbox
    finally:
        await workspace.aclose()
        sandbox.close()


def expected(stored: dict[str, Any], request: dict[str, Any]) -> dict[str, Any]:
    """The contact afterwards where the service keeps all it is sent. Blanks around a text are never sent."""
    after = stored | {name: request[name].strip() for name in TEXTS if name in request}
    after |= {name: "" for name in request["clear"] if name in TEXTS}
    if "assignee" in request:
        after["assigned_user_id"] = MEMBERS.get(request["assignee"])
    if "is_opted_out" in request:
        after["is_opted_out"] = True
    return after | {"custom": expected_custom(stored, request), "tags": expected_tags(stored, request)}


def expected_custom(stored: dict[str, Any], request: dict[str, Any]) -> dict[str, str]:
    custom = {} if request["replace_custom_fields"] else dict(stored["custom"])
    custom |= {FIELDS[name]: text.strip() for name, text in request["custom_fields"].items()}
    for name in request["clear"]:
        custom.pop(FIELDS.get(name, ""), None)
    return custom


def expected_tags(stored: dict[str, Any], request: dict[str, Any]) -> list[int]:
    tags, added, removed = (
        {TAGS[name] for name in request.get(way, ())} for way in ("tags", "add_tags", "remove_tags")
    )
    before = tags if "tags" in request else set(stored["tags"])
    return sorted((before | added) - removed)


def flat(record: dict[str, Any]) -> dict[str, Any]:
    custom = {custom_key(int(number)): text for number, text in record["custom"].items()}
    return {name: record[name] for name in KEPT} | {"tags": sorted(record["tags"])} | custom


def mentioned(request: dict[str, Any]) -> set[str]:
    keys = {name for name in TEXTS if name in request or name in request["clear"]}
    keys |= {custom_key(int(FIELDS[name])) for name in (*request["custom_fields"], *request["clear"]) if name in FIELDS}
    keys |= {"tags"} if {"tags", "add_tags", "remove_tags"} & request.keys() else set()
    keys |= {"assigned_user_id"} if "assignee" in request else set()
    return keys | ({"is_opted_out"} if "is_opted_out" in request else set())


def may_change(had: dict[str, Any], request: dict[str, Any]) -> set[str]:
    """The keys that are mentioned, and those of all custom values where the request replaces them."""
    replaced = [key for key in had if key.startswith("custom:")] if request["replace_custom_fields"] else []
    return mentioned(request).union(replaced)


async def update_and_look(behaviour: Behaviour, contact: dict[str, Any], request: dict[str, Any]) -> None:
    with tempfile.TemporaryDirectory() as directory:
        async with opened(behaviour, directory) as (book, sandbox):
            contact_id = sandbox.store.add_contact(phone="12125550100", inbox_id=701, **contact)
            others = [other for other in sandbox.store.contacts() if other["id"] != contact_id]
            before = sandbox.store.contact(contact_id)
            assert before is not None
            outcome = await try_to(book, contact_id, request)
            if isinstance(outcome, OutcomeUnknown):
                assert not behaviour.sends_rev, "an unmoved or moved rev would have told"
            after = sandbox.store.contact(contact_id)
            assert after is not None
            assert [other for other in sandbox.store.contacts() if other["id"] != contact_id] == others
            judge(before, after, request, outcome, hides_opt_out=not behaviour.sends_opt_out)


async def try_to(book: Book, contact_id: int, request: dict[str, Any]) -> Outcome | OutcomeUnknown | None:
    """The outcome. None where the service rejected it, the error where nothing that it shows tells."""
    try:
        return await update(book, Wanted(**request), contact_id=contact_id)
    except Rejected:
        return None
    except OutcomeUnknown as unknown:
        return unknown
    except Exception as error:
        if type(error).__name__ == "InvalidArgument" and (
            "nothing to change" in str(error) or "would have 6 tags" in str(error)
        ):
            return None
        raise


def judge(
    before: dict[str, Any],
    after: dict[str, Any],
    request: dict[str, Any],
    outcome: Outcome | OutcomeUnknown | None,
    *,
    hides_opt_out: bool,
) -> None:
    had, has, wanted = flat(before), flat(after), flat(expected(before, request))
    asked = may_change(had, request)
    judge_the_rest(had, has, asked)
    unkept = {key for key in asked if (has.get(key) or "") != (wanted.get(key) or "")}
    if outcome is None:
        assert after == before, "a refused update changed something"
    elif isinstance(outcome, OutcomeUnknown):
        judge_unknown(had, has, wanted, asked, unkept)
    else:
        is_change = had != wanted or (hides_opt_out and "is_opted_out" in request)
        judge_answer(before, after, outcome, unkept, is_change=is_change)


def judge_unknown(
    had: dict[str, Any], has: dict[str, Any], wanted: dict[str, Any], asked: set[str], unkept: set[str]
) -> None:
    """Nothing that was asked for is shown, or something that was to be emptied is not."""
    shown = {key for key in asked if had.get(key) != wanted.get(key)} - {"is_opted_out"}
    is_uncleared = any(has.get(key) and not wanted.get(key) for key in asked)
    assert shown <= unkept or is_uncleared, "a value that was asked for is shown"


def judge_the_rest(had: dict[str, Any], has: dict[str, Any], asked: set[str]) -> None:
    """No member changed, came or went without being asked for."""
    assert {key: has.get(key) for key in had if key not in asked} == {key: had[key] for key in had if key not in asked}
    assert has.keys() - had.keys() <= asked


def judge_answer(
    before: dict[str, Any], after: dict[str, Any], outcome: Outcome, unkept: set[str], *, is_change: bool
) -> None:
    """Each value that was not kept has its note, and the status says whether there was anything to change."""
    said = " ".join(outcome.notes)
    assert len(unkept) == said.count("Not kept by Heymarket") + said.count("Not cleared"), (unkept, outcome.notes)
    if is_change:
        assert outcome.status == "updated"
        assert after["rev"] > before["rev"]
    else:
        assert outcome.status == "unchanged"
        assert after == before


WORST = Behaviour(
    requests_per_minute=0, put_without_names="blank", tags_on_put="add", clears_with="neither", sends_opt_out=False
)
SOMEBODY = {
    "first": "Jordan",
    "last": "Rivera",
    "display_name": "JR",
    "email": "jordan@example.com",
    "avatar": "https://pictures.example.com/1.png",
    "custom": {"31": "Gold", "33": "Oakland"},
    "tags": [103, 101],
    "assigned_user_id": 502,
    "is_opted_out": True,
}


@given(behaviours, contacts, requests())
@example(
    WORST, SOMEBODY, {"custom_fields": {"Plan": "Basic"}, "clear": ["Region", "avatar"], "replace_custom_fields": False}
)
@example(
    WORST,
    SOMEBODY,
    {"custom_fields": {"Plan": "Basic"}, "clear": [], "replace_custom_fields": True, "remove_tags": ["VIP"]},
)
@settings(max_examples=150, deadline=None, derandomize=True, database=None)
def test_only_what_is_mentioned_changes_and_what_does_not_is_said(
    behaviour: Behaviour, contact: dict[str, Any], request: dict[str, Any]
) -> None:
    anyio.run(update_and_look, behaviour, contact, request)


def test_the_property_looks_at_every_member_a_contact_has() -> None:
    looked_at = {
        *KEPT,
        "custom",
        "tags",
        "id",  # is how it is found
        "updated",  # tells of the write itself, and so does `rev`
        "rev",
        "email_suppressions",  # nobody can write it here, and the sandbox stores none
    }
    assert set(Contact.model_fields) <= looked_at


@pytest.mark.parametrize("clears_with", Behaviour.switches()["clears_with"])
async def test_clear_empties_exactly_what_it_names_or_says_that_it_did_not(
    open_session: OpenSession, clears_with: Any
) -> None:
    async with open_session(behaviour=Behaviour(requests_per_minute=0, clears_with=clears_with)) as session:
        session.sandbox.store.touch(1001, **SOMEBODY)
        before = session.sandbox.store.contact(1001)
        answer = await session.ok(
            "update_contact", contact_id=1001, clear=["Plan", "last", "avatar", "assignee", "tags"]
        )
        after = session.sandbox.store.contact(1001)
        emptied = {"assigned_user_id": None, "tags": []}
        if clears_with != "neither":
            emptied |= {"last": "", "avatar": "", "custom": {"33": "Oakland"}}
        assert after == before | emptied | {"rev": after["rev"], "updated": after["updated"]}
        not_cleared = [note for note in answer["notes"] if note.startswith("Not cleared")]
        assert [any(name in note for note in not_cleared) for name in ("Plan", "last", "avatar")] == [
            clears_with == "neither"
        ] * 3
        assert len(not_cleared) == (3 if clears_with == "neither" else 0)


@pytest.mark.parametrize(
    ("switch", "side"), [(name, side) for name, sides in Behaviour.switches().items() for side in sides], ids=str
)
async def test_through_the_session_an_update_leaves_the_rest_alone(
    open_session: OpenSession, switch: str, side: Any
) -> None:
    async with open_session(behaviour=Behaviour(requests_per_minute=0, **{switch: side})) as session:
        session.sandbox.store.touch(1001, **SOMEBODY)
        before = session.sandbox.store.contact(1001)
        await session.ok("update_contact", contact_id=1001, custom_fields={"Plan": "Premium"}, email="jr@example.com")
        after = session.sandbox.store.contact(1001)
        changed = {"email": "jr@example.com", "custom": {"31": "Premium", "33": "Oakland"}}
        assert after == before | changed | {"rev": before["rev"] + 1, "updated": after["updated"]}
