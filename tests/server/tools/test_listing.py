"""The words of `list_contacts` about pages, ends and days, in both protocol eras."""

from __future__ import annotations

from contextlib import closing

import pytest
from support import OpenSession, Session, text_of

from contacts_mcp.sandbox import Behaviour, Sandbox, open_sandbox

PLAIN = Behaviour(requests_per_minute=0)


def office_of(*leads: str) -> Sandbox:
    """An office of nobody but these leads, a minute apart, the last one newest."""
    sandbox = open_sandbox(contacts=0, behaviour=PLAIN)
    for number, name in enumerate(leads):
        moment = f"2026-05-01T00:{number:02}:00Z"
        phone = f"1510555{3000 + number}"
        sandbox.store.add_contact(phone=phone, display_name=name, tags=[102], created=moment, updated=moment)
    return sandbox


async def pages(session: Session, *, limit: int) -> list[str]:
    """The last line of each page of the list."""
    endings, cursor = [], {}
    while not endings or cursor:
        result = await session.call("list_contacts", limit=limit, **cursor)
        endings.append(text_of(result).splitlines()[-1])
        following = result.structured_content["next_cursor"]
        cursor = {"cursor": following} if following else {}
    return [ending.partition(" to go on")[0] for ending in endings]


@pytest.mark.parametrize(
    ("leads", "limit", "last"),
    [
        (0, 2, "0 contacts; complete: true."),
        (1, 2, "1 contact; complete: true."),
        (4, 3, "1 contact on this last page, 4 on all pages; complete: true."),
        (5, 3, "2 contacts on this last page, 5 on all pages; complete: true."),
    ],
)
async def test_the_end_of_a_later_page_speaks_of_that_page_and_of_all(
    open_session: OpenSession, era: str, leads: int, limit: int, last: str
) -> None:
    names = [f"Lead {number}" for number in range(leads)]
    with closing(office_of(*names)) as sandbox:
        async with open_session(mode=era, sandbox=sandbox) as session:
            *before, end = await pages(session, limit=limit)
    assert end == last
    assert all(line == f"{limit} contacts of {leads}; complete: false;" for line in before)


async def test_an_empty_last_page_does_not_say_that_there_was_nobody(open_session: OpenSession, era: str) -> None:
    with closing(office_of(*(f"Lead {number}" for number in range(40)))) as sandbox:
        async with open_session(mode=era, sandbox=sandbox) as session:
            *_, end = await pages(session, limit=40)
    assert end == "No further contacts, 40 on all pages; complete: true."


async def test_full_detail_says_that_it_gives_at_most_25(open_session: OpenSession, era: str) -> None:
    async with open_session(mode=era, contacts=60) as session:
        facts = await session.ok("list_contacts", limit=100, detail="full")
        assert (len(facts["contacts"]), facts["note_kinds"]) == (25, ["limit_lowered"])
        assert "at most 25 contacts" in facts["notes"][0]
        assert "note_kinds" not in await session.ok("list_contacts", limit=25, detail="full")
        assert "note_kinds" not in await session.ok("list_contacts", limit=100, detail="concise")


async def test_who_was_added_today_is_answered_by_the_local_day(open_session: OpenSession, era: str) -> None:
    """At five in the afternoon in California it is tomorrow in London."""
    with closing(office_of()) as sandbox:
        for name, created in [("Yesterday", "2026-05-01T06:59:00Z"), ("Today", "2026-05-02T00:30:00Z")]:
            sandbox.store.add_contact(phone=f"1510555{len(name):04}", first=name, created=created, updated=created)
        async with open_session(mode=era, sandbox=sandbox, time_zone="America/Los_Angeles") as session:
            result = await session.call("search_contacts", created_after="2026-05-01")
            (contact,) = result.structured_content["contacts"]
            assert (contact["created"], contact["updated"]) == ("2026-05-01T17:30:00-07:00",) * 2
            assert "; created 2026-05-01; updated 2026-05-01" in text_of(result)
            details = text_of(await session.call("lookup_contact", contact_id=contact["contact_id"]))
            assert "created 2026-05-01T17:30:00-07:00" in details.replace('"', "")


async def test_changes_are_told_in_local_time(open_session: OpenSession, era: str) -> None:
    async with open_session(mode=era, time_zone="Asia/Kolkata") as session:
        await session.ok("update_contact", contact_id=1001, first="Jo")
        result = await session.call("list_changes")
        (change,) = result.structured_content["changes"]
        assert change["at"].endswith("+05:30")
        assert f"change {change['change_id']}, {change['at']}: update" in text_of(result)


async def test_the_status_names_the_time_zone(open_session: OpenSession, era: str) -> None:
    async with open_session(mode=era, time_zone="Asia/Kolkata") as session:
        assert (
            '"time_zone": "Asia/Kolkata"' in (await session.client.read_resource("contacts://status")).contents[0].text
        )
