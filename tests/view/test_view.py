"""The chat view as an assistant gets it: its address, its wire, its file. `scripts/view` draws it in a browser."""

from __future__ import annotations

import gzip
import hashlib
import json
import re
from importlib.resources import files
from pathlib import Path
from typing import Any

import pytest
from mcp.client.extension import advertise
from mcp_types import ClientCapabilities, ElicitResult, Tool
from support import Clock, OpenSession, Session

from contacts_mcp.config import Settings
from contacts_mcp.server import view
from contacts_mcp.server.tools import TOOLS
from contacts_mcp.state.last_client import LastClient, read, remember

PAGE = files("contacts_mcp.server.view").joinpath("view.html").read_text(encoding="utf-8")
SCRIPT = PAGE.partition("<script>")[2].partition("</script>")[0]
FORBIDDEN = (
    "innerHTML", "outerHTML", "insertAdjacentHTML", "document.write", "eval(", "Function(", "srcdoc", ".href", ".src",
    "fetch(", "XMLHttpRequest", "WebSocket", "sendBeacon", "localStorage", "sessionStorage", "indexedDB", "cookie",
    "setTimeout", "setInterval", "import(", "new Worker", "100vh",
)  # fmt: skip


@pytest.fixture(params=["auto", "legacy"])
async def session(request: pytest.FixtureRequest, open_session: OpenSession) -> Any:
    async with open_session(mode=request.param) as opened:
        yield opened


def linked(tool: Tool) -> str | None:
    return ((tool.meta or {}).get("ui") or {}).get("resourceUri")


async def test_every_tool_with_a_screen_is_linked_to_the_page(session: Session) -> None:
    tools = (await session.client.list_tools()).tools
    with_screen = {tool.name for tool in TOOLS if tool.has_screen}
    assert {tool.name for tool in tools if linked(tool)} == with_screen
    assert {linked(tool) for tool in tools} == {view.uri(), None}
    assert "list_contact_fields" not in with_screen


async def test_the_links_are_a_small_part_of_the_list_of_tools(session: Session) -> None:
    tools = (await session.client.list_tools()).tools
    links = [f',"_meta":{json.dumps(tool.meta, separators=(",", ":"))}' for tool in tools if linked(tool)]
    assert sum(map(len, links)) <= 60 * len(links)


async def test_the_page_is_read_as_it_stands_with_a_policy_that_lets_nothing_in(session: Session) -> None:
    listed = {one.uri: one for one in (await session.client.list_resources()).resources}[view.uri()]
    (content,) = (await session.client.read_resource(view.uri())).contents
    assert content.text == PAGE  # type: ignore[union-attr]  # it is text
    assert (content.mime_type, content.meta) == (view.MIME_TYPE, {"ui": {"csp": {}}})
    assert (listed.mime_type, listed.meta) == (view.MIME_TYPE, {"ui": {"csp": {}}})


@pytest.mark.parametrize("name", ["00000000", "view-00000000.html"])
async def test_an_old_address_gives_the_page_of_today(session: Session, name: str) -> None:
    (content,) = (await session.client.read_resource(f"ui://contacts-mcp/{name}")).contents
    assert content.text == PAGE  # type: ignore[union-attr]  # it is text


def test_the_address_holds_the_hash_of_the_page() -> None:
    assert view.uri() == f"ui://contacts-mcp/{hashlib.sha256(PAGE.encode()).hexdigest()[:8]}"


async def test_the_server_says_that_it_has_screens(open_session: OpenSession) -> None:
    async with open_session() as session:
        assert view.EXTENSION in (session.client.server_capabilities.extensions or {})


async def test_switched_off_nothing_of_it_is_left(open_session: OpenSession) -> None:
    async with open_session(view=False) as session:
        client = session.client
        assert not any(linked(tool) for tool in (await client.list_tools()).tools)
        assert "view" not in [one.name for one in (await client.list_resources()).resources]
        assert "view" not in [one.name for one in (await client.list_resource_templates()).resource_templates]
        assert view.EXTENSION not in (client.server_capabilities.extensions or {})
        with pytest.raises(Exception, match="Unknown resource"):
            await client.read_resource(view.uri())


async def test_the_answers_are_the_same_with_and_without_it(open_session: OpenSession) -> None:
    answers = []
    for is_on in (True, False):
        async with open_session(view=is_on, clock=Clock()) as session:
            calls = [
                await session.call("list_contacts", limit=3),
                await session.call("lookup_contact", contact_id=1001),
                await session.call("delete_contact", contact_id=9),
                await session.call("lookup_contact", contact_id=9),
            ]
            answers.append([call.model_dump_json(exclude={"meta"}) for call in calls])
    assert answers[0] == answers[1]


