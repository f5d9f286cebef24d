"""A small document of another server, such as the public keys of an issuer of tokens.

Its bytes and its seconds are limited, also where that server sends without end. A redirect is no answer: the operator
chose the address in the settings.
"""

from __future__ import annotations

import socket
import ssl

import anyio
import httpx

from contacts_mcp.api.connection import proxy_for
from contacts_mcp.api.failures import in_chain
from contacts_mcp.errors import AccountError


class DocumentAway(Exception):
    """A document that cannot be had. The text says why, in words of our own."""


async def fetched(url: str, *, within: float, largest: int) -> bytes:
    """The document at `url`. Raises DocumentAway where it cannot be had in `within` seconds and `largest` bytes."""
    try:
        proxy = proxy_for(url)
        with anyio.fail_after(within):
            async with (
                httpx.AsyncClient(
                    proxy=proxy.address if proxy else None,
                    verify=_trusted(url),
                    timeout=within,
                    trust_env=False,  # the proxy is read above
                    headers={"Accept": "application/json", "Accept-Encoding": "identity"},
                ) as client,
                client.stream("GET", url) as answer,
            ):
                if answer.status_code != httpx.codes.OK:
                    raise DocumentAway(f"the answer has the status {answer.status_code}")
                return await _read(answer, largest)
    except (httpx.HTTPError, httpx.InvalidURL, AccountError, ImportError, OSError, ValueError) as error:
        raise DocumentAway(_why(error)) from None  # a TimeoutError is an OSError


def _why(error: Exception) -> str:
    if in_chain(error, ssl.SSLCertVerificationError):
        return "the certificate is not trusted here"
    if in_chain(error, socket.gaierror):
        return "there is no such host"
    if isinstance(error, TimeoutError | httpx.TimeoutException):
        return "no answer in time"
    if isinstance(error, httpx.ConnectError):
        return "nothing listens at that address"
    return type(error).__name__


def _trusted(url: str) -> ssl.SSLContext:
    """The certificates that this system trusts."""
    is_used = url.startswith("https:")
    return ssl.create_default_context() if is_used else ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)  # made in no time


async def _read(answer: httpx.Response, largest: int) -> bytes:
    """The body as it was sent, because a packed one may be a thousand times as large."""
    held = bytearray()
    async for chunk in answer.aiter_raw():
        held += chunk
        if len(held) > largest:
            raise DocumentAway(f"the answer has more than {largest // 1024} KiB")
    return bytes(held)
