"""The seam between the tiling and the backends: a network that takes one image in one piece."""

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
        """How many calls at once use the device best; None where each call takes one thread."""
        ...

    @property
    def exact(self) -> bool:
        """Whether it computes in fp32 anyway, so that trying again in fp32 is pointless."""
        ...

    def __call__(self, image: Image, *, precise: bool = False, restore: float = 1.0) -> Image:
        """Make (3, scale·H, scale·W) of (C, H, W), all inputs one behind the other, not clipped.

        In fp32 where `precise`.

        `restore` is how much of noise and damage to remove, 0..1, where the network has a dial.
        Raises OutOfMemory where the image does not fit.
        """
        ...
