"""Compact networks: Real-ESRGAN's SRVGGNetCompact, which its video models use, and our own.

Ours unshuffle pixels by 2: at half the size, layers can have twice the channels for the same work,
and the receptive field is twice as large. A layer's bias is `bias` + restore · `dial`.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from itertools import count, pairwise

import numpy as np
from numpy.typing import NDArray

from videnhance.core import Image
from videnhance.inference.winograd.convolution import Convolution, Features, Scratch
from videnhance.inference.winograd.planes import (
    shuffle_and_add,
    shuffle_and_add_finer,
    shuffle_and_resample,
)
from videnhance.kernels.resize import keys

Floats = NDArray[np.float32]


class _Room:
    """The memory that one call needs for images of one size."""

    def __init__(self, height: int, width: int, into: int, channels: int) -> None:
        self.input = Features(height, width, into)
        features = Features(height, width, channels)
        self.features = (features, features.shifted())
        self.scratch = Scratch(channels)


class Compact:
    """Convolutions with PReLU, one without, and pixel shuffle; then the enlarged input is added.

    The input is enlarged by repeating pixels.
    """

    def __init__(self, state: dict[str, Floats], shrink: float = 1.0) -> None:
        """`state` has spandrel's key names, and may have a `body.N.dial` beside a layer's bias;
        `shrink` is the factor of a bicubic reduction at the end.

        Raises ValueError or KeyError if the weights are not those of such a network.
        """
        self._layers: list[Convolution] = []
        self._dials: list[Floats] = []
        for index in count(step=2):
            weight, bias = state[f"body.{index}.weight"], state[f"body.{index}.bias"]
            self._dials.append(state.get(f"body.{index}.dial", np.zeros_like(bias)))
            slope = state.get(f"body.{index + 1}.weight")
            if slope is None:
                self._layers.append(Convolution(weight, bias))
                break
            self._layers.append(Convolution(weight, bias, slope))
        self._unshuffle, self._factor = factors(self._layers[0].into, self._layers[-1].out)
        if shrink != 1 and self._unshuffle != 1:
            raise ValueError("no reduction is known for a network that unshuffles")
        for before, after in pairwise(self._layers):
            if before.out != after.into:
                raise ValueError("the layers do not fit together")
        self._channels = max(layer.out for layer in self._layers)
        self._shrink = shrink
        self.scale = round(self._factor / self._unshuffle * shrink)
        """Output size over input size, per axis."""

    @property
    def inputs(self) -> int:
        """Planes of the input."""
        return int(self._layers[0].into) // self._unshuffle**2

    def prepared(self, height: int, width: int) -> Callable[[Image, float], Image]:
        """Return a function for images of that size, with memory for one call at a time.

        It takes the image and the dial.
        """
        rows, columns = (-(-length // self._unshuffle) for length in (height, width))
        room = _Room(rows, columns, self._layers[0].into, self._channels)
        return partial(self._run, room)

    def _run(self, room: _Room, image: Image, dial: float) -> Image:
        """Make (3, scale·H, scale·W) of (C, H, W), whose first three planes are the picture."""
        _, height, width = image.shape
        image = self._padded(image)
        source, target = room.features
        room.input.image[:, :, : self._layers[0].into] = _unshuffled(image, self._unshuffle)
        self._layers[0](room.input, target, room.scratch, extra=dial * self._dials[0])
        for layer, extra in zip(self._layers[1:], self._dials[1:], strict=True):
            source, target = target, source
            layer(source, target, room.scratch, extra=dial * extra)
        picture = self._picture(target, image[:3])
        if image.shape[1:] == (height, width):
            return picture
        return np.ascontiguousarray(picture[:, : self.scale * height, : self.scale * width])

    def _padded(self, image: Image) -> Image:
        """Repeat the last row or column if unshuffling needs one more."""
        missing = [-length % self._unshuffle for length in image.shape[1:]]
        if not any(missing):
            return image
        return np.pad(image, ((0, 0), (0, missing[0]), (0, missing[1])), mode="edge")

    def _picture(self, features: Features, image: Image) -> Image:
        """Make the enlarged picture from the last layer's features and the input (3, H, W)."""
        _, height, width = image.shape
        pixels = features.data, features.start(border=0), image, self._factor
        if self._unshuffle > 1:
            result = np.empty((3, self.scale * height, self.scale * width), np.float32)
            shuffle_and_add_finer(*pixels, self._unshuffle, result)
            return result
        if self._shrink == 1:
            result = np.empty((3, self._factor * height, self._factor * width), np.float32)
            shuffle_and_add(*pixels, result)
            return result
        rows, row_taps = _cubic(self._factor * height, self._shrink)
        columns, column_taps = _cubic(self._factor * width, self._shrink)
        result = np.empty((3, len(rows), len(columns)), np.float32)
        shuffle_and_resample(*pixels, rows, row_taps, columns.view(np.uint64), column_taps, result)
        return result


def factors(into: int, out: int) -> tuple[int, int]:
    """How many pixels of a row become one in front of the layers, and one becomes behind them.

    `into` and `out` are the channels of the first and of the last layer. The input is a picture and
    up to five planes more. Raises ValueError where these are not the ends of such a network.
    """
    unshuffle, factor = 1 if into < 9 else 2, round((out / 3) ** 0.5)
    planes = into / unshuffle**2
    if planes not in range(3, 9) or 3 * factor**2 != out or factor % unshuffle:
        raise ValueError("not a network that turns an RGB image into an RGB image")
    return unshuffle, factor


def _unshuffled(image: Image, factor: int) -> Floats:
    """Pixels (3, H, W) as channels of a picture that is smaller by a factor, (H, W, channels)."""
    planes, height, width = image.shape
    rows, columns = height // factor, width // factor
    split = image.reshape(planes, rows, factor, columns, factor)
    return split.transpose(1, 3, 0, 2, 4).reshape(rows, columns, planes * factor**2)


def _cubic(size: int, factor: float) -> tuple[NDArray[np.int64], Floats]:
    """The input samples that each output sample reads (edges repeated), and their weights.

    Bicubic with a = -0.75 and pixel centres aligned, without antialiasing, like ncnn's Interp.
    """
    places = (np.arange(round(size * factor)) + 0.5) / factor - 0.5
    base = np.floor(places)
    samples = base[:, None] + np.arange(-1, 3)
    taps = keys(places[:, None] - samples, -0.75)
    return samples.clip(0, size - 1).astype(np.int64), taps.astype(np.float32)
