"""The table of decisions, and the laws that hold for every row, contact and switch."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contacts_mcp.book.people.requests import Edit
from contacts_mcp.book.transfer.deciding import RUNNING, Decision, Switches, decide
from contacts_mcp.book.transfer.twins import Earlier
from contacts_mcp.book.transfer.wishes import Wish
from contacts_mcp.book.values import is_empty, values_of
from contacts_mcp.book.writing.plan import Plan
from contacts_mcp.models import Contact

PHONE = "15105550101"
EARLIER = Earlier(2, "{}")
FILL, OVERWRITE, SKIP = (Switches(existing=name) for name in ("fill", "overwrite", "skip"))


def wish(tags: tuple[int, ...] = (), **values: Any) -> Wish:
    return Wish(line=3, edit=Edit({"phone": PHONE, **values}, add_tags=tags))


def contact(**members: Any) -> Contact:
    return Contact.model_validate({"id": 7, "phone": PHONE, "rev": 4, "is_opted_out": False, **members})


def decided(one: Wish, *phones: Contact, emails: tuple[Contact, ...] = (), switches: Switches = FILL) -> Decision:
    return decide(one, phones, emails, None, switches)


ADA = contact(first="Ada", last="Byron")


@pytest.mark.parametrize(
    ("found", "name"),
    [
        pytest.param(decide(Wish(line=3, refused="letters"), [ADA], [], None, FILL), "invalid", id="unreadable"),
        pytest.param(decide(wish(), [ADA], [], EARLIER, OVERWRITE), "duplicate", id="seen in the file"),
        pytest.param(decided(wish(first="Ada")), "new", id="nobody has it"),
        pytest.param(decided(wish(email="a@x.org"), emails=(ADA,)), "conflict", id="somebody has the e-mail"),
        pytest.param(decided(wish(), ADA, contact(id=8)), "conflict", id="two have the phone"),
        pytest.param(decided(wish(), ADA, ADA), "same", id="one contact twice is one"),
        pytest.param(decided(wish(first="ADA", last="byron"), ADA), "same", id="case is no change when filling"),
        pytest.param(decided(wish(first="ADA"), ADA, switches=OVERWRITE), "update", id="case is one when overwriting"),
        pytest.param(decided(wish(first="Ada"), ADA, switches=OVERWRITE), "same", id="overwritten with the same"),
        pytest.param(decided(wish(email="a@x.org"), ADA), "fill", id="an empty field"),
        pytest.param(decided(wish(first="Grace"), ADA), "conflict", id="another name"),
        pytest.param(decided(wish(first="Grace", email="a@x.org"), ADA), "fill", id="one filled, one in conflict"),
        pytest.param(decided(wish(first="Grace"), ADA, switches=SKIP), "skip", id="left alone"),
        pytest.param(decided(wish(), ADA, switches=SKIP), "skip", id="left alone, nothing to do"),
        pytest.param(decided(wish(tags=(1,)), ADA), "fill", id="a tag"),
        pytest.param(decided(wish(tags=(1,)), contact(tags=[1])), "same", id="a tag that is there"),
        pytest.param(decided(wish(tags=(6,)), contact(tags=[1, 2, 3, 4, 5])), "same", id="no room for a tag"),
        pytest.param(decided(wish(is_opted_out=True), ADA), "update", id="opts out"),
        pytest.param(decided(wish(is_opted_out=True), ADA, switches=SKIP), "update", id="opts out whoever is skipped"),
        pytest.param(decided(wish(is_opted_out=True), contact(is_opted_out=True)), "same", id="opted out already"),
        pytest.param(decided(wish(email="A@X.org"), contact(email="a@x.org")), "same", id="the same e-mail"),
        pytest.param(decided(wish(email="b@x.org"), contact(first={"odd": 1})), "conflict", id="a name that is unread"),
    ],
)
def test_each_row_has_one_decision(found: Decision, name: str) -> None:
    assert found.decision == name
    assert bool(found.wanted) == (name in RUNNING)


def test_a_conflict_is_told_with_both_values() -> None:
    found = decided(wish(first="Grace", email="a@x.org"), ADA)
    assert found.conflicts == {"first": ("Ada", "Grace")}
    assert found.changes == {"email": ("", "a@x.org")}


@pytest.mark.parametrize(
    ("had", "said", "filled"),
    [
        pytest.param({}, {"first": "Ada", "last": "Byron"}, {"first", "last"}, id="no name"),
        pytest.param({"first": "Ada"}, {"first": "Ada", "last": "Byron"}, {"last"}, id="half a name"),
        pytest.param({"first": "Grace"}, {"first": "Ada", "last": "Byron"}, set(), id="half of another name"),
        pytest.param({"display_name": "Mom"}, {"first": "Ada", "last": "Byron"}, set(), id="known otherwise"),
        pytest.param(
            {"display_name": "ada byron"}, {"first": "Ada", "last": "Byron"}, {"first", "last"}, id="known so"
        ),
        pytest.param({"first": "Ada", "last": "Byron"}, {"display_name": "Mom 2"}, set(), id="a name kept whole"),
        pytest.param(
            {"first": "Ada"}, {"first": "Ada", "display_name": "Dr. Ada"}, {"display_name"}, id="a longer one"
        ),
    ],
)
def test_the_parts_of_a_name_are_one_thing(had: dict[str, str], said: dict[str, str], filled: set[str]) -> None:
    found = decided(wish(**said), contact(**had))
    assert found.changes.keys() == filled
    assert bool(found.conflicts) == (not filled)


def test_tags_without_room_are_told() -> None:
    found = decided(wish(tags=(5, 6, 7)), contact(tags=[1, 2, 3, 5]))
    assert found.wanted["tags"] == [1, 2, 3, 5, 6]
    assert found.left_tags == (7,)


def test_the_stored_form_of_a_phone_stays() -> None:
    found = decided(wish(email="a@x.org"), contact(phone="5215512345678"), switches=OVERWRITE)
    assert found.wanted["phone"] == "5215512345678"


TEXTS = st.sampled_from(["", "Ada", "ADA", "Grace", "a@x.org", "A@x.org"])
WISHES = st.builds(
    lambda texts, tags, out: wish(
        tags=tuple(tags),
        **{key: text for key, text in texts.items() if text},
        **({"is_opted_out": True} if out else {}),
    ),
    st.fixed_dictionaries(dict.fromkeys(("first", "last", "display_name", "email", "custom:31"), TEXTS)),
    st.lists(st.integers(1, 8), max_size=5, unique=True),
    st.booleans(),
)
CONTACTS = st.builds(
    lambda texts, value, tags, out: contact(
        **texts, custom={"31": value} if value else {}, tags=sorted(tags), is_opted_out=out
    ),
    st.fixed_dictionaries(dict.fromkeys(("first", "last", "display_name", "email"), TEXTS)),
    TEXTS,
    st.sets(st.integers(1, 8), max_size=5),
    st.sampled_from([True, False, None]),
)
SWITCHES = st.sampled_from([FILL, OVERWRITE, SKIP])


@given(WISHES, CONTACTS, SWITCHES)
def test_nobody_is_opted_in(one: Wish, before: Contact, switches: Switches) -> None:
    found = decided(one, before, switches=switches)
    if found.wanted:
        plan = Plan(action="update", before=found.before, wanted=found.wanted, contact_id=before.id)
        assert not plan.opts_in
        assert found.wanted["is_opted_out"] is True or found.wanted["is_opted_out"] == before.is_opted_out


@given(WISHES, CONTACTS, SWITCHES)
def test_whoever_opts_out_is_opted_out(one: Wish, before: Contact, switches: Switches) -> None:
    found = decided(one, before, switches=switches)
    if one.edit.values.get("is_opted_out"):
        assert (found.wanted or found.before)["is_opted_out"] is True


@given(WISHES, CONTACTS)
def test_filling_changes_nothing_that_is_there(one: Wish, before: Contact) -> None:
    found = decided(one, before, switches=FILL)
    for key, (had, now) in found.changes.items():
        if key == "tags":
            assert isinstance(had, list)
            assert isinstance(now, list)
            assert {*had} < {*now}
            assert len(now) <= 5
        elif key != "is_opted_out":
            assert is_empty(had)


@given(WISHES, CONTACTS)
def test_skipping_changes_nothing_but_an_opt_out(one: Wish, before: Contact) -> None:
    assert decided(one, before, switches=SKIP).changes.keys() <= {"is_opted_out"}


@given(WISHES, CONTACTS, SWITCHES)
def test_a_second_plan_has_nothing_left_to_do(one: Wish, before: Contact, switches: Switches) -> None:
    found = decided(one, before, switches=switches)
    if not found.wanted:
        return
    after = contact(
        **{key: found.wanted.get(key) for key in ("first", "last", "display_name", "email", "tags", "is_opted_out")},
        custom={"31": found.wanted.get("custom:31", "")},
    )
    assert values_of(after).items() >= {key: now for key, (_, now) in found.changes.items()}.items()
    again = decided(one, after, switches=switches)
    assert again.decision not in RUNNING
    assert again.conflicts == found.conflicts
