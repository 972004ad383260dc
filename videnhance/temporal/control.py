"""Decide how far apart reference frames lie."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass

from videnhance.temporal.lazy import Lazy

DISTANCES = (1, 2, 4, 8, 16, 32)
"""Frames from one reference to the next."""
LOOKAHEAD = 3 * DISTANCES[-1]
"""Frames: the rest of a group, the next one, whose reference is begun early, what is handed out
while that takes its time, and a suspected flash. Where nothing is carried, there are fewer."""
_HELD = 2_000_000_000
"""Bytes that frames on their way may take."""
_BEGINNING = 16
"""The distance a scene begins with."""
_MUCH = 0.45
"""Share of a scene that has changed after two frames, above which it begins with a trial."""
_EXPENSE = 0.33
"""What following the motion of a whole frame takes, as a share of the default network's work.

Of heavier ones it is less, and little is lost by it."""
_EXPENSE_REFERENCE = 0.15
"""The same of what is kept of a reference, to be carried from it."""
_EXPENSE_EACH = 1500
"""Input pixels that the network would see in the time that a carried frame takes at least."""
_PATIENCE = 24
"""Reference frames in a row, with none between them, before a single frame is tried again; then
twice as many."""


@dataclass(frozen=True)
class Cost:
    """What a frame took, and what was found out on the way."""

    pixels: int
    """Input pixels that the network saw."""
    size: int
    """Input pixels of the frame."""
    audited: int = 0
    """How many of these to check a tile that was carried."""
    audit: float | None = None
    """Mean square error of a tile that was carried, against the network's own."""

    @classmethod
    def of_network(cls, size: int) -> Cost:
        """Of a frame that the network sees whole."""
        return cls(size, size)


def longest_distance(height: int, width: int, scale: int) -> int:
    """The largest distance of references at which the frames on their way take bearable memory.

    Depends on the sizes alone, so that every machine makes the same. Input frames of three groups
    are held with their luma, and the results of one.
    """
    before, after = 17 * height * width, 12 * height * width * scale * scale
    fitting = [n for n in DISTANCES if 3 * n * before + (n + 4) * after <= _HELD]
    return max([DISTANCES[1], *fitting])


class Control:
    """Sets the distance of the reference frames.

    It looks at the span before the last one only: that is nearly finished, on any number of
    threads, when the next one is planned, and waiting for it holds nobody up. Where nothing can be
    carried, and until a trial, a span of two frames, is judged, each frame is a reference; these
    are made meanwhile, and the trial's other frame, if none has come to it, by who plans.
    """

    def __init__(self, longest: int) -> None:
        self._last = max(DISTANCES.index(longest), 1)
        self._index = self._last
        self._spans: deque[tuple[int, Sequence[Lazy[Cost]]]] = deque()
        self._idle, self._patience = 0, _PATIENCE

    def begin_scene(self, changed: float) -> int:
        """The first distance in a scene of which this share has changed after two frames.

        Where that is much a single frame is tried. What was learned of the last scene's motion does
        not hold for the next.
        """
        self._index = 0 if changed > _MUCH else min(DISTANCES.index(_BEGINNING), self._last)
        self._idle, self._patience = 0, _PATIENCE
        self._spans.clear()
        return DISTANCES[max(self._index, 1)]

    def planned(self, distance: int, costs: Sequence[Lazy[Cost]]) -> None:
        """Hear of a span that was to have this distance, and of its carried frames' costs."""
        self._spans.append((distance, costs))

    def distance(self) -> int:
        """Frames to the next reference."""
        while len(self._spans) > 1:
            self._learn(*self._spans.popleft())
        if self._index == 0 and self._idle >= self._patience:
            self._idle = 0
            self._patience *= 2
            return DISTANCES[1]
        return DISTANCES[self._index]

    def _learn(self, distance: int, costs: Sequence[Lazy[Cost]]) -> None:
        if distance == 1:
            self._idle += 1
            return
        found = [cost() for cost in costs]
        if not found or distance != DISTANCES[max(self._index, 1)]:
            return
        actual = len(found) + 1  # repeats, or the end of a scene, may have cut the span short
        size = sum(cost.size for cost in found)
        share = sum(cost.pixels - cost.audited for cost in found) / size
        expense = _EXPENSE + _EXPENSE_EACH * len(found) / size

        def work(index: int) -> float:
            """Expected share of the network's work."""
            n = DISTANCES[index]
            reference = 1 + _EXPENSE_REFERENCE * (n > 1)
            carried = min(1.0, share * math.sqrt(n / actual)) + expense
            return reference / n + (1 - 1 / n) * carried

        # One further at most: that the root tells how much more is lost there is a guess.
        possible = range(min(self._index + 1, self._last), -1, -1)
        self._index = min(possible, key=work)
        self._idle = 0
        if self._index > 1:
            self._patience = _PATIENCE
