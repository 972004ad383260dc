"""Warping, flow and its confidence against closed forms."""

from __future__ import annotations

from itertools import pairwise

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from videnhance.kernels.motion import (
    Floats,
    Flow,
    boundary_confidence,
    box,
    brightness_confidence,
    dense_flow,
    eight_bits,
    enlarged,
    inside,
    interleaved,
    luma,
    noise_levels,
    planar,
    round_trip_confidence,
    snapped,
    stretched,
    unexplained,
    warp,
    with_neighbours_distrusted,
)

_HEIGHT, _WIDTH = 48, 64
_INNER = (slice(8, -8), slice(8, -8))


def noise(*shape: int, seed: int = 0) -> Floats:
    return np.random.default_rng(seed).random(shape, dtype=np.float32)


def waves(x: float = 0.0, y: float = 0.0, *, size: tuple[int, int] = (_HEIGHT, _WIDTH)) -> Floats:
    """A picture known at every point, its camera moved to (x, y)."""
    dice = np.random.default_rng(5)
    rows, columns = np.mgrid[: size[0], : size[1]].astype(np.float64)
    total = np.full(size, 0.5)
    for _ in range(30):
        length, angle, phase = dice.uniform(6, 30), dice.uniform(0, np.pi), dice.uniform(0, 6.3)
        along = (columns + x) * np.cos(angle) + (rows + y) * np.sin(angle)
        total += 0.05 * np.sin(2 * np.pi * along / length + phase)
    return np.clip(total, 0, 1).astype(np.float32)


def constant(x: float, y: float, height: int = _HEIGHT, width: int = _WIDTH) -> Flow:
    return np.broadcast_to(np.float32([x, y]), (height, width, 2)).copy()


@settings(max_examples=50, deadline=None)
@given(
    st.integers(1, 20), st.integers(1, 20), st.integers(-7, 7), st.integers(-7, 7), st.booleans()
)
def test_whole_pixels_are_moved_exactly(h: int, w: int, x: int, y: int, colour: bool) -> None:
    picture = noise(h, w, 3) if colour else noise(h, w)
    rows = np.clip(np.arange(h) + y, 0, h - 1)
    columns = np.clip(np.arange(w) + x, 0, w - 1)
    assert np.array_equal(warp(picture, constant(x, y, h, w)), picture[rows][:, columns])


@pytest.mark.parametrize("length", [3.0, 5.0, 16.0])
@pytest.mark.parametrize("part", [1 / 32, 0.25, 0.5, 0.8125])
@pytest.mark.parametrize("axis", [0, 1])
def test_a_wave_is_moved_as_keyss_kernel_does(length: float, part: float, axis: int) -> None:
    """The kernel's transfer function at that frequency, in closed form."""
    a, omega = -0.75, 2 * np.pi / length
    away = np.abs(np.arange(-1, 3) - part)
    near = ((a + 2) * away - (a + 3)) * away**2 + 1
    far = ((away - 5) * away + 8) * away * a - 4 * a
    response = np.sum(np.where(away <= 1, near, far) * np.exp(1j * omega * np.arange(-1, 3)))
    at = np.arange(40)
    wave = np.broadcast_to(np.sin(omega * at), (8, 40)).astype(np.float32)
    expected = np.imag(response * np.exp(1j * omega * at))
    if axis == 0:
        moved = warp(np.ascontiguousarray(wave.T), constant(0, part, 40, 8)).T
    else:
        moved = warp(wave, constant(part, 0, 8, 40))
    assert np.abs(moved - expected)[:, 3:-3].max() < 2e-6


def test_a_subpixel_shift_is_accurate() -> None:
    moved = warp(waves(), constant(0.40625, -0.71875))
    assert np.abs(moved - waves(0.40625, -0.71875))[_INNER].max() < 0.012


def test_many_small_shifts_keep_what_a_bilinear_kernel_loses() -> None:
    """A wave of four pixels after eight shifts by half a pixel: a bilinear kernel keeps 1/16."""
    wave = np.broadcast_to(np.sin(np.pi / 2 * np.arange(90)), (4, 90)).astype(np.float32)
    for _ in range(8):
        wave = warp(wave, constant(0.5, 0, 4, 90))
    assert np.abs(wave[:, 20:-20]).max() == pytest.approx(0.972272**8, abs=1e-4)


def test_nothing_is_touched_where_nothing_moves() -> None:
    picture = noise(9, 7, 3)
    assert warp(picture, constant(0, 0, 9, 7)) is picture


@pytest.mark.parametrize("size", [(96, 128), (144, 128), (60, 100)])
def test_an_enlarged_flow_moves_the_enlarged_picture(size: tuple[int, int]) -> None:
    flow = enlarged(constant(2, -3), *size)
    assert flow.shape == (*size, 2)
    assert np.allclose(flow, [2 * size[1] / _WIDTH, -3 * size[0] / _HEIGHT], atol=1e-5)
    moved = warp(stretched(waves(), *size), flow)
    inner = (slice(16, -16), slice(16, -16))
    assert np.abs(moved - stretched(waves(2, -3), *size))[inner].max() < 0.02


