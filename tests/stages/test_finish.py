"""Grain, sharpness and light: what is put on a picture, and what stays as it is."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import cv2
import numpy as np
import pytest

from tests.stages.test_contract import CLIP, clip_of, run
from videnhance.core import Colour, Image, UsageError
from videnhance.engine.look import LazyLook
from videnhance.kernels.finishing import Grain, lifted, measured_grain, sharpened, with_grain
from videnhance.kernels.motion import luma
from videnhance.stages import Finish


def resolved(look: Any = None, **options: Any) -> Finish:
    return Finish(**options).resolve(CLIP, "cpu", look or LazyLook())


def shaded(size: tuple[int, int] = (192, 256)) -> Image:
    """A picture of soft shapes."""
    coarse = np.random.default_rng(0).random((6, 8, 3)).astype(np.float32)
    picture = cv2.resize(coarse, size[::-1], interpolation=cv2.INTER_CUBIC)
    return np.ascontiguousarray(picture.transpose(2, 0, 1).clip(0.1, 0.9))


@pytest.mark.parametrize("strength", [3 / 255, 8 / 255])
@pytest.mark.parametrize("size", [0.0, 0.6, 1.0])
@pytest.mark.parametrize("colour", [0.0, 0.5])
def test_grain_that_was_put_on_is_measured(strength: float, size: float, colour: float) -> None:
    grain = Grain(strength, size, colour)
    frames = tuple(with_grain(shaded(), grain, seed) for seed in range(3))
    found = measured_grain(frames)
    # The two levels of detail that are measured lack what is coarser.
    assert 0.65 * strength < found.strength < 1.2 * strength
    # Shapes have coarse detail too; a blur of 0.4 pixels can hardly be told from none.
    assert found.size == pytest.approx(size, abs=0.2 if size else 0.45)
    assert found.colour == pytest.approx(colour, abs=0.2)


def test_grain_is_strongest_in_the_middle_and_the_same_for_the_same_frame() -> None:
    image = np.full((3, 64, 192), 0.02, np.float32)
    image[:, :, 64:128], image[:, :, 128:] = 0.5, 0.98
    grain = Grain(6 / 255, 0.8, 0.0)
    made = with_grain(image, grain, 7)
    change = luma(made - image)
    dark, middle, bright = (change[:, 64 * n : 64 * n + 64].std() for n in range(3))
    assert middle == pytest.approx(6 / 255, rel=0.1)
    assert max(dark, bright) < 0.4 * middle
    assert np.array_equal(made, with_grain(image, grain, 7))
    assert not np.array_equal(made, with_grain(image, grain, 8))


@pytest.mark.parametrize("amount", [0.3, 1.0])
def test_sharpening_does_not_ring(amount: float) -> None:
    image = np.full((3, 40, 60), 0.3, np.float32)
    image[:, :, 30:] = 0.7
    image = np.stack([cv2.GaussianBlur(plane, (0, 0), 1.2) for plane in image])
    made = sharpened(image, amount)
    assert made.min() >= image.min() - 1e-6
    assert made.max() <= image.max() + 1e-6
    steepest = [np.diff(one[0, 20]).max() for one in (image, made)]
    assert steepest[1] > (1 + 0.1 * amount) * steepest[0]


def test_lift_lightens_shadows_and_leaves_black_and_white() -> None:
    ramp = np.linspace(0, 1, 256, dtype=np.float32) * np.ones((3, 4, 1), np.float32)
    made = lifted(ramp, 1.0)
    assert np.abs(made[:, :, [0, -1]] - ramp[:, :, [0, -1]]).max() < 1e-6
    assert (np.diff(made[0, 0]) > 0).all()
    dark = 12
    light = (made[0, 0, dark] / ramp[0, 0, dark]) ** 2.4
    assert light == pytest.approx(8, rel=0.02)
    assert np.allclose(lifted(ramp + 2, 0.5), ramp + 2, atol=1e-5)


def test_what_is_off_changes_nothing() -> None:
    assert not resolved().on(CLIP)
    assert not resolved(grain="0").on(CLIP)
    assert resolved(sharpen=0.1).on(CLIP)


def noisy(sigma: float) -> LazyLook:
    dice = np.random.default_rng(0)
    image = shaded() + sigma * dice.standard_normal((1, 192, 256), np.float32)
    return LazyLook(lambda: [np.asarray(image, np.float32)])


def test_auto_puts_back_a_third_of_what_was_there() -> None:
    look = noisy(6 / 255)
    step = resolved(look, grain="auto")
    assert float(step.grain) == pytest.approx(1 / 3, abs=0.001)
    assert step.grain_strength == pytest.approx(6, rel=0.4)
    assert "grain" in look.reasons
    assert resolved(noisy(0.1 / 255), grain="auto").grain == "off"
    assert step.resolve(CLIP, "cpu", LazyLook()) == step


def test_times_seed_the_grain() -> None:
    step = resolved(grain="1", grain_strength=5.0)
    source = clip_of(4)
    whole = run(step, source)
    later = run(step, source[2:])
    assert np.array_equal(whole[3].data, later[1].data)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"grain_size": 1.0}, "--grain-size does nothing with --grain off;"),
        ({"grain": "auto", "grain_size": 1.0}, "off, which auto has chosen"),
    ],
)
def test_options_that_cannot_be_honoured_are_refused(options: dict[str, Any], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        resolved(**options)


def test_hdr_is_not_lifted() -> None:
    clip = replace(CLIP, colour=Colour(transfer=16))
    with pytest.raises(UsageError, match="this recording is PQ"):
        Finish(lift=0.5).resolve(clip, "cpu", LazyLook())
