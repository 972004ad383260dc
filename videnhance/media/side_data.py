"""Side data of decoded frames: rotation, and static HDR metadata."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

from av.sidedata.sidedata import Type as SideDataType


@dataclass(frozen=True)
class Hdr:
    """HDR10 static metadata (SMPTE ST 2086 and CTA-861.3) in the units encoders ask for.

    `mastering`: x and y of green, blue, red and white in 0.00002, then the highest and lowest
    luminance in 0.0001 cd/m². `light`: MaxCLL and MaxFALL in cd/m².
    """

    mastering: tuple[int, ...] | None = None
    light: tuple[int, int] | None = None


def side_data(frame: Any) -> dict[SideDataType, bytes]:
    """Side data by type, without the types that this PyAV does not know."""
    found: dict[SideDataType, bytes] = {}
    try:
        count = len(frame.side_data)
    except ValueError:
        return found
    for i in range(count):
        try:
            item = frame.side_data[i]
            found[item.type] = bytes(item)
        except ValueError:
            continue
    return found


def display_matrix(data: bytes | None) -> tuple[int, ...] | None:
    """AV_PKT_DATA_DISPLAYMATRIX as nine integers; None if missing or the identity."""
    if data is None or len(data) < 36:
        return None
    matrix = struct.unpack("=9i", data[:36])
    identity = (1 << 16, 0, 0, 0, 1 << 16, 0, 0, 0, 1 << 30)
    return None if matrix == identity else matrix


def hdr_metadata(found: dict[SideDataType, bytes]) -> Hdr:
    """HDR10 static metadata among a frame's side data."""
    return Hdr(
        _mastering(found.get(SideDataType.MASTERING_DISPLAY_METADATA)),
        _light(found.get(SideDataType.CONTENT_LIGHT_LEVEL)),
    )


def _mastering(data: bytes | None) -> tuple[int, ...] | None:
    """AVMasteringDisplayMetadata: 3 primaries (r, g, b), white, min, max as rationals, 2 flags."""
    if data is None or len(data) < 88:
        return None
    values = struct.unpack("=20i2i", data[:88])
    if not (values[20] and values[21]):
        return None
    ratios = [Fraction(values[2 * i], values[2 * i + 1] or 1) for i in range(10)]
    rx, ry, gx, gy, bx, by, wx, wy, low, high = ratios
    chroma = tuple(round(v * 50000) for v in (gx, gy, bx, by, rx, ry, wx, wy))
    return (*chroma, round(high * 10000), round(low * 10000))


def _light(data: bytes | None) -> tuple[int, int] | None:
    if data is None or len(data) < 8:
        return None
    high, average = struct.unpack("=2I", data[:8])
    return (high, average) if high or average else None
