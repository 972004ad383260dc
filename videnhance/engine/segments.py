"""Make segments of a job: decode, enhance and encode at once, each segment to its own file."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import Self

from videnhance.core import ClipInfo, Frame, InputError
from videnhance.engine.chain import chain, runtime
from videnhance.engine.events import Progress
from videnhance.engine.notes import Notebook
from videnhance.engine.windows import Borders, whole_window
from videnhance.engine.work import FinishedSegment, WorkFolder
from videnhance.inference import Device, Resources, select_device
from videnhance.job import Job
from videnhance.kernels.motion import one_opencv_thread
from videnhance.media.decode import Decoder
from videnhance.media.encode import SegmentEncoder
from videnhance.media.source import SourceInfo, probe
from videnhance.media.timeline import Timeline, read_timeline
from videnhance.pipeline import Consumer, Meter, Producer, Stop, Workers

_DECODED_AHEAD = 4
_ENCODED_BEHIND = 4
_SPEED_WINDOW = 30.0  # seconds over which the speed for the ETA is averaged


def run_segment(
    job: Job, index: int, folder: Path, resources: Resources, session: Session | None = None
) -> FinishedSegment:
    """Make one segment of a job in its work folder, even if it is there already.

    The result depends only on the arguments and the source: the bytes are the same in whichever
    process it runs. A `session` of the same job saves opening the source and loading the networks
    again, and reports progress. Without one, everything is closed at the end.

    Raises InputError if the source cannot be read or has changed since the job was planned,
    ResourceError if memory or disk space runs out, and Interrupted if the session was stopped.
    """
    if session is None:
        with Session.of(job, resources) as own:
            return run_segment(job, index, folder, resources, own)
    return session.make(index, WorkFolder(folder))


class Session:
    """The open source, networks and threads that the segments of a job share in one process.

    A context manager. While it is open, OpenCV uses one thread per call.
    """

    def __init__(
        self,
        job: Job,
        source: SourceInfo,
        timeline: Timeline,
        device: Device,
        resources: Resources,
        *,
        stop: Stop | None = None,
        warn: Callable[[str], None] = lambda message: None,
        progress: Callable[[], None] = lambda: None,
    ) -> None:
        """`progress` is called for every frame that is made."""
        self.job, self.source, self.timeline = job, source, timeline
        self.device, self.resources = device, resources
        self.stop = stop or Stop()
        self.meter = Meter()
        self._progress = progress
        self._notebook = Notebook()
        self._stack = ExitStack()
        self._window = whole_window(job.stages)
        self._workers = Workers("enhance", self.meter, self.stop)
        self._runtime = runtime(
            device, job.tiles, self._workers.map, warn, self._notebook, resources.threads
        )
        self._decoder = Decoder(source, timeline, job.ticks)

    @classmethod
    def of(cls, job: Job, resources: Resources) -> Self:
        """Open the source of a job. Raises InputError if it has changed since the planning."""
        source = probe(job.source)
        timeline = read_timeline(source, whole_window(job.stages).preroll)
        if timeline.fingerprint != job.fingerprint:
            raise InputError(f"{job.source} has changed since the job was planned; plan it anew.")
        return cls(job, source, timeline, select_device(job.device), resources)

    def __enter__(self) -> Self:
        self._stack.enter_context(one_opencv_thread())
        self._stack.enter_context(self._workers)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        value: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if not self.stop.requested:
            # Not after a stop: closing a file that an abandoned thread still reads crashes FFmpeg.
            self._stack.enter_context(self._decoder)
        self._stack.__exit__(kind, value, traceback)

    @property
    def clip(self) -> ClipInfo:
        """The clip that enters the first stage."""
        return self.job.entering(self.source.clip)

    def make(self, index: int, work: WorkFolder) -> FinishedSegment:
        """Decode, enhance and encode one segment, and write its manifest."""
        borders = Borders()
        before = replace(self._decoder.decode_errors)
        output = _Output(self, work, index)
        with (
            Producer(
                self._decoder.frames(self.job.segments[index], *self._margins),
                _DECODED_AHEAD,
                "decode",
                self.meter,
                self.stop,
            ) as decoded,
            Consumer(
                output.write, _ENCODED_BEHIND, "encode", self.meter, self.stop, output.abandon
            ) as encoder,
        ):
            frames = borders.watched(decoded)
            for frame in chain(frames, self.clip, self.job.stages, self._runtime, borders):
                self.stop.check()
                encoder.put(frame)
                self._progress()
            encoder.put(None)
        lost = self._decoder.decode_errors.since(before)
        notes = self._notebook.take(borders.hold_time)
        return work.finish(index, output.encoder, borders, lost, notes)

    @property
    def _margins(self) -> tuple[int, int]:
        return self._window.preroll, self._window.postroll


class _Output:
    """A segment's file; written and closed on the encoder's thread."""

    def __init__(self, session: Session, work: WorkFolder, index: int) -> None:
        self._job = session.job
        self._path = work.segment_file(index)
        self.encoder: SegmentEncoder | None = None
        """None as long as no frame has come."""
        self._complete = False

    def write(self, frame: Frame | None) -> None:
        """Encode the next frame; None completes the file."""
        if frame is None:
            if self.encoder is not None:
                self.encoder.finish()
            self._complete = True
            return
        if self.encoder is None:
            self.encoder = SegmentEncoder(
                self._path, self._job.encoding, self._job.clip, self._job.rate
            )
        self.encoder.write(frame)

    def abandon(self) -> None:
        """Close the file of a segment that was not completed."""
        if self.encoder is not None and not self._complete:
            self.encoder.abandon()


class Speedometer:
    """Measures the recent frames per second, and estimates the remaining time from them.

    Counting begins at the first frame, so that loading and compiling networks, which happens only
    once, does not distort the estimate.
    """

    def __init__(self, total: int, before: int) -> None:
        """`before` are the frames of earlier runs."""
        self.made = 0
        """Frames of this run."""
        self._total, self._before = total, before
        self._marks: list[tuple[float, int]] = []

    def count(self) -> Progress:
        """Count one more frame, and return the progress."""
        self.made += 1
        now, done = time.monotonic(), self._before + self.made
        self._marks.append((now, done))
        while len(self._marks) > 2 and now - self._marks[1][0] > _SPEED_WINDOW:
            self._marks.pop(0)
        seconds, frames = now - self._marks[0][0], done - self._marks[0][1]
        fps = frames / seconds if seconds > 0 else 0.0
        total = max(self._total, done)
        return Progress(done, total, fps, (total - done) / fps if fps > 0 else None)
