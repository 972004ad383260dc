"""Run ncnn networks: on the CPU in fp32, or on any GPU through Vulkan."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import numpy as np

from videnhance.core import Image, InputError, OutOfMemory, VidenhanceError
from videnhance.inference.devices import Device

_OUT_OF_MEMORY = -100
_PROBE = 16
"""Side in pixels of the test image that reveals a network's scale, a multiple of common needs."""


class NcnnNetwork:
    """One `.param`/`.bin` pair on one device."""

    def __init__(self, param: Path, weights: Path, device: Device) -> None:
        """Load the pair. Raises InputError if ncnn cannot use it."""
        self._files = (param, weights)
        self._device = device
        self._lock = threading.Lock()
        self._net = self._load(precise=False)
        # On the CPU the network computes in fp32. On a GPU the fp32 copy is lazy.
        self._precise_net: Any = self._net if device.kind == "cpu" else None
        self._input = self._single(self._net.input_names(), "input")
        self._output = self._single(self._net.output_names(), "output")
        self._scale = self._find_scale()

    @property
    def scale(self) -> int:
        """Output size over input size, per axis."""
        return self._scale

    @property
    def workers(self) -> int | None:
        """None on the CPU, where each call takes one thread: that is faster than one call on all
        threads, and the bits do not depend on their number. On a GPU 1, since one call fills it."""
        return None if self._device.kind == "cpu" else 1

    @property
    def exact(self) -> bool:
        """Whether it computes in fp32."""
        return self._device.kind == "cpu"

    def __call__(self, image: Image, *, precise: bool = False, restore: float = 1.0) -> Image:
        """See `Backend`; ncnn files have no dial."""
        import ncnn

        net = self._precise() if precise else self._net
        extractor = net.create_extractor()
        # The Mat borrows the array's memory, so `source` must live until the result is out.
        source = np.ascontiguousarray(image)
        extractor.input(self._input, ncnn.Mat(source))
        code, result = extractor.extract(self._output)
        if code == _OUT_OF_MEMORY:
            height, width = image.shape[1:]
            raise OutOfMemory(f"An image of {width}x{height} does not fit into memory.")
        if code != 0:
            raise VidenhanceError(
                f"ncnn stopped with code {code} in {self._files[0].name}; "
                "try another model or --device."
            )
        # np.array copies, so the extractor may free its memory.
        return np.array(result, dtype=np.float32)

    def _precise(self) -> Any:
        with self._lock:
            if self._precise_net is None:
                self._precise_net = self._load(precise=True)
            return self._precise_net

    def _load(self, *, precise: bool) -> Any:
        import ncnn

        param, weights = self._files
        for path in self._files:
            if not path.is_file():
                raise InputError(f"{path} is missing; put it beside its other half.")
        net = ncnn.Net()
        options = net.opt
        options.num_threads = 1
        options.use_vulkan_compute = self._device.kind == "vulkan"
        half = self._device.kind == "vulkan" and not precise
        options.use_fp16_packed = options.use_fp16_storage = options.use_fp16_arithmetic = half
        options.use_bf16_storage = False
        if self._device.kind == "vulkan":
            net.set_vulkan_device(self._device.index)
        if net.load_param(str(param)) != 0 or net.load_model(str(weights)) != 0:
            raise InputError(f"{param} and {weights.name} are not a network that ncnn can read.")
        return net

    def _single(self, names: list[str], what: str) -> str:
        if len(names) != 1:
            raise InputError(
                f"{self._files[0]} has {len(names)} {what}s; use a network with a single one."
            )
        return names[0]

    def _find_scale(self) -> int:
        result = self(np.full((3, _PROBE, _PROBE), 0.5, np.float32))
        channels, height, width = result.shape if result.ndim == 3 else (0, 0, 0)
        if channels != 3 or height != width or height < _PROBE or height % _PROBE:
            raise InputError(
                f"{self._files[0]} does not enlarge RGB images by a whole number "
                f"({_PROBE}x{_PROBE} became {width}x{height}); use a super-resolution network."
            )
        return int(height) // _PROBE
