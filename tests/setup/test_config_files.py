"""In other programs' files our entry changes and every other byte stays. An edit that is not safe is not made."""

from __future__ import annotations

import json
import os
import stat
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contacts_mcp.setup import config_files
from contacts_mcp.setup.config_files import ConfigFileUnusable

ENTRY = {"command": "/a folder/contacts-mcp", "args": ["serve"], "env": {"KEY": 'pipe | quote " back \\ ü 😀'}}
OTHER = {**ENTRY, "command": "C:\\Program Files\\contacts-mcp.exe"}

# A text with a table `servers` that has other entries, the place our entry goes to marked.
MARKED = {
    "json, plain": ("json", '{\n  "a": 1,\n  "servers": {\n    "x": {"command": "y"}<HERE>\n  }\n}\n'),
    "json, comments": (
        "json",
        (
            '// top\n{\n  "servers": {\n    // mine\n    "x": 1<HERE> /* so */ // and so\n  }, // end\n'
            '  "b": [1, 2,],\n}\n'
        ),
    ),
    "json, trailing comma": ("json", '{\n\t"servers": {\n\t\t"x": {\n\t\t\t"k": "v", // why\n\t\t},<HERE>\n\t},\n}'),
    "json, one line": ("json", '{"a":1,"servers":{"x":{"command":"y"}<HERE>},"b":2}'),
    "json, empty table": ("json", '{\n    "servers": {}<HERE>,\n    "b": null\n}\n'),
    "toml": ("toml", '# top\nmodel = "x"  # why\n\n[servers.x]\ncommand = "y"\n\n# the end<HERE>\n'),
    "toml, strings and arrays that look like tables": (
        "toml",
        'a = """\n[servers.own]\n"""\nb = [\n  [1],\n]\nc = \'[servers.own]\'\n<HERE>',
    ),
    "yaml": (
        "yaml",
        (
            "# top\na: 1 # why\nservers:<HERE>\n    # first\n    x:\n        cmd:   y\n        args:\n        - a\n"
            "\n# tail\nb: |\n  text\n"
        ),
    ),
    "yaml, table last": ("yaml", "b:   2\nservers: # all<HERE>\n  x:\n    cmd: >-\n      folded\n      text\n"),
    "yaml, empty table": ("yaml", "servers: {}<HERE>\nb: ~\n"),
}


def marked(name: str) -> tuple[str, str]:
    kind, text = MARKED[name]
    return kind, text.replace("<HERE>", "")


@pytest.mark.parametrize("name", MARKED)
def test_putting_in_and_taking_out_gives_the_text_there_was(name: str) -> None:
    kind, text = marked(name)
    after = config_files.put(kind, text, "servers", "own", ENTRY)
    assert config_files.entries(kind, after, "servers")["own"] == ENTRY
    assert config_files.drop(kind, after, "servers", "own") == text


@pytest.mark.parametrize("name", MARKED)
def test_updating_changes_nothing_but_the_entry(name: str) -> None:
    kind, text = marked(name)
    after = config_files.put(kind, config_files.put(kind, text, "servers", "own", ENTRY), "servers", "own", OTHER)
    assert after == config_files.put(kind, text, "servers", "own", OTHER)


@pytest.mark.parametrize("name", MARKED)
def test_every_line_there_was_is_still_there(name: str) -> None:
    """A comma may be added to the line before a new JSON member, nothing else."""
    kind, text = marked(name)
    after = config_files.put(kind, text, "servers", "own", ENTRY).replace(",", "")
    if "one line" not in name and "empty" not in name:
        assert [line for line in text.replace(",", "").splitlines() if line not in after.splitlines()] == []


@pytest.mark.parametrize("name", MARKED)
def test_a_second_time_changes_nothing(name: str) -> None:
    kind, text = marked(name)
    after = config_files.put(kind, text, "servers", "own", ENTRY)
    assert config_files.put(kind, after, "servers", "own", ENTRY) == after
    assert config_files.drop(kind, text, "servers", "own") == text


@pytest.mark.parametrize("kind", ["json", "toml", "yaml"])
@pytest.mark.parametrize("text", ["", "\n", "  \n"])
def test_an_empty_file_gets_the_table_too(kind: str, text: str) -> None:
    assert config_files.entries(kind, config_files.put(kind, text, "servers", "own", ENTRY), "servers") == {
        "own": ENTRY
    }


@pytest.mark.parametrize(
    ("kind", "text"),
    [
        ("json", "{}"),
        ("json", '{"servers": null}'),
        ("json", "{ // c\n}"),
        ("yaml", "servers:\n"),
        ("yaml", "# c\n"),
        ("yaml", "servers: ~ # c"),
    ],
)
def test_a_missing_or_empty_table_is_filled(kind: str, text: str) -> None:
    after = config_files.put(kind, text, "servers", "own", ENTRY)
    assert config_files.entries(kind, after, "servers") == {"own": ENTRY}
    assert config_files.entries(kind, config_files.drop(kind, after, "servers", "own"), "servers") == {}


