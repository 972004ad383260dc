"""The upscale stage with a network that is known exactly."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from fractions import Fraction
from typing import TypeVar

import numpy as np
import pytest
from shown import cartoon, photograph

from videnhance.core import ClipInfo, Frame, Image, UsageError
from videnhance.engine.look import LazyLook
from videnhance.inference import cards
from videnhance.inference.runtime import JobRuntime
from videnhance.kernels.resize import enlarge_linear, resize
from videnhance.stages.upscale import Upscale

T = TypeVar("T")
R = TypeVar("R")

CLIP = ClipInfo(width=30, height=20, time_base=Fraction(1, 1000), rate=Fraction(25))


class Repeater:
    """Repeats pixels `scale` times and inverts them, so that its trace shows."""

    workers = 1
    receptive_field = 0
    psnr_oriented = False

    def __init__(self, model_id: str, scale: int) -> None:
        self.id = model_id
        self.scale = scale
        self.inputs: list[Image] = []
        self.restored: list[float] = []

    def __call__(self, *inputs: Image, restore: float = 1.0) -> Image:
        self.inputs += inputs
        self.restored.append(restore)
        tall = inputs[0].repeat(self.scale, axis=1).repeat(self.scale, axis=2)
        return np.float32(1) - tall


class Loader(JobRuntime):
    """A runtime that gives a Repeater of a card's scale, and remembers it."""

    def __init__(self, scale_of_files: int = 4, kind: type[Repeater] = Repeater) -> None:
        self.loaded: list[Repeater] = []
        self._kind = kind
        self._scale_of_files = scale_of_files
        super().__init__(
            load=self._repeater,
            mapping=lambda function, items, *_: map(function, items),
            warn=pytest.fail,
        )

    def _repeater(self, model_id: str) -> Repeater:
        is_file = "." in model_id or "/" in model_id
        scale = self._scale_of_files if is_file else cards.resolve(model_id).scale
        self.loaded.append(self._kind(model_id, scale))
        return self.loaded[-1]


def _frame(low: float = 0.0, high: float = 1.0, seed: int = 0) -> Frame:
    dice = np.random.default_rng(seed)
    data = dice.uniform(low, high, (3, CLIP.height, CLIP.width)).astype(np.float32)
    return Frame(data, 5, 2)


def _enlarged(stage: Upscale, frame: Frame, rt: Loader | None = None) -> Image:
    stage = stage.resolve(CLIP, "cpu", LazyLook())
    (out,) = stage.run(iter([frame]), CLIP, rt or Loader())
    clip = stage.output(CLIP)
    assert out.data.shape == (3, clip.height, clip.width)
    assert out.data.dtype == np.float32
    return out.data


@pytest.mark.parametrize("scale", [1.0, 2.0, 2.5, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0, 1.1])
@pytest.mark.parametrize("strength", [0.0, 0.5, 1.0])
def test_every_scale_gives_its_size(scale: float, strength: float) -> None:
    stage = Upscale(scale=scale, strength=strength)
    clip = stage.resolve(CLIP, "cpu", LazyLook()).output(CLIP)
    assert clip.width == pytest.approx(CLIP.width * scale, abs=1)
    assert clip.height == pytest.approx(CLIP.height * scale, abs=1)
    if scale == int(scale):
        assert (clip.width, clip.height) == (CLIP.width * scale, CLIP.height * scale)
    else:
        assert clip.width % 2 == clip.height % 2 == 0
    _enlarged(stage, _frame())


@pytest.mark.parametrize("model", sorted(cards.all_cards()))
@pytest.mark.parametrize("scale", [1.0, 2.0, 3.5, 8.0])
def test_every_card_gives_every_scale(model: str, scale: float) -> None:
    rt = Loader()
    stage = Upscale(model=model, scale=scale)
    out = _enlarged(stage, _frame(), rt)
    assert out.shape[1] == pytest.approx(CLIP.height * scale, abs=1)
    wanted = stage.resolve(CLIP, "cpu", LazyLook()).models(CLIP)
    assert [network.id for network in rt.loaded] == list(dict.fromkeys(wanted))
    reached = np.prod([rt.network(model_id).scale for model_id in wanted])
    assert reached >= scale or all(rt.network(m).scale == 1 for m in wanted)


@pytest.mark.parametrize("scale", [2.0, 6.0, 8.0])
def test_a_weight_file_runs_as_often_as_the_scale_needs(scale: float) -> None:
    rt = Loader(scale_of_files=2)
    _enlarged(Upscale(model="weights.pth", scale=scale), _frame(), rt)
    assert len(rt.loaded) == 1
    assert len(rt.loaded[0].inputs) == np.ceil(np.log2(scale))


def test_no_detail_is_the_plain_enlargement_without_a_network() -> None:
    rt, frame = Loader(), _frame(-0.2, 1.3)
    out = _enlarged(Upscale(scale=2.0, strength=0.0), frame, rt)
    assert np.array_equal(out, resize(frame.data, 40, 60))
    assert not rt.loaded


