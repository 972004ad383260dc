"""Try a job out: its plan, the space it needs and the time it will take, without making it."""

from __future__ import annotations

import shutil
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

from videnhance.core import Frame, Runtime, UsageError
from videnhance.engine.chain import chain, runtime
from videnhance.engine.enhance import DownloadNotice, Listener
from videnhance.engine.events import Event, Phase, Warned
from videnhance.engine.plan import Plan, check_output, make_plan
from videnhance.job import settings, sort_options
from videnhance.media.decode import Decoder
from videnhance.media.encode import SegmentEncoder
from videnhance.media.source import is_url
from videnhance.pipeline import Consumer, Meter, Stop, Workers

_FRAMES = 12
_SECONDS = 30.0  # enough is known after so long, whatever the number of frames


@dataclass(frozen=True)
class Preview:
    """A plan, and estimates from the `measured` first frames."""

    plan: Plan
    measured: int
    seconds_per_frame: float
    space_needed: int
    """Bytes: the segments and the output are there at once for a moment."""
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
    listener: Listener = lambda event: None,
    stop: Stop | None = None,
    **options: Any,
) -> Preview:
    """Plan a job as `enhance` would and measure it on a few frames; nothing is kept on disk.

    The arguments and errors are those of `enhance`. Standard input cannot be previewed, since
    it can be read only once.
    """
    stop = stop or Stop()
    source, output = str(source), Path(output)
    wanted = settings(preset, sort_options(options))
    if source == "-":
        raise UsageError("Standard input can be read only once; try a file out instead.")
    check_output(source, output, overwrite)
    told: set[str] = set()

    def tell(event: Event) -> None:
        if isinstance(event, Warned):
            if event.message in told:
                return
            told.add(event.message)
        listener(event)

    plan = make_plan(
        source,
        output,
        wanted,
        device_wish=device,
        drop_unsupported=drop_unsupported,
        downloading=DownloadNotice(tell),
        stop=stop.check,
    )
    for message in plan.warnings:
        tell(Warned(message))
    tell(Phase("measure"))
    count, seconds, size = _measure(plan, stop, lambda text: tell(Warned(text)))
    video = size * plan.frames // max(count, 1)
    copied = Path(source).stat().st_size if plan.source.others and not is_url(source) else 0
    needed = 2 * video + copied
    free = shutil.disk_usage(output.absolute().parent).free
    if needed > free:
        tell(
            Warned(f"About {needed >> 20} MiB are needed beside the output, {free >> 20} are free.")
        )
    return Preview(plan, count, seconds, needed, free)


def _measure(plan: Plan, stop: Stop, warn: Callable[[str], None]) -> tuple[int, float, int]:
    """Frames made, seconds for each, and bytes of all of them encoded."""
    job, meter = plan.job, Meter()
    # Stages that look ahead work on many frames before one comes out, so that all who were begun
    # must be waited for; a few more are no matter beside.
    count = _FRAMES + sum(stage.lookahead for stage in job.stages)
    with tempfile.TemporaryDirectory(prefix="videnhance-") as folder:
        path = Path(folder, "sample.mkv")
        made = 0
        encoder = SegmentEncoder(path, job.encoding, job.clip, plan.timeline.rate)
        with (
            Decoder(plan.source, plan.timeline) as decoder,
            Workers("enhance", meter, stop) as workers,
            Consumer(encoder.write, 2, "encode", meter, stop, encoder.finish) as writing,
        ):
            rt = runtime(plan.device, job.tiles, workers.map, warn)
            _load_models(plan, rt)
            began = time.monotonic()
            frames = islice(_frames(decoder, plan), count)
            for frame in chain(frames, plan.source.clip, job.stages, rt):
                writing.put(frame)
                made += 1
                if time.monotonic() - began > _SECONDS and made > 2:
                    break
        seconds = time.monotonic() - began
        return made, seconds / max(made, 1), path.stat().st_size


def _load_models(plan: Plan, rt: Runtime) -> None:
    """So that loading is not measured."""
    clip = plan.source.clip
    for stage in plan.job.stages:
        for model in stage.models(clip):
            rt.network(model)
        clip = stage.output(clip)


def _frames(decoder: Decoder, plan: Plan) -> Iterator[Frame]:
    for segment in plan.timeline.segments:
        yield from (frame for frame, inside in decoder.frames(segment) if inside)
