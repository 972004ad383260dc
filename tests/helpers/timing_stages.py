"""Stages that change time, for tests: twice as many frames, and four of five."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np

from videnhance.core import ClipInfo, Frame, Runtime, Stage, Timing


@dataclass(frozen=True)
class _Timed(Stage):
    """What both have in common: the rate follows from the timing."""

    flag_prefix: ClassVar[str] = "timing-"

    def output(self, clip: ClipInfo) -> ClipInfo:
        return replace(clip, rate=clip.rate and clip.rate * self.timing.ratio)


@dataclass(frozen=True)
class Doubled(_Timed):
    """Between every frame and the next their mean, half way in time."""

    name: ClassVar[str] = "doubled"
    lookahead: ClassVar[int] = 1
    postroll: ClassVar[int] = 1
    timing: ClassVar[Timing] = Timing(out=2, of=1, ticks=2)

    def run(self, frames: Iterator[Frame], clip: ClipInfo, rt: Runtime) -> Iterator[Frame]:
        last: Frame | None = None
        for frame in frames:
            if last is not None:
                yield from self._both(last, frame.pts - last.pts, frame)
            last = frame
        if last is not None:
            yield from self._both(last, last.duration, last)

    def _both(self, frame: Frame, gap: int, after: Frame) -> Iterator[Frame]:
        half = gap // 2
        yield replace(frame, duration=half)
        mean = np.asarray(0.75 * frame.data + 0.25 * after.data, np.float32)
        yield replace(frame, data=mean, pts=frame.pts + half, duration=gap - half)


@dataclass(frozen=True)
class FourOfFive(_Timed):
    """Leaves out the second of every five source frames, and spreads the others evenly."""

    name: ClassVar[str] = "four_of_five"
    lookahead: ClassVar[int] = 5
    preroll: ClassVar[int] = 5
    postroll: ClassVar[int] = 5
    timing: ClassVar[Timing] = Timing(out=4, of=5, ticks=4)

    def run(self, frames: Iterator[Frame], clip: ClipInfo, rt: Runtime) -> Iterator[Frame]:
        cycle: list[Frame] = []
        for frame in frames:
            if cycle and frame.source // 5 != cycle[-1].source // 5:
                yield from self._four(cycle, frame.pts - cycle[0].pts)
                cycle = []
            cycle.append(frame)
        if cycle:
            yield from self._four(cycle, cycle[-1].pts + cycle[-1].duration - cycle[0].pts)

    def _four(self, cycle: list[Frame], length: int) -> Iterator[Frame]:
        kept = [frame for frame in cycle if frame.source % 5 != 1]
        for number, frame in enumerate(kept):
            yield replace(
                frame,
                pts=cycle[0].pts + number * length // len(kept),
                duration=length // len(kept),
            )
