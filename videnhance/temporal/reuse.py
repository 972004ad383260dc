"""Enlarge few frames with the network, and carry what it adds to those in between."""

from __future__ import annotations

import math
import threading
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
from typing import Generic, TypeVar

import numpy as np

from videnhance.core import Image
from videnhance.kernels.motion import (
    Floats,
    Mask,
    interleaved,
)
from videnhance.kernels.resize import resize
from videnhance.temporal.carry import Anchor, Blend, mean_square
from videnhance.temporal.flow import Picture
from videnhance.temporal.scenes import LONGEST_FLASH, Kind, Seen
from videnhance.temporal.tiles import parts_of, recompute, tile_means, tile_side

T = TypeVar("T")

DISTANCES = (1, 2, 4, 8, 16)
"""Frames from one anchor to the next."""
LOOKAHEAD = 2 * DISTANCES[-1] + LONGEST_FLASH
"""Frames: the rest of a group, the next one, whose anchor is begun early, and a suspected flash."""
_HELD = 1_500_000_000
"""Bytes that frames on their way may take."""
_FIRST = 2  # index of the distance that a scene begins with
_FEW = 0.12
_MANY = 0.45
_PATIENCE = 12
"""Anchors in a row without anything between them, before it is tried again."""
_MARGIN = 0.6
"""Of the error that is allowed, this much is spent: predictions err."""
_LOST = 0.03
"""Share of what a faithful network adds to plain enlargement (its mean square) that may be lost
where nothing moves: some 5 % of its gain in dB where that is 4 dB."""
_LOST_MOVING = 0.06
"""The same where everything moves, and nobody sees as much."""
_WORST_TILE = 16.0
"""How many times the mean error allowed one tile's may be."""
_PESSIMISM = 1.5
"""What predictions are multiplied with before the first audit."""
_TRUST = 8
"""Audits in mind when predictions are corrected."""


@dataclass(frozen=True)
class Networks:
    """The network and its cheap stand-in, both from (3, H, W) to (3, scale·H, scale·W), 0..1."""

    full: Callable[[Image], Image]
    draft: Callable[[Image], Image]
    scale: int
    reach: int
    """Input pixels around a part that the network must see for it to come out as in the whole."""
    faithful: bool = False
    """Whether the network restores rather than invents: then what it adds must not be lost."""


class _Once(Generic[T]):
    """A value that whoever needs it first computes, on whatever thread."""

    def __init__(self, compute: Callable[[], T]) -> None:
        self._compute: Callable[[], T] | None = compute
        self._lock = threading.Lock()
        self._value: T

    def __call__(self) -> T:
        with self._lock:
            if self._compute is not None:
                self._value = self._compute()
                self._compute = None
            return self._value


@dataclass(frozen=True)
class Made:
    """A finished frame, and what it took."""

    result: Floats
    pixels: int
    """Input pixels that the network saw."""
    audit: float | None = None
    """Mean square error of a tile that was carried, against the network's own."""
    predicted: float = 0.0
    """What it was thought to be."""


@dataclass
class _Group:
    """Frames after an anchor, up to and with the next one."""

    frames: list[Seen]
    before: _Once[Anchor] | None
    after: _Once[Anchor] | None
    distance: int
    made: list[_Once[Made]] = field(default_factory=list)


