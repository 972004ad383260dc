"""The body of a compact network on a CPU: forward and backward by our own convolutions.

PyTorch computes 3×3 convolutions as they are written; Winograd's algorithm needs a fifth of the
multiplications, and training on a CPU is some times as fast with it. The pictures of a batch lie in
mosaics, one for each thread, with a row and a column of zeros between them, which is what padding
means to them: so a mosaic is one picture to a convolution.
"""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from training.gradients import (
    activate,
    deactivate,
    gather_weights,
    transform_weights,
    weight_gradient,
)
from videnhance.inference.winograd.convolution import Features, Scratch, _aligned, _whole
from videnhance.inference.winograd.kernels import SPAN, TILE, WEIGHT_TRANSFORM, convolve
from videnhance.kernels.vectors import LANES, PANEL

Floats = NDArray[np.float32]
_BLOCK = 96
"""Tiles whose products are summed up at once for the gradient of weights."""
_TRANSFORM = np.ascontiguousarray(WEIGHT_TRANSFORM, np.float32)


def suits(side: int, channels: Sequence[int]) -> bool:
    """Whether pictures of that side, and layers of so many channels in and out, can run here."""
    inner = channels[1:]
    return (
        (side + 1) % TILE == 0
        and channels[0] % 6 == 0
        and all(count % PANEL == 0 and count % 6 == 0 for count in inner)
    )


