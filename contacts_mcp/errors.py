"""Everything that can go wrong, grouped by the one who can put it right.

ContactsError
├── AssistantError          the assistant can, with another call
│   ├── InvalidArgument         a value that cannot be used
│   │   ├── InvalidPhone            the text is not one phone number that can be texted
│   │   └── UnknownName             no field, tag or team member has that name, or several have
│   ├── ContactNotFound         nobody has that id, phone or e-mail
│   └── Refused                 understood, but a rule of ours or a moved record stands against it
├── AccountError            the owner of the account can: credentials, rights, settings, patience
│   ├── CredentialsMissing
│   ├── CredentialsRefused      401
│   ├── Forbidden               403
│   └── RateLimited             429, or our own pace would wait too long
├── UpstreamError           nobody here can: the service failed or cannot be reached
│   ├── Rejected                4xx to a request that we believe is right
│   ├── ServiceFailed           5xx
│   ├── Unreachable             no connection: certainly nothing was carried out
│   ├── AnswerLost              sent, but no usable answer: it may have been carried out
│   ├── NotDone                 a write was accepted, and a look showed that nothing was changed
│   └── BadAnswer               a 2xx whose body breaks the contract
└── OutcomeUnknown          a write may have happened, and looking did not settle it

A text is written for the reader who can act: the problem, the value received, the value expected, the next step.
It never holds a secret. It holds contact data only as an echo of the caller's own words.
"""

from __future__ import annotations

from collections.abc import Sequence

_CLAIMS = ("Nothing was changed: ", "Nothing was sent: ")  # beginnings of texts, about the whole call


class ContactsError(Exception):
    """Base of every error this package raises on purpose. `str(error)` is the text for the reader."""

    kind: str = "error"  # stable, for programs; one error may carry a finer one of its own
    is_midway: bool = False  # a part of the call was carried out before it, and the text says so

    def tell_of(self, done: str) -> None:
        """Add to the text what the call carried out before this error. That nothing was is then not said."""
        text = str(self)
        for claim in _CLAIMS:
            text = text.removeprefix(claim)
        self.args = (f"{text[:1].upper()}{text[1:]} {done}",)
        self.is_midway = True


class AssistantError(ContactsError):
    """The caller can fix it with another call."""


class InvalidArgument(AssistantError):
    """One argument cannot be used.

    `argument` is its name. `problem` names the fault and the value received. `expected` describes a right value.
    """

    kind = "invalid_argument"

    def __init__(self, argument: str, problem: str, *, expected: str = "") -> None:
        self.argument = argument
        self.problem = problem
        self.expected = expected
        super().__init__(" ".join(part for part in (f"{argument}: {problem}", expected) if part))


class InvalidPhone(InvalidArgument):
    """A text is not one phone number that can be texted. `reason` is a stable code for tests and callers."""

    kind = "invalid_phone"

    def __init__(self, reason: str, problem: str, *, expected: str = "", argument: str = "phone") -> None:
        self.reason = reason
        super().__init__(argument, problem, expected=expected)


class UnknownName(InvalidArgument):
    """A human name matched nothing or several things.

    `is_ambiguous` is true for several. `candidates` are the nearest names, or the several, as people see them.
    `misses` are the errors of one call, where several names are unknown.
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
    """A call was understood and not carried out. The text says which rule stands against it, and the next step.

    `kind` names the rule, for programs.
    """

    def __init__(self, message: str, *, kind: str = "refused") -> None:
        self.kind = kind
        super().__init__(message)


class AccountError(ContactsError):
    """The owner of the account can fix it. `request_id` is the service's `X-Request-Id`, "" if it sent none."""

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
    """Too many requests. `retry_after` is in seconds, None if the service did not say."""

    kind = "rate_limited"

    def __init__(self, message: str, *, retry_after: float | None = None, request_id: str = "") -> None:
        self.retry_after = retry_after
        super().__init__(message, request_id=request_id)


class UpstreamError(ContactsError):
    """The service failed. `request_id` is its `X-Request-Id`, which its support asks for, "" if it sent none."""

    kind = "upstream"

    def __init__(self, message: str, *, status: int | None = None, request_id: str = "") -> None:
        self.status = status
        self.request_id = request_id
        super().__init__(_with_request_id(message, request_id))


class Rejected(UpstreamError):
    """A 4xx other than 401, 403 and 429. The service did not accept the request and did nothing."""

    kind = "rejected"


class ServiceFailed(UpstreamError):
    """A 5xx. A write may have been carried out all the same. `retry_after` is in seconds, None if not said."""

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
    """The request may have arrived, but its answer did not (timeout, dropped connection, cut body)."""

    kind = "answer_lost"


class BadAnswer(UpstreamError):
    """A 2xx whose body breaks the contract."""

    kind = "bad_answer"


class NotDone(UpstreamError):
    """A write was accepted, and a look showed that nothing was changed."""

    kind = "not_done"


class OutcomeUnknown(ContactsError):
    """A write may have happened, and looking did not settle it.

    `rev` is that of its answer, 0 without one. `change_id` is that of the journal's entry.
    """

    kind = "unknown_outcome"

    def __init__(self, message: str, *, rev: int = 0, change_id: int | None = None) -> None:
        self.rev = rev
        self.change_id = change_id
        super().__init__(message)


def _with_request_id(message: str, request_id: str) -> str:
    return f"{message} (X-Request-Id {request_id})" if request_id else message
