"""`videnhance compare`: its table, JSON, curves, and one sentence where it cannot."""

from __future__ import annotations

import importlib.util
import json
import os
import signal
import subprocess
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from videnhance.cli.comparison import as_json, comparison_table, draw
from videnhance.engine import compare, judging
from videnhance.engine.compare import Comparison

MEASURES = ["E_warp", "tOF", "static flicker", "luminance flicker", "gradient energy"]


def test_a_table(run: Any, clip: Path) -> None:
    answer = run("compare", clip, clip, "--no-vmaf")
    assert (answer.exit_code, answer.stderr) == (0, "")
    lines = answer.stdout.splitlines()
    assert lines[0].rstrip() == "12 frames, 64x48"
    assert lines[1].split() == ["measure", "mean", "worst", "at", "baseline", "better"]
    shown = {line.split("  ")[0]: line.split()[-1] for line in lines[2:-2]}
    assert list(shown) == ["PSNR-Y", "SSIM-Y", *MEASURES]
    assert shown["PSNR-Y"] == "higher"
    assert shown["E_warp"] == "lower"
    assert shown["gradient energy"] == "(detail)"
    assert "inf dB" in lines[2]
    assert lines[-2].strip() == "baseline: the same measure on the reference"
    assert lines[-1].strip() == "steadiness: along the reference's motion, for want of --source"
    answer = run("compare", "--source", clip, clip, "--no-vmaf")
    assert answer.stdout.splitlines()[-1].strip() == "steadiness: along the source's motion"


def test_json_is_one_object(run: Any, clip: Path, make_clip: Any, tmp_path: Path) -> None:
    large = tmp_path / "large.mkv"
    make_clip(large, size=(96, 80))
    answer = run("compare", "--source", clip, large, "--json")
    assert (answer.exit_code, answer.stderr) == (0, "")
    found = json.loads(answer.stdout)
    assert (found["output"], found["source"]) == (str(large), str(clip))
    assert (found["reference"], found["frames"]) == (None, 12)
    (warning,) = found["warnings"]
    assert warning.startswith("The output hardly looks like the source (")
    assert list(found["measures"]) == [
        "back_projection", "warp_error", "flow_difference", "static_flicker",
        "luminance_flicker", "gradient_energy",
    ]  # fmt: skip
    energy = found["measures"]["gradient_energy"]
    assert 0 < energy["worst"] <= energy["mean"]
    assert energy["baseline"] > 0
    assert energy["worst_time"] == pytest.approx(energy["worst_frame"] / 25, abs=1e-3)
    same = json.loads(run("compare", clip, clip, "--no-vmaf", "--json").stdout)
    assert same["measures"]["psnr_y"]["mean"] == "inf"


def test_one_frame_has_no_motion(run: Any, make_clip: Any, tmp_path: Path) -> None:
    single = tmp_path / "single.mkv"
    make_clip(single, frames=1)
    found = json.loads(run("compare", single, single, "--no-vmaf", "--json").stdout)
    nothing = {"mean": None, "worst": None, "worst_frame": None, "worst_time": None}
    for name in ("warp_error", "flow_difference", "static_flicker", "luminance_flicker"):
        measure = found["measures"][name]
        assert {key: measure[key] for key in nothing} == nothing
    assert "none" in run("compare", single, single, "--no-vmaf").stdout


def test_a_warning_is_printed_beside_the_figures(
    run: Any, clip: Path, make_clip: Any, tmp_path: Path
) -> None:
    short = tmp_path / "short.mkv"
    make_clip(short, frames=11)
    answer = run("compare", clip, short, "--no-vmaf")
    assert answer.exit_code == 0
    assert answer.stdout.startswith("11 frames")
    sentence = "The output has 11 frames and the reference 12: only the first 11 were compared."
    assert answer.stderr == sentence + "\n"
    found = json.loads(run("compare", clip, short, "--no-vmaf", "--json").stdout)
    assert found["warnings"] == [sentence]


