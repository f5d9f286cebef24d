"""Short random sequences of calls against a service with faults of time.

Run it by `python benchmarks/sequences.py [sequences] [seed] [--replicas N]`.

Each sequence has a fresh small account, one server and three to eight calls. With replicas it has N servers over one
real PostgreSQL (`replicas.py`). Then some calls come to several of them at once. Each has a clock of its own, and loses
PostgreSQL for some seconds. Writes land up to 20 seconds late. Reads
lag behind by up to 3 seconds and 10 reads, some kinds of read or all. A 2xx may do nothing. `rev`, `updated` and
opt-outs may be hidden. Somebody else edits, deletes and creates between any two requests. Calls are cancelled, the
server dies in the middle of a write, and its time of day jumps by seconds, an hour or a month.

Everything that happens to the rows is written down with the call whose request did it, however late. The laws:

- A call that says it did something did it, once, and shows a state that is not older than that.
- A call that says anything else, except that it does not know, did nothing and never will.
- A write that arrives late finds its contact as its call left it: nothing of ours came between.
- Nobody is opted in without consent and a confirmation.
- No confirmation allows two calls to do something.
- Nobody of ours arrives on a number that an opted-out contact of ours left, unless opted out, and it is told.
- An update changes nothing but what it was asked for, unless somebody else wrote to the contact lately.
- A merge changes the contact that it keeps and deletes the others, and no other contact.
- A tag is asked for once in half a minute.
- No phone is doubled by the one server, or by several that share their state.
- A double with somebody else is told where it could be seen.
- In the end the journal says `done` of the changes that were made and `not_done` only of those that were not.

One seed is one sequence, always the same. Sequence n of seed s is sequence 0 of seed s + n, told in full.
Time is not waited for (`hurried.py`).
"""

from __future__ import annotations

import argparse
import itertools
import random
import shutil
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator
from contextlib import ExitStack, contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

import anyio
import httpx
from hurried import HurriedLoop, time_of_day
from postgres_server import running_postgres
from replicas import HurriedPostgres, ReplicaState
from watching import WatchedRecords

from contacts_mcp.book.book import Book, Outcome
from contacts_mcp.book.history.changes import changes_of
from contacts_mcp.book.history.undo import undo
from contacts_mcp.book.people.create import create
from contacts_mcp.book.people.delete import delete
from contacts_mcp.book.people.requests import Wanted
from contacts_mcp.book.people.update import update
from contacts_mcp.book.search.merge import merge
from contacts_mcp.book.search.mirror import at_once
from contacts_mcp.config import Settings
from contacts_mcp.errors import ContactsError
from contacts_mcp.sandbox import Behaviour, Fault, Lag, Sandbox, open_sandbox
from contacts_mcp.sandbox.late import LateWrite
from contacts_mcp.sandbox.rows.replica import READ_KINDS
from contacts_mcp.state.account import Account
from contacts_mcp.state.acting import who as acting
from contacts_mcp.state.journal import Entry
from contacts_mcp.workspace import Workspace

SEQUENCES = 20_000
AN_HOUR = 3600.0
DAY = 24 * AN_HOUR
MOST_LATE = 20.0  # seconds
LAG_SECONDS, LAG_READS = 3.0, 10
BOUND = 30.0  # seconds after which every read has caught up
TIMEOUT = 2.0
PHONES = ("15105550101", "15105550102", "12125550142", "12125550143")
CONSENT = "Asked for texts again by phone on 2026-03-04"
TAGS = {"VIP": 101, "Lead": 102, "Newsletter": 103}
DONE = ("created", "updated", "deleted", "undone")
UNKNOWN = ("unknown_outcome", "too_late", "killed")

Row = dict[str, Any]


# What happens to the rows


@dataclass(frozen=True)
class Source:
    """The cause of a change of a row."""

    call: int = 0  # 0 for somebody else
    sent: int = 0  # the number of changes there had been when the request was sent
    is_late: bool = False
    at: float = 0.0  # when a late one is carried out, which may be noticed later
    is_hidden: bool = False  # reads lag behind it

    @property
    def is_ours(self) -> bool:
        return self.call > 0


@dataclass(frozen=True)
class Event:
    """A change of one row: as it was before and after, None for no row."""

    number: int
    at: float
    contact_id: int
    before: Row | None
    after: Row | None
    source: Source
    record: Row | None = None  # as it was stored before, for a replica that falls back

    @property
    def changed(self) -> dict[str, Any]:
        """key -> what it is now."""
        if self.before is None or self.after is None:
            return dict(self.after or {}) or {"phone": None}
        return {key: value for key, value in self.after.items() if self.before[key] != value}

    @property
    def parts(self) -> set[str]:
        """The parts of the row that it changed: of values and tags each one by itself."""
        return {name for name in {*_parts(self.before), *_parts(self.after)} if self._differs_in(name)}

    def _differs_in(self, part: str) -> bool:
        return _parts(self.before).get(part) != _parts(self.after).get(part)

    @property
    def phone(self) -> str:
        """The phone after it, "" for none."""
        return str(self.after["phone"]) if self.after else ""

    @property
    def arrives(self) -> bool:
        """Whether a contact came to its phone."""
        return bool(self.after) and (self.before is None or self.before["phone"] != self.phone)

    @property
    def leaves(self) -> bool:
        """Whether a contact left its phone."""
        before = self.before
        return before is not None and bool(before) and (self.after is None or before["phone"] != self.phone)


_source: ContextVar[Source] = ContextVar("source", default=Source())  # noqa: B039 -- it is frozen