# Who shows it


@pytest.mark.parametrize(
    ("extensions", "shows"),
    [
        (None, False),
        ({}, False),
        ({view.EXTENSION: {}}, False),
        ({view.EXTENSION: {"mimeTypes": "text/html;profile=mcp-app"}}, False),
        ({view.EXTENSION: {"mimeTypes": ["text/html"]}}, False),
        ({view.EXTENSION: {"mimeTypes": ["text/html", view.MIME_TYPE]}}, True),
    ],
    ids=str,
)
def test_a_client_shows_it_if_it_says_so(extensions: Any, shows: bool) -> None:
    assert view.is_shown_by(ClientCapabilities(extensions=extensions)) is shows
    assert view.is_shown_by(None) is False


TABLE = "Phone,First name\n4155550177,Nina\n"


@pytest.mark.parametrize("shows", [False, True], ids=["text", "screens"])
async def test_a_plan_is_put_on_the_screen_and_one_contact_into_a_form(open_session: OpenSession, shows: bool) -> None:
    asked: list[str] = []

    async def answer(_: Any, params: Any) -> ElicitResult:
        asked.append(params.message)
        return ElicitResult(action="cancel")

    client: dict[str, Any] = {"elicitation_callback": answer}
    if shows:
        client["extensions"] = [advertise(view.EXTENSION, {"mimeTypes": [view.MIME_TYPE]})]
    async with open_session(mode="legacy", client=client) as session:
        plan = await session.call("import_contacts", text=TABLE)
        assert plan.structured_content is not None
        assert plan.structured_content["confirm_token"]
        assert len(asked) == (0 if shows else 1)
        await session.call("delete_contact", contact_id=1001)
        assert len(asked) == (1 if shows else 2)


async def test_the_client_that_called_last_is_noted_for_doctor(open_session: OpenSession, tmp_path: Path) -> None:
    async with open_session() as session:
        await session.call("list_contacts", limit=1)
        last = read(tmp_path / "data")
        assert last is not None
        assert (bool(last.name), last.shows_screens) == (True, False)


@pytest.mark.parametrize("text", ["", "{", "[]", "null", '{"name": 1}', '{"name": [], "version": {}}', "\udcff"])
def test_a_note_that_cannot_be_read_is_none(tmp_path: Path, text: str) -> None:
    tmp_path.joinpath("client.json").write_bytes(text.encode("utf-8", "surrogateescape"))
    assert read(tmp_path) is None


def test_a_note_is_for_its_owner_and_is_renewed(tmp_path: Path) -> None:
    one = LastClient(name="Claude", version="1", shows_screens=True)
    remember(tmp_path / "data", one)
    assert read(tmp_path / "data") == one
    assert (tmp_path / "data" / "client.json").stat().st_mode & 0o777 == 0o600
    other = LastClient(name="x" * 500, version="\x1b[2J", shows_screens=False)
    remember(tmp_path / "data", other)
    known = read(tmp_path / "data")
    assert known is not None
    assert len(known.name) < 100
    assert "\x1b" not in known.version
    remember(Path("/dev/null/nowhere"), one)  # nothing depends on it


# The file


@pytest.mark.parametrize("word", FORBIDDEN)
def test_the_page_has_no_way_to_make_elements_of_text_to_ask_others_or_to_remember(word: str) -> None:
    assert word not in SCRIPT


def test_the_page_is_one_script_one_style_and_nothing_of_others() -> None:
    assert (PAGE.count("<script>"), PAGE.count("<style>")) == (1, 1)
    assert "http:" not in PAGE
    assert "https:" not in PAGE
    assert re.findall(r"url\((?!\\)", PAGE.replace("/url\\(/", "")) == []
    assert "default-src 'none'" in PAGE
    assert "form-action 'none'" in PAGE


def test_the_page_is_small() -> None:
    assert len(PAGE.encode()) <= 24_000
    assert len(gzip.compress(PAGE.encode(), 9)) <= 8.5 * 1024


def test_a_message_counts_only_if_it_comes_from_the_parent() -> None:
    assert "event.source !== window.parent" in SCRIPT


def test_the_setting_is_on_by_default() -> None:
    assert Settings.load(sandbox=True).view is True
