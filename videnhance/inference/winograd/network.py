"""Run known architectures on the CPU with the convolutions of this package."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from videnhance.core import Image, InputError, OutOfMemory
from videnhance.inference.ncnn_file import NcnnFile, read_ncnn
from videnhance.inference.winograd import compact, rrdb

Run = Callable[[Image, float], Image]
"""Takes an image and a dial."""


class Architecture(Protocol):
    """What the networks of this package have in common."""

    @property
    def scale(self) -> int:
        """Output size over input size, per axis."""
        ...

    def prepared(self, height: int, width: int) -> Run:
        """A call for images of that size with memory of its own: to be used by one at a time."""
        ...


class WinogradNetwork:
    """Implements `Backend` in fp32, one thread to a call."""

    exact = True
    """It computes in fp32 and nothing else."""

    workers = None
    """Each call takes one thread."""

    def __init__(self, network: Architecture) -> None:
        self._network = network
        self._lock = threading.Lock()
        self._idle: list[tuple[tuple[int, int], Run]] = []

    @property
    def scale(self) -> int:
        """Output size over input size, per axis."""
        return self._network.scale

    def __call__(self, image: Image, *, precise: bool = False, restore: float = 1.0) -> Image:
        """See `Backend`."""
        _, height, width = image.shape
        try:
            run = self._take(height, width)
            result = run(np.ascontiguousarray(image), restore)
        except MemoryError as exc:
            with self._lock:
                self._idle.clear()
            raise OutOfMemory(f"An image of {width}x{height} does not fit into memory.") from exc
        with self._lock:
            self._idle.append(((height, width), run))
        return result

    def _take(self, height: int, width: int) -> Run:
        """The memory of an earlier call for the same size where there is one, or new memory."""
        with self._lock:
            for index, (size, run) in enumerate(self._idle):
                if size == (height, width):
                    del self._idle[index]
                    return run
            # Another size: what is idle would only take the place of what is needed now.
            self._idle.clear()
        return self._network.prepared(height, width)


def load_winograd(path: Path) -> WinogradNetwork:
    """Load a Compact or ESRGAN network from an ncnn `.param`, or a Compact one from other files.

    A `.safetensors` file must have spandrel's names; it is read without PyTorch, importing which
    takes longer than many a job's draft network. Raises InputError where the file is damaged or of
    another architecture.
    """
    if path.suffix.lower() == ".param":
        read = read_ncnn(path, path.with_suffix(".bin"))
    elif path.suffix.lower() == ".safetensors":
        read = NcnnFile("Compact", _plain_state(path), shrink=1.0)
    else:
        from videnhance.inference.torch_backend import read_state

        read = NcnnFile("Compact", read_state(path), shrink=1.0)
    return _built(read, path)


def _plain_state(path: Path) -> dict[str, NDArray[np.float32]]:
    from safetensors import SafetensorError
    from safetensors.numpy import load_file

    try:
        return {key: value.astype(np.float32) for key, value in load_file(path).items()}
    except (OSError, SafetensorError) as exc:
        raise InputError(f"{path} cannot be read as a weight file: {exc}.") from exc


def _built(read: NcnnFile, path: Path) -> WinogradNetwork:
    try:
        network: Architecture
        if read.architecture == "Compact":
            network = compact.Compact(read.state, read.shrink)
        else:
            network = rrdb.RRDB(read.state)
        network.prepared(1, 1)(np.zeros((3, 1, 1), np.float32), 1.0)
    except (KeyError, ValueError) as exc:
        raise InputError(f"{path} is not the network it seems to be: {exc}.") from exc
    return WinogradNetwork(network)
