"""The way to the service: the one place where a connection is prepared, for the server and for the doctor.

- A connection to this machine goes through no proxy, because the credentials in it are not for others.
- Elsewhere the proxy and the trusted certificates are those of the environment, as other programs read them:
  HTTPS_PROXY, ALL_PROXY, NO_PROXY, SSL_CERT_FILE and SSL_CERT_DIR. On Windows and macOS the system's proxy counts too.
- A variable that cannot be used is named (AccountError). httpx would fail with an error of its own, often late.
"""

from __future__ import annotations

import os
import ssl
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.request import getproxies, proxy_bypass

import httpx

from contacts_mcp import __version__
from contacts_mcp.config import environment, is_this_machine
from contacts_mcp.errors import AccountError

if TYPE_CHECKING:
    from collections.abc import Mapping

CONNECTIONS = 10  # httpx's pool slows down with many waiting requests
CONNECT_WITHIN = 5.0  # seconds
HIGHEST_PORT = 65_535
HEADERS = (
    ("User-Agent", f"contacts-mcp/{__version__}"),
    ("Accept", "application/json"),
    ("Accept-Encoding", "gzip"),
)
_TRUST = ("SSL_CERT_FILE", "SSL_CERT_DIR")


@dataclass(frozen=True, slots=True)
class Proxy:
    """A proxy on the way. `named_by` says where its address stands, for people."""

    address: str
    named_by: str


def transport_to(url: str, proxy: Proxy | None = None) -> httpx.AsyncHTTPTransport:
    """Pooled connections to the service at `url`. Raises AccountError."""
    try:
        return httpx.AsyncHTTPTransport(
            proxy=httpx.Proxy(_usable(proxy.address)) if proxy else None,
            verify=_trusted(url, environment()),
            limits=httpx.Limits(max_connections=CONNECTIONS, max_keepalive_connections=CONNECTIONS),
            trust_env=False,  # what httpx would read there is read here
        )
    except (ValueError, httpx.InvalidURL):
        assert proxy
        raise AccountError(
            f"{proxy.named_by} does not hold the address of a proxy. "
            "Correct it, for example to http://proxy.example.com:8080, or remove it, and restart the server."
        ) from None  # the original may quote a password
    except ImportError:
        assert proxy
        raise AccountError(
            f"{proxy.named_by} names a SOCKS proxy, which cannot be used without the package socksio. "
            "Install it beside this server, or name an http:// proxy, and restart the server."
        ) from None


def timeouts(seconds: float) -> dict[str, float | None]:
    """The bounds of each step of a request, in seconds, as a transport reads them.

    Only connecting has one of its own: a request that did not get so far was not sent. The client bounds the whole.
    """
    return httpx.Timeout(None, connect=min(CONNECT_WITHIN, seconds)).as_dict()


def trust_named_by() -> str:
    """The variable that names the certificates to trust, "" for those that come with this package."""
    return next((name for name in _TRUST if environment().get(name)), "")


def proxy_for(url: str) -> Proxy | None:
    """The proxy that connections to `url` go through, None where there is none."""
    address = httpx.URL(url)
    if is_this_machine(address.host) or proxy_bypass(address.netloc.decode("ascii")):
        return None
    proxies = getproxies()
    if "*" in (name.strip() for name in proxies.get("no", "").split(",")):  # the standard library takes it only alone
        return None
    scheme = next((scheme for scheme in (address.scheme, "all") if proxies.get(scheme)), None)
    if scheme is None:
        return None
    there = proxies[scheme]
    return Proxy(there if "://" in there else f"http://{there}", _where_it_stands(scheme, there))


def _usable(address: str) -> httpx.URL:
    """Raises ValueError, httpx.InvalidURL."""
    url = httpx.URL(address)
    if not url.host or not 0 <= (url.port or 0) <= HIGHEST_PORT:  # httpx would find out at the first request
        raise ValueError
    return url


def _where_it_stands(scheme: str, value: str) -> str:
    names = [name for name, found in environment().items() if name.lower() == f"{scheme}_proxy" and found == value]
    return next(iter(sorted(names, reverse=True)), "The proxy of this system's network settings")


def _trusted(url: str, variables: Mapping[str, str]) -> ssl.SSLContext:
    """The certificates to trust: of SSL_CERT_FILE, else of SSL_CERT_DIR, else those that come with httpx."""
    if not url.startswith("https:"):
        return ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)  # never used, and made in no time
    file, folder = variables.get("SSL_CERT_FILE"), variables.get("SSL_CERT_DIR")
    if not file and not folder:
        return httpx.create_ssl_context(trust_env=False)
    variable, expected = ("SSL_CERT_FILE", "a file") if file else ("SSL_CERT_DIR", "a folder")
    try:
        _look_into(file or "", folder or "")
        return ssl.create_default_context(cafile=file, capath=None if file else folder)
    except (OSError, StopIteration, ValueError):  # ssl.SSLError is an OSError
        raise AccountError(
            f"{variable} does not name {expected} with certificates that can be read. "
            "Correct or remove it, and restart the server."
        ) from None


def _look_into(file: str, folders: str) -> None:
    """Raises OSError, ValueError, StopIteration where the file cannot be read, or none of several folders.

    OpenSSL would wait for a pipe. Of folders it would find out at the first connection, and not say so.
    """
    if file:
        if not Path(file).is_file():
            raise FileNotFoundError
        return
    there = [Path(folder) for folder in folders.split(os.pathsep) if Path(folder).is_dir()]
    next(each for folder in there for each in folder.iterdir())