def filled(channels: Sequence[int]) -> list[int]:
    """The same, with those of the input and of the last layer rounded up to what suits."""
    into, *inner, out = channels
    return [-(-into // 6) * 6, *inner, -(-out // (3 * PANEL)) * 3 * PANEL]


class _Mosaic:
    """The pictures of one thread, and what the layers make of them."""

    def __init__(self, count: int, side: int, channels: Sequence[int]) -> None:
        self.count, self.side = count, side
        self.across = max(1, int(count**0.5))
        down = -(-count // self.across)
        height, width = down * (side + 1), self.across * (side + 1)
        last = len(channels) - 1
        self.read = [Features(height, width, c) for c in channels[:-1]]
        """What each layer reads."""
        self.made = [Features(height, width, c) for c in channels[1:]]
        """What each layer makes, before its activation."""
        self.change = [Features(height, width, c) for c in channels[1:]]
        """Gradients of that."""
        self.scratch = Scratch(max(channels))
        self.places = np.zeros((*self.read[0].data.shape[:2], 2), np.float32)
        most = max(_whole(c, LANES) for c in channels)
        tiles = _BLOCK
        self.steps = [_aligned(SPAN, tiles * most * factor) for factor in (SPAN, 1, TILE, 1)]
        self.totals = [
            np.zeros((SPAN * SPAN, channels[i], channels[i + 1]), np.float32) for i in range(last)
        ]
        self.sums = [np.zeros((3, channels[i + 1]), np.float32) for i in range(last)]

    def squares(self, features: Features) -> list[Floats]:
        """Views of the pictures within a mosaic, (side, side, channels)."""
        step, side = self.side + 1, self.side
        spots = [divmod(number, self.across) for number in range(self.count)]
        return [
            features.image[y * step : y * step + side, x * step : x * step + side] for y, x in spots
        ]

    def place(self, dial: Floats) -> None:
        """Note where pictures are, and the dial of each."""
        step, side, origin = self.side + 1, self.side, self.read[0].origin
        for number in range(self.count):
            y, x = (origin + step * i for i in divmod(number, self.across))
            self.places[y : y + side, x : x + side] = 1, dial[number]


class FastBody:
    """Convolutions with PReLU between them, for batches of one shape."""

    def __init__(self, batch: int, side: int, channels: Sequence[int], threads: int) -> None:
        """`channels` are those of the input and behind each layer."""
        self._channels = list(channels)
        threads = min(threads, batch)
        counts = [len(part) for part in np.array_split(np.arange(batch), threads)]
        self._mosaics = [_Mosaic(count, side, channels) for count in counts]
        self._pool = ThreadPoolExecutor(threads)

    def forward(self, images: torch.Tensor, dial: torch.Tensor, weights: list[Any]) -> torch.Tensor:
        """Features behind the last layer, (N, C, H, W)."""
        pixels = images.permute(0, 2, 3, 1).numpy()
        dials = dial.numpy()
        self._packed = list(self._pool.map(lambda layer: _packed(layer[0]), weights))
        firsts = np.cumsum([0, *(mosaic.count for mosaic in self._mosaics)])
        results = self._pool.map(
            lambda item: self._forward(
                item[0],
                pixels[item[1] : item[1] + item[0].count],
                dials[item[1] : item[1] + item[0].count],
                weights,
            ),
            zip(self._mosaics, firsts[:-1], strict=True),
        )
        made = np.concatenate(list(results))
        return torch.from_numpy(made).permute(0, 3, 1, 2)

    def _forward(
        self, mosaic: _Mosaic, pixels: Floats, dials: Floats, weights: list[Any]
    ) -> Floats:
        mosaic.place(dials)
        for square, picture in zip(mosaic.squares(mosaic.read[0]), pixels, strict=True):
            square[:, :, : picture.shape[2]] = picture
        places = mosaic.places.reshape(-1, 2)
        for number, (_, bias, extra, slope) in enumerate(weights):
            source, target = mosaic.read[number], mosaic.made[number]
            _convolve(source, target, self._packed[number], bias.numpy(), mosaic.scratch)
            flat = target.data.reshape(-1, target.data.shape[2])
            if slope is None:
                flat += places[:, 1:] * extra.numpy()
            else:
                after = mosaic.read[number + 1].data.reshape(flat.shape)
                activate(flat, places, extra.numpy(), slope.numpy(), after)
        return np.stack(mosaic.squares(mosaic.made[-1]))

    def backward(self, change: torch.Tensor, weights: list[Any]) -> list[Any]:
        """Gradients of weight, bias, dial's bias and slope of each layer."""
        changes = change.permute(0, 2, 3, 1).contiguous().numpy()
        turned = list(
            self._pool.map(lambda layer: _packed(layer[0].transpose(0, 1).flip(2, 3)), weights[1:])
        )
        firsts = np.cumsum([0, *(mosaic.count for mosaic in self._mosaics)])
        list(
            self._pool.map(
                lambda item: self._backward(
                    item[0], changes[item[1] : item[1] + item[0].count], turned, weights
                ),
                zip(self._mosaics, firsts[:-1], strict=True),
            )
        )
        return list(self._pool.map(self._gathered, range(len(weights)), weights))

    def _backward(
        self, mosaic: _Mosaic, changes: Floats, turned: list[Floats], weights: list[Any]
    ) -> None:
        for square, part in zip(mosaic.squares(mosaic.change[-1]), changes, strict=True):
            square[:] = part
        places = mosaic.places.reshape(-1, 2)
        for number in reversed(range(len(weights))):
            slope = weights[number][3]
            change, source = mosaic.change[number], mosaic.read[number]
            flat = change.data.reshape(-1, change.data.shape[2])
            sums = mosaic.sums[number]
            sums[:] = 0
            made = mosaic.made[number].data.reshape(flat.shape)
            ones = np.ones(flat.shape[1], np.float32)
            deactivate(flat, made, places, ones if slope is None else slope.numpy(), sums)
            mosaic.totals[number][:] = 0
            weight_gradient(
                source.data, source.start(border=1), change.data, change.start(border=0),
                source.rows, source.columns, _BLOCK, mosaic.totals[number], *mosaic.steps,
            )  # fmt: skip
            if number:
                target = mosaic.change[number - 1]
                none = np.zeros(target.data.shape[2], np.float32)
                _convolve(change, target, turned[number - 1], none, mosaic.scratch)

    def _gathered(self, number: int, layer: Any) -> tuple[Any, ...]:
        total = self._mosaics[0].totals[number]
        for mosaic in self._mosaics[1:]:
            total += mosaic.totals[number]
        weight = np.empty((9, *total.shape[1:]), np.float32)
        gather_weights(_TRANSFORM, total, weight)
        turned = torch.from_numpy(weight.reshape(3, 3, *total.shape[1:])).permute(3, 2, 0, 1)
        sums = torch.from_numpy(np.sum([m.sums[number] for m in self._mosaics], axis=0))
        slope = None if layer[3] is None else sums[2]
        return turned.contiguous(), sums[0], sums[1], slope


def _convolve(
    source: Features, target: Features, weight: Floats, bias: Floats, scratch: Scratch
) -> None:
    convolve(
        source.data, source.start(border=1), target.data, target.start(border=0),
        source.rows, source.columns, False, weight, bias, np.ones_like(bias),
        *scratch.split(_whole(weight.shape[1], LANES), weight.shape[2]),
    )  # fmt: skip


def _packed(weight: torch.Tensor) -> Floats:
    """Weights (out, in, 3, 3) as `convolve` takes them."""
    out, into = weight.shape[:2]
    flat = weight.permute(2, 3, 1, 0).reshape(9, into, out).contiguous()
    packed = _aligned(SPAN * SPAN, into, out)
    transform_weights(_TRANSFORM, flat.numpy(), packed)
    return packed


class _Function(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, body: FastBody, images: Any, dial: Any, *parameters: Any) -> Any:
        ctx.body = body
        ctx.weights = [parameters[i : i + 4] for i in range(0, len(parameters), 4)]
        with torch.no_grad():
            weights = [tuple(None if p is None else p.detach() for p in w) for w in ctx.weights]
            ctx.weights = weights
            return body.forward(images.detach(), dial.detach(), weights)

    @staticmethod
    def backward(ctx: Any, change: Any) -> Any:
        gradients = ctx.body.backward(change, ctx.weights)
        return (None, None, None, *(one for layer in gradients for one in layer))


def fast_features(
    body: FastBody, images: torch.Tensor, dial: torch.Tensor, parameters: Sequence[Any]
) -> torch.Tensor:
    """Features (N, C, H, W) behind the layers; `parameters` are weight, bias, dial's bias and
    slope (None in the last) of each, one after the other. The images get no gradient."""
    made: torch.Tensor = _Function.apply(body, images, dial, *parameters)
    return made
