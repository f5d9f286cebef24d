"""The names of the sandbox's office, for tests of plain functions.

`tests/book/test_vocabulary.py` holds them against the sandbox.
"""

from __future__ import annotations

from collections.abc import Iterable

from contacts_mcp.book.vocabulary import Snapshot
from contacts_mcp.words.names import Named, Names

FIELDS = {
    31: "Plan",
    32: "Renewal Date",
    33: "Region",
    34: "Customer #",
    35: "Preferred Language",
    36: "Account Manager",
    37: "",
    38: "Notes",
    39: "notes ",
    40: "Été / Saison",
}
TAGS = {101: "VIP", 102: "Lead", 103: "Newsletter", 104: "Past Due", 105: "Supplier", 106: "Do Not Call"}
MEMBERS = (
    Named(501, "Alex Kim", ("alex@example.com", "Alex")),
    Named(502, "Priya Patel", ("priya@example.com", "Priya")),
    Named(503, "Marco Rossi", ("marco@example.com", "Marco")),
    Named(504, "Dana Lee", ("dana.lee@example.com", "Dana")),
    Named(505, "Dana Levy", ("dana.levy@example.com", "Dana")),
)


def names(*, fields: dict[int, str] | None = None, members: Iterable[Named] = ()) -> Snapshot:
    """The office's names, with `fields` and `members` besides."""
    return Snapshot(
        fields=Names("custom field", [Named(*item) for item in (FIELDS | (fields or {})).items()], hint="See fields."),
        tags=Names("tag", [Named(*item) for item in TAGS.items()], hint="See tags."),
        members=Names("team member", [*MEMBERS, *members], hint="See members."),
    )


OFFICE = names()
