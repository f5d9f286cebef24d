"""The gate: tools by scope, bodies, hosts, and the other addresses.

Guards `contacts_mcp/server/gate.py` and `contacts_mcp/server/hosting.py`.
"""

from __future__ import annotations

import json
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any

import anyio
import httpx
import pytest
from support.hosting import ADDRESS, ERAS, HANDSHAKE, MODERN, Team, holder, hosted, message, read
from support.issuer import ALL_SCOPES, Issuer

from contacts_mcp.accounts import SCOPES
from contacts_mcp.config import Settings
from contacts_mcp.sandbox import Fault
from contacts_mcp.server.gate import LARGEST_BODY, LEAST_BODY, ScopeGate
from contacts_mcp.server.hosting import METADATA, Check, Hosting
from contacts_mcp.server.instructions import SENTENCES
from contacts_mcp.server.tools import TOOLS, aliases
from contacts_mcp.server.tools.entry import Scope
from contacts_mcp.workspace import Workspace

READER, WRITER, OWNER, BULK, PLANNER = "a-reader", "a-writer", "an-owner", "all-of-it", "reads-in-bulk"
HELD: dict[str, tuple[str, ...]] = {
    READER: ("read",),
    WRITER: ("read", "write"),
    OWNER: ("read", "write", "delete"),
    BULK: ("read", "write", "delete", "bulk"),
    PLANNER: ("read", "bulk"),
}
ACCOUNTS = "[accounts.oakland]\nsandbox = true\n" + "".join(
    holder("oakland", token, token, *scopes) for token, scopes in HELD.items()
)


