"""Flow, visibility, noise and stillness against known motions and an independent mask."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from scipy.ndimage import map_coordinates

from videnhance.metrics import (
    LEAST_SIDE,
    MeasuredMotion,
    MotionTracker,
    dense_flow,
    noise_level,
    static_pixels,
)
from videnhance.metrics.motion import visible_pixels, warped


def texture(height: int = 96, width: int = 128, seed: int = 0) -> np.ndarray:
    """Blurred noise that spans 0..1."""
    noise = np.random.default_rng(seed).random((height, width), np.float32)
    smooth = cv2.GaussianBlur(noise, (0, 0), 1.5)
    return (smooth - smooth.min()) / (smooth.max() - smooth.min())


def moved(across: int, down: int, height: int = 96, width: int = 128) -> np.ndarray:
    """A window onto one large texture whose content moves by so many pixels."""
    large = texture(160, 200)
    return np.ascontiguousarray(large[32 - down :, 36 - across :][:height, :width])


@pytest.mark.parametrize("shift", [(0, 0), (3, 0), (-2, 1), (0, 5)])
def test_flow_of_a_shift(shift: tuple[int, int]) -> None:
    flow = dense_flow(moved(0, 0), moved(*shift))
    assert np.median(np.abs(flow[12:-12, 12:-12] - shift)) < 0.05
    assert (flow == 0).all() or shift != (0, 0)


def test_flow_needs_two_frames_of_one_size() -> None:
    with pytest.raises(ValueError, match="one size"):
        dense_flow(texture(), texture(95))
    side = LEAST_SIDE - 1
    with pytest.raises(ValueError, match="16 samples"):
        dense_flow(texture(side), texture(side))
    assert dense_flow(texture(LEAST_SIDE), texture(LEAST_SIDE)).shape == (LEAST_SIDE, 128, 2)


def ruder(forward: np.ndarray, backward: np.ndarray) -> np.ndarray:
    """Visible pixels by the published conditions, pixel by pixel with SciPy's interpolation."""
    height, width = forward.shape[:2]
    visible = np.zeros((height, width), bool)
    rows, columns = np.mgrid[0:height, 0:width]
    to = [rows + forward[..., 1], columns + forward[..., 0]]
    returned = np.stack(
        [map_coordinates(backward[..., i], to, order=1, mode="nearest") for i in (0, 1)], axis=-1
    )
    for y in range(height):
        for x in range(width):
            w, back = forward[y, x].astype(float), returned[y, x]
            right = forward[y, min(x + 1, width - 1)] - w
            below = forward[min(y + 1, height - 1), x] - w
            disagree = np.sum((w + back) ** 2) > 0.01 * (w @ w + back @ back) + 0.5
            edge = right @ right + below @ below > 0.01 * (w @ w) + 0.002
            inside = 0 <= to[0][y, x] <= height - 1 and 0 <= to[1][y, x] <= width - 1
            visible[y, x] = inside and not disagree and not edge
    return visible


def test_visible_pixels_follow_the_published_conditions() -> None:
    rng = np.random.default_rng(4)
    forward = cv2.GaussianBlur(rng.normal(0, 20, (48, 64, 2)).astype(np.float32), (0, 0), 10)
    backward = -forward + cv2.GaussianBlur(
        rng.normal(0, 8, (48, 64, 2)).astype(np.float32), (0, 0), 5
    )
    expected = ruder(forward, backward)
    found = visible_pixels(forward, backward)
    assert 0.2 < expected.mean() < 0.8
    # OpenCV interpolates in steps of 1/32 pixel: only what lies on a limit may differ.
    assert (found != expected).mean() < 0.01


