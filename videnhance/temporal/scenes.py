"""Find out for every frame whether it begins a scene, is a flash, or repeats the one before."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, replace

import cv2
import numpy as np

from videnhance.core import Frame, FrameKind, Image
from videnhance.kernels.motion import (
    Floats,
    box,
    brightness_confidence,
    dense_flow,
    eight_bits,
    luma,
    warp,
)
from videnhance.kernels.noise import noise_level

LONGEST_FLASH = 2
"""Length of the longest flash in frames. So many frames after a suspected cut decide about it."""
_LEVELS = 15
"""How many frames' noise levels are kept. The noise of a scene is their median."""
SCAN_PREROLL = _LEVELS + 1
"""Frames after which a scan finds the same as in an uncut run, except for repeats in a row."""

_SMALL = (160, 90)
"""Largest width and height in pixels of the small luma pictures in which cuts are found."""
_SUSPICIOUS = 0.03
"""Smallest mean difference of luma, 0..1, of a suspected cut: then motion and fades are tried."""
_BLOCK = 10
"""Side in pixels of the blocks of a small picture that motion has to explain."""
_CONFIDENT = 0.5
"""Smallest mean confidence of a block that motion explains, 0..1."""
_STEP = 1 / 255
"""One code value of 8 bits."""
_REPEAT = 1.01 * _STEP
"""Largest change of luma in a repeat without noise: one code value, and rounding."""
_REPEAT_MEAN = 0.2 * _STEP
"""Largest change of a repeat's mean luma. Even a slow fade changes the mean; rounding does not."""
_REPEAT_RGB = 2.2 * _STEP
"""Largest change of R, G or B in a repeat without noise. One code value of chroma changes blue by
up to 1.86 code values (H.273, BT.709)."""
_LOUDEST_REPEAT = 2 * _STEP
"""Largest noise in a repeat. More is grain, which belongs to the picture and must keep moving."""
_SIDE = 5
"""Side in pixels of the square over which changes are averaged to find those beyond noise."""
_EXTREME = 4.5  # sigmas; of all such averages in a frame of pure noise, the largest stays below


@dataclass(frozen=True)
class Seen:
    """A frame, and what every temporal method derives from it."""

    frame: Frame
    luma: Floats
    """Luma of `image`, (H, W)."""

    @classmethod
    def of(cls, frame: Frame) -> Seen:
        """Prepare a frame."""
        return cls(frame, luma(frame.data.clip(0, 1)))

    @property
    def image(self) -> Image:
        """The frame within 0..1, (3, H, W). Made anew, since many frames wait for their turn."""
        return self.frame.data.clip(0, 1)

    @property
    def kind(self) -> FrameKind:
        """What kind of frame it is, compared with the one before."""
        return self.frame.kind

    @property
    def sigma(self) -> float:
        """Noise level of the scene's luma so far, 0..1."""
        return self.frame.noise


def seen(frames: Iterator[Frame]) -> Iterator[Seen]:
    """Prepare scanned frames. The first one begins a scene, whatever came before it."""
    for number, frame in enumerate(frames):
        if not number and not frame.scene_start:
            frame = replace(frame, kind=FrameKind.CUT)
        yield Seen.of(frame)


@dataclass
class _Looked:
    frame: Frame
    luma: Floats
    small: Floats


def scan(frames: Iterator[Frame]) -> Iterator[Frame]:
    """Find the kind and the noise of every frame.

    Frames behind a suspected cut are held back until it is decided.

    A frame is a cut if its mean difference to the frame before is large, and if motion and a fade
    leave more than half of the picture unexplained.
    """
    waiting: deque[_Looked] = deque()
    tracker = _SceneTracker()
    source = (_look(frame) for frame in frames)

    def upcoming() -> _Looked | None:
        """The next frame: one that waits, or else a new one."""
        if waiting:
            return waiting.popleft()
        return next(source, None)

    while (now := upcoming()) is not None:
        if tracker.last is None or now.frame.scene_start or tracker.differs(now):
            flash = _flash(tracker, now, waiting, source)
            if flash:
                for looked in flash:
                    yield _found(looked, FrameKind.FLASH, tracker)
                continue
            tracker.begin(now)
            yield _found(now, FrameKind.CUT, tracker)
            continue
        kind = tracker.follow(now)
        yield _found(now, kind, tracker)


def _found(looked: _Looked, kind: FrameKind, tracker: _SceneTracker) -> Frame:
    return replace(looked.frame, kind=kind, noise=tracker.sigma)


