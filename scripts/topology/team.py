"""All parts together, started in their order and ended in the other."""

from __future__ import annotations

import hashlib
import re
import secrets
import ssl
import tempfile
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Self

import httpx

from topology.issuer import Issuer
from topology.parts import Part, command_of_ours, free_port
from topology.proxy import nginx
from topology.stores import postgres, redis

SCOPES = ("contacts:read", "contacts:write", "contacts:delete", "contacts:bulk")
SANDBOX_KEY = "sandbox-api-key"  # that of every sandbox, so no secret
USUAL_LIMIT = 500  # requests a minute, of Heymarket and so of a sandbox
CONTACTS = 60  # in each sandbox
READY_WITHIN = 30  # seconds


@dataclass
class Account:
    """One account of the deployment: a sandbox, the people of one group, and one static token."""

    name: str
    requests_per_minute: int
    token: str = field(default_factory=lambda: secrets.token_urlsafe(32), repr=False)
    address: str = ""  # of its sandbox

    def written(self, issuer: str) -> str:
        """Its part of accounts.toml."""
        return f"""
[accounts.{self.name}]
api_key_env = "SANDBOX_API_KEY"
base_url = "{self.address}"
time_zone = "America/Los_Angeles"
requests_per_minute = {self.requests_per_minute}
groups = ["{issuer} {self.name}-office"]

[[accounts.{self.name}.tokens]]
name = "Front desk of {self.name}"
sha256 = "{hashlib.sha256(self.token.encode()).hexdigest()}"
scopes = [{", ".join(f'"{scope}"' for scope in SCOPES)}]
"""


@dataclass
class Replica:
    """One `contacts-mcp serve --http`."""

    part: Part
    port: int
    metrics: int

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"


