"""Compiled loops that bring enlarged pictures along a flow, and lay them over others.

A flow is that of the input, whose size (h, w) all pictures have `scale` times. Between its pixels
it goes in straight lines, or jumps half way where they move differently. Pictures are fetched with
Keys's cubic kernel (a = -0.75) at places rounded to 1/32 of a pixel, edges repeated, as OpenCV's
`remap` does.
"""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np

from videnhance.kernels.compiling import Floats, helper, kernel
from videnhance.kernels.resize import keys
from videnhance.kernels.vectors import (
    LANES,
    PANEL,
    QUAD,
    address,
    blend_or_nearest,
    lanes,
    load,
    load_one,
    panel,
    quad,
    store,
)

_APART = np.float32(2)
"""Pixels, along either side, by which the flow of neighbours may differ to be interpolated. Between
what moves and what does not lies nothing that moves half as far, but anything may be found there.
Other fields differ by less, so they always are."""
_FINE = 5
_PHASES = 1 << _FINE


_TAPS: Floats = keys(np.arange(_PHASES)[:, None] / _PHASES - np.arange(-1, 3), a=-0.75).astype(
    np.float32
)
"""Weights of the four neighbours for each phase."""
# The same for pixels of three channels that lie side by side, filled up with zeros.
_WIDE_TAPS = np.zeros((_PHASES, PANEL), np.float32)
_WIDE_TAPS[:, :12] = np.repeat(_TAPS, 3, axis=1)


def fields_of(*planes: Floats) -> Floats:
    """Planes (h, w) and flows (h, w, 2), with at most LANES numbers to the pixel, side by side."""
    fields = np.zeros((*planes[0].shape[:2], LANES), np.float32)
    count = sum(1 if plane.ndim == 2 else plane.shape[2] for plane in planes)
    cv2.mixChannels(planes, [fields], [number for at in range(count) for number in (at, at)])
    return fields


@helper
def _around(size: Any, scale: Any) -> Any:
    """For each output pixel along a side: the input pixels next to it, and the second's share."""
    first, second = np.empty(size * scale, np.intp), np.empty(size * scale, np.intp)
    share = np.empty(size * scale, np.float32)
    for at in range(size * scale):
        place = (at + 0.5) / scale - 0.5
        below = np.floor(place)
        first[at] = max(below, 0)
        second[at] = min(below + 1, size - 1)
        share[at] = place - below
    return first, second, share


@helper
def _spread(fields: Any, y: Any, rows: Any, columns: Any, upright: Any, result: Any) -> Any:
    """Fill `result` (s·w, LANES) with the fields in output row `y`; `upright` is room for them."""
    length = fields.shape[1] * LANES
    above, below, share = rows[0][y] * length, rows[1][y] * length, rows[2][y]
    for x in range(0, length, LANES):
        upper, lower = load(fields, above + x, lanes()), load(fields, below + x, lanes())
        store(upright, x, blend_or_nearest(upper, lower, share, _APART))
    for x in range(result.shape[0]):
        before = load(upright, columns[0][x] * LANES, lanes())
        after = load(upright, columns[1][x] * LANES, lanes())
        store(result, x * LANES, blend_or_nearest(before, after, columns[2][x], _APART))


@helper
def _phase(place: Any) -> Any:
    """A place as a whole pixel and a phase."""
    fine = int(np.floor(place * np.float32(_PHASES) + np.float32(0.5)))
    return fine >> _FINE, fine & (_PHASES - 1)


@helper
def _within(at: Any, size: Any) -> Any:
    return min(max(at, 0), size - 1)


@helper
def _fetch_at_edge(
    picture: Any, size: Any, row: Any, column: Any, taps: Any, column_taps: Any, work: Any
) -> Any:
    """Write what a picture shows there into `work`, with its edge repeated."""
    height, width, stride = size
    store(work, 0, quad())
    for j in range(4):
        y = _within(row + j - 1, height)
        for i in range(4):
            x = _within(column + i - 1, width)
            weight = load_one(_TAPS, taps + j) * load_one(_TAPS, column_taps + i)
            for c in range(3):
                value = load_one(work, c) + weight * load_one(picture, y * stride + 3 * x + c)
                store(work, c, value)


