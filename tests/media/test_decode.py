"""Segments with their margins: the same whether the decoder was on its way or sought afresh."""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from videnhance.media import timeline
from videnhance.media.decode import Decoder
from videnhance.media.source import DecodeErrors, SourceInfo, probe
from videnhance.media.timeline import Segment, Timeline, read_timeline

_H264 = ("-c:v", "libx264", "-preset", "ultrafast", "-pix_fmt", "yuv420p", "-bf", "2")
_CLIPS = {
    "keyframes.mkv": (*_H264, "-g", "8"),
    "one_keyframe.mkv": (*_H264, "-g", "1000"),
    "numbered.h264": (*_H264, "-g", "10"),
    "open.ts": (*_H264, "-x264-params", "open-gop=1:bframes=3:keyint=10:scenecut=0"),
}
_SECONDS, _FRAMES = 4, 100
_LONGEST = 6

Piece = tuple[list[tuple[int, int, bytes, bool]], DecodeErrors]


@pytest.fixture(autouse=True)
def _short_segments(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(timeline, "SEGMENT_SECONDS", 1)


def _opened(ffmpeg: Any, name: str) -> tuple[SourceInfo, Timeline]:
    path = ffmpeg.clip(f"decode.{name}", *_CLIPS[name], seconds=_SECONDS)
    source = probe(str(path))
    return source, read_timeline(source, _LONGEST)


def _harmed(ffmpeg: Any, name: str) -> tuple[SourceInfo, Timeline]:
    """A recording some of whose bytes are wrong, but not in its headers."""
    path = Path(ffmpeg.clip(f"decode.{name}", *_CLIPS[name], seconds=_SECONDS))
    harmed = path.with_name(f"harmed.{path.name}")
    data, dice = bytearray(path.read_bytes()), random.Random(5)
    for _ in range(25):
        data[dice.randrange(4000, len(data))] ^= 1 << dice.randrange(8)
    harmed.write_bytes(data)
    source = probe(str(harmed))
    return source, read_timeline(source, _LONGEST)


def _samples(frame: Any) -> bytes:
    """The planes of an 8-bit frame without the padding of their lines."""
    return b"".join(
        bytes(plane)[row * plane.line_size :][: plane.width]
        for plane in frame.planes
        for row in range(plane.height)
    )


def _piece(decoder: Decoder, segment: Segment, preroll: int, postroll: int) -> Piece:
    before = replace(decoder.decode_errors)
    pictures = [
        (p.pts, p.duration, _samples(p.frame), inside)
        for p, inside in decoder.pictures(segment, preroll, postroll)
    ]
    return pictures, decoder.decode_errors.since(before)


def _afresh(source: SourceInfo, line: Timeline, index: int, preroll: int, postroll: int) -> Piece:
    with Decoder(source, line) as decoder:
        return _piece(decoder, line.segments[index], preroll, postroll)


_margins = st.integers(0, _LONGEST)
_visits = st.lists(
    st.tuples(st.integers(0, 3), _margins, _margins, st.none() | st.integers(0, 12)),
    min_size=1, max_size=4,
)  # fmt: skip


@pytest.mark.parametrize("harmed", [False, True])
@pytest.mark.parametrize("name", _CLIPS)
@given(visits=_visits)
@settings(max_examples=12, deadline=None,
          suppress_health_check=[HealthCheck.function_scoped_fixture])  # fmt: skip
def test_any_way_through_the_segments_gives_the_same(
    ffmpeg: Any, name: str, harmed: bool, visits: list[tuple[int, int, int, int | None]]
) -> None:
    """In any order, with any margins, and after visits that were broken off."""
    source, line = (_harmed if harmed else _opened)(ffmpeg, name)
    assert len(line.segments) >= 3
    with Decoder(source, line) as decoder:
        for number, preroll, postroll, broken_off in visits:
            index = min(number, len(line.segments) - 1)
            if broken_off is not None:
                pictures = decoder.pictures(line.segments[index], preroll, postroll)
                for _ in zip(range(broken_off), pictures, strict=False):
                    pass
                continue
            found = _piece(decoder, line.segments[index], preroll, postroll)
            assert found == _afresh(source, line, index, preroll, postroll)


@pytest.mark.parametrize("name", _CLIPS)
def test_the_harmed_recordings_are_damaged(ffmpeg: Any, name: str) -> None:
    source, line = _harmed(ffmpeg, name)
    with Decoder(source, line) as decoder:
        assert any(_piece(decoder, segment, 0, 0)[1] for segment in line.segments)


@pytest.mark.parametrize("postroll", [0, 1, 5, 40])
@pytest.mark.parametrize("preroll", [0, 4])
@pytest.mark.parametrize("name", _CLIPS)
def test_margins_are_the_neighbours_frames(
    ffmpeg: Any, name: str, preroll: int, postroll: int
) -> None:
    source, line = _opened(ffmpeg, name)
    with Decoder(source, line) as decoder:
        whole = [p for s in line.segments for p in _piece(decoder, s, 0, 0)[0]]
        assert len(whole) == _FRAMES
        at = 0
        for segment in line.segments:
            found, decode_errors = _piece(decoder, segment, preroll, postroll)
            inside = [p for p in found if p[3]]
            end = at + len(inside)
            margins = range(max(0, at - preroll), min(_FRAMES, end + postroll))
            assert found == [(*whole[i][:3], at <= i < end) for i in margins]
            assert not decode_errors
            at = end
    assert at == _FRAMES


class Opened:
    """How often sources were opened."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.times = 0
        opening = Decoder._decode_from

        def counted(decoder: Decoder, segment: Segment) -> Any:
            self.times += 1
            return opening(decoder, segment)

        monkeypatch.setattr(Decoder, "_decode_from", counted)


@pytest.mark.parametrize("name", ["one_keyframe.mkv", "numbered.h264"])
def test_what_was_seen_beyond_a_segment_is_not_decoded_again(
    ffmpeg: Any, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    source, line = _opened(ffmpeg, name)
    opened = Opened(monkeypatch)
    with Decoder(source, line) as decoder:
        found = [_piece(decoder, s, 3, 5)[0] for s in line.segments]
    assert opened.times == 1
    assert sum(p[3] for pictures in found for p in pictures) == _FRAMES


def _failing(
    monkeypatch: pytest.MonkeyPatch, broken: set[int], untimed: set[int], tail: int = 0
) -> None:
    """Have packets be broken before these frames and behind the last, and frames lose times."""
    decoded = Decoder._decoded

    def failing(self: Decoder, container: Any, stream: Any) -> Iterator[tuple[Any, int | None]]:
        for number, (frame, stamp) in enumerate(decoded(self, container, stream)):
            self._seen.broken_packets += number in broken
            yield frame, None if number in untimed else stamp
        self._seen.broken_packets += tail

    monkeypatch.setattr(Decoder, "_decoded", failing)


@pytest.mark.parametrize("postroll", [0, 1, 9])
def test_losses_belong_to_one_segment_each(
    ffmpeg: Any, monkeypatch: pytest.MonkeyPatch, postroll: int
) -> None:
    """Of a frame itself to its segment; of packets on the way to a segment, to the one before."""
    source, line = _opened(ffmpeg, "one_keyframe.mkv")
    line = replace(line, stamps=())
    starts = [line.segments[i].start or 0 for i in (1, 2)]
    with Decoder(source, line) as decoder:
        times = [p[0] for s in line.segments for p in _piece(decoder, s, 0, 0)[0]]
    one, two = (times.index(start) for start in starts)
    _failing(monkeypatch, {0, one, one + 1, two + 3}, {one - 1, one + 2, two + 2}, tail=2)
    # A frame without a time is put one frame behind the last, where it was.
    with Decoder(source, line) as decoder:
        decode_errors = [_piece(decoder, s, 2, postroll)[1] for s in line.segments[:3]]
    rest = len(line.segments) > 3
    assert decode_errors == [
        DecodeErrors(broken_packets=2, retimed=1),
        DecodeErrors(broken_packets=1, retimed=1),
        DecodeErrors(broken_packets=1 if rest else 3, retimed=1),
    ]
    apart = [_afresh(source, line, index, 2, postroll)[1] for index in range(3)]
    assert apart == decode_errors


def test_a_segment_without_frames_has_no_margins(ffmpeg: Any) -> None:
    source, line = _opened(ffmpeg, "numbered.h264")
    with Decoder(source, line) as decoder:
        assert list(decoder.pictures(Segment(9, 500, 600, None), 3, 3)) == []
        assert list(decoder.pictures(Segment(9, 50, 50, None), 3, 3)) == []
        assert len(list(decoder.pictures(Segment(9, 50, 52, None), 3, 3))) == 8


@pytest.mark.parametrize("name", _CLIPS)
def test_holding_frames_changes_none_of_a_damaged_recording(ffmpeg: Any, name: str) -> None:
    """H.264's concealment shows what the memory of frames held that were let go."""
    source, line = _harmed(ffmpeg, name)
    whole = Segment(0, None, None, None)
    with Decoder(source, line) as decoder:
        waived = [_samples(p.frame) for p, _ in decoder.pictures(whole)]
    with Decoder(source, line) as decoder:
        held = [_samples(p.frame) for p in [p for p, _ in decoder.pictures(whole)]]
    assert held == waived
