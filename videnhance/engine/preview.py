"""Preview a job: its plan, and estimates of the time and disk space that it needs."""

from __future__ import annotations

import shutil
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np

from videnhance.core import Frame, Runtime, UsageError
from videnhance.engine.chain import chain, runtime
from videnhance.engine.events import Phase
from videnhance.engine.plan import Plan
from videnhance.engine.request import Listener, Request, Teller
from videnhance.engine.windows import most_ahead
from videnhance.kernels.motion import one_opencv_thread
from videnhance.media.decode import Decoder
from videnhance.media.encode import SegmentEncoder
from videnhance.media.source import is_url
from videnhance.pipeline import Consumer, Meter, Stop, Workers

_FRAMES = 12
_TRIAL = 64
"""Side in pixels of the frames that are made only to have everything compiled."""
_SECONDS = 30.0
"""Measuring ends after so many seconds, if at least `_FRAMES` frames have come out."""


@dataclass(frozen=True)
class Preview:
    """A plan, and estimates from the first `measured` frames."""

    plan: Plan
    measured: int
    seconds_per_frame: float
    space_needed: int
    """Bytes on disk. The segments and the output exist at the same time for a moment."""
    space_free: int

    @property
    def seconds(self) -> float:
        """Estimated time for all frames."""
        return self.seconds_per_frame * self.plan.enhanced


def preview(
    source: str | Path,
    output: str | Path,
    *,
    preset: str | None = None,
    device: str = "auto",
    overwrite: bool = False,
    drop_unsupported: bool = False,
    threads: int | None = None,
    memory: float | None = None,
    listener: Listener = lambda event: None,
    stop: Stop | None = None,
    **options: Any,
) -> Preview:
    """Plan a job as `enhance` would and measure it on a few frames; nothing is kept on disk.

    The arguments and errors are those of `enhance`. Standard input cannot be previewed, since
    it can be read only once.
    """
    stop, teller = stop or Stop(), Teller(listener)
    request = Request.of(
        source,
        output,
        options,
        preset=preset,
        device=device,
        overwrite=overwrite,
        drop_unsupported=drop_unsupported,
        threads=threads,
        memory=memory,
    )
    if request.source == "-":
        raise UsageError("Standard input can be read only once; try a file out instead.")
    plan = request.plan(request.source, teller, stop)
    for message in plan.warnings:
        teller.warn(message)
    teller(Phase("measure"))
    count, seconds, size = _measure(plan, request.resources.threads, stop, teller.warn)
    video = size * plan.frames // max(count, 1)
    copied = (
        Path(request.source).stat().st_size
        if plan.source.others and not is_url(request.source)
        else 0
    )
    needed = 2 * video + copied
    free = shutil.disk_usage(request.output.absolute().parent).free
    if needed > free:
        teller.warn(
            f"About {needed >> 20} MiB are needed beside the output, {free >> 20} are free."
        )
    return Preview(plan, count, seconds, needed, free)


def _measure(
    plan: Plan, threads: int, stop: Stop, warn: Callable[[str], None]
) -> tuple[int, float, int]:
    """Return the number of frames made, seconds per frame, and bytes of all frames encoded."""
    job, meter = plan.job, Meter()
    # A stage that looks ahead works on many frames before the first comes out. Measure them all:
    # otherwise the time spent on them would be charged to the few that have come out.
    count = _FRAMES + most_ahead(job.stages)
    with tempfile.TemporaryDirectory(prefix="videnhance-") as folder:
        path = Path(folder, "sample.mkv")
        made = 0
        encoder = SegmentEncoder(path, job.encoding, job.clip, job.rate)
        with (
            one_opencv_thread(),
            Decoder(plan.source, plan.timeline, job.ticks) as decoder,
            Workers("enhance", meter, stop) as workers,
            Consumer(encoder.write, 2, "encode", meter, stop, encoder.finish) as writing,
        ):
            rt = runtime(plan.device, job.tiles, workers.map, warn, threads=threads)
            _load_models(plan, rt)
            _compile(plan, rt)
            began = time.monotonic()
            frames = islice(_frames(decoder, plan), count)
            for frame in chain(frames, job.entering(plan.source.clip), job.stages, rt):
                writing.put(frame)
                made += 1
                if time.monotonic() - began > _SECONDS and made >= _FRAMES:
                    break
        seconds = time.monotonic() - began
        return made, seconds / max(made, 1), path.stat().st_size


def _load_models(plan: Plan, rt: Runtime) -> None:
    """Load the networks now, so that loading is not measured."""
    clip = plan.source.clip
    for stage in plan.job.stages:
        for model in stage.models(clip):
            rt.network(model)
        clip = stage.output(clip)


def _compile(plan: Plan, rt: Runtime) -> None:
    """Make three small frames, so that compiling is not measured either."""
    clip = replace(plan.job.entering(plan.source.clip), width=_TRIAL, height=_TRIAL)
    image = np.full((3, _TRIAL, _TRIAL), 0.5, np.float32)
    image[:, :, _TRIAL // 2 :] = 0.6
    trial = (Frame(image, number, 1, number) for number in range(3))
    for _ in chain(trial, clip, plan.job.stages, rt):
        pass


def _frames(decoder: Decoder, plan: Plan) -> Iterator[Frame]:
    for segment in plan.timeline.segments:
        yield from (frame for frame, inside in decoder.frames(segment) if inside)
