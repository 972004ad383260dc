"""The noise level against noise of a known one."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from videnhance.kernels.noise import noise_level

_SIZE = (96, 128)


def smooth(shift: float = 0.0) -> NDArray[np.float32]:
    """Texture of waves from 10 pixels on, moved along the rows."""
    dice = np.random.default_rng(2)
    rows, columns = np.mgrid[: _SIZE[0], : _SIZE[1]].astype(np.float64)
    total = np.full(_SIZE, 0.5)
    for _ in range(12):
        length, angle, phase = dice.uniform(10, 40), dice.uniform(0, np.pi), dice.uniform(0, 6.3)
        along = (columns + shift) * np.cos(angle) + rows * np.sin(angle)
        total += 0.04 * np.sin(2 * np.pi * along / length + phase)
    return total.astype(np.float32)


def white(sigma: float, seed: int) -> NDArray[np.float32]:
    return np.random.default_rng(seed).normal(0, sigma, _SIZE).astype(np.float32)


@pytest.mark.parametrize("sigma", [1 / 255, 3 / 255, 12 / 255])
@pytest.mark.parametrize("seed", range(3))
def test_white_noise_on_a_still_is_found(sigma: float, seed: int) -> None:
    found = noise_level(smooth() + white(sigma, seed), smooth() + white(sigma, seed + 50))
    assert found == pytest.approx(sigma, rel=0.15)


@pytest.mark.parametrize("sigma", [2 / 255, 4 / 255, 12 / 255])
@pytest.mark.parametrize("shift", [0.7, 3.0, 9.5])
def test_white_noise_on_moving_texture_is_found(sigma: float, shift: float) -> None:
    found = noise_level(smooth() + white(sigma, 1), smooth(shift) + white(sigma, 2))
    assert found == pytest.approx(sigma, rel=0.15)


def test_white_noise_on_still_fine_texture_is_found() -> None:
    """A pattern as fine as the pixels misleads the Laplacian, not the difference."""
    fine = np.indices(_SIZE).sum(axis=0) % 2 * np.float32(0.3)
    found = noise_level(fine + white(0.02, 1), fine + white(0.02, 2))
    assert found == pytest.approx(0.02, rel=0.15)


def test_blocks_that_an_encoder_repeats_do_not_hide_the_noise() -> None:
    before, after = smooth() + white(0.02, 1), smooth() + white(0.02, 2)
    after[:64] = before[:64]
    assert noise_level(before, after) == pytest.approx(0.02, rel=0.2)


def test_equal_frames_have_no_noise_to_tell() -> None:
    noisy = smooth() + white(0.05, 1)
    assert noise_level(noisy, noisy.copy()) == 0.0


def test_motion_alone_is_hardly_noise() -> None:
    assert noise_level(smooth(), smooth(5)) < 1.5 / 255


def test_light_that_changes_is_no_noise() -> None:
    assert noise_level(smooth(), smooth() + np.float32(0.1)) < 1e-4


@pytest.mark.parametrize("size", [(1, 1), (1, 9), (5, 7), (17, 31)])
def test_small_pictures_have_a_level_too(size: tuple[int, int]) -> None:
    dice = np.random.default_rng(0)
    planes = dice.normal(0.5, 0.02, (2, *size)).astype(np.float32)
    found = noise_level(planes[0], planes[1])
    assert 0 <= found < 0.04
