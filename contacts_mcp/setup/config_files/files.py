"""Reading a configuration file and replacing it: whole or not at all, with a backup, and looking as before to whoever owns it.

Byte order mark, line endings, mode and owner stay; a symbolic link is followed, so that what it points to changes.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from contacts_mcp.setup.config_files.errors import ConfigFileUnusable

_BOM = b"\xef\xbb\xbf"


@dataclass(frozen=True, slots=True)
class ConfigFile:
    """A file as it was found. `text` has no byte order mark, and `\\n` alone where all its lines ended in `\\r\\n`."""

    path: Path
    raw: bytes | None
    text: str

    @property
    def exists(self) -> bool:
        return self.raw is not None

    def encoded(self, text: str) -> bytes:
        """`text` as bytes in the manner of this file."""
        raw = self.raw or b""
        lines = text.replace("\n", "\r\n") if _is_windows(raw) else text
        return (_BOM if raw.startswith(_BOM) else b"") + lines.encode("utf-8")


def read(path: Path) -> ConfigFile:
    """The file at `path`, empty where there is none. Raises ConfigFileUnusable."""
    try:
        if path.exists() and not path.is_file():  # a pipe would be waited for, and a device replaced
            raise ConfigFileUnusable("it is not a regular file")
        raw = path.read_bytes()
    except FileNotFoundError:
        return ConfigFile(path, None, "")
    except OSError as error:
        raise ConfigFileUnusable(f"it cannot be read ({type(error).__name__})") from None
    try:
        text = raw.removeprefix(_BOM).decode("utf-8")
    except UnicodeDecodeError:
        raise ConfigFileUnusable("it is not UTF-8") from None
    return ConfigFile(path, raw, text.replace("\r\n", "\n") if _is_windows(raw) else text)


def write(file: ConfigFile, text: str) -> Path | None:
    """Replace `file` by `text`. The backup that was kept, None for a new file. Raises ConfigFileUnusable; then nothing has changed."""
    if read(file.path).raw != file.raw:
        raise ConfigFileUnusable("another program has just changed it; run this again")
    try:
        data = file.encoded(text)
        target = file.path.resolve()
        target.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        backup = _backed_up(target) if file.exists else None
        _replace(target, data)
    except UnicodeEncodeError:
        raise ConfigFileUnusable("a value has characters that cannot be written as UTF-8") from None
    except (OSError, RuntimeError) as error:  # RuntimeError: links in a circle, before Python 3.13
        raise ConfigFileUnusable(f"it cannot be written ({type(error).__name__})") from None
    return backup


def is_private(path: Path) -> bool:
    """Whether nobody but the owner can read the file, as far as its mode says; Windows keeps that elsewhere."""
    return os.name == "nt" or not path.stat().st_mode & 0o077


def _is_windows(raw: bytes) -> bool:
    return b"\r\n" in raw and raw.count(b"\r\n") == raw.count(b"\n")


def _backed_up(target: Path) -> Path:
    stamp = datetime.now().astimezone().strftime("%Y%m%d-%H%M%S-%f")
    backup = target.with_name(f"{target.name}.{stamp}.bak")
    shutil.copy2(target, backup)
    return backup


def _replace(target: Path, data: bytes) -> None:
    """Readable by the owner only where the file is new."""
    handle, name = tempfile.mkstemp(dir=target.parent, prefix=f".{target.name}.")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        if target.exists():
            _look_like(target, Path(name))
        Path(name).replace(target)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise


def _look_like(target: Path, copy: Path) -> None:
    shutil.copymode(target, copy)
    if hasattr(os, "chown"):
        with suppress(OSError):  # only root may give a file away
            os.chown(copy, target.stat().st_uid, target.stat().st_gid)
