"""The state of one sandbox: everything that a request can meet."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from .auth import Credentials, Quota
from .behaviour import Behaviour
from .call import Requests
from .faults import Faults
from .rows.records import Records
from .rows.replica import Replica


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
    requests: Requests = field(default_factory=Requests)

    def start_over(self, *, behaviour: Behaviour) -> None:
        """Forgets everything but the rows."""
        self.behaviour = behaviour
        self.quota = Quota()
        self.replica.catch_up()
        self.faults.clear()
        self.requests.clear()
