"""Measure how near one picture is to another, and how much detail it shows."""

from __future__ import annotations

import math

import cv2
import numpy as np
from numpy.typing import NDArray

from videnhance.kernels.resize import resize

Luma = NDArray[np.float32]
"""Luma of one frame, shape (H, W), float32, 0..1."""

_WINDOW, _SIGMA = 11, 1.5
_K1, _K2 = 0.01, 0.03


def squared_error(a: Luma, b: Luma) -> float:
    """Mean squared difference of two pictures. Raises ValueError if they differ in size."""
    _same_size(a, b)
    difference = cv2.subtract(a, b).ravel()
    return float(np.dot(difference, difference)) / difference.size


def decibels(squared: float) -> float:
    """A mean squared error as peak signal-to-noise ratio in dB, with 1 as the peak.

    Infinite for 0; NaN stays NaN.
    """
    return -10 * math.log10(squared) if squared != 0 else math.inf


def psnr(a: Luma, b: Luma) -> float:
    """Peak signal-to-noise ratio in dB, with 1 as the peak; inf for equal pictures."""
    return decibels(squared_error(a, b))


def ssim(a: Luma, b: Luma) -> float:
    """Mean structural similarity, 1 for equal pictures.

    As defined by Wang, Bovik, Sheikh and Simoncelli, "Image quality assessment: from error
    visibility to structural similarity", IEEE TIP 13 (2004): a Gaussian window of 11x11 and
    sigma 1.5, K1 = 0.01, K2 = 0.03, over all positions where the window fits. Raises ValueError
    for pictures of different sizes, or smaller than the window.
    """
    _same_size(a, b)
    if min(a.shape) < _WINDOW:
        raise ValueError(f"SSIM needs {_WINDOW} samples a side, got {a.shape[1]}x{a.shape[0]}")
    # Variances do not depend on the mean, and around zero float32 has smaller rounding errors.
    a, b = a - np.float32(0.5), b - np.float32(0.5)
    mean_a, mean_b = _windowed(a), _windowed(b)
    variance_a = _windowed(a * a) - mean_a * mean_a
    variance_b = _windowed(b * b) - mean_b * mean_b
    covariance = _windowed(a * b) - mean_a * mean_b
    mean_a += np.float32(0.5)
    mean_b += np.float32(0.5)
    c1, c2 = np.float32(_K1**2), np.float32(_K2**2)
    above = (2 * mean_a * mean_b + c1) * (2 * covariance + c2)
    below = (mean_a * mean_a + mean_b * mean_b + c1) * (variance_a + variance_b + c2)
    return float(np.mean(above / below, dtype=np.float64))


def _windowed(plane: Luma) -> Luma:
    """Means under the Gaussian window wherever it fits."""
    margin = _WINDOW // 2
    blurred = cv2.GaussianBlur(plane, (_WINDOW, _WINDOW), _SIGMA)
    return np.asarray(blurred[margin:-margin, margin:-margin], np.float32)


def back_projection_error(output: Luma, source: Luma) -> float:
    """Mean squared difference between the output, reduced to the source's size, and the source.

    Reducing an enlargement that keeps the content gives the source again, if nothing aliases.
    Raises ValueError if the output is smaller than the source.
    """
    height, width = source.shape
    if output.shape[0] < height or output.shape[1] < width:
        raise ValueError(f"{output.shape} is smaller than the source's {source.shape}")
    return squared_error(resize(output[None], height, width)[0], source)


def gradient_energy(luma: Luma) -> float:
    """Mean squared gradient per sample, from differences of neighbours in rows and columns.

    It is not a measure of quality: it tells a steady picture from one that is only blurred.
    """
    across, down = np.diff(luma, axis=1), np.diff(luma, axis=0)
    return _mean_square(across) + _mean_square(down)


def _mean_square(values: Luma) -> float:
    flat = np.ascontiguousarray(values).ravel()
    return float(np.dot(flat, flat)) / max(1, flat.size)


def _same_size(a: Luma, b: Luma) -> None:
    if a.shape != b.shape or a.ndim != 2:
        raise ValueError(f"pictures must be 2-D and of one size, got {a.shape} and {b.shape}")
