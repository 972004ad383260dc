"""How noisy a source is, and where it stands still within that noise."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from videnhance.metrics.fidelity import Luma

_LEAST_NOISE = 0.5 / 255
"""Standard deviation that is assumed at least: rounding to 8 bits alone makes 0.29 codes."""
_MEDIAN_OF_NORMAL = 0.6745  # of |x|, x normal with standard deviation 1
_LAPLACIANS = np.array([[1, -2, 1], [-2, 4, -2], [1, -2, 1]], np.float32)
_TOLERANCE = 3.0  # standard deviations


def noise_level(before: Luma, after: Luma) -> float:
    """Standard deviation of the noise in two successive frames, at least half a code of 8 bits.

    The smaller of two robust estimates: one from what changes between the frames, which motion
    raises, the other from what no straight edge leaves in one frame (Immerkaer, "Fast noise
    variance estimation", CVIU 64 (1996), with the median for the mean), which texture raises.
    Noise that spreads over several pixels, as compression makes it, is underrated.
    """
    changes = _median(after - before) / np.sqrt(2)
    rough = cv2.filter2D(after, cv2.CV_32F, _LAPLACIANS)
    roughness = _median(rough) / np.sqrt(np.sum(_LAPLACIANS**2))
    return float(max(min(changes, roughness), _LEAST_NOISE))


def static_pixels(before: Luma, after: Luma, noise: float) -> NDArray[np.bool_]:
    """Where nothing but noise of that standard deviation changes between two frames, (H, W).

    The difference must stay within three deviations, in each pixel and in the mean of 3x3 of
    them, and so must the pixels around it.
    """
    difference = cv2.subtract(after, before)
    limit = _TOLERANCE * np.sqrt(2) * noise
    mean = cv2.blur(difference, (3, 3))
    # Nine differences average to a third of the deviation.
    still = (np.abs(difference) <= limit) & (np.abs(mean) <= limit / 3)
    return np.asarray(cv2.erode(still.astype(np.uint8), np.ones((3, 3))), np.bool_)


def _median(values: NDArray[Any]) -> float:
    return float(np.median(np.abs(values))) / _MEDIAN_OF_NORMAL
