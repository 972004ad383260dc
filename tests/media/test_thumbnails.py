"""The thumbnail check: what enlarging does passes, and a wrong frame is named."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from videnhance.core import Colour, Matrix
from videnhance.engine import enhance
from videnhance.media.pixels import from_image
from videnhance.media.source import probe
from videnhance.media.thumbnails import _Thumbnails, compare_frames
from videnhance.media.verify import verify

_LOSSLESS = ("-c:v", "ffv1", "-fps_mode", "passthrough")
_SWAPPED = "shuffleframes=" + " ".join(map(str, (*range(15, 30), *range(15))))
_MOVING = "hue=H=2*PI*n/12,eq=brightness=0.3*sin(n)"

# How a picture is stored before and after; FFmpeg's scaler turns one into the other.
_KINDS = {
    "limited": ("format=yuv420p", "format=yuv420p"),
    "full": ("scale=out_range=full,format=yuvj420p", "format=yuvj420p"),
    "10 bit": ("format=yuv420p10le", "format=yuv422p10le"),
    "to 8 bit": ("format=yuv420p10le", "format=yuv420p"),
    "rgb": ("scale=in_color_matrix=bt709,format=gbrp", "format=gbrp"),
    "rgb to limited": (
        "scale=in_color_matrix=bt709,format=gbrp",
        "scale=out_color_matrix=bt709:out_range=limited,format=yuv444p",
    ),
    "limited to rgb": (
        "scale=out_color_matrix=bt709,format=yuv444p",
        "scale=in_color_matrix=bt709,format=gbrp10le",
    ),
    "interlaced": ("setfield=tff,format=yuv420p", "format=yuv420p"),
}


def _source(ffmpeg: Any, name: str, form: str) -> Path:
    found: Path = ffmpeg.clip(
        f"likeness_{name}.mkv".replace(" ", "_"), "-vf", f"{_MOVING},{form}", *_LOSSLESS,
        *(("-colorspace", "bt709") if "gbrp" not in form else ()),
        noise=0,
    )  # fmt: skip
    return found


def _enlarged(ffmpeg: Any, source: Path, output: Path, graph: str, form: str) -> Path:
    colours = () if "gbrp" in form else ("-colorspace", "bt709")
    ffmpeg.run("-i", source, "-vf", f"{graph},scale=2*iw:2*ih,{form}", *_LOSSLESS, *colours, output)
    return output


@pytest.mark.parametrize("kind", _KINDS)
def test_enlarged_pictures_are_alike_in_any_format(ffmpeg: Any, tmp_path: Path, kind: str) -> None:
    before, after = _KINDS[kind]
    source = _source(ffmpeg, kind, before)
    output = _enlarged(ffmpeg, source, tmp_path / "out.mkv", "null", after)
    seen, made, thumbnails = compare_frames(probe(str(source)), probe(str(output)), lambda: None)
    assert len(seen.times.ticks) == len(made.times.ticks) == 30
    assert thumbnails.difference < 2


@pytest.mark.parametrize(
    ("graph", "detail"),
    [
        ("reverse", "of 255"),
        (_SWAPPED, "the output shows frame"),
        ("drawbox=t=fill:color=black:enable=eq(n\\,5)", "(frame 5)"),
        ("loop=loop=30:size=1:start=4,trim=end_frame=30", "the output shows frame"),
    ],
)
@pytest.mark.parametrize("kind", ["limited", "10 bit", "rgb to limited"])
def test_wrong_pictures_break_the_promise(
    ffmpeg: Any, tmp_path: Path, kind: str, graph: str, detail: str
) -> None:
    before, after = _KINDS[kind]
    source = _source(ffmpeg, kind, before)
    output = _enlarged(ffmpeg, source, tmp_path / "out.mkv", graph, after)
    report = verify(str(source), str(output))
    assert [check.name for check in report.broken] == ["same pictures"]
    assert detail in report.broken[0].detail


def test_pictures_are_compared_up_to_the_shorter_end(ffmpeg: Any, tmp_path: Path) -> None:
    source = _source(ffmpeg, "limited", "format=yuv420p")
    output = _enlarged(ffmpeg, source, tmp_path / "out.mkv", "trim=end_frame=20", "format=yuv420p")
    report = verify(str(source), str(output))
    assert [check.name for check in report.broken] == ["every frame"]
    assert report.frames == 20


@pytest.mark.parametrize("full", [False, True])
@pytest.mark.parametrize("matrix", [Matrix.BT709, Matrix.SMPTE170M, Matrix.BT2020_NCL])
@pytest.mark.parametrize("form", ["yuv420p", "yuv444p10le"])
def test_rgb_and_other_pictures_have_one_luma(form: str, matrix: int, full: bool) -> None:
    info: Any = SimpleNamespace(
        clip=SimpleNamespace(colour=Colour(matrix, full, chroma_location=1))
    )
    rgb: Any = SimpleNamespace(clip=SimpleNamespace(colour=Colour(Matrix.RGB, True)))
    for shade in ((0.9, 0.1, 0.1), (0.1, 0.1, 0.9), (0.05, 0.05, 0.05), (0.9, 0.9, 0.9)):
        image = np.empty((3, 18, 32), np.float32)
        image[:] = np.reshape(shade, (3, 1, 1))
        one = _Thumbnails(rgb, True)(from_image(image, "gbrp", rgb.clip.colour))
        other = _Thumbnails(info, True)(from_image(image, form, info.clip.colour))
        assert np.abs(one.astype(int) - other).max() <= 3


def test_a_tag_that_only_one_side_has_changes_nothing() -> None:
    colour = Colour(Matrix.BT709, chroma_location=1)
    info: Any = SimpleNamespace(clip=SimpleNamespace(colour=colour))
    image = np.empty((3, 18, 32), np.float32)
    image[:] = np.reshape((0.9, 0.1, 0.1), (3, 1, 1))
    frame = from_image(image, "yuv420p", colour)
    tagged = _Thumbnails(info, False)(frame)
    frame.colorspace = Matrix.UNSPECIFIED
    assert np.array_equal(_Thumbnails(info, False)(frame), tagged)


@pytest.mark.parametrize("span", ["tv", "pc"])
def test_grey_is_compared_in_its_range(ffmpeg: Any, tmp_path: Path, span: str) -> None:
    graph = f"{_MOVING},format=yuv420p,extractplanes=y,lut=c0=val/2,setparams=range={span}"
    source = ffmpeg.clip(f"grey_{span}.mkv", "-vf", graph, *_LOSSLESS, "-color_range", span)
    output = tmp_path / "out.mkv"
    enhance(source, output, scale=1, strength=0, crf=8)
    info = probe(str(source))
    assert (info.pix_fmt, info.clip.colour.full_range) == ("gray", span == "pc")
    _, _, thumbnails = compare_frames(info, probe(str(output)), lambda: None)
    assert thumbnails.difference < 1.5


@pytest.mark.parametrize("options", [
    {"crf": 51, "encoder_preset": "ultrafast"},
    {"codec": "vp9", "crf": 63, "encoder_preset": "8"},
    {"scale": 2, "strength": 1.0},
])  # fmt: skip
def test_neither_coarse_encoding_nor_the_network_is_mistaken(
    ffmpeg: Any, tmp_path: Path, options: dict[str, Any]
) -> None:
    source = ffmpeg.clip("coarse.mp4", "-vf", _MOVING, "-c:v", "libx264", "-pix_fmt", "yuv420p")
    result = enhance(source, tmp_path / "out.mkv", **{"scale": 1, "strength": 0, **options})
    assert result.verification.kept
