"""The conversation about a risky change: the question, the person's reply, and the answer after it.

- A tool answers needs_confirmation with a question and a token. The question goes to the person. After their yes the
  same call is made again with the token, so the person confirms exactly the change that they were shown.
- Some clients bring the reply back with a second call. Others answer in the middle of the first one.
- Several clients say that they can ask and then answer by themselves, without showing anything. No person reads and
  answers within `FASTEST_PERSON`. Such a yes or no is nobody's, and the assistant gets the token and asks the person.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Any

from contacts_mcp.server.views.fitting import Answer
from contacts_mcp.server.views.writes import declined
from contacts_mcp.words.note import Note

FASTEST_PERSON = 1.5  # seconds

NOBODY_ANSWERED = Note(
    "nobody_answered",
    "The question was answered before a person could read it, or nobody answered in time. Ask the person yourself. "
    "If they have already said no, that is their answer.",
)


class Reply(Enum):
    """The reply to a question."""

    YES = "yes"
    NO = "no"
    NOBODY = "nobody"  # the client answered by itself, too late or not at all


@dataclass(frozen=True, slots=True)
class Question:
    """A question to the person."""

    text: str
    token: str  # permits the action after a yes
    contact: Mapping[str, Any]  # as it was shown


@dataclass(frozen=True, slots=True)
class Returned:
    """A reply that came with a later call than its question."""

    question: Question
    reply: Reply


Call = Callable[[Mapping[str, Any]], Awaitable[Answer]]
Ask = Callable[[Question], Awaitable[Reply | None]]
Decline = Callable[[Question], Awaitable[bool]]


# Members of the answers about many rows, or about several contacts: a form shows one sentence of them.
# A form is better for one contact, because the assistant knows that it waits for somebody.
_BETTER_ON_A_SCREEN = {"plan", "sources"}


async def converse(
    call: Call,
    arguments: Mapping[str, Any],
    *,
    ask: Ask | None,
    returned: Returned | None = None,
    decline: Decline | None = None,
    shows_screens: bool = False,
) -> Answer | Question:
    """The answer to a call, or a question that has to go to the person.

    After a question the caller comes back with the reply in `returned`. `ask` is None where nobody can be asked. It
    gives None where the reply will come with the next call. `decline` makes a no final: the caller still holds the
    question, and could bring a yes to it later. It gives False where a reply was brought before.
    """
    if returned is not None:
        if returned.reply is Reply.NO and decline is not None and not await decline(returned.question):
            # It may have been a yes. The call with a used token does nothing, and tells how things are.
            return await call({**arguments, "confirm_token": returned.question.token})
        return await _concluded(call, arguments, returned.question, returned.reply)
    answer = await call(arguments)
    question = question_in(answer)
    if question is None or ask is None or (shows_screens and answer.facts.keys() & _BETTER_ON_A_SCREEN):
        return answer
    reply = await ask(question)
    if reply is None:
        return question
    return await _concluded(call, arguments, question, reply, answer)


async def _concluded(
    call: Call, arguments: Mapping[str, Any], question: Question, reply: Reply, answer: Answer | None = None
) -> Answer:
    """The answer after a reply. `answer` is the one with the question, if it was asked in the same call."""
    if reply is Reply.YES:
        return await call({**arguments, "confirm_token": question.token})
    if reply is Reply.NO:
        return declined(question.contact)
    answer = answer or await call(arguments)  # the request stands: nobody said no to it
    return answer.with_note(NOBODY_ANSWERED) if question_in(answer) else answer


def question_in(answer: Answer) -> Question | None:
    """The question of an answer that needs a confirmation, or None."""
    facts = answer.facts
    if answer.is_error or facts.get("status") != "needs_confirmation" or "question" not in facts:
        return None
    return Question(facts["question"], facts["confirm_token"], facts.get("contact", {}))


def reply_of(*, approves: bool, after: float) -> Reply:
    """The reply that a client's form tells of: whether it `approves`, and the seconds it took."""
    if after < FASTEST_PERSON:
        return Reply.NOBODY
    return Reply.YES if approves else Reply.NO
