"""Reading a configuration file and replacing it: whole or not at all, with a backup, and looking as before.

- Byte order mark, line endings, mode and owner stay. A symbolic link is followed, so its target changes.
- A file that is to be private loses the rights of others. A backup never had any.
"""

from __future__ import annotations

import os
import stat
import tempfile
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from contacts_mcp.setup.config_files.errors import ConfigFileUnusable

_BOM = b"\xef\xbb\xbf"
_BINARY = getattr(os, "O_BINARY", 0)  # Windows


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


def write(file: ConfigFile, text: str, *, private: bool = False) -> Path | None:
    """Replace `file` by `text`, for its owner only if it is to be `private`.

    Returns the backup that was kept, None for a new file. Raises ConfigFileUnusable, and then nothing has changed.
    """
    if read(file.path).raw != file.raw:
        raise ConfigFileUnusable("another program has just changed it; run this again")
    try:
        data = file.encoded(text)
        target = file.path.resolve()
        target.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        backup = _backed_up(target, file.raw) if file.raw is not None else None
        _replace(target, data, private=private)
    except UnicodeEncodeError:
        raise ConfigFileUnusable("a value has characters that cannot be written as UTF-8") from None
    except (OSError, RuntimeError) as error:  # RuntimeError: links in a circle, before Python 3.13
        raise ConfigFileUnusable(f"it cannot be written ({type(error).__name__})") from None
    return backup


def is_private(path: Path) -> bool:
    """Whether only the owner can read the file, as far as its mode says. Windows keeps that elsewhere."""
    return os.name == "nt" or not path.stat().st_mode & 0o077


def _is_windows(raw: bytes) -> bool:
    return b"\r\n" in raw and raw.count(b"\r\n") == raw.count(b"\n")


def _backed_up(target: Path, data: bytes) -> Path:
    stamp = datetime.now().astimezone().strftime("%Y%m%d-%H%M%S-%f")
    backup = target.with_name(f"{target.name}.{stamp}.bak")
    with os.fdopen(os.open(backup, os.O_CREAT | os.O_EXCL | os.O_WRONLY | _BINARY, 0o600), "wb") as file:
        file.write(data)
    _give_to_owner_of(target, backup)
    return backup


def _replace(target: Path, data: bytes, *, private: bool) -> None:
    """A new file is readable by its owner only."""
    handle, name = tempfile.mkstemp(dir=target.parent, prefix=f".{target.name}.")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        if target.exists():
            mode = stat.S_IMODE(target.stat().st_mode)
            Path(name).chmod(mode & 0o700 if private else mode)
            _give_to_owner_of(target, Path(name))
        Path(name).replace(target)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise


def _give_to_owner_of(target: Path, copy: Path) -> None:
    if hasattr(os, "chown"):
        with suppress(OSError):  # only root may give a file away
            os.chown(copy, target.stat().st_uid, target.stat().st_gid)
