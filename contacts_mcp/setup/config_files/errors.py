"""The one thing that can go wrong with a configuration file."""

from __future__ import annotations

from contacts_mcp.errors import AccountError


class ConfigFileUnusable(AccountError):
    """The file cannot be read, understood or replaced, and was left alone. The text says why and quotes nothing."""
