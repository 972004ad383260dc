"""Stages that change time: planned, made in segments, killed, put together and verified."""

from __future__ import annotations

import pickle
import subprocess
import sys
from fractions import Fraction
from importlib import import_module
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from timing_stages import Doubled, FourOfFive

from videnhance import enhance
from videnhance.core import Interrupted, VerificationError
from videnhance.engine import segments
from videnhance.engine.events import Event, Planned, Progress
from videnhance.inference import Resources
from videnhance.job import Settings
from videnhance.media import timeline
from videnhance.media.declaration import Declaration, sidecar
from videnhance.media.encoding import EncodeOptions
from videnhance.media.verify import verify
from videnhance.pipeline import Stop

_FRAMES = 93
_OPTIONS: dict[str, Any] = {"codec": "ffv1", "device": "cpu"}
_EACH = pytest.mark.parametrize("stage", [Doubled(), FourOfFive()], ids=lambda stage: stage.name)


@pytest.fixture(autouse=True)
def short_segments(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(timeline, "SEGMENT_SECONDS", 1)


@pytest.fixture
def source(ffmpeg: Any) -> Path:
    h264 = ("-c:v", "libx264", "-preset", "ultrafast", "-pix_fmt", "yuv420p", "-bf", "2", "-g", "9")
    return Path(ffmpeg.clip("timed.mkv", *h264, seconds=_FRAMES / 25))


def _use(monkeypatch: pytest.MonkeyPatch, *stages: Any) -> None:
    """Have jobs made of these stages, whatever is asked for."""
    from videnhance.engine import request

    asked = Settings(stages, EncodeOptions(codec="ffv1"))
    monkeypatch.setattr(request, "settings", lambda *_: asked)


def _expected(stage: Any, count: int) -> int:
    whole, rest = divmod(count, 5)
    return 2 * count if isinstance(stage, Doubled) else 4 * whole + max(0, rest - (rest > 1))


@_EACH
@pytest.mark.parametrize("ending", [".mkv", ".mp4", ".ts"])
def test_it_is_made_and_proven_alone(
    stage: Any,
    ending: str,
    ffmpeg: Any,
    source: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    _use(monkeypatch, stage)
    if ending != ".mkv":
        from videnhance.engine import request

        asked = Settings((stage,), EncodeOptions(codec="x264"))
        monkeypatch.setattr(request, "settings", lambda *_: asked)
    output = tmp_path / f"out{ending}"
    told: list[Event] = []
    result = enhance(source, output, listener=told.append, **_OPTIONS)
    count = _expected(stage, _FRAMES)
    assert result.frames == count
    assert [event.plan.frames for event in told if isinstance(event, Planned)] == [
        -(-_FRAMES * stage.timing.out // stage.timing.of)
    ]
    times = [shown.time for shown in ffmpeg.shown(output)]
    step = Fraction(1, 25) / stage.timing.ratio
    # The last cycle of four of five may be shorter.
    assert max(abs(b - a - step) for a, b in pairwise(times[:-4])) < Fraction(1, 900)
    assert sidecar(output).exists() == (ending == ".ts")
    report = verify(str(source), str(output))
    assert report.kept, report.broken
    # Judged one for one it is none of this: the test above can fail.
    monkeypatch.setattr("videnhance.media.content.read_declaration", lambda *_: None)
    assert not verify(str(source), str(output)).kept


@_EACH
def test_segments_are_what_an_uncut_run_has(
    stage: Any, ffmpeg: Any, source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The phase does not depend on where segments begin."""
    _use(monkeypatch, stage)
    cut = enhance(source, tmp_path / "cut.mkv", **_OPTIONS)
    assert len(cut.job.segments) >= 3
    monkeypatch.setattr(timeline, "SEGMENT_SECONDS", 100)
    whole = enhance(source, tmp_path / "whole.mkv", **_OPTIONS)
    assert len(whole.job.segments) == 1
    assert ffmpeg.shown(tmp_path / "cut.mkv") == ffmpeg.shown(tmp_path / "whole.mkv")


@_EACH
def test_it_goes_on_after_a_stop_to_the_bit(
    stage: Any, source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _use(monkeypatch, stage)
    enhance(source, tmp_path / "whole.mkv", **_OPTIONS)
    output, stop = tmp_path / "out.mkv", Stop()

    def listen(event: Event) -> None:
        if isinstance(event, Progress) and list(tmp_path.glob("out.mkv.videnhance/*.json")):
            stop.request()

    with pytest.raises(Interrupted):
        enhance(source, output, stop=stop, listener=listen, **_OPTIONS)
    again = enhance(source, output, **_OPTIONS)
    assert 0 < again.computed < again.frames
    assert output.read_bytes() == (tmp_path / "whole.mkv").read_bytes()


@_EACH
def test_a_segment_is_one_call_that_another_process_can_make(
    stage: Any, source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _use(monkeypatch, stage)
    whole = enhance(source, tmp_path / "whole.mkv", **_OPTIONS)
    output, stop = tmp_path / "out.mkv", Stop()

    def listen(event: Event) -> None:
        if isinstance(event, Progress) and list(tmp_path.glob("out.mkv.videnhance/*.json")):
            stop.request()

    with pytest.raises(Interrupted):
        enhance(source, output, stop=stop, listener=listen, **_OPTIONS)
    folder = tmp_path / "out.mkv.videnhance"
    call = (whole.job, len(whole.job.segments) - 1, folder, Resources(1, 1 << 30))
    (tmp_path / "call").write_bytes(pickle.dumps(call))
    code = (
        "import pickle, sys\n"
        "from pathlib import Path\n"
        "from videnhance.engine.segments import run_segment\n"
        "run_segment(*pickle.loads(Path(sys.argv[1]).read_bytes()))\n"
    )
    paths = ":".join([*sys.path])
    subprocess.run(
        [sys.executable, "-c", code, tmp_path / "call"], check=True, env={"PYTHONPATH": paths}
    )
    monkeypatch.setattr(segments, "_DECODED_AHEAD", 1)
    again = enhance(source, output, **_OPTIONS)
    assert again.computed < again.frames
    assert output.read_bytes() == (tmp_path / "whole.mkv").read_bytes()


def test_two_of_them_one_behind_the_other(
    ffmpeg: Any, source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _use(monkeypatch, FourOfFive(), Doubled())
    cut = enhance(source, tmp_path / "cut.mkv", **_OPTIONS)
    assert cut.job.ticks == 8
    assert cut.frames == 2 * _expected(FourOfFive(), _FRAMES)
    assert verify(str(source), str(cut.output)).kept
    monkeypatch.setattr(timeline, "SEGMENT_SECONDS", 100)
    enhance(source, tmp_path / "whole.mkv", **_OPTIONS)
    assert ffmpeg.shown(tmp_path / "cut.mkv") == ffmpeg.shown(tmp_path / "whole.mkv")


def test_an_output_that_declares_something_else_is_refused(
    source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _use(monkeypatch, Doubled())
    module = import_module("videnhance.engine.enhance")
    monkeypatch.setattr(module, "_declaration", lambda *_: Declaration())
    with pytest.raises(VerificationError, match="every frame"):
        enhance(source, tmp_path / "out.mkv", **_OPTIONS)
