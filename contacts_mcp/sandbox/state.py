"""The state of one sandbox: everything that a request can meet."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from .auth import Credentials, Quota
from .behaviour import Behaviour
from .call import Request, Requests
from .faults import Faults
from .interventions import Interventions
from .late import LateWrites
from .oddities import Oddities
from .rows.records import Record, Records
from .rows.replica import Lag, Replica
from .rows.store import Store


@dataclass(kw_only=True)
class SandboxState:
    """Everything that a request can meet. The parts may be replaced at any time."""

    records: Records
    replica: Replica
    behaviour: Behaviour
    faults: Faults
    credentials: Credentials
    clock: Callable[[], float]  # unix seconds
    quota: Quota = field(default_factory=Quota)
    late: LateWrites = field(default_factory=LateWrites)
    interventions: Interventions = field(default_factory=Interventions)
    oddities: Oddities = field(default_factory=Oddities)
    requests: Requests = field(default_factory=Requests)
    store: Store = field(init=False)

    def __post_init__(self) -> None:
        self.store = Store(self.records, clock=self.now, before_use=self.land, hold_back=self.hold_back)

    def now(self) -> float:
        """Unix seconds, by the clock of this moment."""
        return self.clock()

    def land(self, *, everything: bool = False) -> list[Request]:
        """Carries out the late writes that are due, or all of them. Returns their requests."""
        return self.late.land(now=self.clock(), everything=everything)

    def hold_back(self, contact_id: int, before: Record | None, *lags: Lag | None) -> None:
        """Lets reads lag behind a write of now. `before` is the contact before it, None if it was not there."""
        self.replica.hold_back(contact_id, before, lags=filter(None, lags), now=self.now())

    def start_over(self, *, behaviour: Behaviour) -> None:
        """Forgets everything but the rows."""
        self.behaviour = behaviour
        self.quota = Quota()
        self.replica.catch_up()
        for memory in (self.faults, self.late, self.interventions, self.oddities, self.requests):
            memory.clear()