def test_the_comment_above_the_next_table_stays_with_it() -> None:
    text = '[servers.own]\ncommand = "x"\n[servers.own.env]\nA = "b"\n\n# about y\n[servers.y]\ncommand = "y"\n'
    assert config_files.drop("toml", text, "servers", "own") == '\n# about y\n[servers.y]\ncommand = "y"\n'


def test_of_json_members_of_one_name_the_last_counts_and_all_go() -> None:
    text = '{"servers": {"own": {"command": "a"}, "own": {"command": "b"}}}'
    assert config_files.entries("json", text, "servers")["own"] == {"command": "b"}
    assert config_files.drop("json", text, "servers", "own") == '{"servers": {}}'


BROKEN = [
    ("json", '{"servers": {', "not valid JSON"),
    ("json", '{"a": 1 "b": 2}', "not valid JSON"),
    ("json", "{'a': 1}", "not valid JSON"),
    ("json", '{"a": tru}', "not valid JSON"),
    ("json", '{"a": 01}', "not valid JSON"),
    ("json", '{,"a": 1}', "not valid JSON"),
    ("json", '{"a": 1} x', "not valid JSON"),
    ("json", '{"a": "\\q"}', "not valid JSON"),
    ("json", "/* open", "not valid JSON"),
    ("json", "[" * 100_000, "nested"),
    ("json", "[]", "JSON object"),
    ("json", '{"servers": []}', "table of servers"),
    ("json", '{"servers": "x"}', "table of servers"),
    ("toml", "a = \n", "not valid TOML"),
    ("toml", 'servers = {x = {command = "y"}}\n', "cannot be edited safely"),
    ("toml", 'servers.own = {command = "y"}\n', "cannot be edited safely"),
    ("yaml", "a: [", "not valid YAML"),
    ("yaml", "a: 1\na: 2\n", "not valid YAML"),
    ("yaml", "- a\n", "YAML object"),
    ("yaml", "a: 1\n---\nb: 2\n", "not valid YAML"),
    ("yaml", "servers: {x: {cmd: y}}\n", "braces"),
]


@pytest.mark.parametrize(("kind", "text", "reason"), BROKEN)
def test_what_cannot_be_edited_safely_is_refused_with_the_reason(kind: str, text: str, reason: str) -> None:
    with pytest.raises(ConfigFileUnusable, match=reason) as caught:
        config_files.put(kind, text, "servers", "own", ENTRY)
    assert "command" not in str(caught.value)


# Any JSON file at all

blanks = st.sampled_from(["", " ", "\n", "\n  ", " // c\n ", " /* c */ ", "\n\t"])
scalars = st.one_of(
    st.none(), st.booleans(), st.integers(), st.text(max_size=5), st.floats(allow_nan=False, allow_infinity=False)
)


@st.composite
def objects(draw: st.DrawFn, inner: st.SearchStrategy[str], *, least: int = 0) -> str:
    names = draw(
        st.lists(
            st.text(max_size=3).filter(lambda name: name not in ("own", "servers")),
            min_size=least,
            max_size=3,
            unique=True,
        )
    )
    members = [
        f"{draw(blanks)}{json.dumps(name)}{draw(blanks)}:{draw(blanks)}{draw(inner)}{draw(blanks)}" for name in names
    ]
    trailing = draw(st.sampled_from(["", ","])) if members else ""
    return f"{{{','.join(members)}{trailing}{draw(blanks)}}}"


values = st.recursive(scalars.map(json.dumps), objects, max_leaves=6)


@st.composite
def files(draw: st.DrawFn) -> str:
    servers = draw(objects(values, least=1))
    return f'{draw(blanks)}{{{draw(blanks)}"servers":{draw(blanks)}{servers}{draw(blanks)}}}{draw(blanks)}'


@given(files())
def test_any_json_text_comes_back_as_it_was(text: str) -> None:
    after = config_files.put("json", text, "servers", "own", ENTRY)
    assert config_files.entries("json", after, "servers")["own"] == ENTRY
    assert config_files.entries("json", text, "servers") == {
        name: entry for name, entry in config_files.entries("json", after, "servers").items() if name != "own"
    }
    assert config_files.drop("json", after, "servers", "own") == text


@given(scalars | st.lists(scalars) | st.dictionaries(st.text(), scalars))
def test_json_is_read_as_the_standard_library_reads_it(value: Any) -> None:
    document = {"servers": {"own": value}}
    assert config_files.entries("json", json.dumps(document, indent=1), "servers") == document["servers"]


@given(st.text(max_size=20), st.text(alphabet=st.characters(codec="utf-8"), max_size=20))
def test_any_text_survives_in_every_format(name: str, value: str) -> None:
    entry = {"command": value, "env": {name or "K": value}}
    for kind in ("json", "toml", "yaml"):
        try:
            after = config_files.put(kind, "", "servers", "own", entry)
        except ConfigFileUnusable:
            assert kind == "yaml"  # YAML cannot hold some controls; then nothing is written
        else:
            assert config_files.entries(kind, after, "servers")["own"] == entry


