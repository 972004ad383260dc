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
from reusing import Clip, View, inventive, noisy, run

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
def test_no_thread_waits_for_an_anchor_that_another_makes(
    view: View, clip: Clip, workers: int
) -> None:
    """Where each frame is one, the last of them is not awaited before all threads have others."""
    frames = clip(view(seed=t) for t in range(40))
    begun: list[int] = []
    order: list[tuple[str, int]] = []

    def seen_by(image: Image) -> Image:
        begun.append(len(begun))
        return inventive(image)

    def one_by_one(function: Any, tasks: Any) -> Iterator[Any]:
        for task in tasks:
            before = len(begun)
            done = function(task)
            order.append(("begins" if len(begun) > before else "hands out", before))
            yield done

    made = list(run(frames, seen_by, mapped=one_by_one, workers=workers))
    assert len(made) == 40
    handed = [count for kind, count in order if kind == "hands out"]
    assert all(count - t > workers for t, count in enumerate(handed[: 39 - workers]))


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
