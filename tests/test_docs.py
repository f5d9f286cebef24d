"""The documentation cannot lie: it names everything there is, and its generated parts are current."""

from __future__ import annotations

import ast
import json
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import click
import pytest
from click.testing import CliRunner
from examiner.tasks import load
from support import logging_put_back

import contacts_mcp
from contacts_mcp.cli import main
from contacts_mcp.config import Settings, variable_of
from contacts_mcp.server.prompts import load_prompts
from contacts_mcp.server.resources import RESOURCES
from contacts_mcp.server.tools import TOOLS
from contacts_mcp.setup.assistants import BY_KEY, CLIENTS, Client
from contacts_mcp.setup.call import call_tool
from contacts_mcp.setup.install import runs_us

ROOT = Path(__file__).parent.parent
ABOVE_THE_PACKAGE = Path(contacts_mcp.__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")
PAGES = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/*.md")])


def commands(group: click.Group, prefix: str = "contacts-mcp") -> Iterator[str]:
    for name, command in group.commands.items():
        if not isinstance(command, click.Group) or command.invoke_without_command:
            yield f"{prefix} {name}"
        if isinstance(command, click.Group):
            yield from commands(command, f"{prefix} {name}")


@pytest.mark.parametrize("name", [offer.name for offer in TOOLS])
def test_every_tool_is_in_the_readme(name: str) -> None:
    assert f"`{name}`" in README


@pytest.mark.parametrize("field", list(Settings.model_fields))
def test_every_setting_is_in_the_readme(field: str) -> None:
    assert f"`{variable_of(field)}`" in README


@pytest.mark.parametrize("command", list(commands(main)))
def test_every_command_is_in_the_readme(command: str) -> None:
    assert f"`{command}`" in README


@pytest.mark.parametrize("uri", [offered.uri for offered in RESOURCES])
def test_every_resource_is_in_the_readme(uri: str) -> None:
    assert f"`{uri}`" in README


def test_the_readme_names_as_many_prompts_as_there_are() -> None:
    (sentence,) = re.findall(r"^Prompts, for clients that offer them: (.*)\.$", README, re.MULTILINE)
    assert len(re.split(r", (?:and )?", sentence)) == len(load_prompts())


@pytest.mark.parametrize("script", re.findall(r"^(scripts/\w+)", README, re.MULTILINE))
def test_every_script_of_the_readme_is_there_and_can_be_run(script: str) -> None:
    assert (ROOT / script).stat().st_mode & 0o111


def test_every_script_is_in_the_readme() -> None:
    runnable = {path.name for path in (ROOT / "scripts").iterdir() if path.is_file() and not path.suffix}
    assert runnable - {"env"} == set(re.findall(r"^scripts/(\w+)", README, re.MULTILINE))


@pytest.mark.parametrize("proof", sorted((ROOT / "tests/proof").glob("test_*.py")), ids=lambda proof: proof.stem)
def test_every_proof_names_the_modules_it_guards(proof: Path) -> None:
    header = ast.get_docstring(ast.parse(proof.read_text(encoding="utf-8"))) or ""
    guarded = re.findall(r"`(contacts_mcp/[\w/.]+)`", header.partition("Guards ")[2])
    assert guarded
    assert [path for path in guarded if not (ABOVE_THE_PACKAGE / path).exists()] == []


@pytest.mark.parametrize("link", re.findall(r"\]\((\w[\w./-]*\.md)\)", README))
def test_every_page_the_readme_points_to_is_there(link: str) -> None:
    assert (ROOT / link).is_file()


@pytest.mark.parametrize("script", ["docs.py", "picture.py"])
def test_the_generated_tables_and_the_picture_are_current(script: str) -> None:
    done = subprocess.run(
        [sys.executable, ROOT / "scripts" / script, "--check"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_no_page_names_a_registry_or_a_path_of_a_machine(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    assert not re.search(r"/root/|/work/|/home/\w|pypi\.org|registry\.npmjs", text)


def test_the_block_for_claude_desktop_is_what_would_be_installed() -> None:
    (block,) = re.findall(r"```json\n(.*?)```", README, re.DOTALL)
    (entry,) = json.loads(block)["mcpServers"].values()
    assert runs_us(BY_KEY["claude-desktop"], entry)
    assert entry["args"] == ["serve"]
    assert entry["env"].keys() <= {variable_of(name) for name in Settings.model_fields}


@pytest.mark.parametrize(
    "line", [line for line in README.splitlines() if re.match(r"\| (Claude Code|Codex|Gemini CLI|VS Code) \|", line)]
)
def test_each_one_line_command_starts_the_server_with_credentials(line: str) -> None:
    assert "contacts-mcp serve" in line or '"command":"contacts-mcp","args":["serve"]' in line
    assert "HEYMARKET_SECRET_ID" in line
    assert "HEYMARKET_SECRET_KEY" in line


@pytest.mark.parametrize("client", BY_KEY)
def test_every_client_that_can_be_installed_is_named(client: str) -> None:
    assert f"`{client}`" in README


@pytest.mark.parametrize("client", ["claude", "gemini"])
def test_a_one_line_command_writes_into_the_users_own_settings(client: str) -> None:
    """These two write into the project at hand, unless told otherwise. The others have no project scope."""
    (command,) = re.findall(rf"`({client} mcp add .*?)`", README)
    assert "--scope user " in command


def test_the_readme_installs_from_a_copy_because_no_index_has_the_package() -> None:
    lines = re.findall(r"(?:uv tool|pipx|pip) install (?:-\S+ )*([^`\s]+)", README)
    assert len(lines) >= 3
    assert set(lines) == {"."}
    assert not re.search(r"uvx|pipx run", README)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_link_has_an_address_that_leads_somewhere(page: Path) -> None:
    for address in re.findall(r"\]\(([^)]*)\)", page.read_text(encoding="utf-8")):
        assert address.startswith("https://") or (page.parent / address.partition("#")[0]).is_file(), address


@pytest.mark.parametrize("page", sorted(ROOT.glob("docs/*.md")), ids=lambda page: page.name)
def test_the_readme_leads_to_every_page(page: Path) -> None:
    assert f"docs/{page.name}" in README


def test_the_page_on_the_exam_counts_its_sentences() -> None:
    page = (ROOT / "docs/exam.md").read_text(encoding="utf-8")
    of_many = [task for task in load() if task.theme == "many"]
    assert f"{len(load())} sentences as an office says them" in page
    assert f"{len(of_many)} sentences are about lists and changes of many" in page


def commands_for_many() -> list[str]:
    """The command lines of the README about many contacts and about files."""
    found = re.findall(r"`contacts-mcp ((?:import|update|export|describe) [^`]+)`", README)
    return list(dict.fromkeys(found))


def test_the_readme_shows_each_command_for_many_contacts() -> None:
    assert {line.split()[0] for line in commands_for_many()} == {"import", "update", "export", "describe"}


@pytest.mark.parametrize("line", commands_for_many())
def test_each_command_for_many_contacts_of_the_readme_works_on_the_sandbox(
    line: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "FILE").write_text("Phone,First\n510-555-3361,Ines\n", encoding="utf-8")
    flags = ["--sandbox", "--sandbox-file", ":memory:", "--data-dir", str(tmp_path / "data")]
    with logging_put_back():
        done = CliRunner().invoke(main, [*line.split(), *flags], input="y\n")
    assert done.exit_code == 0, done.output


def test_each_of_the_sentences_to_try_is_a_task_of_the_exam() -> None:
    tried = re.findall(r"^\d+\. (.*)$", (ROOT / "docs/sentences.md").read_text(encoding="utf-8"), re.MULTILINE)
    assert len(tried) == len(set(tried)) == 30
    assert set(tried) <= {task.say for task in load()}


def test_every_text_that_the_troubleshooting_quotes_is_one_of_ours() -> None:
    page = (ROOT / "docs/troubleshooting.md").read_text(encoding="utf-8")
    quoted = re.findall(r'^\| [^|]*?"([^"|]+)"', page, re.MULTILINE)
    ours = [
        node.value
        for path in sorted(Path(contacts_mcp.__file__).parent.rglob("*.py"))
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
    ]
    assert len(quoted) > 10
    assert [text for text in quoted if not any(text.strip(". ") in one for one in ours)] == []


def test_every_file_that_a_change_leaves_is_named_where_the_data_is_told(tmp_path: Path) -> None:
    page = (ROOT / "docs/data.md").read_text(encoding="utf-8")
    named = [
        name for cell in re.findall(r"^\| (`[^|]+) \|", page, re.MULTILINE) for name in re.findall(r"`(.+?)`", cell)
    ]
    for journal in (True, False):
        settings = Settings.load(sandbox=True, data_dir=tmp_path / "data", journal=journal)
        call_tool(settings, "delete_contact", {"contact_id": 1001 + journal})
        call_tool(settings, "update_contact", {"contact_id": 1003 + journal, "first": "Jo"})
    left = {path.relative_to(settings.directory) for path in settings.directory.rglob("*") if path.is_file()}
    assert Path("journal.sqlite3") in left
    known = [path for path in left if any(path.match(name) or f"{path.parts[0]}/" == name for name in named)]
    assert left - {*known} == set()


def test_the_image_serves_with_words_that_the_command_takes() -> None:
    recipe = (ROOT / "Dockerfile").read_text(encoding="utf-8")
    entry, given = (
        json.loads(re.findall(rf"^{word} (\[.*\])$", recipe, re.MULTILINE)[0]) for word in ("ENTRYPOINT", "CMD")
    )
    assert entry == ["contacts-mcp", "serve"]
    assert given == ["--http", "0.0.0.0:8000"]
    assert "EXPOSE 8000" in recipe
    set_here = set(re.findall(r"\b(CONTACTS_MCP_\w+)=", recipe))
    assert set_here == {"CONTACTS_MCP_DATA_DIR"}
    assert set_here <= {variable_of(name) for name in Settings.model_fields}


@pytest.mark.parametrize("client", CLIENTS, ids=lambda client: client.key)
def test_the_assistants_promised_are_those_that_can_be_set_up(client: Client) -> None:
    (promised,) = re.findall(r"^It works with assistants that .*: (.*)\.$", README, re.MULTILINE)
    assert client.title in re.split(", | and ", promised)


@pytest.fixture(scope="module")
def demo() -> list[str]:
    done = subprocess.run(
        [sys.executable, ROOT / "scripts/demo.py"], capture_output=True, encoding="utf-8", timeout=120, check=True
    )
    return done.stdout.splitlines()


def test_the_demo_fits_a_terminal_and_is_read_in_two_minutes(demo: list[str]) -> None:
    """A person skims about 340 words a minute."""
    assert max(map(len, demo)) <= 80
    assert sum(len(line.split()) for line in demo) <= 680


def test_the_demo_counts_the_tools_that_there_are(demo: list[str]) -> None:
    assert f"{len(TOOLS)} of {len(TOOLS)} tools were used." in demo


def test_the_demo_needs_nothing_but_the_package() -> None:
    """Everything it imports is ours, Python's own, or a dependency of the package."""
    tree = ast.parse((ROOT / "scripts/demo.py").read_text(encoding="utf-8"))
    imported = {name.name for node in ast.walk(tree) if isinstance(node, ast.Import) for name in node.names}
    imported |= {node.module or "" for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
    ours = {"anyio", "mcp", "mcp_types"}
    assert {name.partition(".")[0] for name in imported} <= ours | sys.stdlib_module_names


RATED = re.compile(r"^\| `(?P<tool>\w+)` \| (?P<marks>(?:[1-5] \| ){6})(?P<score>[0-9.]+) \|$", re.MULTILINE)
WEIGHTS = (25, 20, 20, 15, 10, 10)  # of the six marks, in percent


def test_the_ratings_of_the_descriptions_are_reckoned_right() -> None:
    """Every tool has one of at least 4.4, and the mean is at least 4.6."""
    text = (ROOT / "docs/exam.md").read_text(encoding="utf-8")
    scores = {}
    for row in RATED.finditer(text):
        marks = map(int, row["marks"].replace("|", " ").split())
        scores[row["tool"]] = sum(weight * mark for weight, mark in zip(WEIGHTS, marks, strict=True)) / 100
        assert f"{scores[row['tool']]:g}" == row["score"], row["tool"]
    assert [*scores] == [tool.name for tool in TOOLS]
    assert min(scores.values()) >= 4.4
    assert sum(scores.values()) / len(scores) >= 4.6


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_test_that_a_page_names_is_there(page: Path) -> None:
    """A page that says what is so may name the test that shows it."""
    for file, name in re.findall(r"`(tests/[\w/]+\.py)(?:::(\w+))?`", page.read_text(encoding="utf-8")):
        text = (ROOT / file).read_text(encoding="utf-8")
        assert not name or re.search(rf"^ *(async )?def {name}\(", text, re.MULTILINE), f"{file}::{name}"
