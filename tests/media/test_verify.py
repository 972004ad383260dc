"""What verification must notice beside the pictures: packets, attachments, labels, tags."""

from __future__ import annotations

from array import array
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import av
import pytest

from videnhance.core import UsageError
from videnhance.engine import enhance
from videnhance.media.content import Copy, Times
from videnhance.media.declaration import TAG, Declaration
from videnhance.media.verify import verify

_H264 = ("-c:v", "libx264", "-preset", "ultrafast", "-pix_fmt", "yuv420p")
_TONE = ("-f", "lavfi", "-i", "aevalsrc=sin(900*t)|cos(700*t):s=48000:d=1.2")
_FILES = (
    "-attach", "a.ttf", "-metadata:s:t:0", "mimetype=font/ttf",
    "-attach", "b.ttf", "-metadata:s:t:1", "mimetype=font/ttf",
)  # fmt: skip


@pytest.fixture(scope="module")
def rich(ffmpeg: Any) -> Path:
    """Picture, two sound tracks, two fonts, and tags."""
    for name in ("a.ttf", "b.ttf"):
        (ffmpeg.folder / name).write_bytes(name.encode() * 99)
    found: Path = ffmpeg.clip(
        "rich.mkv", *_TONE, *_TONE, "-map", "0", "-map", "1", "-map", "2", *_H264, "-c:a", "ac3",
        "-disposition:a:0", "default", "-disposition:a:1", "0", *_FILES,
        "-metadata", "title=Same", "-metadata", "comment=Same",
    )  # fmt: skip
    return found


def _broken(source: Path, output: Path) -> list[str]:
    return [check.name for check in verify(str(source), str(output)).broken]


@pytest.mark.parametrize(
    ("change", "broken"),
    [
        ((), []),
        (("-map", "-0:t:1"), ["attachments"]),
        (("-metadata:s:t:1", "filename=c.ttf"), ["attachments"]),
        (("-metadata:s:t:0", "filename=b.ttf", "-metadata:s:t:1", "filename=a.ttf"),
         ["attachments"]),
        (("-disposition:a:1", "comment"), ["stream labels"]),
        (("-disposition:a:1", "default"), ["stream labels"]),
        (("-disposition:a:0", "0", "-disposition:a:1", "default"), ["stream labels"]),
        (("-disposition:a:0", "0", "-disposition:v:0", "0"), []),
        (("-metadata", "comment="), ["metadata"]),
    ],
)  # fmt: skip
def test_changes_break_the_promise(
    ffmpeg: Any, tmp_path: Path, rich: Path, change: tuple[str, ...], broken: list[str]
) -> None:
    output = tmp_path / "out.mkv"
    options = ("-default_mode", "passthrough")
    ffmpeg.run("-i", rich, "-map", "0", "-c", "copy", *change, *options, output)
    assert _broken(rich, output) == broken


@pytest.mark.parametrize(("kept", "broken"), [("a.ttf", []), ("b.ttf", ["attachments"])])
def test_a_dropped_file_excuses_no_other(
    ffmpeg: Any, tmp_path: Path, rich: Path, kept: str, broken: list[str]
) -> None:
    output = tmp_path / "out.mkv"
    place = {"a.ttf": 1, "b.ttf": 0}[kept]

    def made(*dropped: int) -> list[str]:
        tag = f"{TAG}={Declaration(dropped).text()}"
        ffmpeg.run("-i", rich, "-map", "0", "-map", f"-0:t:{place}", "-c", "copy", "-metadata",
                   tag, "-default_mode", "passthrough", output)  # fmt: skip
        return _broken(rich, output)

    assert made(4) == broken
    assert made(3, 4) == ["attachments"]
    assert made() == ["attachments"]


