"""`lookup_contact` by id, against a ten-line server whose tool makes the same GET, and against the bare GET.

All of them ask the same sandbox, in a process of its own, over HTTP on this machine. The calls are made one after
another, and once more 16 at a time. For those only the processor time of this process is compared, because the
sandbox is shared and has a queue.
"""

from __future__ import annotations

import os
import random
import tempfile
import time
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from typing import Any

import anyio
import httpx
from mcp.client import Client
from measuring import Row, compared
from peers import ERAS, Era, Peer, ours, script, started, upstream

from contacts_mcp.config import Settings
from contacts_mcp.server.server import build_server

TARGETS = {"in memory": 1.20, "stdio": 1.10}
ROUNDS = 400
WARM_UP = 40
CROWD = 16
CROWDS = 28  # times CROWD, and those to warm up, are fewer than the 500 requests of a minute
KEY = "sandbox-api-key"
WHO = {"contact_id": 1001}

Call = Callable[[], Coroutine[Any, Any, object]]
Seconds = dict[str, list[float]]


def measure() -> Iterator[Row]:
    """Two rows a way of asking: against the ten-line server, and against the bare GET."""
    with upstream() as url:
        os.environ |= {"HEYMARKET_BASE_URL": url, "HEYMARKET_API_KEY": KEY}
        with _fresh_home():
            alone, at_once = anyio.run(_in_memory, url)
            yield from _rows("in memory", alone)
            yield compared(f"  {CROWD} at once, processor time a call", at_once["ours"], at_once["ten lines"])
        for era in ERAS:
            with _fresh_home():
                yield from _rows(f"stdio, {era}", anyio.run(_over_stdio, url, era))


@contextmanager
def _fresh_home() -> Iterator[None]:
    """A data directory of its own, and so a rate limit of its own, which `ROUNDS` stays under."""
    with tempfile.TemporaryDirectory() as home:
        os.environ["CONTACTS_MCP_DATA_DIR"] = home
        yield


def _rows(where: str, seconds: Seconds) -> Iterator[Row]:
    target = TARGETS[where.partition(",")[0]]
    yield compared(f"lookup_contact, {where}", seconds["ours"], seconds["ten lines"], target=target)
    yield compared(f"  against the bare GET, {where}", seconds["ours"], seconds["bare"])


async def _in_memory(url: str) -> tuple[Seconds, Seconds]:
    """The seconds of calls one after another, and the processor seconds of a call where `CROWD` are made at once."""
    from ten_lines_get import http, server

    async with Client(server) as their_client, http:
        theirs = _calling(their_client)
        async with Client(build_server(Settings.load())) as ours, _http(url) as bare:
            alone = await _in_turns(
                {"ours": _calling(ours), "ten lines": theirs, "bare": lambda: bare.get("/v1/contact/1001")}
            )
        with _fresh_home():
            async with Client(build_server(Settings.load())) as ours:
                return alone, await _at_once({"ours": _calling(ours), "ten lines": theirs})


def _calling(client: Client) -> Call:
    return lambda: client.call_tool("lookup_contact", WHO)


async def _at_once(calls: dict[str, Call]) -> Seconds:
    seconds: Seconds = {name: [] for name in calls}
    for turn in range(-1, CROWDS):
        for name in sorted(calls, reverse=turn % 2 == 1):
            begin = time.process_time()
            async with anyio.create_task_group() as tasks:
                for _ in range(CROWD):
                    tasks.start_soon(calls[name])
            if turn >= 0:
                seconds[name].append((time.process_time() - begin) / CROWD)
    return seconds


async def _over_stdio(url: str, era: Era) -> Seconds:
    with started(ours(), era=era) as our_peer, started(script("ten_lines_get.py"), era=era) as their_peer:
        async with _http(url) as bare:
            return await _in_turns(
                {
                    "ours": _asking(our_peer),
                    "ten lines": _asking(their_peer),
                    "bare": lambda: bare.get("/v1/contact/1001"),
                }
            )


def _asking(peer: Peer) -> Call:
    async def ask() -> object:
        return peer.ask("tools/call", {"name": "lookup_contact", "arguments": WHO})

    return ask


def _http(url: str) -> httpx.AsyncClient:
    return httpx.AsyncClient(base_url=url, headers={"Authorization": f"Bearer {KEY}"})


async def _in_turns(calls: dict[str, Call]) -> Seconds:
    """The seconds of each call, in a new order each turn.

    A call is quicker after another through the same code, so none may always come after the bare GET.
    """
    seconds: Seconds = {name: [] for name in calls}
    dice = random.Random(0)
    for turn in range(-WARM_UP, ROUNDS):
        for name in dice.sample([*calls], k=len(calls)):
            begin = time.perf_counter()
            await calls[name]()
            if turn >= 0:
                seconds[name].append(time.perf_counter() - begin)
    return seconds
