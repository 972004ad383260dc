"""Measures of steadiness against closed forms."""

from __future__ import annotations

import math

import cv2
import numpy as np
import pytest

from videnhance.metrics import (
    FlowDifference,
    LuminanceFlicker,
    MeasuredMotion,
    StaticFlicker,
    WarpError,
)

HEIGHT, WIDTH = 96, 128
RNG = np.random.default_rng


def texture(height: int, width: int, seed: int = 0) -> np.ndarray:
    noise = RNG(seed).random((height, width), np.float32)
    smooth = cv2.GaussianBlur(noise, (0, 0), 2.0)
    return (smooth - smooth.min()) / (smooth.max() - smooth.min())


def window(across: int, down: int = 0, seed: int = 0) -> np.ndarray:
    """One large texture whose content moves by so many pixels."""
    large = texture(HEIGHT + 40, WIDTH + 40, seed)
    return np.ascontiguousarray(large[20 - down :, 20 - across :][:HEIGHT, :WIDTH])


def noisy(luma: np.ndarray, sigma: float, seed: int) -> np.ndarray:
    return (luma + RNG(seed).normal(0, sigma, luma.shape)).astype(np.float32)


def still(height: int = HEIGHT, width: int = WIDTH) -> MeasuredMotion:
    return MeasuredMotion.between(texture(height, width), texture(height, width))


def shown(
    measure: WarpError | StaticFlicker, frames: list[np.ndarray], motion: MeasuredMotion
) -> float:
    assert math.isnan(measure.add(frames[0], None))
    return measure.add(frames[1], motion)


def test_a_global_shift_leaves_no_warping_error() -> None:
    motion = MeasuredMotion.between(window(0), window(3))
    error = shown(WarpError(), [window(0), window(3)], motion)
    unmoved = float(np.mean((window(0) - window(3)) ** 2))
    assert error < 1e-4 < 0.01 * unmoved


def test_motion_of_a_small_source_steadies_a_large_output() -> None:
    small = [cv2.resize(window(s), (WIDTH // 2, HEIGHT // 2), interpolation=cv2.INTER_AREA)
             for s in (0, 2)]  # fmt: skip
    motion = MeasuredMotion.between(*small).resized(HEIGHT, WIDTH)
    right = shown(WarpError(), [window(0), window(2)], motion)
    wrong = shown(WarpError(), [window(0), window(4)], motion)
    assert right < 2e-4
    assert wrong > 20 * right


@pytest.mark.parametrize("sigma", [0.01, 0.05])
def test_white_noise_on_a_still_makes_twice_its_variance(sigma: float) -> None:
    frames = [noisy(texture(HEIGHT, WIDTH), sigma, seed) for seed in (1, 2)]
    assert shown(WarpError(), frames, still()) == pytest.approx(2 * sigma**2, rel=0.05)
    flicker = shown(StaticFlicker(), frames, still())
    assert flicker == pytest.approx(2 * sigma / math.sqrt(math.pi), rel=0.03)


def test_hidden_and_moving_pixels_do_not_count() -> None:
    motion = still()
    frames = [texture(HEIGHT, WIDTH), texture(HEIGHT, WIDTH)]
    frames[1][:, 64:] += 0.5
    left = np.zeros((HEIGHT, WIDTH), bool)
    left[:, :60] = True
    half = MeasuredMotion(motion.flow, left, left, continuous=True)
    assert shown(WarpError(), frames, half) == 0
    assert shown(StaticFlicker(), frames, half) == 0
    assert shown(WarpError(), frames, motion) == pytest.approx(0.125, rel=0.01)
    assert shown(StaticFlicker(), frames, motion) == pytest.approx(0.25, rel=0.01)
    nowhere = MeasuredMotion(motion.flow, ~motion.visible, ~motion.static, continuous=True)
    assert math.isnan(shown(WarpError(), frames, nowhere))
    assert math.isnan(shown(StaticFlicker(), frames, nowhere))


def test_flow_difference_is_how_differently_clips_move() -> None:
    motion = MeasuredMotion.between(window(0), window(1))

    def difference(own: tuple[int, int], target: tuple[int, int] | None) -> float:
        measure = FlowDifference()
        first = None if target is None else window(0)
        second = None if target is None else window(*target)
        assert math.isnan(measure.add(window(0), None, first))
        return measure.add(window(*own), motion, second)

    assert difference((2, 1), (2, 1)) == 0
    assert difference((4, 0), (1, 0)) == pytest.approx(3, rel=0.1)
    assert difference((3, 4), (0, 0)) == pytest.approx(5, rel=0.1)
    # Without a reference the source's own motion, here 1 to the right, is what should be.
    assert difference((1, 0), None) < 0.05
    assert difference((3, 0), None) == pytest.approx(2, rel=0.1)


def test_nothing_is_measured_across_a_cut() -> None:
    frames = [window(0), window(0, seed=5)]
    cut = MeasuredMotion.between(*frames)
    assert not cut.continuous
    assert math.isnan(shown(WarpError(), frames, cut))
    assert math.isnan(shown(StaticFlicker(), frames, cut))
    flow = FlowDifference()
    flow.add(frames[0], None)
    assert math.isnan(flow.add(frames[1], cut))


def brightness(means: np.ndarray, cut_at: int = -1) -> np.ndarray:
    """What the measure says of the frames with these means, each figure at its frame."""
    measure = LuminanceFlicker()
    same = MeasuredMotion.between(np.zeros((16, 16), np.float32), np.zeros((16, 16), np.float32))
    cut = MeasuredMotion(same.flow, same.visible, same.static, continuous=False)
    motions = [None, *(cut if n == cut_at else same for n in range(1, len(means)))]
    levels = [np.full((16, 16), mean, np.float32) for mean in means]
    found = [measure.add(level, m) for level, m in zip(levels, motions, strict=True)]
    assert np.isnan(found[: 2 * measure.latency]).all()
    return np.array(found[measure.latency :])


def test_a_square_wave_flickers_by_its_amplitude() -> None:
    found = brightness(0.5 + 0.02 * (-1.0) ** np.arange(20))
    assert found[2:] == pytest.approx(np.full(16, 0.02), abs=1e-6)


@pytest.mark.parametrize("frequency", [0.3, 1.0, 2.0])
def test_a_sine_flickers_by_what_the_window_stops(frequency: float) -> None:
    means = 0.5 + 0.1 * np.sin(frequency * np.arange(60))
    stopped = np.abs(means - 0.5) * (1 - math.cos(frequency / 2) ** 4)
    assert brightness(means)[2:] == pytest.approx(stopped[2:-2], abs=1e-6)


def test_fades_do_not_flicker_and_cuts_are_not_spanned() -> None:
    fade = brightness(np.linspace(0.2, 0.8, 30))
    assert np.nanmax(fade) < 1e-6
    levels = np.where(np.arange(30) < 15, 0.2, 0.8)
    step = brightness(levels)
    assert np.nanmax(step) == pytest.approx(0.6 * 5 / 16, rel=1e-3)
    parted = brightness(levels, cut_at=15)
    assert np.nanmax(parted) < 1e-6
    assert np.isnan(parted[13:17]).all()
    assert np.isfinite(parted[[2, 12, 17]]).all()
