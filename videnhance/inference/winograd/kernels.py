"""The compiled loop of 3×3 convolutions by Winograd's algorithm.

The transforms are those of F(6×6, 3×3) with the points 0, ±1, ±2, ±1/2 and ∞ (Lavin and Gray,
"Fast algorithms for convolutional neural networks", CVPR 2016): an output tile of 6×6 comes from
an input tile of 8×8. All arrays are channels last, so that a vector holds neighbouring floats.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from videnhance.kernels.compiling import Floats, helper, kernel
from videnhance.kernels.vectors import (
    LANES,
    PANEL,
    lanes,
    load,
    load_one,
    panel,
    prefetch,
    prelu,
    store,
)

TILE = 6
"""Side of an output tile."""
SPAN = TILE + 2
"""Side of the input tile that it depends on."""

STEP = 6
"""Tiles that are multiplied at once. Together with PANEL, they fill the registers of AVX2.

More tiles or panels are no faster with AVX-512 on an AMD Zen 4, which computes the two halves of a
vector in turn.
"""

# G of the weight transform W = G w: up to a factor, it evaluates the polynomial w at each point.
WEIGHT_TRANSFORM = np.array(
    [
        [1, 0, 0],
        [-2 / 9, -2 / 9, -2 / 9],
        [-2 / 9, 2 / 9, -2 / 9],
        [1 / 90, 1 / 45, 2 / 45],
        [1 / 90, -1 / 45, 2 / 45],
        [1 / 45, 1 / 90, 1 / 180],
        [1 / 45, -1 / 90, 1 / 180],
        [0, 0, 1],
    ]
)

_f = np.float32


@helper
def _forward(a0: Any, a1: Any, a2: Any, a3: Any, a4: Any, a5: Any, a6: Any, a7: Any) -> Any:
    """Transform 8 inputs."""
    even1 = a2 + a6 - a4 * _f(4.25)
    odd1 = a1 + a5 - a3 * _f(4.25)
    even2 = a6 + a2 * _f(0.25) - a4 * _f(1.25)
    odd2 = a1 * _f(0.5) - a3 * _f(2.5) + a5 * _f(2)
    even3 = a6 + (a2 - a4 * _f(1.25)) * _f(4)
    odd3 = a1 * _f(2) - a3 * _f(2.5) + a5 * _f(0.5)
    return (
        a0 - a6 + (a4 - a2) * _f(5.25),
        even1 + odd1,
        even1 - odd1,
        even2 + odd2,
        even2 - odd2,
        even3 + odd3,
        even3 - odd3,
        a7 - a1 + (a3 - a5) * _f(5.25),
    )


@helper
def _backward(m0: Any, m1: Any, m2: Any, m3: Any, m4: Any, m5: Any, m6: Any, m7: Any) -> Any:
    """Transform 8 products into 6 outputs."""
    even1, odd1 = m1 + m2, m1 - m2
    even2, odd2 = m3 + m4, m3 - m4
    even3, odd3 = m5 + m6, m5 - m6
    return (
        m0 + even1 + even2 + even3 * _f(32),
        odd1 + odd2 * _f(2) + odd3 * _f(16),
        even1 + even2 * _f(4) + even3 * _f(8),
        odd1 + odd2 * _f(8) + odd3 * _f(4),
        even1 + even2 * _f(16) + even3 * _f(2),
        m7 + odd1 + odd2 * _f(32) + odd3,
    )


@helper
def _load_eight(array: Any, at: Any, stride: Any) -> Any:
    return (
        load(array, at, lanes()),
        load(array, at + stride, lanes()),
        load(array, at + 2 * stride, lanes()),
        load(array, at + 3 * stride, lanes()),
        load(array, at + 4 * stride, lanes()),
        load(array, at + 5 * stride, lanes()),
        load(array, at + 6 * stride, lanes()),
        load(array, at + 7 * stride, lanes()),
    )


@helper
def _store_six(array: Any, to: Any, stride: Any, values: Any) -> Any:
    store(array, to, values[0])
    store(array, to + stride, values[1])
    store(array, to + 2 * stride, values[2])
    store(array, to + 3 * stride, values[3])
    store(array, to + 4 * stride, values[4])
    store(array, to + 5 * stride, values[5])


@helper
def _store_eight(array: Any, to: Any, stride: Any, values: Any) -> Any:
    _store_six(array, to, stride, values[:6])
    store(array, to + 6 * stride, values[6])
    store(array, to + 7 * stride, values[7])


@helper
def _place(features: Any, across: Any, tile: Any) -> Any:
    """Offset in floats from the first tile to tile number `tile`, with `across` tiles per row."""
    _, width, stored = features.shape
    return (tile // across * width + tile % across) * TILE * stored


@helper
def _forward_columns(
    source: Any, start: Any, across: Any, first: Any, count: Any, columns: Any, channels: Any
) -> Any:
    """Transform the columns of `count` input tiles; neighbours in a row share two of them."""
    _, width, stored = source.shape
    to = 0
    tile = first
    while tile < first + count:
        run = min(first + count - tile, across - tile % across)
        at = start + _place(source, across, tile)
        for _ in range(run * TILE + 2):
            for c in range(0, channels, LANES):
                values = _forward(*_load_eight(source, at + c, width * stored))
                _store_eight(columns, to + c, columns.shape[1], values)
            at += stored
            to += channels
        tile += run


@helper
def _forward_row(
    columns: Any, y: Any, across: Any, first: Any, count: Any, tiles: Any, channels: Any
) -> Any:
    """Transform row `y` of tiles whose columns are transformed, into (8, tiles, channels)."""
    at, to = y * columns.shape[1], 0
    for tile in range(first, first + count):
        for c in range(0, channels, LANES):
            values = _forward(*_load_eight(columns, at + c, channels))
            _store_eight(tiles, to + c, tiles.shape[1], values)
        at += TILE * channels
        if tile % across == across - 1:
            at += 2 * channels
        to += channels


@helper
def _sums(
    tiles: Any,
    row: Any,
    channels: Any,
    weight: Any,
    column: Any,
    depth: Any,
    source: Any,
    ahead: Any,
    pace: Any,
    nothing: Any,
    wide: Any,
) -> Any:
    """Multiply STEP tiles by `wide` columns of weights; `nothing` is a zero vector of that width.

    Meanwhile prefetch what is needed next: `pace` floats of `source` per iteration.
    """
    s0 = s1 = s2 = s3 = s4 = s5 = nothing
    for c in range(depth):
        prefetch(source, ahead + c * pace)
        w = load(weight, column + c * wide, nothing)
        s0 += w * load_one(tiles, row + c)
        s1 += w * load_one(tiles, row + channels + c)
        s2 += w * load_one(tiles, row + 2 * channels + c)
        s3 += w * load_one(tiles, row + 3 * channels + c)
        s4 += w * load_one(tiles, row + 4 * channels + c)
        s5 += w * load_one(tiles, row + 5 * channels + c)
    return s0, s1, s2, s3, s4, s5


@helper
def _multiply(
    tiles: Any,
    channels: Any,
    count: Any,
    weight: Any,
    y: Any,
    products: Any,
    source: Any,
    ahead: Any,
    reach: Any,
) -> Any:
    """Matrix products at the 8 positions of row `y`, of `count` tiles rounded up to whole steps.

    Meanwhile prefetch `reach` floats of `source` from `ahead` on.
    """
    _, depth, width = weight.shape
    piece = reach // (SPAN * (-(-count // STEP)) * (-(-width // PANEL)))
    pace = piece // depth
    whole = width - width % PANEL
    for x in range(SPAN):
        at = (y * SPAN + x) * width * depth
        for tile in range(0, count, STEP):
            row = x * tiles.shape[1] + tile * channels
            to = x * products.shape[1] + tile * width
            for p in range(0, whole, PANEL):
                w = at + p * depth
                sums = _sums(
                    tiles, row, channels, weight, w, depth, source, ahead, pace, panel(), PANEL
                )
                _store_six(products, to + p, width, sums)
                ahead += piece
            if whole < width:
                w = at + whole * depth
                sums = _sums(
                    tiles, row, channels, weight, w, depth, source, ahead, pace, lanes(), LANES
                )
                _store_six(products, to + whole, width, sums)
                ahead += piece


@helper
def _backward_row(products: Any, y: Any, count: Any, rows: Any, channels: Any) -> Any:
    """Transform row `y` of `count` tiles' products, (8, tiles, channels)."""
    at, to = 0, y * rows.shape[1]
    for _ in range(count):
        for c in range(0, channels, LANES):
            values = _backward(*_load_eight(products, at + c, products.shape[1]))
            _store_six(rows, to + c, channels, values)
        at += channels
        to += TILE * channels


