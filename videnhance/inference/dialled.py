"""Compact networks of our own in PyTorch: pixels unshuffled, biases that depend on a dial."""

from __future__ import annotations

from itertools import count, pairwise
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn
from torch.nn.functional import conv2d, interpolate, pad, pixel_shuffle, pixel_unshuffle, prelu

if TYPE_CHECKING:
    from spandrel import ImageModelDescriptor


class DialledCompact(nn.Module):
    """The same as `winograd.compact.Compact` with `dial`s, which explains it."""

    def __init__(self, state: dict[str, Tensor]) -> None:
        """Raises KeyError or ValueError where the weights are not those of such a network."""
        super().__init__()
        self._weights, self._biases, self._dials, self._slopes = (
            nn.ParameterList() for _ in range(4)
        )
        for index in count(step=2):
            self._weights.append(_fixed(state[f"body.{index}.weight"]))
            self._biases.append(_fixed(state[f"body.{index}.bias"]))
            self._dials.append(_fixed(state[f"body.{index}.dial"]))
            if f"body.{index + 1}.weight" not in state:
                break
            self._slopes.append(_fixed(state[f"body.{index + 1}.weight"]))
        into, out = self._weights[0].shape[1], self._weights[-1].shape[0]
        self._unshuffle, self._factor = (round((planes / 3) ** 0.5) for planes in (into, out))
        ends = 3 * self._unshuffle**2, 3 * self._factor**2
        if any(a.shape[0] != b.shape[1] for a, b in pairwise(self._weights)):
            raise ValueError("the layers do not fit together")
        if ends != (into, out) or self._factor % self._unshuffle or self._unshuffle > 2:
            raise ValueError("not a network that turns an RGB image into an RGB image")
        self.scale = self._factor // self._unshuffle
        """Output size over input size, per axis."""

    def forward(self, image: Tensor, restore: float) -> Tensor:
        """Enlarge (N, 3, H, W); `restore` is the dial."""
        height, width = image.shape[2:]
        missing = (0, -width % self._unshuffle, 0, -height % self._unshuffle)
        image = pad(image, missing, mode="replicate") if any(missing) else image
        features = pixel_unshuffle(image, self._unshuffle)
        layers = zip(self._weights, self._biases, self._dials, strict=True)
        for number, (weight, bias, dial) in enumerate(layers):
            features = conv2d(features, weight, bias + restore * dial, padding=1)
            if number < len(self._slopes):
                features = prelu(features, self._slopes[number])
        result = pixel_shuffle(features, self._factor)
        result = result + interpolate(image, scale_factor=self.scale, mode="nearest")
        return result[:, :, : self.scale * height, : self.scale * width]


def _fixed(values: Tensor) -> nn.Parameter:
    return nn.Parameter(values.float(), requires_grad=False)


def described(state: dict[str, Any]) -> ImageModelDescriptor[Any]:
    """Such a network as spandrel describes those that it knows.

    Raises KeyError or ValueError as `DialledCompact`.
    """
    from spandrel import ImageModelDescriptor
    from spandrel.architectures.Compact import CompactArch

    network = DialledCompact({key: torch.as_tensor(value) for key, value in state.items()})
    return ImageModelDescriptor(
        network,
        network.state_dict(),
        architecture=CompactArch(),
        purpose="SR",
        tags=[],
        supports_half=True,
        supports_bfloat16=True,
        scale=network.scale,
        input_channels=3,
        output_channels=3,
    )
