"""Tell for every frame of a stream whether it begins a scene, flashes, or repeats the last one."""

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
    interleaved,
    luma,
    warp,
)
from videnhance.kernels.noise import noise_level

LONGEST_FLASH = 2
"""Frames; also how many frames must be seen after a cut before it is sure to be none."""
_LEVELS = 15
"""Frames whose noise levels are remembered: the noise of a scene is their median."""
SCAN_PREROLL = _LEVELS + 1
"""Frames after which a scan knows what it knows in an uncut run, but for repeats in a row."""

_SMALL = (160, 90)
_SUSPICIOUS = 0.03
"""Smallest mean difference, as a share of the range, at which explanations are tried."""
_BLOCK = 10
_CONFIDENT = 0.5
_STEP = 1 / 255
_REPEAT = 1.01 * _STEP
_REPEAT_MEAN = 0.2 * _STEP
"""A fade, however slow, moves the mean; what else stays below a step does not."""
_REPEAT_RGB = 2.2 * _STEP
"""A step of a chroma code value is up to 1.86 steps of blue (H.273, BT.709)."""
_LOUDEST_REPEAT = 2 * _STEP
"""Noise above this is grain that belongs to the picture and must go on moving."""
_SIDE = 5
_EXTREME = 4.5  # sigmas that the largest of a frame's means of noise stays below


@dataclass(frozen=True)
class Seen:
    """A frame and what every temporal method needs of it."""

    frame: Frame
    image: Image
    """The frame within 0..1, (3, H, W)."""
    luma: Floats
    """Of that, (H, W)."""

    @classmethod
    def of(cls, frame: Frame) -> Seen:
        """Prepare a frame."""
        image = frame.data.clip(0, 1)
        return cls(frame, image, luma(image))

    @property
    def kind(self) -> FrameKind:
        """What it is to the frame before."""
        return self.frame.kind

    @property
    def sigma(self) -> float:
        """Noise level of the scene's luma so far, 0..1."""
        return self.frame.noise


def seen(frames: Iterator[Frame]) -> Iterator[Seen]:
    """Scanned frames with their luma; the first one begins a scene, whatever came before it."""
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

    Frames behind a suspected cut are held back until it is sure.

    A cut is a frame that differs from the one before, in the mean, and that neither motion nor a
    fade explains in more than half of the picture.
    """
    waiting: deque[_Looked] = deque()
    tracker = _SceneTracker()
    source = (_look(frame) for frame in frames)

    def upcoming() -> _Looked | None:
        """The next frame, read on where none waits."""
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
    """The frames of a flash that begins with `now`; none where it is a cut."""
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
    """Remembers of a scene what its next frame is compared with."""

    def __init__(self) -> None:
        self.last: _Looked | None = None
        self.sigma = 0.0
        self._shown: _Looked | None = None
        self._levels: deque[float] = deque(maxlen=_LEVELS)

    def begin(self, now: _Looked) -> None:
        """A new scene."""
        self.last = self._shown = now
        self.sigma = 0.0
        self._levels.clear()

    def differs(self, now: _Looked) -> bool:
        """Whether a frame begins something else than the last one's scene."""
        assert self.last is not None
        return _difference(self.last.small, now.small) >= _SUSPICIOUS and self.unlike(now)

    def unlike(self, now: _Looked) -> bool:
        """Whether motion and fading explain less than half of what is in this frame or the last.

        The one of less contrast has to explain the other: nearly white frames follow from any.
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
        """Take in a further frame of the scene."""
        assert self.last is not None
        if self._repeats(now):
            self.last = now
            return FrameKind.REPEAT
        self._levels.append(noise_level(faded(self.last.luma, now.luma), now.luma))
        self.sigma = float(np.median(self._levels))
        self.last = self._shown = now
        return FrameKind.PLAIN

    def _repeats(self, now: _Looked) -> bool:
        """Whether a frame shows what the last one shows that was not a repeat itself.

        Compared with that one, so that slow changes add up until they are seen.
        """
        assert self._shown is not None
        shown = self._shown
        change = now.luma - shown.luma
        largest = float(abs(change).max())
        if abs(float(change.mean())) > _REPEAT_MEAN:
            return False
        if largest <= _REPEAT:
            colours = abs(interleaved(now.frame.data) - interleaved(shown.frame.data))
            return bool(colours.max() <= _REPEAT_RGB)
        if self.sigma == 0 or self.sigma > _LOUDEST_REPEAT:
            return False
        spread = self.sigma * np.sqrt(2)
        if largest > 2 * _EXTREME * spread:
            return False
        return bool(abs(box(change, _SIDE)).max() <= _EXTREME * spread / _SIDE)


def fade(before: Floats, after: Floats) -> tuple[np.float32, np.float32]:
    """Gain and offset that give one luma the contrast and brightness of another; 1 and 0 for none.

    The gain stays between a half and 2: what is beyond is something else.
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
