"""Which pixel formats are offered for an encoder, and what is said of the choice."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest

from videnhance.core import Frame, UsageError
from videnhance.engine import enhance
from videnhance.media.encode import SegmentEncoder, encoded_clip, resolve_encoding
from videnhance.media.encoding import CODECS, EncodeOptions
from videnhance.media.source import SourceInfo, probe


@pytest.fixture(scope="module")
def limited(ffmpeg: Any) -> SourceInfo:
    return probe(str(ffmpeg.clip("limited.mp4", "-c:v", "libx264", "-pix_fmt", "yuv420p")))


def _full(source: SourceInfo) -> SourceInfo:
    clip = source.clip
    return replace(source, clip=replace(clip, colour=replace(clip.colour, full_range=True)))


@pytest.mark.parametrize("full_range", [False, True])
@pytest.mark.parametrize("codec", CODECS)
def test_every_format_is_written_or_refused_in_one_sentence(
    limited: SourceInfo, tmp_path: Path, codec: str, full_range: bool
) -> None:
    source = _full(limited) if full_range else limited
    written: list[str] = []
    sentences: dict[str, str] = {}
    for form in av.codec.Codec(CODECS[codec].encoder, "w").video_formats or ():
        wanted = EncodeOptions(codec=codec, pix_fmt=form.name)
        try:
            encoding = resolve_encoding(wanted, source, (64, 48))
        except UsageError as refused:
            sentences[form.name] = str(refused)
            continue
        clip = encoded_clip(source.clip, encoding)
        with SegmentEncoder(tmp_path / "a.mkv", encoding, clip, Fraction(25)) as encoder:
            encoder.write(Frame(np.full((3, 48, 64), 0.5, np.float32), 0))
        written.append(form.name)
    for name, sentence in sentences.items():
        _, choices = sentence.split(f"pixel format {name}; choose among ")
        assert choices == f"{', '.join(written)}."
    assert any("420p" in name or "422p" in name for name in written)
    assert not any("yuva" in name for name in written)
    if not full_range:
        assert not any("yuvj" in name for name in written)


@pytest.mark.parametrize(
    ("codec", "pix_fmt"), [("x264", "yuvj420p"), ("vp9", "yuva420p"), ("ffv1", "bgra")]
)
def test_a_format_that_cannot_be_written_is_no_bug(
    ffmpeg: Any, tmp_path: Path, limited: SourceInfo, codec: str, pix_fmt: str
) -> None:
    with pytest.raises(UsageError, match=f"pixel format {pix_fmt}; choose among"):
        enhance(limited.path, tmp_path / "out.mkv", strength=0, codec=codec, pix_fmt=pix_fmt)


def test_rgb_can_be_asked_for(limited: SourceInfo, tmp_path: Path) -> None:
    result = enhance(
        limited.path, tmp_path / "out.mkv", strength=0, scale=1, codec="ffv1", pix_fmt="gbrp10le"
    )
    assert result.verification.kept
    assert probe(str(result.output)).pix_fmt == "gbrp10le"


@pytest.mark.parametrize(("codec", "warned"), [("x264", True), ("x265", True), ("vp9", False)])
def test_full_chroma_for_odd_sides_is_said(limited: SourceInfo, codec: str, warned: bool) -> None:
    heard: list[str] = []
    wanted = EncodeOptions(codec=codec)
    assert resolve_encoding(wanted, limited, (64, 48), heard.append).pix_fmt == "yuv420p"
    assert not heard
    encoding = resolve_encoding(wanted, limited, (65, 48), heard.append)
    assert (encoding.pix_fmt == "yuv444p") == warned
    assert bool(heard) == warned
    if warned:
        assert "some players refuse" in heard[0]


@pytest.mark.parametrize("crf", [-1, 52])
def test_a_quality_out_of_range_is_refused(limited: SourceInfo, crf: float) -> None:
    with pytest.raises(UsageError, match="outside 0 to 51 of x264"):
        resolve_encoding(EncodeOptions(codec="x264", crf=crf), limited, (64, 48))
    with pytest.raises(UsageError, match="ffv1 has no --crf"):
        resolve_encoding(EncodeOptions(codec="ffv1", crf=20), limited, (64, 48))


@pytest.mark.parametrize(
    ("muxer", "depth", "encoder"),
    [
        ("matroska", 8, "libx264"),
        ("mp4", 10, "libx265"),
        ("webm", 8, "libvpx-vp9"),
        ("webm", 10, "libsvtav1"),
    ],
)
def test_the_usual_encoder_is_one_that_the_container_takes(
    limited: SourceInfo, muxer: str, depth: int, encoder: str
) -> None:
    source = replace(limited, clip=replace(limited.clip, bit_depth=depth))
    assert resolve_encoding(EncodeOptions(), source, (64, 48), muxer=muxer).encoder == encoder
