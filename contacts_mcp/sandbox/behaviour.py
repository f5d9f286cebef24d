"""The switches for everything that is unknown about the real API (heymarket-api.md, section 6).

Every question is one field, so that a client can be tested against each answer.
"""

from __future__ import annotations

from typing import Any, Literal, get_args, get_origin, get_type_hints

from pydantic import ConfigDict
from pydantic.dataclasses import dataclass

from .rows.replica import Lag
from .rows.timestamps import Offset, Precision


@dataclass(frozen=True, config=ConfigDict(strict=True, extra="forbid"))
class Behaviour:
    """The positions of all switches."""

    create_status: Literal[200, 201] = 200
    error_body: Literal["error", "error_code", "text", "html", "empty"] = "error"
    not_found: Literal["404", "400", "null"] = "404"
    known_phone: Literal["reject", "update", "double"] = "reject"  # or a second contact, also by a PUT
    batch_reply: Literal["failed", "ok", "contacts"] = "failed"
    batch_limit: int = 0  # contacts of one batch. 0 is no limit
    batch_unsent: Literal["as_put", "keep", "clear"] = "as_put"  # members that a batch with overwrite does not send
    put_without_names: Literal["blank", "keep"] = "blank"
    tags_on_put: Literal["replace", "add"] = "replace"
    unknown_custom_key: Literal["drop", "reject"] = "drop"
    clears_with: Literal["empty", "null", "both", "neither"] = "both"  # the JSON value that empties a member on PUT
    cursor: Literal["strict", "inclusive"] = "strict"
    honours_page: bool = False
    honours_limit: bool = False
    page_size: int = 30
    max_limit: int = 500
    timestamps: Precision = "seconds"
    offset: Offset = "Z"
    empty_members: Literal["omit", "send"] = "omit"
    sends_opt_out: bool = True
    sends_uuid: bool = True
    sends_rev: bool = True  # in reads of contacts. Receipts always carry it
    sends_updated: bool = True  # in reads of contacts
    phone_plus: bool = False
    tag_shape: Literal["tag_id", "object", "bare"] = "tag_id"
    lists: Literal["bare", "wrapped"] = "bare"
    ids_as_strings: bool = False
    field_name_key: Literal["title", "name"] = "title"
    count_shape: Literal["number", "string", "object"] = "number"
    requests_per_minute: int = 500  # for one credential. 0 is no limit.
    retry_after: int | None = None
    read_delay_writes: int = 0  # so many reads of a contact do not see the latest write yet: Lag(reads=...) in short
    lags: tuple[Lag, ...] = ()  # reads that lag behind every write from now on

    @property
    def every_lag(self) -> tuple[Lag, ...]:
        """`lags`, and the short one."""
        return (*self.lags, Lag(reads=self.read_delay_writes))

    @classmethod
    def switches(cls) -> dict[str, tuple[Any, ...]]:
        """Every field with finitely many sides -> all its sides, for parametrized tests."""
        hints = get_type_hints(cls)
        return {name: sides for name, hint in hints.items() if (sides := _sides(hint))}


def _sides(hint: Any) -> tuple[Any, ...]:
    if hint is bool:
        return (False, True)
    return get_args(hint) if get_origin(hint) is Literal else ()
