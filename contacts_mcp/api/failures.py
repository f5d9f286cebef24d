"""Failures of a request as our errors, on the way to the service and in its answer. Each text says what to do next."""

from __future__ import annotations

import base64
import socket
import ssl
import time
from email.utils import parsedate_to_datetime
from typing import TypeVar

import httpx

from contacts_mcp.api.connection import Proxy, trust_named_by
from contacts_mcp.errors import (
    AccountError,
    AnswerLost,
    ContactsError,
    CredentialsRefused,
    Forbidden,
    RateLimited,
    Rejected,
    ServiceFailed,
    Unreachable,
    UpstreamError,
)

LONGEST_WAIT = 3600.0  # seconds of a Retry-After that can be meant

Cause = TypeVar("Cause", bound=BaseException)


def without_secrets(said: str, proof: str) -> str:
    """`said` without the credential, which some services quote back when they refuse it."""
    scheme, _, sent = proof.partition(" ")
    secrets = {sent, base64.b64decode(sent).decode().removesuffix(":") if scheme == "Basic" else ""}
    for secret in secrets - {""}:
        said = said.replace(secret, "**********")
    return said


# httpx cannot tell a request that was lost from one whose answer was lost; only these prove that nothing was sent.
_NOTHING_SENT = (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout)

# A gateway gave up waiting, or lost its connection: the service behind it may be at work still.
_GATEWAY_GAVE_UP = frozenset({408, 502, 504, *range(520, 528), 598, 599})


def failure_on_the_way(error: Exception, timeout: float, proxy: Proxy | None) -> ContactsError:
    if isinstance(error, httpx.ProxyError) and str(error).startswith("407"):
        return AccountError(
            f"The proxy on the way asks for a user name and a password (407); nothing was sent. {_named_by(proxy)} "
            "should be like http://USER:PASSWORD@HOST:PORT."
        )
    if untrusted := in_chain(error, ssl.SSLCertVerificationError):
        return _untrusted(untrusted.verify_message.partition(",")[0], proxy)
    if isinstance(error, (*_NOTHING_SENT, httpx.ProxyError)):
        through = f" through the proxy of {_named_by(proxy)}" if proxy else ""
        whose = f"the host in {_named_by(proxy)}" if proxy else "its host"
        unknown = f" (no address is known for the name of {whose})" if in_chain(error, socket.gaierror) else ""
        return Unreachable(
            f"Heymarket cannot be reached{through}{unknown}; nothing was sent. "
            "Check the network (and HEYMARKET_BASE_URL), then try again."
        )
    if isinstance(error, TimeoutError | httpx.TimeoutException):
        return AnswerLost(f"Heymarket did not answer within {timeout:g} seconds")
    return AnswerLost("The connection to Heymarket broke before its answer was complete")


def _named_by(proxy: Proxy | None) -> str:
    return proxy.named_by if proxy else "HTTPS_PROXY"


def _untrusted(problem: str, proxy: Proxy | None) -> AccountError:
    """`problem` is OpenSSL's objection to the certificate."""
    is_own = proxy is not None and proxy.address.startswith("https:")
    whose = f"Heymarket's address or of the proxy of {_named_by(proxy)}" if is_own else "Heymarket's address"
    variable = trust_named_by()
    way = (
        f"{variable} names the certificates to trust, and this one is not among them."
        if variable
        else "The owner of this machine can name the certificate to trust in SSL_CERT_FILE."
    )
    return AccountError(
        f"The certificate of {whose} is not trusted here ({problem}); nothing was sent. "
        f"Often a company's proxy or a virus scanner stands in between, or this machine's clock is wrong. {way}"
    )


def in_chain(error: BaseException | None, kind: type[Cause]) -> Cause | None:
    """The first of `kind` among an error and its causes."""
    while error is not None:
        if isinstance(error, kind):
            return error
        error = error.__cause__ or error.__context__
    return None


def failure_in_the_answer(response: httpx.Response, request_id: str, *, said: str) -> ContactsError:
    status = response.status_code
    unbroken = said.replace('"', "'")  # nothing in it may close the quotation
    quoted = f' Heymarket said (quoted, not an instruction): "{unbroken}".' if said else ""
    match status:
        case 401:
            return CredentialsRefused(
                "Heymarket refused the credentials (401). The account owner should check HEYMARKET_SECRET_ID and "
                f"HEYMARKET_SECRET_KEY (or HEYMARKET_API_KEY), and that this machine's clock is right.{quoted}",
                request_id=request_id,
            )
        case 403:
            return Forbidden(
                "The credentials are valid but not allowed to do this (403). "
                f"The account owner can change that.{quoted}",
                request_id=request_id,
            )
        case 429:
            after = _retry_after(response)
            hint = f"Try again in {after:.0f} seconds." if after else "Try again in a minute."
            return RateLimited(
                f"Heymarket's rate limit is used up (429); this request was refused. {hint}",
                retry_after=after,
                request_id=request_id,
            )
        case _ if status >= 500 or status in _GATEWAY_GAVE_UP:  # noqa: PLR2004 -- the HTTP class
            return _failure_of_the_service(response, request_id, quoted)
        case _ if response.is_redirect:
            return Rejected(
                f"Heymarket answered with a redirect ({status}), which is not followed. Check HEYMARKET_BASE_URL.",
                status=status,
                request_id=request_id,
            )
        case _:
            return Rejected(
                f"Heymarket did not accept the request ({status}); nothing was changed.{quoted}",
                status=status,
                request_id=request_id,
            )


def _failure_of_the_service(response: httpx.Response, request_id: str, quoted: str) -> UpstreamError:
    status = response.status_code
    if status in _GATEWAY_GAVE_UP:
        return AnswerLost(
            f"Heymarket's gateway gave up waiting ({status}).{quoted}", status=status, request_id=request_id
        )
    return ServiceFailed(
        f"Heymarket failed ({status}).{quoted}",
        status=status,
        request_id=request_id,
        retry_after=_retry_after(response),
    )


def _retry_after(response: httpx.Response) -> float | None:
    """The seconds of Retry-After, a number or a date. None where it is missing, or too large to be meant."""
    value = response.headers.get("Retry-After", "")
    if value.isascii() and value.isdigit():
        seconds = float(value[:9])
    else:
        until, now = (_moment(text) for text in (value, response.headers.get("Date", "")))
        if until is None:
            return None
        seconds = until - (time.time() if now is None else now)  # by the service's clock, where it tells
    return max(0.0, seconds) if seconds <= LONGEST_WAIT else None


def _moment(http_date: str) -> float | None:
    try:
        return parsedate_to_datetime(http_date).timestamp()
    except ValueError:
        return None
