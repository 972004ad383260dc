"""Write a trained network as the package reads it, with a note of how it was made."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import torch

from training.network import Compact


def state_of(network: Compact) -> dict[str, torch.Tensor]:
    """Weights in half precision, named as those of a Compact network. `dial` is our own.

    A layer's bias is `bias` + dial · `dial`.
    """
    state = {}
    for number, layer in enumerate(network.layers):
        state[f"body.{2 * number}.weight"] = layer.weight
        state[f"body.{2 * number}.bias"] = layer.bias
        if network.dialled:
            state[f"body.{2 * number}.dial"] = layer.dial
        if layer.slope is not None:
            state[f"body.{2 * number + 1}.weight"] = layer.slope
    return {key: value.detach().cpu().half().contiguous() for key, value in state.items()}


def load_state(network: Compact, state: dict[str, torch.Tensor]) -> None:
    """Give a network the weights of a file that `write` has written.

    Where the file's last layer is of another scale, the network keeps its own.
    """
    with torch.no_grad():
        for number, layer in enumerate(network.layers):
            if layer.weight.shape != state[f"body.{2 * number}.weight"].shape:
                continue
            layer.weight.copy_(state[f"body.{2 * number}.weight"])
            layer.bias.copy_(state[f"body.{2 * number}.bias"])
            layer.dial.copy_(state.get(f"body.{2 * number}.dial", torch.zeros(())))
            if layer.slope is not None:
                layer.slope.copy_(state[f"body.{2 * number + 1}.weight"])


def write(network: Compact, note: dict[str, Any], folder: Path, name: str) -> Path:
    """Write NAME.safetensors and NAME.json into a folder; returns the path of the weights."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{name}.safetensors"
    path.write_bytes(_safetensors(state_of(network)))
    (folder / f"{name}.json").write_text(json.dumps(note, indent=1) + "\n")
    return path


def digest(path: Path) -> str:
    """The sha256 that a card names."""
    return hashlib.sha256(path.read_bytes()).hexdigest()


def _safetensors(state: dict[str, torch.Tensor]) -> bytes:
    """The format itself, for machines without the package of that name: a header, then bytes."""
    header, parts, at = {}, [], 0
    for key, value in state.items():
        data = value.numpy().tobytes()
        header[key] = {
            "dtype": "F16",
            "shape": list(value.shape),
            "data_offsets": [at, at + len(data)],
        }
        parts.append(data)
        at += len(data)
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    return len(text).to_bytes(8, "little") + text + b"".join(parts)


def read_state(path: Path) -> dict[str, torch.Tensor]:
    """Read what `write` has written."""
    data = path.read_bytes()
    length = int.from_bytes(data[:8], "little")
    header = json.loads(data[8 : 8 + length])
    state = {}
    for key, entry in header.items():
        first, end = (8 + length + offset for offset in entry["data_offsets"])
        values = torch.frombuffer(bytearray(data[first:end]), dtype=torch.float16)
        state[key] = values.reshape(entry["shape"]).float()
    return state
