"""Bad inputs and bad outputs: one sentence of the right class, or what could be saved."""

from __future__ import annotations

import os
import random
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from videnhance.core import InputError, ResourceError, UsageError, VidenhanceError
from videnhance.engine import Result, enhance

_H264 = ("-c:v", "libx264", "-preset", "ultrafast", "-pix_fmt", "yuv420p", "-bf", "2", "-g", "10")
_TONE = ("-f", "lavfi", "-i", "sine=d=1.2")


def _enhance(source: Path | str, output: Path, **options: Any) -> Result:
    return enhance(
        source, output, scale=1, strength=0.0, device="cpu", encoder_preset="ultrafast", **options
    )


def _is_one_sentence(error: VidenhanceError) -> bool:
    text = str(error)
    return text.endswith(".") and "\n" not in text and "Traceback" not in text and len(text) < 600


def _cut(share: float) -> Callable[[bytes], bytes]:
    return lambda data: data[: int(len(data) * share)]


def _unreadable_sources(ffmpeg: Any, folder: Path) -> Iterator[tuple[str, Path]]:
    def write(name: str, data: bytes) -> Path:
        path = folder / name
        path.write_bytes(data)
        return path

    yield "missing", folder / "missing.mkv"
    yield "folder", folder
    yield "empty", write("empty.mp4", b"")
    yield "text", write("text.mkv", b"This is not a recording.\n" * 40)
    yield "text named mp4", write("text.mp4", b"This is not a recording.\n" * 4000)
    yield "random", write("random.mkv", random.Random(1).randbytes(50_000))
    whole = ffmpeg.clip("whole.mp4", *_TONE, *_H264, "-c:a", "aac").read_bytes()
    yield "no moov", write("no_moov.mp4", _cut(0.5)(whole))
    yield "sound alone", ffmpeg.make("sound.mp4", *_TONE, "-c:a", "aac")
    yield (
        "cover alone",
        ffmpeg.make(
            "sound_and_cover.mp4", *_TONE, "-f", "lavfi", "-i", "color=red:s=32x32:d=0.04",
            "-map", "0", "-map", "1", "-c:a", "aac", "-c:v", "mjpeg", "-pix_fmt", "yuvj420p",
            "-disposition:v:0", "attached_pic",
        ),
    )  # fmt: skip
    header = ffmpeg.clip("whole.mkv", *_TONE, *_H264, "-c:a", "ac3").read_bytes()
    yield "header alone", write("header.mkv", header[: header.index(b"\x1f\x43\xb6\x75")])
    yield (
        "unknown codec",
        write("unknown.mkv", header.replace(b"V_MPEG4/ISO/AVC", b"V_XXXXX/YYY/ZZZ")),
    )
    yield "unknown codec in mp4", write("unknown.mp4", whole.replace(b"avc1", b"zzz1"))
    # Everything that the frames' packets hold is noise, as an encrypted file looks.
    noise = bytearray(whole)
    at = whole.index(b"mdat") + 4
    noise[at:] = random.Random(2).randbytes(len(noise) - at) if whole.index(b"moov") < at else (
        random.Random(2).randbytes(whole.index(b"moov") - 4 - at) + whole[whole.index(b"moov") - 4:]
    )  # fmt: skip
    yield "noise for packets", write("noise.mp4", bytes(noise))


_UNREADABLE = (
    "missing", "folder", "empty", "text", "text named mp4", "random", "no moov", "sound alone",
    "cover alone", "header alone", "unknown codec", "unknown codec in mp4", "noise for packets",
)  # fmt: skip


@pytest.mark.parametrize("name", _UNREADABLE)
def test_an_unreadable_source_is_told_in_one_sentence(
    ffmpeg: Any, tmp_path: Path, name: str
) -> None:
    folder = tmp_path / "in"
    folder.mkdir()
    sources = dict(_unreadable_sources(ffmpeg, folder))
    assert set(sources) == set(_UNREADABLE)
    output = tmp_path / "out.mkv"
    with pytest.raises(InputError) as caught:
        _enhance(sources[name], output)
    assert _is_one_sentence(caught.value)
    assert [p.name for p in tmp_path.iterdir()] == ["in"]


@pytest.mark.parametrize("suffix", [".mkv", ".ts", ".avi", ".flv"])
@pytest.mark.parametrize("share", [0.5, 0.8])
def test_a_truncated_source_is_kept_up_to_the_cut(
    ffmpeg: Any, tmp_path: Path, suffix: str, share: float
) -> None:
    codec = ("-c:v", "mpeg4") if suffix == ".avi" else _H264
    whole = ffmpeg.clip(f"to_cut{suffix}", *_TONE, *codec, "-c:a", "libmp3lame")
    source = tmp_path / f"cut{suffix}"
    source.write_bytes(_cut(share)(whole.read_bytes()))
    output = tmp_path / "out.mkv"
    result = _enhance(source, output)
    before, after = ffmpeg.shown(whole), ffmpeg.shown(output)
    assert len(before) * share * 0.5 < len(after) < len(before)
    # The container's millisecond, and a start that makes room for sound before zero.
    shift = after[0].time - before[0].time
    times = [frame.time + shift for frame in before]
    assert all(min(abs(frame.time - time) for time in times) < 0.002 for frame in after)
    assert result.frames == len(after)


