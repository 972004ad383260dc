"""Our own Compact networks in PyTorch: they unshuffle pixels, and a dial changes their biases."""

from __future__ import annotations

from itertools import count, pairwise
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn
from torch.nn.functional import conv2d, interpolate, pad, pixel_shuffle, pixel_unshuffle, prelu

from videnhance.inference.winograd.compact import factors

if TYPE_CHECKING:
    from spandrel import ImageModelDescriptor


class DialledCompact(nn.Module):
    """The PyTorch version of `winograd.compact.Compact` with dials; its module explains both."""

    def __init__(self, state: dict[str, Tensor]) -> None:
        """Raises KeyError or ValueError if the weights are not those of such a network."""
        super().__init__()
        self._weights, self._biases, self._dials, self._slopes = (
            nn.ParameterList() for _ in range(4)
        )
        for index in count(step=2):
            self._weights.append(_fixed(state[f"body.{index}.weight"]))
            self._biases.append(_fixed(state[f"body.{index}.bias"]))
            dial = state.get(f"body.{index}.dial", torch.zeros_like(state[f"body.{index}.bias"]))
            self._dials.append(_fixed(dial))
            if f"body.{index + 1}.weight" not in state:
                break
            self._slopes.append(_fixed(state[f"body.{index + 1}.weight"]))
        into, out = self._weights[0].shape[1], self._weights[-1].shape[0]
        if any(a.shape[0] != b.shape[1] for a, b in pairwise(self._weights)):
            raise ValueError("the layers do not fit together")
        self._unshuffle, self._factor = factors(into, out)
        self.inputs = into // self._unshuffle**2
        """Planes of the input."""
        self.scale = self._factor // self._unshuffle
        """Output size over input size, per axis."""

    def forward(self, image: Tensor, restore: float) -> Tensor:
        """Make (N, 3, scale·H, scale·W) of (N, C, H, W), whose first three planes are the picture.

        `restore` is the dial.
        """
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
        result = result + interpolate(image[:, :3], scale_factor=self.scale, mode="nearest")
        return result[:, :, : self.scale * height, : self.scale * width]


def _fixed(values: Tensor) -> nn.Parameter:
    return nn.Parameter(values.float(), requires_grad=False)


def described(state: dict[str, Any]) -> ImageModelDescriptor[Any]:
    """Wrap such a network in a descriptor of spandrel, like the networks that spandrel knows.

    Raises KeyError or ValueError as `DialledCompact` does.
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
        input_channels=network.inputs,
        output_channels=3,
    )
