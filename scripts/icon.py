"""Draws assets/icon.png: a card with a person on it, and a tail that makes it a text message.

It needs nothing but the standard library. Shapes are signed distances (negative inside), in units of the whole
picture, so edges are smooth at any size.
"""

from __future__ import annotations

import struct
import sys
import zlib
from collections.abc import Callable
from math import hypot
from pathlib import Path

SIZE = 512
TOP, BOTTOM = (20, 150, 140), (10, 92, 118)
CARD, PERSON = (250, 252, 252), (12, 112, 122)

Color = tuple[int, int, int]
Shape = Callable[[float, float], float]


def box(left: float, top: float, right: float, bottom: float, *, round_by: float) -> Shape:
    def distance(x: float, y: float) -> float:
        dx = max(left + round_by - x, x - right + round_by)
        dy = max(top + round_by - y, y - bottom + round_by)
        return hypot(max(dx, 0), max(dy, 0)) + min(max(dx, dy), 0) - round_by

    return distance


def circle(cx: float, cy: float, radius: float) -> Shape:
    return lambda x, y: hypot(x - cx, y - cy) - radius


def half_plane(px: float, py: float, nx: float, ny: float) -> Shape:
    """Everything on the side of (px, py) that (nx, ny) points away from."""
    length = hypot(nx, ny)
    return lambda x, y: ((x - px) * nx + (y - py) * ny) / length


def both(*shapes: Shape) -> Shape:
    return lambda x, y: max(shape(x, y) for shape in shapes)


def either(*shapes: Shape) -> Shape:
    return lambda x, y: min(shape(x, y) for shape in shapes)


GROUND = box(0.02, 0.02, 0.98, 0.98, round_by=0.22)
TAIL = both(half_plane(0.30, 0.70, -1, 0), half_plane(0.30, 0.86, 0.8, 1.0), half_plane(0.3, 0.6, 0, -1))
BUBBLE = either(box(0.18, 0.18, 0.82, 0.72, round_by=0.12), TAIL)
SHOULDERS = both(circle(0.5, 0.70, 0.19), half_plane(0, 0.635, 0, 1))
LAYERS: list[tuple[Shape, Color]] = [(BUBBLE, CARD), (either(circle(0.5, 0.36, 0.095), SHOULDERS), PERSON)]


def covered(shape: Shape, x: float, y: float) -> float:
    """How much of the pixel at (x, y) is inside."""
    return min(1.0, max(0.0, 0.5 - shape(x, y) * SIZE))


def pixel(x: float, y: float) -> bytes:
    color = tuple(top + (bottom - top) * y for top, bottom in zip(TOP, BOTTOM, strict=True))
    for shape, over in LAYERS:
        part = covered(shape, x, y)
        color = tuple(under + (new - under) * part for under, new in zip(color, over, strict=True))
    return bytes(round(value) for value in (*color, 255 * covered(GROUND, x, y)))


def png() -> bytes:
    rows = (b"\0" + b"".join(pixel((x + 0.5) / SIZE, (y + 0.5) / SIZE) for x in range(SIZE)) for y in range(SIZE))
    header = struct.pack(">IIBBBBB", SIZE, SIZE, 8, 6, 0, 0, 0)
    parts = [(b"IHDR", header), (b"IDAT", zlib.compress(b"".join(rows), 9)), (b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(_chunk(kind, data) for kind, data in parts)


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


if __name__ == "__main__":
    Path(sys.argv[1] if len(sys.argv) > 1 else "assets/icon.png").write_bytes(png())
