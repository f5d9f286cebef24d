from __future__ import annotations

from collections.abc import Callable
from typing import Any, get_args

import httpx
import pytest

from contacts_mcp.sandbox import Behaviour, Fault, FaultKind, Faults, Sandbox, open_sandbox
from contacts_mcp.sandbox.faults import EFFECTS
from contacts_mcp.sandbox.operations import OPERATIONS, WRITES

NEW = "15105553344"


async def create(client: httpx.AsyncClient, **options: Any) -> httpx.Response:
    return await client.post("/v1/contact", json={"phone": NEW}, **options)


def is_created(sandbox: Sandbox) -> bool:
    return sandbox.store.contact_by_phone(NEW) is not None


@pytest.mark.parametrize(
    ("kind", "carried_out", "status", "media_type"),
    [
        ("status", False, 503, "application/json"),
        ("status_after", True, 503, "application/json"),
        ("gateway", False, 503, "text/html; charset=utf-8"),
        ("gateway_after", True, 503, "text/html; charset=utf-8"),
        ("pretend", False, 200, "application/json"),
        ("html", False, 200, "text/html; charset=utf-8"),
        ("html_after", True, 200, "text/html; charset=utf-8"),
        ("empty", True, 200, "application/json"),
        ("wrong_type", True, 200, "text/plain; charset=utf-8"),
        ("stall", True, 200, "application/json"),
        ("stall_after", True, 200, "application/json"),
        ("drip", True, 200, "application/json"),
    ],
)
async def test_faults_that_answer(
    sandbox: Sandbox, client: httpx.AsyncClient, kind: Any, status: int, media_type: str, *, carried_out: bool
) -> None:
    sandbox.faults.add(Fault("create_contact", kind, status=503))
    response = await create(client)
    assert (response.status_code, response.headers["content-type"]) == (status, media_type)
    assert is_created(sandbox) is carried_out
    assert sandbox.requests[-1].status == status
    assert ("x-request-id" in response.headers) is not kind.startswith("gateway")


@pytest.mark.parametrize(
    ("kind", "carried_out", "error", "recorded"),
    [
        ("drop_before", False, httpx.ReadError, 1),
        ("drop_after", True, httpx.ReadError, 1),
        ("truncate", True, httpx.RemoteProtocolError, 1),
        ("silence", False, httpx.ReadTimeout, 1),
        ("refuse", False, httpx.ConnectError, 0),
    ],
)
async def test_faults_that_do_not(
    sandbox: Sandbox,
    client: httpx.AsyncClient,
    kind: Any,
    error: type[httpx.TransportError],
    recorded: int,
    *,
    carried_out: bool,
) -> None:
    sandbox.faults.add(Fault("create_contact", kind))
    with pytest.raises(error) as caught:
        await create(client, timeout=0.1)
    assert caught.value.request.url.path == "/v1/contact"
    assert is_created(sandbox) is carried_out
    assert len(sandbox.requests) == recorded


def test_every_kind_has_an_effect() -> None:
    assert EFFECTS.keys() == set(get_args(FaultKind))


@pytest.mark.parametrize(("kind", "body"), [("empty", b""), ("wrong_type", b'{"id":'), ("html", b"<!DOCTYPE html>")])
async def test_the_bodies_of_faults(sandbox: Sandbox, client: httpx.AsyncClient, kind: Any, body: bytes) -> None:
    sandbox.faults.add(Fault("create_contact", kind))
    content = (await create(client)).content
    assert content.startswith(body)
    assert bool(content) is bool(body)


@pytest.mark.parametrize(
    ("status", "name"), [(400, "bad_data"), (401, "unauthorized"), (429, "rate_limit_exceeded"), (502, "server_error")]
)
async def test_a_status_comes_with_a_fitting_body_and_retry_after(
    sandbox: Sandbox, client: httpx.AsyncClient, status: int, name: str
) -> None:
    sandbox.faults.add(Fault("create_contact", "status", status=status, retry_after=3))
    response = await create(client)
    assert (response.status_code, response.json()["error"], response.headers["retry-after"]) == (status, name, "3")


async def test_a_status_follows_the_error_shape(sandbox: Sandbox, client: httpx.AsyncClient) -> None:
    sandbox.behaviour = Behaviour(error_body="empty")
    sandbox.faults.add(Fault("create_contact", "status"))
    assert (await create(client)).content == b""


