"""The profile: how the service of an account was seen to behave, by the probe and by ordinary answers.

- The file `profile.json` in the data directory has a line for each question, account by account. A line holds the
  position, the evidence, the date, and the version of this package. It holds no personal data.
- The file is for its owner only.
- A line is used where it has a position. Without a line, or without a profile, every way is still tried.
- An answer that contradicts a line takes its position away at once. The line then keeps the reason, until a probe
  sees it again.
- Ordinary answers refresh the lines about shapes that a probe has written. They add none.
- A file that cannot be read or written counts as no profile. Nothing depends on it.
"""

from __future__ import annotations

import json
import logging
import math
import os
import secrets
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from contacts_mcp import __version__
from contacts_mcp.state.account import Account
from contacts_mcp.words.note import Note

REFRESH_AFTER = 24 * 3600.0  # seconds; a line that an answer confirms is written anew when it is older
_PATIENCE = 1.0  # seconds for another process that writes the file
_FORMAT = 1

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Seen:
    """A position, and the evidence for it. An empty position says that it cannot be told, and the evidence why."""

    position: str
    evidence: str = ""
    is_torn: bool = False  # whether two answers disagree


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """The knowledge about one question."""

    position: str  # "" where it cannot be told, or is not trusted any more
    evidence: str
    at: float  # Unix seconds
    version: str = __version__  # of this package
    distrusted: str = ""  # the position that an answer contradicted


class Profile:
    """The profile of one account. Without a `path` it is empty and stays so."""

    def __init__(self, path: Path | None, account: Account | str, *, clock: Callable[[], float] = time.time) -> None:
        self._path = path
        self._account = Account.of(account)
        self._clock = clock
        self._seen_at: tuple[int, int] | None = None
        self._lines: dict[str, Line] = {}
        self.untold: dict[str, str] = {}  # the lines that were distrusted, and why, until `news` tells them

    @property
    def lines(self) -> Mapping[str, Line]:
        """All lines by their questions, as the file has them now."""
        if self._path is None:
            return self._lines
        try:
            found = self._path.stat()
        except OSError:
            self._seen_at, self._lines = None, {}
            return self._lines
        mark = (found.st_mtime_ns, found.st_ino)
        if mark != self._seen_at:
            self._lines, self._seen_at = self._read(), mark
        return self._lines

    def position(self, question: str) -> str:
        """The position that is certain, "" where none is."""
        line = self.lines.get(question)
        return line.position if line else ""

    def learn(self, found: Mapping[str, Seen]) -> bool:
        """Write down what a probe saw, in place of earlier lines for the same questions. False where it cannot.

        A question that could not be told keeps an earlier line, unless two answers disagree.
        """
        now = self._clock()
        fresh = {
            question: Line(position=seen.position, evidence=seen.evidence, at=now)
            for question, seen in found.items()
            if seen.position or seen.is_torn
        }
        return self._write(lambda lines: lines | fresh)

    def refresh(self, found: Mapping[str, Seen]) -> None:
        """Compare the lines with the facts of an ordinary answer."""
        lines, now = self.lines, self._clock()
        for question, seen in found.items():
            line = lines.get(question)
            if line is None or not line.position:
                continue
            if line.position != seen.position:
                # Nothing depends on a shape, so the doctor tells it, and no call.
                self.distrust(question, f"an answer showed {seen.position}: {seen.evidence}", is_told=False)
            elif now - line.at > REFRESH_AFTER:
                self.learn({question: seen})

    def distrust(self, question: str, why: str, *, is_told: bool = True) -> None:
        """Take the position of a line away, because an answer contradicts it. `why` is for people, without values.

        `news` tells it to the call that saw it, if `is_told`.
        """
        line = self.lines.get(question)
        if line is None or not line.position:
            return
        changed = replace(line, position="", evidence=why, at=self._clock(), distrusted=line.position)
        if is_told:
            self.untold[question] = why
        _log.warning("the profile's line %s (%s) is not trusted any more: %s", question, line.position, why)
        if not self._write(lambda lines: lines | {question: changed}):
            self._path, self._lines = None, {**self._lines, question: changed}  # at least in this process

    def news(self) -> list[str]:
        """A note for each line that was distrusted since this was last asked."""
        told, self.untold = self.untold, {}
        return [
            Note(
                "profile_distrusted",
                f"Heymarket behaves otherwise than this account's profile said ({question}): {why}. "
                "Every way is tried again. Run contacts-mcp probe anew.",
            )
            for question, why in told.items()
        ]

    # The file

    def _read(self) -> dict[str, Line]:
        """The newest lines under the names of the account."""
        accounts = _accounts_in(self._path)
        kept = [_lines_in(accounts[name]) for name in self._account.names if name in accounts]
        return max(kept, key=lambda lines: max((line.at for line in lines.values()), default=0.0), default={})

    def _write(self, change: Callable[[dict[str, Line]], dict[str, Line]]) -> bool:
        """Change the lines of the account, as the file has them now. False where it cannot be written."""
        path = self._path
        if path is None:
            return False
        try:
            path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            with FileLock(path.with_suffix(".json.lock"), timeout=_PATIENCE, mode=0o600):
                accounts = _accounts_in(path)
                lines = change(self._read())
                for name in self._account.names:  # their newest lines are in `lines`, and an older date must not win
                    accounts.pop(name, None)
                accounts[self._account.name] = {question: asdict(line) for question, line in lines.items()}
                _replace(path, json.dumps({"format": _FORMAT, "accounts": accounts}, indent=1))
        except (OSError, Timeout) as error:
            _log.warning("the profile cannot be written (%s)", type(error).__name__)
            return False
        self._lines, self._seen_at = lines, None
        return True


def _accounts_in(path: Path | None) -> dict[str, Any]:
    try:
        held = json.loads(path.read_text(encoding="utf-8")) if path else {}
    except (OSError, ValueError, RecursionError):
        return {}
    accounts = held.get("accounts") if isinstance(held, dict) and held.get("format") == _FORMAT else None
    return accounts if isinstance(accounts, dict) else {}


def _lines_in(held: Any) -> dict[str, Line]:
    """The lines that can be read."""
    lines: dict[str, Line] = {}
    for question, line in held.items() if isinstance(held, dict) else ():
        with suppress(TypeError, OverflowError):
            read = Line(**line)
            texts = (read.position, read.evidence, read.version, read.distrusted)
            if all(isinstance(text, str) for text in texts) and math.isfinite(read.at):
                lines[question] = read
    return lines


def _replace(path: Path, text: str) -> None:
    """Write the file whole or not at all, for its owner only. Raises OSError."""
    fresh = path.with_suffix(f".{secrets.token_hex(4)}")
    try:
        with os.fdopen(os.open(fresh, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600), "w", encoding="utf-8") as file:
            file.write(text)
        fresh.replace(path)
    finally:
        fresh.unlink(missing_ok=True)
