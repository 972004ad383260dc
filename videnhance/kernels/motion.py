"""Warp pictures along a flow, and judge how far a flow can be trusted.

A flow has shape (H, W, 2), float32, x first. Pixel p of one picture corresponds to p + flow[p] in
the other one. Pictures here are planes (H, W) or have their channels last (H, W, C).
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, TypeAlias

import cv2
import numpy as np
from numpy.typing import NDArray

from videnhance.core import Image

Floats: TypeAlias = NDArray[np.float32]
Flow: TypeAlias = NDArray[np.float32]
Mask: TypeAlias = NDArray[np.bool_]

_RED, _GREEN, _BLUE = np.float32(0.2126), np.float32(0.7152), np.float32(0.0722)

_counting = threading.Lock()
_users: list[int] = []
"""Number of OpenCV's threads before each `one_opencv_thread` that is active."""


@contextmanager
def one_opencv_thread() -> Iterator[None]:
    """Limit OpenCV to one thread per call, in the whole process, until the last user leaves.

    The threads of a job already work on several frames at once; more threads would only disturb
    them. And results must not depend on how OpenCV divides a picture among its threads.
    """
    with _counting:
        _users.append(cv2.getNumThreads())
        cv2.setNumThreads(1)
    try:
        yield
    finally:
        with _counting:
            before = _users.pop()
            if not _users:
                cv2.setNumThreads(before)


_SMALLEST = 8  # pixels a side; smaller pictures have no flow
_NARROWEST, _FLATTEST = 16, 4  # pictures are padded to at least 16 pixels a side, at most 4:1
_STILL = 0.1  # pixels; smaller shifts count as none
_BRIGHTNESS = 0.05  # difference in luma, 0..1, at which confidence falls to exp(-1/2)
# Mean absolute difference of two samples with Gaussian noise, in units of its sigma.
_NOISE = np.float32(1.13)
_BOUNDARY = 0.3  # confidence where the motion changes abruptly
_EXPLAINED = np.float32(2.5)  # changes up to this multiple of the noise level count as noise
_RAGGED = np.float32(0.16)  # fraction of the contrast (local standard deviation) added to noise
_AROUND = 5  # side in pixels of the square in which contrast is measured
_LEAST = np.float32(1e-7)  # avoids a division by zero noise
_SMOOTH = 7  # side in pixels of the square over which a change is averaged to get that of the light


def interleaved(image: Image) -> Floats:
    """(3, H, W) as (H, W, 3), which OpenCV warps fastest."""
    return np.asarray(cv2.merge(list(image)), np.float32)


def planar(picture: Floats) -> Image:
    """(H, W, 3) as (3, H, W)."""
    result = np.empty((3, *picture.shape[:2]), np.float32)
    cv2.split(picture, list(result))
    return result


def luma(image: Image) -> Floats:
    """BT.709 luma (H, W) of RGB (3, H, W), whatever the source's matrix; for comparisons only."""
    red, green, blue = image
    result = red * _RED
    result += green * _GREEN
    result += blue * _BLUE
    return np.asarray(result, np.float32)


def luma_of(picture: Floats) -> Floats:
    """BT.709 luma (H, W) of RGB (H, W, 3)."""
    weights = np.array([[_RED, _GREEN, _BLUE]])
    return np.asarray(cv2.transform(picture, weights), np.float32)


def mean_square(picture: Floats) -> Floats:
    """Mean square over the channels."""
    return np.asarray(np.einsum("hwc,hwc->hw", picture, picture) / picture.shape[2], np.float32)


def box(plane: Floats, side: int) -> Floats:
    """Mean over side×side pixels, the edge reflected."""
    return np.asarray(cv2.blur(plane, (side, side)), np.float32)


def eight_bits(plane: Floats) -> NDArray[np.uint8]:
    """Luma 0..1 as the 8-bit code values that `dense_flow` takes."""
    return np.asarray(np.clip(plane * 255 + 0.5, 0, 255), np.uint8)


