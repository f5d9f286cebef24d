"""`kill -9` of imports in processes of their own, again and again: `python benchmarks/kill_import.py [times] [seed]`.

Each round has a fresh account over real HTTP, and a random list of known and new people. The known ones are filled,
overwritten or left alone. A fifth of the requests fails. Writes are carried out after their client gave up, and
batches by half. Two processes may go on with the same plan at once. Between two processes somebody else writes to any
field of a contact.

The import is killed until it is over, at a request or after a second of silence. Then it is taken back, and killed
twice on the way. Every change of a row is watched. Afterwards

- nobody is there twice, and nobody is missing that the plan tells as done,
- a row that is told as done was carried out once, and a row that is told as not run was not touched,
- nobody was opted in,
- after the undo every row is as it was before, or is named with a reason.

A request of the dead process may still arrive. Nobody waits a minute for that. All such requests are
carried out, and the journal and the plan are made older by two minutes.
"""

from __future__ import annotations

import contextlib
import json
import os
import random
import signal
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from itertools import count
from pathlib import Path
from typing import Any

import anyio
from kill import MOMENTS, DeadlyWay
from soak import Event, values_in
from watching import WatchedRecords

from contacts_mcp.sandbox import Behaviour, Credentials, Fault, FaultKind, Sandbox, open_sandbox, serve

Values = dict[str, Any]

HEADERS = {"first": "First name", "last": "Last name", "email": "E-mail", "custom:31": "Plan", "is_opted_out": "Out"}
SHARE_OF_FAULTS = 0.2
SILENCE = 1.0  # seconds without a request, after which a process is killed
MOST_PROCESSES = 40  # of one round
KILLS_OF_UNDO = 2
MADE_BESIDE = {"phone", "display_name", "is_opted_out"}  # may be written although the file says nothing of them
UNSURE = ("may or may not", "may have been", "another contact")
OLDER = 120.0  # seconds
KINDS: tuple[tuple[FaultKind, Values], ...] = (
    ("drop_before", {}),
    ("drop_after", {}),
    ("status", {"status": 500}),
    ("status_after", {"status": 502}),
    ("gateway", {"status": 403}),
    ("gateway", {"status": 404}),
    ("gateway_after", {"status": 502}),
    ("truncate", {}),
    ("empty", {}),
    ("wrong_type", {}),
)
LATE: tuple[tuple[FaultKind, Values], ...] = (
    ("drop_before", {"late": 0.4}),
    ("gateway", {"status": 504, "late": 1.0}),
    ("status", {"status": 500, "late": 30.0}),
)
HALF: tuple[tuple[FaultKind, Values], ...] = (
    ("drop_after", {"items": 3}),
    ("status_after", {"status": 500, "items": 7}),
    ("drop_before", {"late": 0.5, "items": 5}),
)
WRITES = ("batch_contacts", "create_contact", "update_contact", "delete_contact")


@dataclass
class Figures:
    """The figures of a run. `wrong` must stay empty."""

    rounds: int = 0
    kills: int = 0
    kills_of_undo: int = 0
    pairs: int = 0  # processes that went on with a plan while another one did
    rows: Counter[str] = field(default_factory=Counter)
    requests: int = 0
    wrong: list[str] = field(default_factory=list)

    def must(self, rule: str, *, holds: bool) -> None:
        if not holds:
            self.wrong.append(f"round {self.rounds}: {rule}")


class Watch:
    """Every change of a row, and whether somebody else made it."""

    def __init__(self, sandbox: Sandbox) -> None:
        self.events: list[Event] = []
        self.touched: set[int] = set()
        self.is_stranger = False
        self._records = sandbox.state.records
        WatchedRecords.watch(self._records, self._see)

    def _see(self, act: Callable[[Any], Any], record: Any) -> Any:
        given = record if isinstance(record, int) else record.get("id")
        before = None if given is None else self._values(given)
        answer = act(record)
        contact_id = answer if given is None else given
        if self.is_stranger:
            self.touched.add(contact_id)
        else:
            self.events.append(Event(contact_id, before, self._values(contact_id)))
        return answer

    def _values(self, contact_id: int) -> Values | None:
        record = self._records.contact(contact_id)
        return None if record is None else values_in(record)


