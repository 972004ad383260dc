"""Comparing recordings: figures against the ffmpeg program, pairing, warnings, refusals."""

from __future__ import annotations

import json
import math
import re
import subprocess
import tracemalloc
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import videnhance
from videnhance.core import InputError, UsageError
from videnhance.engine import vmaf
from videnhance.engine.judging import KINDS
from videnhance.media.luma import LumaReader, LumaScale
from videnhance.media.source import probe

LOSSLESS = ("-c:v", "ffv1", "-fps_mode", "passthrough")
SIZE = "128x96"
FORMS = {
    "limited": "format=yuv420p",
    "full": "scale=out_range=full,format=yuvj444p",
    "10 bit": "format=yuv422p10le",
    "grey": "scale=out_range=full,format=gray",
    "packed": "format=yuyv422",
}


@pytest.fixture(scope="module")
def make(ffmpeg: Any) -> Callable[..., Path]:
    """A losslessly stored clip of 12 frames, changed by a graph of filters."""

    def make(name: str, graph: str, *more: str) -> Path:
        codec = ("-c:v", "rawvideo") if "yuyv" in graph else LOSSLESS
        return Path(
            ffmpeg.clip(
                f"compare_{name}.mkv".replace(" ", "_"), "-vf", graph, *codec, *more,
                size=SIZE, seconds=0.48, noise=8,
            )
        )  # fmt: skip

    return make


@pytest.fixture(scope="module")
def reference(make: Callable[..., Path]) -> Path:
    return make("reference", FORMS["limited"])


@pytest.fixture(scope="module")
def output(make: Callable[..., Path]) -> Path:
    return make("output", f"scale=48:40,scale=128:96,{FORMS['limited']}")


@pytest.fixture(scope="module")
def source(make: Callable[..., Path]) -> Path:
    return make("source", f"scale=48:40,{FORMS['limited']}")


def by_ffmpeg(ffmpeg: Any, name: str, output: Path, reference: Path) -> tuple[float, list[float]]:
    """What the filter psnr or ssim says of the luma, in a clip and in its frames."""
    log = ffmpeg.folder / "figures.log"
    done = subprocess.run(
        [ffmpeg.program, "-hide_banner", "-nostdin", "-i", output, "-i", reference,
         "-lavfi", f"{name}=stats_file={log.name}", "-f", "null", "-"],
        cwd=ffmpeg.folder, capture_output=True, text=True, check=True,
    )  # fmt: skip
    whole, each = {"psnr": (r" y:([\d.]+|inf)", r"psnr_y:([\d.]+|inf)"),
                   "ssim": (r" Y:([\d.]+)", r" ?Y:([\d.]+)")}[name]  # fmt: skip
    if (total := re.search(whole, done.stderr)) is None:
        total = re.search(r"SSIM Y:([\d.]+)|PSNR y:([\d.]+|inf)", done.stderr)
    assert total is not None, done.stderr
    figures = re.findall(each, log.read_text())
    return float(total[1]), [float(figure) for figure in figures]


@pytest.mark.parametrize("form", FORMS)
def test_psnr_equals_that_of_ffmpeg(ffmpeg: Any, make: Callable[..., Path], form: str) -> None:
    clear = make(f"clear {form}", FORMS[form])
    soft = make(f"soft {form}", f"gblur=2,{FORMS[form]}")
    total, frames = by_ffmpeg(ffmpeg, "psnr", soft, clear)
    found = videnhance.compare(soft, clear, vmaf=False)["psnr_y"]
    assert found.mean == pytest.approx(total, abs=1e-3)
    assert found.values == pytest.approx(frames, abs=0.006)  # the log has two digits
    assert found.worst == min(found.values) == found.values[found.worst_frame]


