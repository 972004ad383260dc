"""Optical flow between two frames of a scene, and how far it can be trusted."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from videnhance.kernels.motion import (
    Floats,
    Flow,
    Mask,
    boundary_confidence,
    box,
    brightness_confidence,
    dense_flow,
    eight_bits,
    inside,
    masked,
    round_trip_confidence,
    snapped,
    variance,
    warp,
    with_neighbours_distrusted,
)
from videnhance.temporal.region import Region
from videnhance.temporal.scenes import faded

_PLACE = 7
"""Side in pixels of the square that is compared to decide whether a pixel stands still."""


@dataclass(frozen=True)
class LumaPicture:
    """A frame's luma (H, W), 0..1, and what is derived from it, computed once."""

    luma: Floats

    @cached_property
    def codes(self) -> NDArray[np.uint8]:
        """Luma in 8 bits."""
        return eight_bits(self.luma)

    @cached_property
    def variance(self) -> Floats:
        """Variance of the luma around each pixel."""
        return variance(self.luma)

    def like(self, other: LumaPicture) -> LumaPicture:
        """This picture with the other's contrast and brightness, so that a fade is no change."""
        luma = faded(self.luma, other.luma)
        return self if luma is self.luma else LumaPicture(luma)

    def part(self, part: Region) -> LumaPicture:
        """The luma within a region."""
        return LumaPicture(part.of(self.luma))


@dataclass(frozen=True)
class Motion:
    """The flow from one picture to another, (H, W, 2), and its confidence, (H, W), 0..1."""

    flow: Flow
    confidence: Floats


def find_motion(
    here: LumaPicture,
    there: LumaPicture,
    noise: float | Floats,
    *,
    both_ways: bool = False,
    strictly: bool = False,
) -> Motion:
    """Find the flow between pictures of the same scene and light, and its confidence.

    Confidence is high where brightness agrees along the flow, and almost zero where the flow leaves
    the picture. With `both_ways`, the flow is found in the other direction as well; confidence then
    also falls where the two flows do not meet, and at the borders of moving things. With
    `strictly`, single pixels must agree instead of means of 3×3, and doubt spreads by two pixels
    instead of one: the detail of an edge reaches so far, and would fray what it is warped to.
    `noise` is the noise of the luma: one level, or one per pixel, (H, W).
    """
    flow, moved, within = _brought(here, there)
    confidence = brightness_confidence(here.luma, moved, noise, 1 if strictly else 3)
    if both_ways:
        back, *_ = _brought(there, here)
        confidence *= round_trip_confidence(flow, back)
        confidence *= boundary_confidence(flow)
    confidence *= within
    return Motion(flow, with_neighbours_distrusted(confidence, 5 if strictly else 3))


def _brought(here: LumaPicture, there: LumaPicture) -> tuple[Flow, Floats, Mask]:
    """The flow, the other luma warped along it, and where the flow stays within the picture.

    The flow is zero wherever standing still explains the picture as well. Flow is smooth: without
    this, an arm would drag the even wall behind it along, and fine lines of the wall would be
    warped to where there are none.
    """
    flow = snapped(dense_flow(here.codes, there.codes))
    moved, within = warp(there.luma, flow), inside(flow)
    still = box(abs(here.luma - there.luma), _PLACE) <= box(abs(here.luma - moved), _PLACE)
    still &= within
    return masked(flow, ~still), np.where(still, there.luma, moved), within
