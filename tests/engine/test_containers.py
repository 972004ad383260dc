"""Recordings of many kinds through the whole engine, judged by the ffmpeg program."""

from __future__ import annotations

from dataclasses import dataclass, field
from fractions import Fraction
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from videnhance.core import UsageError
from videnhance.engine import Event, Phase, enhance
from videnhance.media.verify import verify

_TONE = ("-f", "lavfi", "-i", "sine=frequency=330:sample_rate=44100:duration=1.2")
_TONE_48 = ("-f", "lavfi", "-i", "aevalsrc=sin(900*t)|cos(700*t):s=48000:d=1.2")
_H264 = ("-c:v", "libx264", "-preset", "ultrafast", "-pix_fmt", "yuv420p", "-bf", "2", "-g", "10")
_SRT = "1\n00:00:00,200 --> 00:00:00,600\nOne — ein\n\n2\n00:00:00,700 --> 00:00:01,100\nTwo\n"
_CHAPTERS = """;FFMETADATA1
title=A walk
artist=Someone
comment=by hand
[CHAPTER]
TIMEBASE=1/1000
START=0
END=500
title=First
[CHAPTER]
TIMEBASE=1/1000
START=500
END=1200
title=Second
"""


@dataclass(frozen=True)
class Case:
    """How to make a recording, and what becomes of it."""

    name: str
    """File name of the source."""
    make: tuple[str, ...] = ()
    outputs: tuple[str, ...] = (".mkv", ".mp4", ".mov")
    source: dict[str, Any] = field(default_factory=dict)
    options: dict[str, Any] = field(default_factory=dict)
    warns: str = ""
    frames: int | None = None
    keeps: tuple[str, ...] = ()
    """What ffmpeg's description of the output must show."""
    retimed: bool = False
    """The source's own timestamps are missing or wrong, so that ffmpeg's are no measure."""
    turn: tuple[str, ...] = ()
    """ffmpeg's options for a display matrix, written in a second pass."""
    repeats: bool = False
    """The source shows frames again with empty packets, which ffmpeg leaves out."""


def _texts(folder: Path) -> None:
    (folder / "subs.srt").write_text(_SRT, encoding="utf-8")
    (folder / "chapters.txt").write_text(_CHAPTERS, encoding="utf-8")
    (folder / "font.ttf").write_bytes(bytes(range(256)) * 20)


_FONT = ("-attach", "font.ttf", "-metadata:s:t", "mimetype=font/ttf")
_COVER = ("-f", "lavfi", "-i", "color=red:s=32x32:d=0.04:r=25")