class Log:
    """Everything that happens to the rows of a sandbox, with its cause."""

    def __init__(self, sandbox: Sandbox) -> None:
        self.events: list[Event] = []
        self._records = sandbox.state.records
        WatchedRecords.watch(self._records, self.see)
        add = sandbox.late.add
        sandbox.late.add = lambda write: add(self._with_source(write))  # type: ignore[method-assign] # steps in

    @contextmanager
    def caused_by(self, source: Source) -> Iterator[None]:
        """The cause of everything that happens within."""
        token = _source.set(source)
        try:
            yield
        finally:
            _source.reset(token)

    def _with_source(self, write: LateWrite) -> LateWrite:
        source = replace(_source.get(), sent=len(self.events), is_late=True)

        def carry_out(now: float) -> Any:
            with self.caused_by(replace(source, at=now)):
                return write.carry_out(now)

        return replace(write, carry_out=carry_out)

    def see(self, act: Callable[[Any], Any], record: Any) -> Any:
        """Carry out one change of a row, and write it down."""
        given = record if isinstance(record, int) else record.get("id")
        stored = None if given is None else self._records.contact(given)
        answer = act(record)
        contact_id = answer if given is None else given
        before, after = _row(stored), self._row(contact_id)
        number, source = len(self.events), _source.get()
        now = source.at or time_of_day()
        self.events.append(Event(number, now, contact_id, before, after, source, record=stored))
        return answer

    def _row(self, contact_id: int) -> Row | None:
        return _row(self._records.contact(contact_id))

    def of(self, call: int) -> list[Event]:
        """The writes of a call that were carried out so far, with or without a change."""
        return [event for event in self.events if event.source.call == call]

    def states(self, contact_id: int, *, since: int) -> list[Row | None]:
        """The states of the contact after event `since` and after each later one."""
        mine = [event for event in self.events if event.contact_id == contact_id]
        if not mine:
            return [self._row(contact_id)]
        first = [event.after for event in mine if event.number <= since][-1:] or [event.before for event in mine][:1]
        return [*first, *(event.after for event in mine if event.number > since)]

    def somebody_came_by(self, contact_id: int, phone: str, *, since: float = 0.0) -> bool:
        """Whether somebody else has touched that contact, or put one on that phone or off it."""
        return any(
            not event.source.is_ours
            and event.at >= since
            and (
                event.contact_id == contact_id or (phone and phone in (event.phone, (event.before or {}).get("phone")))
            )
            for event in self.events
        )


def _row(record: Row | None) -> Row | None:
    if record is None:
        return None
    kept = ("phone", "first", "last", "display_name", "email", "is_opted_out")
    return {name: record[name] for name in kept} | {"custom": record["custom"], "tags": sorted(record["tags"])}


def _parts(row: Row | None) -> dict[str, Any]:
    values = {name: value for name, value in (row or {}).items() if name not in ("custom", "tags") and value}
    custom = {f"custom {number}": value for number, value in (row or {}).get("custom", {}).items() if value}
    return values | custom | {f"tag {tag}": True for tag in (row or {}).get("tags", [])}


# The way to the service, with faults and somebody else


_call: ContextVar[Call | None] = ContextVar("call", default=None)  # that is being answered