def test_quicktime_spells_its_keys_its_own_way(ffmpeg: Any, tmp_path: Path) -> None:
    source = ffmpeg.clip(
        "phone.mov", *_H264, "-movflags", "use_metadata_tags",
        "-metadata", "com.apple.quicktime.location.ISO6709=+48.1+11.5/",
        "-metadata", "com.apple.quicktime.make=Someone",
    )  # fmt: skip
    output = tmp_path / "out.mkv"
    tags = ("-map_metadata", "-1", "-metadata", "LOCATION=+48.1+11.5/")
    ffmpeg.run("-i", source, "-c", "copy", *tags, "-metadata", "make=Someone", output)
    assert _broken(source, output) == []
    ffmpeg.run("-i", source, "-c", "copy", *tags, "-metadata", "model=Someone", output)
    assert _broken(source, output) == ["metadata"]


def _copied(source: Path, output: Path, change: Callable[[list[Any]], list[Any]]) -> None:
    """Remux picture and first sound track, the packets of the latter changed."""
    old: Any
    new: Any
    with av.open(str(source)) as old, av.open(str(output), "w") as new:
        both = old.streams.get(video=0, audio=0)
        streams = {s.index: new.add_stream_from_template(s) for s in both}
        packets: dict[int, list[Any]] = {0: [], 1: []}
        for packet in old.demux(both):
            if packet.size:
                packets[packet.stream.index].append(packet)
        packets[1] = change(packets[1])
        for packet in sorted(packets[0] + packets[1], key=lambda p: float(p.dts * p.time_base)):
            packet.stream = streams[packet.stream.index]
            new.mux(packet)


def _joined(packets: list[Any]) -> list[Any]:
    first, second = packets[4:6]
    packet = av.Packet(bytes(first) + bytes(second))
    packet.pts, packet.dts, packet.time_base = first.pts, first.dts, first.time_base
    packet.stream = first.stream
    return [*packets[:4], packet, *packets[6:]]


def _late(packets: list[Any]) -> list[Any]:
    for packet in packets[8:]:
        packet.pts += 20
        packet.dts += 20
    return packets


@pytest.mark.parametrize(
    ("codec", "change", "kept"),
    [
        ("ac3", lambda packets: packets, True),
        ("ac3", _late, False),
        ("ac3", _joined, False),
        ("pcm_s16le", _joined, True),
        ("pcm_s16le", lambda packets: _late(_joined(packets)), False),
    ],
)
def test_every_packet_of_sound_is_compared(
    ffmpeg: Any, tmp_path: Path, codec: str, change: Callable[[list[Any]], list[Any]], kept: bool
) -> None:
    source = ffmpeg.clip(f"sound_{codec}.mkv", *_TONE, *_H264, "-c:a", codec)
    output = tmp_path / "out.mkv"
    _copied(source, output, change)
    assert _broken(source, output) == ([] if kept else [f"stream #1 (audio, {codec})"])


def test_a_packet_without_a_presentation_time_counts_by_its_decoding_time() -> None:
    copy = Copy(Times(Fraction(1, 1000)))
    stream = SimpleNamespace(codec_context=None)

    class Packet(bytes):
        pts: int | None = None
        dts = 0

    for dts, pts in ((0, 5), (10, None), (20, 25)):
        packet: Any = Packet(b"abc")
        packet.stream, packet.dts, packet.pts = stream, dts, pts
        copy.add(packet)
    assert copy.times.ticks == array("q", [5, 10, 25])
    assert copy.offsets == array("q", [0, 3, 6])


def test_avi_without_a_default_mark_is_written(ffmpeg: Any, tmp_path: Path) -> None:
    source = ffmpeg.clip("plain_sound.mov", *_TONE, *_H264, "-c:a", "pcm_s16le")
    result = enhance(source, tmp_path / "out.avi", strength=0, scale=1, codec="ffv1")
    assert result.verification.kept
    several = ffmpeg.clip(
        "second_is_default.mov", *_TONE, *_TONE, "-map", "0", "-map", "1", "-map", "2", *_H264,
        "-c:a", "pcm_s16le", "-disposition:a:0", "0", "-disposition:a:1", "default",
    )  # fmt: skip
    with pytest.raises(UsageError, match="the default audio stream changed"):
        enhance(several, tmp_path / "two.avi", strength=0, scale=1, codec="ffv1")
