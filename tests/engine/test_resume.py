"""Jobs that are killed, stopped, damaged or changed, and go on to the same bytes."""

from __future__ import annotations

import hashlib
import random
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from videnhance.core import Interrupted, UsageError, VidenhanceError
from videnhance.engine import Event, Phase, Planned, Progress, Warned, enhance
from videnhance.engine.result import Result
from videnhance.pipeline import Stop

_OPTIONS: dict[str, Any] = {
    "scale": 2.0, "strength": 0.0, "encoder_preset": "veryfast", "device": "cpu"
}  # fmt: skip
_SCRIPT = f"""
import sys
from videnhance.engine import enhance
enhance(sys.argv[1], sys.argv[2], **{_OPTIONS!r})
"""
_FRAMES = 350


@pytest.fixture(scope="module")
def source(ffmpeg: Any) -> Path:
    """35 seconds with a keyframe every 2: three segments."""
    path: Path = ffmpeg.clip(
        "long.mkv", "-f", "lavfi", "-i", "sine=d=35", "-c:v", "libx264", "-preset", "ultrafast",
        "-pix_fmt", "yuv420p", "-bf", "2", "-g", "20", "-keyint_min", "20", "-c:a", "ac3",
        rate="10", seconds=35,
    )  # fmt: skip
    return path


