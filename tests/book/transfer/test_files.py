"""Which files an import may open."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from contacts_mcp.book.transfer.files import Place, opened, place_for, resolved_roots
from contacts_mcp.errors import Refused


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    inside = tmp_path / "inside"
    (inside / "deep").mkdir(parents=True)
    (inside / "list.csv").write_text("Phone\n")
    (inside / "deep" / "list.csv").write_text("Phone\n1")
    (tmp_path / "outside.csv").write_text("secret")
    (inside / "link.csv").symlink_to(tmp_path / "outside.csv")
    (inside / "near.csv").symlink_to(inside / "list.csv")
    (inside / "way").symlink_to(inside / "deep")
    os.mkfifo(inside / "pipe")
    return inside


def content(name: str, *roots: Path) -> bytes:
    with opened(name, resolved_roots(roots)) as file:
        data = file.stream.read()
        assert file.size == len(data)
        assert len(file.digest()) == 32
        return data


@pytest.mark.parametrize("name", ["list.csv", "./list.csv", "deep/../list.csv", "{folder}/list.csv"])
def test_a_file_under_an_allowed_folder_is_read(folder: Path, name: str) -> None:
    assert content(name.format(folder=folder), folder) == b"Phone\n"


def test_a_folder_may_be_reached_by_a_link_above_it(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "short").symlink_to(folder)
    assert content(str(tmp_path / "short" / "list.csv"), tmp_path / "short") == b"Phone\n"


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("../outside.csv", "outside_folders"),
        ("deep/../../outside.csv", "outside_folders"),
        ("{folder}/../outside.csv", "outside_folders"),
        ("/etc/passwd", "outside_folders"),
        ("link.csv", "link"),
        ("near.csv", "link"),
        ("way/list.csv", "link"),
        ("pipe", "no_file"),
        ("deep", "no_file"),
        (".", "no_file"),
        ("gone.csv", "not_found"),
        ("list.csv/more", "not_found"),
        ("~nobody-has-this-home/list.csv", "not_found"),
        ("", "not_found"),
        ("list\0.csv", "not_found"),
        ("list\ud800.csv", "no_file"),
    ],
)
def test_every_other_path_is_refused(folder: Path, name: str, kind: str) -> None:
    with pytest.raises(Refused) as refused:
        content(name.format(folder=folder), folder)
    assert refused.value.kind == kind


def test_a_name_in_two_folders_is_not_guessed(folder: Path) -> None:
    with pytest.raises(Refused, match="Several") as refused:
        content("list.csv", folder, folder / "deep")
    assert refused.value.kind == "several_files"


def test_a_large_file_is_refused(folder: Path) -> None:
    with pytest.raises(Refused) as refused, opened("list.csv", [folder], most=3):
        pass
    assert refused.value.kind == "too_large"


def test_without_folders_no_file_is_read(folder: Path) -> None:
    with pytest.raises(Refused) as refused:
        content(str(folder / "list.csv"))
    assert refused.value.kind == "no_folders"


def test_the_home_and_the_root_of_the_disk_are_no_folders(folder: Path) -> None:
    assert resolved_roots(["/", "~", folder, folder, folder / "gone"]) == (folder.resolve(),)


def test_the_descriptor_is_read_and_not_the_path(folder: Path) -> None:
    with opened("list.csv", [folder]) as file:
        (folder / "list.csv").unlink()
        (folder / "list.csv").symlink_to("/etc/passwd")
        assert file.stream.read() == b"Phone\n"


# New files


def place(name: str, folder: Path, *, overwrite: bool = False) -> Place:
    return place_for(name.format(folder=folder), resolved_roots([folder]), overwrite=overwrite)


def written(at: Place, content: bytes = b"new") -> Path:
    with at.writing() as stream:
        stream.write(content)
    return at.path


@pytest.mark.parametrize("name", ["new.csv", "./new.csv", "deep/new.csv", "{folder}/new.csv"])
def test_a_new_file_is_written_whole_and_for_its_owner_alone(folder: Path, name: str) -> None:
    path = written(place(name, folder))
    assert path.read_bytes() == b"new"
    assert path.stat().st_mode & 0o777 == 0o600
    assert [each.name for each in path.parent.iterdir() if each.name.startswith(".")] == []


def test_a_name_that_is_taken_stays_as_it_is_unless_the_caller_says_otherwise(folder: Path) -> None:
    with pytest.raises(Refused) as refused:
        place("list.csv", folder).check()
    assert refused.value.kind == "name_taken"
    assert written(place("list.csv", folder, overwrite=True)).read_bytes() == b"new"


@pytest.mark.parametrize("has_links", [True, False])
def test_a_name_that_is_taken_meanwhile_is_not_overwritten(
    folder: Path, has_links: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_links(*_: object, **__: object) -> None:
        raise PermissionError(1, "Operation not permitted")

    if not has_links:
        monkeypatch.setattr(os, "link", no_links)
    at = place("new.csv", folder)

    def race() -> None:
        with at.writing() as stream:
            stream.write(b"ours")
            at.path.write_bytes(b"theirs")

    with pytest.raises(Refused) as refused:
        race()
    assert refused.value.kind == "name_taken"
    assert at.path.read_bytes() == b"theirs"
    assert [each.name for each in folder.iterdir() if each.name.startswith(".")] == []
    at.path.unlink()
    assert written(at).read_bytes() == b"new"


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("../new.csv", "outside_folders"),
        ("/etc/new.csv", "outside_folders"),
        ("{folder}/../new.csv", "outside_folders"),
        ("link.csv", "link"),
        ("near.csv", "link"),
        ("way/new.csv", "link"),
        ("pipe", "no_file"),
        ("deep", "no_file"),
        (".", "no_file"),
        ("gone/new.csv", "not_found"),
        ("~nobody-has-this-home/new.csv", "not_found"),
        ("", "not_found"),
        ("new\ud800.csv", "no_file"),
    ],
)
def test_nothing_is_written_elsewhere_or_over_a_link(folder: Path, tmp_path: Path, name: str, kind: str) -> None:
    with pytest.raises(Refused) as refused:
        written(place(name, folder, overwrite=True))
    assert refused.value.kind == kind
    assert (tmp_path / "outside.csv").read_text() == "secret"


def test_without_a_folder_nothing_is_written() -> None:
    with pytest.raises(Refused) as refused:
        place_for("new.csv", ())
    assert refused.value.kind == "no_folders"
    assert "Over HTTP none ever is: paste the rows as text, in parts." in str(refused.value)


def test_a_full_disk_leaves_nothing_behind(folder: Path) -> None:
    before = {each.name for each in folder.iterdir()}

    def fill() -> None:
        with place("new.csv", folder).writing() as stream:
            stream.write(b"half")
            raise OSError(errno.ENOSPC, "No space left on device")

    with pytest.raises(Refused) as refused:
        fill()
    assert refused.value.kind == "not_written"
    assert "No space left on device" in str(refused.value)
    assert {each.name for each in folder.iterdir()} == before
