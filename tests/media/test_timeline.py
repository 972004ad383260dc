"""Where sources are cut: every frame in exactly one segment, and decoding begins early enough."""

from __future__ import annotations

from bisect import bisect_left
from fractions import Fraction
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from videnhance.media import timeline
from videnhance.media.source import probe
from videnhance.media.timeline import SEGMENT_SECONDS, Segment, cut, cut_by_number, read_timeline

TIME_BASES = [
    Fraction(1, 1000), Fraction(1, 90000), Fraction(1001, 30000), Fraction(1, 12800),
    Fraction(1, 600), Fraction(1, 25), Fraction(60),
]  # fmt: skip


def _home(segments: tuple[Segment, ...], position: int) -> list[int]:
    return [
        s.index
        for s in segments
        if (s.start is None or position >= s.start) and (s.end is None or position < s.end)
    ]


@st.composite
def _packets(draw: st.DrawFn) -> tuple[list[int], list[int], Fraction, int]:
    """Sorted times, those of keyframes, a time base and a preroll."""
    time_base = draw(st.sampled_from(TIME_BASES))
    longest_gap = max(2, int(draw(st.floats(0.02, 30)) / time_base))
    count = draw(st.integers(1, 120))
    gaps = draw(st.lists(st.integers(1, longest_gap), min_size=count - 1, max_size=count - 1))
    stamps = [draw(st.integers(-100_000, 10**9))]
    for gap in gaps:
        stamps.append(stamps[-1] + gap)
    every = draw(st.integers(1, 40))
    stray = draw(st.sets(st.integers(0, 119), max_size=3))
    keys = [s for i, s in enumerate(stamps) if i % every == 0 or i in stray]
    if draw(st.booleans()):
        keys = keys[1:]
    return stamps, keys, time_base, draw(st.integers(0, 30))


@given(_packets())
@settings(max_examples=100, deadline=None)
def test_every_packet_belongs_to_one_segment_in_order(
    packets: tuple[list[int], list[int], Fraction, int],
) -> None:
    stamps, keys, time_base, preroll = packets
    segments = cut(stamps, keys, time_base, preroll, 10)
    assert [s.index for s in segments] == list(range(len(segments)))
    assert segments[0].start is None
    assert segments[0].seek_point is None
    assert segments[-1].end is None
    assert all(a.end == b.start for a, b in pairwise(segments))
    homes = [_home(segments, stamp) for stamp in stamps]
    assert all(len(home) == 1 for home in homes)
    assert homes == sorted(homes)
    # A time between packets, as a second field or a repaired frame may have, has one home too.
    assert all(len(_home(segments, stamp + 1)) == 1 for stamp in stamps)


@given(_packets())
@settings(max_examples=100, deadline=None)
def test_decoding_begins_a_keyframe_and_a_warm_up_before_each_segment(
    packets: tuple[list[int], list[int], Fraction, int],
) -> None:
    stamps, keys, time_base, preroll = packets
    for segment in cut(stamps, keys, time_base, preroll, 10)[1:]:
        assert segment.start is not None
        before = [key for key in keys if key <= segment.start]
        if segment.seek_point is None:
            # Decoding from the file's beginning: no keyframe would have done.
            start = bisect_left(stamps, segment.start)
            assert all(start - bisect_left(stamps, key) < preroll for key in before[:-1])
            continue
        assert segment.seek_point in keys
        assert segment.seek_point < segment.start
        assert segment.seek_point <= before[-2] if len(before) > 1 else True
        between = bisect_left(stamps, segment.start) - bisect_left(stamps, segment.seek_point)
        assert between >= preroll


@given(_packets())
@settings(max_examples=100, deadline=None)
def test_segments_begin_at_keyframes_where_these_are_near(
    packets: tuple[list[int], list[int], Fraction, int],
) -> None:
    stamps, keys, time_base, preroll = packets
    segments = cut(stamps, keys, time_base, preroll, 10)
    usual = max(1, int(SEGMENT_SECONDS / time_base))
    previous = stamps[0]
    for segment in segments[1:]:
        assert segment.start is not None
        assert segment.start >= previous + usual
        if segment.start not in keys:
            near = [k for k in keys if previous + usual <= k < previous + 2 * usual]
            assert not near
        previous = segment.start


