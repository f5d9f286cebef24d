"""Finding contacts for a question in human terms: the mirror proposes, the service confirms.

- A full phone or e-mail address asks the service, whatever the mirror holds.
- Every other question goes to the mirror, after it was brought up to date as far as the time allows.
- The contacts of an answer are read from the service in one request. One that was changed or deleted meanwhile is put
  right in the mirror, and the question is asked again.
- An answer says how much of the book was searched, and as of when. While that is a part, nobody is said to be missing.
- Without a mirror the list is walked, as `list_contacts` does. Then a query finds parts of names only.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace

from contacts_mcp.book.book import Book
from contacts_mcp.book.cards import Card, card_of
from contacts_mcp.book.listing.filters import (
    ANY_VALUE,
    MOST_VALUES,
    NAME,
    CustomValue,
    Filters,
    Meant,
    meant_by,
    needed_lists,
    note_on_values,
)
from contacts_mcp.book.listing.listing import left_out, list_contacts
from contacts_mcp.book.people.holding import others_with_phone, with_any_form
from contacts_mcp.book.people.lookup import with_email
from contacts_mcp.book.search import filters as marks
from contacts_mcp.book.search.describing import values_in_use
from contacts_mcp.book.search.known import Known, with_notes
from contacts_mcp.book.search.mirror import mirror_of, ready_for_call
from contacts_mcp.book.search.question import Answer, Hit, Match, Question, Sort, Why
from contacts_mcp.book.search.reading import LEAST_ENDING, MOST_WORDS, Email, Phone, Words, read
from contacts_mcp.book.search.search import not_judged, search
from contacts_mcp.book.search.sentence import filters_said
from contacts_mcp.book.values import custom_key, values_of
from contacts_mcp.book.vocabulary import Snapshot
from contacts_mcp.errors import ContactsError, InvalidArgument, InvalidPhone
from contacts_mcp.models import Contact, Values
from contacts_mcp.state.row import Row, microseconds, value_mark
from contacts_mcp.state.word_index import WordIndex
from contacts_mcp.words.areas import calling_code
from contacts_mcp.words.display import quoted, word
from contacts_mcp.words.folding import fold, unaccented
from contacts_mcp.words.kindred import is_short_form
from contacts_mcp.words.note import Note
from contacts_mcp.words.phones import show

ROUNDS = 3  # times that a question is asked, where contacts were changed meanwhile
WALKED = "walk."  # before the cursor of a walk
MOST_OFFERED = 3  # contacts that a filter leaves out

_ONLY_NAMES = Note("only_names_searched", "Only names were searched for the query: no values, e-mails or phones.")


@dataclass(frozen=True, slots=True)
class Matched:
    """One contact of an answer."""

    card: Card
    match: Match
    why: str  # in words; empty where the filters alone found it


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """The answer to a question."""

    matched: Sequence[Matched] = ()
    total: int | None = None  # contacts that match; None where only a part was looked through
    is_exact: bool = True  # else there are at least so many
    complete: bool = False  # whether the whole book was searched
    searched: int | None = None  # contacts; None where the service itself was asked
    of: int | None = None
    as_of: str = ""  # RFC 3339
    next_cursor: str = ""
    notes: Sequence[str] = ()  # each a Note
    shown_fields: Sequence[str] = ()  # the custom fields that were filtered by


async def find(
    book: Book, filters: Filters, *, query: str = "", sort: Sort = "best", limit: int = 25, cursor: str = ""
) -> Finding:
    """The contacts that the question means, or one page of them.

    Raises InvalidArgument, UnknownName, UpstreamError.
    """
    meant = await book.vocabulary.resolving(
        needed_lists(filters), lambda names: meant_by(filters, names, zone=book.zone, region=book.region)
    )
    _refuse_unanswerable(query)
    if query and filters == Filters() and (exact := await _exact(book, query)) is not None:
        return exact
    if cursor.startswith(WALKED):
        return await _walked(book, filters, query=query, sort=sort, limit=limit, cursor=cursor)
    known = await ready_for_call(book)
    if not known.is_there:
        return await _walked(book, filters, query=query, sort=sort, limit=limit, cursor=cursor, known=known)
    question = Question(
        query=query,
        filters=marks_of(meant),
        sort=sort,
        limit=limit,
        cursor=cursor,
        account=book.account,
        country=calling_code(book.region),
        optional=await _field_names(book) if query else (),
    )
    answer, contacts = await _confirmed(book, question)
    many = await mirror_of(book).ask(lambda index: not_judged(index, question, answer))
    offers = [] if cursor else await _offers(book, question, answer, meant=meant, known=known)
    known = with_notes(known, [*([left_out(many)] if many else []), *offers], known.failure)
    return await _told(book, answer, contacts, meant=meant, known=known, question=question)


def _refuse_unanswerable(query: str) -> None:
    asked = read(query)
    if isinstance(asked, Phone) and asked.piece == "ending" and len(asked.digits) < LEAST_ENDING:
        raise InvalidArgument(
            "query",
            "is the ending of a phone, and one digit is too few.",
            expected="Give two digits or more. For the newest contacts leave query out, and give sort and limit.",
        )
    if query.strip() and asked == Words(()):
        raise InvalidArgument(
            "query",
            f"{quoted(query, limit=40)} holds no letter and no digit, so there is nothing to search for.",
            expected="Leave query out to find by filters alone.",
        )


async def _field_names(book: Book) -> tuple[str, ...]:
    """The names of the custom fields: in "the gold plan", nobody needs to have the word "plan"."""
    try:
        names = await book.vocabulary.read("fields")
    except ContactsError:
        names = await book.vocabulary.naming()
    return tuple(one.name for one in names.fields.items if one.name)


# A full phone or address


async def _exact(book: Book, query: str) -> Finding | None:
    """The contacts with that phone or address, None where the query is neither in full."""
    asked = read(query)
    if isinstance(asked, Phone) and asked.piece == "any":
        try:
            phone = book.phone(query, argument="query", naming=True)
        except InvalidPhone:
            return None
        if not phone.verified:
            return None
        found = await with_any_form(book, phone.digits, phone.variants)
        everybody = [found, *await others_with_phone(book, found)] if found else []
        return await _all_of(book, everybody, f"phone is {phone}", phone.notes) if everybody else None
    if isinstance(asked, Email) and "@" in asked.text.strip("@"):
        contacts = await with_email(book, asked.text)
        return await _all_of(book, contacts, f"e-mail is {word(asked.text)}", ()) if contacts else None
    return None


async def _all_of(book: Book, contacts: Sequence[Contact], why: str, notes: Sequence[str]) -> Finding:
    for one in contacts:
        book.mirror.noticed(one)
    names = await book.vocabulary.naming(*map(values_of, contacts))
    return Finding(
        matched=[Matched(card_of(one, names), "sure", why) for one in contacts],
        total=len(contacts),
        complete=True,
        notes=notes,
    )


# By the mirror


def marks_of(meant: Meant) -> marks.Filters:
    """The filters as the mirror knows them."""
    kinds: Mapping[str, marks.FieldKind] = {ANY_VALUE: "any", "": "none"}
    bounds = {name.replace("_after", "_from"): microseconds(moment) for name, moment in meant.bounds.items()}
    return marks.Filters(
        tags=meant.tags,
        any_tag=meant.any_tag,
        assignee=meant.assignee,
        fields=tuple(marks.FieldFilter(one.field_id, kinds.get(one.text, "is"), one.text) for one in meant.custom),
        is_opted_out=meant.is_opted_out,
        has_email=meant.has_email,
        phone_prefixes=meant.prefixes,
        **bounds,
    )


async def _confirmed(book: Book, question: Question) -> tuple[Answer, Mapping[int, Contact]]:
    """The answer of the mirror, and its contacts as the service has them now. A contact that changed is left out."""
    mirror, seen = mirror_of(book), dict[int, Contact]()
    for _ in range(ROUNDS):
        answer = await mirror.ask(lambda index: search(index, question))
        asked = [hit.row.id for hit in answer.hits if hit.row.id not in seen]
        seen |= {contact.id: contact for contact in (await mirror.verified(asked)).contacts}
        if all(_is_as_told(hit, seen) for hit in answer.hits):
            break
    return replace(answer, hits=tuple(hit for hit in answer.hits if _is_as_told(hit, seen))), seen


def _is_as_told(hit: Hit, seen: Mapping[int, Contact]) -> bool:
    return hit.row.id in seen and Row.of(seen[hit.row.id]) == hit.row


async def _told(
    book: Book,
    answer: Answer,
    contacts: Mapping[int, Contact],
    *,
    meant: Meant,
    known: Known,
    question: Question,
) -> Finding:
    found = [contacts[hit.row.id] for hit in answer.hits]
    asked: Values = {custom_key(one.field_id): "" for one in meant.custom}
    asked |= {custom_key(why.field_id): "" for hit in answer.hits for why in hit.why if why.field_id is not None}
    names = await book.vocabulary.naming(asked, *map(values_of, found))
    return Finding(
        matched=[
            Matched(card_of(contact, names), hit.match, _why(hit, names))
            for hit, contact in zip(answer.hits, found, strict=True)
        ],
        total=answer.total,
        is_exact=answer.is_exact,
        complete=known.complete,
        searched=known.searched,
        of=known.of,
        as_of=known.as_of,
        next_cursor=answer.cursor,
        notes=[*known.notes, *_notes(answer, question)],
        shown_fields=[names.fields.label(one.field_id) for one in meant.custom],
    )


def _notes(answer: Answer, question: Question) -> list[Note]:
    notes: list[Note] = []
    if not answer.is_exact:
        notes.append(Note("total_at_least", f"There may be more than {answer.total} that match."))
    if answer.ignored:
        words = ", ".join(quoted(each, limit=40) for each in answer.ignored)
        notes.append(Note("words_ignored", f"None of these has {words}; the other words were found."))
    asked = read(question.query)
    if isinstance(asked, Words) and asked.unread:
        words = ", ".join(quoted(each, limit=40) for each in asked.unread[:MOST_WORDS])
        notes.append(Note("words_unread", f"At most {MOST_WORDS} words are looked for, so these were not: {words}."))
    if not answer.is_sorted:
        notes.append(Note("partly_sorted", f"The order by {question.sort} holds for the newest matches only."))
    return notes


# Offers where nobody matches


async def _offers(book: Book, question: Question, answer: Answer, *, meant: Meant, known: Known) -> list[Note]:
    """Ways on where only guesses match: the contacts that the filters leave out, and the tags and members that the
    words name. Where nobody matches, they are the values in use of the fields that were filtered by, too.
    """
    said = filters_said(question.query, _named(answer))
    if any(hit.match != "guess" for hit in answer.hits):
        return said
    nobody = "No contact" if known.complete else "No contact checked so far"
    notes = said
    if not answer.hits:
        notes += await on_values(book, meant, nobody=nobody)
    notes += await _other_names(book, question)
    matches = "Only guesses match" if answer.hits else f"{nobody} matches"
    return [*notes, *await _excluded(book, question, meant, matches=matches)]


def _named(answer: Answer) -> set[str]:
    """The words of the query that are the name of the best contact."""
    whys = [why for hit in answer.hits[:1] for why in hit.why if (why.how, why.where) == ("same", "name")]
    return {part for why in whys for part in why.said.split()}


async def _excluded(book: Book, question: Question, meant: Meant, *, matches: str) -> list[Note]:
    """The contacts that the words find and the filters leave out."""
    if not question.query or question.filters.are_none:
        return []
    without = replace(question, filters=marks.Filters(), cursor="", limit=MOST_OFFERED)
    answer, contacts = await _confirmed(book, without)
    found = [hit.row for hit in answer.hits if hit.match != "guess"]
    if not found:
        return []
    names = await book.vocabulary.naming({custom_key(one.field_id): "" for one in meant.custom})
    who = ", ".join(_left_out(contacts[row.id], question.filters.failed(row), names) for row in found)
    text = f"{matches} all of it. Without the filters {quoted(question.query, limit=NAME)} finds {who}."
    return [Note("excluded_by_filter", text)]


async def _other_names(book: Book, question: Question) -> list[Note]:
    """The tags and known team members that the words name. A query does not look for these."""
    query = question.query
    if not query or not question.filters.are_none:
        return []
    names = await book.vocabulary.naming()
    if not names.tags.items:
        with suppress(ContactsError):
            names = await book.vocabulary.read("tags")
    said = {fold(each) for each in query.split()} | {fold(query)}
    said |= {each.removesuffix("s") for each in said}  # "Priya's", "suppliers"
    tags = [one.name for one in names.tags.items if fold(one.name) in said]
    members = [one.name for one in names.members.items if not said.isdisjoint(map(fold, (one.name, *one.aliases)))]
    found = (("a tag", "tag", tags), ("a team member", "assignee", members))
    return [
        Note("name_of_a_filter", f"{word(name)} is {kind}: give it as {parameter}.")
        for kind, parameter, given in found
        for name in given[:MOST_OFFERED]
    ]


# The filters by the members that they test. Custom fields have their own names.
_PARAMETERS = {
    "tags": "tag",
    "assigned_user_id": "assignee",
    "is_opted_out": "opted_out",
    "email": "has_email",
    "phone": "area_code or country",
    "created": "created_after or created_before",
    "updated": "updated_after or updated_before",
}


def _left_out(contact: Contact, failed: Sequence[str], names: Snapshot) -> str:
    """A contact, and the filters that it does not pass."""
    by = [_PARAMETERS.get(one) or word(names.fields.label(int(one.removeprefix("custom.")))) for one in failed]
    who = f"{contact.id} {quoted(contact.name, limit=NAME)} {show(contact.phone)}".rstrip()
    return f"{who} (left out by {' and '.join(by)})" if by else who


async def on_values(book: Book, meant: Meant, *, nobody: str) -> list[Note]:
    """The values in use of each field, where nobody has the one that was filtered by."""
    asked = [one for one in meant.custom if one.text not in ("", ANY_VALUE)]
    return [note for one in asked if (note := await _on_value(book, one, nobody=nobody))]


async def _on_value(book: Book, asked: CustomValue, *, nobody: str) -> Note | None:
    def looked_up(index: WordIndex) -> list[str]:
        is_held = index.holders(value_mark(asked.field_id, asked.text))
        return [] if is_held else values_in_use(index, asked.field_id, most=MOST_VALUES + 1)

    values = await mirror_of(book).ask(looked_up)
    return note_on_values(asked, values, nobody=nobody) if values else None


# Why


def _why(hit: Hit, names: Snapshot) -> str:
    """Why a contact was found, in words, as `"jordn" is 1 letter apart from "Jordan"; "gold" in Plan`."""
    return "; ".join(dict.fromkeys(_one_why(why, names) for why in hit.why))


def _one_why(why: Why, names: Snapshot) -> str:
    said, found = quoted(why.said, limit=40), quoted(why.found, limit=40)
    place = {
        "name": "",
        "email": " in the e-mail",
        "phone": "",
        "field": f" in {word(names.fields.label(why.field_id))}" if why.field_id is not None else " in a value",
    }[why.where]
    letters = f"{why.edits} letter{'' if why.edits == 1 else 's'} apart"
    return {
        "same": f"{said}{place}",
        "other_spelling": f"{said} is another spelling of {found}{place}",
        "nickname": _kinship(why, said, f"{found}{place}"),
        "begins_with": f"{found}{place} begins with {said}",
        "misspelled": f"{said} is {letters} from {found}{place}",
        "sounds_like": f"{said} sounds like {found}{place}",
        "inside": f"{said} is inside {found}{place}",
        "phone": f"phone is {show(why.found)}",
        "phone_begins_with": f"phone begins with {said}",
        "phone_ends_with": f"phone ends with {said}",
        "phone_has": f"phone has {said}",
        "email": f"e-mail is {found}",
        "email_has": f"{said} in the e-mail",
    }[why.how]


def _kinship(why: Why, said: str, found: str) -> str:
    plain = unaccented(why.said)
    if is_short_form(plain, why.found):
        return f"{said} is a short form of {found}"
    if is_short_form(why.found, plain):
        return f"{found} is a short form of {said}"
    return f"{said} and {found} are forms of one name"


# Without a mirror


async def _walked(
    book: Book, filters: Filters, *, query: str, sort: Sort, limit: int, cursor: str, known: Known | None = None
) -> Finding:
    """The pages of the list, looked through one after the other."""
    reading = read(query)
    if isinstance(reading, Phone | Email):
        raise InvalidArgument(
            "query",
            "is a piece of a phone or an e-mail, which only the local index finds, and it is not in use.",
            expected="Give the whole phone or e-mail, or part of a name.",
        )
    is_name = bool(query.strip()) and not reading.mean_anybody
    asked = replace(filters, name=query) if is_name else filters
    listing = await list_contacts(book, asked, limit=limit, cursor=cursor.removeprefix(WALKED))
    order = [Note("order_fixed", "The order is newest change first.")] if sort not in ("best", "newest_change") else []
    return Finding(
        matched=[
            Matched(card, "sure", f"{quoted(query, limit=40)} in the name" if is_name else "") for card in listing.cards
        ],
        total=listing.given if listing.complete else None,
        complete=listing.complete,
        searched=listing.looked_through,
        of=listing.total,
        next_cursor=f"{WALKED}{listing.next_cursor}" if listing.next_cursor else "",
        notes=[*(known.notes if known else ()), *([_ONLY_NAMES] if is_name else []), *order, *listing.notes],
        shown_fields=listing.shown_fields,
    )