CASES = (
    Case("b_frames.mp4", (*_TONE, *_H264, "-bf", "3", "-c:a", "aac"), frames=30),
    Case(
        "open_gop.ts",
        (*_TONE_48, *_H264, "-preset", "fast", "-x264-params", "open-gop=1:bframes=3:keyint=10",
         "-c:a", "ac3"),
        (".mkv", ".mp4", ".ts"), frames=30,
    ),
    Case(
        "program_stream.mpg", (*_TONE, "-c:v", "mpeg2video", "-bf", "2", "-c:a", "mp2"), frames=30
    ),
    Case(
        "mpeg2.ts",
        (*_TONE, "-c:v", "mpeg2video", "-bf", "2", "-g", "9", "-flags", "+ildct+ilme",
         "-vf", "setfield=tff", "-c:a", "mp2"),
        (".mkv", ".ts"), frames=30, warns="interlaced",
    ),
    Case("xvid.avi", (*_TONE, "-c:v", "libxvid", "-bf", "2", "-c:a", "libmp3lame")),
    Case("h264.avi", (*_TONE, *_H264, "-c:a", "libmp3lame"), frames=30, retimed=True),
    Case("raw.h264", _H264, frames=30, warns="no timestamps", retimed=True),
    Case(
        "odd.webm",
        (*_TONE_48, "-vf", "scale=65:49", "-c:v", "libvpx-vp9", "-pix_fmt", "yuv420p",
         "-cpu-used", "8", "-b:v", "0", "-crf", "30", "-c:a", "libopus"),
        (".mkv", ".webm", ".mp4"), options={"codec": "vp9"}, frames=30, keeps=("yuv420p", "65x49"),
    ),
    Case("odd_in_x264.mkv", ("-vf", "scale=65:49", "-c:v", "ffv1", "-pix_fmt", "yuv420p"),
         keeps=("yuv444p", "65x49"), warns="65x49 has an odd side"),
    Case("theora.ogv", (*_TONE, "-c:v", "libtheora", "-c:a", "libvorbis"), (".mkv",), frames=30,
         repeats=True, source={"noise": 0}),
    Case("lossless.mkv", (*_TONE, "-c:v", "ffv1", "-pix_fmt", "yuv422p", "-c:a", "flac"),
         (".mkv", ".mp4")),
    Case("studio.mov", (*_TONE_48, "-c:v", "prores_ks", "-profile:v", "3", "-c:a", "pcm_s24le"),
         (".mov", ".mkv"), options={"codec": "prores"}),
    Case("camera.avi", (*_TONE, "-c:v", "mjpeg", "-pix_fmt", "yuvj422p", "-color_range", "pc",
                        "-c:a", "pcm_s16le"), (".mkv", ".mov"), keeps=("pc",)),
    Case("animated.gif", source={"rate": "10"}, frames=12),
    Case("flash.flv", (*_TONE, "-c:v", "flv1", "-c:a", "libmp3lame")),
    Case("windows.wmv", ("-c:v", "wmv2")),
    Case(
        "hdr10.mkv",
        ("-i", "subs.srt", "-map", "0", "-map", "1", "-c:v", "libx265", "-preset", "ultrafast",
         "-pix_fmt", "yuv420p10le", "-color_primaries", "bt2020", "-color_trc", "smpte2084",
         "-colorspace", "bt2020nc", "-x265-params",
         "log-level=none:master-display=G(8500,39850)B(6550,2300)R(35400,14600)WP(15635,16450)"
         "L(10000000,1):max-cll=1000,400:colorprim=bt2020:transfer=smpte2084:colormatrix=bt2020nc"),
        (".mkv", ".mp4"), source={"seconds": 0.6}, keeps=("10le(tv, bt2020nc/bt2020/smpte2084",),
        options={"drop_unsupported": True},
    ),
    Case("intra_refresh.mp4", (*_H264, "-bf", "0", "-x264-params", "intra-refresh=1:keyint=10")),
    Case("fields.mkv", (*_H264, "-flags", "+ildct+ilme", "-x264-params", "tff=1"), (".mkv",),
         warns="interlaced"),
    Case(
        "ass_and_font.mkv",
        ("-i", "subs.srt", "-map", "0", "-map", "1", *_H264, "-c:s", "ass", *_FONT),
        (".mkv",), keeps=("Subtitle: ass", "font.ttf"),
    ),
    Case(
        "mov_text.mp4",
        ("-i", "subs.srt", "-map", "0", "-map", "1", *_H264, "-c:s", "mov_text",
         "-metadata:s:s:0", "language=deu"),
        (".mp4",), keeps=("Subtitle: mov_text", "(deu)"),
    ),
    Case(
        "chapters.mp4",
        (*_TONE, "-i", "chapters.txt", "-map", "0", "-map", "1", "-map_metadata", "2", *_H264,
         "-c:a", "aac", "-metadata:s:a:0", "language=fra"),
        keeps=("First", "Second", "A walk", "(fra)"),
    ),
    Case(
        "chapters.mkv",
        ("-i", "chapters.txt", "-map", "0", "-map_metadata", "1", *_H264),
        keeps=("First", "Second", "A walk"),
    ),
    Case(
        "cover.mp4",
        (*_TONE, *_COVER, "-map", "0", "-map", "1", "-map", "2", *_H264, "-c:a", "aac",
         "-bf:v:1", "0", "-c:v:1", "mjpeg", "-pix_fmt:v:1", "yuvj420p", "-frames:v:1", "1",
         "-disposition:v:1", "attached_pic"),
        (".mkv", ".mp4"), keeps=("attached pic",),
    ),
    Case(
        "cover_first.mp4",
        (*_COVER, "-map", "1", "-map", "0", "-c:v:0", "png", "-frames:v:0", "1",
         "-disposition:v:0", "attached_pic", "-c:v:1", "libx264", "-pix_fmt:v:1", "yuv420p"),
        (".mkv", ".mp4"), keeps=("attached pic",),
    ),
    Case(
        "labels.mkv",
        (*_TONE, *_TONE_48, "-map", "0", "-map", "1", "-map", "2", *_H264,
         "-c:a", "libopus", "-metadata:s:a:0", "language=eng", "-metadata:s:a:1", "language=jpn",
         "-metadata:s:a:1", "title=Comments of the director", "-disposition:a:0", "0",
         "-disposition:a:1", "default+comment", "-metadata:s:v:0", "title=Main picture"),
        (".mkv", ".mp4"), keeps=("(eng)", "(jpn)", "Comments of the director", "(comment)"),
    ),
    Case("rotated.mp4", _H264, turn=("-display_rotation", "90"), keeps=("rotation of 90",)),
    Case("upside_down.mp4", _H264, turn=("-display_rotation", "180"), keeps=("rotation of -180",)),
    Case("sample_aspect.mp4", (*_H264, "-vf", "setsar=16/15"), keeps=("SAR 16:15",)),
    Case("sample_aspect.mkv", (*_H264, "-vf", "setsar=16/15"), keeps=("SAR 16:15",)),
    Case("starts_late.mkv", (*_TONE, *_H264, "-c:a", "ac3", "-output_ts_offset", "5.5")),
    Case("starts_late.mp4", (*_TONE, *_H264, "-c:a", "ac3", "-output_ts_offset", "5.5")),
    Case("starts_late.ts", (*_TONE, *_H264, "-c:a", "mp2", "-output_ts_offset", "90000"),
         (".mkv", ".ts", ".mp4")),
    Case(
        "video_late.mkv",
        ("-itsoffset", "-0.7", *_TONE, *_H264, "-c:a", "ac3", "-avoid_negative_ts", "make_zero"),
    ),
    Case("early_sound.mp4", (*_TONE, *_H264, "-c:a", "libmp3lame")),
    Case("sound_longer.mp4", ("-f", "lavfi", "-i", "sine=d=3", *_H264, "-c:a", "aac")),
    Case("sound_shorter.mkv", ("-f", "lavfi", "-i", "sine=d=0.4", *_H264, "-c:a", "libvorbis"),
         (".mkv", ".mp4")),
    Case("one_frame.mkv", (*_H264, "-frames:v", "1"), frames=1),
    Case("ntsc.mp4", _H264, source={"rate": "30000/1001"}, frames=36),
    Case("slow.mkv", _H264, source={"rate": "2", "seconds": 4}, frames=8),
    Case("rgb.mkv", ("-c:v", "libx264rgb", "-preset", "ultrafast", "-pix_fmt", "bgr24")),
    Case("grey.mkv", ("-c:v", "ffv1", "-pix_fmt", "gray")),
    Case("dv.avi", ("-c:v", "dvvideo", "-pix_fmt", "yuv411p"), (".mkv",),
         source={"size": "720x480", "rate": "30000/1001", "seconds": 0.2}, warns="interlaced"),
)  # fmt: skip


