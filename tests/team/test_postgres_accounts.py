"""The number of an account: one for all its names, and never one for two accounts."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import anyio

from contacts_mcp.state.account import Account
from contacts_mcp.state.journal import Entry
from contacts_mcp.state.postgres.accounts import AccountNumber
from contacts_mcp.state.postgres.database import SharedDatabase
from contacts_mcp.state.postgres.imports import PostgresImports
from contacts_mcp.state.postgres.journal import PostgresJournal
from contacts_mcp.state.postgres.locks import PostgresLocks

UPDATE = Entry(action="update", contact_id=7, before={"first": "Jo"}, wanted={"first": "Joe"})


async def test_servers_that_meet_an_account_at_once_find_one_number(postgres: str, account: str) -> None:
    replicas = [SharedDatabase(postgres) for _ in range(4)]
    numbers: list[int] = []

    async def ask(db: SharedDatabase) -> None:
        numbers.append(await AccountNumber.of(db, account).get())

    async with anyio.create_task_group() as tasks:
        for db in replicas:
            tasks.start_soon(ask, db)
    assert len(numbers) == 4
    assert len({*numbers}) == 1
    for db in replicas:
        await db.aclose()


async def test_a_renewed_credential_finds_what_the_old_one_left_once_the_team_is_known(
    postgres: str, tmp_path: Path, account: str
) -> None:
    """Each server has a folder of its own. The database alone tells that both credentials are of one team."""
    old = Account(f"{account} old", address="https://x", directory=tmp_path / "one")
    new = Account(f"{account} new", address="https://x", directory=tmp_path / "other")
    one, other = SharedDatabase(postgres), SharedDatabase(postgres)
    journal, renewed = PostgresJournal(one, old), PostgresJournal(other, new)
    old.learn(abs(hash(account)))
    first = await journal.begin(UPDATE)
    assert await journal.spend_token("digest")
    plan = await PostgresImports(one, old).begin("file", {}, {})
    before = await renewed.begin(replace(UPDATE, contact_id=8))
    assert await renewed.get(first.change_id) is None, "the team is not known yet"

    new.learn(abs(hash(account)))
    assert await renewed.get(first.change_id) == first
    assert await renewed.get(before.change_id) == before
    assert not await renewed.spend_token("digest")
    assert await PostgresImports(other, new).plan(plan)
    assert await renewed.finish(replace(before, state="done"))
    async with PostgresLocks(one, old).contact(7), PostgresLocks(other, new).if_free(7, "") as is_held:
        assert not is_held
    for db in (one, other):
        await db.aclose()


async def test_a_server_with_a_number_that_was_merged_notices_at_its_next_write(
    postgres: str, tmp_path: Path, account: str
) -> None:
    def server(name: str, folder: str) -> tuple[SharedDatabase, Account]:
        return SharedDatabase(postgres), Account(f"{account} {name}", address="https://x", directory=tmp_path / folder)

    (one, old), (two, new), (three, also_new) = server("old", "1"), server("new", "2"), server("new", "3")
    old.learn(abs(hash(account)))
    kept = await AccountNumber.of(one, old).get()
    stale = AccountNumber.of(three, also_new)
    assert await stale.get() == await AccountNumber.of(two, new).get() != kept
    locks, journal = PostgresLocks(three, also_new), PostgresJournal(three, also_new)
    async with locks.contact(8):
        new.learn(abs(hash(account)))
        assert await AccountNumber.of(two, new).get() == kept
        assert await stale.get() != kept, "nothing told this server yet"
    async with locks.contact(7), PostgresLocks(one, old).if_free(7, "") as is_held:
        assert not is_held
        begun = await journal.begin(UPDATE)
    assert await PostgresJournal(one, old).get(begun.change_id) == begun
    for db in (one, two, three):
        await db.aclose()
