"""A call that was stopped says whether a change may have been carried out, and only then.

Guards `contacts_mcp/server/boundary.py` and `contacts_mcp/workspace.py`.
"""

from __future__ import annotations

from typing import Any

import anyio
import pytest
from anyio.abc import TaskStatus
from support import Backend, OpenStage, text_of

from contacts_mcp.sandbox import Fault

UPDATE = ("update_contact", {"contact_id": 1, "first": "Grace"})
CREATE = ("create_contact", {"phone": "+15105553344", "first": "Jo"})


@pytest.fixture
def anyio_backend(hurried: Backend) -> Backend:
    return hurried


@pytest.mark.parametrize(
    ("call", "stalls", "wrote"),
    [
        (UPDATE, "get_contact", False),
        (UPDATE, "update_contact", True),
        (CREATE, "find_contact", False),
        (CREATE, "create_contact", True),
        (("delete_contact", {"contact_id": 2}), "get_contact", False),
        (("delete_contact", {"contact_id": 2}), "delete_contact", True),
        (("lookup_contact", {"contact_id": 1}), "get_contact", False),
    ],
    ids=lambda value: value[0] if isinstance(value, tuple) else None,
)
async def test_only_a_call_that_sent_a_change_may_have_changed_something(
    open_stage: OpenStage, call: tuple[str, dict[str, Any]], stalls: str, wrote: bool
) -> None:
    async with open_stage(confirm="off", call_timeout=7.0, timeout=5.0) as stage:
        stage.sandbox.faults.add(Fault(stalls, "stall", delay=1e6, times=-1))
        said = text_of(await stage.call(call[0], **call[1]))
    assert said.startswith("Stopped after 7 seconds") or "unknown" in said or "may or may not" in said
    assert ("Nothing was changed" in said) is not wrote
    assert ("may have been carried out" in said or "may or may not have been carried out" in said) is wrote


async def test_a_call_that_only_waited_for_the_contact_changed_nothing(open_stage: OpenStage) -> None:
    async def hold(*, task_status: TaskStatus[None]) -> None:
        async with (await stage.book()).locks.contact(1):
            task_status.started()
            await anyio.sleep_forever()

    async with open_stage(call_timeout=7.0) as stage, anyio.create_task_group() as tasks:
        await tasks.start(hold)
        said = text_of(await stage.call(UPDATE[0], **UPDATE[1]))
        tasks.cancel_scope.cancel()
    assert said == "Stopped after 7 seconds without an answer. Nothing was changed. Try again, or ask for less."