def test_strength_one_at_the_networks_scale_is_the_networks_output() -> None:
    frame = _frame()
    expected = Repeater("", 2)(frame.data)
    assert np.array_equal(_enlarged(Upscale(scale=2.0), frame), expected)


@pytest.mark.parametrize("strength", [0.25, 0.5, 0.75])
def test_strength_is_the_share_of_the_detail(strength: float) -> None:
    frame = _frame()
    plain = resize(frame.data, 40, 60)
    detailed = Repeater("", 2)(frame.data)
    out = _enlarged(Upscale(scale=2.0, strength=strength), frame)
    np.testing.assert_allclose(out, plain + strength * (detailed - plain), atol=1e-6)


@pytest.mark.parametrize("strength", [0.5, 1.0])
def test_values_beyond_white_and_below_black_survive(strength: float) -> None:
    frame = _frame(-0.3, 1.4)
    inside = np.clip(frame.data, 0, 1)
    rt = Loader()
    out = _enlarged(Upscale(scale=2.0, strength=strength), frame, rt)
    alone = _enlarged(Upscale(scale=2.0, strength=strength), replace(frame, data=inside))
    np.testing.assert_allclose(out - alone, enlarge_linear(frame.data - inside, 40, 60), atol=1e-6)
    assert all(image.min() >= 0 and image.max() <= 1 for image in rt.loaded[0].inputs)


