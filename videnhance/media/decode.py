"""Decode the frames of segments, each exactly once and with its exact time."""

from __future__ import annotations

from bisect import bisect_right
from collections import deque
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, replace
from fractions import Fraction
from types import TracebackType
from typing import Any, Self

import av
import av.filter

from videnhance.core import Frame, InputError
from videnhance.media.pixels import to_image
from videnhance.media.source import (
    DecodeErrors,
    SourceInfo,
    decode_packet,
    open_source,
    read_packets,
)
from videnhance.media.timeline import Segment, Timeline

_SEEK_BACK = (0, 1, 4, 16, 64)
"""How far before the seek point to seek, in seconds, one value after the other.

MPEG streams have no index, so a seek may end after its target.
"""


@dataclass(frozen=True)
class Picture:
    """A decoded frame before its conversion to RGB, with its place on the timeline."""

    frame: Any
    pts: int
    duration: int
    number: int
    """Number of the frame, counted from where decoding began."""


@dataclass(frozen=True)
class _Held:
    """A picture that was decoded but not yielded yet."""

    picture: Picture
    before: DecodeErrors
    """Decode errors counted until this picture, without its own damage or retiming."""


class Copies:
    """Copies frames, so that nobody holds memory of the decoder.

    A decoder reuses a frame's memory once nobody holds the frame. A damaged H.264 picture may show
    what that memory last contained, so the result would depend on which frames were held.
    """

    def __init__(self) -> None:
        self._form: tuple[int, int, str] | None = None

    def __call__(self, frame: Any) -> Any:
        """A copy of the frame in memory of its own."""
        form = (frame.width, frame.height, frame.format.name)
        if form != self._form:
            self._form, (width, height, name) = form, form
            graph = av.filter.Graph()
            graph.threads = 1
            # The filter does not change times, so any time base will do.
            source = graph.add_buffer(
                width=width, height=height, format=name, time_base=Fraction(1)
            )
            graph.link_nodes(source, graph.add("copy"), graph.add("buffersink")).configure()
            self._graph = graph
        self._graph.vpush(frame)
        return self._graph.vpull()


