"""A small document of another server, such as the public keys of an issuer of tokens.

Its bytes and its seconds are limited, also where that server sends without end. A redirect is no answer: the operator
chose the address in the settings.
"""

from __future__ import annotations

import ssl

import anyio
import httpx

from contacts_mcp.api.connection import proxy_for
from contacts_mcp.errors import AccountError


async def fetched(url: str, *, within: float, largest: int) -> bytes | None:
    """The document at `url`, None where it cannot be had in `within` seconds and `largest` bytes."""
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
                return await _read(answer, largest) if answer.status_code == httpx.codes.OK else None
    except (httpx.HTTPError, httpx.InvalidURL, AccountError, ImportError, OSError, ValueError):
        return None  # a TimeoutError is an OSError


def _trusted(url: str) -> ssl.SSLContext:
    """The certificates that this system trusts."""
    is_used = url.startswith("https:")
    return ssl.create_default_context() if is_used else ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)  # made in no time


async def _read(answer: httpx.Response, largest: int) -> bytes | None:
    """The body as it was sent, because a packed one may be a thousand times as large."""
    held = bytearray()
    async for chunk in answer.aiter_raw():
        held += chunk
        if len(held) > largest:
            return None
    return bytes(held)
