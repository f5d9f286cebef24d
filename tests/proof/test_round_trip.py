"""A book that is exported, imported into an empty account and exported again gives the same file, byte for byte.

Ids and timestamps are the service's own. They are equal in two empty accounts with one clock, and differ from those of
the first account. All contacts of a batch have one timestamp, so they are few enough for one page of the list.

Guards `contacts_mcp/book/transfer/`.
"""

from __future__ import annotations

import re
from itertools import pairwise
from pathlib import Path

import pytest
from support import OpenSession, Session

from contacts_mcp.book.transfer.mapping import mapping_of
from contacts_mcp.book.transfer.opening import opened_source
from contacts_mcp.book.transfer.reading import Row, rows_of
from contacts_mcp.sandbox import Behaviour, open_sandbox
from contacts_mcp.words.names import Named, Names

UUID = re.compile(rb'"uuid": "[^"]*"')  # in JSON lines, and made by chance

ODD = (
    {"first": " Ada ", "last": "=1+1", "email": "ada@example.com", "tags": [101, 102], "custom": {"31": "Gold\nplus"}},
    {"first": "'-Zoë", "last": 'O"Brien; Jr.', "display_name": "\N{CHERRY BLOSSOM}, the first", "is_opted_out": True},
    {"display_name": "'=\t@", "custom": {"38": ",;|\t", "39": "'=a", "40": "\N{LATIN SMALL LETTER E WITH ACUTE}"}},
    {"first": "Same", "last": "Same", "display_name": "Same Same", "assigned_user_id": 502, "is_opted_out": False},
    {},
)


@pytest.mark.parametrize("ending", ["csv", "xlsx", "vcf", "jsonl"])
async def test_export_import_export_is_the_identity(open_session: OpenSession, tmp_path: Path, ending: str) -> None:
    files = [tmp_path / f"{name}.{ending}" for name in ("first", "second", "third")]
    async with open_session(files=[tmp_path], contacts=20, data_dir=tmp_path / "0") as session:
        for at, members in enumerate(ODD):
            session.sandbox.store.add_contact(phone=f"1510555018{at}", **members)
        await session.ok("export_contacts", file=files[0].name)
        fields = Names("custom field", [Named(one["id"], one["title"]) for one in session.sandbox.store.fields()])
    for source, target in pairwise(files):
        sandbox = open_sandbox(contacts=0, behaviour=Behaviour(requests_per_minute=0), clock=lambda: 1_800_000_000.0)
        async with open_session(files=[tmp_path], sandbox=sandbox, data_dir=tmp_path / target.name[:2]) as session:
            await _imported(session, source)
            await session.ok("export_contacts", file=target.name)
        sandbox.close()
    assert _said(files[1], fields) == _said(files[0], fields)
    assert len(_said(files[0], fields)) == 20 + len(ODD)
    second, third = (UUID.sub(b"", file.read_bytes()) for file in files[1:])
    assert third == second


async def _imported(session: Session, file: Path) -> None:
    plan = await session.ok("import_contacts", path=file.name)
    done = await session.ok("import_contacts", plan=plan["plan"], confirm_token=plan["confirm_token"])
    assert (done["status"], done["outcomes"]) == ("done", {"done": plan["counts"]["new"]})


def _said(file: Path, fields: Names) -> list[Row]:
    """Everything in a file of ours but for the ids and timestamps that the service gave."""
    with opened_source(file.name, [file.parent], region="US") as (source, _):
        found = [*rows_of(source, mapping_of(source, fields=fields), region="US")]
    for row in found:
        row.line = 0
        row.other = {name: text for name, text in row.other.items() if name not in ("created", "updated", "contact id")}
    return found
