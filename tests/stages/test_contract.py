"""What every stage owes to the engine, run over all of them."""

from __future__ import annotations

import inspect
import threading
from collections.abc import Callable, Iterable, Iterator
from dataclasses import fields, is_dataclass, replace
from fractions import Fraction
from functools import partial
from typing import Any, TypeAlias, TypeVar

import cv2
import numpy as np
import pytest

from videnhance.cli.flags import declared_options
from videnhance.core import ClipInfo, Frame, FrameKind, Image, Map, Network, Runtime, Stage
from videnhance.engine.chain import chain
from videnhance.engine.look import LazyLook
from videnhance.inference.runtime import JobRuntime
from videnhance.options import declared
from videnhance.pipeline import Meter, Stop, Workers
from videnhance.stages import STAGES, Denoise, Finish, Upscale

T = TypeVar("T")
R = TypeVar("R")
Make: TypeAlias = Callable[[], Stage]

CLIP = ClipInfo(width=24, height=16, time_base=Fraction(1, 90000), rate=Fraction(25))


class TinyNetwork:
    """Repeats pixels and brightens them a little; keeps nothing."""

    id = "tiny"
    receptive_field = 0
    psnr_oriented = False

    def __init__(self, scale: int = 2, workers: int = 1, fails_at: int | None = None) -> None:
        self.scale = scale
        self.workers = workers
        self.calls = 0
        self._fails_at = fails_at

    def __call__(self, *inputs: Image, restore: float = 1.0) -> Image:
        self.calls += 1
        if self._fails_at is not None and self.calls > self._fails_at:
            raise MemoryError("the model fails")
        large = np.kron(inputs[0], np.ones((1, self.scale, self.scale), np.float32))
        return np.clip(0.9 * large + 0.1, 0, 1).astype(np.float32)


def in_turn(function: Callable[[T], R], items: Iterable[T], *_: object) -> Iterator[R]:
    """With one worker nothing is read ahead."""
    return map(function, items)


class PlainRuntime(JobRuntime):
    """The engine's, with networks of one kind and one worker unless told otherwise."""

    def __init__(
        self,
        network: Callable[..., Network] = TinyNetwork,
        mapping: Map = in_turn,
    ) -> None:
        self.warnings: list[str] = []
        self.asked: set[str] = set()
        self.noted: list[tuple[str, int, float]] = []

        def load(model_id: str) -> Network:
            self.asked.add(model_id)
            return network(scale=1 if model_id == "clean" else 2)

        super().__init__(load=load, mapping=mapping, warn=self.warnings.append)

    def count(self, name: str, pts: int, amount: float = 1.0) -> None:
        self.noted.append((name, pts, amount))

    record = count


def pooled_runtime(workers: Workers, network: Callable[..., Network]) -> PlainRuntime:
    """As the engine's: several workers at once."""
    return PlainRuntime(network, mapping=workers.map)


def clip_of(count: int, seed: int = 0) -> list[Frame]:
    """A pan over a world of soft noise, grainy and at uneven times."""
    dice = np.random.default_rng(seed)
    pts = np.cumsum(dice.integers(1, 9000, count)) + 12345
    durations = dice.integers(0, 5000, count)
    world = cv2.GaussianBlur(dice.random((CLIP.height, CLIP.width + count, 3)), (0, 0), 1.5)
    world = np.moveaxis(2.5 * (world - 0.5) + 0.5, -1, 0).clip(0, 1).astype(np.float32)
    grain = dice.normal(0, 0.01, (count, 3, CLIP.height, CLIP.width)).astype(np.float32)
    return [
        Frame(
            np.ascontiguousarray(world[:, :, n : n + CLIP.width] + grain[n]),
            int(pts[n]),
            int(durations[n]),
        )
        for n in range(count)
    ]


def resolved(stage: Make) -> Stage:
    return stage().resolve(CLIP, "cpu", LazyLook())


def run(stage: Stage, frames: Iterable[Frame], rt: Runtime | None = None) -> list[Frame]:
    return list(chain(iter(frames), CLIP, [stage], rt or PlainRuntime()))


def same(a: list[Frame], b: list[Frame]) -> bool:
    return [f.pts for f in a] == [f.pts for f in b] and all(
        np.array_equal(x.data, y.data) for x, y in zip(a, b, strict=True)
    )


every_stage = pytest.mark.parametrize(
    "stage",
    [
        partial(Denoise, denoise="1"),
        partial(Finish, grain="1", grain_strength=4.0, sharpen=0.5, lift=0.5),
        *(partial(Upscale, temporal=mode) for mode in ("auto", "off", "steady", "reuse")),
    ],
    ids=["denoise", "finish", "upscale", "off", "steady", "reuse"],
)


@pytest.mark.parametrize("stage", STAGES, ids=lambda stage: stage.name)
def test_it_is_a_frozen_dataclass_of_declared_options(stage: type[Any]) -> None:
    assert is_dataclass(stage)
    assert stage.__dataclass_params__.frozen
    assert {option.name for option in declared(stage)} == {field.name for field in fields(stage)}
    assert stage.name.isidentifier()
    assert stage.flag_prefix == "" or stage.flag_prefix.endswith("-")
    step = resolved(stage)
    assert min(step.lookahead, step.preroll, step.postroll) >= 0


def test_names_and_flags_are_unique() -> None:
    assert len({stage.name for stage in STAGES}) == len(STAGES)
    flags = [option.flag for option in declared_options()]
    assert len(set(flags)) == len(flags)


@every_stage
def test_resolving_twice_changes_nothing(stage: Make) -> None:
    once = resolved(stage)
    assert once.resolve(CLIP, "cpu", LazyLook()) == once
    assert all(isinstance(model, str) for model in once.models(CLIP))