class Way(httpx.AsyncBaseTransport):
    """The way of the servers' requests. Dice decide what befalls each of them."""

    def __init__(self, sandbox: Sandbox, log: Log, dice: random.Random) -> None:
        self._sandbox, self._log, self._dice = sandbox, log, dice
        self._inner = sandbox.transport()
        # How often each misfortune strikes differs from sequence to sequence.
        self._others = dice.choice((0.0, 0.04, 0.15))
        self._behind = dice.choice((0.0, 0.1, 0.5))
        self._struck = dice.choice((0.2, 0.4, 0.7))
        self._behind_since = time_of_day()
        self.is_calm = False
        self.tags_asked_for: list[float] = []  # when
        self.told: list[str] = []

    def transport(self) -> httpx.AsyncBaseTransport:
        """As a sandbox gives it."""
        return self

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Send one request on, after its dice have fallen."""
        operation = _operation(request)
        self._catch_up()
        fault = None
        if not self.is_calm:
            self._let_somebody_act()
            self._fall_back(self._behind if operation else self._behind / 4)
            fault = self._fault(operation)
            if fault and self._is_beyond_proof(fault, request):
                fault = None
        if operation == "create_tag":
            self.tags_asked_for.append(time_of_day())
        call = _call.get()
        source = Source(call.number if call else 0, len(self._log.events))
        await anyio.sleep(self._dice.choice((0.0, 0.02, 0.2)))
        status: object = "no answer"
        if fault:
            self._sandbox.faults.add(fault)
        try:
            with self._log.caused_by(source):
                response = await self._inner.handle_async_request(request)
            status = response.status_code
        finally:
            self.told.append(f"{time_of_day() % 10_000:9.2f}      {request.method} {request.url.path}: {status}")
            self._sandbox.faults.clear()
        return response

    def _is_beyond_proof(self, fault: Fault, request: httpx.Request) -> bool:
        """Whether it is an accepted deletion that does nothing, while reads may be behind the contact's creation.

        The service says twice that the contact is gone, once by a reply and once by a read. That is believed.
        """
        lately = time_of_day() - 2 * BOUND
        return (fault.kind, fault.operation) == ("pretend", "delete_contact") and any(
            event.before is None and event.at > lately and request.url.path.endswith(f"/{event.contact_id}")
            for event in self._log.events
        )

    def _catch_up(self) -> None:
        """No replica is behind for longer than the bound, also where nobody reads."""
        if time_of_day() - self._behind_since > BOUND:
            self._sandbox.land_due()
            self._sandbox.catch_up()
            self._behind_since = time_of_day()

    def _fall_back(self, share: float) -> None:
        """A replica shows a contact again as it was before one of its last changes."""
        lately = [event for event in self._log.events if event.at > time_of_day() - BOUND / 2]
        if lately and self._dice.random() < share:
            event, lag = self._dice.choice(lately), lag_by(self._dice)
            self._sandbox.state.hold_back(event.contact_id, event.record, lag)
            self.told.append(
                f"               contact {event.contact_id} is shown as before change {event.number}, {lag}"
            )

    def _fault(self, operation: str) -> Fault | None:
        dice = self._dice
        if not operation:
            kinds = ("drop_before", "status", "html_after", "drop_after")
            return Fault("*", dice.choice(kinds)) if dice.random() < 0.04 else None  # type: ignore[arg-type] # one
        return self._struck_by(operation) if dice.random() <= self._struck else None

    def _struck_by(self, operation: str) -> Fault:
        dice = self._dice
        late = round(dice.uniform(0.2, MOST_LATE), 2)
        lost: dict[str, Any] = {"kind": dice.choice(("drop_before", "silence", "status", "gateway", "html"))}
        if lost["kind"] == "gateway":
            lost["status"] = dice.choice((504, 502, 403, 404))
        done: dict[str, Any] = {
            "kind": dice.choice(
                ("drop_after", "status_after", "html_after", "truncate", "empty", "stall_after", "gateway_after")
            )
        }
        if done["kind"] == "gateway_after":
            done["status"] = dice.choice((502, 403, 404))
        order: dict[str, Any] = dice.choices(
            (lost | {"late": late}, lost, done, {"kind": "pretend"}, {"kind": "lag"}),
            weights=(6, 2, 4, 2, 5),
        )[0]
        if order["kind"] == "pretend":
            order["pretended_rev"] = dice.choice(("grown", "same", "none"))
        elif order["kind"] == "stall_after":
            order["delay"] = TIMEOUT * 2
        is_kept = "late" in order or order == done or order["kind"] == "lag"
        if is_kept and (order["kind"] == "lag" or dice.random() < 0.4):
            order["lag"] = lag_by(dice)
        self.told.append(f"               fault: {order}")
        return Fault(operation, **order)

    def _let_somebody_act(self) -> None:
        if self._dice.random() < self._others:
            lag = lag_by(self._dice) if self._dice.random() < 0.3 else None
            with self._log.caused_by(Source(is_hidden=lag is not None)):
                self.told.append(f"               somebody else: {self._somebody_acts(lag)}")

    def _somebody_acts(self, lag: Lag | None) -> str:
        store, dice = self._sandbox.store, self._dice
        here = store.contacts()
        what = dice.choices(("edit", "stop", "delete", "add"), weights=(5, 2, 1, 2))[0]
        if what == "add":
            call = _call.get()
            phone = str(call.asked.get("phone", "")) if call else ""
            phone = phone or dice.choice(PHONES)
            if store.contact_by_phone(phone) is None:
                store.add_contact(phone=phone, first="Theirs", lag=lag)
            return f"adds {phone}, {lag}"
        if not here:
            return "finds nobody"
        contact_id = dice.choice(here)["id"]
        if what == "delete":
            store.delete(contact_id, lag=lag)
        elif what == "stop":
            store.touch(contact_id, is_opted_out=True, lag=lag)
        else:
            store.touch(contact_id, **dice.choice(({"first": "Theirs"}, {"email": "t@example.com"})), lag=lag)
        return f"{what} {contact_id}, {lag}"


def lag_by(dice: random.Random) -> Lag:
    """A replica that is behind, for some kinds of read."""
    kinds = READ_KINDS if dice.random() < 0.5 else tuple(dice.sample(READ_KINDS[:3], dice.choice((1, 2))))
    seconds = round(dice.uniform(0, LAG_SECONDS), 1)
    return Lag(reads=dice.choice((0, 1, 2, 3, 5, LAG_READS)), seconds=seconds, of=kinds)


def _operation(request: httpx.Request) -> str:
    """The operation of a write, "" for a read."""
    if request.method == "POST":
        return {"/v1/contact": "create_contact", "/v1/tag": "create_tag"}.get(request.url.path, "")
    return {"PUT": "update_contact", "DELETE": "delete_contact"}.get(request.method, "")


# What is asked


@dataclass
class Call:
    """One call and its answer."""

    number: int
    text: str
    make: Callable[[Book, str], Awaitable[Outcome | None]]
    asked: dict[str, Any] = field(default_factory=dict)  # the values it asks for, as rows have them
    touches: frozenset[str] | None = None  # the parts of a row that it may change, None for all
    opts_in: bool = False
    merges: tuple[int, ...] = ()  # the contact that is kept, and those that are deleted
    token: str = ""
    status: str = ""  # of its answer, or the kind of its error
    outcome: Outcome | None = None
    since: int = 0  # how many changes of rows there had been
    until: int = 0
    began: float = 0.0
    entries: list[int] = field(default_factory=list)  # the changes of the journal that it began
    is_midway: bool = False  # an error that tells what was done before it

    @property
    def is_of_many(self) -> bool:
        """Whether it changes several contacts: a merge, or one that is taken back."""
        return bool(self.merges) or len(self.entries) > 1

    @property
    def notes(self) -> list[str]:
        """The kinds of the notes of the answer."""
        return [getattr(note, "kind", "") for note in self.outcome.notes] if self.outcome else []


class Office:
    """Makes up calls. The number of a call marks every text in it."""

    def __init__(self, sandbox: Sandbox, dice: random.Random, *, loves: float) -> None:
        """`loves` is the share of calls about favourites."""
        self._store, self._dice, self._loves = sandbox.store, dice, loves
        self._favourites = dice.choice(PHONES), dice.choice((1, 2, 3))  # so that calls are about one another
        self.changes: list[int] = []
        self.confirmed: list[Call] = []

    def call(self, number: int) -> Call:
        """Something to ask."""
        makers = (
            self._create,
            self._update,
            self._opt,
            self._move,
            self._delete,
            self._undo,
            self._changes,
            self._merge,
            self._new_tag,
            self._confirm_again,
        )
        return self._dice.choices(makers, weights=(18, 22, 14, 12, 12, 14, 5, 9, 4, 4))[0](number)

    def _create(self, number: int) -> Call:
        phone, choice = self._phone(), self._dice.choice
        if_exists: Literal["report", "fill"] = choice(("report", "fill"))
        first, opted_out = f"F{number}", choice((None, None, True, False))
        wanted = Wanted(first=first, is_opted_out=opted_out, email=choice((None, f"m{number}@example.com")))

        async def make(book: Book, _: str) -> Outcome:
            return await create(book, f"+{phone}", wanted, if_exists=if_exists)

        text = f"create {phone} {wanted.first} {if_exists} opted_out={opted_out}"
        return Call(number, text, make, asked={"phone": phone})

    def _update(self, number: int) -> Call:
        who, values = self._who(), self._texts(number)

        async def make(book: Book, token: str) -> Outcome:
            return await update(book, Wanted(**values), **who, confirm_token=token)

        asked = {name: value for name, value in values.items() if name in ("first", "last", "email")}
        touches = frozenset(part for name in values for part in self._touched_by(name, values[name]))
        return Call(number, f"update {who} {values}", make, asked=asked, touches=touches)

    @staticmethod
    def _touched_by(name: str, value: Any) -> list[str]:
        if name in ("add_tags", "remove_tags"):
            return [f"tag {TAGS[tag]}" for tag in value]
        texts = {"custom_fields": ["custom 31"], "clear": ["custom 33"], "email": ["email"]}
        return texts.get(name, [name, "display_name"])

    def _texts(self, number: int) -> dict[str, Any]:
        dice = self._dice
        values: dict[str, Any] = {}
        for name in dice.sample(("first", "last", "email", "custom_fields", "tags", "clear"), dice.choice((1, 1, 2))):
            makers: dict[str, dict[str, Any]] = {
                "first": {"first": dice.choice((f"F{number}", "Ada"))},
                "last": {"last": f"L{number}"},
                "email": {"email": f"m{number}@example.com"},
                "custom_fields": {"custom_fields": {"Plan": f"P{number}"}},
                "tags": {dice.choice(("add_tags", "remove_tags")): [dice.choice(tuple(TAGS))]},
                "clear": {"clear": ["Region"]},
            }
            values |= makers[name]
        return values

    def _opt(self, number: int) -> Call:
        who, is_out = self._who(), self._dice.random() < 0.5
        consent = "" if is_out or self._dice.random() < 0.1 else f"{CONSENT} ({number})"

        async def make(book: Book, token: str) -> Outcome:
            return await update(book, Wanted(is_opted_out=is_out), **who, consent=consent, confirm_token=token)

        asked = {"is_opted_out": is_out}
        call = Call(number, f"opt {'out' if is_out else 'in'} {who}", make, asked=asked, opts_in=bool(consent))
        return replace(call, touches=frozenset(asked))

    def _move(self, number: int) -> Call:
        who, phone = self._who(), self._phone()
        says = self._dice.choice((None, None, False))

        async def make(book: Book, token: str) -> Outcome:
            return await update(book, Wanted(is_opted_out=says), **who, new_phone=f"+{phone}", confirm_token=token)

        touches = frozenset({"phone", "is_opted_out"})
        return Call(number, f"move {who} to {phone} opted_out={says}", make, asked={"phone": phone}, touches=touches)

    def _delete(self, number: int) -> Call:
        who = self._who()

        async def make(book: Book, token: str) -> Outcome:
            return await delete(book, **who, confirm_token=token)

        return Call(number, f"delete {who}", make)

    def _undo(self, number: int) -> Call:
        if not self.changes:
            return self._update(number)
        change_id = self._dice.choice(self.changes[-4:])

        async def make(book: Book, token: str) -> Outcome:
            return await undo(book, change_id, confirm_token=token)

        return Call(number, f"undo {change_id}", make)

    def _merge(self, number: int) -> Call:
        here = [contact["id"] for contact in self._store.contacts()]
        if len(here) < 2:
            return self._update(number)
        keep, *others = self._dice.sample(here, min(len(here), self._dice.choice((2, 2, 3))))

        async def make(book: Book, token: str) -> Outcome:
            merged = await merge(book, keep, others, confirm_token=token)
            self.changes += [merged.change_id] if merged.change_id else []
            return Outcome(
                status="updated" if merged.status == "merged" else merged.status,
                card=merged.card,
                notes=[*merged.notes],
                change_id=merged.change_id,
                confirm_token=merged.confirm_token,
            )

        return Call(number, f"merge {others} into {keep}", make, merges=(keep, *others))

    def _confirm_again(self, number: int) -> Call:
        if not self.confirmed:
            return self._opt(number)
        return replace(self._dice.choice(self.confirmed), number=number, entries=[], outcome=None)

    def _new_tag(self, number: int) -> Call:
        who = self._who()

        async def make(book: Book, _: str) -> Outcome:
            return await update(book, Wanted(add_tags=["Winback"], create_missing_tags=True), **who)

        return Call(number, f"new tag for {who}", make)

    def _changes(self, number: int) -> Call:
        async def make(book: Book, _: str) -> None:
            await changes_of(book)

        return Call(number, "list changes", make)

    def _phone(self) -> str:
        return self._favourites[0] if self._dice.random() < self._loves else self._dice.choice(PHONES)

    def _who(self) -> dict[str, Any]:
        here = [contact["id"] for contact in self._store.contacts()]
        if self._dice.random() < 0.3 or not here:
            return {"phone": f"+{self._phone()}"}
        is_favourite = self._dice.random() < self._loves
        return {"contact_id": self._favourites[1] if is_favourite else self._dice.choice(here)}


# Whether it is true


class Judge:
    """Holds every answer and every change of a row against the laws."""

    def __init__(self, sandbox: Sandbox, log: Log, calls: dict[int, Call], behaviour: Behaviour) -> None:
        self._sandbox, self._log, self._calls, self._behaviour = sandbox, log, calls, behaviour
        self._seen = 0
        self._left: dict[str, Event] = {}  # phone -> how an opted-out contact left it
        self.wrong: list[str] = []
        self.untold = 0  # doubles with somebody else that no read showed

    def must(self, law: str, *, holds: bool) -> None:
        """Note a law that does not hold."""
        if not holds:
            self.wrong.append(law)

    def judge_answer(self, call: Call) -> None:
        """Right when the answer has come."""
        self.judge_events()
        self._judge_confirmation(call)
        if call.status in DONE and "done_before" not in call.notes:
            self._judge_done(call)
        elif call.status not in UNKNOWN and not call.is_midway:
            self._judge_nothing(call)
        self._judge_reach(call)
        if call.status == "unchanged" and call.asked and call.outcome and call.outcome.card:
            self._judge_unchanged(call)

    def _judge_confirmation(self, call: Call) -> None:
        with_token = [one for one in self._calls.values() if call.token and one.token == call.token]
        acted = [one.number for one in with_token if any(event.changed for event in self._log.of(one.number))]
        self.must(f"calls {acted} acted on one confirmation", holds=len(acted) <= 1)

    def _judge_reach(self, call: Call) -> None:
        """A merge touches its contacts only: the kept one is never deleted, and the others are not changed."""
        for event in self._log.of(call.number) if call.merges else ():
            is_right = event.after is not None if event.contact_id == call.merges[0] else event.after is None
            holds = event.contact_id in call.merges and is_right
            self.must(f"call {call.number} did {event.changed} to contact {event.contact_id}", holds=holds)
        if call.merges and call.status == "updated":
            left = [one for one in call.merges[1:] if self._sandbox.state.records.contact(one) is not None]
            self.must(f"call {call.number} merged, and {left} are there", holds=not left)

    def _judge_done(self, call: Call) -> None:
        own, outcome = self._log.of(call.number), call.outcome
        changing = [event for event in own if event.changed]
        assert outcome is not None
        assert outcome.card is not None
        contact_id = outcome.card.contact_id
        touched = {contact_id, *call.merges}
        other = any(self._log.somebody_came_by(one, "", since=call.began - BOUND) for one in touched)
        self.must(f"call {call.number} answered {call.status}, and did nothing", holds=bool(own) or other)
        is_once = self._times(call, changing) <= 1 + other + self._clears_twice
        self.must(f"call {call.number} did {[event.changed for event in changing]}", holds=is_once)
        if not own:
            return
        self.must(
            f"call {call.number} answered with contact {contact_id}, and changed {own[0].contact_id}",
            holds=contact_id in {event.contact_id for event in own} or call.status == "undone" or bool(call.merges),
        )
        if call.status != "deleted":
            self._judge_shown(call, own, contact_id)
        self._judge_arrival_told(call, own)

    @staticmethod
    def _times(call: Call, changing: list[Event]) -> int:
        """How often it changed something. Of a call that changes several contacts, how often the same one."""
        if not call.is_of_many:
            return len(changing)
        return max(Counter(event.contact_id for event in changing).values(), default=0)

    @property
    def _clears_twice(self) -> bool:
        return self._behaviour.clears_with != "both"

    def _judge_shown(self, call: Call, own: list[Event], contact_id: int) -> None:
        card = call.outcome.card  # type: ignore[union-attr] # it has one
        assert card is not None
        first = next((event for event in own if event.contact_id == contact_id and event.after is not None), None)
        if first is None:
            return
        states = self._log.states(contact_id, since=first.number)
        shown: Row = {"first": card.first, "last": card.last, "email": card.email}
        if self._behaviour.sends_opt_out:
            shown["is_opted_out"] = card.is_opted_out
        is_so = any(state and all(state[name] == value for name, value in shown.items()) for state in states)
        self.must(f"call {call.number} shows {shown}, which was never so after it", holds=is_so)

    def _judge_arrival_told(self, call: Call, own: list[Event]) -> None:
        for event in own:
            if event.arrives and event.phone in self._left and self._left[event.phone].source.call != call.number:
                told = {"arrived_opted_out", "suppression_lost"} & {*call.notes}
                holds = bool(told) or self._left_unseen(self._left[event.phone])
                self.must(f"call {call.number} does not tell of the opt-out of {event.phone}", holds=holds)
            others = self._others_on(event) if event.arrives else []
            if others and "doubles" not in call.notes:
                self.untold += 1
                may_be_hidden = all(self._may_be_hidden(other) for other in others)
                self.must(f"call {call.number} does not tell of the double on {event.phone}", holds=may_be_hidden)

    def _others_on(self, event: Event) -> list[int]:
        return [
            contact["id"]
            for contact in self._sandbox.state.records.with_values("phone", [event.phone])
            if contact["id"] != event.contact_id
        ]

    def _may_be_hidden(self, contact_id: int) -> bool:
        """Whether reads may not have shown that contact: it came hidden, or a replica has fallen back behind it."""
        lately = time_of_day() - 2 * BOUND
        own = [one for one in self._log.events if one.contact_id == contact_id]
        return any(one.source.is_hidden or one.at > lately for one in own)

    def _judge_nothing(self, call: Call) -> None:
        for event in self._log.of(call.number):
            self.must(f"call {call.number} answered {call.status}, but did {event.changed}", holds=not event.changed)

    def _judge_unchanged(self, call: Call) -> None:
        contact_id = call.outcome.card.contact_id  # type: ignore[union-attr] # it has one
        states = self._log.states(contact_id, since=max(call.since - 1, 0))
        is_so = any(state and all(state[name] == value for name, value in call.asked.items()) for state in states)
        lately = self._log.somebody_came_by(contact_id, "", since=call.began - BOUND)
        self.must(f"call {call.number} answered unchanged, and {call.asked} is not so", holds=is_so or lately)

    def judge_events(self) -> None:
        """Everything that has happened since the last time."""
        events, self._seen = self._log.events[self._seen :], len(self._log.events)
        for event in events:
            if event.source.is_ours and event.changed:
                self._judge_event(event)
                if event.source.is_late:
                    self._judge_late(event)
            if event.leaves and event.source.is_ours and event.before and event.before["is_opted_out"]:
                self._left[event.before["phone"]] = event

    def _judge_event(self, event: Event) -> None:
        call = self._calls[event.source.call]
        self._judge_opt_out(event, call)
        if event.before and event.after and call.touches is not None and not event.parts <= call.touches:
            came_by = self._log.somebody_came_by(event.contact_id, event.phone, since=call.began - BOUND)
            self.must(f"call {call.number} changed {event.parts} and was asked for {call.touches}", holds=came_by)
        if event.arrives and event.phone in self._left:
            is_out = bool(event.after and event.after["is_opted_out"])
            lately = self._left_unseen(self._left[event.phone])
            self.must(f"call {call.number} lets texts reach {event.phone}", holds=is_out or lately)
        if event.arrives and self._behaviour.known_phone == "double":
            self._judge_double(event)

    def _judge_opt_out(self, event: Event, call: Call) -> None:
        before, after = event.before, event.after
        if not before or not before["is_opted_out"]:
            return
        if after and not after["is_opted_out"]:
            allowed = call.opts_in and bool(call.token)
            self.must(f"call {call.number} opted {event.contact_id} in without consent or confirmation", holds=allowed)
            self._left.pop(event.phone, None)
        if event.leaves:
            lately = self._log.somebody_came_by(event.contact_id, "", since=call.began - BOUND)
            self.must(f"call {call.number} took an opted-out contact off its number", holds=bool(call.token) or lately)

    def _left_unseen(self, left: Event) -> bool:
        """Whether somebody else had opted the contact out so lately that no read may have shown it."""
        began = self._calls[left.source.call].began
        return self._log.somebody_came_by(left.contact_id, "", since=began - BOUND)

    def _judge_double(self, event: Event) -> None:
        """Another contact was there. It must be somebody else's, and so new that no read may have shown it."""
        since = self._calls[event.source.call].began - BOUND
        for other in self._others_on(event):
            came = [
                one for one in self._log.events if one.contact_id == other and one.arrives and one.number < event.number
            ]
            if not came:  # gone again, or from the start
                continue
            excused = not came[-1].source.is_ours and came[-1].at >= since
            self.must(f"call {event.source.call} doubled {event.phone}", holds=excused)

    def _judge_late(self, event: Event) -> None:
        call = self._calls[event.source.call]
        if call.status and call.status not in {*UNKNOWN, *DONE} and not call.is_midway:
            self.must(f"call {call.number} answered {call.status}, but did {event.changed} later", holds=False)
        between = [one for one in self._log.events[event.source.sent : event.number] if self._is_between(one, event)]
        other = between[-1].source.call if between else 0
        text = f"what call {call.number} sent came after call {other}, and did {event.changed}"
        self.must(text, holds=not between)
        if call.status in DONE and event.number >= call.until:
            touched = self._log.somebody_came_by(event.contact_id, event.phone)
            own = [one for one in self._log.of(call.number) if one.number < event.number]
            self.must(f"call {call.number} was done, and did {event.changed} later", holds=touched or not own)

    @staticmethod
    def _is_between(one: Event, late: Event) -> bool:
        """Whether another call of ours changed the contact before the late write landed."""
        is_others = one.source.is_ours and one.source.call != late.source.call
        return is_others and bool(one.changed) and one.contact_id == late.contact_id

    def judge_journal(self, entries: list[Entry]) -> Counter[str]:
        """In the end, when everything has landed and every read has caught up."""
        for entry in entries:
            self._judge_entry(entry)
        return Counter(entry.state for entry in entries)

    def _events_of(self, call: Call, entry: Entry) -> list[Event]:
        """The changes of rows that may be the one of `entry`."""
        events = self._log.of(call.number)
        return [event for event in events if len(call.entries) == 1 or _is_about(event, entry)]

    def _judge_entry(self, entry: Entry) -> None:
        call = next(call for call in self._calls.values() if entry.change_id in call.entries)
        events = self._events_of(call, entry)
        changing = [event for event in events if event.changed]
        somebody = self._log.somebody_came_by(entry.contact_id or 0, str(entry.wanted.get("phone", "")))
        undid_it = bool(changing) and entry.action == "create" and somebody
        did = f"change {entry.change_id} is {entry.state}, and did {[event.changed for event in changing]}"
        holds = {"not_done": not changing or undid_it, "done": bool(events) or somebody, "begun": False}
        self.must(did, holds=holds.get(entry.state, True))