@helper
def _backward_columns(
    rows: Any,
    bias: Any,
    slope: Any,
    target: Any,
    start: Any,
    across: Any,
    first: Any,
    count: Any,
) -> Any:
    """Finish tiles whose rows are transformed back: transform columns, add `bias`, apply PReLU."""
    _, width, stored = target.shape
    channels = bias.shape[0]
    at = 0
    for tile in range(first, first + count):
        to = start + _place(target, across, tile)
        for _ in range(TILE):
            for c in range(0, channels, LANES):
                v0, v1, v2, v3, v4, v5 = _backward(*_load_eight(rows, at + c, rows.shape[1]))
                b, s = load(bias, c, lanes()), load(slope, c, lanes())
                values = (
                    prelu(v0 + b, s),
                    prelu(v1 + b, s),
                    prelu(v2 + b, s),
                    prelu(v3 + b, s),
                    prelu(v4 + b, s),
                    prelu(v5 + b, s),
                )
                _store_six(target, to + c, width * stored, values)
            at += channels
            to += stored


@kernel(
    "void(float32[:,:,::1], int64, float32[:,:,::1], int64, int64, int64, boolean,"
    " float32[:,:,::1], float32[::1], float32[::1], int64, float32[:,::1], float32[:,::1],"
    " float32[:,::1], float32[:,::1])"
)
def convolve(
    source: Floats,
    source_start: int,
    target: Floats,
    target_start: int,
    down: int,
    across: int,
    backwards: bool,
    weight: Floats,
    bias: Floats,
    slope: Floats,
    most: int,
    columns: Floats,
    tiles: Floats,
    products: Floats,
    rows: Floats,
) -> None:
    """Convolve the first channels of `source` into channels of `target`, with PReLU.

    Both are (rows, columns, channels), and `down` times `across` output tiles are made. The input
    of the first tile begins at `source_start` and its output at `target_start`, counted in floats.
    `source` and `target` may be the same memory in three cases: their channels differ; output
    pixels lie one further up and left than the input pixels of the same place; or they lie one
    further down and right, and tiles are made `backwards`.

    `weight` is (64, channels in, channels out), transformed. Each of the 64 matrices is stored in
    panels of PANEL columns and at most one of LANES. `bias` and `slope` have all channels out, a
    multiple of LANES. Tiles are made in blocks of `most`, a multiple of STEP. The other four arrays
    hold the steps within a block. Each has 8 rows, of at least 8, 1, 1 and 6 times `most` times the
    channels: those in, rounded up to LANES, for `columns` and `tiles`, and those out for `products`
    and `rows`. No index is checked.
    """
    _, pixels, stored = source.shape
    _, depth, width = weight.shape
    channels = -(-depth // LANES) * LANES
    blocks = -(-down * across // most)
    for number in range(blocks):
        first = (blocks - 1 - number if backwards else number) * most
        count = min(most, down * across - first)
        # Prefetch what the next block reads, while products keep the processor busy.
        ahead = source_start + _place(source, across, first - most if backwards else first + most)
        reach = count * TILE * stored
        _forward_columns(source, source_start, across, first, count, columns, channels)
        for y in range(SPAN):
            _forward_row(columns, y, across, first, count, tiles, channels)
            there = ahead + y * pixels * stored
            _multiply(tiles, channels, count, weight, y, products, source, there, reach)
            _backward_row(products, y, count, rows, width)
        _backward_columns(rows, bias, slope, target, target_start, across, first, count)


@kernel("void(float32[:,:,::1], float32, float32[:,:,::1], int64)")
def add(features: Floats, gain: np.float32, others: Floats, channels: int) -> None:
    """Multiply the first channels of `features` by `gain` and add those of `others`.

    Both are (rows, columns, channels), with equal rows and columns; `channels` is a multiple of
    LANES.
    """
    rows, columns, stored = features.shape
    to = at = 0
    for _ in range(rows * columns):
        for c in range(0, channels, LANES):
            value = load(features, to + c, lanes()) * gain + load(others, at + c, lanes())
            store(features, to + c, value)
        to += stored
        at += others.shape[2]
