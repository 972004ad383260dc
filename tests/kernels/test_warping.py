"""Pictures brought along a flow, against OpenCV's way of doing the same in steps."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from videnhance.kernels.motion import enlarged, stretched, warp
from videnhance.kernels.warping import blend_towards, fields_of, mix, warp_pair

Floats = NDArray[np.float32]
_LUMA = np.array([0.2126, 0.7152, 0.0722], np.float32)
_ROUNDED = 4e-3
"""What rounding places to 1/32 of a pixel changes in these pictures at most."""


def smooth(*shape: int, seed: int = 0, reach: float = 1.0, sigma: float = 4) -> Floats:
    """Waves of this amplitude that pixels follow well."""
    noise = np.random.default_rng(seed).normal(size=shape).astype(np.float32)
    waves = cv2.GaussianBlur(noise, (0, 0), sigma)
    return np.asarray(waves / np.abs(waves).max() * reach, np.float32)


@pytest.mark.parametrize("size", [(23, 31), (1, 1), (2, 9), (9, 2), (5, 5)])
@pytest.mark.parametrize("scale", [1, 2, 3, 4])
@pytest.mark.parametrize("reach", [0.0, 0.3, 6.0])
def test_two_pictures_are_brought_blended_and_measured(
    scale: int, reach: float, size: tuple[int, int]
) -> None:
    large = tuple(scale * side for side in size)
    first, second, target = (smooth(*large, 3, seed=n) for n in range(3))
    away = np.float32(24 if reach > 1 else 0)  # out of the picture
    flows = [smooth(*size, 2, seed=n, reach=reach) + away for n in (3, 4)]
    share, trust = (np.abs(smooth(*size, seed=n)) for n in (5, 6))
    pictures = [
        warp(one, enlarged(flow, *large)) for one, flow in zip((first, second), flows, strict=True)
    ]
    blend = pictures[0] + stretched(share, *large)[..., None] * (pictures[1] - pictures[0])
    expected = stretched(trust, *large)[..., None] * blend
    spread, energy = np.empty(size, np.float32), np.empty(size, np.float32)

    warp_pair(first, second, fields_of(*flows, share, trust), target, spread, energy)

    near = _ROUNDED if reach else 1e-6
    assert np.abs(target - expected).max() < near

    def means(picture: Floats) -> Floats:
        tiles = np.square(picture).reshape(size[0], scale, size[1], scale, 3)
        return np.asarray(tiles.mean(axis=(1, 3, 4)))

    assert np.abs(spread - means(pictures[1] - pictures[0])).max() < near
    assert np.abs(energy - means(expected)).max() < near


@pytest.mark.parametrize("scale", [1, 2, 3, 4])
@pytest.mark.parametrize("size", [(1, 1), (7, 5), (12, 16)])
def test_two_pictures_are_mixed_and_a_change_added(scale: int, size: tuple[int, int]) -> None:
    large = (scale * size[0], scale * size[1])
    first, second = (smooth(*large, 3, seed=n) for n in range(2))
    change, target = smooth(*size, 3, seed=2), np.empty((*large, 3), np.float32)
    mix(first, second, 0.25, fields_of(change), target)
    assert np.allclose(target, 0.75 * first + 0.25 * second + stretched(change, *large), atol=1e-5)


def test_whole_pixels_are_brought_exactly_and_edges_repeated() -> None:
    picture = np.random.default_rng(0).random((20, 30, 3), np.float32)
    flow = np.tile(np.array([-7, 5], np.float32), (20, 30, 1))
    one, nothing = np.ones((20, 30), np.float32), np.zeros((20, 30), np.float32)
    target, sums = np.empty_like(picture), (np.empty_like(one), np.empty_like(one))
    warp_pair(picture, picture, fields_of(flow, flow, nothing, one), target, *sums)
    rows, columns = np.arange(5, 25).clip(0, 19), np.arange(-7, 23).clip(0, 29)
    assert np.array_equal(target, picture[rows][:, columns])


@pytest.mark.parametrize("scale", [2, 3, 4])
def test_nothing_is_fetched_from_between_what_moves_and_what_does_not(scale: int) -> None:
    """A wall that stands beside a thing that moves, and a line half way to where that was."""
    flow = np.zeros((24, 40, 2), np.float32)
    flow[:12, 20:], flow[12:, :20] = (12, 4), (-12, -4)
    picture = np.zeros((24 * scale, 40 * scale, 3), np.float32)
    picture[:, 24 * scale : 28 * scale] = picture[:, 12 * scale : 16 * scale] = 1
    one, nothing = np.ones((24, 40), np.float32), np.zeros((24, 40), np.float32)
    target, sums = np.empty_like(picture), (np.empty_like(one), np.empty_like(one))
    warp_pair(picture, picture, fields_of(flow, flow, nothing, one), target, *sums)
    jump = np.s_[:, 18 * scale : 22 * scale]
    assert np.abs(target[jump]).max() == 0
    drawn = np.zeros_like(picture)
    blend_towards(picture[..., 0].copy(), fields_of(flow, nothing, one), 1.0, drawn)
    assert np.abs(drawn[jump]).max() == 0


def test_parts_of_pictures_see_nothing_of_the_rest() -> None:
    whole = smooth(60, 80, 3)
    flow = smooth(15, 20, 2, seed=1, reach=9)
    half, one = np.full((15, 20), 0.5, np.float32), np.ones((15, 20), np.float32)
    results = []
    for part in (whole[10:40, 20:60], whole[10:40, 20:60].copy()):
        target, sums = np.empty((30, 40, 3), np.float32), (np.empty_like(one), np.empty_like(one))
        warp_pair(part, part, fields_of(flow, flow, half, one), target, *sums)
        results.append(target)
    assert np.array_equal(*results)


@pytest.mark.parametrize("scale", [1, 2, 3])
@pytest.mark.parametrize("reach", [0.0, 6.0])
def test_luma_is_drawn_towards_what_is_brought_and_colour_stays(scale: int, reach: float) -> None:
    size = (14, 18)
    large = (scale * 14, scale * 18)
    whole = smooth(large[0] + 3, large[1] + 5, 3)
    target, luma = whole[2:-1, 1:-4], smooth(*large, seed=1)
    flow = smooth(*size, 2, seed=2, reach=reach) - np.float32(reach)
    change = smooth(*size, seed=3)
    share = np.abs(smooth(*size, seed=4))
    before, around = target.copy(), whole.copy()
    brought = warp(luma, enlarged(flow, *large)) + stretched(change, *large)

    blend_towards(luma, fields_of(flow, change, share), 10.0, target)

    wanted = before @ _LUMA + stretched(share, *large) * (brought - before @ _LUMA)
    assert np.abs(target @ _LUMA - wanted).max() < (_ROUNDED if reach else 1e-5)
    moved = target - before
    assert np.allclose(moved, moved[..., :1], atol=1e-6)
    around[2:-1, 1:-4] = target
    assert np.array_equal(around, whole)


@pytest.mark.parametrize("most", [1e-6, 1e-3])
def test_luma_is_drawn_no_further_than_allowed(most: float) -> None:
    target, luma = smooth(14, 18, 3), smooth(14, 18, seed=1)
    before = target.copy()
    nothing, one = np.zeros((7, 9, 3), np.float32), np.ones((7, 9), np.float32)
    blend_towards(luma, fields_of(nothing, one), most, target)
    assert np.square((target - before) @ _LUMA).mean() == pytest.approx(most, rel=1e-3)
