"""How much damage a recording has, with a network that is known exactly."""

import numpy as np
import pytest

from videnhance.analysis.restoration import damage, restore_for


def smoothing(image, restore):
    """Takes away what differs from the mean, as far as it is to restore."""
    return image + restore * (image.mean() - image)


def noise(sigma, shape=(3, 300, 400), seed=0):
    return np.random.default_rng(seed).normal(0.5, sigma, shape).astype(np.float32)


@pytest.mark.parametrize("codes", [0.5, 2, 9])
def test_it_is_what_the_network_removes(codes):
    frames = [noise(codes / 255, seed=seed) for seed in range(3)]
    assert damage(frames, smoothing) == pytest.approx(codes, rel=0.05)


def test_one_frame_of_another_kind_does_not_count():
    frames = [noise(0.01), noise(0.2, seed=1), noise(0.01, seed=2)]
    assert damage(frames, smoothing) == pytest.approx(2.55, rel=0.05)


@pytest.mark.parametrize("count", [1, 2, 5, 40])
def test_crops_are_small_even_and_of_few_frames(count):
    sizes = []

    def seen(image, restore):
        sizes.append(image.shape)
        return image

    assert damage([noise(0, (3, 201, 97))] * count, seen) == 0
    assert len(sizes) == 2 * min(count, 3)
    assert all(height <= 128 and width <= 192 for _, height, width in sizes)


def test_without_frames_there_is_no_damage():
    assert damage([], smoothing) == 0


def test_more_damage_is_never_restored_less():
    values = [restore_for(found) for found in np.linspace(0, 10, 101)]
    assert values == sorted(values)
    assert (values[0], values[-1]) == (0, 1)
    assert all(round(value, 2) == value for value in values)