def test_ssim_is_near_that_of_ffmpeg(ffmpeg: Any, output: Path, reference: Path) -> None:
    total, frames = by_ffmpeg(ffmpeg, "ssim", output, reference)
    found = videnhance.compare(output, reference, vmaf=False)["ssim_y"]
    # Its windows are blocks of 8x8; for a Gaussian one, see tests/metrics.
    assert found.mean == pytest.approx(total, abs=0.03)
    assert found.values == pytest.approx(frames, abs=0.03)
    assert found.mean < 0.95


@pytest.mark.parametrize("form", ["limited", "full", "10 bit"])
def test_the_same_picture_in_another_form(make: Callable[..., Path], form: str) -> None:
    whole = make("reference", FORMS["limited"])
    other = make(f"other {form}", f"{FORMS['limited']},{FORMS[form]}")
    found = videnhance.compare(other, whole, vmaf=False)
    # Only the rounding to codes lies between them: 0.29 of a code of 8 bits is 59 dB.
    assert found["psnr_y"].mean > (55 if form == "full" else 100)


def test_vmaf_is_that_of_libvmaf_frame_by_frame(
    ffmpeg: Any, output: Path, reference: Path, tmp_path: Path
) -> None:
    if vmaf.find_program() is None:
        pytest.skip("no ffmpeg with libvmaf")
    for name, clip in (("output", output), ("reference", reference)):
        ffmpeg.run("-i", clip, "-pix_fmt", "yuv420p", tmp_path / f"{name}.y4m")
    subprocess.run(
        [vmaf.find_program(), "-v", "error", "-nostdin", "-i", "output.y4m", "-i", "reference.y4m",
         "-lavfi", "libvmaf=log_fmt=json:log_path=log", "-f", "null", "-"],
        cwd=tmp_path, check=True,
    )  # fmt: skip
    log = json.loads((tmp_path / "log").read_text())
    found = videnhance.compare(output, reference)
    assert found.warnings == ()
    assert found["vmaf"].mean == pytest.approx(log["pooled_metrics"]["vmaf"]["mean"], abs=1e-3)
    expected = [frame["metrics"]["vmaf"] for frame in log["frames"]]
    assert found["vmaf"].values == pytest.approx(expected, abs=1e-3)
    assert 1 < found["vmaf"].mean < 95


def test_vmaf_pairs_frames_by_their_order(make: Callable[..., Path], reference: Path) -> None:
    if vmaf.find_program() is None:
        pytest.skip("no ffmpeg with libvmaf")
    slower = make("slower", f"setpts=2*PTS,{FORMS['limited']}")
    scores = vmaf.vmaf_scores(probe(str(slower)), probe(str(reference)), 12)
    same = vmaf.vmaf_scores(probe(str(reference)), probe(str(reference)), 12)
    assert scores == pytest.approx(same)
    assert scores.min() > 90


def test_without_vmaf_it_is_said(
    monkeypatch: pytest.MonkeyPatch, output: Path, reference: Path
) -> None:
    monkeypatch.setattr(vmaf, "find_program", lambda: None)
    found = videnhance.compare(output, reference)
    assert found.warnings[0].startswith("VMAF was not measured, since no ffmpeg with libvmaf")
    with pytest.raises(KeyError):
        found["vmaf"]
    monkeypatch.setattr(vmaf, "find_program", lambda: "false")
    failed = videnhance.compare(output, reference)
    assert failed.warnings == ("VMAF was not measured: false failed (no reason given).",)


def test_a_clip_and_itself(reference: Path) -> None:
    found = videnhance.compare(reference, reference, vmaf=False)
    assert found["psnr_y"].mean == math.inf
    assert found["ssim_y"].mean == pytest.approx(1, abs=1e-6)
    assert found["flow_difference"].mean == 0
    for measure in found.measures:
        assert measure.baseline in (None, measure.mean)
    assert (found.frames, found.width, found.height, found.warnings) == (12, 128, 96, ())


