"""The sandbox as one value, and the factory that opens it."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from starlette.types import ASGIApp

from .app import build_app
from .auth import Credentials
from .behaviour import Behaviour
from .call import Requests
from .control import control_routes
from .faults import Faults
from .rows import seed as book
from .rows.records import Records
from .rows.replica import Replica
from .rows.store import Store
from .state import SandboxState

if TYPE_CHECKING:
    import httpx


@dataclass(kw_only=True)
class Sandbox:
    """A local Heymarket: the ASGI app, and everything that a test sets or looks at."""

    app: ASGIApp
    store: Store
    state: SandboxState = field(repr=False)

    @property
    def behaviour(self) -> Behaviour:
        """The position of every switch. The next request follows a value that is assigned here."""
        return self.state.behaviour

    @behaviour.setter
    def behaviour(self, behaviour: Behaviour) -> None:
        self.state.behaviour = behaviour

    @property
    def faults(self) -> Faults:
        """The failures that are still to come."""
        return self.state.faults

    @property
    def requests(self) -> Requests:
        """The requests so far."""
        return self.state.requests

    def transport(self) -> httpx.AsyncBaseTransport:
        """An httpx transport into the app. It shows faults and read timeouts as a real connection does."""
        from .transport import SandboxTransport  # httpx costs start-up time

        return SandboxTransport(self.app)

    def close(self) -> None:
        """Closes the database. A database in memory is gone then."""
        self.state.records.close()


def open_sandbox(
    path: str | Path | None = None,
    *,
    behaviour: Behaviour | None = None,
    contacts: int = 300,
    clock: Callable[[], float] = time.time,
    credentials: Credentials | None = None,
    seed: int = 0,
    control: bool = False,
) -> Sandbox:
    """Opens a sandbox over a SQLite file. Without a file it is in memory.

    A new database is filled with `contacts` people by `seed`. A file that is a sandbox already is opened as it is.
    `control` adds `/_sandbox/...`. Everybody who reaches the port can then set switches and read everything.
    """
    opened_with = behaviour or Behaviour()

    def fill(records: Records) -> None:
        book.fill(records, contacts=contacts, seed=seed)

    records = Records(path, seed=fill)
    state = SandboxState(
        records=records,
        replica=Replica(records),
        behaviour=opened_with,
        faults=Faults(seed=seed),
        credentials=credentials or Credentials(),
        clock=clock,
    )

    def reset() -> None:
        with records.transaction():
            records.empty()
            fill(records)
        state.start_over(behaviour=opened_with)

    routes = control_routes(state, reset=reset) if control else []
    app = build_app(state, extra_routes=routes)
    return Sandbox(app=app, store=Store(records, clock=clock), state=state)
