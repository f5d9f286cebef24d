"""Closing what a module of tests opens."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack, asynccontextmanager, closing, contextmanager
from typing import Any


@contextmanager
def all_closed(names: dict[str, Any], opener: str) -> Iterator[None]:
    """Everything that a module opens within this by its function or class of that name is closed at the end.

    `names` are the `globals()` of the module.
    """
    opening = names[opener]
    with ExitStack() as opened:
        names[opener] = lambda *given, **more: opened.enter_context(closing(opening(*given, **more)))
        try:
            yield
        finally:
            names[opener] = opening


@asynccontextmanager
async def all_aclosed(names: dict[str, Any], opener: str) -> AsyncIterator[None]:
    """The same for what has an `aclose`."""
    opening, made = names[opener], []
    names[opener] = lambda *given, **more: made.append(opening(*given, **more)) or made[-1]
    try:
        yield
    finally:
        names[opener] = opening
        for one in made:
            await one.aclose()
