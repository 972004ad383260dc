"""Filter noise recursively along the motion, and tell how much is left of it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import cv2
import numpy as np

from videnhance.core import Frame, FrameKind, Image
from videnhance.kernels.motion import (
    Floats,
    Flow,
    Mask,
    box,
    dense_flow,
    eight_bits,
    inside,
    interleaved,
    luma_of,
    masked,
    mean_square,
    planar,
    snapped,
    warp,
)
from videnhance.kernels.noise import (
    NoiseModel,
    block_means,
    fine_variance,
    finest_variance,
    fitted_noise,
)
from videnhance.temporal.scenes import fade

PREROLL = 24
"""Frames after which next to nothing is left of the frames before."""
_LONGEST = 12
"""Frames that a mean is over, at most."""
_SEARCH_SIGMA = 1.2
"""Blur of the pictures that motion is searched in, in pixels."""
_LEAST_RANGE = 0.1
"""Range of brightness that is stretched to 8 bits for the search, at least."""
_AROUND = 5
"""Pixels across which present and past are compared."""
_CHANCE = 1.6
"""Multiple of the expected mean square up to which a difference may be noise."""
_LEARNED = 0.25
"""Weight of a frame's measure in that of its scene."""
_BOUND = 4.0
"""Finest detail of the difference over that of the picture, from which on it is not noise."""
_UNKNOWN = np.float32(1.0)
"""Variance of what nothing is known of."""
_NONE = NoiseModel(0.0, 0.0)


@dataclass(frozen=True)
class Estimate:
    """A frame, filtered in time."""

    frame: Frame
    picture: Image
    """The filtered picture, (3, H, W)."""
    noise: Floats
    """Standard deviation of the noise left in luma and in colour, (2, H, W)."""


@dataclass(frozen=True)
class _State:
    """What is remembered of a scene."""

    picture: Floats
    """The last estimate, (H, W, 3)."""
    variance: tuple[Floats, Floats]
    """Of its luma and of its colour, (H, W)."""
    models: tuple[NoiseModel, NoiseModel]
    compared: bool = False
    """Whether any two frames were compared for these."""


def filtered(frames: Iterator[Frame]) -> Iterator[Estimate]:
    """Filter scanned frames, each with those before it in its scene.

    A Kalman filter for each pixel: the estimate of the last frame is warped along the motion, and
    the present frame pulls it the more, the less noisy it is itself, the noisier the estimate is,
    and the more both differ beyond their noise. The noise is measured on the way.
    """
    state: _State | None = None
    for frame in frames:
        if frame.kind is FrameKind.CUT:
            state = None
        if state is not None and frame.kind is FrameKind.REPEAT:
            yield _estimate(frame, state)
            continue
        following = _step(state, interleaved(frame.data))
        yield _estimate(frame, following)
        if state is None or frame.kind is not FrameKind.FLASH:
            state = following


def _estimate(frame: Frame, state: _State) -> Estimate:
    noise = np.sqrt(np.stack(state.variance))
    return Estimate(frame, planar(state.picture), np.asarray(noise, np.float32))


def _step(state: _State | None, now: Floats) -> _State:
    luma = luma_of(now)
    if state is None:
        models = _measured(now, luma, None, None)
        return _State(now, _variances(models, luma), models)
    # A fade must not count as a difference.
    gain, offset = fade(luma_of(state.picture), luma)
    remembered = state.picture if gain == 1 and offset == 0 else gain * state.picture + offset
    flow, known = _flow(luma, luma_of(remembered))
    before = warp(remembered, flow)
    luma_before = luma_of(before)
    past = [np.maximum(gain * gain * warp(one, flow), 0) for one in state.variance]
    difference = now - before
    of_luma = luma - luma_before
    of_colour = difference - of_luma[..., None]
    measured = _measured(now, luma, difference, past)
    models = measured
    if state.compared:
        old_luma, old_colour = state.models
        models = old_luma.towards(measured[0], _LEARNED), old_colour.towards(measured[1], _LEARNED)
    fresh = _variances(models, luma_before)
    weights: list[Floats] = []
    variances: list[Floats] = []
    excess: Floats = np.zeros_like(luma)
    squares = np.square(of_luma), mean_square(of_colour)
    for square, own, old in zip(squares, fresh, past, strict=True):
        # What differs in luma differs in colour as well, or else has moved.
        excess = np.maximum(box(square, _AROUND) - np.float32(_CHANCE) * (own + old), excess)
        prior = np.where(known, old + np.maximum(excess, 0), _UNKNOWN)
        share = prior / np.maximum(prior + own, np.float32(1e-12))
        weight: Floats = np.asarray(np.maximum(share, 1 / _LONGEST), np.float32)
        weights.append(weight)
        variances.append(np.asarray((1 - weight) ** 2 * prior + weight**2 * own, np.float32))
    picture = before + weights[1][..., None] * of_colour
    picture += (weights[0] * of_luma)[..., None]
    return _State(np.asarray(picture, np.float32), (variances[0], variances[1]), models, True)


def _variances(models: tuple[NoiseModel, ...], luma: Floats) -> tuple[Floats, Floats]:
    return models[0].variance(luma), models[1].variance(luma)


def _measured(
    now: Floats, luma: Floats, difference: Floats | None, past: list[Floats] | None
) -> tuple[NoiseModel, NoiseModel]:
    """Noise of luma and of colour: what is in the picture, and in what it differs from the past."""
    brightness = block_means(luma)
    found = []
    for number, (plane, change) in enumerate(
        zip(_split(now, luma), _split(difference), strict=True)
    ):
        variances = _mean(finest_variance(one) for one in plane)
        if past is not None:
            # The difference has the noise's whole spectrum, but also whatever moved and was not
            # found again, which the finest detail of the picture tells from noise.
            total = _mean(fine_variance(one) for one in change)
            total = np.maximum(total - block_means(past[number]), 0)
            finest = _mean(finest_variance(one) for one in change)
            bound = np.float32(_BOUND) * variances / np.maximum(finest, np.float32(1e-12))
            variances = total * np.minimum(bound, 1)
        found.append(fitted_noise(brightness.ravel(), variances.ravel()) or _NONE)
    return found[0], found[1]


def _mean(planes: Iterable[Floats]) -> Floats:
    return np.asarray(np.mean(list(planes), axis=0), np.float32)


def _split(picture: Floats | None, luma: Floats | None = None) -> tuple[list[Floats], list[Floats]]:
    """Luma, and the three differences of the colours to it."""
    if picture is None:
        return [], []
    if luma is None:
        luma = luma_of(picture)
    return [luma], [picture[..., channel] - luma for channel in range(3)]


def _flow(luma: Floats, before: Floats) -> tuple[Flow, Mask]:
    """The flow to the last estimate, and where it does not leave the picture.

    Motion is searched in blurred pictures, whose range is stretched: what is dark has few codes.
    """
    here, there = (cv2.GaussianBlur(one, (0, 0), _SEARCH_SIGMA) for one in (luma, before))
    low, high = np.percentile(there, (1, 99))
    stretch = np.float32(1 / max(float(high - low), _LEAST_RANGE))
    codes = [eight_bits((one - np.float32(low)) * stretch) for one in (here, there)]
    flow = snapped(dense_flow(codes[0], codes[1]))
    moved = warp(np.asarray(there, np.float32), flow)
    known = inside(flow)
    side = 2 * _AROUND - 1
    # Nothing moves where standing still explains the place as well.
    still = box(abs(here - there), side) <= box(abs(here - moved), side)
    return masked(flow, ~still), known | still
