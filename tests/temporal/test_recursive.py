"""Noise filtered in time: how much goes, what stays sharp, and what is expected to be left."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace

import numpy as np
import pytest

from videnhance.core import Frame, FrameKind, Image
from videnhance.temporal.recursive import Estimate, filtered

View = Callable[..., Image]

SIZE = (96, 128)
SIGMA = 12 / 255


def frames(images: Iterable[Image], sigma: float = SIGMA) -> list[Frame]:
    """One scene, with white noise of its own in every frame."""
    made = []
    for number, image in enumerate(images):
        dice = np.random.default_rng(number)
        noise = dice.normal(0, sigma, image.shape).astype(np.float32) if sigma else 0
        kind = FrameKind.PLAIN if number else FrameKind.CUT
        made.append(Frame((image + noise).astype(np.float32), 40 * number, 40, number, kind))
    return made


def run(source: list[Frame]) -> list[Estimate]:
    return list(filtered(iter(source)))


def error(estimate: Estimate, truth: Image) -> float:
    return float(np.sqrt(np.square(estimate.picture - truth)[:, 8:-8, 8:-8].mean()))


@pytest.mark.parametrize(("speed", "left"), [(0.0, 0.45), (1.0, 0.55), (2.4, 0.65)])
def test_noise_goes_along_the_motion(view: View, speed: float, left: float) -> None:
    truths = [view(speed * t, size=SIZE) for t in range(16)]
    made = run(frames(truths))
    assert error(made[0], truths[0]) == pytest.approx(SIGMA, rel=0.05)
    assert error(made[-1], truths[-1]) < left * SIGMA


def test_what_is_left_is_foreseen(view: View) -> None:
    truths = [view(size=SIZE) for _ in range(12)]
    made = run(frames(truths))
    luma = np.array([0.2126, 0.7152, 0.0722])
    for number in (0, 3, 11):
        wrong = np.tensordot(luma, made[number].picture - truths[number], axes=1)
        found = float(np.sqrt(np.square(made[number].noise[0]).mean()))
        assert found == pytest.approx(float(wrong.std()), rel=0.3)


def test_a_moving_square_leaves_nothing_behind(view: View) -> None:
    """Less than two code values where it was two frames ago, over texture."""
    ground = view(size=SIZE, contrast=0.04)

    def shot(t: int) -> Image:
        image = ground.copy()
        image[:, 40:56, 6 * t : 6 * t + 16] += 0.3
        return image

    truths = [shot(t) for t in range(14)]
    source = frames(truths, 6 / 255)
    made, calm = run(source), run(frames([ground] * 14, 6 / 255))
    behind = np.s_[:, 42:54, 6 * 11 : 6 * 11 + 11]
    ghost = (made[13].picture - calm[13].picture)[behind].mean()
    assert abs(ghost) < 2 / 255


def test_nothing_reaches_across_a_cut(view: View) -> None:
    one = frames([view(t, size=SIZE) for t in range(8)])
    other = frames([view(t, seed=4, size=SIZE) for t in range(8)])
    joined = run([*one, *other])
    assert np.array_equal(joined[8].picture, other[0].data)
    assert np.array_equal(joined[15].picture, run(other)[7].picture)


def test_a_flash_stands_alone_and_a_repeat_is_what_was_shown(view: View) -> None:
    source = frames([view(size=SIZE) for _ in range(8)])
    flash = replace(source[4], data=view(seed=9, size=SIZE), kind=FrameKind.FLASH)
    repeat = replace(source[5], kind=FrameKind.REPEAT)
    made = run([*source[:4], flash, *source[5:]])
    without = run([*source[:4], *source[5:]])
    assert np.array_equal(made[-1].picture, without[-1].picture)
    again = run([*source[:5], repeat])
    assert np.array_equal(again[5].picture, again[4].picture)


def test_a_fade_is_not_late(view: View) -> None:
    truths = [np.asarray((1 - 0.05 * t) * view(size=SIZE), np.float32) for t in range(12)]
    made = run(frames(truths, 4 / 255))
    assert abs(float((made[-1].picture - truths[-1]).mean())) < 0.7 / 255


@pytest.mark.parametrize("size", [(1, 1), (8, 9), (17, 40)])
@pytest.mark.parametrize("level", [0.0, 0.4, 1.0])
def test_even_and_tiny_pictures_stay_as_they_are(size: tuple[int, int], level: float) -> None:
    image = np.full((3, *size), level, np.float32)
    for one in run(frames([image] * 4, 0.0)):
        assert np.abs(one.picture - image).max() < 1e-6
        assert np.isfinite(one.noise).all()