def dense_flow(here: NDArray[np.uint8], there: NDArray[np.uint8]) -> Flow:
    """Flow by dense inverse search (Kroeger et al., ECCV 2016), at half of the pictures' size.

    It is OpenCV's preset MEDIUM with fewer patches and iterations. That takes less than half the
    time, and pictures propagated along the flow lose at most 0.1 dB against the network's own
    output. At a quarter of the size, as in the preset FAST, a third more must be computed anew.
    Pictures that are too small have a flow of zeros.
    """
    height, width = here.shape
    if min(height, width) < _SMALLEST:
        return np.zeros((height, width, 2), np.float32)
    # OpenCV decides by the longer side alone how often to halve the pictures. If the shorter side
    # becomes smaller than a patch, it reads outside the picture and the process crashes.
    least = max(_NARROWEST, -(-max(height, width) // _FLATTEST))
    missing = (0, max(0, least - height), 0, max(0, least - width))
    if any(missing):
        here, there = (
            np.asarray(cv2.copyMakeBorder(one, *missing, cv2.BORDER_REPLICATE), np.uint8)
            for one in (here, there)
        )
    search: Any = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_MEDIUM)
    search.setPatchStride(4)
    search.setGradientDescentIterations(12)
    search.setVariationalRefinementIterations(1)
    return np.asarray(search.calc(here, there, None)[:height, :width], np.float32)


def snapped(flow: Flow) -> Flow:
    """The flow with shifts below a tenth of a pixel set to zero; they would only blur."""
    return masked(flow, ~_between(flow, (-_STILL, -_STILL), (_STILL, _STILL)))


def masked(flow: Flow, moving: Mask) -> Flow:
    """The flow where `moving` is True, zero elsewhere."""
    return np.asarray(cv2.copyTo(flow, moving.view(np.uint8)), np.float32)


def enlarged(flow: Flow, height: int, width: int) -> Flow:
    """The flow for pictures that are enlarged to (height, width).

    It is interpolated bilinearly, even where neighbours move differently. The flow is not trusted
    at such boundaries, and keeping them sharp was found to make no difference.
    """
    rows, columns = flow.shape[:2]
    factors = np.array([width / columns, height / rows], np.float32)
    return stretched(flow * factors, height, width)


def stretched(picture: Floats, height: int, width: int) -> Floats:
    """Enlarge bilinearly. Masks and residuals need no sharper kernel."""
    result = cv2.resize(picture, (width, height), interpolation=cv2.INTER_LINEAR)
    return np.asarray(result, np.float32)


def shrunk(plane: Floats, height: int, width: int) -> Floats:
    """Reduce a plane by area averaging."""
    result = cv2.resize(plane, (width, height), interpolation=cv2.INTER_AREA)
    return np.asarray(result, np.float32)


def warp(picture: Floats, flow: Flow) -> Floats:
    """Warp a picture: each pixel gets the value that its flow points at, with edges repeated.

    Interpolates with Keys's cubic kernel (a = -0.75, OpenCV's), which loses far less of the high
    frequencies than a bilinear one. If nothing moves, the same array is returned.
    """
    if not flow.any():
        return picture
    return _remapped(picture, flow, cv2.INTER_CUBIC)


def _remapped(picture: Floats, flow: Flow, kernel: int) -> Floats:
    nothing: Any = None
    moved = cv2.remap(picture, _places(flow), nothing, kernel, borderMode=cv2.BORDER_REPLICATE)
    return np.asarray(moved, np.float32)


def _places(flow: Flow) -> Flow:
    """The positions in the other picture that the flow points at."""
    height, width = flow.shape[:2]
    places = flow.copy()
    places[..., 0] += np.arange(width, dtype=np.float32)
    places[..., 1] += np.arange(height, dtype=np.float32)[:, None]
    return places


def inside(flow: Flow) -> Mask:
    """The pixels whose flow points into the picture."""
    height, width = flow.shape[:2]
    return _between(_places(flow), (0, 0), (width - 1, height - 1))


def _between(vectors: Flow, least: tuple[float, float], most: tuple[float, float]) -> Mask:
    """True for vectors whose components both lie within their bounds.

    OpenCV is faster at this than NumPy, for which the values of one component are not contiguous.
    """
    return np.asarray(cv2.inRange(vectors, least, most) > 0, np.bool_)


def brightness_confidence(
    here: Floats, moved: Floats, noise: float | Floats, side: int = 3
) -> Floats:
    """How well luma here agrees with luma warped here, 0..1, with noise allowed for.

    `noise` is one level, or one for each pixel (H, W). Differences are averaged over side×side
    pixels.
    """
    excess = box(abs(here - moved), side) - _NOISE * noise
    np.maximum(excess, 0, out=excess)
    return np.asarray(np.exp(excess * excess * np.float32(-0.5 / _BRIGHTNESS**2)), np.float32)


def round_trip_confidence(flow: Flow, back: Flow) -> Floats:
    """How closely the flow there and the flow back lead to where they began, 0..1.

    The tolerance is that of Sundaram, Brox and Keutzer, "Dense point trajectories by
    GPU-accelerated large displacement optical flow" (ECCV 2010).
    """
    returned = _remapped(back, flow, cv2.INTER_LINEAR)
    miss = np.square(flow + returned).sum(axis=2)
    length = np.square(flow).sum(axis=2) + np.square(returned).sum(axis=2)
    return np.asarray(np.clip(1 - miss / (0.01 * length + 0.5), 0, 1), np.float32)


def boundary_confidence(flow: Flow) -> Floats:
    """0.3 where the motion changes abruptly, rising to 1 elsewhere (Ruder et al., GCPR 2016)."""
    gradient = np.zeros(flow.shape[:2], np.float32)
    for part in (flow[..., 0], flow[..., 1]):
        for dx, dy in ((1, 0), (0, 1)):
            slope = cv2.Scharr(part, cv2.CV_32F, dx, dy, scale=1 / 32)
            gradient += slope * slope
    length = np.square(flow).sum(axis=2)
    edge = gradient / (np.float32(0.01) * length + np.float32(0.002)) - 1
    return np.asarray(1 - (1 - _BOUNDARY) * np.clip(edge, 0, 1), np.float32)


def with_neighbours_distrusted(confidence: Floats, side: int = 3) -> Floats:
    """The smallest confidence in the side×side pixels around each pixel, blurred."""
    eroded = cv2.erode(confidence, np.ones((side, side), np.uint8))
    return np.asarray(cv2.GaussianBlur(eroded, (0, 0), 0.8), np.float32)


def light_of(change: Floats) -> Floats:
    """The slowly varying part of a change (H, W) or (H, W, C), which is mostly one of light."""
    return box(change, _SMOOTH).reshape(change.shape)


def noise_levels(plane: Floats, sigma: float) -> Floats:
    """The noise to expect at each pixel (H, W) of a warped picture, at least `sigma`.

    It grows with the contrast of the luma `plane`. There compression leaves ragged edges, which
    change from frame to frame, and interpolation has larger errors.
    """
    return np.asarray(np.float32(sigma) + _RAGGED * np.sqrt(variance(plane)), np.float32)


def variance(plane: Floats) -> Floats:
    """Variance of the values around each pixel (H, W): the square of the local contrast."""
    mean = box(plane, _AROUND)
    return np.maximum(box(plane * plane, _AROUND) - mean * mean, 0)


def unexplained(change: Floats, noise: float | Floats) -> Floats:
    """The part of a change (H, W) or (H, W, 3) that noise does not explain.

    `noise` is one level, or one for each pixel (H, W). Slow variations over the picture, such as a
    change of light, are kept. Fine ones are kept as far as their local strength exceeds the noise.
    """
    if isinstance(noise, float) and noise == 0:
        return change
    light = light_of(change)
    return light + beyond_noise(change - light, noise)


def beyond_noise(fine: Floats, noise: float | Floats) -> Floats:
    """The part of fine variations (H, W) or (H, W, 3) that exceeds the noise.

    Variations with a local RMS of up to 2.5 times `noise` are removed, those from 5 times on are
    kept. `noise` is one level, or one for each pixel (H, W).
    """
    if isinstance(noise, float) and noise == 0:
        return fine
    square = np.square(fine)
    strength = np.sqrt(np.maximum(box(square if fine.ndim == 2 else square.mean(axis=2), 3), 0))
    limit = np.maximum(_EXPLAINED * noise, _LEAST)
    kept = np.clip(strength / limit - 1, 0, 1)
    return np.asarray((kept if fine.ndim == 2 else kept[..., None]) * fine, np.float32)
