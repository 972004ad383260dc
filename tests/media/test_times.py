"""Random times through encoding, assembling and verifying, and the decoding times made for them."""

from __future__ import annotations

import random
import tempfile
from dataclasses import replace
from fractions import Fraction
from itertools import pairwise
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from videnhance.core import Frame
from videnhance.engine import enhance
from videnhance.media.assemble import Assembler, SegmentFile, container_format
from videnhance.media.decode import Decoder
from videnhance.media.encode import SegmentEncoder, encoded_clip, resolve_encoding
from videnhance.media.encoding import EncodeOptions
from videnhance.media.source import SourceInfo, probe
from videnhance.media.timeline import read_timeline
from videnhance.media.verify import VerificationReport, verify

TIME_BASES = {
    ".mkv": [Fraction(1, 1000)],
    ".mov": [Fraction(1, 90000), Fraction(1, 30000), Fraction(1, 12800), Fraction(1, 600)],
    ".nut": [Fraction(1001, 30000), Fraction(1, 90000)],
}


def _picture(number: int, size: tuple[int, int] = (32, 32)) -> Any:
    data = np.random.default_rng(number).integers(0, 255, (size[1], size[0], 3), np.uint8)
    return av.VideoFrame.from_ndarray(data, "rgb24").reformat(format="yuvj420p")


def _write(path: Path, pts: list[int], time_base: Fraction) -> None:
    """A recording of JPEG pictures at the given times."""
    container: Any
    with av.open(str(path), "w") as container:
        stream = container.add_stream("mjpeg", rate=25)
        stream.width = stream.height = 32
        stream.pix_fmt = "yuvj420p"
        stream.time_base = stream.codec_context.time_base = time_base
        for number, stamp in enumerate(pts):
            frame = _picture(number)
            frame.pts, frame.time_base = stamp, time_base
            for packet in stream.encode(frame):
                packet.time_base = time_base
                container.mux(packet)
        container.mux(stream.encode(None))


def _through(
    source: SourceInfo, output: Path, cuts: list[int]
) -> tuple[VerificationReport, list[SegmentFile]]:
    """Decode, encode in pieces that end before the given frame numbers, assemble and verify."""
    line = read_timeline(source)
    encoding = resolve_encoding(
        EncodeOptions(encoder_preset="fast"), source, (source.clip.width, source.clip.height)
    )
    clip = encoded_clip(source.clip, encoding)
    with Decoder(source, line) as decoder:
        frames = [frame for segment in line.segments for frame, _ in decoder.frames(segment)]
    parts = []
    borders = [0, *sorted({c for c in cuts if 0 < c < len(frames)}), len(frames)]
    for number, (start, end) in enumerate(pairwise(borders)):
        path = output.with_name(f"{number}.mkv")
        with SegmentEncoder(path, encoding, clip, line.rate) as encoder:
            for frame in frames[start:end]:
                encoder.write(frame)
        parts.append(
            SegmentFile(
                path,
                tuple(encoder.pts),
                tuple(encoder.sources),
                encoder.last_duration,
                encoder.delay,
            )
        )
    Assembler(source, output, container_format(output)).run(parts, clip, line.rate)
    return verify(source.path, str(output)), parts