def _flash(
    tracker: _SceneTracker, now: _Looked, waiting: deque[_Looked], source: Iterator[_Looked]
) -> list[_Looked]:
    """The frames of a flash that begins with `now`; none if `now` is a cut."""
    if tracker.last is None or now.frame.scene_start:
        return []
    for number in range(LONGEST_FLASH):
        if len(waiting) <= number:
            looked = next(source, None)
            if looked is None:
                return []
            waiting.append(looked)
        following = waiting[number]
        if following.frame.scene_start:
            return []
        if not tracker.unlike(following):
            return [now, *(waiting.popleft() for _ in range(number))]
    return []


class _SceneTracker:
    """Keeps what the next frame of a scene is compared with."""

    def __init__(self) -> None:
        self.last: _Looked | None = None
        self.sigma = 0.0
        self._shown: _Looked | None = None
        self._levels: deque[float] = deque(maxlen=_LEVELS)

    def begin(self, now: _Looked) -> None:
        """Begin a new scene."""
        self.last = self._shown = now
        self.sigma = 0.0
        self._levels.clear()

    def differs(self, now: _Looked) -> bool:
        """Whether a frame seems not to belong to the scene of the last one."""
        assert self.last is not None
        return _difference(self.last.small, now.small) >= _SUSPICIOUS and self.unlike(now)

    def unlike(self, now: _Looked) -> bool:
        """Whether motion and fading explain less than half of the picture.

        The frame of less contrast has to explain the other, because every frame explains one that
        is nearly white.
        """
        assert self.last is not None
        before, after = self.last.small, now.small
        if before.std() > after.std():
            before, after = after, before
        before = faded(before, after)
        if _difference(before, after) < _SUSPICIOUS:
            return False
        flow = dense_flow(eight_bits(after), eight_bits(before))
        agreed = brightness_confidence(after, warp(before, flow), 0.0)
        blocks = cv2.resize(
            agreed,
            (max(1, agreed.shape[1] // _BLOCK), max(1, agreed.shape[0] // _BLOCK)),
            interpolation=cv2.INTER_AREA,
        )
        return bool(np.mean(blocks < _CONFIDENT) > 0.5)

    def follow(self, now: _Looked) -> FrameKind:
        """Add the next frame of the scene, and return its kind."""
        assert self.last is not None
        if self._repeats(now):
            self.last = now
            return FrameKind.REPEAT
        self._levels.append(noise_level(faded(self.last.luma, now.luma), now.luma))
        self.sigma = float(np.median(self._levels))
        self.last = self._shown = now
        return FrameKind.PLAIN

    def _repeats(self, now: _Looked) -> bool:
        """Whether a frame repeats the last frame that was not a repeat itself.

        By comparing with that frame, slow changes add up until they are noticed.
        """
        assert self._shown is not None
        shown = self._shown
        change = now.luma - shown.luma
        largest = float(abs(change).max())
        if abs(float(change.mean())) > _REPEAT_MEAN:
            return False
        if largest <= _REPEAT:
            return bool(abs(now.frame.data - shown.frame.data).max() <= _REPEAT_RGB)
        if self.sigma == 0 or self.sigma > _LOUDEST_REPEAT:
            return False
        spread = self.sigma * np.sqrt(2)
        if largest > 2 * _EXTREME * spread:
            return False
        return bool(abs(box(change, _SIDE)).max() <= _EXTREME * spread / _SIDE)


def fade(before: Floats, after: Floats) -> tuple[np.float32, np.float32]:
    """Gain and offset that give one luma the contrast and brightness of another.

    They are 1 and 0 if there is no fade. The gain is limited to 0.5..2: a larger change is not a
    fade.
    """
    (mean, spread), (mean_after, spread_after) = _moments(before), _moments(after)
    gain = spread_after / spread if spread > _STEP else 1.0
    gain = min(max(gain, 0.5), 2.0)
    offset = mean_after - gain * mean
    if abs(gain - 1) < 0.01 and abs(offset) < 0.5 * _STEP:
        return np.float32(1), np.float32(0)
    return np.float32(gain), np.float32(offset)


def _moments(plane: Floats) -> tuple[float, float]:
    """Mean and standard deviation."""
    mean, spread = cv2.meanStdDev(plane)
    return float(mean[0, 0]), float(spread[0, 0])


def faded(before: Floats, after: Floats) -> Floats:
    """`before` with the contrast and brightness of `after`, so that fades look like no change."""
    gain, offset = fade(before, after)
    return before if gain == 1 and offset == 0 else before * gain + offset


def _look(frame: Frame) -> _Looked:
    plane = luma(frame.data.clip(0, 1))
    height, width = plane.shape
    size = (min(width, _SMALL[0]), min(height, _SMALL[1]))
    small = cv2.resize(plane, size, interpolation=cv2.INTER_AREA)
    return _Looked(frame, plane, np.asarray(small, np.float32))


def _difference(before: Floats, after: Floats) -> float:
    return float(np.mean(abs(after - before)))
