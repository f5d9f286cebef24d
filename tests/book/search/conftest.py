"""A small index to search in."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import closing
from typing import Any

import pytest

from contacts_mcp.book.search.question import Answer, Question
from contacts_mcp.book.search.search import search
from contacts_mcp.state.index import Index
from contacts_mcp.state.row import Row

PLAN, CITY, NUMBER, DUE = 31, 32, 33, 34

PEOPLE = [
    ("Jordan", "Rivera", "15105553344", "jordan.rivera@acme.org", {CITY: "Oakland", PLAN: "Gold"}),
    ("Robert", "Smith", "15105550104", "bob@x.org", {PLAN: "Silver"}),
    ("Hans", "Müller", "4915112345678", "", {PLAN: "Gold"}),
    ("Maryann", "Lee", "", "", {}),
    ("Anna", "Lee", "12125553344", "", {}),
    ("桃子", "橋本", "", "", {}),
    ("健太", "橋本", "", "", {}),
    ("Иван", "Щукин", "", "", {}),
    ("Sean", "O'Brien", "", "", {}),
    ("Maria", "Garcia", "", "", {NUMBER: "C-123456"}),
    ("Min-jun", "Kim", "", "", {}),
    ("Carla", "Reid", "15100420421", "", {DUE: "2027-03-05"}),
    ("Mohammed", "Haddad", "", "", {CITY: "Fresno"}),
    ("Philip", "Schmidt", "", "", {}),
    ("Ana", "de la Cruz", "", "", {}),
    ("Zhiyu", "Jin", "", "", {}),
    ("", "", "15105550199", "", {}),
]

Ask = Callable[..., Answer]


@pytest.fixture(scope="module")
def index() -> Iterator[Index]:
    with closing(Index.open(None)) as opened:
        opened.upsert(
            Row(
                id=number,
                first=first,
                last=last,
                phone=phone,
                email=email,
                custom=custom,
                tags=(101,) if number % 2 else (102, 103),
                assignee=501 if number < 5 else None,
                is_opted_out=[True, False, None][number % 3],
                created=number,
                updated=100 - number,
                rev=1,
            )
            for number, (first, last, phone, email, custom) in enumerate(PEOPLE, 1)
        )
        yield opened


@pytest.fixture
def ask(index: Index) -> Ask:
    def asked(query: str = "", **others: Any) -> Answer:
        return search(index, Question(query=query, **others))

    return asked