def test_every_network_sees_only_values_in_range() -> None:
    """Between two passes the picture is resized, which overshoots at edges."""
    rt = Loader()
    edge = np.zeros((3, CLIP.height, CLIP.width), np.float32)
    edge[:, :, CLIP.width // 2 :] = 1
    _enlarged(Upscale(model="realesr-animevideov3", scale=7.0), Frame(edge, 0), rt)
    assert len(rt.loaded) > 1
    for network in rt.loaded:
        assert all(image.min() >= 0 and image.max() <= 1 for image in network.inputs)


def _look(picture: Callable[[], Image]) -> LazyLook:
    return LazyLook(lambda: [picture()] * 3)


def _unseen() -> Image:
    raise AssertionError("nobody was to look")


@pytest.mark.parametrize("device", ["cpu", "cuda"])
@pytest.mark.parametrize(
    ("picture", "model", "reason"),
    [
        (cartoon, "realesr-animevideov3", "realesr-animevideov3 (drawn: "),
        (photograph, "live", "live (live action: "),
    ],
)
def test_the_model_follows_the_picture(
    device: str, picture: Callable[[], Image], model: str, reason: str
) -> None:
    look = _look(picture)
    resolved = Upscale().resolve(CLIP, device, look)
    assert resolved.model == model
    assert look.reasons["model"].startswith(reason)
    again = _look(_unseen)
    assert resolved.resolve(CLIP, device, again) == resolved
    assert not again.reasons


def test_what_cannot_be_seen_counts_as_live_action() -> None:
    assert Upscale().resolve(CLIP, "cpu", LazyLook()).model == "live"


def test_all_is_restored_unless_said_otherwise() -> None:
    for given, used in ((None, 1.0), (0.3, 0.3), (0.0, 0.0)):
        stage = Upscale(model="live", restore=given).resolve(CLIP, "cuda", _look(_unseen))
        assert stage.restore == used


def test_a_restoration_that_is_given_asks_for_the_network_that_has_it() -> None:
    look = _look(_unseen)
    assert Upscale(restore=0.3, temporal="off").resolve(CLIP, "cpu", look).model == "live"
    assert look.reasons == {"model": "live (--restore works with it)"}
    with pytest.raises(UsageError, match="on a CPU or CUDA"):
        Upscale(restore=0.3).resolve(CLIP, "vulkan", _look(_unseen))


@pytest.mark.parametrize("model", ["realesr-animevideov3", "mine.pth"])
def test_a_network_without_a_dial_has_no_restoration(model: str) -> None:
    assert Upscale(model=model).resolve(CLIP, "cpu", _look(_unseen)).restore is None
    with pytest.raises(UsageError, match=r"--restore does nothing with .* --model live"):
        Upscale(model=model, restore=0.5).resolve(CLIP, "cpu", _look(_unseen))


def test_restoring_needs_a_network() -> None:
    with pytest.raises(UsageError, match="--restore does nothing with --strength 0"):
        Upscale(strength=0.0, restore=0.5).resolve(CLIP, "cpu", _look(_unseen))


def test_only_the_first_pass_restores() -> None:
    rt = Loader()
    _enlarged(Upscale(model="live", scale=8, restore=0.25, temporal="off"), _frame(), rt)
    used = [restored for network in rt.loaded for restored in network.restored]
    assert len(used) > 1
    assert used == [0.25, *[0.0] * (len(used) - 1)]


def test_what_is_neither_enlarged_nor_restored_passes_untouched() -> None:
    with pytest.raises(UsageError, match="--restore 0 at the source's size"):
        Upscale(model="live", scale=1, restore=0.0, temporal="steady").resolve(
            CLIP, "cpu", LazyLook()
        )
    stage = Upscale(model="live", scale=1, restore=0.0)
    assert stage.resolve(CLIP, "cpu", LazyLook()).models(CLIP) == ()
    assert not stage.resolve(CLIP, "cpu", LazyLook()).on(CLIP)
    frame = _frame(-0.1, 1.1)
    assert (_enlarged(stage, frame) == frame.data).all()


def test_at_its_own_size_a_picture_can_be_restored() -> None:
    rt = Loader()
    _enlarged(Upscale(model="live", scale=1, restore=0.5, temporal="off"), _frame(), rt)
    assert [network.restored for network in rt.loaded] == [[0.5]]


def test_on_vulkan_nobody_looks_and_the_reason_is_said() -> None:
    look = _look(_unseen)
    assert Upscale().resolve(CLIP, "vulkan", look).model == "realesr-animevideov3"
    assert look.reasons == {"model": "realesr-animevideov3 (live cannot run on vulkan)"}


@pytest.mark.parametrize("stage", [Upscale(model="a.pth"), Upscale(strength=0.0)])
def test_nobody_looks_where_nothing_depends_on_it(stage: Upscale) -> None:
    look = _look(_unseen)
    resolved = stage.resolve(CLIP, "cuda", look)
    assert resolved.model in ("a.pth", "realesr-animevideov3")
    assert not look.reasons


def test_two_times_is_usual() -> None:
    clip = Upscale().resolve(CLIP, "cpu", LazyLook()).output(CLIP)
    assert (clip.width, clip.height) == (60, 40)


@pytest.mark.parametrize("height", [20, 21, 48, 160])
def test_a_height_is_met_and_keeps_the_shape(height: int) -> None:
    stage = Upscale(height=height)
    clip = stage.resolve(CLIP, "cpu", LazyLook()).output(CLIP)
    assert clip.height == height
    assert clip.width % 2 == 0
    assert clip.width == pytest.approx(30 * height / 20, abs=1)
    _enlarged(stage, _frame())


@pytest.mark.parametrize("height", [10, 19, 161, 1080])
def test_a_height_out_of_reach_is_refused(height: int) -> None:
    with pytest.raises(UsageError, match=f"--height {height} .* between 1 and 8 times"):
        Upscale(height=height).resolve(CLIP, "cpu", LazyLook())


def test_scale_and_height_exclude_each_other() -> None:
    with pytest.raises(UsageError, match="not both"):
        Upscale(scale=2.0, height=40).resolve(CLIP, "cpu", LazyLook())


def test_an_unknown_model_is_named_with_the_nearest() -> None:
    with pytest.raises(UsageError, match="realesrgan-x4plus"):
        Upscale(model="realesrgan-x4pluss").resolve(CLIP, "cpu", LazyLook())


class Tinter(Repeater):
    """Adds a tint to what it repeats."""

    def __call__(self, *inputs: Image, restore: float = 1.0) -> Image:
        tint = np.array([0.01, 0, -0.02], np.float32).reshape(3, 1, 1)
        return super().__call__(*inputs) + tint


@pytest.mark.parametrize("coloured", [False, True])
def test_only_frames_without_colour_lose_the_networks_tint(coloured: bool) -> None:
    image = np.linspace(0.1, 0.9, 600, dtype=np.float32).reshape(1, 20, 30).repeat(3, axis=0)
    if coloured:
        image[2, 3, 4] += 0.01
    loader = Loader(kind=Tinter)
    stage = Upscale(model="realesr-animevideov3-x2").resolve(CLIP, "cpu", LazyLook())
    (made,) = stage.run(iter([Frame(image, 0)]), CLIP, loader)
    spread = made.data.max(axis=0) - made.data.min(axis=0)
    assert spread.max() == (pytest.approx(0.04, abs=0.001) if coloured else 0)


@pytest.mark.parametrize(("sigma", "temporal"), [(0.0, "reuse"), (0.5, "reuse"), (3.0, "steady")])
def test_noisy_live_action_is_filtered(sigma: float, temporal: str) -> None:
    dice = np.random.default_rng(0)
    ramp = np.linspace(0.2, 0.8, 160, dtype=np.float32) * np.ones((3, 96, 1), np.float32)
    frame = (ramp + dice.normal(0, sigma / 255, ramp.shape)).astype(np.float32)
    look = LazyLook(lambda: [frame] * 3)
    assert Upscale(model="live").resolve(CLIP, "cpu", look).temporal == temporal
    assert ("temporal" in look.reasons) == (temporal == "steady")
    # Only where it was left open, and for networks that restore.
    assert Upscale(model="live", temporal="reuse").resolve(CLIP, "cpu", look).temporal == "reuse"
    drawn = Upscale(model="realesr-animevideov3").resolve(CLIP, "cpu", LazyLook(lambda: [frame]))
    assert drawn.temporal == "reuse"
