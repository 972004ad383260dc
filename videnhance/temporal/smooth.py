"""Smooth reconstructed pictures in time, so that their detail does not flicker."""

from __future__ import annotations

import math
from dataclasses import dataclass

import cv2
import numpy as np

from videnhance.kernels.blending import add_luma
from videnhance.kernels.motion import (
    Floats,
    enlarged,
    luma_of,
    noise_levels,
    stretched,
    unexplained,
    warp,
)
from videnhance.temporal.flow import LumaPicture, find_motion
from videnhance.temporal.parameters import ReuseParameters
from videnhance.temporal.region import Region
from videnhance.temporal.scenes import Seen
from videnhance.temporal.tiles import ramps

_BEYOND = np.float32(0.5 / 255)
"""How far a smoothed value may lie outside of the values around it."""


@dataclass(frozen=True)
class Previous:
    """The frame before, and its output."""

    luma: LumaPicture
    result: Floats
    """(sH, sW, 3)."""


def smooth(
    result: Floats,
    seen: Seen,
    regions: list[tuple[Region, Region]],
    previous: Previous,
    max_change: float,
    parameters: ReuseParameters,
) -> None:
    """Blend regions of an output (sH, sW, 3) towards the previous one along the motion, in place.

    Two successive outputs have their detail from the same reference frames, by different ways;
    this makes the one pass into the other. Only luma is blended, in which flicker is seen. Regions
    come without and with their surroundings; `max_change` is the mean square of the change allowed
    in each.
    """
    luma = LumaPicture(seen.luma)
    scale = result.shape[0] // seen.luma.shape[0]
    matched = previous.luma.like(luma)
    for region, outer in regions:
        here, there = luma.part(outer), matched.part(outer)
        # Ragged edges of compression change from frame to frame, and count as noise. What a
        # PSNR-oriented network makes of them belongs to its gain.
        ragged = not parameters.psnr_oriented
        noise = noise_levels(here.luma, seen.sigma) if ragged else seen.sigma
        motion = find_motion(here, there, noise)
        # A fade must come along at once, and noise must not.
        faded = warp(there.luma, motion.flow)
        change = unexplained(here.luma - faded, noise)
        if matched is not previous.luma:
            change += faded - warp(outer.of(previous.luma.luma), motion.flow)
        rows, columns = ramps(region, outer)
        weight = np.float32(parameters.blend) * motion.confidence * rows[:, None] * columns
        target, shown = outer.of(result, scale), luma_of(outer.of(previous.result, scale))
        own, size = luma_of(target), target.shape[:2]
        wanted = warp(shown, enlarged(motion.flow, *size)) + stretched(change, *size)
        blend = stretched(weight, *size) * (wanted - own)
        mean_square = float(np.square(blend).mean())
        if mean_square > max_change:
            blend *= math.sqrt(max_change / mean_square)
        add_luma(blend, target)
        _clamp(own, target, scale)


def _clamp(own: Floats, target: Floats, scale: int) -> None:
    """Limit the luma of `target` to the range that `own` (h, w) has around each pixel, in place.

    Where flow goes wrong beside thin things, the blend would leave lines that are nowhere in the
    picture (neighbourhood clamping: Salvi, "An excursion in temporal supersampling", 2016).
    """
    around = np.ones((2 * round(scale / 2) + 1,) * 2, np.uint8)
    low, high = cv2.erode(own, around) - _BEYOND, cv2.dilate(own, around) + _BEYOND
    drawn = luma_of(target)
    add_luma(drawn.clip(low, high) - drawn, target)
