"""The compiled loop of 3×3 convolutions by Winograd's algorithm.

The transforms are those of F(6×6, 3×3) with the points 0, ±1, ±2, ±1/2 and ∞ (Lavin and Gray,
"Fast algorithms for convolutional neural networks", CVPR 2016): an output tile of 6×6 comes from
an input tile of 8×8. Everything lies channels last, so that the vectors are neighbouring floats.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from videnhance.inference.winograd.compiling import Floats, helper, kernel
from videnhance.inference.winograd.vectors import (
    LANES,
    PANEL,
    fill_wide,
    load,
    load_one,
    load_wide,
    prelu,
    store,
)

TILE = 6
"""Side of an output tile."""
SPAN = TILE + 2
"""Side of the input tile that it depends on."""

STEP = 6
"""Tiles that are multiplied at once: with PANEL, what fills the registers of AVX2."""

# (W, w) of the weight transform W = G w: the polynomial w evaluated at each point.
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
        load(array, at),
        load(array, at + stride),
        load(array, at + 2 * stride),
        load(array, at + 3 * stride),
        load(array, at + 4 * stride),
        load(array, at + 5 * stride),
        load(array, at + 6 * stride),
        load(array, at + 7 * stride),
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
def _transform(source: Any, first: Any, count: Any, scratch: Any, transformed: Any) -> Any:
    """Transform `count` input tiles from number `first` on into (64, tiles, channels)."""
    _, width, stored = source.shape
    columns = width // TILE
    _, most, channels = transformed.shape
    down, apart = width * stored, most * channels
    for tile in range(count):
        top = (first + tile) // columns * TILE
        left = (first + tile) % columns * TILE
        for x in range(SPAN):
            at = (top * width + left + x) * stored
            to = x * channels
            for c in range(0, channels, LANES):
                _store_eight(
                    scratch, to + c, SPAN * channels, _forward(*_load_eight(source, at + c, down))
                )
        for y in range(SPAN):
            at = y * SPAN * channels
            to = (y * SPAN * most + tile) * channels
            for c in range(0, channels, LANES):
                _store_eight(
                    transformed, to + c, apart, _forward(*_load_eight(scratch, at + c, channels))
                )


@helper
def _multiply(tiles: Any, weight: Any, count: Any, products: Any) -> Any:
    """Matrix products at each of the 64 positions, of `count` tiles rounded up to whole steps."""
    positions, most, depth = tiles.shape
    panels, width = weight.shape[1], products.shape[2]
    for k in range(positions):
        for tile in range(0, count, STEP):
            for panel in range(panels):
                row = (k * most + tile) * depth
                column = (k * panels + panel) * depth * PANEL
                s0 = s1 = s2 = s3 = s4 = s5 = fill_wide(_f(0))
                for c in range(depth):
                    w = load_wide(weight, column + c * PANEL)
                    s0 += fill_wide(load_one(tiles, row + c)) * w
                    s1 += fill_wide(load_one(tiles, row + depth + c)) * w
                    s2 += fill_wide(load_one(tiles, row + 2 * depth + c)) * w
                    s3 += fill_wide(load_one(tiles, row + 3 * depth + c)) * w
                    s4 += fill_wide(load_one(tiles, row + 4 * depth + c)) * w
                    s5 += fill_wide(load_one(tiles, row + 5 * depth + c)) * w
                to = (k * most + tile) * width + panel * PANEL
                store(products, to, s0)
                store(products, to + width, s1)
                store(products, to + 2 * width, s2)
                store(products, to + 3 * width, s3)
                store(products, to + 4 * width, s4)
                store(products, to + 5 * width, s5)


@helper
def _restore(
    products: Any,
    first: Any,
    count: Any,
    scratch: Any,
    bias: Any,
    slope: Any,
    target: Any,
    offset: Any,
) -> Any:
    """Turn `products` (64, tiles, channels) into output tiles: add `bias`, apply PReLU."""
    _, width, stored = target.shape
    columns = width // TILE
    _, most, wide = products.shape
    channels = bias.shape[0]
    apart = most * wide
    for tile in range(count):
        top = (first + tile) // columns * TILE + 1
        left = (first + tile) % columns * TILE + 1
        for x in range(SPAN):
            at = (x * most + tile) * wide
            for c in range(0, channels, LANES):
                values = _backward(*_load_eight(products, at + c, SPAN * apart))
                _store_six(scratch, x * channels + c, SPAN * channels, values)
        for y in range(TILE):
            at = y * SPAN * channels
            to = ((top + y) * width + left) * stored + offset
            for c in range(0, channels, LANES):
                v0, v1, v2, v3, v4, v5 = _backward(*_load_eight(scratch, at + c, channels))
                b, s = load(bias, c), load(slope, c)
                values = (
                    prelu(v0 + b, s),
                    prelu(v1 + b, s),
                    prelu(v2 + b, s),
                    prelu(v3 + b, s),
                    prelu(v4 + b, s),
                    prelu(v5 + b, s),
                )
                _store_six(target, to + c, stored, values)


@kernel(
    "void(float32[:,:,::1], float32[:,:,:,::1], float32[::1], float32[::1], float32[:,:,::1],"
    " int64, float32[:,:,::1], float32[:,:,::1], float32[:,:,::1])"
)
def convolve(
    source: Floats,
    weight: Floats,
    bias: Floats,
    slope: Floats,
    target: Floats,
    offset: int,
    scratch: Floats,
    tiles: Floats,
    products: Floats,
) -> None:
    """Convolve the first channels of `source` into those of `target` from `offset` on, with PReLU.

    `source` and `target` are (rows, columns, channels) of whole output tiles within a border of
    1, and may be the same. `weight` is (64, panels, channels in, PANEL), transformed; `bias` and
    `slope` say how many channels come out, a multiple of LANES as are those that go in. Work goes
    on in blocks of as many tiles as `tiles` (64, a multiple of STEP, channels in) and `products`
    (64, the same, panels·PANEL) hold; `scratch` is (8, 8, channels) at least. No index is checked.
    """
    count = (source.shape[0] // TILE) * (source.shape[1] // TILE)
    most = tiles.shape[1]
    for first in range(0, count, most):
        here = min(most, count - first)
        _transform(source, first, here, scratch, tiles)
        _multiply(tiles, weight, here, products)
        _restore(products, first, here, scratch, bias, slope, target, offset)
