"""Move pictures along a flow, and judge how far a flow can be trusted.

A flow has shape (H, W, 2), float32: what pixel p of one picture shows is found at p + flow[p], x
first, in the other picture. Pictures here are a plane (H, W) or lie channels last (H, W, C).
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
"""How many threads OpenCV had before each user who wanted one."""


@contextmanager
def one_opencv_thread() -> Iterator[None]:
    """Keep OpenCV to one thread to a call, for the whole process, until the last user leaves.

    Frames are worked on at once by the threads of a job, which more threads would only disturb,
    and results must not depend on how OpenCV cuts a picture for as many as it has.
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


_SMALLEST = 8
_NARROWEST, _FLATTEST = 16, 4
_STILL = 0.1
_BRIGHTNESS = 0.05
# Mean absolute difference of two samples with Gaussian noise, over its sigma.
_NOISE = np.float32(1.13)
_BOUNDARY = 0.3
_EXPLAINED = np.float32(2.5)  # times the noise: changes up to this it explains
_RAGGED = np.float32(0.16)  # of the contrast (local standard deviation) counts as noise
_AROUND = 5  # pixels across which contrast is measured
_LEAST = np.float32(1e-7)  # keeps noise of zero from dividing
_SMOOTH = 7  # pixels across which a change is averaged to tell that of the light


def interleaved(image: Image) -> Floats:
    """(3, H, W) as (H, W, 3): what OpenCV moves quickest."""
    return np.asarray(cv2.merge(list(image)), np.float32)


def planar(picture: Floats) -> Image:
    """(H, W, 3) as (3, H, W)."""
    result = np.empty((3, *picture.shape[:2]), np.float32)
    cv2.split(picture, list(result))
    return result


def luma(image: Image) -> Floats:
    """BT.709 luma (H, W) of RGB (3, H, W), whatever its own matrix: for comparing only."""
    red, green, blue = image
    result = red * _RED
    result += green * _GREEN
    result += blue * _BLUE
    return np.asarray(result, np.float32)


def luma_of(picture: Floats) -> Floats:
    """The same of (H, W, 3)."""
    weights = np.array([[_RED, _GREEN, _BLUE]])
    return np.asarray(cv2.transform(picture, weights), np.float32)


def box(plane: Floats, side: int) -> Floats:
    """Mean over side×side pixels, the edge reflected."""
    return np.asarray(cv2.blur(plane, (side, side)), np.float32)


def eight_bits(plane: Floats) -> NDArray[np.uint8]:
    """Luma 0..1 as the code values that `dense_flow` wants."""
    return np.asarray(np.clip(plane * 255 + 0.5, 0, 255), np.uint8)


def dense_flow(here: NDArray[np.uint8], there: NDArray[np.uint8]) -> Flow:
    """Flow by dense inverse search (Kroeger et al., ECCV 2016), at half of the pictures' size.

    OpenCV's preset MEDIUM with fewer patches and iterations: what is carried along it is within
    0.1 dB as near to the network's own output, in less than half the time. At a quarter of the
    size, as the preset FAST has it, a third more must be computed anew. Zeros for pictures too
    small to search in.
    """
    height, width = here.shape
    if min(height, width) < _SMALLEST:
        return np.zeros((height, width, 2), np.float32)
    # OpenCV halves by the longer side alone, until the shorter one is less than its patches: then
    # it reads what is not there, and the process dies.
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
    """The flow with shifts below a tenth of a pixel taken for none: interpolation only blurs."""
    return masked(flow, ~_between(flow, (-_STILL, -_STILL), (_STILL, _STILL)))


def masked(flow: Flow, moving: Mask) -> Flow:
    """The flow where something moves, and none elsewhere."""
    return np.asarray(cv2.copyTo(flow, moving.view(np.uint8)), np.float32)


def enlarged(flow: Flow, height: int, width: int) -> Flow:
    """The flow of pictures that were enlarged to (height, width).

    Interpolated bilinearly even where neighbours move differently: the flow is not trusted at such
    borders, and jumps there were found to make no difference.
    """
    rows, columns = flow.shape[:2]
    factors = np.array([width / columns, height / rows], np.float32)
    return stretched(flow * factors, height, width)


def stretched(picture: Floats, height: int, width: int) -> Floats:
    """Enlarged by straight lines: masks and remainders need no sharper kernel."""
    result = cv2.resize(picture, (width, height), interpolation=cv2.INTER_LINEAR)
    return np.asarray(result, np.float32)


def shrunk(plane: Floats, height: int, width: int) -> Floats:
    """Means over the pixels of a smaller plane."""
    result = cv2.resize(plane, (width, height), interpolation=cv2.INTER_AREA)
    return np.asarray(result, np.float32)


def warp(picture: Floats, flow: Flow) -> Floats:
    """Fetch for every pixel what the flow points at, edges repeated.

    Interpolates with Keys's cubic kernel (a = -0.75, OpenCV's), which loses far less of the high
    frequencies than a bilinear one. The same array comes back where nothing moves.
    """
    if not flow.any():
        return picture
    return _remapped(picture, flow, cv2.INTER_CUBIC)


