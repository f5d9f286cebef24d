"""The command that starts this server, for the files of assistants: one that lasts.

`uvx` and `pipx run` start programs from a cache that is emptied from time to time. A path into it works for some weeks.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import sys
import sysconfig
from importlib import metadata
from pathlib import Path

from contacts_mcp.errors import AccountError

# uv has <cache>/archive-v0, environments-v2 and builds-v0.
# pipx has ~/.cache/pipx, ~/Library/Caches/pipx, and <its home>/.cache or Cache.
_CACHES = {
    "uvx": re.compile(r"[/\\](archive|builds|environments)-v\d+[/\\]"),
    "pipx run": re.compile(r"(?i)[/\\]\.?caches?[/\\]pipx[/\\]|[/\\]pipx[/\\]\.?cache[/\\]"),
}


def launch_command() -> list[str]:
    """The words that start this server: the installed script, else this interpreter, with their whole paths.

    Clients have search paths of their own. Raises AccountError where that is in a cache and nothing lasting is known.
    """
    script = "contacts-mcp.exe" if os.name == "nt" else "contacts-mcp"
    places = [
        Path(sys.executable).parent,
        Path(sysconfig.get_path("scripts")),
        Path(sysconfig.get_path("scripts", f"{os.name}_user")),
    ]
    lasting = [place / script for place in places if (place / script).is_file() and not made_by(str(place / script))]
    if lasting:
        return [str(lasting[0].absolute())]
    program = made_by(str(Path(sys.executable)))
    if not program:
        return [sys.executable, "-m", "contacts_mcp"]
    uvx = shutil.which("uvx") if program == "uvx" else None
    if uvx:
        return [str(Path(uvx).absolute()), *_source(), "contacts-mcp"]
    raise AccountError(
        f"This server runs from the cache of `{program}`, which is emptied from time to time, so nothing was changed. "
        "Install it to stay, with `uv tool install`, `pipx install` or `pip install`. "
        "Then run `contacts-mcp install` again."
    )


def made_by(path: str) -> str:
    """The program whose cache `path` is in, empty where it is in none."""
    return next((program for program, cache in _CACHES.items() if cache.search(path)), "")


def _source() -> list[str]:
    """Where uvx got this package from, if that was not the package index (PEP 610)."""
    written = metadata.distribution("contacts-mcp").read_text("direct_url.json")
    if not written:
        return []
    origin = json.loads(written)
    kind = origin.get("vcs_info")
    if not kind:
        return ["--from", str(origin["url"])]
    return ["--from", f"{kind['vcs']}+{origin['url']}@{kind.get('requested_revision') or kind['commit_id']}"]
