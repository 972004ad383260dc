"""Give fine detail back the strength that averaging and interpolation take from it."""

from __future__ import annotations

import numpy as np

from videnhance.kernels.blending import add_luma
from videnhance.kernels.motion import Floats, box, luma_of, shrunk, stretched

STRENGTHENED = (1.0, 1.6)
"""What fine detail is multiplied with at least and at most, to give back what it has lost."""
_FAINT = np.float32(1e-7)
"""Mean square of fine detail that needs no strength."""
_FINE = 3
"""Side, in enlarged pixels, of the box whose mean is taken off detail: what is left is fine."""
_SIDE = 33
"""Input pixels across which the strength of detail is averaged."""


def detail_strength(result: Floats, luma: Floats) -> Floats:
    """Mean square of the fine detail of `result` (sH, sW, 3) around each pixel of `luma` (H, W)."""
    return _strength(_fine(result, luma), luma.shape)


def match_strength(
    result: Floats, luma: Floats, wanted: Floats, bounds: tuple[float, float]
) -> None:
    """Give the fine detail of `result` (sH, sW, 3) the strength `wanted` (H, W), in place.

    `luma` (H, W) is the frame's; `bounds` are what it is multiplied with at least and at most.
    """
    fine = _fine(result, luma)
    now = _strength(fine, luma.shape)
    gain = np.sqrt((wanted + _FAINT) / (now + _FAINT)).clip(*bounds)
    add_luma((stretched(gain, *fine.shape) - 1) * fine, result)


def _fine(result: Floats, luma: Floats) -> Floats:
    """What its luma has beyond the frame's, enlarged by straight lines, from pixel to pixel.

    That is what the mean of two details loses. The rest is mostly how much the network brightens
    and darkens, which must stay.
    """
    detail = luma_of(result) - stretched(luma, *result.shape[:2])
    return detail - box(detail, _FINE)


def _strength(fine: Floats, size: tuple[int, ...]) -> Floats:
    return box(shrunk(np.square(fine), *size), _SIDE)
