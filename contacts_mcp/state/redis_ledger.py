"""The ledger of requests that the replicas of a hosted server share, in Redis.

- Any window of `WINDOW` seconds holds at most `limit` requests of all replicas, by Redis's clock.
- A process asks once for all its waiters. A place carries the last moment at which it may be used.
- A replica that loses Redis goes on alone, with the places that Redis promised it beforehand. Promised places count as
  used for all others, so that all together stay under the limit. Each answer makes the promise anew.
- A replica that fell silent keeps its promise, because it may be cut off and not dead. The others are promised parts
  of the rest, so that any number of them that die leave something.
- A minute after the loss, nothing that was sent together counts any more. Each replica then has its part of `SHARE`.
- A Redis with another mark (`redis.py`) is no free minute. It gives nothing until it has settled. Everyone who sees
  the mark writes down there the requests that it sent within the window.
"""

from __future__ import annotations

import asyncio
import secrets
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from typing import Any, NamedTuple

from contacts_mcp.state.account import Account
from contacts_mcp.state.ledger import AHEAD, AHEAD_MOST, WINDOW
from contacts_mcp.state.redis import BEATS_MISSED, BIRTH, RedisLost, SharedRedis
from contacts_mcp.state.uptime import uptime

HOLD = 0.25  # seconds within which a place is used, or void
SHARE = 0.8  # the part of the limit for all replicas together while each is alone
WAITERS_MOST = 64  # places of one trip
POLL = 1.0  # seconds between two questions of one who waits for Redis, or for others' promises
_NEVER = float("-inf")

# KEYS: mark; then requests, pause and promises of each name of the account, first of the name to write under.
_LEDGER = f"""{BIRTH}
redis.call('ZREMRANGEBYSCORE', KEYS[2], '-inf', now - a.window)
if born ~= a.mark then return cjson.encode({{born = born, now = now}}) end
if #a.back > 0 then redis.call('ZREM', KEYS[2], unpack(a.back)) end
for _, sent in ipairs(a.sent) do redis.call('ZADD', KEYS[2], 'NX', now - sent[1], sent[2]) end
local ms = math.ceil(a.pause * 1000)
if ms > 0 and ms > redis.call('PTTL', KEYS[3]) then redis.call('SET', KEYS[3], 1, 'PX', ms) end
local used, others, silent, holders, paused = 0, 0, 0, 1, 0
local told = now + 2 * a.window + 10
for k = 2, #KEYS, 3 do
  used = used + redis.call('ZCOUNT', KEYS[k], now - a.window, '+inf')
  paused = math.max(paused, redis.call('PTTL', KEYS[k + 1]) / 1000)
  local promised = redis.call('HGETALL', KEYS[k + 2])
  for i = 1, #promised, 2 do
    local places, till = string.match(promised[i + 1], '(%d+) ([%d.]+)')
    if tonumber(till) < now then redis.call('HDEL', KEYS[k + 2], promised[i])
    elseif promised[i] ~= a.me then
      others = others + places
      if tonumber(till) < told - a.gone then silent = silent + places else holders = holders + 1 end
    end
  end
end
local got, ahead, wait, rest, settling = 0, 0, paused, a.rest, math.max(0, a.settle - (now - at))
if settling == 0 then
  local free = math.max(0, a.limit - used - others)
  got = paused > 0 and 0 or math.min(a.want, free)
  ahead = (got == a.want and used < a.full * 0.75) and math.min(a.ahead, free - got) or 0
  for k = 1, got + ahead do
    redis.call('ZADD', KEYS[2], now + (k > got and a.ahead_hold or a.hold), a.trip .. k)
  end
  used = used + got + ahead
  local part = a.share * (a.full - used - silent) / math.max(a.replicas, holders)
  rest = math.max(0, math.min(math.floor(part), a.full - used - others))
  if wait == 0 and got < a.want then
    local over = used + others - a.limit
    local first = redis.call('ZRANGE', KEYS[2], over, over, 'WITHSCORES')[2]
    local last = redis.call('ZRANGE', KEYS[2], over + a.spread, over + a.spread, 'WITHSCORES')[2]
    wait = first and math.min(last or first + a.poll, first + a.poll) + a.window - now or a.poll
    wait = others > 0 and math.min(wait, a.poll) or wait
  end
end
if a.share == 0 then redis.call('HDEL', KEYS[4], a.me)
else -- The answer may be lost on the way. Then the promise of before holds.
  redis.call('HSET', KEYS[4], a.me, string.format('%d %.3f', math.max(a.rest, rest), told))
end
for k = 2, 4, 2 do redis.call('EXPIRE', KEYS[k], 600) end
return cjson.encode({{
  born = born, now = now, got = got, ahead = ahead, wait = wait, rest = rest, settling = settling
}})
"""


