import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from videnhance.core import ChromaLocation
from videnhance.kernels.chroma import (
    Siting,
    downsample,
    horizontal_siting,
    upsample,
    vertical_siting,
)

OFFSET = {Siting.EVEN: 0.0, Siting.MIDWAY: 0.5, Siting.ODD: 1.0}
sitings = pytest.mark.parametrize("siting", list(Siting))
axes = pytest.mark.parametrize("axis", [0, 1])


@given(
    size=st.integers(1, 40),
    other=st.integers(1, 5),
    siting=st.sampled_from(Siting),
    axis=st.sampled_from([0, 1]),
    seed=st.integers(0, 2**32 - 1),
)
def test_sampling_down_undoes_sampling_up(
    size: int, other: int, siting: Siting, axis: int, seed: int
) -> None:
    length = (size + 1) // 2
    shape = (length, other) if axis == 0 else (other, length)
    codes = np.random.default_rng(seed).integers(0, 65536, shape).astype(np.float32)
    large = upsample(codes, size, siting, axis)
    assert large.shape[axis] == size
    assert large.dtype == np.float32
    np.testing.assert_allclose(downsample(large, siting, axis), codes, rtol=0, atol=0.02)


@sitings
@axes
def test_a_ramp_keeps_its_place(siting: Siting, axis: int) -> None:
    luma = np.arange(24, dtype=np.float32)
    chroma = np.arange(12, dtype=np.float32) * 2 + OFFSET[siting]
    plane = np.tile(chroma, (3, 1)) if axis == 1 else np.tile(chroma[:, None], (1, 3))
    large = upsample(plane, 24, siting, axis)
    line = large[1] if axis == 1 else large[:, 1]
    np.testing.assert_allclose(line[2:-2], luma[2:-2], atol=1e-5)
    back = downsample(np.tile(luma, (3, 1)) if axis == 1 else np.tile(luma[:, None], (1, 3)),
                      siting, axis)  # fmt: skip
    line = back[1] if axis == 1 else back[:, 1]
    np.testing.assert_allclose(line[1:-1], chroma[1:-1], atol=1e-5)


@sitings
@pytest.mark.parametrize("size", [1, 2, 3, 8, 9])
def test_a_flat_plane_stays_flat(siting: Siting, size: int) -> None:
    flat = np.full(((size + 1) // 2, 2), 7, np.float32)
    np.testing.assert_array_equal(upsample(flat, size, siting, 0), 7)
    np.testing.assert_array_equal(downsample(np.full((size, 2), 7, np.float32), siting, 0), 7)


def test_sited_low_pass_is_that_of_cdf_5_3() -> None:
    responses = [
        downsample(np.eye(16, dtype=np.float32)[:, [i]], Siting.EVEN, 0)[4, 0] for i in range(16)
    ]
    np.testing.assert_array_equal(responses[6:11], [-1 / 8, 1 / 4, 3 / 4, 1 / 4, -1 / 8])
    assert not any(responses[:6])
    assert not any(responses[11:])


@pytest.mark.parametrize("size", [15, 16])
def test_sited_low_pass_mirrors_at_the_borders(size: int) -> None:
    impulses = np.eye(size, dtype=np.float32)
    rows = np.stack([downsample(impulses[:, [i]], Siting.EVEN, 0)[:, 0] for i in range(size)], 1)
    np.testing.assert_array_equal(rows[0, :3], [3 / 4, 1 / 2, -1 / 4])
    last = {15: [-1 / 4, 1 / 2, 3 / 4], 16: [-1 / 8, 1 / 4, 5 / 8, 1 / 4]}[size]
    np.testing.assert_array_equal(rows[-1, size - len(last) :], last)


@pytest.mark.parametrize("axis", [0, 1])
def test_axes_agree(axis: int) -> None:
    plane = np.random.default_rng(1).random((6, 5), np.float32)
    for siting in Siting:
        size = 2 * plane.shape[axis] - 1
        np.testing.assert_array_equal(
            upsample(plane, size, siting, axis), upsample(plane.T, size, siting, 1 - axis).T
        )
        np.testing.assert_array_equal(
            downsample(plane, siting, axis), downsample(plane.T, siting, 1 - axis).T
        )


def test_input_is_left_alone() -> None:
    plane = np.random.default_rng(2).random((4, 4), np.float32)
    copy = plane.copy()
    for siting in Siting:
        upsample(plane, 8, siting, 0)
        downsample(plane, siting, 1)
    np.testing.assert_array_equal(plane, copy)


def test_sitings_of_locations() -> None:
    assert horizontal_siting(ChromaLocation.LEFT) is Siting.EVEN
    assert vertical_siting(ChromaLocation.LEFT) is Siting.MIDWAY
    assert vertical_siting(ChromaLocation.BOTTOM) is Siting.ODD
    assert horizontal_siting(ChromaLocation.CENTER) is Siting.MIDWAY
    for unresolved in (0, 7):
        with pytest.raises(ValueError, match="not resolved"):
            vertical_siting(unresolved)


@pytest.mark.parametrize("size", [4, 7])
def test_refuses_sizes_that_do_not_fit(size: int) -> None:
    with pytest.raises(ValueError, match="cannot become"):
        upsample(np.zeros((3, 1), np.float32), size, Siting.EVEN, 0)