@pytest.fixture(scope="module")
def undisturbed(source: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[str, float]:
    """Digest of the output, and how long the whole process took."""
    output = tmp_path_factory.mktemp("undisturbed") / "out.mkv"
    began = time.monotonic()
    subprocess.run([sys.executable, "-c", _SCRIPT, source, output], check=True)
    return _digest(output), time.monotonic() - began


def _digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def _work(output: Path) -> Path:
    return output.with_name(f"{output.name}.videnhance")


def _stopped_after(source: Path, output: Path, segments: int) -> None:
    """Run until that many segments are finished, then stop."""
    stop = Stop()

    def listen(event: Event) -> None:
        if len(list(_work(output).glob("*.json"))) >= segments:
            stop.request()

    with pytest.raises(Interrupted):
        enhance(source, output, stop=stop, listener=listen, **_OPTIONS)


class Heard:
    """What a job told."""

    def __init__(self) -> None:
        self.warnings: list[str] = []
        self.resumed = -1

    def __call__(self, event: Event) -> None:
        if isinstance(event, Warned):
            self.warnings.append(event.message)
        if isinstance(event, Planned):
            self.resumed = event.resumed


def _run(source: Path, output: Path, **changes: Any) -> tuple[Result, Heard]:
    heard = Heard()
    return enhance(source, output, listener=heard, **{**_OPTIONS, **changes}), heard


@pytest.mark.parametrize("seed", range(5))
def test_killed_runs_go_on_to_the_same_bytes(
    source: Path, undisturbed: tuple[str, float], tmp_path: Path, seed: int
) -> None:
    digest, seconds = undisturbed
    dice, output = random.Random(seed), tmp_path / "out.mkv"
    for _ in range(1 + seed % 2):
        process = subprocess.Popen([sys.executable, "-c", _SCRIPT, source, output])
        time.sleep(dice.uniform(0.2, 1.0) * seconds)
        process.kill()
        process.wait()
        if output.exists():
            break
    # Whatever stands under the output's name is whole.
    if not output.exists():
        subprocess.run([sys.executable, "-c", _SCRIPT, source, output], check=True)
    assert _digest(output) == digest
    names = {p.name for p in tmp_path.iterdir()}
    assert {"out.mkv"} <= names <= {"out.mkv", "out.mkv.videnhance"}


def test_a_continued_run_keeps_what_is_finished(
    source: Path, undisturbed: tuple[str, float], tmp_path: Path
) -> None:
    output = tmp_path / "out.mkv"
    _stopped_after(source, output, 1)
    finished = len(list(_work(output).glob("*.json")))
    assert 1 <= finished < 3
    result, heard = _run(source, output)
    assert heard.resumed > 0
    assert result.computed == _FRAMES - heard.resumed
    assert result.frames == _FRAMES
    assert _digest(output) == undisturbed[0]
    assert [p.name for p in tmp_path.iterdir()] == ["out.mkv"]


@pytest.mark.parametrize("harm", ["flip", "cut", "gone", "manifest", "empty manifest", "part"])
def test_a_damaged_segment_is_made_again(
    source: Path, undisturbed: tuple[str, float], tmp_path: Path, harm: str
) -> None:
    output = tmp_path / "out.mkv"
    _stopped_after(source, output, 2)
    segment = _work(output) / "00000.mkv"
    manifest = segment.with_suffix(".json")
    data = segment.read_bytes()
    if harm == "flip":
        segment.write_bytes(data[:500] + bytes([data[500] ^ 1]) + data[501:])
    elif harm == "cut":
        segment.write_bytes(data[: len(data) // 2])
    elif harm == "gone":
        segment.unlink()
    elif harm == "part":
        segment.rename(segment.with_suffix(".mkv.part"))
    else:
        manifest.write_text("" if harm == "empty manifest" else '{"pts": [1], "decode_errors": {}}')
    result, heard = _run(source, output)
    assert 0 < heard.resumed < _FRAMES - 90
    assert result.computed >= 100
    assert _digest(output) == undisturbed[0]


def test_a_changed_setting_keeps_the_work_until_it_may_be_dropped(
    source: Path, undisturbed: tuple[str, float], tmp_path: Path
) -> None:
    output = tmp_path / "out.mkv"
    _stopped_after(source, output, 1)
    with pytest.raises(UsageError) as refused:
        _run(source, output, scale=1.5, crf=30)
    for word in ("upscale.scale", "encode.options.crf", "--overwrite"):
        assert word in str(refused.value)
    _, heard = _run(source, output)
    assert heard.resumed > 0
    assert _digest(output) == undisturbed[0]


def test_a_changed_setting_starts_afresh_where_it_may_overwrite(
    source: Path, tmp_path: Path
) -> None:
    output = tmp_path / "out.mkv"
    _stopped_after(source, output, 1)
    result, heard = _run(source, output, scale=1.5, crf=30, overwrite=True)
    assert result.computed == _FRAMES
    message = " ".join(heard.warnings)
    assert "upscale.scale" in message
    assert "afresh" in message


def test_a_changed_source_is_another_job(ffmpeg: Any, source: Path, tmp_path: Path) -> None:
    mine, output = tmp_path / "mine.mkv", tmp_path / "out.mkv"
    shutil.copy(source, mine)
    _stopped_after(mine, output, 1)
    other = ffmpeg.make("shorter.mkv", "-i", source, "-c", "copy", "-t", "20")
    shutil.copy(other, mine)
    with pytest.raises(UsageError, match=r"source\.fingerprint"):
        _run(mine, output)
    result, heard = _run(mine, output, overwrite=True)
    assert result.computed == result.frames < 210
    assert "source.fingerprint" in " ".join(heard.warnings)


def test_a_moved_source_goes_on(
    source: Path, undisturbed: tuple[str, float], tmp_path: Path
) -> None:
    output, moved = tmp_path / "out.mkv", tmp_path / "moved.mkv"
    _stopped_after(source, output, 1)
    shutil.copy(source, moved)
    _, heard = _run(moved, output)
    assert heard.resumed > 0
    assert _digest(output) == undisturbed[0]


def test_a_damaged_job_file_starts_afresh(
    source: Path, undisturbed: tuple[str, float], tmp_path: Path
) -> None:
    output = tmp_path / "out.mkv"
    _stopped_after(source, output, 1)
    (_work(output) / "job.toml").write_bytes(b"\xff\x00 = [")
    result, _ = _run(source, output)
    assert result.computed == _FRAMES
    assert _digest(output) == undisturbed[0]


@pytest.mark.parametrize("content", ["", "a = 1\n", "[device]\nkind = 'cpu'\n"])
def test_a_foreign_job_file_starts_afresh(source: Path, tmp_path: Path, content: str) -> None:
    output = tmp_path / "out.mkv"
    _stopped_after(source, output, 1)
    (_work(output) / "job.toml").write_text(content)
    result, _ = _run(source, output, scale=1.0, overwrite=True)
    assert result.computed == _FRAMES


def test_a_second_run_on_one_output_is_told(source: Path, tmp_path: Path) -> None:
    output, refused = tmp_path / "out.mkv", []

    def listen(event: Event) -> None:
        if isinstance(event, Progress) and not refused:
            try:
                enhance(source, output, **_OPTIONS)
            except UsageError as error:
                refused.append(str(error))

    enhance(source, output, listener=listen, **{**_OPTIONS, "scale": 1.0})
    assert len(refused) == 1
    assert "Another run is writing this output" in refused[0]


@pytest.mark.parametrize("phase", ["preflight", "run", "assemble", "verify"])
def test_a_stop_ends_every_phase_and_loses_no_work(
    source: Path, undisturbed: tuple[str, float], tmp_path: Path, phase: str
) -> None:
    output, stop, asked = tmp_path / "out.mkv", Stop(), []

    def listen(event: Event) -> None:
        if isinstance(event, Phase) and event.name == phase:
            asked.append(time.monotonic())
            stop.request()

    with pytest.raises(Interrupted, match="run the same command again"):
        enhance(source, output, listener=listen, stop=stop, **_OPTIONS)
    assert time.monotonic() - asked[0] < 2
    assert not output.exists()
    result, heard = _run(source, output)
    assert heard.resumed == (_FRAMES if phase in ("assemble", "verify") else 0)
    assert result.computed == _FRAMES - heard.resumed
    assert _digest(output) == undisturbed[0]


def test_a_listener_that_fails_ends_the_job(source: Path, tmp_path: Path) -> None:
    def listen(event: Event) -> None:
        if isinstance(event, Progress) and event.done > 20:
            raise KeyError("of the listener")

    with pytest.raises(KeyError, match="of the listener"):
        enhance(source, tmp_path / "out.mkv", listener=listen, **_OPTIONS)
    assert not (tmp_path / "out.mkv").exists()


@pytest.mark.skipif(sys.platform == "win32", reason="no SIGINT to a child there")
def test_ctrl_c_leaves_a_job_that_goes_on(
    source: Path, undisturbed: tuple[str, float], tmp_path: Path
) -> None:
    output = tmp_path / "out.mkv"
    process = subprocess.Popen(
        [sys.executable, "-c", _SCRIPT, source, output], stderr=subprocess.DEVNULL
    )
    while not list(_work(output).glob("*.json")) and process.poll() is None:
        time.sleep(0.005)
    process.send_signal(signal.SIGINT)
    assert process.wait(20) != 0
    assert not output.exists()
    _, heard = _run(source, output)
    assert heard.resumed > 0
    assert _digest(output) == undisturbed[0]


def test_a_job_that_never_began_leaves_no_folder(tmp_path: Path) -> None:
    with pytest.raises(VidenhanceError):
        enhance(tmp_path / "none.mkv", tmp_path / "out.mkv")
    assert not list(tmp_path.iterdir())
