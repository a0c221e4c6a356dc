"""Writes specs/images/pebbles.png: the reference picture of the metamer and texture specifications.

Pebbles of random size, place and lightness, nearer ones over farther ones, with a soft shade: a picture with edges, a
texture and no author but this script. Standard library and numpy only; the same bytes each time.

    python3 scripts/make_pebbles.py          # writes
    python3 scripts/make_pebbles.py --check  # compares
"""

import struct
import sys
import zlib
from pathlib import Path

import numpy as np

SIDE = 128
PATH = Path(__file__).resolve().parent.parent / "specs" / "images" / "pebbles.png"


def light() -> np.ndarray:
    """Linear light, [SIDE, SIDE]."""
    random = np.random.RandomState(20261125)
    y, x = np.mgrid[0:SIDE, 0:SIDE] + 0.5
    picture = np.full((SIDE, SIDE), 0.25)
    for step in range(420):
        radius = 14.0 * 0.9965**step * (0.6 + 0.8 * random.rand())
        aspect, turn = 0.6 + 0.4 * random.rand(), np.pi * random.rand()
        cx, cy, shade = SIDE * random.rand(), SIDE * random.rand(), 0.15 + 0.6 * random.rand()
        # Periodic, so that the texture has no border.
        dx = (x - cx + SIDE / 2) % SIDE - SIDE / 2
        dy = (y - cy + SIDE / 2) % SIDE - SIDE / 2
        u = (np.cos(turn) * dx + np.sin(turn) * dy) / radius
        v = (-np.sin(turn) * dx + np.cos(turn) * dy) / (radius * aspect)
        inside = u * u + v * v
        cover = np.clip((1.0 - np.sqrt(inside)) * radius + 0.5, 0.0, 1.0)
        stone = shade * (0.75 + 0.35 * np.sqrt(np.clip(1.0 - inside, 0.0, 1.0)) - 0.12 * (dx + dy) / radius)
        picture = (1.0 - cover) * picture + cover * np.clip(stone, 0.02, 0.98)
    return picture


def png(picture: np.ndarray) -> bytes:
    """An 8-bit grey PNG in sRGB."""
    code = np.where(picture <= 0.0031308, 12.92 * picture, 1.055 * picture ** (1 / 2.4) - 0.055)
    rows = np.round(255 * code).astype(np.uint8)
    raw = b"".join(b"\0" + row.tobytes() for row in rows)

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    head = struct.pack(">IIBBBBB", SIDE, SIDE, 8, 0, 0, 0, 0)
    body = chunk(b"IHDR", head) + chunk(b"sRGB", b"\1") + chunk(b"IDAT", zlib.compress(raw, 9))
    return b"\x89PNG\r\n\x1a\n" + body + chunk(b"IEND", b"")


if __name__ == "__main__":
    if "--check" in sys.argv:
        sys.exit(0 if PATH.read_bytes() == png(light()) else f"{PATH} is not what this script writes")
    PATH.write_bytes(png(light()))
