"""Lists of people to import, as a table in text."""

from __future__ import annotations


def table(count: int, *, first: int = 200, **more: str) -> str:
    """So many people with names and an address each, and `more` columns with one value for all."""
    header = ",".join(["Phone,First name,Last name,Email", *more])
    rows = (
        ",".join([f"510555{number:04},F{number},L{number},p{number}@example.com", *more.values()])
        for number in range(first, first + count)
    )
    return "\n".join([header, *rows])
