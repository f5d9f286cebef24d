"""Many random calls of all tools at once, while a fifth of the requests fails.

Called with `python benchmarks/soak.py [calls] [seed]`.

Four servers share one data directory. Their clients speak both eras, with and without a user to ask. Twenty calls are
under way at any time, on few contacts and phones, so that they collide. Somebody else adds, edits and deletes
meanwhile. Writes are carried out up to 20 seconds after they were given up. Reads lag behind by up to 3 seconds and 10
reads, some kinds of read or all. A 2xx may do nothing. The service makes two contacts of one phone if it is asked to.

The account's rows are watched. Every change of a row must be exactly the change that one call under way asked for.
Nobody asked for a contact made twice, or for a value set back by a call that had read it earlier. When a call is
answered, its answer must be true:

- created, updated, deleted, undone: it happened, once.
- exists, unchanged, needs_confirmation, declined, and most errors: nothing happened.
- An error of a kind in `UNKNOWN` is neither, and is counted.

An import, or a change of many, runs on after its call is answered. It counts as under way until its plan is over. Then
each of its rows must have come out as the plan says: done and told rows happened, once, and the others did not.

A write that arrives late must find its contact as its call left it, and its call must not have said that it did
nothing. A contact that arrives on a phone that an opted-out contact left must be opted out. No phone is doubled, except
with somebody else.

A contact that a look-up shows must have been so at some moment of the call. At the end the journal must tell the same
story as the rows. Time is not waited for (`hurried.py`), so waits and deadlines are as in earnest and cost nothing. One
seed is nearly one run, because file locks go by the real clock.
"""

from __future__ import annotations

import gc
import hashlib
import os
import random
import sqlite3
import sys
import tempfile
import time
from collections import Counter, deque
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from collections.abc import Set as AbstractSet
from contextlib import AbstractContextManager, AsyncExitStack, asynccontextmanager, closing, contextmanager
from dataclasses import dataclass, field, replace
from functools import partial
from itertools import count, product
from pathlib import Path
from typing import Any, Literal, get_args
from unittest import mock
from zlib import crc32

import anyio
from hurried import HurriedLoop, time_of_day
from mcp.client import Client
from mcp.shared.exceptions import MCPError
from mcp_types import CallToolResult, ElicitRequestFormParams, ElicitResult, TextContent
from watching import WatchedRecords

from contacts_mcp.book.search.mirror import at_once
from contacts_mcp.book.values import differences
from contacts_mcp.config import Settings
from contacts_mcp.sandbox import Behaviour, Fault, FaultKind, Lag, Oddity, Sandbox, open_sandbox
from contacts_mcp.sandbox.faults import Faults
from contacts_mcp.sandbox.late import LateWrite
from contacts_mcp.server.server import build_server
from contacts_mcp.state import journal as journal_file
from contacts_mcp.state.imports import PlanState, StoredPlan, StoredRow
from contacts_mcp.state.journal import Entry
from contacts_mcp.workspace import Workspace

Values = dict[str, Any]

CALLS = 10_000
AT_ONCE = 20
SHARE_OF_FAULTS = 0.2
TIMEOUT = 2.0
MOST_GROWTH = 0.05  # of the memory in use, from the middle to the end

OURS = [
    f"1212555{line:04d}" for line in range(100, 140)
]  # nobody else gives these to anybody, so contacts can be moved among them
ANYBODYS = [f"1305555{line:04d}" for line in range(100, 115)]
TEXTS = ("first", "last", "display_name", "email", "avatar")
FIELDS = {
    "Plan": 31,
    "Renewal Date": 32,
    "Region": 33,
    "Customer #": 34,
    "Preferred Language": 35,
    "Account Manager": 36,
}
STRANGERS_FIELD = "40"
STRANGERS_KEY = f"custom:{STRANGERS_FIELD}"
TAGS = {"VIP": 101, "Lead": 102, "Newsletter": 103, "Past Due": 104, "Supplier": 105}
MEMBERS = {"Alex Kim": 501, "Priya Patel": 502, "Marco Rossi": 503, "none": None}

SHARE_OF_LATE = 0.03  # of the writes, in each of the ways of `LOST`
LAGS = (
    Lag(reads=2),
    Lag(seconds=3),
    Lag(reads=10, seconds=3, of=("find_contact", "search_contacts")),
    Lag(reads=10, seconds=3, of=("get_contact",)),
)
LOST: tuple[dict[str, Any], ...] = (  # a write that gets no clear answer and is carried out later
    {"kind": "drop_before", "late": 1.5, "lag": LAGS[0]},
    {"kind": "gateway", "status": 504, "late": 6.0, "lag": LAGS[1]},
    {"kind": "status", "late": 12.0},
    {"kind": "silence", "late": 20.0},
)
HALF: tuple[dict[str, Any], ...] = (  # a batch of which only the first contacts are created
    {"kind": "drop_after"},
    {"kind": "drop_before", "late": 6.0},
    {"kind": "status_after", "status": 500},
    {"kind": "lag", "lag": LAGS[1]},
)
SHARE_OF_HALF = 0.03  # of the batches, in each of the ways of `HALF`
MOST_TRIES = 50  # calls until a run is over, once nothing fails any more
MOST_BEHIND = 30.0  # seconds after which every read has caught up
GATEWAYS = (404, 403, 502)  # the statuses of a gateway's own pages, besides 500 and 504
ODD: tuple[dict[str, Any], ...] = (  # members of contacts as they are sent
    {"custom": {"31": ["Gold", "Silver"]}},
    {"custom": {"31": {"name": "Gold"}, "33": None}},
    {"custom": "none"},
    {"tags": "VIP"},
    {"email": ["a@example.com", "b@example.com"]},
    {"last": {"was": "Example"}, "created": 0},
)
JOURNAL = "journal.sqlite3"
PATIENCE = 0.01  # seconds of real time for a journal that cannot be used

LISTING = ("list_contacts", "search_contacts", "find_duplicates")
READS = ("get_contact", "find_contact", "search_contacts", "list_contacts")

DONE = ("created", "updated", "deleted", "undone")
UNKNOWN = ("unknown_outcome", "too_late")  # kinds of errors after which a change may have been made
DONE_BEFORE = "done_before"  # the kind of the note of an answer that is given once more
MISTAKE = "internal"
HOW = {"answer_lost": ", the answer got lost", "sent_again": ", sent again"}  # by the kind of a note
RUNS = ("import_contacts", "update_contacts")
BEGUN: tuple[PlanState, ...] = ("running", "stopped", "done")  # states of a plan that was confirmed
VERBS = {"create_contact": "create", "update_contact": "update", "delete_contact": "delete", "undo_change": "undo"}


# What happens to the rows


@dataclass(eq=False)
class Event:
    """A change of one row: the values before and after, None for no row, and the calls that asked for it."""

    contact_id: int
    before: Values | None
    after: Values | None
    at: float = 0.0
    is_late: bool = False
    moment: int = 0
    phones: frozenset[str] = frozenset()
    """Those that the contact had since the oldest call under way began."""
    asked_by: list[Asked] = field(default_factory=list)
    claimed_by: Asked | None = None
    may_be_somebodys: bool = False

    @property
    def changed(self) -> Values:
        """key -> what it is now."""
        return {key: now for key, (_, now) in differences(self.before or {}, self.after or {}).items()}

    @property
    def arrives_at(self) -> str:
        """The phone to which a contact came, "" for none."""
        phone = str(self.after["phone"]) if self.after else ""
        return phone if self.before is None or self.before["phone"] != phone else ""

    @property
    def leaves(self) -> str:
        """The phone that a contact left, "" for none."""
        phone = str(self.before["phone"]) if self.before else ""
        return phone if self.after is None or self.after["phone"] != phone else ""


