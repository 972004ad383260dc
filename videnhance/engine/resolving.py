"""Resolve the options of all stages, and provide the networks that they need."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path

from videnhance.core import ClipInfo, InputError, Stage
from videnhance.engine.look import LazyLook
from videnhance.inference import Device, Resources, cards, plan_tile, weights
from videnhance.inference.loading import is_path, operations
from videnhance.job import Settings
from videnhance.options import refuse_ignored

Downloading = Callable[[str, int, int | None], None]

_SCALE_OF_FILES = 2
"""Scale assumed for a weight file without a card, which is not opened before the job runs."""


@dataclass(frozen=True)
class ResolvedStages:
    """Stages with every option decided, and what follows from them."""

    stages: tuple[Stage, ...]
    clip: ClipInfo
    """What comes out of the last stage."""
    ticks: int
    """Ticks of the job's time base per tick of the source's."""
    ratio: Fraction
    """Output frames per source frame."""
    models: dict[str, dict[str, str]]
    """The sha256 of every weight file, by model and file name."""
    operations: int
    """Multiplications per frame, if every network sees the whole frame."""
    tiles: dict[str, int]
    """By model, the side of the tiles that fit into memory; no entry if whole frames fit."""
    found: dict[str, str]
    """By option, what was decided by looking at the recording, and why."""


def resolve_stages(
    settings: Settings,
    clip: ClipInfo,
    device: Device,
    resources: Resources,
    look: LazyLook,
    downloading: Downloading | None = None,
) -> ResolvedStages:
    """Resolve the user's settings for a clip and a device, and download missing weights.

    Stages with nothing to do are left out. `look` shows frames of the recording to stages that ask
    for them. Raises UsageError, InputError or ResourceError.
    """
    stages: list[Stage] = []
    models: dict[str, dict[str, str]] = {}
    tiles: dict[str, int] = {}
    work = 0
    look.keeps_noise = any(stage.keeps_noise for stage in settings.stages)
    for asked in settings.stages:
        stage = asked.resolve(clip, device.kind, look)
        refuse_ignored(asked, stage, settings.asked.get(stage.name, {}))
        if not stage.on(clip):
            continue
        stages.append(stage)
        after = stage.output(clip)
        for model in stage.models(clip):
            models[model] = _digests(model, downloading)
            width, height = _largest_input(model, clip, after)
            work += operations(model) * width * height
            tile = plan_tile(model, width, height, device=device, resources=resources)
            if tile is not None:
                tiles[model] = tile
        clip = after
    ticks = math.prod(stage.timing.ticks for stage in stages)
    ratio = math.prod((stage.timing.ratio for stage in stages), start=Fraction(1))
    clip = replace(clip, time_base=clip.time_base / ticks)
    return ResolvedStages(
        tuple(stages), clip, ticks, ratio, models, work, tiles, dict(look.reasons)
    )


def _largest_input(model: str, clip: ClipInfo, after: ClipInfo) -> tuple[int, int]:
    """Width and height of the largest image that a network sees.

    If it runs in several passes, the last one ends at the output's size.
    """
    scale = _SCALE_OF_FILES if is_path(model) else cards.resolve(model).scale
    return (
        max(clip.width, math.ceil(after.width / scale)),
        max(clip.height, math.ceil(after.height / scale)),
    )


def _digests(model: str, downloading: Downloading | None) -> dict[str, str]:
    if not is_path(model):
        card = cards.resolve(model)
        return {p.name: weights.sha256(p) for p in weights.obtain(card, progress=downloading)}
    path = Path(model).expanduser()
    if not path.is_file():
        raise InputError(f"There is no weight file {path}; check the path.")
    files = [path]
    if path.suffix.lower() == ".param":
        files.append(path.with_suffix(".bin"))
    return {file.name: weights.sha256(file) for file in files if file.is_file()}
