import threading

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from videnhance.core import OutOfMemory, ResourceError, VidenhanceError
from videnhance.inference.resources import free_memory
from videnhance.inference.tiled_network import TiledNetwork
from videnhance.inference.tiling import FEATHER, run_tiled, smallest_tile, tile_for

HALO = 4


def local(image):
    """A network of scale 2 whose output depends on HALO pixels around, zero beyond the edge."""
    side = 2 * HALO + 1
    blurred = [
        cv2.blur(np.ascontiguousarray(plane), (side, side), borderType=cv2.BORDER_CONSTANT)
        for plane in image
    ]
    return np.stack([np.kron(plane, np.ones((2, 2), np.float32)) for plane in blurred])


class Fake:
    """A network whose behaviour tests decide: what fits, and what half precision breaks."""

    scale = 2
    workers = 1

    def __init__(self, fits=1 << 30, half=None, full=None):
        self.exact = half is None
        self.fits = fits
        self.half = half
        self.full = full
        self.sizes = []

    def __call__(self, image, *, precise=False, restore=1.0):
        height, width = image.shape[1:]
        self.sizes.append((height, width))
        if height * width > self.fits:
            raise OutOfMemory("too big")
        broken = self.half if self.half is not None and not precise else self.full
        result = local(image)
        return result if broken is None else np.full_like(result, broken)


def noise(height, width, seed=0):
    return np.random.default_rng(seed).random((3, height, width), dtype=np.float32)


def tiled(network, **options):
    told = []
    model = TiledNetwork("fake", network, halo=HALO, warn=told.append, **options)
    return model, told


@settings(max_examples=40, deadline=None)
@given(st.integers(1, 90), st.integers(1, 90), st.integers(smallest_tile(HALO), 70))
def test_tiles_give_what_the_whole_gives(height, width, tile):
    image = noise(height, width)
    sizes = []

    def network(part):
        sizes.append(part.shape[1:])
        return local(part)

    tiled = run_tiled(network, image, tile=tile, halo=HALO, scale=2)
    assert np.abs(tiled - local(image)).max() < 2e-6
    assert len(set(sizes)) == 1
    assert max(sizes[0]) <= tile


def test_a_difference_between_tiles_is_faded_not_cut():
    level = iter(range(100))
    image = noise(32, 96)
    tile = 48
    tiled = run_tiled(
        lambda part: np.full_like(local(part), next(level)),
        image,
        tile=tile,
        halo=HALO,
        scale=2,
    )
    steps = np.abs(np.diff(tiled[0, 0]))
    assert tiled[0, 0, 0] == 0
    assert tiled[0, 0, -1] == next(level) - 1
    assert 0 < steps.max() <= 1 / (2 * FEATHER) + 1e-5


@pytest.mark.parametrize(("height", "width"), [(1, 1), (1, 40), (3, 2), (7, 8), (40, 31)])
def test_any_size_has_its_result(height, width):
    model, told = tiled(Fake())
    result = model(noise(height, width))
    assert result.shape == (3, 2 * height, 2 * width)
    assert result.flags.c_contiguous
    assert not told


def test_inputs_are_those_of_the_card():
    given = []

    class Noisy(Fake):
        def __call__(self, image, *, precise=False, restore=1.0):
            given.append(image.shape)
            return super().__call__(image[:3], precise=precise)

    model = TiledNetwork("a", Noisy(), inputs=("picture", "noise"), halo=HALO, warn=print)
    picture = np.zeros((3, 20, 30), np.float32)
    assert model(picture, picture[:1]).shape == (3, 40, 60)
    assert given == [(4, 20, 30)]
    with pytest.raises(ValueError, match=r"channels \(3, 1\)"):
        model(picture)


def test_the_output_is_clipped():
    model, _ = tiled(Fake(full=1.5))
    assert model(noise(16, 16)).max() == 1


def test_out_of_memory_halves_the_tile_and_takes_the_same_image_again():
    network = Fake(fits=36 * 36)
    model, told = tiled(network)
    image = noise(70, 100)
    result = model(image)
    assert np.abs(result - local(image)).max() < 2e-6
    assert network.sizes[0] == (70, 100)
    assert "in tiles of 50 pixels" in told[0]
    assert "in tiles of 32 pixels" in told[1]
    network.sizes.clear()
    model(image)
    assert max(max(size) for size in network.sizes) <= 32
    assert len(told) == 2


def test_threads_that_fail_together_halve_the_tile_once():
    network = Fake(fits=60 * 60)
    meeting = threading.Barrier(2)
    original = network.__class__.__call__

    class Meeting(Fake):
        def __call__(self, image, *, precise=False, restore=1.0):
            if image.shape[1:] == (100, 100):
                meeting.wait(10)
            return original(self, image, precise=precise)

    model, told = tiled(Meeting(fits=60 * 60))
    threads = [threading.Thread(target=model, args=(noise(100, 100),)) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(told) == 1
    assert "in tiles of 50 pixels" in told[0]


def test_memory_that_not_even_the_smallest_tile_fits_into_is_an_error():
    model, _ = tiled(Fake(fits=100))
    with pytest.raises(ResourceError, match="does not fit into memory even in tiles of 32 pixels"):
        model(noise(70, 100))


@pytest.mark.parametrize("broken", [np.nan, np.inf, -np.inf, 0.0])
def test_a_broken_half_precision_result_is_computed_again_in_full(broken):
    model, told = tiled(Fake(half=broken))
    image = noise(20, 20)
    assert np.array_equal(model(image), local(image))
    assert "single precision" in told[0]


@pytest.mark.parametrize(
    "network", [Fake(half=np.nan, full=np.nan), Fake(full=np.nan), Fake(full=0)]
)
def test_a_result_broken_in_full_precision_is_an_error(network):
    model, _ = tiled(network)
    with pytest.raises(VidenhanceError, match="use another model"):
        model(noise(20, 20))


def test_black_stays_black_without_complaint():
    model, told = tiled(Fake(half=0.0))
    assert not model(np.zeros((3, 20, 20), np.float32))[0].any()
    assert not told


@given(st.integers(1, 1 << 36), st.integers(1, 4000), st.integers(1, 4000))
def test_planned_tiles_fit_unless_they_are_the_smallest(memory, width, height):
    side = tile_for(memory, 1000, HALO, width, height)
    pixels = width * height if side is None else side * side
    assert pixels * 1000 <= memory or side == smallest_tile(HALO)


def test_more_memory_never_means_smaller_tiles():
    sides = [tile_for(memory << 20, 1000, HALO, 1920, 1080) for memory in range(50, 5000, 50)]
    numbers = [side or 1 << 30 for side in sides]
    assert numbers == sorted(numbers)
    assert None in sides


def test_free_memory_is_a_plausible_number():
    assert 1 << 20 < free_memory() < 1 << 50
