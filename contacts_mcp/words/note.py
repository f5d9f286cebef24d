"""A note: one sentence of an answer for the reader, with a stable `kind` for programs.

The text may be reworded at any time. The `kind` may not: tests, metrics and callers go by it.
"""

from __future__ import annotations

from typing import Self


class Note(str):
    """A text with a `kind`, such as `assumed_country`. It is used wherever a text is."""

    __slots__ = ("kind",)

    kind: str

    def __new__(cls, kind: str, text: str) -> Self:
        note = super().__new__(cls, text)
        note.kind = kind
        return note

    def __reduce__(self) -> tuple[type[Note], tuple[str, str]]:
        """For copies: `dataclasses.asdict` copies every text it meets."""
        return type(self), (self.kind, str(self))