@pytest.mark.parametrize("operation", [operation.name for operation in OPERATIONS])
@pytest.mark.parametrize("status", [400, 404])
async def test_a_gateway_answers_any_operation_with_a_page_and_no_request_id(
    sandbox: Sandbox, client: httpx.AsyncClient, operation: str, status: int
) -> None:
    """So is a request without credentials. The API answers the next one again."""
    sandbox.faults.add(Fault(operation, "gateway", status=status, retry_after=2))
    (asked,) = [one for one in OPERATIONS if one.name == operation]
    path = asked.path.format(id=1001)
    first, second = [await client.request(asked.method, path, headers={"Authorization": "no"}) for _ in range(2)]
    assert (first.status_code, first.headers["content-type"]) == (status, "text/html; charset=utf-8")
    assert first.text.startswith("<!DOCTYPE html>")
    assert first.headers["retry-after"] == "2"
    assert "x-request-id" not in first.headers
    assert (second.status_code, "x-request-id" in second.headers) == (401, True)


REV = {"grown": 2, "same": 1, "none": None}
SPRING = {"tag": "Spring"}
# operation -> the request, and the reply without its `rev`
PRETENDED: dict[str, tuple[tuple[str, str, Any], Any]] = {
    "create_contact": (("POST", "/v1/contact", {"phone": NEW}), {"id": 1041}),
    "update_contact": (("PUT", "/v1/contact/1001", {"phone": "15105550100", "first": "Jo"}), {"id": 1001}),
    "delete_contact": (("DELETE", "/v1/contact/1001", None), "ok"),
    "set_contact_status": (("POST", "/v1/contact/set_status", {"id": "1001", "status": "blocked"}), "success"),
    "batch_contacts": (("POST", "/v1/batch/contacts", [{"phone": NEW}, {"phone": "bad"}]), [{"phone": "bad"}]),
    "create_fields": (
        ("POST", "/v1/contacts/fields", [{"title": "Birthday"}]),
        [{"id": 41, "title": "Birthday", "duplicate": False}],
    ),
    "create_tag": (("POST", "/v1/tag", SPRING), {"id": 107}),
}


@pytest.mark.parametrize("pretended_rev", REV)
@pytest.mark.parametrize("operation", PRETENDED)
async def test_a_pretended_write_is_answered_as_if_and_changes_nothing(
    sandbox: Sandbox, client: httpx.AsyncClient, operation: str, pretended_rev: Any
) -> None:
    (method, path, body), answered = PRETENDED[operation]
    before = (sandbox.store.contacts(), sandbox.store.fields(), sandbox.store.tags())
    sandbox.behaviour = Behaviour(sends_uuid=False, read_delay_writes=2)
    sandbox.faults.add(Fault(operation, "pretend", pretended_rev=pretended_rev))
    response = await client.request(method, path, json=body)
    reply = response.json()
    rev = reply.pop("rev", None) if isinstance(reply, dict) else None
    assert (response.status_code, reply) == (200, answered)
    has_rev = operation in ("update_contact", "create_contact", "create_tag")
    assert rev == (min(REV[pretended_rev] or 0, 2 if operation == "update_contact" else 1) or None if has_rev else None)
    assert (sandbox.store.contacts(), sandbox.store.fields(), sandbox.store.tags()) == before
    sandbox.store.touch(1001, first="Edited")
    assert (await client.get("/v1/contact/1001")).json()["first"] == "Edited"


def test_every_write_can_be_pretended() -> None:
    assert PRETENDED.keys() == WRITES


async def test_a_pretended_write_that_would_be_refused_is_refused(sandbox: Sandbox, client: httpx.AsyncClient) -> None:
    sandbox.behaviour = Behaviour(error_body="text")
    sandbox.faults.add(Fault("create_contact", "pretend"))
    assert (await client.post("/v1/contact", json={})).status_code == 400


async def test_an_id_that_was_only_pretended_is_given_to_the_next_contact(
    sandbox: Sandbox, client: httpx.AsyncClient
) -> None:
    sandbox.faults.add(Fault("create_contact", "pretend"))
    ids = [(await client.post("/v1/contact", json={"phone": phone})).json()["id"] for phone in (NEW, "15105553345")]
    assert ids[0] == ids[1]
    assert not is_created(sandbox)


