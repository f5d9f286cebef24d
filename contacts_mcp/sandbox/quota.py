"""So many requests a minute for one credential, counted in fixed windows."""

from __future__ import annotations

from .behaviour import Behaviour
from .refusals import RateLimited

_WINDOW = 60


class Quota:
    """Counts requests in windows of 60 seconds that begin at whole minutes of the clock."""

    def __init__(self) -> None:
        self._window = 0
        self._used: dict[str, int] = {}

    def spend(self, credential: str, *, behaviour: Behaviour, now: float) -> None:
        """Counts one request. Raises RateLimited once the window is used up."""
        self._turn_to(int(now // _WINDOW))
        self._used[credential] = self._used.get(credential, 0) + 1
        if 0 < behaviour.requests_per_minute < self._used[credential]:
            raise RateLimited("rate limit exceeded", retry_after=behaviour.retry_after)

    def _turn_to(self, window: int) -> None:
        if window != self._window:
            self._window = window
            self._used.clear()
