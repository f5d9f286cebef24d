"""Which files an import may open."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from contacts_mcp.book.transfer.files import opened, resolved_roots
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
        ("", "not_found"),
        ("list\0.csv", "not_found"),
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
