"""Reconstructed pictures blended towards the one before."""

from __future__ import annotations

from collections.abc import Callable

import cv2
import numpy as np
import pytest

from videnhance.core import Frame, Image
from videnhance.kernels.motion import Floats, interleaved, luma, luma_of
from videnhance.kernels.resize import resize
from videnhance.temporal.flow import LumaPicture
from videnhance.temporal.parameters import PERCEPTUAL, PSNR_ORIENTED
from videnhance.temporal.region import Region
from videnhance.temporal.scenes import Seen
from videnhance.temporal.smooth import Previous, smooth

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
    last = Previous(LumaPicture(luma(image)), network(image))
    smooth(result, seen(image), [(part, outer)], last, 1.0, PERCEPTUAL)
    flicker, left = (luma_of(part.of(one - network(image), 2)) for one in (before, result))
    assert left.std() / flicker.std() == pytest.approx(0.3, abs=0.02)
    around = result.copy()
    outer.of(around, 2)[:] = outer.of(before, 2)
    assert np.array_equal(around, before)


def test_what_changes_with_the_source_is_no_flicker(view: View) -> None:
    image = view()
    darker = np.float32(0.8) * image
    result = network(darker)
    last = Previous(LumaPicture(luma(image)), network(image))
    smooth(result, seen(darker), ALL, last, 1.0, PERCEPTUAL)
    assert abs(float((result - network(darker)).mean())) < 0.5 / 255


def test_half_of_the_flicker_goes_of_networks_that_restore(view: View) -> None:
    image = view()
    result = network(image) + grain((144, 192, 1), 0.01)
    flicker = luma_of(result - network(image)).std()
    last = Previous(LumaPicture(luma(image)), network(image))
    smooth(result, seen(image), ALL, last, 1.0, PSNR_ORIENTED)
    left = luma_of(result - network(image)).std()
    assert left / flicker == pytest.approx(0.5, abs=0.02)


def test_the_sources_noise_is_left_behind(view: View) -> None:
    image = view()
    noise = grain((1, HEIGHT, WIDTH), 0.01)
    left = {}
    for sigma, parameters in ((0.0, PSNR_ORIENTED), (0.01, PSNR_ORIENTED), (0.01, PERCEPTUAL)):
        result = network(image)
        last = Previous(LumaPicture(luma(image)), network(image))
        smooth(result, seen(image + noise, sigma), ALL, last, 1.0, parameters)
        left[sigma, parameters] = luma_of(result - network(image)).std()
    assert left[0.01, PSNR_ORIENTED] < 0.25 * left[0.0, PSNR_ORIENTED]
    # More of it is blended: 0.7, not 0.5.
    assert left[0.01, PERCEPTUAL] < 0.35 * left[0.0, PSNR_ORIENTED]


def test_ragged_edges_are_left_behind_but_kept_of_networks_that_restore(view: View) -> None:
    """The source's edges differ by a tenth of their contrast; the flow is the same."""
    image = view()
    image[:, :, 40:] = 0.5 * image[:, :, 40:] + 0.5
    ragged = image.copy()
    ragged[:, :, 39:41] += grain((1, HEIGHT, 2), 0.04)
    left = {}
    for parameters in (PERCEPTUAL, PSNR_ORIENTED):
        result = network(ragged)
        flicker = luma_of(result - network(image))[:, 76:84].std()
        last = Previous(LumaPicture(luma(image)), network(image))
        smooth(result, seen(ragged), ALL, last, 1.0, parameters)
        left[parameters] = luma_of(result - network(image))[:, 76:84].std() / flicker
    assert left[PERCEPTUAL] < 0.6
    assert left[PSNR_ORIENTED] > 0.75


@pytest.mark.parametrize("most", [1e-7, 1e-5])
def test_smoothing_keeps_within_its_bound(view: View, most: float) -> None:
    image = view()
    result = network(image) + grain((144, 192, 1), 0.02)
    before = result.copy()
    last = Previous(LumaPicture(luma(image)), network(image))
    smooth(result, seen(image), ALL, last, most, PERCEPTUAL)
    assert np.square(luma_of(result - before)).mean() == pytest.approx(most, rel=0.01)


def test_a_line_that_is_not_there_is_not_brought(view: View) -> None:
    image = view()
    result, before = network(image), network(image)
    before[40:100, 90:92] += 0.2
    last = Previous(LumaPicture(luma(image)), before)
    smooth(result, seen(image), ALL, last, 1.0, PERCEPTUAL)
    own = luma_of(network(image))
    around = np.ones((3, 3), np.uint8)
    beyond = np.maximum(luma_of(result) - cv2.dilate(own, around), 0)
    assert beyond.max() < 0.6 / 255
    inside = np.abs(luma_of(result) - own)[40:100, 90:92]
    assert inside.mean() < 0.5 * 0.7 * 0.2
