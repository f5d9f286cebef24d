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
from contacts_mcp.words.areas import prefix_of_area, prefixes_of
from contacts_mcp.words.dates import days_of, is_day, looks_like_date_field, read_date
from contacts_mcp.words.display import quoted, word
from contacts_mcp.words.folding import foldings, unaccented
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

    name: str | None = None  # part of a name; the walk alone knows it
    tags: Sequence[str] = ()  # "none" is no tags
    any_tag: bool = False  # one of `tags` is enough
    assignee: str | None = None  # "none" is nobody
    custom_fields: Mapping[str, str] = field(default_factory=dict)  # "" is no value, "*" any
    is_opted_out: bool | None = None
    has_email: bool | None = None
    area_code: str | None = None  # in the account's region, with or without its trunk 0
    country: str | None = None  # ISO 3166, two letters
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


ANY_VALUE = "*"


@dataclass(frozen=True, slots=True)
class CustomValue:
    """A custom value asked for. An empty text asks for contacts without a value, `ANY_VALUE` for those with one."""

    field_id: int
    label: str
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Meant:
    """The filters with every name resolved, as ids, digits and moments."""

    tags: tuple[int, ...] = ()  # 0 is no tags
    any_tag: bool = False
    assignee: int | None = None  # 0 is nobody
    custom: tuple[CustomValue, ...] = ()
    is_opted_out: bool | None = None
    has_email: bool | None = None
    prefixes: tuple[str, ...] = ()  # of the digits of a phone; one of them is enough
    bounds: Mapping[str, datetime] = field(default_factory=dict)  # by the names of the filters


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
        "tags": any(not is_nobody(tag) for tag in filters.tags),
        "members": filters.assignee is not None and not is_nobody(filters.assignee),
    }
    return [name for name, is_mentioned in mentioned.items() if is_mentioned]


def meant_by(filters: Filters, names: Snapshot, *, zone: tzinfo | None, region: str) -> Meant:
    """The filters with every name and date resolved. The name is left to whoever looks for it.

    Raises InvalidArgument, or UnknownName with every name that is not known.
    """
    tags, member, custom = _resolved(filters, names)
    return Meant(
        tags=tags,
        any_tag=filters.any_tag,
        assignee=member,
        custom=custom,
        is_opted_out=filters.is_opted_out,
        has_email=filters.has_email,
        prefixes=_prefixes(filters, region),
        bounds=_bounds(filters, zone),
    )


def matcher_for(filters: Filters, names: Snapshot, zone: tzinfo | None, region: str = "US") -> Matcher:
    """The filters as tests of contacts. Raises as `meant_by`."""
    meant = meant_by(filters, names, zone=zone, region=region)
    has_name = _name_test(filters.name) if filters.name is not None else lambda _: True
    tests = [_date_test(name, bound, zone) for name, bound in meant.bounds.items()]
    if meant.is_opted_out is not None:
        tests.append(_opt_out_test(meant.is_opted_out))
    if meant.has_email is not None:
        tests.append(_email_test(meant.has_email))
    if meant.prefixes:
        tests.append(_phone_test(meant.prefixes))
    tests += _tag_tests(meant, names)
    if meant.assignee is not None:
        tests.append(_assignee_test(meant.assignee, names.members.label(meant.assignee) if meant.assignee else ""))
    since = max(
        (meant.bounds[name] for name in ("updated_after", "created_after") if name in meant.bounds), default=None
    )
    return Matcher(
        name=filters.name,
        has_name=has_name,
        tests=[*tests, *map(_custom_test, meant.custom)],
        custom=meant.custom,
        since=since,
        until=meant.bounds.get("updated_before"),
        is_by_opt_out=meant.is_opted_out is not None,
    )


# --- names ---


def _resolved(filters: Filters, names: Snapshot) -> tuple[tuple[int, ...], int | None, tuple[CustomValue, ...]]:
    """The ids of the tags and the team member, and the custom values with their fields."""
    misses: list[UnknownName] = []

    def meant(text: str, among: Names, argument: str, hint: str = "") -> int:
        try:
            return among.resolve(text, argument=argument).id
        except UnknownName as miss:
            misses.append(_in_a_filter(miss, text, among, hint))
            return 0

    tags = tuple(
        0 if is_nobody(tag) else meant(tag, names.tags, "tag", "describe_account lists all.") for tag in filters.tags
    )
    member = None if filters.assignee is None else 0
    if filters.assignee is not None and not is_nobody(filters.assignee):
        hint = 'Use a name, an e-mail or an id; "none" finds the contacts of nobody.'
        member = meant(filters.assignee, names.members, "assignee", hint)
    numbers = {name: meant(name, names.fields, "custom_fields") for name in filters.custom_fields}
    if misses:
        raise UnknownName.of_several(misses)
    custom = (
        CustomValue(number, label := names.fields.label(number), _sought_value(label, filters.custom_fields[name]))
        for name, number in numbers.items()
    )
    return tags, member, tuple(custom)


