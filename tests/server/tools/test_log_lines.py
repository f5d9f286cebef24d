"""At INFO there is one line a call and one a request, whatever the call is, and nothing personal."""

from __future__ import annotations

import logging
import re
from typing import Any

import pytest
from support import Session

CALL = re.compile(r"call (\S+): (ok|error) (\w+), \d+ ms, request \S+")
REQUEST = re.compile(r"request (GET|POST|PUT|DELETE) (/[a-z0-9{}/-]+): \w+, \d+ ms, request \S+")
CALLS: list[tuple[str, dict[str, Any], str]] = [
    ("lookup_contact", {"email": "Jordan.Rivera@example.com"}, "call lookup_contact: ok answered"),
    ("update_contact", {"contact_id": 1001, "last": "Personal"}, "call update_contact: ok updated"),
    ("delete_contact", {"contact_id": 1001, "name": "Jordan"}, "call delete_contact: ok needs_confirmation"),
    ("lookup_contact", {"phone": "personal"}, "call lookup_contact: error invalid_phone"),
    ("list_contacts", {"personal": 1}, "call list_contacts: error unknown_argument"),
    ("jordan_rivera", {}, "call (unknown): error unknown_tool"),
]


@pytest.mark.parametrize(("tool", "arguments", "said"), CALLS, ids=[said for *_, said in CALLS])
async def test_one_line_a_call_and_one_a_request(
    session: Session, caplog: pytest.LogCaptureFixture, tool: str, arguments: dict[str, Any], said: str
) -> None:
    await session.workspace.book()
    with caplog.at_level(logging.INFO, logger="contacts_mcp"):
        await session.call(tool, **arguments)
    lines = [record.getMessage() for record in caplog.records if record.name.startswith("contacts_mcp")]
    calls = [line for line in lines if line.startswith("call ")]
    requests = [line for line in lines if line.startswith("request ")]
    assert len(calls) + len(requests) == len(lines)
    assert len(calls) == 1
    assert calls[0].startswith(said)
    assert CALL.fullmatch(calls[0])
    assert len(requests) == len(session.operations)
    assert all(map(REQUEST.fullmatch, requests))
    assert not re.search(r"(?i)personal|jordan|rivera|example\.com|1001", "\n".join(lines))
