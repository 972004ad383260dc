"""Flow between the frames of a scene, and its confidence, on motion that is known."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from videnhance.core import Image
from videnhance.kernels.motion import luma
from videnhance.temporal.flow import LumaPicture, find_motion

View = Callable[..., Image]

_INNER = (slice(12, -12), slice(12, -12))


def picture(image: Image, sigma: float = 0.0, seed: int = 0) -> LumaPicture:
    dice = np.random.default_rng(seed)
    plane = luma(image)
    return LumaPicture(plane + dice.normal(0, sigma, plane.shape).astype(np.float32))


@pytest.mark.parametrize("sigma", [0.0, 2 / 255])
@pytest.mark.parametrize(("x", "y"), [(1.5, 0.0), (-3.0, 2.0), (6.0, -4.0)])
def test_a_pan_is_found_and_trusted(view: View, x: float, y: float, sigma: float) -> None:
    here, there = picture(view(), sigma, 1), picture(view(-x, -y), sigma, 2)
    motion = find_motion(here, there, sigma, both_ways=True)
    assert np.abs(motion.flow - [x, y])[_INNER].mean() < 0.15
    assert motion.confidence[_INNER].mean() > 0.9
    assert 0 <= motion.confidence.min() <= motion.confidence.max() <= 1 + 1e-6


def test_what_leaves_the_picture_is_not_trusted(view: View) -> None:
    here, there = picture(view()), picture(view(-6))
    confidence = find_motion(here, there, 0.0).confidence
    assert confidence[:, -6:].max() < 0.4
    assert confidence[:, -5:].max() < 0.05
    assert confidence[4:-4, 4:-9].min() > 0.7


def test_another_picture_is_not_trusted(view: View) -> None:
    here, there = picture(view(contrast=0.1)), picture(view(seed=4, contrast=0.1))
    assert find_motion(here, there, 0.0).confidence.mean() < 0.45


def test_nothing_moves_on_a_still_with_noise(view: View) -> None:
    here, there = picture(view(), 2 / 255, 1), picture(view(), 2 / 255, 2)
    motion = find_motion(here, there, 2 / 255)
    assert np.mean(motion.flow.any(axis=2)) < 0.3
    assert motion.confidence.mean() > 0.95
    assert not find_motion(here, here, 0.0).flow.any()


@pytest.mark.parametrize(("gain", "offset"), [(0.8, 0.0), (0.7, 0.3), (1.2, -0.1)])
def test_a_fade_is_no_motion_and_no_distrust(view: View, gain: float, offset: float) -> None:
    here = picture(view())
    there = LumaPicture(np.asarray(gain * here.luma + offset, np.float32)).like(here)
    motion = find_motion(here, there, 0.0)
    assert np.abs(motion.flow).max() < 0.2
    assert motion.confidence.min() > 0.95


def test_the_two_sides_of_a_moving_thing_are_told_apart(view: View) -> None:
    """Ground that a square has just uncovered was not there before."""
    ground, square = view(contrast=0.1), view(seed=5, contrast=0.1)[:, :24, :24]

    def shot(left: int) -> LumaPicture:
        image = ground.copy()
        image[:, 24:48, left : left + 24] = square
        return picture(image)

    here, there = shot(40), shot(36)
    confidence = find_motion(here, there, 0.0, both_ways=True).confidence
    uncovered = np.s_[28:44, 36:40]
    one_way = find_motion(here, there, 0.0).confidence
    assert confidence[uncovered].mean() < 0.5 * one_way[uncovered].mean()
    assert confidence[uncovered].mean() < 0.4
    assert confidence[30:42, 46:58].mean() > 0.7
    assert confidence[:16].mean() > 0.9


def test_a_wall_does_not_go_along_with_what_moves_before_it() -> None:
    """A fine line on it stays where it is, near the thing and far from it."""
    wall = np.full((3, 96, 128), 0.7, np.float32)
    wall[:, 60] = 0.66
    thing = np.random.default_rng(0).random((3, 40, 24), np.float32) * np.float32(0.3)

    def shot(top: int) -> LumaPicture:
        image = wall.copy()
        image[:, top : top + 40, 40:64] = thing
        return picture(image)

    motion = find_motion(shot(30), shot(20), 0.0)
    assert np.abs(motion.flow[40:60, 46:58, 1] + 10).mean() < 1
    beside = np.s_[12:-12, 76:-12]
    assert not motion.flow[beside].any()
    assert motion.confidence[beside].min() > 0.95


def test_strictly_a_single_pixel_casts_doubt_on_those_two_away(view: View) -> None:
    here = picture(view())
    luma = here.luma.copy()
    luma[36, 48] += 0.12
    trust, strict = (
        find_motion(here, LumaPicture(luma), 0.0, strictly=strictly).confidence[36]
        for strictly in (False, True)
    )
    assert trust[46:51].min() > 0.7
    assert strict[46:51].max() < 0.35
    assert strict[[42, 54]].min() > 0.95
