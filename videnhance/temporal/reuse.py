"""Enlarge few frames with the network, and carry what it adds to those in between."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import TypeAlias

from videnhance.core import FrameKind, Image
from videnhance.kernels.motion import Floats, interleaved
from videnhance.kernels.resize import resize
from videnhance.temporal.control import DISTANCES, Control, Cost
from videnhance.temporal.flow import LumaPicture
from videnhance.temporal.lazy import Lazy
from videnhance.temporal.propagate import Detail, Reference, changed, mean_square
from videnhance.temporal.reconstruct import Made, Networks, Reconstruction
from videnhance.temporal.scenes import Seen
from videnhance.temporal.smooth import Shown

Task: TypeAlias = Callable[[], "tuple[Seen, Made] | None"]

_UNDECIDED = 2
"""Frames behind a scene's first that are seen before it is decided how far the next reference
is."""
_MOST_REPEATS = 16
"""Frames that a group may have, where most are repeats, though references must be nearer."""


@dataclass(frozen=True)
class _Entry:
    """One frame of a group."""

    seen: Seen
    made: Lazy[Made]
    cost: Lazy[Cost]
    """Its own, since it outlives the result, which is large."""

    def finish(self) -> tuple[Seen, Made]:
        self.cost()
        return self.seen, self.made()


@dataclass(frozen=True)
class _Group:
    """A scene's first frame, or those after a reference, up to and with the next and its
    repeats."""

    entries: list[_Entry]
    reference: Lazy[Reference]
    """The last one there is."""
    begins: bool
    """Whether that is one of these frames."""
    carries: bool
    """Whether any frame lies between references."""
    shown: Lazy[Made]
    """What a frame that repeats the group's last shows."""