@dataclass(eq=False)
class Asked:
    """A call, under way or answered.

    `may` says whether it asked for a change of a row, and `events` are the changes it may have made.
    """

    number: int
    tool: str
    may: Callable[[Event], bool]
    since: int = 0
    events: list[Event] = field(default_factory=list)
    answer: Literal["", "done", "nothing", "unknown"] = ""  # "" while it is under way


@dataclass(frozen=True)
class Landing:
    """A late write: the calls that were under way when it was sent, and the moment of that."""

    calls: tuple[Asked, ...]
    sent: int


def values_in(record: Values) -> Values:
    values = {name: record[name] for name in ("phone", *TEXTS, "is_opted_out")} | {
        "assignee": record["assigned_user_id"]
    }
    values |= {f"custom:{key}": value for key, value in record["custom"].items()}
    return values | {f"tag:{tag}": "on" for tag in record["tags"]}


class Watch:
    """Everything that happens to the rows of a sandbox, and whether it was asked for."""

    def __init__(self, sandbox: Sandbox, figures: Figures) -> None:
        self._figures = figures
        self._records = sandbox.state.records
        self._is_stranger = False
        self.under_way: dict[int, Asked] = {}
        self.moment = 0
        self.states: dict[int, deque[tuple[int, Values | None]]] = {}
        self.holders: dict[str, int] = {}
        self._gone: deque[int] = deque()
        self._landing: Landing | None = None
        self._own: dict[int, deque[Event]] = {}
        self._touched: dict[int, int] = {}  # contact -> the moment of somebody else's last doing
        self.their_revs: set[tuple[int, int]] = set()  # contact and `rev` after each write of somebody else
        self._theirs: set[int] = set()  # contacts that somebody else added
        self.odd: dict[int, tuple[str, ...]] = {}  # contact -> how the keys begin of what nobody can read of it
        self.left: set[str] = set()  # phones that an opted-out contact left, until somebody is opted in there
        self.unsettled: list[Event] = []  # late changes of calls that had answered that they did not know
        self.taken_away: set[int] = set()
        """Contacts that somebody else deleted, after which nobody can tell what else was done to them."""
        WatchedRecords.watch(self._records, self._watched)
        add = sandbox.late.add
        sandbox.late.add = lambda write: add(self._remembered(write))  # type: ignore[method-assign] # steps in

    def _remembered(self, write: LateWrite) -> LateWrite:
        landing = Landing(tuple(self.under_way.values()), self.moment)

        def carry_out(now: float) -> Any:
            before, self._landing = self._landing, landing
            try:
                return write.carry_out(now)
            finally:
                self._landing = before

        return replace(write, carry_out=carry_out)

    @contextmanager
    def stranger(self) -> Iterator[None]:
        """Within this, somebody else makes the changes."""
        self._is_stranger = True
        try:
            yield
        finally:
            self._is_stranger = False

    def was(self, contact_id: int, shown: Callable[[Values | None], bool], *, since: int) -> bool:
        """Whether the contact was as `shown` at some moment from `since` on."""
        return any(shown(state) for _, state in self.states_since(contact_id, since))

    def was_touched(self, contact_id: int, *, since: int) -> bool:
        """Whether somebody else did something to that contact."""
        return self._touched.get(contact_id, 0) > since

    def states_since(self, contact_id: int, since: int) -> list[tuple[int, Values | None]]:
        """When the contact became how, as far as that was so at or after `since`."""
        states = self.states.get(contact_id) or deque([(0, None)])
        ends = [*[moment for moment, _ in states][1:], self.moment + 1]
        return [state for state, end in zip(states, ends, strict=True) if end > since]

    def _watched(self, act: Callable[[Any], Any], record: Any) -> Any:
        given = record if isinstance(record, int) else record.get("id")
        before = None if given is None else self._values(given)
        answer = act(record)
        self._see(answer if given is None else given, before)
        return answer

    def _values(self, contact_id: int) -> Values | None:
        record = self._records.contact(contact_id)
        return None if record is None else values_in(record)

    def _see(self, contact_id: int, before: Values | None) -> None:
        landing, after = self._landing, self._values(contact_id)
        calls = landing.calls if landing else tuple(self.under_way.values())
        event = Event(contact_id, before, after, time_of_day(), landing is not None)
        event.phones = self._phones_of(contact_id, before, calls)
        self.moment += 1
        self._remember(event)
        is_ours = landing is not None or not self._is_stranger
        self._see_phones(event, is_ours=is_ours)
        if not is_ours:
            self._touched[contact_id] = self.moment
            self.their_revs.add((contact_id, (self._records.contact(contact_id) or {}).get("rev", 0)))
            self.taken_away |= set() if event.after else {contact_id}
            return
        self._figures.writes += 1
        self._figures.late += event.is_late
        if not event.changed and (event.is_late or self._is_a_second_copy(event)):
            return
        self._see_opt_outs(event)
        self._see_own(event, calls)
        if landing:
            self._see_late(event, landing)

    def _is_a_second_copy(self, event: Event) -> bool:
        """Whether a call under way has changed the contact late already, so that its second copy changes nothing."""
        return any(
            one.is_late and one.contact_id == event.contact_id
            for call in self.under_way.values()
            for one in call.events
        )

    def _see_own(self, event: Event, calls: Sequence[Asked]) -> None:
        event.asked_by = [call for call in calls if call.may(event)]
        for call in event.asked_by:
            if not call.answer:
                call.events.append(event)
        what = event.changed or "a write of nothing"
        self._figures.must(f"contact {event.contact_id}: nobody asked for {what}", holds=bool(event.asked_by))
        self._own.setdefault(event.contact_id, deque(maxlen=20)).append(event)
        event.moment = self.moment

    def _see_late(self, event: Event, landing: Landing) -> None:
        """A late write finds its contact as its call left it, and its call had not said that it did nothing."""
        asked = {call.number for call in event.asked_by}
        between = [
            one
            for one in self._own[event.contact_id]
            if landing.sent < one.moment < self.moment and not asked & {call.number for call in one.asked_by}
        ]
        told = f"contact {event.contact_id}: call {sorted(asked)} changed {event.changed} late"
        self._figures.must(f"{told}, after another call", holds=not between)
        answers = {call.answer for call in event.asked_by}
        if "unknown" in answers:
            event.may_be_somebodys = True
            self.unsettled.append(event)
        elif not answers & {""}:
            is_touched = self._touched.get(event.contact_id, 0) >= landing.sent
            self._figures.must(f"{told}, after its answer: {answers}", holds="done" in answers and is_touched)

    def _see_opt_outs(self, event: Event) -> None:
        """The opt-out of a number holds until somebody is opted in there."""
        is_out = bool(event.after and event.after["is_opted_out"])
        if event.arrives_at in self.left:
            self._figures.must(f"contact {event.contact_id}: texts may reach {event.arrives_at}", holds=is_out)
        if event.before and event.before["is_opted_out"]:
            if event.leaves:
                self.left.add(event.leaves)
            elif not is_out:
                self.left.discard(event.before["phone"])

    def _phones_of(self, contact_id: int, before: Values | None, calls: Sequence[Asked]) -> frozenset[str]:
        oldest = min((call.since for call in calls), default=self.moment)
        states = [before, *(state for _, state in self.states_since(contact_id, oldest))]
        return frozenset(state["phone"] for state in states if state)

    def _remember(self, event: Event) -> None:
        """The latest states of every contact, and of one that is gone for a while."""
        self.states.setdefault(event.contact_id, deque([(0, event.before)], maxlen=50)).append(
            (self.moment, event.after)
        )
        if event.after is None:
            self._gone.append(event.contact_id)
            if len(self._gone) > AT_ONCE * 3:
                oldest = self._gone.popleft()
                del self.states[oldest]
                self._own.pop(oldest, None)

    def _see_phones(self, event: Event, *, is_ours: bool) -> None:
        """One contact has each phone. Only with somebody else may there be two."""
        if event.leaves and self.holders.get(event.leaves) == event.contact_id:
            del self.holders[event.leaves]
            if others := self._others_with(event.leaves, event.contact_id):
                self.holders[event.leaves] = others[0]
        if not event.arrives_at:
            return
        others = self._others_with(event.arrives_at, event.contact_id)
        self.holders.setdefault(event.arrives_at, event.contact_id)
        if not is_ours:
            self._theirs.add(event.contact_id)
        if others and is_ours:
            is_theirs = self._theirs.issuperset(others)
            self._figures.doubled += is_theirs
            self._figures.must(f"contacts {others} and {event.contact_id} have one phone", holds=is_theirs)

    def _others_with(self, phone: str, contact_id: int) -> list[int]:
        return [one["id"] for one in self._records.with_values("phone", [phone]) if one["id"] != contact_id]