def _remapped(picture: Floats, flow: Flow, kernel: int) -> Floats:
    nothing: Any = None
    moved = cv2.remap(picture, _places(flow), nothing, kernel, borderMode=cv2.BORDER_REPLICATE)
    return np.asarray(moved, np.float32)


def _places(flow: Flow) -> Flow:
    """Where in the other picture the flow points."""
    height, width = flow.shape[:2]
    places = flow.copy()
    places[..., 0] += np.arange(width, dtype=np.float32)
    places[..., 1] += np.arange(height, dtype=np.float32)[:, None]
    return places


def inside(flow: Flow) -> Mask:
    """Where the flow points into the picture."""
    height, width = flow.shape[:2]
    return _between(_places(flow), (0, 0), (width - 1, height - 1))


def _between(vectors: Flow, least: tuple[float, float], most: tuple[float, float]) -> Mask:
    """Where both parts lie within their bounds; quicker than NumPy, which steps over the other."""
    return np.asarray(cv2.inRange(vectors, least, most) > 0, np.bool_)


def brightness_confidence(
    here: Floats, moved: Floats, noise: float | Floats, side: int = 3
) -> Floats:
    """How well luma here agrees with luma brought here, 0..1, noise allowed for.

    Noise is one level or one for each pixel, (H, W); they are compared over side×side pixels.
    """
    excess = box(abs(here - moved), side) - _NOISE * noise
    np.maximum(excess, 0, out=excess)
    return np.asarray(np.exp(excess * excess * np.float32(-0.5 / _BRIGHTNESS**2)), np.float32)


def round_trip_confidence(flow: Flow, back: Flow) -> Floats:
    """How well going there and coming back meet, 0..1.

    The tolerance is that of Sundaram, Brox and Keutzer, "Dense point trajectories by
    GPU-accelerated large displacement optical flow" (ECCV 2010).
    """
    returned = _remapped(back, flow, cv2.INTER_LINEAR)
    miss = np.square(flow + returned).sum(axis=2)
    length = np.square(flow).sum(axis=2) + np.square(returned).sum(axis=2)
    return np.asarray(np.clip(1 - miss / (0.01 * length + 0.5), 0, 1), np.float32)


def boundary_confidence(flow: Flow) -> Floats:
    """0.3 where the motion changes abruptly, softly 1 elsewhere (Ruder et al., GCPR 2016)."""
    gradient = np.zeros(flow.shape[:2], np.float32)
    for part in (flow[..., 0], flow[..., 1]):
        for dx, dy in ((1, 0), (0, 1)):
            slope = cv2.Scharr(part, cv2.CV_32F, dx, dy, scale=1 / 32)
            gradient += slope * slope
    length = np.square(flow).sum(axis=2)
    edge = gradient / (np.float32(0.01) * length + np.float32(0.002)) - 1
    return np.asarray(1 - (1 - _BOUNDARY) * np.clip(edge, 0, 1), np.float32)


def with_neighbours_distrusted(confidence: Floats, side: int = 3) -> Floats:
    """The least confidence of the side×side pixels around each, softened."""
    eroded = cv2.erode(confidence, np.ones((side, side), np.uint8))
    return np.asarray(cv2.GaussianBlur(eroded, (0, 0), 0.8), np.float32)


def light_of(change: Floats) -> Floats:
    """What of a change (H, W) or (H, W, C) varies slowly over the picture, as light mostly does."""
    return box(change, _SMOOTH).reshape(change.shape)


def noise_levels(plane: Floats, sigma: float) -> Floats:
    """Noise to expect at each pixel (H, W) of what the motion brought there: `sigma` and more.

    Where the luma `plane` has contrast, compression leaves ragged edges that are others in each
    frame, and interpolation misses by a share of it as well.
    """
    return np.asarray(np.float32(sigma) + _RAGGED * np.sqrt(variance(plane)), np.float32)


def variance(plane: Floats) -> Floats:
    """Of the values around each pixel (H, W): the square of the local contrast."""
    mean = box(plane, _AROUND)
    return np.maximum(box(plane * plane, _AROUND) - mean * mean, 0)


def unexplained(change: Floats, noise: float | Floats) -> Floats:
    """What of a change (H, W) or (H, W, 3) noise does not explain, of one level or of one a pixel.

    Slow variations over the picture are all kept (light that changes), fine ones as far as their
    local strength exceeds the noise.
    """
    if isinstance(noise, float) and noise == 0:
        return change
    light = light_of(change)
    return light + beyond_noise(change - light, noise)


def beyond_noise(fine: Floats, noise: float | Floats) -> Floats:
    """Fine variations (H, W) or (H, W, 3): none up to 2.5 times `noise` (local RMS), all from 5 on.

    Noise is one level or one for each pixel, (H, W).
    """
    if isinstance(noise, float) and noise == 0:
        return fine
    square = np.square(fine)
    strength = np.sqrt(np.maximum(box(square if fine.ndim == 2 else square.mean(axis=2), 3), 0))
    limit = np.maximum(_EXPLAINED * noise, _LEAST)
    kept = np.clip(strength / limit - 1, 0, 1)
    return np.asarray((kept if fine.ndim == 2 else kept[..., None]) * fine, np.float32)
