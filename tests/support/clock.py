"""Clocks that tests set."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from hurried import HurriedLoop

Backend = tuple[str, dict[str, Any]]
"""An event loop as anyio's plugin takes it: the backend's name and its options."""

HURRIED: Backend = ("asyncio", {"loop_factory": HurriedLoop})
"""Waits are exact and take no time. A module uses it by a fixture `anyio_backend` that returns it."""


@dataclass
class Clock:
    """Seconds since 1970, moved by hand. It starts after the sandbox's book ends, on a whole minute."""

    now: float = 1_800_000_000.0

    def __call__(self) -> float:
        return self.now
