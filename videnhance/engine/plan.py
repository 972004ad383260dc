"""Plan a job: resolve every option, and check source, weights, container and memory."""

from __future__ import annotations

import math
import os
from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

from videnhance.core import ClipInfo, ResourceError, UsageError
from videnhance.engine.look import FRAMES, LazyLook
from videnhance.engine.resolving import Downloading, ResolvedStages, resolve_stages
from videnhance.engine.windows import most_ahead, whole_window, windows
from videnhance.inference import Device, Resources, select_device
from videnhance.job import Job, Settings, library_versions
from videnhance.media.assemble import (
    container_format,
    holding_formats,
    unsupported_streams,
)
from videnhance.media.declaration import sidecar
from videnhance.media.encode import carries_hdr, encoded_clip, resolve_encoding
from videnhance.media.matroska import MATROSKA_MUXERS
from videnhance.media.sample import sample_frames
from videnhance.media.source import SourceInfo, is_url, probe
from videnhance.media.timeline import Timeline, read_timeline

_FRAMES_IN_FLIGHT = 12  # generous estimate of the frames in queues and in work
_MOST_AHEAD = 12  # at most so many finished frames wait for an earlier one, if stages look ahead
_BYTES_PER_PIXEL = 3 * 4
_SEGMENT_OPERATIONS = 10**14
"""Limit on a segment's multiplications on a CPU: half an hour at 5·10^10 a second, the speed of two
cores without AVX-512. It is a constant, so that every machine cuts a job into the same segments."""
_FEWEST_FRAMES = 12
"""A segment's limit is never below so many frames: shorter ones leave little to reuse."""


@dataclass(frozen=True)
class Plan:
    """A job that is ready to run, and what planning found out about its source."""

    job: Job
    source: SourceInfo
    timeline: Timeline
    device: Device
    frames: int
    """Estimated number of frames in the output."""
    warnings: tuple[str, ...]

    @property
    def enhanced(self) -> int:
        """Estimated number of frames that the stages make, prerolls and postrolls included."""
        first = windows(self.job.stages)[0]
        around = (len(self.timeline.segments) - 1) * (first.preroll + first.postroll)
        return self.frames + math.ceil(around * self.frames / max(self.timeline.frames, 1))


def check_output(source: str, output: Path, overwrite: bool) -> None:
    """Raise UsageError when the output must not or cannot be written."""
    if output.is_dir():
        raise UsageError(f"{output} is a folder; name a file in it.")
    container_format(output)
    folder = output.parent
    if not folder.is_dir():
        raise UsageError(f"The folder {folder} does not exist; make it first.")
    if not os.access(folder, os.W_OK):
        raise UsageError(f"The folder {folder} is read-only; choose another output.")
    if output.exists():
        is_file = source != "-" and not is_url(source) and Path(source).exists()
        if is_file and output.samefile(source):
            raise UsageError(f"{output} is the source itself; choose another output.")
    if not overwrite:
        for path in (output, sidecar(output)):
            if path.exists():
                raise UsageError(f"{path} exists; give --overwrite to replace it.")


def make_plan(
    source_path: str,
    output: Path,
    settings: Settings,
    resources: Resources,
    *,
    device_wish: str = "auto",
    drop_unsupported: bool = False,
    downloading: Downloading | None = None,
    stop: Callable[[], None] = lambda: None,
) -> Plan:
    """Demux the source, resolve every option, check weights and container. Writes nothing.

    `stop` is called often and may raise. Raises UsageError, InputError or ResourceError.
    """
    muxer = container_format(output)
    source = probe(source_path)
    device = select_device(device_wish)
    look = LazyLook(lambda: sample_frames(source, FRAMES, stop))
    resolved = resolve_stages(settings, source.clip, device, resources, look, downloading)
    size = (resolved.clip.width, resolved.clip.height)
    warnings = list(source.warnings)
    encoding = resolve_encoding(settings.encode, source, size, warnings.append, muxer)
    clip = encoded_clip(resolved.clip, encoding)
    _check_memory(clip, most_ahead(resolved.stages), resources)
    if (source.hdr.mastering or source.hdr.light) and not carries_hdr(encoding):
        raise UsageError(
            f"{encoding.encoder} cannot carry the HDR metadata of this source; use --codec x265."
        )
    dropped = _dropped(source, output, muxer, drop_unsupported, warnings)
    timeline = read_timeline(
        source, whole_window(resolved.stages).preroll, stop, _most_frames(device, resolved)
    )
    _check_closeness(timeline.closest / max(resolved.ratio, Fraction(1)), output, muxer)
    if not timeline.stamps:
        warnings.append(
            "The source has no timestamps; its frames are timed at "
            f"{float(timeline.rate):.3f} per second."
        )
    job = Job(
        source=source_path,
        fingerprint=timeline.fingerprint,
        output=str(output),
        muxer=muxer,
        dropped=dropped,
        drop_unsupported=drop_unsupported,
        libraries=library_versions(),
        device=device.kind,
        stages=resolved.stages,
        asked=settings.asked,
        encoding=encoding,
        clip=clip,
        ticks=resolved.ticks,
        rate=timeline.rate * resolved.ratio,
        models=resolved.models,
        tiles=resolved.tiles,
        found=resolved.found,
        segments=timeline.segments,
    )
    frames = math.ceil(timeline.frames * resolved.ratio)
    return Plan(job, source, timeline, device, frames, tuple(warnings))


def _check_memory(clip: ClipInfo, ahead: int, resources: Resources) -> None:
    """Raise ResourceError if the output's frames alone take more memory than the job may."""
    held = _FRAMES_IN_FLIGHT + min(ahead, _MOST_AHEAD)
    need = clip.width * clip.height * _BYTES_PER_PIXEL * held
    if need > resources.memory:
        raise ResourceError(
            f"Frames of {clip.width}x{clip.height} need about {need >> 20} MiB of memory, and the "
            f"job may take {resources.memory >> 20} MiB; choose a smaller --scale or give more "
            "with --memory."
        )


def _check_closeness(closest: Fraction, output: Path, muxer: str) -> None:
    """Raise UsageError if Matroska's milliseconds cannot tell two frames apart."""
    if muxer in MATROSKA_MUXERS and closest * 1000 < 1:
        raise UsageError(
            f"Frames of this output lie {float(closest) * 1000:.3f} ms apart, closer than "
            f"{output.suffix} can tell apart; write .mp4 instead."
        )


def _most_frames(device: Device, resolved: ResolvedStages) -> int | None:
    """The most frames that a segment may have, None for no limit of its own.

    The limit lets an interrupted run lose minutes of work, not hours.
    """
    if device.kind != "cpu" or not resolved.operations:
        return None
    return max(_FEWEST_FRAMES, _SEGMENT_OPERATIONS // resolved.operations)


def _dropped(
    source: SourceInfo, output: Path, muxer: str, allowed: bool, warnings: list[str]
) -> tuple[int, ...]:
    refused = unsupported_streams(source, muxer)
    if not refused:
        return ()
    names = ", ".join(str(stream) for stream in refused)
    if allowed:
        warnings.append(f"Left out, since {output.suffix} cannot hold it: {names}.")
        return tuple(stream.index for stream in refused)
    endings = holding_formats(source)
    if endings:
        name = "Matroska (.mkv)" if ".mkv" in endings else endings[0]
        remedy = f"write {name} instead, or give --drop-unsupported to leave out what it cannot"
    else:
        remedy = "give --drop-unsupported to leave out what it cannot"
    raise UsageError(f"{output.suffix} cannot hold stream {names}; {remedy}.")
