"""The conversation about a confirmation, without a protocol: every way it can go, as a table."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from contacts_mcp.server.confirming import Question, Reply, Returned, converse, question_in, reply_of
from contacts_mcp.server.views.fitting import Answer

CONTACT = {"contact_id": 7, "name": "Ada", "phone": "+15105550101"}
QUESTION = Question("Delete Ada?", "token-1", CONTACT)
ASKS = Answer(
    ["Ask the person: Delete Ada?"],
    {
        "status": "needs_confirmation",
        "question": "Delete Ada?",
        "confirm_token": "token-1",
        "contact": CONTACT,
        "notes": [],
    },
)
DONE = Answer(["Deleted."], {"status": "deleted", "notes": []})
GONE = Answer(["No contact has the id 7."], {"kind": "not_found", "message": "..."}, is_error=True)

YES, NO, NOBODY = Reply.YES, Reply.NO, Reply.NOBODY


class Tool:
    """A tool that gives these answers, one after the other, and remembers the tokens it was called with."""

    def __init__(self, *answers: Answer) -> None:
        self._answers = [*answers]
        self.tokens: list[Any] = []

    async def call(self, arguments: Mapping[str, Any]) -> Answer:
        self.tokens.append(arguments.get("confirm_token"))
        return self._answers.pop(0)


def asker(reply: Reply | None) -> Any:
    async def ask(question: Question) -> Reply | None:
        assert question == QUESTION
        return reply

    return ask


def outcome(said: Answer | Question) -> str:
    if isinstance(said, Question):
        return "the question"
    if said.is_error:
        return "an error"
    noted = said.facts.get("note_kinds") == ["nobody_answered"]
    return said.facts["status"] + (", ask yourself" if noted else "")


# What the tool answers, how the person can be asked, the reply that was brought back -> the outcome, and the tokens
# of the calls that were made.
NOT, LATER = "nobody can be asked", "the client comes back"
WAYS = {
    "nothing to confirm": ([DONE], YES, None, "deleted", [None]),
    "an error": ([GONE], YES, None, "an error", [None]),
    "nobody can be asked": ([ASKS], NOT, None, "needs_confirmation", [None]),
    "yes at once": ([ASKS, DONE], YES, None, "deleted", [None, "token-1"]),
    "no at once": ([ASKS], NO, None, "declined", [None]),
    "nobody at once": ([ASKS], NOBODY, None, "needs_confirmation, ask yourself", [None]),
    "yes, but it changed": ([ASKS, ASKS], YES, None, "needs_confirmation", [None, "token-1"]),
    "yes, but it is gone": ([ASKS, GONE], YES, None, "an error", [None, "token-1"]),
    "asked by answer": ([ASKS], LATER, None, "the question", [None]),
    "came back with yes": ([DONE], LATER, YES, "deleted", ["token-1"]),
    "came back with no": ([], LATER, NO, "declined", []),
    "came back with nobody": ([ASKS], LATER, NOBODY, "needs_confirmation, ask yourself", [None]),
    "came back with nobody, and nothing to confirm": ([DONE], LATER, NOBODY, "deleted", [None]),
    "came back with nobody, and it is gone": ([GONE], LATER, NOBODY, "an error", [None]),
}


@pytest.mark.parametrize("way", WAYS)
async def test_a_reply_leads_to_its_outcome(way: str) -> None:
    answers, how, brought, expected, tokens = WAYS[way]
    tool = Tool(*answers)
    ask = None if how == NOT else asker(None if how == LATER else how)
    returned = Returned(QUESTION, brought) if brought else None
    said = await converse(tool.call, {"contact_id": 7}, ask=ask, returned=returned)
    assert (outcome(said), tool.tokens) == (expected, tokens)


async def test_who_was_asked_about_is_in_the_answer_to_a_no() -> None:
    said = await converse(Tool(ASKS).call, {}, ask=asker(NO))
    assert isinstance(said, Answer)
    assert said.facts["contact"] == CONTACT
    assert said.facts["note_kinds"] == ["declined"]
    assert all(part in said.text for part in ("7", "Ada", "+15105550101"))


@pytest.mark.parametrize(
    ("approves", "after", "reply"),
    [
        (True, 9.0, YES),
        (True, 1.6, YES),
        (True, 1.4, NOBODY),
        (True, 0.0, NOBODY),
        (False, 9.0, NO),
        (False, 1.6, NO),
        (False, 1.4, NOBODY),
        (False, 0.0, NOBODY),
    ],
)
def test_a_yes_or_no_that_is_faster_than_a_person_is_nobodys(approves: bool, after: float, reply: Reply) -> None:
    assert reply_of(approves=approves, after=after) is reply


@pytest.mark.parametrize("answer", [DONE, GONE, Answer([], {"status": "needs_confirmation"})])
def test_no_other_answer_holds_a_question(answer: Answer) -> None:
    assert question_in(answer) is None
    assert question_in(ASKS) == QUESTION
