"""The networks that are trained: compact ones, whose convolutions may run at half the size."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from torch import nn
from torch.nn import functional

if TYPE_CHECKING:
    from training.fast import FastBody


class Layer(nn.Module):
    """Parameters of a 3×3 convolution whose bias depends on a dial."""

    def __init__(self, into: int, out: int, *, last: bool) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.empty(out, into, 3, 3))
        self.bias = nn.Parameter(torch.zeros(out))
        self.dial = nn.Parameter(torch.zeros(out))
        self.slope = None if last else nn.Parameter(torch.full((out,), 0.2))
        nn.init.kaiming_normal_(self.weight, a=0.2)
        if last:
            with torch.no_grad():  # it begins as the repetition of pixels that it adds to
                self.weight *= 0.1

    def forward(self, features: torch.Tensor, dial: torch.Tensor) -> torch.Tensor:
        """Convolve (N, C, H, W), with the bias that `dial`, (N,), asks for."""
        made = functional.conv2d(features, self.weight, self.bias, padding=1)
        made = made + dial[:, None, None, None] * self.dial[None, :, None, None]
        return made if self.slope is None else functional.prelu(made, self.slope)


class Compact(nn.Module):
    """Convolutions, pixel shuffle, and the input enlarged by repetition.

    Real-ESRGAN's SRVGGNetCompact where `unshuffle` is 1. With 2, convolutions see pixels unshuffled
    by 2: at half the size each layer has twice the channels for the same work, and sees twice as
    far. The bias of every layer is a straight line in the dial, so a dial costs nothing to use.
    """

    def __init__(
        self,
        channels: int,
        layers: int,
        scale: int,
        unshuffle: int,
        *,
        inputs: int = 3,
        dialled: bool = True,
    ) -> None:
        """`inputs` is the number of input planes, of which the first three are the picture that the
        result is added to. If it is not `dialled`, it takes dials and ignores them."""
        super().__init__()
        self.dialled = dialled
        self.scale, self.unshuffle = scale, unshuffle
        self.sizes = [inputs * unshuffle**2, *[channels] * layers, 3 * (unshuffle * scale) ** 2]
        pairs = list(zip(self.sizes, self.sizes[1:], strict=False))
        self.layers = nn.ModuleList(
            Layer(into, out, last=number == len(pairs) - 1)
            for number, (into, out) in enumerate(pairs)
        )
        self._fast: dict[tuple[int, int], FastBody] = {}

    def forward(self, images: torch.Tensor, dial: torch.Tensor) -> torch.Tensor:
        """Make pictures of (N, inputs, H, W), sides multiples of `unshuffle`, for dials (N,)."""
        features = functional.pixel_unshuffle(images, self.unshuffle)
        dial = dial if self.dialled else torch.zeros_like(dial)
        body = self._own(features)
        if body is not None:
            features = self._fast_features(body, features, dial)
        else:
            for layer in self.layers:
                features = layer(features, dial)
        enlarged = functional.pixel_shuffle(features, self.unshuffle * self.scale)
        return enlarged + functional.interpolate(
            images[:, :3], scale_factor=self.scale, mode="nearest"
        )

    def _fast_features(
        self, body: FastBody, features: torch.Tensor, dial: torch.Tensor
    ) -> torch.Tensor:
        """Features behind the last layer, with both ends filled up to what suits `body`."""
        from training.fast import fast_features, filled

        into, *_, out = self.sizes
        more_in, more_out = filled(self.sizes)[0] - into, filled(self.sizes)[-1] - out
        parameters: list[Any] = [
            one
            for layer in self.layers
            for one in (layer.weight, layer.bias, layer.dial, layer.slope)
        ]
        parameters[0] = functional.pad(parameters[0], (0, 0, 0, 0, 0, more_in))
        parameters[-4] = functional.pad(parameters[-4], (0, 0, 0, 0, 0, 0, 0, more_out))
        parameters[-3:-1] = (functional.pad(one, (0, more_out)) for one in parameters[-3:-1])
        features = functional.pad(features, (0, 0, 0, 0, 0, more_in))
        return fast_features(body, features, dial, parameters)[:, :out]

    def _own(self, features: torch.Tensor) -> FastBody | None:
        """Our own convolutions, where a batch suits them and they are here."""
        count, _, height, width = features.shape
        if features.device.type != "cpu" or height != width:
            return None
        try:
            from training.fast import FastBody, filled, suits
        except ModuleNotFoundError as exc:
            if exc.name is None or exc.name.split(".")[0] not in ("numba", "videnhance"):
                raise
            return None
        sizes = filled(self.sizes)
        if not suits(height, sizes):
            return None
        key = (count, height)
        if key not in self._fast:
            self._fast[key] = FastBody(count, height, sizes, torch.get_num_threads())
        return self._fast[key]
