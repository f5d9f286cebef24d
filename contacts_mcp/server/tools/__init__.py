"""What the assistant sees: `TOOLS`, the table of everything offered, in the order shown.

A tool is a few lines over `book`; it has no rules of its own and catches nothing.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel

from contacts_mcp.server import views
from contacts_mcp.server.tools.changes import list_changes, undo_change
from contacts_mcp.server.tools.contacts import (
    create_contact,
    delete_contact,
    list_contacts,
    lookup_contact,
    update_contact,
)
from contacts_mcp.server.tools.fields import list_contact_fields


@dataclass(frozen=True, slots=True, kw_only=True)
class Offer:
    """One tool: its function, the model of its answers, title, group, and all four hints (the protocol's defaults are destructive and open-world)."""

    function: Callable[..., Any]
    answers: type[BaseModel]
    title: str
    group: str
    reads_only: bool
    destructive: bool = False
    idempotent: bool = True

    @property
    def name(self) -> str:
        return self.function.__name__

    @property
    def description(self) -> str:
        return (self.function.__doc__ or "").strip()


TOOLS: tuple[Offer, ...] = (
    Offer(
        function=create_contact, answers=views.WriteResult, title="Create contact", group="contacts", reads_only=False
    ),
    Offer(
        function=lookup_contact, answers=views.LookupResult, title="Look up contact", group="contacts", reads_only=True
    ),
    Offer(
        function=update_contact,
        answers=views.WriteResult,
        title="Update contact",
        group="contacts",
        reads_only=False,
        destructive=True,
    ),
    Offer(
        function=delete_contact,
        answers=views.WriteResult,
        title="Delete contact",
        group="contacts",
        reads_only=False,
        destructive=True,
    ),
    Offer(function=list_contacts, answers=views.ListResult, title="List contacts", group="contacts", reads_only=True),
    Offer(
        function=list_contact_fields,
        answers=views.FieldsResult,
        title="List custom fields",
        group="fields",
        reads_only=True,
    ),
    Offer(function=list_changes, answers=views.ChangesResult, title="List changes", group="history", reads_only=True),
    Offer(
        function=undo_change,
        answers=views.WriteResult,
        title="Undo change",
        group="history",
        reads_only=False,
        destructive=True,
    ),
)
