"""What the proofs share: time that takes no time, and a stage; `tests/support` says what that is."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from hurried import HurriedLoop
from support import Backend, OpenStage, open_stages


@pytest.fixture
def hurried() -> Backend:
    """The backend for a module whose `anyio_backend` returns it."""
    return "asyncio", {"loop_factory": HurriedLoop}


@pytest.fixture
def open_stage(tmp_path: Path) -> OpenStage:
    return open_stages(tmp_path)


# Each kind of error by a phrase that only it has; the first that is found counts.
KINDS = (
    ("unknown", "may or may not have been carried out"),
    ("unknown", "it may still arrive"),
    ("unknown", "could not be seen"),
    ("unknown", "it is still there when looked up"),
    ("unknown", "still shows the contact as it was before"),
    ("not_done", "was not carried out: tried twice"),
    ("too_late", "No end after"),
    ("mistake", "because of a mistake in this server"),
    ("rate_limited", "(429)"),
    ("rate_limited", "rate limit is used up, by this or by others"),
    ("unreachable", "cannot be reached"),
    ("failed", "Heymarket failed (5"),
    ("lost", "did not answer within"),
    ("lost", "The connection to Heymarket broke"),
    ("bad_answer", "with a web page"),
    ("bad_answer", "with something that is not"),
    ("bad_answer", "cannot be read"),
    ("bad_answer", "with nothing"),
    ("rejected", "did not accept the request"),
    ("nobody", "No contact has"),
    ("refused", "belongs to another contact already"),
)


@pytest.fixture
def kind_of() -> Callable[[str], str]:
    """The kind of error a text tells of."""
    return lambda text: next((kind for kind, phrase in KINDS if phrase in text), f"? {text}")
