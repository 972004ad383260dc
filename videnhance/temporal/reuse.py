"""Give few frames to the network, and propagate what it adds to the others."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import TypeAlias

from videnhance.core import FrameKind, Image
from videnhance.kernels.motion import Floats, interleaved, mean_square
from videnhance.kernels.resize import resize
from videnhance.temporal.control import DISTANCES, Control, Cost
from videnhance.temporal.flow import LumaPicture
from videnhance.temporal.lazy import Lazy
from videnhance.temporal.propagate import Detail, Reference
from videnhance.temporal.reconstruct import FrameOutput, Networks, Reconstruction
from videnhance.temporal.scenes import Seen
from videnhance.temporal.smooth import Previous

Task: TypeAlias = Callable[[], "tuple[Seen, FrameOutput] | None"]

_LONGEST_GROUP = 16
"""Frames of a group of mostly repeats, even if reference frames must lie closer together, but never
more than twice the longest distance."""


@dataclass(frozen=True)
class _Entry:
    """One frame of a group."""

    seen: Seen
    output: Lazy[FrameOutput]
    cost: Lazy[Cost]
    """By itself, since it outlives the output, which is large."""

    def finish(self) -> tuple[Seen, FrameOutput]:
        self.cost()
        return self.seen, self.output()


@dataclass(frozen=True)
class _Group:
    """A scene's first frame, or the frames after one reference frame up to the next."""

    entries: list[_Entry]
    reference: Lazy[Reference]
    """The last reference frame so far."""
    begins: bool
    """Whether that is one of these frames."""
    inner: bool
    """Whether any frame lies between reference frames."""
    shown: Lazy[FrameOutput]
    """Output of the group's last frame that a repeat would show again."""


