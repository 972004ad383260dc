"""Frames through stages, without files: what the engine and people with frames of their own use."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Any

from videnhance.core import ClipInfo, Frame, Runtime, Stage
from videnhance.inference import load_model, select_device
from videnhance.inference.runtime import JobRuntime
from videnhance.job import settings, sort_options
from videnhance.pipeline import Meter, Stop, Workers


def chain(
    frames: Iterator[Frame], clip: ClipInfo, stages: Sequence[Stage], rt: Runtime
) -> Iterator[Frame]:
    """Send frames through settled stages, lazily."""
    for stage in stages:
        frames = stage.run(frames, clip, rt)
        clip = stage.output(clip)
    return frames


def enhance_frames(
    frames: Iterator[Frame],
    clip: ClipInfo,
    *,
    preset: str | None = None,
    device: str = "auto",
    warn: Callable[[str], None] = lambda message: None,
    **options: Any,
) -> Iterator[Frame]:
    """Enhance frames of one's own: the iterator underneath `enhance`, without files.

    `clip` describes the frames; `options` are those of the stages. Frames come out in order,
    as many and with the same pts as went in.
    """
    chosen = select_device(device)
    wanted = settings(preset, sort_options(options))
    stages = []
    running = clip
    for stage in wanted.stages:
        stages.append(stage.settle(running, chosen.kind))
        running = stages[-1].output(running)
    with Workers("stages", Meter(), Stop()) as workers:
        rt = JobRuntime(
            load=partial(load_model, device=chosen, warn=warn), mapping=workers.map, warn=warn
        )
        yield from chain(frames, clip, stages, rt)
