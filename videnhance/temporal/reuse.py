"""Enlarge few frames with the network, and carry what it adds to those in between."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import partial
from typing import TypeAlias

import numpy as np

from videnhance.core import Image
from videnhance.kernels.motion import (
    Floats,
    Mask,
    interleaved,
)
from videnhance.kernels.resize import resize
from videnhance.temporal.carry import Anchor, Blend, Detail, mean_square
from videnhance.temporal.control import DISTANCES, Control, Cost
from videnhance.temporal.flow import LumaPicture
from videnhance.temporal.once import Once
from videnhance.temporal.scenes import Kind, Seen
from videnhance.temporal.tiles import parts_of, recompute, tile_means, tile_side

Task: TypeAlias = Callable[[], "tuple[Seen, Made] | None"]

_MARGIN = 0.6
"""Of the error that is allowed, this much is spent: predictions err."""
_LOST = 0.03
"""Share of what a faithful network adds to plain enlargement (its mean square) that may be lost
where nothing moves: some 5 % of its gain in dB where that is 4 dB."""
_LOST_MOVING = 0.06
"""The same where everything moves, and nobody sees as much."""
_WORST_TILE = 16.0
"""How many times the mean error allowed one tile's may be."""


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


@dataclass(frozen=True)
class Made:
    """A finished frame, (sH, sW, 3)."""

    result: Floats
    cost: Cost


@dataclass(frozen=True)
class _Entry:
    """One frame of a group."""

    seen: Seen
    made: Once[Made]
    cost: Once[Cost]
    """Its own, since it outlives the result, which is large."""

    def finish(self) -> tuple[Seen, Made]:
        self.cost()
        return self.seen, self.made()


@dataclass(frozen=True)
class _Group:
    """Frames after an anchor, up to and with the next one, and what repeats it."""

    entries: list[_Entry]
    anchor: Once[Anchor] | None
    """The last one there is."""
    begins: bool
    """Whether that is one of these frames."""
    shown: Once[Made] | None
    """What a frame that repeats the group's last shows."""


class Reuse:
    """Works through one stream; see `tasks`."""

    def __init__(self, networks: Networks, quality: float, longest: int = DISTANCES[-1]) -> None:
        """`quality` is the PSNR in dB that carried frames are to have against the network's own,
        `longest` the largest distance between anchors.
        """
        self.networks = networks
        self._longest = longest
        self.allowed = 10 ** (-quality / 10)

    def tasks(self, items: Iterator[Seen]) -> Iterator[Task]:
        """Everything to be done, to be called in any order on any thread.

        Each gives a finished frame, frames in their order, or nothing: an anchor is begun one
        group before it is needed, so that it does not hold up those between.
        """
        waiting: deque[Task] = deque()
        for group in self._groups(items):
            if group.begins and group.anchor is not None:
                yield partial(_begin, group.anchor)
            while waiting:
                yield waiting.popleft()
            waiting.extend(entry.finish for entry in group.entries)
        yield from waiting

    def _groups(self, items: Iterator[Seen]) -> Iterator[_Group]:
        control = Control(self._longest)
        last: _Group | None = None
        for frames, distance in _spans(items, control):
            last = self._group(frames, distance, last, control)
            yield last

    def _group(
        self, frames: list[Seen], distance: int, last: _Group | None, control: Control
    ) -> _Group:
        """Plan a span of frames; the last new one becomes an anchor."""
        goes_on = last if frames[0].kind is not Kind.CUT else None
        before = goes_on.anchor if goes_on else None
        shown = goes_on.shown if goes_on else None
        new = [seen for seen in frames if seen.kind in (Kind.PLAIN, Kind.CUT)]
        anchor = Once(partial(self._anchor, new[-1])) if new else before
        correction = control.correction()
        entries, carried = [], 0
        costs: list[Once[Cost]] = []
        for seen in frames:
            made: Once[Made]
            if seen.kind is Kind.FLASH or anchor is None:
                made = Once(partial(self._alone, seen))
            elif seen.kind is Kind.REPEAT and shown is not None:
                made = Once(partial(_repeated, seen, shown))
            elif before is not None and seen is not new[-1]:
                carried += 1
                place = carried / len(new)
                made = Once(partial(self._carried, seen, before, anchor, place, correction))
            else:
                made = Once(partial(_anchored, seen, anchor))
            entry = _Entry(seen, made, Once(partial(_cost, made)))
            entries.append(entry)
            if len(costs) < carried:
                costs.append(entry.cost)
            if seen.kind is not Kind.FLASH:
                shown = made
        control.planned(distance, costs)
        return _Group(entries, anchor, bool(new), shown)

    def _anchor(self, seen: Seen) -> Anchor:
        image = seen.frame.data.clip(0, 1)
        result = interleaved(self.networks.full(image))
        return Anchor(LumaPicture(seen.luma), result, Once(partial(self._detail, image, result)))

    def _detail(self, image: Image, result: Floats) -> Detail:
        networks = self.networks
        detail = result - interleaved(networks.draft(image))
        energy = tile_means(mean_square(detail), networks.scale, tile_side(*image.shape[1:]))
        added = math.inf
        if networks.faithful:
            plain = interleaved(resize(image, *result.shape[:2]))
            added = float(mean_square(result - plain).mean())
        return Detail(detail, energy, added)

    def _alone(self, seen: Seen) -> Made:
        result = interleaved(self.networks.full(seen.frame.data.clip(0, 1)))
        return Made(result, Cost(seen.luma.size, seen.luma.size))

    def _carried(
        self,
        seen: Seen,
        before: Once[Anchor],
        after: Once[Anchor],
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
        allowed = min(self.allowed, lost * carried.added)
        chosen = _worst(predicted, _MARGIN * allowed)
        audited = _audited(seen.frame.pts, place, chosen)
        kept = result.copy() if audited is not None else result
        wanted = chosen.copy()
        if audited is not None:
            wanted[audited] = True
        parts = parts_of(wanted, side, networks.reach, height, width)
        pixels = recompute(networks.full, image, parts, result, reach=networks.reach, scale=scale)
        cost = Cost(pixels, seen.luma.size)
        if audited is None:
            return Made(result, cost)
        y, x = (slice(scale * side * at, scale * side * (at + 1)) for at in audited)
        error = float(mean_square(result[y, x] - kept[y, x].clip(0, 1)).mean())
        return Made(result, replace(cost, audit=error, predicted=float(predicted[audited])))


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


def _spans(items: Iterator[Seen], control: Control) -> Iterator[tuple[list[Seen], int]]:
    """Cut the stream where anchors shall be, and say how far these were to lie apart.

    A scene's first frame stands alone. Many repeats are cut as well, so that few frames are held.
    """
    frames: list[Seen] = []
    distance = new = 0
    for seen in items:
        if seen.kind is Kind.CUT:
            if frames:
                yield frames, distance
            control.begin_scene()
            yield [seen], 1
            frames, new, distance = [], 0, control.distance()
            continue
        frames.append(seen)
        new += seen.kind is Kind.PLAIN
        if new == distance or len(frames) == DISTANCES[-1]:
            yield frames, distance
            frames, new, distance = [], 0, control.distance()
    if frames:
        yield frames, distance


def _begin(anchor: Once[Anchor]) -> None:
    anchor()


def _anchored(seen: Seen, anchor: Once[Anchor]) -> Made:
    return Made(anchor().result, Cost(seen.luma.size, seen.luma.size))


def _repeated(seen: Seen, shown: Once[Made]) -> Made:
    return Made(shown().result, Cost(0, seen.luma.size))


def _cost(made: Once[Made]) -> Cost:
    return made().cost
