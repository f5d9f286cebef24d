"""Staying under the rate limit, together with every other server that uses the same account and the same ledger.

- The service allows a number of requests a minute per key (`heymarket-api.md` section 5).
- A ledger says when there is room: that of this machine (`state/ledger.py`), or that of all replicas of a hosted
  server (`state/redis_ledger.py`). The pace waits for it.
- Bulk work leaves a reserve, so that a question asked meanwhile does not wait behind an import. The reserve breathes:
  it is `RESERVE` of the limit, or twice as many requests as were asked interactively here in the last minute. It is
  `LEAST_RESERVE` at least, enough for some calls in a row, and never more than half of the limit.
- A 429 says that somebody else uses the key too. Every server then pauses until the service should answer again.
- Where the service does not say when, the pause doubles from `UNSAID` seconds on, until a request goes through.
- A ledger that another process has is asked again after each of `BUSY_PAUSES`. Then this server counts alone a while.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Awaitable, Callable
from contextvars import ContextVar
from functools import partial
from math import ceil

import anyio

from contacts_mcp.errors import RateLimited
from contacts_mcp.state import watching
from contacts_mcp.state.ledger import WINDOW, Ledger, LedgerBusy
from contacts_mcp.state.uptime import uptime

RESERVE = 0.03
LEAST_RESERVE = 15  # requests
LARGEST_RESERVE = 0.5
LEAST_WAIT = 0.001  # seconds; a shorter one may end before the clock has moved
WORTH_REPORTING = 2.0
UNSAID = 1.0  # seconds of the first pause after a 429 without Retry-After
BUSY_PAUSES = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1)  # seconds; another process needs some thousandths

on_wait: ContextVar[Callable[[float], Awaitable[None]] | None] = ContextVar("on_wait", default=None)
"""Told of every wait of more than `WORTH_REPORTING` seconds, before it starts."""

on_progress: ContextVar[Callable[[str, int, int | None], Awaitable[None]] | None] = ContextVar(
    "on_progress", default=None
)
"""Told how far work is that a call waits for: a clause such as "rows are finished", how many, and of how many."""

bulk_work: ContextVar[bool] = ContextVar("bulk_work", default=False)
"""Set while many requests are made on behalf of one call. It leaves room for others."""


def telling(clause: str) -> Callable[[int, int | None], Awaitable[None]] | None:
    """`on_progress` for one piece of work, or None where nobody listens."""
    tell = on_progress.get()
    return partial(tell, clause) if tell is not None else None


class Pace:
    """Lets requests through no faster than the limit."""

    def __init__(
        self,
        ledger: Ledger,
        *,
        limit: int,
        clock: Callable[[], float] = uptime,
        sleep: Callable[[float], Awaitable[None]] = anyio.sleep,
    ) -> None:
        """`clock` must be the one of all servers that share the ledger, and only grow."""
        self._ledger = ledger
        self._limit = limit
        self._clock = clock
        self._sleep = sleep
        self._unsaid = UNSAID
        self._paused_until = float("-inf")
        self._asked: deque[float] = deque(maxlen=limit)  # when interactive requests were sent from here

    async def wait(self) -> float:
        """Return once a request may be sent, with the seconds that it had to wait.

        Raises RateLimited at once if that is after the caller's deadline.
        """
        is_bulk, waited = bulk_work.get(), 0.0
        while seconds := await self._seconds_until_free(is_bulk=is_bulk):
            await self._announce(seconds)
            await self._sleep(max(seconds, LEAST_WAIT))
            waited += seconds
        if waited and (watcher := watching.watcher):
            watcher.waited(waited, is_bulk=is_bulk)
        if not is_bulk:
            self._asked.append(self._clock())
        return waited

    def _bulk_limit(self) -> int:
        """The part of the limit that bulk work may use now."""
        since = self._clock() - WINDOW
        while self._asked and self._asked[0] <= since:
            self._asked.popleft()
        reserve = max(ceil(self._limit * RESERVE), LEAST_RESERVE, 2 * len(self._asked))
        return max(1, self._limit - min(reserve, int(self._limit * LARGEST_RESERVE)))

    async def _seconds_until_free(self, *, is_bulk: bool) -> float:
        """0 where a place was taken."""
        limit = self._bulk_limit() if is_bulk else self._limit
        for pause in BUSY_PAUSES:
            try:
                return await self._ledger.reserve(self._clock(), limit, bulk=is_bulk)
            except LedgerBusy:
                await self._sleep(pause)
        return await self._ledger.reserve(self._clock(), limit, bulk=is_bulk, alone=True)

    async def _announce(self, seconds: float) -> None:
        if seconds > anyio.current_effective_deadline() - anyio.current_time():
            raise RateLimited(
                "Heymarket's rate limit is used up, by this or by others that use the account; this was not sent. "
                f"Try again in {seconds:.0f} seconds.",
                retry_after=seconds,
            )
        report = on_wait.get()
        if report is not None and seconds > WORTH_REPORTING:
            await report(seconds)

    async def slow_down(self, seconds: float | None) -> None:
        """The service refused for rate: hold everybody's requests for `seconds`, at most a minute.

        None says that the service did not say for how long. Then it is twice as long as the last time.
        """
        now = self._clock()
        # Several requests that were under way at once are refused together, and count once.
        if seconds is None and now >= self._paused_until:
            self._paused_until = now + self._unsaid
            self._unsaid = min(2 * self._unsaid, WINDOW)
        await self._ledger.pause(now, self._paused_until if seconds is None else now + min(seconds, WINDOW))

    def went_through(self) -> None:
        """The service took a request: the next refusal is the first of its kind again."""
        self._unsaid = UNSAID

    async def aclose(self) -> None:
        await self._ledger.aclose()
