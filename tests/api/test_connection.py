"""The way to the service, over real sockets: the proxy, the certificates, and the variable that is to blame."""

from __future__ import annotations

import asyncio
import os
import ssl
import subprocess
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import anyio
import pytest

from contacts_mcp.api.connection import proxy_for
from contacts_mcp.config import Settings
from contacts_mcp.errors import AccountError, ContactsError, Unreachable
from contacts_mcp.setup import doctor
from contacts_mcp.setup.assistants import Machine
from contacts_mcp.setup.doctor import Level, Patient
from contacts_mcp.workspace import Workspace

KEY = "planted-key-91c2"
ELSEWHERE = "https://heymarket.example"
CERTIFICATES = Path(__file__).parent / "certificates"
ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nX-Request-Id: r-1\r\n\r\n[]"

Ask = Callable[[str, Path], Awaitable[None]]


@pytest.fixture(autouse=True)
def plain_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in list(os.environ):
        if name.lower().endswith("_proxy") or name.startswith(("SSL_CERT_", "HEYMARKET_", "CONTACTS_MCP_")):
            monkeypatch.delenv(name)


@asynccontextmanager
async def listening(reply: bytes, *, tls: ssl.SSLContext | None = None) -> AsyncIterator[tuple[int, list[bytes]]]:
    """A socket that gives everybody the same reply. Yields its port and the heads of the requests."""
    heads: list[bytes] = []

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(asyncio.IncompleteReadError, ConnectionError):
            heads.append(await reader.readuntil(b"\r\n\r\n"))
            writer.write(reply)
            await writer.drain()
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0, ssl=tls)
    async with server:
        yield server.sockets[0].getsockname()[1], heads


async def by_the_server(url: str, home: Path) -> None:
    """As a tool asks: raises what went wrong."""
    workspace = Workspace(Settings.load(base_url=url, api_key=KEY, data_dir=home, timeout=3.0))
    try:
        await (await workspace.book()).api.list_inboxes()
    finally:
        await workspace.aclose()


async def by_the_doctor(url: str, home: Path) -> None:
    """As the doctor asks: raises an error with the text of what it found."""
    settings = Settings.load(base_url=url, api_key=KEY, data_dir=home, timeout=3.0)
    patient = Patient(settings, frozenset(), Machine("linux", home, dict(os.environ)))
    findings = await anyio.to_thread.run_sync(doctor.examine, patient)
    (service,) = [finding for finding in findings if finding.about == "service"]
    if service.level is Level.PROBLEM:
        raise Found(service.text)


class Found(ContactsError):
    """A problem in the doctor's words."""


EVERYBODY = pytest.mark.parametrize("ask", [by_the_server, by_the_doctor], ids=lambda ask: ask.__name__)


async def failure(ask: Ask, url: str, home: Path) -> ContactsError:
    with pytest.raises(ContactsError) as caught:
        await ask(url, home)
    assert KEY not in str(caught.value)
    return caught.value


# Through a proxy or not


