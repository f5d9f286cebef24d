"""A question -> an answer, from the local index.

- `search` works in the calling thread for some thousandths of a second, so an event loop uses a worker thread.
- It never fails for a text. It raises IndexUnavailable where the index cannot be used, and InvalidArgument for a cursor
  of another question.
- The answer is as good as the index. The caller says how much of the account that is, and checks the hits.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TypeVar

from contacts_mcp.book.search.filters import Filters
from contacts_mcp.book.search.ladder import MOST, Found, Ladder
from contacts_mcp.book.search.phones import GUESSED_ADDRESS, by_email, by_phone, words_of_address
from contacts_mcp.book.search.question import Answer, Hit, Position, Question, match_of, opened, sealed
from contacts_mcp.book.search.reading import (
    FILLERS,
    MOST_WORDS,
    Asked,
    Email,
    Phone,
    Reading,
    Words,
    is_filler,
    read,
    words_of,
)
from contacts_mcp.book.search.scoring import Scored
from contacts_mcp.state.match import NOBODY, Expression, expression, word
from contacts_mcp.state.row import ODD, Row
from contacts_mcp.state.word_index import Line, WordIndex
from contacts_mcp.words.search_words import email_key, pieces

MOST_SORTED = 5_000  # contacts that are sorted in another way than by their fit
_RARE = 2_000  # contacts up to which all that pass the filters are sorted
_BATCH = 500
_SCORE_OF_A_PART = 0.75  # the most of a contact that lacks several words
_ALL = 2**40

Item = TypeVar("Item")


def search(index: WordIndex, question: Question) -> Answer:
    """The contacts that the question asks for, or one page of them."""
    generation = index.generation
    position = opened(question, generation)
    reading = read(question.query)
    if not question.query.strip() or _asks_for_all(index, reading):
        answer, after = _filtered(index, question, position)
    elif isinstance(reading, Words) and not reading.words:
        answer, after = Answer(), None
    elif isinstance(reading, Words):
        answer, after = _by_words(index, question, reading, position)
    else:
        answer, after = _by_pieces(index, question, reading, position)
    return replace(answer, cursor=sealed(after, question, generation)) if after else answer


def _asks_for_all(index: WordIndex, reading: Reading) -> bool:
    """Whether the words mean everybody, and nobody is called so."""
    return isinstance(reading, Words) and reading.mean_anybody and not index.known(each.plain for each in reading.words)


Page = tuple[Answer, Position | None]


# Contacts with members that cannot be read

_MOST_ODD = 1_000
_TEXTS = ("first", "last", "display_name", "email", "phone", "custom")


def not_judged(index: WordIndex, question: Question, answer: Answer) -> int:
    """How many contacts may match beside those that were found, because a member of theirs cannot be read."""
    odd = index.rows(index.matching(expression([[word(ODD)]]), most=_MOST_ODD))
    filters, shown = question.filters, {hit.row.id for hit in answer.hits}
    maybe = [row for row in odd if row.id not in shown and filters.may_pass(row)]
    if not maybe:
        return 0
    if not question.query.strip():
        return sum(not filters.passes(row) for row in maybe)
    named = {hit.row.id for hit in search(index, Question(query=question.query, limit=_MOST_ODD)).hits}
    return sum(_has_unread_text(row) or (row.id in named and not filters.passes(row)) for row in maybe)


def _has_unread_text(row: Row) -> bool:
    return any(member.partition(".")[0] in _TEXTS for member in row.unread)


# By a phone or an address


def _by_pieces(index: WordIndex, question: Question, reading: Phone | Email, position: Position) -> Page:
    if isinstance(reading, Phone):
        found = by_phone(index, reading, question.filters, question.country)
    else:
        found = by_email(index, reading, question.filters)
    if not found.hits:  # "3rd" of a value, or a name in front of an "@"
        as_words = words_of(question.query) if isinstance(reading, Phone) else _words_of_email(index, reading)
        answer, after = _by_words(index, question, as_words, position) if as_words.words else (Answer(), None)
        return (_of_the_name(answer) if isinstance(reading, Email) else answer), after
    hits = _sorted_hits(found.hits, question)
    page, after = _page(hits, [hit.row.id for hit in hits], question, position)
    return Answer(hits=tuple(page), total=len(hits), is_exact=not found.is_capped), after


def _words_of_email(index: WordIndex, email: Email) -> Words:
    """The words of an address where somebody has them all, else those in front of the "@"."""
    local, _, domain = email.text.partition("@")
    in_front = tuple(each for piece in pieces(local) for each in piece.words)
    all_of_it = words_of_address(email_key(email.text))
    has_all = in_front and domain and index.matching(expression([[word(each)] for each in all_of_it]), most=1)
    words = [Asked(each, (each,)) for each in (all_of_it if has_all else in_front)]
    return Words(tuple(words[:MOST_WORDS]), frozenset(each.plain for each in words))


def _of_the_name(answer: Answer) -> Answer:
    """Nobody has the address, and these are called as it says: a guess, however well the name fits."""
    return replace(answer, hits=tuple(replace(hit, score=min(hit.score, GUESSED_ADDRESS)) for hit in answer.hits))


def _sorted_hits(hits: list[Hit], question: Question) -> list[Hit]:
    keys = {
        "newest_change": lambda hit: (-(hit.row.updated or 0), -hit.row.id),
        "newest_contact": lambda hit: (-(hit.row.created or 0), -hit.row.id),
        "name": lambda hit: (_name_order(hit.row.name), -hit.row.id),
    }
    return hits if question.sort == "best" else sorted(hits, key=keys[question.sort])


# By words


def _by_words(index: WordIndex, question: Question, asked: Words, position: Position) -> Page:
    most = MOST if question.sort == "best" else MOST_SORTED
    fillers = FILLERS.union(each for text in question.optional for piece in pieces(text) for each in piece.words)
    ladder = Ladder(index, asked, question.filters, fillers=fillers, most=most)
    found = _climbed(ladder) if position.below is None else ladder.after(position.below)
    scored = _sorted_lines(_without_guesses(found.scored), question)
    page, after = _page(scored, [each.line.id for each in scored], question, position)
    if after is None and found.expression and question.sort == "best":
        after = Position(below=found.lowest)
    elif after:
        after = replace(after, below=position.below)
    exactly = index.count(found.expression, question.filters.bounds)
    hits = _with_rows(index, page)
    return Answer(
        hits=tuple(hits),
        total=max(len(scored), exactly),
        is_exact=_is_whole(found, scored),
        is_sorted=question.sort == "best" or not found.expression,
        ignored=_ignored(asked.words, hits, fillers),
    ), after


def _climbed(ladder: Ladder) -> Found:
    """The contacts that fit the words. Where nobody has all of them, also those that fit the words in use."""
    found = ladder.climb()
    if found.has_all or (in_use := ladder.of_words_in_use()) is None or not ladder.answers_less_than(in_use):
        return found
    part = in_use.climb()
    scored = {each.line.id: replace(each, score=each.score * _SCORE_OF_A_PART) for each in part.scored}
    others = [each for each in found.scored if each.line.id not in scored]
    both = sorted([*scored.values(), *others], key=lambda each: each.order)
    return Found(both, is_capped=part.is_capped or found.is_capped)


def _without_guesses(scored: list[Scored]) -> list[Scored]:
    """Who is sure leaves no room for guesses: with a Rivera in the book, "rivera" is not asked for an "hiver"."""
    matches = {each.line.id: match_of(each.score, each.why) for each in scored}
    return [each for each in scored if matches[each.line.id] != "guess"] if "sure" in matches.values() else scored


def _is_whole(found: Found, scored: Sequence[Scored]) -> bool:
    """Whether no limit cut a hit. Where all are sure, the guesses that one cut would have been left out, too."""
    are_sure = all(match_of(each.score, each.why) == "sure" for each in scored)
    return not found.is_capped or (are_sure and bool(scored))


def _with_rows(index: WordIndex, page: Sequence[Scored]) -> list[Hit]:
    rows = {row.id: row for row in index.rows(each.line.id for each in page)}
    return [Hit(row=rows[each.line.id], score=each.score, why=each.why) for each in page if each.line.id in rows]


def _ignored(words: Sequence[Asked], hits: Sequence[Hit], fillers: frozenset[str]) -> tuple[str, ...]:
    """The words that no hit has."""
    found = {part for hit in hits for why in hit.why for part in why.said.split()}
    asked = [each for each in words if not is_filler(each, words, fillers)]
    return tuple(each.said for each in asked if hits and not found & {*each.said.split(), *each.parts})


def _sorted_lines(scored: list[Scored], question: Question) -> list[Scored]:
    keys = {
        "newest_change": lambda each: (-each.line.updated, -each.line.id),
        "newest_contact": lambda each: (-each.line.created, -each.line.id),
        "name": lambda each: (_line_order(each.line), -each.line.id),
    }
    return scored if question.sort == "best" else sorted(scored, key=keys[question.sort])


# By filters alone


def _filtered(index: WordIndex, question: Question, position: Position) -> Page:
    """The contacts that pass the filters, the newest first where nothing else is asked for."""
    filters = question.filters
    wanted = expression(filters.clauses, without=filters.without) if filters.clauses or filters.without else NOBODY
    ids, total = _newest_of(index, question, wanted, position)
    if question.sort in ("best", "newest_contact"):
        shown = ids[: question.limit]
        after = Position(below=shown[-1]) if len(ids) > len(shown) else None
        return _listed(index, shown, total), after
    if question.sort == "newest_change" and (total > _RARE or not wanted):
        return _by_change(index, question, position, total)
    everybody = wanted or expression([])
    lines = index.lines(index.matching(everybody, most=MOST_SORTED, bounds=filters.bounds))
    scored = _sorted_lines([Scored(line, 1.0, ()) for line in lines], question)
    page, after = _page(scored, [each.line.id for each in scored], question, position)
    return _listed(index, [each.line.id for each in page], total, is_sorted=total <= MOST_SORTED), after


def everybody_in(index: WordIndex, filters: Filters) -> list[int]:
    """All contacts that pass the filters, the newest first."""
    wanted = expression(filters.clauses, without=filters.without) if filters.clauses or filters.without else NOBODY
    if not wanted:
        return index.newest(most=_ALL, bounds=filters.bounds)
    return index.matching(wanted, most=_ALL, bounds=filters.bounds)


def _newest_of(index: WordIndex, question: Question, wanted: Expression, position: Position) -> tuple[list[int], int]:
    """The newest contacts, at least one more than a page has, and how many there are in all."""
    bounds = question.filters.bounds
    if not wanted:
        return index.newest(most=question.limit + 1, bounds=bounds, below=position.below), index.counted(bounds)
    return index.matching_and_count(wanted, most=question.limit + 1, bounds=bounds, below=position.below)


def _by_change(index: WordIndex, question: Question, position: Position, total: int) -> Page:
    """Through the contacts by their last change, until the page is full."""
    below = (position.moment, position.last) if position.moment is not None else None
    found: list[int] = []
    moments: dict[int, int] = {}
    size = question.limit + 1 if question.filters.are_none else _BATCH
    while len(found) <= question.limit:
        batch = index.recent(most=size, bounds=question.filters.bounds, below=below)
        moments.update({each: at for at, each in batch})
        found += [row.id for row in index.rows(each for _, each in batch) if question.filters.passes(row)]
        if len(batch) < size:
            break
        below = batch[-1]
    shown = found[: question.limit]
    after = Position(moment=moments[shown[-1]], last=shown[-1]) if len(found) > len(shown) else None
    return _listed(index, shown, total), after


def _listed(index: WordIndex, ids: Sequence[int], total: int, *, is_sorted: bool = True) -> Answer:
    return Answer(hits=tuple(Hit(row=row, score=1.0) for row in index.rows(ids)), total=total, is_sorted=is_sorted)


# Pages and orders


def _page(
    items: Sequence[Item], ids: Sequence[int], question: Question, position: Position
) -> tuple[Sequence[Item], Position | None]:
    """The page after the position, and the position after it. A contact that went meanwhile shifts nothing."""
    start = ids.index(position.last) + 1 if position.last in ids else position.shown
    end = start + question.limit
    after = Position(last=ids[end - 1], shown=end) if end < len(ids) else None
    return items[start:end], after


def _name_order(name: str) -> str:
    return " ".join(word for piece in pieces(name) for word in piece.words) or "\U0010ffff"


def _line_order(line: Line) -> str:
    return line.names.partition("§")[0] or "\U0010ffff"