def _make(ffmpeg: Any, case: Case) -> Path:
    _texts(ffmpeg.folder)
    name = f"upright.{case.name}" if case.turn else case.name
    path: Path = ffmpeg.clip(name, *case.make, **case.source)
    if case.turn:
        path = ffmpeg.make(case.name, *case.turn, "-i", path, "-c", "copy")
    return path


def _streams(ffmpeg: Any, path: Path, kind: str) -> list[str]:
    marks = {"a": ": Audio: ", "s": ": Subtitle: "}
    found = [line for line in ffmpeg.describe(path).splitlines() if marks[kind] in line]
    return [f"{kind}:{number}" for number in range(len(found))]


def _video(ffmpeg: Any, path: Path) -> str:
    """The first video stream that is not a cover."""
    lines = [line for line in ffmpeg.describe(path).splitlines() if ": Video: " in line]
    return f"v:{next(i for i, line in enumerate(lines) if 'attached pic' not in line)}"


@pytest.mark.parametrize(
    ("case", "suffix"),
    [pytest.param(c, s, id=f"{c.name}-{s[1:]}") for c in CASES for s in c.outputs],
)
def test_everything_but_the_picture_is_kept(
    ffmpeg: Any, tmp_path: Path, case: Case, suffix: str
) -> None:
    source = _make(ffmpeg, case)
    output = tmp_path / f"out{suffix}"
    options = {"encoder_preset": "ultrafast"} if "codec" not in case.options else {}
    result = enhance(
        source, output, scale=1, strength=0.0, device="cpu", **{**options, **case.options}
    )
    assert result.verification.kept
    assert not result.decode_errors or case.retimed
    assert [p.name for p in tmp_path.iterdir()] == [output.name], "the work folder is left"
    assert case.warns in " ".join(result.warnings)
    before = ffmpeg.shown(source, _video(ffmpeg, source))
    after = ffmpeg.shown(output, _video(ffmpeg, output))
    assert len(after) == result.frames
    assert case.frames in (None, len(after))
    if case.repeats:
        assert len(before) < len(after)
        times = {round(frame.time * 1000) for frame in after}
        after = [f for f in after if any(abs(f.time - b.time) < Fraction(1, 100) for b in before)]
        assert len(times) == result.frames
    assert len(after) == len(before)
    shift = after[0].time - before[0].time
    tick = Fraction(1, 900)
    if not case.retimed:
        assert max(abs(b.time - a.time - shift) for a, b in zip(before, after, strict=True)) <= tick
    else:
        gaps = {b.time - a.time for a, b in pairwise(after)}
        assert max(gaps) - min(gaps) <= tick
        shift = Fraction(0)
    for stream in _streams(ffmpeg, source, "a"):
        old, new = ffmpeg.sent(source, stream), ffmpeg.sent(output, stream)
        assert [p.digest for p in old] == [p.digest for p in new]
        late = [b.time - a.time - shift for a, b in zip(old, new, strict=True)]
        assert max(map(abs, late)) <= tick
    described = ffmpeg.describe(output)
    for text in case.keeps:
        assert text in described


