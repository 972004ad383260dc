"""The stage that removes noise: its strength, its networks, and what it leaves alone."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from tests.stages.test_contract import CLIP, PlainRuntime, clip_of, run
from videnhance.core import Frame, Image, UsageError
from videnhance.engine.look import LazyLook
from videnhance.stages import Denoise, Upscale


class Grey:
    """A network that makes everything middle grey, and remembers what it was shown."""

    id = "grey"
    scale = 1
    receptive_field = 0
    psnr_oriented = True
    workers = 1

    def __init__(self, scale: int = 1) -> None:
        self.given: list[tuple[int, ...]] = []

    def __call__(self, *inputs: Image, restore: float = 1.0) -> Image:
        self.given.append(tuple(len(array) for array in inputs))
        return np.full_like(inputs[0], 0.5)


def resolved(look: Any = None, **options: Any) -> Denoise:
    return Denoise(**options).resolve(CLIP, "cpu", look or LazyLook())


def looking_at(sigma: float) -> LazyLook:
    dice = np.random.default_rng(0)
    image = 0.5 + sigma * dice.standard_normal((3, 64, 64), np.float32)
    return LazyLook(lambda: [image])


def test_off_is_not_in_the_job() -> None:
    assert not resolved().on(CLIP)
    assert not resolved(denoise="0").on(CLIP)
    assert resolved(denoise="0.3").on(CLIP)
    assert resolved(denoise="0", colour=1.0).on(CLIP)


@pytest.mark.parametrize(("sigma", "found"), [(0.2 / 255, "off"), (5 / 255, "1")])
def test_auto_leaves_clean_recordings_alone(sigma: float, found: str) -> None:
    look = looking_at(sigma)
    assert resolved(look, denoise="auto").denoise == found
    assert ("denoise" in look.reasons) is (found == "1")


def test_the_network_is_told_the_noise() -> None:
    network = Grey()
    run(resolved(denoise="1"), clip_of(3), PlainRuntime(lambda scale: network))
    assert network.given == [(3, 3, 1, 1)] * 3


def test_strength_is_a_share_of_the_change() -> None:
    source = clip_of(2)
    full, half = (
        run(resolved(denoise=amount), source, PlainRuntime(Grey)) for amount in ("1", "0.5")
    )
    for before, one, other in zip(source, full, half, strict=True):
        assert np.allclose(one.data - before.data, 2 * (other.data - before.data), atol=1e-6)


def test_colour_has_a_strength_of_its_own() -> None:
    luma = np.array([0.2126, 0.7152, 0.0722])
    (source,) = clip_of(1)
    (made,) = run(resolved(denoise="0", colour=1.0), [source], PlainRuntime(Grey))
    change = made.data - source.data
    assert np.abs(np.tensordot(luma, change, axes=1)).max() < 1e-6
    assert np.abs(change).max() > 0.01


def test_what_lies_beyond_white_and_black_survives() -> None:
    (source,) = clip_of(1)
    bright = replace(source, data=source.data + np.float32(0.9))
    (made,) = run(resolved(denoise="1"), [bright], PlainRuntime(Grey))
    beyond = bright.data - bright.data.clip(0, 1)
    assert beyond.max() > 0.1
    assert np.allclose(made.data, 0.5 + beyond, atol=1e-6)


def test_a_grey_picture_stays_grey() -> None:
    class Tinted(Grey):
        def __call__(self, *inputs: Image, restore: float = 1.0) -> Image:
            made = np.full_like(inputs[0], 0.5)
            made[0] += 0.01
            return made

    data = np.repeat(np.random.default_rng(0).random((1, 16, 24), np.float32), 3, axis=0)
    (made,) = run(resolved(denoise="1"), [Frame(data, 0)], PlainRuntime(Tinted))
    assert np.array_equal(made.data[0], made.data[2])


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"denoise": "off", "colour": 0.5}, "--denoise-colour does nothing with --denoise off;"),
        ({"denoise": "off", "model": "a.pth"}, "--denoise-model does nothing"),
        ({"denoise": "auto", "colour": 0.5}, "off, which auto has chosen"),
        ({"denoise": "1", "model": "live-x2"}, "live-x2 enlarges; use clean"),
    ],
)
def test_options_that_cannot_be_honoured_are_refused(options: dict[str, Any], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        resolved(**options)


def test_a_file_of_a_network_that_enlarges_is_refused() -> None:
    class Larger(Grey):
        scale = 2

    step = resolved(denoise="1", model="other.pth")
    with pytest.raises(UsageError, match="enlarges 2 times"):
        run(step, clip_of(1), PlainRuntime(lambda scale: Larger()))
    network = Grey()
    run(step, clip_of(1), PlainRuntime(lambda scale: network))
    assert network.given == [(3,)]


def test_it_does_not_run_on_vulkan() -> None:
    with pytest.raises(UsageError, match="cannot run on Vulkan"):
        Denoise(denoise="1").resolve(CLIP, "vulkan", LazyLook())


def test_auto_is_off_where_it_cannot_run() -> None:
    step = Denoise(denoise="auto").resolve(CLIP, "vulkan", looking_at(5 / 255))
    assert step.denoise == "off"


def test_what_is_clean_again_need_not_be_filtered_by_upscale() -> None:
    """The stage behind takes reuse for it, and does not trust the noise there was."""
    modes = []
    for amount in ("off", "1"):
        look = looking_at(5 / 255)
        resolved(look, denoise=amount)
        modes.append(Upscale(model="live").resolve(CLIP, "cpu", look).temporal)
    assert modes == ["steady", "reuse"]
    (source,) = clip_of(1)
    (made,) = run(resolved(denoise="0.75"), [replace(source, noise=0.02)], PlainRuntime(Grey))
    assert made.noise < 0.02


def test_at_scale_1_a_clean_picture_is_not_restored_again() -> None:
    for amount, restored in (("off", 1.0), ("1", 0.0)):
        look = LazyLook()
        resolved(look, denoise=amount)
        step = Upscale(model="live", scale=1.0).resolve(CLIP, "cpu", look)
        assert step.restore == restored
        assert step.on(CLIP) is (amount == "off")
        given = Upscale(model="live", scale=1.0, restore=0.5).resolve(CLIP, "cpu", look)
        assert given.restore == 0.5
