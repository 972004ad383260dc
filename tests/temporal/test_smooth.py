"""Finished pictures drawn towards the one before."""

from __future__ import annotations

from collections.abc import Callable

import cv2
import numpy as np
import pytest

from videnhance.core import Frame, Image
from videnhance.kernels.motion import Floats, interleaved, luma, luma_of
from videnhance.kernels.resize import resize
from videnhance.temporal.flow import LumaPicture
from videnhance.temporal.region import Region
from videnhance.temporal.scenes import Seen
from videnhance.temporal.smooth import Shown, smooth

View = Callable[..., Image]

HEIGHT, WIDTH = 72, 96
ALL = [(Region(0, 0, HEIGHT, WIDTH),) * 2]


def seen(image: Image, sigma: float = 0.0) -> Seen:
    return Seen.of(Frame(image, 0, noise=sigma))


def network(image: Image) -> Floats:
    """Plain enlargement with its detail doubled."""
    picture = interleaved(resize(image, 2 * HEIGHT, 2 * WIDTH))
    return np.asarray(2 * picture - cv2.blur(picture, (5, 5)), np.float32)


def grain(shape: tuple[int, ...], sigma: float) -> Floats:
    return np.random.default_rng(0).normal(0, sigma, shape).astype(np.float32)


def test_flicker_is_drawn_to_what_was_shown(view: View) -> None:
    """Where nothing moves seven tenths of it go, in luma, and nothing outside of the part."""
    image = view()
    result = network(image) + grain((144, 192, 1), 0.01)
    before = result.copy()
    part = Region(16, 16, 56, 72)
    outer = part.grown(8, HEIGHT, WIDTH)
    last = Shown(LumaPicture(luma(image)), network(image))
    smooth(result, seen(image), [(part, outer)], last, 1.0, psnr_oriented=False)
    flicker, left = (luma_of(part.of(one - network(image), 2)) for one in (before, result))
    assert left.std() / flicker.std() == pytest.approx(0.3, abs=0.02)
    around = result.copy()
    outer.of(around, 2)[:] = outer.of(before, 2)
    assert np.array_equal(around, before)


def test_what_changes_with_the_source_is_no_flicker(view: View) -> None:
    image = view()
    darker = np.float32(0.8) * image
    result = network(darker)
    last = Shown(LumaPicture(luma(image)), network(image))
    smooth(result, seen(darker), ALL, last, 1.0, psnr_oriented=False)
    assert abs(float((result - network(darker)).mean())) < 0.5 / 255


def test_half_of_the_flicker_goes_of_networks_that_restore(view: View) -> None:
    image = view()
    result = network(image) + grain((144, 192, 1), 0.01)
    flicker = luma_of(result - network(image)).std()
    last = Shown(LumaPicture(luma(image)), network(image))
    smooth(result, seen(image), ALL, last, 1.0, psnr_oriented=True)
    left = luma_of(result - network(image)).std()
    assert left / flicker == pytest.approx(0.5, abs=0.02)


def test_the_sources_noise_is_left_behind(view: View) -> None:
    image = view()
    noise = grain((1, HEIGHT, WIDTH), 0.01)
    left = {}
    for sigma, psnr_oriented in ((0.0, True), (0.01, True), (0.01, False)):
        result = network(image)
        last = Shown(LumaPicture(luma(image)), network(image))
        smooth(result, seen(image + noise, sigma), ALL, last, 1.0, psnr_oriented=psnr_oriented)
        left[sigma, psnr_oriented] = luma_of(result - network(image)).std()
    assert left[0.01, True] < 0.25 * left[0.0, True]
    assert left[0.01, False] < 0.35 * left[0.0, True]  # more of it is drawn: 0.7, not 0.5


def test_ragged_edges_are_left_behind_but_kept_of_networks_that_restore(view: View) -> None:
    """The source's edges differ by a tenth of their contrast; the flow is the same."""
    image = view()
    image[:, :, 40:] = 0.5 * image[:, :, 40:] + 0.5
    ragged = image.copy()
    ragged[:, :, 39:41] += grain((1, HEIGHT, 2), 0.04)
    left = {}
    for psnr_oriented in (False, True):
        result = network(ragged)
        flicker = luma_of(result - network(image))[:, 76:84].std()
        last = Shown(LumaPicture(luma(image)), network(image))
        smooth(result, seen(ragged), ALL, last, 1.0, psnr_oriented=psnr_oriented)
        left[psnr_oriented] = luma_of(result - network(image))[:, 76:84].std() / flicker
    assert left[False] < 0.6
    assert left[True] > 0.75


@pytest.mark.parametrize("most", [1e-7, 1e-5])
def test_smoothing_keeps_within_its_bound(view: View, most: float) -> None:
    image = view()
    result = network(image) + grain((144, 192, 1), 0.02)
    before = result.copy()
    last = Shown(LumaPicture(luma(image)), network(image))
    smooth(result, seen(image), ALL, last, most, psnr_oriented=False)
    assert np.square(luma_of(result - before)).mean() == pytest.approx(most, rel=0.01)


def test_a_line_that_is_not_there_is_not_brought(view: View) -> None:
    image = view()
    result, before = network(image), network(image)
    before[40:100, 90:92] += 0.2
    smooth(
        result, seen(image), ALL, Shown(LumaPicture(luma(image)), before), 1.0, psnr_oriented=False
    )
    own = luma_of(network(image))
    around = np.ones((3, 3), np.uint8)
    beyond = np.maximum(luma_of(result) - cv2.dilate(own, around), 0)
    assert beyond.max() < 0.6 / 255
    inside = np.abs(luma_of(result) - own)[40:100, 90:92]
    assert inside.mean() < 0.5 * 0.7 * 0.2