@helper
def _fetch(picture: Any, size: Any, y: Any, x: Any, work: Any) -> Any:
    """What a picture of that height, width and stride shows at a place, in three lanes.

    `picture` and `work`, room for a PANEL, are addresses.
    """
    height, width, stride = size
    row, row_phase = _phase(y)
    column, column_phase = _phase(x)
    taps = row_phase * QUAD
    if 1 <= row < height - 2 and 1 <= column < width - 4:
        if row_phase == 0 and column_phase == 0:  # the same, sooner
            return load(picture, row * stride + column * 3, quad())
        at = (row - 1) * stride + (column - 1) * 3
        total = load(picture, at, panel()) * load_one(_TAPS, taps)
        total += load(picture, at + stride, panel()) * load_one(_TAPS, taps + 1)
        total += load(picture, at + 2 * stride, panel()) * load_one(_TAPS, taps + 2)
        total += load(picture, at + 3 * stride, panel()) * load_one(_TAPS, taps + 3)
        store(work, 0, total * load(_WIDE_TAPS, column_phase * PANEL, panel()))
        return (load(work, 0, quad()) + load(work, 3, quad())) + (
            load(work, 6, quad()) + load(work, 9, quad())
        )
    _fetch_at_edge(picture, size, row, column, taps, column_phase * QUAD, work)
    return load(work, 0, quad())


@helper
def _source(picture: Any) -> Any:
    """Address, and height, width and stride, of (H, W, 3) or (H, W), which may be a view."""
    stride = picture.strides[0] // picture.itemsize
    return address(picture), (picture.shape[0], picture.shape[1], stride)


@helper
def _add_squares(row: Any, part: Any, sums: Any) -> Any:
    """Add to `sums` (w,) `part` of the squares in as many equal pieces of `row`."""
    length = row.shape[0] // sums.shape[0]
    at = 0
    for x in range(sums.shape[0]):
        total = np.float32(0)
        for _ in range(length):
            value = load_one(row, at)
            total += value * value
            at += 1
        sums[x] += part * total


@helper
def _copy(row: Any, target: Any, to: Any) -> Any:
    """Write all but the last of `row` into `target` from flat position `to` on."""
    for x in range(row.size - 1):
        store(target, to + x, load_one(row, x))