@pytest.fixture(params=ERAS)
def era(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
async def team(tmp_path: Path) -> AsyncIterator[Team]:
    async with hosted(tmp_path, ACCOUNTS) as opened:
        yield opened


def scopes_of(token: str) -> set[str]:
    return {f"contacts:{scope}" for scope in HELD[token]}


def allowed(token: str) -> set[str]:
    return {tool.name for tool in TOOLS if {*tool.scopes} <= scopes_of(token)}


def test_the_scopes_of_tools_are_those_of_the_accounts_file() -> None:
    assert Scope.__args__ == SCOPES


# Tools


@pytest.mark.parametrize("token", HELD)
async def test_the_list_shows_the_tools_that_the_caller_may_use(token: str, era: str, team: Team) -> None:
    listed = await team.ask(era, "tools/list", token=token)
    assert {tool["name"] for tool in listed["tools"]} == allowed(token)
    if era == MODERN:
        assert listed["cacheScope"] == "private"


@pytest.mark.parametrize("token", [READER, WRITER, PLANNER])
async def test_a_tool_beyond_the_scopes_is_refused_with_those_that_are_needed(token: str, era: str, team: Team) -> None:
    for tool in TOOLS:
        response = await team.post(era, "tools/call", {"name": tool.name, "arguments": {}}, token=token)
        missing = {*tool.scopes} - scopes_of(token)
        if not missing:
            assert response.status_code == 200
            continue
        assert response.status_code == 403
        assert response.json()["error"] == "insufficient_scope"
        assert all(scope in response.json()["error_description"] for scope in missing)
        told = response.headers["www-authenticate"]
        wanted = missing | scopes_of(token)
        assert 'error="insufficient_scope"' in told
        assert f'scope="{" ".join(scope for scope in SCOPES if scope in wanted)}"' in told


async def test_a_hidden_tool_is_none_for_the_server_behind_the_gate(era: str, team: Team) -> None:
    """Nothing depends on the gate reading the body as the SDK does."""
    headers, body = message(era, "tools/call", {"name": "delete_contact", "arguments": {"contact_id": 1001}})
    gate = next(part for part in team.hosting.app.user_middleware if part.cls is ScopeGate)
    gate.kwargs["needs"] = {}
    response = await team.client.post("/mcp", json=body, headers=headers | {"Authorization": f"Bearer {READER}"})
    result = read(response)["result"]
    assert result["structuredContent"]["kind"] == "tool_off"
    assert "delete_contact" not in result["content"][0]["text"].partition("There are")[2]
    assert team.sandboxes == {}


async def test_a_tool_in_a_batch_is_seen(team: Team) -> None:
    headers, body = message(HANDSHAKE, "tools/call", {"name": "delete_contact", "arguments": {}})
    response = await team.client.post("/mcp", json=[body], headers=headers | {"Authorization": f"Bearer {READER}"})
    assert response.status_code == 403


def test_arguments_that_moved_to_another_tool_need_no_more_than_the_first() -> None:
    scopes = {tool.name: {*tool.scopes} for tool in TOOLS}
    moved = {
        (tool.name, other)
        for tool in TOOLS
        for name in [*aliases.PARAMETERS, *aliases.TOOLS, "name", "tag", "query", "where", "filters"]
        if (other := aliases.successor(tool.name, [name]))
    }
    assert [(one, other) for one, other in moved if not scopes[other] <= scopes[one]] == []


async def test_prompts_about_tools_that_the_caller_has_not_are_hidden(era: str, team: Team) -> None:
    few, all_of_them = [await team.ask(era, "prompts/list", token=token) for token in (READER, BULK)]
    assert len(few["prompts"]) < len(all_of_them["prompts"])
    hidden = {one["name"] for one in all_of_them["prompts"]} - {one["name"] for one in few["prompts"]}
    answer = await team.ask(era, "prompts/get", {"name": min(hidden), "arguments": {}}, token=READER)
    assert "There is no prompt" in answer["message"]


async def test_the_instructions_name_the_tools_of_the_caller(era: str, team: Team) -> None:
    method, params = "server/discover", {}
    if era == HANDSHAKE:
        client = {"name": "test", "version": "0"}
        method, params = "initialize", {"protocolVersion": era, "capabilities": {}, "clientInfo": client}
    for token in (READER, BULK):
        told = (await team.ask(era, method, params, token=token))["instructions"]
        about = [sentence for sentence, needs in SENTENCES if needs and {*needs}.isdisjoint(allowed(token))]
        assert [sentence for sentence in about if sentence in told] == []
        assert "lookup_contact" in told


def of_ada(issuer: Issuer) -> str:
    """A file of accounts with one, for Ada alone."""
    return f'{issuer.table}[accounts.oakland]\nsandbox = true\nsubjects = ["{issuer.url} ada"]\n'


async def test_a_token_without_the_scope_to_read_comes_nowhere(era: str, tmp_path: Path) -> None:
    with Issuer().serving() as issuer:
        async with hosted(tmp_path, of_ada(issuer)) as team:
            for scope in ("", "openid email", "contacts:write", "contacts:readx"):
                response = await team.post(era, "tools/list", token=issuer.signed(scope=scope))
                assert response.status_code == 403
                assert "contacts:read" in response.headers["www-authenticate"]


@pytest.mark.parametrize("path", ["/mcp%0A", "/%6dcp%0A", "/mcp%0D", "/readyz%0A"])
async def test_a_path_that_another_part_reads_as_ours_leads_nowhere(path: str, tmp_path: Path) -> None:
    """Starlette's `/mcp` is also `/mcp` with an end of line, and would be reached without the gate."""
    with Issuer().serving() as issuer:
        async with hosted(tmp_path, of_ada(issuer)) as team:
            headers, body = message(MODERN, "resources/read", {"uri": "contacts://contact/1001"})
            headers |= {"Authorization": f"Bearer {issuer.signed(scope='openid')}"}
            response = await team.client.post(path, json=body, headers=headers)
            assert (response.status_code, response.text) == (404, "Not Found")
            assert team.sandboxes == {}


async def test_an_account_that_only_reads_offers_no_more_to_anybody(era: str, tmp_path: Path) -> None:
    only_read = ACCOUNTS.replace("sandbox = true", "sandbox = true\nread_only = true")
    async with hosted(tmp_path, only_read) as team:
        listed = await team.ask(era, "tools/list", token=BULK)
        assert {tool["name"] for tool in listed["tools"]} == {tool.name for tool in TOOLS if tool.reads_only}
        answer = await team.call(era, "create_contact", BULK, phone="(510) 555-0177", first="Jo")
        assert answer["kind"] == "tool_off"


# Bodies


async def test_a_large_body_is_refused(era: str, team: Team) -> None:
    headers, body = message(era, "tools/call", {"name": "lookup_contact", "arguments": {"name": "x" * LARGEST_BODY}})
    content = json.dumps(body).encode()

    async def in_parts() -> AsyncIterator[bytes]:  # without a Content-Length
        for start in range(0, len(content), 10_000):
            yield content[start : start + 10_000]

    headers |= {"Authorization": f"Bearer {READER}", "Content-Type": "application/json"}
    for given in (content, in_parts()):
        response = await team.client.post("/mcp", content=given, headers=headers)
        assert response.status_code == 413
        assert response.headers["connection"] == "close"


async def test_a_slow_body_is_given_up(team: Team) -> None:
    gate = next(part for part in team.hosting.app.user_middleware if part.cls is ScopeGate)
    gate.kwargs["within"] = 0.2

    async def slowly() -> AsyncIterator[bytes]:
        yield b'{"jsonrpc": '
        await anyio.sleep(5)
        yield b"}"

    headers = {"Authorization": f"Bearer {READER}", "Content-Type": "application/json"}
    with anyio.fail_after(2):
        response = await team.client.post("/mcp", content=slowly(), headers=headers)
    assert response.status_code == 408
    assert response.headers["connection"] == "close"


@pytest.mark.parametrize("path", ["/mcp", "/healthz", "/nowhere"])
async def test_little_is_read_of_a_stranger(path: str, team: Team, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("contacts_mcp.server.gate.LEAST_WITHIN", 0.2)
    taken = 0

    async def endless(pause: float) -> AsyncIterator[bytes]:
        nonlocal taken
        while True:
            yield b"x" * 1_000
            taken += 1_000
            await anyio.sleep(pause)

    for pause, most in (0.0, LEAST_BODY + 2_000), (0.15, 3_000):
        taken = 0
        answer = await team.client.post(path, content=endless(pause))
        assert answer.status_code in (401, 404, 405)
        assert (answer.headers["connection"], taken <= most) == ("close", True)
    assert "connection" not in (await team.client.post(path, content=b"{}")).headers


@pytest.mark.parametrize(
    "body", [b"", b"{", b"[]", b"null", b'"x"', b"\xff\xfe", b"[" * 100_000], ids=lambda body: body[:4]
)
async def test_a_body_that_is_none_is_refused_by_the_protocol(body: bytes, era: str, team: Team) -> None:
    headers = message(era, "tools/list")[0] | {"Authorization": f"Bearer {READER}", "Content-Type": "application/json"}
    assert (await team.client.post("/mcp", content=body, headers=headers)).status_code == 400


@pytest.mark.parametrize("method", ["GET", "DELETE", "PUT", "HEAD", "OPTIONS"])
async def test_only_post_is_answered(method: str, team: Team) -> None:
    response = await team.client.request(method, "/mcp", headers={"Authorization": f"Bearer {READER}"})
    assert response.status_code == 405
    assert response.headers["allow"] == "POST"
    assert (await team.client.request(method, "/mcp")).status_code == 401


async def test_a_header_that_names_another_tool_than_the_body_is_refused(team: Team) -> None:
    response = await team.post(
        MODERN, "tools/call", {"name": "lookup_contact", "arguments": {}}, token=READER, **{"Mcp-Name": "list_contacts"}
    )
    assert (response.status_code, response.json()["error"]["code"]) == (400, -32020)


# Hosts and origins


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({}, 200),
        ({"Host": "contacts.example.com:443"}, 200),
        ({"Host": "Contacts.Example.com"}, 200),
        ({"Host": "evil.example.com"}, 421),
        ({"Host": "contacts.example.com.evil.example.com"}, 421),
        ({"Host": "127.0.0.1"}, 421),
        ({"Host": "inner.example.com"}, 200),
        ({"Host": "other.example.com:8080"}, 200),
        ({"Host": "other.example.com"}, 421),
        ({"Origin": "https://evil.example.com"}, 403),
        ({"Origin": "null"}, 403),
        ({"Origin": "https://chat.example.com"}, 200),
        ({"Origin": "https://chat.example.com.evil.example.com"}, 403),
    ],
    ids=str,
)
async def test_hosts_and_origins_are_checked_at_a_public_address(
    headers: dict[str, str], status: int, era: str, tmp_path: Path
) -> None:
    lists = {
        "allowed_hosts": "inner.example.com, other.example.com:8080",
        "allowed_origins": "https://chat.example.com",
    }
    async with hosted(tmp_path, ACCOUNTS, **lists) as team:
        assert (await team.post(era, "tools/list", token=READER, **headers)).status_code == status


