"""The program that called last, for `contacts-mcp doctor`: its name, its version, and whether it shows screens.

The file `client.json` in the data directory holds nothing about people. Nothing depends on it.
"""

from __future__ import annotations

import json
import logging
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from contacts_mcp.words.display import visible

_FILE = "client.json"
_LONGEST = 60  # characters of a name or version

_log = logging.getLogger(__name__)


class LastClient(NamedTuple):
    """A client, by its own words."""

    name: str
    version: str
    shows_screens: bool


def remember(directory: Path, client: LastClient) -> None:
    """Write it down, unless it is known already or cannot be written."""
    if client == read(directory):
        return
    try:
        directory.mkdir(parents=True, exist_ok=True, mode=0o700)
        path = directory / _FILE
        path.touch(mode=0o600)
        path.write_text(json.dumps(client._asdict()), encoding="utf-8")
    except OSError as error:
        _log.info("the client cannot be noted for doctor (%s)", type(error).__name__)


def read(directory: Path) -> LastClient | None:
    """The last one, None where none is known."""
    with suppress(OSError, ValueError, RecursionError, TypeError, LookupError, AttributeError):
        held = json.loads((directory / _FILE).read_text(encoding="utf-8"))
        name, version = (visible(held[part], limit=_LONGEST) for part in ("name", "version"))
        return LastClient(name=name, version=version, shows_screens=held["shows_screens"] is True)
    return None