def _is_about(event: Event, entry: Entry) -> bool:
    """Whether the change of a row may be the one of that entry, among the entries of one call."""
    if entry.action == "create":
        return event.before is None and event.phone == entry.wanted.get("phone")
    return event.contact_id == entry.contact_id


# The run


@dataclass
class Figures:
    """The results. `wrong` must stay empty."""

    sequences: int = 0
    calls: Counter[str] = field(default_factory=Counter)
    events: int = 0
    late: int = 0
    by_others: int = 0
    untold: int = 0
    entries: Counter[str] = field(default_factory=Counter)
    wrong: list[str] = field(default_factory=list)
    seconds: float = 0.0
    story: list[str] = field(default_factory=list)  # of the last sequence


class Server:
    """One server: its clock, its folder, and its state in files or in a database that it shares with others."""

    def __init__(self, sequence: Sequence, number: int) -> None:
        self._sequence, self._home = sequence, sequence.home / str(number)
        self.name = f"server {number}" if sequence.postgres else "the server"
        self.skew = 0.0  # seconds by which its clock is ahead
        self.calls = 0  # that it is answering
        self.open()

    def open(self) -> None:
        sequence = self._sequence
        settings = Settings.load(
            sandbox=True,
            data_dir=self._home,
            requests_per_minute=100_000,
            timeout=TIMEOUT,
            signing_key="k" * 32,
            index="memory",
        )
        way: Any = sequence.way  # it is only asked for a transport
        self.state = None
        if sequence.postgres:
            self.state = ReplicaState(sequence.postgres, sequence.dice, sequence.account)
        self.workspace = Workspace(
            settings,
            sandbox=way,
            clock=lambda: time_of_day() + self.skew,
            index_runs=at_once,
            shared=self.state,
        )

    @contextmanager
    def answering(self, call: Call) -> Iterator[None]:
        """Within this, all that is done is done by `call`."""
        tokens = _call.set(call), acting.set(_name_of(call))
        self.calls += 1
        try:
            yield
        finally:
            self.calls -= 1
            _call.reset(tokens[0])
            acting.reset(tokens[1])

    async def aclose(self) -> None:
        """Close it. A killed one tells nobody."""
        await _closed(self.workspace, self.state)

    async def restart(self) -> None:
        """Close it and open another one in its folder, which calls come to at once."""
        self._sequence.way.told.append(f"               {self.name} is started again")
        workspace, state = self.workspace, self.state
        if state is None:
            await workspace.aclose()
        self.open()
        if state is not None:
            await _closed(workspace, state)

    def let_time_pass(self) -> None:
        """Its clock may jump, and it may lose the database for a while."""
        dice, sequence = self._sequence.dice, self._sequence
        if dice.random() < sequence.jumps:
            self.skew = dice.choice((0.0, -30 * DAY, -AN_HOUR, -2.0, 2.0, AN_HOUR, 30 * DAY))
            sequence.way.told.append(f"               the clock of {self.name} is {self.skew} seconds ahead")
        if self.state and dice.random() < sequence.outages:
            begins = anyio.current_time() + dice.uniform(0, 3)
            self.state.replica.away = begins, begins + dice.uniform(0.1, dice.choice((2, 8, 70)))
            sequence.way.told.append(f"               {self.name} loses the database at {self.state.replica.away}")


