"""Files that an import reads and an export writes: only under allowed folders, by descriptor, without symlinks.

1. The folders are resolved once. A path is walked from its folder component by component, and a symlink anywhere is
   refused, also one that stays inside.
2. The descriptor is checked, not the path: a regular file, and no larger than allowed. Only it is read then.
3. A bare name is looked for in each folder. Several hits are listed, and none is chosen. A new file goes into the first
   folder that has a place for it.
4. A new file is written under another name beside its place, and gets its own once it is whole. A name that is taken
   stays as it is, unless the caller says otherwise.
"""

from __future__ import annotations

import hashlib
import os
import secrets
import stat
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, NoReturn

from contacts_mcp.book.transfer.limits import LARGE_BYTES, MOST_BYTES, smaller
from contacts_mcp.errors import Refused
from contacts_mcp.words.display import quoted

_IS_WINDOWS = sys.platform == "win32"
_FLAGS = os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_BINARY", 0)
_CHUNK = 1 << 20
_DEVICES = frozenset(
    ["con", "prn", "aux", "nul", *(f"{port}{number}" for port in ("com", "lpt") for number in range(10))]
)
MOST_LISTED = 5


@dataclass(frozen=True, slots=True)
class OpenFile:
    """A file that may be read, as long as it is open."""

    path: Path
    stream: BinaryIO
    size: int

    def digest(self) -> str:
        """BLAKE2b of the content, in hexadecimal."""
        found = hashlib.blake2b(digest_size=16)
        self.stream.seek(0)
        while chunk := self.stream.read(_CHUNK):
            found.update(chunk)
        self.stream.seek(0)
        return found.hexdigest()


def resolved_roots(folders: Sequence[Path | str]) -> tuple[Path, ...]:
    """The folders that exist, resolved, each once. The root of the disk and a home itself are never among them."""
    home = Path.home()
    found = (Path(folder).expanduser().resolve() for folder in folders)
    return tuple(
        dict.fromkeys(folder for folder in found if folder.is_dir() and folder not in (home, Path(folder.anchor)))
    )


@dataclass(frozen=True, slots=True)
class Place:
    """Where a new file goes: a folder that is open to files, and the components under it."""

    root: Path
    parts: tuple[str, ...]
    overwrite: bool

    @property
    def path(self) -> Path:
        return self.root.joinpath(*self.parts)

    def called(self, name: str) -> Place:
        """The same folder with another name in it."""
        return Place(self.root, (*self.parts[:-1], name), self.overwrite)

    def check(self) -> None:
        """Raises Refused where a file could not be written here, as far as that can be seen."""
        with self._folder() as folder:
            self._check_name(folder)

    @contextmanager
    def writing(self) -> Iterator[BinaryIO]:
        """A stream whose content gets the name when this ends well. Raises Refused, and nothing is left behind then."""
        with self._folder() as folder:
            self._check_name(folder)
            other = f".{secrets.token_hex(8)}.partial"
            try:
                with os.fdopen(os.open(_at(other, folder, self), _NEW, 0o600, **_in(folder)), "w+b") as stream:
                    yield stream
                    stream.flush()
                    os.fsync(stream.fileno())
                self._name(other, folder)
            except OSError as error:
                text = f"The file could not be written ({error.strerror or type(error).__name__}). Nothing was kept."
                _refuse("not_written", text)
            finally:
                with suppress(OSError):
                    os.unlink(_at(other, folder, self), **_in(folder))

    def _name(self, other: str, folder: int | None) -> None:
        """Give the written file its name."""
        here, there = _at(other, folder, self), _at(self.parts[-1], folder, self)
        if self.overwrite:
            os.replace(here, there, **_in_both(folder))  # noqa: PTH105 -- Path knows no descriptors
        elif folder is None:
            os.rename(here, there)  # noqa: PTH104 -- fails on Windows where the name is taken
        else:
            try:
                os.link(here, there, follow_symlinks=False, **_in_both(folder))
            except FileExistsError:
                self._refuse_taken()
            except OSError:  # a file system without hard links
                self._take_name(there, folder)
                os.replace(here, there, **_in_both(folder))  # noqa: PTH105 -- as above

    def _take_name(self, name: str, folder: int) -> None:
        try:
            os.close(os.open(name, _NEW, 0o600, dir_fd=folder))
        except FileExistsError:
            self._refuse_taken()

    @contextmanager
    def _folder(self) -> Iterator[int | None]:
        """The descriptor of the folder, None where the system has none."""
        if _IS_WINDOWS:
            parent = self.path.parent
            if not parent.is_dir() or parent.resolve() != parent:
                _refuse("not_found", f"There is no folder {quoted(str(parent), limit=100)}.")
            yield None
            return
        descriptor = _walked_folder(self.root, self.parts[:-1], str(self.path))
        try:
            yield descriptor
        finally:
            os.close(descriptor)

    def _check_name(self, folder: int | None) -> None:
        try:
            name = _at(self.parts[-1], folder, self)
            found = os.stat(name, follow_symlinks=False, **_in(folder))  # noqa: PTH116 -- as above
        except OSError:
            return
        shown = quoted(self.parts[-1], limit=100)
        if stat.S_ISLNK(found.st_mode):
            _refuse("link", f"{shown} is a symbolic link.", "Give another name.")
        if not stat.S_ISREG(found.st_mode):
            _refuse("no_file", f"{shown} is no file.", "Give another name.")
        if not self.overwrite:
            self._refuse_taken()

    def _refuse_taken(self) -> NoReturn:
        text = f"There is a file {quoted(self.parts[-1], limit=100)} already. Nothing was written."
        _refuse("name_taken", text, "Give another name, or overwrite true.")


