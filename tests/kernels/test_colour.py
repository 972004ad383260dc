import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from videnhance.core import InputError, Matrix
from videnhance.kernels.colour import (
    check_matrix,
    guess_matrix,
    luma_from_rgb,
    rgb_from_yuv,
    yuv_from_rgb,
)

MATRICES = [m for m in Matrix if m not in (Matrix.RGB, Matrix.UNSPECIFIED)]
BARS = {
    "white": (1, 1, 1),
    "yellow": (1, 1, 0),
    "cyan": (0, 1, 1),
    "green": (0, 1, 0),
    "magenta": (1, 0, 1),
    "red": (1, 0, 0),
    "blue": (0, 0, 1),
    "black": (0, 0, 0),
}


def codes(rgb: tuple[float, ...], matrix: int, full_range: bool = False, depth: int = 8):
    pixel = np.array(rgb, np.float32).reshape(3, 1, 1)
    return tuple(np.rint(yuv_from_rgb(pixel, matrix, full_range, depth)).ravel().astype(int))


# 100 % bars as published for each standard (SMPTE RP 219, EBU Tech 3213, ITU-R BT.2020).
@pytest.mark.parametrize(
    ("matrix", "name", "expected"),
    [
        (Matrix.BT709, "white", (235, 128, 128)),
        (Matrix.BT709, "yellow", (219, 16, 138)),
        (Matrix.BT709, "cyan", (188, 154, 16)),
        (Matrix.BT709, "green", (173, 42, 26)),
        (Matrix.BT709, "magenta", (78, 214, 230)),
        (Matrix.BT709, "red", (63, 102, 240)),
        (Matrix.BT709, "blue", (32, 240, 118)),
        (Matrix.BT709, "black", (16, 128, 128)),
        (Matrix.SMPTE170M, "yellow", (210, 16, 146)),
        (Matrix.SMPTE170M, "cyan", (170, 166, 16)),
        (Matrix.SMPTE170M, "green", (145, 54, 34)),
        (Matrix.SMPTE170M, "magenta", (106, 202, 222)),
        (Matrix.SMPTE170M, "red", (81, 90, 240)),
        (Matrix.SMPTE170M, "blue", (41, 240, 110)),
    ],
)
def test_colour_bars(matrix: Matrix, name: str, expected: tuple[int, ...]) -> None:
    assert codes(BARS[name], matrix) == expected


def test_known_values_of_other_depths_and_ranges() -> None:
    assert codes((1, 1, 1), Matrix.BT2020_NCL, depth=10) == (940, 512, 512)
    assert codes((1, 0, 0), Matrix.BT709, depth=10) == (250, 409, 960)
    assert codes((1, 0, 0), Matrix.SMPTE170M, full_range=True) == (76, 85, 256)  # JPEG, unclipped
    assert codes((1, 1, 1), Matrix.BT709, full_range=True, depth=16) == (65535, 32768, 32768)
    # YCgCo quantises R'G'B' first, so limited chroma spans 219 steps: 128 + 219 / 2.
    assert codes((0, 1, 0), Matrix.YCGCO) == (126, 238, 128)
    assert codes((1, 0, 1), Matrix.YCGCO) == (126, 18, 128)
    assert codes((1, 0, 0), Matrix.YCGCO, full_range=True) == (64, 64, 256)


@given(
    matrix=st.sampled_from(MATRICES),
    full_range=st.booleans(),
    depth=st.integers(8, 16),
    seed=st.integers(0, 2**32 - 1),
)
def test_there_and_back(matrix: Matrix, full_range: bool, depth: int, seed: int) -> None:
    planes = np.random.default_rng(seed).integers(0, 1 << depth, (3, 5, 7)).astype(np.float32)
    before = planes.copy()
    image = rgb_from_yuv(*planes, matrix, full_range, depth)
    assert image.shape == (3, 5, 7)
    assert image.dtype == np.float32
    np.testing.assert_array_equal(planes, before)
    again = yuv_from_rgb(image, matrix, full_range, depth)
    np.testing.assert_allclose(again, planes, rtol=0, atol=0.05)


def test_grey_has_equal_channels_and_excursions_are_kept() -> None:
    middle = np.full((1, 2), 128, np.float32)
    for matrix in MATRICES:
        image = rgb_from_yuv(np.array([[1, 254]], np.float32), middle, middle, matrix, False, 8)
        for channel in image:
            np.testing.assert_allclose(channel, [[-15 / 219, 238 / 219]], atol=1e-6)


def test_writes_into_a_given_array() -> None:
    planes = np.random.default_rng(3).random((3, 2, 2), np.float32)
    out = np.empty((3, 2, 2), np.float32)
    assert rgb_from_yuv(*planes, Matrix.BT709, True, 8, out) is out
    np.testing.assert_array_equal(out, rgb_from_yuv(*planes, Matrix.BT709, True, 8))


def test_luma() -> None:
    image = np.array([1, 0.5, 0.25], np.float32).reshape(3, 1, 1)
    expected = {Matrix.BT709: 0.58825, Matrix.SMPTE170M: 0.621, Matrix.RGB: 0.58825}
    for matrix, value in expected.items():
        assert luma_from_rgb(image, matrix).item() == pytest.approx(value, abs=1e-6)


@pytest.mark.parametrize(
    ("size", "expected"),
    [
        ((720, 480), Matrix.SMPTE170M),
        ((720, 576), Matrix.SMPTE170M),
        ((1279, 719), Matrix.SMPTE170M),
        ((1280, 534), Matrix.BT709),
        ((960, 720), Matrix.BT709),
        ((3840, 2160), Matrix.BT709),
    ],
)
def test_guess_by_size(size: tuple[int, int], expected: Matrix) -> None:
    assert guess_matrix(*size) is expected


def test_refuses_what_it_cannot_compute() -> None:
    pixel = np.zeros((3, 1, 1), np.float32)
    with pytest.raises(ValueError, match="resolved"):
        yuv_from_rgb(pixel, Matrix.UNSPECIFIED, False, 8)
    with pytest.raises(ValueError, match="GBR"):
        rgb_from_yuv(*pixel, Matrix.RGB, False, 8)
    with pytest.raises(InputError, match=r"14 \(ICtCp\)"):
        check_matrix(14)
    with pytest.raises(InputError, match=r"77 \(unknown\)"):
        check_matrix(77)
