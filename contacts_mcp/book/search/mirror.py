"""The local mirror of one account: filled in the background, kept fresh, and asked.

    known = await mirror.ready(wait=20, announce=tell)          # begins the filling, waits, refreshes
    if known.is_there:
        answer = await mirror.ask(lambda index: search(index, question))
        checked = await mirror.verified([hit.row.id for hit in answer.hits])

- The first call that needs the mirror opens it and begins the filling. Until then nothing of it is imported or opened.
- The filling belongs to no call: it goes on when the call that began it has ended, and ends with `aclose`. Its failure
  is kept in `Known.failure`, and told in a note, until it goes on. Nobody waits for it meanwhile.
- It keeps to the share of the rate limit that is for bulk work, so that calls find room.
- One process fills the index of an account. The others read it, and say that another server is filling it.
- Nothing here raises for the index. An index that cannot be used is told as `Known.is_there` false. One that is away
  for a moment, as a shared one may be, is asked again by the next call.
"""

from __future__ import annotations

import asyncio
import logging
import math
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Iterable
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
from contextvars import Context
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import anyio

from contacts_mcp.api.pace import bulk_work, telling
from contacts_mcp.book.search.known import OFF, Known, known_from, moment_of, with_notes, without_index
from contacts_mcp.errors import ContactsError, UpstreamError
from contacts_mcp.state import watching
from contacts_mcp.state.index_file import IndexUnavailable
from contacts_mcp.words.note import Note

if TYPE_CHECKING:
    from contacts_mcp.api.client import HeymarketClient
    from contacts_mcp.book.book import Book
    from contacts_mcp.book.search.checking import Checked
    from contacts_mcp.book.search.filling import Filler
    from contacts_mcp.models import Contact
    from contacts_mcp.state.profile import Profile
    from contacts_mcp.state.protocols import Journal
    from contacts_mcp.state.word_index import WordIndex

POLL = 0.5  # seconds between two looks at an index that another process fills
LONGEST_WAIT = 20.0  # seconds of a call that waits for the first filling of the mirror
WAIT_SHARE = 0.5  # ... and of the time that the call has left
TELL_EVERY = 2.0  # seconds between two tellings of the progress, and before the first
REFRESH_REQUESTS = 10  # of one call; more changes are read in the background

Result = TypeVar("Result")
Announce = Callable[[int, int | None], Awaitable[None]]
"""Told how many contacts were read so far, and how many the account has, if that is known."""
Run = Callable[[Callable[[], Any]], Awaitable[Any]]
FillingRight = Callable[[], AbstractAsyncContextManager[bool]]
"""Says whether this process may fill the index. While it does, others may not. It raises ContactsError."""

_log = logging.getLogger(__name__)


async def in_thread(work: Callable[[], Result]) -> Result:
    """Do work that takes a while, with the event loop free for others."""
    return await anyio.to_thread.run_sync(work)


def in_turns(most: int) -> Run:
    """The same with so many at once, so that the searches of one account leave room for those of others."""
    turns = anyio.CapacityLimiter(most)

    async def run(work: Callable[[], Any]) -> Any:
        async with turns:
            return await in_thread(work)

    return run


async def at_once(work: Callable[[], Result]) -> Result:
    """Do it in the event loop: for programs whose clock stands still while a thread works."""
    return work()


def mirror_of(book: Book) -> Mirror:
    """The mirror of an open address book."""
    assert isinstance(book.mirror, Mirror)
    return book.mirror


async def ready_for_call(book: Book, *, patience: float = LONGEST_WAIT) -> Known:
    """`Mirror.ready` within the time that this call has, and `patience` seconds. Its client hears of the progress."""
    left = anyio.current_effective_deadline() - anyio.current_time()
    announce = telling("contacts are in the local index now")
    return await mirror_of(book).ready(wait=min(patience, WAIT_SHARE * left), announce=announce)


@asynccontextmanager
async def alone_with(path: Path | None) -> AsyncIterator[bool]:
    """The right to fill the index in the file at `path`, for one process of this machine. Raises IndexUnavailable."""
    if path is None:
        yield True
        return
    from filelock import FileLock, Timeout

    lock = FileLock(path.with_suffix(".filling.lock"), mode=0o600, thread_local=False)
    try:
        lock.acquire(blocking=False)
    except Timeout:
        yield False
        return
    except OSError:
        raise IndexUnavailable("unwritable") from None
    try:
        yield True
    finally:
        lock.release()


