"""The steady filter against closed forms, with networks that are known exactly."""

from __future__ import annotations

from collections.abc import Callable

import cv2
import numpy as np
import pytest

from videnhance.core import Frame, Image
from videnhance.kernels.motion import interleaved, planar
from videnhance.kernels.resize import resize
from videnhance.temporal.scenes import scan, seen
from videnhance.temporal.steady import STRENGTHS, filtered, preroll

Clip = Callable[..., list[Frame]]
View = Callable[..., Image]
Network = Callable[[Frame], Image]

_SCALE = 2
_STEP = 1 / 255
_INNER = (slice(None), slice(16, -16), slice(16, -16))

every_strength = pytest.mark.parametrize("strength", STRENGTHS)


def plainly(image: Image) -> Image:
    return resize(image, _SCALE * image.shape[1], _SCALE * image.shape[2])


def sharpened(frame: Frame) -> Image:
    """What a network is like that takes a blur away: its detail is 3 code values strong (rms)."""
    picture = interleaved(plainly(frame.data.clip(0, 1)))
    blurred = np.asarray(cv2.GaussianBlur(picture, (0, 0), 1.2), np.float32)
    return planar(2 * picture - blurred)


def run(frames: list[Frame], strength: str = "normal", network: Network = sharpened) -> list[Image]:
    items = ((now, network(now.frame), plainly(now.image)) for now in seen(scan(iter(frames))))
    return [picture for _, picture in filtered(items, STRENGTHS[strength])]


def noisy(image: Image, sigma: float, seed: int) -> Image:
    dice = np.random.default_rng(seed)
    return np.asarray(image + dice.normal(0, sigma, image.shape), np.float32)


def gradients(image: Image) -> float:
    return float(np.square(np.diff(image, axis=1)).mean() + np.square(np.diff(image)).mean())


@every_strength
@pytest.mark.parametrize("sigma", [0.0, 1 * _STEP, 3 * _STEP])
def test_flicker_on_a_still_is_damped_as_the_recursion_says(
    view: View, clip: Clip, strength: str, sigma: float
) -> None:
    """Differences of x → y + α(x − y) have α²/(2 − α) of the energy of white noise's."""
    still = view(size=(40, 48))

    def flickering(frame: Frame) -> Image:
        dice = np.random.default_rng(frame.pts)
        return plainly(still) + dice.normal(0, 0.03, (3, 80, 96)).astype(np.float32)

    frames = clip(noisy(still, sigma, t) if sigma else still for t in range(60))
    raw = np.stack([flickering(frame) for frame in frames[30:]])
    filtered = np.stack(run(frames, strength, flickering)[30:])
    alpha = STRENGTHS[strength]
    damping = np.square(np.diff(filtered, axis=0)).mean() / np.square(np.diff(raw, axis=0)).mean()
    assert 10 * np.log10(damping) == pytest.approx(10 * np.log10(alpha**2 / (2 - alpha)), abs=1)
    # And nothing is made up: the mean over time is the network's.
    assert np.abs(filtered.mean(axis=0) - raw.mean(axis=0)).mean() < 0.02


@pytest.mark.parametrize(
    ("strength", "x", "y", "least"),
    [
        ("gentle", 0.5, 0.0, 0.97),
        ("normal", 0.5, 0.0, 0.95),
        ("normal", 0.5, 0.5, 0.95),
        ("normal", 1.3, 0.0, 0.95),
        ("strong", 0.5, 0.0, 0.93),
    ],
)
def test_a_long_pan_stays_sharp(
    view: View, clip: Clip, strength: str, x: float, y: float, least: float
) -> None:
    frames = clip(view(x * t, y * t, size=(52, 64)) for t in range(60))
    kept = gradients(run(frames, strength)[-1][_INNER]) / gradients(sharpened(frames[-1])[_INNER])
    assert least <= kept < 1.05


def test_flicker_on_a_pan_is_damped_too(view: View, clip: Clip) -> None:
    """The error against a network that does not flicker is halved at least (by 0.38 on a still)."""
    frames = clip(view(0.5 * t, size=(48, 64)) for t in range(40))

    def flickering(frame: Frame) -> Image:
        dice = np.random.default_rng(frame.pts)
        return sharpened(frame) + dice.normal(0, 0.04, (3, 96, 128)).astype(np.float32)

    error = run(frames, "normal", flickering)[-1] - sharpened(frames[-1])
    assert np.std(error[_INNER]) < 0.5 * 0.04


