"""The rows of a sandbox, with somebody who sees every change of one."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from contacts_mcp.sandbox.rows.records import Record, Records

See = Callable[[Callable[[Any], Any], Any], Any]
"""Carries out a change: the function that makes it, and its argument, a record or the id of one."""


class WatchedRecords(Records):
    """Rows whose every change goes by `see`.

    This is a class, and no functions are put on the rows. Rows that forget (`ForgetfulRecords`) share the members of
    these. A change that is only pretended must not be seen, nor made.
    """

    see: See

    @classmethod
    def watch(cls, records: Records, see: See) -> None:
        """Let every change of these rows go by `see` from now on."""
        records.__class__ = cls
        records.see = see  # type: ignore[attr-defined] # it is of this class now

    def insert(self, record: Record) -> int:
        """As `Records.insert`."""
        return int(self.see(super().insert, record))

    def replace(self, record: Record) -> None:
        """As `Records.replace`."""
        self.see(super().replace, record)

    def delete(self, contact_id: int) -> None:
        """As `Records.delete`."""
        self.see(super().delete, contact_id)
