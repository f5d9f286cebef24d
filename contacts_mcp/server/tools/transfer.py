"""The tools for many contacts at once. The first call only plans, and the second one carries the plan out."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import anyio

from contacts_mcp import book as books
from contacts_mcp.errors import AccountError, InvalidArgument, Refused
from contacts_mcp.server.tools import parameters as p
from contacts_mcp.server.tools.entry import App, Scope, ToolEntry
from contacts_mcp.server.tools.requests import filled
from contacts_mcp.server.views.fitting import Answer
from contacts_mcp.server.views.transfer import PlanResult, Status, StatusResult, planned, progress, rows_shown
from contacts_mcp.server.views.writes import wrote
from contacts_mcp.state.acting import lacks
from contacts_mcp.words.note import Note

if TYPE_CHECKING:
    from contacts_mcp.book import Book
    from contacts_mcp.server.jobs import Work
    from contacts_mcp.state.imports import PlanKind, StoredPlan, StoredRow
    from contacts_mcp.state.journal import Entry

_NEWS = 25.0  # seconds that a question about progress waits for news
_PAGE = 25

Show = Literal[
    "problems",
    "new",
    "fill",
    "update",
    "same",
    "skip",
    "conflict",
    "duplicate",
    "invalid",
    "delete",
    "restore",
    "create_again",
    "kept",
    "moved",
    "failed",
]
PlanNumber = Annotated[p.Id | None, p.described("Number of a plan, to run it or go on.")]


async def import_contacts(
    app: App,
    path: Annotated[str | None, p.described("File: CSV, XLSX, vCard, JSON lines.")] = None,
    text: Annotated[p.LongText | None, p.described("Or a pasted table, at most 200 rows.")] = None,
    existing: Annotated[
        Literal["fill", "overwrite", "skip"],
        p.described("Contacts in the book: fill empty fields, overwrite, or skip."),
    ] = "fill",
    twice: Annotated[
        Literal["tell", "merge"],
        p.described("One phone on several lines: tell takes the first, merge fills its blanks."),
    ] = "tell",
    tags: Annotated[p.Names | None, p.described("Added to all of them.")] = None,
    columns: Annotated[p.TextsByName | None, p.described('To correct the plan: {"Header": "phone"} or "skip".')] = None,
    encoding: Annotated[str | None, p.described("If misread: utf-8, cp1252.")] = None,
    sheet: Annotated[str | None, p.described("Sheet of a workbook.")] = None,
    plan: PlanNumber = None,
    confirm_token: p.ConfirmToken = None,
) -> Answer:
    """Import contacts from a file or a pasted table. The first call changes nothing: it answers a plan and a
    confirm_token. Blanks erase nothing, and nobody is opted in. undo_change takes the whole run back."""
    given = _given(locals())
    from contacts_mcp.book.transfer.deciding import Switches
    from contacts_mcp.book.transfer.opening import PASTED, given_source
    from contacts_mcp.book.transfer.planning import Asked, plan_file

    book = await app.book()
    if stored := await _stored(book, plan, confirm_token, given):
        return await _carry_out(app, book, stored, confirm_token or "")
    _check_source(path, text, of_file=encoding or sheet)
    asked = Asked(switches=Switches(existing=existing, twice=twice), tags=tags or (), columns=columns or {})
    switches = asked.as_json() | {"given": given}
    number = await book.imports.begin("file", {"file": Path(path).name if path else PASTED}, switches)

    async def make(_: Callable[[], bool]) -> None:
        opened = given_source(path, text, book.folders, region=book.region, encoding=encoding or "", sheet=sheet or "")
        async with book.imports.filling(number):
            with opened as (source, facts):
                await book.imports.set(number, facts=facts)
                await plan_file(book, number, source, asked)

    return await _planned(app, book, number, make)


IMPORT = ToolEntry(
    import_contacts,
    answers=PlanResult,
    title="Import contacts",
    group="transfer",
    scopes=("contacts:write", "contacts:bulk"),
    destructive=True,
)


async def update_contacts(
    app: App,
    where: Annotated[
        p.Where | None,
        p.described('All who match, as {"tag": "VIP", "Plan": "Gold"}: filters of search_contacts or custom fields.'),
    ] = None,
    contact_ids: Annotated[p.ManyIds | None, p.described("Or these.")] = None,
    custom_fields: p.CustomFields = None,
    assignee: p.Assignee = None,
    add_tags: p.AddTags = None,
    remove_tags: p.RemoveTags = None,
    is_opted_out: p.IsOptedOut = None,
    clear: p.Clear = None,
    plan: PlanNumber = None,
    confirm_token: p.ConfirmToken = None,
) -> Answer:
    """Make the same change to many contacts. The first call changes nothing: it answers a plan and a confirm_token.
    Nobody is opted in. undo_change takes the whole run back."""
    given = _given(locals())
    from contacts_mcp.book.people.requests import Wanted
    from contacts_mcp.book.transfer.many import Chosen, begin_change, edit_for, plan_change

    book = await app.book()
    if stored := await _stored(book, plan, confirm_token, given):
        return await _carry_out(app, book, stored, confirm_token or "")
    wanted = filled(
        Wanted,
        {
            "custom_fields": custom_fields,
            "assignee": assignee,
            "add_tags": add_tags,
            "remove_tags": remove_tags,
            "is_opted_out": is_opted_out,
            "clear": clear,
        },
    )
    chosen = Chosen(where=where or {}, contact_ids=contact_ids or ())
    edit = await edit_for(book, chosen, wanted)
    number = await begin_change(book, chosen, wanted, edit, given)

    async def make(_: Callable[[], bool]) -> None:
        await plan_change(book, number, chosen, edit)

    return await _planned(app, book, number, make)


UPDATE = ToolEntry(
    update_contacts,
    answers=PlanResult,
    title="Update many contacts",
    group="transfer",
    scopes=("contacts:write", "contacts:bulk"),
    destructive=True,
    keeps_empty=("assignee",),
)


async def import_status(
    app: App,
    plan: Annotated[p.Id | None, p.described("Its number; the newest without.")] = None,
    show: Annotated[Show | None, p.described("List rows with this decision or outcome.")] = None,
    cursor: Annotated[p.ChangeCursor | None, p.described("next_cursor of the last answer.")] = None,
    stop: Annotated[bool | None, p.described("Stops the run; it can go on later.")] = None,
) -> Answer:
    """Show how far import_contacts, update_contacts or the undo of one is, and its rows with the reasons. Can
    stop the run."""
    from contacts_mcp.book.transfer.confirming import names_in

    if cursor and not show:
        raise InvalidArgument("cursor", "is of a list of rows, and show says which.", expected="Give both, or neither.")
    book = await app.book()
    number = plan or await _newest(book)
    if stop and (await _named(book, number)).state == "running":
        await book.imports.set(number, asked=1)
    if show is None:
        await app.news_of(number, _NEWS)
    rows = await _rows(book, number, show, after=cursor or 0) if show else []
    shown = rows[:_PAGE]
    stored, status, place = await _state_of(book, number)
    names = await names_in(book, shown)
    states = await book.imports.states(number)
    is_more = len(rows) > _PAGE
    page = shown if show else None
    return rows_shown(stored, states, page, names, status=status, is_more=is_more, problems_file=place)


STATUS = ToolEntry(
    import_status,
    answers=StatusResult,
    title="Import status",
    group="transfer",
    scopes=("contacts:read", "contacts:bulk"),
)

TOOLS = (IMPORT, UPDATE, STATUS)


# Taking a run back, for undo_change


async def undo_run(app: App, book: Book, entry: Entry, token: str) -> Answer:
    """Plan to take a whole run back, and carry that out after a confirmation."""
    from contacts_mcp.book.transfer.running import close
    from contacts_mcp.book.transfer.undoing import begin_undo, plan_that_undoes, plan_undo

    _refuse_without_scopes("undo")
    if entry.undone_by:
        before = Note("undone_before", f"Change {entry.change_id} was taken back already, by change {entry.undone_by}.")
        return wrote(books.Outcome(status="unchanged", notes=[before]))
    if entry.state != "done":
        await close(book, entry)
    stored = await plan_that_undoes(book, entry)
    if stored is not None and (token or stored.state != "planned"):
        return await _carry_out(app, book, stored, token)
    if stored is not None:
        return await _shown(app, book, stored.plan)
    number = await begin_undo(book, entry)

    async def make(_: Callable[[], bool]) -> None:
        await plan_undo(book, number, entry)

    return await _planned(app, book, number, make)


# What they share


async def _planned(app: App, book: Book, number: int, make: Work) -> Answer:
    """Make a plan, as far as the call has time, and show it."""
    if not await app.carry_on(number, make):
        return await _now(book, number, "planning")
    return await _shown(app, book, number)


_USUAL = {"existing": "fill", "twice": "tell"}  # as if they were not given


def _given(arguments: Mapping[str, Any]) -> dict[str, str]:
    """The digests of the arguments that say what to plan."""
    from contacts_mcp.book.transfer.confirming import digests_of

    others = ("app", "plan", "confirm_token")
    return digests_of(
        {name: value for name, value in arguments.items() if name not in others and value != _USUAL.get(name)}
    )


async def _stored(book: Book, plan: int | None, token: str | None, given: Mapping[str, str]) -> StoredPlan | None:
    """The plan that a call is about, None for a call that makes one. Raises Refused for arguments of another plan."""
    from contacts_mcp.book.transfer.confirming import plan_of_token, refuse_others

    if plan is None and not token:
        return None
    stored = await (_named(book, plan) if plan is not None else plan_of_token(book, token or ""))
    if stored is not None:
        refuse_others(stored, given)
    return stored


def _check_source(path: str | None, text: str | None, *, of_file: str | None) -> None:
    """Raises InvalidArgument unless there is one source, and where something `of_file` comes with a pasted table."""
    if (path is None) == (text is None):
        raise InvalidArgument("path or text", "exactly one is needed, or plan.", expected="A file, or a pasted table.")
    if of_file and text is not None:
        problem = "is of a file, and a pasted table has none."
        raise InvalidArgument("encoding or sheet", problem, expected="Leave it out.")


async def _named(book: Book, number: int) -> StoredPlan:
    from contacts_mcp.book.transfer.confirming import named

    return await named(book, number)


async def _newest(book: Book) -> int:
    plans = await book.imports.plans("reading", "planned", "running", "stopped", "done")
    if not plans:
        text = "There was no plan in the last day. import_contacts and update_contacts make one."
        raise Refused(text, kind="no_such_plan")
    return plans[0].plan


async def _carry_out(app: App, book: Book, plan: StoredPlan, token: str) -> Answer:
    """Run a plan that is permitted, for as long as a call may last."""
    from contacts_mcp.api.pace import telling
    from contacts_mcp.book.transfer.confirming import permitted
    from contacts_mcp.book.transfer.running import run

    _refuse_without_scopes(plan.kind)
    if not app.is_under_way(plan.plan):
        refused = await permitted(book, plan, token)
        if refused is not None:
            if (await _named(book, plan.plan)).state != "planned":  # another call with the same token began it just now
                return await _now(book, plan.plan)
            return await _shown(app, book, plan.plan, notes=refused)

    async def work(is_time_over: Callable[[], bool]) -> None:
        await run(book, plan, is_time_over=is_time_over, watch=telling("rows are finished"))

    try:
        is_over = await app.carry_on(plan.plan, work)
    except anyio.get_cancelled_exc_class():  # nobody waits for it any more: it ends after this chunk
        with suppress(AccountError), anyio.CancelScope(shield=True):
            await book.imports.set(plan.plan, asked=1)
        raise
    return await _now(book, plan.plan, None if is_over else "running")


def _refuse_without_scopes(kind: PlanKind) -> None:
    """A plan may be carried out by each tool that takes plans, so the plan says what a person must be allowed to do.

    An undo deletes the contacts that the run created. Raises Refused.
    """
    needed: tuple[Scope, ...] = ("contacts:write", "contacts:bulk")
    if missing := lacks(*needed, *(("contacts:delete",) if kind == "undo" else ())):
        raise Refused(
            f"Nothing was changed: this needs {' and '.join(missing)}, which the log-in of this person does not have. "
            "The people who run this server give scopes.",
            kind="insufficient_scope",
        )


async def _shown(app: App, book: Book, number: int, *, notes: list[str] | None = None) -> Answer:
    """A plan that was made. Where nothing is to be confirmed, it is carried out at once."""
    from contacts_mcp.book.transfer.confirming import examples_of, token_for

    plan = await _named(book, number)
    has_work = bool((await book.imports.states(number)).get("planned"))
    if has_work and not book.confirms:
        return await _carry_out(app, book, plan, "")
    examples, names = await examples_of(book, plan)
    token = token_for(book, plan) if has_work else ""
    per_minute = book.requests_per_minute
    return planned(plan, examples, names, token=token, per_minute=per_minute, notes=notes or ())


async def _rows(book: Book, number: int, show: Show, *, after: int) -> list[StoredRow]:
    most = _PAGE + 1
    if show in ("moved", "failed"):
        return await book.imports.rows(number, state=show, after=after, limit=most)
    if show != "problems":
        return await book.imports.rows(number, decision=show, after=after, limit=most)
    from contacts_mcp.book.transfer.problems import problem_of

    found: list[StoredRow] = []
    while len(found) < most and (rows := await book.imports.rows(number, after=after, limit=500)):
        after = rows[-1].row
        found += [row for row in rows if problem_of(row)]
    return found[:most]


async def _now(book: Book, number: int, status: Status | None = None) -> Answer:
    """How far a plan is."""
    plan, now, place = await _state_of(book, number)
    return progress(plan, await book.imports.states(number), status=status or now, problems_file=place)


async def _state_of(book: Book, number: int) -> tuple[StoredPlan, Status, str]:
    """A plan, what to call its state, and the place of its file of problems."""
    from contacts_mcp.book.transfer.problems import problems_file
    from contacts_mcp.book.transfer.running import is_run

    plan = await _named(book, number)
    now: Status = "planning" if plan.state == "reading" else plan.state
    if now == "running" and not await is_run(book, number):
        now = "stopped"
    is_of_file = now == "done" and "path" in plan.facts
    if not is_of_file:
        return plan, now, ""
    folders = [Path(plan.facts["path"]).parent, *([book.home] if book.home else [])]
    return plan, now, await problems_file(book, plan, folders)
