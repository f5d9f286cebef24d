from __future__ import annotations

import re
from contextlib import closing
from typing import Any

import httpx
import phonenumbers
import pytest

from contacts_mcp.sandbox import open_sandbox


def book(contacts: int = 300, seed: int = 0) -> list[dict[str, Any]]:
    with closing(open_sandbox(contacts=contacts, seed=seed)) as sandbox:
        return sandbox.store.contacts()


def test_one_seed_is_one_book() -> None:
    assert book() == book()
    assert book(seed=1) != book(seed=2)


@pytest.mark.parametrize("seed", [0, 1])
def test_the_people_whom_documents_name_are_always_there(seed: int) -> None:
    jordan, sam = book(seed=seed)[:2]
    assert (jordan["id"], jordan["first"], jordan["last"], jordan["phone"]) == (1001, "Jordan", "Rivera", "15105550100")
    assert (jordan["custom"], jordan["tags"], jordan["email"]) == ({"31": "Gold"}, [101], "jordan.rivera@example.com")
    assert (sam["id"], sam["display_name"], sam["phone"], sam["is_opted_out"]) == (
        1002,
        "Sam O'Neil",
        "15105550101",
        True,
    )


def test_every_number_is_valid_and_there_once() -> None:
    phones = [contact["phone"] for contact in book(1500)]
    assert len(set(phones)) == len(phones)
    assert all(phonenumbers.is_valid_number(phonenumbers.parse(f"+{phone}")) for phone in phones)
    assert {phone[:2] for phone in phones if not phone.startswith("1")} == {"44", "33"}


def test_mail_goes_to_example_com_only() -> None:
    addresses = [contact["email"] for contact in book() if contact["email"]]
    assert len(addresses) > 200
    assert all(re.fullmatch(r"[a-z0-9.]+@example\.com", address) for address in addresses)


def test_the_book_ends_at_a_fixed_date_and_begins_a_year_earlier() -> None:
    for contact in book():
        assert "2025-11-01T12:00:00Z" <= contact["created"] <= contact["updated"] <= "2026-11-01T12:00:00Z"


def test_some_contacts_share_one_updated() -> None:
    updates = [contact["updated"] for contact in book()]
    blocks = sorted(updates.count(update) for update in set(updates))
    assert blocks[-4:] == [6, 9, 12, 20]


async def test_the_untouched_book_can_be_walked_to_its_end_with_a_strict_cursor() -> None:
    with closing(open_sandbox()) as sandbox:
        async with httpx.AsyncClient(
            transport=sandbox.transport(), base_url="http://sandbox", auth=("sandbox-api-key", "")
        ) as client:
            seen: list[int] = []
            query: dict[str, str] = {}
            while rows := (await client.post("/v1/contacts", json=query)).json():
                seen += [row["id"] for row in rows]
                query = {"date": rows[-1]["updated"]}
    assert sorted(seen) == list(range(1001, 1301))


def test_a_few_people_are_there_twice() -> None:
    addresses = [contact["email"] for contact in book() if contact["email"]]
    assert len(addresses) - len(set(addresses)) == 2


@pytest.mark.parametrize("contacts", [0, 1, 2, 3, 301])
def test_a_book_has_as_many_people_as_asked(contacts: int) -> None:
    assert len(book(contacts)) == contacts


def test_more_people_than_numbers_is_refused() -> None:
    with pytest.raises(ValueError, match="at most"):
        open_sandbox(contacts=1_000_000)
