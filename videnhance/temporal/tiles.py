"""Choose the regions of a frame that the network computes, and composite them."""

from __future__ import annotations

from collections.abc import Callable

import cv2
import numpy as np

from videnhance.core import Image
from videnhance.kernels.blending import fade_in
from videnhance.kernels.motion import Floats, Mask
from videnhance.temporal.region import Region

FEATHER = 2
"""Input pixels over which a composited region fades into its surroundings."""
TILES_ACROSS = 24
"""Tiles along the longer side of a frame, at most."""
SMALLEST_TILE = 16
"""Side in input pixels."""
REGION_COST = 1000
"""Fixed cost of a region, in input pixels of the network's work."""
WHOLE_FRAME = 0.8
"""Fraction of a frame's work from which on the whole frame is taken, since it costs no more."""


def tile_side(height: int, width: int) -> int:
    """Side in input pixels of the tiles whose error is predicted, a multiple of 8."""
    return max(SMALLEST_TILE, -(-max(height, width) // (8 * TILES_ACROSS)) * 8)


def tile_means(plane: Floats, side: int) -> Floats:
    """Means over tiles of side×side pixels; the last ones repeat their edge."""
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


def regions_of(chosen: Mask, side: int, margin: int, height: int, width: int) -> list[Region]:
    """Rectangles that cover the chosen tiles with little work, their margins included.

    Rectangles are merged while that makes the work less. The whole frame is taken where it costs no
    more.
    """
    margin += FEATHER
    regions = [
        Region(top * side, left * side, min(height, bottom * side), min(width, right * side))
        for top, left, bottom, right in _rectangles(chosen)
    ]
    whole = Region(0, 0, height, width)

    def work(region: Region) -> int:
        return region.grown(margin, height, width).pixels + REGION_COST

    merged = True
    while merged and len(regions) > 1:
        merged = False
        kept: list[Region] = []
        for region in regions:
            for index, other in enumerate(kept):
                both = region.union(other)
                if work(both) <= work(region) + work(other):
                    kept[index] = both
                    merged = True
                    break
            else:
                kept.append(region)
        regions = kept
    if sum(work(region) for region in regions) >= WHOLE_FRAME * whole.pixels:
        return [whole]
    return regions


def _rectangles(chosen: Mask) -> list[tuple[int, int, int, int]]:
    """The rectangles around connected tiles, as (top, left, bottom, right)."""
    _, _, found, _ = cv2.connectedComponentsWithStats(chosen.astype(np.uint8), connectivity=8)
    return [(y, x, y + rows, x + columns) for x, y, columns, rows, _ in found[1:].tolist()]


def recompute(
    network: Callable[[Image], Image],
    image: Image,
    regions: list[Region],
    result: Floats,
    *,
    margin: int,
    scale: int,
) -> int:
    """Composite the network's output of these regions into `result` (sH, sW, 3), in place.

    Returns how many input pixels the network saw.
    """
    _, height, width = image.shape
    seen = 0
    for region in regions:
        outer = region.grown(margin + FEATHER, height, width)
        seen += outer.pixels
        made = network(outer.of_planes(image))
        composite(np.moveaxis(made, 0, -1), outer, region, result, scale)
    return seen


def composite(made: Floats, outer: Region, region: Region, result: Floats, scale: int) -> None:
    """Put a picture of `outer` into `result`, in place: all of `region`, fading around it."""
    height, width = (side // scale for side in result.shape[:2])
    visible = region.grown(FEATHER, height, width)
    rows, columns = (np.repeat(ramp, scale) for ramp in ramps(region, visible))
    fade_in(visible.within(outer).of(made, scale), rows, columns, visible.of(result, scale))


def ramps(region: Region, outer: Region) -> tuple[Floats, Floats]:
    """Weights of the rows and columns of `outer`: 1 in `region`, 0 beyond the feather."""
    rows = region.top - outer.top, region.bottom - region.top, outer.bottom - region.bottom
    columns = region.left - outer.left, region.right - region.left, outer.right - region.right
    return _ramp(*rows), _ramp(*columns)


def _ramp(before: int, middle: int, after: int) -> Floats:
    rise = np.clip((np.arange(before, dtype=np.float32) + FEATHER + 0.5 - before) / FEATHER, 0, 1)
    fall = np.clip((FEATHER - 0.5 - np.arange(after, dtype=np.float32)) / FEATHER, 0, 1)
    return np.concatenate((rise, np.ones(middle, np.float32), fall)).astype(np.float32)