def test_a_large_flow_of_waves_varies_as_the_small_one() -> None:
    small = np.dstack((waves() * 8 - 4, waves(3, 1) * 8 - 4))
    large = enlarged(small, 2 * _HEIGHT, 2 * _WIDTH)
    means = large.reshape(_HEIGHT, 2, _WIDTH, 2, 2).mean(axis=(1, 3))
    assert np.abs(means / 2 - small)[_INNER].max() < 0.25


@pytest.mark.parametrize(("x", "y"), [(3, 0), (-3, 0), (0, 5), (0, -5), (2.5, -1.5), (0, 0)])
def test_inside_is_the_picture_moved(x: float, y: float) -> None:
    found = inside(constant(x, y))
    rows, columns = np.arange(_HEIGHT) + y, np.arange(_WIDTH) + x
    expected = np.outer(
        (rows >= 0) & (rows <= _HEIGHT - 1), (columns >= 0) & (columns <= _WIDTH - 1)
    )
    assert np.array_equal(found, expected)


@pytest.mark.parametrize(("x", "y"), [(0.5, 0), (1.3, -0.8), (-3.4, 2.2), (5, 5)])
def test_the_flow_of_a_pan_is_found(x: float, y: float) -> None:
    flow = dense_flow(eight_bits(waves()), eight_bits(waves(-x, -y)))
    assert np.abs(flow - [x, y])[_INNER].mean() < 0.12


def test_pictures_too_small_to_search_in_do_not_move() -> None:
    for height, width in ((1, 1), (7, 40), (40, 7)):
        codes = eight_bits(noise(height, width))
        assert np.array_equal(dense_flow(codes, codes[::-1].copy()), np.zeros((height, width, 2)))


def test_shifts_below_a_tenth_are_none() -> None:
    flow = constant(0.099, -0.099)
    flow[3, 4] = (0.02, 0.11)
    found = snapped(flow)
    assert np.array_equal(found[3, 4], flow[3, 4])
    found[3, 4] = 0
    assert not found.any()
    assert flow[0, 0].any()  # the argument is left alone


@pytest.mark.parametrize("sigma", [0.0, 0.01, 0.03])
@pytest.mark.parametrize("difference", [0.0, 0.02, 0.05, 0.15])
def test_brightness_is_judged_by_its_excess_over_the_noise(sigma: float, difference: float) -> None:
    here = np.full((12, 14), 0.4, np.float32)
    excess = max(difference - 1.13 * sigma, 0)
    found = brightness_confidence(here, here + np.float32(difference), sigma)
    assert np.allclose(found, np.exp(-(excess**2) / (2 * 0.05**2)), atol=1e-4)


@pytest.mark.parametrize("sigma", [2 / 255, 8 / 255])
def test_the_right_flow_is_trusted_in_spite_of_noise_and_a_wrong_one_is_not(sigma: float) -> None:
    dice = np.random.default_rng(1)

    def noisy(plane: Floats) -> Floats:
        return plane + dice.normal(0, sigma, plane.shape).astype(np.float32)

    here, there = noisy(waves()), noisy(waves(-4, -2))
    right = brightness_confidence(here, warp(there, constant(4, 2)), sigma)[_INNER]
    wrong = brightness_confidence(here, warp(there, constant(-4, 3)), sigma)[_INNER]
    assert right.mean() > 0.97
    assert np.quantile(right, 0.01) > 0.85
    assert wrong.mean() < 0.5


def test_flows_that_meet_are_trusted_and_others_as_far_as_they_miss() -> None:
    there = constant(3, -2)
    assert np.allclose(round_trip_confidence(there, -there), 1)
    miss = constant(-3 + 0.6, 2)
    expected = 1 - 0.36 / (0.01 * (13 + 2.4**2 + 4) + 0.5)
    assert np.allclose(round_trip_confidence(there, miss), expected, atol=1e-5)
    assert not round_trip_confidence(there, there).any()


def test_borders_of_motion_are_trusted_less() -> None:
    assert np.array_equal(boundary_confidence(constant(4, -3)), np.ones((_HEIGHT, _WIDTH)))
    flow = constant(0, 0)
    flow[:, 30:] = (4, 0)
    found = boundary_confidence(flow)
    assert np.allclose(found[:, 29:31], 0.3)
    assert np.array_equal(found[:, :29], np.ones((_HEIGHT, 29)))
    assert np.array_equal(found[:, 31:], np.ones((_HEIGHT, _WIDTH - 31)))
    zoom = np.dstack(np.meshgrid(np.arange(64.0), np.arange(48.0))).astype(np.float32) / 40
    assert boundary_confidence(zoom)[4:, 4:].min() > 0.9


