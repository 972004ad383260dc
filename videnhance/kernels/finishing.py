"""Grain, sharpness and light of finished pictures; see docs/denoising.md."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import cv2
import numpy as np
from numpy.typing import NDArray

from videnhance.core import Image
from videnhance.kernels.motion import luma
from videnhance.kernels.noise import block_means, finest_variance, haar_variances

Plane = NDArray[np.float32]

_FLAT = 0.15
"""Fraction of the blocks, those with the least coarse detail, that grain is measured in."""
_SIZES = np.linspace(0.0, 2.0, 21)
"""Standard deviations, in pixels, of the blur that stands for a size of grain."""
_PEAK = 1 / 5
"""Largest weight of a neighbour in contrast-adaptive sharpening, AMD's value."""
_GAMMA = 2.4
"""Exponent of BT.1886 displays, with a black of zero."""
_STOPS = 3.0
"""Doublings of light in the shadows at full lift."""


@dataclass(frozen=True)
class Grain:
    """Grain as a recording has it."""

    strength: float
    """Standard deviation of luma at middle grey, in the unit of 0..1."""
    size: float
    """Standard deviation of the blur that makes white noise as coarse, in pixels."""
    colour: float
    """Standard deviation of what differs between the channels, as a fraction of luma's; 0..1."""


def measured_grain(frames: tuple[Image, ...]) -> Grain:
    """Measure grain in the flat blocks of frames (3, H, W).

    Strength is taken to follow sqrt(I·(1 − I)), as the variance of grains that are either developed
    or not (Newson et al., "Realistic film grain rendering", IPOL 2017). Size follows from the ratio
    of variances at two levels of a Haar transform.
    """
    strengths, ratios, colours = [], [], []
    for frame in frames:
        image = frame.clip(0, 1)
        plane = luma(image)
        finest, finer, coarse = (level.ravel() for level in haar_variances(plane))
        there = finest > 0  # encoders and black bars leave blocks even
        if not there.any():
            continue
        flat = there & (coarse <= np.quantile(coarse[there], _FLAT))
        light = block_means(plane).ravel()[flat]
        shape = np.maximum(4 * light * (1 - light), 0.05)
        total = (3 * finest + finer)[flat] / 4
        strengths.append(np.median(total / shape))
        ratios.append(np.median(finer[flat]) / np.median(finest[flat]))
        # Shapes differ in colour; their finest diagonal detail hardly does.
        own = np.mean([finest_variance(channel - plane).ravel() for channel in image], axis=0)
        colours.append(np.median(own[flat]) / np.median(finest_variance(plane).ravel()[flat]))
    if not strengths:
        return Grain(0.0, 0.0, 0.0)
    size = float(np.interp(np.median(ratios), _ratios(), _SIZES))
    colour = float(np.clip(np.sqrt(np.median(colours)), 0, 1))
    return Grain(float(np.sqrt(np.median(strengths))), size, colour)


@cache
def _ratios() -> tuple[float, ...]:
    """Ratio of the second level's variance to the first's, of noise of each size."""
    noise = np.random.default_rng(0).standard_normal((256, 256), np.float32)
    found = []
    for size in _SIZES:
        finest, finer, _ = haar_variances(_blurred(noise, float(size)))
        found.append(float(finer.mean() / finest.mean()))
    return tuple(found)


def _blurred(noise: Plane, size: float) -> Plane:
    if size < 0.1:
        return noise
    return np.asarray(cv2.GaussianBlur(noise, (0, 0), size), np.float32)


def with_grain(image: Image, grain: Grain, seed: int) -> Image:
    """An image (3, H, W) with grain of that kind; the same seed gives the same grain."""
    dice = np.random.default_rng(seed)
    _, height, width = image.shape

    def field() -> Plane:
        made = _blurred(dice.standard_normal((height, width), np.float32), grain.size)
        return made / max(float(made.std()), 1e-6)

    light = luma(image).clip(0, 1)
    strength = np.float32(2 * grain.strength) * np.sqrt(light * (1 - light))
    shared = strength * field()
    if grain.colour == 0:
        return np.asarray(image + shared, np.float32)
    own = np.stack([strength * np.float32(grain.colour) * field() for _ in range(3)])
    return np.asarray(image + shared + own, np.float32)


def sharpened(image: Image, amount: float) -> Image:
    """Contrast-adaptive sharpening of luma, as AMD's FidelityFX CAS, without overshoot.

    Each pixel is sharpened against its four neighbours, less where the contrast is large already,
    and stays within the range of the 3×3 pixels around it.
    """
    plane = luma(image)
    around = np.ones((3, 3), np.uint8)
    low, high = (np.asarray(made(plane, around), np.float32) for made in (cv2.erode, cv2.dilate))
    room = np.minimum(low, 1 - high).clip(0, 1)
    weight = -np.float32(_PEAK * amount) * np.sqrt(room / np.maximum(high, np.float32(1e-4)))
    cross = np.array([[0, 1, 0], [1, 0, 1], [0, 1, 0]], np.float32)
    neighbours = cv2.filter2D(plane, -1, cross, borderType=cv2.BORDER_REPLICATE)
    sharp = (plane + weight * neighbours) / (1 + 4 * weight)
    return np.asarray(image + (sharp.clip(low, high) - plane), np.float32)


def lifted(image: Image, amount: float) -> Image:
    """More light in the shadows: luminance Y becomes g·Y / (1 + (g − 1)·Y) in linear light.

    That multiplies shadows by g = 2^(3·amount) and leaves white where it is (Reinhard et al. 2002).
    Colours keep their ratios. What lies beyond 0..1 is moved along.
    """
    gain = np.float32(2 ** (_STOPS * amount))
    within = image.clip(0, 1)
    light = within ** np.float32(_GAMMA)
    luminance = luma(light)
    factor = gain / (1 + (gain - 1) * luminance)
    made = (light * factor) ** np.float32(1 / _GAMMA)
    return np.asarray(made + (image - within), np.float32)
