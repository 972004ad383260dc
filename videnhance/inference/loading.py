"""Turn the name of a model, or the path of a weight file, into a model ready to run.

On the CPU, `winograd` runs the networks that it knows, since it is fastest; ncnn runs other ncnn
files, and PyTorch everything else. On Vulkan, draft networks run like on the CPU and all others in
ncnn. On CUDA everything runs in PyTorch.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path

from videnhance.core import InputError, Network, UsageError
from videnhance.inference import cards, tiling, weights
from videnhance.inference.backend import Backend
from videnhance.inference.devices import Device
from videnhance.inference.resources import Resources, usable_cores
from videnhance.inference.tiled_network import TiledNetwork
from videnhance.inference.winograd import BYTES_PER_PIXEL as WINOGRAD

_SUFFIXES = (".param", ".pth", ".safetensors")
_UNKNOWN_HALO = 40
_UNKNOWN_OPERATIONS = 16_700_000
_UNKNOWN_BYTES_PER_PIXEL = 56_000
"""Assumed for networks without a card: the figures of the heaviest known network."""

_log = logging.getLogger(__name__)


def is_path(name: str) -> bool:
    """Whether a model's name is the path of a weight file, not the name of a card."""
    return Path(name).suffix.lower() in _SUFFIXES


def load_network(
    name: str,
    *,
    device: Device,
    scale: float | None = None,
    tile: int | None = None,
    threads: int | None = None,
    warn: Callable[[str], None] = _log.warning,
    progress: weights.Progress | None = None,
) -> Network:
    """Load a model by card id, family name or path of a weight file.

    `scale` chooses among a family's cards. `tile` is the result of `plan_tile` for this job.
    `threads` is how many threads will call the network; None means one per core. Missing weights
    are downloaded, and `progress` is called meanwhile. Raises UsageError, InputError or
    ResourceError, each saying what to do.
    """
    threads = threads or usable_cores()
    if is_path(name):
        path = Path(name).expanduser()
        if not path.is_file():
            raise InputError(f"There is no weight file {path}; check the path.")
        backend = _backend((path,), device)
        return TiledNetwork(
            path.name, backend, halo=_UNKNOWN_HALO, tile=tile, threads=threads, warn=warn
        )
    card = cards.resolve(name, scale)
    paths = weights.obtain(card, progress=progress)
    backend = _own(paths) if _by_winograd(card, device) else _backend(paths, device)
    return TiledNetwork(
        card.id,
        backend,
        inputs=card.inputs,
        halo=card.halo,
        receptive_field=card.receptive_field,
        psnr_oriented=card.psnr_oriented,
        tile=tile,
        threads=threads,
        warn=warn,
    )


def plan_tile(
    name: str, width: int, height: int, *, device: Device, resources: Resources
) -> int | None:
    """Side in input pixels of the tiles that fit into memory; None if whole frames fit.

    Loads nothing. The result belongs in the job, because the bits depend on the tiles.
    """
    card = None if is_path(name) else cards.resolve(name)
    halo = card.halo if card else _UNKNOWN_HALO
    need = card.bytes_per_pixel if card else _UNKNOWN_BYTES_PER_PIXEL
    if card and _by_winograd(card, device):
        need = WINOGRAD[card.architecture]
    return tiling.tile_for(_memory(device, resources), need, halo, width, height)


def operations(name: str) -> int:
    """Multiplications per input pixel of a model, approximately."""
    return _UNKNOWN_OPERATIONS if is_path(name) else cards.resolve(name).operations


def _memory(device: Device, resources: Resources) -> int:
    """Bytes of memory that one of several concurrent calls may take."""
    if device.kind == "cuda":
        import torch

        return int(torch.cuda.mem_get_info(device.index)[0]) // 2
    if device.kind == "vulkan":
        import ncnn

        return int(ncnn.get_gpu_device(device.index).get_heap_budget()) << 20
    return resources.memory // resources.threads


def _by_winograd(card: cards.Card, device: Device) -> bool:
    """Whether our own convolutions run the network of this card."""
    # On Vulkan, drafts run on the CPU: they take milliseconds, and the frames are there already.
    kinds = ("cpu", "vulkan") if card.kind == "draft" else ("cpu",)
    if device.kind not in kinds or card.architecture not in WINOGRAD:
        return False
    return card.architecture == "Compact" or any(name.endswith(".param") for name in card.files)


def _own(paths: tuple[Path, ...]) -> Backend:
    from videnhance.inference.winograd.network import load_winograd

    return load_winograd(_first(paths))


def _first(paths: tuple[Path, ...]) -> Path:
    """The `.param` file of an ncnn pair, whose `.bin` lies beside it; else the first file."""
    return next((path for path in paths if path.suffix.lower() == ".param"), paths[0])


def _backend(paths: tuple[Path, ...], device: Device) -> Backend:
    first = _first(paths)
    if first.suffix.lower() == ".param" and device.kind != "cuda":
        from videnhance.inference.ncnn_backend import NcnnNetwork

        return NcnnNetwork(first, first.with_suffix(".bin"), device)
    if device.kind == "vulkan":
        raise UsageError(
            f"{first.name} cannot run on Vulkan; use --device cpu or cuda, or an ncnn model."
        )
    from videnhance.inference.torch_backend import load_torch

    return load_torch(first, device)
