"""The kept key for confirmations: made once, and used only if nobody else can have made or read it."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from contacts_mcp.state.signing_key import LENGTH, flaw_of, kept_key

posix = pytest.mark.skipif(os.name != "posix", reason="Windows keeps owners and rights elsewhere")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "data" / "signing.key"


def test_it_is_made_once_and_is_for_its_owner_only(path: Path) -> None:
    key = kept_key(path)
    assert len(key) == LENGTH
    assert kept_key(path) == key == path.read_bytes()
    assert [file.name for file in path.parent.iterdir()] == [path.name]
    if os.name == "posix":
        assert stat.S_IMODE(path.stat().st_mode) == 0o600


def empty(path: Path) -> None:
    path.write_bytes(b"")


def short(path: Path) -> None:
    path.write_bytes(b"x" * (LENGTH - 1))


def readable(path: Path) -> None:
    path.chmod(0o640)


def writable(path: Path) -> None:
    path.chmod(0o602)


def somebody_elses(path: Path) -> None:
    os.chown(path, 12_345, -1)


@posix
@pytest.mark.parametrize(
    ("spoil", "flaw"),
    [
        (empty, "is shorter than 32 bytes"),
        (short, "is shorter than 32 bytes"),
        (readable, "can be read or changed by others"),
        (writable, "can be read or changed by others"),
        pytest.param(
            somebody_elses,
            "belongs to another user",
            marks=pytest.mark.skipif(os.name != "posix" or os.geteuid() != 0, reason="only root can give files away"),
        ),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_one_that_others_may_know_is_replaced_with_a_word(
    path: Path, caplog: pytest.LogCaptureFixture, spoil: Callable[[Path], None], flaw: str
) -> None:
    old = kept_key(path)
    spoil(path)
    assert flaw_of(path) == flaw
    key = kept_key(path)
    assert key != old
    assert len(key) == LENGTH
    assert flaw_of(path) == ""
    assert kept_key(path) == key
    assert caplog.messages == [f"the key for confirmations {flaw}; it is replaced"]


def test_where_it_cannot_be_kept_each_process_has_its_own(path: Path) -> None:
    path.parent.touch()
    assert kept_key(path) != kept_key(path)
    assert len(kept_key(path)) == LENGTH


def test_a_directory_in_its_place_is_not_used(path: Path) -> None:
    path.mkdir(parents=True)
    assert kept_key(path) != kept_key(path)


def test_servers_that_start_at_once_have_one_key(path: Path) -> None:
    program = (
        "import sys; from pathlib import Path; from contacts_mcp.state.signing_key import kept_key\n"
        "sys.stdin.readline(); print(kept_key(Path(sys.argv[1])).hex())"
    )
    children = [
        subprocess.Popen([sys.executable, "-c", program, str(path)], stdin=-1, stdout=-1, text=True) for _ in range(4)
    ]
    assert len({child.communicate("go\n", timeout=20)[0] for child in children}) == 1
