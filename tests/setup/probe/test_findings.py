"""Positions are kept with their evidence, and two answers that disagree leave none."""

from __future__ import annotations

import pytest

from contacts_mcp.setup.probe.findings import ONLY_WRITING_TELLS, Findings
from contacts_mcp.setup.probe.questions import QUESTIONS


def test_two_answers_that_disagree_leave_no_position_whatever_comes_later() -> None:
    findings = Findings()
    for position in ("strict", "inclusive", "strict", ""):
        findings.add("cursor", position, f"evidence of {position}")
    seen = findings.all(with_writes=False)["cursor"]
    assert (seen.position, seen.is_torn) == ("", True)
    assert "evidence of strict" in seen.evidence
    assert "evidence of inclusive" in seen.evidence


def test_an_answer_that_cannot_tell_takes_no_position_away() -> None:
    findings = Findings()
    for position in ("", "strict", ""):
        findings.add("cursor", position, "seen")
    assert findings.position("cursor") == "strict"


def test_one_read_that_is_behind_outweighs_all_others() -> None:
    findings = Findings()
    for is_behind in (False, True, False):
        findings.note_age(is_behind=is_behind)
    assert findings.position("read_after_write") == "behind"


def test_a_question_that_was_not_asked_says_so() -> None:
    found = Findings().all(with_writes=False)
    assert [*found] == [one.name for one in QUESTIONS]
    assert found["clear_empty"].evidence == ONLY_WRITING_TELLS


def test_a_question_of_that_name_must_be_in_the_table() -> None:
    with pytest.raises(AssertionError):
        Findings().add("colour", "red")


def test_the_names_of_questions_differ() -> None:
    assert len({one.name for one in QUESTIONS}) == len(QUESTIONS)
