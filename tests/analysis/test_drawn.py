"""Drawn pictures are told from live action, whatever was done to them."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from shown import (
    PHOTOGRAPHS,
    barred,
    blurred,
    cartoon,
    compressed,
    grey,
    noisy,
    photograph,
)

from videnhance.analysis.drawn import judge
from videnhance.core import Image
from videnhance.media.sample import sample_frames
from videnhance.media.source import probe

SAMPLES = sorted((Path(__file__).parents[2] / "samples").glob("*.m[kp]*"))

DAMAGES: dict[str, Callable[[Image], Image]] = {
    "none": lambda image: image,
    "noise": partial(noisy, sigma=6),
    "h264": partial(compressed, crf=32),
    "blur": partial(blurred, sigma=1),
    "grey": grey,
    "dark": lambda image: 0.3 * image,
    "bars": barred,
    "beyond the nominal range": lambda image: 1.2 * image - 0.1,
    "several": lambda image: compressed(noisy(barred(grey(image)), 4), 28),
}
UNDECIDED = {(120, "noise"), (120, "h264"), (120, "blur"), (120, "several"), (240, "noise")}
"""Rows and damages where little is left of flat colours; these may be taken for live action."""
damaged = pytest.mark.parametrize("damage", DAMAGES)
sized = pytest.mark.parametrize("height", [120, 240, 720])


@damaged
@sized
def test_drawings_are_drawn(damage: str, height: int) -> None:
    if (height, damage) in UNDECIDED:
        pytest.skip("too damaged to be told")
    frames = [DAMAGES[damage](cartoon(seed, height)) for seed in range(3)]
    verdict = judge(frames)
    assert verdict.drawn, verdict
    assert verdict.reason.startswith("drawn: ")


@damaged
@sized
@pytest.mark.parametrize("name", PHOTOGRAPHS)
def test_photographs_are_live_action(name: str, damage: str, height: int) -> None:
    verdict = judge([DAMAGES[damage](photograph(name, height))])
    assert not verdict.drawn, verdict
    assert verdict.reason.startswith("live action: ")


@pytest.mark.parametrize("path", SAMPLES, ids=lambda path: path.name)
def test_the_samples_are_live_action(path: Path) -> None:
    assert not judge(sample_frames(probe(str(path)), 5)).drawn


def test_titles_do_not_outvote_the_film() -> None:
    title = np.zeros((3, 240, 320), np.float32)
    title[:, 100:140, 60:260] = 1
    assert not judge([title, *(photograph(name) for name in PHOTOGRAPHS[:3]), title]).drawn
    assert judge([np.zeros_like(title)] * 2 + [cartoon(n) for n in range(3)]).drawn


@pytest.mark.parametrize(
    "frames",
    [
        [],
        [np.zeros((3, 48, 64), np.float32)] * 5,
        [np.full((3, 2, 2), 0.7, np.float32)],
        [np.zeros((3, 1, 1), np.float32)],
        [np.full((3, 8, 400), np.nan, np.float32)],
    ],
    ids=["none", "black", "tiny", "one pixel", "not a number"],
)
@pytest.mark.filterwarnings("error")
def test_where_nothing_is_seen_it_counts_as_live_action(frames: list[Image]) -> None:
    verdict = judge(frames)
    assert not verdict.drawn
    assert verdict.reason == "live action assumed: the sampled frames are empty"


def test_the_verdict_tells_its_figures() -> None:
    drawn, live = judge([cartoon()]), judge([photograph()])
    assert drawn.reason.startswith("drawn: 9")
    assert live.reason.startswith("live action: 9")
    assert live.score < 0 < drawn.score
    assert judge([cartoon()]) == drawn
