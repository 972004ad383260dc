"""How many frames around a segment each stage must see, and what is trimmed behind it."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
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
        self.decoded: list[int] = []
        """Times of the segment's own frames."""
        self._end_time: int | None = None

    def watched(self, decoded: Iterator[tuple[Frame, bool]]) -> Iterator[Frame]:
        """The frames, as the decoder gives them, numbered without gaps from the segment's first.

        Those in front of the segment wait for its first frame. What the decoder says of the other
        numbers does not count: a damaged source may have two frames of one number.
        """
        waiting: list[Frame] = []
        number = 0
        for frame, inside in decoded:
            if self.start is None:
                waiting.append(frame)
                if not inside:
                    continue
                self.start = frame.source
                number = self.start - len(waiting) + 1
            else:
                waiting = [frame]
            for now in waiting:
                if number >= self.start and inside:
                    self.decoded.append(now.pts)
                elif number > self.start and self.end is None:
                    self.end, self._end_time = number, now.pts
                yield replace(now, source=number)
                number += 1

    def hold_time(self, pts: int) -> bool:
        """Whether a time lies between the segment's first frame and the first behind it."""
        if not self.decoded or pts < self.decoded[0]:
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
