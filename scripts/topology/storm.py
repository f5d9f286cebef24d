"""Many clients in both eras while replicas are restarted: is any write lost or doubled, is any call left unanswered?

- Each client owns one contact. It sets one value after another, and reads it back now and then.
- A client repeats a call that got no answer, as an assistant would. A refusal is an answer.
- A value that was answered is there at the end, unless a later one is. No value was sent to Heymarket twice.
- A replica that gets SIGTERM leaves no call unanswered. One that is killed may.
"""

from __future__ import annotations

import itertools
import random
import signal
import ssl
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import anyio
import anyio.to_thread
import httpx

from topology.caller import ERAS, Answer, answer_in, request
from topology.team import Replica, Team

THINKS = 2.0  # seconds between two calls of a client
EVERY = 5.0  # seconds between two restarts
READS = 3  # every so many calls is a lookup
REPEATS = 5  # of a call without an answer
PAUSE = 1.0  # seconds before a repeat


@dataclass
class Client:
    """One person with one contact."""

    number: int
    url: str
    token: str
    http: httpx.AsyncClient
    counts: Counter[str]
    contact_id: int = 0
    answered: int = 0  # the last value that was answered
    asked: int = 0  # the last value that was asked for
    wrong: list[str] = field(default_factory=list)

    async def begin(self) -> None:
        """Makes the contact."""
        facts = await self._done("create_contact", phone=f"+1510556{self.number:04}", first=f"Client{self.number}")
        self.contact_id = facts.get("contact", {}).get("contact_id", 0)

    async def go_on(self) -> None:
        """Makes calls until it is cancelled. People do not begin in step."""
        await anyio.sleep(random.Random(self.number).uniform(0, THINKS))
        for step in itertools.count(1):
            await anyio.sleep(THINKS)
            with anyio.CancelScope(shield=True):  # an answer on its way is waited for
                if step % READS == 0:
                    await self._read()
                else:
                    self.asked += 1
                    facts = await self._done("update_contact", contact_id=self.contact_id, last=_value(self.asked))
                    if facts:
                        self.answered = self.asked

    async def _read(self) -> None:
        facts = await self._done("lookup_contact", contact_id=self.contact_id)
        seen = (facts.get("contacts") or [{}])[0].get("last", "")
        if facts and self.answered and not self.answered <= _number(seen) <= self.asked:
            self.wrong.append(f"contact {self.contact_id} shows {seen}, and {self.answered} was answered")

    async def _done(self, tool: str, **arguments: Any) -> dict[str, Any]:
        """The facts of a call, repeated until there is an answer. Nothing where it was refused.

        A change may be refused while the one before, whose replica was killed, could still arrive.
        """
        for _ in range(REPEATS):
            answer = await self._call(tool, arguments)
            if answer is not None and answer.is_carried_out:
                return answer.facts
            if answer is not None and answer.status == httpx.codes.OK:
                self.counts[f"refused: {answer.facts.get('kind')}"] += 1
                return {}
            await anyio.sleep(PAUSE)
        self.counts[f"given up after {REPEATS} times"] += 1
        return {}

    async def _call(self, tool: str, arguments: dict[str, Any]) -> Answer | None:
        params = {"name": tool, "arguments": arguments}
        try:
            sent = request(self.url, self.token, ERAS[self.number % len(ERAS)], "tools/call", params)
            answer = answer_in(await self.http.send(sent))
        except httpx.HTTPError as error:
            self.counts[type(error).__name__] += 1
            return None
        self.counts[str(answer.status)] += 1
        return answer


def _value(number: int) -> str:
    return f"Step{number}"


def _number(value: str) -> int:
    return int(value.removeprefix("Step") or 0)


class Storm:
    """`by` says how a replica is ended."""

    def __init__(self, team: Team, clients: int, *, by: signal.Signals = signal.SIGTERM) -> None:
        self._team = team
        self._by = by
        self._restarts = 0
        self._wrong: list[str] = []
        self.counts: Counter[str] = Counter()
        trust: ssl.SSLContext = team.trust
        limits = httpx.Limits(max_keepalive_connections=0, max_connections=None)
        self._http = httpx.AsyncClient(verify=trust, limits=limits, trust_env=False)
        token = team.accounts["oakland"].token
        self.clients = [Client(number, team.url, token, self._http, self.counts) for number in range(clients)]

    async def rage(self, seconds: float) -> list[str]:
        """Lets it go on for so long. Returns what is wrong."""
        async with self._http, anyio.create_task_group() as group:
            async with anyio.create_task_group() as beginning:
                for client in self.clients:
                    beginning.start_soon(client.begin)
            self.counts.clear()
            for client in self.clients:
                group.start_soon(client.go_on)
            with anyio.move_on_after(seconds):
                await self._restart_forever()
            group.cancel_scope.cancel()
        if self._by is signal.SIGTERM:
            self._wrong += [
                f"{number} calls ended with {what}" for what, number in self.counts.items() if what != "200"
            ]
        return [*self._wrong, *(line for client in self.clients for line in client.wrong), *self._lost_or_doubled()]

    def __str__(self) -> str:
        counted = ", ".join(f"{number} {what}" for what, number in self.counts.most_common())
        return f"{len(self.clients)} clients, {self._restarts} restarts by {self._by.name}: {counted}"

    async def _restart_forever(self) -> None:
        for replica in itertools.cycle(self._team.replicas):
            begun = anyio.current_time()
            with anyio.CancelScope(shield=True):  # none is left ended
                await anyio.to_thread.run_sync(self._restart, replica)
            await anyio.sleep_until(begun + EVERY)

    def _restart(self, replica: Replica) -> None:
        replica.part.tell(self._by)
        assert replica.part.process is not None
        code = replica.part.process.wait(60)
        if self._by is signal.SIGTERM and code != 0:
            self._wrong.append(f"{replica.part.name} exited {code}")
        replica.part.start()
        self._team.until_ready(replica)
        self._restarts += 1

    def _lost_or_doubled(self) -> Iterator[str]:
        address = self._team.accounts["oakland"].address
        requests = httpx.get(f"{address}/_sandbox/requests", trust_env=False).json()
        rows = httpx.get(f"{address}/_sandbox/contacts", trust_env=False).json()
        phones = Counter(row["phone"] for row in rows)
        yield from (f"{phone} is there {times} times" for phone, times in phones.items() if times > 1)
        sent = Counter((one["path"], _last_in(one["body"])) for one in requests if one["method"] == "PUT")
        yield from (f"{value} was sent {times} times to {path}" for (path, value), times in sent.items() if times > 1)
        last = {row["id"]: row["last"] for row in rows}
        for client in self.clients:
            seen = _number(last.get(client.contact_id) or "")
            if not client.answered <= seen <= client.asked:
                yield f"contact {client.contact_id} has {seen} at the end, and {client.answered} was answered"


def _last_in(body: Any) -> str:
    return str(body.get("last", "")) if isinstance(body, dict) else ""
