"""Networks one after another, as one that enlarges to any size."""

from __future__ import annotations

import math
from collections.abc import Sequence

from videnhance.core import Image, Network
from videnhance.kernels.resize import resize


class Cascade:
    """At least one network, the first given the image, the last giving the result."""

    def __init__(self, networks: Sequence[Network], restore: float | None = None) -> None:
        """`restore` is what the first network's dial is set to, None where it has none. Later
        networks run at 0, so that what the first one left is kept."""
        self._earlier = networks[:-1]
        self._last = networks[-1]
        first = 1.0 if restore is None else restore
        self._restore = [first, *(0.0 for _ in networks[1:])]
        self.scale = math.prod(network.scale for network in networks)
        """What they enlarge by without any resizing."""
        self.workers = min(network.workers for network in networks)
        """How many calls at once use the device best."""
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
            # Brought to size before the last, so that its output fits exactly.
            last = self._last.scale
            image = resize(image, round(height / last), round(width / last)).clip(0, 1)
        return resize(self._last(image, restore=self._restore[-1]), height, width)
