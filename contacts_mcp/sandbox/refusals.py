"""The requests that are refused, and the words used for it (heymarket-api.md, section 5)."""

from __future__ import annotations


class Refusal(Exception):
    """The request is answered with an error. `str(refusal)` is the message."""

    status = 500
    name = "server_error"

    @property
    def headers(self) -> dict[str, str]:
        """What the answer carries besides its body."""
        return {}


class BadData(Refusal):
    """The body, the query or the path is malformed; the message names the field."""

    status = 400
    name = "bad_data"


class Unauthorized(Refusal):
    """Credentials are missing or invalid."""

    status = 401
    name = "unauthorized"


class ContactMissing(Refusal):
    """No contact is there; what is answered is a switch."""

    status = 404
    name = "not_found"


class RateLimited(Refusal):
    """The credential has used up its minute."""

    status = 429
    name = "rate_limit_exceeded"

    def __init__(self, message: str, *, retry_after: int | None) -> None:
        super().__init__(message)
        self.retry_after = retry_after

    @property
    def headers(self) -> dict[str, str]:
        """`Retry-After`, where the behaviour says to send one."""
        return {} if self.retry_after is None else {"retry-after": str(self.retry_after)}