def _flip(data: bytes, seed: int, count: int, start: int) -> bytes:
    dice = random.Random(seed)
    damaged = bytearray(data)
    for _ in range(count):
        damaged[dice.randrange(start, len(damaged))] ^= 1 << dice.randrange(8)
    return bytes(damaged)


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("suffix", [".mkv", ".mp4", ".ts", ".avi"])
def test_flipped_bits_never_break_the_program(
    ffmpeg: Any, tmp_path: Path, suffix: str, seed: int
) -> None:
    codec = ("-c:v", "mpeg4", "-g", "10") if suffix == ".avi" else _H264
    make = (*_TONE, *codec, "-c:a", "mp2", "-movflags", "faststart")
    whole = ffmpeg.clip(f"to_flip{suffix}", *make[: -2 if suffix != ".mp4" else None])
    source = tmp_path / f"flipped{suffix}"
    source.write_bytes(_flip(whole.read_bytes(), seed, 4 ** (1 + seed % 3), 3000))
    output = tmp_path / "out.mkv"
    failure = None
    try:
        result = _enhance(source, output)
    except VidenhanceError as error:
        failure = error
    if failure is None:
        assert len(ffmpeg.shown(output)) == result.frames
    else:
        assert _is_one_sentence(failure)
        assert not output.exists()


@pytest.mark.parametrize(
    ("suffix", "codec"), [(".mkv", "ffv1"), (".mkv", "mjpeg"), (".avi", "mjpeg")]
)
def test_frames_behind_broken_packets_keep_their_times(
    ffmpeg: Any, tmp_path: Path, suffix: str, codec: str
) -> None:
    """Packets whose beginnings are overwritten are lost; all others stay where they were."""
    whole = ffmpeg.clip(
        f"to_break.{codec}{suffix}", "-c:v", codec, "-g", "1", "-pix_fmt",
        "yuvj420p" if codec == "mjpeg" else "yuv420p",
    )  # fmt: skip
    packets = ffmpeg.sent(whole, "v:0")
    data = bytearray(whole.read_bytes())
    broken = (4, 11, 12, 20)
    at = 0
    if codec == "mjpeg":
        for number in range(len(packets)):
            at = data.index(b"\xff\xd8\xff", at + 1)
            if number in broken:
                data[at : at + packets[number].size] = bytes(packets[number].size)
    else:
        import av

        with av.open(str(whole)) as container:
            payloads = [bytes(p) for p in container.demux(video=0) if p.size]
        for number in broken:
            at = data.index(payloads[number])
            data[at : at + len(payloads[number])] = b"\xff" * len(payloads[number])
    source = tmp_path / f"broken{suffix}"
    source.write_bytes(data)
    output = tmp_path / "out.mkv"
    result = _enhance(source, output)
    before, after = ffmpeg.shown(whole), ffmpeg.shown(output)
    kept = [frame.time for number, frame in enumerate(before) if number not in broken]
    assert [round(frame.time * 1000) for frame in after] == [round(time * 1000) for time in kept]
    assert result.decode_errors.broken_packets == len(broken)
    assert any("4 broken packets" in warning for warning in result.warnings)


def _changing_size(ffmpeg: Any, tmp_path: Path, codec: str) -> Path:
    make = ("-c:v", codec, "-pix_fmt", "yuv420p", "-bf", "0")
    small = ffmpeg.clip(f"small.{codec}.ts", *make)
    large = ffmpeg.clip(f"large.{codec}.ts", *make, "-output_ts_offset", "1.2", size="96x64")
    source = tmp_path / "changing.ts"
    source.write_bytes(small.read_bytes() + large.read_bytes())
    return source


@pytest.mark.parametrize("codec", ["libx264", "mpeg2video"])
def test_a_change_of_size_is_told_with_its_time(ffmpeg: Any, tmp_path: Path, codec: str) -> None:
    source = _changing_size(ffmpeg, tmp_path, codec)
    with pytest.raises(InputError, match=r"64x48 to 96x64 at \d\.\d+ s") as caught:
        _enhance(source, tmp_path / "out.mkv")
    assert _is_one_sentence(caught.value)
    assert not (tmp_path / "out.mkv").exists()