class Reuse:
    """Works through one stream; see `run`."""

    def __init__(self, networks: Networks, quality: float, longest: int = DISTANCES[-1]) -> None:
        """`quality` is the PSNR in dB that carried frames are to have against the network's own,
        `longest` the largest distance between anchors.
        """
        self.networks = networks
        self._longest = longest
        self.allowed = 10 ** (-quality / 10)

    def tasks(self, items: Iterator[Seen]) -> Iterator[Callable[[], tuple[Seen, Made] | None]]:
        """Everything to be done, to be called in any order on any thread.

        Each gives a finished frame, frames in their order, or nothing: an anchor is begun one
        group before it is needed, so that it does not hold up those between.
        """
        last: _Group | None = None
        for group in self._groups(items):
            if group.after is not None:
                yield partial(_begin, group.after)
            if last is not None:
                yield from self._emitted(last)
            last = group
        if last is not None:
            yield from self._emitted(last)

    def _emitted(self, group: _Group) -> Iterator[Callable[[], tuple[Seen, Made] | None]]:
        for seen, made in zip(group.frames, group.made, strict=True):
            yield partial(_finished, seen, made)

    def _groups(self, items: Iterator[Seen]) -> Iterator[_Group]:
        """Cut the stream into groups; the last frame of a scene is an anchor, as is its first."""
        control = _Control(self._longest)
        anchor: _Once[Anchor] | None = None
        shown: _Once[Made] | None = None
        pending: list[Seen] = []
        distance = control.distance()

        def close() -> _Group:
            nonlocal anchor, shown
            group = self._group(pending.copy(), anchor, shown, distance, control)
            pending.clear()
            if group.after is not None:
                anchor = group.after
            shown = next(
                (
                    made
                    for seen, made in zip(reversed(group.frames), reversed(group.made), strict=True)
                    if seen.kind is not Kind.FLASH
                ),
                shown,
            )
            control.done(group)
            return group

        plain = 0
        for seen in items:
            if seen.kind is Kind.CUT:
                if pending:
                    yield close()
                anchor = shown = None
                control.begin_scene()
                pending.append(seen)
                distance = 1
                yield close()
                distance, plain = control.distance(), 0
                continue
            pending.append(seen)
            plain += seen.kind is Kind.PLAIN
            if plain == distance:
                yield close()
                distance, plain = control.distance(), 0
        if pending:
            yield close()

    def _group(
        self,
        frames: list[Seen],
        before: _Once[Anchor] | None,
        shown: _Once[Made] | None,
        distance: int,
        control: _Control,
    ) -> _Group:
        places = [index for index, seen in enumerate(frames) if seen.kind in (Kind.PLAIN, Kind.CUT)]
        after = _Once(partial(self._anchor, frames[places[-1]])) if places else None
        group = _Group(frames, before, after, distance)
        correction = control.correction()
        number = 0
        for index, seen in enumerate(frames):
            if seen.kind is Kind.REPEAT and shown is not None:
                group.made.append(_Once(partial(_repeated, shown)))
                continue
            if seen.kind is Kind.FLASH or before is None or after is None or index == places[-1]:
                source = after if places and index == places[-1] else None
                made = _Once(partial(self._whole, seen, source))
            else:
                number += 1
                made = _Once(
                    partial(self._carried, seen, before, after, number / len(places), correction)
                )
            group.made.append(made)
            if seen.kind is not Kind.FLASH:
                shown = made
        return group

    def _anchor(self, seen: Seen) -> Anchor:
        image = seen.frame.data.clip(0, 1)
        result = interleaved(self.networks.full(image))
        detail = result - interleaved(self.networks.draft(image))
        scale, side = self.networks.scale, tile_side(*seen.luma.shape)
        energy = tile_means(mean_square(detail), scale, side)
        added = math.inf
        if self.networks.faithful:
            plain = interleaved(resize(image, *result.shape[:2]))
            added = float(mean_square(result - plain).mean())
        return Anchor(Picture(seen.luma), result, detail, energy, added)

    def _whole(self, seen: Seen, anchor: _Once[Anchor] | None) -> Made:
        if anchor is not None:
            return Made(anchor().result, seen.luma.size)
        return Made(interleaved(self.networks.full(seen.frame.data.clip(0, 1))), seen.luma.size)

    def _carried(
        self,
        seen: Seen,
        before: _Once[Anchor],
        after: _Once[Anchor],
        place: float,
        correction: float,
    ) -> Made:
        """A frame between two anchors, at `place` of the way from one to the other."""
        networks = self.networks
        image = seen.frame.data.clip(0, 1)
        _, height, width = image.shape
        scale, side = networks.scale, tile_side(height, width)
        carried = Blend(seen, before(), after(), place, scale)
        result = interleaved(networks.draft(image)) + carried.detail
        predicted = correction * carried.error(side)
        lost = _LOST + (_LOST_MOVING - _LOST) * carried.moving
        allowed = min(self.allowed, lost * min(before().added, after().added))
        chosen = _worst(predicted, _MARGIN * allowed)
        audited = _audited(seen.frame.pts, place, chosen)
        kept = result.copy() if audited is not None else result
        wanted = chosen.copy()
        if audited is not None:
            wanted[audited] = True
        parts = parts_of(wanted, side, networks.reach, height, width)
        pixels = recompute(networks.full, image, parts, result, reach=networks.reach, scale=scale)
        if audited is None:
            return Made(result, pixels)
        y, x = (slice(scale * side * at, scale * side * (at + 1)) for at in audited)
        error = float(mean_square(result[y, x] - kept[y, x].clip(0, 1)).mean())
        return Made(result, pixels, error, float(predicted[audited]))


