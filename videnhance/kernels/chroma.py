"""Upsample and downsample chroma by two, with filters whose downsampling undoes upsampling.

Each function works along one axis of a 2-D float32 plane. For every siting, size and border,
``downsample(upsample(c)) == c`` up to the rounding of float32. The filters are the wavelet pairs
CDF 5/3 (sited samples) and CDF 1.3 (samples midway) of Cohen, Daubechies and Feauveau,
"Biorthogonal bases of compactly supported wavelets", Comm. Pure Appl. Math. 45 (1992).
"""

from __future__ import annotations

from enum import Enum
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from videnhance.core import ChromaLocation

Plane: TypeAlias = NDArray[np.float32]
"""One component, shape (H, W), float32."""


class Siting(Enum):
    """Where along one axis chroma sample i lies, in luma samples."""

    EVEN = "on luma sample 2i"
    MIDWAY = "between luma samples 2i and 2i+1"
    ODD = "on luma sample 2i+1"


def horizontal_siting(location: int) -> Siting:
    """Siting along a row for a resolved `core.ChromaLocation`; ValueError for any other number."""
    return _SITINGS[_known(location)][0]


def vertical_siting(location: int) -> Siting:
    """Siting along a column for a resolved `core.ChromaLocation`; ValueError for others."""
    return _SITINGS[_known(location)][1]


def upsample(plane: Plane, size: int, siting: Siting, axis: int) -> Plane:
    """Double `plane` along `axis` (0 columns, 1 rows) to `size` samples.

    `size` is twice the present length, or one less. If it is odd, the last chroma sample belongs
    to the last luma sample alone. Raises ValueError if the lengths do not fit.
    """
    if plane.shape[axis] != (size + 1) // 2:
        raise ValueError(f"{plane.shape[axis]} samples cannot become {size}")
    shape = (size, plane.shape[1]) if axis == 0 else (plane.shape[0], size)
    out = np.empty(shape, np.float32)
    if axis == 0:
        _upsample(plane, out, siting)
    else:
        _upsample(plane.T, out.T, siting)
    return out


def downsample(plane: Plane, siting: Siting, axis: int) -> Plane:
    """Halve `plane` along `axis` (0 columns, 1 rows), rounding the length up."""
    if axis == 1:
        return _downsample(plane.T, siting).T
    return _downsample(plane, siting)


def _known(location: int) -> ChromaLocation:
    if location not in _SITINGS:
        raise ValueError(f"chroma location {location} is not resolved")
    return ChromaLocation(location)


_SITINGS = {
    ChromaLocation.LEFT: (Siting.EVEN, Siting.MIDWAY),
    ChromaLocation.CENTER: (Siting.MIDWAY, Siting.MIDWAY),
    ChromaLocation.TOPLEFT: (Siting.EVEN, Siting.EVEN),
    ChromaLocation.TOP: (Siting.MIDWAY, Siting.EVEN),
    ChromaLocation.BOTTOMLEFT: (Siting.EVEN, Siting.ODD),
    ChromaLocation.BOTTOM: (Siting.MIDWAY, Siting.ODD),
}


# The helpers below work along axis 0. For axis 1 they get transposed views, which NumPy also
# walks in memory order.


def _upsample(c: Plane, out: Plane, siting: Siting) -> None:
    if siting is Siting.MIDWAY:
        _upsample_midway(c, out)
        return
    if siting is Siting.ODD:
        # Read backwards, an even length has its chroma samples at even positions. In an odd length
        # the last chroma sample would lie outside the picture; it goes to the last luma sample.
        even = len(out) // 2 * 2
        out[even:] = c[even // 2 :]
        c, out = c[even // 2 - 1 :: -1] if even else c[:0], out[:even][::-1]
    out[0::2] = c
    _predict(c, out[1::2])


def _downsample(x: Plane, siting: Siting) -> Plane:
    if siting is Siting.MIDWAY:
        return _downsample_midway(x)
    if siting is Siting.ODD:
        even = len(x) // 2 * 2
        lifted = _downsample_even(x[:even][::-1])[::-1]
        return np.concatenate([lifted, x[even:]])
    return _downsample_even(x)


def _predict(c: Plane, out: Plane) -> None:
    """Interpolate linearly between neighbours of `c`; past the last one, repeat it."""
    half = c * np.float32(0.5)
    inner = len(c) - 1
    if inner > 0:
        np.add(half[:-1], half[1:], out=out[:inner])
    out[inner:] = c[inner : len(out)]


def _downsample_even(x: Plane) -> Plane:
    """Low-pass [-1/8, 1/4, 3/4, 1/4, -1/8] by lifting, mirrored at the borders.

    A quarter of the difference between each odd sample and its interpolation from the even ones is
    added to both neighbours. After `_upsample` the differences are exactly zero, whatever the
    border rule.
    """
    c = np.copy(x[0::2], order="K")
    odd = x[1::2]
    if len(odd) == 0:
        return c
    rest = np.empty_like(odd)
    _predict(c, rest)
    np.subtract(odd, rest, out=rest)
    rest *= np.float32(0.25)
    c[: len(rest)] += rest
    c[1:] += rest[: len(c) - 1]
    c[0] += rest[0]
    if len(rest) < len(c):
        c[-1] += rest[-1]
    return c


def _upsample_midway(c: Plane, out: Plane) -> None:
    """Split each sample in two, an eighth of its neighbours' difference below and above it.

    Outside the plane, the samples at the border are repeated.
    """
    slope = np.empty_like(c)
    np.subtract(c[2:], c[:-2], out=slope[1:-1])
    last = min(1, len(c) - 1)
    slope[0] = c[last] - c[0]
    slope[-1] = c[-1] - c[-1 - last]
    slope *= np.float32(0.125)
    pairs = len(out) // 2
    np.subtract(c[:pairs], slope[:pairs], out=out[0 : 2 * pairs : 2])
    np.add(c[:pairs], slope[:pairs], out=out[1::2])
    out[2 * pairs :] = c[pairs:]


def _downsample_midway(x: Plane) -> Plane:
    """Mean of each pair of samples; the last one of an odd length is kept."""
    c = np.copy(x[0::2], order="K")
    pairs = len(x) // 2
    c[:pairs] += x[1::2]
    c[:pairs] *= np.float32(0.5)
    return c
