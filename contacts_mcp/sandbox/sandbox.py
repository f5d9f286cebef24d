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
from .call import Request, Requests
from .control import Control
from .faults import Faults
from .interventions import Interventions
from .late import LateWrites
from .oddities import Oddities
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
    state: SandboxState = field(repr=False)
    reset: Callable[[], None] = field(repr=False)  # back to a new book, with every switch as at the start

    @property
    def store(self) -> Store:
        """The rows, past every check of the API."""
        return self.state.store

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
    def late(self) -> LateWrites:
        """The writes that are still on their way."""
        return self.state.late

    @property
    def interventions(self) -> Interventions:
        """The deeds of somebody else that are still to come."""
        return self.state.interventions

    @property
    def oddities(self) -> Oddities:
        """The rows that are sent in an odd shape."""
        return self.state.oddities

    @property
    def requests(self) -> Requests:
        """The requests so far."""
        return self.state.requests

    def land_due(self) -> list[Request]:
        """Carries out the late writes that are due by now, and returns their requests.

        This also happens by itself, before each request and before each use of `store`.
        """
        return self.state.land()

    def land_all(self) -> list[Request]:
        """Carries out every late write now, also those that are not due yet. Returns their requests."""
        return self.state.land(everything=True)

    def catch_up(self) -> None:
        """Shows every write to every read at once."""
        self.state.replica.catch_up()

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

    routes = Control(state, reset=reset).routes() if control else []
    return Sandbox(app=build_app(state, extra_routes=routes), state=state, reset=reset)