class Mirror:
    """The mirror of one account, for all calls of this process."""

    def __init__(
        self,
        api: HeymarketClient,
        journal: Journal,
        *,
        path: Path | None,
        is_off: bool = False,
        clock: Callable[[], float] = time.time,
        run: Run = in_thread,
        profile: Profile | None = None,
        open_index: Callable[[], WordIndex] | None = None,
        filling_right: FillingRight | None = None,
    ) -> None:
        """`path` is the file of the index, None for one in memory. `clock` tells the time of day.

        An index that servers share is opened by `open_index`, in a thread. It has a `filling_right` of its own.
        """
        self._api = api
        self._journal = journal
        self._path = path
        self._is_off = is_off
        self._clock = clock
        self._run = run
        self._profile = profile
        self._open_index = open_index
        self._filling_right = filling_right or partial(alone_with, path)
        self._index: WordIndex | None = None
        self._opening = anyio.Lock()
        self._filler: Filler | None = None
        self._filling: asyncio.Task[None] | None = None
        self._scope = anyio.CancelScope()  # of the filling
        self._is_elsewhere = False  # another process is filling the index
        self._is_behind = False  # there are more changes than a call can read
        self._failure: ContactsError | None = None  # of the filling
        self._unusable: IndexUnavailable | None = None  # for good
        self._refreshing = anyio.Lock()
        self._refreshed_at = -math.inf  # when the last refresh began, by the event loop's clock
        self._trouble: ContactsError | None = None  # of the last refresh
        self._noticed: list[Contact | int] = []  # seen by others; the number of a contact is one that is gone
        self._flushing = anyio.Lock()
        self._tasks: set[asyncio.Task[None]] = set()
        self._step = anyio.Event()

    # Asking

    async def ready(self, *, wait: float = 0.0, announce: Announce | None = None, refresh: bool = True) -> Known:
        """Have the mirror filled and fresh as far as possible, and tell how far that is. Never raises ContactsError.

        A mirror that is not complete is filled in the background, and this waits for that for up to `wait` seconds.
        `announce` hears of the progress every `TELL_EVERY` seconds.
        A complete one is refreshed, by one request where nothing was changed.
        `refresh` False leaves that out, for a call that needs no newer contacts.
        """
        if self._is_off or self._unusable:
            return without_index(self._unusable) if self._unusable else OFF
        arrived = anyio.current_time()
        try:
            await self._flush()
            state = await self._do(lambda index: index.state)
            if self._is_behind or (await self._opened_filler()).is_due(state):
                self._begin()
            if refresh and state.last_walk is not None:
                await self._refresh(arrived)
            known = await self._until_complete(arrived + wait, announce)
        except IndexUnavailable as error:
            return without_index(error)
        if self._unusable:
            return without_index(self._unusable)
        self._tell_age(known)
        return self._with_trouble(known) if refresh else known

    async def known(self) -> Known:
        """How much is in the mirror, without a request, and without beginning anything."""
        if self._is_off or self._unusable:
            return without_index(self._unusable) if self._unusable else OFF
        try:
            return self._with_trouble(await self._known())
        except IndexUnavailable as error:
            return without_index(error)

    async def ask(self, question: Callable[[WordIndex], Result]) -> Result:
        """The answer to a question to the index, in a thread. Call `ready` first.

        Raises IndexUnavailable, and every error of the question.
        """
        return await self._do(question)

    async def verified(self, ids: Iterable[int]) -> Checked:
        """Contacts of the mirror as the service shows them now, in the order of the ids.

        One request for up to 100, and one more for each that changed its phone, has none, or is gone. The mirror is
        corrected by what was seen. Raises ContactsError where the service cannot be asked.
        """
        from contacts_mcp.book.search.checking import check

        asked = [*ids]
        rows = await self._do(lambda index: index.rows(asked))
        checked = await check(self._api, self._journal, rows)
        with suppress(IndexUnavailable):
            await (await self._opened_filler()).corrected(checked)
        return checked

    # What others see

    @property
    def is_in_use(self) -> bool:
        """Whether there is an index already. Nothing is opened or begun for that."""
        is_there = self._open_index is not None or (self._path is not None and self._path.exists())
        return (self._index is not None or (is_there and not self._is_off)) and not self._unusable

    def noticed(self, contact: Contact) -> None:
        """Somebody read the contact from the service just now, such as a write that reads back.

        An index that is not in use and has no file yet stays so.
        """
        self._take_note(contact)

    def noticed_gone(self, contact_id: int) -> None:
        """The contact was just seen to be deleted."""
        self._take_note(contact_id)

    def _take_note(self, seen: Contact | int) -> None:
        if self.is_in_use:
            self._noticed.append(seen)
            _ = self._spawn(self._flush())  # which keeps the task

    async def _flush(self) -> None:
        """Put into the index what others have seen, in order."""
        from contacts_mcp.state.row import Row

        async with self._flushing:
            noticed, self._noticed = self._noticed, []

            def work(index: WordIndex) -> None:
                for seen in noticed:
                    if isinstance(seen, int):
                        index.remove([seen])
                    else:
                        index.upsert([Row.of(seen)])

            if noticed:
                with suppress(IndexUnavailable):  # a refresh or the next walk sees it
                    await self._do(work)

    # The index

    async def _do(self, work: Callable[[WordIndex], Result]) -> Result:
        index = self._index or await self._opened()
        result: Result = await self._run(lambda: work(index))
        return result

    async def _opened(self) -> WordIndex:
        def opened() -> WordIndex:
            from contacts_mcp.state.index import Index

            return Index.open(self._path)

        async with self._opening:
            self._index = self._index or await self._run(self._open_index or opened)
        assert self._index
        return self._index

    async def _opened_filler(self) -> Filler:
        if self._filler is None:
            from contacts_mcp.book.search.filling import Filler

            self._filler = Filler(
                self._api,
                self._journal,
                in_index=self._do,
                is_in_memory=self._path is None and self._open_index is None,
                clock=self._clock,
                moved=self._move,
                failed=self._fail,
                profile=self._profile,
            )
        return self._filler

    # Filling

    def _begin(self) -> None:
        """Begin the filling, or go on with it, unless it is going on."""
        if self._filling is None or self._filling.done():
            self._failure = None
            self._scope = anyio.CancelScope()
            self._filling = self._spawn(self._fill())

    async def _fill(self) -> None:
        bulk_work.set(True)
        with self._scope:
            try:
                async with self._filling_right() as is_alone:
                    self._is_elsewhere = not is_alone
                    if is_alone:
                        await self._filled()
            except ContactsError as failure:
                self._fail(failure)
                if isinstance(failure, IndexUnavailable) and failure.reason == "too_large":
                    self._unusable = failure
            except Exception as error:  # noqa: BLE001 -- the boundary of the background: nobody else would hear of it
                _log.error("filling the index failed: %s", type(error).__name__)
                self._fail(UpstreamError(f"an unexpected {type(error).__name__}"))
            finally:
                self._move()

    async def _filled(self) -> None:
        filler = await self._opened_filler()
        await filler.walk()
        if self._is_behind:
            self._is_behind = not await filler.refresh(requests=math.inf)

    @property
    def _is_filling(self) -> bool:
        return self._is_elsewhere or (self._filling is not None and not self._filling.done())

    def _fail(self, failure: ContactsError | None) -> None:
        self._failure = failure
        self._move()

    def _move(self) -> None:
        """Wake everybody who waits for progress."""
        self._step.set()
        self._step = anyio.Event()

    async def _until_complete(self, deadline: float, announce: Announce | None) -> Known:
        known, told, told_at = await self._known(), -1, anyio.current_time()
        while not known.complete and self._is_filling and not self._failure:
            if announce and known.searched != told and anyio.current_time() >= told_at + TELL_EVERY:
                told, told_at = known.searched, anyio.current_time()
                await announce(told, known.of)
            left = deadline - anyio.current_time()
            if left <= 0:
                break
            step = self._step
            with anyio.move_on_after(min(left, POLL) if self._is_elsewhere else left):
                await step.wait()
            if self._is_elsewhere:
                self._begin()  # the other may have ended, or died
            known = await self._known()
        return known

    async def _known(self) -> Known:
        known = known_from(await self._do(lambda index: index.state))
        if self._index and any(note.kind == "index_started_over" for note in known.notes):
            self._index.told_of_starting_over()
        if known.complete:
            return known
        if self._failure:
            text = f"Reading the contacts into the local index stopped: {self._failure}"
            return with_notes(known, [Note("index_stopped", text)], self._failure)
        if self._is_elsewhere:
            text = f"Another server{' of this machine' if self._path else ''} is filling the local index of contacts."
            return with_notes(known, [Note("index_elsewhere", text)])
        if self._is_filling:
            return with_notes(known, [Note("index_filling", "The local index of contacts is being filled.")])
        return known

    # Freshness

    async def _refresh(self, arrived: float) -> None:
        """Read the changes, unless another call began to do so after this one had arrived."""
        async with self._refreshing:
            if self._refreshed_at >= arrived:
                return
            began = anyio.current_time()
            self._trouble = None
            try:
                filler = await self._opened_filler()
                self._is_behind = not await filler.refresh(requests=REFRESH_REQUESTS)
            except IndexUnavailable:
                raise
            except ContactsError as error:
                self._trouble = error
            self._refreshed_at = began
        if self._is_behind:
            self._begin()

    def _tell_age(self, known: Known) -> None:
        if known.as_of and (watcher := watching.watcher):
            watcher.searched(age=max(0.0, self._clock() - moment_of(known)))

    def _with_trouble(self, known: Known) -> Known:
        """Without the latest changes nobody knows whether somebody is missing."""
        if self._trouble:
            text = f"Changes since {known.as_of} could not be read: {self._trouble}"
            return with_notes(replace(known, complete=False), [Note("index_not_fresh", text)], self._trouble)
        if self._is_behind:
            text = f"Many changes since {known.as_of} are still being read."
            return with_notes(replace(known, complete=False), [Note("index_behind", text)])
        return known

    # The end

    def _spawn(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        """A task of its own, because a task group would end it with the call. Its context is not that of the call."""
        task = asyncio.get_running_loop().create_task(work, context=Context())
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    @property
    def is_filling(self) -> bool:
        """Whether this process reads contacts into it now."""
        return any(not task.done() for task in self._tasks)

    async def finished(self) -> None:
        """Wait until this process fills nothing any more, also where the mirror is complete already."""
        while going_on := [task for task in self._tasks if not task.done()]:
            await asyncio.wait(going_on)

    async def aclose(self) -> None:
        """End the filling, which goes on from there another time, and close the file."""
        self._scope.cancel()
        await self.finished()
        if self._index:
            await self._run(self._index.close)
        self._index = self._filler = None
