"""Rows that are sent in a shape other than the stored one, as data. They test how a client takes odd records."""

from __future__ import annotations

from dataclasses import field
from typing import Any, Literal

from pydantic import ConfigDict
from pydantic.dataclasses import dataclass

from .rows.records import Record

Row = Literal["contact", "field", "tag", "member"]


@dataclass(frozen=True, config=ConfigDict(strict=True, extra="forbid"))
class Oddity:
    """The odd shape of one row in every read that sends it. The stored row stays as it is."""

    id: int  # of the row
    row: Row = "contact"
    members: dict[str, Any] = field(default_factory=dict)  # any JSON, sent in place of the right values
    without: tuple[str, ...] = ()  # members that are left out


class Oddities(list[Oddity]):
    """All oddities. Later ones win over earlier ones."""

    def applied(self, shown: Record, *, row: Row, row_id: int) -> Record:
        """`shown` as it is sent."""
        for odd in self:
            if (odd.row, odd.id) == (row, row_id):
                shown = {name: value for name, value in {**shown, **odd.members}.items() if name not in odd.without}
        return shown
