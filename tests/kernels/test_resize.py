import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image as Pillow

from videnhance.kernels.resize import enlarge_linear, resize

sides = st.integers(1, 40)


def noise(height, width, seed=0):
    return np.random.default_rng(seed).random((3, height, width), dtype=np.float32)


def pillow(image, height, width):
    """Pillow's result, with the edges repeated, which Pillow itself does not do.

    The pad is a whole number of output pixels, so that both grids stay aligned.
    """
    rows, columns = image.shape[1:]
    padded = np.pad(image, ((0, 0), (4 * rows, 4 * rows), (4 * columns, 4 * columns)), mode="edge")
    planes = [
        np.asarray(
            Pillow.fromarray(plane).resize((9 * width, 9 * height), Pillow.Resampling.BICUBIC)
        )
        for plane in padded
    ]
    return np.stack(planes)[:, 4 * height : 5 * height, 4 * width : 5 * width]


@pytest.mark.parametrize(
    "size", [(48, 64), (72, 96), (20, 60), (12, 16), (31, 50), (24, 31), (7, 5), (25, 33)]
)
def test_equals_pillow(size):
    image = noise(24, 32)
    assert np.abs(resize(image, *size) - pillow(image, *size)).max() < 2e-6


@settings(max_examples=40, deadline=None)
@given(sides, sides, sides, sides)
def test_a_constant_stays_constant_at_any_size(rows, columns, height, width):
    image = np.full((3, rows, columns), 0.7, np.float32)
    result = resize(image, height, width)
    assert result.shape == (3, height, width)
    assert result.dtype == np.float32
    assert np.abs(result - 0.7).max() < 1e-6


@settings(max_examples=40, deadline=None)
@given(sides, sides, sides, sides)
def test_axes_are_alike_and_mirrored_images_give_mirrored_results(h, w, height, width):
    image = noise(h, w)
    result = resize(image, height, width)
    turned = resize(np.ascontiguousarray(image.transpose(0, 2, 1)), width, height)
    mirrored = resize(np.ascontiguousarray(image[:, ::-1, ::-1]), height, width)
    assert np.abs(turned.transpose(0, 2, 1) - result).max() < 2e-6
    assert np.abs(mirrored[:, ::-1, ::-1] - result).max() < 2e-6


@pytest.mark.parametrize("factor", [2, 3, 4, 0.5])
def test_a_ramp_keeps_its_place(factor):
    columns = 64
    ramp = np.broadcast_to(np.arange(columns, dtype=np.float32), (3, 8, columns)).copy()
    width = int(columns * factor)
    expected = (np.arange(width) + 0.5) / factor - 0.5
    inner = slice(int(8 * factor), -int(8 * factor))
    assert np.abs(resize(ramp, 8, width) - expected)[..., inner].max() < 2e-5


def test_an_impulse_gives_the_catmull_rom_kernel():
    image = np.zeros((3, 1, 9), np.float32)
    image[:, :, 4] = 1
    row = resize(image, 1, 18)[0, 0]
    # The kernel at distances 1.75, 1.25, 0.75, 0.25 from its centre.
    half = [-0.0234375, -0.0703125, 0.2265625, 0.8671875]
    assert row[5:13] == pytest.approx([*half, *half[::-1]], abs=1e-7)
    assert not row[:5].any()
    assert not row[13:].any()


def test_reduction_does_not_alias():
    stripes = np.tile(np.array([0, 1], np.float32), (3, 16, 32))
    assert np.abs(resize(stripes, 4, 16)[..., 2:-2] - 0.5).max() < 0.01


def test_the_same_size_is_the_same_image():
    image = noise(5, 6)
    assert resize(image, 5, 6) is image


def test_excursions_are_kept():
    image = noise(8, 8) * 3 - 1
    assert resize(image, 16, 16).min() < -0.5
    assert resize(image, 16, 16).max() > 1.5


def test_a_size_of_nothing_is_refused():
    with pytest.raises(ValueError, match="at least 1"):
        resize(noise(4, 4), 0, 4)


@pytest.mark.parametrize("factor", [1, 2, 3, 4])
def test_straight_lines_keep_a_ramp_and_its_excursions_in_place(factor):
    ramp = np.broadcast_to(np.arange(-8, 24, dtype=np.float32), (3, 4, 32)).copy()
    expected = (np.arange(32 * factor) + 0.5) / factor - 0.5 - 8
    inner = slice(factor, -factor)
    result = enlarge_linear(ramp, 4 * factor, 32 * factor)
    assert result.shape == (3, 4 * factor, 32 * factor)
    assert np.abs(result - expected)[..., inner].max() < 2e-5
