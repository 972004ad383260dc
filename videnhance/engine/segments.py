"""Make the segments of a job: decode, enhance and encode at once, each segment to its own file."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace

from videnhance.core import Frame, ResourceError, Runtime
from videnhance.engine.chain import chain, runtime
from videnhance.engine.events import Event, Progress, Warned
from videnhance.engine.notes import Notebook, Notes
from videnhance.engine.plan import Plan
from videnhance.engine.work import Finished, WorkFolder
from videnhance.media.decode import Decoder
from videnhance.media.encode import SegmentEncoder
from videnhance.media.source import DecodeErrors
from videnhance.media.timeline import Segment
from videnhance.pipeline import Consumer, Meter, Producer, Stop, Workers

_DECODED_AHEAD = 4
_ENCODED_BEHIND = 4
_SPEED_WINDOW = 30.0  # seconds over which the speed for the ETA is taken


@dataclass(frozen=True)
class _Begin:
    """The next segment's frames follow."""

    segment: Segment


@dataclass(frozen=True)
class _End:
    """A segment's frames are through; `decode_errors` is what its decoding cost."""

    decode_errors: DecodeErrors
    notes: Notes = field(default_factory=Notes)


_Decoded = _Begin | _End | tuple[Frame, bool]


class _Span:
    """The times of a segment's own frames, as far as these were seen."""

    def __init__(self) -> None:
        self._first: int | None = None
        self.beyond: int | None = None
        """The first behind them."""

    def see(self, pts: int, inside: bool) -> None:
        """Learn of a frame, preroll and postroll included, before it is enhanced."""
        if inside and self._first is None:
            self._first = pts
        if not inside and self._first is not None and self.beyond is None:
            self.beyond = pts

    def __contains__(self, pts: int) -> bool:
        if self._first is None or pts < self._first:
            return False
        return self.beyond is None or pts < self.beyond


class SegmentRunner:
    """Runs the segments of a job that are not finished yet."""

    def __init__(
        self,
        plan: Plan,
        work: WorkFolder,
        tell: Callable[[Event], None],
        stop: Stop,
    ) -> None:
        self.plan = plan
        self.job = plan.job
        self.work = work
        self.tell = tell
        self.stop = stop
        self.meter = Meter()
        self.computed = 0
        self.seconds = 0.0
        self._progress = _Speedometer(plan.frames)
        self._notebook = Notebook()
        self._encoder: SegmentEncoder | None = None
        self._segment: Segment | None = None

    def finished(self) -> dict[int, Finished]:
        """What earlier runs finished, by segment number."""
        found = ((s.index, self.work.finished(s.index)) for s in self.job.segments)
        return {index: segment for index, segment in found if segment is not None}

    def run(self, there: Mapping[int, Finished]) -> list[Finished]:
        """Make the missing segments; returns all of them in order."""
        done = dict(there)
        todo = [segment for segment in self.job.segments if segment.index not in done]
        before = sum(segment.frames for segment in done.values())
        self.tell(Progress(before, max(self.plan.frames, before), 0.0, None))
        began = time.monotonic()
        if todo:
            self._run(todo, before)
        self.seconds = time.monotonic() - began
        for segment in todo:
            made = self.work.finished(segment.index)
            if made is None:
                raise ResourceError(
                    f"Segment {segment.index} in {self.work.path} is not what was written; the "
                    "disk may be full or failing: free some space and run the same command again."
                )
            done[segment.index] = made
        return [done[segment.index] for segment in self.job.segments]

    def _run(self, todo: list[Segment], before: int) -> None:
        meter, stop = self.meter, self.stop
        with (
            Producer(self._decoded(todo), _DECODED_AHEAD, "decode", meter, stop) as decoded,
            Workers("enhance", meter, stop) as workers,
            Consumer(
                self._encode, _ENCODED_BEHIND, "encode", meter, stop, self._abandon
            ) as encoder,
        ):
            rt = runtime(self.plan.device, self.job.tiles, workers.map, self._warn, self._notebook)
            for item in decoded:
                if not isinstance(item, _Begin):
                    raise AssertionError(f"expected the beginning of a segment, got {item}")
                encoder.put(item)
                end = self._enhance(decoded, rt, encoder, before)
                encoder.put(end)

    def _warn(self, message: str) -> None:
        self.tell(Warned(message))

    def _decoded(self, todo: list[Segment]) -> Iterator[_Decoded]:
        """Everything to be decoded as one stream, so that a border costs no waiting.

        Opened and closed on the decoding thread: closing a file that another thread is reading
        crashes FFmpeg.
        """
        with Decoder(self.plan.source, self.plan.timeline) as decoder:
            for segment in todo:
                counted = replace(decoder.decode_errors)
                yield _Begin(segment)
                yield from decoder.frames(segment, self.plan.preroll, self.plan.postroll)
                yield _End(decoder.decode_errors.since(counted))

    def _enhance(
        self,
        decoded: Iterator[_Decoded],
        rt: Runtime,
        encoder: Consumer[_Begin | _End | Frame],
        before: int,
    ) -> _End:
        """Send one segment's frames through the stages; what lies around it is left out."""
        end: list[_End] = []
        span = _Span()

        def frames() -> Iterator[Frame]:
            for item in decoded:
                if isinstance(item, _End):
                    end.append(item)
                    return
                if isinstance(item, tuple):
                    frame, inside = item
                    span.see(frame.pts, inside)
                    yield frame

        for frame in chain(frames(), self.plan.source.clip, self.job.stages, rt):
            self.stop.check()
            if frame.pts not in span:
                continue
            encoder.put(frame)
            self.computed += 1
            self.tell(self._progress.report(before + self.computed))
        # With a preroll the next segment sees itself what its first frame is to the one before.
        beyond = None if self.plan.preroll else span.beyond
        return replace(end[0], notes=self._notebook.take(span.__contains__, beyond))

    def _encode(self, item: _Begin | _End | Frame) -> None:
        """Runs on the encoder's thread."""
        if isinstance(item, _Begin):
            self._segment, self._encoder = item.segment, None
        elif isinstance(item, Frame):
            if self._encoder is None:
                self._encoder = self._open_encoder()
            self._encoder.write(item)
        elif self._segment is not None:
            if self._encoder is not None:
                self._encoder.finish()
            self.work.finish(self._segment.index, self._encoder, item.decode_errors, item.notes)
            self._encoder = None

    def _abandon(self) -> None:
        """Close the file of a segment that was not finished; runs on the encoder's thread."""
        if self._encoder is not None:
            self._encoder.abandon()

    def _open_encoder(self) -> SegmentEncoder:
        index = self._segment.index if self._segment else 0
        path = self.work.segment_file(index)
        return SegmentEncoder(path, self.job.encoding, self.job.clip, self.plan.timeline.rate)


class _Speedometer:
    """Frames per second of late, and what that means for the rest.

    Counted from the first frame on: loading networks, or compiling what runs them, once, says
    nothing about the others.
    """

    def __init__(self, total: int) -> None:
        self.total = total
        self._marks: list[tuple[float, int]] = []

    def report(self, done: int) -> Progress:
        """What is known when that many frames are done, those of earlier runs included."""
        now = time.monotonic()
        self._marks.append((now, done))
        while len(self._marks) > 2 and now - self._marks[1][0] > _SPEED_WINDOW:
            self._marks.pop(0)
        seconds, frames = now - self._marks[0][0], done - self._marks[0][1]
        fps = frames / seconds if seconds > 0 else 0.0
        total = max(self.total, done)
        return Progress(done, total, fps, (total - done) / fps if fps > 0 else None)
