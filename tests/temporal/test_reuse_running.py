"""Enlarging few frames: order, threads, errors and memory."""

from __future__ import annotations

import gc
import threading
import time
import weakref
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from reusing import Clip, View, fond, grainy, inventive, noisy, run

from videnhance.core import Frame, Image
from videnhance.kernels.motion import Floats
from videnhance.pipeline import Meter, Stop, Workers
from videnhance.temporal.control import LOOKAHEAD


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

            made = list(run(frames, uneven, mapped=mapped, workers=workers))
        assert [seen.frame.pts for seen, _ in made] == [frame.pts for frame in frames]
        for (seen, one), (other, expected) in zip(made, alone, strict=True):
            assert seen.kind is other.kind
            assert one.cost == expected.cost
            assert np.array_equal(one.result, expected.result)


@pytest.mark.parametrize("workers", [2, 5])
@pytest.mark.parametrize("shown", ["cuts", "grain", "grain on twos"])
def test_frames_are_asked_for_when_all_threads_have_others(
    view: View, clip: Clip, workers: int, shown: str
) -> None:
    """Where nothing is reconstructed, a thread must not wait for a reference frame of another."""
    times = 2 if shown == "grain on twos" else 1
    images = [view(seed=t) for t in range(40)] if shown == "cuts" else grainy(44)
    begun, order = 0, []

    def one_by_one(function: Any, tasks: Any) -> Iterator[Any]:
        nonlocal begun
        for task in tasks:
            done = function(task)
            if done is None:
                begun += 1
            else:
                order.append(begun)
            yield done

    frames = clip(image for image in images for _ in range(times))
    list(run(frames, fond, mapped=one_by_one, workers=workers))
    # Groups of 8, 8, 2 and 2 come first in a scene, and the last frames may wait for nothing.
    single = range(24, len(images) - workers - 1)
    references = [t if shown == "cuts" else t - (7 + 7 + 1 + 1) for t in single]
    assert all(order[times * t] - at > workers for t, at in zip(single, references, strict=True))


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

    def mapped(function: Any, tasks: Any) -> Iterator[Any]:
        with Workers("w", Meter(), Stop()) as pool:
            yield from pool.map(function, tasks, workers, 16)

    with pytest.raises(MemoryError, match="the network fails"):
        list(run(frames, failing, mapped=mapped, workers=workers))
    assert threading.active_count() == before


def test_an_early_end_leaves_no_thread(view: View, clip: Clip) -> None:
    before = threading.active_count()
    with Workers("w", Meter(), Stop()) as pool:
        made = run(
            _mixture(view, clip), mapped=lambda f, tasks: pool.map(f, tasks, 3, 16), workers=3
        )
        next(made)
        next(made)
        del made
    assert threading.active_count() == before


@pytest.mark.parametrize("workers", [1, 40])
@pytest.mark.parametrize("shown", ["pan", "repeats", "flashes", "grain"])
def test_few_frames_are_held(view: View, shown: str, workers: int) -> None:
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
            elif shown == "grain":
                image = noisy(view(size=(24, 32)), 0.04, t)
            else:
                image = view(0.5 * t, size=(24, 32), seed=t % 4 == 3)
            held.append(weakref.ref(image))
            yield Frame(image, t)

    for number, (seen, one) in enumerate(run(source(), fond, workers=workers)):
        assert read <= number + 1 + LOOKAHEAD
        results.append(weakref.ref(one.result))
        del seen, one
        if number % 20 == 19:
            gc.collect()
            # Two references, what is shown, and what the loop has in hand.
            alive = {id(ref()) for ref in results if ref() is not None}
            assert len(alive) <= 5
            assert sum(ref() is not None for ref in held[: number + 1]) <= 6
    assert len(results) == 100