@EVERYBODY
@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
@pytest.mark.parametrize("variables", [("HTTP_PROXY", "ALL_PROXY"), ("http_proxy",), ("all_proxy",)], ids=str)
async def test_the_key_for_a_service_on_this_machine_goes_through_no_proxy(
    ask: Ask, host: str, variables: tuple[str, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with listening(ANSWER) as (proxy_port, heard), listening(ANSWER) as (port, requests):
        for variable in variables:
            monkeypatch.setenv(variable, f"http://127.0.0.1:{proxy_port}")
        await ask(f"http://{host}:{port}", tmp_path)
    assert heard == []
    assert f"Bearer {KEY}".encode() in requests[0]


@EVERYBODY
@pytest.mark.parametrize("variable", ["HTTPS_PROXY", "https_proxy", "ALL_PROXY"])
@pytest.mark.parametrize("scheme", ["http://", ""], ids=["with scheme", "without"])
async def test_elsewhere_the_proxy_of_the_environment_is_used_and_hears_no_key(
    ask: Ask, variable: str, scheme: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with listening(b"HTTP/1.1 502 Bad Gateway\r\n\r\n") as (port, heard):
        monkeypatch.setenv(variable, f"{scheme}127.0.0.1:{port}")
        found = await failure(ask, ELSEWHERE, tmp_path)
    assert heard[0].startswith(b"CONNECT heymarket.example:443")
    assert KEY.encode() not in b"".join(heard)
    assert f"cannot be reached through the proxy of {variable}; nothing was sent" in str(found)
    assert isinstance(found, Unreachable | Found)


@EVERYBODY
async def test_a_proxy_that_wants_a_password_is_named_as_that(
    ask: Ask, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with listening(b"HTTP/1.1 407 Proxy Authentication Required\r\n\r\n") as (port, heard):
        monkeypatch.setenv("HTTPS_PROXY", f"http://somebody:hunter2@127.0.0.1:{port}")
        found = await failure(ask, ELSEWHERE, tmp_path)
    assert "asks for a user name and a password (407); nothing was sent. HTTPS_PROXY should be like" in str(found)
    assert "hunter2" not in str(found)
    assert isinstance(found, AccountError | Found)
    assert len(heard) == 1


@pytest.mark.parametrize(
    ("exceptions", "is_used"),
    [
        ("", True),
        ("::1/128", True),
        ("::1/128,10.0.0.0/8,[::1],:8080,*.other.example", True),
        ("heymarket.example", False),
        (".example", False),
        ("*", False),
        (" * ", False),
        ("*, ::1/128", False),
        (" heymarket.example , x ", False),
        ("[::1", True),
        (" ,,", True),
    ],
)
def test_exceptions_from_the_proxy_are_followed_and_odd_ones_break_nothing(
    exceptions: str, is_used: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTPS_PROXY", "http://127.0.0.1:9")
    monkeypatch.setenv("NO_PROXY", exceptions)
    assert (proxy_for(ELSEWHERE) is not None) is is_used


# Variables that cannot be used


BAD: list[tuple[str, str]] = [
    ("HTTPS_PROXY", "http://127.0.0.1:port"),
    ("https_proxy", "http://127.0.0.1:99999"),
    ("HTTPS_PROXY", "http://[::1"),
    ("HTTPS_PROXY", "http://"),
    ("HTTPS_PROXY", "gopher://127.0.0.1:70"),
    ("ALL_PROXY", "socks5://127.0.0.1:1080"),
    ("all_proxy", "socks5h://somebody:hunter2@127.0.0.1:1080"),
    ("ALL_PROXY", "ftp://somebody:hunter2@127.0.0.1"),
    ("SSL_CERT_FILE", "/no/such/file.pem"),
    ("SSL_CERT_FILE", __file__),
    ("SSL_CERT_FILE", str(CERTIFICATES)),
    ("SSL_CERT_FILE", "/dev/null"),
    ("SSL_CERT_FILE", str(CERTIFICATES / "key.pem")),
    ("SSL_CERT_FILE", " "),
    ("SSL_CERT_DIR", "/no/such/folder"),
    ("SSL_CERT_DIR", "/no/such/folder:/nor/this"),
    ("HTTPS_PROXY", "http://:8080"),
    ("HTTPS_PROXY", "http://127.0.0.1:-1"),
    ("HTTPS_PROXY", "//127.0.0.1:9"),
    ("HTTPS_PROXY", "DIRECT://"),
    ("ALL_PROXY", "socks4://127.0.0.1:1080"),
    ("SSL_CERT_DIR", __file__),
    ("SSL_CERT_FILE", "nul\N{FULLWIDTH DIGIT ZERO}"),
]


@EVERYBODY
@pytest.mark.parametrize(("variable", "value"), BAD, ids=[f"{name}={value[-30:]}" for name, value in BAD])
async def test_a_variable_that_cannot_be_used_is_named(
    ask: Ask, variable: str, value: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(variable, value)
    found = await failure(ask, ELSEWHERE, tmp_path)
    assert variable in str(found)
    assert "remove it" in str(found) or "restart the server" in str(found)
    assert "hunter2" not in str(found)
    assert isinstance(found, AccountError | Found)


@EVERYBODY
@pytest.mark.parametrize("variable", ["SSL_CERT_FILE", "ALL_PROXY"])
async def test_for_a_service_on_this_machine_such_a_variable_does_not_matter(
    ask: Ask, variable: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(variable, "socks5:///no/such/thing")
    async with listening(ANSWER) as (port, requests):
        await ask(f"http://127.0.0.1:{port}", tmp_path)
    assert len(requests) == 1


async def test_a_pipe_for_a_file_of_certificates_is_not_waited_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    os.mkfifo(tmp_path / "pipe")
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "pipe"))
    assert "SSL_CERT_FILE" in str(await failure(by_the_server, ELSEWHERE, tmp_path))


@EVERYBODY
async def test_several_folders_of_certificates_may_be_named(
    ask: Ask, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SSL_CERT_DIR", os.pathsep.join(["/no/such/folder", str(CERTIFICATES)]))
    assert "SSL_CERT_DIR" not in str(await failure(ask, "https://no-such-host.invalid", tmp_path))


@EVERYBODY
@pytest.mark.parametrize(
    ("variable", "url", "said"),
    [
        ("", "https://no-such-host.invalid", "(no address is known for the name of its host)"),
        ("HTTPS_PROXY", ELSEWHERE, "(no address is known for the name of the host in HTTPS_PROXY)"),
    ],
)
async def test_a_name_that_does_not_resolve_is_named_as_that(
    ask: Ask, variable: str, url: str, said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if variable:
        monkeypatch.setenv(variable, "http://no-such-proxy.invalid:3128")
    found = str(await failure(ask, url, tmp_path))
    assert said in found
    assert "nothing was sent" in found


CHILDREN = [
    ("SSL_CERT_FILE", "/no/such/file.pem"),
    ("ALL_PROXY", "socks5://127.0.0.1:1080"),
    ("HTTPS_PROXY", "http://127.0.0.1:port"),
]


@pytest.mark.parametrize("command", [["call", "lookup_contact", "contact_id=1"], ["doctor"]], ids=["a tool", "doctor"])
@pytest.mark.parametrize(("variable", "value"), CHILDREN, ids=[name for name, _ in CHILDREN])
def test_in_a_process_of_its_own_the_variable_is_named_without_a_traceback(
    command: list[str], variable: str, value: str, tmp_path: Path
) -> None:
    known = {name: os.environ[name] for name in ("PATH", "PYTHONPATH") if name in os.environ}
    own = {"HEYMARKET_API_KEY": KEY, "HEYMARKET_BASE_URL": ELSEWHERE, "CONTACTS_MCP_DATA_DIR": str(tmp_path)}
    done = subprocess.run(
        [sys.executable, "-m", "contacts_mcp", *command],
        env={**known, **own, "HOME": str(tmp_path), variable: value},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    said = done.stdout + done.stderr
    assert done.returncode != 0
    assert variable in said
    for wrong in ("Traceback", "mistake in this server", KEY):
        assert wrong not in said


# Certificates


@pytest.fixture
def tls() -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(CERTIFICATES / "certificate.pem", CERTIFICATES / "key.pem")
    return context


@EVERYBODY
async def test_a_certificate_that_is_not_trusted_is_named_as_that(
    ask: Ask, tls: ssl.SSLContext, tmp_path: Path
) -> None:
    async with listening(ANSWER, tls=tls) as (port, requests):
        found = await failure(ask, f"https://127.0.0.1:{port}", tmp_path)
    assert "is not trusted here (self-signed certificate" in str(found).replace("self signed", "self-signed")
    assert "nothing was sent" in str(found)
    assert "SSL_CERT_FILE" in str(found)
    assert isinstance(found, AccountError | Found)
    assert requests == []


@EVERYBODY
async def test_the_certificate_that_a_variable_names_is_trusted(
    ask: Ask, tls: ssl.SSLContext, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(CERTIFICATES / "certificate.pem"))
    async with listening(ANSWER, tls=tls) as (port, requests):
        await ask(f"https://127.0.0.1:{port}", tmp_path)
    assert f"Bearer {KEY}".encode() in requests[0]


@EVERYBODY
async def test_a_certificate_beside_the_trusted_ones_names_their_variable(
    ask: Ask, tls: ssl.SSLContext, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SSL_CERT_DIR", str(CERTIFICATES))
    async with listening(ANSWER, tls=tls) as (port, _):
        found = str(await failure(ask, f"https://127.0.0.1:{port}", tmp_path))
    assert "SSL_CERT_DIR names the certificates to trust, and this one is not among them." in found


@EVERYBODY
async def test_a_proxy_whose_own_certificate_is_not_trusted_is_named(
    ask: Ask, tls: ssl.SSLContext, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with listening(ANSWER, tls=tls) as (port, _):
        monkeypatch.setenv("HTTPS_PROXY", f"https://127.0.0.1:{port}")
        found = str(await failure(ask, ELSEWHERE, tmp_path))
    assert "or of the proxy of HTTPS_PROXY is not trusted here" in found


async def test_the_doctor_and_the_server_ask_with_the_same_headers(tmp_path: Path) -> None:
    heads: list[Any] = []
    for ask in (by_the_server, by_the_doctor):
        async with listening(ANSWER) as (port, requests):
            await ask(f"http://127.0.0.1:{port}", tmp_path)
        heads.append(sorted(requests[0].replace(str(port).encode(), b"").split(b"\r\n")))
    assert heads[0] == heads[1]
