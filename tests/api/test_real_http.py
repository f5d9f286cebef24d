"""The wire over real sockets: behaviour that an ASGI transport can only imitate, or does not have."""

from __future__ import annotations

import asyncio
import socket
import struct
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, closing
from pathlib import Path

import anyio
import pytest

from contacts_mcp import __version__
from contacts_mcp.config import Settings
from contacts_mcp.errors import AnswerLost, BadAnswer, CredentialsRefused, Rejected, ServiceFailed, Unreachable
from contacts_mcp.sandbox import Credentials, Fault, FaultKind, Sandbox, open_sandbox, serve
from contacts_mcp.workspace import Workspace

from .conftest import KEY, OpenClient, Time

NEW = "15105553344"
BODY = {"phone": NEW, "first": "Jordan"}
ATTEMPTS = 4

Served = tuple[Sandbox, str]
Handler = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@pytest.fixture
async def served() -> AsyncIterator[Served]:
    with closing(open_sandbox(contacts=3, credentials=Credentials(api_key=KEY))) as sandbox:
        async with anyio.create_task_group() as tasks:
            url = await tasks.start(serve, sandbox)
            yield sandbox, url
            tasks.cancel_scope.cancel()


async def request_of(reader: asyncio.StreamReader) -> bytes:
    """One whole request. It is empty once the client has gone."""
    try:
        head = await reader.readuntil(b"\r\n\r\n")
    except asyncio.IncompleteReadError:
        return b""
    length = next(
        (int(line.split(b":")[1]) for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:")), 0
    )
    return head + await reader.readexactly(length)


@asynccontextmanager
async def raw_server(handle: Handler) -> AsyncIterator[tuple[str, list[bytes]]]:
    """A server that answers each request by `handle`. Yields its address and the requests that arrived."""
    requests: list[bytes] = []

    async def connection(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while request := await request_of(reader):
                requests.append(request)
                await handle(reader, writer)
        except ConnectionError:
            pass
        finally:
            writer.close()

    server = await asyncio.start_server(connection, "127.0.0.1", 0)
    try:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}", requests
    finally:
        server.close()
        await asyncio.sleep(0.01)  # lets the connections see that the client has gone


def answer(body: bytes, *headers: bytes) -> bytes:
    return b"\r\n".join([b"HTTP/1.1 200 OK", b"Content-Length: %d" % len(body), *headers, b"", body])


async def good(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.write(answer(b'{"id": 5, "rev": 1}'))


async def good_then_closed(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.write(answer(b'{"id": 5, "rev": 1}'))
    await writer.drain()
    writer.close()


async def reset(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    sock = writer.get_extra_info("socket")
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()


async def half_closed(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.write_eof()
    await reader.read()


async def half_closed_in_the_body(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.write(answer(b'{"id": 5, "rev": 1}')[:-5])
    await half_closed(reader, writer)


async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.read()


async def dripping_headers(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.write(b"HTTP/1.1 200 OK\r\nX-Drip: ")
    while not reader.at_eof():
        writer.write(b".")
        await writer.drain()
        await asyncio.sleep(0.02)


async def gibberish(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.write(b"220 mail.example ESMTP\r\n")
    await writer.drain()
    writer.close()


@pytest.mark.parametrize(
    "handle",
    [reset, half_closed, half_closed_in_the_body, silent, dripping_headers, gibberish],
    ids=lambda handle: handle.__name__,
)
async def test_after_a_connection_that_fails_a_read_goes_out_again_and_a_write_does_not(
    connect: OpenClient, handle: Handler
) -> None:
    async with raw_server(handle) as (url, requests), connect(url=url, timeout=0.12) as client:
        with anyio.fail_after(1.5):
            with pytest.raises(AnswerLost):
                await client.create_contact(BODY)
            assert len(requests) == 1
            with pytest.raises(AnswerLost):
                await client.get_team()
            assert len(requests) == 1 + ATTEMPTS


async def test_where_nothing_listens_everything_is_tried_again_and_the_error_is_certain(
    connect: OpenClient, time: Time
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    async with connect(url=f"http://127.0.0.1:{port}") as client:
        with pytest.raises(Unreachable, match="nothing was sent") as caught:
            await client.create_contact(BODY)
    assert len(time.slept) == ATTEMPTS - 1
    assert str(port) not in str(caught.value)


async def test_a_server_without_tls_is_unreachable_by_https(connect: OpenClient) -> None:
    async def refuse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(1)
        writer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(refuse, "127.0.0.1", 0)
    async with server, connect(url=f"https://127.0.0.1:{server.sockets[0].getsockname()[1]}") as client:
        with pytest.raises(Unreachable):
            await client.create_contact(BODY)


async def test_a_connection_the_server_closed_while_it_was_idle_is_not_used_for_a_write(connect: OpenClient) -> None:
    async with raw_server(good_then_closed) as (url, requests), connect(url=url) as client:
        for _ in range(3):
            assert (await client.create_contact(BODY)).id == 5
            await asyncio.sleep(0.02)
    assert len(requests) == 3


async def test_the_settings_address_key_and_name_travel(tmp_path: Path) -> None:
    async with raw_server(good) as (url, requests):
        workspace = Workspace(Settings.load(base_url=f"{url}/v1/", api_key=KEY, data_dir=tmp_path))
        contact = await (await workspace.book()).api.get_contact(5)
        await workspace.aclose()
    assert contact is not None
    (request,) = requests
    head = request.decode().split("\r\n")
    assert head[0] == "GET /v1/contact/5 HTTP/1.1"
    assert f"User-Agent: contacts-mcp/{__version__}" in head
    assert f"Authorization: Bearer {KEY}" in head


async def test_the_pool_of_a_workspace_holds_ten_connections(tmp_path: Path) -> None:
    open_now, most = 0, 0

    async def slow(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal open_now, most
        open_now += 1
        most = max(most, open_now)
        await asyncio.sleep(0.03)
        open_now -= 1
        await good(reader, writer)

    async with raw_server(slow) as (url, requests):
        workspace = Workspace(Settings.load(base_url=url, api_key=KEY, data_dir=tmp_path))
        api = (await workspace.book()).api
        async with anyio.create_task_group() as tasks:
            for _ in range(25):
                tasks.start_soon(api.get_contact, 5)
        await workspace.aclose()
    assert (most, len(requests)) == (10, 25)


async def test_a_contact_lives_its_life(served: Served, connect: OpenClient) -> None:
    sandbox, url = served
    async with connect(url=url) as client:
        reply = await client.create_contact(BODY)
        assert reply.id is not None
        await client.update_contact(reply.id, BODY | {"first": "Zoë 😀"})
        contact = await client.find_contact(NEW)
        assert contact is not None
        assert (contact.id, contact.first, contact.rev) == (reply.id, "Zoë 😀", 2)
        assert contact in await client.list_contacts()
        assert await client.count_contacts() == len(sandbox.store.contacts())
        await client.delete_contact(reply.id)
        assert await client.get_contact(reply.id) is None


@pytest.mark.parametrize(
    ("kind", "error", "carried_out"),
    [
        ("status", ServiceFailed, False),
        ("status_after", ServiceFailed, True),
        ("html_after", BadAnswer, True),
        ("drop_before", AnswerLost, False),
        ("drop_after", AnswerLost, True),
        ("refuse", AnswerLost, False),
        ("truncate", AnswerLost, True),
        ("stall_after", AnswerLost, True),
    ],
)
async def test_the_ladder_holds_over_real_http(
    served: Served, connect: OpenClient, kind: FaultKind, error: type[Exception], *, carried_out: bool
) -> None:
    sandbox, url = served
    sandbox.faults.add(Fault("create_contact", kind, delay=0.2), Fault("get_team", kind, delay=0.2))
    async with connect(url=url, timeout=0.1 if kind == "stall_after" else 2) as client:
        with pytest.raises(error):
            await client.create_contact(BODY)
        assert (await client.get_team()).members
    assert (sandbox.store.contact_by_phone(NEW) is not None) is carried_out
    operations = [request.operation for request in sandbox.requests]
    assert operations.count("create_contact") == (0 if kind == "refuse" else 1)
    assert operations.count("get_team") == (1 if kind == "refuse" else 2)


async def test_a_drip_ends_in_time_over_real_http(served: Served, connect: OpenClient) -> None:
    sandbox, url = served
    sandbox.faults.add(Fault("create_contact", "drip", delay=0.004))
    async with connect(url=url, timeout=0.1) as client:
        with anyio.fail_after(0.2), pytest.raises(AnswerLost):
            await client.create_contact(BODY)
    assert sandbox.store.contact_by_phone(NEW) is not None


async def test_a_wrong_key_and_a_wrong_body_are_told_apart(served: Served, connect: OpenClient) -> None:
    sandbox, url = served
    async with connect(url=url) as client:
        with pytest.raises(Rejected, match="phone"):
            await client.create_contact({"first": "Jo"})
        sandbox.state.credentials = Credentials(api_key="renewed")
        with pytest.raises(CredentialsRefused) as caught:
            await client.create_contact(BODY)
    for secret in (KEY, url):
        assert secret not in str(caught.value)


async def test_lost_attempts_leave_no_connection_blocked(served: Served, connect: OpenClient) -> None:
    sandbox, url = served
    sandbox.faults.add(Fault("get_team", "stall_after", delay=0.1, times=12))
    async with connect(url=url, timeout=0.03) as client:
        for _ in range(12 // ATTEMPTS):
            with pytest.raises(AnswerLost):
                await client.get_team()
        await anyio.sleep(0.1)
        assert (await client.get_team()).members
