"""Students in the engine: part of the job where a stage says so, and loaded when it asks."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from videnhance.core import ClipInfo, Frame, Runtime
from videnhance.engine import enhance_frames
from videnhance.engine.look import LazyLook
from videnhance.engine.settle import settle
from videnhance.inference import CPU, cards
from videnhance.resources import folder
from videnhance.stages import Upscale

CLIP = ClipInfo(32, 24, Fraction(1, 25), Fraction(25))
TAUGHT, UNTAUGHT = "realesr-animevideov3-x2", "realesr-animevideov3-x3"


@pytest.fixture
def using_students(monkeypatch: pytest.MonkeyPatch) -> None:
    """The stage enlarges with students, or plainly where there is none."""

    def run(self: Upscale, frames: Iterator[Frame], clip: ClipInfo, rt: Runtime) -> Iterator[Frame]:
        (model,) = self.students(clip)
        student = rt.student(model)
        assert rt.student(model) is student
        for frame in frames:
            yield replace(frame, data=student([frame.data])[0]) if student else frame

    monkeypatch.setattr(Upscale, "students", Upscale.models)
    monkeypatch.setattr(Upscale, "run", run)


def _upscale(model: str) -> Upscale:
    return Upscale(model=model, scale=float(cards.resolve(model).scale))


@pytest.mark.usefixtures("using_students")
def test_a_student_belongs_to_the_job_where_it_is_used() -> None:
    student = cards.resolve(TAUGHT).student
    assert student is not None
    files = settle([_upscale(TAUGHT)], CLIP, CPU, LazyLook()).models[TAUGHT]
    assert files == {
        **dict(cards.resolve(TAUGHT).sha256),
        Path(student.file).name: student.sha256,
    }
    assert (folder("models") / student.file).is_file()
    # A model without a student stays as it is.
    assert settle([_upscale(UNTAUGHT)], CLIP, CPU, LazyLook()).models == {
        UNTAUGHT: dict(cards.resolve(UNTAUGHT).sha256)
    }


def test_a_student_that_is_not_used_does_not_belong_to_the_job(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(Upscale, "students", lambda self, clip: ())
    settled = settle([_upscale(TAUGHT)], CLIP, CPU, LazyLook())
    assert settled.models == {TAUGHT: dict(cards.resolve(TAUGHT).sha256)}


@pytest.mark.usefixtures("using_students")
@pytest.mark.parametrize(("model", "side"), [(TAUGHT, 64), (UNTAUGHT, 32)])
def test_a_stage_is_given_the_student(model: str, side: int) -> None:
    frames = [Frame(np.full((3, 24, 32), 0.5, np.float32), pts) for pts in range(3)]
    made = list(
        enhance_frames(
            iter(frames), CLIP, model=model, scale=cards.resolve(model).scale, device="cpu"
        )
    )
    assert [frame.width for frame in made] == [side] * 3
    assert all(abs(float(frame.data.mean()) - 0.5) < 0.1 for frame in made)
