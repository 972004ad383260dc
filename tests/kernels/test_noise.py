"""The noise level against noise of a known one."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from videnhance.kernels.noise import fine_variance, finest_variance, fitted_noise, noise_level

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


def white_of(shape: tuple[int, int], sigma: float) -> NDArray[np.float32]:
    return np.random.default_rng(1).normal(0, sigma, shape).astype(np.float32)


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


@pytest.mark.parametrize("sigma", [5, 10, 20, 30])
def test_white_noise_is_found_in_blocks(sigma: float) -> None:
    """All of it in what two frames differ by, and beside texture in the finest detail."""
    noise = white_of((192, 256), sigma / 255)
    textured = np.tile(smooth(), (2, 2)) + noise
    for variances in (fine_variance(noise), finest_variance(textured)):
        model = fitted_noise(np.full(variances.size, 0.5, np.float32), variances.ravel())
        assert model is not None
        assert np.sqrt(model.variance(np.float32(0.5))) == pytest.approx(sigma / 255, rel=0.1)


def test_photon_noise_is_a_line_in_brightness() -> None:
    ramp = np.linspace(0.05, 0.95, 512, dtype=np.float32) * np.ones((256, 1), np.float32)
    dice = np.random.default_rng(4)
    plane = ramp + np.sqrt(0.002 * ramp + 1e-4) * dice.standard_normal(ramp.shape, np.float32)
    brightness = ramp.reshape(16, 16, 32, 16).mean(axis=(1, 3))
    model = fitted_noise(brightness.ravel(), finest_variance(plane).ravel())
    assert model is not None
    for level in (0.1, 0.5, 0.9):
        assert model.variance(np.float32(level)) == pytest.approx(0.002 * level + 1e-4, rel=0.2)


@given(st.integers(1, 40), st.floats(0, 1), st.integers(0, 9))
def test_a_fit_is_never_negative(count: int, share: float, seed: int) -> None:
    """Nor broken by blocks without noise."""
    dice = np.random.default_rng(seed)
    brightness, variances = dice.random((2, count)).astype(np.float32)
    variances[dice.random(count) < share] = 1e-20
    model = fitted_noise(brightness, variances)
    if model is None:
        assert (variances < 1e-9).all()
        return
    assert model.slope >= 0
    assert model.floor >= 0
    assert np.isfinite([model.slope, model.floor]).all()


def test_blocks_of_small_pictures_are_none() -> None:
    assert fine_variance(np.zeros((15, 40), np.float32)).size == 0
    assert fitted_noise(np.zeros(0, np.float32), np.zeros(0, np.float32)) is None
