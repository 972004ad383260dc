"""Pictures laid over one another, against the same in NumPy."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from videnhance.kernels.blending import (
    add_blend,
    draw_towards,
    fade_in,
    measure_detail,
    strengthen_detail,
)

Floats = NDArray[np.float32]
_LUMA = np.array([0.2126, 0.7152, 0.0722], np.float32)


def noise(*shape: int, seed: int = 0) -> Floats:
    return np.random.default_rng(seed).random(shape, np.float32)


def test_a_picture_fades_in_by_rows_and_columns() -> None:
    made, target = noise(6, 8, 3), noise(10, 12, 3, seed=1)
    rows = np.array([0, 0.25, 1, 1, 0.5, 0], np.float32)
    columns = np.array([0.5, 1, 1, 1, 1, 1, 0.75, 0], np.float32)
    weight = (rows[:, None] * columns)[..., None]
    place = target[2:8, 3:11]
    expected = place + weight * (made - place)
    around = target.copy()
    fade_in(made, rows, columns, place)
    assert np.allclose(place, expected, atol=1e-6)
    assert np.array_equal(place[2:4, 1:6], made[2:4, 1:6])
    around[2:8, 3:11] = place
    assert np.array_equal(around, target)


@pytest.mark.parametrize("scale", [1, 2, 3])
def test_two_pictures_are_blended_and_measured(scale: int) -> None:
    height, width = 4 * scale, 5 * scale
    first, second, target = (noise(height, width, 3, seed=n) for n in range(3))
    share, trust = noise(height, width, seed=3), noise(height, width, seed=4)
    spread, added = np.empty((4, 5), np.float32), np.empty((4, 5), np.float32)
    brought = trust[..., None] * (first + share[..., None] * (second - first))
    expected = target + brought
    add_blend(first, second, share, trust, target, spread, added)
    assert np.allclose(target, expected, atol=1e-6)

    def means(picture: Floats) -> Floats:
        return np.square(picture).reshape(4, scale, 5, scale, 3).mean(axis=(1, 3, 4))

    assert np.allclose(spread, means(second - first), atol=1e-6)
    assert np.allclose(added, means(brought), atol=1e-6)


def test_luma_is_drawn_towards_another_and_colour_stays() -> None:
    target, luma, share = noise(7, 9, 3), noise(7, 9, seed=1), noise(7, 9, seed=2)
    before = target.copy()
    draw_towards(luma, share, 1.0, target)
    assert np.allclose(target @ _LUMA, before @ _LUMA + share * (luma - before @ _LUMA), atol=1e-6)
    moved = target - before
    assert np.allclose(moved, moved[..., :1], atol=1e-6)


@pytest.mark.parametrize("most", [1e-6, 1e-3])
def test_it_is_drawn_no_further_than_allowed(most: float) -> None:
    target, luma = noise(7, 9, 3), noise(7, 9, seed=1)
    before = target.copy()
    draw_towards(luma, np.ones((7, 9), np.float32), most, target)
    assert np.square((target - before) @ _LUMA).mean() == pytest.approx(most, rel=1e-3)


def test_detail_is_measured_and_strengthened() -> None:
    picture, plain = noise(6, 8, 3), noise(6, 8, seed=1)
    energy = np.empty((3, 4), np.float32)
    measure_detail(picture, plain, energy)
    detail = picture @ _LUMA - plain
    assert np.allclose(energy, np.square(detail).reshape(3, 2, 4, 2).mean(axis=(1, 3)), atol=1e-6)
    gain = 1 + noise(6, 8, seed=2)
    before = picture.copy()
    strengthen_detail(plain, gain, picture)
    assert np.allclose(picture @ _LUMA - plain, gain * detail, atol=1e-5)
    assert np.allclose(picture - before, (picture - before)[..., :1], atol=1e-6)
