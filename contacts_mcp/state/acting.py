"""Who acts: the person on whose behalf a call is made, for the journal. Empty where everybody is the same."""

from __future__ import annotations

from contextvars import ContextVar

who: ContextVar[str] = ContextVar("who", default="")
"""A name that people know, such as an e-mail address or the name of a token."""
