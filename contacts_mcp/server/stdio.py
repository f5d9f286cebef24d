"""Ending well on a signal: whoever stops the server, it ends as if its client had closed stdin.

A read of stdin that is under way cannot be interrupted, so without this SIGINT hangs and SIGTERM kills in the middle of a call.
So stdin is passed on through a pipe of our own, and a signal closes that pipe: the server reads the end, finishes as it always
does (journal and sandbox closed) and exits 0. A second signal has its usual effect.
"""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager

_SIGNALS = (signal.SIGINT, signal.SIGTERM)
_STDIN = 0
_CHUNK = 65536


@contextmanager
def ending_on_signals() -> Iterator[None]:
    """Within this, SIGINT and SIGTERM close stdin. For a process that has stdin and is about to end; nothing is put back."""
    try:
        client = os.dup(_STDIN)
    except OSError:  # started without a stdin: there is nothing to wait for
        yield
        return
    reading, writing = os.pipe()
    os.dup2(reading, _STDIN)
    os.close(reading)
    for number in _SIGNALS:
        signal.signal(number, lambda *_: _end(writing))
    threading.Thread(target=_pass_on, args=(client, writing), daemon=True).start()
    yield


def _pass_on(client: int, writing: int) -> None:
    try:
        while data := os.read(client, _CHUNK):
            while data:
                data = data[os.write(writing, data) :]
    except OSError:
        pass
    _close(writing)


def _end(writing: int) -> None:
    _close(writing)
    for each in _SIGNALS:
        signal.signal(each, signal.SIG_DFL)


def _close(writing: int) -> None:
    """Close the pipe but keep its number taken: the other thread may be about to write to it."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, writing)
    os.close(nowhere)
