"""What every frame is to the one before, on pictures made to be just that."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any

import cv2
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from videnhance.core import Frame, FrameKind, Image
from videnhance.temporal.scenes import LONGEST_FLASH, faded, scan, seen

Clip = Callable[..., list[Frame]]
View = Callable[..., Image]


def kinds(frames: Iterable[Frame]) -> str:
    """One letter for each frame: cut, flash, repeat, plain."""
    return "".join(seen.kind.value[0] for seen in scan(iter(frames)))


def noisy(image: Image, sigma: float, seed: int) -> Image:
    dice = np.random.default_rng(seed)
    return np.asarray(image + dice.normal(0, sigma, image.shape), np.float32)


def mixed(one: Image, other: Image, share: float) -> Image:
    return np.asarray(one * (1 - share) + other * share, np.float32)


@pytest.mark.parametrize("noise", [0.0, 3 / 255])
def test_a_cut_begins_a_scene(view: View, clip: Clip, noise: float) -> None:
    shots = [view(t, seed=t // 5) for t in range(20)]
    frames = clip(noisy(image, noise, t) for t, image in enumerate(shots))
    assert kinds(frames) == "cpppp" * 4


def test_a_cut_to_what_looks_alike_on_average_is_one(view: View, clip: Clip) -> None:
    """The same world mirrored: equal histograms, no motion that explains it."""
    shots = [view(t) for t in range(4)] + [view(t)[:, :, ::-1].copy() for t in range(4)]
    assert kinds(clip(shots)) == "cpppcppp"


@pytest.mark.parametrize("start", [0, 3, 5])
def test_a_scene_that_the_source_names_is_one(view: View, clip: Clip, start: int) -> None:
    for still in (True, False):
        frames = clip([view(0 if still else t) for t in range(6)], starts=[start])
        found = kinds(frames)
        assert [n for n, kind in enumerate(found) if kind == "c"] == sorted({0, start})


@pytest.mark.parametrize("count", [1, LONGEST_FLASH])
@pytest.mark.parametrize("light", ["white", "black", "other", "overexposed"])
def test_a_flash_stands_alone_and_the_scene_goes_on(
    view: View, clip: Clip, count: int, light: str
) -> None:
    def lit(t: int) -> Image:
        if light == "other":
            return view(t, seed=7)
        if light == "overexposed":
            return np.clip(view(t) * 1.5 + 0.5, 0, 1)
        return np.full_like(view(t), light == "white")

    shots = [view(t, contrast=0.1) for t in range(12)]
    shots[5 : 5 + count] = [lit(t) for t in range(5, 5 + count)]
    assert kinds(clip(shots)) == "cpppp" + "f" * count + "p" * (7 - count)


def test_what_lasts_longer_than_a_flash_is_a_scene(view: View, clip: Clip) -> None:
    shots = [view(t, seed=3 * (5 <= t < 6 + LONGEST_FLASH)) for t in range(12)]
    assert kinds(clip(shots)) == "cppppcppcppp"


def test_a_flash_at_the_end_is_taken_for_a_scene(view: View, clip: Clip) -> None:
    """Nothing tells whether the one before would have gone on."""
    assert kinds(clip([view(0), view(1), view(2), view(3, seed=2)])) == "cppc"


def test_no_scene_is_seen_through_a_flash(view: View, clip: Clip) -> None:
    frames = clip([view(t, seed=2 * (t == 3)) for t in range(8)], starts=[4])
    assert kinds(frames) == "cppccppp"


@pytest.mark.parametrize("length", [5, 8, 25])
def test_a_dissolve_is_no_cut(view: View, clip: Clip, length: int) -> None:
    steps = np.clip(np.arange(-3, length + 4) / length, 0, 1)
    shots = [mixed(view(t), view(t, seed=1), share) for t, share in enumerate(steps)]
    assert kinds(clip(shots)) == "c" + "p" * (len(shots) - 1)


@pytest.mark.parametrize("length", [5, 10, 25])
@pytest.mark.parametrize("to", [0.0, 1.0])
def test_a_fade_is_no_cut(view: View, clip: Clip, length: int, to: float) -> None:
    there = np.arange(length) / length
    steps = np.concatenate((there, there[::-1]))
    shots = [mixed(view(t), np.full((3, 72, 96), to), s) for t, s in enumerate(steps)]
    assert kinds(clip(shots)) == "c" + "p" * (len(shots) - 1)


@pytest.mark.parametrize("speed", [1, 4, 9])
def test_a_pan_is_no_cut_even_when_it_jerks(view: View, clip: Clip, speed: int) -> None:
    """Up to a tenth of the picture's width from frame to frame."""
    assert kinds(clip(view(speed * t) for t in range(8))) == "cppppppp"
    jerked = [view(speed * max(0, t - 3), t / 2) for t in range(8)]
    assert kinds(clip(jerked)) == "cppppppp"


