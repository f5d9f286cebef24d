"""`contacts-mcp call` and the MCP server give the same texts, structures, errors and questions."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import anyio
import click
import pytest
from mcp.client import Client
from mcp_types import ElicitResult

from contacts_mcp.config import Settings
from contacts_mcp.sandbox import open_sandbox
from contacts_mcp.server import confirming
from contacts_mcp.server.server import build_server
from contacts_mcp.server.tools import TOOLS
from contacts_mcp.setup.call import _announcing, call_tool

JORDAN, SAM = 1001, 1002  # Sam is opted out
ERAS = ("auto", "legacy")
OLD = {"updated_before": "2026-11-01"}  # the order of those that are changed here depends on the clock

Facts = dict[str, Any]
Step = tuple[str, Facts | Callable[[list[Facts]], Facts]]  # a tool, and its arguments or how to make them from before
Said = tuple[str, Facts, bool]

STEPS: tuple[Step, ...] = (
    ("list_contacts", {"limit": 5}),
    ("list_contacts", lambda before: {"limit": 5, "cursor": before[-1]["next_cursor"], "detail": "full"}),
    ("create_contact", {"phone": "(510) 555-3344", "first": "Jo", "custom_fields": '{"Plan": "Gold"}', "tags": "VIP"}),
    ("create_contact", {"phone": "(510) 555-3344", "first": "Joe"}),
    ("create_contact", {"phone": "(510) 555-33O4"}),
    ("create_contact", {"first": "Jo"}),
    ("create_contact", {"phone": "(510) 555-3345", "custom_fields": {"Plam": "Gold"}}),
    ("lookup_contact", {"contact_id": str(JORDAN)}),
    ("lookup_contact", {"phone": "(510) 555-9999"}),
    ("lookup_contact", {"contact_id": "one", "phone": ["x"]}),
    ("lookup_contact", {"mobile": "510 555 0100"}),
    ("update_contact", {"contact_id": JORDAN, "last": "Rivers", "add_tags": '["Lead"]', "clear": ["email"]}),
    ("update_contact", {"contact_id": JORDAN, "last": "Rivers"}),
    ("update_contact", {"contact_id": JORDAN}),
    ("update_contact", {"contact_id": 999_999, "first": "Jo"}),
    ("update_contact", {"contact_id": SAM, "is_opted_out": "false"}),
    ("update_contact", {"contact_id": SAM, "is_opted_out": False, "consent": "Asked by phone on 2026-03-04"}),
    ("delete_contact", {"contact_id": SAM}),
    ("delete_contact", lambda before: {"contact_id": SAM, "confirm_token": before[-1]["confirm_token"]}),
    ("delete_contact", {"contact_id": SAM, "confirm_token": "made-up"}),
    ("list_contacts", OLD | {"custom_fields": {"Plan": "Gold"}}),
    ("search_contacts", OLD | {"limit": 5}),
    ("search_contacts", lambda before: OLD | {"limit": 5, "cursor": before[-1]["next_cursor"], "detail": "full"}),
    ("search_contacts", {"query": "rivera", "tag": "VIP"}),
    ("search_contacts", {"tag": "Nobody's"}),
    ("describe_account", {}),
    ("describe_account", {"x": 1}),
    ("find_duplicates", {"tier": "possible"}),
    ("find_duplicates", {"cursor": "x"}),
    ("merge_contacts", {"keep": JORDAN, "others": [1003]}),
    ("merge_contacts", {"keep": JORDAN, "others": [JORDAN]}),
    ("list_contacts", {"cursor": "x"}),
    ("list_contact_fields", {}),
    ("list_contact_fields", {"query": "zzz"}),
    ("list_contact_fields", {"limit": 3}),
    ("list_changes", {"limit": 1}),
    ("list_changes", {"limit": -1}),
    ("undo_change", {"change_id": 2}),
    ("undo_change", {"change_id": 1}),
    ("undo_change", {"change_id": 99}),
    ("undo_change", {}),
    ("import_contacts", {"text": "Phone,First\n5105557781,Ada\n5105557782,Ben\n12,Cy"}),
    (
        "import_contacts",
        lambda before: {"plan": before[-1]["plan"], "confirm_token": before[-1]["confirm_token"]},
    ),
    ("import_contacts", {}),
    ("import_status", {"show": "problems"}),
    ("import_status", {"plan": 99}),
    ("update_contacts", {"contact_ids": [JORDAN], "add_tags": ["VIP"], "remove_tags": "Lead"}),
    ("update_contacts", {"where": {"tag": "VIP"}, "is_opted_out": "false"}),
    ("export_contacts", {"where": {"tag": "VIP", "opted_out": "true"}}),
    ("export_contacts", {}),
    ("export_contacts", {"by": "Plan"}),
    ("export_contacts", {"by": "Plan", "file": "contacts.csv"}),
    ("no_such_tool", {}),
)


@pytest.fixture(scope="module")
def seeded(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("sandbox") / "sandbox.sqlite3"
    open_sandbox(path, contacts=30).close()
    return path


@pytest.fixture
def settings(seeded: Path, tmp_path: Path) -> Callable[..., Settings]:
    """Settings over a copy of the sandbox and a data directory of their own, by the name of a face."""

    def made(face: str, **more: Any) -> Settings:
        home = tmp_path / face
        home.mkdir()
        shutil.copy(seeded, home / "book.sqlite3")
        return Settings.load(sandbox=True, sandbox_file=str(home / "book.sqlite3"), data_dir=home, **more)

    return made


def over_mcp(settings: Settings, steps: tuple[Step, ...], *, era: str, approves: bool | None = None) -> list[Said]:
    async def person(*_: Any) -> ElicitResult:
        return ElicitResult(action="accept", content={"approve": bool(approves)})

    async def run() -> list[Said]:
        callback = None if approves is None else person
        said: list[Said] = []
        async with Client(build_server(settings), mode=era, elicitation_callback=callback) as client:
            for tool, arguments in steps:
                result = await client.call_tool(tool, _given(arguments, said))
                (block,) = result.content
                said.append((block.text, result.structured_content, bool(result.is_error)))
        return said

    return anyio.run(run)


def from_the_shell(settings: Settings, steps: tuple[Step, ...]) -> list[Said]:
    said: list[Said] = []
    for tool, arguments in steps:
        answer = call_tool(settings, tool, _given(arguments, said))
        said.append((answer.text, answer.facts, answer.is_error))
    return said


def _given(arguments: Any, said: list[Said]) -> Facts:
    given: Facts = arguments([facts for _, facts, _ in said]) if callable(arguments) else arguments
    return given


def steady(said: list[Said]) -> list[Any]:
    """Without what no two accounts have in common: tokens, moments, and the ids that the service makes up."""
    text = json.dumps(said, ensure_ascii=False)
    for what in (r"[\w-]{50,}", r"\d{4}-\d\d-\d\dT[\d:.]+Z", r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}"):
        text = re.sub(what, "…", text)
    steadied: list[Any] = json.loads(text)
    return steadied


def test_the_steps_call_every_tool_well_and_badly(settings: Any) -> None:
    said = from_the_shell(settings("shell"), STEPS)
    outcomes = {(tool, is_error) for (tool, _), (_, _, is_error) in zip(STEPS, said, strict=True)}
    assert outcomes >= {(tool.name, is_error) for tool in TOOLS for is_error in (True, False)} - {
        ("delete_contact", True)
    }


@pytest.mark.parametrize("era", ERAS)
def test_both_faces_answer_the_same(era: str, settings: Any) -> None:
    shell, mcp = from_the_shell(settings("shell"), STEPS), over_mcp(settings("mcp"), STEPS, era=era)
    for (tool, arguments), ours, theirs in zip(STEPS, steady(shell), steady(mcp), strict=True):
        assert ours == theirs, (tool, arguments)


RISKY: tuple[Step, ...] = (
    ("delete_contact", {"contact_id": JORDAN}),
    ("update_contact", {"contact_id": SAM, "is_opted_out": False, "consent": "Asked by phone on 2026-03-04"}),
    ("lookup_contact", {"contact_id": JORDAN}),
)


@pytest.mark.parametrize("era", ERAS)
@pytest.mark.parametrize("approves", [True, False], ids=["yes", "no"])
def test_both_faces_ask_a_person_who_can_be_asked_and_do_as_they_say(
    approves: bool, era: str, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []
    monkeypatch.setattr(confirming, "FASTEST_PERSON", 0.0)
    monkeypatch.setattr(sys.stdin, "isatty", lambda: True, raising=False)
    monkeypatch.setattr(click, "confirm", lambda text: asked.append(text) or approves)
    shell = from_the_shell(settings("shell"), RISKY)
    mcp = over_mcp(settings("mcp"), RISKY, era=era, approves=approves)
    assert steady(shell) == steady(mcp)
    assert [facts["status"] for _, facts, _ in shell[:2]] == (["deleted", "updated"] if approves else ["declined"] * 2)
    assert "Jordan Rivera" in asked[0]
    assert "Asked by phone on 2026-03-04" in asked[1]


def test_nobody_is_asked_where_there_is_no_terminal(settings: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(click, "confirm", lambda _: pytest.fail("nobody is there"))
    (said,) = from_the_shell(settings("shell"), RISKY[:1])
    assert said[1]["status"] == "needs_confirmation"


@pytest.mark.parametrize(
    "words",
    [("lookup_contact", "contact_id=1001"), ("lookup_contact", "who=1001"), ("no_such_tool",), ("list_contacts",)],
    ids=" ".join,
)
def test_a_call_from_the_shell_does_not_load_the_sdk(words: tuple[str, ...], tmp_path: Path) -> None:
    """Loading it takes longer than the call."""
    program = (
        "import sys; from contacts_mcp.cli import main\n"
        "try: main(sys.argv[1:])\n"
        "except SystemExit: pass\n"
        "sys.exit(sorted({name.split('.')[0] for name in sys.modules} & {'mcp', 'mcp_types', 'uvicorn'}) or None)"
    )
    command = [sys.executable, "-c", program, "call", *words, "--sandbox", "--data-dir", str(tmp_path)]
    done = subprocess.run(command, capture_output=True, encoding="utf-8", check=False)
    assert (done.returncode, "mcp" in done.stderr) == (0, False), done.stderr


async def test_work_on_its_way_is_said_now_and_then_and_at_its_end(capsys: pytest.CaptureFixture[str]) -> None:
    announce = _announcing()
    for done in range(1, 101):
        await announce(f"{done} of 100 rows are finished.", done, 100)
    await announce("Heymarket's rate limit is used up.")
    assert capsys.readouterr().err.splitlines() == [
        "1 of 100 rows are finished.",
        "100 of 100 rows are finished.",
        "Heymarket's rate limit is used up.",
    ]