@st.composite
def _times(draw: st.DrawFn) -> tuple[str, Fraction, list[int]]:
    suffix = draw(st.sampled_from(sorted(TIME_BASES)))
    time_base = draw(st.sampled_from(TIME_BASES[suffix]))
    longest = max(2, int(draw(st.sampled_from([0.04, 0.2, 2])) / time_base))
    shortest = draw(st.sampled_from([1, longest // 2]))
    gaps = draw(st.lists(st.integers(shortest, longest), max_size=16))
    pts = [draw(st.sampled_from([0, 1, 37, int(3 / time_base)]))]
    for gap in gaps:
        pts.append(pts[-1] + gap)
    return suffix, time_base, pts


@pytest.mark.parametrize("suffix", [".mkv", ".mp4", ".mov"])
@given(times=_times(), cuts=st.lists(st.integers(1, 24), max_size=2))
@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.filter_too_much])
def test_uneven_times_survive(
    suffix: str, times: tuple[str, Fraction, list[int]], cuts: list[int]
) -> None:
    container, time_base, pts = times
    # Matroska cannot tell times apart that share a millisecond.
    shortest = min((b - a for a, b in pairwise(pts)), default=1) * time_base
    assume(suffix != ".mkv" or shortest > Fraction(1, 1000))
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"source{container}"
        _write(path, pts, time_base)
        source = probe(str(path))
        pts = list(read_timeline(source).stamps)
        time_base = source.clip.time_base
        output = Path(folder) / f"out{suffix}"
        report, parts = _through(source, output, cuts)
        assert report.kept, report.broken
        assert report.frames == len(pts)
        with av.open(str(output)) as result:
            stream = result.streams.video[0]
            packets = [p for p in result.demux(stream) if p.size]
            shown = sorted(p.pts * stream.time_base for p in packets)
        tick = max(stream.time_base, source.clip.time_base)
        first = shown[0] - pts[0] * time_base
        assert abs(first) <= tick
        assert all(abs(s - p * time_base) <= tick for s, p in zip(shown, pts, strict=True))
        assert sum(len(part.pts) for part in parts) == len(pts)


@pytest.fixture(scope="module")
def shuffled_source(tmp_path_factory: pytest.TempPathFactory) -> SourceInfo:
    path = tmp_path_factory.mktemp("shuffled") / "source.mov"
    _write(path, [0, 40, 80], Fraction(1, 1000))
    return probe(str(path))


def _shuffled(path: Path, count: int, reach: int, dice: random.Random) -> int:
    """A segment whose packets stand up to `reach` places from their order; returns its delay."""
    # An encoder's first packet is always the frame shown first.
    order = [0, *sorted(range(1, count), key=lambda n: n + dice.uniform(0, reach))]
    container: Any
    with av.open(str(path), "w", format="matroska") as container:
        # One keyframe: FFmpeg's reader takes later ones for the end of an edit list.
        never = {"g": "100", "sc_threshold": "1000000000"}
        stream = container.add_stream("mpeg4", rate=25, options=never)
        stream.width = stream.height = 32
        stream.pix_fmt = "yuv420p"
        pictures = [_picture(number).reformat(format="yuv420p") for number in range(count)]
        packets = [stream.encode(picture)[0] for picture in pictures]
        for place, number in enumerate(order):
            packet = packets[number]
            packet.time_base = Fraction(1, 1000)
            packet.pts, packet.dts, packet.duration = number, place - 512, 1
            container.mux(packet)
    return max(place - number for place, number in enumerate(order))


@pytest.mark.parametrize("suffix", [".mov", ".mkv"])
@given(
    seed=st.integers(0, 10**6),
    counts=st.lists(st.integers(1, 20), min_size=1, max_size=3),
    reach=st.integers(0, 8),
)
@settings(max_examples=20, deadline=None)
def test_decoding_times_rise_and_come_before_the_frames(
    shuffled_source: SourceInfo, suffix: str, seed: int, counts: list[int], reach: int
) -> None:
    dice = random.Random(seed)
    with tempfile.TemporaryDirectory() as folder:
        parts, at = [], dice.randrange(0, 5000)
        for number, count in enumerate(counts):
            path = Path(folder) / f"{number}.mkv"
            delay = _shuffled(path, count, reach, dice)
            pts = []
            for _ in range(count):
                pts.append(at)
                at += dice.randrange(17, 500)  # more than a millisecond
            parts.append(SegmentFile(path, tuple(pts), (0,) * len(pts), 40, delay))
        output = Path(folder) / f"out{suffix}"
        clip = shuffled_source.clip
        Assembler(shuffled_source, output, container_format(output)).run(parts, clip, Fraction(25))
        with av.open(str(output)) as result:
            stream = result.streams.video[0]
            packets = [p for p in result.demux(stream) if p.size]
        pts = [stamp for part in parts for stamp in part.pts]
        unit = stream.time_base / clip.time_base
        shown = sorted(p.pts * unit for p in packets)
        assert all(abs(a - b) <= max(unit, 1) for a, b in zip(shown, pts, strict=True))
        if suffix == ".mov":  # Matroska stores no decoding times
            assert all(p.dts is not None and p.pts is not None and p.dts <= p.pts for p in packets)
            assert all(a.dts < b.dts for a, b in pairwise(packets))


def test_each_segment_can_be_decoded_alone(shuffled_source: SourceInfo, tmp_path: Path) -> None:
    """Segments begin with a keyframe, or joining them would break the picture."""
    clip = shuffled_source.clip
    encoding = resolve_encoding(EncodeOptions(), shuffled_source, (32, 32))
    path = tmp_path / "segment.mkv"
    with SegmentEncoder(path, encoding, encoded_clip(clip, encoding), Fraction(25)) as encoder:
        for number in range(9):
            image = np.full((3, 32, 32), number / 9, np.float32)
            encoder.write(Frame(image, number * number, 1))
    with av.open(str(path)) as container:
        packets = [p for p in container.demux(video=0) if p.size]
    assert packets[0].is_keyframe
    assert sorted(p.pts for p in packets if p.pts is not None) == list(range(9))
    assert encoder.pts == [number * number for number in range(9)]


def _retimed(path: Path, pts: list[int]) -> None:
    """Pictures whose presentation times are not those that their order asks for."""
    container: Any
    unit = Fraction(1, 1000)
    with av.open(str(path), "w") as container:
        stream = container.add_stream("mjpeg", rate=25)
        stream.width = stream.height = 32
        stream.pix_fmt = "yuvj420p"
        stream.time_base = stream.codec_context.time_base = unit
        for number, stamp in enumerate(pts):
            frame = _picture(number)
            frame.pts, frame.time_base = 40 * number, unit
            for packet in stream.encode(frame):
                packet.time_base = unit
                packet.pts, packet.dts = stamp, 40 * number - 80
                container.mux(packet)


@pytest.mark.parametrize(("count", "number", "wrong"), [(10, 5, 160), (45, 40, 1555)])
@pytest.mark.parametrize("suffix", [".mkv", ".mp4"])
def test_a_repeated_time_is_moved_where_every_container_can_tell_it_apart(
    tmp_path: Path, suffix: str, count: int, number: int, wrong: int
) -> None:
    path, output = tmp_path / "source.mp4", tmp_path / f"out{suffix}"
    _retimed(path, [wrong if n == number else 40 * n for n in range(count)])
    result = enhance(path, output, strength=0, scale=1, device="cpu")
    assert result.verification.kept
    assert result.decode_errors.retimed == 1
    assert result.frames == count
    with av.open(str(output)) as container:
        stream = container.streams.video[0]
        shown = sorted(p.pts * stream.time_base for p in container.demux(stream) if p.size)
    assert all(b - a >= Fraction(9, 1000) for a, b in pairwise(shown))


def test_frames_without_times_follow_those_with_some(
    ffmpeg: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = probe(str(ffmpeg.clip("late.mp4", "-c:v", "mpeg4", "-output_ts_offset", "7")))
    line = read_timeline(source)
    decoded = Decoder._decoded

    def gappy(self: Decoder, container: Any, stream: Any) -> Any:
        for number, (frame, stamp) in enumerate(decoded(self, container, stream)):
            yield frame, None if number in lost else stamp

    monkeypatch.setattr(Decoder, "_decoded", gappy)
    lost = {3, 4, 29}
    with Decoder(source, replace(line, stamps=())) as decoder:
        times = [picture.pts for picture, _ in decoder.pictures(line.segments[0])]
    assert times == list(line.stamps)
    assert decoder.decode_errors.retimed == 3
    lost = set(range(30))
    with Decoder(source, replace(line, stamps=())) as decoder:
        times = [picture.pts for picture, _ in decoder.pictures(line.segments[0])]
    assert times == [stamp - line.stamps[0] for stamp in line.stamps]
    assert not decoder.decode_errors