@every_stage
def test_it_loads_what_it_declares(stage: Make) -> None:
    step, rt = resolved(stage), PlainRuntime()
    run(step, clip_of(7), rt)
    assert rt.asked <= set(step.models(CLIP))


@every_stage
def test_it_notes_finite_figures_of_frames_it_was_given(stage: Make) -> None:
    source, rt = clip_of(7), PlainRuntime()
    run(resolved(stage), source, rt)
    times = {frame.pts for frame in source}
    assert all(pts in times and np.isfinite(value) for _, pts, value in rt.noted)


@every_stage
@pytest.mark.parametrize("count", [0, 1, 2, 7])
def test_frames_come_in_order_with_their_times_and_size(stage: Make, count: int) -> None:
    step = resolved(stage)
    source = clip_of(count)
    out = run(step, source)
    clip = step.output(CLIP)
    if clip.rate == CLIP.rate:
        assert [(f.pts, f.duration) for f in out] == [(f.pts, f.duration) for f in source]
    assert all((f.width, f.height) == (clip.width, clip.height) for f in out)
    assert all(f.data.dtype == np.float32 and np.isfinite(f.data).all() for f in out)
    assert clip.time_base == CLIP.time_base


@every_stage
def test_it_sees_no_further_ahead_than_it_declares(stage: Make) -> None:
    read = []

    def source() -> Iterator[Frame]:
        for frame in clip_of(12):
            read.append(frame.pts)
            yield frame

    step = resolved(stage)
    for number, _ in enumerate(step.run(source(), CLIP, PlainRuntime())):
        assert len(read) <= number + 1 + step.lookahead


@every_stage
def test_it_is_lazy(stage: Make) -> None:
    def source() -> Iterator[Frame]:
        raise AssertionError("read before the first frame was asked for")
        yield

    results = resolved(stage).run(source(), CLIP, PlainRuntime())
    with pytest.raises(AssertionError, match="read before"):
        next(results)


@every_stage
def test_it_changes_no_frame_in_place(stage: Make) -> None:
    source = clip_of(4)
    copies = [frame.data.copy() for frame in source]
    for frame in source:
        frame.data.flags.writeable = False
    run(resolved(stage), source)
    assert all(np.array_equal(a.data, b) for a, b in zip(source, copies, strict=True))


@every_stage
@pytest.mark.parametrize("workers", [1, 3])
def test_an_error_of_the_source_reaches_the_caller(stage: Make, workers: int) -> None:
    def source() -> Iterator[Frame]:
        yield from clip_of(5)
        raise OSError("source")

    with Workers("w", Meter(), Stop()) as pool:
        rt = pooled_runtime(pool, partial(TinyNetwork, workers=workers))
        with pytest.raises(OSError, match="source"):
            list(resolved(stage).run(source(), CLIP, rt))


@every_stage
@pytest.mark.parametrize("workers", [1, 3])
def test_an_error_of_the_model_reaches_the_caller(stage: Make, workers: int) -> None:
    step = resolved(stage)
    if not step.models(CLIP):
        pytest.skip("has no model")
    with Workers("w", Meter(), Stop()) as pool:
        rt = pooled_runtime(pool, partial(TinyNetwork, workers=workers, fails_at=3))
        with pytest.raises(MemoryError, match="the model fails"):
            list(step.run(iter(clip_of(9)), CLIP, rt))


@every_stage
def test_an_early_end_leaves_no_thread(stage: Make) -> None:
    before = threading.active_count()
    with Workers("w", Meter(), Stop()) as pool:
        rt = pooled_runtime(pool, partial(TinyNetwork, workers=3))
        results = resolved(stage).run(iter(clip_of(20)), CLIP, rt)
        next(results)
        close = getattr(results, "close", None)
        assert close is None or inspect.isgenerator(results)
        if close:
            close()
    assert threading.active_count() == before


@every_stage
def test_workers_change_no_bit(stage: Make) -> None:
    step, source = resolved(stage), clip_of(9)
    with Workers("w", Meter(), Stop()) as pool:
        pooled = run(step, source, pooled_runtime(pool, partial(TinyNetwork, workers=3)))
    assert same(pooled, run(step, source))


@every_stage
def test_nothing_is_carried_from_clip_to_clip(stage: Make) -> None:
    step, source, rt = resolved(stage), clip_of(6), PlainRuntime()
    first = run(step, source, rt)
    run(step, clip_of(6, seed=9), rt)
    assert same(first, run(step, source, rt))


@every_stage
def test_after_a_cut_it_starts_afresh(stage: Make) -> None:
    step = resolved(stage)
    before, after = clip_of(5), clip_of(5, seed=4)
    later = before[-1].pts + 1000
    after = [
        replace(f, pts=f.pts + later, kind=FrameKind.PLAIN if i else FrameKind.CUT)
        for i, f in enumerate(after)
    ]
    cut, fresh = run(step, [*before, *after]), run(step, after)
    assert same(cut[-len(fresh) :], fresh)


@every_stage
def test_a_segment_with_its_margins_is_what_an_uncut_run_has(stage: Make) -> None:
    step = resolved(stage)
    if step.output(CLIP).rate != CLIP.rate:
        pytest.skip("changes the rate")
    start, end = step.preroll + 2, step.preroll + 6
    source = clip_of(end + step.postroll + 3)
    whole = run(step, source)
    part = run(step, source[start - step.preroll : end + step.postroll])
    part = part[step.preroll : len(part) - step.postroll]
    assert [frame.pts for frame in part] == [frame.pts for frame in source[start:end]]
    for one, other in zip(part, whole[start:end], strict=True):
        assert np.abs(one.data - other.data).mean() < 1 / 255
