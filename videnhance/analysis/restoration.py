"""How much noise and damage a recording has, as a network sees that removes it."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from videnhance.core import Image

_HEIGHT, _WIDTH = 128, 192
"""Largest crop that is looked at, in pixels: a fifth of a second's work each on a slow core."""
_CROPS = 3
_PLACES = ((0.5, 0.5), (0.35, 0.3), (0.65, 0.7))
"""Centres of the crops, one for each frame in turn, as fractions of height and width."""

_CLEAN, _DAMAGED = 0.4, 1.2
"""Damage in 8-bit code values up to which a recording counts as clean, and from which all of it is
to be removed."""


def damage(frames: Sequence[Image], enlarge: Callable[[Image, float], Image]) -> float:
    """Root mean square in 8-bit code values of what a network removes, its median over crops.

    `frames` are RGB (3, H, W) within 0..1; `enlarge` takes an image and how much to restore. What
    it makes of a crop when it is to restore all of it, and none, differs by what it takes for
    noise and damage, compression included, which no measure of noise alone sees. 0 without frames.
    """
    seen = []
    for frame, place in zip(_spread(frames), _PLACES, strict=False):
        crop = _crop(frame, place)
        removed = enlarge(crop, 1.0) - enlarge(crop, 0.0)
        seen.append(255 * float(np.sqrt(np.mean(np.square(removed, dtype=np.float64)))))
    return float(np.median(seen)) if seen else 0.0


def restore_for(found: float) -> float:
    """How much to restore of a recording with that `damage`, 0..1 in hundredths."""
    return round(min(max((found - _CLEAN) / (_DAMAGED - _CLEAN), 0.0), 1.0), 2)


def _spread(frames: Sequence[Image]) -> list[Image]:
    """At most `_CROPS` frames, evenly spread."""
    if len(frames) <= _CROPS:
        return list(frames)
    places = np.linspace(0, len(frames) - 1, _CROPS)
    return [frames[round(place)] for place in places]


def _crop(frame: Image, place: tuple[float, float]) -> Image:
    sides = []
    for length, most, centre in zip(frame.shape[1:], (_HEIGHT, _WIDTH), place, strict=True):
        size = min(length, most)
        first = min(max(round(centre * length - size / 2), 0), length - size) // 2 * 2
        sides.append(slice(first, first + size))
    return np.ascontiguousarray(frame[:, sides[0], sides[1]])
