"""Compiled loops for training: what Winograd's convolutions need besides their forward pass."""

from __future__ import annotations

from typing import Any

import numpy as np

from videnhance.inference.winograd.kernels import (
    SPAN,
    TILE,
    _forward_columns,
    _forward_row,
    _place,
    _store_eight,
    _store_six,
)
from videnhance.kernels.compiling import Floats, helper, kernel
from videnhance.kernels.vectors import LANES, PANEL, lanes, load, load_one, panel

_ROWS = 6
"""Input channels whose sums of products are kept in registers at once."""
_f = np.float32


@helper
def _spread_six(y0: Any, y1: Any, y2: Any, y3: Any, y4: Any, y5: Any) -> Any:
    """Gradients of 8 products from those of 6 outputs: the transpose of the output transform."""
    even1, odd1 = y0 + y2 + y4, y1 + y3 + y5
    even2, odd2 = y0 + y2 * _f(4) + y4 * _f(16), y1 * _f(2) + y3 * _f(8) + y5 * _f(32)
    even3, odd3 = y0 * _f(32) + y2 * _f(8) + y4 * _f(2), y1 * _f(16) + y3 * _f(4) + y5
    return (
        y0,
        even1 + odd1,
        even1 - odd1,
        even2 + odd2,
        even2 - odd2,
        even3 + odd3,
        even3 - odd3,
        y5,
    )


@helper
def _six(array: Any, at: Any, stride: Any) -> Any:
    return (
        load(array, at, lanes()),
        load(array, at + stride, lanes()),
        load(array, at + 2 * stride, lanes()),
        load(array, at + 3 * stride, lanes()),
        load(array, at + 4 * stride, lanes()),
        load(array, at + 5 * stride, lanes()),
    )


@helper
def _output_columns(
    gradient: Any, start: Any, across: Any, first: Any, count: Any, columns: Any, channels: Any
) -> Any:
    """Transform the columns of `count` output tiles, which do not overlap."""
    _, width, stored = gradient.shape
    to = 0
    for tile in range(first, first + count):
        at = start + _place(gradient, across, tile)
        for _ in range(TILE):
            for c in range(0, channels, LANES):
                values = _spread_six(*_six(gradient, at + c, width * stored))
                _store_eight(columns, to + c, columns.shape[1], values)
            at += stored
            to += channels


@helper
def _output_row(columns: Any, y: Any, count: Any, tiles: Any, channels: Any) -> Any:
    """Transform row `y` of the tiles whose columns are transformed, into (8, tiles, channels)."""
    at, to = y * columns.shape[1], 0
    for _ in range(count):
        for c in range(0, channels, LANES):
            values = _spread_six(*_six(columns, at + c, channels))
            _store_eight(tiles, to + c, tiles.shape[1], values)
        at += TILE * channels
        to += channels


@helper
def _accumulate(
    tiles: Any, read: Any, x: Any, others: Any, width: Any, count: Any, depth: Any, total: Any,
    position: Any,
) -> Any:  # fmt: skip
    """Add (depth, tiles)·(tiles, width) at one of the 64 positions to `total`."""
    for c in range(0, depth, _ROWS):
        for p in range(0, width, PANEL):
            s0 = s1 = s2 = s3 = s4 = s5 = panel()
            row = x * tiles.shape[1] + c
            column = x * others.shape[1] + p
            for _ in range(count):
                w = load(others, column, panel())
                s0 += w * load_one(tiles, row)
                s1 += w * load_one(tiles, row + 1)
                s2 += w * load_one(tiles, row + 2)
                s3 += w * load_one(tiles, row + 3)
                s4 += w * load_one(tiles, row + 4)
                s5 += w * load_one(tiles, row + 5)
                row += read
                column += width
            to = (position * depth + c) * width + p
            s0 += load(total, to, panel())
            s1 += load(total, to + width, panel())
            s2 += load(total, to + 2 * width, panel())
            s3 += load(total, to + 3 * width, panel())
            s4 += load(total, to + 4 * width, panel())
            s5 += load(total, to + 5 * width, panel())
            _store_six(total, to, width, (s0, s1, s2, s3, s4, s5))


