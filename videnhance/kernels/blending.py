"""Compiled loops that composite pictures.

Pictures are (H, W, 3) and may be views of larger ones. Planes are (H, W).
"""

from __future__ import annotations

from videnhance.kernels.compiling import Floats, kernel


@kernel("void(float32[:,:,:], float32[::1], float32[::1], float32[:,:,:])")
def fade_in(made: Floats, rows: Floats, columns: Floats, target: Floats) -> None:
    """Blend `made` into `target`. The weight of a pixel is that of its row times its column's."""
    height, width, channels = target.shape
    for y in range(height):
        for x in range(width):
            weight = rows[y] * columns[x]
            for c in range(channels):
                if weight == 1:
                    target[y, x, c] = made[y, x, c]
                else:
                    target[y, x, c] += weight * (made[y, x, c] - target[y, x, c])


@kernel("void(float32[:,::1], float32[:,:,:])")
def add_luma(more: Floats, target: Floats) -> None:
    """Add `more` to the luma of `target`, without changing its colour differences."""
    height, width, _ = target.shape
    for y in range(height):
        for x in range(width):
            for c in range(3):
                target[y, x, c] += more[y, x]