@pytest.mark.parametrize("suffix", [".mkv", ".mp4", ".mov"])
@pytest.mark.parametrize(
    "turn", [("0", "-display_hflip"), ("0", "-display_vflip"), ("90", "-display_hflip")]
)
def test_mirrored_pictures_look_the_same(
    ffmpeg: Any, tmp_path: Path, turn: tuple[str, ...], suffix: str
) -> None:
    upright = ffmpeg.clip("to_mirror.mp4", *_H264)
    name = f"mirrored{''.join(turn)}.mov"
    source = ffmpeg.make(name, "-display_rotation", *turn, "-i", upright, "-c", "copy")
    output = tmp_path / f"out{suffix}"
    enhance(source, output, scale=1, strength=0.0, device="cpu", crf=4)
    shown = []
    for path in (upright, source, output):
        gray = tmp_path / "gray"
        ffmpeg.run("-i", path, "-frames:v", "1", "-pix_fmt", "gray", "-f", "rawvideo", gray)
        shown.append(np.fromfile(gray, np.uint8).astype(float))
    assert np.abs(shown[1] - shown[0]).mean() > 20
    assert np.abs(shown[2] - shown[1]).mean() < 2


@pytest.mark.parametrize(
    ("name", "make", "suffix", "complaint"),
    [
        ("vorbis.mkv", (*_TONE, *_H264, "-c:a", "libvorbis"), ".mov", "(audio, vorbis)"),
        ("wma.wmv", (*_TONE, "-c:v", "wmv2", "-c:a", "wmav2"), ".ts", "stream #1 (audio, wmav2)"),
        ("b_frames.mkv", _H264, ".avi", ".avi does not take"),
        (
            "cover.mp4.mp4",
            (*_COVER, "-map", "0", "-map", "1", *_H264, "-bf:v:1", "0", "-c:v:1", "mjpeg",
             "-pix_fmt:v:1", "yuvj420p", "-disposition:v:1", "attached_pic"),
            ".mov", "(video, mjpeg)",
        ),
        (
            "deutsch.mp4",
            ("-i", "subs.srt", "-map", "0", "-map", "1", *_H264, "-c:s", "mov_text",
             "-metadata:s:s:0", "language=deu"),
            ".mov", "the language of",
        ),
    ],
)  # fmt: skip
def test_what_a_container_cannot_keep_is_said_before_any_work(
    ffmpeg: Any, tmp_path: Path, name: str, make: tuple[str, ...], suffix: str, complaint: str
) -> None:
    _texts(ffmpeg.folder)
    source = ffmpeg.clip(name, *make)
    phases = []

    def listen(event: Event) -> None:
        if isinstance(event, Phase):
            phases.append(event.name)

    with pytest.raises(UsageError) as caught:
        enhance(source, tmp_path / f"out{suffix}", scale=1, strength=0.0, device="cpu",
                listener=listen)  # fmt: skip
    assert complaint in str(caught.value)
    assert "run" not in phases
    assert not (tmp_path / f"out{suffix}").exists()