class Reuse:
    """Works through one stream; see `tasks`."""

    def __init__(self, networks: Networks, quality: float, longest: int = DISTANCES[-1]) -> None:
        """`quality` is the PSNR in dB that carried frames are to have against the network's own,
        `longest` the largest distance between references.
        """
        self.networks = networks
        self._longest = longest
        self.allowed = 10 ** (-quality / 10)

    def tasks(self, items: Iterator[Seen], workers: int) -> Iterator[Task]:
        """Everything to be done, to be called in any order on any of that many threads.

        Each gives a finished frame, frames in their order, or nothing: a reference is begun one
        group before it is needed, so that it does not hold up those between, and earlier still
        where nothing is carried: a thread that came to one being made would only wait for it.
        """
        waiting: deque[Task] = deque()
        # Of frames that come in twos, as many as there are threads are new. What is begun and what
        # is done then are no more results than lie between the farthest references.
        most = min(2 * workers, self._longest // 2)
        carried = False
        for group in self._groups(items):
            if group.begins:
                yield partial(_begin, group.reference)
            while len(waiting) > (0 if carried or group.carries else most):
                yield waiting.popleft()
            waiting.extend(entry.finish for entry in group.entries)
            carried = group.carries
        while waiting:  # letting go of each
            yield waiting.popleft()

    def _groups(self, items: Iterator[Seen]) -> Iterator[_Group]:
        control = Control(self._longest)
        last: _Group | None = None
        for frames, distance in self._spans(items, control):
            if frames[0].kind is FrameKind.CUT:
                last = self._opening(frames[0])
            else:
                assert last is not None  # a stream begins with a cut
                last = self._group(frames, distance, last, control)
            yield last

    def _spans(self, items: Iterator[Seen], control: Control) -> Iterator[tuple[list[Seen], int]]:
        """Cut the stream where references shall be, and say how far these were to lie apart.

        A scene's first frame stands alone. Many repeats are cut as well, so that few frames are
        held.
        """
        frames: list[Seen] = []
        most = min(max(self._longest, _MOST_REPEATS), 2 * self._longest)
        first: Seen | None = None
        distance = new = 0
        for seen in items:
            if seen.kind is FrameKind.CUT:
                if frames:
                    yield frames, distance
                yield [seen], 1
                first, frames, new, distance = seen, [], 0, _UNDECIDED
                continue
            frames.append(seen)
            new += seen.kind is FrameKind.PLAIN
            if first is not None and new == _UNDECIDED:
                distance = control.begin_scene(changed(first, seen, self.allowed))
                first = None
            if new == distance or len(frames) == most:
                yield frames, distance
                frames, new = [], 0
                distance = _UNDECIDED if first is not None else control.distance()
        if frames:
            yield frames, distance

    def _opening(self, seen: Seen) -> _Group:
        """A scene's first frame, by itself."""
        reference = Lazy(partial(self._reference, seen))
        made = Lazy(partial(_as_reference, seen, reference))
        return _Group([_entry(seen, made)], reference, begins=True, carries=False, shown=made)

    def _group(self, frames: list[Seen], distance: int, last: _Group, control: Control) -> _Group:
        """Plan a span of frames; the last new one becomes a reference."""
        before, shown = last.reference, last.shown
        new = [seen for seen in frames if seen.kind is FrameKind.PLAIN]
        reference = Lazy(partial(self._reference, new[-1])) if new else before
        entries: list[_Entry] = []
        previous: tuple[Seen, Lazy[Made]] | None = None
        costs: list[Lazy[Cost]] = []
        for seen in frames:
            made: Lazy[Made]
            inner = seen.kind is FrameKind.PLAIN and seen is not new[-1]
            if seen.kind is FrameKind.FLASH:
                made = Lazy(partial(self._alone, seen))
            elif seen.kind is FrameKind.REPEAT:
                made = Lazy(partial(_repeated, seen, shown))
            elif inner:
                place = (len(costs) + 1) / len(new)
                near = partial(_shown, *previous) if previous else partial(_shown_reference, before)
                made = Lazy(partial(self._reconstructed, seen, before, reference, place, near))
            else:
                made = Lazy(partial(_as_reference, seen, reference))
            entry = _entry(seen, made)
            entries.append(entry)
            if inner:
                costs.append(entry.cost)
            if seen.kind is not FrameKind.FLASH:
                shown = made
                if seen.kind is not FrameKind.REPEAT:
                    previous = (seen, made)
        control.planned(distance, costs)
        return _Group(entries, reference, begins=bool(new), carries=bool(costs), shown=shown)

    def _reference(self, seen: Seen) -> Reference:
        image = seen.image
        result = interleaved(self.networks.full(image))
        luma = LumaPicture(seen.luma)
        return Reference(
            luma,
            interleaved(image),
            result,
            Lazy(partial(self._detail, image, luma, result)),
            Lazy(partial(self._added, image, result)),
        )

    def _detail(self, image: Image, luma: LumaPicture, result: Floats) -> Detail:
        detail = result - interleaved(self.networks.draft(image))
        return Detail.of(detail, luma)

    def _added(self, image: Image, result: Floats) -> float:
        if not self.networks.psnr_oriented:
            return math.inf
        plain = interleaved(resize(image, *result.shape[:2]))
        return float(mean_square(result - plain).mean())

    def _alone(self, seen: Seen) -> Made:
        result = interleaved(self.networks.full(seen.image))
        return Made(result, Cost.of_network(seen.luma.size))

    def _reconstructed(
        self,
        seen: Seen,
        before: Lazy[Reference],
        after: Lazy[Reference],
        place: float,
        last: Callable[[], Shown],
    ) -> Made:
        inner = Reconstruction(self.networks, seen, (before(), after()), place)
        return inner.made(self.allowed, last)


def _entry(seen: Seen, made: Lazy[Made]) -> _Entry:
    return _Entry(seen, made, Lazy(partial(_cost, made)))


def _begin(reference: Lazy[Reference]) -> None:
    reference()


def _as_reference(seen: Seen, reference: Lazy[Reference]) -> Made:
    return Made(reference().result, Cost.of_network(seen.luma.size))


def _repeated(seen: Seen, shown: Lazy[Made]) -> Made:
    return Made(shown().result, Cost(0, seen.luma.size))


def _shown(seen: Seen, made: Lazy[Made]) -> Shown:
    return Shown(LumaPicture(seen.luma), made().result)


def _shown_reference(reference: Lazy[Reference]) -> Shown:
    return Shown(reference().luma, reference().result)


def _cost(made: Lazy[Made]) -> Cost:
    return made().cost
