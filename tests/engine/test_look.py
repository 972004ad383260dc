"""What stages may see of a recording before work begins, and what comes of it."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Callable, Iterator
from dataclasses import replace
from fractions import Fraction
from itertools import pairwise
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from shown import cartoon, photograph

from videnhance.core import ClipInfo, Frame, Image, UsageError
from videnhance.engine import enhance, enhance_frames, preview
from videnhance.engine.look import LazyLook, Peeked
from videnhance.inference import cards
from videnhance.job import read_saved
from videnhance.kernels.motion import interleaved
from videnhance.media.sample import sample_frames
from videnhance.media.source import probe
from videnhance.stages import Upscale

DRAWN = "realesr-animevideov3"
FAST: dict[str, Any] = {
    "device": "cpu",
    "encoder_preset": "ultrafast",
    "temporal": "off",
    "denoise": "off",
}


def film(path: Path, pictures: Iterator[Image], gop: int = 250, codec: str = "libx264") -> Path:
    """A recording of pictures, at 25 a second, with a keyframe every `gop`."""
    with av.open(path, "w") as out:
        stream: Any = out.add_stream(codec, rate=25)
        stream.pix_fmt = "yuv420p"
        stream.codec_context.gop_size = gop
        for number, picture in enumerate(pictures):
            rows, columns = (side // 2 * 2 for side in picture.shape[1:])
            shown = (interleaved(picture)[:rows, :columns] * 255).astype(np.uint8)
            if not number:
                stream.height, stream.width = shown.shape[:2]
            frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(shown), format="rgb24")
            frame.pts, frame.time_base = number, Fraction(1, 25)
            out.mux(stream.encode(frame))
        out.mux(stream.encode(None))
    return path


def greys(count: int) -> Iterator[Image]:
    """Pictures whose brightness tells their number."""
    return (np.full((3, 48, 64), (n + 0.5) / count, np.float32) for n in range(count))


def positions(path: Path, count: int = 5) -> list[float]:
    """Where in a film of greys the sampled frames lie, 0..1."""
    return [float(frame.mean()) for frame in sample_frames(probe(str(path)), count)]


def test_nothing_is_decoded_before_it_is_asked_for() -> None:
    calls = []
    look = LazyLook(lambda: calls.append(1) or [photograph()])  # type: ignore[func-returns-value]
    assert not calls
    assert look.frames is look.frames
    assert len(calls) == len(look.frames) == 1


def test_peeking_loses_nothing() -> None:
    items = Peeked(iter(range(7)))
    assert items.peek(3) == [0, 1, 2]
    assert next(items) == 0
    assert items.peek(3) == [1, 2, 3]
    assert list(items) == [1, 2, 3, 4, 5, 6]
    assert items.peek(2) == []


def test_an_error_met_ahead_comes_in_its_turn() -> None:
    def failing() -> Iterator[int]:
        yield 1
        raise OSError("gone")

    items = Peeked(failing())
    assert items.peek(5) == [1]
    assert next(items) == 1
    with pytest.raises(OSError, match="gone"):
        next(items)
    with pytest.raises(StopIteration):
        next(items)


@pytest.mark.parametrize("name", ["film.mkv", "film.mp4", "film.ts", "film.avi"])
@pytest.mark.parametrize("gop", [5, 250])
def test_sampled_frames_lie_spread(tmp_path: Path, name: str, gop: int) -> None:
    path = film(tmp_path / name, greys(100), gop)
    found = positions(path)
    assert 3 <= len(found) <= 5
    assert found == sorted(found)
    assert found[0] < 0.3
    assert found[-1] > 0.7
    assert all(b - a > 0.1 for a, b in pairwise(found))
    assert found == positions(path)


def test_a_short_film_gives_what_it_has(tmp_path: Path) -> None:
    assert len(positions(film(tmp_path / "film.mkv", greys(2)))) == 2


def test_a_source_that_cannot_be_sought_shows_its_beginning(tmp_path: Path) -> None:
    source = probe(str(film(tmp_path / "film.mkv", greys(300), 10)))
    found = [float(f.mean()) for f in sample_frames(replace(source, seekable=False), 5)]
    assert len(found) == 5
    assert found == sorted(found)


def test_damage_leaves_frames_out_but_is_no_error(tmp_path: Path) -> None:
    path = film(tmp_path / "film.ts", (photograph("chelsea", 96) for _ in range(40)), 8)
    data = bytearray(path.read_bytes())
    dice = np.random.default_rng(0)
    for at in dice.integers(len(data) // 5, len(data), 400):
        data[at] ^= 0xFF
    path.write_bytes(data)
    source = probe(str(path))
    first, again = (sample_frames(source, 5) for _ in range(2))
    assert len(first) == len(again)
    assert all(np.array_equal(a, b) for a, b in zip(first, again, strict=True))


@pytest.fixture
def cartoon_film(tmp_path: Path) -> Path:
    return film(tmp_path / "cartoon.mkv", (cartoon(n // 4, 120) for n in range(12)))


@pytest.fixture
def photographed(tmp_path: Path) -> Path:
    return film(tmp_path / "live.mkv", (photograph("coffee", 120) for _ in range(12)))


def test_the_reason_stands_in_job_and_report(cartoon_film: Path, tmp_path: Path) -> None:
    report = tmp_path / "report.json"
    result = enhance(cartoon_film, tmp_path / "out.mkv", report=report, **FAST)
    reason = result.job.found["model"]
    assert reason.startswith(f"{DRAWN} (drawn: ")
    assert json.loads(report.read_text())["job"]["found"] == {"model": reason}
    path = tmp_path / "job.toml"
    result.job.save(path)
    assert tomllib.loads(path.read_text())["found"] == {"model": reason}


def test_a_model_that_is_given_needs_no_look(
    cartoon_film: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def unwanted(*args: object) -> list[Image]:
        raise AssertionError("nobody was to look")

    monkeypatch.setattr("videnhance.engine.plan.sample_frames", unwanted)
    outcome = preview(cartoon_film, tmp_path / "out.mkv", model=DRAWN, **FAST)
    assert outcome.plan.job.found == {}


def test_only_another_choice_makes_another_job(
    photographed: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def planned() -> Any:
        return preview(photographed, tmp_path / "out.mkv", **FAST).plan.job

    first = planned()
    first.save(tmp_path / "job.toml")
    saved = read_saved(tmp_path / "job.toml")
    assert saved is not None
    assert planned().differences(saved) == ()
    assert replace(first, found={"model": "for another reason"}).differences(saved) == ()
    del saved["found"]
    assert first.differences(saved) == ()
    (stage,) = first.stages
    other = replace(first, stages=(replace(stage, model="span"),))
    assert other.differences(saved) == ("upscale.model",)


@pytest.fixture
def live_card(monkeypatch: pytest.MonkeyPatch) -> None:
    """A card of the live family with the weights of another network."""
    known = dict(cards.all_cards())
    known["live-x2"] = replace(known[f"{DRAWN}-x2"], id="live-x2", family="live", draft="")
    monkeypatch.setattr(cards, "all_cards", lambda: known)


@pytest.mark.usefixtures("live_card")
def test_live_action_is_given_to_the_live_network(photographed: Path, tmp_path: Path) -> None:
    job = preview(photographed, tmp_path / "out.mkv", **FAST).plan.job
    assert job.found["model"].startswith("live (live action: ")
    assert list(job.models) == ["live-x2"]


def _frames(picture: Callable[[], Image], count: int) -> tuple[list[Frame], ClipInfo]:
    image = picture()
    clip = ClipInfo(image.shape[2], image.shape[1], Fraction(1, 25), Fraction(25))
    return [Frame(image, pts) for pts in range(count)], clip


@pytest.mark.parametrize("count", [0, 1, 3, 9])
def test_frames_of_ones_own_are_looked_at_and_none_is_lost(count: int) -> None:
    frames, clip = _frames(lambda: cartoon(height=48), count)
    told: list[tuple[str, str]] = []
    made = enhance_frames(
        iter(frames), clip, device="cpu", temporal="off", found=lambda *what: told.append(what)
    )
    text = dict(told)["model"]
    assert text.startswith(DRAWN if count else "live (live action assumed")
    assert [frame.pts for frame in made] == list(range(count))


def test_with_a_model_no_frame_is_read_ahead() -> None:
    frames, clip = _frames(lambda: cartoon(height=48), 3)
    source = iter(frames)
    made = enhance_frames(source, clip, device="cpu", temporal="off", model=DRAWN, denoise="off")
    assert next(source).pts == 0
    assert [frame.pts for frame in made] == [1, 2]


def test_what_is_no_frame_is_refused_in_its_turn() -> None:
    frames, clip = _frames(lambda: cartoon(height=48), 1)
    items: list[Any] = [*frames, "no frame"]
    made = enhance_frames(iter(items), clip, device="cpu", temporal="off")
    with pytest.raises(UsageError, match="not str"):
        list(made)


def test_a_pipe_is_looked_at(
    cartoon_film: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Standard:
        def __init__(self) -> None:
            self.buffer = cartoon_film.open("rb")

        def isatty(self) -> bool:
            return False

    piped = Standard()
    monkeypatch.setattr("sys.stdin", piped)
    result = enhance("-", tmp_path / "out.mkv", **FAST)
    piped.buffer.close()
    assert result.job.found["model"].startswith(f"{DRAWN} (drawn: ")
    assert result.frames == 12
    (stage,) = result.job.stages
    assert isinstance(stage, Upscale)
    assert stage.model == DRAWN