def test_a_stream_is_left_out_only_when_the_user_agrees(ffmpeg: Any, tmp_path: Path) -> None:
    source = ffmpeg.clip("vorbis.mkv", *_TONE, *_H264, "-c:a", "libvorbis")
    output = tmp_path / "out.mov"
    result = enhance(source, output, scale=1, strength=0.0, device="cpu", drop_unsupported=True)
    assert "Audio" not in ffmpeg.describe(output)
    assert any("vorbis" in warning for warning in result.warnings)
    # Who verifies the output alone is told by it what was left out.
    report = verify(str(source), str(output))
    assert report.kept, report.broken
    assert "without stream 1" in report.checks[0].detail


def test_what_an_output_declares_lies_beside_it_where_the_container_has_no_place(
    ffmpeg: Any, tmp_path: Path
) -> None:
    (ffmpeg.folder / "font.ttf").write_bytes(b"font")
    attached = ("-attach", ffmpeg.folder / "font.ttf", "-metadata:s:t", "mimetype=font/ttf")
    source = ffmpeg.clip("attached.mkv", *_H264, *attached)
    output = tmp_path / "out.ts"
    options = {"scale": 1, "strength": 0.0, "device": "cpu", "overwrite": True}
    enhance(source, output, drop_unsupported=True, **options)
    beside = output.with_name("out.ts.videnhance.json")
    assert beside.exists()
    assert verify(str(source), str(output)).kept
    beside.rename(tmp_path / "moved")
    assert [check.name for check in verify(str(source), str(output)).broken] == ["attachments"]
    other = ffmpeg.clip("plain.mkv", *_H264)
    enhance(other, output, **options)
    assert not beside.exists()
    report = verify(str(other), str(output))
    assert report.kept
    assert report.checks[0].detail == "no declaration found, judged one for one"


_PLANES = ("yuv420p", "yuv422p", "yuv444p", "yuv420p10le", "yuv444p12le", "gray", "yuv410p")


@pytest.mark.parametrize("pix_fmt", _PLANES)
def test_ffv1_returns_every_code_value(ffmpeg: Any, tmp_path: Path, pix_fmt: str) -> None:
    source = ffmpeg.clip(f"exact_{pix_fmt}.mkv", "-c:v", "ffv1", "-pix_fmt", pix_fmt)
    output = tmp_path / "out.mkv"
    enhance(source, output, scale=1, strength=0.0, device="cpu", codec="ffv1")
    before, after = ffmpeg.shown(source), ffmpeg.shown(output)
    assert f", {pix_fmt}" in ffmpeg.describe(output)
    assert before == after


@pytest.mark.parametrize(("name", "make"), [
    ("noise.mp4", ("-vf", "noise=alls=60:allf=t", *_H264)),
    ("full_range.mp4", ("-vf", "noise=alls=60:allf=t,scale=out_range=full", *_H264,
                        "-color_range", "pc")),
])  # fmt: skip
def test_x264_without_loss_is_within_one_code_value(
    ffmpeg: Any, tmp_path: Path, name: str, make: tuple[str, ...]
) -> None:
    source = ffmpeg.clip(name, *make)
    output = tmp_path / "out.mp4"
    enhance(source, output, scale=1, strength=0.0, device="cpu", encoder_option=("qp=0",))
    planes = []
    for path in (source, output):
        raw = tmp_path / "raw"
        ffmpeg.run("-i", path, "-fps_mode", "passthrough", "-f", "rawvideo", raw)
        planes.append(np.fromfile(raw, np.uint8).astype(int))
    assert np.abs(planes[0] - planes[1]).max() <= 1


def test_frames_too_close_for_matroska_are_refused_before_any_work(
    ffmpeg: Any, tmp_path: Path
) -> None:
    source = ffmpeg.clip("fast.mp4", "-r", "4000", "-c:v", "libx264", rate=4000, seconds=0.01)
    with pytest.raises(UsageError, match=r"write \.mp4"):
        enhance(source, tmp_path / "out.mkv", strength=0)
    result = enhance(source, tmp_path / "out.mp4", strength=0, scale=1)
    assert result.verification.kept
