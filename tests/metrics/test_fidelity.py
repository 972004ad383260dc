"""Fidelity measures against scikit-image, Pillow and closed forms."""

from __future__ import annotations

import math

import numpy as np
import pytest
from PIL import Image as Pillow
from skimage.metrics import peak_signal_noise_ratio, structural_similarity

from videnhance.metrics import (
    back_projection_error,
    decibels,
    gradient_energy,
    psnr,
    squared_error,
    ssim,
)


def texture(height: int = 60, width: int = 80, seed: int = 0) -> np.ndarray:
    """Smooth patches with noise on them, 0..1."""
    rng = np.random.default_rng(seed)
    patches = Pillow.fromarray(rng.random((6, 8), np.float32))
    smooth = np.asarray(patches.resize((width, height), Pillow.Resampling.BICUBIC))
    return np.clip(smooth + rng.normal(0, 0.03, smooth.shape), 0, 1).astype(np.float32)


def degraded(picture: np.ndarray, sigma: float = 0.05) -> np.ndarray:
    noise = np.random.default_rng(9).normal(0, sigma, picture.shape)
    return (0.9 * picture + 0.05 + noise).astype(np.float32)


def wang(a: np.ndarray, b: np.ndarray) -> float:
    """SSIM by scikit-image with the settings that its documentation gives for Wang et al."""
    value = structural_similarity(
        a.astype(np.float64), b.astype(np.float64), gaussian_weights=True, sigma=1.5,
        use_sample_covariance=False, data_range=1.0,
    )  # fmt: skip
    return float(value)


def test_psnr_equals_scikit_image() -> None:
    a = texture()
    b = degraded(a)
    expected = peak_signal_noise_ratio(a.astype(np.float64), b.astype(np.float64), data_range=1)
    assert psnr(a, b) == pytest.approx(expected, abs=1e-5)
    assert psnr(a, a + np.float32(0.1)) == pytest.approx(20, abs=1e-4)
    assert psnr(a, a) == math.inf
    assert decibels(squared_error(a, b)) == psnr(a, b)


@pytest.mark.parametrize("size", [(60, 80), (11, 11), (33, 47), (16, 200)])
def test_ssim_equals_scikit_image(size: tuple[int, int]) -> None:
    a = texture(*size)
    for b in (degraded(a), degraded(a, 0.3), 1 - a):
        assert ssim(a, b) == pytest.approx(wang(a, b), abs=1e-5)
    assert ssim(a, a) == pytest.approx(1, abs=1e-6)


@pytest.mark.parametrize("level", [0.0, 0.02, 1.0])
def test_ssim_of_flat_pictures(level: float) -> None:
    a = np.full((30, 40), level, np.float32)
    b = degraded(a, 0.002)
    assert ssim(a, b) == pytest.approx(wang(a, b), abs=1e-4)


def test_pictures_must_be_of_one_size_and_large_enough() -> None:
    a = texture()
    for measure in (psnr, ssim, squared_error):
        with pytest.raises(ValueError, match="one size"):
            measure(a, a[1:])
    with pytest.raises(ValueError, match="11 samples"):
        ssim(a[:10], a[:10])
    with pytest.raises(ValueError, match="smaller"):
        back_projection_error(a[:, :40], a)


@pytest.mark.parametrize("size", [(120, 160), (97, 131), (60, 80)])
def test_back_projection_reduces_as_pillow_does(size: tuple[int, int]) -> None:
    output, source = texture(*size), texture(60, 80, seed=3)
    reduced = np.asarray(Pillow.fromarray(output).resize((80, 60), Pillow.Resampling.BICUBIC))
    # Pillow does not repeat the edges but leaves them out; far from them both are the same.
    expected = np.square(reduced - source)
    found = back_projection_error(output, source)
    assert found == pytest.approx(expected.mean(), rel=0.01)
    brighter = back_projection_error(output + np.float32(0.25), source)
    assert brighter - found == pytest.approx(0.0625 + 0.5 * (reduced - source).mean(), rel=0.01)


def test_a_faithful_enlargement_is_its_source_again() -> None:
    output = texture(120, 160)
    source = np.asarray(Pillow.fromarray(output).resize((64, 48), Pillow.Resampling.BICUBIC))
    shown = np.asarray(Pillow.fromarray(source).resize((160, 120), Pillow.Resampling.BICUBIC))
    moved = np.roll(shown, 2, axis=1)
    assert back_projection_error(output, source) < 1e-6
    assert back_projection_error(shown, source) < 0.1 * back_projection_error(moved, source)


def test_gradient_energy_of_ramps_and_sines() -> None:
    rows, columns = np.mgrid[0:64, 0:128].astype(np.float32)
    assert gradient_energy(columns * 0.005 + rows * 0.002) == pytest.approx(
        0.005**2 + 0.002**2, rel=1e-3
    )
    for frequency in (0.2, 1.0, math.pi):
        sine = (0.3 * np.sin(frequency * columns + 0.3)).astype(np.float32)
        steps = 0.3 * (np.sin(frequency * np.arange(1, 128) + 0.3)
                       - np.sin(frequency * np.arange(127) + 0.3))  # fmt: skip
        assert gradient_energy(sine) == pytest.approx(np.mean(steps**2), rel=1e-4)
        # Over whole periods the mean is |2 sin(w/2)|² a²/2.
        assert gradient_energy(sine) == pytest.approx(
            0.5 * (0.6 * math.sin(frequency / 2)) ** 2, rel=0.2 if frequency < 3 else 0.9
        )
    assert gradient_energy(np.full((20, 20), 0.5, np.float32)) == 0