class Round:
    """One import, from its file to its undo."""

    def __init__(self, home: Path, figures: Figures, dice: random.Random) -> None:
        self._dice = dice
        self._figures = figures
        self._home = home
        self._data = home / "data"
        self.existing = dice.choice(("fill", "overwrite", "skip"))
        sides = Behaviour.switches()["known_phone"]
        behaviour = Behaviour(requests_per_minute=0, known_phone=dice.choice(sides))
        self.sandbox = open_sandbox(contacts=0, behaviour=behaviour)
        self._way = DeadlyWay(self.sandbox.app)
        self.sandbox.app = self._way
        for number in range(30):
            self.sandbox.store.add_contact(
                phone=f"1510555{number:04}",
                first=dice.choice(("", f"K{number}")),
                last=f"Known{number}",
                email=dice.choice(("", f"k{number}@example.com")),
                custom=dice.choice(({}, {"31": "Gold"})),
                is_opted_out=dice.random() < 0.3,
            )
        self.before = {one["id"]: values_in(one) for one in self.sandbox.store.contacts()}
        self._watch = Watch(self.sandbox)
        self.rows = self._list_of_people()
        self._file = home / "list.csv"
        lines = [",".join([phone, *(row.get(key, "") for key in HEADERS)]) for phone, row in self.rows.items()]
        self._file.write_text("\n".join([",".join(["Phone", *HEADERS.values()]), *lines]), encoding="utf-8")
        self.plan = 0

    def _list_of_people(self) -> dict[str, dict[str, str]]:
        """Phone -> texts. Some are known, and no two people share an address."""
        dice = self._dice
        numbers = dice.sample(range(30), 12) + list(range(200, 200 + dice.choice((20, 60, 120))))
        dice.shuffle(numbers)
        return {
            f"1510555{number:04}": {
                "first": f"F{number}",
                "last": dice.choice(("", f"L{number}")),
                "email": dice.choice(("", f"p{number}@example.com")),
                "custom:31": dice.choice(("", "Basic")),
                "is_opted_out": dice.choice(("", "", "no", "yes")),
            }
            for number in numbers
        }

    # The processes

    async def run(self, url: str, kills: int) -> None:
        """Import with at most so many kills, then take it back with two more."""
        environment = {name: text for name, text in os.environ.items() if not name.startswith("CONTACTS_MCP_")}
        self._environment = environment | {
            "HEYMARKET_BASE_URL": url,
            "HEYMARKET_API_KEY": Credentials().api_key,
            "CONTACTS_MCP_DATA_DIR": str(self._data),
            "CONTACTS_MCP_CONFIRM": "off",
            "CONTACTS_MCP_TIMEOUT": "2",
        }
        await self._until_done("import", kills, self._words_of_import)
        self._check_import()
        change = self._value("SELECT change_id FROM plans WHERE plan = ?", self.plan)
        self._edit(5)
        self._figures.kills_of_undo += await self._until_done(
            "undo", KILLS_OF_UNDO, lambda: ["call", "undo_change", f"change_id={change}"]
        )
        self._check_undo()
        self._figures.requests += len(self.sandbox.requests)

    def _words_of_import(self) -> list[str]:
        begun = self._value("SELECT max(plan) FROM plans WHERE kind = 'file' AND state IN ('running', 'stopped')")
        if begun:
            return ["call", "import_contacts", f"plan={begun}"]
        return ["import", str(self._file), "--yes", "--existing", self.existing]

    async def _until_done(self, kind: str, kills: int, words: Callable[[], list[str]]) -> int:
        """Start a process after the other until the plan is over. Returns how many of them were killed."""
        killed = 0
        kinds = ("undo",) if kind == "undo" else ("file",)
        for number in count(1):
            self.plan = self._value("SELECT max(plan) FROM plans WHERE kind = ? AND state = 'done'", *kinds)
            if self.plan or number > MOST_PROCESSES:
                break
            is_last = killed >= kills
            if is_last:
                self.sandbox.faults.clear()
            elif number == 1:
                self.sandbox.faults.add(*faults())
            killed += await self._process(words(), is_last=is_last)
            await self._way.wait_until_idle()
            self.sandbox.land_all()
            self._age()
            self._edit(1)
        self._figures.must(f"the {kind} comes to no end", holds=bool(self.plan))
        self._figures.kills += killed
        return killed

    async def _process(self, words: list[str], *, is_last: bool) -> bool:
        """Run a command to its end, or until it is killed. Returns whether it was."""
        command = [sys.executable, "-m", "contacts_mcp", *words]
        start = partial(anyio.open_process, command, env=self._environment, stdout=subprocess.DEVNULL)
        async with await start(stderr=subprocess.DEVNULL) as process, anyio.create_task_group() as tasks:

            def kill() -> None:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(process.pid, signal.SIGKILL)

            if not is_last:
                moment = self._dice.choice(MOMENTS)
                self._way.arm(moment, skip=self._dice.randrange(20 if moment == "any" else 6), kill=kill)
                tasks.start_soon(self._kill_in_silence, kill)
                if words[0] == "call" and self._dice.random() < 0.3:
                    self._figures.pairs += 1
                    tasks.start_soon(self._twin, command)
            code = await process.wait()
            self._way.disarm()
            tasks.cancel_scope.cancel()
        return code == -signal.SIGKILL

    async def _twin(self, command: list[str]) -> None:
        """Another process that goes on with the same plan. It is killed with the first one."""
        process = await anyio.open_process(
            command, env=self._environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        try:
            await process.wait()
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.kill(process.pid, signal.SIGKILL)
            with anyio.CancelScope(shield=True):
                await process.wait()

    async def _kill_in_silence(self, kill: Callable[[], None]) -> None:
        """A process that waits for late requests is killed, too, as soon as it has made some."""
        seen, since = len(self.sandbox.requests), time.monotonic()
        first = seen
        while True:
            await anyio.sleep(0.05)
            if len(self.sandbox.requests) != seen:
                seen, since = len(self.sandbox.requests), time.monotonic()
            if seen > first and time.monotonic() - since > SILENCE:
                kill()

    def _edit(self, times: int) -> None:
        """Somebody else writes to any field of some contacts."""
        store, dice = self.sandbox.store, self._dice
        self._watch.is_stranger = True
        for contact in dice.sample(store.contacts(), times):
            custom = {**contact["custom"], dice.choice(("31", "40")): "Theirs"}
            change: Values = dice.choice(
                (
                    {"first": "Theirs"},
                    {"last": "Theirs"},
                    {"email": f"theirs{contact['id']}@example.com"},
                    {"custom": custom},
                    {"tags": [101]},
                    {"is_opted_out": True},
                )
            )
            store.touch(contact["id"], **change)
        self._watch.is_stranger = False

    # The files of the dead process

    def _age(self) -> None:
        """Nothing that was sent can arrive any more."""
        older = {
            "journal.sqlite3": "UPDATE changes SET at = at - {0}, uptime = uptime - {0} "
            "WHERE state <> 'done' OR unanswered",
            "imports.sqlite3": "UPDATE rows SET sent_at = sent_at - {0} WHERE state = 'sending'",
        }
        for name, statement in older.items():
            if (self._data / name).exists():
                with contextlib.closing(sqlite3.connect(self._data / name, isolation_level=None)) as db:
                    self._figures.must(
                        f"{name} is damaged", holds=db.execute("PRAGMA quick_check").fetchone() == ("ok",)
                    )
                    db.execute(statement.format(OLDER))

    def _select(self, query: str, *values: Any) -> list[Values]:
        path = self._data / "imports.sqlite3"
        if not path.exists():
            return []
        with contextlib.closing(sqlite3.connect(path)) as db:
            db.row_factory = sqlite3.Row
            return [dict(row) for row in db.execute(query, values)]

    def _value(self, query: str, *values: Any) -> Any:
        found = self._select(query, *values)
        return next(iter(found[0].values())) if found else None

    # What must be so

    def _check_import(self) -> None:
        must = self._figures.must
        people = self.sandbox.store.contacts()
        phones = Counter(person["phone"] for person in people)
        must(f"doubled: {[phone for phone, times in phones.items() if times > 1]}", holds=max(phones.values()) == 1)
        rows = self._select("SELECT * FROM rows WHERE plan = ?", self.plan)
        must("a row of the file is not in the plan", holds={row["phone"] for row in rows} == self.rows.keys())
        for row in rows:
            self._check_row(row, phones)
        listed = {row["phone"] for row in rows}
        strange = [event for event in self._watch.events if (event.after or event.before or {})["phone"] not in listed]
        must("somebody who is not in the file was changed", holds=not strange)
        self._check_opt_outs()

    def _check_row(self, row: Values, phones: Counter[str]) -> None:
        must = self._figures.must
        told = f"{self.existing} {row['decision']} {row['state']} {row['outcome']!r} {row['shown'][:200]}"
        self._figures.rows[row["state"] or row["decision"]] += 1
        own = self._changes_of(row["phone"])
        self._check_values(told, row["phone"], own)
        must(f"{told}: left open", holds=row["state"] not in ("planned", "sending"))
        if any(words in row["outcome"] for words in UNSURE):
            return
        if row["state"] in ("done", "told"):
            self._check_done(told, row, own, here=phones[row["phone"]])
        else:
            must(f"{told}: was changed to {[event.changed for event in own]}", holds=not own)

    def _changes_of(self, phone: str) -> list[Event]:
        return [one for one in self._watch.events if one.changed and (one.after or one.before or {})["phone"] == phone]

    def _check_values(self, told: str, phone: str, own: Sequence[Event]) -> None:
        """Nothing but the values of the file was written."""
        given = {key: text for key, text in self.rows[phone].items() if text and key != "is_opted_out"}
        for event in own:
            written = {key: now for key, now in event.changed.items() if key not in MADE_BESIDE}
            right = event.after is not None and all(now == given.get(key) for key, now in written.items())
            self._figures.must(f"{told}: changed to {event.changed}", holds=right)

    def _check_done(self, told: str, row: Values, own: Sequence[Event], *, here: int) -> None:
        must, is_so_already = self._figures.must, row["outcome"] == "is so already."
        must(f"{told}: carried out {len(own)} times", holds=len(own) == (0 if is_so_already else 1))
        must(f"{told}: lost", holds=here == 1)
        if row["decision"] == "new" and not is_so_already:
            must(f"{told}: never created", holds=sum(event.before is None for event in own) == 1)

    def _check_opt_outs(self) -> None:
        opted_in = [
            event.contact_id
            for event in self._watch.events
            if event.before and event.after and event.before["is_opted_out"] and not event.after["is_opted_out"]
        ]
        self._figures.must(f"opted in: {opted_in}", holds=not opted_in)

    def _check_undo(self) -> None:
        """Everybody is as before, or named. Somebody else's doings and opt-outs stay."""
        must, named = self._figures.must, self._named_by_undo()
        for person in self.sandbox.store.contacts():
            if person["id"] not in self._watch.touched and person["phone"] not in named:
                self._check_as_before(person)
        here = {person["id"] for person in self.sandbox.store.contacts()}
        must(f"gone: {self.before.keys() - here}", holds=self.before.keys() <= here)
        lost = {number for number in self._watch.touched if number not in here}
        must(f"deleted although somebody else had written to them: {lost}", holds=not lost)
        self._check_opt_outs()

    def _named_by_undo(self) -> set[str]:
        """The phones of rows that the undo names, and of those of which nobody knew what came of them."""
        undone = self._select("SELECT * FROM rows WHERE plan = ?", self.plan)
        told = [row for row in undone if row["decision"] == "kept" or row["state"] in ("told", "moved", "failed")]
        run = self._select("SELECT * FROM rows WHERE plan < ?", self.plan)
        unsure = [row for row in run if any(words in row["outcome"] for words in UNSURE)]
        return {row["phone"] for row in (*told, *unsure)}

    def _check_as_before(self, person: Values) -> None:
        phone, now, was = person["phone"], values_in(person), self.before.get(person["id"])
        self._figures.must(f"{phone} was created and is still there, unnamed", holds=was is not None)
        changed = {key for key in {*(was or {}), *now} if ((was or {}).get(key) or "") != (now.get(key) or "")}
        is_as_before = was is None or changed <= {"is_opted_out", "display_name"}
        self._figures.must(f"{phone} differs in {changed} after the undo", holds=is_as_before)


def faults() -> list[Fault]:
    """Together they strike a fifth of the requests."""
    each = SHARE_OF_FAULTS / len(KINDS)
    late = [Fault(operation, kind, times=-1, probability=0.03, **more) for operation in WRITES for kind, more in LATE]
    half = [Fault("batch_contacts", kind, times=-1, probability=0.05, **more) for kind, more in HALF]
    return [*late, *half, *(Fault("*", kind, times=-1, probability=each, **more) for kind, more in KINDS)]


async def run(times: int, *, seed: int = 0, each: int = 6) -> Figures:
    """Rounds until so many processes were killed, with at most `each` kills in the import of a round."""
    figures, dice = Figures(), random.Random(seed)
    while figures.kills < times and not figures.wrong:
        figures.rounds += 1
        with tempfile.TemporaryDirectory() as home:
            this = Round(Path(home), figures, dice)
            async with anyio.create_task_group() as tasks:
                url = await tasks.start(serve, this.sandbox)
                await this.run(url, min(each, times - figures.kills))
                tasks.cancel_scope.cancel()
            this.sandbox.close()
    return figures


def main(times: int, seed: int) -> int:
    async def killed() -> Figures:
        return await run(times, seed=seed)

    figures = anyio.run(killed)
    print(f"killed {figures.kills} processes in {figures.rounds} imports, {figures.kills_of_undo} of them in an undo")
    print(f"two processes at one plan: {figures.pairs} times; {figures.requests:,} requests")
    print(json.dumps(dict(figures.rows)))
    print(*figures.wrong, f"wrong: {len(figures.wrong)}", sep="\n")
    return int(bool(figures.wrong))


if __name__ == "__main__":
    given = [int(argument) for argument in sys.argv[1:]]
    sys.exit(main(given[0] if given else 50, given[1] if len(given) > 1 else 0))
