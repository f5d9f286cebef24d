"""The use of the account's profile for a write. Where the profile says nothing, both ways are tried."""

from __future__ import annotations

from contacts_mcp.book.fields import NAMES
from contacts_mcp.book.values import is_empty
from contacts_mcp.book.writing.plan import Plan, Sight
from contacts_mcp.models import Value, Values
from contacts_mcp.state.profile import Profile

USELESS = ("does nothing", "refused")
_LINES = {"": "clear_empty", None: "clear_null"}
_REFUSED = "a PUT of this kind was refused, and the same one in the usual form was taken"


def first_way_to_clear(profile: Profile) -> str | None:
    """The JSON value to empty a text with: null if it is known to work and "" not to, else ""."""
    knows = profile.position(_LINES[""]) in USELESS and profile.position(_LINES[None]) == "empties"
    return None if knows else ""


def other_way_to_clear(profile: Profile, tried: str | None) -> tuple[str | None] | None:
    """The other value, in a tuple because it may be null. None where it is known to be useless.

    A line that said that `tried` works is not trusted any more, and neither is the line about the other value.
    """
    other = None if tried == "" else ""
    if profile.position(_LINES[tried]) == "empties":
        sent = "null" if tried is None else "empty"
        for line in (_LINES[tried], _LINES[other]):
            profile.distrust(line, f"a text was sent as {sent} and kept its value")
    return None if profile.position(_LINES[other]) in USELESS else (other,)


def keeps_names(profile: Profile) -> bool:
    """Whether a PUT without names is known to leave them alone."""
    return profile.position("put_names") == "kept"


def refused_as_known(profile: Profile, plan: Plan, *, empty: str | None, leaves_names_out: bool) -> None:
    """An update was refused in the form that the profile told, and taken in the usual one."""
    if plan.body(keeps_names=leaves_names_out) != plan.body():
        profile.distrust("put_names", _REFUSED)
    if plan.body(empty=empty) != plan.body():
        profile.distrust(_LINES[empty], _REFUSED)


def lost_names(profile: Profile, plan: Plan, seen: Sight, *, change: str = "") -> dict[str, Value]:
    """The names that an update without them took away although the profile says otherwise, as they were before.

    The line of the profile is then not trusted. Where another write may have come in between, somebody may have given
    a new name. Only an empty one counts then, or a display name that the service made of the others.
    """
    now = seen.values or {}
    is_one_write = 0 < plan.rev_before == seen.rev - 1
    changed = [name for name in plan.disturbed(now) if name in NAMES]
    lost = {name: plan.before.get(name, "") for name in changed if is_one_write or _is_made_by_service(name, now)}
    if lost:
        profile.distrust("put_names", f"{', '.join(lost)} changed in a PUT that did not send them{change}")
    return lost


def _is_made_by_service(name: str, now: Values) -> bool:
    found = now.get(name, "")
    made = f"{now.get('first', '')} {now.get('last', '')}".strip()
    return is_empty(found) or (name == "display_name" and found == made)
