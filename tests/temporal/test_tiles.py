"""Tiles, the regions that cover them, and regions laid into a frame."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from videnhance.core import Image
from videnhance.kernels.motion import interleaved
from videnhance.temporal.tiles import (
    FEATHER,
    Region,
    ramps,
    recompute,
    regions_of,
    tile_maxima,
    tile_means,
    tile_side,
)

sizes = st.integers(1, 200)


class Counted:
    """A network that knows the mean around each pixel, and counts what it sees."""

    def __init__(self, scale: int, margin: int) -> None:
        self.scale, self.margin = scale, margin
        self.pixels = 0

    def __call__(self, image: Image) -> Image:
        _, height, width = image.shape
        self.pixels += height * width
        wide = np.pad(image, ((0, 0), *[(self.margin, self.margin)] * 2), mode="edge")
        side = range(2 * self.margin + 1)
        total = sum(wide[:, y : y + height, x : x + width] for y in side for x in side)
        mean = np.asarray(np.tanh(total / len(side) ** 2), np.float32)
        return mean.repeat(self.scale, axis=1).repeat(self.scale, axis=2)


def noise(*shape: int, seed: int = 0) -> Image:
    return np.random.default_rng(seed).random(shape, dtype=np.float32)


@settings(max_examples=60, deadline=None)
@given(st.integers(1, 5000), st.integers(1, 5000))
def test_tiles_are_neither_tiny_nor_many(height: int, width: int) -> None:
    side = tile_side(height, width)
    assert side >= 16
    assert side % 8 == 0
    assert -(-max(height, width) // side) <= 24


@settings(max_examples=60, deadline=None)
@given(sizes, sizes, st.sampled_from([8, 32, 40]))
def test_means_are_those_of_the_tiles(height: int, width: int, side: int) -> None:
    plane = noise(height, width)
    found = tile_means(plane, side)
    assert found.shape == (-(-height // side), -(-width // side))
    for row in range(height // side):
        for column in range(width // side):
            tile = plane[row * side : (row + 1) * side, column * side : (column + 1) * side]
            assert found[row, column] == pytest.approx(tile.mean(), abs=1e-5)
    assert plane.min() - 1e-5 <= found.min() <= found.max() <= plane.max() + 1e-5


@st.composite
def choices(draw: st.DrawFn) -> tuple[np.ndarray, int, int, int, int]:
    height, width = draw(sizes), draw(sizes)
    side = draw(st.sampled_from([8, 32]))
    rows, columns = -(-height // side), -(-width // side)
    share = draw(st.sampled_from([0.0, 0.05, 0.2, 0.7, 1.0]))
    chosen = np.random.default_rng(draw(st.integers(0, 99))).random((rows, columns)) < share
    return chosen, side, draw(st.sampled_from([0, 4, 12, 50])), height, width


@settings(max_examples=150, deadline=None)
@given(choices())
def test_regions_cover_what_is_chosen_and_cost_no_more_than_all(
    choice: tuple[np.ndarray, int, int, int, int],
) -> None:
    chosen, side, margin, height, width = choice
    regions = regions_of(*choice)
    covered = np.zeros((height, width), bool)
    for region in regions:
        assert 0 <= region.top < region.bottom <= height
        assert 0 <= region.left < region.right <= width
        covered[region.top : region.bottom, region.left : region.right] = True
    wanted = chosen.repeat(side, axis=0).repeat(side, axis=1)[:height, :width]
    assert covered[wanted].all()
    assert bool(regions) == bool(chosen.any())
    work = sum(region.grown(margin + FEATHER, height, width).pixels for region in regions)
    assert work <= height * width


def test_neighbours_are_put_together_and_strangers_are_not() -> None:
    chosen = np.zeros((10, 10), bool)
    chosen[0, :3] = True
    chosen[9, 9] = True
    assert regions_of(chosen, 32, 8, 320, 320) == [Region(0, 0, 32, 96), Region(288, 288, 320, 320)]


def test_many_scattered_tiles_are_quickly_put_together() -> None:
    chosen = np.random.default_rng(0).random((60, 100)) < 0.05
    regions = regions_of(chosen, 16, 4, 960, 1600)
    covered = np.zeros((60, 100), bool)
    for region in regions:
        rows = slice(region.top // 16, region.bottom // 16)
        covered[rows, region.left // 16 : region.right // 16] = True
    assert covered[chosen].all()


def test_nearly_all_is_all() -> None:
    chosen = np.ones((4, 4), bool)
    chosen[1, 2] = False
    assert regions_of(chosen, 32, 8, 120, 128) == [Region(0, 0, 120, 128)]


@settings(max_examples=40, deadline=None)
@given(choices(), st.integers(1, 3))
def test_regions_come_out_as_in_the_whole_and_fade_into_the_rest(
    choice: tuple[np.ndarray, int, int, int, int], scale: int
) -> None:
    chosen, side, _, height, width = choice
    network = Counted(scale, 2)
    image = noise(3, height, width)
    whole = interleaved(network(image))
    before = interleaved(noise(3, scale * height, scale * width, seed=1))
    result, network.pixels = before.copy(), 0
    regions = regions_of(chosen, side, 2, height, width)
    seen = recompute(network, image, regions, result, margin=2, scale=scale)
    assert seen == network.pixels <= height * width
    wanted = np.zeros((scale * height, scale * width), bool)
    near = wanted.copy()
    for region in regions:
        for mask, by in ((wanted, 0), (near, FEATHER)):
            grown = region.grown(by, height, width)
            rows = slice(scale * grown.top, scale * grown.bottom)
            mask[rows, scale * grown.left : scale * grown.right] = True
    assert np.abs(result - whole)[wanted].max(initial=0) < 1e-6
    assert np.array_equal(result[~near], before[~near])
    # In between it is between both.
    low, high = np.minimum(before, whole) - 1e-6, np.maximum(before, whole) + 1e-6
    assert ((result >= low) & (result <= high)).all()


def test_a_region_has_no_seam() -> None:
    """Over a difference of 1 it fades in as many steps as the feather has input pixels."""
    chosen = np.zeros((5, 5), bool)
    chosen[2, 2] = True
    result = np.zeros((320, 320, 3), np.float32)
    regions = regions_of(chosen, 32, 4, 160, 160)
    image = np.ones((3, 160, 160), np.float32)
    recompute(Counted(2, 4), image, regions, result, margin=4, scale=2)
    profile = result[160, :, 1] / np.tanh(np.float32(1))
    assert np.allclose(profile[120:128], [0, 0, 0, 0, 0.25, 0.25, 0.75, 0.75])
    assert np.allclose(profile[128:192], 1)
    assert np.allclose(profile[192:200], [0.75, 0.75, 0.25, 0.25, 0, 0, 0, 0])


def test_the_frames_own_edge_needs_no_fading() -> None:
    chosen = np.zeros((4, 4), bool)
    chosen[0, 0] = True
    result = np.zeros((128, 128, 3), np.float32)
    regions = regions_of(chosen, 32, 4, 128, 128)
    image = np.ones((3, 128, 128), np.float32)
    recompute(Counted(1, 4), image, regions, result, margin=4, scale=1)
    assert np.allclose(result[:32, :32], np.tanh(1))
    assert not result[34:].any()


@settings(max_examples=60, deadline=None)
@given(sizes, sizes, st.sampled_from([8, 16, 40]))
def test_maxima_are_those_of_the_tiles(height: int, width: int, side: int) -> None:
    plane = noise(height, width)
    found = tile_maxima(plane, side)
    assert found.shape == (-(-height // side), -(-width // side))
    for (row, column), value in np.ndenumerate(found):
        tile = plane[row * side : (row + 1) * side, column * side : (column + 1) * side]
        assert value == tile.max()


def test_ramps_rise_over_the_feather_and_are_nothing_beyond() -> None:
    rows, columns = ramps(Region(10, 0, 14, 3), Region(4, 0, 20, 9))
    assert rows.tolist() == [0] * 4 + [0.25, 0.75] + [1] * 4 + [0.75, 0.25] + [0] * 4
    assert columns.tolist() == [1, 1, 1, 0.75, 0.25, 0, 0, 0, 0]