class Decoder:
    """Decodes segments of one source; use as a context manager.

    A segment always has the frames and decode errors that decoding from its seek point gives. If
    the decoder already came from that seek point and has not passed the segment, it goes on
    instead of seeking again. Pictures beyond a segment's end are held for the next one.
    """

    def __init__(self, source: SourceInfo, timeline: Timeline, ticks: int = 1) -> None:
        """Times of a `Frame` are those of the source multiplied by `ticks`."""
        self.ticks = ticks
        self.source = source
        self.timeline = timeline
        self.decode_errors = DecodeErrors()
        """Decode errors of the segments decoded so far, without those outside the segments."""
        self._seen = DecodeErrors()
        """Decode errors of everything decoded so far."""
        self._stack = ExitStack()
        self._pictures: Iterator[_Held] | None = None
        self._seek_point: int | None = None
        self._opened = DecodeErrors()
        """Copy of `_seen` from when decoding from the seek point began."""
        self._ahead: deque[_Held] = deque()
        self._tail: deque[Picture] = deque()
        """The last pictures taken, as many as a preroll needs."""
        self._last: Picture | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        value: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._close()

    def _close(self) -> None:
        self._pictures = None
        self._last = None
        self._ahead.clear()
        self._tail.clear()
        self._stack.close()

    def frames(
        self, segment: Segment, preroll: int = 0, postroll: int = 0
    ) -> Iterator[tuple[Frame, bool]]:
        """Frames of a segment as RGB, in order; the flag says whether a frame is inside.

        Up to `preroll` frames before the segment and up to `postroll` frames beyond it come with
        it, unless no frame is inside. Decode errors of the segment are added to
        `self.decode_errors`. Raises InputError if the picture's size changes, with the time at
        which it does.
        """
        for picture, inside in self.pictures(segment, preroll, postroll):
            yield self._to_frame(picture), inside

    def pictures(
        self, segment: Segment, preroll: int = 0, postroll: int = 0
    ) -> Iterator[tuple[Picture, bool]]:
        """As `frames`, before the conversion to RGB."""
        self._go_to(segment, preroll)
        if segment.start is not None:
            while self._next_before(segment.start):
                self._give_out(preroll)
        # Each decode error counts for exactly one segment: the count of a segment runs from its
        # first picture to the first one beyond it.
        before = self._opened if segment.start is None else self._seen_before_next()
        inside = self._next_before(segment.end) is not None
        if inside:
            self._shorten_tail(preroll)
            yield from ((earlier, False) for earlier in tuple(self._tail))
        while self._next_before(segment.end):
            yield self._give_out(preroll), True
        self.decode_errors.add(self._seen_before_next().since(before))
        for number in range(postroll if inside else 0):
            if (held := self._look_ahead(number)) is None:
                break
            yield held.picture, False

    def _position(self, picture: Picture) -> int:
        return picture.number if self.timeline.by_number else picture.pts

    def _look_ahead(self, number: int = 0) -> _Held | None:
        """The picture `number` places after the next one, without taking it; None at the end."""
        while len(self._ahead) <= number:
            held = next(self._pictures, None) if self._pictures else None
            if held is None:
                return None
            self._ahead.append(held)
        return self._ahead[number]

    def _next_before(self, position: int | None) -> _Held | None:
        """The next picture if it lies before `position`, else None.

        A `position` of None is the end of the file.
        """
        held = self._look_ahead()
        if held is None or position is None or self._position(held.picture) < position:
            return held
        return None

    def _seen_before_next(self) -> DecodeErrors:
        held = self._look_ahead()
        return held.before if held else replace(self._seen)

    def _give_out(self, preroll: int) -> Picture:
        self._last = picture = self._ahead.popleft().picture
        self._tail.append(picture)
        self._shorten_tail(preroll)
        return picture

    def _shorten_tail(self, length: int) -> None:
        while len(self._tail) > length:
            self._tail.popleft()

    def _go_to(self, segment: Segment, preroll: int) -> None:
        if self._is_on_the_way(segment, preroll):
            return
        self._close()
        self._seek_point = segment.seek_point
        self._opened = replace(self._seen)
        self._pictures = self._decode_from(segment)

    def _is_on_the_way(self, segment: Segment, preroll: int) -> bool:
        """Whether going on gives the same as decoding from the seek point, preroll included."""
        if self._pictures is None or self._seek_point != segment.seek_point:
            return False
        if self._last is None:
            return True
        if segment.start is None or self._position(self._last) >= segment.start:
            return False
        return len(self._tail) >= min(preroll, self._last.number + 1)

    def _decode_from(self, segment: Segment) -> Iterator[_Held]:
        container = self._stack.enter_context(open_source(self.source.path))
        stream: Any = container.streams[self.source.video]
        if segment.seek_point is not None and not self._seek(container, stream, segment.seek_point):
            # The index was wrong. Decoding from the beginning is slow but right.
            container = self._stack.enter_context(open_source(self.source.path))
            stream = container.streams[self.source.video]
        # No frame threads: with them, the pictures recovered from damaged packets may vary by run.
        stream.thread_type = "SLICE"
        return self._timed(self._decoded(container, stream))

    def _seek(self, container: Any, stream: Any, seek_point: int) -> bool:
        """Seek to a keyframe at the seek point or, if the container is inexact, before it.

        Returns False if none is found.
        """
        for seconds in _SEEK_BACK:
            try:
                target = seek_point - int(seconds / stream.time_base)
                container.seek(target, stream=stream, backward=True)
                packets = read_packets(container, stream, DecodeErrors())
                key = next((p for p in packets if p.is_keyframe and p.pts is not None), None)
                if key is not None and key.pts <= seek_point:
                    container.seek(target, stream=stream, backward=True)
                    return True
            except av.error.FFmpegError:
                return False
        return False

    def _decoded(self, container: Any, stream: Any) -> Iterator[tuple[Any, int | None]]:
        """Frames in presentation order, each with the time that the decoder gives it."""
        context = stream.codec_context
        copy = Copies()
        last = None
        for packet in read_packets(container, stream, self._seen):
            if packet.size == 0:
                # Theora and others say "show the last frame again" with an empty packet.
                if last is not None:
                    yield last, packet.pts
                continue
            for frame in decode_packet(context, packet, self._seen):
                last = copy(frame)
                yield last, frame.pts
        for frame in decode_packet(context, None, self._seen):
            yield copy(frame), frame.pts

    def _timed(self, decoded: Iterator[tuple[Any, int | None]]) -> Iterator[_Held]:
        """Give every frame a duration, and a time that is later than its predecessor's."""
        line = self.timeline
        usual = max(1, round(1 / (line.rate * line.time_base)))
        previous: int | None = None
        timed = False
        for number, (frame, stamp) in enumerate(decoded):
            before = replace(self._seen)
            if frame.is_corrupt:
                self._seen.corrupt_frames += 1
            timed = timed or stamp is not None
            pts = self._stamp(number, stamp, timed)
            duration = int(frame.duration or usual)
            if pts is None or (previous is not None and pts <= previous):
                self._seen.retimed += 1
                if previous is None:
                    pts = 0
                else:
                    pts = previous + (usual if pts is None else self._room(previous, usual))
            previous = pts
            yield _Held(Picture(frame, pts, duration, number), before)

    def _room(self, previous: int, usual: int) -> int:
        """Ticks from its predecessor at which to place a frame whose own time is taken.

        That is half way to the next frame. Even a container that counts milliseconds can tell the
        two apart there, and the next frame keeps its time.
        """
        stamps = self.timeline.stamps
        at = bisect_right(stamps, previous)
        gap = stamps[at] - previous if at < len(stamps) else usual
        return max(1, min(gap, usual) // 2)

    def _stamp(self, number: int, stamp: int | None, timed: bool) -> int | None:
        """The time of a frame, if it has one.

        `timed` says whether the decoder gave a time to this frame or an earlier one. Only streams
        without any times are counted from zero; others may begin elsewhere.
        """
        line = self.timeline
        if not line.stamps:
            return stamp if timed else round(number / (line.rate * line.time_base))
        if not self.source.ordered:
            return line.stamps[number] if number < len(line.stamps) else None
        return stamp

    def _to_frame(self, picture: Picture) -> Frame:
        check_size(self.source, picture)
        image = to_image(picture.frame, self.source.clip.colour)
        return Frame(
            image,
            self.ticks * picture.pts,
            self.ticks * picture.duration,
            self.timeline.number_of(picture.pts, picture.number),
        )


def check_size(source: SourceInfo, picture: Picture) -> None:
    """Raise InputError if a picture differs in size from the recording's first."""
    clip, frame = source.clip, picture.frame
    if (frame.width, frame.height) == (clip.width, clip.height):
        return
    at = float(picture.pts * clip.time_base)
    raise InputError(
        f"The picture of {source.path} changes from {clip.width}x{clip.height} to "
        f"{frame.width}x{frame.height} at {at:.3f} s; cut the recording there and work on the "
        "parts one by one."
    )
