"""A probe of a sandbox, and the positions of its switches in the words of the probe."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from contacts_mcp.config import Settings
from contacts_mcp.sandbox import Behaviour, Sandbox
from contacts_mcp.setup.probe.running import Plan, Probed, probe
from contacts_mcp.workspace import Workspace

RUN = "0a1b2c"
EXPECTED: Mapping[str, tuple[str, Mapping[Any, str]]] = {
    "create_status": ("create_status", {200: "200", 201: "201"}),
    "error_body": (
        "error_body",
        {
            "error": "{error, message}",
            "error_code": "{error_code, message}",
            "text": "plain text",
            "html": "a web page",
            "empty": "empty",
        },
    ),
    "not_found": ("not_found", {"404": "404", "400": "400", "null": "null"}),
    "known_phone": ("known_phone", {"reject": "refused", "update": "updated", "double": "doubled"}),
    "batch_reply": ("batch_reply", {"failed": "the failed ones", "ok": "ok", "contacts": "contacts"}),
    "batch_unsent": ("batch_owner", {"as_put": "kept", "keep": "kept", "clear": "lost"}),
    "put_without_names": ("put_names", {"blank": "blanked", "keep": "kept"}),
    "tags_on_put": ("put_tags", {"replace": "replace", "add": "add"}),
    "unknown_custom_key": ("unknown_custom_key", {"drop": "dropped", "reject": "refused"}),
    "cursor": ("cursor", {"strict": "strict", "inclusive": "inclusive"}),
    "honours_page": ("page", {True: "counts", False: "ignored"}),
    "honours_limit": ("limit", {True: "counts", False: "ignored"}),
    "timestamps": ("timestamps", {"seconds": "whole seconds", "micros": "fractions of a second"}),
    "offset": ("offset", {"Z": "Z", "+00:00": "+00:00", "-05:00": "-05:00"}),
    "empty_members": ("empty_members", {"omit": "left out", "send": "sent"}),
    "sends_opt_out": ("sends_opt_out", {True: "sent", False: "left out"}),
    "sends_uuid": ("sends_uuid", {True: "sent", False: "left out"}),
    "sends_rev": ("sends_rev", {True: "sent", False: "left out"}),
    "sends_updated": ("sends_updated", {True: "sent", False: "left out"}),
    "phone_plus": ("phone_form", {True: "with a plus", False: "digits"}),
    "tag_shape": ("tag_shape", {"tag_id": "{tag_id}", "object": "{id, tag}", "bare": "a bare number"}),
    "lists": ("lists", {"bare": "bare", "wrapped": "wrapped"}),
    "ids_as_strings": ("field_ids", {True: "strings", False: "numbers"}),
    "field_name_key": ("field_name", {"title": "title", "name": "name"}),
    "count_shape": ("count_shape", {"number": "number", "string": "string", "object": "object"}),
}
"""A switch of the sandbox -> the question, and the word for each side. `clears_with` answers two questions."""

CLEARING = {
    "empty": ("empties", "does nothing"),
    "null": ("does nothing", "empties"),
    "both": ("empties", "empties"),
    "neither": ("does nothing", "does nothing"),
}
READING = frozenset(
    [
        "error_body",
        "not_found",
        "cursor",
        "honours_page",
        "honours_limit",
        "timestamps",
        "offset",
        "empty_members",
        "sends_uuid",
        "sends_rev",
        "sends_updated",
        "phone_plus",
        "tag_shape",
        "lists",
        "ids_as_strings",
        "field_name_key",
        "count_shape",
    ]
)
"""The switches that reading tells in the seeded book."""


def expected(behaviour: Behaviour) -> dict[str, str]:
    """The right positions for a behaviour, by question."""
    found = {question: words[getattr(behaviour, switch)] for switch, (question, words) in EXPECTED.items()}
    found["clear_empty"], found["clear_null"] = CLEARING[behaviour.clears_with]
    found["page_beside_date"] = found["page"]
    found["page_size"] = str(min(behaviour.page_size, behaviour.max_limit if behaviour.honours_limit else 10_000))
    found["batch_existing"] = "skipped"
    found["deleted_look"] = found["not_found"]
    lost = "lost" if behaviour.batch_unsent == "clear" else "kept"
    is_blanked = behaviour.batch_unsent == "as_put" and behaviour.put_without_names == "blank"
    found["batch_names"] = "lost" if is_blanked else lost
    found["batch_custom"] = "kept" if behaviour.batch_unsent == "keep" else "lost"
    found |= dict.fromkeys(("batch_tags", "batch_owner", "batch_opt_out"), lost)
    found["read_after_write"] = "behind" if behaviour.read_delay_writes else "at once"
    found["largest_page"] = str(behaviour.max_limit)
    return found | {
        "display_name": "first and last",
        "order": "newest change first",
        "merge_custom": "kept",
        "overwrite_custom": "lost",
        "unassign": "unassigns",
        "opt_out": "it does",
        "batch_creates": "yes",
        "batch_overwrite": "it does",
        "search": "they may",
        "request_ids": "sent",
    }


def wrong(probed: Probed, behaviour: Behaviour) -> dict[str, tuple[str, str]]:
    """question -> (named, right) of the positions that the probe named wrongly."""
    right = expected(behaviour)
    named = {question: seen.position for question, seen in probed.found.items() if seen.position}
    return {
        question: (position, right[question])
        for question, position in named.items()
        if question in right and position != right[question]
    }


def dump(sandbox: Sandbox) -> list[str]:
    """Every row of the sandbox, but for the ids that are used up."""
    lines = sandbox.state.records._db.iterdump()
    return [line for line in lines if "sqlite_sequence" not in line]


async def probed(sandbox: Sandbox, directory: Path, *, writes: bool = True, run: str = RUN, **settings: Any) -> Probed:
    """A run of the probe against an open sandbox."""
    given = {"sandbox": True, "data_dir": directory, "requests_per_minute": 100_000} | settings
    workspace = Workspace(Settings.load(**given), sandbox=sandbox)
    try:
        return await probe(await workspace.book(), Plan(writes=writes, run=run))
    finally:
        await workspace.aclose()
