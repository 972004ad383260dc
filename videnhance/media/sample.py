"""Decode a few frames from all over a recording, to look at before work begins."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from itertools import chain, islice
from typing import Any

import av

from videnhance.core import Image
from videnhance.media.decode import Copies
from videnhance.media.pixels import to_image
from videnhance.media.source import (
    DecodeErrors,
    SourceInfo,
    decode_packet,
    open_source,
    read_packets,
)

_ENOUGH = 3
"""Number of keyframes that suffice even if more were asked for. Of three, two outvote one."""
_SEARCHED = 512
"""Packets to read after a seek, looking for a keyframe. A seek ends at one or shortly before."""
_PIXELS = 16 << 20
"""Pixels to decode from the beginning if there are too few keyframes: 8 frames of 1080p or 72 of
640x360, in some 0.1 s."""
_MOST_FRAMES = 250
"""Limit on frames decoded from the beginning, for small frames."""


def sample_frames(
    source: SourceInfo, count: int, stop: Callable[[], None] = lambda: None
) -> list[Image]:
    """Up to `count` frames as RGB (3, H, W), in order of time; the same ones every time.

    They are keyframes spread evenly over the recording, each found by a seek. If these are too few
    (a short clip, one keyframe, a source that cannot be sought), they are frames spread evenly over
    the beginning, of which only as much is decoded as takes little time. Damaged frames are left
    out, and so are frames that differ in size from the first; the list may be empty. `stop` is
    called often and may raise. Raises InputError if the source cannot be opened.
    """
    frames = _keyframes(source, count, stop)
    if len(frames) < min(count, _ENOUGH):
        frames = _from_beginning(source, count, stop) or frames
    return [to_image(frame, source.clip.colour) for frame in frames]


def _keyframes(source: SourceInfo, count: int, stop: Callable[[], None]) -> list[Any]:
    """A keyframe near the middle of each of `count` equal stretches, without repeats."""
    found: dict[int, Any] = {}
    with open_source(source.path) as container:
        stream: Any = container.streams[source.video]
        span = _span(container, stream)
        if not source.seekable or span is None:
            return []
        stream.thread_type = "SLICE"
        start, length = span
        for number in range(count):
            stop()
            target = start + length * (2 * number + 1) // (2 * count)
            try:
                container.seek(target, stream=stream, backward=True)
            except av.error.FFmpegError:
                continue
            packets = islice(read_packets(container, stream, DecodeErrors()), _SEARCHED)
            key = next((p for p in packets if p.is_keyframe and p.pts is not None), None)
            if key is None or key.pts in found:
                continue
            # A field-coded picture has two packets. For others, the second is a later frame.
            second = next(read_packets(container, stream, DecodeErrors()), None)
            decoded = _usable([key, *([second] if second else [])], stream, source)
            frame = next((f for f, is_key in decoded if is_key), None)
            if frame is not None:
                found[key.pts] = frame
    return [found[pts] for pts in sorted(found)]


def _span(container: Any, stream: Any) -> tuple[int, int] | None:
    """First tick and length in ticks of a stream, from its headers; None if they do not say."""
    length = stream.duration
    if length is None and container.duration is not None:
        length = int(container.duration / (av.time_base * stream.time_base))
    if length is None or length <= 0:
        return None
    return stream.start_time or 0, length


def _from_beginning(source: SourceInfo, count: int, stop: Callable[[], None]) -> list[Any]:
    """Frames spread evenly over the beginning, of which a limited number of pixels is decoded."""
    limit = min(_MOST_FRAMES, max(count, _PIXELS // (source.clip.width * source.clip.height)))
    with open_source(source.path) as container:
        stream: Any = container.streams[source.video]
        stream.thread_type = "SLICE"
        packets = read_packets(container, stream, DecodeErrors())
        frames = []
        for frame, _ in islice(_usable(packets, stream, source), limit):
            stop()
            frames.append(frame)
    wanted = min(count, len(frames))
    return [frames[len(frames) * (2 * n + 1) // (2 * wanted)] for n in range(wanted)]


def _usable(packets: Iterable[Any], stream: Any, source: SourceInfo) -> Iterator[tuple[Any, bool]]:
    """Undamaged frames of the recording's size, and whether each is a keyframe.

    They are copies; `Copies` explains why.
    """
    copy, context = Copies(), stream.codec_context
    size = (source.clip.width, source.clip.height)
    for packet in chain(packets, [None]):
        for frame in decode_packet(context, packet, DecodeErrors()):
            if not frame.is_corrupt and (frame.width, frame.height) == size:
                yield copy(frame), frame.key_frame
