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
    settled,
    snapped,
    warp,
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


def find_flow(here: LumaPicture, there: LumaPicture) -> Flow:
    """Where the pixels of one picture are in another of the same scene and light."""
    return snapped(dense_flow(here.codes, there.codes))


def judged(
    here: LumaPicture, there: LumaPicture, flow: Flow, sigma: float, back: Flow | None = None
) -> Motion:
    """The flow with its confidence: agreement of brightness, and 0 where it leaves the picture.

    With the flow `back`, also whether both meet, and less at the borders of moving things. `sigma`
    is the noise level of the luma.
    """
    moved = warp(there.luma, flow)
    confidence = brightness_confidence(here.luma, moved, sigma)
    if back is not None:
        confidence *= round_trip_confidence(flow, back)
        confidence *= boundary_confidence(flow)
    confidence *= inside(flow)
    return Motion(flow, settled(confidence))
