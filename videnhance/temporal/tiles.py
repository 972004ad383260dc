"""Choose the parts of a frame that are worth computing anew, and lay them into it."""

from __future__ import annotations

from collections.abc import Callable

import cv2
import numpy as np

from videnhance.core import Image
from videnhance.kernels.blending import fade_in
from videnhance.kernels.motion import Floats, Mask
from videnhance.temporal.region import Region

FEATHER = 2
"""Input pixels over which a part that was computed anew fades into what lies around it."""

_ACROSS = 24
_LEAST_SIDE = 16
PART_COST = 1000
"""Input pixels that may be seen more for a part less, each of which has its own expense."""
_WHOLE = 0.8
"""Share of a frame's work from which on the whole frame costs no more."""


def tile_side(height: int, width: int) -> int:
    """Side in input pixels of the tiles that are judged: at most 24 along a frame."""
    return max(_LEAST_SIDE, -(-max(height, width) // (8 * _ACROSS)) * 8)


def tile_means(plane: Floats, side: int) -> Floats:
    """Means over tiles of side×side pixels; the last ones are filled up with their edge."""
    tiled = _tiled(plane, side)
    size = (tiled.shape[1] // side, tiled.shape[0] // side)
    return np.asarray(cv2.resize(tiled, size, interpolation=cv2.INTER_AREA), np.float32)


def tile_maxima(plane: Floats, side: int) -> Floats:
    """Largest values of the same tiles."""
    tiled = _tiled(plane, side)
    rows, columns = (length // side for length in tiled.shape)
    return np.asarray(tiled.reshape(rows, side, columns, side).max(axis=(1, 3)), np.float32)


def _tiled(plane: Floats, side: int) -> Floats:
    missing = [-length % side for length in plane.shape]
    padded = cv2.copyMakeBorder(plane, 0, missing[0], 0, missing[1], cv2.BORDER_REPLICATE)
    return np.asarray(padded, np.float32)


def parts_of(chosen: Mask, side: int, reach: int, height: int, width: int) -> list[Region]:
    """Rectangles that cover the chosen tiles with little work, reach included.

    The whole frame, where that costs no more. Neighbours are put together as long as the work
    becomes less.
    """
    margin = reach + FEATHER
    parts = [
        Region(top * side, left * side, min(height, bottom * side), min(width, right * side))
        for top, left, bottom, right in _rectangles(chosen)
    ]
    whole = Region(0, 0, height, width)

    def work(part: Region) -> int:
        return part.grown(margin, height, width).pixels + PART_COST

    merged = True
    while merged and len(parts) > 1:
        merged = False
        kept: list[Region] = []
        for part in parts:
            for index, other in enumerate(kept):
                both = Region(
                    min(part.top, other.top),
                    min(part.left, other.left),
                    max(part.bottom, other.bottom),
                    max(part.right, other.right),
                )
                if work(both) <= work(part) + work(other):
                    kept[index] = both
                    merged = True
                    break
            else:
                kept.append(part)
        parts = kept
    if sum(work(part) for part in parts) >= _WHOLE * whole.pixels:
        return [whole]
    return parts


def _rectangles(chosen: Mask) -> list[tuple[int, int, int, int]]:
    """The rectangles around connected tiles, as (top, left, bottom, right)."""
    _, _, found, _ = cv2.connectedComponentsWithStats(chosen.astype(np.uint8), connectivity=8)
    return [(y, x, y + rows, x + columns) for x, y, columns, rows, _ in found[1:].tolist()]


def recompute(
    network: Callable[[Image], Image],
    image: Image,
    parts: list[Region],
    result: Floats,
    *,
    reach: int,
    scale: int,
) -> int:
    """Lay what the network makes of these parts into `result` (sH, sW, 3), in place.

    Returns how many input pixels the network saw.
    """
    _, height, width = image.shape
    seen = 0
    for part in parts:
        outer = part.grown(reach + FEATHER, height, width)
        seen += outer.pixels
        made = network(outer.of_planes(image))
        composite(np.moveaxis(made, 0, -1), outer, part, result, scale)
    return seen


def composite(made: Floats, outer: Region, part: Region, result: Floats, scale: int) -> None:
    """Lay what was made of `outer` into `result` in place: all of `part`, and fading around it."""
    height, width = (side // scale for side in result.shape[:2])
    visible = part.grown(FEATHER, height, width)
    rows, columns = (np.repeat(ramp, scale) for ramp in ramps(part, visible))
    fade_in(visible.within(outer).of(made, scale), rows, columns, visible.of(result, scale))


def ramps(part: Region, outer: Region) -> tuple[Floats, Floats]:
    """Weights of the rows and columns of `outer`: 1 in `part`, 0 further away than the feather."""
    return (
        _ramp(part.top - outer.top, part.bottom - part.top, outer.bottom - part.bottom),
        _ramp(part.left - outer.left, part.right - part.left, outer.right - part.right),
    )


def _ramp(before: int, middle: int, after: int) -> Floats:
    rise = np.clip((np.arange(before, dtype=np.float32) + FEATHER + 0.5 - before) / FEATHER, 0, 1)
    fall = np.clip((FEATHER - 0.5 - np.arange(after, dtype=np.float32)) / FEATHER, 0, 1)
    return np.concatenate((rise, np.ones(middle, np.float32), fall)).astype(np.float32)
