"""ESRGAN's network of residual-in-residual dense blocks (RRDBNet), for factor 4."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from itertools import count

import numpy as np
from numpy.typing import NDArray

from videnhance.core import Image
from videnhance.inference.winograd.convolution import Convolution, Features, Scratch
from videnhance.inference.winograd.kernels import add
from videnhance.kernels.vectors import LANES

Floats = NDArray[np.float32]

_LEAK = 0.2
_RESIDUAL = np.float32(0.2)
_ONE = np.float32(1)


class _Room:
    """The memory that one call needs for images of one size."""

    def __init__(self, height: int, width: int, channels: int, dense: int) -> None:
        self.input = Features(height, width, 3)
        self.first = Features(height, width, channels)
        self.block = Features(height, width, channels)
        self.dense = (Features(height, width, dense), Features(height, width, dense))
        double = Features(2 * height, 2 * width, channels)
        self.double = (double, double.shifted())
        quadruple = Features(4 * height, 4 * width, channels)
        self.quadruple = (quadruple, quadruple.shifted())
        self.output = Features(4 * height, 4 * width, 3)
        self.scratch = Scratch(dense)


class RRDB:
    """Residual blocks of three dense blocks, of five convolutions each; then two doublings."""

    scale = 4
    """Output size over input size, per axis."""
    inputs = 3
    """Planes of the input."""

    def __init__(self, state: dict[str, Floats]) -> None:
        """`state` has spandrel's key names.

        Raises ValueError or KeyError if the weights are not those of such a network.
        """

        def layer(name: str, slope: float = 1.0, gain: np.float32 = _ONE) -> Convolution:
            weight, bias = state[f"{name}.weight"], state[f"{name}.bias"]
            return Convolution(weight * gain, bias * gain, slope)

        self._first = layer("conv_first")
        self._blocks = []
        for block in count():
            if f"body.{block}.rdb1.conv1.weight" not in state:
                break
            names = [f"body.{block}.rdb{part}" for part in (1, 2, 3)]
            self._blocks.append(
                [
                    [layer(f"{name}.conv{i}", _LEAK) for i in (1, 2, 3, 4)]
                    # The last convolution includes the dense block's residual scaling.
                    + [layer(f"{name}.conv5", gain=_RESIDUAL)]
                    for name in names
                ]
            )
        self._body = layer("conv_body")
        self._ups = layer("conv_up1", _LEAK), layer("conv_up2", _LEAK)
        self._high = layer("conv_hr", _LEAK)
        self._last = layer("conv_last")
        self._channels = self._first.out
        parts = [conv for block in self._blocks for part in block for conv in part]
        if any(conv.into % LANES or conv.out % LANES for conv in parts):
            raise ValueError(f"channels are not multiples of {LANES}")
        self._dense = max(conv.into for conv in parts)

    def prepared(self, height: int, width: int) -> Callable[[Image, float], Image]:
        """Return a function for images of that size, with memory for one call at a time."""
        room = _Room(height, width, self._channels, self._dense)
        return partial(self._run, room)

    def _run(self, room: _Room, image: Image, restore: float) -> Image:
        """Enlarge (3, H, W) to (3, 4·H, 4·W). Ignores `restore`, since there is no dial."""
        channels, scratch = self._channels, room.scratch
        room.input.image[:, :, :3] = image.transpose(1, 2, 0)
        self._first(room.input, room.first, scratch)
        source, target = room.dense
        source.data[:, :, :channels] = room.first.data
        for block in self._blocks:
            room.block.data[:] = source.data[:, :, :channels]
            for part in block:
                offset = channels
                for conv in part[:-1]:
                    conv(source, source, scratch, offset)
                    offset += conv.out
                part[-1](source, target, scratch)
                add(target.data, _ONE, source.data, channels)
                source, target = target, source
            add(source.data, _RESIDUAL, room.block.data, channels)
        self._body(source, room.block, scratch)
        add(room.block.data, _ONE, room.first.data, channels)
        features = room.block
        for up, (enlarged, result) in zip(self._ups, (room.double, room.quadruple), strict=True):
            _repeat(features, enlarged)
            up(enlarged, result, scratch)
            features = result
        self._high(features, room.quadruple[0], scratch)
        self._last(room.quadruple[0], room.output, scratch)
        return np.ascontiguousarray(room.output.image[:, :, :3].transpose(2, 0, 1))


def _repeat(source: Features, target: Features) -> None:
    """Double the size by repeating pixels."""
    for row in (0, 1):
        for column in (0, 1):
            target.image[row::2, column::2] = source.image
    target.clear_outside(0, target.data.shape[2])
