"""The log of this process, put back after somebody set it up as their own."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager

from contacts_mcp.server.logs import TALKATIVE


@contextmanager
def logging_put_back() -> Iterator[None]:
    """Within this, `serve` and `call` may set up the log as if the process were theirs."""
    names = (None, "contacts_mcp", *TALKATIVE)
    before = {name: logging.getLogger(name).level for name in names}
    try:
        yield
    finally:
        for name, level in before.items():
            logging.getLogger(name).setLevel(level)