async def _closed(workspace: Workspace, state: ReplicaState | None) -> None:
    await workspace.aclose()
    if state is not None:
        await state.aclose()


class Sequence:
    """One sequence, and everything that it needs."""

    def __init__(self, seed: int, home: Path, *, replicas: int = 1, postgres: HurriedPostgres | None = None) -> None:
        self.dice = random.Random(seed)
        random.seed(seed)  # for the jitter of the client
        self.behaviour = _behaviour(self.dice)
        self.home, self.postgres, self.account = home, postgres, f"sequence {next(_numbers)}"
        self.sandbox = open_sandbox(contacts=0, behaviour=self.behaviour, clock=time_of_day)
        _people(self.sandbox)
        self.log = Log(self.sandbox)
        self.way = Way(self.sandbox, self.log, self.dice)
        self.calls: dict[int, Call] = {}
        self.judge = Judge(self.sandbox, self.log, self.calls, self.behaviour)
        self.office = Office(self.sandbox, self.dice, loves=0.9 if postgres else 0.5)
        self.jumps = self.dice.choice((0.0, 0.0, 0.2))
        self.call_timeout = self.dice.choice((30.0, 50.0, 120.0))
        self.outages = self.dice.choice((0.0, 0.1, 0.3)) if postgres else 0.0
        self.servers = [Server(self, number + 1) for number in range(replicas)]
        self.observer = ReplicaState(postgres, self.dice, self.account) if postgres else None

    async def run(self) -> Counter[str]:
        """The whole sequence. Answers the states of the journal's entries in the end."""
        try:
            for _ in range(self.dice.randint(3, 8)):
                await self._let_time_pass()
                async with anyio.create_task_group() as tasks:
                    for server in self._chosen():
                        tasks.start_soon(self._ask, server)
            return await self._end()
        finally:
            for server in self.servers:
                await server.aclose()
            if self.observer:
                await self.observer.aclose()
            self.sandbox.close()

    def _chosen(self) -> list[Server]:
        """The servers that a call comes to now, often to several at once."""
        servers = self.servers
        if len(servers) == 1:
            return servers
        return [*servers, self.dice.choice(servers)] if self.dice.random() < 0.4 else [self.dice.choice(servers)]

    async def _let_time_pass(self) -> None:
        await anyio.sleep(self.dice.choice((0.0, 0.0, 0.5, 2.0, 7.0, 25.0, 70.0)))
        for server in self.servers:
            server.let_time_pass()
            if self.dice.random() < 0.1 and not server.calls:
                await server.restart()

    async def _ask(self, server: Server) -> None:
        await anyio.sleep(self.dice.choice((0.0, 0.01, 0.3)) if self.postgres else 0.0)
        call = self._known(self.office.call(len(self.calls) + 1))
        await self._make(call, server)
        if call.outcome and call.outcome.confirm_token and self.dice.random() < 0.9:
            if self.dice.random() < 0.2:
                await self._let_time_pass()
            async with anyio.create_task_group() as tasks:
                for chosen in self._confirmed_at():
                    again = replace(call, number=len(self.calls) + 1, text=f"{call.text}, confirmed", entries=[])
                    again.token, again.outcome = call.outcome.confirm_token, None
                    self.office.confirmed.append(again)
                    tasks.start_soon(self._make, self._known(again), chosen)

    def _confirmed_at(self) -> list[Server]:
        """The servers that get a confirmation, now and then several of them."""
        if len(self.servers) > 1 and self.dice.random() < 0.2:
            return self.servers
        return [self.dice.choice(self.servers)]

    def _known(self, call: Call) -> Call:
        self.calls[call.number] = call
        return call

    async def _make(self, call: Call, server: Server) -> None:
        call.status, call.since, call.began = "", len(self.log.events), time_of_day()
        self._tell(f"call {call.number}", f"{call.text}, {server.name}")
        is_killed, patience = self._end_of_call(server)
        with server.answering(call), anyio.move_on_after(min(patience, self.call_timeout)) as scope:
            call.status = await self._answered(call, server, dies=scope if is_killed else None)
        if scope.cancelled_caught or not call.status:
            call.status = "killed" if is_killed else "too_late"
        if is_killed:
            await server.restart()
        call.until = len(self.log.events)
        self._tell("    ", f"-> {call.number} {call.status} {call.notes} {_said(call)}")
        call.entries = [entry.change_id for entry in await self._entries() if entry.who == _name_of(call)]
        self.office.changes += call.entries
        self.judge.judge_answer(call)

    def _end_of_call(self, server: Server) -> tuple[bool, float]:
        """Whether the server is killed while it answers, and the seconds after which nobody waits any more."""
        is_killed = self.dice.random() < 0.05 and not server.calls
        patience = self.dice.uniform(0.01, 1.5) if is_killed or self.dice.random() < 0.07 else self.call_timeout
        if is_killed and server.state:
            server.state.replica.die(after=patience)
        return is_killed, patience

    async def _entries(self) -> list[Entry]:
        """The newest changes of the journal, which has the name of its call for each."""
        lasting = self.observer.lasting(Account.of("")) if self.observer else None
        journal = lasting[0] if lasting else (await self.servers[0].workspace.book()).journal
        return await journal.entries(limit=1000)

    def _tell(self, who: str, text: str) -> None:
        self.way.told.append(f"{time_of_day() % 10_000:9.2f} {who}: {text}")

    async def _answered(self, call: Call, server: Server, *, dies: anyio.CancelScope | None) -> str:
        book = await server.workspace.book()
        finish = book.journal.finish
        if dies:  # a dead process writes nothing any more

            async def last(entry: Entry) -> bool:
                return not dies.cancel_called and await finish(entry)

            book.journal.finish = last  # type: ignore[method-assign] # steps in
        try:
            call.outcome = await call.make(book, call.token)
        except ContactsError as error:
            call.text += f" ({error})"
            call.is_midway = error.is_midway
            return error.kind
        return call.outcome.status if call.outcome else "listed"

    async def _end(self) -> Counter[str]:
        self.way.is_calm = True
        await anyio.sleep(2 * 60 + MOST_LATE)
        self.sandbox.land_due()
        self.sandbox.catch_up()
        self.judge.judge_events()
        asked = self.way.tags_asked_for
        is_once = all(later - one >= BOUND for one, later in itertools.pairwise(asked))
        self.judge.must(f"a tag was asked for at {asked}", holds=is_once)
        book = await self.servers[0].workspace.book()
        for _ in range(2):
            await changes_of(book)
        return self.judge.judge_journal(await self._entries())


