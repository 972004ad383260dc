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
"""Pixels across which the picture is compared to tell whether a place moves."""


@dataclass(frozen=True)
class LumaPicture:
    """A frame's luma (H, W), 0..1, and what of it is needed more than once."""

    luma: Floats

    @cached_property
    def codes(self) -> NDArray[np.uint8]:
        """Luma as bytes."""
        return eight_bits(self.luma)

    @cached_property
    def variance(self) -> Floats:
        """That of the luma around each pixel."""
        return variance(self.luma)

    def like(self, other: LumaPicture) -> LumaPicture:
        """With the other's contrast and brightness, so that fades look like no change."""
        luma = faded(self.luma, other.luma)
        return self if luma is self.luma else LumaPicture(luma)

    def part(self, part: Region) -> LumaPicture:
        """What is in a rectangle."""
        return LumaPicture(part.of(self.luma))


@dataclass(frozen=True)
class Motion:
    """Where the pixels of one picture are in another, (H, W, 2), and with what confidence, 0..1."""

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
    """Flow between pictures of the same scene and light, and how well brightness agrees along it.

    Next to no confidence is where the flow leaves the picture. With `both_ways` it is found in the
    other direction, too: confidence then also tells whether both meet, and is less at the borders
    of moving things. `strictly`, each pixel must agree by itself and so must those next to its
    neighbours: an edge's detail reaches as far, and would fray what it is brought to. `noise` is
    that of the luma, one level or one for each pixel, (H, W).
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
    """The flow, the other luma brought along it, and where it does not leave the picture.

    Nothing moves where standing still explains the place as well: what is smooth as a flow takes an
    even wall along with an arm before it, and fine lines of the wall to where there are none.
    """
    flow = snapped(dense_flow(here.codes, there.codes))
    moved, within = warp(there.luma, flow), inside(flow)
    still = box(abs(here.luma - there.luma), _PLACE) <= box(abs(here.luma - moved), _PLACE)
    still &= within
    return masked(flow, ~still), np.where(still, there.luma, moved), within
