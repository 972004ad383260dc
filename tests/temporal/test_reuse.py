"""Reuse between anchors: what it costs, what it keeps, and that threads change nothing."""

from __future__ import annotations

import gc
import threading
import time
import weakref
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import cv2
import numpy as np
import pytest

from videnhance.core import Frame, Image
from videnhance.kernels.motion import Floats, interleaved, luma, planar
from videnhance.kernels.resize import resize
from videnhance.pipeline import Meter, Stop, Workers
from videnhance.temporal import fill
from videnhance.temporal.control import DISTANCES, LOOKAHEAD
from videnhance.temporal.fill import Made, Networks
from videnhance.temporal.part import Part
from videnhance.temporal.reuse import Reuse
from videnhance.temporal.scenes import Kind, Seen, scenes
from videnhance.temporal.tiles import recompute

Clip = Callable[..., list[Frame]]
View = Callable[..., Image]
Shot = Callable[[int], Image]

_SCALE = 2
_REACH = 5


def plainly(image: Image) -> Image:
    return resize(image, _SCALE * image.shape[1], _SCALE * image.shape[2])


def inventive(image: Image) -> Image:
    """A network that brings out faint detail: not linear, and of a reach that is known."""
    picture = interleaved(plainly(image))
    detail = picture - cv2.blur(picture, (5, 5), borderType=cv2.BORDER_REPLICATE)
    return planar(np.clip(picture + np.float32(0.06) * np.tanh(12 * detail), 0, 1))


class Counting:
    """A network that counts the input pixels it sees, and the whole frames."""

    def __init__(self, network: Callable[[Image], Image] = inventive) -> None:
        self._network = network
        self._lock = threading.Lock()
        self.pixels = 0
        self.areas: list[int] = []

    def __call__(self, image: Image) -> Image:
        with self._lock:
            self.pixels += image[0].size
            self.areas.append(image[0].size)
        return self._network(image)


def called(task: Callable[[], Any]) -> Any:
    return task()


def run(
    frames: Iterable[Frame],
    network: Callable[[Image], Image] = inventive,
    quality: float = 42.0,
    mapped: Callable[..., Iterator[Any]] = map,
    draft: Callable[[Image], Image] = plainly,
    longest: int = DISTANCES[-1],
    faithful: bool = False,
) -> Iterator[tuple[Seen, Made]]:
    reuse = Reuse(Networks(network, draft, _SCALE, _REACH, faithful), quality, longest)
    done = mapped(called, reuse.tasks(scenes(iter(frames))))
    return (made for made in done if made is not None)


def counted(frames: list[Frame], **options: Any) -> tuple[list[tuple[Seen, Made]], Counting]:
    network = Counting(options.pop("network", inventive))
    made = list(run(frames, network, **options))
    assert all(seen.frame is frame for (seen, _), frame in zip(made, frames, strict=True))
    assert sum(one.cost.pixels for _, one in made) == network.pixels
    return made, network


def errors(made: list[tuple[Seen, Made]], network: Callable[[Image], Image]) -> list[float]:
    """Mean square error of each frame against the network's own."""
    return [
        float(np.square(one.result.clip(0, 1) - interleaved(network(seen.frame.data))).mean())
        for seen, one in made
    ]


def noisy(image: Image, sigma: float, seed: int) -> Image:
    dice = np.random.default_rng(seed)
    return np.asarray(image + dice.normal(0, sigma, image.shape), np.float32).clip(0, 1)


def whole(network: Counting, size: int) -> int:
    """How often it saw a whole frame."""
    return sum(area == size for area in network.areas)


# What it costs.


def test_repeats_cost_nothing(view: View, clip: Clip) -> None:
    made, network = counted(clip(view() for _ in range(80)))
    assert network.areas == [72 * 96]
    first = made[0][1].result
    assert all(one.result is first or np.array_equal(one.result, first) for _, one in made)