def _name_of(call: Call) -> str:
    return f"call {call.number}"


def _said(call: Call) -> str:
    card = call.outcome.card if call.outcome else None
    return f"contact {card.contact_id} {card.phone} opted_out={card.is_opted_out}" if card else ""


def _behaviour(dice: random.Random) -> Behaviour:
    sends_rev, sends_updated = dice.choices(((True, True), (False, True), (False, False)), weights=(5, 2, 2))[0]
    return Behaviour(
        requests_per_minute=0,
        known_phone=dice.choice(("reject", "update", "double", "double")),
        sends_opt_out=dice.random() < 0.75,
        sends_rev=sends_rev,
        sends_updated=sends_updated,
        timestamps=dice.choice(("seconds", "micros")),
        not_found=dice.choice(("404", "400", "null")),
        clears_with=dice.choice(("both", "both", "empty", "null", "neither")),
        put_without_names=dice.choice(("blank", "keep")),
    )


def _people(sandbox: Sandbox) -> None:
    lately = f"{datetime.fromtimestamp(time_of_day() - AN_HOUR, UTC):%Y-%m-%dT%H:%M:%SZ}"
    known: Row = {"created": lately, "updated": lately}
    add = sandbox.store.add_contact
    add(phone=PHONES[0], first="Ada", last="Example", custom={"31": "Gold", "33": "Oakland"}, tags=[101], **known)
    add(phone=PHONES[1], first="Ben", last="Example", is_opted_out=True, **known)


