"""Draw finished pictures towards the one before, so that detail does not flicker."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from videnhance.kernels.blending import add_luma
from videnhance.kernels.motion import Floats, luma_of, noise_levels, unexplained, warp
from videnhance.kernels.warping import blend_towards, fields_of
from videnhance.temporal.flow import LumaPicture, find_motion
from videnhance.temporal.region import Region
from videnhance.temporal.scenes import Seen
from videnhance.temporal.tiles import ramps

_KEPT_INVENTED, _KEPT_RESTORED = 0.7, 0.5
"""Share of the last frame's picture, brought here, where it can be trusted wholly."""
_BEYOND = np.float32(0.5 / 255)
"""What a picture may be drawn beyond the values it has around a place."""


@dataclass(frozen=True)
class Shown:
    """The frame before, and what was made of it."""

    luma: LumaPicture
    result: Floats
    """(sH, sW, 3)."""


def smooth(
    result: Floats,
    seen: Seen,
    parts: list[tuple[Region, Region]],
    last: Shown,
    most: float,
    *,
    psnr_oriented: bool,
) -> None:
    """Draw parts of a finished picture (sH, sW, 3) towards the last one along the motion, in place.

    Only in luma, where flicker is seen. Two successive results have their detail from the same
    references, by other ways: this makes one go over into the other. What a PSNR-oriented network
    makes of ragged edges is kept, for that counts as gain. Parts come without and with their
    surroundings; `most` is the mean square of what may change in each.
    """
    luma = LumaPicture(seen.luma)
    scale = result.shape[0] // seen.luma.shape[0]
    like = last.luma.like(luma)
    most_kept = np.float32(_KEPT_RESTORED if psnr_oriented else _KEPT_INVENTED)
    for part, outer in parts:
        here, there = luma.part(outer), like.part(outer)
        noise = seen.sigma if psnr_oriented else noise_levels(here.luma, seen.sigma)
        motion = find_motion(here, there, noise)
        # Of the light as it was: what a fade has changed must come along, and noise must not.
        as_faded = warp(there.luma, motion.flow)
        change = unexplained(here.luma - as_faded, noise)
        if like is not last.luma:
            change += as_faded - warp(outer.of(last.luma.luma), motion.flow)
        rows, columns = ramps(part, outer)
        kept = most_kept * motion.confidence * rows[:, None] * columns
        fields = fields_of(motion.flow, change, kept)
        target, shown = outer.of(result, scale), luma_of(outer.of(last.result, scale))
        own = luma_of(target)
        blend_towards(shown, fields, most, target)
        _keep_within(own, target, scale)


def _keep_within(own: Floats, target: Floats, scale: int) -> None:
    """Take back what lies outside of the values `own` (h, w) has around the place, in place.

    Where flow goes wrong beside thin things, what is brought would leave lines that are nowhere in
    the picture (neighbourhood clamping: Salvi, "An excursion in temporal supersampling", 2016).
    """
    around = np.ones((2 * round(scale / 2) + 1,) * 2, np.uint8)
    low, high = cv2.erode(own, around) - _BEYOND, cv2.dilate(own, around) + _BEYOND
    drawn = luma_of(target)
    add_luma(drawn.clip(low, high) - drawn, target)
