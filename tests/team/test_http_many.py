"""Workspaces of several accounts: opened at the first call, closed when idle, never while in use.

Guards `contacts_mcp/server/many.py` and `contacts_mcp/server/jobs.py`.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import anyio
import anyio.lowlevel
import pytest
from anyio import get_cancelled_exc_class
from mcp.server.auth.middleware.auth_context import auth_context_var
from mcp.server.auth.middleware.bearer_auth import AuthenticatedUser
from support.hosting import HANDSHAKE, MODERN, holder, hosted

from contacts_mcp.book.search.mirror import mirror_of
from contacts_mcp.config import Settings
from contacts_mcp.sandbox import Fault
from contacts_mcp.server import many
from contacts_mcp.server.identity import Admitted, Person
from contacts_mcp.server.many import ManyAccounts
from contacts_mcp.workspace import SEARCHES_AT_ONCE, Workspace

NAMES = ("a", "b", "c", "d")


@contextmanager
def calling(account: str, name: str = "Somebody") -> Iterator[None]:
    """Within this, a person of `account` calls."""
    person = Person(name, "issuer", "client", name, frozenset({"contacts:read"}), account)
    token = auth_context_var.set(AuthenticatedUser(Admitted(token="", client_id="client", scopes=[], person=person)))
    try:
        yield
    finally:
        auth_context_var.reset(token)


class Opened(Workspace):
    """A workspace that counts how often it was opened and closed."""

    def __init__(self, settings: Settings) -> None:
        super().__init__(settings)
        self.opened = 0
        self.closed = 0
        self.slow = 0.0

    async def book(self) -> Any:
        if self._book is None:
            self.opened += 1
        return await super().book()

    async def aclose(self) -> None:
        self.closed += self._book is not None
        await anyio.sleep(self.slow)
        await super().aclose()


@pytest.fixture
def made() -> list[Opened]:
    return []


@pytest.fixture
def accounts(tmp_path: Path, made: list[Opened]) -> Callable[..., Any]:
    server = Settings.load(sandbox=True, sandbox_file=":memory:", data_dir=tmp_path)
    settings = {name: server.for_account(name) for name in NAMES}

    def make(its: Settings) -> Workspace:
        made.append(Opened(its))
        return made[-1]

    return lambda **limits: ManyAccounts(settings, make, **limits)


async def call(served: ManyAccounts, account: str, *, during: Callable[[], Any] | None = None) -> None:
    with calling(account), served.using() as app:
        await app.book()
        if during:
            await during()


async def test_a_workspace_is_made_at_the_first_call_and_kept(accounts: Any, made: list[Opened]) -> None:
    served = accounts()
    async with served.living():
        assert made == []
        for _ in range(3):
            await call(served, "a")
        await call(served, "b")
        assert [one.opened for one in made] == [1, 1]
        assert served.open == ["a", "b"]
    assert [one.closed for one in made] == [1, 1]


async def test_an_idle_one_is_closed_and_opened_again(accounts: Any, made: list[Opened]) -> None:
    served = accounts(idle=0.0)
    async with served.living():
        await call(served, "a")
        await served.close_idle()
        assert (served.open, made[0].closed) == ([], 1)
        await call(served, "a")
        assert (len(made), made[0].opened) == (1, 2)


async def test_one_that_was_used_lately_stays(accounts: Any, made: list[Opened]) -> None:
    served = accounts(idle=60.0)
    async with served.living():
        await call(served, "a")
        await served.close_idle()
        assert served.open == ["a"]


async def test_idle_ones_are_closed_by_themselves(accounts: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(many, "LOOKS_EVERY", 0.01)
    served = accounts(idle=0.0)
    async with served.living():
        await call(served, "a")
        with anyio.fail_after(2):
            while served.open:  # noqa: ASYNC110 -- there is nothing to wait for but time
                await anyio.sleep(0.01)


async def test_the_searches_of_one_account_leave_room_for_those_of_others(accounts: Any) -> None:
    served, go_on, begun = accounts(), threading.Event(), []

    async def asking(account: str, question: Callable[[Any], Any]) -> None:
        async def ask() -> None:
            mirror = mirror_of(await served._accounts[account].book())
            await mirror.ready(wait=10)
            await mirror.ask(question)

        await call(served, account, during=ask)

    def long_one(_: Any) -> None:
        begun.append(None)
        assert go_on.wait(20)

    async with served.living(), anyio.create_task_group() as tasks:
        for _ in range(60):  # more than there are threads
            tasks.start_soon(asking, "a", long_one)
        with anyio.fail_after(10):
            while len(begun) < SEARCHES_AT_ONCE:  # noqa: ASYNC110 -- threads begin them
                await anyio.sleep(0.01)
            await asking("b", lambda _: None)
        assert len(begun) == SEARCHES_AT_ONCE
        go_on.set()
    assert len(begun) == 60


async def test_one_in_use_is_never_closed(accounts: Any, made: list[Opened]) -> None:
    served = accounts(idle=0.0)

    async def look() -> None:
        await served.close_idle()
        assert (served.open, made[0].closed) == (["a"], 0)

    async with served.living():
        await call(served, "a", during=look)


async def test_one_with_work_behind_its_calls_is_never_closed(accounts: Any, made: list[Opened]) -> None:
    served = accounts(idle=0.0)
    go_on = anyio.Event()

    async def work(_: Callable[[], bool]) -> None:
        await go_on.wait()

    async with served.living():
        with calling("a"), served.using() as app:
            await app.book()
            with anyio.move_on_after(0.05):
                await app.carry_on(1, work)
            assert app.is_under_way(1)
        await served.close_idle()
        assert served.open == ["a"]
        go_on.set()
        await anyio.sleep(0.05)
        await served.close_idle()
        assert served.open == []


async def test_one_that_fills_its_index_stays_unless_there_is_no_room(accounts: Any, made: list[Opened]) -> None:
    served = accounts(idle=0.0, most_open=1)
    async with served.living():
        with calling("a"), served.using() as app:
            book = await app.book()

        async def fill() -> None:
            with book.mirror._scope:
                await anyio.sleep_forever()

        book.mirror._spawn(fill())
        await anyio.lowlevel.checkpoint()
        await served.close_idle()
        assert served.open == ["a"]
        await call(served, "b")
        assert served.open == ["b"]


async def test_a_call_that_meets_a_closing_one_waits_and_opens_it_again(accounts: Any, made: list[Opened]) -> None:
    served = accounts(idle=0.0)
    async with served.living(), anyio.create_task_group() as tasks:
        await call(served, "a")
        made[0].slow = 0.1
        tasks.start_soon(served.close_idle)
        await anyio.sleep(0.02)
        await call(served, "a")
        assert (made[0].closed, made[0].opened) == (1, 2)
        made[0].slow = 0.0


async def test_no_more_than_so_many_are_open(accounts: Any, made: list[Opened]) -> None:
    served = accounts(most_open=2)
    async with served.living():
        for name in ("a", "b", "a", "c"):
            await call(served, name)
            await anyio.sleep(0.01)
        assert served.open == ["a", "c"], "the one that was used least lately goes"
        async with anyio.create_task_group() as tasks:
            for name in NAMES * 5:
                tasks.start_soon(call, served, name)
        assert len(served.open) <= 2


async def test_where_all_are_in_use_a_call_waits_for_a_place(accounts: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(many, "_AGAIN", 0.01)
    served = accounts(most_open=1)
    leave = anyio.Event()
    done: list[str] = []

    async def second() -> None:
        await call(served, "b")
        done.append("b")

    async with served.living(), anyio.create_task_group() as tasks:
        tasks.start_soon(lambda: call(served, "a", during=leave.wait))
        await anyio.sleep(0.05)
        tasks.start_soon(second)
        await anyio.sleep(0.05)
        assert done == []
        with anyio.move_on_after(0.05):
            await call(served, "c")
        leave.set()
        with anyio.fail_after(2):
            while not done:  # noqa: ASYNC110 -- there is nothing to wait for but time
                await anyio.sleep(0.01)


async def test_work_stops_between_two_chunks_at_the_end(accounts: Any) -> None:
    served = accounts()
    said: list[str] = []

    async def work(is_over: Callable[[], bool]) -> None:
        while not is_over():  # noqa: ASYNC110 -- it is asked between two chunks
            await anyio.sleep(0.01)
        said.append("stopped by itself")

    async with served.living():
        with calling("a"), served.using() as app, anyio.move_on_after(0.05):
            await app.carry_on(1, work)
    assert said == ["stopped by itself"]


async def test_work_that_does_not_stop_is_cancelled(accounts: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(many, "LAST_CHUNK", 0.05)
    served = accounts()
    said: list[str] = []

    async def work(_: Callable[[], bool]) -> None:
        try:
            await anyio.sleep_forever()
        except get_cancelled_exc_class():
            said.append("cancelled")
            raise

    with anyio.fail_after(2):
        async with served.living():
            with calling("a"), served.using() as app, anyio.move_on_after(0.05):
                await app.carry_on(1, work)
    assert said == ["cancelled"]


async def test_work_of_the_same_number_goes_on_in_each_account(accounts: Any) -> None:
    served = accounts()
    done: list[str] = []

    async with served.living():
        for name in ("a", "b"):

            async def work(_: Callable[[], bool], name: str = name) -> None:
                await anyio.sleep(0.02)
                done.append(name)

            with calling(name), served.using() as app:
                with anyio.move_on_after(0.001):
                    await app.carry_on(7, work)
                assert app.is_under_way(7)
        await anyio.sleep(0.1)
    assert done == ["a", "b"]


@pytest.mark.parametrize("account", ["", None])
async def test_a_call_of_nobody_reaches_no_account(accounts: Any, account: str | None, made: list[Opened]) -> None:
    served = accounts()
    async with served.living():
        if account is None:
            with pytest.raises(Exception, match="nobody who has an account"), served.using():
                pass
        else:
            with calling(""), pytest.raises(Exception, match="nobody who has an account"), served.using():
                pass
    assert made == []


async def test_a_run_stops_at_a_drain_and_goes_on_at_another_server(tmp_path: Path) -> None:
    accounts = f"[accounts.a]\nsandbox = true\n{holder('a', 'Ada', 'ada', 'read', 'write', 'bulk')}"
    rows = "".join(f"(510) 555-{number:04},Jo {number}\n" for number in range(100, 160))
    async with hosted(tmp_path, accounts) as one:
        plan = await one.call(MODERN, "import_contacts", "ada", text=f"phone,first\n{rows}")
        asked = {"plan": plan["plan"], "confirm_token": plan["confirm_token"]}
        one.sandboxes["a"].faults.add(Fault("*", "stall", delay=0.05, times=-1))
        stopped: list[dict[str, Any]] = []

        async def run() -> None:
            stopped.append(await one.call(MODERN, "import_contacts", "ada", **asked))

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(run)
            await anyio.sleep(0.3)
            one.hosting.begin_drain()
        assert stopped[0]["status"] == "stopped"
        one.sandboxes["a"].faults.clear()
        async with hosted(tmp_path, accounts, shared=one.sandboxes) as other:
            done = await other.call(HANDSHAKE, "import_contacts", "ada", plan=plan["plan"])
            assert done["status"] == "done"
        phones = [contact["phone"] for contact in one.sandboxes["a"].store.contacts()]
        assert {f"1510555{number:04}" for number in range(100, 160)} <= {*phones}
        assert len({*phones}) == len(phones), "nobody was made twice"
