"""Confirmations that bind: the permission to do exactly one risky thing, once, soon.

A token is 75 characters: digests of what it permits, its expiry, a nonce, and a MAC over all of it. It permits one action on
the contacts it was made for, in the state they had, with the same arguments, in the same account, within 15 minutes. Nothing is stored when it
is made, so any server with the same signing key can check it; a used one is remembered by its server until it expires, and by the journal.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import json
import secrets
import struct
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

LIFETIME = 900.0
_PARTS = ("action", "account", "contacts", "arguments", "states")
_PART_BYTES = 6
_NONCE_BYTES = 6
_MAC_BYTES = 16
_PAYLOAD = struct.Struct(f">I{_NONCE_BYTES}s{_PART_BYTES * len(_PARTS)}s")
_TOKEN_BYTES = _PAYLOAD.size + _MAC_BYTES

# Why a token is refused, by the first part that differs; said to the assistant.
REASONS = {
    "form": "the confirm_token is not one of this server's, or was altered",
    "expired": "the confirm_token has expired (15 minutes)",
    "action": "the confirm_token was given for another action",
    "account": "the confirm_token was given for another account",
    "contacts": "the confirm_token was given for another contact",
    "arguments": "the confirm_token was given for other arguments",
    "states": "the contact was changed since the confirm_token was given",
    "used": "the confirm_token was used already",
}


@dataclass(frozen=True, slots=True)
class Deed:
    """A risky thing to be confirmed: `action` on `contacts` (id -> the state it was shown in), with `arguments`."""

    action: str
    contacts: Mapping[int, str]
    arguments: Mapping[str, Any] = field(default_factory=dict)


class Confirmations:
    """Makes and checks tokens for one account."""

    def __init__(self, account: str, *, key: bytes | None = None, clock: Callable[[], float] = time.time) -> None:
        self._account = account
        self._key = hashlib.sha256(b"confirmations\0" + key).digest() if key else secrets.token_bytes(32)
        self._clock = clock
        self._used: dict[bytes, float] = {}

    def token_for(self, deed: Deed) -> str:
        """A fresh token that permits `deed`."""
        payload = _PAYLOAD.pack(
            int(self._clock() + LIFETIME), secrets.token_bytes(_NONCE_BYTES), b"".join(self._parts(deed))
        )
        return _written(payload + self._mac(payload))

    def refusal(self, token: str, deed: Deed) -> str:
        """Why `token` does not permit `deed`, in words; empty where it does."""
        payload = self._payload(token)
        if payload is None:
            return REASONS["form"]
        expiry, nonce, parts = _PAYLOAD.unpack(payload)
        if nonce in self._used:
            return REASONS["used"]
        if self._clock() > expiry:
            return REASONS["expired"]
        given = [parts[start : start + _PART_BYTES] for start in range(0, len(parts), _PART_BYTES)]
        return next(
            (REASONS[name] for name, one, other in zip(_PARTS, given, self._parts(deed), strict=True) if one != other),
            "",
        )

    def use(self, token: str) -> None:
        """The deed is being done: refuse the token from now on."""
        payload = self._payload(token)
        if payload is not None:
            now = self._clock()
            self._used = {nonce: expiry for nonce, expiry in self._used.items() if expiry > now}
            expiry, nonce, _ = _PAYLOAD.unpack(payload)
            self._used[nonce] = expiry

    def _payload(self, token: str) -> bytes | None:
        """The signed part of `token`, None where it is not ours."""
        try:
            raw = base64.b64decode(token.strip() + "=" * (-len(token.strip()) % 4), altchars=b"-_", validate=True)
        except (binascii.Error, ValueError):
            return None
        payload, mac = raw[: _PAYLOAD.size], raw[_PAYLOAD.size :]
        is_as_written = (
            _written(raw) == token.strip()
        )  # its last character has bits to spare, and another spelling would be another token
        return (
            payload
            if is_as_written and len(raw) == _TOKEN_BYTES and hmac.compare_digest(mac, self._mac(payload))
            else None
        )

    def _mac(self, payload: bytes) -> bytes:
        return hmac.digest(self._key, payload, "sha256")[:_MAC_BYTES]

    def _parts(self, deed: Deed) -> Sequence[bytes]:
        contacts = sorted(deed.contacts.items())
        whole = {
            "action": deed.action,
            "account": self._account,
            "contacts": [number for number, _ in contacts],
            "arguments": deed.arguments,
            "states": [state for _, state in contacts],
        }
        return [_digest(whole[name]) for name in _PARTS]


def _written(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).decode("ascii").rstrip("=")


def digest_of(token: str) -> str:
    """How a used token is written down: enough to recognize it, useless to anybody else."""
    return hashlib.sha256(token.strip().encode()).hexdigest()[:16] if token else ""


def _digest(value: Any) -> bytes:
    canonical = json.dumps(value, sort_keys=True, ensure_ascii=False, default=str)
    return hashlib.blake2b(canonical.encode("utf-8", "surrogatepass"), digest_size=_PART_BYTES).digest()