class CountedFaults(Faults):
    """Faults that are counted as they strike."""

    def __init__(self, *, seed: int) -> None:
        super().__init__(seed=seed)
        self.asked = 0
        self.struck: Counter[str] = Counter()

    def take(self, operation: str) -> Fault | None:
        """As `Faults.take`."""
        self.asked += 1
        fault = super().take(operation)
        if fault:
            self.struck[
                f"{fault.kind} {fault.status}" if "status" in fault.kind or "gate" in fault.kind else fault.kind
            ] += 1
        return fault


def faults_of_all_kinds() -> list[Fault]:
    """Together they strike `SHARE_OF_FAULTS` of the requests, each kind equally often. More writes come late."""
    orders: list[dict[str, Any]] = [{"kind": kind} for kind in get_args(FaultKind) if kind != "lag"]
    orders += [{"kind": "lag", "lag": lag} for lag in LAGS]
    orders += [{"kind": "drop_after", "lag": LAGS[2]}]
    orders += [{"kind": "pretend", "pretended_rev": rev} for rev in ("same", "none")]
    orders += [{"kind": kind, "status": status} for kind in ("gateway", "gateway_after") for status in GATEWAYS]
    orders += [{"kind": "status", "status": 429}, {"kind": "status", "status": 429, "retry_after": 2}]
    orders += [{"kind": "status", "status": 503, "retry_after": 1}, {"kind": "stall", "delay": TIMEOUT / 4}]
    delays = {"stall": TIMEOUT * 2, "stall_after": TIMEOUT * 2, "drip": 0.02}
    late = [
        Fault(operation, times=-1, probability=SHARE_OF_LATE, **order)
        for operation, order in product(("create_contact", "update_contact", "delete_contact", "batch_contacts"), LOST)
    ]
    late += [Fault("batch_contacts", times=-1, probability=SHARE_OF_HALF, items=2, **order) for order in HALF]
    faults: list[Fault] = []
    for order in orders:
        left = 1 - SHARE_OF_FAULTS * len(faults) / len(orders)
        probability = SHARE_OF_FAULTS / len(orders) / left
        faults.append(
            Fault("*", times=-1, probability=probability, **{"delay": delays.get(order["kind"], 0.0)} | order)
        )
    return [*late, *faults]


# What is asked


@dataclass(frozen=True)
class Change:
    """A change that an answer told of, and that can be taken back."""

    change_id: int
    event: Event


@dataclass(frozen=True)
class Plan:
    """A call to make. `may` says whether it asks for a change of a row."""

    tool: str
    arguments: Values
    may: Callable[[Event], bool] = lambda _: False
    looks_at: int | None = None
    sign: str = ""  # in the facts of the plan that a call makes


