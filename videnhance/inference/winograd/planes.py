"""Compiled loops from feature maps to the finished picture."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from videnhance.inference.winograd.compiling import Floats, kernel


@kernel("void(float32[:,:,::1], float32[:,:,::1], int64, float32[:,:,::1])")
def shuffle_and_add(source: Floats, image: Floats, factor: int, result: Floats) -> None:
    """Pixel shuffle of `source` plus `image` (3, H, W) enlarged by repetition.

    `source` has a border of 1 and channel (c·factor + i)·factor + j for row i and column j of
    plane c; `result` is (3, factor·H, factor·W).
    """
    _, height, width = image.shape
    for plane in range(3):
        for y in range(height):
            for i in range(factor):
                channel = (plane * factor + i) * factor
                row = y * factor + i
                for x in range(width):
                    for j in range(factor):
                        result[plane, row, x * factor + j] = (
                            source[y + 1, x + 1, channel + j] + image[plane, y, x]
                        )


@kernel(
    "void(float32[:,:,::1], int64[:,::1], float32[:,::1], int64[:,::1], float32[:,::1],"
    " float32[::1], float32[:,:,::1])"
)
def resample(
    source: Floats,
    rows: NDArray[np.int64],
    row_taps: Floats,
    columns: NDArray[np.int64],
    column_taps: Floats,
    scratch: Floats,
    result: Floats,
) -> None:
    """Separable filter with four taps: where each output sample reads, and by which weights.

    `source` and `result` are (3, H, W); `scratch` holds a row of `source`.
    """
    for plane in range(3):
        for y in range(rows.shape[0]):
            for x in range(source.shape[2]):
                scratch[x] = (
                    source[plane, rows[y, 0], x] * row_taps[y, 0]
                    + source[plane, rows[y, 1], x] * row_taps[y, 1]
                    + source[plane, rows[y, 2], x] * row_taps[y, 2]
                    + source[plane, rows[y, 3], x] * row_taps[y, 3]
                )
            for x in range(columns.shape[0]):
                result[plane, y, x] = (
                    scratch[columns[x, 0]] * column_taps[x, 0]
                    + scratch[columns[x, 1]] * column_taps[x, 1]
                    + scratch[columns[x, 2]] * column_taps[x, 2]
                    + scratch[columns[x, 3]] * column_taps[x, 3]
                )
