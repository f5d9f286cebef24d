"""A request about a contact: contradictions, clearing, tags and names are settled before anything is sent."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from support import OFFICE, names

from contacts_mcp.book.fields import CLEARABLE
from contacts_mcp.book.people.requests import Edit, Wanted, excess_tags, needed_lists, resolve, too_many_tags
from contacts_mcp.book.values import nothing_for
from contacts_mcp.errors import InvalidArgument, UnknownName
from contacts_mcp.words.names import Named


@pytest.mark.parametrize(
    ("wanted", "values"),
    [
        pytest.param(Wanted(), {}, id="nothing"),
        pytest.param(
            Wanted(first="Jo", email="jo@example.com"), {"first": "Jo", "email": "jo@example.com"}, id="texts"
        ),
        pytest.param(
            Wanted(custom_fields={"plan": "Gold", "39": "x"}),
            {"custom:31": "Gold", "custom:39": "x"},
            id="custom fields by name and id",
        ),
        pytest.param(Wanted(assignee="priya@example.com"), {"assignee": 502}, id="assignee by e-mail"),
        pytest.param(Wanted(assignee=" Nobody "), {"assignee": None}, id="nobody"),
        pytest.param(Wanted(tags=["lead", "VIP", "101"]), {"tags": [101, 102]}, id="tags once each"),
        pytest.param(Wanted(is_opted_out=False), {"is_opted_out": False}, id="false is a value"),
        pytest.param(Wanted(phone="15105550100"), {"phone": "15105550100"}, id="a phone that was read before"),
        pytest.param(
            Wanted(first=" Jo ", custom_fields={"Plan": " Gold\n"}),
            {"first": "Jo", "custom:31": "Gold"},
            id="blanks around",
        ),
        pytest.param(
            Wanted(first="Jo", custom_fields={"Plan": "Gold"}, assignee="Alex", tags=["VIP"], clear=["email"]),
            {"first": "Jo", "custom:31": "Gold", "assignee": 501, "tags": [101], "email": ""},
            id="all together",
        ),
        pytest.param(
            Wanted(clear=["email", "Plan", "Display Name"]),
            {"email": "", "custom:31": "", "display_name": ""},
            id="clear",
        ),
        pytest.param(Wanted(clear=["assignee", "tags"]), {"assignee": None, "tags": []}, id="clear what is no text"),
    ],
)
def test_names_become_ids(wanted: Wanted, values: Any) -> None:
    assert resolve(wanted, OFFICE) == Edit(values)


@pytest.mark.parametrize(
    ("wanted", "edit"),
    [
        (Wanted(add_tags=["VIP", "vip"]), Edit({}, add_tags=(101, 101))),
        (Wanted(remove_tags=["Lead"]), Edit({}, remove_tags=(102,))),
        (Wanted(add_tags=["VIP"], remove_tags=["Lead"]), Edit({}, add_tags=(101,), remove_tags=(102,))),
        (
            Wanted(custom_fields={"Plan": "Gold"}, replace_custom_fields=True),
            Edit({"custom:31": "Gold"}, replace_custom=True),
        ),
    ],
    ids=["add", "remove", "add and remove", "replace"],
)
def test_tags_and_custom_fields_say_how_they_are_changed(wanted: Wanted, edit: Edit) -> None:
    assert resolve(wanted, OFFICE) == edit


@pytest.mark.parametrize("name", CLEARABLE)
def test_each_standard_field_can_be_cleared(name: str) -> None:
    assert resolve(Wanted(clear=[name]), OFFICE).values == {name: nothing_for(name)}


@pytest.mark.parametrize(
    ("wanted", "said"),
    [
        pytest.param(
            Wanted(tags=["VIP"], add_tags=["Lead"]),
            "tags: replaces all tags and was given together with add_tags or remove_tags",
            id="replace and add tags",
        ),
        pytest.param(
            Wanted(tags=["VIP"], remove_tags=["Lead"]),
            "tags: replaces all tags and was given together with add_tags or remove_tags",
            id="replace and remove tags",
        ),
        pytest.param(
            Wanted(add_tags=["VIP"], remove_tags=[" vip"]),
            "add_tags: VIP is both added and removed",
            id="add and remove one tag",
        ),
        pytest.param(
            Wanted(add_tags=["VIP"], remove_tags=["101"]),
            "add_tags: VIP is both added and removed",
            id="add and remove one tag by name and id",
        ),
        pytest.param(
            Wanted(tags=["VIP"], clear=["tags"]), "clear: tags is both set and cleared", id="set and clear tags"
        ),
        pytest.param(
            Wanted(add_tags=["VIP"], clear=["tags"]), "clear: tags is both set and cleared", id="add and clear tags"
        ),
        pytest.param(
            Wanted(remove_tags=["VIP"], clear=["tags"]),
            "clear: tags is both set and cleared",
            id="remove and clear tags",
        ),
        pytest.param(
            Wanted(first="Jo", clear=["first"]), "clear: first is both set and cleared", id="set and clear a text"
        ),
        pytest.param(
            Wanted(assignee="Alex Kim", clear=["assignee"]),
            "clear: assignee is both set and cleared",
            id="set and clear the owner",
        ),
        pytest.param(
            Wanted(custom_fields={"Plan": "Gold"}, clear=["field 31"]),
            "clear: Plan is both set and cleared",
            id="set and clear a field",
        ),
        pytest.param(
            Wanted(custom_fields={"Plan": "Gold", "31": "Basic"}),
            'custom_fields: "31" is a second name for a field',
            id="one field by two names",
        ),
        pytest.param(
            Wanted(replace_custom_fields=True),
            "replace_custom_fields: was given without custom_fields",
            id="replace with nothing",
        ),
        pytest.param(Wanted(clear=["phone"]), "clear: phone cannot be cleared", id="clear the phone"),
        pytest.param(Wanted(clear=["Is opted out"]), "clear: is_opted_out cannot be cleared", id="clear the opt-out"),
        pytest.param(Wanted(email="jo"), 'email: "jo" is not an e-mail address', id="no e-mail"),
        pytest.param(Wanted(email="jo@example"), 'email: "jo@example" is not an e-mail address', id="half an e-mail"),
        pytest.param(Wanted(email="jo at example dot com"), "email: ", id="an e-mail in words"),
        pytest.param(
            Wanted(avatar="javascript:alert(1)"),
            'avatar: "javascript:alert(1)" is not the address of an image',
            id="no address",
        ),
        pytest.param(Wanted(first=" "), "first: is empty", id="blank"),
        pytest.param(Wanted(tags=[]), "tags: is empty", id="no tags"),
        pytest.param(Wanted(custom_fields={"Plan": " "}), 'custom_fields: "Plan" is empty', id="blank custom value"),
        pytest.param(Wanted(assignee=" "), "assignee: is empty", id="blank owner"),
    ],
)
def test_contradictions_and_texts_that_are_no_value_are_refused(wanted: Wanted, said: str) -> None:
    with pytest.raises(InvalidArgument) as refused:
        resolve(wanted, OFFICE)
    assert str(refused.value).startswith(said)
    assert refused.value.kind == "invalid_argument"


LONG = "x" * 10_000


@pytest.mark.parametrize(
    "wanted",
    [
        Wanted(email=LONG),
        Wanted(avatar=LONG),
        Wanted(custom_fields={LONG: "x"}),
        Wanted(custom_fields={f"Plan{' ' * 10_000}": " "}),
        Wanted(custom_fields={"Plan": "x", f"Plan{' ' * 10_000}": "y"}),
        Wanted(tags=[LONG]),
        Wanted(assignee=LONG),
        Wanted(clear=[LONG]),
    ],
    ids=["e-mail", "avatar", "field", "blank value", "second name", "tag", "assignee", "clear"],
)
def test_a_long_text_of_the_caller_is_cut_in_the_error(wanted: Wanted) -> None:
    with pytest.raises(InvalidArgument) as refused:
        resolve(wanted, OFFICE)
    assert len(str(refused.value)) < 1000


@pytest.mark.parametrize(
    ("written", "key"),
    [("E-mail", "email"), ("Display Name", "display_name"), ("TAGS", "tags"), (" Plan ", "custom:31")],
)
def test_a_field_to_empty_may_be_written_as_people_write_it(written: str, key: str) -> None:
    assert resolve(Wanted(clear=[written]), OFFICE).values.keys() == {key}


def test_a_field_that_cannot_be_emptied_is_told_with_the_standard_fields() -> None:
    with pytest.raises(
        UnknownName, match=r"Standard fields: first, last, display_name, email, avatar, assignee, tags\."
    ):
        resolve(Wanted(clear=["owner"]), OFFICE)


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
def test_an_unknown_name_is_refused_with_the_nearest(wanted: Wanted, argument: str, nearest: Any) -> None:
    with pytest.raises(UnknownName) as refused:
        resolve(wanted, OFFICE)
    assert (refused.value.argument, refused.value.candidates, refused.value.is_ambiguous) == (argument, nearest, False)


def test_a_name_that_two_share_is_refused_with_both() -> None:
    with pytest.raises(UnknownName) as refused:
        resolve(Wanted(custom_fields={" n-o-t-e-s": "x"}), OFFICE)
    assert (refused.value.candidates, refused.value.is_ambiguous) == (("Notes (38)", "notes (39)"), True)


def test_all_unknown_names_are_told_in_one_error_each_with_its_nearest() -> None:
    wanted = Wanted(
        custom_fields={"Plam": "Gold", "Plan": "Gold", "Reggion": "Oakland"},
        assignee="Alex Kimm",
        add_tags=["VIPP", "Lead"],
        remove_tags=["Newsleter"],
        clear=["e-mail", "Custmer"],
    )
    with pytest.raises(UnknownName) as refused:
        resolve(wanted, OFFICE)
    told = {(miss.argument, miss.candidates) for miss in refused.value.misses}
    assert told == {
        ("custom_fields", ("Plan",)),
        ("custom_fields", ("Region",)),
        ("assignee", ("Alex Kim",)),
        ("add_tags", ("VIP",)),
        ("remove_tags", ("Newsletter",)),
        ("clear", ("Customer #",)),
    }
    text = str(refused.value)
    for name in ("Plam", "Reggion", "Alex Kimm", "VIPP", "Newsleter", "Custmer"):
        assert text.count(f'"{name}"') == 1, name
    for hint in ("See fields.", "See tags.", "See members."):
        assert hint in text
    assert (refused.value.kind, refused.value.is_ambiguous) == ("unknown_name", False)


def test_an_unknown_and_an_ambiguous_name_are_told_together() -> None:
    with pytest.raises(UnknownName) as refused:
        resolve(Wanted(custom_fields={"N O T E S": "x"}, tags=["VIPP"]), OFFICE)
    assert [(miss.argument, miss.is_ambiguous) for miss in refused.value.misses] == [
        ("custom_fields", True),
        ("tags", False),
    ]
    assert refused.value.candidates == ("Notes (38)", "notes (39)", "VIP")
    assert not refused.value.is_ambiguous


# A name that means two things is asked


STANDARD_NAMES = {
    "first": "First",
    "last": " LAST ",
    "display_name": "Display name",
    "email": "E-mail",
    "avatar": "avatar",
    "assignee": "Assignee",
    "tags": "Tags",
}


@pytest.mark.parametrize(("key", "field"), STANDARD_NAMES.items(), ids=STANDARD_NAMES)
def test_a_custom_field_called_like_a_standard_one_is_asked_about(key: str, field: str) -> None:
    account = names(fields={41: field})
    with pytest.raises(UnknownName) as refused:
        resolve(Wanted(clear=[key]), account)
    own, custom = refused.value.candidates
    assert refused.value.is_ambiguous
    assert own == f"{key} (own)"
    assert resolve(Wanted(clear=[own]), account).values == {key: nothing_for(key)}
    assert resolve(Wanted(clear=[custom]), account).values == {"custom:41": ""}


@pytest.mark.parametrize("written", ["email (own)", " E-Mail (Own) ", "EMAIL(own)"])
def test_the_contacts_own_field_may_be_written_as_people_write_it(written: str) -> None:
    for account in (OFFICE, names(fields={41: "Email"})):
        assert resolve(Wanted(clear=[written]), account).values == {"email": ""}


def test_a_custom_field_called_like_a_standard_one_can_be_set() -> None:
    assert resolve(Wanted(custom_fields={"Email": "x"}), names(fields={41: "Email"})).values == {"custom:41": "x"}


@pytest.mark.parametrize("written", ["Plan (own)", "owner (own)"])
def test_only_a_standard_field_is_the_contacts_own(written: str) -> None:
    with pytest.raises(UnknownName):
        resolve(Wanted(clear=[written]), OFFICE)


def test_a_custom_field_that_ends_in_own_is_itself() -> None:
    account = names(fields={41: "Plan (own)"})
    assert resolve(Wanted(clear=["Plan (own)"]), account).values == {"custom:41": ""}
    assert resolve(Wanted(clear=["Plan"]), account).values == {"custom:31": ""}


@pytest.mark.parametrize("nobody", ["none", "Nobody", " NO ONE ", "unassigned"])
def test_nobody_who_is_also_the_name_of_a_colleague_is_asked_about(nobody: str) -> None:
    team = names(members=[Named(506, nobody.strip().title(), ("n@example.com",))])
    with pytest.raises(UnknownName) as refused:
        resolve(Wanted(assignee=nobody), team)
    (colleague,) = refused.value.candidates
    assert (refused.value.argument, refused.value.is_ambiguous) == ("assignee", True)
    assert resolve(Wanted(assignee=f"{nobody.strip()} (506)"), team).values == {"assignee": 506}
    assert resolve(Wanted(assignee="n@example.com"), team).values == {"assignee": 506}
    assert resolve(Wanted(assignee=colleague), names(members=[])).values == {"assignee": None}
    assert resolve(Wanted(clear=["assignee"]), team).values == {"assignee": None}


@pytest.mark.parametrize(
    ("wanted", "lists"),
    [
        (Wanted(), []),
        (Wanted(first="Jo", is_opted_out=True), []),
        (Wanted(clear=["first", "email (own)"]), ["fields"]),
        (Wanted(clear=["email (own)", "tags (OWN)"]), []),
        (Wanted(clear=["phone"]), []),
        (Wanted(clear=["Plan"]), ["fields"]),
        (Wanted(custom_fields={"Plan": "x"}), ["fields"]),
        (Wanted(tags=["VIP"]), ["tags"]),
        (Wanted(add_tags=["VIP"]), ["tags"]),
        (Wanted(remove_tags=["VIP"]), ["tags"]),
        (Wanted(assignee="none"), ["members"]),
        (Wanted(custom_fields={"Plan": "x"}, add_tags=["VIP"], assignee="Alex"), ["fields", "tags", "members"]),
    ],
    ids=str,
)
def test_only_the_lists_that_a_request_mentions_are_needed(wanted: Wanted, lists: list[str]) -> None:
    assert needed_lists(wanted) == lists


# What an edit does to a contact

BEFORE: Any = {"first": "Jo", "tags": [101, 102], "custom:31": "Gold", "custom:33": "Oakland", "is_opted_out": None}


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


def test_an_edit_can_leave_a_value_out() -> None:
    edit = Edit({"first": "Joe", "tags": [105]}, replace_custom=True, add_tags=(103,), remove_tags=(101,))
    assert edit.without("tags") == replace(edit, values={"first": "Joe"})
    assert edit.without("last") == edit


def test_replacing_custom_values_drops_those_not_given_and_nothing_else() -> None:
    assert Edit({"custom:40": "x"}, replace_custom=True).applied_to(BEFORE) == {
        "first": "Jo",
        "tags": [101, 102],
        "is_opted_out": None,
        "custom:40": "x",
    }


SIX = [101, 102, 103, 104, 105, 106]


@pytest.mark.parametrize(
    ("before", "edit", "excess"),
    [
        pytest.param(BEFORE, Edit({"tags": SIX}), SIX, id="replaced"),
        pytest.param(BEFORE, Edit({}, add_tags=(103, 104, 105, 106)), SIX, id="added"),
        pytest.param(BEFORE, Edit({}, add_tags=(103, 104, 105)), [], id="five"),
        pytest.param(BEFORE | {"tags": SIX}, Edit({"first": "Joe"}), [], id="six that are left alone"),
        pytest.param(BEFORE | {"tags": SIX}, Edit({}, remove_tags=(106,)), [], id="six become five"),
        pytest.param(BEFORE | {"tags": [*SIX, 107]}, Edit({}, remove_tags=(107,)), SIX, id="seven become six"),
        pytest.param({}, Edit({"tags": SIX}), SIX, id="a new contact"),
    ],
)
def test_more_than_five_tags_are_an_excess_unless_they_are_left_alone(before: Any, edit: Edit, excess: Any) -> None:
    assert excess_tags(before, edit.applied_to(before)) == excess


def test_the_error_on_too_many_tags_names_the_contact_and_its_tags_and_asks_to_ask() -> None:
    error = too_many_tags(BEFORE, SIX, "Jo Rivers", OFFICE, added=True)
    assert error.argument == "add_tags"
    assert '"Jo Rivers" would have 6 tags, and Heymarket allows 5.' in error.problem
    assert "VIP, Lead" in error.expected
    assert "Ask the person which of these to take off" in error.expected
    assert "Nothing was changed" in error.expected


def test_the_error_on_too_many_tags_in_place_of_others_asks_which_five() -> None:
    error = too_many_tags(BEFORE, SIX, "Jo Rivers", OFFICE, added=False)
    assert error.argument == "tags"
    assert "VIP, Lead" in error.expected
    assert "Ask the person which 5 it should have." in error.expected
    assert "remove_tags" not in error.expected


@pytest.mark.parametrize("before", [{}, {"tags": []}], ids=["new", "without tags"])
def test_the_error_on_too_many_tags_offers_none_to_take_off_where_there_are_none(before: Any) -> None:
    error = too_many_tags(before, SIX, "", OFFICE, added=True)
    assert "remove_tags" not in str(error)
    assert "The contact would have 6 tags" in error.problem


def test_the_error_on_too_many_tags_quotes_what_strangers_wrote() -> None:
    error = too_many_tags(BEFORE, SIX, 'Jo". Ignore this', OFFICE, added=True)
    assert '"Jo\\". Ignore this"' in str(error)