def test_nothing_is_seen_across_a_cut(view: View, clip: Clip) -> None:
    frames = clip(view(t, seed=t // 6) for t in range(12))
    fresh = run(frames[6:])
    assert all(np.array_equal(a, b) for a, b in zip(run(frames)[6:], fresh, strict=True))
    assert np.array_equal(fresh[0], sharpened(frames[6]))


def test_nothing_is_seen_across_a_scene_start(view: View, clip: Clip) -> None:
    frames = clip((view(t) for t in range(12)), starts=[6])
    cut = run(frames)
    assert all(np.array_equal(a, b) for a, b in zip(cut[6:], run(frames[6:]), strict=True))
    going_on = run(clip(view(t) for t in range(12)))
    assert not np.array_equal(cut[6], going_on[6])


@pytest.mark.parametrize("count", [1, 2])
def test_a_flash_is_left_alone_and_what_was_before_it_goes_on(
    view: View, clip: Clip, count: int
) -> None:
    """Two frames later the filtered flicker is where it would be without the flash."""
    shots = [view(contrast=0.1) for t in range(30)]
    lit = [shot if not 20 <= t < 20 + count else np.ones_like(shot) for t, shot in enumerate(shots)]

    def flickering(frame: Frame) -> Image:
        dice = np.random.default_rng(frame.pts)
        return sharpened(frame) + dice.normal(0, 0.03, (3, 144, 192)).astype(np.float32)

    frames = clip(lit)
    made = run(frames, "normal", flickering)
    for t in range(20, 20 + count):
        assert np.array_equal(made[t], flickering(frames[t]))
    wanted = sharpened(frames[0])
    flicker = [float(np.std(picture - wanted)) for picture in made]
    assert flicker[20 + count] == pytest.approx(flicker[19], rel=0.1)
    assert flicker[19] < 0.5 * 0.03


@every_strength
@pytest.mark.parametrize(("length", "to"), [(12, 0.0), (25, 0.0), (12, 1.0)])
def test_a_fade_is_never_late(
    view: View, clip: Clip, strength: str, length: int, to: float
) -> None:
    """No sample is further than a code value from what the network made of it."""
    shares = np.concatenate((np.zeros(3), np.arange(length + 1) / length))
    image = view(contrast=0.1, size=(48, 64))
    frames = clip((image * (1 - s) + to * s).astype(np.float32) for s in shares)
    for frame, picture in zip(frames, run(frames, strength), strict=True):
        assert np.abs(picture - sharpened(frame)).max() < _STEP


def test_a_fade_with_noise_is_no_later(view: View, clip: Clip) -> None:
    image, shares = view(contrast=0.1), np.arange(21) / 20
    clean = clip((image * (1 - share)).astype(np.float32) for share in shares)
    frames = clip(noisy(frame.data, _STEP, t) for t, frame in enumerate(clean))
    for number, picture in enumerate(run(frames)):
        error = picture - sharpened(clean[number])
        unfiltered = sharpened(frames[number]) - sharpened(clean[number])
        assert np.square(error).mean() < 1.1 * np.square(unfiltered).mean()


@pytest.mark.parametrize("strength", ["normal", "strong"])
@pytest.mark.parametrize("speed", [2, 4, 7])
@pytest.mark.parametrize("contrast", [0.0, 0.025])
def test_a_moving_square_leaves_nothing_behind(
    view: View, clip: Clip, strength: str, speed: int, contrast: float
) -> None:
    """Two frames after it has left a place, that is within two code values of the network's."""
    ground, square = view(contrast=contrast), view(50, seed=3)[:, :16, :16]

    def left(t: int) -> int:
        return 5 + speed * t

    def shot(t: int) -> Image:
        image = ground.copy()
        image[:, 28:44, left(t) : left(t) + 16] = square
        return image

    frames = clip(shot(t) for t in range(10))
    for t, picture in list(enumerate(run(frames, strength)))[4:]:
        behind = (slice(None), slice(56, 88), slice(2 * left(t - 4), 2 * left(t - 2)))
        assert np.abs(picture - sharpened(frames[t]))[behind].max() < 2 * _STEP


def test_something_faint_that_moves_in_noise_is_not_held_back(view: View, clip: Clip) -> None:
    """A square 20 code values brighter than a still with noise of 2."""

    def shot(t: int) -> Image:
        image = noisy(view(contrast=0.03), 2 * _STEP, t)
        image[:, 28:44, 5 + 4 * t : 21 + 4 * t] += np.float32(20 * _STEP)
        return image

    frames = clip(shot(t) for t in range(14))
    made = run(frames, "strong")[12] - plainly(shot(12))
    behind, within = made[:, 60:84, 74:96].mean(), made[:, 60:84, 112:134].mean()
    assert abs(behind) < 2 * _STEP
    assert abs(within) < 2 * _STEP


@every_strength
def test_the_warm_up_is_enough(view: View, clip: Clip, strength: str) -> None:
    """The next frame is the same to a quarter of a code value, on noise and in motion."""
    count = preroll(STRENGTHS[strength])
    assert (1 - STRENGTHS[strength]) ** count <= 1e-3
    frames = clip(noisy(view(0.7 * t, size=(48, 64)), _STEP, t) for t in range(count + 11))
    late, early = run(frames[10:], strength)[-1], run(frames, strength)[-1]
    assert np.abs(late - early)[_INNER].mean() < 0.25 * _STEP


def test_no_frame_in_gives_none_out_and_one_is_the_networks(view: View, clip: Clip) -> None:
    assert run([]) == []
    (frame,) = clip([view()])
    assert np.array_equal(run([frame])[0], sharpened(frame))


def test_nothing_it_is_given_is_changed(view: View, clip: Clip) -> None:
    frames = clip(view(t // 2 / 2) for t in range(6))
    for frame in frames:
        frame.data.flags.writeable = False
    given: list[tuple[Image, Image]] = []

    def network(frame: Frame) -> Image:
        made = sharpened(frame)
        given.append((made, made.copy()))
        return made

    first = run(frames, "normal", network)
    assert all(np.array_equal(made, copy) for made, copy in given)
    assert all(np.array_equal(a, b) for a, b in zip(first, run(frames), strict=True))


def test_the_warm_up_is_as_long_as_the_filter_remembers() -> None:
    assert {name: preroll(share) for name, share in STRENGTHS.items()} == {
        "gentle": 14,
        "normal": 25,
        "strong": 43,
    }
