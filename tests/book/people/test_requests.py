"""What somebody asks of a contact: contradictions, clearing, tags and names, all settled before anything is sent."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest
from support import OpenSession

from contacts_mcp.book.people.requests import CLEARABLE, Edit, Wanted, resolve
from contacts_mcp.book.values import nothing_for
from contacts_mcp.book.vocabulary import Directory
from contacts_mcp.errors import InvalidArgument, UnknownName


@pytest.fixture
async def directory(open_session: OpenSession) -> AsyncIterator[Directory]:
    async with open_session(contacts=2) as session:
        yield (await session.workspace.book()).directory


@pytest.mark.parametrize(
    ("wanted", "values"),
    [
        pytest.param(Wanted(), {}, id="nothing"),
        pytest.param(Wanted(first="Jo", email="jo@example.com"), {"first": "Jo", "email": "jo@example.com"}, id="texts"),
        pytest.param(Wanted(custom_fields={"plan": "Gold", "39": "x"}), {"custom:31": "Gold", "custom:39": "x"}, id="custom fields by name and id"),
        pytest.param(Wanted(assignee="priya@example.com"), {"assignee": 502}, id="assignee by e-mail"),
        pytest.param(Wanted(assignee=" Nobody "), {"assignee": None}, id="nobody"),
        pytest.param(Wanted(tags=["lead", "VIP", "101"]), {"tags": [101, 102]}, id="tags once each"),
        pytest.param(Wanted(is_opted_out=False), {"is_opted_out": False}, id="false is a value"),
        pytest.param(Wanted(clear=["email", "Plan", "Display Name"]), {"email": "", "custom:31": "", "display_name": ""}, id="clear"),
        pytest.param(Wanted(clear=["assignee", "tags"]), {"assignee": None, "tags": []}, id="clear what is no text"),
    ],
)  # fmt: skip
async def test_names_become_ids(directory: Directory, wanted: Wanted, values: Any) -> None:
    assert await resolve(wanted, directory) == Edit(values)


@pytest.mark.parametrize("name", CLEARABLE)
async def test_each_standard_field_can_be_cleared(directory: Directory, name: str) -> None:
    assert (await resolve(Wanted(clear=[name]), directory)).values == {name: nothing_for(name)}


@pytest.mark.parametrize(
    ("wanted", "said"),
    [
        pytest.param(Wanted(tags=["VIP"], add_tags=["Lead"]), "together with add_tags or remove_tags", id="replace and add tags"),
        pytest.param(Wanted(tags=["VIP"], remove_tags=["Lead"]), "together with add_tags or remove_tags", id="replace and remove tags"),
        pytest.param(Wanted(add_tags=["VIP"], remove_tags=[" vip"]), "is both added and removed", id="add and remove one tag"),
        pytest.param(Wanted(add_tags=["VIP"], remove_tags=["101"]), "is both added and removed", id="add and remove one tag by name and id"),
        pytest.param(Wanted(tags=["VIP"], clear=["tags"]), "'tags' is both set and cleared", id="set and clear tags"),
        pytest.param(Wanted(add_tags=["VIP"], clear=["tags"]), "cleared", id="add and clear tags"),
        pytest.param(Wanted(remove_tags=["VIP"], clear=["tags"]), "cleared", id="remove and clear tags"),
        pytest.param(Wanted(first="Jo", clear=["first"]), "'first' is both set and cleared", id="set and clear a text"),
        pytest.param(Wanted(assignee="Alex Kim", clear=["assignee"]), "'assignee' is both set and cleared", id="set and clear the owner"),
        pytest.param(Wanted(custom_fields={"Plan": "Gold"}, clear=["field 31"]), "'Plan' is both set and cleared", id="set and clear a field"),
        pytest.param(Wanted(custom_fields={"Plan": "Gold", "31": "Basic"}), "a second name for a field", id="one field by two names"),
        pytest.param(Wanted(replace_custom_fields=True), "without custom_fields", id="replace with nothing"),
        pytest.param(Wanted(clear=["phone"]), "phone cannot be cleared", id="clear the phone"),
        pytest.param(Wanted(clear=["Is opted out"]), "is_opted_out cannot be cleared", id="clear the opt-out"),
        pytest.param(Wanted(email="jo"), '"jo" is not an e-mail address', id="no e-mail"),
        pytest.param(Wanted(email="jo@example"), "is not an e-mail address", id="half an e-mail"),
        pytest.param(Wanted(email="Jo <jo@example.com>"), "is not an e-mail address", id="an e-mail with a name"),
        pytest.param(Wanted(avatar="javascript:alert(1)"), "is not the address of an image", id="no address"),
        pytest.param(Wanted(first=" "), "first: is empty", id="blank"),
        pytest.param(Wanted(tags=[]), "tags: is empty", id="no tags"),
        pytest.param(Wanted(custom_fields={"Plan": " "}), "has an empty value", id="blank custom value"),
    ],
)  # fmt: skip
async def test_contradictions_and_what_is_no_value_are_refused(directory: Directory, wanted: Wanted, said: str) -> None:
    with pytest.raises(InvalidArgument) as refused:
        await resolve(wanted, directory)
    assert said in str(refused.value)


@pytest.mark.parametrize(
    ("written", "key"),
    [("E-mail", "email"), ("Display Name", "display_name"), ("TAGS", "tags"), (" Plan ", "custom:31")],
)
async def test_what_is_to_be_emptied_may_be_written_as_people_write_it(
    directory: Directory, written: str, key: str
) -> None:
    assert (await resolve(Wanted(clear=[written]), directory)).values.keys() == {key}


async def test_what_cannot_be_emptied_is_told_with_the_standard_fields(directory: Directory) -> None:
    with pytest.raises(
        UnknownName, match=r"Standard fields: first, last, display_name, email, avatar, assignee, tags\."
    ):
        await resolve(Wanted(clear=["owner"]), directory)


@pytest.mark.parametrize(
    ("wanted", "argument", "nearest"),
    [
        (Wanted(custom_fields={"Plam": "x"}), "custom_fields", ("Plan",)),
        (Wanted(clear=["Plam"]), "clear", ("Plan",)),
        (Wanted(tags=["VIPP"]), "tags", ("VIP",)),
        (Wanted(add_tags=["Leed"]), "add_tags", ("Lead",)),
        (Wanted(remove_tags=["Newsleter"]), "remove_tags", ("Newsletter",)),
        (Wanted(assignee="Alex Kimm"), "assignee", ("Alex Kim",)),
    ],
    ids=str,
)
async def test_an_unknown_name_is_refused_with_the_nearest(
    directory: Directory, wanted: Wanted, argument: str, nearest: Any
) -> None:
    with pytest.raises(UnknownName) as refused:
        await resolve(wanted, directory)
    assert (refused.value.argument, refused.value.candidates, refused.value.is_ambiguous) == (argument, nearest, False)


async def test_a_name_that_two_share_is_refused_with_both(directory: Directory) -> None:
    with pytest.raises(UnknownName) as refused:
        await resolve(Wanted(custom_fields={" n-o-t-e-s": "x"}), directory)
    assert (refused.value.candidates, refused.value.is_ambiguous) == (("Notes (38)", "notes (39)"), True)


BEFORE = {"first": "Jo", "tags": [101, 102], "custom:31": "Gold", "custom:33": "Oakland", "is_opted_out": None}


@pytest.mark.parametrize(
    ("edit", "changed"),
    [
        pytest.param(Edit({}), {}, id="nothing"),
        pytest.param(Edit({"first": "Joe"}), {"first": "Joe"}, id="a text"),
        pytest.param(Edit({}, add_tags=(103,)), {"tags": [101, 102, 103]}, id="a tag more"),
        pytest.param(Edit({}, add_tags=(101,)), {}, id="a tag it has"),
        pytest.param(Edit({}, remove_tags=(101, 999)), {"tags": [102]}, id="a tag less"),
        pytest.param(Edit({}, add_tags=(103,), remove_tags=(101,)), {"tags": [102, 103]}, id="one for another"),
        pytest.param(Edit({"tags": [105]}), {"tags": [105]}, id="other tags"),
        pytest.param(Edit({"custom:31": "Basic"}), {"custom:31": "Basic"}, id="one custom value"),
    ],
)
def test_what_is_not_mentioned_stays(edit: Edit, changed: Any) -> None:
    assert edit.applied_to(BEFORE) == BEFORE | changed


def test_replacing_custom_values_drops_those_not_given_and_nothing_else() -> None:
    assert Edit({"custom:40": "x"}, replace_custom=True).applied_to(BEFORE) == {
        "first": "Jo",
        "tags": [101, 102],
        "is_opted_out": None,
        "custom:40": "x",
    }


@pytest.mark.parametrize(
    "edit", [Edit({"tags": [1, 2, 3, 4, 5, 6]}), Edit({}, add_tags=(103, 104, 105, 106))], ids=["replaced", "added"]
)
def test_more_than_five_tags_are_refused(edit: Edit) -> None:
    with pytest.raises(InvalidArgument, match="would have 6 tags"):
        edit.applied_to(BEFORE)


def test_five_tags_are_allowed_and_so_is_leaving_six_that_are_there() -> None:
    assert len(Edit({}, add_tags=(103, 104, 105)).applied_to(BEFORE)["tags"]) == 5  # type: ignore[arg-type]
    crowded = BEFORE | {"tags": [1, 2, 3, 4, 5, 6]}
    assert Edit({"first": "Joe"}).applied_to(crowded)["tags"] == crowded["tags"]