_NEW = os.O_RDWR | os.O_CREAT | os.O_EXCL | _FLAGS


def _at(name: str, folder: int | None, place: Place) -> str:
    return name if folder is not None else str(place.path.with_name(name))


def _in(folder: int | None) -> dict[str, int]:
    return {} if folder is None else {"dir_fd": folder}


def _in_both(folder: int | None) -> dict[str, int]:
    return {} if folder is None else {"src_dir_fd": folder, "dst_dir_fd": folder}


def place_for(name: str, roots: Sequence[Path], *, overwrite: bool = False) -> Place:
    """Where a new file called `name` goes under one of `roots`.

    Raises Refused with the kind no_folders, outside_folders, not_found or no_file.
    """
    path = _plain_path(name, roots)
    if path.is_absolute():
        root, parts = _under_root(Path(os.path.normpath(path)), name, roots)
    else:
        parts = _relative(path, name, roots).parts
        fitting = [root for root in roots if root.joinpath(*parts[:-1]).is_dir()]
        if not fitting:
            _refuse("not_found", f"There is no folder for {quoted(name, limit=100)}.", f"Looked in {_listed(roots)}")
        root = fitting[0]
    if not parts:
        _refuse("no_file", f"{quoted(name, limit=100)} is a folder.")
    return Place(root, parts, overwrite)


@contextmanager
def opened(name: str, roots: Sequence[Path], *, most: int = MOST_BYTES) -> Iterator[OpenFile]:
    """The file called `name` under one of `roots`, open for reading.

    Raises Refused with the kind no_folders, outside_folders, not_found, several_files, link, no_file or too_large.
    """
    root, parts = _placed(name, roots)
    descriptor = _walked(root, parts, name)
    try:
        facts = os.fstat(descriptor)
        if not stat.S_ISREG(facts.st_mode):
            _refuse("no_file", f"{quoted(name, limit=100)} is no file.")
        if facts.st_size > most:
            problem = f"The file has {facts.st_size:,} bytes, and {most:,} are the most."
            _refuse("too_large", problem, smaller(is_large=most >= LARGE_BYTES))
        with os.fdopen(descriptor, "rb", closefd=False) as stream:
            yield OpenFile(root.joinpath(*parts), stream, facts.st_size)
    finally:
        os.close(descriptor)


def _placed(name: str, roots: Sequence[Path]) -> tuple[Path, tuple[str, ...]]:
    """The folder and the components under it that a name means."""
    path = _plain_path(name, roots)
    if path.is_absolute():
        return _under_root(Path(os.path.normpath(path)), name, roots)
    relative = _relative(path, name, roots)
    hits = [root for root in roots if os.path.lexists(root / relative)]
    if not hits:
        _refuse("not_found", f"There is no file {quoted(name, limit=100)}.", f"Looked in {_listed(roots)}")
    if len(hits) > 1:
        found = ", ".join(quoted(str(root / relative)) for root in hits[:MOST_LISTED])
        _refuse("several_files", f"Several files have that name: {found}.", "Give the whole path.")
    return hits[0], relative.parts


def _plain_path(name: str, roots: Sequence[Path]) -> Path:
    if not roots:
        _refuse(
            "no_folders",
            "No folder is open to files.",
            "Over HTTP none ever is: paste the rows as text, in parts. "
            "Over stdio the operator names some in CONTACTS_MCP_FILES.",
        )
    _refuse_odd_name(name)
    return at_home(Path(name))