def test_exact_repeats_are_found(view: View, clip: Clip) -> None:
    assert kinds(clip(view(t // 3) for t in range(12))) == "crrprrprrprr"
    assert kinds(clip(view() for t in range(9))) == "crrrrrrrr"
    assert kinds(clip(noisy(view(), 0.05, 1) for t in range(5))) == "crrrr"


def test_rounding_to_other_code_values_is_a_repeat(view: View, clip: Clip) -> None:
    def rounded(t: int) -> Image:
        steps = np.random.default_rng(t).integers(0, 2, (72, 96))
        return np.asarray(view() + steps / 255, np.float32)

    assert kinds(clip(rounded(t) for t in range(10))) == "c" + "r" * 9


def test_repeats_that_a_codec_changed_are_found(ffmpeg: Any, view: View, clip: Clip) -> None:
    """12 pictures a second in 24, through x264 at a good quality."""
    raw, coded = ffmpeg.folder / "twelve.rgb", ffmpeg.folder / "twelve.mkv"
    shots = [noisy(view(t // 2, size=(96, 128)), 0.5 / 255, t) for t in range(32)]
    pictures = np.stack([np.moveaxis(shot, 0, -1) for shot in shots])
    (pictures.clip(0, 1) * 255 + 0.5).astype(np.uint8).tofile(raw)
    form = ("-f", "rawvideo", "-pix_fmt", "rgb24")
    ffmpeg.run(*form, "-s", "128x96", "-r", "24", "-i", raw, "-c:v", "libx264", "-crf", "18",
               "-pix_fmt", "yuv420p", coded)  # fmt: skip
    ffmpeg.run("-i", coded, *form, raw)
    decoded = np.fromfile(raw, np.uint8).reshape(pictures.shape) / np.float32(255)
    found = kinds(clip(np.ascontiguousarray(np.moveaxis(image, -1, 0)) for image in decoded))
    assert "r" not in found[2::2]
    assert found[1::2].count("r") >= 10


@pytest.mark.parametrize("sigma", [0.5 / 255, 1.5 / 255])
def test_quiet_noise_hides_no_repeats(view: View, clip: Clip, sigma: float) -> None:
    frames = clip(noisy(view(t // 2), sigma, t) for t in range(32))
    found = kinds(frames)
    assert "r" not in found[2::2]
    assert found[1::2].count("r") >= 11  # none is known before the noise is


def test_grain_goes_on_moving(view: View, clip: Clip) -> None:
    frames = clip(noisy(view(), 4 / 255, t) for t in range(20))
    assert kinds(frames) == "c" + "p" * 19


@pytest.mark.parametrize("sigma", [0.0, 1 / 255])
def test_something_small_that_moves_is_no_repeat(view: View, clip: Clip, sigma: float) -> None:
    """A square of three pixels, 24 code values brighter, on a still."""
    shots = [noisy(view(), sigma, t) for t in range(12)]
    for t, shot in enumerate(shots):
        shot[:, 40:43, 10 + 2 * t : 13 + 2 * t] += np.float32(24 / 255)
    assert kinds(clip(shots)) == "c" + "p" * 11


def test_colours_alone_are_seen(view: View, clip: Clip) -> None:
    """Red and blue change, luma does not."""
    shots = []
    for t in range(6):
        image = view(contrast=0.025)
        image[0] += np.float32(0.01 * t)
        image[2] -= np.float32(0.01 * t * 0.2126 / 0.0722)
        shots.append(image)
    assert kinds(clip(shots)) == "cppppp"


@pytest.mark.parametrize("sigma", [0.0, 1 / 255])
@pytest.mark.parametrize(("motion", "light"), [(0.02, 0.0), (0.1, 0.0), (0.0, 0.1), (0.0, 0.4)])
def test_what_changes_slowly_is_not_swallowed(
    view: View, clip: Clip, sigma: float, motion: float, light: float
) -> None:
    """However many repeats there are, none shows a picture that is far from its own."""
    true = [view(motion * t) + np.float32(light * t / 255) for t in range(60)]
    shown, furthest, repeats = true[0], 0.0, 0
    noise = (noisy(image, sigma, t) if sigma else image for t, image in enumerate(true))
    for now, image in zip(scan(iter(clip(noise))), true, strict=True):
        if now.kind is FrameKind.REPEAT:
            repeats += 1
        else:
            shown = image
        away = cv2.blur(np.moveaxis(image - shown, 0, -1), (5, 5))
        furthest = max(furthest, float(abs(away).max()))
    assert repeats < 59
    assert furthest < 2.5 / 255


def test_the_noise_of_a_scene_is_known_and_forgotten_after_it(view: View, clip: Clip) -> None:
    shots = [noisy(view(t, seed=t // 9), (2 + 3 * (t // 9)) / 255, t) for t in range(18)]
    found = list(scan(iter(clip(shots))))
    grey = np.sqrt(0.2126**2 + 0.7152**2 + 0.0722**2)  # of independent channels
    assert found[8].noise == pytest.approx(2 / 255 * grey, rel=0.2)
    assert found[9].kind is FrameKind.CUT
    assert found[9].noise == 0
    assert found[17].noise == pytest.approx(5 / 255 * grey, rel=0.2)


def test_luma_is_of_what_can_be_shown(clip: Clip) -> None:
    (now,) = seen(scan(iter(clip([np.full((3, 4, 6), 1.4, np.float32)]))))
    assert np.allclose(now.luma, 1)


@pytest.mark.parametrize("count", [0, 1, 2])
@pytest.mark.parametrize("size", [(1, 1), (2, 5), (40, 3), (72, 96)])
def test_short_streams_of_any_size_pass(clip: Clip, count: int, size: tuple[int, int]) -> None:
    dice = np.random.default_rng(0)
    frames = clip(dice.random((3, *size), np.float32) for _ in range(count))
    found = list(scan(iter(frames)))
    assert all(now.data is frame.data for now, frame in zip(found, frames, strict=True))
    assert [seen.kind for seen in found[:1]] == [FrameKind.CUT] * min(count, 1)


@settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    st.lists(st.tuples(st.integers(0, 2), st.integers(0, 3), st.booleans()), max_size=24),
    st.sampled_from([0.0, 2 / 255]),
)
def test_every_frame_comes_once_in_order_and_little_is_read_ahead(
    view: View, clip: Clip, shots: list[tuple[int, int, bool]], sigma: float
) -> None:
    images = [
        noisy(view(2 * x, seed=world, size=(20, 28)), sigma, t)
        for t, (world, x, _) in enumerate(shots)
    ]
    starts = [t for t, shot in enumerate(shots) if shot[2]]
    frames, read = clip(images, starts), 0

    def source() -> Iterator[Frame]:
        nonlocal read
        for frame in frames:
            read += 1
            yield frame

    found = []
    for now in scan(source()):
        found.append(now)
        assert read <= len(found) + LONGEST_FLASH
    assert len(found) == len(frames)
    assert all(now.data is frame.data for now, frame in zip(found, frames, strict=True))
    assert all(found[t].kind is FrameKind.CUT for t in {0, *starts} if found)


def test_a_fade_is_taken_out(view: View) -> None:
    plane = view()[1]
    after = np.asarray(0.7 * plane + 0.2, np.float32)
    assert np.allclose(faded(plane, after), after, atol=1e-5)
    assert faded(plane, plane + np.float32(0.1 / 255)) is plane
    # No more than twice or half the contrast: what is beyond is something else.
    assert faded(plane, 5 * plane).std() == pytest.approx(2 * plane.std(), rel=1e-3)
