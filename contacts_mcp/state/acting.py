"""Who acts: the person on whose behalf a call is made, for the journal and for the log. Empty where nobody logs in."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

who: ContextVar[str] = ContextVar("who", default="")
"""A name that people know, such as an e-mail address or the name of a token. It is for the journal alone."""

subject: ContextVar[str] = ContextVar("subject", default="")
"""The person as the issuer names them: `ISSUER SUBJECT`. The log holds only a keyed digest of it."""

account: ContextVar[str] = ContextVar("account", default="")
"""The fingerprint of the account in use, `Settings.account`. The log holds it."""

request: ContextVar[str] = ContextVar("request", default="")
"""The id of the HTTP request, in hexadecimal digits. Its answer and the log's lines hold it."""


scopes: ContextVar[frozenset[str] | None] = ContextVar("scopes", default=None)
"""The scopes of the person. None where everybody may do everything."""


def lacks(*needed: str) -> list[str]:
    """Those of the scopes `needed` that the person does not have."""
    has = scopes.get()
    return [] if has is None else [scope for scope in needed if scope not in has]


@contextmanager
def acting_for(name: str, *, person: str, fingerprint: str, may: frozenset[str] | None = None) -> Iterator[None]:
    """Within this, calls are made on behalf of somebody.

    `name` is for the journal, `person` is `ISSUER SUBJECT`, and `fingerprint` is that of the account. `may` are the
    scopes of the person, None for all.
    """
    given: tuple[tuple[ContextVar[Any], Any], ...] = (
        (who, name),
        (subject, person),
        (account, fingerprint),
        (scopes, may),
    )
    tokens = [(variable, variable.set(value)) for variable, value in given]
    try:
        yield
    finally:
        for variable, token in tokens:
            variable.reset(token)