def _prefixes(filters: Filters, region: str) -> tuple[str, ...]:
    """The beginnings of the phones of an area or a country. Raises InvalidArgument."""
    found: list[str] = []
    if filters.country is not None:
        found = prefixes_of(filters.country)
        if not found:
            raise InvalidArgument(
                "country",
                f"{quoted(filters.country, limit=40)} is not the code of a country whose phones can be told by their "
                "beginning.",
                expected="Expected two letters such as US, CA or DE.",
            )
    if filters.area_code is None:
        return tuple(found)
    area = prefix_of_area(filters.area_code, filters.country or region)
    if not area:
        raise InvalidArgument(
            "area_code",
            f"{quoted(filters.area_code, limit=40)} is not an area code.",
            expected='Expected its digits, such as "510". For other pieces of a number use query: "ends in 3344".',
        )
    return (area,)


def _sought_value(label: str, text: str) -> str:
    """The text to look for in a field. A day in a field of dates is written as it would be stored."""
    if not looks_like_date_field(label):
        return text.strip()
    try:
        return read_date(text.strip(), argument="custom_fields", field=label).text
    except InvalidArgument:
        return text.strip()  # somebody may have stored just that


def is_nobody(text: str) -> bool:
    """Whether a text means no tag, no owner or no value."""
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
    days = days_of(text)
    is_one_day = len(days) == 1 and is_day(text)  # "November 1, 2026"
    bound = first_moment(days[0] if is_one_day else text, zone)
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
    """Every word of `text` is in the name, in any order: "Rossi, Hiroshi" finds Hiroshi Rossi, and "mueller" Müller."""
    words = [foldings(word) for word in text.replace(",", " ").split() if any(map(str.isalnum, word))]
    if not words:
        raise InvalidArgument("name", "is empty.", expected='Expected part of a name, such as "rivera".')
    if "@" in text or not any(char.isalpha() for char in text):
        problem = f"{quoted(text, limit=NAME)} is not part of a name."
        raise InvalidArgument("name", problem, expected="Look up a phone, e-mail or id with lookup_contact.")

    def passes(contact: Contact) -> bool:
        names = [foldings(name) for name in (contact.display_name, f"{contact.first} {contact.last}")]
        return any(all(_has(name, word) for word in words) for name in names)

    return passes


def _has(name: Sequence[str], word: Sequence[str]) -> bool:
    return any(spelling in folded for folded in name for spelling in word)


def _tag_tests(meant: Meant, names: Snapshot) -> list[Test]:
    """One test for all tags where one is enough, else one for each."""
    if not meant.tags:
        return []
    groups = [meant.tags] if meant.any_tag else [(tag,) for tag in meant.tags]
    return [_tag_test(group, names) for group in groups]


def _tag_test(tags: tuple[int, ...], names: Snapshot) -> Test:
    if tags == (0,):
        return Test("tags", lambda contact: not contact.tags, "without tags", lambda _: "has tags")
    shown = " or ".join(quoted(names.tags.label(tag), limit=NAME) if tag else "no tag" for tag in tags)
    return Test(
        "tags",
        lambda contact: any(tag in (contact.tags or (0,)) for tag in tags),
        f"with tag {shown}",
        lambda _: f"lacks the tag {shown}",
    )


def _email_test(wanted: bool) -> Test:
    kinds = {True: ("with an e-mail", "has no e-mail"), False: ("without an e-mail", "has an e-mail")}
    described, differs = kinds[wanted]
    return Test("email", lambda contact: bool(contact.email) is wanted, described, lambda _: differs)


def _phone_test(prefixes: tuple[str, ...]) -> Test:
    return Test(
        "phone",
        lambda contact: contact.phone.startswith(prefixes),
        "with a phone of that area",
        lambda contact: f"has {show(contact.phone)}" if contact.phone else "has no phone",
    )


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

    def passes(contact: Contact) -> bool:
        has = contact.custom.get(value.field_id, "")
        return bool(has) if value.text == ANY_VALUE else unaccented(has) == wanted

    def differs(contact: Contact) -> str:
        has = contact.custom.get(value.field_id, "")
        return f"has {label} {quoted(has, limit=NAME)}" if has else f"has no {label}"

    described = f"with {label}" if value.text == ANY_VALUE else f"with {label} {quoted(value.text, limit=NAME)}"
    return Test(f"custom.{value.field_id}", passes, described if wanted else f"without {label}", differs)


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
        self._values: dict[int, Counter[str]] = {
            value.field_id: Counter() for value in matcher.custom if value.text not in ("", ANY_VALUE)
        }

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
        return [note_on_values(value, [text for text, _ in seen.most_common()], nobody="No contact checked so far")]


def note_on_values(asked: CustomValue, in_use: Sequence[str], *, nobody: str) -> Note:
    """The values in use, the most frequent first, where `nobody` has the one asked for."""
    label, found = word(asked.label), ", ".join(quoted(text, limit=NAME) for text in in_use[:MOST_VALUES])
    which = "Most common values" if len(in_use) > MOST_VALUES else "Values found"
    without = f' To list the contacts without {label}, pass "".' if is_nobody(asked.text) else ""
    are_days = bool(in_use) and all(map(is_day, in_use[:MOST_VALUES])) and not is_day(asked.text)
    by_month = ' These are whole days. For a month give query: "March 2027".' if are_days and not without else ""
    text = f"{nobody} has {label} {quoted(asked.text, limit=NAME)}. {which}: {found}.{without}{by_month}"
    return Note("values_in_use", text)


def _who(contact: Contact) -> str:
    return f"{contact.id} {quoted(contact.name, limit=NAME)} {show(contact.phone)}".rstrip()
