"""3×3 convolutions by Winograd's algorithm, on images that lie channels last."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from videnhance.inference.winograd.kernels import (
    PANEL,
    SPAN,
    STEP,
    TILE,
    WEIGHT_TRANSFORM,
    convolve,
)

Floats = NDArray[np.float32]

_BLOCK = 24 * 128
"""Tiles times channels, in and out, worked on at once: few enough to stay in the cache."""


class Features:
    """Feature maps of one size, channels last, with the zeros around them that padding means."""

    def __init__(self, height: int, width: int, channels: int) -> None:
        self.height = height
        self.width = width
        self.rows = -(-height // TILE)
        """Of tiles."""
        self.columns = -(-width // TILE)
        """Of tiles."""
        self.data: Floats = np.zeros(
            (self.rows * TILE + 2, self.columns * TILE + 2, channels), np.float32
        )
        """Whole tiles and a border of 1; zero wherever the image is not."""

    @property
    def image(self) -> Floats:
        """The part within the border, (height, width, channels)."""
        return self.data[1 : self.height + 1, 1 : self.width + 1]

    def clear_outside(self, first: int, last: int) -> None:
        """Zero what whole tiles have of channels `first` to `last` beyond the image."""
        self.data[self.height + 1 :, :, first:last] = 0
        self.data[:, self.width + 1 :, first:last] = 0


class Scratch:
    """Room for the steps within a convolution of up to `channels` in and out."""

    def __init__(self, channels: int) -> None:
        self.tile: Floats = np.empty((SPAN, SPAN, channels), np.float32)
        self._block: Floats = np.empty(SPAN * SPAN * _BLOCK, np.float32)

    def split(self, into: int, out: int) -> tuple[Floats, Floats]:
        """Transformed tiles (64, tiles, into) and products (64, tiles, out), tiles as many fit."""
        tiles = _BLOCK // (into + out) // STEP * STEP
        middle, end = SPAN * SPAN * tiles * into, SPAN * SPAN * tiles * (into + out)
        return (
            self._block[:middle].reshape(SPAN * SPAN, tiles, into),
            self._block[middle:end].reshape(SPAN * SPAN, tiles, out),
        )


class Convolution:
    """A 3×3 convolution with zero padding, its bias and its activation."""

    def __init__(self, weight: Floats, bias: Floats, slope: Floats | float = 1.0) -> None:
        """`weight` is (out, in, 3, 3); `slope` is PReLU's, per output channel; 1 is none."""
        self.out, self.into = weight.shape[:2]
        self._panels = -(-self.out // PANEL)
        flat = weight.reshape(self.out, self.into, 9).transpose(2, 1, 0)
        filled = np.zeros((9, self.into, self._panels * PANEL))
        filled[:, :, : self.out] = flat
        filled = filled.reshape(9, self.into, self._panels, PANEL).transpose(0, 2, 1, 3)
        both_axes = np.kron(WEIGHT_TRANSFORM, WEIGHT_TRANSFORM)
        transformed = both_axes @ filled.reshape(9, -1)
        self._weight = transformed.astype(np.float32).reshape(
            SPAN * SPAN, self._panels, self.into, PANEL
        )
        self._bias = np.array(bias, np.float32)
        self._slope = np.array(np.broadcast_to(slope, self.out), np.float32)

    def __call__(
        self, source: Features, target: Features, scratch: Scratch, offset: int = 0
    ) -> None:
        """Read the first channels of `source`, write channels of `target` from `offset` on.

        Both may be the same where the channels are not.
        """
        convolve(
            source.data,
            self._weight,
            self._bias,
            self._slope,
            target.data,
            offset,
            scratch.tile,
            *scratch.split(self.into, self._panels * PANEL),
        )
        target.clear_outside(offset, offset + self.out)
