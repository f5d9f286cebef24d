"""Which contact a person may mean by a name."""

from __future__ import annotations

import pytest

from contacts_mcp.words.nicknames import is_full_name, may_be_called

SAME = [
    ("Jordan Rivera", "Jordan", "Rivera"),
    ("Jordan", "Jordan", "Rivera"),
    ("Rivera", "Jordan", "Rivera"),
    ("rivera, jordan", "Jordan", "Rivera"),
    ("Mrs. Rivera", "Jordan", "Rivera"),
    ("J. Rivera", "Jordan", "Rivera"),
    ("Jordan R", "Jordan", "Rivera"),
    ("Jordan Rivera", "Jordan", "R."),
    ("Jordan Rivera", "Jordan", ""),
    ("Jordan Q. Rivera", "Jordan", "Rivera"),
    ("Bob Smith", "Robert", "Smith"),
    ("Robert Smith", "Bob", "Smith"),
    ("Bobby", "Rob", "Smith"),
    ("Sam", "Samuel", "Ng"),
    ("Sam", "Samantha", "Ng"),
    ("Kate O'Neil", "Katherine", "ONeil"),
    ("O\u2019Neil", "Sam", "O'Neil"),
    ("Jose Nunez", "José", "Núñez"),
    ("Mueller", "Anna", "Müller"),
    ("Muller", "Anna", "Müller"),
    ("Mary Ann Lee", "Maryann", "Lee"),
    ("Anne-Marie Dubois", "Anne Marie", "Dubois"),
    ("山田太郎", "太郎", "山田"),
    ("山田", "太郎", "山田"),
    ("李", "明", "李"),
    ("ŁUKASZ", "Lukasz", "Nowak"),
    ("van der Berg", "Jan", "van der Berg"),
    ("Anne Delacruz", "Anne", "de la Cruz"),
    ("Señor Muñoz", "José", "Muñoz"),
    ("Herr Müller", "Björn", "Müller"),
    ("Pepe Muñoz", "José", "Muñoz"),
    ("Martin King", "Martin", "King Jr."),
    ("Martin King junior", "Martin", "King Jr."),
    ("Maria Ivanova", "Мария", "Иванова"),
    ("Sergei", "Сергей", "Попов"),
    ("Giorgos Papadopoulos", "Γιώργος", "Παπαδόπουλος"),
]
OTHERS = [
    ("Jordan Smith", "Jordan", "Rivera"),
    ("Sam", "Jordan", "Rivera"),
    ("Samuel", "Samantha", "Ng"),
    ("Sam Ng", "Samuel", "O'Neil"),
    ("J.", "Jordan", "Rivera"),
    ("J. R.", "Jordan", "Rivera"),
    ("K. Rivera", "Jordan", "Rivera"),
    ("Ann", "Anna", "Lee"),
    ("Jordan Jordan", "Jordan", "Rivera"),
    ("Jordan", "", ""),
    ("...", "Jordan", "Rivera"),
    ("", "Jordan", "Rivera"),
    ("Martin King Sr.", "Martin", "King Jr."),
    ("Bill Gates Jr", "William", "Gates III"),
    ("Maria Ivanova", "Марио", "Иванова"),
    ("Ann Abell", "Anna", "Bell"),
]


@pytest.mark.parametrize(("said", "first", "last"), SAME)
def test_the_same_person_in_other_words(said: str, first: str, last: str) -> None:
    assert may_be_called(said, first=first, last=last)


@pytest.mark.parametrize(("said", "first", "last"), OTHERS)
def test_somebody_else(said: str, first: str, last: str) -> None:
    assert not may_be_called(said, first=first, last=last)


def test_a_shown_name_counts_too() -> None:
    assert may_be_called("Acme", first="Jordan", last="Rivera", display_name="Acme Front Desk")
    assert may_be_called("Jordan", display_name="Jordan Rivera")


def test_a_short_shown_name_does_not_excuse_another_last_name() -> None:
    assert not may_be_called("Jordan Smith", first="Jordan", last="Rivera", display_name="Jordan")


FULL = [
    ("Rivera, Jordan", "Jordan", "Rivera"),
    ("Dr Jordan Rivera", "Jordan", "Rivera"),
    ("Bjoern Mueller", "Björn", "Müller"),
    ("Martin King Jr", "Martin", "King, Jr."),
    ("Martin King", "Martin", "King Jr."),
    ("Anne Delacruz", "Anne", "de la Cruz"),
    ("JRR Tolkien", "J. R. R.", "Tolkien"),
    ("橋本桃子", "桃子", "橋本"),
]
NOT_FULL = [
    ("Jordan", "Jordan", "Rivera"),
    ("J. Rivera", "Jordan", "Rivera"),
    ("Bob Smith", "Robert", "Smith"),
    ("Martin King Sr.", "Martin", "King Jr."),
    ("Martin King Sr.", "Martin", "King"),
    ("Rafal Kowalski", "Rafael", "Kowalski"),
    ("Michal Novak", "Michael", "Novak"),
    ("Aron Lee", "Aaron", "Lee"),
    ("Ann Abell", "Anna", "Bell"),
    ("Maria Ivanova", "Мария", "Иванова"),
    ("...", "", ""),
]


@pytest.mark.parametrize(("said", "first", "last"), FULL)
def test_a_full_name(said: str, first: str, last: str) -> None:
    assert is_full_name(said, first=first, last=last, display_name=f"{first} {last}")


@pytest.mark.parametrize(("said", "first", "last"), NOT_FULL)
def test_no_full_name(said: str, first: str, last: str) -> None:
    assert not is_full_name(said, first=first, last=last, display_name=f"{first} {last}".strip())