@pytest.mark.parametrize("longest", [2, 4, 32])
def test_twelve_pictures_in_twenty_four_cost_half(view: View, clip: Clip, longest: int) -> None:
    _, doubled = counted(clip(view(4 * (t // 2)) for t in range(48)), longest=longest)
    _, single = counted(clip(view(4 * t) for t in range(24)), longest=longest)
    assert doubled.pixels == pytest.approx(single.pixels, rel=0.15)
    _, alone = counted(clip(view(t // 2, seed=t // 2) for t in range(24)), longest=longest)
    assert alone.areas == [72 * 96] * 12


def test_a_still_costs_a_frame_in_thirty_two(view: View, clip: Clip) -> None:
    """It is lit a little more and less, so that frames are no repeats; 16 comes before 32."""
    size = (64, 96)
    still = view(size=size)
    frames = clip(still + np.float32(0.012 * (t % 2)) for t in range(1 + 2 * 16 + 4 * 32))
    made, network = counted(frames)
    assert all(seen.kind is Kind.PLAIN for seen, _ in made[1:])
    assert whole(network, 64 * 96) == pytest.approx(1 + 2 + 4, abs=1)
    assert DISTANCES[-1] == 32
    # What else it sees are audits: a tile of three frames in ten.
    part = (32 + 2 * (_REACH + 2)) ** 2
    audits = network.pixels - whole(network, 64 * 96) * 64 * 96
    assert audits <= 0.35 * len(frames) * part
    assert sum(one.cost.audit is not None for _, one in made) >= 0.2 * len(frames)


@pytest.mark.parametrize("scene", ["one", "many"])
def test_what_cannot_be_foreseen_costs_hardly_more_than_every_frame(clip: Clip, scene: str) -> None:
    """Noise, on a ground that holds a scene together or by itself, and a network that loves it."""
    dice = np.random.default_rng(0)
    if scene == "many":
        images = [dice.random((3, 48, 64), np.float32) for _ in range(40)]
    else:
        ground = np.linspace(0.2, 0.8, 64, dtype=np.float32) * np.ones((3, 48, 1), np.float32)
        images = [noisy(ground, 0.04, t) for t in range(80)]

    def fond(image: Image) -> Image:
        return planar(interleaved(np.clip(3 * inventive(image) - 2 * plainly(image), 0, 1)))

    frames = clip(images)
    made, network = counted(frames, network=fond)
    assert [seen.kind for seen, _ in made[1:]].count(Kind.CUT) == (39 if scene == "many" else 0)
    assert 0.9 < network.pixels / (len(frames) * 48 * 64) <= 1.05


def test_a_draft_is_made_only_where_something_is_carried(view: View, clip: Clip) -> None:
    draft = Counting(plainly)
    counted(clip(view(seed=t) for t in range(10)), draft=draft)
    assert not draft.areas
    counted(clip(view() for t in range(10)), draft=draft)
    assert not draft.areas


# What it keeps.


def _pan(speed: float) -> Callable[[View], Shot]:
    return lambda view: lambda t: view(speed * t, 0.3 * speed * t)


def _turning(view: View) -> Shot:
    still = interleaved(view())

    def shot(t: int) -> Image:
        turn = cv2.getRotationMatrix2D((48, 36), 1.5 * t, 1)
        turned = cv2.warpAffine(still, turn, (96, 72), flags=cv2.INTER_CUBIC, borderMode=2)
        return planar(turned).clip(0, 1)

    return shot


def _water(view: View) -> Shot:
    still = interleaved(view())
    y, x = np.mgrid[:72, :96].astype(np.float32)

    def shot(t: int) -> Image:
        across = 3 * np.sin(x / 9 + t * np.float32(0.9)) + 2 * np.sin(y / 7 + t * np.float32(1.3))
        return planar(cv2.remap(still, x + across, y - across, 1, borderMode=2)).clip(0, 1)

    return shot


def _squares(view: View) -> Shot:
    """Squares that come and go anywhere."""
    ground, square = view(contrast=0.04), view(50, seed=3)[:, :10, :10]

    def shot(t: int) -> Image:
        image, dice = ground.copy(), np.random.default_rng(t)
        for _ in range(5):
            top, left = dice.integers(0, 60), dice.integers(0, 84)
            image[:, top : top + 10, left : left + 10] = square
        return image

    return shot


def _square(view: View) -> Shot:
    ground, square = view(contrast=0.04), view(50, seed=3)[:, :16, :16]

    def shot(t: int) -> Image:
        image = ground.copy()
        image[:, 28:44, 3 * t + 4 : 3 * t + 20] = square
        return image

    return shot


def _transparent(view: View) -> Shot:
    return lambda t: (0.5 * view(1.5 * t) + 0.5 * view(-1.5 * t, seed=1)).astype(np.float32)


def _fade(view: View) -> Shot:
    return lambda t: (view() * (1 - t / 24)).astype(np.float32)


def _grainy_pan(view: View) -> Shot:
    return lambda t: noisy(view(1.3 * t), 1.5 / 255, t)


@pytest.mark.parametrize("quality", [38.0, 42.0])
@pytest.mark.parametrize(
    "motion",
    [_pan(0.5), _pan(2.3), _pan(6), _turning, _water, _squares, _square, _transparent, _fade,
     _grainy_pan],
    ids=["slow pan", "pan", "fast pan", "turn", "water", "squares", "square", "transparent",
         "fade", "grain"],
)  # fmt: skip
def test_the_promised_quality_is_kept(
    view: View, clip: Clip, motion: Callable[[View], Shot], quality: float
) -> None:
    shot = motion(view)
    made, _ = counted(clip(shot(t) for t in range(24)), quality=quality)
    found = np.array(errors(made, inventive))
    assert np.mean(found) < 10 ** (-quality / 10)
    assert found.max() < 10 ** (-(quality - 2) / 10)


def test_more_quality_takes_more_work(view: View, clip: Clip) -> None:
    shot = _squares(view)
    frames = clip(shot(t) for t in range(24))
    work = [counted(frames, quality=quality)[1].pixels for quality in (30.0, 42.0, 46.0, 60.0)]
    assert work[0] < work[2] <= work[3] <= 1.05 * 24 * 72 * 96
    assert work[0] <= work[1] <= work[2]


def test_parts_computed_anew_are_the_networks_own(
    view: View, clip: Clip, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Before they are smoothed: exact, where what was carried was not."""
    found: list[tuple[float, float]] = []

    def checked(
        network: Any, image: Image, parts: list[Part], result: Floats, **options: Any
    ) -> int:
        wanted = interleaved(inventive(image))
        before = result.copy()
        pixels = recompute(network, image, parts, result, **options)
        for part in parts:
            away = [np.abs(part.of(one - wanted, _SCALE)).max() for one in (before, result)]
            found.append((float(away[0]), float(away[1])))
        return pixels

    monkeypatch.setattr(fill, "recompute", checked)
    ground, square = view(size=(96, 160), contrast=0.04), view(seed=3)[:, :24, :24]

    def shot(t: int) -> Image:
        image = ground.copy()
        image[:, 4:28, 5 * t + 2 : 5 * t + 26] = square[:, ::-1] if t % 2 else square
        return image

    counted(clip(shot(t) for t in range(24)), quality=56.0)
    assert len(found) >= 5
    assert all(after < 2e-6 for _, after in found)
    assert all(before > 1e-4 for before, _ in found)


def test_a_frame_computed_wholly_is_the_networks_own(view: View, clip: Clip) -> None:
    """Also where some of its tiles would have done without."""
    still = view(size=(144, 192))

    def shot(t: int) -> Image:
        image = still.copy()
        image[:, :, 48:] = view(seed=t, size=(144, 192))[:, :, 48:]
        return image

    frames = [
        Seen(frame, luma(frame.data), Kind.PLAIN if t else Kind.CUT, 0.0)
        for t, frame in enumerate(clip(map(shot, range(3))))
    ]
    reuse = Reuse(Networks(inventive, plainly, _SCALE, _REACH), 42.0)
    made = [one for task in reuse.tasks(iter(frames)) if (one := task()) is not None]
    assert made[1][1].cost.pixels == made[1][1].cost.size
    for seen, one in made:
        assert np.array_equal(one.result, interleaved(inventive(seen.frame.data)))


def test_a_fade_is_not_late(view: View, clip: Clip) -> None:
    """What is left is the error of what moves as well."""
    made, _ = counted(clip(view(1.3 * t) * np.float32(1 - t / 40) for t in range(30)))
    assert max(errors(made, inventive)) < 10**-4.7


@pytest.mark.parametrize("faithful", [False, True])
@pytest.mark.parametrize("size", [(1, 1), (3, 40), (17, 33), (72, 96)])
def test_every_size_is_made(view: View, clip: Clip, size: tuple[int, int], faithful: bool) -> None:
    frames = clip(view(1.3 * t, size=size) for t in range(20))
    made, network = counted(frames, faithful=faithful)
    assert network.pixels <= 1.05 * 20 * size[0] * size[1]
    assert all(one.result.shape == (2 * size[0], 2 * size[1], 3) for _, one in made)
    assert max(errors(made, inventive)) < 10**-4


def test_of_a_faithful_network_little_is_lost(view: View, clip: Clip) -> None:
    """A share of what it adds to plain enlargement, however much less than the promise that is."""
    size = (144, 192)
    frames = clip(view(0.15 * t, size=size) for t in range(30))
    made, network = counted(frames, faithful=True, quality=30.0)
    added = np.mean([np.square(inventive(f.data) - plainly(f.data)).mean() for f in frames])
    assert np.mean(errors(made, inventive)) < 0.06 * added
    assert network.pixels < 30 * size[0] * size[1]
    _, careless = counted(frames, quality=30.0)
    assert careless.pixels < network.pixels


def test_nothing_is_seen_across_a_cut(view: View, clip: Clip) -> None:
    frames = clip(view(2 * t, seed=t // 20) for t in range(40))
    both, fresh = list(run(frames)), list(run(frames[20:]))
    assert both[20][0].kind is Kind.CUT
    assert np.array_equal(both[20][1].result, interleaved(inventive(frames[20].data)))
    assert np.array_equal(both[20][1].result, fresh[0][1].result)
    assert np.array_equal(both[19][1].result, list(run(frames[:20]))[-1][1].result)


def test_a_flash_is_the_networks_own_and_carries_nothing(view: View, clip: Clip) -> None:
    images = [view(t) for t in range(20)]
    images[9] = view(seed=5)
    made, _ = counted(clip(images))
    assert made[9][0].kind is Kind.FLASH
    found = errors(made, inventive)
    assert found[9] == 0
    assert max(found) < 10**-4.15


def test_the_last_frame_of_a_stream_is_the_networks_own(view: View, clip: Clip) -> None:
    for count in range(1, 8):
        made, _ = counted(clip(view(2 * t) for t in range(count)))
        assert errors(made, inventive)[-1] == 0


def test_audits_tell_the_true_error(view: View, clip: Clip) -> None:
    """On a pan they find, in the mean, what the frames' errors are."""
    made, _ = counted(clip(view(2.3 * t, t) for t in range(60)))
    found = errors(made, inventive)
    audits = [one.cost.audit for _, one in made if one.cost.audit is not None]
    carried = [error for error in found if error > 0]
    assert len(audits) >= 10
    assert 1 / 4 < np.mean(audits) / np.mean(carried) < 4


# Order, threads, memory.


def _mixture(view: View, clip: Clip) -> list[Frame]:
    """Cuts, a flash, repeats, a pan and noise."""
    images = [view(2.7 * t, t) for t in range(14)]
    images += [view(t // 3, seed=1) for t in range(12)]
    images += [noisy(view(seed=2), 0.02, t) for t in range(14)]
    images[5] = view(seed=7)
    return clip(images)


def test_threads_change_no_bit(view: View, clip: Clip) -> None:
    frames = _mixture(view, clip)

    def uneven(image: Image) -> Image:
        time.sleep(float(np.random.default_rng().uniform(0, 0.004)))
        return inventive(image)

    alone = list(run(frames))
    for workers, ahead in ((2, None), (6, 16)):
        with Workers("w", Meter(), Stop()) as pool:

            def mapped(
                function: Any, tasks: Any, pool: Workers = pool, n: int = workers, a: Any = ahead
            ) -> Iterator[Any]:
                return pool.map(function, tasks, n, a)

            made = list(run(frames, uneven, mapped=mapped))
        assert [seen.frame.pts for seen, _ in made] == [frame.pts for frame in frames]
        for (seen, one), (other, expected) in zip(made, alone, strict=True):
            assert seen.kind is other.kind
            assert one.cost == expected.cost
            assert np.array_equal(one.result, expected.result)


@pytest.mark.parametrize("workers", [1, 4])
@pytest.mark.parametrize("fails_at", [1, 2, 4, 9])
def test_an_error_of_the_network_reaches_the_caller(
    view: View, clip: Clip, workers: int, fails_at: int
) -> None:
    calls = iter(range(1, 1000))

    def failing(image: Image) -> Image:
        if next(calls) >= fails_at:
            raise MemoryError("the network fails")
        return inventive(image)

    frames = _mixture(view, clip)
    before = threading.active_count()
    with (
        pytest.raises(MemoryError, match="the network fails"),
        Workers("w", Meter(), Stop()) as pool,
    ):
        list(run(frames, failing, mapped=lambda f, tasks: pool.map(f, tasks, workers, 16)))
    assert threading.active_count() == before


def test_an_early_end_leaves_no_thread(view: View, clip: Clip) -> None:
    before = threading.active_count()
    with Workers("w", Meter(), Stop()) as pool:
        made = run(_mixture(view, clip), mapped=lambda f, tasks: pool.map(f, tasks, 3, 16))
        next(made)
        next(made)
        del made
    assert threading.active_count() == before


@pytest.mark.parametrize("shown", ["pan", "repeats", "flashes"])
def test_few_frames_are_held(view: View, shown: str) -> None:
    """Read ahead are no more than is declared, and what has left is let go."""
    held: list[weakref.ref[Any]] = []
    results: list[weakref.ref[Floats]] = []
    read = 0

    def source() -> Iterator[Frame]:
        nonlocal read
        for t in range(100):
            read += 1
            if shown == "pan":
                image = view(0.5 * t, size=(24, 32))
            elif shown == "repeats":
                image = view(size=(24, 32))
            else:
                image = view(0.5 * t, size=(24, 32), seed=t % 4 == 3)
            held.append(weakref.ref(image))
            yield Frame(image, t)

    for number, (seen, one) in enumerate(run(source())):
        assert read <= number + 1 + LOOKAHEAD
        results.append(weakref.ref(one.result))
        del seen, one
        if number % 20 == 19:
            gc.collect()
            # Two anchors, what is shown, and what the loop has in hand.
            alive = {id(ref()) for ref in results if ref() is not None}
            assert len(alive) <= 5
            assert sum(ref() is not None for ref in held[: number + 1]) <= 6
    assert len(results) == 100
