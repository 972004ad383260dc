"""Compiled loops that lay pictures over one another.

Pictures are (H, W, 3) and may be views of larger ones, planes (H, W).
"""

from __future__ import annotations

from typing import Any

import numpy as np

from videnhance.kernels.compiling import Floats, helper, kernel


@kernel("void(float32[:,:,:], float32[::1], float32[::1], float32[:,:,:])")
def fade_in(made: Floats, rows: Floats, columns: Floats, target: Floats) -> None:
    """Lay `made` into `target`, with the weight of its row times that of its column."""
    height, width, channels = target.shape
    for y in range(height):
        for x in range(width):
            weight = rows[y] * columns[x]
            for c in range(channels):
                if weight == 1:
                    target[y, x, c] = made[y, x, c]
                else:
                    target[y, x, c] += weight * (made[y, x, c] - target[y, x, c])


@kernel(
    "void(float32[:,:,:], float32[:,:,:], float32[:,::1], float32[:,::1], float32[:,:,::1], "
    "float32[:,::1], float32[:,::1])"
)
def add_blend(
    first: Floats,
    second: Floats,
    share: Floats,
    trust: Floats,
    target: Floats,
    spread: Floats,
    added: Floats,
) -> None:
    """Add trust·(first + share·(second - first)) to `target`.

    `spread` and `added`, of the size that all is a multiple of, get the mean squares of second -
    first, and of what was added.
    """
    height, width, _ = target.shape
    scale = height // spread.shape[0]
    spread[:] = 0
    added[:] = 0
    part = 1 / (3 * scale * scale)
    for y in range(height):
        for x in range(width):
            apart, brought = 0.0, 0.0
            for c in range(3):
                difference = second[y, x, c] - first[y, x, c]
                value = trust[y, x] * (first[y, x, c] + share[y, x] * difference)
                target[y, x, c] += value
                apart += difference * difference
                brought += value * value
            spread[y // scale, x // scale] += apart * part
            added[y // scale, x // scale] += brought * part


@helper
def _luma(picture: Any, y: Any, x: Any) -> Any:
    """BT.709, whatever the picture's own matrix."""
    return (
        np.float32(0.2126) * picture[y, x, 0]
        + np.float32(0.7152) * picture[y, x, 1]
        + np.float32(0.0722) * picture[y, x, 2]
    )


@kernel("void(float32[:,::1], float32[:,::1], float64, float32[:,:,:])")
def draw_towards(luma: Floats, share: Floats, most: float, target: Floats) -> None:
    """Move the luma of `target` this share of the way to `luma`; its colour stays.

    Less far where that were a mean square of more than `most`.
    """
    height, width, _ = target.shape
    way = 0.0
    for y in range(height):
        for x in range(width):
            change = share[y, x] * (luma[y, x] - _luma(target, y, x))
            way += change * change
    way /= height * width
    factor = np.float32(np.sqrt(most / way)) if way > most else np.float32(1)
    for y in range(height):
        for x in range(width):
            change = factor * share[y, x] * (luma[y, x] - _luma(target, y, x))
            for c in range(3):
                target[y, x, c] += change


@kernel("void(float32[:,:,::1], float32[:,::1], float32[:,::1])")
def measure_detail(picture: Floats, plain: Floats, energy: Floats) -> None:
    """Write into `energy`, a smaller plane, the mean square of what luma has beyond `plain`."""
    height, width, _ = picture.shape
    scale = height // energy.shape[0]
    part = np.float32(1 / scale**2)
    energy[:] = 0
    for y in range(height):
        for x in range(width):
            detail = _luma(picture, y, x) - plain[y, x]
            energy[y // scale, x // scale] += part * detail * detail


@kernel("void(float32[:,::1], float32[:,::1], float32[:,:,::1])")
def strengthen_detail(plain: Floats, gain: Floats, target: Floats) -> None:
    """Multiply what the luma of `target` has beyond `plain`; its colour stays."""
    height, width, _ = target.shape
    for y in range(height):
        for x in range(width):
            change = (gain[y, x] - 1) * (_luma(target, y, x) - plain[y, x])
            for c in range(3):
                target[y, x, c] += change
