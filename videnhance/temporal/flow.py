"""Optical flow between two frames of a scene, and how far it can be trusted."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from videnhance.kernels.motion import (
    Floats,
    Flow,
    boundary_confidence,
    brightness_confidence,
    dense_flow,
    eight_bits,
    inside,
    round_trip_confidence,
    snapped,
    warp,
    with_neighbours_distrusted,
)
from videnhance.temporal.part import Part
from videnhance.temporal.scenes import faded


@dataclass(frozen=True)
class LumaPicture:
    """A frame's luma (H, W), 0..1, and what of it is needed more than once."""

    luma: Floats

    @cached_property
    def codes(self) -> NDArray[np.uint8]:
        """Luma as bytes."""
        return eight_bits(self.luma)

    def like(self, other: LumaPicture) -> LumaPicture:
        """With the other's contrast and brightness, so that fades look like no change."""
        luma = faded(self.luma, other.luma)
        return self if luma is self.luma else LumaPicture(luma)

    def part(self, part: Part) -> LumaPicture:
        """What is in a rectangle."""
        return LumaPicture(part.of(self.luma))


@dataclass(frozen=True)
class Motion:
    """Where the pixels of one picture are in another, (H, W, 2), and with what confidence, 0..1."""

    flow: Flow
    confidence: Floats


def find_motion(
    here: LumaPicture, there: LumaPicture, sigma: float, *, both_ways: bool = False
) -> Motion:
    """Flow between pictures of the same scene and light, and how well brightness agrees along it.

    Next to no confidence is where the flow leaves the picture. With `both_ways` it is found in the
    other direction, too: confidence then also tells whether both meet, and is less at the borders
    of moving things. `sigma` is the noise level of the luma.
    """
    flow = _flow(here, there)
    confidence = brightness_confidence(here.luma, warp(there.luma, flow), sigma)
    if both_ways:
        confidence *= round_trip_confidence(flow, _flow(there, here))
        confidence *= boundary_confidence(flow)
    confidence *= inside(flow)
    return Motion(flow, with_neighbours_distrusted(confidence))


def _flow(here: LumaPicture, there: LumaPicture) -> Flow:
    return snapped(dense_flow(here.codes, there.codes))
