"""Tell drawn pictures (cartoons, anime, flat animation) from live action."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import cv2
import numpy as np
from numpy.typing import NDArray

from videnhance.core import Image

Floats: TypeAlias = NDArray[np.floating[Any]]

_SIDE = 300
"""Frames are shrunk to the area of a square of this side in pixels: noise, compression and
interlacing fade, and a cartoon's outlines are still there."""
_BAR_LEVEL, _BAR_DEVIATION = 0.1, 0.03
"""Rows and columns at a border are black bars up to this mean and standard deviation of luma, 0..1:
black is at most 0.07 in the wrong range, the rest is noise."""
_LEAST_CONTRAST = 0.06
"""A frame shows something if the 1st and 99th percentiles of its luma, 0..1, lie so far apart."""
_LEAST_SIDE = 16
"""Pixels a side, bars taken away, from which a frame is large enough to be judged."""
_FLAT, _SHADED = 0.015, 0.06
"""Standard deviations of luma in a window, in units of the frame's contrast: below the first it is
flat, up to the second softly shaded or textured, as hardly anything drawn is."""
_LEAST_SHARE, _LEAST_EVEN = 0.01, 0.001
"""Added to shares before their logarithm is taken."""
_EQUAL = 1 / 255
"""Range of luma in 3x3 pixels, in units of the frame's contrast, below which they are equal."""
_WEIGHTS = np.array([-11.05, 5.917, -9.936, -1.591])
_OFFSET = -9.636
"""Log odds for drawn: the features' weights, in the order of `features`, and the offset.

Fitted with the method of `training/drawn.py` on 1377 live and 974 drawn frames, so that 1 % of
these live ones are taken for drawn. On other pictures, single frames: 8 of 620 live ones are taken
for drawn (one silhouette at night makes 6), 239 of 620 drawn ones for live, most of them noisy or
tiny.
"""


_SURE = 2 / 3
"""Probability from which on a recording counts as drawn: twice as likely as live action."""


@dataclass(frozen=True)
class Verdict:
    """Whether a recording is drawn, and what was measured."""

    drawn: bool
    score: float
    """Median over the frames of the log odds for drawn, from the fitted boundary; 0 where nothing
    could be seen. Positive is more likely drawn."""
    reason: str
    """One line for the user."""


def judge(frames: Sequence[Image]) -> Verdict:
    """Judge a recording by a few of its frames, each RGB of shape (3, H, W), nominally 0..1.

    Each frame is scored by itself and the median counts, so that titles and fades are outvoted;
    frames that show nothing have no vote. When in doubt it is live action: that is what most
    recordings are, and a face that is taken for a drawing comes out worse than a drawing that is
    taken for a photograph.
    """
    measured = [found for frame in frames if (found := features(frame)) is not None]
    if not measured:
        reason = "live action assumed: the sampled frames are empty"
        return Verdict(False, 0.0, reason)
    scores = sorted(float(found @ _WEIGHTS + _OFFSET) for found in measured)
    score = scores[(len(scores) - 1) // 2]
    probability = 1 / (1 + np.exp(-score))
    if probability >= _SURE:
        reason = f"drawn: {_percent(probability)} % sure"
    elif probability <= 1 - _SURE:
        reason = f"live action: {_percent(1 - probability)} % sure"
    else:
        reason = f"live action: in doubt, {100 * probability:.0f} % for drawn"
    return Verdict(bool(probability >= _SURE), score, reason)


def _percent(probability: float) -> int:
    """Never all: nothing is sure."""
    return min(99, round(100 * probability))


def features(frame: Image) -> NDArray[np.float64] | None:
    """Four measures of a frame, RGB (3, H, W); None where it shows nothing.

    Flat windows (share, 0..1), equal neighbours (share, 0..1), how evenly gradients are spread (log
    of their mean over their root mean square) and shaded windows (log of the share). A drawing is
    flat and changes at few places; live action is shaded nearly everywhere.
    """
    luma = _shown(_shrunk_luma(frame))
    if luma is None:
        return None
    flat = float((_deviation(luma, 11) < _FLAT).mean())
    deviation = _deviation(luma, 5)
    shaded = float(((deviation > _FLAT) & (deviation < _SHADED)).mean())
    calm = cv2.medianBlur(luma, 3)
    square = np.ones((3, 3), np.uint8)
    equal = float((cv2.dilate(calm, square) - cv2.erode(calm, square) < _EQUAL).mean())
    gradient = np.hypot(
        cv2.Sobel(calm, -1, 1, 0, scale=1 / 8), cv2.Sobel(calm, -1, 0, 1, scale=1 / 8)
    )
    even = float(gradient.mean() / (np.sqrt((gradient**2).mean()) + 1e-9))
    return np.array([flat, equal, np.log(even + _LEAST_EVEN), np.log(shaded + _LEAST_SHARE)])


def _shrunk_luma(frame: Image) -> Floats:
    """BT.601 luma (H, W) of a frame shrunk by area averaging."""
    clipped: Image = np.nan_to_num(frame).clip(0, 1)
    luma: Floats = np.tensordot(np.array([0.299, 0.587, 0.114], np.float32), clipped, 1)
    factor = _SIDE / np.sqrt(luma.size)
    if factor < 1:
        # Areas keep at least one pixel, however long and thin.
        width, height = (max(1, round(side * factor)) for side in luma.shape[::-1])
        shrunk = cv2.resize(luma, (width, height), interpolation=cv2.INTER_AREA)
        return np.asarray(shrunk, np.float32)
    return luma


def _shown(luma: Floats) -> Floats | None:
    """Luma between black bars, its 1st to 99th percentile stretched to 0..1; None for nothing."""
    for _ in range(2):  # rows, then columns
        if min(luma.shape) < _LEAST_SIDE:
            return None
        luma = luma[_between(luma.mean(axis=1), luma.std(axis=1))].T
    if min(luma.shape) < _LEAST_SIDE:
        return None
    low, high = np.percentile(luma, (1, 99))
    if high - low < _LEAST_CONTRAST:
        return None
    return np.ascontiguousarray((luma - low) / (high - low), np.float32)


def _between(means: Floats, deviations: Floats) -> slice:
    """The lines that are no bars; up to a third of all, at either end, may be bars."""
    bars = (means < _BAR_LEVEL) & (deviations < _BAR_DEVIATION)
    length = len(bars)
    first, last = 0, length
    while first < length // 3 and bars[first]:
        first += 1
    while last > length - length // 3 and bars[last - 1]:
        last -= 1
    # A line at each border of a bar is half bar.
    return slice(first + 2 * (first > 0), last - 2 * (last < length))


def _deviation(luma: Floats, side: int) -> Floats:
    """Standard deviation of luma in the window of that side around each pixel."""
    mean = cv2.blur(luma, (side, side))
    square = cv2.blur(luma * luma, (side, side))
    deviation: Floats = np.sqrt(np.maximum(square - mean * mean, 0))
    return deviation
