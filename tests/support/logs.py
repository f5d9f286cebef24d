"""The log of this process, put back after somebody set it up as their own."""

from __future__ import annotations

import logging
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from contacts_mcp.server.logs import TALKATIVE


@contextmanager
def logging_put_back() -> Iterator[None]:
    """Within this, `serve` and `call` may set up the log as if the process were theirs."""
    names = (None, "contacts_mcp", *TALKATIVE)
    before = {name: logging.getLogger(name).level for name in names}
    levels = {handler: handler.level for handler in logging.getLogger().handlers}
    handlers = list(logging.getLogger("contacts_mcp").handlers)
    hooks = sys.excepthook, sys.unraisablehook, threading.excepthook
    assert logging.lastResort
    formatter = logging.lastResort.formatter
    try:
        yield
    finally:
        sys.excepthook, sys.unraisablehook, threading.excepthook = hooks
        logging.captureWarnings(capture=False)
        logging.lastResort.setFormatter(formatter)
        for name, level in before.items():
            logging.getLogger(name).setLevel(level)
        for root_handler, level in levels.items():
            root_handler.setLevel(level)
        own = logging.getLogger("contacts_mcp")
        for handler in [one for one in own.handlers if one not in handlers]:
            own.removeHandler(handler)
            if isinstance(handler, logging.StreamHandler):
                handler.stream.close()
