"""The use of the account's profile for a write. Where the profile says nothing, both ways are tried."""

from __future__ import annotations

from collections.abc import Iterable

from contacts_mcp.book.fields import NAMES
from contacts_mcp.state.profile import Profile

USELESS = ("does nothing", "refused")
_LINES = {"": "clear_empty", None: "clear_null"}


def first_way_to_clear(profile: Profile) -> str | None:
    """The JSON value to empty a text with: null if it is known to work and "" not to, else ""."""
    knows = profile.position(_LINES[""]) in USELESS and profile.position(_LINES[None]) == "empties"
    return None if knows else ""


def other_way_to_clear(profile: Profile, tried: str | None) -> tuple[str | None] | None:
    """The other value, in a tuple because it may be null. None where it is known to be useless.

    A line that said that `tried` works is not trusted any more.
    """
    if profile.position(_LINES[tried]) == "empties":
        profile.distrust(_LINES[tried], f"a text was sent as {'null' if tried is None else 'empty'} and kept its value")
    other = None if tried == "" else ""
    return None if profile.position(_LINES[other]) in USELESS else (other,)


def keeps_names(profile: Profile) -> bool:
    """Whether a PUT without names is known to leave them alone."""
    return profile.position("put_names") == "kept"


def lost_names(profile: Profile, disturbed: Iterable[str]) -> list[str]:
    """The names that a PUT without them changed although the profile says otherwise. Its line is then not trusted."""
    lost = [name for name in disturbed if name in NAMES]
    if lost:
        profile.distrust("put_names", f"{', '.join(lost)} changed in a PUT that did not send them")
    return lost
