"""Cursors as a text: where a list stands between two calls. The text means nothing to those who pass it on.

    cursor = packed(HELD.dump_json(held))          # HELD: a pydantic TypeAdapter
    held = HELD.validate_json(unpacked(cursor), strict=True)

Anybody can write a cursor. A wrong one is a ValueError, as pydantic's own errors are. None unpacks into more bytes than
a sound one holds.
"""

from __future__ import annotations

import base64
import zlib
from typing import Annotated

from annotated_types import Ge, Le

LONGEST = 100_000  # characters of a cursor, and bytes of what it holds

Number = Annotated[int, Ge(0), Le(2**63 - 1)]
"""A count, an id or a moment in a cursor, which SQLite can be asked for."""


def packed(held: bytes) -> str:
    """The cursor that holds these bytes, in signs that a URL may have."""
    return base64.urlsafe_b64encode(zlib.compress(held, 9)).decode("ascii").rstrip("=")


def unpacked(cursor: str) -> bytes:
    """The bytes that `cursor` holds. Raises ValueError for a text that `packed` did not give."""
    unpacking = zlib.decompressobj()
    try:
        packed = base64.b64decode(cursor[:LONGEST] + "=" * (-len(cursor) % 4), altchars=b"-_", validate=True)
        held = unpacking.decompress(packed, LONGEST)
    except zlib.error as error:
        raise ValueError("not packed here") from error
    if not unpacking.eof:
        raise ValueError("cut off, or too long")
    return held
