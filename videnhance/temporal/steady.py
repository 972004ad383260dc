"""Filter the detail that a network adds, along the motion, so that it does not flicker."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from videnhance.core import FrameKind, Image
from videnhance.kernels.motion import (
    Floats,
    Mask,
    box,
    enlarged,
    interleaved,
    planar,
    stretched,
    unexplained,
    warp,
)
from videnhance.temporal.flow import LumaPicture, find_motion
from videnhance.temporal.scenes import Seen, fade

STRENGTHS = {"gentle": 0.4, "normal": 0.25, "strong": 0.15}
"""By name of a strength, the smallest weight of the present frame in the filtered detail."""

_LEFT = 1e-3
"""Weight that a preroll leaves to the frames before it."""

_FADE = 0.5
"""A change counts as a fade if gain and offset leave no more than this fraction of it."""


def preroll(smallest_share: float) -> int:
    """Frames after which all earlier ones have a weight of less than a thousandth."""
    return math.ceil(math.log(_LEFT) / math.log(1 - smallest_share))


@dataclass(frozen=True)
class _State:
    """What is remembered of the last frame."""

    picture: LumaPicture
    image: Floats
    """The input (H, W, 3)."""
    result: Floats
    """The output (sH, sW, 3)."""
    history: Floats
    """For how many frames each pixel of the input has been followed, (H, W)."""


def filtered(
    items: Iterator[tuple[Seen, Image, Image]], smallest_share: float
) -> Iterator[tuple[Seen, Image]]:
    """Filter the network's pictures recursively, along the motion.

    `items` are (seen, E, U): a frame, the network's picture of it, and its plain enlargement, both
    (3, sH, sW). Results are (seen, O). The weight of E in O is 1 where nothing earlier is known.
    The longer a pixel has been followed, the lower the weight, down to `smallest_share`.

    The rest of the weight goes to a prediction: the last output, warped along the motion and faded
    like the input. Changes of the input that neither a fade nor noise explains are enlarged plainly
    and added, so that light and moving things are never late.
    """
    state: _State | None = None
    for seen, network, plain in items:
        if seen.kind is FrameKind.FLASH:
            yield seen, network
            continue
        if seen.kind is FrameKind.CUT:
            state = None
        state, result = _step(state, seen, network, plain, smallest_share)
        yield seen, result


def _step(
    state: _State | None, seen: Seen, network: Image, enlarged_input: Image, smallest_share: float
) -> tuple[_State, Image]:
    picture = LumaPicture(seen.luma)
    image = interleaved(seen.image)
    fresh = interleaved(network)
    if state is None:
        return _State(picture, image, fresh, np.ones_like(seen.luma)), network
    there = state.picture.like(picture)
    motion = find_motion(picture, there, seen.sigma, both_ways=True)
    flow = motion.flow
    height, width = fresh.shape[:2]
    # Clipped from below too, since the kernel of the warp undershoots.
    history = motion.confidence * warp(state.history, flow) + 1
    history = np.clip(history, 1, 1 / smallest_share)
    share = np.maximum(1 / history, 1 - motion.confidence)
    large_flow = enlarged(flow, height, width)
    gain, offset = _fade(warp(state.picture.luma, flow), seen.luma)
    before = gain * warp(state.image, flow) + offset
    predicted = gain * warp(state.result, large_flow) + stretched(
        unexplained(image - before, seen.sigma) + offset, height, width
    )
    plain = interleaved(enlarged_input)
    moving = np.asarray(flow.any(axis=2), np.bool_)
    detail = _bounded(predicted - plain, fresh - plain, motion.confidence, moving)
    bounded = plain + detail
    result = bounded + stretched(share, height, width)[..., None] * (fresh - bounded)
    return _State(picture, image, result, history), planar(result)


def _fade(before: Floats, after: Floats) -> tuple[np.float32, np.float32]:
    """Gain and offset of a fade; 1 and 0 if a fade explains too little of the change."""
    gain, offset = fade(before, after)
    rest = abs(after - (gain * before + offset)).mean()
    if rest > _FADE * abs(after - before).mean():
        return np.float32(1), np.float32(0)
    return gain, offset


def _bounded(predicted: Floats, fresh: Floats, confidence: Floats, moving: Mask) -> Floats:
    """Where something moves, clip the predicted detail to the range of the fresh detail around it.

    Variance clipping: mean ± γ·σ of a neighbourhood that grows with the scale, γ from 1 to 2.5
    with the confidence (Salvi, "An excursion in temporal supersampling", GDC 2016).
    """
    height, width = fresh.shape[:2]
    side = 2 * round(height / confidence.shape[0] / 2) + 3
    mean = box(fresh, side)
    spread = np.sqrt(np.maximum(box(fresh * fresh, side) - mean * mean, 0))
    reach = stretched(1 + 1.5 * confidence, height, width)[..., None] * spread
    clipped = np.clip(predicted, mean - reach, mean + reach)
    where = stretched(moving.astype(np.float32), height, width)[..., None]
    return np.asarray(predicted + where * (clipped - predicted), np.float32)
