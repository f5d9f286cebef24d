"""The driver of PostgreSQL, and the address that both pools connect to: `database.py` and `index_pool.py`.

No error here holds the address, which may hold a password.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from contacts_mcp.errors import AccountError

if TYPE_CHECKING:
    from types import ModuleType

_ADDED = {  # to the address, where it says nothing else
    "connect_timeout": "2",
    "keepalives_idle": "5",
    "keepalives_interval": "2",
    "keepalives_count": "2",
    "tcp_user_timeout": "3000",
    "application_name": "contacts-mcp",
}


def drivers() -> tuple[ModuleType, ModuleType]:
    """The driver and its pools, both with a quiet log: they write hosts, ports and texts of errors.

    Raises AccountError where they are not installed.
    """
    try:
        import psycopg
        import psycopg.rows
        import psycopg_pool
    except ImportError:
        raise AccountError(
            "CONTACTS_MCP_DATABASE_URL needs a driver that is not installed. "
            "The owner of this server can install it: pip install '.[team]' in a copy of the repository."
        ) from None
    for name in ("psycopg", "psycopg.pool"):
        logging.getLogger(name).setLevel(logging.CRITICAL)
    return psycopg, psycopg_pool


def address_of(driver: ModuleType, url: str) -> str:
    """`url` with the time limits that it does not set itself. Raises AccountError."""
    try:
        given = driver.conninfo.conninfo_to_dict(url)
    except driver.Error:  # its text holds a part of the address
        raise AccountError(
            "CONTACTS_MCP_DATABASE_URL cannot be read. "
            "It should look like postgresql://USER:PASSWORD@HOST:5432/DATABASE."
        ) from None
    return str(driver.conninfo.make_conninfo(**_ADDED | given))
