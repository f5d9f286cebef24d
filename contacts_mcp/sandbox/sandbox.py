"""The sandbox as one value, and the factory that opens it."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from starlette.types import ASGIApp

from . import seed as book
from .app import Desk, build_app
from .auth import Credentials
from .behaviour import Behaviour
from .control import control_routes
from .faults import Faults
from .records import Records
from .replica import Replica
from .requests import Requests
from .store import Store

if TYPE_CHECKING:
    import httpx


@dataclass(kw_only=True)
class Sandbox:
    """A local Heymarket: the ASGI app, and everything a test wants to set or see."""

    app: ASGIApp
    store: Store
    desk: Desk = field(repr=False)

    @property
    def behaviour(self) -> Behaviour:
        """What the sandbox does where the API is unknown; assign another and the next request follows it."""
        return self.desk.behaviour

    @behaviour.setter
    def behaviour(self, behaviour: Behaviour) -> None:
        self.desk.behaviour = behaviour

    @property
    def faults(self) -> Faults:
        """The failures still to come."""
        return self.desk.faults

    @property
    def requests(self) -> Requests:
        """What was asked so far."""
        return self.desk.requests

    def transport(self) -> httpx.AsyncBaseTransport:
        """An httpx transport into the app, with faults and read timeouts as a real connection would show them."""
        from .transport import SandboxTransport  # noqa: PLC0415 - httpx costs start-up time, and a served sandbox needs none

        return SandboxTransport(self.app)

    def close(self) -> None:
        """Closes the database; one in memory is gone."""
        self.desk.records.close()


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
    """Opens a sandbox over a SQLite file, or in memory without one.

    A new database is filled with `contacts` people by `seed`; a file that is a sandbox already is opened as it is.
    `control` adds `/_sandbox/...`, which lets anybody who can reach the port set switches and read everything.
    """
    opened_with = behaviour or Behaviour()

    def fill(records: Records) -> None:
        book.fill(records, contacts=contacts, seed=seed)

    records = Records(path, seed=fill)
    desk = Desk(
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
        desk.start_over(behaviour=opened_with)

    routes = control_routes(desk, reset=reset) if control else []
    return Sandbox(app=build_app(desk, extra_routes=routes), store=Store(records, clock=clock), desk=desk)