def test_every_measure_has_a_figure_per_frame(output: Path, reference: Path, source: Path) -> None:
    found = videnhance.compare(output, reference, source, vmaf=False)
    assert [m.name for m in found.measures] == [name for name in KINDS if name != "vmaf"]
    unknown = {m.name: np.flatnonzero(np.isnan(m.values)).tolist() for m in found.measures}
    assert unknown == {name: [] for name in unknown} | {
        "warp_error": [0], "flow_difference": [0], "static_flicker": [0],
        "luminance_flicker": [0, 1, 10, 11],
    }  # fmt: skip
    assert found.times == pytest.approx(np.arange(12) / 25, abs=1e-3)
    for measure in found.measures:
        assert measure.values.shape == (12,)
        if measure.worst_frame is not None:
            assert measure.worst_time == found.times[measure.worst_frame]
    assert found["gradient_energy"].mean < 0.5 * found["gradient_energy"].baseline


def test_without_a_reference(output: Path, source: Path, make: Callable[..., Path]) -> None:
    found = videnhance.compare(output, source=source)
    assert found.baseline == "source, enlarged plainly"
    assert "psnr_y" not in {m.name for m in found.measures}
    # The output is an enlargement of the source, in 8 bits and by another program.
    assert found["back_projection"].mean > 32
    assert found["gradient_energy"].mean == pytest.approx(
        found["gradient_energy"].baseline, rel=0.15
    )
    flickering = make(
        "flickering", "scale=48:40,scale=128:96,lutyuv=y='val'," "geq=lum='lum(X,Y)+8*mod(N,2)'"
        f":cb='cb(X,Y)':cr='cr(X,Y)',{FORMS['limited']}",
    )  # fmt: skip
    worse = videnhance.compare(flickering, source=source)
    assert worse["luminance_flicker"].mean - found["luminance_flicker"].mean == pytest.approx(
        4 / 255, rel=0.1
    )
    assert worse["warp_error"].mean > found["warp_error"].mean + 0.8 * (8 / 255) ** 2


def test_what_is_missing_or_moved_is_said(
    make: Callable[..., Path], reference: Path, source: Path
) -> None:
    short = make("short", f"{FORMS['limited']},trim=end_frame=9")
    found = videnhance.compare(short, reference, vmaf=False)
    assert found.frames == 9
    assert found.warnings == (
        "The output has 9 frames and the reference 12: only the first 9 were compared.",
    )
    gap = make("gap", f"{FORMS['limited']},select='not(eq(n,4))'")
    found = videnhance.compare(gap, reference, source, vmaf=False)
    assert [warning.split()[:3] for warning in found.warnings] == [
        ["The", "output", "has"], ["The", "output", "has"],
        ["From", "frame", "4"], ["From", "frame", "4"],
    ]  # fmt: skip
    assert "(at 0.200 s)" in found.warnings[2]
    later = make("later", FORMS["limited"], "-output_ts_offset", "7")
    assert videnhance.compare(later, reference, vmaf=False).warnings == ()


def test_pictures_that_are_not_alike_are_doubted(
    make: Callable[..., Path], reference: Path, source: Path
) -> None:
    other = make("other", f"negate,{FORMS['limited']}")
    found = videnhance.compare(other, reference, source, vmaf=False)
    assert [warning.split(" (")[0] for warning in found.warnings] == [
        "The output hardly looks like the reference", "The output hardly looks like the source",
    ]  # fmt: skip


def test_bad_pictures_are_alike_all_the_same(make: Callable[..., Path], reference: Path) -> None:
    blurred = make("blurred", f"scale=8:6,scale=128:96,{FORMS['limited']}")
    found = videnhance.compare(blurred, reference, vmaf=False)
    assert found["psnr_y"].mean < 20
    assert found.warnings == ()


