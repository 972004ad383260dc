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
"""A function of an image and the dial's value."""


class Architecture(Protocol):
    """The interface of the networks in this package."""

    @property
    def scale(self) -> int:
        """Output size over input size, per axis."""
        ...

    @property
    def inputs(self) -> int:
        """Planes of the input."""
        ...

    def prepared(self, height: int, width: int) -> Run:
        """Return a function for images of that size, with memory for one call at a time."""
        ...


class WinogradNetwork:
    """Implements `Backend` in fp32, with one thread per call."""

    exact = True
    """It always computes in fp32."""

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
        """Take an idle function for this size, or prepare a new one."""
        with self._lock:
            for index, (size, run) in enumerate(self._idle):
                if size == (height, width):
                    del self._idle[index]
                    return run
            # Free the memory of other sizes, to make room for that of this size.
            self._idle.clear()
        return self._network.prepared(height, width)


def load_winograd(path: Path) -> WinogradNetwork:
    """Load a Compact or ESRGAN network from an ncnn `.param`, or a Compact one from other files.

    A `.safetensors` file must have spandrel's key names. It is read without PyTorch, whose import
    can take longer than the draft network of a whole job. Raises InputError if the file is damaged
    or of another architecture.
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
        network.prepared(1, 1)(np.zeros((network.inputs, 1, 1), np.float32), 1.0)
    except (KeyError, ValueError) as exc:
        raise InputError(f"{path} is not the network it seems to be: {exc}.") from exc
    return WinogradNetwork(network)
