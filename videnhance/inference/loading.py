"""Turn the name of a model, or the path of a weight file, into a model ready to run.

On the CPU the networks that `winograd` knows run there, which is fastest, other ncnn files in
ncnn, and all else in PyTorch; on Vulkan everything runs in ncnn, on CUDA in PyTorch.
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
"""For networks without a card: what the heaviest known one takes."""

_log = logging.getLogger(__name__)


def is_path(name: str) -> bool:
    """Whether a model's name means a weight file rather than a card."""
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

    `scale` chooses among a family's cards; `tile` is what `plan_tile` gave for this job; `threads`
    are those that will call it, None for as many as there are cores. Weights that are missing are
    downloaded, which `progress` hears of. Raises UsageError, InputError or ResourceError, each
    saying what to do.
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
    """Side of the tiles, in input pixels, that fit into the memory given; None for whole frames.

    Loads nothing. The answer belongs into the job: the same tiles give the same bits.
    """
    card = None if is_path(name) else cards.resolve(name)
    halo = card.halo if card else _UNKNOWN_HALO
    need = card.bytes_per_pixel if card else _UNKNOWN_BYTES_PER_PIXEL
    if card and _by_winograd(card, device):
        need = WINOGRAD[card.architecture]
    return tiling.tile_for(_memory(device, resources), need, halo, width, height)


def operations(name: str) -> int:
    """Multiplications that a model takes for each input pixel, about."""
    return _UNKNOWN_OPERATIONS if is_path(name) else cards.resolve(name).operations


def _memory(device: Device, resources: Resources) -> int:
    """Bytes that one of the calls at once may take."""
    if device.kind == "cuda":
        import torch

        return int(torch.cuda.mem_get_info(device.index)[0]) // 2
    if device.kind == "vulkan":
        import ncnn

        return int(ncnn.get_gpu_device(device.index).get_heap_budget()) << 20
    return resources.memory // resources.threads


def _by_winograd(card: cards.Card, device: Device) -> bool:
    """Whether our own convolutions run it; files without a card may differ from what they know."""
    # On Vulkan drafts run on the CPU, where they take milliseconds and the frames lie.
    kinds = ("cpu", "vulkan") if card.kind == "draft" else ("cpu",)
    if device.kind not in kinds or card.architecture not in WINOGRAD:
        return False
    return card.architecture == "Compact" or any(name.endswith(".param") for name in card.files)


def _own(paths: tuple[Path, ...]) -> Backend:
    from videnhance.inference.winograd.network import load_winograd

    return load_winograd(_first(paths))


def _first(paths: tuple[Path, ...]) -> Path:
    """Of a pair the `.param`, beside which the other half lies."""
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
