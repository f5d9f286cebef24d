"""Static bearer tokens for small teams: the token, and the lines of the accounts file that admit it."""

from __future__ import annotations

import hashlib
import json
import secrets
from collections.abc import Sequence

from contacts_mcp.accounts import ENTRY, LONGEST_NAME, SCOPES, is_plain
from contacts_mcp.errors import ContactsError
from contacts_mcp.words.display import quoted

BYTES = 32  # of chance; so many need no slow hash
_PREFIX = "cmcp_"  # by which scanners for secrets can know one


class NoToken(ContactsError):
    """No token is made for this name or these scopes. The text names the argument."""


def new_token() -> str:
    """A token that nobody can guess."""
    return _PREFIX + secrets.token_urlsafe(BYTES)


def lines_for(name: str, token: str, scopes: Sequence[str]) -> str:
    """The lines (TOML) that admit `token` with these scopes. Raises NoToken."""
    name = name.strip()
    if not name or len(name) > LONGEST_NAME or not is_plain(name):
        raise NoToken(f"NAME is that of the person: 1 to {LONGEST_NAME} characters in one line.")
    stranger = next((scope for scope in scopes if scope not in SCOPES), None)
    if stranger is not None:
        raise NoToken(f"--scopes: {quoted(stranger, limit=60)} is none. There are: {', '.join(SCOPES)}.")
    if ENTRY not in scopes:
        raise NoToken(f"--scopes lacks {ENTRY}, without which nobody comes in.")
    digest = hashlib.sha256(token.encode()).hexdigest()
    return "\n".join(
        (
            "[[accounts.NAME.tokens]]",
            f"name = {json.dumps(name, ensure_ascii=False)}",  # a text of JSON in one line is one of TOML
            f'sha256 = "{digest}"',
            f"scopes = {json.dumps([*scopes])}",
        )
    )
