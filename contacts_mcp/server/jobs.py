"""Work that may take longer than a call: it goes on in the server, and the call answers how far it is.

In a process of one call, and where the server's life is the call's own, the work stops between two chunks instead. The
next call goes on with it.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import anyio
from anyio.abc import TaskGroup

if TYPE_CHECKING:
    from contacts_mcp.book import Book
    from contacts_mcp.server.tools.entry import Opener

LONGEST = 40.0  # seconds of a call for such work; clients cut calls at 60
LEFT = 10.0  # seconds of the call that are kept for its answer

Work = Callable[[Callable[[], bool]], Awaitable[None]]
"""Work that asks the given function whether it has to stop. `pace.telling` tells how far it is."""


class Job:
    """One piece of work on its way."""

    def __init__(self) -> None:
        self.is_over = False
        self.error: Exception | None = None
        self.news = anyio.Event()
        self.said: tuple[str, int, int | None] | None = None  # how far it is, as `pace.on_progress` hears it

    def tell(self) -> None:
        """Wake those who wait for news."""
        self.news.set()
        self.news = anyio.Event()

    async def hear(self, clause: str, done: int, of: int | None) -> None:
        self.said = (clause, done, of)
        self.tell()


class Jobs:
    """The book of a server, and the work that goes on behind its calls."""

    def __init__(self, app: Opener, *, group: TaskGroup | None = None) -> None:
        """`group` is one in which work may go on. Without it, `served` makes one."""
        self._app = app
        self._groups: list[TaskGroup] = [group] if group else []
        self._is_ending = False
        self._jobs: dict[int, Job] = {}
        self._unheard: dict[int, Exception] = {}  # errors of jobs that no call has answered yet

    async def book(self) -> Book:
        return await self._app.book()

    @asynccontextmanager
    async def served(self) -> AsyncIterator[None]:
        """While a server lives, work may go on in it."""
        async with anyio.create_task_group() as group:
            self._groups.append(group)
            try:
                yield
            finally:
                self._groups.remove(group)
                group.cancel_scope.cancel()

    @property
    def has_work(self) -> bool:
        """Whether any work is under way."""
        return bool(self._jobs)

    def end_soon(self) -> None:
        """Let the work stop between two chunks. Another call, or another server, can go on with it."""
        self._is_ending = True

    async def over(self) -> None:
        """Wait for the end of all work."""
        for job in [*self._jobs.values()]:
            while not job.is_over:
                await job.news.wait()

    def is_under_way(self, number: int) -> bool:
        return number in self._jobs

    async def carry_on(self, number: int, work: Work) -> bool:
        """Do the work of that number, or wait for it where it is under way. Returns whether it is over by now.

        Raises its error, if that came in time.
        """
        seconds = max(0.0, min(LONGEST, anyio.current_effective_deadline() - anyio.current_time() - LEFT))
        if number not in self._jobs and not self._groups:
            stop_at = anyio.current_time() + seconds
            await work(lambda: anyio.current_time() >= stop_at)
            return True
        if number not in self._jobs:
            self._jobs[number] = Job()
            self._groups[-1].start_soon(self._done, number, work)
        return await self.news_of(number, seconds)

    async def news_of(self, number: int, seconds: float) -> bool:
        """Wait for the end of a job, at most so long, and report how far it is. Returns whether it is over.

        Raises its error, also where it ended while nobody waited. That is told once.
        """
        from contacts_mcp.api.pace import on_progress  # the server must list its tools before it needs this

        job, tell = self._jobs.get(number), on_progress.get()
        with anyio.move_on_after(seconds):
            while job is not None and not job.is_over:
                await job.news.wait()
                if tell and job.said:
                    await tell(*job.said)
        error = self._unheard.pop(number, job.error if job else None)
        if error is not None:
            raise error
        return job is None or job.is_over

    async def _done(self, number: int, work: Work) -> None:
        from contacts_mcp.api.pace import on_progress, on_wait

        job = self._jobs[number]
        on_wait.set(None)  # the call that began it is answered by then
        on_progress.set(job.hear)
        try:
            await work(lambda: self._is_ending)
        except Exception as error:  # noqa: BLE001 -- a call that asks for news gets it
            job.error = self._unheard[number] = error
        finally:
            del self._jobs[number]
            job.is_over = True
            job.tell()
