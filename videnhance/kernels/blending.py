"""Compiled loops that lay pictures over one another.

Pictures are (H, W, 3) and may be views of larger ones, planes (H, W).
"""

from __future__ import annotations

from typing import Any

import numpy as np

from videnhance.kernels.compiling import Floats, helper, kernel
from videnhance.kernels.vectors import load_one, store


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


@helper
def luma_at(picture: Any, at: Any) -> Any:
    """BT.709 luma, whatever the picture's own matrix, of the pixel at flat position `at`."""
    return (
        np.float32(0.2126) * load_one(picture, at)
        + np.float32(0.7152) * load_one(picture, at + 1)
        + np.float32(0.0722) * load_one(picture, at + 2)
    )


@kernel("void(float32[:,:,::1], float32[:,::1], float32[:,::1])")
def measure_detail(picture: Floats, plain: Floats, energy: Floats) -> None:
    """Write into `energy`, a smaller plane, the mean square of what luma has beyond `plain`."""
    height, width, _ = picture.shape
    rows, columns = energy.shape
    scale = height // rows
    part = np.float32(1 / scale**2)
    energy[:] = 0
    for y in range(height):
        at, to = y * width, y // scale * columns
        for x in range(columns):
            total = np.float32(0)
            for _ in range(scale):
                detail = luma_at(picture, 3 * at) - load_one(plain, at)
                total += detail * detail
                at += 1
            store(energy, to + x, load_one(energy, to + x) + part * total)


@kernel("void(float32[:,::1], float32[:,::1], float32[:,:,::1])")
def strengthen_detail(plain: Floats, gain: Floats, target: Floats) -> None:
    """Multiply what the luma of `target` has beyond `plain`; its colour stays."""
    for at in range(plain.size):
        detail = luma_at(target, 3 * at) - load_one(plain, at)
        more = (load_one(gain, at) - np.float32(1)) * detail
        for c in range(3):
            store(target, 3 * at + c, load_one(target, 3 * at + c) + more)
