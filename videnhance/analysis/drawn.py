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
"""Frames are shrunk to the area of a square of this side, in pixels. Noise, compression and
interlacing then fade, and a cartoon's outlines remain."""
_BAR_LEVEL, _BAR_DEVIATION = 0.1, 0.03
"""Largest mean and standard deviation of luma, 0..1, in a row or column of a black bar. Black is at
most 0.07 if the range is wrong; the rest is noise."""
_LEAST_CONTRAST = 0.06
"""Smallest difference of the 1st and 99th percentiles of luma, 0..1, in a frame that is judged."""
_LEAST_SIDE = 16
"""Smallest side of a frame that is judged, in pixels without bars."""
_FLAT, _SHADED = 0.015, 0.06
"""Standard deviations of luma in a window, in units of the frame's contrast. A window is flat below
the first. Up to the second it is softly shaded or textured, which is rare in drawings."""
_LEAST_SHARE, _LEAST_EVEN = 0.01, 0.001
"""Added to the shaded fraction and to the evenness of gradients before their logarithm is taken."""
_EQUAL = 1 / 255
"""Range of luma in 3x3 pixels, in units of the frame's contrast, below which they are equal."""
_WEIGHTS = np.array([-11.05, 5.917, -9.936, -1.591])
_OFFSET = -9.636
"""Log odds for drawn: the features' weights, in the order of `features`, and the offset.

Fitted with the method of `training/drawn.py` on 1377 live and 974 drawn frames, so that 1 % of
these live ones are classified as drawn. Tested on single frames of other pictures: 8 of 620 live
ones are classified as drawn (6 of them show one silhouette at night), and 239 of 620 drawn ones as
live, most of them noisy or tiny.
"""


_SURE = 2 / 3
"""Smallest probability at which a recording counts as drawn: twice as likely as live action."""


@dataclass(frozen=True)
class Verdict:
    """Whether a recording is drawn, and how sure that is."""

    drawn: bool
    score: float
    """Median over the frames of the log odds for drawn: positive if drawn is more likely, 0 if no
    frame shows anything."""
    reason: str
    """One line for the user."""


def judge(frames: Sequence[Image]) -> Verdict:
    """Judge a recording by a few of its frames, each RGB of shape (3, H, W), nominally 0..1.

    Each frame is scored by itself and the median counts, so that titles and fades are outvoted.
    Frames that show nothing have no vote. In doubt, the verdict is live action: most recordings
    are, and a face enhanced as a drawing looks worse than a drawing enhanced as live action.
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
    """The probability in percent, at most 99, since nothing is certain."""
    return min(99, round(100 * probability))


def features(frame: Image) -> NDArray[np.float64] | None:
    """Four measures of a frame, RGB (3, H, W); None if it shows nothing.

    They are the fraction of flat windows, the fraction of equal neighbours, the evenness of
    gradients (log of their mean over their root mean square), and the log of the fraction of shaded
    windows. A drawing is flat and changes in few places; live action is shaded nearly everywhere.
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
        # However thin the picture is, a side keeps at least one pixel.
        width, height = (max(1, round(side * factor)) for side in luma.shape[::-1])
        shrunk = cv2.resize(luma, (width, height), interpolation=cv2.INTER_AREA)
        return np.asarray(shrunk, np.float32)
    return luma


def _shown(luma: Floats) -> Floats | None:
    """Luma without black bars, its 1st to 99th percentile stretched to 0..1.

    None if the frame is too small or shows nothing.
    """
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
    """The lines between the bars; the bar at either end takes at most a third of all lines."""
    bars = (means < _BAR_LEVEL) & (deviations < _BAR_DEVIATION)
    length = len(bars)
    first, last = 0, length
    while first < length // 3 and bars[first]:
        first += 1
    while last > length - length // 3 and bars[last - 1]:
        last -= 1
    # Next to a bar, lines may be partly bar, so two more are left out.
    return slice(first + 2 * (first > 0), last - 2 * (last < length))


def _deviation(luma: Floats, side: int) -> Floats:
    """Standard deviation of luma in the window of that side around each pixel."""
    mean = cv2.blur(luma, (side, side))
    square = cv2.blur(luma * luma, (side, side))
    deviation: Floats = np.sqrt(np.maximum(square - mean * mean, 0))
    return deviation
