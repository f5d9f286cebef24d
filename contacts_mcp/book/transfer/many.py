"""One change for many: which contacts are meant, and the edit that all of them get."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from contacts_mcp.book.book import Book
from contacts_mcp.book.listing.filters import ANY_VALUE
from contacts_mcp.book.people.requests import Edit, Wanted, resolved
from contacts_mcp.book.transfer.gathering import gather
from contacts_mcp.book.transfer.looking import all_of
from contacts_mcp.book.transfer.planning import plan_update
from contacts_mcp.book.transfer.where import filters_of
from contacts_mcp.errors import InvalidArgument, Refused
from contacts_mcp.models import Contact
from contacts_mcp.state.imports import StoredPlan
from contacts_mcp.words.display import quoted

_VALUE = 40  # characters of a value in the description of a change


@dataclass(frozen=True, slots=True, kw_only=True)
class Chosen:
    """The contacts that are meant: by filters or by ids."""

    where: Mapping[str, str] = field(default_factory=dict)
    contact_ids: Sequence[int] = ()

    @property
    def described(self) -> str:
        if self.contact_ids:
            many = len({*self.contact_ids})
            return f"{many} contact{'' if many == 1 else 's'} by id"
        return ", ".join(_filter(name, value) for name, value in self.where.items())


def _filter(name: str, value: str) -> str:
    """A filter in words. The question of a change has these, so a field with no value or any value is said as that."""
    if not value.strip():
        return f"no {name}"
    return f"any {name}" if value.strip() == ANY_VALUE else f"{name} {value}"


def told(wanted: Wanted) -> str:
    """The change in the words of the person who asks for it: `Plan = "Gold", add tags "VIP"`."""
    lists = (("add tags", wanted.add_tags), ("remove tags", wanted.remove_tags), ("empty", wanted.clear))
    parts = [
        *(f"{name} = {quoted(value, limit=_VALUE)}" for name, value in wanted.custom_fields.items()),
        *([f"assignee = {quoted(wanted.assignee, limit=_VALUE)}"] if wanted.assignee else []),
        *(f"{verb} {', '.join(quoted(name, limit=_VALUE) for name in names)}" for verb, names in lists if names),
        *(["opt out of texts"] if wanted.is_opted_out else []),
    ]
    return ", ".join(parts)


async def edit_for(book: Book, chosen: Chosen, wanted: Wanted) -> Edit:
    """The edit that all of them get. Raises InvalidArgument, UnknownName, Refused."""
    if bool(chosen.where) == bool(chosen.contact_ids):
        raise InvalidArgument(
            "where or contact_ids", "exactly one says which contacts are meant.", expected='As where: {"tag": "VIP"}.'
        )
    filters_of(chosen.where)  # a wrong one is told at once
    if wanted.is_opted_out is False:
        raise Refused(
            "Nobody is opted in for many at once, which needs the consent of each. Use update_contact for one. "
            "Nothing was changed.",
            kind="no_opt_in",
        )
    edit = await resolved(wanted, book.vocabulary)
    if edit == Edit({}):
        raise InvalidArgument(
            "update_contacts", "nothing to change was given.", expected='For example add_tags: ["VIP"].'
        )
    return edit


async def begin_change(
    book: Book, chosen: Chosen, wanted: Wanted, edit: Edit, given: Mapping[str, str] | None = None
) -> int:
    """The number of an empty plan for that change. `given` are digests of the arguments it is made with."""
    facts = {"file": chosen.described, "change": told(wanted), "edit": repr(edit)}
    return await book.imports.begin("update", facts, {"given": dict(given)} if given else {})


async def plan_change(book: Book, plan: int, chosen: Chosen, edit: Edit) -> StoredPlan:
    """Fill a plan that makes one change to all of these contacts. Raises UnknownName, UpstreamError."""
    async with book.imports.filling(plan):
        if chosen.contact_ids:
            contacts, notes = await _by_ids(book, chosen.contact_ids)
        else:
            gathered = await gather(book, filters_of(chosen.where), patience=math.inf)
            contacts, notes = [*gathered.contacts.values()], [*map(str, gathered.notes)]
        begun = await book.imports.plan(plan)
        assert begun is not None
        await book.imports.set(plan, facts=begun.facts | {"assumptions": notes})
        return await plan_update(book, plan, contacts, edit)


async def _by_ids(book: Book, ids: Sequence[int]) -> tuple[list[Contact], list[str]]:
    """The contacts in the order of the ids, and a note on ids that nobody has."""
    found: dict[int, Contact] = {}

    async def get(number: int) -> None:
        contact = await book.api.get_contact(number)
        if contact is not None:
            found[number] = contact

    wanted = list(dict.fromkeys(ids))
    await all_of([(get, number) for number in wanted])
    missing = [number for number in wanted if number not in found]
    told = f"{len(missing)} of the ids are no contact: {', '.join(map(str, missing[:5]))}."
    return [found[number] for number in wanted if number in found], [told] if missing else []