class Reuse:
    """Works through one stream; see `tasks`."""

    def __init__(self, networks: Networks, quality: float, longest: int = DISTANCES[-1]) -> None:
        """`quality` is the PSNR in dB against the network's own output that is aimed at, `longest`
        the largest distance between reference frames."""
        self.networks = networks
        self._longest = longest
        self.max_mse = 10 ** (-quality / 10)

    def tasks(self, items: Iterator[Seen], workers: int) -> Iterator[Task]:
        """All work as tasks, to be called in any order on up to `workers` threads.

        A task returns a finished frame, in the order of the frames, or None. Those that return None
        begin a reference frame one group before it is needed, so that the frames between need not
        wait for it. They run further ahead where every frame is a reference frame, since a second
        thread could only wait for one that is being computed.
        """
        waiting: deque[Task] = deque()
        # Film on twos has one new frame in two, hence two frames for each thread. No more outputs
        # are held than lie between the most distant reference frames.
        ahead = min(2 * workers, self._longest // 2)
        inner = False
        for group in self._groups(items):
            if group.begins:
                yield partial(_begin, group.reference)
            while len(waiting) > (0 if inner or group.inner else ahead):
                yield waiting.popleft()
            waiting.extend(entry.finish for entry in group.entries)
            inner = group.inner
        while waiting:  # one by one, so that each is released
            yield waiting.popleft()

    def _groups(self, items: Iterator[Seen]) -> Iterator[_Group]:
        control = Control(self._longest, self.networks.parameters)
        last: _Group | None = None
        for frames, distance in self._spans(items, control):
            if frames[0].kind is FrameKind.CUT:
                last = self._opening(frames[0])
            else:
                assert last is not None  # a stream begins with a cut
                last = self._group(frames, distance, last, control)
            yield last

    def _spans(self, items: Iterator[Seen], control: Control) -> Iterator[tuple[list[Seen], int]]:
        """Divide the stream into the frames of groups, each with the distance it was to have.

        A scene's first frame stands alone. Many repeats are divided as well, so that few frames are
        held.
        """
        frames: list[Seen] = []
        most = min(max(self._longest, _LONGEST_GROUP), 2 * self._longest)
        distance = new = 0
        for seen in items:
            if seen.kind is FrameKind.CUT:
                if frames:
                    yield frames, distance
                yield [seen], 1
                control.begin_scene()
                frames, new, distance = [], 0, control.distance()
                continue
            frames.append(seen)
            new += seen.kind is FrameKind.PLAIN
            if new == distance or len(frames) == most:
                yield frames, distance
                frames, new, distance = [], 0, control.distance()
        if frames:
            yield frames, distance

    def _opening(self, seen: Seen) -> _Group:
        """The group of a scene's first frame."""
        reference = Lazy(partial(self._reference, seen))
        output = Lazy(partial(_of_reference, seen, reference))
        return _Group([_entry(seen, output)], reference, begins=True, inner=False, shown=output)

    def _group(self, frames: list[Seen], distance: int, last: _Group, control: Control) -> _Group:
        """Plan a group; its last frame that is no repeat and no flash is a reference frame."""
        before, shown = last.reference, last.shown
        new = [seen for seen in frames if seen.kind is FrameKind.PLAIN]
        reference = Lazy(partial(self._reference, new[-1])) if new else before
        entries: list[_Entry] = []
        previous: tuple[Seen, Lazy[FrameOutput]] | None = None
        costs: list[Lazy[Cost]] = []
        for seen in frames:
            output: Lazy[FrameOutput]
            inner = seen.kind is FrameKind.PLAIN and seen is not new[-1]
            if seen.kind is FrameKind.FLASH:
                output = Lazy(partial(self._alone, seen))
            elif seen.kind is FrameKind.REPEAT:
                output = Lazy(partial(_repeated, seen, shown))
            elif inner:
                t = (len(costs) + 1) / len(new)
                near = partial(_reference_shown, before)
                if previous:
                    near = partial(_shown, *previous)
                output = Lazy(partial(self._reconstructed, seen, before, reference, t, near))
            else:
                output = Lazy(partial(_of_reference, seen, reference))
            entry = _entry(seen, output)
            entries.append(entry)
            if inner:
                costs.append(entry.cost)
            if seen.kind is not FrameKind.FLASH:
                shown = output
                if seen.kind is not FrameKind.REPEAT:
                    previous = (seen, output)
        control.planned(distance, costs)
        return _Group(entries, reference, begins=bool(new), inner=bool(costs), shown=shown)

    def _reference(self, seen: Seen) -> Reference:
        image = seen.image
        result = interleaved(self.networks.full(image))
        luma = LumaPicture(seen.luma)
        return Reference(
            luma,
            interleaved(image),
            result,
            Lazy(partial(self._detail, image, luma, result)),
            Lazy(partial(_added, image, result)),
        )

    def _detail(self, image: Image, luma: LumaPicture, result: Floats) -> Detail:
        detail = result - interleaved(self.networks.draft(image))
        return Detail.of(detail, luma)

    def _alone(self, seen: Seen) -> FrameOutput:
        result = interleaved(self.networks.full(seen.image))
        return FrameOutput(result, Cost.of_network(seen.luma.size))

    def _reconstructed(
        self,
        seen: Seen,
        before: Lazy[Reference],
        after: Lazy[Reference],
        t: float,
        previous: Callable[[], Previous],
    ) -> FrameOutput:
        frame = Reconstruction(self.networks, seen, (before(), after()), t)
        return frame.output(self.max_mse, previous)


def _entry(seen: Seen, output: Lazy[FrameOutput]) -> _Entry:
    return _Entry(seen, output, Lazy(partial(_cost, output)))


def _begin(reference: Lazy[Reference]) -> None:
    reference()


def _added(image: Image, result: Floats) -> float:
    plain = interleaved(resize(image, *result.shape[:2]))
    return float(mean_square(result - plain).mean())


def _of_reference(seen: Seen, reference: Lazy[Reference]) -> FrameOutput:
    return FrameOutput(reference().result, Cost.of_network(seen.luma.size))


def _repeated(seen: Seen, shown: Lazy[FrameOutput]) -> FrameOutput:
    return FrameOutput(shown().result, Cost(0, seen.luma.size))


def _shown(seen: Seen, output: Lazy[FrameOutput]) -> Previous:
    return Previous(LumaPicture(seen.luma), output().result)


def _reference_shown(reference: Lazy[Reference]) -> Previous:
    return Previous(reference().luma, reference().result)


def _cost(output: Lazy[FrameOutput]) -> Cost:
    return output().cost