def test_distrust_spreads_and_is_soft() -> None:
    confidence = np.ones((21, 21), np.float32)
    assert np.allclose(with_neighbours_distrusted(confidence), 1)
    confidence[10, 10] = 0
    found = with_neighbours_distrusted(confidence)
    assert found[10, 10] < 0.2
    assert found[9, 9] < 0.5
    assert all(a <= b for a, b in pairwise(found[10, 10:]))
    assert found[10, 15] > 0.99
    assert 0 <= found.min() <= found.max() <= 1 + 1e-6


def test_planes_and_channels_change_places() -> None:
    image = noise(3, 5, 8)
    picture = interleaved(image)
    assert np.array_equal(picture, np.moveaxis(image, 0, -1))
    assert np.array_equal(planar(picture), image)
    assert picture.flags.c_contiguous
    assert planar(picture).flags.c_contiguous


def test_luma_is_that_of_bt_709() -> None:
    image = noise(3, 4, 6)
    assert np.allclose(luma(image), np.tensordot([0.2126, 0.7152, 0.0722], image, 1), atol=1e-6)
    assert np.allclose(luma(np.ones((3, 2, 2), np.float32)), 1)


def test_codes_are_rounded_and_stay_in_range() -> None:
    levels = np.array([[-0.3, 0, 0.4999 / 255, 0.5001 / 255, 127 / 255, 1, 1.7]], np.float32)
    assert eight_bits(levels).tolist() == [[0, 0, 0, 1, 127, 255, 255]]


def test_a_box_is_a_mean() -> None:
    plane = noise(9, 9)
    assert box(plane, 5)[4, 4] == pytest.approx(plane[2:7, 2:7].mean(), abs=1e-6)


@pytest.mark.parametrize("height", [16, 17, 24, 28, 31, 40])
@pytest.mark.parametrize("width", [150, 333, 640])
@pytest.mark.parametrize("upright", [False, True])
def test_flow_is_found_in_flat_pictures(height: int, width: int, upright: bool) -> None:
    """OpenCV's search reads beyond its memory there, and the process dies."""
    noise = np.random.default_rng(0).random((height + 2, width + 3), np.float32)
    world = eight_bits(cv2.GaussianBlur(noise, (0, 0), 2) * 3 - 1)
    if upright:
        world = np.ascontiguousarray(world.T)
    rows, columns = world.shape[0] - 2, world.shape[1] - 2
    flow = dense_flow(world[:rows, :columns].copy(), world[1 : rows + 1, 2:].copy())
    assert flow.shape == (rows, columns, 2)
    assert np.median(flow, axis=(0, 1)) == pytest.approx([-2, -1], abs=0.3)


@pytest.mark.parametrize("channels", [(), (3,)])
def test_changes_beyond_the_noise_are_kept(channels: tuple[int, ...]) -> None:
    dice = np.random.default_rng(0)
    grain = dice.normal(0, 0.01, (60, 80, *channels)).astype(np.float32)
    assert np.array_equal(unexplained(grain, 0.0), grain)
    assert np.std(unexplained(grain, 0.01)) < 0.2 * 0.01
    step = grain.copy()
    step[20:40, 20:50] += np.float32(0.2)
    kept = unexplained(step, 0.01)
    assert kept[24:36, 24:46].mean() == pytest.approx(0.2, abs=0.005)
    # The edge does not become soft: nothing of the step is outside of it.
    assert abs(kept[22:38, 51:54].mean()) < 0.01
    light = np.full_like(grain, 0.004)
    assert np.allclose(unexplained(light, 0.01), light, atol=1e-6)


def test_ragged_edges_are_noise_and_moved_ones_are_not() -> None:
    """An edge is ragged by a tenth of its contrast, or has moved by two pixels."""
    plane = np.full((40, 60), 0.2, np.float32)
    plane[:, 30:] = 0.7
    noise = noise_levels(plane, 0.0)
    assert noise.max() == pytest.approx(0.16 * np.sqrt(6 / 25) * 0.5, rel=1e-3)
    assert noise[:, :27].max() < 1e-4
    dice = np.random.default_rng(0)
    ragged, moved = np.zeros_like(plane), np.zeros_like(plane)
    ragged[:, 29:31] = dice.normal(0, 0.05, (40, 2))
    moved[:, 28:30] = 0.5
    assert abs(unexplained(ragged, noise)).mean() < 0.25 * abs(ragged).mean()
    assert abs(unexplained(moved, noise) - moved).mean() < 0.25 * abs(moved).mean()
    assert (brightness_confidence(plane, plane + 0.5 * ragged, noise)[:, 29:31] > 0.9).all()
    assert np.allclose(noise_levels(plane, 0.01), noise + np.float32(0.01))