@pytest.mark.parametrize("size", ["1x1", "2x2", "17x3", "16x15", "40x1"])
def test_tiny_pictures_pass(ffmpeg: Any, tmp_path: Path, size: str) -> None:
    source = ffmpeg.make(
        f"tiny_{size}.mkv", "-f", "lavfi", "-i", f"color=green:s={size}:d=0.2",
        "-c:v", "ffv1", "-pix_fmt", "bgr0",
    )  # fmt: skip
    output = tmp_path / "out.mkv"
    result = enhance(source, output, scale=2, strength=0.0, device="cpu", codec="ffv1")
    width, height = (2 * int(side) for side in size.split("x"))
    assert f" {width}x{height}" in ffmpeg.describe(output)
    assert result.frames == 5


def test_an_absurd_size_is_refused(ffmpeg: Any, tmp_path: Path) -> None:
    source = ffmpeg.make(
        "absurd.mkv", "-f", "lavfi", "-i", "color=green:s=16000x16000:d=0.04:r=25",
        "-c:v", "mjpeg", "-pix_fmt", "yuvj420p",
    )  # fmt: skip
    with pytest.raises(VidenhanceError) as caught:
        enhance(source, tmp_path / "out.mkv", scale=8, strength=0.0, device="cpu")
    assert _is_one_sentence(caught.value)
    assert isinstance(caught.value, UsageError | ResourceError)


def test_one_frame_without_a_duration_passes(ffmpeg: Any, tmp_path: Path) -> None:
    source = ffmpeg.clip("one.h264", *_H264, "-frames:v", "1")
    assert _enhance(source, tmp_path / "out.mp4").frames == 1


@pytest.mark.parametrize(
    ("output", "complaint"),
    [
        ("nowhere/out.mkv", "does not exist"),
        ("file/out.mkv", "choose|make"),
        ("/proc/out.mkv", "choose an"),
        ("out.xyz", "does not end in a container"),
        ("out", "does not end in a container"),
        ("there.mkv", "overwrite"),
        ("folder.mkv", "is a folder"),
        ("source.mkv", "is the source itself"),
        ("link.mkv", "is the source itself"),
    ],
)
def test_an_output_that_must_not_be_written_is_refused(
    ffmpeg: Any, tmp_path: Path, output: str, complaint: str
) -> None:
    if output.startswith("/proc") and not Path("/proc/self").exists():
        pytest.skip("no /proc here")
    data = ffmpeg.clip("whole.mkv", *_TONE, *_H264, "-c:a", "ac3").read_bytes()
    source = tmp_path / "source.mkv"
    source.write_bytes(data)
    (tmp_path / "there.mkv").write_bytes(b"precious")
    (tmp_path / "file").write_bytes(b"precious")
    (tmp_path / "folder.mkv").mkdir()
    (tmp_path / "link.mkv").symlink_to(source)
    names = sorted(p.name for p in tmp_path.iterdir())
    with pytest.raises(UsageError, match=complaint) as caught:
        _enhance(source, tmp_path / output)
    assert _is_one_sentence(caught.value)
    assert sorted(p.name for p in tmp_path.iterdir()) == names
    assert source.read_bytes() == data
    assert (tmp_path / "there.mkv").read_bytes() == b"precious"


def test_an_output_is_replaced_only_when_asked(ffmpeg: Any, tmp_path: Path) -> None:
    source = ffmpeg.clip("whole.mkv", *_TONE, *_H264, "-c:a", "ac3")
    output = tmp_path / "out.mkv"
    output.write_bytes(b"old")
    assert _enhance(source, output, overwrite=True).frames == 30


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 300 KiB."""
    folder = tmp_path / "disk"
    folder.mkdir()
    if not hasattr(os, "geteuid") or os.geteuid() != 0:
        pytest.skip("mounting needs root")
    mount = ["mount", "-t", "tmpfs", "-o", "size=300k", "tmpfs", str(folder)]
    if subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("mounting is not permitted here")
    yield folder
    subprocess.run(["umount", "-l", str(folder)], check=True)


@pytest.mark.parametrize("room", [0, 8, 40, 100, 140])
def test_a_full_disk_is_told_and_freeing_it_lets_the_job_go_on(
    ffmpeg: Any, small_disk: Path, room: int
) -> None:
    """`room` KiB are left, so that the disk fills up at different steps of the job."""
    source = ffmpeg.clip("for_the_disk.mkv", *_TONE, *_H264, "-c:a", "ac3", size="192x144")
    ballast = small_disk / "ballast"
    ballast.write_bytes(bytes((300 - room) << 10))
    output = small_disk / "out.mkv"
    with pytest.raises(ResourceError) as caught:
        _enhance(source, output, crf=20)
    assert _is_one_sentence(caught.value)
    assert "free" in str(caught.value)
    assert not output.exists()
    ballast.unlink()
    assert _enhance(source, output, crf=20).frames == 30
    assert [p.name for p in small_disk.iterdir()] == ["out.mkv"]
