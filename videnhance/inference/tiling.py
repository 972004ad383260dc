"""Cut an image into overlapping tiles and put the results together without seams."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from videnhance.core import Image

FEATHER = 8
"""Input pixels over which one tile fades into the next; they add to the halo."""

_STEP = 16


def smallest_tile(halo: int) -> int:
    """Side in input pixels of the smallest tile worth computing: two halos and a small core."""
    return 2 * halo + FEATHER + _STEP


def tile_for(memory: int, bytes_per_pixel: int, halo: int, width: int, height: int) -> int | None:
    """Side in input pixels of the largest square tile within `memory` bytes.

    None if the whole image fits. Never less than `smallest_tile`.
    """
    pixels = memory // bytes_per_pixel
    if width * height <= pixels:
        return None
    side = int(pixels**0.5) // _STEP * _STEP
    return max(side, smallest_tile(halo))


def run_tiled(
    network: Callable[[Image], Image], image: Image, *, tile: int, halo: int, scale: int
) -> Image:
    """Apply `network` to tiles of at most `tile` input pixels a side, blended where they overlap.

    Neighbours overlap by at least 2·halo + FEATHER pixels and fade into each other in the middle
    of the overlap, so no pixel within `halo` of a tile's inner edge is used. Tiles begin at even
    coordinates, because some networks take pixels in pairs.
    """
    _, height, width = image.shape
    rows, columns = (_axis(length, tile, halo, scale) for length in (height, width))
    whole = np.zeros((3, scale * height, scale * width), np.float32)
    for top, y_weight in rows:
        for left, x_weight in columns:
            tall, wide = (weight.size // scale for weight in (y_weight, x_weight))
            part = network(image[:, top : top + tall, left : left + wide])
            part = part * (y_weight[:, None] * x_weight)
            y, x = scale * top, scale * left
            whole[:, y : y + part.shape[1], x : x + part.shape[2]] += part
    return whole


def _axis(size: int, tile: int, halo: int, scale: int) -> list[tuple[int, NDArray[np.float32]]]:
    """The start of each tile along one axis (an even number) and weights of its output pixels."""
    if size <= tile:
        return [(0, np.ones(scale * size, np.float32))]
    tile -= (size - tile) % 2  # the parity of `size`, so that all starts are even
    overlap = 2 * halo + FEATHER + 2  # starts are rounded by up to a pixel
    count = -(-(size - overlap) // (tile - overlap))
    # The limit gives the number of tiles. Make them only as large as that number requires.
    side = -(-(size + (count - 1) * overlap) // count)
    side += (size - side) % 2
    starts = [2 * round(i * (size - side) / 2 / (count - 1)) for i in range(count)]
    ramp = (np.arange(scale * FEATHER, dtype=np.float32) + 0.5) / (scale * FEATHER)
    # Where the fade from tile i to tile i + 1 begins; it lies in the middle of their overlap.
    seams = [(after + before + side - FEATHER) // 2 for before, after in pairwise(starts)]
    spans = []
    for i, start in enumerate(starts):
        weight = np.ones(scale * side, np.float32)
        if i > 0:
            first = scale * (seams[i - 1] - start)
            weight[:first] = 0
            weight[first : first + ramp.size] = ramp
        if i < len(seams):
            first = scale * (seams[i] - start)
            weight[first : first + ramp.size] = 1 - ramp
            weight[first + ramp.size :] = 0
        spans.append((start, weight))
    return spans
