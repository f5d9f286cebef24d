"""The filters of `list_contacts`, which the service does not have: every contact is read and tested here.

- Names of tags, team members and custom fields are resolved first, in `_resolved` alone, on one snapshot.
- A lower bound on `updated` or `created` ends the walk early, because no contact is created after it was updated.
- Where nobody passes, the answer makes offers: contacts that another filter excludes, near names, values in use.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, tzinfo

from contacts_mcp.book.fields import NAMES
from contacts_mcp.book.vocabulary import EVERYTHING, NOBODY, ListName, Snapshot
from contacts_mcp.errors import InvalidArgument, UnknownName
from contacts_mcp.models import Contact
from contacts_mcp.words.dates import looks_like_date_field, read_date
from contacts_mcp.words.display import quoted, word
from contacts_mcp.words.folding import fold, unaccented
from contacts_mcp.words.names import Named, Names
from contacts_mcp.words.note import Note
from contacts_mcp.words.phones import show
from contacts_mcp.words.zones import day_of, first_moment, name_of

MOST_NAMES = 3  # offered where nobody has the requested name
MOST_VALUES = 5  # listed where nobody has the requested custom value
NAME = 60  # characters of a name or value in a note

_DATES = ("created_after", "created_before", "updated_after", "updated_before")


@dataclass(frozen=True, slots=True, kw_only=True)
class Filters:
    """The wanted contacts. None means any.

    Dates are days of the account's time zone (`2026-11-01`) or RFC 3339 moments. `_after` includes its moment, and
    `_before` does not.
    """

    name: str | None = None
    tag: str | None = None
    assignee: str | None = None
    custom_fields: Mapping[str, str] = field(default_factory=dict)
    is_opted_out: bool | None = None
    created_after: str | None = None
    created_before: str | None = None
    updated_after: str | None = None
    updated_before: str | None = None


@dataclass(frozen=True, slots=True)
class Test:
    """One filter with its names resolved."""

    member: str  # that decides, as `Contact.unread` names it
    passes: Callable[[Contact], bool]
    wanted: str  # the contacts that pass, as in "no contact ... is called so"
    differs: Callable[[Contact], str]  # why a contact does not pass, as in "she ..."


@dataclass(frozen=True, slots=True)
class CustomValue:
    """A custom value asked for. An empty text asks for contacts without a value."""

    field_id: int
    label: str
    text: str


@dataclass(frozen=True, slots=True)
class Matcher:
    """The filters of one call."""

    name: str | None  # the name asked for
    has_name: Callable[[Contact], bool]
    tests: Sequence[Test]  # all but the name
    custom: Sequence[CustomValue]
    since: datetime | None  # contacts updated before are of no interest
    until: datetime | None  # contacts updated from then on are of no interest
    is_by_opt_out: bool

    @property
    def is_of_all(self) -> bool:
        """Whether there is no filter."""
        return self.name is None and not self.tests

    def passes(self, contact: Contact) -> bool:
        return all(test.passes(contact) for test in self.tests) and self.has_name(contact)

    def may_pass(self, contact: Contact) -> bool:
        """Whether a contact that does not pass might, because a member that decides cannot be read."""
        may_have_name = self.has_name(contact) or any(name in contact.unread for name in NAMES)
        may_pass = all(test.passes(contact) or _is_unread(test.member, contact) for test in self.tests)
        return may_have_name and may_pass and not self.passes(contact)

    def is_below(self, contact: Contact) -> bool:
        """Whether this contact and all that follow it were updated before the range asked for."""
        return self.since is not None and contact.updated_at is not None and contact.updated_at < self.since


def _is_unread(member: str, contact: Contact) -> bool:
    return member in contact.unread or (member.startswith("custom.") and "custom" in contact.unread)


EVERYBODY = Matcher(None, lambda _: True, (), (), None, None, is_by_opt_out=False)


def needed_lists(filters: Filters) -> list[ListName]:
    """The lists of names that the filters mention."""
    mentioned: dict[ListName, bool] = {
        "fields": bool(filters.custom_fields),
        "tags": filters.tag is not None,
        "members": filters.assignee is not None and not _is_nobody(filters.assignee),
    }
    return [name for name, is_mentioned in mentioned.items() if is_mentioned]


def matcher_for(filters: Filters, names: Snapshot, zone: tzinfo | None) -> Matcher:
    """The filters with every name and date resolved.

    Raises InvalidArgument, or UnknownName with every name that is not known.
    """
    bounds = _bounds(filters, zone)
    has_name = _name_test(filters.name) if filters.name is not None else lambda _: True
    tests = [_date_test(name, bound, zone) for name, bound in bounds.items()]
    if filters.is_opted_out is not None:
        tests.append(_opt_out_test(filters.is_opted_out))
    tag, member, custom = _resolved(filters, names)
    if filters.tag is not None:
        tests.append(_tag_test(tag, names.tags.label(tag)))
    if filters.assignee is not None:
        tests.append(_assignee_test(member, names.members.label(member) if member else ""))
    return Matcher(
        name=filters.name,
        has_name=has_name,
        tests=[*tests, *map(_custom_test, custom)],
        custom=custom,
        since=max((bounds[name] for name in ("updated_after", "created_after") if name in bounds), default=None),
        until=bounds.get("updated_before"),
        is_by_opt_out=filters.is_opted_out is not None,
    )


# --- names ---


def _resolved(filters: Filters, names: Snapshot) -> tuple[int, int, list[CustomValue]]:
    """The ids of the tag and the team member, 0 for none, and the custom values with their fields."""
    misses: list[UnknownName] = []

    def meant(text: str, among: Names, argument: str, hint: str = "") -> int:
        try:
            return among.resolve(text, argument=argument).id
        except UnknownName as miss:
            misses.append(_in_a_filter(miss, text, among, hint))
            return 0

    tag = member = 0
    if filters.tag is not None:
        no_tags = "Contacts without tags cannot be listed." if _is_nobody(filters.tag) else ""
        tag = meant(filters.tag, names.tags, "tag", no_tags)
    if filters.assignee is not None and not _is_nobody(filters.assignee):
        hint = 'Use a name, an e-mail or an id; "none" lists the contacts of nobody.'
        member = meant(filters.assignee, names.members, "assignee", hint)
    numbers = {name: meant(name, names.fields, "custom_fields") for name in filters.custom_fields}
    if misses:
        raise UnknownName.of_several(misses)
    return tag, member, [
        CustomValue(number, label := names.fields.label(number), _sought_value(label, filters.custom_fields[name]))
        for name, number in numbers.items()
    ]  # fmt: skip


def _sought_value(label: str, text: str) -> str:
    """The text to look for in a field. A day in a field of dates is written as it would be stored."""
    if not looks_like_date_field(label):
        return text.strip()
    try:
        return read_date(text.strip(), argument="custom_fields", field=label).text
    except InvalidArgument:
        return text.strip()  # somebody may have stored just that


def _is_nobody(text: str) -> bool:
    return text.strip().casefold() in NOBODY


def _in_a_filter(miss: UnknownName, text: str, among: Names, hint: str) -> UnknownName:
    """The same error with a hint about filters. That of the list speaks of changing a contact."""
    if miss.is_ambiguous:
        return miss
    if text.strip().casefold() in EVERYTHING:
        way = f"Leave {miss.argument} out to list contacts with any."
        return UnknownName(miss.argument, among.absence(text), expected=way)
    return UnknownName(miss.argument, miss.problem, candidates=miss.candidates, expected=hint or miss.expected)


# --- tests ---


def _bounds(filters: Filters, zone: tzinfo | None) -> dict[str, datetime]:
    bounds = {name: _bound(text, name, zone) for name in _DATES if (text := getattr(filters, name)) is not None}
    for member in ("created", "updated"):
        after, before = bounds.get(f"{member}_after"), bounds.get(f"{member}_before")
        if after and before and after >= before:
            raise InvalidArgument(
                f"{member}_before",
                f"is not later than {member}_after, so no contact can be between.",
                expected="Exchange them, or leave one out.",
            )
    return bounds


def _bound(text: str, argument: str, zone: tzinfo | None) -> datetime:
    bound = first_moment(text, zone)
    if bound is None:
        today = f"Today is {day_of(datetime.now(UTC), zone)} ({name_of(zone)})."
        raise InvalidArgument(
            argument,
            f"{quoted(text, limit=40)} is not a date.",
            expected=f"Expected a day such as 2026-11-01 or a moment such as 2026-11-01T09:00:00Z. {today}",
        )
    return bound


def _date_test(name: str, bound: datetime, zone: tzinfo | None) -> Test:
    member, side = name.split("_")
    is_after = side == "after"

    def at(contact: Contact) -> datetime | None:
        return contact.created_at if member == "created" else contact.updated_at

    def passes(contact: Contact) -> bool:
        moment = at(contact)
        return moment is not None and (moment >= bound if is_after else moment < bound)

    def differs(contact: Contact) -> str:
        moment = at(contact)
        return f"was {member} {f'on {day_of(moment, zone)}' if moment else 'at an unknown time'}"

    day = day_of(bound, zone)
    return Test(member, passes, f"{member} {f'from {day} on' if is_after else f'before {day}'}", differs)


def _name_test(text: str) -> Callable[[Contact], bool]:
    """Every word of `text` is in the name, in any order: "Rossi, Hiroshi" finds Hiroshi Rossi."""
    words = [fold(word) for word in text.replace(",", " ").split() if any(map(str.isalnum, word))]
    if not words:
        raise InvalidArgument("name", "is empty.", expected='Expected part of a name, such as "rivera".')
    if "@" in text or not any(char.isalpha() for char in text):
        problem = f"{quoted(text, limit=NAME)} is not part of a name."
        raise InvalidArgument("name", problem, expected="Look up a phone, e-mail or id with lookup_contact.")

    def passes(contact: Contact) -> bool:
        names = [fold(name) for name in (contact.display_name, f"{contact.first} {contact.last}")]
        return any(all(word in name for word in words) for name in names)

    return passes


def _tag_test(tag: int, label: str) -> Test:
    shown = quoted(label, limit=NAME)
    return Test("tags", lambda contact: tag in contact.tags, f"with tag {shown}", lambda _: f"lacks the tag {shown}")


def _assignee_test(member: int, label: str) -> Test:
    """`member` is an id, or 0 for contacts of nobody."""
    other = "somebody else" if member else "somebody"
    return Test(
        "assigned_user_id",
        lambda contact: (contact.assigned_user_id or 0) == member,
        f"assigned to {quoted(label, limit=NAME) if member else 'nobody'}",
        lambda contact: f"is assigned to {other if contact.assigned_user_id else 'nobody'}",
    )


def _custom_test(value: CustomValue) -> Test:
    wanted, label = unaccented(value.text), word(value.label)

    def differs(contact: Contact) -> str:
        has = contact.custom.get(value.field_id, "")
        return f"has {label} {quoted(has, limit=NAME)}" if has else f"has no {label}"

    return Test(
        f"custom.{value.field_id}",
        lambda contact: unaccented(contact.custom.get(value.field_id, "")) == wanted,
        f"with {label} {quoted(value.text, limit=NAME)}" if wanted else f"without {label}",
        differs,
    )


_OPT_OUT = {True: "is opted out", False: "is not opted out", None: "has an unknown opt-out"}


def _opt_out_test(wanted: bool) -> Test:
    return Test(
        "is_opted_out",
        lambda contact: contact.is_opted_out is wanted,
        "opted out of texts" if wanted else "not opted out of texts",
        lambda contact: _OPT_OUT[contact.is_opted_out],
    )


# --- what may have been meant ---


class NearMisses:
    """The offers of an answer where nobody passes the filters: names are misheard, values are said in other words."""

    def __init__(self, matcher: Matcher) -> None:
        self._matcher = matcher
        self._excluded: list[Contact] = []  # who has the name, and fails another filter
        self._others: dict[int, Contact] = {}  # who has another name
        self._values: dict[int, Counter[str]] = {value.field_id: Counter() for value in matcher.custom if value.text}

    def add(self, contact: Contact) -> None:
        """Remember a contact that was looked through."""
        if self._matcher.name is not None and contact.name:
            if not self._matcher.has_name(contact):
                self._others[contact.id] = contact
            elif len(self._excluded) < MOST_NAMES and not self._matcher.passes(contact):
                self._excluded.append(contact)
        for number, values in self._values.items():
            values.update(filter(None, [contact.custom.get(number)]))

    def notes(self, *, is_given: bool) -> list[Note]:
        """The offers. There are none for a name once somebody who passes was given."""
        by_name = [] if is_given or self._matcher.name is None else self._by_name(self._matcher.name)
        return [*by_name, *(note for value in self._matcher.custom for note in self._by_value(value))]

    def _by_name(self, name: str) -> list[Note]:
        if self._excluded:
            wanted = ", ".join(test.wanted for test in self._matcher.tests)
            who = " ".join(f"{_who(one)} matches the name but {self._why_not(one)}." for one in self._excluded)
            text = f"No contact checked so far {wanted} is called {quoted(name, limit=NAME)}. {who}"
            return [Note("name_excluded_by_filter", text)]
        others = [Named(one.id, one.name, (one.first, one.last)) for one in self._others.values()]
        near = [self._others[one.id] for one in Names("contact", others).nearest(name)[:MOST_NAMES]]
        offers = [f"{_who(one)}{f' ({why})' if (why := self._why_not(one)) else ''}" for one in near]
        return [Note("nearest_names", f"Nearest names: {', '.join(offers)}.")] if offers else []

    def _why_not(self, contact: Contact) -> str:
        return " and ".join(test.differs(contact) for test in self._matcher.tests if not test.passes(contact))

    def _by_value(self, value: CustomValue) -> list[Note]:
        seen = self._values.get(value.field_id)
        if not seen or unaccented(value.text) in map(unaccented, seen):
            return []
        label, most = word(value.label), seen.most_common(MOST_VALUES)
        found = ", ".join(quoted(text, limit=NAME) for text, _ in most)
        which = "Most common values" if len(seen) > MOST_VALUES else "Values found"
        without = f' To list the contacts without {label}, pass "".' if _is_nobody(value.text) else ""
        text = f"No contact checked so far has {label} {quoted(value.text, limit=NAME)}. {which}: {found}.{without}"
        return [Note("values_in_use", text)]


def _who(contact: Contact) -> str:
    return f"{contact.id} {quoted(contact.name, limit=NAME)} {show(contact.phone)}".rstrip()
