"""The machine's own key for signing confirmations.

It is kept in a file, because a server may be restarted between a question and its answer. A key that somebody else may
have made or read is replaced. At most the questions that are open now are then asked again.
"""

from __future__ import annotations

import logging
import os
import secrets
import stat
from contextlib import suppress
from pathlib import Path

LENGTH = 32  # bytes

_log = logging.getLogger(__name__)


def kept_key(path: Path) -> bytes:
    """The key in the file at `path`, made where there is none. A key of this process alone where it cannot be kept."""
    flaw = flaw_of(path)
    if flaw:
        _log.warning("the key for confirmations %s; it is replaced", flaw)
    if flaw or not path.exists():
        with suppress(OSError):
            _make(path, instead=bool(flaw))
    try:
        return secrets.token_bytes(LENGTH) if flaw_of(path) else path.read_bytes()
    except OSError:
        return secrets.token_bytes(LENGTH)


def flaw_of(path: Path) -> str:
    """Why the file at `path` must not be used, in words that follow "the key". Empty where it may, or is not there."""
    try:
        found = path.stat()
    except OSError:
        return ""
    flaws = {
        "is not in a regular file": not stat.S_ISREG(found.st_mode),
        f"is shorter than {LENGTH} bytes": found.st_size < LENGTH,
        "belongs to another user": os.name == "posix" and found.st_uid != os.geteuid(),
        "can be read or changed by others": os.name == "posix" and bool(found.st_mode & 0o077),
    }
    return next((flaw for flaw, is_so in flaws.items() if is_so), "")


def _make(path: Path, *, instead: bool) -> None:
    """Write a new key, whole or not at all. Where two do it at once, the first counts. Raises OSError."""
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    fresh = path.with_name(f"{path.name}.{secrets.token_hex(8)}")
    try:
        with os.fdopen(os.open(fresh, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600), "wb") as file:
            file.write(secrets.token_bytes(LENGTH))
        if instead:
            fresh.replace(path)
        else:
            os.link(fresh, path)
    finally:
        fresh.unlink(missing_ok=True)
