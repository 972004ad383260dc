"""Stages with temporal state through the engine, and what they note for the report."""

from __future__ import annotations

import json
import random
from collections import deque
from collections.abc import Iterator
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from threading import Thread
from typing import Any

import numpy as np
import pytest

from videnhance.core import ClipInfo, Frame, Interrupted, Runtime
from videnhance.engine import Event, Progress, enhance, enhance_frames, preview
from videnhance.engine.notes import Notebook, Notes
from videnhance.engine.windows import most_ahead
from videnhance.media import timeline
from videnhance.pipeline import Stop
from videnhance.stages import Upscale

_BEFORE, _AFTER = 4, 3
_FRAMES = 90
_OPTIONS: dict[str, Any] = {"scale": 1.0, "strength": 0.0, "codec": "ffv1", "device": "cpu"}


def _mean(self: Upscale, frames: Iterator[Frame], clip: ClipInfo, rt: Runtime) -> Iterator[Frame]:
    """The mean of every frame with those around it, and notes of each, on threads of the job."""
    window: deque[Frame] = deque()
    at = 0  # of the frame whose turn it is

    def noted(frame: Frame) -> Frame:
        rt.count("pixels", frame.pts, frame.width * frame.height)
        rt.count("tenths", frame.pts, 0.1)
        rt.record("audit", frame.pts, float(frame.data[0, 0, 0]))
        return frame

    def means() -> Iterator[Frame]:
        nonlocal at
        for frame in frames:
            window.append(frame)
            if len(window) > at + _AFTER:
                yield mean()
        while at < len(window):
            yield mean()

    def mean() -> Frame:
        nonlocal at
        data = np.mean([f.data for f in list(window)[: at + _AFTER + 1]], axis=0, dtype=np.float32)
        made = replace(window[at], data=data)
        if at == _BEFORE:
            window.popleft()
        else:
            at += 1
        return made

    return rt.map(noted, means(), 2)


@pytest.fixture
def temporal(monkeypatch: pytest.MonkeyPatch) -> None:
    """The stage of the program looks at the frames around each, in segments of a second."""
    monkeypatch.setattr(Upscale, "run", _mean)
    monkeypatch.setattr(Upscale, "on", lambda self, clip: True)
    monkeypatch.setattr(Upscale, "lookahead", _AFTER)
    monkeypatch.setattr(Upscale, "preroll", _BEFORE)
    monkeypatch.setattr(Upscale, "postroll", _AFTER)
    monkeypatch.setattr(timeline, "SEGMENT_SECONDS", 1)


@pytest.fixture(params=["noted.mkv", "noted.h264"])
def source(ffmpeg: Any, request: pytest.FixtureRequest) -> Path:
    h264 = ("-c:v", "libx264", "-preset", "ultrafast", "-pix_fmt", "yuv420p", "-bf", "2", "-g", "9")
    return Path(ffmpeg.clip(request.param, *h264, seconds=_FRAMES / 25))


