"""3×3 convolutions by Winograd's algorithm, on images that lie channels last."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from videnhance.inference.winograd.kernels import SPAN, STEP, TILE, WEIGHT_TRANSFORM, convolve
from videnhance.inference.winograd.vectors import LANES, PANEL

Floats = NDArray[np.float32]

_BLOCK = 24 * 128
"""Tiles times channels, in and out, worked on at once: few enough to stay in the cache."""


def _whole(channels: int, lanes: int) -> int:
    """Channels rounded up to whole vectors."""
    return -(-channels // lanes) * lanes


class Features:
    """Feature maps of one size, channels last, with the zeros around them that padding means."""

    def __init__(self, height: int, width: int, channels: int) -> None:
        """Of at least so many channels."""
        self.height = height
        self.width = width
        self.rows = -(-height // TILE)
        """Of tiles."""
        self.columns = -(-width // TILE)
        """Of tiles."""
        shape = (self.rows * TILE + 2, self.columns * TILE + 2, _whole(channels, LANES))
        self.data: Floats = np.zeros(shape, np.float32)
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
        self.tile: Floats = np.empty((SPAN, SPAN, _whole(channels, LANES)), np.float32)
        least = STEP * 2 * _whole(channels, PANEL)
        self._block: Floats = np.empty(SPAN * SPAN * max(_BLOCK, least), np.float32)

    def split(self, into: int, out: int) -> tuple[Floats, Floats]:
        """Transformed tiles (64, tiles, into) and products (64, tiles, out), tiles as many fit."""
        tiles = max(_BLOCK // (into + out) // STEP, 1) * STEP
        middle, end = SPAN * SPAN * tiles * into, SPAN * SPAN * tiles * (into + out)
        return (
            self._block[:middle].reshape(SPAN * SPAN, tiles, into),
            self._block[middle:end].reshape(SPAN * SPAN, tiles, out),
        )


class Convolution:
    """A 3×3 convolution with zero padding, its bias and its activation."""

    def __init__(self, weight: Floats, bias: Floats, slope: Floats | float = 1.0) -> None:
        """`weight` is (out, in, 3, 3); `slope` is PReLU's, per output channel; 1 is none.

        Raises ValueError where the shapes are others.
        """
        self.out, self.into = weight.shape[:2]
        self._read = _whole(self.into, LANES)
        self._panels = -(-self.out // PANEL)
        filled = np.zeros((9, self._read, self._panels * PANEL))
        filled[:, : self.into, : self.out] = weight.reshape(self.out, self.into, 9).T
        # In pieces so small that BLAS does not wake its threads, which would take much longer.
        pieces = filled.reshape(9, -1, LANES, self._panels, PANEL).transpose(3, 1, 0, 2, 4)
        pieces = pieces.reshape(self._panels, -1, 9, LANES * PANEL)
        # Each 3×3 kernel becomes 8×8.
        transformed = np.kron(WEIGHT_TRANSFORM, WEIGHT_TRANSFORM) @ pieces
        self._weight = transformed.transpose(2, 0, 1, 3).astype(np.float32, order="C")
        self._weight = self._weight.reshape(SPAN * SPAN, self._panels, self._read, PANEL)
        if bias.shape != (self.out,):
            raise ValueError(f"{bias.size} biases for {self.out} channels")
        self._bias = np.zeros(_whole(self.out, LANES), np.float32)
        self._bias[: self.out] = bias
        self._slope = np.ones_like(self._bias)
        self._slope[: self.out] = slope

    def __call__(
        self, source: Features, target: Features, scratch: Scratch, offset: int = 0
    ) -> None:
        """Read the first channels of `source`, write channels of `target` from `offset` on.

        Both may be the same where the channels are not. What rounding up to whole vectors adds is
        written as zeros. Raises ValueError where the features have not these channels.
        """
        end = offset + self._bias.size
        rooms = (source.data.shape[2], target.data.shape[2], scratch.tile.shape[2])
        if self._read > min(rooms[0], rooms[2]) or end > rooms[1] or self._bias.size > rooms[2]:
            raise ValueError(f"a layer from {self.into} to {self.out} channels does not fit in")
        if (source.height, source.width) != (target.height, target.width):
            raise ValueError("source and target differ in size")
        convolve(
            source.data,
            self._weight,
            self._bias,
            self._slope,
            target.data,
            offset,
            scratch.tile,
            *scratch.split(self._read, self._panels * PANEL),
        )
        target.clear_outside(offset, end)
