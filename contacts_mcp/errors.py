"""Everything that can go wrong, cut by who can put it right.

ContactsError
├── AssistantError          the assistant can: another call with better arguments
│   ├── InvalidArgument         a value that cannot be used; says what came and what is expected
│   │   ├── InvalidPhone            what was written is not one textable phone number
│   │   └── UnknownName             no, or more than one, field / tag / team member has that name
│   ├── ContactNotFound         nobody has that id, phone or e-mail
│   └── Refused                 understood, and not done: a rule of ours or a moved record stands against it
├── AccountError            the owner of the account can: credentials, rights, settings, patience
│   ├── CredentialsMissing
│   ├── CredentialsRefused      401
│   ├── Forbidden               403
│   └── RateLimited             429, or our own pace would wait too long
├── UpstreamError           nobody here can: the service failed or cannot be reached
│   ├── Rejected                the service said 4xx to a request we believe is right
│   ├── ServiceFailed           5xx
│   ├── Unreachable             no connection: certainly nothing was carried out
│   ├── AnswerLost              sent, but no usable answer: may have been carried out
│   ├── NotDone                 a write was accepted, and looking showed that nothing was changed
│   └── BadAnswer               answered 2xx with something that is not what the contract says
└── OutcomeUnknown          a write may have happened and looking did not settle it

Texts are written for the reader who can act: what was wrong, what came, what is expected, what to do next.
They never hold a secret; contact data only ever as an echo of what the caller sent.
"""

from __future__ import annotations

from collections.abc import Sequence


class ContactsError(Exception):
    """Base of every error this package raises on purpose. `str(error)` is the text for the reader."""

    kind: str = "error"  # stable, for programs; one error may carry a finer one of its own


class AssistantError(ContactsError):
    """The caller can fix it with another call."""


class InvalidArgument(AssistantError):
    """One argument cannot be used.

    `argument` is its name, `problem` says what was wrong with it and what came, `expected` says what would be right.
    """

    kind = "invalid_argument"

    def __init__(self, argument: str, problem: str, *, expected: str = "") -> None:
        self.argument = argument
        self.problem = problem
        self.expected = expected
        super().__init__(" ".join(part for part in (f"{argument}: {problem}", expected) if part))


class InvalidPhone(InvalidArgument):
    """What was written is not one phone number that can receive a text. `reason` is a stable code for tests and callers."""

    kind = "invalid_phone"

    def __init__(self, reason: str, problem: str, *, expected: str = "", argument: str = "phone") -> None:
        self.reason = reason
        super().__init__(argument, problem, expected=expected)


class UnknownName(InvalidArgument):
    """A human name matched nothing, or (`is_ambiguous`) several things.

    `candidates` are the nearest, or the several, as shown to people. `misses` are the errors of one call, where several names are unknown.
    """

    kind = "unknown_name"

    def __init__(
        self,
        argument: str,
        problem: str,
        *,
        candidates: Sequence[str] = (),
        expected: str = "",
        is_ambiguous: bool = False,
        misses: Sequence[UnknownName] = (),
    ) -> None:
        self.candidates = tuple(candidates)
        self.is_ambiguous = is_ambiguous
        self.misses = tuple(misses) or (self,)
        super().__init__(argument, problem, expected=expected)

    @classmethod
    def of_several(cls, misses: Sequence[UnknownName]) -> UnknownName:
        """One error that tells all of `misses`."""
        if len(misses) == 1:
            return misses[0]
        (first, *others) = misses
        told = [f"{miss.argument}: {miss.problem}" for miss in others]
        hints = list(dict.fromkeys(miss.expected for miss in misses if miss.expected))
        return cls(
            first.argument,
            " ".join([first.problem, *told]),
            candidates=[name for miss in misses for name in miss.candidates],
            expected=" ".join(hints),
            is_ambiguous=all(miss.is_ambiguous for miss in misses),
            misses=misses,
        )


class ContactNotFound(AssistantError):
    """Nobody in the account has that id, phone or e-mail."""

    kind = "not_found"


class Refused(AssistantError):
    """Understood, allowed by the types, and still not done; the text says which rule and what to do instead.

    `kind` names the rule, for programs.
    """

    def __init__(self, message: str, *, kind: str = "refused") -> None:
        self.kind = kind
        super().__init__(message)


class AccountError(ContactsError):
    """The owner of the account can fix it. `request_id` is the service's `X-Request-Id`, empty where there was none."""

    kind = "account"

    def __init__(self, message: str, *, request_id: str = "") -> None:
        self.request_id = request_id
        super().__init__(_with_request_id(message, request_id))


class CredentialsMissing(AccountError):
    """No credentials are configured and the sandbox is off."""

    kind = "credentials_missing"


class CredentialsRefused(AccountError):
    """The service answered 401."""

    kind = "credentials_refused"


class Forbidden(AccountError):
    """The service answered 403."""

    kind = "forbidden"


class RateLimited(AccountError):
    """Too many requests. `retry_after` is in seconds, None where nobody said."""

    kind = "rate_limited"

    def __init__(self, message: str, *, retry_after: float | None = None, request_id: str = "") -> None:
        self.retry_after = retry_after
        super().__init__(message, request_id=request_id)


class UpstreamError(ContactsError):
    """The service failed. `request_id` is its `X-Request-Id`, the thing its support asks for; empty where it sent none."""

    kind = "upstream"

    def __init__(self, message: str, *, status: int | None = None, request_id: str = "") -> None:
        self.status = status
        self.request_id = request_id
        super().__init__(_with_request_id(message, request_id))


class Rejected(UpstreamError):
    """A 4xx other than 401, 403 and 429: the service did not accept the request, and did nothing."""

    kind = "rejected"


class ServiceFailed(UpstreamError):
    """A 5xx. A write may have been carried out all the same. `retry_after` is in seconds, None where nobody said."""

    kind = "service_failed"

    def __init__(
        self, message: str, *, status: int | None = None, request_id: str = "", retry_after: float | None = None
    ) -> None:
        self.retry_after = retry_after
        super().__init__(message, status=status, request_id=request_id)


class Unreachable(UpstreamError):
    """No connection was made, so nothing was carried out."""

    kind = "unreachable"


class AnswerLost(UpstreamError):
    """The request may have arrived; its answer did not (timeout, dropped connection, cut body)."""

    kind = "answer_lost"


class BadAnswer(UpstreamError):
    """A 2xx whose body is not what the contract says."""

    kind = "bad_answer"


class NotDone(UpstreamError):
    """A write was accepted, and looking showed that nothing was changed."""

    kind = "not_done"


class OutcomeUnknown(ContactsError):
    """A write may or may not have happened, and looking afterwards did not settle it.

    `rev` is the one that its answer named, 0 where there was none. `change_id` is that of the journal's entry.
    """

    kind = "unknown_outcome"

    def __init__(self, message: str, *, rev: int = 0, change_id: int | None = None) -> None:
        self.rev = rev
        self.change_id = change_id
        super().__init__(message)


def _with_request_id(message: str, request_id: str) -> str:
    return f"{message} (X-Request-Id {request_id})" if request_id else message
