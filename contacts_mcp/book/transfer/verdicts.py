"""The verdict on a row of a plan: it runs now, it has moved, or nothing is left to do."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from contacts_mcp.book.writing.plan import Plan
from contacts_mcp.models import Contact
from contacts_mcp.state.journal import Action


@dataclass(frozen=True, slots=True)
class Go:
    """The row runs as planned."""

    plan: Plan
    contact: Contact | None = None  # as it is now


@dataclass(frozen=True, slots=True)
class Moved:
    """The book is another one than was planned, so the row does not run."""

    why: str
    now: Mapping[str, Any] = field(default_factory=dict)  # key -> [as planned, as it is]


ACTIONS: Mapping[str, Action] = {
    "new": "create",
    "create_again": "create",
    "fill": "update",
    "update": "update",
    "restore": "update",
    "delete": "delete",
}
"""The decisions that run, and the write of each."""

Verdict = Go | Moved | None
"""None where everything is so already."""