class Place(NamedTuple):
    """A place in the window that nobody uses yet."""

    name: str
    until: float  # the last moment at which it may be used


class Sent(NamedTuple):
    """A request that was sent from here."""

    at: float
    name: str


class RedisLedger:
    """The ledger of one account, shared by all replicas. Its moments are readings of the clock of `redis`."""

    def __init__(
        self,
        redis: SharedRedis,
        account: Account | str,
        *,
        replicas_most: int = 1,
        window: float = WINDOW,
        clock: Callable[[], float] = uptime,
    ) -> None:
        """`account` is a name that all replicas use, or the Account of this machine's credential.

        A name should stay the same when credentials are renewed. `replicas_most` is the least number of replicas to
        count with while Redis is lost. `clock` is the one of `redis`.
        """
        self._redis = redis
        self._account = Account.of(account)
        self._replicas_most = replicas_most
        self._window = window
        self._clock = clock
        self._me = secrets.token_hex(4)
        self._others: set[str] = set()  # names of the account that other replicas told
        self._mark = ""
        self._limit = 0  # the highest that was asked with, which is that of interactive work
        self._trips = 0
        self._asking = asyncio.Lock()
        self._flight: asyncio.Task[None] | None = None
        self._waiting: deque[tuple[int, asyncio.Future[bool]]] = deque()
        self._places: deque[Place] = deque()
        self._void: list[str] = []
        self._full: tuple[float, float] = (0, _NEVER)  # no place up to this limit is free before that moment
        self._sent: deque[Sent] = deque()
        self._untold: dict[str, float] = {}  # names and moments of those of `_sent` that Redis may not know
        self._rest = 0  # places that may be used without Redis
        self._promised_until = _NEVER
        self.settling_until = _NEVER  # Redis is new and gives nothing before then
        self._paused = _NEVER
        redis.enter(self)

    async def reserve(self, now: float, limit: int, *, bulk: bool = False, alone: bool = False) -> float:
        """As `Ledger.reserve`. Bulk work waits while Redis is lost, and LedgerBusy is never raised."""
        self._limit = max(self._limit, limit)
        while True:
            if now < self._paused:
                return self._paused - now
            if self._use_place(now):
                return 0.0
            if limit <= self._full[0] and now < self._full[1]:
                return self._full[1] - now
            if alone or now < self._redis.silent_until or now < self.settling_until:
                return self._go_alone(now, bulk=bulk)
            is_answered = await self._ask(limit)
            now = self._clock()
            if not is_answered:
                return self._go_alone(now, bulk=bulk)

    async def pause(self, now: float, until: float) -> None:
        self._paused = max(until, self._paused if self._paused <= now + self._window else _NEVER)
        self._give_back()
        with suppress(RedisLost):
            await self._trip(self._limit, 0)

    async def aclose(self) -> None:
        """Give back the promise and the places that were not used."""
        self._redis.leave(self)
        if self._flight is not None:
            await asyncio.wait([self._flight])
        self._give_back()
        self._rest = 0
        if self._mark:
            with suppress(RedisLost):
                await self._trip(self._limit, 0, share=0)

    @property
    def is_urgent(self) -> bool:
        """Whether places are promised to this replica that others may need."""
        return self._rest > 0

    async def refresh(self) -> None:
        """Tell Redis what it does not know, and hear what is promised now. Raises RedisLost."""
        team = self._account.lock_names[1:]
        if team:
            self._others = await self._redis.names_of(team[0], self._account.name)
        await self._trip(self._limit, 0)

    # Places

    def _use_place(self, now: float) -> bool:
        while self._places:
            place = self._places.popleft()
            if now <= place.until:
                self._sent.append(Sent(now, place.name))
                return True
            self._void.append(place.name)
        return False

    def _give_back(self) -> None:
        self._void += [place.name for place in self._places]
        self._places.clear()

    def _forget_old(self, now: float) -> None:
        while self._sent and self._sent[0].at <= now - self._window:
            self._untold.pop(self._sent.popleft().name, None)

    # Alone

    def _go_alone(self, now: float, *, bulk: bool) -> float:
        if bulk or self._left_alone(now) <= 0:
            again = max(self._redis.silent_until, self.settling_until) - now
            return min(again, POLL) if again > 0 else POLL
        self._trips += 1
        sent = Sent(now, f"{self._me}:{self._trips}")
        self._rest -= 1
        self._sent.append(sent)
        self._untold[sent.name] = sent.at
        return 0.0

    def _left_alone(self, now: float) -> int:
        """How many requests may still be sent without Redis."""
        lost_at = self._redis.lost_at
        if lost_at is None or now < lost_at + self._window + AHEAD:
            return max(0, self._rest) if now < self._promised_until else 0
        self._forget_old(now)
        return max(0, int(SHARE * self._limit / self._replicas) - len(self._sent))

    @property
    def _replicas(self) -> int:
        return max(self._replicas_most, self._redis.replicas)

    # Together

    async def _ask(self, limit: int) -> bool:
        """Ask Redis for a place, and say whether it answered. All who wait at the time ask at once."""
        future: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
        self._waiting.append((limit, future))
        if self._flight is None or self._flight.done():
            self._flight = asyncio.get_running_loop().create_task(self._fly())
        return await future

    async def _fly(self) -> None:
        """Ask until nobody waits. Those with the limit of the first go together."""
        while self._waiting:
            limit = self._waiting[0][0]
            group = [future for other, future in self._waiting if other == limit and not future.done()]
            is_answered = False
            try:
                if group:
                    await self._trip(limit, min(len(group), WAITERS_MOST))
                    is_answered = True
            except RedisLost:
                pass
            finally:
                self._wake(group, is_answered=is_answered)

    def _wake(self, group: list[asyncio.Future[bool]], *, is_answered: bool) -> None:
        for future in group:
            if not future.done():  # else the caller has given up
                future.set_result(is_answered)
        self._waiting = deque((limit, future) for limit, future in self._waiting if not future.done())

    async def _trip(self, limit: int, want: int, *, share: float = SHARE) -> None:
        """One question, or another where the mark has changed. Raises RedisLost."""
        async with self._asking:
            for _ in range(3):
                start = self._clock()
                letter = self._letter(start, limit, want, share)
                answer = await self._redis.ask(_LEDGER, self._keys(), letter)
                if "rest" in answer:
                    for _, told in letter["sent"]:
                        self._untold.pop(told, None)
                    self._void = self._void[len(letter["back"]) :]
                    self._take(answer, start, limit, letter)
                    return
                self._meet(answer["born"])

    def _keys(self) -> list[str]:
        names = dict.fromkeys((*self._account.names, *sorted(self._others)))
        return ["born", *(f"{{{name}}}{what}" for name in names for what in ("led", "pause", "alone"))]

    def _letter(self, now: float, limit: int, want: int, share: float) -> dict[str, Any]:
        self._trips += 1
        self._forget_old(now)
        while self._places and self._places[0].until < now:
            self._void.append(self._places.popleft().name)
        return {
            "me": self._me,
            "mark": self._mark,
            "window": self._window,
            "limit": limit,
            "full": self._limit,
            "want": want,
            "ahead": max(0, min(AHEAD_MOST, self._limit // 50) - want + 1) if want else 0,
            "hold": HOLD,
            "ahead_hold": AHEAD,
            "rest": self._left_alone(now),
            "share": share,
            "replicas": self._replicas,
            "gone": BEATS_MISSED * self._redis.rhythm.beat,
            "pause": max(0.0, self._paused - now) if self._paused <= now + self._window else 0.0,
            "trip": f"{self._me}:{self._trips}:",
            "settle": self._redis.rhythm.settle,
            "spread": min(want, max(1, limit // 50)) - 1,
            "poll": POLL,
            "back": self._void[:],
            "sent": [(now - at, name) for name, at in self._untold.items()],
        }

    def _meet(self, mark: str) -> None:
        """Another Redis, or one that has forgotten: it has to hear of all that was sent within the window."""
        self._mark = mark
        self._untold = {name: at for at, name in self._sent}
        self._places.clear()
        self._void.clear()

    def _take(self, answer: dict[str, Any], start: float, limit: int, letter: dict[str, Any]) -> None:
        now, got = self._clock(), int(answer["got"])
        self._promised_until = start + 2 * self._window
        self._rest = int(answer["rest"]) - len(self._untold)  # with those that were sent alone meanwhile
        self.settling_until = now + answer["settling"] if answer["settling"] else _NEVER
        for number in range(1, got + int(answer["ahead"]) + 1):
            until = start + (HOLD if number <= got else AHEAD)
            self._places.append(Place(f"{letter['trip']}{number}", until))
        if answer["wait"]:
            self._full = (limit, now + answer["wait"])
