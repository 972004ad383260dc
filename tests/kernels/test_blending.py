"""Pictures laid over one another, against the same in NumPy."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from videnhance.kernels.blending import add_luma, fade_in

Floats = NDArray[np.float32]


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


def test_luma_is_added_to_a_part_of_a_picture() -> None:
    picture, more = noise(6, 8, 3), noise(4, 5, seed=1)
    before = picture.copy()
    add_luma(more, picture[1:5, 2:7])
    added = picture - before
    assert np.allclose(added[1:5, 2:7], more[..., None], atol=1e-6)
    added[1:5, 2:7] = 0
    assert not added.any()
