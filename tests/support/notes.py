"""The question that tests ask of notes."""

from __future__ import annotations

from collections.abc import Iterable

from contacts_mcp.words.note import Note


def kinds(notes: Iterable[str]) -> list[str]:
    """The kinds of these notes, in order. Every one must have a kind."""
    found = [*notes]
    assert all(isinstance(note, Note) for note in found), found
    return [note.kind for note in found if isinstance(note, Note)]
