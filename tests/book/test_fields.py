"""A contact's fields are one table: every row holds together with the model, the request and the wire."""

from __future__ import annotations

from dataclasses import fields as members_of
from typing import Any

import httpx
import pytest
from support import OFFICE

from contacts_mcp.book.cards import Card, card_of
from contacts_mcp.book.fields import BY_NAME, CLEARABLE, FIELDS, NAMES, SHOWN_ONLY, WRITTEN, ContactField
from contacts_mcp.book.people.requests import SETTABLE_TEXTS, Edit, Wanted, resolve
from contacts_mcp.book.values import CUSTOM, differences, is_empty, nothing_for, values_of
from contacts_mcp.book.writing.plan import Plan, update_of
from contacts_mcp.errors import InvalidArgument, UnknownName
from contacts_mcp.models import Contact
from contacts_mcp.sandbox import Behaviour, Credentials, Sandbox, open_sandbox

# The members that a write takes (heymarket-api.md 3.2), but for `custom`, which has no fixed fields.
WRITABLE = {
    "phone",
    "first",
    "last",
    "display_name",
    "email",
    "avatar",
    "assignee_id",
    "tags",
    "is_opted_out",
}

every_field = pytest.mark.parametrize("field", FIELDS, ids=lambda field: field.name)
every_written = pytest.mark.parametrize("field", WRITTEN, ids=lambda field: field.name)
every_shown_only = pytest.mark.parametrize("field", SHOWN_ONLY, ids=lambda field: field.name)


# Every row


@every_field
def test_every_field_is_read_into_a_member_of_the_contact(field: ContactField) -> None:
    assert field.member in Contact.model_fields


@every_field
def test_every_field_is_either_written_or_shown_only(field: ContactField) -> None:
    assert (field in WRITTEN) is not (field in SHOWN_ONLY)
    assert (field in WRITTEN) is bool(field.sent_as)


@every_written
def test_every_written_field_can_be_asked_for_and_is_shown_on_a_card(field: ContactField) -> None:
    assert field.name in {member.name for member in members_of(Wanted)}
    assert field.name in {member.name for member in members_of(Card)}


@every_field
def test_an_emptied_value_is_empty_and_a_text_is_emptied_to_a_text(field: ContactField) -> None:
    assert is_empty(field.nothing)
    assert field.is_text is (field.nothing == "")
    assert nothing_for(field.name) == field.nothing


@every_written
def test_a_bare_contact_has_nothing_in_every_field(field: ContactField) -> None:
    assert values_of(Contact(id=7))[field.name] == field.nothing


def test_names_and_wire_names_are_given_once_and_are_no_keys_of_custom_fields() -> None:
    names, wire_names = [field.name for field in FIELDS], [field.sent_as for field in WRITTEN]
    assert len({*names}) == len(names)
    assert len({*wire_names}) == len(wire_names)
    assert not [name for name in names if name.startswith(CUSTOM)]
    assert BY_NAME.keys() == {*names}


def test_all_that_the_service_takes_is_written_and_nothing_else() -> None:
    assert {field.sent_as for field in WRITTEN} == WRITABLE


def test_a_put_always_carries_phone_and_names() -> None:
    """A PUT requires the phone, and may blank names that are not sent."""
    assert {field.name for field in WRITTEN if field.always_sent} == {"phone", *NAMES}


def test_all_but_the_phone_and_the_opt_out_can_be_cleared_by_name() -> None:
    assert {*CLEARABLE} == {field.name for field in WRITTEN} - {"phone", "is_opted_out"}


def test_the_texts_of_a_request_are_the_texts_that_can_be_cleared() -> None:
    """A text that can be set can be emptied, and the other way round. A phone is read by rules of its own."""
    assert {*SETTABLE_TEXTS} == {field.name for field in FIELDS if field.is_text and field.can_be_cleared}


@pytest.mark.parametrize(
    ("name", "value", "sent"),
    [
        ("phone", "15105550100", "15105550100"),
        ("first", "Jo", "Jo"),
        ("assignee", 502, 502),
        ("assignee", None, -1),
        ("tags", [101, 102], [{"tag_id": 101}, {"tag_id": 102}]),
        ("tags", [], []),
        ("is_opted_out", True, True),
        ("is_opted_out", False, False),
    ],
)
def test_each_value_goes_out_in_its_own_form(name: str, value: Any, sent: Any) -> None:
    assert BY_NAME[name].encode(value) == sent


@pytest.fixture
def sandbox() -> Any:
    with_all = Behaviour(empty_members="send", requests_per_minute=0)
    opened = open_sandbox(contacts=1, behaviour=with_all)
    yield opened
    opened.close()