@kernel(
    "void(float32[:,:,::1], int64, float32[:,:,::1], int64, int64, int64, int64, float32[:,:,::1],"
    " float32[:,::1], float32[:,::1], float32[:,::1], float32[:,::1])"
)
def weight_gradient(
    source: Floats,
    source_start: int,
    gradient: Floats,
    gradient_start: int,
    down: int,
    across: int,
    most: int,
    total: Floats,
    columns: Floats,
    tiles: Floats,
    other_columns: Floats,
    others: Floats,
) -> None:
    """Add the gradient of a convolution's transformed weights to `total`.

    `source` is what the convolution read and `gradient` that of what it wrote, both (rows, columns,
    channels), in `down` times `across` tiles, blocks of `most` at once. `total` is (64, channels
    in, channels out); channels in are a multiple of 6, channels out one of PANEL. The others hold
    the steps within a block, as in `convolve`. No index is checked.
    """
    _, depth, width = total.shape
    read = -(-depth // LANES) * LANES
    for first in range(0, down * across, most):
        count = min(most, down * across - first)
        _forward_columns(source, source_start, across, first, count, columns, read)
        _output_columns(gradient, gradient_start, across, first, count, other_columns, width)
        for y in range(SPAN):
            _forward_row(columns, y, across, first, count, tiles, read)
            _output_row(other_columns, y, count, others, width)
            for x in range(SPAN):
                _accumulate(tiles, read, x, others, width, count, depth, total, y * SPAN + x)


@kernel("void(float32[:,::1], float32[:,::1], float32[::1], float32[::1], float32[:,::1])")
def activate(before: Floats, places: Floats, extra: Floats, slope: Floats, after: Floats) -> None:
    """Add `extra` times the dial to `before`, in place, and write PReLU of it into `after`.

    `before` and `after` are (pixels, channels); `places` is (pixels, 2): 1 inside of a picture and
    0 in the gaps, and the dial. Gaps come out as zeros.
    """
    for pixel in range(before.shape[0]):
        inside, dial = places[pixel, 0], places[pixel, 1]
        source, target = before[pixel], after[pixel]
        for c in range(source.shape[0]):
            value = (source[c] + dial * extra[c]) * inside
            source[c] = value
            target[c] = max(value, _f(0)) + slope[c] * min(value, _f(0))


@kernel("void(float32[:,::1], float32[:,::1], float32[:,::1], float32[::1], float32[:,::1])")
def deactivate(
    gradient: Floats, before: Floats, places: Floats, slope: Floats, sums: Floats
) -> None:
    """Turn the gradient of `activate`'s result into that of what it was given, in place.

    Adds those of bias, dial's bias and slope to `sums`, (3, channels).
    """
    bias, extra, slopes = sums[0], sums[1], sums[2]
    for pixel in range(before.shape[0]):
        inside, dial = places[pixel, 0], places[pixel, 1]
        values, changes = before[pixel], gradient[pixel]
        if inside == 0:
            changes[:] = 0
            continue
        for c in range(values.shape[0]):
            change, value = changes[c], values[c]
            slopes[c] += change * min(value, _f(0))
            change *= _f(1) if value > 0 else slope[c]
            changes[c] = change
            bias[c] += change
            extra[c] += change * dial


@kernel("void(float32[:,::1], float32[:,:,::1], float32[:,:,::1])")
def transform_weights(matrix: Floats, weight: Floats, packed: Floats) -> None:
    """Write weights (9, channels in, channels out) as `convolve` takes them into `packed`.

    `matrix` is the one-dimensional transform, (8, 3); channels out are a multiple of PANEL.
    """
    _, into, out = weight.shape
    half = np.empty((SPAN, 3, PANEL), np.float32)
    lane = np.empty(PANEL, np.float32)
    for c in range(into):
        for p in range(0, out, PANEL):
            for i in range(SPAN):
                for b in range(3):
                    for k in range(PANEL):
                        half[i, b, k] = (
                            matrix[i, 0] * weight[b, c, p + k]
                            + matrix[i, 1] * weight[3 + b, c, p + k]
                            + matrix[i, 2] * weight[6 + b, c, p + k]
                        )
            for i in range(SPAN):
                for j in range(SPAN):
                    for k in range(PANEL):
                        lane[k] = (
                            matrix[j, 0] * half[i, 0, k]
                            + matrix[j, 1] * half[i, 1, k]
                            + matrix[j, 2] * half[i, 2, k]
                        )
                    to = (p // PANEL * into + c) * PANEL
                    row, column = to // out, to % out
                    packed[i * SPAN + j, row, column : column + PANEL] = lane


@kernel("void(float32[:,::1], float32[:,:,::1], float32[:,:,::1])")
def gather_weights(matrix: Floats, total: Floats, weight: Floats) -> None:
    """The transpose of the transform: from `total`, (64, in, out), to `weight`, (9, in, out)."""
    _, into, out = total.shape
    half = np.empty((3, SPAN, PANEL), np.float32)
    for c in range(into):
        for p in range(0, out, PANEL):
            half[:] = 0
            for i in range(SPAN):
                for j in range(SPAN):
                    for a in range(3):
                        for k in range(PANEL):
                            half[a, j, k] += matrix[i, a] * total[i * SPAN + j, c, p + k]
            for a in range(3):
                for b in range(3):
                    for k in range(PANEL):
                        value = _f(0)
                        for j in range(SPAN):
                            value += matrix[j, b] * half[a, j, k]
                        weight[a * 3 + b, c, p + k] = value
