"""A note is a text with a kind, wherever it goes."""

from __future__ import annotations

import copy
import json
import pickle
from dataclasses import asdict, dataclass

import pytest

from contacts_mcp.words.note import Note


@dataclass
class _Answer:
    notes: list[str]


COPIES = {
    "copy": copy.copy,
    "deep-copy": copy.deepcopy,
    "pickle": lambda note: pickle.loads(pickle.dumps(note)),
    "as-dict": lambda note: asdict(_Answer([note]))["notes"][0],
}


@pytest.mark.parametrize("duplicate", COPIES.values(), ids=COPIES.keys())
def test_a_copy_keeps_text_and_kind(duplicate) -> None:
    note = duplicate(Note("assumed_country", "US was assumed."))
    assert (note, note.kind) == ("US was assumed.", "assumed_country")


def test_a_note_is_written_as_its_text() -> None:
    assert json.dumps([Note("kind", "text")]) == '["text"]'
    assert f"{Note('kind', 'text')}!" == "text!"
