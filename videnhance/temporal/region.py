"""Rectangles of a frame."""

from __future__ import annotations

from dataclasses import dataclass

from videnhance.core import Image
from videnhance.kernels.motion import Floats


@dataclass(frozen=True)
class Region:
    """A rectangle of input pixels."""

    top: int
    left: int
    bottom: int
    right: int

    def grown(self, by: int, height: int, width: int) -> Region:
        """With a margin, within the frame.

        Its sides are multiples of 4 or those of the frame. Some networks take pixels in pairs, and
        a second one may do so after the first has enlarged by 1.5.
        """
        return Region(
            max(0, self.top - by) // 4 * 4,
            max(0, self.left - by) // 4 * 4,
            min(height, -(-(self.bottom + by) // 4) * 4),
            min(width, -(-(self.right + by) // 4) * 4),
        )

    def union(self, other: Region) -> Region:
        """The smallest rectangle around both."""
        return Region(
            min(self.top, other.top),
            min(self.left, other.left),
            max(self.bottom, other.bottom),
            max(self.right, other.right),
        )

    @property
    def pixels(self) -> int:
        """Area."""
        return (self.bottom - self.top) * (self.right - self.left)

    def of(self, picture: Floats, scale: int = 1) -> Floats:
        """This region of a picture `scale` times as large as the input; a view."""
        return picture[
            scale * self.top : scale * self.bottom, scale * self.left : scale * self.right
        ]

    def of_planes(self, image: Image) -> Image:
        """This region of an input (3, H, W); a view."""
        return image[:, self.top : self.bottom, self.left : self.right]

    def within(self, outer: Region) -> Region:
        """The same rectangle, counted from the corner of one around it."""
        return Region(
            self.top - outer.top,
            self.left - outer.left,
            self.bottom - outer.top,
            self.right - outer.left,
        )
