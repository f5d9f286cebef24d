"""The sandbox on a real port, where a socket does the things that an in-process transport only plays."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator
from contextlib import closing
from typing import Any

import anyio
import httpx
import pytest

from contacts_mcp.sandbox import Fault, FaultKind, Intervention, Oddity, Sandbox, open_sandbox, serve
from contacts_mcp.sandbox.rows.replica import READ_KINDS

NEW = "15105553344"
PHONE = "15105550100"


@pytest.fixture
async def served() -> AsyncIterator[tuple[Sandbox, httpx.AsyncClient]]:
    with closing(open_sandbox(contacts=3, control=True)) as sandbox:
        async with anyio.create_task_group() as tasks:
            url = await tasks.start(serve, sandbox)
            async with httpx.AsyncClient(base_url=url, headers={"Authorization": "Bearer sandbox-api-key"}) as client:
                yield sandbox, client
            tasks.cancel_scope.cancel()


Served = tuple[Sandbox, httpx.AsyncClient]


async def test_it_answers_with_a_date(served: Served) -> None:
    _, client = served
    response = await client.get("/v1/contact/1001")
    assert response.json()["first"] == "Jordan"
    assert {"date", "x-request-id"} <= response.headers.keys()


@pytest.mark.parametrize(
    ("kind", "carried_out"), [("drop_before", False), ("drop_after", True), ("refuse", False), ("truncate", True)]
)
async def test_a_broken_connection_is_really_broken(
    served: Served, caplog: pytest.LogCaptureFixture, kind: FaultKind, *, carried_out: bool
) -> None:
    sandbox, client = served
    sandbox.faults.add(Fault("create_contact", kind))
    with caplog.at_level(logging.WARNING), pytest.raises((httpx.RemoteProtocolError, httpx.ReadError)):
        await client.post("/v1/contact", json={"phone": NEW})
    assert (sandbox.store.contact_by_phone(NEW) is not None) is carried_out
    assert caplog.records == []
    assert (await client.get("/v1/team")).status_code == 200


async def test_a_stall_is_carried_out_although_the_client_has_gone(served: Served) -> None:
    sandbox, client = served
    sandbox.faults.add(Fault("create_contact", "stall", delay=0.1))
    with pytest.raises(httpx.ReadTimeout):
        await client.post("/v1/contact", json={"phone": NEW}, timeout=0.03)
    assert sandbox.store.contact_by_phone(NEW) is None
    with anyio.fail_after(2):
        while sandbox.store.contact_by_phone(NEW) is None:  # noqa: ASYNC110 - what is waited for has no event
            await anyio.sleep(0.01)


async def test_a_drip_arrives_in_the_end(served: Served) -> None:
    sandbox, client = served
    sandbox.faults.add(Fault("create_contact", "drip", delay=0.001))
    assert (await client.post("/v1/contact", json={"phone": NEW}, timeout=0.5)).json()["rev"] == 1


async def test_switches_and_faults_are_set_over_http(served: Served) -> None:
    _, client = served
    behaviour = (await client.post("/_sandbox/behaviour", json={"create_status": 201, "page_size": 2})).json()
    assert (behaviour["create_status"], behaviour["page_size"], behaviour["cursor"]) == (201, 2, "strict")
    assert len((await client.post("/v1/contacts", json={})).json()) == 2
    await client.post("/_sandbox/faults", json=[{"operation": "get_team", "kind": "status", "status": 502}])
    assert [(await client.get("/v1/team")).status_code for _ in range(2)] == [502, 200]


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("behaviour", {"cursor": "loose"}),
        ("behaviour", {"speed": 5}),
        ("behaviour", []),
        ("behaviour", {"lags": [{"reads": 1, "of": ["get_team"]}]}),
        ("behaviour", {"lags": [{"raeds": 1}]}),
        ("behaviour", {"page_size": "2"}),
        ("faults", [{"operation": "get_team"}]),
        ("faults", [{"operation": "nothing", "kind": "status"}]),
        ("faults", 5),
        ("faults", [{"operation": "get_team", "kind": "status", "speed": 5}]),
        ("faults", [{"operation": "update_contact", "kind": "drop_after", "late": 6}]),
        ("faults", [{"operation": "update_contact", "kind": "status", "late": "6"}]),
        ("interventions", [{"action": "edit"}]),
        ("interventions", [{"action": "edit", "contact_id": 1001, "members": {"frist": "Jo"}}]),
        ("oddities", [{"members": {}}]),
        ("land?everything=perhaps", None),
    ],
)
async def test_wrong_switches_are_refused(served: Served, path: str, body: Any) -> None:
    _, client = served
    response = await client.post(f"/_sandbox/{path}", json=body)
    assert response.status_code == 400
    assert response.json()["error"]


async def test_late_writes_are_ordered_shown_and_landed_over_http(served: Served) -> None:
    sandbox, client = served
    late = {"operation": "update_contact", "kind": "gateway", "status": 504, "late": 900, "lag": {"reads": 1}}
    (pending,) = (await client.post("/_sandbox/faults", json=[late])).json()
    assert pending["lag"] == {"reads": 1, "seconds": 0.0, "of": list(READ_KINDS)}
    assert (await client.put("/v1/contact/1001", json={"phone": PHONE, "first": "Jo"})).status_code == 504
    (outstanding,) = (await client.get("/_sandbox/late")).json()
    assert outstanding["due"] > sandbox.state.now() + 800
    assert (outstanding["operation"], outstanding["body"]["first"]) == ("update_contact", "Jo")
    assert (await client.post("/_sandbox/land")).json() == []
    (landed,) = (await client.post("/_sandbox/land?everything=true")).json()
    assert (landed["status"], landed["landed"]) == (504, 200)
    assert [(await client.get("/v1/contact/1001")).json()["first"] for _ in range(2)] == ["Jordan", "Jo"]
    assert (await client.get("/_sandbox/late")).json() == []


async def test_the_contacts_shown_are_those_of_the_moment(served: Served) -> None:
    sandbox, client = served
    fault = {"operation": "delete_contact", "kind": "status", "late": 900}
    await client.post("/_sandbox/faults", json=[fault])
    await client.delete("/v1/contact/1001")
    assert len((await client.get("/_sandbox/contacts")).json()) == 3
    later = sandbox.state.now() + 900
    sandbox.state.clock = lambda: later
    assert [contact["id"] for contact in (await client.get("/_sandbox/contacts")).json()] == [1002, 1003]


async def test_lags_interventions_and_oddities_are_set_over_http(served: Served) -> None:
    _, client = served
    lags = [{"seconds": 900, "of": ["get_contact"]}]
    assert (await client.post("/_sandbox/behaviour", json={"lags": lags})).json()["lags"] == [{**lags[0], "reads": 0}]
    edit = {"action": "edit", "operation": "delete_contact", "contact_id": 1001, "members": {"first": "Jo"}}
    assert len((await client.post("/_sandbox/interventions", json=[edit])).json()) == 1
    await client.delete("/v1/contact/1001")
    assert (await client.get("/v1/contact/1001")).json()["first"] == "Jo"
    assert (await client.post("/_sandbox/catch-up")).json() == "ok"
    assert (await client.get("/v1/contact/1001")).status_code == 404
    odd = {"id": 31, "row": "field", "without": ["id"]}
    assert len((await client.post("/_sandbox/oddities", json=[odd])).json()) == 1
    assert (await client.post("/v1/contact-fields")).json()[0] == {"title": "Plan"}


async def test_a_silence_is_silent_until_the_client_gives_up(served: Served, caplog: pytest.LogCaptureFixture) -> None:
    sandbox, client = served
    sandbox.faults.add(Fault("create_contact", "silence", late=0))
    with caplog.at_level(logging.WARNING), pytest.raises(httpx.ReadTimeout):
        await client.post("/v1/contact", json={"phone": NEW}, timeout=0.05)
    assert sandbox.store.contact_by_phone(NEW)
    assert (await client.get("/v1/team")).status_code == 200
    assert caplog.records == []


async def test_everything_can_be_looked_at_and_started_over(served: Served) -> None:
    sandbox, client = served
    fresh = (await client.get("/_sandbox/contacts")).json()
    sandbox.faults.add(Fault("*", "status", skip=9))
    sandbox.interventions.add(Intervention("delete", contact_id=1002, skip=9))
    sandbox.oddities.append(Oddity(1001))
    await client.post("/_sandbox/behaviour", json={"page_size": 2})
    await client.delete("/v1/contact/1001")
    assert [asked["operation"] for asked in (await client.get("/_sandbox/requests")).json()] == ["delete_contact"]
    assert (await client.post("/_sandbox/reset")).json() == "ok"
    assert (await client.get("/_sandbox/contacts")).json() == fresh
    assert (await client.get("/_sandbox/requests")).json() == []
    assert (sandbox.faults.pending, sandbox.behaviour.page_size) == ([], 30)
    assert (sandbox.interventions.pending, sandbox.oddities) == ([], [])


async def test_there_is_no_control_unless_asked_for(client: httpx.AsyncClient) -> None:
    assert (await client.get("/_sandbox/contacts")).status_code == 404


async def test_an_address_in_use_is_an_os_error(served: Served, sandbox: Sandbox) -> None:
    _, client = served
    with pytest.raises(OSError, match="in use"):
        await serve(sandbox, "127.0.0.1", client.base_url.port or 0)
