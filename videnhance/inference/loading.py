"""Turn the name of a model, or the path of a weight file, into a model ready to run.

On the CPU the networks that `winograd` knows run there, which is fastest, other ncnn files in
ncnn, and all else in PyTorch; on Vulkan everything runs in ncnn, on CUDA in PyTorch.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path

from videnhance.core import InputError, Model, UsageError
from videnhance.inference import cards, tiling, weights
from videnhance.inference.devices import Device, usable_cores
from videnhance.inference.enlarger import Enlarger
from videnhance.inference.network import Network
from videnhance.inference.winograd import BYTES_PER_PIXEL as WINOGRAD
from videnhance.resources import folder

_SUFFIXES = (".param", ".pth", ".safetensors")
_UNKNOWN_HALO = 40
_STUDENT_HALO = 10
"""At least as many as their convolutions."""
_UNKNOWN_BYTES_PER_PIXEL = 56_000
"""For networks without a card: what the heaviest known one takes."""

_log = logging.getLogger(__name__)


def is_path(name: str) -> bool:
    """Whether a model's name means a weight file rather than a card."""
    return Path(name).suffix.lower() in _SUFFIXES


def load_model(
    name: str,
    *,
    device: Device,
    scale: float | None = None,
    tile: int | None = None,
    warn: Callable[[str], None] = _log.warning,
    progress: weights.Progress | None = None,
) -> Model:
    """Load a model by card id, family name or path of a weight file.

    `scale` chooses among a family's cards; `tile` is what `plan_tile` gave for this job. Weights
    that are missing are downloaded, which `progress` hears of. Raises UsageError, InputError or
    ResourceError, each saying what to do.
    """
    if is_path(name):
        path = Path(name).expanduser()
        if not path.is_file():
            raise InputError(f"There is no weight file {path}; check the path.")
        network = _network((path,), device)
        return Enlarger(path.name, network, halo=_UNKNOWN_HALO, tile=tile, warn=warn)
    card = cards.resolve(name, scale)
    paths = weights.obtain(card, progress=progress)
    network = _own(paths) if _by_winograd(card, device) else _network(paths, device)
    return Enlarger(
        card.id,
        network,
        halo=card.halo,
        reach=card.reach,
        faithful=card.faithful,
        tile=tile,
        warn=warn,
    )


def load_student(
    name: str,
    *,
    device: Device,
    scale: float | None = None,
    tile: int | None = None,
    warn: Callable[[str], None] = _log.warning,
) -> Model | None:
    """Load the tiny network that imitates the model `load_model` would give; None without one.

    On Vulkan it runs on the CPU too: there it takes milliseconds, and the frames lie there. Its
    `id` is the card's and ` student`. Raises InputError where its file is damaged.
    """
    card = None if is_path(name) else cards.resolve(name, scale)
    if card is None or card.student is None:
        return None
    path = folder("models") / card.student.file
    if not path.is_file() or weights.sha256(path) != card.student.sha256:
        raise InputError(
            f"The weight file {path}, a part of videnhance, is missing or damaged; "
            "install videnhance again."
        )
    network = _network((path,), device) if device.kind == "cuda" else _own((path,))
    return Enlarger(f"{card.id} student", network, halo=_STUDENT_HALO, tile=tile, warn=warn)


def plan_tile(
    name: str, width: int, height: int, *, device: Device, scale: float | None = None
) -> int | None:
    """Side of the tiles, in input pixels, that fit into the memory free now; None for whole frames.

    Loads nothing. The answer belongs into the job: the same tiles give the same bits.
    """
    card = None if is_path(name) else cards.resolve(name, scale)
    halo = card.halo if card else _UNKNOWN_HALO
    need = card.bytes_per_pixel if card else _UNKNOWN_BYTES_PER_PIXEL
    if card and _by_winograd(card, device):
        need = WINOGRAD[card.architecture]
    return tiling.tile_for(_memory(device), need, halo, width, height)


def _memory(device: Device) -> int:
    """Bytes that one of the calls at once may take."""
    if device.kind == "cuda":
        import torch

        return int(torch.cuda.mem_get_info(device.index)[0]) // 2
    if device.kind == "vulkan":
        import ncnn

        return int(ncnn.get_gpu_device(device.index).get_heap_budget()) << 20
    return tiling.free_memory() // usable_cores()


def _by_winograd(card: cards.Card, device: Device) -> bool:
    """Whether our own convolutions run it; files without a card may differ from what they know."""
    if device.kind != "cpu" or card.architecture not in WINOGRAD:
        return False
    return card.architecture == "Compact" or any(name.endswith(".param") for name in card.files)


def _own(paths: tuple[Path, ...]) -> Network:
    from videnhance.inference.winograd.network import load_winograd

    return load_winograd(_first(paths))


def _first(paths: tuple[Path, ...]) -> Path:
    """Of a pair the `.param`, beside which the other half lies."""
    return next((path for path in paths if path.suffix.lower() == ".param"), paths[0])


def _network(paths: tuple[Path, ...], device: Device) -> Network:
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
