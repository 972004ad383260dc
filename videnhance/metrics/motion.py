"""Motion between two frames of a source: dense flow, visible pixels, static pixels."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, TypeAlias

import cv2
import numpy as np
from numpy.typing import NDArray

from videnhance.metrics.fidelity import Luma
from videnhance.metrics.noise import noise_level, static_pixels

Flow: TypeAlias = NDArray[np.float32]
"""For each pixel, how far it moves to the right and down, in pixels; shape (H, W, 2)."""
Mask: TypeAlias = NDArray[np.bool_]

LEAST_SIDE = 16
"""Smallest side of a picture, in samples; dense flow needs 12 and SSIM 11."""
_LEAST_VISIBLE = 0.5
"""There is a cut if a smaller fraction of the picture is visible in both frames."""


def dense_flow(before: Luma, after: Luma) -> Flow:
    """The flow from one frame to the next by OpenCV's DIS, preset medium.

    Kroeger, Timofte, Dai and Van Gool, "Fast optical flow using dense inverse search", ECCV 2016.
    Raises ValueError for frames of different sizes, or smaller than `LEAST_SIDE`.
    """
    if before.shape != after.shape or min(before.shape) < LEAST_SIDE:
        raise ValueError(
            f"flow needs two frames of one size and {LEAST_SIDE} samples a side at least, "
            f"got {before.shape} and {after.shape}"
        )
    method: Any = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_MEDIUM)
    return np.asarray(method.calc(_codes(before), _codes(after), None), np.float32)


def _codes(luma: Luma) -> NDArray[np.uint8]:
    """0..1 as 8 bits, which is all that DIS takes."""
    return np.asarray(cv2.convertScaleAbs(np.maximum(luma, 0), alpha=255.0), np.uint8)


@dataclass(frozen=True)
class MeasuredMotion:
    """The motion from one frame to the next, in the coordinates of the earlier one."""

    flow: Flow
    visible: Mask
    """False where a pixel is hidden in the later frame, leaves it, or is at a motion boundary."""
    static: Mask
    """True where nothing but noise changes."""
    continuous: bool
    """Whether both frames belong to one scene: at least half of the picture is visible in both."""

    @classmethod
    def between(cls, before: Luma, after: Luma) -> MeasuredMotion:
        """Measure the motion between two frames."""
        forward, backward = dense_flow(before, after), dense_flow(after, before)
        static = static_pixels(before, after, noise_level(before, after))
        visible = visible_pixels(forward, backward)
        return cls(forward, visible, static, float(visible.mean()) >= _LEAST_VISIBLE)

    def resized(self, height: int, width: int) -> MeasuredMotion:
        """The same motion in a picture of another size."""
        rows, columns = self.visible.shape
        if (rows, columns) == (height, width):
            return self
        larger = cv2.resize(self.flow, (width, height), interpolation=cv2.INTER_LINEAR)
        flow = np.asarray(larger, np.float32)
        flow *= np.array([width / columns, height / rows], np.float32)
        visible, static = (_resized(mask, height, width) for mask in (self.visible, self.static))
        return MeasuredMotion(flow, visible, static, self.continuous)


def _resized(mask: Mask, height: int, width: int) -> Mask:
    """Resize a mask. It is True where all neighbours at the old size are True."""
    between = cv2.resize(mask.astype(np.float32), (width, height), interpolation=cv2.INTER_LINEAR)
    return np.asarray(between > 0.999, np.bool_)


def visible_pixels(forward: Flow, backward: Flow) -> Mask:
    """Pixels where the flow there and the flow back agree, which stay in the picture.

    Pixels at motion boundaries are not included. Conditions and constants are those of Ruder,
    Dosovitskiy and Brox, "Artistic style transfer for videos", GCPR 2016 (after Sundaram et al.
    2010), which Lai et al. 2018 use as well.
    """
    height, width = forward.shape[:2]
    columns, rows = _targets(forward)
    returned = cv2.remap(backward, columns, rows, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    length = _squared(forward)
    agree = _squared(cv2.add(forward, returned)) <= 0.01 * (length + _squared(returned)) + 0.5
    edge = _squared(_slope(forward, 0)) + _squared(_slope(forward, 1)) > 0.01 * length + 0.002
    inside = (columns >= 0) & (columns <= width - 1) & (rows >= 0) & (rows <= height - 1)
    return np.asarray(agree & ~edge & inside, np.bool_)


def warped(after: Luma, flow: Flow) -> Luma:
    """The later frame warped back along the flow onto the earlier one.

    It is interpolated with a windowed sinc of eight taps (Lanczos). Lai et al. use a bilinear
    kernel, whose blur would count as an error of sharp pictures.
    """
    columns, rows = _targets(flow)
    moved = cv2.remap(after, columns, rows, cv2.INTER_LANCZOS4, borderMode=cv2.BORDER_REPLICATE)
    return np.asarray(moved, np.float32)


def _targets(flow: Flow) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Column and row to which each pixel moves."""
    height, width = flow.shape[:2]
    columns = np.arange(width, dtype=np.float32)
    rows = np.arange(height, dtype=np.float32)[:, None]
    return np.add(columns, flow[..., 0]), np.add(rows, flow[..., 1])


def _squared(vectors: NDArray[Any]) -> NDArray[np.float32]:
    return np.asarray(np.einsum("...i,...i", vectors, vectors), np.float32)


def _slope(flow: Flow, axis: int) -> Flow:
    """Difference to the next pixel, 0 at the last one."""
    last = flow[-1:] if axis == 0 else flow[:, -1:]
    return np.diff(flow, axis=axis, append=last)


class MotionTracker:
    """Measures the motion of a source from frame to frame."""

    def __init__(self) -> None:
        self._before: Luma | None = None

    def add(self, luma: Luma) -> MeasuredMotion | None:
        """The motion from the frame before to this one; None for the first."""
        before, self._before = self._before, luma
        return None if before is None else MeasuredMotion.between(before, luma)
