"""Cursors as a text: where a list stands between two calls. The text means nothing to those who pass it on.

    cursor = packed(HELD.dump_json(held), account)          # HELD: a pydantic TypeAdapter
    held = HELD.validate_json(unpacked(cursor, account), strict=True)

A cursor begins with a mark of its account, and is none in any other. Anybody can write one. A wrong one is a
ValueError, as pydantic's own errors are. None unpacks into more bytes than a sound one holds.
"""

from __future__ import annotations

import base64
import hashlib
import zlib
from typing import Annotated

from annotated_types import Ge, Le

_MARK = 3  # bytes of the account's mark, which become four characters
LONGEST = 100_000  # characters of a cursor, and bytes of what it holds

Number = Annotated[int, Ge(0), Le(2**63 - 1)]
"""A count, an id or a moment in a cursor, which SQLite can be asked for."""


def packed(held: bytes, account: str = "") -> str:
    """The cursor of `account` that holds these bytes, in signs that a URL may have."""
    return base64.urlsafe_b64encode(_mark(account) + zlib.compress(held, 9)).decode("ascii").rstrip("=")


def unpacked(cursor: str, account: str = "") -> bytes:
    """The bytes that `cursor` holds. Raises ValueError for a text that `packed` did not give for that account."""
    unpacking = zlib.decompressobj()
    try:
        packed = base64.b64decode(cursor[:LONGEST] + "=" * (-len(cursor) % 4), altchars=b"-_", validate=True)
        mark = _mark(account)
        if not packed.startswith(mark):
            raise ValueError("of another account")
        held = unpacking.decompress(packed[len(mark) :], LONGEST)
    except zlib.error as error:
        raise ValueError("not packed here") from error
    if not unpacking.eof:
        raise ValueError("cut off, or too long")
    return held


def _mark(account: str) -> bytes:
    return hashlib.blake2b(account.encode(), digest_size=_MARK).digest() if account else b""