EXAMPLES: dict[str, Any] = {
    "phone": "15105553344",
    "first": "Jo",
    "last": "Rivers",
    "display_name": "Jo R.",
    "email": "jo@example.com",
    "avatar": "https://example.com/jo.png",
    "assignee": 502,
    "tags": [102, 103],
    "is_opted_out": True,
}


async def stored(sandbox: Sandbox, contact: Contact, wanted: Any) -> Contact:
    """`contact` as the service shows it after a write of `wanted`."""
    async with httpx.AsyncClient(
        transport=sandbox.transport(),
        base_url="http://sandbox.localhost",
        headers={"Authorization": f"Bearer {Credentials().api_key}"},
    ) as http:
        body = update_of(contact, wanted).body()
        (await http.put(f"/v1/contact/{contact.id}", json=body)).raise_for_status()
        return Contact.model_validate((await http.get(f"/v1/contact/{contact.id}")).json())


@every_written
async def test_every_written_field_comes_back_as_it_was_sent_and_can_be_emptied(
    sandbox: Sandbox, field: ContactField
) -> None:
    """There and back over the wire: the two directions of a row belong together."""
    had = Contact.model_validate(sandbox.store.contact(1001))
    wanted = values_of(had) | {field.name: EXAMPLES[field.name]}
    after = await stored(sandbox, had, wanted)
    assert values_of(after) == wanted
    if field.can_be_cleared:
        emptied = wanted | {field.name: field.nothing}
        assert values_of(await stored(sandbox, after, emptied)) == emptied


# A field that Heymarket only shows: a member of the model and a row of the table, and nothing else


SUPPRESSED = Contact.model_validate({"id": 7, "phone": "15105550100", "email_suppressions": [1, 3]})


def test_email_suppressions_are_shown_and_never_written() -> None:
    assert [field.name for field in SHOWN_ONLY] == ["email_suppressions"]


def test_a_shown_field_stands_on_the_card_once() -> None:
    card = card_of(SUPPRESSED, OFFICE)
    assert (card.shown_only, card.other) == ({"email_suppressions": [1, 3]}, {})


@pytest.mark.parametrize("came", [None, [], ""], ids=["null", "empty list", "empty text"])
def test_an_empty_shown_field_is_left_out(came: Any) -> None:
    contact = Contact.model_validate({"id": 7, "email_suppressions": came})
    assert card_of(contact, OFFICE).shown_only == {}


@pytest.mark.parametrize("came", [7, "all", {"a": [1]}, [[1], None]], ids=str)
def test_a_shown_field_is_shown_as_it_came(came: Any) -> None:
    """Nobody knows its meaning, so no form of it may make a contact unreadable."""
    contact = Contact.model_validate({"id": 7, "email_suppressions": came})
    assert card_of(contact, OFFICE).shown_only == {"email_suppressions": came}


@every_shown_only
def test_a_shown_field_is_not_compared_and_not_sent(field: ContactField) -> None:
    """So a change of it by somebody else is no difference, and a write cannot touch it."""
    bare = SUPPRESSED.model_copy(update={field.member: None})
    assert field.name not in values_of(SUPPRESSED)
    assert differences(values_of(SUPPRESSED), values_of(bare)) == {}
    asked = Plan(action="update", before=values_of(bare), wanted=values_of(bare) | {field.name: [2]})
    assert field.name not in asked.body()


@every_shown_only
def test_a_shown_field_cannot_be_asked_for(field: ContactField) -> None:
    with pytest.raises(TypeError):
        Wanted(**{field.name: [1]})


@every_shown_only
@pytest.mark.parametrize("written", ["{0}", "{0} (own)", "E-mail suppressions"])
def test_a_shown_field_cannot_be_cleared(field: ContactField, written: str) -> None:
    with pytest.raises(UnknownName) as refused:
        resolve(Wanted(clear=[written.format(field.name)]), OFFICE)
    assert refused.value.argument == "clear"
    assert f"Standard fields: {', '.join(CLEARABLE)}." in str(refused.value)


@pytest.mark.parametrize("name", ["phone", "is_opted_out"])
def test_a_written_field_that_cannot_be_emptied_says_which_can(name: str) -> None:
    with pytest.raises(InvalidArgument) as refused:
        resolve(Wanted(clear=[name]), OFFICE)
    assert refused.value.problem == f"{name} cannot be cleared."
    for clearable in CLEARABLE:
        assert clearable in refused.value.expected


def test_the_edit_of_a_request_for_everything_names_every_written_field() -> None:
    wanted = Wanted(
        **{name: EXAMPLES[name] for name in ("phone", *SETTABLE_TEXTS, "is_opted_out")},
        assignee="Priya Patel",
        tags=["102", "103"],
    )
    assert resolve(wanted, OFFICE) == Edit(EXAMPLES)
    assert EXAMPLES.keys() == {field.name for field in WRITTEN}