def test_curves(run: Any, clip: Path, tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    picture = tmp_path / "curves.png"
    answer = run("compare", clip, clip, "--no-vmaf", "--plot", picture)
    assert (answer.exit_code, answer.stderr) == (0, f"Curves are in {picture}.\n")
    drawn = cv2.imread(str(picture))
    assert drawn.shape[0] > 1000
    assert drawn.shape[1] == 1200
    assert drawn.std() > 5
    vector = tmp_path / "curves.svg"
    assert run("compare", clip, clip, "--no-vmaf", "--plot", vector).exit_code == 0
    text = vector.read_text()
    assert text.count('<g id="axes_') == 7


def test_curves_show_the_figures(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    figures = pytest.importorskip("matplotlib.figure")
    saved: list[Any] = []
    monkeypatch.setattr(figures.Figure, "savefig", lambda self, *_, **__: saved.append(self))
    times = np.arange(4) / 25
    values = np.array([np.nan, 0.25, 1.0, 0.5])
    measure = judging.Measure.of("warp_error", values, times, values / 2)
    assert (measure.worst, measure.worst_frame, measure.worst_time) == (1.0, 2, 0.08)
    assert measure.baseline == pytest.approx(measure.mean / 2)
    found = Comparison("o", "r", None, 64, 48, 4, "reference", (measure,), (), times)
    draw(found, tmp_path / "x.png")
    (axes,) = saved[0].axes
    assert axes.get_title(loc="left") == "E_warp (lower is better)"
    assert np.array_equal(axes.lines[0].get_ydata(), values, equal_nan=True)
    assert axes.lines[1].get_ydata()[0] == pytest.approx(1.75 / 3)
    assert json.loads(as_json(found))["measures"]["warp_error"]["worst"] == 1.0
    assert comparison_table(found).row_count == 1


@pytest.mark.parametrize(
    ("arguments", "code", "sentence"),
    [
        (["clip"], 2,
         "Nothing to compare with: name a reference, a source (--source), or both."),
        (["clip", "clip", "clip"], 2,
         "There are 3 recordings; give one REFERENCE and one OUTPUT, and the INPUT with "
         "--source."),
        (["clip", "large"], 2,
         "The sizes of large (96x80) and of its reference clip (64x48) differ; make the output in "
         "the reference's size, or compare it with its source (--source) alone."),
        (["clip", "--source", "large"], 2,
         "clip (64x48) is smaller than its source large (96x80); only pictures of the source's "
         "size or larger can be compared with it."),
        (["clip", "nothing"], 3, "nothing does not exist; check the path."),
        (["nothing", "clip"], 3, "nothing does not exist; check the path."),
        (["clip", "--source", "nothing"], 3, "nothing does not exist; check the path."),
        (["clip", "text"], 3,
         "text cannot be read as a recording (Invalid data found when processing input); check "
         "that it is complete and that it plays elsewhere."),
        (["clip", "clip", "--plot", "a.txt"], 2,
         "--plot is a.txt; its ending must be one of .png, .svg, .pdf."),
        (["clip", "clip", "--plot", "no/a.png"], 2,
         "--plot is no/a.png; its folder does not exist."),
    ],
)  # fmt: skip
def test_one_sentence_and_the_exit_code(
    run: Any, clip: Path, make_clip: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    arguments: list[str], code: int, sentence: str,
) -> None:  # fmt: skip
    monkeypatch.chdir(tmp_path)
    Path("clip").write_bytes(clip.read_bytes())
    make_clip(Path("large.mkv"), size=(96, 80))
    Path("large.mkv").rename("large")
    Path("text").write_text("These are words, and no recording.\n" * 20)
    answer = run("compare", *arguments)
    assert (answer.exit_code, answer.stdout, answer.stderr) == (code, "", sentence + "\n")


def test_curves_need_matplotlib(run: Any, clip: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    find = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name: None if name == "matplotlib" else find(name)
    )
    answer = run("compare", clip, clip, "--plot", "a.png")
    assert answer.exit_code == 2
    assert answer.stderr == "--plot needs matplotlib; pip install 'videnhance[plot]' brings it.\n"


def test_a_plot_that_cannot_be_written(run: Any, clip: Path, tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    (tmp_path / "taken.png").mkdir()
    answer = run("compare", clip, clip, "--no-vmaf", "--plot", tmp_path / "taken.png")
    assert answer.exit_code == 2
    assert answer.stderr == f"{tmp_path}/taken.png cannot be written (Is a directory).\n"


def test_a_bug_is_one_sentence(run: Any, clip: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object, **__: object) -> None:
        raise ValueError("what")

    monkeypatch.setattr(compare, "compare", fail)
    answer = run("compare", clip, clip)
    assert answer.exit_code == 1
    assert "Traceback" not in answer.stderr
    assert answer.stderr.count("\n") == 1


@pytest.mark.skipif(os.name == "nt", reason="Windows cannot send itself SIGINT")
def test_a_signal_stops_it(program: Any, make_clip: Any, tmp_path: Path) -> None:
    long = tmp_path / "long.mkv"
    make_clip(long, frames=400, size=(320, 240))
    child = program("compare", long, long, "--json")
    with pytest.raises(subprocess.TimeoutExpired):
        child.wait(2.0)
    child.send_signal(signal.SIGINT)
    stdout, stderr = child.communicate()
    assert (child.returncode, stdout) == (130, "")
    assert stderr in ("", "Stopped.\n")  # quietly, where it has not begun to measure