def test_no_segment_is_much_longer_than_usual_without_keyframes() -> None:
    stamps = list(range(0, 100_000, 40))
    segments = cut(stamps, [0], Fraction(1, 1000), 5, 10)
    lengths = [(s.end or 100_000) - (s.start or 0) for s in segments]
    assert max(lengths) <= 12_500
    assert all(segment.seek_point is None for segment in segments)


def test_a_gap_in_the_recording_holds_no_empty_segments() -> None:
    stamps = [*range(0, 5000, 40), *range(3_600_000, 3_605_000, 40)]
    segments = cut(stamps, stamps[::10], Fraction(1, 1000), 0, 10)
    assert len(segments) == 2
    assert segments[1].start == 3_600_000


@given(st.integers(1, 100_000), st.fractions(Fraction(1, 100), 480))
@settings(deadline=None)
def test_numbers_are_cut_into_equal_pieces(packets: int, rate: Fraction) -> None:
    segments = cut_by_number(packets, rate, 10)
    assert segments[0].start is None
    assert segments[-1].end is None
    assert all(a.end == b.start for a, b in pairwise(segments))
    assert {s.seek_point for s in segments} == {None}
    length = max(1, round(SEGMENT_SECONDS * rate))
    for number in (0, 1, length - 1, length, packets - 1, packets):
        assert _home(segments, number) == [min(number // length, len(segments) - 1)]


_H264 = ("-c:v", "libx264", "-preset", "ultrafast", "-pix_fmt", "yuv420p", "-bf", "2", "-g", "10")


def test_the_fingerprint_is_of_the_pictures_not_of_the_file(ffmpeg: Any) -> None:
    one = ffmpeg.clip("print.mkv", *_H264)
    moved = ffmpeg.folder / "elsewhere.mkv"
    moved.write_bytes(one.read_bytes())
    titled = ffmpeg.make("titled.mkv", "-i", one, "-c", "copy", "-metadata", "title=Other")
    other = ffmpeg.clip("print2.mkv", *_H264, "-crf", "40")
    late = ffmpeg.make("late.mkv", "-itsoffset", "1", "-i", one, "-c", "copy")
    prints = [read_timeline(probe(str(p))).fingerprint for p in (one, moved, titled, other, late)]
    assert prints[0] == prints[1] == prints[2]
    assert len(set(prints)) == 3


@pytest.mark.parametrize("rate", ["24", "25", "30000/1001", "50", "7"])
@pytest.mark.parametrize("suffix", [".mkv", ".mp4", ".ts"])
def test_the_rate_and_the_count_are_told(ffmpeg: Any, rate: str, suffix: str) -> None:
    name = f"rate_{rate.replace('/', '_')}{suffix}"
    source = probe(str(ffmpeg.clip(name, *_H264, rate=rate, seconds=2)))
    line = read_timeline(source)
    assert line.rate == pytest.approx(Fraction(rate), rel=0.005)
    assert line.frames == line.packets == len(ffmpeg.shown(ffmpeg.folder / name))
    assert not line.by_number


def test_a_stream_without_times_is_cut_by_number(
    ffmpeg: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(timeline, "SEGMENT_SECONDS", 1)
    line = read_timeline(probe(str(ffmpeg.clip("untimed.h264", *_H264, seconds=3))))
    assert line.by_number
    assert not line.stamps
    assert len(line.segments) == 3


def test_what_takes_long_to_compute_is_cut_shorter(ffmpeg: Any) -> None:
    source = probe(str(ffmpeg.clip("costly.mkv", "-c:v", "libx264", "-g", "10", seconds=4)))
    assert len(read_timeline(source).segments) == 1
    segments = read_timeline(source, most_frames=25).segments
    assert len(segments) == 4
    assert len(read_timeline(source, most_frames=1000).segments) == 1
