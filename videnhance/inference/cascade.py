"""Run networks one after another, with resizing, to enlarge to any size."""

from __future__ import annotations

import math
from collections.abc import Sequence

from videnhance.core import Image, Network
from videnhance.kernels.resize import resize


class Cascade:
    """One or more networks, each of which enlarges the result of the one before."""

    def __init__(self, networks: Sequence[Network], restore: float | None = None) -> None:
        """`restore` sets the first network's dial; None if it has none. Later networks run at 0, so
        that they keep the noise that the first one left."""
        self._earlier = networks[:-1]
        self._last = networks[-1]
        first = 1.0 if restore is None else restore
        self._restore = [first, *(0.0 for _ in networks[1:])]
        self.scale = math.prod(network.scale for network in networks)
        """Output size over input size, per axis, without any resizing."""
        self.workers = min(network.workers for network in networks)
        """How many concurrent calls use the device best."""
        self.psnr_oriented = all(network.psnr_oriented for network in networks)
        """Whether all were trained for PSNR."""
        self.receptive_field = self._receptive_field()
        """Margin in input pixels, see `core.Network`."""

    def _receptive_field(self) -> int:
        margin, scale = 0, 1
        for network in (*self._earlier, self._last):
            margin += -(-network.receptive_field // scale)
            scale *= network.scale
        # Resizing before the last network, and after it, adds a little.
        return margin + 1 + len(self._earlier)

    def __call__(self, image: Image, height: int, width: int) -> Image:
        """Enlarge (3, H, W) within 0..1 to (3, height, width), which may overshoot a little."""
        for network, restore in zip(self._earlier, self._restore, strict=False):
            image = network(image, restore=restore)
        if self._earlier:
            # Resize before the last network, so that its output has the right size.
            last = self._last.scale
            image = resize(image, round(height / last), round(width / last)).clip(0, 1)
        return resize(self._last(image, restore=self._restore[-1]), height, width)
