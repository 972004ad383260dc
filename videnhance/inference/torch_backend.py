"""Run networks with PyTorch: on CUDA in half precision, on the CPU as the fp32 reference."""

from __future__ import annotations

import copy
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from videnhance.core import Image, InputError, OutOfMemory
from videnhance.inference.devices import Device
from videnhance.inference.ncnn_file import read_ncnn

if TYPE_CHECKING:
    import torch
    from spandrel import ImageModelDescriptor


class TorchNetwork:
    """A network that spandrel recognises, on one device."""

    def __init__(self, descriptor: ImageModelDescriptor[Any], device: Device, shrink: float = 1):
        """`shrink` is the factor of a bicubic reduction that belongs to the network."""
        import torch

        from videnhance.inference.dialled import DialledCompact

        # With algorithms chosen by timing, or with TF32, the bits would depend on the run.
        torch.backends.cudnn.benchmark = False
        torch.backends.cudnn.deterministic = True
        torch.backends.cudnn.allow_tf32 = False
        torch.backends.cuda.matmul.allow_tf32 = False
        self._shrink = shrink
        self._place = torch.device(str(device))
        self._lock = threading.Lock()
        self._half = device.kind == "cuda" and descriptor.supports_half
        self._source = descriptor.eval()
        self._dialled = isinstance(descriptor.model, DialledCompact)
        self._precise: ImageModelDescriptor[Any] | None = None
        self._fast = self._placed(half=self._half)

    @property
    def scale(self) -> int:
        """Output size over input size, per axis."""
        scale: int = round(self._source.scale * self._shrink)
        return scale

    @property
    def workers(self) -> int:
        """On a GPU a second call copies while the first computes; on a CPU one fills all cores."""
        return 2 if self._place.type == "cuda" else 1

    @property
    def exact(self) -> bool:
        """Whether it computes in fp32."""
        return not self._half

    def __call__(self, image: Image, *, precise: bool = False, restore: float = 1.0) -> Image:
        """See `Backend`."""
        import torch

        descriptor = self._exact() if precise else self._fast
        height, width = image.shape[1:]
        try:
            with torch.inference_mode():
                pixels = torch.from_numpy(np.ascontiguousarray(image))[None]
                pixels = pixels.to(self._place, descriptor.dtype)
                pixels = pixels.contiguous(memory_format=torch.channels_last)
                result = self._run(descriptor, pixels, restore)
                return np.ascontiguousarray(result[0].float().cpu().numpy())
        except torch.OutOfMemoryError as exc:
            raise OutOfMemory(f"An image of {width}x{height} does not fit into memory.") from exc
        except RuntimeError as exc:  # the CPU allocator has no exception class of its own
            if "allocate memory" not in str(exc):
                raise
            raise OutOfMemory(f"An image of {width}x{height} does not fit into memory.") from exc

    def _run(
        self, descriptor: ImageModelDescriptor[Any], pixels: torch.Tensor, restore: float
    ) -> torch.Tensor:
        from torch.nn.functional import interpolate

        if self._dialled:
            dialled: torch.Tensor = descriptor.model(pixels, restore)
            return dialled
        if self._shrink == 1:
            # The descriptor also pads to the multiples that some networks ask for.
            result: torch.Tensor = descriptor(pixels)
            return result
        # Call the network itself, since the descriptor would clip before the reduction.
        return interpolate(
            descriptor.model(pixels), scale_factor=self._shrink, mode="bicubic", antialias=False
        )

    def _exact(self) -> ImageModelDescriptor[Any]:
        if not self._half:
            return self._fast
        with self._lock:
            if self._precise is None:
                self._precise = self._placed(half=False)
            return self._precise

    def _placed(self, *, half: bool) -> ImageModelDescriptor[Any]:
        """A copy on the device. Raises OutOfMemory if its weights do not fit."""
        import torch

        try:
            placed = copy.deepcopy(self._source).to(self._place)
        except torch.OutOfMemoryError as exc:
            raise OutOfMemory(f"The network's weights do not fit into {self._place}.") from exc
        placed = placed.half() if half else placed.float()
        placed.model.to(memory_format=torch.channels_last)
        return placed


def load_torch(path: Path, device: Device) -> TorchNetwork:
    """Load a `.pth` or `.safetensors` file, or an ncnn `.param` with its `.bin` beside it.

    Only tensors are read: a file that would run code when loaded is refused. Raises InputError
    if the file cannot be read or its network is not known.
    """
    import torch

    shrink = 1.0
    if path.suffix.lower() == ".param":
        read = read_ncnn(path, path.with_suffix(".bin"))
        shrink = read.shrink
        state: Any = {key: torch.from_numpy(value) for key, value in read.state.items()}
    else:
        state = _state(path)
    return TorchNetwork(_recognised(path, state), device, shrink)


def read_state(path: Path) -> dict[str, NDArray[np.float32]]:
    """Weights of a `.pth` or `.safetensors` file for use without PyTorch.

    Raises InputError as `load_torch` does.
    """
    from spandrel import canonicalize_state_dict

    state = canonicalize_state_dict(_state(path))
    return {key: value.float().numpy() for key, value in state.items()}


def _state(path: Path) -> Any:
    import pickle

    import torch
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    try:
        if path.suffix.lower() == ".safetensors":
            return load_file(path)
        return torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as exc:
        raise InputError(
            f"{path} is damaged or holds more than weights, which could run code; "
            "get the model as .safetensors."
        ) from exc
    except (OSError, SafetensorError, RuntimeError, EOFError, KeyError, ValueError) as exc:
        reason = str(exc).split("\n", 1)[0].rstrip(".")
        raise InputError(f"{path} cannot be read as a weight file: {reason}.") from exc


def _recognised(path: Path, state: Any) -> ImageModelDescriptor[Any]:
    first = state.get("body.0.weight")
    if "body.0.dial" in state or (first is not None and first.shape[1] > 3):
        from videnhance.inference.dialled import described

        try:
            return described(state)
        except (KeyError, ValueError) as exc:
            raise InputError(f"{path} is not the network it seems to be: {exc}.") from exc
    from spandrel import (
        ImageModelDescriptor,
        ModelLoader,
        UnsupportedModelError,
        canonicalize_state_dict,
    )

    try:
        descriptor = ModelLoader().load_from_state_dict(canonicalize_state_dict(state))
    except (UnsupportedModelError, AttributeError, KeyError, RuntimeError, TypeError) as exc:
        raise InputError(
            f"{path} holds no network that spandrel knows; convert it or use another model."
        ) from exc
    if not isinstance(descriptor, ImageModelDescriptor) or (
        descriptor.input_channels != 3 or descriptor.output_channels != 3
    ):
        raise InputError(f"{path} is not a network that turns an RGB image into an RGB image.")
    return descriptor
