"""The committed clips are what samples/README.md promises and what make_samples.py makes."""

from __future__ import annotations

import sys
from fractions import Fraction
from pathlib import Path
from types import ModuleType
from typing import Any

import av
import numpy as np
import pytest
from numpy.typing import NDArray

SAMPLES = Path(__file__).resolve().parents[2] / "samples"
NAMES = ("archive", "colour", "phone", "pal")


@pytest.fixture(scope="module")
def maker() -> ModuleType:
    pytest.importorskip("skimage")
    pytest.importorskip("PIL")
    sys.path.insert(0, str(SAMPLES))
    try:
        import make_samples
    finally:
        sys.path.remove(str(SAMPLES))
    return make_samples  # type: ignore[no-any-return]


def _path(name: str) -> Path:
    (path,) = SAMPLES.glob(f"{name}.*")
    return path


def _decoded(path: Path) -> list[av.VideoFrame]:
    with av.open(str(path)) as container:
        return list(container.decode(video=0))


def _rgb(frame: av.VideoFrame) -> NDArray[np.float32]:
    rgb = frame.to_ndarray(format="rgb24", src_colorspace=int(frame.colorspace))
    return rgb.transpose(2, 0, 1).astype(np.float32) / 255


def _psnr(a: NDArray[Any], b: NDArray[Any]) -> float:
    return float(-10 * np.log10(np.mean((a.astype(np.float64) - b) ** 2) + 1e-12))


def test_clips_are_committed_and_small() -> None:
    assert sum(_path(name).stat().st_size for name in NAMES) < 600_000


@pytest.mark.parametrize(
    ("name", "codec", "size", "frames", "audio"),
    [
        ("archive", "h264", (320, 180), 96, "aac"),
        ("colour", "h264", (256, 144), 85, "opus"),
        ("phone", "h264", (256, 144), 67, "aac"),
        ("pal", "mpeg2video", (180, 144), 60, "mp2"),
    ],
)
def test_streams(name: str, codec: str, size: tuple[int, int], frames: int, audio: str) -> None:
    with av.open(str(_path(name))) as container:
        video = container.streams.video[0]
        assert (video.codec_context.name, (video.width, video.height)) == (codec, size)
        assert container.streams.audio[0].codec_context.name == audio
        assert sum(f.samples for f in container.decode(audio=0)) > 2 * 48_000
    assert len(_decoded(_path(name))) == frames


def test_archive_has_chapters_and_a_film_rate() -> None:
    with av.open(str(_path("archive"))) as container:
        titles = [chapter["metadata"]["title"] for chapter in container.chapters()]
        assert titles == ["The cameraman", "The launch"]
        assert container.metadata["title"] == "The launch"
        assert container.streams.video[0].average_rate == Fraction(24_000, 1001)
        assert container.streams.audio[0].metadata["language"] == "zxx"
    for frame in _decoded(_path("archive"))[::20]:
        rgb = _rgb(frame)
        assert np.ptp(rgb, axis=0).max() < 0.02, "archive is black and white"


def test_colour_has_subtitles_a_font_chapters_and_an_offset() -> None:
    with av.open(str(_path("colour"))) as container:
        (subtitle,) = container.streams.subtitles
        assert subtitle.codec_context.name in ("ass", "ssa")
        assert subtitle.language == "eng"
        (font,) = container.streams.attachments
        assert font.metadata["filename"] == "Aileron-Regular.ttf"
        assert font.data[:4] == b"\0\1\0\0"
        assert len(container.chapters()) == 2
        cues = [p for p in container.demux(subtitle) if p.size]
        assert [float(p.pts * p.time_base) for p in cues] == [0.7, 2.5]
    with av.open(str(_path("colour"))) as container:
        first_video = next(container.decode(video=0)).time
    with av.open(str(_path("colour"))) as container:
        first_audio = next(container.decode(audio=0)).time
    assert first_video == pytest.approx(0.5)
    assert first_audio == pytest.approx(0.62, abs=0.01)


