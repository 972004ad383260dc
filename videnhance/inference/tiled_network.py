"""A network for images of any size, which handles tiling, lack of memory and broken results."""

from __future__ import annotations

import threading
from collections.abc import Callable

import numpy as np

from videnhance.core import Image, OutOfMemory, ResourceError, VidenhanceError
from videnhance.inference.backend import Backend
from videnhance.inference.cards import INPUTS
from videnhance.inference.tiling import run_tiled, smallest_tile

_BLACK = 1 / 512
_NOT_BLACK = 0.1
_LEAST = 8
"""Smallest side in pixels that networks get; smaller images are padded by repeating the edge."""


class TiledNetwork:
    """Implements `core.Network` over a `Backend`."""

    def __init__(
        self,
        model_id: str,
        backend: Backend,
        *,
        inputs: tuple[str, ...] | None = None,
        halo: int,
        receptive_field: int | None = None,
        psnr_oriented: bool = False,
        tile: int | None = None,
        threads: int = 1,
        warn: Callable[[str], None],
    ) -> None:
        """`inputs` are those of the card. `receptive_field` is the halo if None. `tile` is the side
        of the tiles in input pixels; None means whole images.
        """
        self._id = model_id
        self._backend = backend
        self._channels = tuple(INPUTS[name] for name in inputs) if inputs else None
        self._halo = halo
        self._receptive_field = halo if receptive_field is None else receptive_field
        self._psnr_oriented = psnr_oriented
        self._tile = None if tile is None else max(tile, smallest_tile(halo))
        self._threads = threads
        self._warn = warn
        self._lock = threading.Lock()

    @property
    def id(self) -> str:
        """The card's id, or the name of the file."""
        return self._id

    @property
    def scale(self) -> int:
        """Output size over input size, per axis."""
        return self._backend.scale

    @property
    def receptive_field(self) -> int:
        """Margin in input pixels, see `core.Network`."""
        return self._receptive_field

    @property
    def psnr_oriented(self) -> bool:
        """Whether it was trained for PSNR."""
        return self._psnr_oriented

    @property
    def workers(self) -> int:
        """How many concurrent calls use the device best."""
        return self._threads if self._backend.workers is None else self._backend.workers

    def __call__(self, *inputs: Image, restore: float = 1.0) -> Image:
        """See `core.Network`. Raises VidenhanceError if a result is broken even in fp32."""
        given = tuple(len(array) for array in inputs)
        if self._channels and given != self._channels:
            raise ValueError(f"{self._id} takes channels {self._channels}, not {given}")
        return self._run(inputs[0] if len(inputs) == 1 else np.concatenate(inputs), restore)

    def _run(self, image: Image, restore: float) -> Image:
        height, width = image.shape[1:]
        if height < _LEAST or width < _LEAST:
            # Some layers misinterpret images of a single row or column.
            missing = ((0, 0), (0, max(0, _LEAST - height)), (0, max(0, _LEAST - width)))
            padded = self._run(np.pad(image, missing, mode="edge"), restore)
            return np.ascontiguousarray(padded[:, : height * self.scale, : width * self.scale])
        result = self._fit(image, restore, precise=False)
        fault = _fault(image[:3], result)
        if fault and not self._backend.exact:
            self._warn(
                f"{self._id} gave {fault} in half precision; "
                "the frames concerned are computed again in single precision."
            )
            result = self._fit(image, restore, precise=True)
            fault = _fault(image[:3], result)
        if fault:
            raise VidenhanceError(f"{self._id} gave {fault}; use another model.")
        if result.min() < 0 or result.max() > 1:
            np.clip(result, 0, 1, out=result)
        return result

    def _fit(self, image: Image, restore: float, *, precise: bool) -> Image:
        """Run the network, in smaller and smaller tiles until they fit into memory."""
        while True:
            tile = self._tile
            try:
                if tile is None or max(image.shape[1:]) <= tile:
                    return self._backend(image, precise=precise, restore=restore)
                return run_tiled(
                    lambda part: self._backend(part, precise=precise, restore=restore),
                    image,
                    tile=tile,
                    halo=self._halo,
                    scale=self.scale,
                )
            except (OutOfMemory, MemoryError) as exc:
                self._shrink(tile, image, exc)

    def _shrink(self, failed: int | None, image: Image, exc: BaseException) -> None:
        """Halve the tile that did not fit, unless another thread has done so already."""
        with self._lock:
            if self._tile != failed:
                return
            least = smallest_tile(self._halo)
            side = min(failed or max(image.shape[1:]), max(image.shape[1:]))
            if side <= least:
                raise ResourceError(
                    f"{self._id} does not fit into memory even in tiles of {least} pixels; "
                    "close other programs or use a smaller model."
                ) from exc
            self._tile = max(side // 2, least)
        self._warn(
            f"{self._id} did not fit into memory and goes on in tiles of {self._tile} pixels; "
            "a run with more memory may differ from this one in the last bits."
        )


def _fault(image: Image, result: Image) -> str:
    """Describe what is wrong with a result; an empty string if nothing is."""
    low, high = float(result.min()), float(result.max())
    if not (np.isfinite(low) and np.isfinite(high)):
        return "values that are not numbers"
    if high < _BLACK and float(image.max()) > _NOT_BLACK:
        return "a black picture for one that is not"
    return ""
