"""Two stages, one behind the other: each gets the frames that it needs, and no others."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np
import pytest
from timing_stages import Doubled, FourOfFive

from tests.stages.test_contract import CLIP, PlainRuntime, clip_of, same
from videnhance.core import ClipInfo, Frame, FrameKind, Runtime, Stage
from videnhance.engine.chain import chain
from videnhance.engine.look import LazyLook
from videnhance.engine.windows import Borders, Window, whole_window, windows
from videnhance.stages import Denoise, Finish, Upscale


@dataclass(frozen=True)
class Neighbours(Stage):
    """The mean with three frames before and two behind, within a scene."""

    name: ClassVar[str] = "neighbours"
    flag_prefix: ClassVar[str] = "neighbours-"
    scans: ClassVar[bool] = True
    lookahead: ClassVar[int] = 2
    preroll: ClassVar[int] = 3
    postroll: ClassVar[int] = 2

    def run(self, frames: Iterator[Frame], clip: ClipInfo, rt: Runtime) -> Iterator[Frame]:
        seen = list(frames)
        for at, frame in enumerate(seen):
            first = last = at
            while first > max(0, at - 3) and not seen[first].scene_start:
                first -= 1
            while last + 1 < min(len(seen), at + 3) and not seen[last + 1].scene_start:
                last += 1
            data = np.mean([f.data for f in seen[first : last + 1]], axis=0, dtype=np.float32)
            yield replace(frame, data=data)


NEIGHBOURS = Neighbours()
PAIRS = [
    (NEIGHBOURS, NEIGHBOURS),
    (NEIGHBOURS, Upscale(temporal="reuse")),
    (NEIGHBOURS, Upscale(temporal="steady")),
    (Doubled(), NEIGHBOURS),
    (FourOfFive(), NEIGHBOURS),
    (NEIGHBOURS, FourOfFive()),
    (Doubled(), Upscale(temporal="reuse")),
    (Denoise(denoise="1"), Upscale(temporal="reuse")),
    (Denoise(denoise="1"), FourOfFive()),
    (Neighbours(), Finish(grain="1", grain_strength=4.0)),
]
every_pair = pytest.mark.parametrize(
    "pair", PAIRS, ids=lambda pair: " ".join(getattr(s, "temporal", s.name) for s in pair)
)


def _resolved(pair: tuple[Stage, ...]) -> list[Stage]:
    return [stage.resolve(CLIP, "cpu", LazyLook()) for stage in pair]


def _source(count: int, cut: int | None = None) -> list[Frame]:
    """Frames that know their numbers; another scene from `cut` on."""
    frames = clip_of(count)
    frames = [
        replace(frame, source=n, pts=8 * (frame.pts + 50 * n), duration=8 * 400)
        for n, frame in enumerate(frames)
    ]
    if cut is None:
        return frames
    other = clip_of(count, seed=5)
    return [
        replace(frame, data=other[n].data if n >= cut else frame.data)
        for n, frame in enumerate(frames)
    ]


def _whole(stages: list[Stage], source: list[Frame]) -> list[Frame]:
    return list(chain(iter(source), CLIP, stages, PlainRuntime()))


def _segment(stages: list[Stage], source: list[Frame], start: int, end: int) -> list[Frame]:
    """As the engine makes it."""
    borders, around = Borders(), whole_window(stages)

    own = source[max(0, start - around.preroll) : end + around.postroll]
    decoded = ((frame, start <= frame.source < end) for frame in own)
    return list(chain(borders.watched(decoded), CLIP, stages, PlainRuntime(), borders))


def _near(pair: list[Stage], one: Frame, other: Frame) -> bool:
    """Reuse begins a segment with a reference frame, and steady has forgotten what is long ago."""
    difference = float(np.abs(one.data - other.data).mean())
    # Two pictures that each come within 42 dB of the network's differ by up to 39 dB.
    return difference < 2 / 255 if isinstance(pair[-1], Upscale) else difference == 0


@every_pair
@pytest.mark.parametrize("start", [0, 20, 23])
def test_a_segment_is_what_an_uncut_run_has(pair: tuple[Stage, ...], start: int) -> None:
    stages, source = _resolved(pair), _source(60)
    end = start + 15
    whole = [f for f in _whole(stages, source) if start <= f.source < end]
    made = _segment(stages, source, start, end)
    assert [(f.pts, f.duration, f.source) for f in made] == [
        (f.pts, f.duration, f.source) for f in whole
    ]
    assert all(_near(stages, one, other) for one, other in zip(made, whole, strict=True))


@every_pair
def test_segments_make_the_same_bits_however_often(pair: tuple[Stage, ...]) -> None:
    stages, source = _resolved(pair), _source(50)
    once, again = (_segment(stages, source, 20, 32) for _ in range(2))
    assert same(once, again)


@every_pair
@pytest.mark.parametrize("cut", [24, 26, 30])
def test_nothing_reaches_across_a_cut(pair: tuple[Stage, ...], cut: int) -> None:
    """Whether it lies at a segment's border, or inside."""
    stages = _resolved(pair)
    one, other = _source(50, cut), _source(50, cut)
    other = [
        replace(f, data=1 - f.data) if f.source < cut - 3 and f.source != cut else f for f in other
    ]
    begin = 24
    made, changed = (_segment(stages, frames, begin, 40) for frames in (one, other))
    behind = [
        (a, b)
        for a, b in zip(made, changed, strict=True)
        if a.source > cut + (5 if any(isinstance(s, FourOfFive) for s in stages) else 0)
    ]
    assert behind
    assert all(np.array_equal(a.data, b.data) for a, b in behind)


def test_what_is_trimmed_behind_each_stage() -> None:
    stages = [NEIGHBOURS, Doubled(), NEIGHBOURS]
    # Of doubled frames half as many source frames are needed, rounded up.
    assert windows(stages) == (Window(5, 4), Window(2, 2), Window(2, 1), Window())
    assert whole_window(stages).preroll > 5


def test_a_second_stage_never_sees_what_the_first_had_not_settled() -> None:
    seen: list[int] = []

    @dataclass(frozen=True)
    class Watching(Stage):
        name: ClassVar[str] = "watching"
        flag_prefix: ClassVar[str] = "watching-"
        preroll: ClassVar[int] = 1

        def run(self, frames: Iterator[Frame], clip: ClipInfo, rt: Runtime) -> Iterator[Frame]:
            for frame in frames:
                seen.append(frame.source)
                yield frame

    made = _segment([NEIGHBOURS, Watching()], _source(50), 20, 30)
    assert seen == list(range(19, 30))
    assert [frame.source for frame in made] == list(range(20, 30))


def test_where_nothing_scans_nothing_is_looked_for() -> None:
    made = _whole([Doubled()], _source(3, cut=1))
    assert {frame.kind for frame in made} == {FrameKind.PLAIN}


def test_a_cut_survives_a_stage_that_drops_or_doubles_its_frame() -> None:
    for stage, marked in ((FourOfFive(), [0, 27]), (Doubled(), [0, 26])):
        made = _whole([stage, NEIGHBOURS], _source(40, cut=26))
        assert [frame.source for frame in made if frame.scene_start] == marked
