"""The temporal modes through the engine, with shipped weights on small pictures."""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from videnhance.core import Interrupted
from videnhance.engine import Event, enhance
from videnhance.engine.result import Result
from videnhance.media import timeline
from videnhance.pipeline import Stop

_FRAMES, _RATE, _CUT = 45, 15, 19
_WIDTH, _HEIGHT = 64, 48
_OPTIONS: dict[str, Any] = {
    "model": "realesr-animevideov3-x2", "codec": "ffv1", "device": "cpu",
}  # fmt: skip
_SCRIPT = f"""
import sys
from videnhance.engine import enhance
from videnhance.media import timeline
timeline.SEGMENT_SECONDS = 1
enhance(sys.argv[1], sys.argv[2], temporal=sys.argv[3], **{_OPTIONS!r})
"""

every_mode = pytest.mark.parametrize("temporal", ["steady", "reuse"])


@pytest.fixture(scope="module")
def source(ffmpeg: Any) -> Path:
    """Three seconds that are cut at frame 19, a keyframe each second."""
    return _film(ffmpeg, _CUT)


def _film(ffmpeg: Any, cut: int) -> Path:
    """A fractal that is dived into up to the cut, and a test picture."""
    size = f"{_WIDTH}x{_HEIGHT}"
    graph = (
        f"mandelbrot=s={size}:r={_RATE}:end_pts=400,trim=end_frame={cut}[a];"
        f"testsrc2=s={size}:r={_RATE},trim=end_frame={_FRAMES - cut}[b];"
        "[a]format=yuv420p,setsar=1[c];[b]format=yuv420p,setsar=1[d];"
        "[c][d]concat,noise=alls=2:allf=t:all_seed=7"
    )
    path: Path = ffmpeg.make(
        f"cut-{cut}.mkv", "-f", "lavfi", "-i", graph, "-c:v", "libx264", "-preset", "ultrafast",
        "-pix_fmt", "yuv420p", "-crf", "18", "-x264-params", "keyint=15:min-keyint=15:scenecut=0",
    )  # fmt: skip
    return path


@pytest.fixture(autouse=True)
def _short_segments(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(timeline, "SEGMENT_SECONDS", 1)


@pytest.fixture(scope="module")
def undisturbed(source: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """The output of each mode, beside its report."""
    folder = tmp_path_factory.mktemp("undisturbed")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(timeline, "SEGMENT_SECONDS", 1)
        for temporal in ("off", "steady", "reuse"):
            report = folder / f"{temporal}.json"
            _run(source, folder / f"{temporal}.mkv", temporal, report=report)
    return {path.stem: path for path in folder.glob("*.mkv")}


def _run(source: Path, output: Path, temporal: str, **others: Any) -> Result:
    return enhance(source, output, temporal=temporal, **{**_OPTIONS, **others})


def _digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def _lumas(ffmpeg: Any, path: Path) -> Any:
    raw = ffmpeg.folder / "lumas.raw"
    ffmpeg.run("-i", path, "-vf", "extractplanes=y", "-f", "rawvideo", raw)
    return np.fromfile(raw, np.uint8).reshape(_FRAMES, 2 * _HEIGHT, 2 * _WIDTH).astype(np.float32)


@every_mode
def test_a_killed_run_goes_on_to_the_same_bytes(
    source: Path, undisturbed: dict[str, Path], tmp_path: Path, temporal: str
) -> None:
    output = tmp_path / "out.mkv"
    arguments = [sys.executable, "-c", _SCRIPT, source, output, temporal]
    process = subprocess.Popen(arguments)
    while process.poll() is None and not list(tmp_path.glob("out.mkv.videnhance/*.json")):
        time.sleep(0.002)
    process.kill()
    process.wait()
    if not output.exists():
        result = _run(source, output, temporal)
        assert 0 < result.computed < _FRAMES
        assert len(result.job.segments) == 3
    assert _digest(output) == _digest(undisturbed[temporal])


@every_mode
def test_a_segment_made_again_alone_is_the_same(
    source: Path, undisturbed: dict[str, Path], tmp_path: Path, temporal: str
) -> None:
    """The second, when both others are there."""
    output, stop = tmp_path / "out.mkv", Stop()
    folder = tmp_path / "out.mkv.videnhance"

    def listen(event: Event) -> None:
        if len(list(folder.glob("*.json"))) == 3:
            stop.request()

    with pytest.raises(Interrupted):
        _run(source, output, temporal, stop=stop, listener=listen)
    (folder / "00001.mkv").unlink()
    assert _run(source, output, temporal).computed == _FRAMES // 3
    assert _digest(output) == _digest(undisturbed[temporal])


@every_mode
def test_a_border_does_not_show(
    ffmpeg: Any,
    source: Path,
    undisturbed: dict[str, Path],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    temporal: str,
) -> None:
    """Against a run in one piece: less than a code value in the mean of every frame."""
    monkeypatch.setattr(timeline, "SEGMENT_SECONDS", 100)
    whole = _run(source, tmp_path / "whole.mkv", temporal)
    assert len(whole.job.segments) == 1
    parts = _lumas(ffmpeg, undisturbed[temporal])
    away = np.abs(parts - _lumas(ffmpeg, tmp_path / "whole.mkv")).mean(axis=(1, 2))
    assert away.max() < 1
    plain = _lumas(ffmpeg, undisturbed["off"])
    assert 0 < np.abs(parts - plain).mean() < 2


def test_reuse_keeps_its_quality_with_a_draft_network(
    ffmpeg: Any, source: Path, undisturbed: dict[str, Path]
) -> None:
    """42 dB against the network's own of every frame, in luma, to half a decibel."""
    plain, reused = (_lumas(ffmpeg, undisturbed[mode]) for mode in ("off", "reuse"))
    error = np.square(plain - reused).mean(axis=(1, 2))
    assert -10 * np.log10(error.max() / 255**2) > 41.5


def test_the_report_tells_of_cuts_audits_and_work(undisturbed: dict[str, Path]) -> None:
    noted = {
        mode: json.loads(output.with_suffix(".json").read_text())["temporal"]
        for mode, output in undisturbed.items()
    }
    for mode in ("steady", "reuse"):
        assert [cut["time"] for cut in noted[mode]["cuts"]] == pytest.approx(
            [_CUT / _RATE], abs=2e-3
        )
    assert set(noted["off"]) <= {"cuts", "repeats"}  # noise is removed within scenes
    assert set(noted["steady"]) <= {"cuts", "repeats"}
    reuse = noted["reuse"]
    assert reuse["pixels"] == _FRAMES * _WIDTH * _HEIGHT
    assert 0 < reuse["network_pixels"] < 1.05 * reuse["pixels"]
    assert reuse["audit"]
    assert all(30 < audit["value"] <= 100 for audit in reuse["audit"])


@every_mode
def test_a_cut_where_a_segment_begins_is_reported(
    ffmpeg: Any, tmp_path: Path, temporal: str
) -> None:
    """As most do: encoders put a keyframe there."""
    result = _run(_film(ffmpeg, 15), tmp_path / "out.mkv", temporal)
    assert result.job.segments[1].start * result.job.clip.time_base == 1
    assert [pts for pts, _ in result.notes.records["cuts"]] == [result.job.segments[1].start]
