"""Every endpoint against the sandbox, on every side of every switch that matters to it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import httpx
import pytest

from contacts_mcp.api.client import Call, Heard, HeymarketClient
from contacts_mcp.errors import Rejected
from contacts_mcp.models import instant
from contacts_mcp.sandbox import Behaviour, Sandbox

from .conftest import OpenClient

NEW = "15105553344"
KNOWN = "15105559999"
NOBODY = "15105550000"

Check = Callable[[HeymarketClient, Sandbox], Awaitable[None]]


def add(sandbox: Sandbox, **members: Any) -> int:
    """A contact with something in every member."""
    tag, field = sandbox.store.tags()[0]["id"], sandbox.store.fields()[0]["id"]
    given = {
        "phone": KNOWN,
        "first": "Zoë",
        "last": "Rivera",
        "email": "zoe@example.com",
        "custom": {field: "Premium"},
        "tags": [tag],
        "assigned_user_id": sandbox.store.members()[0]["id"],
        "is_opted_out": True,
    }
    return sandbox.store.add_contact(**given | members)


def assert_is_read_whole(contact: Any, sandbox: Sandbox, contact_id: int) -> None:
    stored = sandbox.store.contact(contact_id)
    assert stored is not None
    read = (contact.id, contact.phone, contact.first, contact.last, contact.display_name, contact.email)
    assert read == (contact_id, KNOWN, "Zoë", "Rivera", "Zoë Rivera", "zoe@example.com")
    assert contact.rev == (stored["rev"] if sandbox.behaviour.sends_rev else 0)
    assert contact.custom == {int(key): value for key, value in stored["custom"].items()}
    assert (list(contact.tags), contact.assigned_user_id) == (stored["tags"], stored["assigned_user_id"])
    assert contact.is_opted_out is (True if sandbox.behaviour.sends_opt_out else None)
    assert bool(contact.uuid) is sandbox.behaviour.sends_uuid
    assert (instant(contact.updated) is not None) is sandbox.behaviour.sends_updated


async def get_contact(client: HeymarketClient, sandbox: Sandbox) -> None:
    contact_id = add(sandbox)
    assert_is_read_whole(await client.get_contact(contact_id), sandbox, contact_id)
    assert await client.get_contact(contact_id + 1) is None


async def get_bare_contact(client: HeymarketClient, sandbox: Sandbox) -> None:
    contact = await client.get_contact(sandbox.store.add_contact(phone=KNOWN))
    assert contact is not None
    assert (contact.phone, contact.name, contact.email, contact.custom, contact.tags) == (KNOWN, "", "", {}, ())
    assert contact.assigned_user_id is None


async def find_contact(client: HeymarketClient, sandbox: Sandbox) -> None:
    contact_id = add(sandbox)
    assert_is_read_whole(await client.find_contact(KNOWN), sandbox, contact_id)
    assert await client.find_contact(NOBODY) is None
    assert await client.find_contact("5") is None


async def search_contacts(client: HeymarketClient, sandbox: Sandbox) -> None:
    contact_id = add(sandbox)
    other = sandbox.store.add_contact(phone=NEW)
    (contact,) = await client.search_contacts(phones=[KNOWN, NOBODY])
    assert_is_read_whole(contact, sandbox, contact_id)
    found = await client.search_contacts(phones=[NEW], emails=["zoe@example.com"])
    assert {each.id for each in found} == {contact_id, other}
    assert await client.search_contacts(phones=[NOBODY]) == []


async def list_contacts(client: HeymarketClient, sandbox: Sandbox) -> None:
    behaviour = sandbox.behaviour
    first = await client.list_contacts()
    assert len(first) == 30
    assert first == sorted(first, key=lambda each: each.updated, reverse=True)
    cursor = first[-1].updated
    second = await client.list_contacts(date=cursor)
    assert all(each.updated <= cursor if behaviour.cursor == "inclusive" else each.updated < cursor for each in second)
    assert {each.id for each in [*first, *second]} == {each["id"] for each in sandbox.store.contacts()}
    assert len(await client.list_contacts(limit=5)) == (5 if behaviour.honours_limit else 30)
    assert (await client.list_contacts(page=2) == first) is not behaviour.honours_page
    assert sandbox.requests[1].body == {"date": cursor}, "the cursor goes back exactly as it came"


async def count_contacts(client: HeymarketClient, sandbox: Sandbox) -> None:
    assert await client.count_contacts() == len(sandbox.store.contacts())


async def create_contact(client: HeymarketClient, sandbox: Sandbox) -> None:
    reply = await client.create_contact({"phone": NEW, "first": "Jordan"})
    stored = sandbox.store.contact_by_phone(NEW)
    assert stored is not None
    assert (reply.id, reply.rev, bool(reply.uuid)) == (stored["id"], 1, sandbox.behaviour.sends_uuid)
    assert sandbox.requests[-1].status == sandbox.behaviour.create_status


async def create_with_a_known_phone(client: HeymarketClient, sandbox: Sandbox) -> None:
    contact_id = add(sandbox)
    if sandbox.behaviour.known_phone == "reject":
        with pytest.raises(Rejected, match="did not accept"):
            await client.create_contact({"phone": KNOWN})
    else:
        reply = await client.create_contact({"phone": KNOWN})
        is_double = sandbox.behaviour.known_phone == "double"
        assert ((reply.id != contact_id), reply.rev) == ((True, 1) if is_double else (False, 2))


async def write_contacts(client: HeymarketClient, sandbox: Sandbox) -> None:
    """A known phone is skipped, a bad contact stops no other one, and no form of the answer is an error."""
    contact_id = add(sandbox)
    before = sandbox.store.contact(contact_id)
    bodies = [{"phone": KNOWN, "first": "Somebody"}, {"phone": "12"}, {"phone": NEW, "first": "Jordan"}]
    await client.write_contacts(bodies)
    assert sandbox.store.contact(contact_id) == before
    created = sandbox.store.contact_by_phone(NEW)
    assert created is not None
    assert (created["first"], created["rev"]) == ("Jordan", 1)
    assert [(request.query, request.body) for request in sandbox.requests] == [({"overwrite": "false"}, bodies)]


async def update_contacts(client: HeymarketClient, sandbox: Sandbox) -> None:
    """A batch with overwrite. A switch decides about members that are not sent."""
    contact_id = add(sandbox)
    before = sandbox.store.contact(contact_id)
    await client.write_contacts([{"phone": KNOWN, "email": "new@example.com"}], overwrite=True)
    after = sandbox.store.contact(contact_id)
    behaviour = sandbox.behaviour
    loses_names = {"as_put": behaviour.put_without_names == "blank", "keep": False, "clear": True}
    assert (after["email"], after["rev"]) == ("new@example.com", before["rev"] + 1)
    assert (after["first"] == "") is (loses_names[behaviour.batch_unsent] or before["first"] == "")
    assert (after["tags"] == before["tags"]) is (behaviour.batch_unsent != "clear" or not before["tags"])
    assert sandbox.requests[-1].query == {"overwrite": "true"}


async def update_contact(client: HeymarketClient, sandbox: Sandbox) -> None:
    contact_id = add(sandbox)
    first, second = [field["id"] for field in sandbox.store.fields()[:2]]
    body = {"phone": KNOWN, "first": "Zoé", "custom": {str(second): "x"}}
    reply = await client.update_contact(contact_id, body)
    stored = sandbox.store.contact(contact_id)
    assert stored is not None
    assert (reply.id, reply.rev, stored["rev"], stored["first"]) == (contact_id, 2, 2, "Zoé")
    assert stored["custom"] == {str(first): "Premium", str(second): "x"}
    assert (await client.update_contact(contact_id, body, overwrite=True)).rev == 3
    stored = sandbox.store.contact(contact_id)
    assert stored is not None
    assert stored["custom"] == {str(second): "x"}
    assert [request.query for request in sandbox.requests] == [{"overwrite": "false"}, {"overwrite": "true"}]


async def update_with_an_unknown_key(client: HeymarketClient, sandbox: Sandbox) -> None:
    contact_id = add(sandbox)
    body = {"phone": KNOWN, "custom": {"999999": "x"}}
    if sandbox.behaviour.unknown_custom_key == "reject":
        with pytest.raises(Rejected):
            await client.update_contact(contact_id, body)
    else:
        assert (await client.update_contact(contact_id, body)).rev == 2


async def delete_contact(client: HeymarketClient, sandbox: Sandbox) -> None:
    contact_id = add(sandbox)
    await client.delete_contact(contact_id)
    assert sandbox.store.contact(contact_id) is None


async def delete_what_is_not_there(client: HeymarketClient, sandbox: Sandbox) -> None:
    if (
        sandbox.behaviour.not_found == "400"
    ):  # may as well be a request that was wrong, and a delete is no place to guess
        with pytest.raises(Rejected, match="400"):
            await client.delete_contact(999_999)
    else:
        await client.delete_contact(999_999)
    assert len(sandbox.requests) == 1


async def list_custom_fields(client: HeymarketClient, sandbox: Sandbox) -> None:
    sandbox.store.add_field("")
    read = [(field.id, field.label) for field in await client.list_custom_fields()]
    assert read == [(field["id"], field["title"]) for field in sandbox.store.fields()]


async def list_tags(client: HeymarketClient, sandbox: Sandbox) -> None:
    tags = await client.list_tags()
    assert {(tag.id, tag.tag) for tag in tags} == {(tag["id"], tag["tag"]) for tag in sandbox.store.tags()}
    cursor = tags[-1].updated
    assert all(tag.updated <= cursor for tag in await client.list_tags(date=cursor))
    assert sandbox.requests[1].body == {"date": cursor}


async def create_tag(client: HeymarketClient, sandbox: Sandbox) -> None:
    await client.create_tag("Ambassador")
    assert [tag["tag"] for tag in sandbox.store.tags()].count("Ambassador") == 1
    with pytest.raises(Rejected):
        await client.create_tag("Ambassador")


async def get_team(client: HeymarketClient, sandbox: Sandbox) -> None:
    team = await client.get_team()
    read = [(member.id, member.name, member.email) for member in team.members]
    assert read == [(member["id"], member["name"], member["email"]) for member in sandbox.store.members()]


async def list_inboxes(client: HeymarketClient, sandbox: Sandbox) -> None:
    assert [inbox.id for inbox in await client.list_inboxes()] == [inbox["id"] for inbox in sandbox.store.inboxes()]


async def exchange(client: HeymarketClient, sandbox: Sandbox) -> None:
    heard: list[Heard] = []
    client.listeners.append(lambda _, answer: heard.append(answer))
    answer = await client.exchange(Call("GET", "/v1/contact/999999"))
    assert answer.status == {"404": 404, "400": 400, "null": 200}[sandbox.behaviour.not_found]
    assert answer.is_own
    assert heard == [answer]


MEMBERS = "empty_members sends_opt_out sends_rev sends_uuid phone_plus tag_shape timestamps offset"
SHAPES = f"{MEMBERS} sends_updated"
MATTERS: dict[Check, str] = {
    get_contact: f"{SHAPES} not_found error_body",
    get_bare_contact: SHAPES,
    find_contact: f"{SHAPES} not_found error_body",
    search_contacts: f"{SHAPES} not_found lists",
    list_contacts: f"{MEMBERS} lists cursor honours_page honours_limit",
    count_contacts: "count_shape",
    create_contact: "create_status sends_uuid error_body",
    create_with_a_known_phone: "known_phone create_status error_body sends_uuid",
    write_contacts: "batch_reply create_status lists known_phone sends_uuid",
    update_contacts: "batch_unsent put_without_names batch_reply",
    update_contact: "put_without_names tags_on_put clears_with sends_uuid",
    update_with_an_unknown_key: "unknown_custom_key error_body",
    delete_contact: "not_found",
    delete_what_is_not_there: "not_found error_body",
    list_custom_fields: "lists ids_as_strings field_name_key",
    list_tags: "lists cursor timestamps offset",
    create_tag: "create_status sends_uuid error_body",
    get_team: "phone_plus",
    list_inboxes: "lists phone_plus",
    exchange: "not_found error_body",
}
CASES = [
    pytest.param(check, {switch: side}, id=f"{check.__name__}-{switch}={side}")
    for check, switches in MATTERS.items()
    for switch in switches.split()
    for side in Behaviour.switches()[switch]
]


def test_every_switch_matters_to_an_endpoint() -> None:
    tried = {switch for switches in MATTERS.values() for switch in switches.split()}
    assert tried == Behaviour.switches().keys()


def test_every_endpoint_of_the_client_is_tried() -> None:
    endpoints = {
        name for name, member in vars(HeymarketClient).items() if callable(member) and not name.startswith("_")
    } - {"aclose"}
    assert endpoints <= {check.__name__ for check in MATTERS}


@pytest.mark.parametrize(("check", "switched"), CASES)
async def test_an_endpoint_works_on_every_side(
    client: HeymarketClient, sandbox: Sandbox, check: Check, switched: dict[str, Any]
) -> None:
    sandbox.behaviour = Behaviour(requests_per_minute=0, **switched)
    await check(client, sandbox)


async def test_looking_for_nobody_asks_nothing(client: HeymarketClient, sandbox: Sandbox) -> None:
    assert await client.search_contacts() == []
    assert sandbox.requests == []


@pytest.mark.parametrize("call", ["get_contact", "delete_contact", "update_contact"])
@pytest.mark.parametrize("escape", ["../team", "5/../../v1/team", "5?overwrite=true", "", "five"])
async def test_an_id_cannot_reach_another_path(
    client: HeymarketClient, sandbox: Sandbox, call: str, escape: Any
) -> None:
    body = [{"phone": NEW}] if call == "update_contact" else []
    with pytest.raises(ValueError, match="invalid literal"):
        await getattr(client, call)(escape, *body)
    assert sandbox.requests == []


async def test_the_contact_found_has_the_phone_that_was_asked_for(connect: OpenClient) -> None:
    """A service that takes a phone for another one must not make us change a stranger."""
    async with connect(httpx.MockTransport(lambda _: httpx.Response(200, json={"id": 5, "phone": KNOWN}))) as client:
        assert await client.find_contact(NEW) is None
        assert await client.find_contact(KNOWN) is not None
