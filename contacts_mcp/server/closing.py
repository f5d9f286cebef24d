"""An address that is closed without losing a connection.

The system resets every connection that waits to be accepted when its address is closed. One that arrives between the
last look and the closing is lost, and on a busy machine much time may pass between the two. So a filter first drops
the packets that begin a connection. Their senders try again a second later, and are refused by then: a proxy asks
another server, as nothing was sent yet. All that is under way already passes the filter, and is accepted.

Only Linux has such filters. Elsewhere the last look has to do.
"""

from __future__ import annotations

import ctypes
import select
import socket
import struct
import sys
from collections.abc import Sequence
from contextlib import suppress

import anyio
import anyio.lowlevel

ACCEPTED_WITHIN = 1.0  # seconds
_IN_FLIGHT = 0.05  # seconds for connections that were half made when the filter came
_SO_ATTACH_FILTER = 26
# Classic BPF over the TCP header (linux/filter.h). The flags are byte 13; 0x02 begins a connection, 0x12 accepts one.
_DROP_BEGINNINGS = (
    (0x30, 0, 0, 13),  # load the flags
    (0x54, 0, 0, 0x12),  # keep SYN and ACK
    (0x15, 0, 1, 0x02),  # SYN alone?
    (0x06, 0, 0, 0),  # yes: drop it
    (0x06, 0, 0, 0xFFFF_FFFF),  # no: let all of it through
)


async def until_all_are_accepted(listeners: Sequence[socket.socket]) -> None:
    """Let nobody begin a connection any more, and wait until no connection waits at one of the addresses."""
    for listener in listeners:
        _let_nobody_begin(listener)
    with anyio.move_on_after(ACCEPTED_WITHIN):
        await anyio.sleep(_IN_FLIGHT)
        while select.select(listeners, [], [], 0)[0]:
            await anyio.lowlevel.checkpoint()


def _let_nobody_begin(listener: socket.socket) -> None:
    if sys.platform != "linux":
        return
    program = b"".join(struct.pack("HBBI", *step) for step in _DROP_BEGINNINGS)
    held = ctypes.create_string_buffer(program)
    described = struct.pack("HP", len(_DROP_BEGINNINGS), ctypes.addressof(held))
    with suppress(OSError):  # the last look has to do
        listener.setsockopt(socket.SOL_SOCKET, _SO_ATTACH_FILTER, described)
