"""Read the weights of an ncnn `.param`/`.bin` pair under the key names of the original network.

The format is that of ncnn's wiki page "param and model file structure": the `.bin` holds the
weights of the layers in the order of the `.param`, with nothing in between.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import count
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from videnhance.core import InputError

Weights = NDArray[np.float32]

_MAGIC = "7767517"
_HALF = 0x01306B47
"""Tag in front of weights in half precision; the tag of single precision is 0."""
_BICUBIC = "3"


@dataclass(frozen=True)
class Layer:
    """A layer that carries weights; `bias` is empty if it has none."""

    kind: str
    name: str
    weight: Weights
    bias: Weights


@dataclass(frozen=True)
class NcnnFile:
    """Everything that another framework needs to build the network of an ncnn file."""

    architecture: str
    """Name of the architecture as spandrel knows it."""
    state: dict[str, Weights]
    """Weights by upstream key name, convolutions as (out, in, kernel, kernel)."""
    shrink: float
    """Factor of the bicubic reduction (a = -0.75, pixel centres aligned) after the network."""


def read_ncnn(param: Path, weights: Path) -> NcnnFile:
    """Read a pair. Raises InputError if it is damaged or its architecture is not known here."""
    try:
        lines = param.read_text(encoding="ascii").splitlines()
        data = weights.read_bytes()
    except (OSError, UnicodeDecodeError) as exc:
        raise InputError(f"{param} and {weights.name} cannot be read: {exc}.") from exc
    if lines[:1] != [_MAGIC]:
        raise InputError(f"{param} is not an ncnn network in text form.")
    try:
        layers = _layers(lines[2:], data)
    except (ValueError, KeyError, IndexError) as exc:
        raise InputError(f"{param} and {weights.name} do not fit together: {exc}.") from exc
    architecture, state = _named(layers)
    if not state:
        raise InputError(
            f"{param} is of no architecture that PyTorch can take from ncnn files; "
            "use --device cpu or vulkan."
        )
    kind, _, options = _parse(lines[-1])
    shrink = float(options["1"]) if kind == "Interp" and options["0"] == _BICUBIC else 1.0
    return NcnnFile(architecture, state, shrink)


def _parse(line: str) -> tuple[str, str, dict[str, str]]:
    """Layer type, name and options of one line of a `.param`."""
    kind, name, inputs, outputs, *rest = line.split()
    return kind, name, dict(item.split("=", 1) for item in rest[int(inputs) + int(outputs) :])


def _layers(lines: list[str], data: bytes) -> list[Layer]:
    layers = []
    position = 0

    def take(dtype: type[np.generic], number: int) -> NDArray[np.generic]:
        nonlocal position
        values = np.frombuffer(data, dtype, number, position)
        position += values.nbytes + -values.nbytes % 4
        return values

    for line in lines:
        kind, name, options = _parse(line)
        if kind == "Convolution":
            tag = int(take(np.uint32, 1)[0])
            if tag not in (0, _HALF):
                raise ValueError(f"layer {name} stores its weights in an unknown way")
            out, size = int(options["0"]), int(options["1"])
            weight = take(np.float16 if tag else np.float32, int(options["6"]))
            weight = weight.astype(np.float32).reshape(out, -1, size, size)
            bias = take(np.float32, out if options.get("5") == "1" else 0)
            layers.append(Layer(kind, name, weight, bias.astype(np.float32)))
        elif kind in ("PReLU", "MemoryData"):
            values = take(np.float32, int(options["0"]) * int(options.get("2", "1")))
            layers.append(Layer(kind, name, values.astype(np.float32), np.empty(0, np.float32)))
    if position != len(data):
        raise ValueError(f"{len(data) - position} bytes are left over")
    return layers


def _named(layers: list[Layer]) -> tuple[str, dict[str, Weights]]:
    """Architecture and state dict of the layers; empty if they fit no known architecture."""
    convolutions = [layer for layer in layers if layer.kind == "Convolution"]
    if any("eval_conv" in layer.name for layer in layers):
        return "SPAN", _span(convolutions)
    if any(layer.kind == "PReLU" for layer in layers):
        return "Compact", _keyed(layers, [f"body.{i}" for i in range(len(layers))])
    blocks, rest = divmod(len(convolutions) - 6, 15)
    if rest or blocks < 1:
        return "", {}
    dense = [
        f"body.{block}.rdb{part}.conv{number}"
        for block in range(blocks)
        for part in (1, 2, 3)
        for number in (1, 2, 3, 4, 5)
    ]
    tail = ["conv_body", "conv_up1", "conv_up2", "conv_hr", "conv_last"]
    return "ESRGAN", _keyed(convolutions, ["conv_first", *dense, *tail])


def _keyed(layers: list[Layer], names: list[str]) -> dict[str, Weights]:
    state = {}
    for layer, name in zip(layers, names, strict=True):
        state[f"{name}.weight"] = layer.weight
        if layer.bias.size:
            state[f"{name}.bias"] = layer.bias
    return state


def _span(convolutions: list[Layer]) -> dict[str, Weights]:
    """State dict of SPAN in its training form, made from the merged kernels of the file.

    SPAN's Conv3XC merges `sk + conv.2 · conv.1 · conv.0` into one kernel. Here `conv.0` and
    `conv.2` are identities, `conv.1` is the file's kernel and `sk` is zero, so that the merge gives
    exactly that kernel.
    """
    state: dict[str, Weights] = {}
    for layer in convolutions:
        name = layer.name.strip("/").removesuffix("/Conv").replace("/", ".")
        name = name.replace("upsampler.upsampler", "upsampler")
        if not name.endswith(".eval_conv"):
            state |= _keyed([layer], [name])
            continue
        base = name.removesuffix(".eval_conv")
        out, into = layer.weight.shape[:2]
        middle = np.zeros((2 * out, 2 * into, 3, 3), np.float32)
        middle[:out, :into] = layer.weight
        kernels = (
            np.eye(2 * into, into, dtype=np.float32)[:, :, None, None],
            middle,
            np.eye(out, 2 * out, dtype=np.float32)[:, :, None, None],
        )
        for index, kernel in zip(count(), kernels):
            state[f"{base}.conv.{index}.weight"] = kernel
            state[f"{base}.conv.{index}.bias"] = np.zeros(kernel.shape[0], np.float32)
        state[f"{base}.conv.1.bias"][:out] = layer.bias
        state[f"{base}.sk.weight"] = np.zeros((out, into, 1, 1), np.float32)
        state[f"{base}.sk.bias"] = np.zeros(out, np.float32)
        state |= _keyed([layer], [name])
    return state
