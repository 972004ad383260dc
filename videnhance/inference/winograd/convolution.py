"""3×3 convolutions by Winograd's algorithm, on images in channels-last order."""

from __future__ import annotations

import math
from copy import copy

import numpy as np
from numpy.typing import NDArray

from videnhance.inference.winograd.kernels import SPAN, STEP, TILE, WEIGHT_TRANSFORM, convolve
from videnhance.kernels.vectors import LANES, PANEL

Floats = NDArray[np.float32]

_BLOCK = 12 * 128
"""Tiles in a block, times their channels in and out: few enough to stay in the L2 cache."""
_LINE = 64 // np.dtype(np.float32).itemsize
"""Floats per cache line."""


def _whole(channels: int, lanes: int) -> int:
    """Channels rounded up to whole vectors."""
    return -(-channels // lanes) * lanes


def _aligned(*shape: int) -> Floats:
    """Zeros that begin at a cache line, so that few vectors cross from one line into the next."""
    size = math.prod(shape)
    memory = np.zeros(size + _LINE, np.float32)
    skipped = -(memory.ctypes.data // memory.itemsize) % _LINE
    return memory[skipped : skipped + size].reshape(shape)


class Features:
    """Feature maps of one size, channels last, surrounded by zeros that serve as padding."""

    def __init__(self, height: int, width: int, channels: int) -> None:
        """`channels` are rounded up to whole vectors."""
        self.height = height
        self.width = width
        self.rows = -(-height // TILE)
        """Rows of tiles."""
        self.columns = -(-width // TILE)
        """Columns of tiles."""
        # With an odd number of pixels per row, pixels below each other do not compete for the same
        # set of the cache.
        rows, columns = self.rows * TILE + 3, self.columns * TILE + 3
        self.data: Floats = _aligned(rows, columns, _whole(channels, LANES))
        """Whole tiles, a border of 1 and room to shift them by 1; zero outside the image."""
        self.origin = 1
        """Row and column of the image's first pixel."""

    def shifted(self) -> Features:
        """Feature maps in the same memory, one pixel further down and right.

        A convolution may read either and write the other. That takes less memory than two separate
        arrays, and the memory that it writes to is in the cache already.
        """
        others = copy(self)
        others.origin = self.origin + 1
        return others

    @property
    def image(self) -> Floats:
        """The image without its border, (height, width, channels)."""
        bottom, right = self.origin + self.height, self.origin + self.width
        return self.data[self.origin : bottom, self.origin : right]

    def start(self, border: int) -> int:
        """Offset in floats at which the image begins, with `border` pixels around it."""
        _, width, channels = self.data.shape
        first: int = (self.origin - border) * (width + 1) * channels
        return first

    def clear_outside(self, first: int, last: int) -> None:
        """Set everything around the image to zero, in channels `first` up to, not with, `last`."""
        bottom, right = self.origin + self.height, self.origin + self.width
        self.data[: self.origin, :, first:last] = 0
        self.data[bottom:, :, first:last] = 0
        self.data[:, : self.origin, first:last] = 0
        self.data[:, right:, first:last] = 0


class Scratch:
    """Workspace for the steps of a convolution with up to `channels` in and out."""

    def __init__(self, channels: int) -> None:
        self.channels = _whole(channels, LANES)
        most = max(_BLOCK, STEP * 2 * self.channels)
        self._block = _aligned(SPAN * ((SPAN + 1) * most + 4 * _LINE))

    def split(self, into: int, out: int) -> tuple[int, Floats, Floats, Floats, Floats]:
        """Return the number of tiles that fit, and the last four arguments of `convolve`."""
        tiles = max(_BLOCK // (into + out) // STEP, 1) * STEP
        arrays, at = [], 0
        for floats in (SPAN * into, into, out, TILE * out):
            # One more line per row keeps the 8 rows from competing for the same set of the cache.
            end = at + SPAN * (tiles * floats + _LINE)
            arrays.append(self._block[at:end].reshape(SPAN, -1))
            at = end
        columns, inputs, products, rows = arrays
        return tiles, columns, inputs, products, rows


class Convolution:
    """A 3×3 convolution with zero padding, its bias and its activation."""

    def __init__(self, weight: Floats, bias: Floats, slope: Floats | float = 1.0) -> None:
        """`weight` is (out, in, 3, 3); `slope` is PReLU's, per output channel (1: no activation).

        Raises ValueError if the shapes do not match.
        """
        self.out, self.into = weight.shape[:2]
        self._read, width = _whole(self.into, LANES), _whole(self.out, LANES)
        filled = np.zeros((self.into, 9, width))
        filled[:, :, : self.out] = weight.reshape(self.out, self.into, 9).transpose(1, 2, 0)
        # Each 3×3 kernel becomes 8×8. The products of one input channel at a time are small enough
        # for BLAS not to wake its threads, which would take much longer.
        transformed = np.kron(WEIGHT_TRANSFORM, WEIGHT_TRANSFORM) @ filled
        self._weight = _aligned(SPAN * SPAN, self.into, width)
        matrices = self._weight.reshape(SPAN * SPAN, -1)
        for first in range(0, width, PANEL):
            panel = transformed[:, :, first : first + PANEL].transpose(1, 0, 2)
            at = first * self.into
            matrices[:, at : at + panel[0].size] = panel.reshape(SPAN * SPAN, -1)
        if bias.shape != (self.out,):
            raise ValueError(f"{bias.size} biases for {self.out} channels")
        self._bias = np.zeros(_whole(self.out, LANES), np.float32)
        self._bias[: self.out] = bias
        self._slope = np.ones_like(self._bias)
        self._slope[: self.out] = slope

    def __call__(
        self,
        source: Features,
        target: Features,
        scratch: Scratch,
        offset: int = 0,
        extra: Floats | None = None,
    ) -> None:
        """Read the first channels of `source`, and write channels of `target` from `offset` on.

        `extra` is added to the bias. `source` and `target` may be the same if their channels
        differ. One may also be the other `shifted`; then `source` is overwritten. Channels that
        rounding up to whole vectors adds are written as zeros. Raises ValueError if the features
        lack the channels or differ in size.
        """
        end = offset + self._bias.size
        rooms = (source.data.shape[2], target.data.shape[2], scratch.channels)
        if self._read > min(rooms[0], rooms[2]) or end > rooms[1] or self._bias.size > rooms[2]:
            raise ValueError(f"a layer from {self.into} to {self.out} channels does not fit in")
        if (source.height, source.width) != (target.height, target.width):
            raise ValueError("source and target differ in size")
        bias = self._bias
        if extra is not None and extra.any():
            bias = bias.copy()
            bias[: self.out] += extra
        convolve(
            source.data,
            source.start(border=1),
            target.data,
            target.start(border=0) + offset,
            source.rows,
            source.columns,
            target.origin > source.origin,
            self._weight,
            bias,
            self._slope,
            *scratch.split(self._read, self._bias.size),
        )
        target.clear_outside(offset, end)
