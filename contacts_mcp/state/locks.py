"""One writer at a time for one contact and for one phone, among the tasks of this process and the processes here.

- A lock is an OS lock on a file, which the system releases when its holder dies, however it dies.
- Locks are striped: a contact or phone hashes to one of `STRIPES` files, whose names say nothing about anybody.
- Locks are taken in a fixed order, so that no two writers wait for each other. First comes the change to be taken back,
  then come phones, then contacts. Several of a kind are sorted.
- `last_write` tells when a stripe was last released after a write. A contact that was read before may be stale.
- A tag has a lock of its own name, whose mark tells when it was last asked for. Tags are few.
- The files are made when the first lock is taken, so that reading works where nothing can be written.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import AsyncIterator, Iterable
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from math import ceil, inf
from pathlib import Path

import anyio
from filelock import FileLock, Timeout

from contacts_mcp.errors import AccountError
from contacts_mcp.state.account import Account
from contacts_mcp.state.uptime import uptime

STRIPES = 64
POLL = 0.02


class Locks:
    """The locks of one account. `directory` None keeps them inside this process."""

    patience = inf  # the caller is on this machine, and waits for as long as its call lasts

    def __init__(self, directory: Path | None, account: Account | str) -> None:
        self._directory = directory
        self._account = Account.of(account)
        self._stripes: dict[str, _Stripe] = {}

    @asynccontextmanager
    async def phones(self, *phones: str) -> AsyncIterator[None]:
        """Hold the right to create a contact with, or move one to, any of `phones`."""
        async with self._hold("phone", phones):
            yield

    @asynccontextmanager
    async def change(self, change_id: int) -> AsyncIterator[None]:
        """Hold the right to take that change back."""
        async with self._hold("change", [str(change_id)]):
            yield

    @asynccontextmanager
    async def contact(self, *contact_ids: int) -> AsyncIterator[None]:
        """Hold the right to change that contact, or all of several."""
        async with self._hold("contact", [*map(str, contact_ids)]):
            yield

    @asynccontextmanager
    async def plan(self, plan: int) -> AsyncIterator[bool]:
        """Hold the right to run that plan, which dies with the process. Yields False at once where somebody has it."""
        async with self._stripe(f"plan-{plan}").if_free() as is_held:
            yield is_held

    @asynccontextmanager
    async def tag(self, name: str) -> AsyncIterator[Making]:
        """Hold the right to make the tag of that name."""
        digests = [
            hashlib.blake2b(f"{account}\n{name}".encode(), digest_size=8) for account in self._account.lock_names
        ]
        stripes = [self._stripe(name) for name in sorted(f"tag-{digest.hexdigest()}" for digest in digests)]
        async with AsyncExitStack() as held:
            for stripe in stripes:
                await held.enter_async_context(stripe.hold(marks=False))
            yield Making(stripes)

    @asynccontextmanager
    async def if_free(self, contact_id: int | None, phone: str) -> AsyncIterator[bool]:
        """Hold the contact, or the phone where it has no id yet, if nobody does. Otherwise yield False at once."""
        kind, key = ("phone", phone) if contact_id is None else ("contact", str(contact_id))
        async with AsyncExitStack() as held:
            for stripe in self._stripes_of(kind, [key]):
                if not await held.enter_async_context(stripe.if_free()):
                    yield False
                    return
            yield True

    async def last_write(self, contact_id: int) -> float:
        """The uptime (`uptime.py`) at the end of the last change to that contact, or to another of its stripe."""
        return max(stripe.last_release() for stripe in self._stripes_of("contact", [str(contact_id)]))

    def refuse_if_lost(self) -> None:
        """Nothing: the system takes no lock away from a process that lives."""

    @asynccontextmanager
    async def _hold(self, kind: str, keys: Iterable[str]) -> AsyncIterator[None]:
        async with AsyncExitStack() as held:
            for stripe in self._stripes_of(kind, keys):
                await held.enter_async_context(stripe.hold())
            yield

    def _stripes_of(self, kind: str, keys: Iterable[str]) -> list[_Stripe]:
        """The stripes to hold for all of `keys`, in the order that everybody keeps."""
        keys = [key for key in keys if key]
        names = {_name(account, kind, key) for account in self._account.lock_names for key in keys}
        return [self._stripe(name) for name in sorted(names)]

    def _stripe(self, name: str) -> _Stripe:
        return self._stripes.setdefault(name, _Stripe(self._directory / f"{name}.lock" if self._directory else None))


class Making:
    """A tag that is being made, by the holder of its lock."""

    def __init__(self, stripes: list[_Stripe]) -> None:
        self._stripes = stripes

    async def last(self) -> float:
        """The uptime (`uptime.py`) at which the tag was last asked for. It was long ago where nobody noted it."""
        return max(stripe.last_release() for stripe in self._stripes)

    async def note(self) -> None:
        """Note that the tag is asked for now."""
        for stripe in self._stripes:
            stripe.mark()

    async def forget(self) -> None:
        """Take the note back, because the request was certainly not carried out."""
        for stripe in self._stripes:
            stripe.unmark()


def _name(account: str, kind: str, key: str) -> str:
    digest = hashlib.blake2b(f"{account}\n{key}".encode(), digest_size=4).digest()
    return f"{kind}-{int.from_bytes(digest) % STRIPES:02}"


class _Stripe:
    def __init__(self, path: Path | None) -> None:
        self._path = path
        # Not the lock's own file, which taking the lock touches.
        self._mark_path = path.with_suffix(".last") if path else None
        self._here = anyio.Lock()
        self._file = FileLock(path, thread_local=False) if path else None
        self._released = float("-inf")

    @asynccontextmanager
    async def hold(self, *, marks: bool = True) -> AsyncIterator[None]:
        async with self._here:
            await self._acquire_file()
            try:
                yield
            finally:
                if marks:
                    self.mark()
                self._release_file()

    @asynccontextmanager
    async def if_free(self) -> AsyncIterator[bool]:
        try:
            self._here.acquire_nowait()
        except anyio.WouldBlock:
            yield False
            return
        is_held = False
        try:
            is_held = self._try_file()
            yield is_held
        finally:
            if is_held:
                self._release_file()
            self._here.release()

    async def _acquire_file(self) -> None:
        while not self._try_file():  # noqa: ASYNC110 -- other processes cannot set an event here
            await anyio.sleep(POLL)

    def _try_file(self) -> bool:
        if self._file and self._path:
            try:
                self._path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
                self._file.acquire(blocking=False)
            except Timeout:
                return False
            except OSError as error:
                raise AccountError(
                    "Nothing was changed: the locks that keep servers out of each other's way cannot be used "
                    f"({type(error).__name__}). The owner of this machine can make the data directory writable, "
                    "or set CONTACTS_MCP_DATA_DIR to one that is."
                ) from None
        return True

    def _release_file(self) -> None:
        if self._file:
            self._file.release()

    def mark(self) -> None:
        self._released = uptime()
        if self._mark_path:
            # Said explicitly, because the file system's own clock is coarser than a quick call, and can be set.
            moment = ceil(self._released * 1e9)  # rounded to the side that costs a read
            with suppress(OSError):  # deleted under us: then nobody can read it either
                self._mark_path.touch(mode=0o600)
                os.utime(self._mark_path, ns=(moment, moment))

    def unmark(self) -> None:
        self._released = float("-inf")
        if self._mark_path:
            with suppress(OSError):
                self._mark_path.unlink(missing_ok=True)

    def last_release(self) -> float:
        if not self._mark_path:
            return self._released
        try:
            return max(self._released, self._mark_path.stat().st_mtime_ns / 1e9)
        except OSError:
            return self._released
