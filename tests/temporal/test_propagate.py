"""What is done to a frame between two references, one step at a time."""

from __future__ import annotations

import math
from collections.abc import Callable

import cv2
import numpy as np
import pytest

from videnhance.core import Frame, Image
from videnhance.kernels.motion import Floats, interleaved, luma, mean_square
from videnhance.kernels.resize import resize
from videnhance.temporal.flow import LumaPicture
from videnhance.temporal.lazy import Lazy
from videnhance.temporal.parameters import PERCEPTUAL
from videnhance.temporal.propagate import Between, Detail, Reference
from videnhance.temporal.region import Region
from videnhance.temporal.scenes import Seen

View = Callable[..., Image]

_HEIGHT, _WIDTH = 72, 96
_WHOLE = Region(0, 0, _HEIGHT, _WIDTH)


def seen(image: Image, sigma: float = 0.0) -> Seen:
    return Seen.of(Frame(image, 0, noise=sigma))


def network(image: Image) -> Floats:
    """Plain enlargement with its detail doubled."""
    picture = interleaved(resize(image, 2 * image.shape[1], 2 * image.shape[2]))
    return np.asarray(2 * picture - cv2.blur(picture, (5, 5)), np.float32)


def reference(image: Image) -> Reference:
    result, plane = network(image), luma(image)
    plain = interleaved(resize(image, 2 * image.shape[1], 2 * image.shape[2]))
    return Reference(
        picture := LumaPicture(plane), interleaved(image), result,
        Lazy(lambda: Detail.of(result - plain, picture)), Lazy(lambda: math.inf),
    )  # fmt: skip


def between(image: Image, before: Image, after: Image, t: float = 0.5) -> Between:
    return Between(seen(image), (reference(before), reference(after)), t, PERCEPTUAL, None)


def noisy(shape: tuple[int, ...], sigma: float, seed: int = 0) -> Floats:
    return np.random.default_rng(seed).normal(0, sigma, shape).astype(np.float32)


@pytest.mark.parametrize("place", [0.25, 0.5, 0.75])
def test_a_linear_fade_counts_as_still_and_comes_out_exactly(view: View, place: float) -> None:
    image = view()
    frame = between(0.85 * image, image, np.float32(1 - 0.15 / place) * image, place)
    assert not frame.moving(1e-6, 8).any()
    assert np.abs(frame.still() - network(np.float32(0.85) * image)).max() < 1e-5
    assert frame.error().max() < 1e-9


@pytest.mark.parametrize("speed", [0, 2])
def test_a_small_fast_thing_leaves_no_ghost_where_it_was(view: View, speed: int) -> None:
    """Though the reference that shows it there is seven times as near as the other."""

    def ground(t: int) -> Image:
        return np.asarray(0.5 * view(speed * t), np.float32)

    before = ground(0)
    before[:, 36:38, 60:64] += 0.25
    now = ground(1)
    now[:, 36:38, 48:52] += 0.25
    found = between(now, before, ground(8), 0.125).propagated(_WHOLE).detail
    plain = interleaved(resize(ground(1), 2 * _HEIGHT, 2 * _WIDTH))
    ghost = (found - (network(ground(1)) - plain))[70:80, 116:134]
    assert np.abs(ghost).max() < 4 / 255


def test_a_thin_fast_thing_is_foreseen_to_lack_detail(view: View) -> None:
    """A quarter to all of the error is expected, where neither reference shows any such thing."""
    ground = np.asarray(0.3 * view(), np.float32)
    now = ground.copy()
    now[:, 20:44, 50:52] += 0.5
    propagated = between(now, ground, ground).propagated(_WHOLE)
    plain = interleaved(resize(now, 2 * _HEIGHT, 2 * _WIDTH))
    error = mean_square(plain + propagated.detail - network(now))[48:80, 84:116].mean()
    expected = propagated.error[24:40, 42:58].mean()
    assert error / 4 < expected < error


def test_blocks_that_changed_are_told_from_those_that_did_not(view: View) -> None:
    image = view()
    now = image.copy()
    now[:, 20:24, 40:44] += 0.1  # small, but a spot
    now[:, 48:64, 64:80] += noisy((16, 16), 0.018)
    blocks = between(now, image, image).moving(10**-4.2, 8)
    assert blocks[2:4, 5:6].any()
    assert blocks[6:8, 8:10].all()
    assert not blocks[:, :4].any()


def test_light_that_changes_is_still(view: View) -> None:
    """All of the light comes out, and little error is expected."""
    image = view() * np.float32(0.9)
    lit = image + np.linspace(0, 0.02, _WIDTH, dtype=np.float32)
    frame = between(lit, image, image)
    assert not frame.moving(10**-4.2, 8).any()
    assert np.abs(frame.still() - network(lit))[8:-8, 8:-8].max() < 0.5 / 255
    assert frame.error().mean() < 0.2 * np.square(lit - image).mean()


@pytest.mark.parametrize(("strength", "shown"), [(2, False), (6, True)])
def test_fine_changes_below_two_and_a_half_times_the_noise_are_left_out(
    view: View, strength: float, shown: bool
) -> None:
    image, sigma = view(), 0.002
    spot = np.s_[:, 32:40, 40:56]
    image[spot] = 0.5
    now = image.copy()
    now[spot] += strength * sigma * (1 - 2 * (np.indices((8, 16)).sum(0) % 2)).astype(np.float32)
    results = []
    for level in (sigma, 0.0):
        references = (reference(image), reference(image))
        results.append(Between(seen(now, level), references, 0.5, PERCEPTUAL, None).still())
    part = np.s_[68:76, 84:108]
    of_all = np.abs(results[1] - network(image))[part].mean()
    kept = np.abs(results[0] - network(image))[part].mean() / of_all
    assert (kept > 0.9) if shown else (kept < 0.2)