class Assistant:
    """Makes up calls."""

    def __init__(self, watch: Watch, changes: deque[Change], dice: random.Random) -> None:
        self._watch = watch
        self._changes = changes
        self._dice = dice

    def plan(self, number: int) -> Plan:
        """A call. `number` marks every text in it, so that the text can be told from the texts of others."""
        makers = (
            self._create,
            self._update,
            self._delete,
            self._undo,
            self._look_up,
            self._list,
            self._import,
            self._update_many,
        )
        return self._dice.choices(makers, weights=(22, 32, 10, 10, 14, 16, 8, 4))[0](f"{number}")

    def _create(self, mark: str) -> Plan:
        phone = self._dice.choice(OURS + ANYBODYS)
        texts = self._texts(mark)
        fields = self._fields(mark)
        arguments: Values = {"phone": f"+{phone}", "if_exists": self._dice.choice(("report", "fill"))} | texts
        arguments |= {"custom_fields": fields} if fields else {}
        asked = texts | {f"custom:{FIELDS[name]}": value for name, value in fields.items()}

        def may(event: Event) -> bool:
            if event.after is None or event.after["phone"] != phone:
                return False
            if event.before is None:
                return all(event.after.get(key) == value for key, value in asked.items())
            odd = self._watch.odd.get(event.contact_id, ())
            empty = {k: v for k, v in asked.items() if not event.before.get(k) or k.startswith(odd)}
            return arguments["if_exists"] == "fill" and _is_asked(event, empty, but=odd)

        return Plan("create_contact", arguments, may)

    def _update(self, mark: str) -> Plan:
        texts, fields = self._texts(mark), self._fields(mark)
        arguments: Values = texts | ({"custom_fields": fields} if fields else {})
        asked: Values = texts | {f"custom:{FIELDS[name]}": value for name, value in fields.items()}
        for add in (self._clear, self._tag, self._assign, self._opt):
            add(arguments, asked, mark)
        replaces = bool(fields) and self._dice.random() < 0.1
        if replaces:
            arguments["replace_custom_fields"] = True
        who = self._move(arguments, asked) if self._dice.random() < 0.15 else self._somebody()

        def may(event: Event) -> bool:
            if event.before is None or event.after is None or not _is_meant(event, who):
                return False
            emptied = {key: "" for key in event.before if replaces and key.startswith("custom:")}
            return _is_asked(event, emptied | asked, but=self._watch.odd.get(event.contact_id, ()))

        return Plan("update_contact", who | arguments, may)

    def _clear(self, arguments: Values, asked: Values, _: str) -> None:
        keys = {name: name for name in TEXTS} | {name: f"custom:{number}" for name, number in FIELDS.items()}
        for name in self._dice.sample(sorted(keys), self._dice.choice((0, 0, 0, 1, 2))):
            if keys[name] not in asked:
                arguments.setdefault("clear", []).append(name)
                asked[keys[name]] = ""

    def _tag(self, arguments: Values, asked: Values, _: str) -> None:
        for argument, value in (("add_tags", "on"), ("remove_tags", "")):
            for tag in self._dice.sample(sorted(TAGS), self._dice.choice((0, 0, 1, 2))):
                if f"tag:{TAGS[tag]}" not in asked:
                    arguments.setdefault(argument, []).append(tag)
                    asked[f"tag:{TAGS[tag]}"] = value

    def _assign(self, arguments: Values, asked: Values, _: str) -> None:
        if self._dice.random() < 0.2:
            arguments["assignee"] = self._dice.choice(sorted(MEMBERS))
            asked["assignee"] = MEMBERS[arguments["assignee"]]

    def _opt(self, arguments: Values, asked: Values, mark: str) -> None:
        if self._dice.random() < 0.15:
            arguments["is_opted_out"] = asked["is_opted_out"] = self._dice.random() < 0.6
            if not asked["is_opted_out"]:
                arguments["consent"] = f"Said so in call {mark}"

    def _move(self, arguments: Values, asked: Values) -> Values:
        """Give a contact another phone, mostly one that nobody has. Answers the contact."""
        held = [phone for phone in OURS if phone in self._watch.holders]
        free = [phone for phone in OURS if phone not in self._watch.holders]
        asked["phone"] = self._dice.choice(free if free and self._dice.random() < 0.8 else OURS)
        arguments["new_phone"] = f"+{asked['phone']}"
        return {"phone": f"+{self._dice.choice(held or OURS)}"}

    def _import(self, mark: str) -> Plan:
        """A pasted table about a few people."""
        existing = self._dice.choice(("fill", "overwrite", "skip"))
        asked: dict[str, Values] = {}
        for phone in self._dice.sample(OURS, self._dice.choice((1, 2, 4, 8))):
            asked[phone] = self._texts(mark) | {"custom:31": f"P{mark}"}
            asked[phone].pop("avatar", None)
            if self._dice.random() < 0.1:
                asked[phone]["is_opted_out"] = True
        header = {"first": "First name", "last": "Last name", "email": "E-mail", "custom:31": "Plan"}
        said = {True: "yes", None: self._dice.choice(("", "no"))}
        lines = [
            ",".join(["+" + phone, *(row.get(key, "") for key in header), said[row.get("is_opted_out")]])
            for phone, row in asked.items()
        ]
        text = "\n".join([",".join(["Phone", *header.values(), "Opted out"]), *lines])

        def may(event: Event) -> bool:
            row = asked.get(event.after["phone"]) if event.after else None
            if row is None or event.after is None:
                return False
            if event.before is None:
                return all(event.after.get(key) == value for key, value in row.items())
            outs = {key: value for key, value in row.items() if key == "is_opted_out"}
            if existing == "fill":
                return self._is_filled(event, row, outs)
            wanted = row if existing == "overwrite" else outs
            return _is_asked(event, wanted, but=self._watch.odd.get(event.contact_id, ()))

        return Plan(
            "import_contacts",
            {"text": text, "existing": existing},
            may,
            sign=hashlib.blake2b(text.encode(), digest_size=16).hexdigest(),
        )

    def _is_filled(self, event: Event, row: Values, outs: Values) -> bool:
        """Whether a change of a contact put values of the row into empty fields, and no others."""
        before, odd = event.before or {}, self._watch.odd.get(event.contact_id, ())
        empty = {key: now for key, now in row.items() if not before.get(key) or key.startswith(odd)}
        return bool(event.changed) and event.changed.keys() <= {*empty, *outs} and _agree(event.changed, row)

    def _update_many(self, mark: str) -> Plan:
        """One change for a few people, by their ids."""
        here = sorted(self._watch.holders.values())
        ids = self._dice.sample(here, min(len(here), self._dice.choice((1, 2, 5))))
        arguments: Values = {"contact_ids": ids, "custom_fields": {"Customer #": f"C{mark}"}}
        asked: Values = {f"custom:{FIELDS['Customer #']}": f"C{mark}"}
        for add in (self._tag, self._assign):
            add(arguments, asked, mark)
        if self._dice.random() < 0.1:
            arguments["is_opted_out"] = asked["is_opted_out"] = True

        def may(event: Event) -> bool:
            if event.before is None or event.after is None or event.contact_id not in ids:
                return False
            # There may be no room for a tag.
            room = {key: value for key, value in asked.items() if not key.startswith("tag:") or event.after.get(key)}
            return _is_asked(event, room | _without(asked, room, event), but=self._watch.odd.get(event.contact_id, ()))

        return Plan("update_contacts", arguments, may, sign=f"'C{mark}'")

    def _delete(self, _: str) -> Plan:
        who = self._somebody()
        return Plan("delete_contact", who, lambda event: event.after is None and _is_meant(event, who))

    def _undo(self, mark: str) -> Plan:
        if not self._changes:
            return self._create(mark)
        change = self._dice.choice(self._changes)
        odd = self._watch.odd.get(change.event.contact_id, ())
        return Plan(
            "undo_change",
            {"change_id": change.change_id},
            lambda event: _is_the_way_back(event, change.event, but=odd),
        )

    def _look_up(self, _: str) -> Plan:
        who = self._somebody()
        return Plan("lookup_contact", who, looks_at=who.get("contact_id"))

    def _list(self, mark: str) -> Plan:
        filters: list[Values] = [
            {},
            {"name": "1"},
            {"tag": "VIP", "detail": "full"},
            {"assignee": "Priya Patel"},
            {"is_opted_out": True},
        ]
        others: list[Plan] = [
            Plan("list_contacts", {}),
            Plan("list_contact_fields", {}),
            Plan("list_changes", {}),
            Plan("describe_account", {}),
            Plan("find_duplicates", {"tier": self._dice.choice(("sure", "possible"))}),
            Plan("import_status", self._dice.choice(({}, {"show": "problems"}))),
            Plan("export_contacts", {"where": {"tag": "VIP"}}),
        ]
        searches = [
            Plan("search_contacts", self._dice.choice(filters)),
            Plan("search_contacts", {"query": f"F{self._dice.randrange(1, int(mark) + 1)}"}),
            Plan("search_contacts", {"query": f"ends in {self._dice.choice(OURS)[-4:]}"}),
            Plan("lookup_contact", {"name": f"F{self._dice.randrange(1, int(mark) + 1)} L{mark}"}),
        ]
        return self._dice.choice([*others, *others, *searches])

    def _somebody(self) -> Values:
        """Mostly somebody who is there."""
        if self._dice.random() < 0.3:
            return {"phone": f"+{self._dice.choice(OURS + ANYBODYS)}"}
        here = sorted(self._watch.holders.values())
        return {
            "contact_id": self._dice.choice(here)
            if here and self._dice.random() < 0.9
            else self._dice.randrange(1, 2000)
        }

    def _texts(self, mark: str) -> Values:
        """At least the first name, so that a write can be told from any other."""
        unique = {
            "last": f"L{mark}",
            "email": f"m{mark}@example.com",
            "avatar": f"https://pictures.example.com/{mark}.png",
        }
        chosen = self._dice.sample(sorted(unique), self._dice.choice((0, 0, 1, 2)))
        return {"first": f"F{mark}"} | {name: unique[name] for name in chosen}

    def _fields(self, mark: str) -> dict[str, str]:
        return {name: f"{name[0]}{mark}" for name in self._dice.sample(sorted(FIELDS), self._dice.choice((0, 1, 1, 2)))}