class Team:
    """A context: the topology runs inside it."""

    def __init__(
        self, replicas: int = 2, *, limits: Mapping[str, int] | None = None, settings: Mapping[str, str] | None = None
    ) -> None:
        """`limits` are requests a minute by account, and `settings` go to every replica."""
        limits = limits or {}
        self.accounts = {name: Account(name, limits.get(name, USUAL_LIMIT)) for name in ("oakland", "portland")}
        self.issuer = Issuer()
        self.port = free_port()
        self.url = f"https://127.0.0.1:{self.port}"
        self.audience = f"{self.url}/mcp"
        self.replicas: list[Replica] = []
        self.certificate = Path()
        self._ports = [(free_port(), free_port()) for _ in range(replicas)]
        self._signing_key = secrets.token_urlsafe(32)
        self._settings = settings or {}
        self._stack = ExitStack()

    def __enter__(self) -> Self:
        with ExitStack() as stack:
            self.folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="contacts-mcp-team-")))
            self.folder.chmod(0o711)  # PostgreSQL and nginx run as somebody else, in folders of their own
            self._start(stack)
            self._stack = stack.pop_all()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._stack.close()

    def _start(self, stack: ExitStack) -> None:
        self.issuer.start()
        stack.callback(self.issuer.stop)
        self.postgres, self.database_url = postgres(self.folder, free_port())
        self.redis, self.redis_url = redis(self.folder, free_port())
        books = [self._sandbox(account) for account in self.accounts.values()]
        self._run(stack, [self.postgres, self.redis, *books])
        for account, book in zip(self.accounts.values(), books, strict=True):
            account.address = _address_in(book)
            if account.requests_per_minute > USUAL_LIMIT:
                unlimited = {"requests_per_minute": 0}
                httpx.post(f"{account.address}/_sandbox/behaviour", json=unlimited, trust_env=False).raise_for_status()
        self._write_accounts()
        self.replicas = [self._replica(number, *ports) for number, ports in enumerate(self._ports, 1)]
        self.nginx, self.certificate = nginx(self.folder, self.port, [replica.port for replica in self.replicas])
        self._run(stack, [*(replica.part for replica in self.replicas), self.nginx])

    def _run(self, stack: ExitStack, parts: Sequence[Part]) -> None:
        for part in parts:
            part.start()
            stack.callback(part.end)
        for part in parts:
            part.wait_until_ready(READY_WITHIN)

    def _sandbox(self, account: Account) -> Part:
        command = [command_of_ours(), "sandbox", "--port", "0", "--contacts", str(CONTACTS), "--control"]
        log = self.folder / f"sandbox-{account.name}.log"
        part = Part(f"sandbox of {account.name}", command, log, lambda: bool(_address_in(part)))
        return part

    def _write_accounts(self) -> None:
        issuer = f'[[issuers]]\nurl = "{self.issuer.url}"\njwks_url = "{self.issuer.jwks_url}"\n'
        parts = [account.written(self.issuer.url) for account in self.accounts.values()]
        path = self.folder / "accounts.toml"
        path.touch(mode=0o600)
        path.write_text(issuer + "".join(parts), encoding="utf-8")

    def _replica(self, number: int, port: int, metrics: int) -> Replica:
        settings = {
            "SANDBOX_API_KEY": SANDBOX_KEY,
            "CONTACTS_MCP_ACCOUNTS": str(self.folder / "accounts.toml"),
            "CONTACTS_MCP_PUBLIC_URL": self.url,
            "CONTACTS_MCP_ALLOWED_HOSTS": f"127.0.0.1:{port}",  # to be asked without nginx as well
            "CONTACTS_MCP_PROXIES": "127.0.0.1",
            "CONTACTS_MCP_SIGNING_KEY": self._signing_key,
            "CONTACTS_MCP_DATABASE_URL": self.database_url,
            "CONTACTS_MCP_REDIS_URL": self.redis_url,
            "CONTACTS_MCP_REPLICAS_MOST": str(len(self._ports)),
            "CONTACTS_MCP_METRICS": f"127.0.0.1:{metrics}",
            "CONTACTS_MCP_LOG_FORMAT": "json",
            "CONTACTS_MCP_LOG_LEVEL": "INFO",
            "CONTACTS_MCP_DATA_DIR": str(self.folder / f"replica-{number}"),
            **self._settings,
        }
        command = [command_of_ours(), "serve", "--http", f"127.0.0.1:{port}"]
        log = self.folder / f"replica-{number}.log"
        url = f"http://127.0.0.1:{port}"
        return Replica(
            Part(f"replica {number}", command, log, lambda: is_ready(url), environment=settings), port, metrics
        )

    @property
    def trust(self) -> ssl.SSLContext:
        """For clients, so that they believe nginx."""
        return ssl.create_default_context(cafile=str(self.certificate))

    def token(self, group: str, scopes: Sequence[str] = SCOPES, *, subject: str = "sam", **claims: str) -> str:
        """A token of the issuer for somebody in the office of an account."""
        claims = {"audience": self.audience, **claims}
        return self.issuer.token(subject, scopes=scopes, groups=[f"{group}-office"], **claims)

    def until_ready(self, replica: Replica) -> None:
        """Waits for a replica that was started anew. Raises NotStarted."""
        replica.part.wait_until_ready(READY_WITHIN)

    def last_words(self) -> str:
        """The end of each replica's log."""
        return "\n".join(replica.part.last_words() for replica in self.replicas)

    def logs(self) -> str:
        """Everything that any part wrote to its log."""
        files = sorted([*self.folder.glob("*.log"), *self.folder.glob("nginx/*.log")])
        return "\n".join(path.read_text(encoding="utf-8", errors="replace") for path in files)


def _address_in(part: Part) -> str:
    found = re.search(r"HEYMARKET_BASE_URL=(\S+)", part.log.read_text(encoding="utf-8")) if part.log.exists() else None
    return found[1] if found else ""


def is_ready(url: str) -> bool:
    """Whether a replica says that it is."""
    try:
        return httpx.get(f"{url}/readyz", timeout=2, trust_env=False).status_code == httpx.codes.OK
    except httpx.HTTPError:
        return False
