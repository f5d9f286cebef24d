"""Confirmations that bind: the permission to do exactly one risky action, once, soon.

A token holds its expiry, a nonce and a hint for each part of the action. A MAC of 128 bits covers them and the whole
action. The token permits one action with the same arguments, in the same account, within 15 minutes. The contacts must
be those it was made for, in the state they had. Nothing is stored when a token is made, so every server with the same
signing key can check it. The journal remembers the used ones.
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

LIFETIME = 900.0  # seconds
SKEW = 60.0  # seconds by which the clocks of two servers with one key may differ
_PARTS = ("action", "account", "contacts", "arguments", "states")
_HINT_BYTES = 2  # of each part: enough to say which one differs, and proof of nothing
_NONCE_BYTES = 8
_MAC_BYTES = 16
_PAYLOAD = struct.Struct(f">I{_NONCE_BYTES}s{_HINT_BYTES * len(_PARTS)}s")
_TOKEN_BYTES = _PAYLOAD.size + _MAC_BYTES


def _expired(lifetime: float) -> str:
    return f"the confirm_token has expired ({lifetime / 60:.0f} minutes)"


# Why a token is refused, by the first part that differs; said to the assistant.
REASONS = {
    "form": "the confirm_token is not one of this server's, or was altered",  # or of another account
    "expired": _expired(LIFETIME),
    "action": "the confirm_token was given for another action",
    "contacts": "the confirm_token was given for another contact",
    "arguments": "the confirm_token was given for other arguments",
    "states": "the contact was changed since the confirm_token was given",
    "used": "the confirm_token was used already",
}


@dataclass(frozen=True, slots=True)
class RiskyAction:
    """An action to be confirmed: `name` on `contacts` (id -> the state it was shown in), with `arguments`.

    The service shows no `rev` of the `undated` contacts.
    """

    name: str
    contacts: Mapping[int, str]
    arguments: Mapping[str, Any] = field(default_factory=dict)
    undated: frozenset[int] = frozenset()


class Confirmations:
    """Makes and checks tokens for one account."""

    def __init__(self, account: str, *, keys: Sequence[bytes] = (), clock: Callable[[], float] = time.time) -> None:
        """The first of `keys` signs, and all of them are accepted. Without any, the key is this object's own."""
        self.account = account
        self._keys = [hashlib.sha256(b"confirmations\0" + key).digest() for key in keys] or [secrets.token_bytes(32)]
        self._clock = clock

    def token_for(self, action: RiskyAction, *, lifetime: float = LIFETIME) -> str:
        """A fresh token that permits `action` for so many seconds."""
        parts = self._parts(action)
        hints = b"".join(map(_hint, parts.values()))
        payload = _PAYLOAD.pack(int(self._clock() + lifetime), secrets.token_bytes(_NONCE_BYTES), hints)
        return _written(payload + _mac(self._keys[0], payload, parts))

    def refusal(self, token: str, action: RiskyAction, *, lifetime: float = LIFETIME) -> str:
        """Why `token` does not permit `action`, in words. It is empty if it does.

        `lifetime` is as in `token_for`. The caller knows whether it was used before.
        """
        raw = _read(token)
        if raw is None:
            return REASONS["form"]
        payload, mac = raw[: _PAYLOAD.size], raw[_PAYLOAD.size :]
        expiry, _, hints = _PAYLOAD.unpack(payload)
        left = expiry - self._clock()
        is_alive = 0 <= left <= lifetime + SKEW  # with more left, it was made before the clock was set back
        parts = self._parts(action)
        if any(hmac.compare_digest(mac, _mac(key, payload, parts)) for key in self._keys):
            return "" if is_alive else _expired(lifetime)
        given = [hints[start : start + _HINT_BYTES] for start in range(0, len(hints), _HINT_BYTES)]
        differing = (name for name, hint in zip(_PARTS, given, strict=True) if hint != _hint(parts[name]))
        return REASONS.get(next(differing, ""), REASONS["form"])  # a token of another account is none here

    def _parts(self, action: RiskyAction) -> dict[str, bytes]:
        contacts = sorted(action.contacts.items())
        whole = (
            action.name,
            self.account,
            [number for number, _ in contacts],
            action.arguments,
            [state for _, state in contacts],
        )
        return dict(zip(_PARTS, map(_canonical, whole), strict=True))


def _mac(key: bytes, payload: bytes, parts: Mapping[str, bytes]) -> bytes:
    """The MAC over the payload and the parts whole, each with its length in front."""
    whole = b"".join(len(part).to_bytes(8) + part for part in (payload, *parts.values()))
    return hmac.digest(key, whole, "sha256")[:_MAC_BYTES]


def _read(token: str) -> bytes | None:
    """The bytes of `token`, None where it is not of our form."""
    text = token.strip()
    try:
        raw = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
    except (binascii.Error, ValueError):
        return None
    # The last character has bits to spare, and another spelling would be another token.
    return raw if len(raw) == _TOKEN_BYTES and _written(raw) == text else None


def _written(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).decode("ascii").rstrip("=")


def digest_of(token: str) -> str:
    """The form in which a used token is written down: enough to recognize it, useless to anybody else."""
    return hashlib.sha256(token.strip().encode()).hexdigest()[:32] if token else ""


def _canonical(value: Any) -> bytes:
    return json.dumps(value, sort_keys=True, ensure_ascii=False, default=str).encode("utf-8", "surrogatepass")


def _hint(part: bytes) -> bytes:
    return hashlib.blake2b(part, digest_size=_HINT_BYTES).digest()
