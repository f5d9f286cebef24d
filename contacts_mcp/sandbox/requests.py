"""What the sandbox was asked, for tests to look at."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

_MOST = 10_000


@dataclass
class Request:
    """One request that arrived. `status` is what the client was told: None while that is open, and when it was told nothing.

    `body` is the parsed JSON, None for no body, the text for a body that is not JSON. `operation` is empty for an unknown path.
    """

    operation: str
    method: str
    path: str
    query: dict[str, str]
    body: Any
    request_id: str
    status: int | None = None


class Requests(list[Request]):
    """The latest 10,000 requests in the order in which they arrived."""

    def append(self, request: Request) -> None:
        """Adds a request and lets the oldest go."""
        super().append(request)
        del self[:-_MOST]
