"""The compiled loop of 3×3 convolutions by Winograd's algorithm.

The transforms are those of F(6×6, 3×3) with the points 0, ±1, ±2, ±1/2 and ∞ (Lavin and Gray,
"Fast algorithms for convolutional neural networks", CVPR 2016): an output tile of 6×6 comes from
an input tile of 8×8. Everything lies channels last, so the innermost loops run over neighbouring
floats and become vector instructions.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from llvmlite import ir
from numba.core import cgutils, types
from numba.extending import intrinsic

from videnhance.inference.winograd.compiling import Floats, helper, kernel

TILE = 6
"""Side of an output tile."""
SPAN = TILE + 2
"""Side of the input tile that it depends on."""

STEP = 6
"""Tiles that are multiplied at once: with PANEL, what fills the registers of AVX2."""
PANEL = 16
"""Output channels that are multiplied at once."""

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
def _active(value: Any, slope: Any) -> Any:
    """PReLU; a comparison with NaN is false, so NaN stays NaN."""
    return value if value > _f(0) else value * slope


@helper
def _transform(source: Any, first: Any, count: Any, scratch: Any, transformed: Any) -> Any:
    """Transform `count` input tiles from number `first` on into (64, tiles, channels)."""
    columns = source.shape[1] // TILE
    channels = transformed.shape[2]
    for tile in range(count):
        top = (first + tile) // columns * TILE
        left = (first + tile) % columns * TILE
        for x in range(SPAN):
            for c in range(channels):
                (
                    scratch[0, x, c],
                    scratch[1, x, c],
                    scratch[2, x, c],
                    scratch[3, x, c],
                    scratch[4, x, c],
                    scratch[5, x, c],
                    scratch[6, x, c],
                    scratch[7, x, c],
                ) = _forward(
                    source[top, left + x, c],
                    source[top + 1, left + x, c],
                    source[top + 2, left + x, c],
                    source[top + 3, left + x, c],
                    source[top + 4, left + x, c],
                    source[top + 5, left + x, c],
                    source[top + 6, left + x, c],
                    source[top + 7, left + x, c],
                )
        for y in range(SPAN):
            k = y * SPAN
            for c in range(channels):
                (
                    transformed[k, tile, c],
                    transformed[k + 1, tile, c],
                    transformed[k + 2, tile, c],
                    transformed[k + 3, tile, c],
                    transformed[k + 4, tile, c],
                    transformed[k + 5, tile, c],
                    transformed[k + 6, tile, c],
                    transformed[k + 7, tile, c],
                ) = _forward(
                    scratch[y, 0, c],
                    scratch[y, 1, c],
                    scratch[y, 2, c],
                    scratch[y, 3, c],
                    scratch[y, 4, c],
                    scratch[y, 5, c],
                    scratch[y, 6, c],
                    scratch[y, 7, c],
                )


def _generate_step(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
    """Write the code of `_multiply_step` into the function that calls it."""
    v, at, stride, w, panel, depth, m, to, width = arguments
    floats = ir.VectorType(ir.FloatType(), PANEL)
    nothing = ir.Constant(floats, ir.Undefined)
    lane = ir.IntType(32)
    first_lane = ir.Constant(ir.VectorType(lane, PANEL), [0] * PANEL)

    def pointer(position: int, array: Any, element: Any) -> Any:
        data = context.make_array(signature.args[position])(context, builder, array).data
        return builder.gep(data, [element])

    def vector(address: Any) -> Any:
        return builder.bitcast(address, floats.as_pointer())

    def times(value: Any, factor: int) -> Any:
        return builder.mul(value, ir.Constant(value.type, factor))

    rows = [pointer(0, v, builder.add(at, times(stride, row))) for row in range(STEP)]
    weights = pointer(3, w, panel)
    sums = [cgutils.alloca_once(builder, floats) for _ in rows]
    for total in sums:
        builder.store(ir.Constant(floats, [0.0] * PANEL), total)
    with cgutils.for_range(builder, depth) as loop:
        weight = builder.load(vector(builder.gep(weights, [times(loop.index, PANEL)])), align=4)
        for row, total in zip(rows, sums, strict=True):
            value = builder.load(builder.gep(row, [loop.index]))
            value = builder.insert_element(nothing, value, ir.Constant(lane, 0))
            value = builder.shuffle_vector(value, nothing, first_lane)
            product = builder.fmul(value, weight, flags=("contract",))
            total_now = builder.fadd(product, builder.load(total), flags=("contract",))
            builder.store(total_now, total)
    for row, total in enumerate(sums):
        target = pointer(6, m, builder.add(to, times(width, row)))
        builder.store(builder.load(total), vector(target), align=4)
    return context.get_dummy_value()


def _type_step(
    context: Any,
    v: Any,
    at: Any,
    stride: Any,
    w: Any,
    panel: Any,
    depth: Any,
    m: Any,
    to: Any,
    width: Any,
) -> Any:
    """Multiply STEP rows of `v` with a panel of `w`, sums in registers.

    In flat elements: row r begins at v[at + r·stride] and has `depth` of them; the panel begins
    at w[panel], (depth, PANEL); the products go to m[to + r·width]. Written as LLVM's vector
    code because no loop over arrays is compiled into one that keeps its sums in registers.
    """
    signature = types.void(v, at, stride, w, panel, depth, m, to, width)
    return signature, _generate_step


_multiply_step: Any = intrinsic(_type_step)


@helper
def _multiply(tiles: Any, weight: Any, count: Any, products: Any) -> Any:
    """Matrix products at each of the 64 positions, of `count` tiles rounded up to whole steps."""
    positions, most, depth = tiles.shape
    panels, width = weight.shape[1], products.shape[2]
    for k in range(positions):
        for tile in range(0, count, STEP):
            row = k * most + tile
            for panel in range(panels):
                _multiply_step(
                    tiles,
                    row * depth,
                    depth,
                    weight,
                    (k * panels + panel) * depth * PANEL,
                    depth,
                    products,
                    row * width + panel * PANEL,
                    width,
                )


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
    columns = target.shape[1] // TILE
    channels = bias.shape[0]
    for tile in range(count):
        top = (first + tile) // columns * TILE + 1
        left = (first + tile) % columns * TILE + 1
        for x in range(SPAN):
            for c in range(channels):
                (
                    scratch[0, x, c],
                    scratch[1, x, c],
                    scratch[2, x, c],
                    scratch[3, x, c],
                    scratch[4, x, c],
                    scratch[5, x, c],
                ) = _backward(
                    products[x, tile, c],
                    products[SPAN + x, tile, c],
                    products[2 * SPAN + x, tile, c],
                    products[3 * SPAN + x, tile, c],
                    products[4 * SPAN + x, tile, c],
                    products[5 * SPAN + x, tile, c],
                    products[6 * SPAN + x, tile, c],
                    products[7 * SPAN + x, tile, c],
                )
        for y in range(TILE):
            for c in range(channels):
                v0, v1, v2, v3, v4, v5 = _backward(
                    scratch[y, 0, c],
                    scratch[y, 1, c],
                    scratch[y, 2, c],
                    scratch[y, 3, c],
                    scratch[y, 4, c],
                    scratch[y, 5, c],
                    scratch[y, 6, c],
                    scratch[y, 7, c],
                )
                b, s, to = bias[c], slope[c], np.uint64(offset) + np.uint64(c)
                target[top + y, left, to] = _active(v0 + b, s)
                target[top + y, left + 1, to] = _active(v1 + b, s)
                target[top + y, left + 2, to] = _active(v2 + b, s)
                target[top + y, left + 3, to] = _active(v3 + b, s)
                target[top + y, left + 4, to] = _active(v4 + b, s)
                target[top + y, left + 5, to] = _active(v5 + b, s)


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
    1, and may be the same. `weight` is (64, panels, channels in, PANEL), transformed and filled
    up with zeros; `bias` and `slope` say how many channels come out. Work goes on in blocks of as
    many tiles as `tiles` (64, a multiple of STEP, channels in) and `products` (64, the same,
    panels·PANEL) hold; `scratch` is (8, 8, the larger number of channels) at least.
    """
    count = (source.shape[0] // TILE) * (source.shape[1] // TILE)
    most = tiles.shape[1]
    for first in range(0, count, most):
        here = min(most, count - first)
        _transform(source, first, here, scratch, tiles)
        _multiply(tiles, weight, here, products)
        _restore(products, first, here, scratch, bias, slope, target, offset)
