"""The requests of a probe: one after the other, counted, each answer judged by whether it proves anything.

- An answer counts if it is the service's own and whole: JSON with a 2xx, or a refusal (4xx) of its own.
- A read without such an answer is asked for again. A refusal counts if it comes twice.
- A 401 ends the probe.
"""

from __future__ import annotations

import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import anyio

from contacts_mcp.api import answers
from contacts_mcp.api.client import Call, Heard, HeymarketClient
from contacts_mcp.errors import BadAnswer, CredentialsRefused, RateLimited, UpstreamError
from contacts_mcp.setup.probe.findings import Findings

MOST_REQUESTS = 60
KEPT_PER_CONTACT = 5  # of them, for deleting each contact that the probe made: the deletion and four looks
TRIES = 4
PAUSE = 0.2  # seconds before a second try, twice as many before the third
LONGEST_PAUSE = 60.0  # seconds that are waited after a 429
_OK, _REFUSALS, _FAILURES = 200, 400, 500
_UNAUTHORIZED, _TOO_MANY = 401, 429


class OutOfRequests(Exception):
    """All requests that a probe may send are sent."""


@dataclass(frozen=True, slots=True)
class Told:
    """An answer that counts. `value` is the JSON of a 2xx, None for a refusal."""

    status: int
    value: Any
    heard: Heard

    @property
    def is_refused(self) -> bool:
        return self.status >= _REFUSALS


class Asker:
    """The requests of one run."""

    def __init__(
        self, api: HeymarketClient, *, most: int = MOST_REQUESTS, announce: Callable[[int], None] = lambda _: None
    ) -> None:
        """`announce` hears how many requests were sent."""
        self._api = api
        self._most = most
        self._announce = announce
        self._held_back = 0
        self.used = 0
        self.failure: UpstreamError | None = None  # the last one
        self._answers: list[Heard] = []
        self._api.listeners.append(self._listen)

    def _listen(self, _: Call, heard: Heard) -> None:
        self._answers.append(heard)

    def close(self) -> None:
        self._api.listeners.remove(self._listen)

    def hold_back(self, requests: int) -> None:
        """Keep so many requests for later. 0 gives them free."""
        self._held_back = requests

    @property
    def left(self) -> int:
        return self._most - self._held_back - self.used

    async def once(self, call: Call) -> Heard:
        """One copy and its answer. Raises UpstreamError without one, RateLimited, OutOfRequests."""
        if self.left <= 0:
            raise OutOfRequests
        self.used += 1
        self._announce(self.used)
        heard = await self._api.exchange(call)
        if heard.status == _UNAUTHORIZED and heard.is_own:
            raise CredentialsRefused("Heymarket refused the credentials (401). The account owner should check them.")
        return heard

    async def read(self, call: Call, *, believes: bool = False) -> Told | None:
        """An answer that counts, None where none came. Raises AccountError, OutOfRequests.

        `believes` takes a refusal that comes once.
        """
        refused: Told | None = None
        for attempt in range(TRIES):
            if attempt and not refused:
                await anyio.sleep(PAUSE * 2 ** (attempt - 1))
            told = await self._told(call)
            if told is None:
                continue
            if not told.is_refused or believes or (refused and refused.status == told.status):
                return told
            refused = told
        return None

    async def _told(self, call: Call) -> Told | None:
        try:
            return told_by(await self.once(call))
        except RateLimited as refused:
            if refused.retry_after and refused.retry_after > LONGEST_PAUSE:
                raise
            return None  # the pace holds the next request back
        except UpstreamError as failure:
            self.failure = failure
            return None

    def note(self, findings: Findings) -> None:
        """The facts of all answers together."""
        good = [heard for heard in self._answers if (told := told_by(heard)) and not told.is_refused]
        limited = [heard for heard in self._answers if heard.status == _TOO_MANY]
        _note_header(findings, "request_ids", "X-Request-Id", good)
        _note_header(findings, "retry_after", "Retry-After", limited)
        if good:
            middle, longest = statistics.median(heard.seconds for heard in good), max(heard.seconds for heard in good)
            text = f"{len(good)} answers; the slowest took {longest * 1000:.0f} ms"
            findings.add("latency", f"{middle * 1000:.0f} ms", text)


def _note_header(findings: Findings, name: str, header: str, among: Sequence[Heard]) -> None:
    """Whether all of some answers have a header, or none."""
    having = sum(bool(heard.headers.get(header)) for heard in among)
    position = {0: "left out", len(among): "sent"}.get(having, "") if among else ""
    findings.add(name, position, f"in {having} of {len(among)} answers" if among else "there was no such answer")


def told_by(heard: Heard) -> Told | None:
    """The answer if it counts, None if it proves nothing."""
    if _REFUSALS <= heard.status < _FAILURES:
        return Told(heard.status, None, heard) if heard.is_own else None
    if heard.status >= _REFUSALS or heard.status < _OK or not heard.body.strip():
        return None
    try:
        value = answers.decode(
            heard.body, content_type=heard.headers.get("Content-Type", ""), status=heard.status, request_id=""
        )
    except BadAnswer:
        return None
    return Told(heard.status, value, heard)
