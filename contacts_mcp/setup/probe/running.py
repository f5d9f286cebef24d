"""One run of the probe, from the settings to the profile."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import anyio

from contacts_mcp.api.client import find_call, search_call
from contacts_mcp.api.facts import Row
from contacts_mcp.book.book import Book
from contacts_mcp.config import Settings
from contacts_mcp.errors import AccountError, ContactsError, Refused
from contacts_mcp.setup.probe.asking import MOST_REQUESTS, Asker, OutOfRequests
from contacts_mcp.setup.probe.findings import Findings
from contacts_mcp.setup.probe.leftovers import clean
from contacts_mcp.setup.probe.reading import Account, contacts_in, missing_as, read_account
from contacts_mcp.setup.probe.recording import Recording
from contacts_mcp.setup.probe.writing import Pen, Writer, WritingEnds
from contacts_mcp.state.profile import Seen
from contacts_mcp.workspace import Workspace

FICTIONAL = "12025550"  # followed by 100 to 199: numbers that are kept for fiction
PAIRS = 50  # of such numbers
PAIRS_TRIED = 3
Announce = Callable[[int], None]

LONGEST_END = 90.0  # seconds for deleting what was made, when a run is broken off


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """The wishes of one run."""

    writes: bool = False
    phone: str = ""  # of the probe's contact, as a person writes it; "" for a fictional one
    run: str = field(default_factory=lambda: secrets.token_hex(3))  # its name, which marks its contacts
    record: Path | None = None  # the file for the exchange
    cleans: bool = True  # whether contacts of an earlier run may be deleted


@dataclass(frozen=True, slots=True)
class Probed:
    """The end of one run."""

    found: dict[str, Seen]
    notes: list[str]  # sentences without a value of a person
    is_clean: bool  # whether no contact of a probe is left
    requests: int


def phones_of(run: str, attempt: int = 0) -> tuple[str, str]:
    """Two fictional phones, which differ from run to run."""
    at = (int(run, 16) + attempt) % PAIRS * 2
    return f"{FICTIONAL}{100 + at}", f"{FICTIONAL}{101 + at}"


def recording_of(plan: Plan) -> Recording:
    """A recording for a run, to be told of its answers."""
    own = {phone for attempt in range(PAIRS_TRIED) for phone in phones_of(plan.run, attempt)}
    return Recording(run=plan.run, own=frozenset(own))


def announcement(settings: Settings, plan: Plan) -> str:
    """The plan in words, before anything is asked."""
    where = "the built-in sandbox" if settings.sandbox else settings.base_url
    lines = [
        f"The probe sends {where} at most {MOST_REQUESTS} requests, one after the other.",
        "It reads the fields, tags, team, inboxes, the count and some pages of contacts.",
    ]
    if plan.writes:
        phones = plan.phone or "a fictional phone"
        lines += [
            f"It makes a contact with {phones} and a second one with a fictional phone, changes them and deletes them.",
            "Their tags, custom fields and assignee are taken from yours, so a rule of your account may act on them.",
        ]
    cleaned = "" if settings.read_only else "A contact that an earlier probe left behind is deleted. "
    lines.append(f"{cleaned}Nothing {'else ' if cleaned or plan.writes else ''}is changed.")
    return "\n".join(lines)


def run(settings: Settings, plan: Plan, announce: Announce = lambda _: None) -> Probed:
    """Probe the account, and keep its profile. `announce` hears how many requests were sent. Raises ContactsError."""
    if plan.writes and (settings.read_only or not settings.journal):
        why = "CONTACTS_MCP_READ_ONLY is set" if settings.read_only else "CONTACTS_MCP_JOURNAL is off"
        raise AccountError(f"Nothing was asked: --write needs the journal and the right to write, and {why}.")

    async def work() -> Probed:
        async with Workspace(settings) as workspace:
            return await probe(await workspace.book(), replace(plan, cleans=not settings.read_only), announce)

    return anyio.run(work)


async def probe(book: Book, plan: Plan, announce: Announce = lambda _: None) -> Probed:
    """Probe the service of an open book, and keep its profile. Raises ContactsError."""
    one = _Run(book, plan, announce)
    try:
        return await one.run()
    finally:
        one.close()


class _Run:
    def __init__(self, book: Book, plan: Plan, announce: Announce) -> None:
        self._book = book
        self._plan = plan
        self._asker = Asker(book.api, announce=announce)
        self._findings = Findings()
        self._notes: list[str] = []
        self._left: list[str] = []
        self._recording = recording_of(plan)
        if plan.record:
            book.api.listeners.append(self._recording.hear)

    def close(self) -> None:
        self._asker.close()
        if self._plan.record:
            self._book.api.listeners.remove(self._recording.hear)

    async def run(self) -> Probed:
        if not self._plan.cleans:
            if await self._book.journal.made_by_probe():
                self._left = ["Contacts of an earlier probe may be left. CONTACTS_MCP_READ_ONLY keeps them."]
        elif await self._book.journal.made_by_probe():
            await self._clean("An earlier probe was broken off.", {})
        try:
            account = await read_account(self._asker, self._findings)
            self._notes.append(_account_in_words(account))
            if self._plan.writes:
                await self._write(account)
        except OutOfRequests:
            self._notes.append(f"The probe ended after {self._asker.used} requests.")
        self._asker.note(self._findings)
        found = self._findings.all(with_writes=self._plan.writes)
        if self._plan.record:
            self._recording.save(self._plan.record, {name: seen.position for name, seen in found.items()})
        if not self._book.profile.learn(found):
            self._notes.append("The profile could not be written.")
        return Probed(found, [*self._notes, *self._left], not self._left, self._asker.used)

    async def _write(self, account: Account) -> None:
        """The writing part. Its contacts are deleted whatever happens."""
        try:
            phones = await self._free_phones()
        except Refused as refused:
            self._notes.append(str(refused))
            return
        pen = Pen(book=self._book, asker=self._asker, findings=self._findings, run=self._plan.run)
        writer = Writer(pen, account, phones, may_opt_out=not self._plan.phone)
        ending: ContactsError | None = None
        async with self._book.locks.phones(*phones):
            try:
                await writer.run()
            except (WritingEnds, OutOfRequests) as end:
                why = str(end) or "all requests were used"
                self._notes.append(f"Writing ended early: {why}.")
            except ContactsError as failure:
                ending = failure
            finally:
                with anyio.move_on_after(LONGEST_END, shield=True):
                    await self._clean("", writer.made)
        if ending is not None:
            if self._left:  # nobody gets the notes of a probe that fails
                ending.tell_of(" ".join(self._left))
            raise ending

    async def _free_phones(self) -> tuple[str, str]:
        """Two phones that nobody has. Raises Refused."""
        own = self._book.phone(self._plan.phone).digits if self._plan.phone else ""
        for attempt in range(PAIRS_TRIED):
            fictional = phones_of(self._plan.run, attempt)
            phones = (own or fictional[0], fictional[1])
            if await self._are_free(phones):
                return phones
        raise Refused("Nothing was written: it could not be seen that nobody has the phones.", kind="phone_taken")

    async def _are_free(self, phones: tuple[str, str]) -> bool:
        """Whether the service says that nobody has those phones. No clear answer counts as no."""
        if self._findings.position("search") == "they may":
            told = await self._asker.read(search_call(phones=phones))
            return told is not None and not told.is_refused and not contacts_in(told)
        return all([missing_as(await self._asker.read(find_call(phone))) for phone in phones])

    async def _clean(self, why: str, known: Mapping[int, Row]) -> None:
        self._asker.hold_back(0)
        self._left = ["Contacts of a probe may be left; the next run deletes them."]
        try:
            cleaned = await clean(self._book, self._asker, self._findings, known)
        except (ContactsError, OutOfRequests) as failure:
            told = "all requests were used" if isinstance(failure, OutOfRequests) else str(failure)
            self._left.append(f"The probe's contacts could not be deleted: {told}.")
            return
        self._left = [*cleaned.left]
        if cleaned.left:
            self._left.append("The next run of contacts-mcp probe looks again, and deletes them.")
        self._left += cleaned.kept
        if cleaned.deleted:
            ids = ", ".join(map(str, cleaned.deleted))
            self._notes.append(f"{why} Deleted the probe's contacts: {ids}.".strip())


def _account_in_words(account: Account) -> str:
    parts: Sequence[tuple[int, str]] = (
        (len(account.fields), "custom fields"),
        (len(account.tags), "tags on the first page"),
        (len(account.members), "team members"),
        (account.inboxes, "inboxes"),
    )
    contacts = "an unknown number of" if account.contacts is None else str(account.contacts)
    unread = f" No clear answer: {', '.join(account.unread)}." if account.unread else ""
    return f"The account has {contacts} contacts, {', '.join(f'{many} {what}' for many, what in parts)}.{unread}"
