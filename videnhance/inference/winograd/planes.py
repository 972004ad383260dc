"""Compiled loops from feature maps to the finished picture."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from videnhance.kernels.compiling import Floats, helper, kernel
from videnhance.kernels.vectors import (
    LANES,
    QUAD,
    lanes,
    load,
    load_one,
    quad,
    spread,
    store,
)


@helper
def _shuffle_row(
    source: Any, start: Any, image: Any, factor: Any, plane: Any, row: Any, target: Any, to: Any
) -> Any:
    """Write row `row` of the enlarged plane into `target` from flat position `to` on."""
    _, pixels, stored = source.shape
    _, height, width = image.shape
    y = row // factor
    at = start + y * pixels * stored + (plane * factor + row % factor) * factor
    beneath = (plane * height + y) * width
    if factor == QUAD:
        for x in range(width):
            added = spread(load_one(image, beneath + x), quad())
            store(target, to + x * QUAD, load(source, at + x * stored, quad()) + added)
    else:
        for x in range(width):
            added = load_one(image, beneath + x)
            for j in range(factor):
                value = load_one(source, at + x * stored + j) + added
                store(target, to + x * factor + j, value)


@kernel("void(float32[:,:,::1], int64, float32[:,:,::1], int64, float32[:,:,::1])")
def shuffle_and_add(source: Floats, start: int, image: Floats, factor: int, result: Floats) -> None:
    """Pixel shuffle of `source` plus `image` (3, H, W) enlarged by repetition.

    `source` is (rows, columns, channels) and has its first pixel at `start`, counted in floats;
    channel (c·factor + i)·factor + j is for row i and column j of plane c. `result` is
    (3, factor·H, factor·W).
    """
    _, height, width = result.shape
    for plane in range(3):
        for row in range(height):
            to = (plane * height + row) * width
            _shuffle_row(source, start, image, factor, plane, row, result, to)


@kernel(
    "void(float32[:,:,::1], int64, float32[:,:,::1], int64, int64[:,::1], float32[:,::1],"
    " uint64[:,::1], float32[:,::1], float32[:,:,::1])"
)
def shuffle_and_resample(
    source: Floats,
    start: int,
    image: Floats,
    factor: int,
    rows: NDArray[np.int64],
    row_taps: Floats,
    columns: NDArray[np.uint64],
    column_taps: Floats,
    result: Floats,
) -> None:
    """Like `shuffle_and_add`, followed by a separable filter with four taps.

    `rows` and `columns` hold the samples that each output sample reads, and the taps hold their
    weights. All four have shape (samples, 4). The samples are neighbours in ascending order; at an
    edge, the outermost one is repeated. `result` is (3, rows, columns).
    """
    width = -(-image.shape[2] * factor // LANES) * LANES
    # The latest four rows before the filter, and one row between its two directions. `columns` is
    # unsigned, so that numba need not check for negative indices, which count from the end.
    latest = np.zeros((4, width), np.float32)
    between = np.empty(width, np.float32)
    for plane in range(3):
        known = 0
        for y in range(rows.shape[0]):
            while known <= rows[y, 3]:
                to = known % 4 * width
                _shuffle_row(source, start, image, factor, plane, known, latest, to)
                known += 1
            r0, r1 = rows[y, 0] % 4 * width, rows[y, 1] % 4 * width
            r2, r3 = rows[y, 2] % 4 * width, rows[y, 3] % 4 * width
            for x in range(0, width, LANES):
                value = (
                    load(latest, r0 + x, lanes()) * row_taps[y, 0]
                    + load(latest, r1 + x, lanes()) * row_taps[y, 1]
                    + load(latest, r2 + x, lanes()) * row_taps[y, 2]
                    + load(latest, r3 + x, lanes()) * row_taps[y, 3]
                )
                store(between, x, value)
            for x in range(columns.shape[0]):
                result[plane, y, x] = (
                    between[columns[x, 0]] * column_taps[x, 0]
                    + between[columns[x, 1]] * column_taps[x, 1]
                    + between[columns[x, 2]] * column_taps[x, 2]
                    + between[columns[x, 3]] * column_taps[x, 3]
                )


@kernel("void(float32[:,:,::1], int64, float32[:,:,::1], int64, int64, float32[:,:,::1])")
def shuffle_and_add_finer(
    source: Floats, start: int, image: Floats, factor: int, unshuffle: int, result: Floats
) -> None:
    """Like `shuffle_and_add`, but `image` is `unshuffle` times as large as the features.

    `result` is `factor` times as large as the features: (3, factor·H/unshuffle,
    factor·W/unshuffle).
    """
    _, pixels, stored = source.shape
    _, height, width = image.shape
    repeat = factor // unshuffle
    for plane in range(3):
        for row in range(result.shape[1]):
            at = start + row // factor * pixels * stored
            at += (plane * factor + row % factor) * factor
            beneath = (plane * height + row // repeat) * width
            to = (plane * result.shape[1] + row) * result.shape[2]
            for x in range(result.shape[2] // factor):
                for j in range(factor):
                    added = load_one(image, beneath + x * unshuffle + j // repeat)
                    store(
                        result, to + x * factor + j, load_one(source, at + x * stored + j) + added
                    )