_numbers = itertools.count()  # so that each sequence has an account of its own
_IN_MEMORY = "/dev/shm" if Path("/dev/shm").is_dir() else None  # files of a second's life


async def one(seed: int, figures: Figures, replicas: int = 1, postgres: HurriedPostgres | None = None) -> None:
    """One sequence, whose results are added to `figures`."""
    home = Path(tempfile.mkdtemp(dir=_IN_MEMORY))
    try:
        sequence = Sequence(seed, home, replicas=replicas, postgres=postgres)
        figures.entries += await sequence.run()
    finally:
        shutil.rmtree(home)
    figures.sequences += 1
    figures.calls += Counter(call.status for call in sequence.calls.values())
    figures.events += len(sequence.log.events)
    figures.late += sum(event.source.is_late for event in sequence.log.events)
    figures.by_others += sum(not event.source.is_ours for event in sequence.log.events)
    figures.untold += sequence.judge.untold
    figures.wrong += [f"seed {seed}: {law}" for law in sequence.judge.wrong]
    figures.story = [f"{sequence.behaviour}", *sequence.way.told]


def run(sequences: int, *, seed: int = 0, replicas: int = 1, postgres: HurriedPostgres | None = None) -> Figures:
    """The results of `sequences` random sequences, each in an event loop of its own.

    Several replicas need a database. One is started where none is given.
    """
    figures, started = Figures(), time.process_time()
    with ExitStack() as opened:
        if replicas > 1 and postgres is None:
            server = opened.enter_context(running_postgres(in_memory=True))
            postgres = opened.enter_context(HurriedPostgres.on(server))
        for number in range(sequences):
            loop = {"loop_factory": HurriedLoop}
            anyio.run(one, seed + number, figures, replicas, postgres, backend_options=loop)
    figures.seconds = time.process_time() - started
    return figures