def test_what_is_covered_and_what_leaves_is_not_visible() -> None:
    before, after = texture(seed=1), texture(seed=1)
    box = texture(40, 40, seed=2)
    before[28:68, 30:70] = box
    after[28:68, 36:76] = box
    motion = MeasuredMotion.between(before, after)
    assert motion.continuous
    assert motion.visible[30:66, 70:76].mean() < 0.1  # about to be covered by the box
    assert motion.visible[34:62, 36:64].mean() > 0.95  # the box itself
    assert motion.visible[:20].mean() > 0.95
    pan = MeasuredMotion.between(moved(0, 0), moved(6, 0))
    assert not pan.visible[:, -6:].any()
    assert pan.visible[12:-12, 12:-12].mean() > 0.9


def test_a_cut_is_no_motion() -> None:
    assert not MeasuredMotion.between(texture(seed=1), texture(seed=2)).continuous


def test_motion_at_another_size() -> None:
    motion = MeasuredMotion.between(moved(0, 0), moved(2, -1))
    larger = motion.resized(240, 288)  # x 2.5 and x 2.25
    assert larger.flow.shape == (240, 288, 2)
    assert larger.visible.shape == larger.static.shape == (240, 288)
    inner = larger.flow[40:-40, 40:-40]
    assert np.median(inner[..., 0]) == pytest.approx(2 * 2.25, abs=0.1)
    assert np.median(inner[..., 1]) == pytest.approx(-2.5, abs=0.1)
    assert larger.visible.mean() == pytest.approx(motion.visible.mean(), abs=0.05)
    assert motion.resized(96, 128) is motion


def test_the_tracker_answers_from_the_second_frame_on() -> None:
    tracker = MotionTracker()
    assert tracker.add(moved(0, 0)) is None
    first, second = tracker.add(moved(2, 0)), tracker.add(moved(1, 0))
    assert first is not None
    assert second is not None
    assert np.median(first.flow[..., 0]) == pytest.approx(2, abs=0.1)
    assert np.median(second.flow[..., 0]) == pytest.approx(-1, abs=0.1)


def test_warping_back_along_the_flow() -> None:
    flow = np.zeros((96, 128, 2), np.float32)
    flow[..., 0], flow[..., 1] = 3, -2
    back = warped(moved(3, -2), flow)
    assert np.abs(back - moved(0, 0))[4:-4, 4:-4].max() < 1e-6
    columns = np.arange(128, dtype=np.float32)[None].repeat(96, 0)
    flow[..., 0], flow[..., 1] = 0.5, 0
    sine = warped(np.sin(0.8 * columns), flow)
    assert np.abs(sine - np.sin(0.8 * (columns + 0.5)))[:, 8:-8].max() < 0.01


@pytest.mark.parametrize("sigma", [0.005, 0.02, 0.06])
@pytest.mark.parametrize("case", ["still texture", "moving patches", "both"])
def test_noise_is_measured_through_texture_and_through_motion(sigma: float, case: str) -> None:
    rng = np.random.default_rng(6)
    columns = np.arange(128, dtype=np.float32)[None].repeat(96, 0)
    before = {
        "still texture": texture(),
        "moving patches": 0.5 + 0.4 * np.sin(columns * 0.1),
        "both": np.full((96, 128), 0.5),
    }[case]
    after = 0.5 + 0.4 * np.sin(columns * 0.1 + 1) if case == "moving patches" else before
    noisy = [(clean + rng.normal(0, sigma, clean.shape)).astype(np.float32)
             for clean in (before, after)]  # fmt: skip
    assert noise_level(*noisy) == pytest.approx(sigma, rel=0.08)


def test_static_pixels_are_those_that_do_not_change() -> None:
    rng = np.random.default_rng(7)
    before, after = texture(seed=1), texture(seed=1)
    after[:, 64:] = texture(seed=3)[:, 64:]
    noisy = [(clean + rng.normal(0, 0.02, clean.shape)).astype(np.float32)
             for clean in (before, after)]  # fmt: skip
    static = static_pixels(*noisy, noise=0.02)
    assert static[:, :62].mean() > 0.85
    assert static[:, 66:].mean() < 0.02
    assert static_pixels(before, before, noise=0.002).all()
