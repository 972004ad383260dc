"""Measure how steady a clip is, frame by frame; each class is given every frame once, in order.

`add` returns the figure of one frame, or nan if it has none: for the first frame, for the first
after a cut and, if a measure looks ahead, for frames near both ends. `motion` is that of the source
(`MotionTracker`), at the clip's size (`MeasuredMotion.resized`). It is None for the first frame.
"""

from __future__ import annotations

import math
from collections import deque

import cv2
import numpy as np

from videnhance.metrics.fidelity import Luma
from videnhance.metrics.motion import MeasuredMotion, dense_flow, warped

_LEAST_STATIC = 0.01
"""Fraction of the picture that must be static for its flicker to be measured."""
_SMOOTHING = np.array([1, 4, 6, 4, 1]) / 16
"""Weights of a binomial window in time. It removes alternating flicker and keeps linear fades."""


class WarpError:
    """E_warp of Lai et al., "Learning blind video temporal consistency", ECCV 2018.

    The mean squared difference between a frame and the next one, warped back along the source's
    flow, over the pixels that are visible in both. White noise of standard deviation s makes 2 s².
    """

    def __init__(self) -> None:
        self._before: Luma | None = None

    def add(self, luma: Luma, motion: MeasuredMotion | None) -> float:
        """The error between the frame before and this one."""
        before, self._before = self._before, luma
        if before is None or motion is None or not motion.continuous:
            return math.nan
        visible = motion.visible
        if not visible.any():
            return math.nan
        difference = cv2.subtract(warped(luma, motion.flow), before)[visible]
        return float(np.dot(difference, difference)) / difference.size


class FlowDifference:
    """tOF of Chu et al., "Learning temporal coherence via self-supervision" (TecoGAN), 2020.

    The mean length, in pixels, of the difference between the clip's flow and the flow it should
    have. The paper writes an L1 norm of the field; its published code takes the Euclidean length
    of each vector, and so does this. This uses the flow of DIS, the paper that of Farnebäck.
    """

    def __init__(self) -> None:
        self._clip: Luma | None = None
        self._target: Luma | None = None

    def add(self, luma: Luma, motion: MeasuredMotion | None, target: Luma | None = None) -> float:
        """The difference from the flow of the reference `target`, or without it from `motion`'s."""
        before, self._clip = self._clip, luma
        target_before, self._target = self._target, target
        if before is None or motion is None or not motion.continuous:
            return math.nan
        wanted = motion.flow
        if target is not None and target_before is not None:
            wanted = dense_flow(target_before, target)
        difference = dense_flow(before, luma) - wanted
        return float(np.mean(np.hypot(difference[..., 0], difference[..., 1]), dtype=np.float64))


class StaticFlicker:
    """Mean absolute change from frame to frame where the source stands still within its noise."""

    def __init__(self) -> None:
        self._before: Luma | None = None

    def add(self, luma: Luma, motion: MeasuredMotion | None) -> float:
        """The change since the frame before; nan where less than 1 % of the picture is static."""
        before, self._before = self._before, luma
        if before is None or motion is None or not motion.continuous:
            return math.nan
        if float(motion.static.mean()) < _LEAST_STATIC:
            return math.nan
        return float(np.mean(cv2.absdiff(luma, before)[motion.static], dtype=np.float64))


class LuminanceFlicker:
    """How far the mean luma of a frame is from the mean of five frames, two before to two after.

    Their weights are 1, 4, 6, 4, 1. Flicker of amplitude a and of w radians per frame gives
    a (1 - cos⁴(w/2)), which is a if frames alternate. No figure spans a cut.
    """

    latency = 2
    """Delay in frames: `add` returns the figure of the frame two before the one it is given."""

    def __init__(self) -> None:
        self._means: deque[float] = deque(maxlen=len(_SMOOTHING))

    def add(self, luma: Luma, motion: MeasuredMotion | None) -> float:
        """The deviation of the frame two before this one."""
        if motion is None or not motion.continuous:
            self._means.clear()
        self._means.append(float(np.mean(luma, dtype=np.float64)))
        if len(self._means) < len(_SMOOTHING):
            return math.nan
        return abs(self._means[self.latency] - float(np.dot(self._means, _SMOOTHING)))
