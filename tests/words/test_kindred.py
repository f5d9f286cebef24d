"""Names that may stand for each other in a search."""

from __future__ import annotations

from importlib.resources import files

import pytest

from contacts_mcp.words.kindred import DIRECT, SIBLING, kindred

DIRECT_KIN = [
    ("bob", "robert"), ("robert", "bob"), ("paco", "francisco"), ("pepe", "jose"), ("sasha", "alexander"),
    ("beppe", "giuseppe"), ("misha", "mikhail"), ("kasia", "katarzyna"), ("hans", "johannes"),
    ("muhammad", "mohammed"), ("kathryn", "catherine"), ("liz", "elizabeth"),
]  # fmt: skip


@pytest.mark.parametrize(("said", "meant"), DIRECT_KIN)
def test_a_short_form_and_its_name_are_direct_kin(said: str, meant: str) -> None:
    assert kindred(said)[meant] == kindred(meant)[said] == DIRECT


def test_two_short_forms_of_one_name_are_siblings() -> None:
    assert kindred("bob")["robbie"] == SIBLING


def test_two_names_that_share_a_short_form_are_no_kin() -> None:
    assert "samantha" not in kindred("samuel")


def test_nobody_is_kin_of_himself_and_other_words_have_none() -> None:
    assert "bob" not in kindred("bob")
    assert "mohammed" not in kindred("mohammed")
    assert kindred("qxzw") == {}


def test_the_data_is_of_letters_and_says_where_it_is_from() -> None:
    lines = files("contacts_mcp.words").joinpath("nicknames.txt").read_text(encoding="utf-8").splitlines()
    assert "Apache License 2.0" in " ".join(line for line in lines if line.startswith("#"))
    entries = [line for line in lines if not line.startswith("#")]
    assert len(entries) > 1000
    assert all(char.isalpha() or char in ": " for entry in entries for char in entry)
    assert "Apache License" in files("contacts_mcp.words").joinpath("nicknames.LICENSE").read_text(encoding="utf-8")