def _is_asked(event: Event, asked: Values, *, but: tuple[str, ...]) -> bool:
    """Something changed, all of it as asked, and nothing asked was left undone.

    A value that cannot be read may be left as it is, because it may look as asked or not empty. Its key begins as one
    of `but`.
    """
    after, changed = event.after or {}, _without_arrival(event)
    if changed != event.changed:  # whatever was said: the number was left opted out
        asked = {key: value for key, value in asked.items() if key != "is_opted_out"}
    is_so = all((after.get(key) or "") == (value or "") for key, value in asked.items() if not key.startswith(but))
    return bool(changed) and changed.keys() <= asked.keys() and is_so


def _without_arrival(event: Event) -> Values:
    """The changed values, without the opt-out that may belong to the number where a contact arrived."""
    changed = event.changed
    is_arrival = "phone" in changed and changed.get("is_opted_out") is True
    return {key: value for key, value in changed.items() if not (is_arrival and key == "is_opted_out")}


def _without(asked: Values, room: Values, event: Event) -> Values:
    """The tags to take away. One that is not there any more was taken away."""
    after = event.after or {}
    return {key: value for key, value in asked.items() if key not in room and not (value or after.get(key))}


def _is_meant(event: Event, who: Values) -> bool:
    return who.get("contact_id") == event.contact_id or who.get("phone", "").removeprefix("+") in event.phones


def _is_the_way_back(event: Event, change: Event, *, but: tuple[str, ...]) -> bool:
    """Whether a change takes another one back.

    It deletes the created contact, creates the deleted one (opted out or not), or sets back nothing but the values
    that were set. No before-image has the value that somebody else wrote between the look and the write, nor one that
    could not be read. `but` leaves those out, by the beginnings of their keys.
    """
    if change.before is None:
        return event.after is None and event.contact_id == change.contact_id
    if change.after is None:
        return event.before is None and _has(event.after, change.before, but=("is_opted_out", "display_name", *but))
    is_same = event.contact_id == change.contact_id and event.before is not None and event.after is not None
    changed = _without_arrival(event)
    is_part = bool(changed) and changed.keys() <= change.changed.keys()
    readable = {key: value for key, value in changed.items() if not key.startswith(but)}
    return is_same and is_part and _agree(readable, change.before)


def _has(values: Values | None, wanted: Values, *, but: tuple[str, ...]) -> bool:
    """Whether `values` has every value of `wanted` that is not empty."""
    asked = {key: value for key, value in wanted.items() if value and not key.startswith((*but, STRANGERS_KEY))}
    return all((values or {}).get(key) == value for key, value in asked.items())


def _agree(values: Values, others: Values) -> bool:
    """Whether two sights of a contact have equal values under the keys of the first. An empty value is none."""
    return all((others.get(key) or "") == (value or "") for key, value in values.items() if key != STRANGERS_KEY)


# What came of it