@kernel(
    "void(float32[:,:,:], float32[:,:,:], float32[:,:,::1], float32[:,:,::1], "
    "float32[:,::1], float32[:,::1])"
)
def warp_pair(
    first: Floats, second: Floats, fields: Floats, target: Floats, spread: Floats, energy: Floats
) -> None:
    """Bring two pictures, and write trust·(first + share·(second - first)) into `target`.

    All three are (s·h, s·w, 3). `fields` are the flow to the first and to the second, x before y,
    the second's share, and the trust. `spread` and `energy` (h, w) get the mean squares of second -
    first, and of what was written.
    """
    height, width, _ = target.shape
    scale = height // fields.shape[0]
    rows, columns = _around(fields.shape[0], scale), _around(fields.shape[1], scale)
    upright = np.empty((fields.shape[1], LANES), np.float32)
    spots, work = np.empty((width, LANES), np.float32), np.empty(PANEL, np.float32)
    # A lane more, since pixels are written four numbers at a time, from left to right.
    apart, brought = np.empty(3 * width + 1, np.float32), np.empty(3 * width + 1, np.float32)
    spread[:] = 0
    energy[:] = 0
    part, stretch = np.float32(1 / (3 * scale * scale)), np.float32(scale)
    (first_at, first_size), (second_at, second_size) = _source(first), _source(second)
    for y in range(height):
        _spread(fields, y, rows, columns, upright, spots)
        room = address(work)  # here, so that it is kept for as long as the loop goes on
        here = np.float32(y)
        for x in range(width):
            at, there = x * LANES, np.float32(x)
            first_x, first_y = load_one(spots, at), load_one(spots, at + 1)
            second_x, second_y = load_one(spots, at + 2), load_one(spots, at + 3)
            y_one, x_one = here + stretch * first_y, there + stretch * first_x
            y_other, x_other = here + stretch * second_y, there + stretch * second_x
            one = _fetch(first_at, first_size, y_one, x_one, room)
            other = _fetch(second_at, second_size, y_other, x_other, room)
            difference = other - one
            mixed = one + difference * load_one(spots, at + 4)
            store(apart, 3 * x, difference)
            store(brought, 3 * x, mixed * load_one(spots, at + 5))
        _add_squares(apart[:-1], part, spread[y // scale])
        _add_squares(brought[:-1], part, energy[y // scale])
        _copy(brought, target, 3 * width * y)


@kernel("void(float32[:,:,::1], float32[:,:,::1], float32, float32[:,:,::1], float32[:,:,::1])")
def mix(first: Floats, second: Floats, share: float, fields: Floats, target: Floats) -> None:
    """Write first + share·(second - first), and what is to be added to it, into `target`.

    All three are (s·h, s·w, 3). `fields` are what is to be added, three numbers to the pixel.
    """
    height, width, _ = target.shape
    scale = height // fields.shape[0]
    rows, columns = _around(fields.shape[0], scale), _around(fields.shape[1], scale)
    upright = np.empty((fields.shape[1], LANES), np.float32)
    spots = np.empty((width, LANES), np.float32)
    # A lane more, since pixels are written four numbers at a time, from left to right.
    more = np.empty(3 * width + 1, np.float32)
    length, to = 3 * width, 0
    whole = length - length % LANES
    for y in range(height):
        _spread(fields, y, rows, columns, upright, spots)
        for x in range(width):
            store(more, 3 * x, load(spots, x * LANES, quad()))
        for x in range(0, whole, LANES):
            one = load(first, to + x, lanes())
            mixed = one + (load(second, to + x, lanes()) - one) * share
            store(target, to + x, mixed + load(more, x, lanes()))
        for x in range(whole, length):
            alone = load_one(first, to + x)
            mixed_one = alone + (load_one(second, to + x) - alone) * share
            store(target, to + x, mixed_one + load_one(more, x))
        to += length


@helper
def _luma_at(picture: Any, at: Any) -> Any:
    """BT.709 luma, whatever the picture's own matrix, of the pixel at flat position `at`."""
    return (
        np.float32(0.2126) * load_one(picture, at)
        + np.float32(0.7152) * load_one(picture, at + 1)
        + np.float32(0.0722) * load_one(picture, at + 2)
    )


@helper
def _fetch_luma(plane: Any, size: Any, y: Any, x: Any, work: Any) -> Any:
    """What a plane shows at a place; see `_fetch`, but `work` is room for a QUAD."""
    height, width, stride = size
    row, row_phase = _phase(y)
    column, column_phase = _phase(x)
    taps, column_taps = row_phase * QUAD, column_phase * QUAD
    if 1 <= row < height - 2 and 1 <= column < width - 2:
        at = (row - 1) * stride + column - 1
        total = load(plane, at, quad()) * load_one(_TAPS, taps)
        total += load(plane, at + stride, quad()) * load_one(_TAPS, taps + 1)
        total += load(plane, at + 2 * stride, quad()) * load_one(_TAPS, taps + 2)
        total += load(plane, at + 3 * stride, quad()) * load_one(_TAPS, taps + 3)
        store(work, 0, total * load(_TAPS, column_taps, quad()))
        return (load_one(work, 0) + load_one(work, 1)) + (load_one(work, 2) + load_one(work, 3))
    found = np.float32(0)
    for j in range(4):
        at = _within(row + j - 1, height) * stride
        for i in range(4):
            value = load_one(plane, at + _within(column + i - 1, width))
            found += load_one(_TAPS, taps + j) * load_one(_TAPS, column_taps + i) * value
    return found


@kernel("void(float32[:,::1], float32[:,:,::1], float64, float32[:,:,:])")
def blend_towards(luma: Floats, fields: Floats, most: float, target: Floats) -> None:
    """Move the luma of `target` (s·h, s·w, 3) towards `luma` (s·h, s·w), brought; its colour stays.

    `fields` are the flow to it, x before y, what is to be added to it, and which share of the way
    to go: less far where that were a mean square of more than `most`.
    """
    height, width, _ = target.shape
    scale = height // fields.shape[0]
    rows, columns = _around(fields.shape[0], scale), _around(fields.shape[1], scale)
    upright = np.empty((fields.shape[1], LANES), np.float32)
    spots, work = np.empty((width, LANES), np.float32), np.empty(QUAD, np.float32)
    change = np.empty((height, width), np.float32)
    (plane, size), (own, (_, _, stride)) = _source(luma), _source(target)
    stretch = np.float32(scale)
    way = 0.0
    for y in range(height):
        _spread(fields, y, rows, columns, upright, spots)
        room = address(work)  # as above
        here, squares = np.float32(y), np.float32(0)
        for x in range(width):
            at, there = x * LANES, np.float32(x)
            flow_x, flow_y = load_one(spots, at), load_one(spots, at + 1)
            wanted = load_one(spots, at + 2) + _fetch_luma(
                plane, size, here + stretch * flow_y, there + stretch * flow_x, room
            )
            moved = load_one(spots, at + 3) * (wanted - _luma_at(own, y * stride + 3 * x))
            store(change, y * width + x, moved)
            squares += moved * moved
        way += float(squares)
    way /= height * width
    factor = np.float32(np.sqrt(most / way)) if way > most else np.float32(1)
    for y in range(height):
        for x in range(width):
            more = factor * load_one(change, y * width + x)
            at = y * stride + 3 * x
            for c in range(3):
                store(own, at + c, load_one(own, at + c) + more)