def longest_distance(height: int, width: int, scale: int) -> int:
    """The largest distance of anchors at which the frames on their way take bearable memory.

    Depends on the sizes alone, so that every machine makes the same. Input frames of two groups
    are held with their luma, and the results of one.
    """
    before, after = 17 * height * width, 12 * height * width * scale * scale
    fitting = [n for n in DISTANCES if 2 * n * before + (n + 4) * after <= _HELD]
    return max(DISTANCES[1], *fitting)


class _Control:
    """Sets the distance of the anchors, and corrects predictions by what audits found.

    It looks at the group before the last one only: that is what is surely finished, on any
    number of threads, when the next group is planned.
    """

    def __init__(self, longest: int) -> None:
        self._last = max(DISTANCES.index(longest), 1)
        self._first = self._index = min(_FIRST, self._last)
        self._groups: deque[_Group] = deque()
        self._idle = 0
        self._audits: deque[tuple[float, float]] = deque(maxlen=_TRUST)

    def begin_scene(self) -> None:
        """What was learned of the last scene's motion does not hold for the next."""
        self._index, self._idle = self._first, 0
        self._groups.clear()

    def done(self, group: _Group) -> None:
        """A group was planned."""
        self._groups.append(group)

    def distance(self) -> int:
        """Frames to the next anchor."""
        while len(self._groups) > 1:
            self._learn(self._groups.popleft())
        return DISTANCES[self._index]

    def correction(self) -> float:
        """What predicted errors must be multiplied with."""
        if not self._audits:
            return _PESSIMISM
        found = sum(error for error, _ in self._audits)
        thought = sum(predicted for _, predicted in self._audits)
        return float(np.clip(found / max(thought, 1e-9), 0.25, 16))

    def _learn(self, group: _Group) -> None:
        if group.distance == 1:
            self._idle += 1
            if self._index == 0 and self._idle >= _PATIENCE:
                self._index, self._idle = 1, 0
            return
        if group.distance != DISTANCES[self._index]:
            return
        carried = [
            (made(), seen.luma.size)
            for seen, made in zip(group.frames[:-1], group.made[:-1], strict=True)
            if seen.kind is Kind.PLAIN
        ]
        if not carried:
            return
        self._audits.extend(
            (made.audit, made.predicted) for made, _ in carried if made.audit is not None
        )
        share = sum(made.pixels for made, _ in carried) / sum(size for _, size in carried)
        if share > _MANY:
            self._index -= 1
            self._idle = 0
        elif share < _FEW and self._index < self._last:
            self._index += 1


def _audited(pts: int, place: float, chosen: Mask) -> tuple[int, int] | None:
    """A random carried tile of a frame about half way between anchors."""
    if not 0.4 < place < 0.7:
        return None
    free = np.argwhere(~chosen)
    if not len(free):
        return None
    row, column = free[np.random.default_rng(abs(pts)).integers(len(free))]
    return int(row), int(column)


def _worst(predicted: Floats, allowed: float) -> Mask:
    """Tiles to compute anew: where most is lost, until the rest keeps within the mean allowed."""
    order = np.argsort(predicted, axis=None)
    total = np.cumsum(predicted.ravel()[order]) / predicted.size
    chosen = predicted.ravel() > _WORST_TILE * allowed
    chosen[order[total > allowed]] = True
    return np.asarray(chosen.reshape(predicted.shape), np.bool_)


def _begin(anchor: _Once[Anchor]) -> None:
    anchor()


def _finished(seen: Seen, made: _Once[Made]) -> tuple[Seen, Made]:
    return seen, made()


def _repeated(shown: _Once[Made]) -> Made:
    return Made(shown().result, 0)
