"""How many frames around a segment each stage must see, and what is trimmed behind it."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction

from videnhance.core import Frame, Stage
from videnhance.temporal.scenes import LONGEST_FLASH, SCAN_PREROLL


@dataclass(frozen=True)
class Window:
    """Source frames before and behind a segment."""

    preroll: int = 0
    postroll: int = 0


def windows(stages: Sequence[Stage]) -> tuple[Window, ...]:
    """What goes into each stage of a segment, and last what leaves the last one: nothing more.

    Each stage gets its own preroll and postroll, and what those behind it need of its output.
    """
    rates = [Fraction(1)]
    for stage in stages:
        rates.append(rates[-1] * stage.timing.ratio)
    found = [Window()]
    for stage, rate in zip(reversed(stages), reversed(rates[:-1]), strict=True):
        behind = found[0]
        found.insert(
            0,
            Window(
                behind.preroll + math.ceil(stage.preroll / rate),
                behind.postroll + math.ceil(stage.postroll / rate),
            ),
        )
    return tuple(found)


def whole_window(stages: Sequence[Stage]) -> Window:
    """What must be decoded around a segment, with what finding cuts and noise needs."""
    first = windows(stages)[0]
    if not scanned(stages):
        return first
    return Window(first.preroll + SCAN_PREROLL, first.postroll + LONGEST_FLASH)


def scanned(stages: Sequence[Stage]) -> bool:
    """Whether a stage uses what is found of frames in front of the first stage."""
    return any(stage.scans for stage in stages)


def most_ahead(stages: Sequence[Stage]) -> int:
    """Frames that may be on their way inside the stages, in all."""
    return sum(stage.lookahead for stage in stages) + LONGEST_FLASH * scanned(stages)


class Borders:
    """Where a segment begins and ends, in numbers of source frames, as far as it was decoded."""

    def __init__(self) -> None:
        self.start: int | None = None
        self.end: int | None = None
        """The first frame behind it; None before that was seen."""
        self.decoded: list[tuple[int, int]] = []
        """Numbers and times of the segment's own frames."""
        self._end_time: int | None = None

    def watched(self, decoded: Iterator[tuple[Frame, bool]]) -> Iterator[Frame]:
        """The frames, as the decoder gives them; from these the borders are learned.

        Those in front of the segment wait for its first frame, for they are numbered from there.
        """
        waiting: list[Frame] = []
        for frame, inside in decoded:
            if inside:
                self.decoded.append((frame.source, frame.pts))
                self.start = self.decoded[0][0]
            elif self.start is not None and self.end is None:
                self.end, self._end_time = frame.source, frame.pts
            waiting.append(frame)
            if self.start is not None:
                yield from waiting
                waiting.clear()

    def hold_time(self, pts: int) -> bool:
        """Whether a time lies between the segment's first frame and the first behind it."""
        if not self.decoded or pts < self.decoded[0][1]:
            return False
        return self._end_time is None or pts < self._end_time

    def holds(self, frame: Frame, window: Window) -> bool:
        """Whether a frame lies in the segment, or in that window around it."""
        if self.start is None or frame.source < self.start - window.preroll:
            return False
        return self.end is None or frame.source < self.end + window.postroll

    def trimmed(self, frames: Iterator[Frame], window: Window) -> Iterator[Frame]:
        """The frames in that window."""
        return (frame for frame in frames if self.holds(frame, window))
