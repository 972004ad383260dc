"""The upscale stage's temporal modes with networks that are known exactly."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from itertools import pairwise
from typing import Any, TypeVar

import cv2
import numpy as np
import pytest

from videnhance.core import ClipInfo, Frame, Image, UsageError
from videnhance.engine.chain import chain
from videnhance.engine.look import LazyLook
from videnhance.engine.resolving import resolve_stages
from videnhance.inference import CPU, Resources
from videnhance.inference.runtime import JobRuntime
from videnhance.job import settings
from videnhance.kernels.resize import enlarge_linear, resize
from videnhance.stages.upscale import Upscale
from videnhance.temporal.control import DISTANCES, longest_distance

T = TypeVar("T")
R = TypeVar("R")

CLIP = ClipInfo(width=64, height=48, time_base=Fraction(1, 1000), rate=Fraction(25))
MODEL, TAUGHT = "live-x2", "realesr-animevideov3-x2"
"""Cards of a network without and with a draft."""


class Sharp:
    """Enlarges plainly and adds its detail so many times; counts the pixels it sees."""

    workers = 1
    receptive_field = 6
    psnr_oriented = False

    def __init__(self, gain: float, scale: int = 2) -> None:
        self.id = f"sharp {gain}"
        self.gain, self.scale = np.float32(gain), scale
        self.pixels = 0

    def __call__(self, *inputs: Image, restore: float = 1.0) -> Image:
        (image,) = inputs
        self.pixels += image[0].size
        large = resize(image, self.scale * image.shape[1], self.scale * image.shape[2])
        soft = np.stack([cv2.blur(plane, (5, 5), borderType=1) for plane in large])
        return np.clip(large + self.gain * (large - soft), 0, 1)


class Noting(JobRuntime):
    """A runtime of one worker that keeps what is noted."""

    def __init__(self, network: Sharp, draft: Sharp | None = None) -> None:
        super().__init__(
            load=lambda name: draft if draft and name.endswith("-draft") else network,
            mapping=lambda function, items, *_: map(function, items),
            warn=pytest.fail,
        )
        self.counts: dict[str, list[tuple[int, float]]] = {}

    def count(self, name: str, pts: int, amount: float = 1.0) -> None:
        self.counts.setdefault(name, []).append((pts, amount))

    record = count

    def total(self, name: str) -> float:
        return sum(amount for _, amount in self.counts.get(name, []))


def world(seed: int) -> Image:
    dice = np.random.default_rng(seed)
    soft = cv2.GaussianBlur(dice.random((CLIP.height, 3 * CLIP.width, 3)), (0, 0), 1.5)
    return np.moveaxis(2.5 * (soft - 0.5) + 0.5, -1, 0).clip(0, 1).astype(np.float32)


def pan(count: int, seed: int = 0, begin: int = 0) -> list[Frame]:
    seen = world(seed)
    return [
        Frame(np.ascontiguousarray(seen[:, :, t : t + CLIP.width]), 40 * (begin + t), 40)
        for t in range(count)
    ]


def run(stage: Upscale, frames: list[Frame], rt: Noting) -> list[Frame]:
    stage = stage.resolve(CLIP, "cpu", LazyLook())
    made = list(chain(iter(frames), CLIP, [stage], rt))
    assert [frame.pts for frame in made] == [frame.pts for frame in frames]
    return made


def ratio(made: Image, wanted: Image) -> float:
    return float(-10 * np.log10(max(np.square(made - wanted).mean(), 1e-12)))


every_mode = pytest.mark.parametrize("temporal", ["off", "steady", "reuse"])


def test_the_mode_follows_the_device() -> None:
    assert Upscale().resolve(CLIP, "cpu", LazyLook()).temporal == "reuse"
    assert Upscale().resolve(CLIP, "cuda", LazyLook()).temporal == "steady"
    assert Upscale().resolve(CLIP, "vulkan", LazyLook()).temporal == "steady"
    for temporal in ("off", "steady", "reuse"):
        assert Upscale(temporal=temporal).resolve(CLIP, "cuda", LazyLook()).temporal == temporal


def test_frames_alone_need_no_neighbours() -> None:
    off, steady, reuse = (
        Upscale(model=TAUGHT, temporal=mode).resolve(CLIP, "cpu", LazyLook())
        for mode in ("off", "steady", "reuse")
    )
    assert off.lookahead == off.preroll == off.postroll == 0
    assert reuse.lookahead > steady.lookahead == 0
    assert steady.preroll > 0
    assert reuse.preroll == 0
    assert (reuse.postroll, steady.postroll) == (1, 0)
    assert (off.scans, steady.scans, reuse.scans) == (False, True, True)
    assert reuse.models(CLIP) == (TAUGHT, f"{TAUGHT}-draft")
    assert off.models(CLIP) == steady.models(CLIP) == (TAUGHT,)


@pytest.mark.parametrize("scale", [1.0, 1.5, 2.0, 2.5, 3.0, 4.0, 8.0])
@pytest.mark.parametrize(
    ("temporal", "strength"), [("off", 0.0), ("off", 0.5), ("steady", 0.5), ("reuse", 0.5)]
)
def test_every_scale_gives_its_size(temporal: str, scale: float, strength: float) -> None:
    stage = Upscale(model=MODEL, scale=scale, temporal=temporal, strength=strength)
    out = stage.resolve(CLIP, "cpu", LazyLook()).output(CLIP)
    for frame in run(stage, pan(6), Noting(Sharp(1))):
        assert (frame.height, frame.width) == (out.height, out.width)
        assert frame.data.dtype == np.float32


@every_mode
def test_odd_sizes_have_whole_tiles_and_halves(temporal: str) -> None:
    clip = replace(CLIP, width=61, height=43)
    frames = [replace(f, data=np.ascontiguousarray(f.data[:, :43, :61])) for f in pan(12)]
    stage = Upscale(model=MODEL, scale=1.7, temporal=temporal).resolve(clip, "cpu", LazyLook())
    made = list(stage.run(iter(frames), clip, Noting(Sharp(1))))
    assert {(f.height, f.width) for f in made} == {
        (stage.output(clip).height, stage.output(clip).width)
    }


@pytest.mark.parametrize(("scale", "gain"), [(2.0, 0.3), (2.0, 0.7), (3.0, 0.3)])
def test_reuse_is_near_the_network_at_less_work(scale: float, gain: float) -> None:
    frames = pan(40)
    alone, network = Sharp(gain), Sharp(gain)
    wanted = run(Upscale(model=MODEL, scale=scale, temporal="off"), frames, Noting(alone))
    rt = Noting(network)
    made = run(Upscale(model=MODEL, scale=scale, temporal="reuse"), frames, rt)
    assert network.pixels < 0.6 * alone.pixels
    for one, other in zip(made, wanted, strict=True):
        assert ratio(one.data, other.data) > 41
    assert rt.total("pixels") == 40 * 48 * 64
    assert [pts for pts, _ in rt.counts["network_pixels"]] == [frame.pts for frame in frames]
    if scale == 2:
        assert rt.total("network_pixels") == network.pixels
    assert all(30 < decibels <= 100 for _, decibels in rt.counts["audit"])


def test_a_draft_network_makes_the_drafts() -> None:
    """One that equals the network leaves hardly an error, one worse than none leaves more work."""
    frames, alone = pan(30), Sharp(1)
    wanted = run(Upscale(model=MODEL, temporal="off"), frames, Noting(alone))

    def work(draft: Sharp | None, least: float) -> float:
        network = Sharp(1)
        model = TAUGHT if draft else MODEL
        stage = Upscale(model=model, temporal="reuse", reuse_quality=40.0)
        made = run(stage, frames, Noting(network, draft))
        assert min(ratio(a.data, b.data) for a, b in zip(made, wanted, strict=True)) > least
        return network.pixels / alone.pixels

    same, bad = Sharp(1), Sharp(-1)
    works = work(same, 50), work(None, 40), work(bad, 40)
    assert works[0] < works[1] < works[2]
    assert 0 < same.pixels <= 30 * 48 * 64


def test_without_detail_no_network_is_asked() -> None:
    network = Sharp(1)
    made = run(Upscale(model=MODEL, strength=0.0), pan(4), Noting(network))
    assert network.pixels == 0
    assert np.array_equal(made[3].data, resize(pan(4)[3].data, 96, 128))


@pytest.mark.parametrize("temporal", ["steady", "reuse"])
def test_cuts_and_repeats_are_told(temporal: str) -> None:
    shots = [*pan(9), *pan(6, seed=1, begin=9)]
    shots[3] = replace(shots[3], data=shots[2].data)
    shots[4] = replace(shots[4], data=shots[2].data)
    rt = Noting(Sharp(1))
    run(Upscale(model=MODEL, temporal=temporal), shots, rt)
    assert rt.counts["cuts"] == [(360, 1.0)]
    assert rt.counts["repeats"] == [(120, 1.0), (160, 1.0)]
    assert ("network_pixels" in rt.counts) == (temporal == "reuse")


@every_mode
@pytest.mark.parametrize("strength", [0.5, 1.0])
def test_values_beyond_white_and_below_black_survive(temporal: str, strength: float) -> None:
    frames = [replace(frame, data=1.8 * frame.data - np.float32(0.4)) for frame in pan(8)]
    inside = [replace(frame, data=frame.data.clip(0, 1)) for frame in frames]
    stage = Upscale(model=MODEL, temporal=temporal, strength=strength)
    beyond, within = (run(stage, clip, Noting(Sharp(0.5))) for clip in (frames, inside))
    for source, one, other in zip(frames, beyond, within, strict=True):
        outside = enlarge_linear(source.data - source.data.clip(0, 1), 96, 128)
        np.testing.assert_allclose(one.data - other.data, outside, atol=1e-5)


@every_mode
def test_frames_without_colour_stay_without(temporal: str) -> None:
    grey = [replace(f, data=np.repeat(f.data[:1], 3, axis=0)) for f in pan(8)]
    for frame in run(Upscale(model=MODEL, temporal=temporal), grey, Noting(Sharp(1))):
        assert np.array_equal(frame.data[0], frame.data[1])
        assert np.array_equal(frame.data[0], frame.data[2])


def test_steady_takes_flicker_away() -> None:
    """A network whose gain jumps from frame to frame, over a still with a little motion."""

    class Jumping(Sharp):
        def __call__(self, *inputs: Image, restore: float = 1.0) -> Image:
            self.gain = np.float32(1.5 - self.gain)
            return super().__call__(*inputs)

    (still,) = pan(1)
    frames = [replace(still, pts=40 * t) for t in range(40)]

    def flicker(stage: Upscale) -> float:
        made = run(stage, frames, Noting(Jumping(0.5)))[25:]
        return float(np.mean([np.abs(b.data - a.data).mean() for a, b in pairwise(made)]))

    found = [flicker(Upscale(model=MODEL, temporal="off"))]
    for strength in ("gentle", "normal", "strong"):
        stage = Upscale(model=MODEL, temporal="steady", steady_strength=strength)
        found.append(flicker(stage))
    # x → y + α(x − y) damps what alternates by α / (2 − α).
    expected = [1.0, *(alpha / (2 - alpha) for alpha in (0.4, 0.25, 0.15))]
    assert found / np.float64(found[0]) == pytest.approx(expected, rel=0.1)


def test_reference_frames_are_as_far_apart_as_memory_allows() -> None:
    assert longest_distance(240, 320, 2) == DISTANCES[-1]
    sizes = [(240, 320), (720, 1280), (1080, 1920), (2160, 3840), (4320, 7680)]
    found = [longest_distance(*size, 2) for size in sizes]
    assert found == sorted(found, reverse=True)
    assert found[-1] == 2
    assert all(distance in DISTANCES for distance in found)


@pytest.mark.parametrize(
    ("flag", "options"),
    [
        ("--reuse-quality", {"temporal": "steady", "reuse_quality": 45.0}),
        ("--reuse-quality", {"temporal": "off", "reuse_quality": 42.0}),
        ("--steady-strength", {"temporal": "auto", "steady_strength": "strong"}),
        ("--steady-strength", {"strength": 0.0, "steady_strength": "normal"}),
    ],
)
def test_what_another_mode_would_ignore_is_refused(flag: str, options: dict[str, Any]) -> None:
    """Also where what was given is the default."""
    wanted = settings(None, {"upscale": {"model": MODEL, **options}})
    with pytest.raises(UsageError, match=f"{flag} does nothing with --temporal") as refused:
        resolve_stages(wanted, CLIP, CPU, Resources.of_machine(), LazyLook())
    left_open = options.get("temporal", "auto") == "auto"
    assert ("auto has chosen" in str(refused.value)) == left_open


@every_mode
def test_without_a_network_neighbours_are_no_use(temporal: str) -> None:
    plain = Upscale(model=MODEL, strength=0.0).resolve(CLIP, "cpu", LazyLook())
    assert plain.temporal == "off"
    if temporal != "off":
        with pytest.raises(UsageError, match="does nothing with --strength 0"):
            replace(plain, temporal=temporal).resolve(CLIP, "cpu", LazyLook())