# The file itself


def replaced(path: Path, text: str) -> Path | None:
    return config_files.write(config_files.read(path), text)


def test_a_new_file_is_its_owners_alone_and_its_folders_are_made(tmp_path: Path) -> None:
    path = tmp_path / "nöt there" / "yet" / "file.json"
    assert replaced(path, "{}\n") is None
    assert path.read_bytes() == b"{}\n"
    if os.name != "nt":
        assert stat.S_IMODE(path.stat().st_mode) == 0o600


@pytest.mark.skipif(sys.platform == "win32", reason="Windows keeps rights elsewhere")
@pytest.mark.parametrize("mode", [0o600, 0o640, 0o644])
def test_the_mode_stays_and_a_backup_is_for_the_owner_only(mode: int, tmp_path: Path) -> None:
    path = tmp_path / "file.json"
    path.write_bytes(b"{}")
    path.chmod(mode)
    backup = replaced(path, "{ }")
    assert backup is not None
    assert [stat.S_IMODE(file.stat().st_mode) for file in (path, backup)] == [mode, 0o600]


@pytest.mark.skipif(sys.platform == "win32", reason="Windows keeps rights elsewhere")
@pytest.mark.parametrize(("mode", "private"), [(0o644, 0o600), (0o664, 0o600), (0o600, 0o600), (0o755, 0o700)])
def test_a_file_that_is_to_be_private_loses_the_rights_of_others(mode: int, private: int, tmp_path: Path) -> None:
    path = tmp_path / "file.json"
    path.write_bytes(b"{}")
    path.chmod(mode)
    config_files.write(config_files.read(path), "{ }", private=True)
    assert stat.S_IMODE(path.stat().st_mode) == private


def test_the_backup_beside_the_file_is_what_there_was(tmp_path: Path) -> None:
    path = tmp_path / "file.json"
    path.write_bytes(b"old")
    first, second = replaced(path, "new"), replaced(path, "newer")
    assert first is not None
    assert second is not None
    assert (first.read_bytes(), second.read_bytes(), path.read_bytes()) == (b"old", b"new", b"newer")
    assert first.parent == second.parent == tmp_path


def test_line_ends_and_byte_order_mark_stay(tmp_path: Path) -> None:
    path = tmp_path / "file.json"
    path.write_bytes(b'\xef\xbb\xbf{\r\n  "servers": {}\r\n}\r\n')
    file = config_files.read(path)
    config_files.write(file, config_files.put("json", file.text, "servers", "own", {"a": 1}))
    assert (
        path.read_bytes() == b'\xef\xbb\xbf{\r\n  "servers": {\r\n    "own": {\r\n      "a": 1\r\n    }\r\n  }\r\n}\r\n'
    )


def test_mixed_line_ends_stay_as_they_are(tmp_path: Path) -> None:
    path = tmp_path / "file.json"
    path.write_bytes(b'{\r\n "a": 1,\n "servers": {}\r\n}')
    file = config_files.read(path)
    after = config_files.put("json", file.text, "servers", "own", {})
    config_files.write(file, after)
    assert path.read_bytes().startswith(b'{\r\n "a": 1,\n "servers": {')


@pytest.mark.skipif(sys.platform == "win32", reason="links need a privilege there")
def test_a_link_is_followed_and_stays_a_link(tmp_path: Path) -> None:
    (tmp_path / "dotfiles").mkdir()
    real, link = tmp_path / "dotfiles" / "real.json", tmp_path / "file.json"
    real.write_bytes(b"{}")
    link.symlink_to(real)
    backup = replaced(link, "[]")
    assert backup is not None
    assert (link.is_symlink(), real.read_bytes(), backup.parent) == (True, b"[]", real.parent)


def test_a_file_that_changed_meanwhile_is_not_overwritten(tmp_path: Path) -> None:
    path = tmp_path / "file.json"
    path.write_bytes(b"{}")
    file = config_files.read(path)
    path.write_bytes(b'{"by": "another"}')
    with pytest.raises(ConfigFileUnusable, match="run this again"):
        config_files.write(file, "{}")
    assert path.read_bytes() == b'{"by": "another"}'


def test_nothing_is_left_behind_when_writing_fails(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "file.json"
    path.write_bytes(b"{}")

    def fail(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(ConfigFileUnusable, match="cannot be written"):
        replaced(path, "[]")
    assert path.read_bytes() == b"{}"
    assert [file.name for file in tmp_path.iterdir() if not file.name.endswith(".bak")] == ["file.json"]


def test_a_file_that_is_not_utf8_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "file.json"
    path.write_bytes("{}".encode("utf-16"))
    with pytest.raises(ConfigFileUnusable, match="UTF-8"):
        config_files.read(path)
