"""Networks one after another, with networks that are known exactly."""

from __future__ import annotations

import numpy as np
import pytest

from videnhance.core import Image
from videnhance.inference.cascade import Cascade
from videnhance.kernels.resize import resize


class Blur:
    """The mean over so many pixels around, each repeated; remembers its inputs."""

    id = "blur"

    def __init__(
        self, scale: int, receptive_field: int = 0, *, workers: int = 1, psnr_oriented: bool = False
    ) -> None:
        self.scale, self.receptive_field = scale, receptive_field
        self.workers, self.psnr_oriented = workers, psnr_oriented
        self.inputs: list[Image] = []

    def __call__(self, *inputs: Image, restore: float = 1.0) -> Image:
        self.inputs += inputs
        (image,) = inputs
        _, height, width = image.shape
        wide = np.pad(
            image, ((0, 0), *[(self.receptive_field, self.receptive_field)] * 2), mode="edge"
        )
        side = range(2 * self.receptive_field + 1)
        total = sum(wide[:, y : y + height, x : x + width] for y in side for x in side)
        mean = np.asarray(total / len(side) ** 2, np.float32)
        return mean.repeat(self.scale, axis=1).repeat(self.scale, axis=2)


def noise(height: int, width: int) -> Image:
    return np.random.default_rng(height).random((3, height, width), dtype=np.float32)


@pytest.mark.parametrize("size", [(20, 30), (40, 60), (50, 75), (27, 33)])
def test_one_network_gives_its_result_resized(size: tuple[int, int]) -> None:
    image, network = noise(20, 30), Blur(2, 1)
    made = Cascade([network])(image, *size)
    assert np.array_equal(made, resize(network(image), *size))


@pytest.mark.parametrize(("scales", "size"), [((2, 4), (160, 240)), ((2, 2, 2), (140, 210))])
def test_the_last_is_given_what_it_makes_the_size_of(
    scales: tuple[int, ...], size: tuple[int, int]
) -> None:
    networks = [Blur(scale) for scale in scales]
    cascade = Cascade(networks)
    assert cascade.scale == np.prod(scales)
    made = cascade(noise(20, 30), *size)
    assert made.shape == (3, *size)
    last = networks[-1].inputs[0]
    assert last.shape[1] == round(size[0] / scales[-1])
    assert all(0 <= network.inputs[0].min() <= network.inputs[0].max() <= 1 for network in networks)


def test_the_whole_chain_at_its_own_scale_resizes_nothing() -> None:
    image, networks = noise(12, 16), [Blur(2), Blur(3)]
    made = Cascade(networks)(image, 72, 96)
    assert np.array_equal(made, image.repeat(6, axis=1).repeat(6, axis=2))


def test_the_weakest_decides() -> None:
    networks = [Blur(2, workers=3, psnr_oriented=True), Blur(2, workers=2, psnr_oriented=False)]
    assert Cascade(networks).workers == 2
    assert not Cascade(networks).psnr_oriented
    assert Cascade(networks[:1]).psnr_oriented
    assert Cascade(networks[:1]).workers == 3


@pytest.mark.parametrize(
    "chain", [[(2, 3)], [(1, 5)], [(2, 2), (4, 7)], [(2, 4), (2, 5), (2, 9)], [(3, 1), (2, 8)]]
)
def test_a_part_with_its_reach_comes_out_as_in_the_whole(chain: list[tuple[int, int]]) -> None:
    cascade = Cascade([Blur(scale, reach) for scale, reach in chain])
    image, scale, reach = noise(64, 72), cascade.scale, cascade.receptive_field
    whole = cascade(image, scale * 64, scale * 72)
    top, bottom, left, right = 25, 37, 30, 44
    outer = image[:, top - reach : bottom + reach, left - reach : right + reach]
    part = cascade(outer, scale * outer.shape[1], scale * outer.shape[2])
    edge = scale * reach
    inner = whole[:, scale * top : scale * bottom, scale * left : scale * right]
    assert np.abs(part[:, edge:-edge, edge:-edge] - inner).max() < 1e-6
    # It is not far more than is needed: a margin of half of it does not do.
    half = reach // 2
    outer = image[:, top - half : bottom + half, left - half : right + half]
    part = cascade(outer, scale * outer.shape[1], scale * outer.shape[2])
    edge = scale * half
    assert np.abs(part[:, edge:-edge, edge:-edge] - inner).max() > 1e-3
