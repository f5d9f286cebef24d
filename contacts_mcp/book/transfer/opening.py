"""A file or a pasted text -> a source that can be read, and the facts that a plan keeps about it."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from contacts_mcp.book.transfer.files import opened, resolved_roots
from contacts_mcp.book.transfer.limits import LARGE_BYTES, MOST_BYTES
from contacts_mcp.book.transfer.sources import choosing, pasted
from contacts_mcp.book.transfer.sources.source import Source

PASTED = "the pasted table"


@contextmanager
def given_source(
    path: str | None, text: str | None, folders: Sequence[Path], *, region: str, encoding: str = "", sheet: str = ""
) -> Iterator[tuple[Source, dict[str, Any]]]:
    """The table in `text` if there is one, else the file at `path`. Raises Refused."""
    if text is not None:
        yield pasted_source(text, region=region)
        return
    with opened_source(path or "", folders, region=region, encoding=encoding, sheet=sheet) as opened_one:
        yield opened_one


@contextmanager
def opened_source(
    name: str, folders: Sequence[Path], *, region: str, encoding: str = "", sheet: str = "", large: bool = False
) -> Iterator[tuple[Source, dict[str, Any]]]:
    """The file called `name` under one of `folders`. It can be read for as long as it is open. Raises Refused."""
    with opened(name, resolved_roots(folders), most=LARGE_BYTES if large else MOST_BYTES) as file:
        facts = {"file": file.path.name, "path": str(file.path), "digest": file.digest(), "size": file.size}
        yield choosing.read(file.stream, region=region, encoding=encoding, sheet_name=sheet), facts


def pasted_source(text: str, *, region: str = "US") -> tuple[Source, dict[str, Any]]:
    """The table in a pasted text. Raises Refused."""
    raw = text.encode("utf-8", "surrogatepass")
    digest = hashlib.blake2b(raw, digest_size=16).hexdigest()
    return pasted.read(text, region=region), {"file": PASTED, "digest": digest, "size": len(raw)}
