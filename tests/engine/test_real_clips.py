"""Real recordings through the engine, and segments decoded apart against the whole."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from videnhance.engine import enhance
from videnhance.media import timeline
from videnhance.media.decode import Decoder
from videnhance.media.source import probe
from videnhance.media.timeline import Segment, read_timeline

_WHOLE = Segment(0, None, None, None)

# The largest pictures are left out: they only cost time.
_CLIPS = {
    "animation_bunny_vp8.webm": (".mkv",),
    "bw_film_chaplin.mp4": (".mkv", ".mp4"),
    "hlg_phone_rot90.mp4": (".mp4",),
    "interlaced_1080i50_pgs.mts": (".mkv",),
    "lowlight_webcam_vfr.mov": (".mov", ".mkv"),
    "noisy_mjpeg_422_camera.avi": (".mkv",),
    "odd_161x121_noaudio.webm": (".mkv", ".mp4"),
    "phone_rot90_screen_text.mov": (".mp4", ".mkv"),
    "static_signer_fullrange.mkv": (".mp4",),
    "talkinghead_3chapters.mp4": (".mp4", ".mkv"),
    "talkinghead_ass_subs.mkv": (".mkv",),
}


@pytest.mark.parametrize(("name", "suffix"), [(n, s) for n, ends in _CLIPS.items() for s in ends])
def test_every_promise_is_kept(
    ffmpeg: Any, shared_media: Path, tmp_path: Path, name: str, suffix: str
) -> None:
    source, output = shared_media / name, tmp_path / f"out{suffix}"
    result = enhance(
        source, output, scale=1, strength=0.0, device="cpu", encoder_preset="ultrafast",
        drop_unsupported=True,
    )  # fmt: skip
    assert result.verification.kept
    before, after = ffmpeg.sent(source, "v:0"), ffmpeg.sent(output, "v:0")
    per_frame = len(before) / len(after)
    assert per_frame in (1, 2)  # field-coded pictures come in two packets
    assert result.frames == len(after)
    times = sorted(p.time for p in before)[:: int(per_frame)]
    shown = sorted(p.time for p in after)
    shift = shown[0] - times[0]
    assert max(abs(b - a - shift) for a, b in zip(times, shown, strict=True)) <= 0.00101


_H264 = ("-c:v", "libx264", "-preset", "veryfast", "-pix_fmt", "yuv420p")
_SYNTHETIC = {
    "closed.mkv": (*_H264, "-bf", "2", "-g", "12"),
    "open_gop.ts": (*_H264, "-x264-params", "open-gop=1:bframes=3:keyint=10:scenecut=0"),
    "refresh.mp4": (*_H264, "-bf", "0", "-x264-params", "intra-refresh=1:keyint=8"),
    "one_keyframe.mkv": (*_H264, "-g", "1000"),
    "mpeg2.ts": ("-c:v", "mpeg2video", "-bf", "2", "-g", "9"),
    "mpeg2.mpg": ("-c:v", "mpeg2video", "-bf", "2", "-g", "9"),
    "xvid.avi": ("-c:v", "libxvid", "-bf", "2", "-g", "10"),
    "h264.avi": (*_H264, "-bf", "2", "-g", "10"),
    "raw.h264": (*_H264, "-bf", "2", "-g", "10"),
    "hevc.mkv": ("-c:v", "libx265", "-preset", "ultrafast", "-x265-params",
                 "log-level=none:open-gop=1:keyint=10"),
    "vp9.webm": ("-c:v", "libvpx-vp9", "-cpu-used", "8", "-g", "10", "-lag-in-frames", "8"),
    "late.mp4": (*_H264, "-bf", "2", "-g", "12", "-output_ts_offset", "7"),
    "flash.flv": ("-c:v", "flv1", "-g", "10"),
}  # fmt: skip


def _samples(frame: Any) -> Any:
    """The planes of an 8-bit frame without the padding of their lines."""
    planes = [
        np.frombuffer(p, np.uint8).reshape(p.height, p.line_size)[:, : p.width].ravel()
        for p in frame.planes
    ]
    return np.concatenate(planes)


def _decoded(path: Path, preroll: int, apart: bool) -> tuple[list[tuple[int, int]], list[Any]]:
    """Time and duration, and the planes, of all frames; `apart` opens the file per segment."""
    source = probe(str(path))
    line = read_timeline(source, preroll)
    segments = line.segments if apart else (_WHOLE,)
    times, planes = [], []
    for segment in segments:
        with Decoder(source, line) as decoder:
            early = 0
            for picture, inside in decoder.pictures(segment, preroll):
                if not inside:
                    early += 1
                    continue
                times.append((picture.pts, picture.duration))
                planes.append(_samples(picture.frame))
            assert early == (preroll if segment.index else 0)
            assert not decoder.decode_errors
    return times, planes


def _same(one: list[Any], other: list[Any]) -> bool:
    return len(one) == len(other) and all(map(np.array_equal, one, other))


@pytest.mark.parametrize("preroll", [0, 4])
@pytest.mark.parametrize("name", _SYNTHETIC)
def test_segments_decoded_apart_equal_the_whole(
    ffmpeg: Any, monkeypatch: pytest.MonkeyPatch, name: str, preroll: int
) -> None:
    monkeypatch.setattr(timeline, "SEGMENT_SECONDS", 1)
    path = ffmpeg.clip(f"apart.{name}", *_SYNTHETIC[name], seconds=5)
    assert len(read_timeline(probe(str(path))).segments) >= 3
    whole_times, whole = _decoded(path, 0, apart=False)
    times, planes = _decoded(path, preroll, apart=True)
    assert times == whole_times
    assert _same(planes, whole)


@pytest.mark.parametrize(
    "name",
    ["bw_film_chaplin.mp4", "lowlight_webcam_vfr.mov", "noisy_mjpeg_422_camera.avi",
     "phone_rot90_screen_text.mov", "static_signer_fullrange.mkv", "fast_motorway.mp4"],
)  # fmt: skip
def test_real_segments_decoded_apart_equal_the_whole(
    shared_media: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.setattr(timeline, "SEGMENT_SECONDS", 1)
    path = shared_media / name
    whole_times, whole = _decoded(path, 0, apart=False)
    times, planes = _decoded(path, 0, apart=True)
    assert times == whole_times
    assert _same(planes, whole)


def test_going_on_equals_seeking(ffmpeg: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """One decoder over all segments, as the engine uses it, gives what separate ones give."""
    monkeypatch.setattr(timeline, "SEGMENT_SECONDS", 1)
    path = ffmpeg.clip("apart.open_gop.ts", *_SYNTHETIC["open_gop.ts"], seconds=5)
    source = probe(str(path))
    line = read_timeline(source, 3)
    apart, _ = _decoded(path, 3, apart=True)
    with Decoder(source, line) as decoder:
        on = [
            (picture.pts, picture.duration)
            for segment in line.segments
            for picture, inside in decoder.pictures(segment, 3)
            if inside
        ]
    assert on == apart