@pytest.mark.parametrize("origin", ["https://chat.example.com", "http://localhost:3000"])
async def test_a_page_of_an_allowed_origin_can_read_the_answers(origin: str, tmp_path: Path) -> None:
    async with hosted(tmp_path, ACCOUNTS, allowed_origins="https://chat.example.com, http://localhost:*") as team:
        asks = {"Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "authorization, mcp-method"}
        before = await team.client.options("/mcp", headers={"Origin": origin} | asks)
        assert before.status_code == 200
        assert before.headers["access-control-allow-origin"] == origin
        # Clients ask with the version of the protocol for the document about OAuth, too.
        asks_for_it = asks | {"Access-Control-Request-Method": "GET"}
        assert (await team.client.options(METADATA, headers={"Origin": origin} | asks_for_it)).is_success
        after = await team.post(MODERN, "tools/list", Origin=origin)
        assert after.status_code == 401
        assert after.headers["access-control-allow-origin"] == origin
        assert "WWW-Authenticate" in after.headers["access-control-expose-headers"]
        other = await team.client.options("/mcp", headers={"Origin": "https://evil.example.com"} | asks)
        assert "access-control-allow-origin" not in other.headers


# The other addresses


async def test_the_document_names_the_issuers_and_all_scopes(tmp_path: Path) -> None:
    with Issuer().serving() as issuer:
        accounts = f"{issuer.table}{ACCOUNTS}"
        async with hosted(tmp_path, accounts) as team:
            for path in ("", "/mcp"):
                response = await team.client.get(f"/.well-known/oauth-protected-resource{path}")
                assert response.headers["access-control-allow-origin"] == "*"
                assert response.json() == {
                    "resource": f"{ADDRESS}/mcp",
                    "authorization_servers": [issuer.url],
                    "scopes_supported": ALL_SCOPES.split(),
                    "bearer_methods_supported": ["header"],
                    "resource_name": "Heymarket contacts",
                }


async def test_without_issuers_there_is_no_document_and_none_is_named(team: Team) -> None:
    assert (await team.client.get("/.well-known/oauth-protected-resource")).status_code == 404
    assert "resource_metadata" not in (await team.post(MODERN, "tools/list")).headers["www-authenticate"]


async def test_health_says_a_word_to_anybody(team: Team) -> None:
    alive = await team.client.get("/healthz", headers={"Host": "10.0.0.7:8000"})
    assert (alive.status_code, alive.text) == (200, "ok")
    ready = await team.client.get("/readyz", headers={"Host": "10.0.0.7:8000"})
    assert ready.json() == {"ready": True, "keys": "ok", "files": "ok", "heymarket": "not asked yet"}


async def test_a_data_directory_that_cannot_be_written_makes_it_not_ready(tmp_path: Path) -> None:
    (tmp_path / "taken").write_text("no folder", encoding="utf-8")
    shared = {"database_url": "postgresql://127.0.0.1:9/none", "redis_url": "redis://127.0.0.1:9"}
    for more, status in ({"data_dir": tmp_path / "data"}, 200), ({}, 503), (shared, 200):
        async with hosted(tmp_path, ACCOUNTS, **({"data_dir": tmp_path / "taken"} | more)) as team:
            ready = await team.client.get("/readyz")
        assert ready.status_code == status, more
        assert ready.json().get("files") == {200: None if more is shared else "ok", 503: "failing"}[status]


@pytest.mark.parametrize("path", ["/mcp/", "/healthz/", "/readyz/", "//evil.example.com/mcp/", "/mcp//"])
async def test_no_answer_leads_to_the_host_that_a_client_names(path: str, team: Team) -> None:
    for method in ("GET", "POST"):
        answer = await team.client.request(method, f"{ADDRESS}{path}", headers={"Host": "evil.example.com"})
        assert answer.status_code == 404
        assert "evil" not in repr(answer.headers) + answer.text


@pytest.mark.parametrize("state", ["failing", "raising", "hanging"])
async def test_a_part_that_is_missing_makes_it_not_ready(state: str, tmp_path: Path, monkeypatch: Any) -> None:
    monkeypatch.setattr("contacts_mcp.server.hosting.CHECK_WITHIN", 0.1)
    asked: list[str] = []

    async def ask() -> bool:
        asked.append(state)
        if state == "raising":
            raise ConnectionRefusedError("postgresql://user:secret@host")
        if state == "hanging":
            await anyio.sleep(5)
        return False

    async with hosted(tmp_path, ACCOUNTS, checks=[Check("database", ask)]) as team:
        ready = [await team.client.get("/readyz") for _ in range(5)]
        assert {one.status_code for one in ready} == {503}
        assert ready[0].json() == {
            "ready": False,
            "database": "failing",
            "keys": "ok",
            "files": "ok",
            "heymarket": "not asked yet",
        }
        assert len(asked) == 1, "whoever asks often must not load the database"
        assert (await team.client.get("/healthz")).status_code == 200


async def test_the_service_behind_is_told_of_and_decides_nothing(era: str, tmp_path: Path) -> None:
    async with hosted(tmp_path, ACCOUNTS) as team:
        await team.call(era, "lookup_contact", READER, contact_id=1001)
        assert (await team.client.get("/readyz")).json()["heymarket"] == "ok"
        team.sandboxes["oakland"].faults.add(Fault("*", "status", status=503, times=-1))
        facts = await team.call(era, "lookup_contact", READER, contact_id=1002)
        assert facts["kind"] == "service_failed"
        told = await team.client.get("/readyz")
        assert (told.status_code, told.json()["heymarket"]) == (200, "failing")


async def test_a_drain_says_so_and_closes_connections(era: str, team: Team) -> None:
    assert (await team.post(era, "tools/list", token=READER)).headers.get("connection", "keep-alive") == "keep-alive"
    team.hosting.begin_drain()
    response = await team.post(era, "tools/list", token=READER)
    assert (response.status_code, response.headers["connection"]) == (200, "close")
    ready = await team.client.get("/readyz")
    assert (ready.status_code, ready.headers["connection"]) == (503, "close")
    assert ready.json()["draining"] is True


async def test_a_drain_ends_long_streams(team: Team) -> None:
    filters = {"notifications": {"toolsListChanged": True}}
    ended = anyio.Event()

    async def listen() -> None:
        response = await team.post(MODERN, "subscriptions/listen", filters, token=READER)
        assert response.status_code == 200, response.text
        ended.set()

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(listen)
        await anyio.sleep(0.2)
        assert not ended.is_set()
        team.hosting.begin_drain()
        with anyio.fail_after(2):
            await ended.wait()


async def test_one_person_cannot_hold_all_connections(team: Team) -> None:
    gate = next(part for part in team.hosting.app.user_middleware if part.cls is ScopeGate)
    gate.kwargs["most"] = 3
    filters = {"notifications": {"toolsListChanged": True}}
    async with anyio.create_task_group() as tasks:
        for _ in range(3):
            tasks.start_soon(partial(team.post, MODERN, "subscriptions/listen", filters, token=READER))
        await anyio.sleep(0.2)
        refused = await team.post(MODERN, "tools/list", token=READER)
        assert (refused.status_code, refused.json()["error"]) == (429, "too_many")
        assert refused.headers["retry-after"] == "1"
        assert (await team.post(MODERN, "tools/list", token=WRITER)).status_code == 200, "others are let in"
        team.hosting.begin_drain()
    assert (await team.post(MODERN, "tools/list", token=READER)).status_code == 200


async def test_the_log_and_the_answers_hold_no_token(team: Team, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("DEBUG")
    secret = "cmcp_a-token-that-is-planted"
    answers = [
        (await team.post(MODERN, "tools/list", token=secret)).text,
        (await team.post(MODERN, "tools/call", {"name": "delete_contact"}, token=READER)).text,
    ]
    await team.call(MODERN, "lookup_contact", WRITER, contact_id=1001)
    ours = [record.getMessage() for record in caplog.records if not record.name.startswith("httpx")]
    assert [text for text in (*answers, *ours) if re.search(rf"{secret}|{READER}|{WRITER}", text)] == []


async def test_resources_of_all_accounts_live_around_them(tmp_path: Path) -> None:
    said: list[str] = []

    @asynccontextmanager
    async def around() -> AsyncIterator[None]:
        said.append("opened")
        yield
        said.append("closed")

    class Watched(Workspace):
        async def aclose(self) -> None:
            await super().aclose()
            said.append("account closed")

    (tmp_path / "accounts.toml").write_text(ACCOUNTS, encoding="utf-8")
    settings = Settings.load(accounts=tmp_path / "accounts.toml", sandbox_file=":memory:", data_dir=tmp_path)
    hosting = Hosting(settings, "::1", 8000, make=Watched, around=around())
    async with (
        hosting.app.router.lifespan_context(hosting.app),
        httpx.AsyncClient(transport=httpx.ASGITransport(hosting.app), base_url="http://[::1]:8000") as client,
    ):
        team = Team(hosting, client, {})
        await team.call(MODERN, "lookup_contact", READER, contact_id=1001)
    assert said == ["opened", "account closed", "closed"]
