"""Find out which frames around a segment each stage must see, and drop all others."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction

from videnhance.core import Frame, Stage
from videnhance.temporal.scenes import LONGEST_FLASH, SCAN_PREROLL


@dataclass(frozen=True)
class Window:
    """Numbers of source frames before and behind a segment."""

    preroll: int = 0
    postroll: int = 0


def windows(stages: Sequence[Stage]) -> tuple[Window, ...]:
    """The window of frames that enters each stage, and last an empty one, that of the output.

    A stage's window holds its own preroll and postroll, and those of the stages behind it.
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
    """The window that must be decoded: that of the first stage, and what the scan needs."""
    first = windows(stages)[0]
    if not scanned(stages):
        return first
    return Window(first.preroll + SCAN_PREROLL, first.postroll + LONGEST_FLASH)


def scanned(stages: Sequence[Stage]) -> bool:
    """Whether a stage uses what the scan finds: the kinds of frames, and their noise."""
    return any(stage.scans for stage in stages)


def most_ahead(stages: Sequence[Stage]) -> int:
    """The most frames that the scan and all stages together hold while they look ahead."""
    return sum(stage.lookahead for stage in stages) + LONGEST_FLASH * scanned(stages)


class Borders:
    """Where a segment begins and ends, in source frame numbers, as far as decoding has come."""

    def __init__(self) -> None:
        self.start: int | None = None
        self.end: int | None = None
        """The first frame behind the segment; None until it has been decoded."""
        self.decoded: list[int] = []
        """Times of the segment's own frames."""
        self._end_time: int | None = None

    def watched(self, decoded: Iterator[tuple[Frame, bool]]) -> Iterator[Frame]:
        """Pass on the decoder's frames, numbered without gaps from the segment's first frame.

        Frames in front of the segment wait for its first frame. Only that frame's number is taken
        from the decoder, since a damaged source may have two frames of the same number.
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
        """Whether a time lies within the segment."""
        if not self.decoded or pts < self.decoded[0]:
            return False
        return self._end_time is None or pts < self._end_time

    def holds(self, frame: Frame, window: Window) -> bool:
        """Whether a frame lies in the segment, or in the given window around it."""
        if self.start is None or frame.source < self.start - window.preroll:
            return False
        return self.end is None or frame.source < self.end + window.postroll

    def trimmed(self, frames: Iterator[Frame], window: Window) -> Iterator[Frame]:
        """Only the frames in the segment, or in the given window around it."""
        return (frame for frame in frames if self.holds(frame, window))