@dataclass
class Figures:
    """The figures of a run. `wrong` must stay empty."""

    calls: Counter[str] = field(default_factory=Counter)
    answers: Counter[str] = field(default_factory=Counter)
    writes: int = 0
    requests: int = 0
    struck: Counter[str] = field(default_factory=Counter)
    late: int = 0
    doubled: int = 0
    """Contacts of ours with a phone that somebody else had given out at that moment."""
    by_others: int = 0
    breakdowns: Counter[str] = field(default_factory=Counter)
    """How often the journal could not be used, by the reason."""
    entries: Counter[str] = field(default_factory=Counter)
    beyond_knowledge: int = 0
    """Entries that looking told wrongly of, because somebody else had deleted or changed the contact."""
    memory: list[int] = field(default_factory=list)
    virtual_seconds: float = 0.0
    longest_call: float = 0.0
    real_seconds: float = 0.0
    told: int = 0  # contacts in lists and searches
    wrong: list[str] = field(default_factory=list)

    def must(self, rule: str, *, holds: bool) -> None:
        if not holds:
            self.wrong.append(rule)

    @property
    def growth(self) -> float:
        """Of the memory in use, from the middle of the run to its end."""
        middle = self.memory[len(self.memory) // 2] if self.memory else 0
        return self.memory[-1] / middle - 1 if middle else 0.0


class Judge:
    """Compares answers with what happened."""

    def __init__(self, watch: Watch, changes: deque[Change], figures: Figures) -> None:
        self._watch = watch
        self._changes = changes
        self._figures = figures
        self.answered_done: set[int] = set()
        """The ids of changes that were answered to have been made."""
        self.unknown: list[Event] = []

    def judge(self, call: Asked, plan: Plan, result: CallToolResult, *, behind: AbstractSet[int]) -> None:
        """Compare. Reads may show the contacts `behind` as they were before the call."""
        facts = result.structured_content or {}
        kind = str(facts["kind"]) if result.is_error else ""
        status = str(facts.get("status", ""))
        self._figures.must(f"call {call.number}: {_text(result)}", holds=kind != MISTAKE)
        if kind in UNKNOWN:
            call.answer = "unknown"
            self._judge_unknown(call)
            self._count(call, "could not find out")
        elif status in DONE and DONE_BEFORE not in facts.get("note_kinds", []):
            call.answer = "done"
            self._judge_done(call, status, facts)
            self._count(call, status + _how(facts))
        else:
            call.answer = "nothing"
            self._judge_not_done(call, status or _text(result))
            self._count(call, "refused or failed, nothing done" if kind else status or "answered")
            if not kind:
                self._judge_read(call, plan, facts, behind)

    def judge_run(self, run: Asked, rows: Sequence[StoredRow]) -> None:
        """Compare the rows of a plan that is over with what happened. No row is one that never began."""
        run.answer = "done"
        left = list(run.events)
        for row in rows:
            own = [event for event in left if _is_of_row(event, row)]
            left = [event for event in left if event not in own]
            self._judge_row(run, row, own)
        for event in left:
            self._not_by(run, event, "no row of the plan")

    def _judge_row(self, run: Asked, row: StoredRow, own: list[Event]) -> None:
        told = f"{run.tool} {run.number}, row {row.row}, {row.state} {row.outcome!r}"
        self._figures.answers[f"row of a run: {row.state or row.decision}"] += 1
        if any(word in row.outcome for word in ("may or may not", "may have been", "another contact")):
            self.unknown += [event for event in own if not event.may_be_somebodys]
            for event in own:
                event.may_be_somebodys = True
        elif row.state in ("done", "told") and row.outcome != "is so already.":
            self._judge_done_row(run, row, own, told)
        else:
            self._judge_row_left_alone(run, own, told)

    def _judge_done_row(self, run: Asked, row: StoredRow, own: list[Event], told: str) -> None:
        away = self._watch.taken_away
        twice = [event for event in own if event.asked_by == [run] and event.changed != {STRANGERS_KEY: ""}]
        # Nobody can tell a create that somebody else took back at once from one that never arrived.
        standing = [event.changed for event in twice if event.before or event.contact_id not in away]
        self._figures.must(f"{told}: carried out {standing}", holds=len(standing) <= 1)
        if own:
            self._claim(min(own, key=lambda one: len(one.asked_by)), run, row.state, row.change_id)
            return
        is_theirs = row.contact_id in away or self._watch.was_touched(row.contact_id or 0, since=run.since)
        self._figures.beyond_knowledge += is_theirs
        self._figures.must(f"{told}: it is not so", holds=is_theirs)

    def _judge_row_left_alone(self, run: Asked, own: list[Event], told: str) -> None:
        gone = [event for event in own if event.before is None and event.contact_id in self._watch.taken_away]
        self._figures.beyond_knowledge += len(gone)
        for event in own:
            if event not in gone:
                self._not_by(run, event, told)

    def _not_by(self, call: Asked, event: Event, said: str) -> None:
        """The call did not make this change, and so somebody else who asked for it must have."""
        event.asked_by.remove(call)
        is_ours = event.claimed_by is None and not event.asked_by and not event.may_be_somebodys
        happened = f"contact {event.contact_id} changed: {event.changed}"
        self._figures.must(f"call {call.number}, {call.tool}: answered {said!r}, but {happened}", holds=not is_ours)

    def _judge_read(self, call: Asked, plan: Plan, facts: Values, behind: AbstractSet[int]) -> None:
        if plan.looks_at and plan.looks_at not in self._watch.odd:
            self._judge_look(call, plan.looks_at, facts)
        if plan.tool in LISTING:
            self._judge_listed(call, facts, behind)

    def _count(self, call: Asked, outcome: str) -> None:
        self._figures.answers[f"{VERBS.get(call.tool, 'read')}: {outcome}"] += 1

    def _judge_done(self, call: Asked, status: str, facts: Values) -> None:
        own = [event for event in call.events if event.claimed_by is None]
        self._must_be_so(call, status, facts, own=own)
        # What somebody else wrote into a field that was just emptied is emptied once more.
        twice = [event for event in own if event.asked_by == [call] and event.changed != {STRANGERS_KEY: ""}]
        self._figures.must(
            f"call {call.number}, {call.tool}: carried out {len(twice)} times: {[event.changed for event in twice]}",
            holds=len(twice) <= 1,
        )
        if own:
            self._claim(min(own, key=lambda one: len(one.asked_by)), call, status, facts.get("change_id"))

    def _must_be_so(self, call: Asked, status: str, facts: Values, *, own: list[Event]) -> None:
        """A change was carried out for this answer, or somebody else made it true."""
        contact_id = facts["contact"].get("contact_id")
        # Somebody else was quicker to delete it. To undo a create is to delete, too.
        is_gone = status in ("deleted", "undone") and contact_id in self._watch.taken_away
        # A reply to a pretended write named the very `rev` that somebody else's write got, and nothing was kept.
        is_theirs = "not_kept" in facts.get("note_kinds", []) and self._watch.was_touched(contact_id, since=call.since)
        self._figures.beyond_knowledge += is_theirs and not own
        self._figures.must(
            f"call {call.number}, {call.tool}: answered {status}, and it is not so",
            holds=bool(own) or is_gone or is_theirs,
        )

    def _claim(self, event: Event, call: Asked, status: str, change_id: int | None) -> None:
        """This is the change that the answer speaks of."""
        event.claimed_by = call
        self._figures.must(f"call {call.number}: {status} has no change_id", holds=change_id is not None)
        if change_id is not None:
            self.answered_done.add(change_id)
            self._changes.append(Change(change_id, event))

    def _judge_not_done(self, call: Asked, said: str) -> None:
        for event in call.events:
            self._not_by(call, event, said)

    def _judge_unknown(self, call: Asked) -> None:
        for event in call.events:
            if not event.may_be_somebodys:
                event.may_be_somebodys = True
                self.unknown.append(event)

    def _judge_look(self, call: Asked, contact_id: int, facts: Values) -> None:
        shown = facts["contacts"][0] if facts["found"] else None

        def is_it(state: Values | None) -> bool:
            if shown is None or state is None:
                return shown is state
            custom = shown.get("custom_fields", {})
            pairs = [(shown.get(name, ""), state[name]) for name in TEXTS]
            pairs += [(custom.get(name, ""), state.get(f"custom:{number}", "")) for name, number in FIELDS.items()]
            return all(one == other for one, other in pairs)

        self._figures.must(
            f"call {call.number}: contact {contact_id} was never so: {shown}",
            holds=self._watch.was(contact_id, is_it, since=call.since),
        )

    def _judge_listed(self, call: Asked, facts: Values, behind: AbstractSet[int]) -> None:
        """Every contact that a list, a search or a set of doubles tells was so."""
        sets = facts.get("sets", [facts])
        for shown in (one for each in sets for one in each["contacts"] if one["contact_id"] not in self._watch.odd):
            since = 0 if shown["contact_id"] in behind else call.since
            self._figures.told += 1
            self._figures.must(
                f"call {call.number}, {call.tool}: never so: {shown}",
                holds=self._watch.was(shown["contact_id"], partial(_is_shown, shown), since=since),
            )

    def judge_journal(self, entries: list[Entry]) -> None:
        """An entry that is done happened, and one that is not done did not. Unknown ones are counted."""
        events = [*self.unknown, *self._watch.unsettled]
        unknown = [event for event in events if event.claimed_by is None and event.changed != {STRANGERS_KEY: ""}]
        for entry in entries:  # newest first, so that each event is told by the latest entry before it
            self._figures.entries[entry.state] += 1
            event = next((one for one in unknown if _is_told_by(entry, one)), None)
            if event:
                unknown.remove(event)
            self._judge_entry(entry, event)
        left = [(event.contact_id, event.changed) for event in unknown]
        self._figures.must(f"not in the journal: {left}", holds=not left)

    def _judge_entry(self, entry: Entry, event: Event | None) -> None:
        happened = entry.change_id in self.answered_done or event is not None or entry.action == "import"
        is_true = entry.state == "unknown" or (entry.state == "done") == happened
        contact_id = event.contact_id if event else entry.contact_id
        # A reply to a pretended write named the very `rev` that somebody else's write got.
        is_theirs = (entry.contact_id, entry.rev_after) in self._watch.their_revs
        if not is_true and (contact_id in self._watch.taken_away or is_theirs):
            self._figures.beyond_knowledge += 1
            return
        told = f"change {entry.change_id} ({entry.action}) is {entry.state} in the journal"
        self._figures.must(f"{told}, but {'happened' if happened else 'never did'}", holds=is_true)
        self._figures.must(f"change {entry.change_id} is still begun", holds=entry.state != "begun")


def _is_shown(shown: Values, state: Values | None) -> bool:
    """Whether a contact in that state is shown like this, with few of its values."""
    if state is None:
        return False
    name = state["display_name"] or " ".join(filter(None, (state["first"], state["last"])))
    told = [shown.get(member, "") for member in ("name", "phone", "email")]
    return told == [name, f"+{state['phone']}" if state["phone"] else "", state["email"]]


def _is_of_row(event: Event, row: StoredRow) -> bool:
    """Whether a change of a contact is that of this row."""
    is_known = row.decision != "new" and event.contact_id == row.contact_id
    return is_known or (event.before is None and (event.after or {}).get("phone") == row.phone)


def _is_told_by(entry: Entry, event: Event) -> bool:
    """Whether the entry may be about this change of a row."""
    if entry.at > event.at:
        return False
    match entry.action:
        case "create":
            return event.before is None and entry.contact_id in (None, event.contact_id) and _is_created(entry, event)
        case "delete":
            return event.after is None and event.contact_id == entry.contact_id
        case _:
            return event.before is not None and event.contact_id == entry.contact_id and _is_updated(entry, event)


def _is_created(entry: Entry, event: Event) -> bool:
    texts = {key: value for key, value in entry.wanted.items() if key in TEXTS}
    return event.after is not None and all(event.after.get(key) == value for key, value in texts.items())


def _is_updated(entry: Entry, event: Event) -> bool:
    if event.after is None:
        return False
    asked = {key: now for key, (_, now) in differences(entry.before, entry.wanted).items()}
    texts = {key: now for key, now in asked.items() if key in (*TEXTS, "phone") or key.startswith("custom:")}
    return _agree(texts, event.after | event.changed)


def _how(facts: Values) -> str:
    return next((how for note, how in HOW.items() if note in facts.get("note_kinds", [])), "")


def _text(result: CallToolResult) -> str:
    return " ".join(block.text for block in result.content if isinstance(block, TextContent))


# The run


@dataclass
class Desk:
    """One client and the server behind it."""

    client: Client
    workspace: Workspace


@dataclass
class Run:
    """A plan, from the call that makes it until it is over."""

    asked: Asked
    plan: Plan


class Soak:
    """Everything one run needs, put together."""

    def __init__(self, sandbox: Sandbox, figures: Figures, home: Path, *, seed: int) -> None:
        self.sandbox = sandbox
        self.figures = figures
        self._home = home
        self.faults = CountedFaults(seed=seed)
        sandbox.state.faults = self.faults
        self.watch = Watch(sandbox, figures)
        changes: deque[Change] = deque(maxlen=60)
        self.judge = Judge(self.watch, changes, figures)
        self.dice = random.Random(seed)
        self.assistant = Assistant(self.watch, changes, self.dice)
        self._numbers = count(1)
        self._is_over = False
        self._runs: list[Run] = []

    async def run(self, calls: int, desks: list[Desk]) -> None:
        with self.watch.stranger():
            for phone in (*OURS[::2], *ANYBODYS[::3]):
                self.sandbox.store.add_contact(
                    phone=phone, first="Test", last=phone[-4:], is_opted_out=phone.endswith("8")
                )
        held = sorted(self.watch.holders.values())
        for contact_id, odd in zip(held, ODD, strict=False):
            self.sandbox.oddities.append(Oddity(contact_id, members=odd))
            self.watch.odd[contact_id] = tuple(name.removesuffix("s") for name in odd)
        self.faults.add(*faults_of_all_kinds())
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(self._be_somebody_else)
            tasks.start_soon(self._break_journal)
            async with anyio.create_task_group() as workers:
                for place in range(AT_ONCE):
                    workers.start_soon(self._work, calls, desks[place % len(desks)])
            self._is_over = True
            tasks.cancel_scope.cancel()
        self.faults.clear()
        self.figures.requests, self.figures.struck = self.faults.asked, self.faults.struck
        await self._settle(desks[0])

    async def _work(self, calls: int, desk: Desk) -> None:
        while (number := next(self._numbers)) <= calls:
            plan = self.assistant.plan(number)
            run = self._begun(number, plan) if plan.tool in RUNS else None
            plan = replace(plan, may=lambda _: False) if run else plan
            result = await self._call(number, plan, desk, calls)
            facts = (result and result.structured_content) or {}
            if facts.get("status") == "needs_confirmation" and (number := next(self._numbers)) <= calls:
                again = replace(plan, arguments=plan.arguments | {"confirm_token": facts["confirm_token"]})
                await self._call(number, again, desk, calls)
            while run and await self._is_open(run, desk) and (number := next(self._numbers)) <= calls:
                await anyio.sleep(self.dice.uniform(0.0, 10.0))
                await self._call(number, await self._next_of(run, desk), desk, calls)

    def _begun(self, number: int, plan: Plan) -> Run:
        """From now on a run may change what its plan says."""
        run = Run(Asked(-number, plan.tool, plan.may, since=self.watch.moment), plan)
        self.watch.under_way[-number] = run.asked
        self._runs.append(run)
        return run

    async def _is_open(self, run: Run, desk: Desk) -> bool:
        """Whether the run is not over. One that is over, or never began, is compared with what happened."""
        book = await desk.workspace.book()
        stored = await self._stored(run, desk)
        if stored is not None and stored.state in ("running", "stopped"):
            return True
        is_over = stored is not None and stored.state == "done"
        del self.watch.under_way[run.asked.number]
        self._runs.remove(run)
        self.judge.judge_run(
            run.asked, [row async for row in book.imports.every_row(stored.plan)] if stored and is_over else []
        )
        return False

    @staticmethod
    async def _stored(run: Run, desk: Desk) -> StoredPlan | None:
        """The plan that was confirmed, or the one that waits for it."""
        book = await desk.workspace.book()
        plans = [plan for plan in await book.imports.plans(*BEGUN, "planned") if run.plan.sign in str(plan.facts)]
        return next((plan for plan in plans if plan.state in BEGUN), plans[0] if plans else None)

    async def _next_of(self, run: Run, desk: Desk) -> Plan:
        """The call that a person makes about a run that goes on, or that stopped."""
        stored = await self._stored(run, desk)
        assert stored is not None
        is_stopped = stored.state == "stopped" or self.dice.random() < 0.1
        words: Values = {"plan": stored.plan}
        if not is_stopped and self.dice.random() < 0.1:
            words["stop"] = True
        return Plan(run.plan.tool if is_stopped else "import_status", words)

    async def _call(self, number: int, plan: Plan, desk: Desk, calls: int) -> CallToolResult | None:
        replica = self.sandbox.state.replica
        hidden = replica.hidden("get_contact", time_of_day())
        behind = {one for read in READS for one in replica.hidden(read, time_of_day())}
        asked = Asked(number, plan.tool, plan.may, since=0 if plan.looks_at in hidden else self.watch.moment)
        self.watch.under_way[number] = asked
        self.figures.calls[plan.tool] += 1
        started = anyio.current_time()
        try:
            result = await desk.client.call_tool(plan.tool, plan.arguments)
        except MCPError as error:
            self.figures.wrong.append(f"call {number}, {plan.tool}: protocol error {error}")
            return None
        finally:
            del self.watch.under_way[number]
            self.figures.longest_call = max(self.figures.longest_call, anyio.current_time() - started)
        assert isinstance(result, CallToolResult)
        self.judge.judge(asked, plan, result, behind=behind)
        if number % max(1, calls // 20) == 0:
            self.sandbox.requests.clear()
            self.figures.memory.append(memory_in_use())
        return result

    async def _be_somebody_else(self) -> None:
        store, dice = self.sandbox.store, random.Random(self.dice.random())
        caught_up = time_of_day()
        for number in count(1):
            await anyio.sleep(dice.uniform(0.0, 1.0))
            if time_of_day() - caught_up > MOST_BEHIND:
                self.sandbox.land_due()
                self.sandbox.catch_up()
                caught_up = time_of_day()
            here = sorted(self.watch.holders.values())
            free = sorted(set(ANYBODYS) - set(self.watch.holders))
            with self.watch.stranger():
                what = dice.choices(("edit", "delete", "add"), weights=(8, 1, 1))[0]
                if what == "edit" and here:
                    contact_id = dice.choice(here)
                    custom = (store.contact(contact_id) or {})["custom"]
                    store.touch(contact_id, custom=custom | {STRANGERS_FIELD: f"S{number}"})
                elif what == "delete" and here:
                    store.delete(dice.choice(here))
                elif what == "add" and free:
                    store.add_contact(phone=dice.choice(free), first="Somebody's")
            self.figures.by_others += 1

    async def _break_journal(self) -> None:
        """From time to time, for a few seconds."""
        dice = random.Random(self.dice.random())
        while True:
            await anyio.sleep(dice.uniform(5.0, 40.0))
            name, is_broken = dice.choice((("locked", locked), ("away", away)))
            self.figures.breakdowns[name] += 1
            with is_broken(self._home / JOURNAL):
                await anyio.sleep(dice.uniform(0.1, 3.0))

    async def _settle(self, desk: Desk) -> None:
        """Long enough that nothing can be on its way, then as often as it takes."""
        await anyio.sleep(120)
        self.sandbox.land_due()
        self.sandbox.catch_up()
        book = await desk.workspace.book()
        for run in list(self._runs):
            for _ in range(MOST_TRIES):
                if not await self._is_open(run, desk):
                    break
                await desk.client.call_tool(run.plan.tool, (await self._next_of(run, desk)).arguments)
                await anyio.sleep(30)
            self.figures.must(f"{run.plan.tool} {run.asked.number} comes to no end", holds=run not in self._runs)
        for _ in range(len(await book.journal.unfinished()) // 20 + 2):
            await desk.client.call_tool("list_changes", {})
            await anyio.sleep(120)
        entries = await book.journal.entries(limit=10**6)
        for entry in list(entries):
            if entry.action == "import":
                entries += await book.journal.parts_of(entry.change_id)
        self.judge.judge_journal(sorted(entries, key=lambda one: -one.change_id))


def impatient() -> AbstractContextManager[float]:
    """Within this, a journal that cannot be used is tried again at once. Its patience goes by the real clock."""
    return mock.patch.object(journal_file, "_PATIENCE", PATIENCE)


@contextmanager
def locked(journal: Path) -> Iterator[None]:
    """Another program has the journal to itself."""
    with closing(sqlite3.connect(journal, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        yield


@contextmanager
def away(journal: Path) -> Iterator[None]:
    """Something else stands where the journal should be."""
    names = [journal.with_name(journal.name + side) for side in ("", "-wal", "-shm")]
    moved = [(name, name.with_name(f"moved-{name.name}")) for name in names if name.exists()]
    for name, elsewhere in moved:
        name.rename(elsewhere)
    journal.mkdir()
    try:
        yield
    finally:
        journal.rmdir()
        for name, elsewhere in moved:
            elsewhere.rename(name)


def memory_in_use() -> int:
    """Bytes of this process that are in memory, and 0 where the system does not say."""
    gc.collect()
    statm = Path("/proc/self/statm")
    return int(statm.read_text(encoding="ascii").split()[1]) * os.sysconf("SC_PAGE_SIZE") if statm.exists() else 0


async def _user(_: Any, params: ElicitRequestFormParams) -> ElicitResult:
    """Says yes to most, after a while."""
    await anyio.sleep(2)
    return ElicitResult(action="accept", content={"approve": crc32(params.message.encode()) % 5 > 0})


@asynccontextmanager
async def _opened(sandbox: Sandbox, home: Path) -> AsyncIterator[list[Desk]]:
    """A server for each era, with and without a user to ask."""
    settings = Settings.load(
        sandbox=True,
        data_dir=home,
        requests_per_minute=100_000,
        timeout=TIMEOUT,
        signing_key="shared by the servers of this soak",
    )
    ways: tuple[dict[str, Any], ...] = ({}, {"elicitation_callback": _user})
    async with AsyncExitStack() as opened:
        desks = []
        for mode, asking in product(("auto", "legacy"), ways):
            workspace = Workspace(settings, sandbox=sandbox, clock=time_of_day, index_runs=at_once)
            opened.push_async_callback(workspace.aclose)
            client: Client = Client(build_server(settings, workspace=workspace), mode=mode, **asking)
            desks.append(Desk(await opened.enter_async_context(client), workspace))
        yield desks


async def run(calls: int, *, seed: int = 0) -> Figures:
    """The figures of that many random calls."""
    figures, started = Figures(), time.monotonic()
    random.seed(seed)
    behaviour = Behaviour(requests_per_minute=0, known_phone="double")
    with (
        impatient(),
        tempfile.TemporaryDirectory() as home,
        closing(open_sandbox(contacts=0, behaviour=behaviour, clock=time_of_day)) as sandbox,
    ):
        async with _opened(sandbox, Path(home)) as desks:
            await Soak(sandbox, figures, Path(home), seed=seed).run(calls, desks)
    figures.virtual_seconds, figures.real_seconds = anyio.current_time(), time.monotonic() - started
    figures.must(
        f"memory grew by {figures.growth:.1%} in the second half", holds=calls < CALLS or figures.growth <= MOST_GROWTH
    )
    return figures


def table(figures: Figures) -> str:
    """The figures for people."""
    struck = sum(figures.struck.values())
    rows = [
        ("calls", f"{sum(figures.calls.values()):,}"),
        *((f"  {tool}", f"{number:,}") for tool, number in sorted(figures.calls.items())),
    ]
    rows += [
        ("requests to the service", f"{figures.requests:,}"),
        ("  struck by a fault", f"{struck:,} ({struck / figures.requests:.1%})"),
    ]
    rows += [(f"    {kind}", f"{number:,}") for kind, number in sorted(figures.struck.items())]
    rows += [("writes carried out", f"{figures.writes:,}"), ("  late", f"{figures.late:,}")]
    rows += [("phones shared with somebody else", f"{figures.doubled:,}")]
    rows += [("doings of somebody else", f"{figures.by_others:,}")]
    rows += [(f"times the journal was {how}", f"{number:,}") for how, number in sorted(figures.breakdowns.items())]
    rows += [("answers", ""), *((f"  {answer}", f"{number:,}") for answer, number in sorted(figures.answers.items()))]
    rows += [
        ("journal entries", ""),
        *((f"  {state}", f"{number:,}") for state, number in sorted(figures.entries.items())),
    ]
    rows += [("  told wrongly, by somebody else's doing", f"{figures.beyond_knowledge}")]
    rows += [
        ("longest call, simulated", f"{figures.longest_call:.1f} s"),
        ("simulated time", f"{figures.virtual_seconds:,.0f} s"),
    ]
    early, middle, end = (figures.memory[place] / 2**20 for place in (0, len(figures.memory) // 2, -1))
    memory = f"{early:.0f}, {middle:.0f}, {end:.0f} MiB"
    rows += [("memory: early, middle, end", memory), ("  growth in the second half", f"{figures.growth:+.1%}")]
    rows += [("contacts told in lists and searches", f"{figures.told:,}")]
    rows += [("real time", f"{figures.real_seconds:.0f} s"), ("wrong", f"{len(figures.wrong)}")]
    return "\n".join(f"{what:<46}{figure:>22}" for what, figure in rows)


def main(calls: int, seed: int) -> int:
    async def soaked() -> Figures:
        return await run(calls, seed=seed)

    figures = anyio.run(soaked, backend_options={"loop_factory": HurriedLoop})
    print(table(figures))
    print(*figures.wrong[:50], sep="\n")
    return int(bool(figures.wrong))


if __name__ == "__main__":
    given = [int(argument) for argument in sys.argv[1:]]
    sys.exit(main(given[0] if given else CALLS, given[1] if len(given) > 1 else 0))
