"""The questions that reading answers."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from contacts_mcp.api.answers import is_page, number
from contacts_mcp.api.client import Call, get_call, search_call
from contacts_mcp.api.facts import Row, facts_of, rows_of
from contacts_mcp.errors import UpstreamError
from contacts_mcp.models import instant
from contacts_mcp.setup.probe.asking import Asker, Told
from contacts_mcp.setup.probe.findings import Findings

LARGE = 500  # rows of the largest page that is asked for
NOBODY = 2_147_483_647  # the id that no contact should have
_LIST = "/v1/contacts"
_ERROR_MEMBERS = {"error", "errors", "error_code", "code", "message", "detail", "details", "status", "type", "title"}
_NO_ANSWER = "no clear answer came"


@dataclass(slots=True)
class Account:
    """The parts of the account that a probe writes with, and how much there is of each."""

    fields: list[int] = field(default_factory=list)
    tags: list[int] = field(default_factory=list)
    members: list[int] = field(default_factory=list)
    inboxes: int = 0
    contacts: int | None = None  # the account's own count
    page: list[Row] = field(default_factory=list)  # the first page
    unread: list[str] = field(default_factory=list)  # the lists that gave no clear answer


async def read_account(asker: Asker, findings: Findings) -> Account:
    """Ask everything that reading can tell.

    Raises CredentialsRefused, RateLimited, OutOfRequests, and UpstreamError where the service gives no answer at all.
    """
    account = Account()
    await _read_lists(asker, findings, account)
    count = await asker.read(Call("POST", "/v1/contacts/count", {}))
    if count and not count.is_refused:
        findings.add_all(facts_of("/v1/contacts/count", count.value))
        account.contacts = number(count.value)
    account.page = await _page(asker, findings) or []
    if account.page:
        await _ask_about_pages(asker, findings, account)
        await _ask_search(asker, findings, account.page)
    else:
        for name in ("order", "cursor", "page_size", "limit", "page"):
            findings.add(name, "", "the list shows no contact")
    await _ask_not_found(asker, findings)
    await _ask_error(asker, findings)
    return account


async def _read_lists(asker: Asker, findings: Findings, account: Account) -> None:
    team = await asker.read(Call("GET", "/v1/team"))
    if team is None and await asker.read(Call("GET", "/v1/inboxes")) is None:
        raise asker.failure or UpstreamError("Heymarket gave no clear answer to any question, though asked again")
    members = team.value.get("members") if team and isinstance(team.value, Mapping) else None
    account.members = _ids(members) if isinstance(members, list) else []
    for call, name in (
        (Call("GET", "/v1/inboxes"), "inboxes"),
        (Call("POST", "/v1/contact-fields"), "fields"),
        (Call("POST", "/v1/tags", {}), "tags"),
    ):
        told = await asker.read(call)
        if told is None or told.is_refused:
            account.unread.append(name)
            continue
        findings.add_all(facts_of(call.path, told.value))
        found = rows_of(call.path, told.value)
        if name == "inboxes":
            account.inboxes = len(found)
        else:
            setattr(account, name, _ids(found))


def _ids(rows: Sequence[Any]) -> list[int]:
    """The ids of rows, which may be texts."""
    found = (row.get("id") for row in rows if isinstance(row, Mapping))
    return [int(value) for value in found if isinstance(value, int | str) and str(value).isdecimal()]


# Pages


async def _page(asker: Asker, findings: Findings, **asked: Any) -> list[Row] | None:
    """The rows of a page. None where the question is refused, or no clear answer comes."""
    rows, _ = await _rows_or_refusal(asker, findings, **asked)
    return rows


async def _ask_about_pages(asker: Asker, findings: Findings, account: Account) -> None:
    page, pages = account.page, _Pages()
    _judge_order(findings, page)
    half = max(1, len(page) // 2)
    pages.half, is_refused = await _rows_or_refusal(asker, findings, limit=half)
    if is_refused:
        findings.add("limit", "refused", "a page with limit was refused twice")
    elif pages.half and len(pages.half) == half < len(page):
        pages.large = await _page(asker, findings, limit=LARGE)
    for at in (1, 2):
        rows, is_refused = await _rows_or_refusal(asker, findings, page=at)
        pages.numbered.append(rows)
        if is_refused:
            findings.add("page", "refused", f"page {at} was refused twice")
    date = _date_to_ask(page)
    if date:
        pages.below = await _page(asker, findings, date=date)
        pages.below_second = await _page(asker, findings, date=date, page=2)
    if await _page(asker, findings) != page:
        for name in ("limit", "largest_page", "page_size", "page", "page_beside_date", "cursor"):
            findings.add(name, "", "the list changed meanwhile")
        return
    _judge_limit(findings, page, pages, account.contacts)
    _judge_numbers(findings, page, pages, account.contacts)
    _judge_cursor(findings, page, date, pages)


@dataclass(slots=True)
class _Pages:
    """The pages that were asked for, None where no clear answer came."""

    half: list[Row] | None = None
    large: list[Row] | None = None
    numbered: list[list[Row] | None] = field(default_factory=list)  # pages 1 and 2
    below: list[Row] | None = None  # from a date on
    below_second: list[Row] | None = None  # the same with page 2


async def _rows_or_refusal(asker: Asker, findings: Findings, **asked: Any) -> tuple[list[Row] | None, bool]:
    """The rows of a page, None without a clear answer, and whether the question was refused."""
    told = await asker.read(Call("POST", _LIST, asked))
    if told is None or told.is_refused:
        return None, told is not None
    findings.add_all(facts_of(_LIST, told.value))
    return rows_of(_LIST, told.value), False


def _judge_order(findings: Findings, page: Sequence[Row]) -> None:
    moments = [at for row in page if (at := instant(str(row.get("updated") or ""))) is not None]
    if len(moments) < len(page) or len({*moments}) < 2:  # noqa: PLR2004 -- one moment has no order
        findings.add("order", "", "the first page shows fewer than two moments")
    elif moments == sorted(moments, reverse=True):
        findings.add("order", "newest change first", f"{len(page)} contacts in order of updated")
    else:
        findings.add("order", "another", f"{len(page)} contacts not in order of updated")


def _judge_limit(findings: Findings, page: Sequence[Row], pages: _Pages, count: int | None) -> None:
    length = len(page)
    if count is not None and count > length:
        findings.add("page_size", str(length), f"a page without limit had {length} of {count} contacts")
    else:
        findings.add("page_size", "", "the first page holds all contacts, or their number is not known")
    half = max(1, length // 2)
    if pages.half is None or half == length:
        findings.add("limit", "", _NO_ANSWER if pages.half is None else "one contact is too few to tell")
        return
    if len(pages.half) == half:
        findings.add("limit", "counts", f"limit {half} gave {half} contacts")
    elif _same(pages.half, page):
        findings.add("limit", "ignored", f"limit {half} gave {length} contacts")
    if pages.large is None:
        return
    large = len(pages.large)
    if large == LARGE or (count is not None and length <= large < min(count, LARGE)):
        findings.add("largest_page", str(large), f"limit {LARGE} gave {large} of {count} contacts")
    else:
        findings.add("largest_page", "", f"there are only {large} contacts")


def _judge_numbers(findings: Findings, page: Sequence[Row], pages: _Pages, count: int | None) -> None:
    first, second = pages.numbered
    if second is None or first is None or not _same(first, page):
        findings.add("page", "", _NO_ANSWER if second is None or first is None else "page 1 gave other contacts")
    elif _same(second, page):
        findings.add("page", "ignored", "page 2 gave the first page again")
    elif not _ids_of(second) & _ids_of(page) and (second or count == len(page)):
        findings.add("page", "counts", f"page 2 gave {len(second)} other contacts")
    _judge_numbers_below(findings, pages)


def _judge_numbers_below(findings: Findings, pages: _Pages) -> None:
    below, deeper = pages.below, pages.below_second
    if not below or deeper is None:
        findings.add("page_beside_date", "", "no page below a date could be compared")
    elif _same(below, deeper):
        findings.add("page_beside_date", "ignored", "page 2 below a date gave the same contacts again")
    elif deeper and not _ids_of(below) & _ids_of(deeper):
        findings.add("page_beside_date", "counts", f"page 2 below a date gave {len(deeper)} other contacts")


def _date_to_ask(page: Sequence[Row]) -> str:
    """The `updated` of a contact below the newest moment, or of the newest, "" where none is shown."""
    texts = [str(row.get("updated") or "") for row in page]
    if not all(map(instant, texts)):
        return ""
    older = [text for text in texts[: max(2, len(texts) // 2)] if text != texts[0]]
    return (older or [text for text in texts if text != texts[0]] or texts)[0]


def _judge_cursor(findings: Findings, page: Sequence[Row], date: str, pages: _Pages) -> None:
    below, asked = pages.below, instant(date)
    if asked is None or below is None:
        findings.add("cursor", "", "no date to ask for is shown" if asked is None else _NO_ANSWER)
        return
    moments = [instant(str(row.get("updated") or "")) for row in below]
    if any(at is None or at > asked for at in moments):
        findings.add("cursor", "", "the answer shows contacts newer than the date asked for")
    elif asked not in moments:
        findings.add("cursor", "strict", f"{_ties(page, date)} at the date asked for did not come")
    elif date != page[0].get("updated"):
        findings.add("cursor", "inclusive", f"{moments.count(asked)} at the date asked for came again")
    else:
        findings.add("cursor", "", "all contacts of the first page share one moment")


def _ties(page: Sequence[Row], date: str) -> str:
    ties = sum(row.get("updated") == date for row in page)
    return f"{ties} contact{'s' if ties > 1 else ''}"


def _same(one: Sequence[Row], other: Sequence[Row]) -> bool:
    return [row.get("id") for row in one] == [row.get("id") for row in other]


def _ids_of(rows: Sequence[Row]) -> set[Any]:
    return {row.get("id") for row in rows}


# Single answers


async def _ask_search(asker: Asker, findings: Findings, page: Sequence[Row]) -> None:
    phone = next((text for row in page if (text := str(row.get("phone") or "").lstrip("+")).isdecimal()), "")
    if not phone:
        return
    told = await asker.read(search_call(phones=[phone]))
    if told is not None:
        findings.add("search", f"refused ({told.status})" if told.is_refused else "they may", "one phone was searched")


async def _ask_not_found(asker: Asker, findings: Findings) -> None:
    said = missing_as(await asker.read(get_call(NOBODY)))
    findings.add("not_found", said, "an id that nobody has was asked for" if said else _NO_ANSWER)


def missing_as(told: Told | None) -> str:
    """How an answer says that a contact is not there, "" where it does not."""
    if told is None or told.status in (401, 403):
        return ""
    if told.is_refused:
        return str(told.status)
    return "null" if told.value is None else ""


def contacts_in(told: Told) -> list[Row]:
    """The contacts of an answer to a look-up, one or several."""
    value = told.value
    if isinstance(value, Mapping) and "id" in value:
        return [value]
    return [row for row in rows_of(_LIST, value) if "id" in row]


async def _ask_error(asker: Asker, findings: Findings) -> None:
    told = await asker.read(Call("POST", "/v1/contact/get", {}))
    if told is None or not told.is_refused:
        findings.add("error_body", "", "no refusal could be provoked by reading")
        return
    findings.add("error_body", _error_shape(told), f"a look-up of nobody in particular was refused ({told.status})")


def _error_shape(told: Told) -> str:
    """The members of an error's body, or its kind where it is no object."""
    body = told.heard.body
    if not body.strip():
        return "empty"
    try:
        value = json.loads(body)
    except (ValueError, RecursionError):
        return "a web page" if is_page(body, told.heard.headers.get("Content-Type", "")) else "plain text"
    if isinstance(value, Mapping):
        return f"{{{', '.join(sorted(name if name in _ERROR_MEMBERS else 'another' for name in value))}}}"
    return "JSON of another kind"
