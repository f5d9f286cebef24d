"""The profile: a private file, a part for each account, and a line that is contradicted is not used any more."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
from support import Clock

from contacts_mcp.state.account import Account
from contacts_mcp.state.profile import REFRESH_AFTER, Profile, Seen


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "data" / "profile.json"


def test_a_line_is_kept_with_evidence_date_and_version(path: Path, clock: Clock) -> None:
    assert Profile(path, "one", clock=clock).learn({"cursor": Seen("strict", "seen")})
    line = Profile(path, "one").lines["cursor"]
    assert (line.position, line.evidence, line.at) == ("strict", "seen", clock())
    assert line.version


@pytest.mark.skipif(os.name != "posix", reason="modes are those of POSIX")
def test_the_file_is_for_its_owner_only(path: Path) -> None:
    Profile(path, "one").learn({"cursor": Seen("strict")})
    assert path.stat().st_mode & 0o777 == 0o600


def test_accounts_do_not_see_each_other(path: Path) -> None:
    Profile(path, "one").learn({"cursor": Seen("strict")})
    Profile(path, "two").learn({"cursor": Seen("inclusive")})
    assert [Profile(path, name).position("cursor") for name in ("one", "two", "three")] == ["strict", "inclusive", ""]


def test_a_line_is_distrusted_under_each_credential_of_the_account_whatever_the_clock_was(
    tmp_path: Path, path: Path, clock: Clock
) -> None:
    """The first one probed with a clock that was ahead."""
    old, new = (Account(name, address="here", directory=tmp_path / "accounts") for name in ("old", "new"))
    for account in (old, new):
        account.learn(7)
    ahead = Clock()
    ahead.now = clock.now + 10 * REFRESH_AFTER
    Profile(path, old, clock=ahead).learn({"put_names": Seen("kept")})
    here = Profile(path, new, clock=clock)
    assert here.position("put_names") == "kept"
    here.distrust("put_names", "names went")
    assert here.position("put_names") == ""
    assert Profile(path, old, clock=clock).position("put_names") == ""


def test_another_process_sees_a_change_at_once(path: Path) -> None:
    here, there = Profile(path, "one"), Profile(path, "one")
    assert here.position("cursor") == ""
    there.learn({"cursor": Seen("strict")})
    assert here.position("cursor") == "strict"


def test_what_cannot_be_told_keeps_an_earlier_line_unless_answers_disagree(path: Path) -> None:
    profile = Profile(path, "one")
    profile.learn({"cursor": Seen("strict"), "page": Seen("ignored")})
    profile.learn({"cursor": Seen("", "not asked"), "page": Seen("", "seen both ways", is_torn=True)})
    assert (profile.position("cursor"), profile.position("page")) == ("strict", "")


def test_a_contradicted_line_is_distrusted_and_told_once(path: Path) -> None:
    profile = Profile(path, "one")
    profile.learn({"cursor": Seen("strict"), "page": Seen("ignored")})
    profile.distrust("cursor", "it came again")
    assert (profile.position("cursor"), profile.position("page")) == ("", "ignored")
    assert Profile(path, "one").lines["cursor"].distrusted == "strict"
    assert [len(profile.news()), len(profile.news())] == [1, 0]


def test_ordinary_answers_confirm_and_contradict_lines_and_add_none(path: Path, clock: Clock) -> None:
    profile = Profile(path, "one", clock=clock)
    profile.learn({"lists": Seen("bare"), "offset": Seen("Z")})
    clock.now += REFRESH_AFTER + 1
    profile.refresh({"lists": Seen("bare"), "offset": Seen("-05:00", "all of 30"), "phone_form": Seen("digits")})
    assert profile.lines["lists"].at == clock()
    assert profile.lines["offset"].distrusted == "Z"
    assert "phone_form" not in profile.lines
    assert profile.news() == []


def in_file(**line: object) -> str:
    return json.dumps({"format": 1, "accounts": {"one": {"cursor": {"position": "a", "evidence": "", "at": 1} | line}}})


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        "[]",
        '{"format": 9}',
        '{"format": 1, "accounts": {"one": {"cursor": 3}}}',
        "[" * 100_000,
        in_file(at=10**400),
        in_file(at=float("nan")),
        in_file(at=None),
        in_file(version=7),
        in_file(distrusted=["strict"]),
    ],
    ids=range(11),
)
def test_a_file_that_cannot_be_read_counts_as_none(text: str, path: Path) -> None:
    path.parent.mkdir()
    path.write_text(text, encoding="utf-8")
    profile = Profile(path, "one")
    assert profile.position("cursor") == ""
    profile.refresh({"cursor": Seen("strict")})
    assert profile.learn({"cursor": Seen("strict")})
    assert profile.position("cursor") == "strict"
    assert json.loads(path.read_text(encoding="utf-8"))["format"] == 1


def test_a_line_is_distrusted_also_where_the_file_cannot_be_written(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    profile = Profile(path, "one")
    profile.learn({"cursor": Seen("strict")})
    monkeypatch.setattr("contacts_mcp.state.profile._replace", _fail)
    profile.distrust("cursor", "it came again")
    assert profile.position("cursor") == ""


def _fail(*_: object) -> None:
    raise OSError


@pytest.fixture
def clock() -> Clock:
    return Clock()