@pytest.mark.parametrize(("kind", "carried_out"), [("stall", False), ("stall_after", True)])
async def test_a_stall_longer_than_the_read_timeout(
    sandbox: Sandbox, client: httpx.AsyncClient, kind: Any, *, carried_out: bool
) -> None:
    sandbox.faults.add(Fault("create_contact", kind, delay=5))
    with pytest.raises(httpx.ReadTimeout):
        await create(client, timeout=0.02)
    assert is_created(sandbox) is carried_out


async def test_a_drip_never_times_out_because_each_read_is_quick(sandbox: Sandbox, client: httpx.AsyncClient) -> None:
    sandbox.faults.add(Fault("create_contact", "drip", delay=0.002))
    response = await create(client, timeout=0.1)
    assert response.elapsed.total_seconds() > 0.1
    assert response.json()["rev"] == 1


async def test_without_a_timeout_a_stall_is_waited_out(sandbox: Sandbox, client: httpx.AsyncClient) -> None:
    sandbox.faults.add(Fault("create_contact", "stall", delay=0.01))
    assert (await create(client, timeout=None)).status_code == 200


async def test_over_a_bare_asgi_transport_a_truncated_body_is_just_short(sandbox: Sandbox) -> None:
    sandbox.faults.add(Fault("get_contact", "truncate"))
    transport = httpx.ASGITransport(sandbox.app)
    async with httpx.AsyncClient(
        transport=transport, base_url="http://sandbox", auth=("sandbox-api-key", "")
    ) as client:
        response = await client.get("/v1/contact/1001")
    assert len(response.content) < int(response.headers["content-length"])


async def test_a_fault_is_for_one_operation_or_for_all(sandbox: Sandbox, client: httpx.AsyncClient) -> None:
    sandbox.faults.add(Fault("list_tags", "status"), Fault("*", "status", status=502))
    assert (await client.get("/v1/team")).status_code == 502
    assert (await client.get("/v1/team")).status_code == 200
    assert (await client.post("/v1/tags", json={})).status_code == 500


async def test_a_fault_strikes_before_credentials_are_looked_at(sandbox: Sandbox, client: httpx.AsyncClient) -> None:
    sandbox.faults.add(Fault("*", "status"))
    assert (await client.get("/v1/team", headers={"Authorization": "no"})).status_code == 500


def strikes(faults: Faults, times: int, operation: str = "get_team") -> list[int | None]:
    taken = [faults.take(operation) for _ in range(times)]
    return [fault.status if fault else None for fault in taken]


def test_faults_are_an_instruction_list() -> None:
    faults = Faults()
    faults.add(Fault("get_team", "status", status=501, times=2, skip=1), Fault("*", "status", status=502))
    assert strikes(faults, 5) == [502, 501, 501, None, None]


def test_pending_shows_what_is_left() -> None:
    faults = Faults()
    faults.add(Fault("get_team", "status", times=3, skip=1))
    strikes(faults, 2)
    assert faults.pending == list(faults) == [Fault("get_team", "status", times=2)]
    assert len(faults) == 1
    faults.clear()
    assert faults.pending == []


def test_minus_one_is_for_ever() -> None:
    faults = Faults()
    faults.add(Fault("get_team", "status", times=-1))
    assert set(strikes(faults, 50)) == {500}


def test_a_probability_strikes_its_share_and_follows_the_seed() -> None:
    def series(seed: int) -> list[int | None]:
        faults = Faults(seed=seed)
        faults.add(Fault("*", "status", times=-1, probability=0.2))
        return strikes(faults, 1000)

    assert series(1) == series(1) != series(2)
    assert 150 < len([status for status in series(1) if status]) < 250


def test_only_a_strike_uses_a_probable_fault_up() -> None:
    faults = Faults()
    faults.add(Fault("*", "status", times=3, probability=0.3))
    assert len([status for status in strikes(faults, 200) if status]) == 3


@pytest.mark.parametrize(
    "make", [lambda: Fault("creat_contact", "status"), lambda: Fault("*", "explode")], ids=["operation", "kind"]
)
def test_a_misspelt_fault_is_refused(make: Callable[[], Fault]) -> None:
    with pytest.raises(ValueError, match=r"is one of|should be"):
        make()


async def test_the_sandbox_hands_its_seed_to_the_dice() -> None:
    def pattern(seed: int) -> list[int | None]:
        sandbox = open_sandbox(contacts=0, seed=seed)
        sandbox.faults.add(Fault("*", "status", times=-1, probability=0.5))
        sandbox.close()
        return strikes(sandbox.faults, 64)

    assert pattern(7) == pattern(7) != pattern(8)
