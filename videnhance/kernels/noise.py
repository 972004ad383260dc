"""Estimate the noise of pictures."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

_BLOCK = 16
_QUANTILE = 0.25
_LAPLACIAN = np.array([[1, -2, 1], [-2, 4, -2], [1, -2, 1]], np.float32)


def noise_level(before: NDArray[np.float32], after: NDArray[np.float32]) -> float:
    """Standard deviation of the noise in two luma planes (H, W) of one scene, in their unit.

    It is the smaller of two estimates, since both err upwards. One is made from the difference of
    the frames; motion raises it. The other is made from the Laplacian of Immerkaer, "Fast noise
    variance estimation" (CVIU 1996); fine texture raises it. Each is the lower quartile over
    blocks, without blocks that are equal in both frames: encoders repeat those.
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
    """As `noise_level`, from a single plane (H, W). Fine texture everywhere counts as noise.

    Blocks without any variation are left out: they come from encoders and black bars.
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


_SIDE = 16
"""Pixels across the blocks whose variance is measured."""
_LEVELS = (3 / 4, 3 / 16, 1 / 16)
"""Share of an orthonormal Haar transform's coefficients, by level; the last takes all that is
left. White noise has the same variance at each, and noise that is correlated more at the coarse."""
_BINS = 10
"""Levels of brightness at which noise is measured, at most."""
_BLOCKS_PER_BIN = 8
_EVEN = 1e-9
"""Variance, a hundredth of an 8-bit code value squared, below which a block has no noise."""
_LOWER = 0.4
"""Quantile of the blocks' variances that is taken for the noise. Blocks with texture lie above it;
below it lie those that an encoder has smoothed."""


@dataclass(frozen=True)
class NoiseModel:
    """Noise whose variance is a straight line in brightness: `slope` · I + `floor`.

    That is the model of a sensor's photon and read noise (Foi et al., "Practical
    Poissonian-Gaussian noise modeling and fitting", 2008). Both numbers are at least 0, in squares
    of the unit of 0..1.
    """

    slope: float
    floor: float

    def variance(self, brightness: NDArray[np.float32]) -> NDArray[np.float32]:
        """Variance at each pixel of a plane."""
        return np.maximum(brightness, 0) * np.float32(self.slope) + np.float32(self.floor)

    def towards(self, other: NoiseModel, weight: float) -> NoiseModel:
        """The mean of both, of which the other has that weight."""
        return NoiseModel(
            self.slope + weight * (other.slope - self.slope),
            self.floor + weight * (other.floor - self.floor),
        )


def block_means(plane: NDArray[np.float32]) -> NDArray[np.float32]:
    """Mean of each block of 16×16 pixels of a plane (H, W)."""
    rows, columns = (length // _SIDE for length in plane.shape)
    whole = plane[: rows * _SIDE, : columns * _SIDE]
    means = whole.reshape(rows, _SIDE, columns, _SIDE).mean(axis=(1, 3))
    return np.asarray(means, np.float32)


def haar_variances(plane: NDArray[np.float32]) -> list[NDArray[np.float32]]:
    """Variance of three levels of detail, the finest first, in each block of 16×16 pixels.

    The levels are those of an orthonormal Haar transform of a plane (H, W): of white noise, each
    has its variance. Sides of less than 16 pixels give no blocks.
    """
    rows, columns = (length // _SIDE for length in plane.shape)
    rest, side = plane[: rows * _SIDE, : columns * _SIDE], _SIDE
    found = []
    for _ in _LEVELS:
        a, b, c, d = rest[::2, ::2], rest[::2, 1::2], rest[1::2, ::2], rest[1::2, 1::2]
        left, right, difference, other = a + c, b + d, a - c, b - d
        energy = (left - right) ** 2 + (difference + other) ** 2 + (difference - other) ** 2
        rest, side = np.asarray((left + right) / 2, np.float32), side // 2
        means = energy.reshape(rows, side, columns, side).mean(axis=(1, 3))
        found.append(np.asarray(means / 12, np.float32))
    return found


def fine_variance(plane: NDArray[np.float32]) -> NDArray[np.float32]:
    """Variance of what is finer than 8 pixels, in each block of 16×16 pixels of a plane (H, W).

    Neither slow shading nor large shapes count.
    """
    levels = zip(_LEVELS, haar_variances(plane), strict=True)
    total = sum(np.float32(share) * level for share, level in levels)
    return np.asarray(total, np.float32)


def finest_variance(plane: NDArray[np.float32]) -> NDArray[np.float32]:
    """Variance of the finest diagonal detail, in each block of 16×16 pixels of a plane (H, W).

    That of white noise is its variance. Texture and edges hardly have such detail, and correlated
    noise has less than its variance.
    """
    rows, columns = (length // _SIDE for length in plane.shape)
    whole = plane[: rows * _SIDE, : columns * _SIDE]
    a, b, c, d = whole[::2, ::2], whole[::2, 1::2], whole[1::2, ::2], whole[1::2, 1::2]
    energy = np.square((a - b - c + d) / 2)
    half = _SIDE // 2
    means = energy.reshape(rows, half, columns, half).mean(axis=(1, 3))
    return np.asarray(means, np.float32)


def fitted_noise(
    brightness: NDArray[np.float32], variances: NDArray[np.float32]
) -> NoiseModel | None:
    """Fit a model to blocks of these brightnesses and variances.

    Blocks without any variance are left out: encoders and black bars make them. None where nothing
    is left.
    """
    there = variances > _EVEN
    brightness, variances = brightness[there], variances[there]
    if not len(variances):
        return None
    order = np.argsort(brightness)
    count = int(np.clip(len(order) // _BLOCKS_PER_BIN, 1, _BINS))
    parts = np.array_split(order, count)
    x = np.array([np.median(brightness[part]) for part in parts])
    y = np.array([np.quantile(variances[part], _LOWER) for part in parts])
    # Errors are relative: bright noise must not drown what is dark.
    weight = 1 / (y + 0.25 * y.mean()) ** 2
    mean_x, mean_y = np.average(x, weights=weight), np.average(y, weights=weight)
    spread = np.average((x - mean_x) ** 2, weights=weight)
    slope = 0.0
    if spread > 0:
        slope = max(0.0, np.average((x - mean_x) * (y - mean_y), weights=weight) / spread)
    floor = mean_y - slope * mean_x
    if floor < 0:
        slope = np.average(x * y, weights=weight) / np.average(x * x, weights=weight)
        floor = 0.0
    return NoiseModel(float(slope), float(floor))
