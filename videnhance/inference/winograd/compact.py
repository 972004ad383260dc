"""Real-ESRGAN's compact network (SRVGGNetCompact), the one of its video models."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from itertools import count, pairwise

import numpy as np
from numpy.typing import NDArray

from videnhance.core import Image
from videnhance.inference.winograd.convolution import Convolution, Features, Scratch
from videnhance.inference.winograd.planes import shuffle_and_add, shuffle_and_resample
from videnhance.kernels.resize import keys

Floats = NDArray[np.float32]


class _Room:
    """What one call for an image of this size works in."""

    def __init__(self, height: int, width: int, channels: int) -> None:
        self.input = Features(height, width, 3)
        features = Features(height, width, channels)
        self.features = (features, features.shifted())
        self.scratch = Scratch(channels)


class Compact:
    """Convolutions with PReLU, one more, pixel shuffle, and the input enlarged by repetition."""

    def __init__(self, state: dict[str, Floats], shrink: float = 1.0) -> None:
        """`state` is as spandrel names it; `shrink` the factor of a bicubic reduction at the end.

        Raises ValueError or KeyError where the weights are not those of such a network.
        """
        self._layers = []
        for index in count(step=2):
            weight, bias = state[f"body.{index}.weight"], state[f"body.{index}.bias"]
            slope = state.get(f"body.{index + 1}.weight")
            if slope is None:
                self._layers.append(Convolution(weight, bias))
                break
            self._layers.append(Convolution(weight, bias, slope))
        self._factor = round((self._layers[-1].out / 3) ** 0.5)
        if 3 * self._factor**2 != self._layers[-1].out or self._layers[0].into != 3:
            raise ValueError("not a network that turns an RGB image into an RGB image")
        for before, after in pairwise(self._layers):
            if before.out != after.into:
                raise ValueError("the layers do not fit together")
        self._channels = max(layer.out for layer in self._layers)
        self._shrink = shrink
        self.scale = round(self._factor * shrink)
        """Output size over input size, per axis."""

    def prepared(self, height: int, width: int) -> Callable[[Image], Image]:
        """A call for images of that size with memory of its own: to be used by one at a time."""
        room = _Room(height, width, self._channels)
        return partial(self._run, room)

    def _run(self, room: _Room, image: Image) -> Image:
        """Enlarge (3, H, W) to (3, scale·H, scale·W)."""
        source, target = room.features
        room.input.image[:, :, :3] = image.transpose(1, 2, 0)
        self._layers[0](room.input, target, room.scratch)
        for layer in self._layers[1:]:
            source, target = target, source
            layer(source, target, room.scratch)
        return self._picture(target, image)

    def _picture(self, features: Features, image: Image) -> Image:
        """What the last layer's features make of the input (3, H, W)."""
        _, height, width = image.shape
        pixels = features.data, features.start(border=0), image, self._factor
        if self._shrink == 1:
            result = np.empty((3, self._factor * height, self._factor * width), np.float32)
            shuffle_and_add(*pixels, result)
            return result
        rows, row_taps = _cubic(self._factor * height, self._shrink)
        columns, column_taps = _cubic(self._factor * width, self._shrink)
        result = np.empty((3, len(rows), len(columns)), np.float32)
        shuffle_and_resample(*pixels, rows, row_taps, columns.view(np.uint64), column_taps, result)
        return result


def _cubic(size: int, factor: float) -> tuple[NDArray[np.int64], Floats]:
    """Samples that each output sample reads, the edge ones repeated, and their weights.

    Bicubic with a = -0.75 and pixel centres aligned, without antialiasing: ncnn's Interp.
    """
    places = (np.arange(round(size * factor)) + 0.5) / factor - 0.5
    base = np.floor(places)
    samples = base[:, None] + np.arange(-1, 3)
    taps = keys(places[:, None] - samples, -0.75)
    return samples.clip(0, size - 1).astype(np.int64), taps.astype(np.float32)