def test_damage_is_said(ffmpeg: Any, tmp_path: Path) -> None:
    whole = ffmpeg.clip("whole.ts", "-c:v", "mpeg2video", "-g", "6", size=SIZE, seconds=0.8)
    broken = tmp_path / "broken.ts"
    data = bytearray(whole.read_bytes())
    data[len(data) // 2 : len(data) // 2 + 6000] = bytes(6000)
    broken.write_bytes(data)
    found = videnhance.compare(broken, whole, vmaf=False)
    assert found.warnings[0].startswith("The output is damaged (")
    assert not any("reference is damaged" in warning for warning in found.warnings)
    assert found["psnr_y"].worst < 40


def test_what_does_not_belong_together_is_refused(
    make: Callable[..., Path], reference: Path, source: Path, tmp_path: Path
) -> None:
    with pytest.raises(UsageError, match="Nothing to compare with"):
        videnhance.compare(reference)
    with pytest.raises(UsageError, match=r"48x40.*128x96.*differ; make the output"):
        videnhance.compare(source, reference)
    with pytest.raises(UsageError, match=r"48x40.*is smaller than its source.*128x96"):
        videnhance.compare(source, source=reference)
    tiny = make("tiny", f"scale=14:14,{FORMS['limited']}")
    with pytest.raises(UsageError, match=r"\(14x14\) is too small"):
        videnhance.compare(reference, source=tiny)
    text = tmp_path / "text.mkv"
    text.write_text("no recording\n")
    with pytest.raises(InputError, match="cannot be read as a recording"):
        videnhance.compare(text, reference)


def test_a_picture_that_changes_its_size_is_refused(ffmpeg: Any, tmp_path: Path) -> None:
    for name, size in (("a", "64x48"), ("b", "96x48")):
        ffmpeg.run(*ffmpeg.picture(size=size, seconds=0.2), "-c:v", "mpeg2video", "-g", "1",
                   tmp_path / f"{name}.mpg")  # fmt: skip
    joined = tmp_path / "joined.mpg"
    joined.write_bytes((tmp_path / "a.mpg").read_bytes() + (tmp_path / "b.mpg").read_bytes())
    with pytest.raises(InputError, match="changes from 64x48 to 96x48"):
        videnhance.compare(joined, joined, vmaf=False)


def test_memory_does_not_grow_with_the_clip(ffmpeg: Any) -> None:
    peaks = []
    for seconds in (0.4, 2.4):
        clip = ffmpeg.clip(f"memory_{seconds}.mkv", *LOSSLESS, size=SIZE, seconds=seconds)
        tracemalloc.start()
        videnhance.compare(clip, clip, vmaf=False)
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    one_frame = 4 * 128 * 96
    assert peaks[1] - peaks[0] < 3 * one_frame, peaks


def test_a_stop_ends_it(reference: Path) -> None:
    calls = 0

    def stop() -> None:
        nonlocal calls
        calls += 1
        if calls > 30:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        videnhance.compare(reference, reference, stop=stop)


def test_progress_is_told(reference: Path) -> None:
    heard: list[tuple[int, int]] = []
    videnhance.compare(reference, reference, vmaf=False, progress=lambda *told: heard.append(told))
    assert heard == [(n, 12) for n in range(1, 13)]


@pytest.mark.parametrize("form", FORMS)
def test_luma_is_that_of_the_code_values(
    ffmpeg: Any, make: Callable[..., Path], form: str, tmp_path: Path
) -> None:
    clip = make(f"clear {form}", FORMS[form])
    info = probe(str(clip))
    deep = "10" in form
    raw = tmp_path / "codes"
    # The plane Y alone, without any conversion of its values.
    ffmpeg.run("-i", clip, "-vf", "extractplanes=y" if form not in ("grey", "packed") else "null",
               "-f", "rawvideo", raw)  # fmt: skip
    codes = np.fromfile(raw, "<u2" if deep else np.uint8)
    codes = codes[::2] if form == "packed" else codes
    with LumaReader(info, LumaScale.of(info.clip)) as reader:
        found = np.stack([frame.luma for frame in reader.frames()])
    expected = codes.reshape(found.shape) / (1023 if deep else 255)
    assert np.abs(found - expected).max() < 2e-7
