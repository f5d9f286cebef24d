"""Lists of instructions for coming requests. Each instruction counts the requests of its operation for itself."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any, Generic, Protocol, TypeVar

from .operations import OPERATIONS

_OPERATIONS = frozenset({"*", *(operation.name for operation in OPERATIONS)})


class Order(Protocol):
    """One instruction. It is a frozen dataclass."""

    @property
    def operation(self) -> str:
        """The operation whose requests it is for. `*` is every operation."""

    @property
    def times(self) -> int:
        """It is carried out at so many requests. -1 is for ever."""

    @property
    def skip(self) -> int:
        """So many requests pass before."""


OrderT = TypeVar("OrderT", bound=Order)


class Orders(Generic[OrderT]):
    """The instructions that are still to come, in order."""

    def __init__(self) -> None:
        self._pending: list[OrderT] = []

    @property
    def pending(self) -> list[OrderT]:
        """The remaining instructions, with their remaining `times` and `skip`."""
        return list(self._pending)

    def __iter__(self) -> Iterator[OrderT]:
        return iter(self.pending)

    def __len__(self) -> int:
        return len(self._pending)

    def add(self, *orders: OrderT) -> None:
        """Puts `orders` at the end of the list."""
        self._pending.extend(orders)

    def clear(self) -> None:
        """Forgets every instruction."""
        self._pending.clear()

    def _is_due(self, index: int, operation: str) -> bool:
        """Whether an instruction is for this request. A request that it skips is counted."""
        order: Any = self._pending[index]
        if order.operation not in ("*", operation):
            return False
        if order.skip > 0:
            self._pending[index] = replace(order, skip=order.skip - 1)
        return bool(order.skip == 0)

    def _use(self, index: int) -> None:
        """Counts one carrying out."""
        order: Any = self._pending[index]
        if order.times == 1:
            del self._pending[index]
        elif order.times > 1:
            self._pending[index] = replace(order, times=order.times - 1)


def check_operation(name: str) -> None:
    """Raises ValueError for an operation that does not exist."""
    if name not in _OPERATIONS:
        raise ValueError(f"operation is one of {', '.join(sorted(_OPERATIONS))}")
