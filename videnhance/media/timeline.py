"""Read a source's packets once, without decoding: its times, its identity, and where to cut it."""

from __future__ import annotations

import hashlib
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import pairwise

from videnhance.core import InputError
from videnhance.media.source import DecodeErrors, SourceInfo, open_source, read_packets

SEGMENT_SECONDS = 10
"""Usual length of a segment."""
_LONGEST = 2
"""Longest segment, in usual lengths. If no keyframe comes in time, it ends between keyframes."""


@dataclass(frozen=True)
class Segment:
    """A run of frames that is decoded, enhanced, encoded and checked as one.

    `start` (inclusive) and `end` (exclusive) are positions: frame numbers if the timeline's
    `by_number` is set, else pts in the source's time base. None is the beginning or the end of the
    file. `seek_point` is the pts of the keyframe where decoding begins; None begins at the file's
    first packet. The frames of a segment depend on these three values and nothing else.
    """

    index: int
    start: int | None
    end: int | None
    seek_point: int | None


@dataclass(frozen=True)
class Timeline:
    """When a source's frames are shown, and its segments.

    `stamps` are the sorted timestamps of the packets (a field-coded frame has two packets);
    empty where the container has none. `fingerprint` is a BLAKE2b digest of the video stream's
    packets and their times: equal for a moved or touched file, different for changed pictures.
    """

    fingerprint: str
    packets: int
    stamps: tuple[int, ...]
    by_number: bool
    segments: tuple[Segment, ...]
    rate: Fraction
    """Average frames per second: a hint for encoders, estimates and made-up times."""
    time_base: Fraction
    frames: int
    """How many frames to expect: a hint, since a frame may have two packets or be damaged."""
    packets_per_frame: int = 1
    """2 where each field has a packet of its own."""

    def number_of(self, pts: int, decoded: int) -> int:
        """The approximate number of the source frame shown at `pts`, from 0 in presentation order.

        `decoded` is its number among the decoded frames. If segments are cut by frame number,
        decoding begins at the first frame and this is the answer.
        """
        if self.by_number:
            return decoded
        return max(0, bisect_right(self.stamps, pts) - 1) // self.packets_per_frame

    @property
    def closest(self) -> Fraction:
        """Seconds between the two frames that lie closest together."""
        gaps = (b - a for a, b in pairwise(self.stamps) if b > a)
        return min(gaps, default=1 / (self.rate * self.time_base)) * self.time_base


def read_timeline(
    source: SourceInfo,
    preroll: int = 0,
    stop: Callable[[], None] = lambda: None,
    most_frames: int | None = None,
) -> Timeline:
    """Demux the enhanced stream once.

    `preroll` is the number of frames that must be decoded before each segment. `most_frames` is
    about the largest number of frames in a segment. `stop` is called often and may raise. Raises
    InputError if the stream has no packets.
    """
    digest = hashlib.blake2b(digest_size=16)
    stamps: list[int] = []
    keys: list[int] = []
    count, untimed = 0, 0
    with open_source(source.path) as container:
        stream = container.streams[source.video]
        for packet in read_packets(container, stream, DecodeErrors()):
            stop()
            count += 1
            digest.update(f"{packet.pts},{packet.size};".encode())
            digest.update(packet)
            if packet.pts is None:
                untimed += 1
                continue
            stamps.append(packet.pts)
            if packet.is_keyframe:
                keys.append(packet.pts)
    if not count:
        raise InputError(f"{source.path} has a video stream without any packet.")
    stamps.sort()
    if untimed:
        stamps = []
    rate = _average_rate(stamps, source)
    by_number = bool(untimed) or not source.seekable or not source.ordered
    time_base = source.clip.time_base
    seconds: Fraction | int = SEGMENT_SECONDS
    if most_frames is not None:
        seconds = min(seconds, most_frames / rate)
    segments = (
        cut_by_number(count, rate, seconds)
        if by_number
        else cut(stamps, sorted(keys), time_base, preroll, seconds)
    )
    per_frame = 1
    if len(stamps) > 1:
        spacing = (stamps[-1] - stamps[0]) * time_base / (len(stamps) - 1)
        per_frame = 2 if abs(spacing * rate * 2 - 1) < Fraction(1, 20) else 1
    return Timeline(
        digest.hexdigest(),
        count,
        tuple(stamps),
        by_number,
        segments,
        rate,
        time_base,
        -(-count // per_frame),
        per_frame,
    )


def _average_rate(stamps: Sequence[int], source: SourceInfo) -> Fraction:
    if len(stamps) > 1 and stamps[-1] > stamps[0]:
        span = (stamps[-1] - stamps[0]) * source.clip.time_base
        measured = (len(stamps) - 1) / span
        hint = source.clip.rate
        # Prefer the header's exact value (30000/1001) if the measured one agrees with it. A
        # field-coded picture has two packets.
        for per_frame in (1, 2):
            if hint is not None and abs(measured / (hint * per_frame) - 1) < Fraction(1, 200):
                return hint
        return min(max(measured, Fraction(1, 100)), Fraction(480)).limit_denominator(1001)
    return source.clip.rate or Fraction(25)


def cut(
    stamps: Sequence[int],
    keys: Sequence[int],
    time_base: Fraction,
    preroll: int,
    seconds: Fraction | float,
) -> tuple[Segment, ...]:
    """Segments of about `seconds` that begin at keyframes, if there are any.

    `stamps` and `keys` are the sorted pts of all packets and of the keyframes. Decoding begins at
    least `preroll` frames before the segment. It also begins at least one keyframe before the
    segment's own, so that frames which refer across a keyframe are whole (open groups of pictures,
    intra refresh).
    """
    usual = max(1, int(seconds / time_base))
    longest = _LONGEST * usual
    starts = [stamps[0]]
    while True:
        wanted = starts[-1] + usual
        at = bisect_left(keys, wanted)
        start = keys[at] if at < len(keys) else None
        if start is None or start - starts[-1] > longest:
            between = bisect_left(stamps, wanted)
            if between >= len(stamps):
                break
            start = stamps[between]
        starts.append(start)
    # A short last piece is not worth a segment of its own.
    if len(starts) > 1 and stamps[-1] - starts[-1] < usual // 4:
        starts.pop()
    ends = [*starts[1:], None]
    return tuple(
        Segment(
            i, start if i else None, end, _seek_point(start, stamps, keys, preroll) if i else None
        )
        for i, (start, end) in enumerate(zip(starts, ends, strict=True))
    )


def _seek_point(start: int, stamps: Sequence[int], keys: Sequence[int], preroll: int) -> int | None:
    at = bisect_right(keys, start) - 2
    first = bisect_left(stamps, start)
    while at >= 0 and first - bisect_left(stamps, keys[at]) < preroll:
        at -= 1
    return keys[at] if at >= 0 else None


def cut_by_number(packets: int, rate: Fraction, seconds: Fraction | float) -> tuple[Segment, ...]:
    """Segments by frame number, for sources that cannot be sought by time; the last has no end."""
    length = max(1, round(seconds * rate))
    pieces = max(1, packets // length)
    return tuple(
        Segment(i, i * length if i else None, (i + 1) * length if i + 1 < pieces else None, None)
        for i in range(pieces)
    )
