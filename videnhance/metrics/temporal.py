"""How steady a clip is, frame by frame; each class is given every frame once, in order.

`add` answers with the figure of one frame, or nan where it has none: the first frame, the first
after a cut, and, where a measure looks ahead, frames at the ends. `motion` is that of the source
(`MotionTracker`), at the clip's size (`MeasuredMotion.resized`); None for the first frame.
"""

from __future__ import annotations

import math
from collections import deque

import cv2
import numpy as np

from videnhance.metrics.fidelity import Luma
from videnhance.metrics.motion import MeasuredMotion, dense_flow, warped

_LEAST_STATIC = 0.01
"""Share of the picture that must stand still for its flicker to be measured."""
_SMOOTHING = np.array([1, 4, 6, 4, 1]) / 16
"""Binomial window in time: lets no flicker from frame to frame pass, and any straight fade."""


class WarpError:
    """E_warp of Lai et al., "Learning blind video temporal consistency", ECCV 2018.

    The mean squared difference between a frame and the next one moved back along the source's
    flow, over the pixels that are visible in both. White noise of deviation s makes 2 s².
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
    of each vector, and so does this. The flow is DIS, for Farnebäck's there.
    """

    def __init__(self) -> None:
        self._clip: Luma | None = None
        self._target: Luma | None = None

    def add(self, luma: Luma, motion: MeasuredMotion | None, target: Luma | None = None) -> float:
        """The difference from the flow of `target`, a reference, or else from the motion's flow."""
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
    """How far the mean brightness of a frame is from that of the two before and the two after.

    They are weighed 1, 4, 6, 4, 1: of a flicker of amplitude a, it shows all where the frames
    alternate, and a (1 - cos⁴(w/2)) for one of w radians per frame. No figure spans a cut.
    """

    latency = 2
    """Frames by which an answer is late: `add` answers for the second frame before."""

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
