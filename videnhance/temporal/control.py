"""Decide how far apart reference frames lie."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass

from videnhance.temporal.lazy import Lazy
from videnhance.temporal.parameters import ReuseParameters

DISTANCES = (1, 2, 4, 8, 16, 32)
"""Frames from one reference frame to the next."""
LOOKAHEAD = 3 * DISTANCES[-1]
"""Frames: the rest of a group, the next group, whose reference frame is begun early, and those
handed out meanwhile."""
_MAX_BYTES = 2_000_000_000
"""Memory that frames on their way may take."""
_FIRST_DISTANCE = 8
"""Frames from a scene's first frame to its next reference frame."""


@dataclass(frozen=True)
class Cost:
    """What a frame cost, and what its audit found."""

    pixels: int
    """Input pixels that the network saw."""
    size: int
    """Input pixels of the frame."""
    audited: int = 0
    """How many of `pixels` an audit took."""
    audit: float | None = None
    """Mean square error of a reconstructed tile against the network's own output, before the tile
    is smoothed in time."""

    @classmethod
    def of_network(cls, size: int) -> Cost:
        """Of a frame that the network sees whole."""
        return cls(size, size)


def longest_distance(height: int, width: int, scale: int) -> int:
    """The largest distance at which the frames on their way fit into the memory allowed.

    It is at least 2. It depends on the sizes alone, so every machine makes the same. The input
    frames of three groups are held with their luma, and the results of one.
    """
    before, after = 17 * height * width, 12 * height * width * scale * scale
    fitting = [n for n in DISTANCES if 3 * n * before + (n + 4) * after <= _MAX_BYTES]
    return max([DISTANCES[1], *fitting])


class Control:
    """Sets the distance between reference frames.

    It learns from the group before the last one only. That group is nearly finished when the next
    one is planned, whatever the number of threads, so the wait is short. At distance 1 every frame
    is a reference frame. A trial then is a group of two.
    """

    def __init__(self, longest: int, parameters: ReuseParameters) -> None:
        self._parameters = parameters
        self._last = max(DISTANCES.index(longest), 1)
        self._groups: deque[tuple[int, Sequence[Lazy[Cost]]]] = deque()
        self.begin_scene()

    def begin_scene(self) -> None:
        """Forget the last scene, whose motion says nothing of the next."""
        self._index = min(DISTANCES.index(_FIRST_DISTANCE), self._last)
        self._idle, self._patience = 0, self._parameters.patience
        self._groups.clear()

    def planned(self, distance: int, costs: Sequence[Lazy[Cost]]) -> None:
        """Take in a group: the distance it was to have, and the costs of its inner frames."""
        self._groups.append((distance, costs))

    def distance(self) -> int:
        """Frames to the next reference frame."""
        while len(self._groups) > 1:
            self._learn(*self._groups.popleft())
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
        actual = len(found) + 1  # repeats, or a scene's end, may have cut the group short
        computed = sum(cost.pixels - cost.audited for cost in found) / sum(c.size for c in found)

        def work(index: int) -> float:
            """Expected work, as a fraction of the network seeing every frame."""
            n = DISTANCES[index]
            inner = min(1.0, computed * math.sqrt(n / actual)) + self._parameters.overhead
            return 1 / n + (1 - 1 / n) * inner

        # One step further at most: the square root is a guess.
        possible = range(min(self._index + 1, self._last), -1, -1)
        self._index = min(possible, key=work)
        self._idle = 0
        if self._index > 1:
            self._patience = self._parameters.patience
