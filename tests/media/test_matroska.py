"""Aspect ratios that PyAV cannot pass to FFmpeg's Matroska muxer."""

from __future__ import annotations

import zlib
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from videnhance.core import ClipInfo
from videnhance.media.matroska import SEGMENT, TRACKS, child, elements, write_sample_aspect_ratio


def made(path: Path, encoder: str, size: tuple[int, int]) -> Path:
    with av.open(str(path), "w", format="matroska") as container:
        stream = container.add_stream(encoder, rate=25)
        stream.width, stream.height = size
        stream.pix_fmt = "yuv420p"
        for number in range(3):
            grey = np.full((size[1] * 3 // 2, size[0]), 40 * number, np.uint8)
            frame = av.VideoFrame.from_ndarray(grey, "yuv420p")
            frame.pts = number
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


@pytest.mark.parametrize("encoder", ["ffv1", "libvpx-vp9"])
@pytest.mark.parametrize(
    ("size", "ratio"),
    [((720, 576), Fraction(16, 15)), ((64, 48), Fraction(4, 3)), ((1440, 1080), Fraction(4, 3))],
)
def test_ratio_is_read_back_and_nothing_else_moves(
    tmp_path: Path, encoder: str, size: tuple[int, int], ratio: Fraction
) -> None:
    path = made(tmp_path / "a.mkv", encoder, size)
    before = path.read_bytes()
    clip = ClipInfo(*size, Fraction(1, 25), Fraction(25), sample_aspect_ratio=ratio)
    write_sample_aspect_ratio(path, clip)
    after = path.read_bytes()
    assert len(after) == len(before)
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        assert stream.sample_aspect_ratio == ratio
        assert sum(1 for _ in container.decode(stream)) == 3
    segment = next(e for e in elements(after) if e.id == SEGMENT)
    tracks = child(after, segment, TRACKS)
    assert tracks is not None
    assert before[tracks.end :] == after[tracks.end :]
    crc = next(elements(after, tracks.body, tracks.end))
    expected = zlib.crc32(after[crc.end : tracks.end]).to_bytes(4, "little")
    assert after[crc.body : crc.end] == expected


def test_other_tracks_and_files_are_left_alone(tmp_path: Path) -> None:
    path = made(tmp_path / "a.mkv", "ffv1", (64, 48))
    before = path.read_bytes()
    clip = ClipInfo(62, 48, Fraction(1, 25), Fraction(25), sample_aspect_ratio=Fraction(2))
    write_sample_aspect_ratio(path, clip)
    assert path.read_bytes() == before
    text = tmp_path / "text"
    text.write_bytes(b"not a recording")
    write_sample_aspect_ratio(text, clip)
    assert text.read_bytes() == b"not a recording"
