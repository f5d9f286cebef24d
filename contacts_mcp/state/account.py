"""The account in use: one team, under the names of all credentials that it was ever reached with from here.

- A credential's fingerprint is a name of its account (`Settings.account`). The server writes under the one in use.
- Credentials are renewed. The server reads under all names, so a new one finds changes, locks and limits of the old.
- Two credentials are of one account if the service told the same team id with both. Any reply may tell it in passing.
- The folder `accounts` has a file for each fingerprint. It holds two digests: of the address, and of address and team.
"""

from __future__ import annotations

import hashlib
import os
import secrets
import time
from pathlib import Path

_TICK = 2_000_000_000  # nanoseconds; the coarsest file systems count in two seconds


class Account:
    """One account. Without a `directory` it has the one name, and learns nothing."""

    def __init__(self, fingerprint: str, *, address: str = "", directory: Path | None = None) -> None:
        self._fingerprint = fingerprint
        self._address = address
        self._directory = directory
        self._seen_at: int | None = None
        self._known: dict[str, str] = {}  # fingerprint -> what its file holds
        self._unwritten: dict[str, str] = {}  # the same of this account, where the folder cannot be written

    @classmethod
    def of(cls, account: Account | str) -> Account:
        """`account`, or the one with that single name."""
        return account if isinstance(account, Account) else cls(account)

    @property
    def name(self) -> str:
        """The name to write under."""
        return self._fingerprint

    @property
    def names(self) -> tuple[str, ...]:
        """All names to look under. The one to write under comes first."""
        known = self._files()
        own = known.get(self._fingerprint)
        others = (name for name, team in known.items() if team == own and name != self._fingerprint) if own else ()
        return (self._fingerprint, *sorted(others))

    @property
    def lock_names(self) -> tuple[str, ...]:
        """The names to lock under.

        The fingerprint keeps out a process that does not know the team yet. The team's name keeps out one with another
        credential.
        """
        own = self._files().get(self._fingerprint)
        return (self._fingerprint, own.split()[1]) if own else (self._fingerprint,)

    @property
    def all_names(self) -> tuple[str, ...]:
        """The names to look under and those to lock under, each once."""
        return (*dict.fromkeys((*self.names, *self.lock_names)),)

    @property
    def may_have_other_names(self) -> bool:
        """Whether the team is not known, and others of the same address are."""
        known, here = self._files(), _digest(self._address)
        return self._fingerprint not in known and any(team.split()[0] == here for team in known.values())

    @property
    def is_unknown(self) -> bool:
        """Whether the team could be known, and is not."""
        return self._directory is not None and self._fingerprint not in self._files()

    def learn(self, team_id: int) -> None:
        """The service said which team the credential belongs to. The first word counts."""
        if self._directory is None or not self.is_unknown:
            return
        of_address, of_team = _digest(self._address), _digest(f"{self._address}\n{team_id}")
        try:
            self._directory.mkdir(parents=True, exist_ok=True, mode=0o700)
            fresh = self._directory / f".{self._fingerprint}.{secrets.token_hex(4)}"
            with os.fdopen(os.open(fresh, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600), "w", encoding="ascii") as file:
                file.write(f"{of_address} {of_team}")
            fresh.replace(self._directory / self._fingerprint)
        except OSError:  # it is known until this process ends, and is learned again by the next one
            self._unwritten[self._fingerprint] = f"{of_address} {of_team}"
        self._seen_at = None

    def _files(self) -> dict[str, str]:
        """The contents of the folder's files, by fingerprint. A file is never changed, so only new ones are read."""
        if self._directory is None:
            return {}
        try:
            changed_at = self._directory.stat().st_mtime_ns
            if changed_at != self._seen_at:
                if {path.name for path in self._directory.iterdir()} != self._known.keys():
                    self._known = dict(filter(None, map(_read, self._directory.iterdir())))
                # Two changes within one tick of the file system's clock have the same time.
                self._seen_at = changed_at if time.time_ns() - changed_at > _TICK else None
        except OSError:
            return self._unwritten
        return self._unwritten | self._known if self._unwritten else self._known


def _read(path: Path) -> tuple[str, str] | None:
    try:
        text = path.read_text(encoding="ascii")
    except (OSError, ValueError):
        return None
    is_whole = len(text.split()) == len(("address", "team")) and not path.name.startswith(".")
    return (path.name, text) if is_whole else None


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:16]