def at_home(path: Path) -> Path:
    """The path with `~` as the home that it means. Raises Refused where nobody has that home."""
    try:
        return path.expanduser()
    except RuntimeError:
        user = quoted(path.parts[0], limit=60)
        _refuse("not_found", f"There is no user as {user} names.", "A path with ~ alone begins at your own home.")


def _relative(path: Path, name: str, roots: Sequence[Path]) -> Path:
    relative = Path(os.path.normpath(path))
    if relative.parts[:1] == ("..",):
        _refuse_outside(name, roots)
    return relative


def _refuse_outside(name: str, roots: Sequence[Path]) -> NoReturn:
    _refuse(
        "outside_folders",
        f"{quoted(name, limit=100)} is outside of the folders open to files.",
        f"Open: {_listed(roots)}",
    )


def _under_root(path: Path, name: str, roots: Sequence[Path]) -> tuple[Path, tuple[str, ...]]:
    """An absolute path, with its folder as it was resolved. The folders above the root may have another spelling."""
    for root in roots:
        if path.is_relative_to(root):
            return root, path.relative_to(root).parts
    for parent in path.parents:
        resolved = parent.resolve()
        if resolved in roots:
            return resolved, path.relative_to(parent).parts
    return _refuse_outside(name, roots)


def _refuse_odd_name(name: str) -> None:
    if not name.strip() or "\0" in name:
        _refuse("not_found", "The name of the file is missing.")
    try:
        os.fsencode(name)
    except UnicodeEncodeError:  # half of a character, which JSON may hold
        _refuse("no_file", f"{quoted(name, limit=100)} is no name that a file can have.")
    if not _IS_WINDOWS:
        return
    parts = name.replace("/", "\\").split("\\")
    is_odd = name.startswith(("\\\\", "//")) or any(":" in part for part in parts[1:])
    if is_odd or any(part.split(".")[0].strip().lower() in _DEVICES for part in parts):
        _refuse("outside_folders", f"{quoted(name, limit=100)} is no plain path of this machine.")


def _walked(root: Path, parts: Sequence[str], name: str) -> int:
    """The descriptor of the file, walked to from its folder."""
    if not parts:
        _refuse("no_file", f"{quoted(name, limit=100)} is a folder.")
    if _IS_WINDOWS:
        return _walked_by_path(root, parts, name)
    at = _walked_folder(root, parts[:-1], name)
    try:
        # O_NONBLOCK: opening a pipe would wait for a writer
        return _step(parts[-1], at, _FLAGS | os.O_NONBLOCK, name)
    finally:
        os.close(at)


def _walked_folder(root: Path, parts: Sequence[str], name: str) -> int:
    """The descriptor of a folder, walked to from its root."""
    at = os.open(root, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    for part in parts:
        try:
            at, behind = _step(part, at, _FLAGS | os.O_DIRECTORY, name), at
        except BaseException:
            os.close(at)
            raise
        os.close(behind)
    return at


def _step(part: str, folder: int, flags: int, name: str) -> int:
    try:
        return os.open(part, flags, dir_fd=folder)
    except OSError as error:
        if _is_link(part, folder):
            _refuse("link", f"{quoted(name, limit=100)} goes over a symbolic link.", "Give the file itself.")
        if isinstance(error, FileNotFoundError | NotADirectoryError):
            _refuse("not_found", f"There is no file {quoted(name, limit=100)}.")
        _refuse("not_readable", f"{quoted(name, limit=100)} cannot be opened ({error.strerror}).")


def _is_link(part: str, folder: int) -> bool:
    try:
        return stat.S_ISLNK(os.stat(part, dir_fd=folder, follow_symlinks=False).st_mode)
    except OSError:
        return False


def _walked_by_path(root: Path, parts: Sequence[str], name: str) -> int:
    """As `_walked` where no descriptor of a folder can be walked from: the path is resolved before and after."""
    path = root.joinpath(*parts)
    try:
        before = path.resolve(strict=True)
        descriptor = os.open(path, _FLAGS)
    except OSError:
        _refuse("not_found", f"There is no file {quoted(name, limit=100)}.")
    if before != path or path.resolve(strict=True) != before:
        os.close(descriptor)
        _refuse("link", f"{quoted(name, limit=100)} goes over a link.", "Give the file itself.")
    return descriptor


def _listed(roots: Sequence[Path]) -> str:
    return f"{', '.join(quoted(str(root)) for root in roots[:MOST_LISTED])}."


def _refuse(kind: str, problem: str, advice: str = "") -> NoReturn:
    raise Refused(f"{problem} {advice}".strip(), kind=kind)
