"""What it costs to enlarge few frames and reconstruct the rest."""

from __future__ import annotations

import numpy as np
import pytest
from reusing import (
    REACH,
    Clip,
    Counting,
    View,
    counted,
    fond,
    grainy,
    plainly,
    whole,
)

from videnhance.core import FrameKind
from videnhance.kernels.motion import interleaved
from videnhance.temporal.control import DISTANCES


def test_repeats_cost_nothing(view: View, clip: Clip) -> None:
    made, network = counted(clip(view() for _ in range(80)))
    assert network.areas == [72 * 96]
    first = made[0][1].result
    assert all(one.result is first or np.array_equal(one.result, first) for _, one in made)


@pytest.mark.parametrize("longest", [2, 4, 32])
def test_twelve_pictures_in_twenty_four_cost_half(view: View, clip: Clip, longest: int) -> None:
    _, doubled = counted(clip(view(4 * (t // 2)) for t in range(48)), longest=longest)
    _, single = counted(clip(view(4 * t) for t in range(24)), longest=longest)
    assert doubled.pixels == pytest.approx(single.pixels, rel=0.15)
    _, alone = counted(clip(view(t // 2, seed=t // 2) for t in range(24)), longest=longest)
    assert alone.areas == [72 * 96] * 12


def test_a_still_costs_a_frame_in_thirty_two(view: View, clip: Clip) -> None:
    """It is lit a little more and less, so that frames are no repeats; 8 and 16 come before 32."""
    size = (64, 96)
    still = view(size=size)
    frames = clip(still + np.float32(0.012 * (t % 2)) for t in range(1 + 2 * 8 + 2 * 16 + 4 * 32))
    made, network = counted(frames)
    assert all(seen.kind is FrameKind.PLAIN for seen, _ in made[1:])
    assert whole(network, 64 * 96) == pytest.approx(1 + 2 + 2 + 4, abs=1)
    assert DISTANCES[-1] == 32
    # What else it sees are audits: a tile of three frames in ten.
    part = (32 + 2 * (REACH + 2)) ** 2
    audits = network.pixels - whole(network, 64 * 96) * 64 * 96
    assert audits <= 0.35 * len(frames) * part
    assert sum(one.cost.audit is not None for _, one in made) >= 0.2 * len(frames)


@pytest.mark.parametrize("scene", ["one", "many"])
def test_what_cannot_be_foreseen_costs_hardly_more_than_every_frame(clip: Clip, scene: str) -> None:
    """Noise, by itself or on a ground."""
    dice = np.random.default_rng(0)
    many = [dice.random((3, 48, 64), np.float32) for _ in range(40)]
    images = many if scene == "many" else grainy(80)
    frames = clip(images)
    made, network = counted(frames, network=fond)
    assert [seen.kind for seen, _ in made[1:]].count(FrameKind.CUT) == (
        39 if scene == "many" else 0
    )
    assert 0.9 < network.pixels / (len(frames) * 48 * 64) <= 1.05


def test_a_draft_is_made_only_where_something_is_reconstructed(view: View, clip: Clip) -> None:
    draft = Counting(plainly)
    counted(clip(view(seed=t) for t in range(10)), draft=draft)
    assert not draft.areas
    counted(clip(view() for t in range(10)), draft=draft)
    assert not draft.areas


def test_what_is_computed_whole_is_not_drafted(clip: Clip) -> None:
    """Only reference frames are: around a scene's first groups (8, 8, 2, 2) and around a trial."""
    draft = Counting(plainly)
    frames = clip(grainy(80))
    made, network = counted(frames, network=fond, draft=draft)
    assert network.areas == [48 * 64] * len(frames)
    assert draft.areas == [48 * 64] * (5 + 2)
    for seen, one in made:
        assert np.array_equal(one.result, interleaved(fond(seen.frame.data)))
