"""Estimate the noise of pictures."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

_BLOCK = 16
_QUANTILE = 0.25
_LAPLACIAN = np.array([[1, -2, 1], [-2, 4, -2], [1, -2, 1]], np.float32)


def noise_level(before: NDArray[np.float32], after: NDArray[np.float32]) -> float:
    """Standard deviation of the noise in two luma planes (H, W) of one scene, in their unit.

    The smaller of two estimates that both err upwards: from what differs between the frames
    (wrong where things move) and from the Laplacian of Immerkaer's "Fast noise variance
    estimation" (CVIU 1996; wrong where there is fine texture). Each is the lower quartile over
    blocks, those that are equal in both frames left out, as encoders repeat them.
    """
    difference = _blocks(after - before)
    laplacian = _blocks(np.asarray(cv2.filter2D(after, -1, _LAPLACIAN), np.float32))
    moving = difference.any(axis=1)
    if not moving.any():
        return 0.0
    between = np.quantile(difference[moving].std(axis=1), _QUANTILE) / np.sqrt(2)
    within = np.quantile(laplacian[moving].std(axis=1), _QUANTILE) / 6
    return float(min(between, within))


def spatial_noise_level(luma: NDArray[np.float32]) -> float:
    """As `noise_level`, from a single plane (H, W): fine texture everywhere counts as noise.

    Blocks without any are left out: encoders and black bars leave them even.
    """
    laplacian = _blocks(np.asarray(cv2.filter2D(luma, -1, _LAPLACIAN), np.float32))
    deviations = laplacian.std(axis=1)
    deviations = deviations[deviations > 0]
    return float(np.quantile(deviations, _QUANTILE) / 6) if len(deviations) else 0.0


def _blocks(plane: NDArray[np.float32]) -> NDArray[np.float32]:
    """Whole blocks as rows; a small plane is one block."""
    side = min(_BLOCK, *plane.shape)
    rows, columns = plane.shape[0] // side, plane.shape[1] // side
    whole = plane[: rows * side, : columns * side].reshape(rows, side, columns, side)
    return whole.transpose(0, 2, 1, 3).reshape(rows * columns, side * side)
