"""The log of a process that serves. It goes to stderr, and personal data stays out of it."""

from __future__ import annotations

import logging

# Below WARNING these write down what they are given: addresses, arguments, whole answers. That is personal data,
# whatever our own level is.
TALKATIVE = ("httpx", "httpcore", "mcp", "sse_starlette", "uvicorn")


def set_up_logging(level: str) -> None:
    """Write this package's log to stderr from `level` on, and everybody else's from WARNING on, or from `level`.

    For a process of our own, once. A library leaves that to the program it is part of.
    """
    others = max(logging.WARNING, logging.getLevelNamesMapping()[level])
    logging.basicConfig(format="%(message)s", level=others)
    logging.getLogger("contacts_mcp").setLevel(level)
    for name in TALKATIVE:
        logging.getLogger(name).setLevel(others)
