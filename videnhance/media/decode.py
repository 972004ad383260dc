"""Decode the frames of segments, each exactly once and with its exact time."""

from __future__ import annotations

from bisect import bisect_right
from collections import deque
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, replace
from types import TracebackType
from typing import Any, Self

import av

from videnhance.core import Frame, InputError
from videnhance.media.pixels import to_image
from videnhance.media.source import (
    Losses,
    SourceInfo,
    decode_packet,
    open_source,
    read_packets,
)
from videnhance.media.timeline import Segment, Timeline

_SEEK_BACK = (0, 1, 4, 16, 64)
"""Seconds before the anchor to seek to, one after the other: MPEG streams have no index."""


@dataclass(frozen=True)
class Picture:
    """A decoded frame before its conversion to RGB, with its place on the timeline."""

    frame: Any
    pts: int
    duration: int
    number: int
    """Counted from where decoding began."""


class Decoder:
    """Decodes segments of one source; use as a context manager.

    Decoding a segment always gives the frames that decoding from its anchor gives, whether the
    decoder was sought there or, as an economy, was already on its way from there.
    """

    def __init__(self, source: SourceInfo, timeline: Timeline) -> None:
        self.source = source
        self.timeline = timeline
        self.losses = Losses()
        """What the segments decoded so far cost; what lay before their starts is not counted."""
        self._seen = Losses()
        self._stack = ExitStack()
        self._pictures: Iterator[Picture] | None = None
        self._anchor: int | None = None
        self._tail: deque[Picture] = deque()
        self._next: Picture | None = None

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
        self._next = None
        self._tail.clear()
        self._stack.close()

    def frames(self, segment: Segment, warmup: int = 0) -> Iterator[tuple[Frame, bool]]:
        """Frames of a segment as RGB; the flag is False for up to `warmup` frames before it.

        Losses on the way are added to `self.losses`. Raises InputError when the picture's
        size changes, with the time where it does.
        """
        for picture, inside in self.pictures(segment, warmup):
            yield self._to_frame(picture), inside

    def pictures(self, segment: Segment, warmup: int = 0) -> Iterator[tuple[Picture, bool]]:
        """As `frames`, before the conversion to RGB."""
        before = replace(self._seen)
        self._go_to(segment, warmup)
        inside = segment.start is None
        while (picture := self._next) is not None:
            position = self._position(picture)
            if segment.end is not None and position >= segment.end:
                break
            self._next = next(self._pictures, None) if self._pictures else None
            if segment.start is None or position >= segment.start:
                if not inside:
                    yield from ((earlier, False) for earlier in self._tail)
                    inside, before = True, replace(self._seen)
                yield picture, True
            if warmup:
                self._tail.append(picture)
                while len(self._tail) > warmup:
                    self._tail.popleft()
        self.losses.add(self._seen.since(before))

    def _position(self, picture: Picture) -> int:
        return picture.number if self.timeline.by_number else picture.pts

    def _go_to(self, segment: Segment, warmup: int) -> None:
        on_the_way = (
            self._pictures is not None
            and self._anchor == segment.anchor
            and self._next is not None
            and segment.start is not None
            and self._position(self._next) <= segment.start
            and (warmup == 0 or len(self._tail) >= min(warmup, self._next.number))
        )
        if on_the_way:
            return
        self._close()
        self._anchor = segment.anchor
        self._pictures = self._decode_from(segment)
        self._next = next(self._pictures, None)

    def _decode_from(self, segment: Segment) -> Iterator[Picture]:
        container = self._stack.enter_context(open_source(self.source.path))
        stream: Any = container.streams[self.source.video]
        if segment.anchor is not None and not self._seek(container, stream, segment.anchor):
            # The index lied: reading from the beginning is slow but right.
            container = self._stack.enter_context(open_source(self.source.path))
            stream = container.streams[self.source.video]
        # Slices only: with frame threads, what is saved of damaged packets may depend on chance.
        stream.thread_type = "SLICE"
        return self._timed(self._decoded(container, stream))

    def _seek(self, container: Any, stream: Any, anchor: int) -> bool:
        """Seek to a keyframe at the anchor or, where the container is inexact, before it.

        False when none comes up.
        """
        for seconds in _SEEK_BACK:
            try:
                target = anchor - int(seconds / stream.time_base)
                container.seek(target, stream=stream, backward=True)
                packets = read_packets(container, stream, Losses())
                key = next((p for p in packets if p.is_keyframe and p.pts is not None), None)
                if key is not None and key.pts <= anchor:
                    container.seek(target, stream=stream, backward=True)
                    return True
            except av.error.FFmpegError:
                return False
        return False

    def _decoded(self, container: Any, stream: Any) -> Iterator[tuple[Any, int | None]]:
        """Frames in presentation order with the time the decoder gives them."""
        context = stream.codec_context
        last = None
        for packet in read_packets(container, stream, self._seen):
            if packet.size == 0:
                # Theora and others say "show the last frame again" with an empty packet.
                if last is not None:
                    yield last, packet.pts
                continue
            for frame in decode_packet(context, packet, self._seen):
                last = frame
                yield frame, frame.pts
        for frame in decode_packet(context, None, self._seen):
            yield frame, frame.pts

    def _timed(self, decoded: Iterator[tuple[Any, int | None]]) -> Iterator[Picture]:
        """Give every frame a duration and a time after its predecessor's."""
        line = self.timeline
        usual = max(1, round(1 / (line.rate * line.time_base)))
        previous: int | None = None
        timed = False
        for number, (frame, stamp) in enumerate(decoded):
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
            yield Picture(frame, pts, duration, number)

    def _room(self, previous: int, usual: int) -> int:
        """How far behind its predecessor a frame goes whose own time is taken.

        Half way to the next frame, so that also a container that counts milliseconds can tell
        the two apart, and the next frame keeps its time.
        """
        stamps = self.timeline.stamps
        at = bisect_right(stamps, previous)
        gap = stamps[at] - previous if at < len(stamps) else usual
        return max(1, min(gap, usual) // 2)

    def _stamp(self, number: int, stamp: int | None, timed: bool) -> int | None:
        """The time of a frame; `timed` where the decoder has given this or an earlier one a time.

        Counting from zero is for streams without any; others may begin elsewhere.
        """
        line = self.timeline
        if not line.stamps:
            return stamp if timed else round(number / (line.rate * line.time_base))
        if not self.source.ordered:
            return line.stamps[number] if number < len(line.stamps) else None
        return stamp

    def _to_frame(self, picture: Picture) -> Frame:
        clip, frame = self.source.clip, picture.frame
        if (frame.width, frame.height) != (clip.width, clip.height):
            at = float(picture.pts * clip.time_base)
            raise InputError(
                f"The picture of {self.source.path} changes from {clip.width}x{clip.height} to "
                f"{frame.width}x{frame.height} at {at:.3f} s; cut the recording there and "
                "enhance the parts one by one."
            )
        return Frame(to_image(frame, clip.colour), picture.pts, picture.duration)
