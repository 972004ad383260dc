"""The examples of CONTRIBUTING.md work as they are printed."""

import re
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from videnhance.core import ClipInfo, Frame, UsageError
from videnhance.engine.chain import chain
from videnhance.inference import cards
from videnhance.inference.runtime import JobRuntime
from videnhance.options import checked, declared

PAGE = (Path(__file__).parents[1] / "CONTRIBUTING.md").read_text(encoding="utf-8")


def example(name: str) -> str:
    match = re.search(rf"<!-- example {name} -->\n```\w+\n(.*?)```", PAGE, re.DOTALL)
    assert match, f"CONTRIBUTING.md has no example {name}"
    return match[1]


@pytest.fixture
def gain() -> Any:
    # Without the page's future imports of this file: the example must work on its own.
    namespace: dict[str, Any] = {"__name__": "example"}
    exec(compile(example("stage"), "CONTRIBUTING.md", "exec", dont_inherit=True), namespace)
    return namespace["Gain"]


def test_stage_runs(gain: Any) -> None:
    stage = gain(**checked(gain, {"factor": 1.5}))
    clip = ClipInfo(4, 2, Fraction(1, 25), Fraction(25))
    frames = [Frame(np.full((3, 2, 4), 0.5, np.float32), pts) for pts in (0, 3, 4)]
    made = list(stage.run(iter(frames), clip, rt=None))
    assert [frame.pts for frame in made] == [0, 3, 4]
    assert all(np.allclose(frame.data, 0.75) for frame in made)


def test_stage_checks_its_options(gain: Any) -> None:
    assert [option.name for option in declared(gain)] == ["factor"]
    with pytest.raises(UsageError, match="between"):
        checked(gain, {"factor": 3})


def test_temporal_stage_runs_in_front_of_another() -> None:
    namespace: dict[str, Any] = {"__name__": "example"}
    code = compile(example("temporal stage"), "CONTRIBUTING.md", "exec", dont_inherit=True)
    exec(code, namespace)
    clip = ClipInfo(4, 2, Fraction(1, 25), Fraction(25))
    stage = namespace["Trail"](weight=0.5)
    assert stage.on(clip)
    assert not namespace["Trail"](weight=0.0).on(clip)
    frames = [Frame(np.full((3, 2, 4), t / 100, np.float32), t, source=t) for t in range(4)]
    rt = JobRuntime(load=print, mapping=map, warn=print)
    made = list(chain(iter(frames), clip, [stage, stage], rt))
    assert [float(frame.data[0, 0, 0]) * 100 for frame in made] == pytest.approx(
        [0, 0.25, 1, 2], abs=1e-5
    )


def test_card_is_read(tmp_path: Path) -> None:
    path = tmp_path / "card.toml"
    path.write_text(example("card"), encoding="utf-8")
    card = cards.read(path)
    assert (card.id, card.scale, card.files) == ("my-net-x2", 2, ("my-net-x2.pth",))
