"""The confirmation of a plan: shown with examples, bound to every row, good for an hour, used once."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from functools import partial
from typing import Any

from contacts_mcp.book.book import Book, refusal
from contacts_mcp.book.confirmations import RiskyAction, digest_of
from contacts_mcp.book.transfer.planning import digest_of_plan
from contacts_mcp.book.vocabulary import Snapshot
from contacts_mcp.errors import Refused
from contacts_mcp.state.imports import KEEP, StoredPlan, StoredRow

LIFETIME = 3600.0  # seconds: a person reads a list
_STARTED = ("running", "stopped")


def action_of(plan: StoredPlan) -> RiskyAction:
    return RiskyAction(f"import {plan.kind}", {}, {"plan": plan.plan, "digest": plan.digest})


def token_for(book: Book, plan: StoredPlan) -> str:
    return book.confirmations.token_for(action_of(plan), lifetime=LIFETIME)


async def named(book: Book, number: int) -> StoredPlan:
    """The plan with that number. Raises Refused."""
    plan = await book.imports.plan(number)
    if plan is None:
        raise Refused(
            f"There is no plan {number}. Plans are kept for a day. Make the plan again.",
            kind="no_such_plan",
        )
    return plan


async def plan_of_token(book: Book, token: str) -> StoredPlan | None:
    """The plan that `token` permits: a client that asked the person itself repeats its first call with the token."""
    planned = await book.imports.plans("planned")
    refusal_of = partial(book.confirmations.refusal, token, lifetime=LIFETIME)
    return next((plan for plan in planned if not refusal_of(action_of(plan))), None)


def digests_of(given: Mapping[str, Any]) -> dict[str, str]:
    """The arguments that were really given, as they are kept with a plan: enough to recognize them."""
    return {name: digest_of(json.dumps(_in_any_order(value), sort_keys=True)) for name, value in given.items() if value}


def _in_any_order(value: Any) -> Any:
    if isinstance(value, str):
        return value.strip()
    return sorted({*map(str, value)}) if isinstance(value, list | tuple) else value


def refuse_others(plan: StoredPlan, given: Mapping[str, str]) -> None:
    """Raises Refused for arguments that a plan was not made with: they would be dropped without a word."""
    made_with = plan.switches.get("given")
    others = [name for name, digest in given.items() if made_with is not None and made_with.get(name) != digest]
    if others:
        raise Refused(
            f"Plan {plan.plan} was not made with this {' and '.join(others)}. Nothing was changed. For a new plan "
            "leave plan and confirm_token out. To carry this one out as it was shown, give these two alone.",
            kind="other_plan",
        )


async def permitted(book: Book, plan: StoredPlan, token: str) -> list[str] | None:
    """None where the plan may run now. Otherwise the notes on a token that does not permit it.

    A run that was begun goes on without a new confirmation. Raises Refused for a plan that is over, or not ready.
    """
    if book.imports.now - plan.made > KEEP:
        raise Refused(f"Plan {plan.plan} is older than a day. Make the plan again.", kind="plan_old")
    if plan.state in _STARTED:
        return None
    if plan.state != "planned":
        why = "is still being made" if plan.state == "reading" else "is done already"
        raise Refused(f"Plan {plan.plan} {why}. Call import_status(plan={plan.plan}).", kind=f"plan_{plan.state}")
    if await digest_of_plan(book, plan) != plan.digest:
        raise Refused(
            f"The rows of plan {plan.plan} are not those that were shown. Make the plan again.", kind="plan_altered"
        )
    return await refusal(book, action_of(plan), token, lifetime=LIFETIME) if book.confirms else None


async def examples_of(book: Book, plan: StoredPlan) -> tuple[list[StoredRow], Snapshot]:
    """One row of each decision, with the names for these rows and for the counts of the plan."""
    decisions = plan.counts.get("decisions", {})
    rows = [row for name in decisions for row in await book.imports.rows(plan.plan, decision=name, limit=1)]
    return rows, await names_in(book, rows, plan.counts.get("keys", {}))


async def names_in(book: Book, rows: Sequence[StoredRow], keys: Iterable[str] = ()) -> Snapshot:
    """The names for everything in these rows, and for the fields of `keys`."""
    conflicts = [{key: pair[0] for key, pair in row.shown.get("conflicts", {}).items()} for row in rows]
    tables = [table for row in rows for table in (row.before, row.wanted)]
    return await book.vocabulary.naming(*tables, *conflicts, dict.fromkeys(keys, ""))