def table(figures: Figures) -> str:
    """The figures for people."""
    rows = [("sequences", f"{figures.sequences:,}"), ("calls", f"{figures.calls.total():,}")]
    rows += [(f"  {status}", f"{number:,}") for status, number in figures.calls.most_common()]
    rows += [("changes of rows", f"{figures.events:,}"), ("  that came late", f"{figures.late:,}")]
    rows += [("  by somebody else", f"{figures.by_others:,}")]
    rows += [("journal entries", ""), *((f"  {state}", f"{number:,}") for state, number in figures.entries.items())]
    rows += [("doubles with somebody else, hidden and untold", f"{figures.untold}")]
    rows += [("computing", f"{figures.seconds:.0f} s"), ("wrong", f"{len(figures.wrong)}")]
    return "\n".join(f"{what:<46}{figure:>12}" for what, figure in rows)


def main() -> int:
    """Print the table and the laws that did not hold. Of one sequence alone, print everything."""
    parser = argparse.ArgumentParser()
    parser.add_argument("sequences", type=int, nargs="?", default=SEQUENCES)
    parser.add_argument("seed", type=int, nargs="?", default=0)
    parser.add_argument("--replicas", type=int, default=1)
    given = parser.parse_args()
    figures = run(given.sequences, seed=given.seed, replicas=given.replicas)
    if given.sequences == 1:
        print(*figures.story, sep="\n")
    print(table(figures))
    print(*figures.wrong[:50], sep="\n")
    return int(bool(figures.wrong))


if __name__ == "__main__":
    sys.exit(main())
