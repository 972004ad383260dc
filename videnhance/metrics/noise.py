"""Measure how noisy a source is, and where it stands still within that noise."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from videnhance.metrics.fidelity import Luma

_LEAST_NOISE = 0.5 / 255
"""Smallest standard deviation that is assumed, in luma of 0..1: half an 8-bit code. Rounding to 8
bits alone makes 0.29 codes."""
_MEDIAN_OF_NORMAL = 0.6745  # of |x|, x normal with standard deviation 1
_LAPLACIANS = np.array([[1, -2, 1], [-2, 4, -2], [1, -2, 1]], np.float32)
_TOLERANCE = 3.0  # standard deviations


def noise_level(before: Luma, after: Luma) -> float:
    """Standard deviation of the noise in two successive frames, at least half a code of 8 bits.

    It is the smaller of two robust estimates. One is made from the difference of the frames; motion
    raises it. The other is made from a Laplacian of one frame, to which straight edges do not
    contribute; texture raises it (Immerkaer, "Fast noise variance estimation", CVIU 64 (1996), with
    the median for the mean). Noise that is correlated over several pixels, as compression makes it,
    is underestimated.
    """
    changes = _median(after - before) / np.sqrt(2)
    rough = cv2.filter2D(after, cv2.CV_32F, _LAPLACIANS)
    roughness = _median(rough) / np.sqrt(np.sum(_LAPLACIANS**2))
    return float(max(min(changes, roughness), _LEAST_NOISE))


def static_pixels(before: Luma, after: Luma, noise: float) -> NDArray[np.bool_]:
    """Pixels (H, W) that change no more between two frames than noise of that standard deviation.

    The difference of a pixel and the mean difference of the 3x3 pixels around it must each stay
    within three of their standard deviations. The same must hold for all neighbours of the pixel.
    """
    difference = cv2.subtract(after, before)
    limit = _TOLERANCE * np.sqrt(2) * noise
    mean = cv2.blur(difference, (3, 3))
    # The mean of nine differences has a third of their standard deviation.
    still = (np.abs(difference) <= limit) & (np.abs(mean) <= limit / 3)
    return np.asarray(cv2.erode(still.astype(np.uint8), np.ones((3, 3))), np.bool_)


def _median(values: NDArray[Any]) -> float:
    return float(np.median(np.abs(values))) / _MEDIAN_OF_NORMAL
