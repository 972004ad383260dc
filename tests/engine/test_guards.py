"""What the engine refuses or notices around a job: reports, outputs that appear, pipes, options."""

from __future__ import annotations

import json
import os
import threading
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from videnhance.core import ClipInfo, Frame, ResourceError, UsageError
from videnhance.engine import Event, Phase, enhance, enhance_frames

CLIP = ClipInfo(8, 6, Fraction(1, 25), Fraction(25))


@pytest.fixture
def source(ffmpeg: Any) -> Path:
    return Path(ffmpeg.clip("guard.mkv", "-c:v", "libx264", seconds=0.4))


def test_a_report_never_replaces_the_source_or_the_output(source: Path, tmp_path: Path) -> None:
    before = source.read_bytes()
    for report in (source, tmp_path / "out.mkv", tmp_path):
        with pytest.raises(UsageError, match="--report"):
            enhance(source, tmp_path / "out.mkv", strength=0, report=report)
    assert source.read_bytes() == before
    assert not list(tmp_path.iterdir())


def test_the_job_of_an_earlier_run_can_be_a_preset(source: Path, tmp_path: Path) -> None:
    first = enhance(source, tmp_path / "a.mkv", strength=0, scale=1.5, codec="ffv1", device="cpu")
    first.job.save(tmp_path / "job.toml")
    preset, report = str(tmp_path / "job.toml"), tmp_path / "report.json"
    again = enhance(source, tmp_path / "b.mkv", preset=preset, device="cpu")
    assert again.job.stages == first.job.stages
    assert again.job.encoding == first.job.encoding
    plain = enhance(source, tmp_path / "d.mkv", strength=0, scale=1, device="cpu", report=report)
    assert plain.job.stages == ()
    assert enhance(source, tmp_path / "e.mkv", preset=str(report)).job.stages == ()
    larger = enhance(source, tmp_path / "c.mkv", preset=preset, scale=2.0, device="cpu")
    assert (larger.job.clip.width, larger.job.encoding) == (128, first.job.encoding)
    (tmp_path / "no.json").write_text("{}")
    with pytest.raises(UsageError, match="no report"):
        enhance(source, tmp_path / "f.mkv", preset=str(tmp_path / "no.json"))


@pytest.mark.parametrize(
    ("given", "flag"), [({"threads": 0}, "--threads"), ({"memory": 0}, "--mem")]
)
def test_a_job_needs_a_thread_and_memory(
    source: Path, tmp_path: Path, given: dict[str, int], flag: str
) -> None:
    with pytest.raises(UsageError, match=flag):
        enhance(source, tmp_path / "out.mkv", **given)


def test_a_job_that_does_not_fit_into_its_memory_is_refused(source: Path, tmp_path: Path) -> None:
    with pytest.raises(ResourceError, match="--memory"):
        enhance(source, tmp_path / "out.mkv", strength=0, memory=1e-6)


def test_a_report_holds_job_and_proof(source: Path, tmp_path: Path) -> None:
    enhance(source, tmp_path / "out.mkv", strength=0, report=tmp_path / "report.json")
    report = json.loads((tmp_path / "report.json").read_text())
    assert report["verification"]["kept"]
    assert report["job"]["libraries"]["av"]
    assert report["frames"] == 10


def test_an_output_that_appears_meanwhile_is_not_replaced(source: Path, tmp_path: Path) -> None:
    output = tmp_path / "out.mkv"

    def appear(event: Event) -> None:
        if event == Phase("verify"):
            output.write_text("somebody else's")

    with pytest.raises(UsageError, match="appeared meanwhile"):
        enhance(source, output, strength=0, listener=appear)
    assert output.read_text() == "somebody else's"
    assert (tmp_path / "out.mkv.videnhance" / "out.mkv.part").stat().st_size
    assert enhance(source, output, strength=0, overwrite=True).verification.kept
    assert not (tmp_path / "out.mkv.videnhance").exists()


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs named pipes")
def test_a_named_pipe_is_read_once(source: Path, tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    feeder = threading.Thread(target=lambda: pipe.write_bytes(source.read_bytes()))
    feeder.start()
    result = enhance(pipe, tmp_path / "out.mkv", strength=0)
    feeder.join()
    assert result.frames == 10


def test_frames_take_no_encoder_options() -> None:
    with pytest.raises(UsageError, match="leave out crf"):
        enhance_frames(iter(()), CLIP, crf=18)


@pytest.mark.parametrize(
    "wrong", [np.zeros((3, 6, 8), np.float32), Frame(np.zeros((3, 6, 9), np.float32), 0)]
)
def test_what_is_no_frame_of_the_clip_is_refused(wrong: Any) -> None:
    with pytest.raises(UsageError, match=r"videnhance\.Frame|9x6"):
        list(enhance_frames(iter([wrong]), CLIP, strength=0))


def test_an_unknown_option_is_named_with_its_neighbour() -> None:
    with pytest.raises(UsageError, match="did you mean crf"):
        enhance_frames(iter(()), CLIP, crff=18)


def test_frames_of_ones_own_are_enhanced_in_order() -> None:
    image = np.full((3, 6, 8), 0.25, np.float32)
    frames = [Frame(image, pts) for pts in (0, 2, 7)]
    made = list(enhance_frames(iter(frames), CLIP, scale=3, strength=0))
    assert [(f.pts, f.width, f.height) for f in made] == [(0, 24, 18), (2, 24, 18), (7, 24, 18)]