def test_phone_is_rotated_and_of_variable_rate() -> None:
    frames = _decoded(_path("phone"))
    assert {frame.rotation for frame in frames} == {-90}
    steps = np.diff([frame.pts for frame in frames])
    assert steps.min() > 0
    assert len(set(steps.tolist())) > 20
    assert steps.max() > 1.8 * np.median(steps), "a frame was dropped somewhere"


def test_pal_has_wide_pixels_and_a_late_start() -> None:
    with av.open(str(_path("pal"))) as container:
        video = container.streams.video[0]
        assert video.sample_aspect_ratio == Fraction(16, 15)
        assert video.start_time is not None
        assert video.start_time > 0
        assert video.average_rate == 25


@pytest.mark.parametrize("name", NAMES)
def test_timestamps_are_those_of_the_recipe(maker: ModuleType, name: str) -> None:
    clip = maker.CLIPS[name]
    frames = _decoded(_path(name))
    assert len(frames) == len(clip.ticks)
    first = frames[0].pts * frames[0].time_base
    for frame, tick in zip(frames, clip.ticks, strict=True):
        expected = (tick - clip.ticks[0]) * clip.time_base
        assert abs(frame.pts * frame.time_base - first - expected) <= frame.time_base / 2


@pytest.mark.parametrize("name", NAMES)
def test_clip_comes_from_the_recipe(maker: ModuleType, name: str) -> None:
    """Regenerated frames match the decoded ones, and their neighbours in time match worse."""
    decoded = [_rgb(frame) for frame in _decoded(_path(name))]
    for n in (2, len(decoded) // 2, len(decoded) - 12):
        assert _psnr(maker.degraded_frame(name, n), decoded[n]) > 26
        clean = maker.clean_frame(name, n)
        assert clean.shape == decoded[n].shape
        assert clean.dtype == np.float32
        here = _psnr(clean, decoded[n])
        assert here > 22
        if name != "colour" or n < 50:  # its camera rests at the end
            # Flicker must not decide, so compare without the mean.
            error = [np.std(clean - decoded[m]) for m in (n, n - 2, n + 2)]
            assert error[0] < min(error[1:])


def test_colour_ends_at_rest_and_has_one_cut(maker: ModuleType) -> None:
    small = [maker.clean_frame("colour", n) for n in (43, 44, 45, 46, 78, 84)]
    assert _psnr(small[1], small[2]) < 15 < _psnr(small[0], small[1])
    assert np.array_equal(small[4], small[5])


def test_scales_agree(maker: ModuleType) -> None:
    """The clip's clean picture is the area average of the larger ones, so nothing is shifted."""
    large, small = (maker.clean_frame("phone", 9, scale) for scale in (4, 1))
    averaged = large.reshape(3, 144, 4, 256, 4).mean(axis=(2, 4))
    assert np.abs(averaged - small).max() < 1e-4
    with pytest.raises(ValueError, match="scale must be 1, 2 or 4"):
        maker.clean_frame("phone", 0, 3)


def test_making_is_deterministic(maker: ModuleType, tmp_path: Path) -> None:
    maker.make_clip("pal", tmp_path / "a.mpg")
    maker.make_clip("pal", tmp_path / "b.mpg")
    assert (tmp_path / "a.mpg").read_bytes() == (tmp_path / "b.mpg").read_bytes()


def test_clean_files_are_lossless(maker: ModuleType, tmp_path: Path) -> None:
    maker.write_clean("pal", 1, tmp_path / "clean.mkv")
    frames = _decoded(tmp_path / "clean.mkv")
    assert len(frames) == 60
    expected = np.rint(maker.clean_frame("pal", 30) * 255)
    assert np.array_equal(frames[30].to_ndarray(format="rgb24").transpose(2, 0, 1), expected)
