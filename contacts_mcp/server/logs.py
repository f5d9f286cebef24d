"""The log of a process that serves. It goes to stderr, and to a file where one is named. It holds no personal data."""

from __future__ import annotations

import logging
import os
from pathlib import Path

from contacts_mcp.errors import AccountError

# Below WARNING these write down what they are given: addresses, arguments, whole answers. That is personal data,
# whatever our own level is.
TALKATIVE = ("httpx", "httpcore", "mcp", "sse_starlette", "uvicorn")


def set_up_logging(level: str, file: Path | None = None) -> None:
    """Write this package's log to stderr from `level` on, and everybody else's from WARNING on, or from `level`.

    A `file` gets this package's log from INFO on. For a process of our own, once: a library leaves that to the program
    it is part of. Raises AccountError where the file cannot be written.
    """
    own = logging.getLevelNamesMapping()[level]
    others = max(logging.WARNING, own)
    logging.basicConfig(format="%(message)s", level=others)
    logger = logging.getLogger("contacts_mcp")
    logger.setLevel(own)
    for name in TALKATIVE:
        logging.getLogger(name).setLevel(others)
    if file is None:
        return
    for handler in logging.getLogger().handlers:
        handler.setLevel(own)
    logger.setLevel(min(own, logging.INFO))
    logger.addHandler(_private(file))


def _private(file: Path) -> logging.Handler:
    """A handler that adds to a file for its owner only."""
    try:
        opened = os.open(file.expanduser(), os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        if hasattr(os, "fchmod"):  # not on every Windows
            os.fchmod(opened, 0o600)
    except (OSError, RuntimeError) as error:
        raise AccountError(f"CONTACTS_MCP_LOG_FILE cannot be written ({type(error).__name__}).") from None
    handler = logging.StreamHandler(os.fdopen(opened, "a", encoding="utf-8"))
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(message)s"))
    return handler