@pytest.mark.usefixtures("temporal")
def test_segments_are_what_an_uncut_run_has(
    ffmpeg: Any, source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cut = enhance(source, tmp_path / "cut.mkv", **_OPTIONS)
    assert len(cut.job.segments) >= 3
    monkeypatch.setattr(timeline, "SEGMENT_SECONDS", 100)
    whole = enhance(source, tmp_path / "whole.mkv", **_OPTIONS)
    assert len(whole.job.segments) == 1
    assert ffmpeg.shown(tmp_path / "cut.mkv") == ffmpeg.shown(tmp_path / "whole.mkv")
    assert cut.frames == whole.frames == cut.computed == _FRAMES
    assert cut.notes == whole.notes


@pytest.mark.usefixtures("temporal")
@pytest.mark.parametrize("margin", ["preroll", "postroll"])
def test_without_their_margins_segments_differ(
    ffmpeg: Any, source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, margin: str
) -> None:
    """The test above can fail."""
    enhance(source, tmp_path / "right.mkv", **_OPTIONS)
    monkeypatch.setattr(Upscale, margin, 0)
    enhance(source, tmp_path / "wrong.mkv", **_OPTIONS)
    assert ffmpeg.shown(tmp_path / "right.mkv") != ffmpeg.shown(tmp_path / "wrong.mkv")


@pytest.mark.usefixtures("temporal")
def test_a_report_tells_of_every_frame_once_after_a_stop_too(source: Path, tmp_path: Path) -> None:
    whole = enhance(source, tmp_path / "whole.mkv", **_OPTIONS)
    output, stop = tmp_path / "out.mkv", Stop()

    def listen(event: Event) -> None:
        if isinstance(event, Progress) and list(tmp_path.glob("out.mkv.videnhance/*.json")):
            stop.request()

    with pytest.raises(Interrupted):
        enhance(source, output, stop=stop, listener=listen, **_OPTIONS)
    result = enhance(source, output, report=tmp_path / "report.json", **_OPTIONS)
    assert 0 < result.computed < _FRAMES
    assert result.notes == whole.notes
    report = json.loads((tmp_path / "report.json").read_text())
    noted = report["temporal"]
    assert set(noted) == {"pixels", "tenths", "audit"}
    assert noted["pixels"] == _FRAMES * 64 * 48
    assert noted["tenths"] == pytest.approx(_FRAMES / 10, abs=1e-12)
    times = [entry["time"] for entry in noted["audit"]]
    begin = times[0]
    assert times == pytest.approx([begin + number / 25 for number in range(_FRAMES)], abs=1.1e-3)
    assert all(-1 < entry["value"] < 2 for entry in noted["audit"])


@pytest.mark.usefixtures("temporal")
def test_a_manifest_without_notes_is_made_again(source: Path, tmp_path: Path) -> None:
    output, stop = tmp_path / "out.mkv", Stop()

    def listen(event: Event) -> None:
        for manifest in tmp_path.glob("out.mkv.videnhance/*.json"):
            values = json.loads(manifest.read_text())
            assert values["notes"]["counts"]["pixels"] == len(values["pts"]) * 64 * 48
            manifest.write_text(json.dumps({**values, "notes": []}))
            stop.request()

    with pytest.raises(Interrupted):
        enhance(source, output, stop=stop, listener=listen, **_OPTIONS)
    result = enhance(source, output, **_OPTIONS)
    assert result.computed == _FRAMES
    assert result.notes.counts["pixels"] == _FRAMES * 64 * 48


@pytest.mark.usefixtures("temporal")
def test_a_preview_counts_the_margins(source: Path, tmp_path: Path) -> None:
    found = preview(source, tmp_path / "out.mkv", **_OPTIONS)
    ahead = most_ahead(found.plan.job.stages)
    assert found.measured == 12 + ahead
    borders = len(found.plan.timeline.segments) - 1
    assert borders >= 2
    assert found.plan.enhanced == found.plan.frames + borders * (_BEFORE + _AFTER)
    assert found.seconds == pytest.approx(found.seconds_per_frame * found.plan.enhanced)


@pytest.mark.usefixtures("temporal")
def test_frames_of_ones_own_are_noted_where_asked() -> None:
    clip = ClipInfo(8, 6, Fraction(1, 25), Fraction(25))
    frames = [Frame(np.full((3, 6, 8), 0.5, np.float32), pts) for pts in range(0, 60, 3)]
    book = Notebook()
    made = list(enhance_frames(iter(frames), clip, scale=1, strength=0, notes=book))
    assert [frame.pts for frame in made] == [frame.pts for frame in frames]
    notes = book.take(lambda pts: True)
    assert notes.counts["pixels"] == 20 * 48
    assert notes.records["audit"] == tuple((frame.pts, 0.5) for frame in frames)
    assert len(list(enhance_frames(iter(frames), clip, scale=1, strength=0))) == 20


def test_the_order_of_threads_makes_no_difference() -> None:
    dice = random.Random(3)
    amounts = [(number % 17, dice.uniform(-1, 1) * 10**number) for number in range(-9, 9)]
    taken = []
    for _ in range(5):
        dice.shuffle(amounts)
        book = Notebook()
        threads = [
            Thread(target=note, args=(name, *amount))
            for amount in amounts
            for name, note in (("c", book.count), ("r", book.record))
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        taken.append(book.take(lambda pts: pts > 2))
        assert book.take(lambda pts: True) == Notes()
    assert all(notes == taken[0] for notes in taken)
    assert [pts for pts, _ in taken[0].records["r"]] == sorted(p for p, _ in amounts if p > 2)


def test_a_name_is_either_counted_or_recorded() -> None:
    book = Notebook()
    book.count("cuts", 0, 1)
    with pytest.raises(ValueError, match="'cuts'"):
        book.record("cuts", 0, 1)


def test_notes_survive_json_and_are_joined_in_order() -> None:
    one = Notes({"pixels": 0.1}, {"cuts": ((-3, 11.5), (7, float("inf")))})
    two = Notes({"pixels": 0.2, "repeats": 2.0}, {"cuts": ((9, 12.0),)})
    back = Notes.restored(json.loads(json.dumps(one.saved())))
    assert back == one
    both = Notes.joined([one, Notes(), two])
    assert both.counts == {"pixels": pytest.approx(0.3), "repeats": 2.0}
    assert isinstance(both.report(Fraction(1, 2))["repeats"], int)
    assert both.report(Fraction(1, 2)) == {
        "pixels": both.counts["pixels"],
        "repeats": 2,
        "cuts": [
            {"time": -1.5, "value": 11.5},
            {"time": 3.5, "value": None},
            {"time": 4.5, "value": 12.0},
        ],
    }


@pytest.mark.parametrize("values", [{}, {"counts": {}}, {"counts": {"a": None}, "records": {}}])
def test_damaged_notes_are_refused(values: dict[str, Any]) -> None:
    with pytest.raises((KeyError, TypeError, ValueError)):
        Notes.restored(values)
