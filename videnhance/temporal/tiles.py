"""Choose the parts of a frame that are worth computing anew, and lay them into it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from videnhance.core import Image
from videnhance.kernels.motion import Floats, Mask

FEATHER = 2
"""Input pixels over which a part that was computed anew fades into what lies around it."""

_ACROSS = 16
_LEAST_SIDE = 32
_WHOLE = 0.8
"""Share of a frame's work from which on the whole frame costs no more."""


def tile_side(height: int, width: int) -> int:
    """Side in input pixels of the tiles that are judged: at most 16 along a frame."""
    return max(_LEAST_SIDE, -(-max(height, width) // (8 * _ACROSS)) * 8)


@dataclass(frozen=True)
class Part:
    """A rectangle of input pixels."""

    top: int
    left: int
    bottom: int
    right: int

    def grown(self, by: int, height: int, width: int) -> Part:
        """With a margin, within the frame."""
        return Part(
            max(0, self.top - by),
            max(0, self.left - by),
            min(height, self.bottom + by),
            min(width, self.right + by),
        )

    @property
    def pixels(self) -> int:
        """Area."""
        return (self.bottom - self.top) * (self.right - self.left)


def tile_means(picture: Floats, scale: int, side: int) -> Floats:
    """Means over tiles of `side` input pixels, of a plane that is `scale` times the input."""
    height, width = picture.shape
    step = side * scale
    rows, columns = -(-height // step), -(-width // step)
    # The last tiles are smaller: what they lack is filled with their edge.
    missing = (rows * step - height, columns * step - width)
    padded = cv2.copyMakeBorder(picture, 0, missing[0], 0, missing[1], cv2.BORDER_REPLICATE)
    return np.asarray(cv2.resize(padded, (columns, rows), interpolation=cv2.INTER_AREA), np.float32)


def parts_of(chosen: Mask, side: int, reach: int, height: int, width: int) -> list[Part]:
    """Rectangles that cover the chosen tiles with little work, reach included.

    The whole frame, where that costs no more. Neighbours are put together as long as the work
    becomes less.
    """
    margin = reach + FEATHER
    parts = [
        Part(
            row * side,
            column * side,
            min(height, (row + 1) * side),
            min(width, (column + 1) * side),
        )
        for row, column in np.argwhere(chosen).tolist()
    ]
    whole = Part(0, 0, height, width)

    def work(part: Part) -> int:
        return part.grown(margin, height, width).pixels

    merged = True
    while merged and len(parts) > 1:
        merged = False
        kept: list[Part] = []
        for part in parts:
            for index, other in enumerate(kept):
                both = Part(
                    min(part.top, other.top),
                    min(part.left, other.left),
                    max(part.bottom, other.bottom),
                    max(part.right, other.right),
                )
                if work(both) <= work(part) + work(other):
                    kept[index] = both
                    merged = True
                    break
            else:
                kept.append(part)
        parts = kept
    if sum(work(part) for part in parts) >= _WHOLE * whole.pixels:
        return [whole]
    return parts


def recompute(
    network: Callable[[Image], Image],
    image: Image,
    parts: list[Part],
    result: Floats,
    *,
    reach: int,
    scale: int,
) -> int:
    """Lay what the network makes of these parts into `result` (sH, sW, 3), in place.

    Returns how many input pixels the network saw.
    """
    _, height, width = image.shape
    seen = 0
    for part in parts:
        outer = part.grown(reach + FEATHER, height, width)
        seen += outer.pixels
        made = network(image[:, outer.top : outer.bottom, outer.left : outer.right])
        visible = part.grown(FEATHER, height, width)
        y = slice(scale * (visible.top - outer.top), scale * (visible.bottom - outer.top))
        x = slice(scale * (visible.left - outer.left), scale * (visible.right - outer.left))
        weight = _weights(part, visible, scale)
        target = result[
            scale * visible.top : scale * visible.bottom,
            scale * visible.left : scale * visible.right,
        ]
        target += weight[..., None] * (np.moveaxis(made[:, y, x], 0, -1) - target)
    return seen


def _weights(part: Part, visible: Part, scale: int) -> Floats:
    rows = _ramp(part.top - visible.top, part.bottom - part.top, visible.bottom - part.bottom)
    columns = _ramp(part.left - visible.left, part.right - part.left, visible.right - part.right)
    both = rows[:, None] * columns
    return np.repeat(np.repeat(both, scale, axis=0), scale, axis=1)


def _ramp(before: int, middle: int, after: int) -> NDArray[np.float32]:
    rise = (np.arange(before, dtype=np.float32) + 0.5) / max(before, 1)
    fall = (np.arange(after, dtype=np.float32)[::-1] + 0.5) / max(after, 1)
    return np.concatenate((rise, np.ones(middle, np.float32), fall))
