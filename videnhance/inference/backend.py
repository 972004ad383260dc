"""The interface between tiling and backends: a network that takes one image in one piece."""

from __future__ import annotations

from typing import Protocol

from videnhance.core import Image


class Backend(Protocol):
    """A loaded network without padding, tiling or checks; safe to call from several threads."""

    @property
    def scale(self) -> int:
        """Output size over input size, per axis."""
        ...

    @property
    def workers(self) -> int | None:
        """How many concurrent calls use the device best; None if each call takes one thread."""
        ...

    @property
    def exact(self) -> bool:
        """Whether it always computes in fp32, so that a retry in fp32 is pointless."""
        ...

    def __call__(self, image: Image, *, precise: bool = False, restore: float = 1.0) -> Image:
        """Turn (C, H, W) into (3, scale·H, scale·W), not clipped.

        `image` holds the channels of all inputs, one input after the other. `precise` asks for
        fp32. `restore` is how much of noise and damage to remove, 0..1, if the network has a dial.
        Raises OutOfMemory if the image does not fit.
        """
        ...
