"""Who watches: the one place that hears of what a server does, for its metrics.

    if watcher := watching.watcher:
        watcher.began()

Nobody watches unless telemetry is set up (`server/telemetry.py`). No hook is told anything about a person or an
account.
"""

from __future__ import annotations


class Watcher:
    """Hears of calls, requests and waits. This one forgets them all, and others hear of what they need."""

    def began(self) -> None:
        """A call is under way."""

    def ended(self) -> None:
        """A call is over, or was given up."""

    def called(self, tool: str, *, kind: str, is_error: bool, seconds: float) -> None:
        """A call was answered. `kind` is that of its error, or the status of its answer."""

    def sent(self, operation: str, *, outcome: str, seconds: float) -> None:
        """One copy of a request went to the service. `outcome` is a status, or the name of an error's type."""

    def repeated(self, operation: str, *, kind: str) -> None:
        """A request will be sent once more after a failure of that kind."""

    def waited(self, seconds: float, *, is_bulk: bool) -> None:
        """A request had to wait for the rate limit."""

    def named(self, names: str, *, is_hit: bool) -> None:
        """A list of names was needed. `is_hit` tells that it was there already."""

    def searched(self, *, age: float) -> None:
        """The mirror was asked. `age` is that of its newest knowledge, in seconds."""

    def answered(self, status: int) -> None:
        """An HTTP request got an answer."""


watcher: Watcher | None = None
"""The one of this process. Read it at each use, because it changes where telemetry is set up."""


def watch(by: Watcher | None) -> Watcher | None:
    """Let `by` hear of everything from now on, or nobody. Returns the one before."""
    global watcher  # there is one per process, as of the providers of OpenTelemetry
    before, watcher = watcher, by
    return before
