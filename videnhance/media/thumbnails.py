"""Decode two recordings side by side and compare thumbnails of their frames."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, replace
from typing import Any, TypeAlias

import numpy as np
from av.video.reformatter import Interpolation, VideoReformatter
from numpy.typing import NDArray

from videnhance.core import Matrix
from videnhance.media.content import Times
from videnhance.media.decode import Decoder
from videnhance.media.source import DecodeErrors, SourceInfo
from videnhance.media.timeline import Segment, read_timeline

# Mean differences of two thumbnails, in codes of 0..255, measured on 12 clips: enhancing makes 2.8
# at most; x264 at its worst (ultrafast, --crf 51) makes 14; swapping a clip's halves makes 10 to
# 107 at the worst frame (6 and 2 for the two clips that hardly move).
LIMIT = 16.0
"""Two frames are not the same if their thumbnails differ by this mean or more."""
_SUSPECT, _SHARE = 5.0, 1 / 3
"""Two frames are also not the same if their thumbnails differ by `_SUSPECT` or more, while another
frame of the source differs by less than `_SHARE` of that."""
_NEIGHBOURS = 12  # frames before and after that are not searched: a bad encode may show one
_WIDTH, _HEIGHT = 16, 9
_SEARCHED_AT_ONCE = 4096
_WHOLE = Segment(0, None, None, None)
_FULL_RANGE, _LIMITED_RANGE = 2, 1
_AS_BT601 = {int(m): int(Matrix.BT470BG) for m in (Matrix.SMPTE170M, Matrix.YCGCO)}

_Small = NDArray[np.uint8]
Aside: TypeAlias = Callable[[Iterator[Any]], AbstractContextManager[Iterator[Any]]]
"""Wraps an iterator in a context that gives the same items, perhaps ahead on another thread."""


@dataclass(frozen=True)
class Reading:
    """The times of a recording's frames, and its decode errors."""

    times: Times
    decode_errors: DecodeErrors


@dataclass(frozen=True)
class ThumbnailCheck:
    """The pair of frames that differ most: their number, from 0, and their mean difference.

    The difference is in codes of 0..255. `other` is the number of the source frame that the output
    shows instead, if one was found.
    """

    difference: float = 0.0
    frame: int = 0
    other: int | None = None

    @property
    def same(self) -> bool:
        """Whether every frame shows what its counterpart shows."""
        return self.difference < LIMIT and self.other is None


def compare_frames(
    old: SourceInfo,
    new: SourceInfo,
    stop: Callable[[], None],
    aside: Aside = nullcontext,
    shown: Sequence[int] | None = None,
) -> tuple[Reading, Reading, ThumbnailCheck]:
    """Decode both recordings once, in step, and compare their frames; the second goes `aside`.

    `shown` has for each frame of the second recording the number of the frame in the first that it
    shows. Without it they are paired one for one. `stop` is called often and may raise. Raises
    InputError for files that cannot be read.
    """
    across = (old.clip.colour.matrix == Matrix.RGB) != (new.clip.colour.matrix == Matrix.RGB)
    shrink_new, times_new = _Thumbnails(new, across), Times(new.clip.time_base)
    worst, worst_picture = ThumbnailCheck(), np.zeros(_WIDTH * _HEIGHT, np.uint8)
    with (
        Decoder(old, read_timeline(old, stop=stop)) as decoder,
        Decoder(new, read_timeline(new, stop=stop)) as decoder_new,
        aside((b[0].pts, shrink_new(b[0].frame)) for b in decoder_new.pictures(_WHOLE)) as made,
    ):
        source_frames = _SourceFrames(decoder, _Thumbnails(old, across), stop)
        for number, (pts, small_new) in enumerate(made):
            stop()
            times_new.ticks.append(pts)
            wanted = number if shown is None else shown[number] if number < len(shown) else -1
            small = source_frames.at(wanted)
            if small is None:
                continue
            difference = float(_differences(small[None], small_new)[0])
            if difference > worst.difference:
                worst, worst_picture = ThumbnailCheck(difference, number), small_new
        source_frames.read_all()
    if worst.difference >= _SUSPECT:
        own = worst.frame if shown is None else shown[worst.frame]
        other = _other(source_frames.small, worst_picture, worst.difference, own)
        worst = replace(worst, other=other)
    old_reading = Reading(source_frames.times, decoder.decode_errors)
    return old_reading, Reading(times_new, decoder_new.decode_errors), worst


class _SourceFrames:
    """The source's thumbnails, decoded only as far as they were asked for."""

    def __init__(self, decoder: Decoder, shrink: _Thumbnails, stop: Callable[[], None]) -> None:
        self._pictures = decoder.pictures(_WHOLE)
        self._shrink, self._stop = shrink, stop
        self.times = Times(decoder.source.clip.time_base)
        self.small = bytearray()

    def at(self, number: int) -> _Small | None:
        """The thumbnail of a frame by its number; None if there is no such frame."""
        while len(self.times.ticks) <= number:
            if not self._read():
                return None
        size = _WIDTH * _HEIGHT
        if number < 0:
            return None
        return np.frombuffer(self.small[number * size : (number + 1) * size], np.uint8)

    def read_all(self) -> None:
        """Decode to the end."""
        while self._read():
            pass

    def _read(self) -> bool:
        self._stop()
        found = next(self._pictures, None)
        if found is None:
            return False
        picture = found[0]
        self.times.ticks.append(picture.pts)
        self.small += self._shrink(picture.frame).tobytes()
        return True


def _other(
    small_pictures: bytearray, worst_picture: _Small, difference: float, own: int
) -> int | None:
    """Number of the source frame, not near `own`, that a thumbnail shows instead; None if none."""
    small = np.frombuffer(small_pictures, np.uint8).reshape(-1, _WIDTH * _HEIGHT)
    chunks = range(0, len(small), _SEARCHED_AT_ONCE)
    found = [_differences(small[at : at + _SEARCHED_AT_ONCE], worst_picture) for at in chunks]
    differences = np.concatenate(found)
    near = slice(max(0, own - _NEIGHBOURS), own + _NEIGHBOURS + 1)
    differences[near] = np.inf
    best = int(differences.argmin())
    return best if differences[best] < difference * _SHARE else None


def _differences(small_pictures: _Small, worst_picture: _Small) -> NDArray[np.float64]:
    """Mean absolute differences between thumbnails (N, 144) and a single one (144,)."""
    means: NDArray[np.float64] = np.abs(small_pictures.astype(np.int16) - worst_picture).mean(
        axis=1
    )
    return means


class _Thumbnails:
    """Makes luma thumbnails of one recording's frames, averaged over areas, in full range.

    As grey, libswscale gives the luma of BT.601. It converts to it from RGB, and from the Y'CbCr
    matrix that it is told. `across` says that RGB is compared with Y'CbCr; only then is it told the
    recording's own matrix. Without `across` the luma is not converted.
    """

    def __init__(self, info: SourceInfo, across: bool) -> None:
        self._full = info.clip.colour.full_range
        # libswscale does not know YCgCo, but BT.601 is near enough to its luma. BT.601 has two
        # numbers, of which PyAV passes on only this one.
        matrix = info.clip.colour.matrix if across else Matrix.BT470BG
        self._matrix = int(_AS_BT601.get(matrix, matrix))
        self._reformatter = VideoReformatter()

    def __call__(self, frame: Any) -> _Small:
        """Codes 0..255 of shape (144,)."""
        small = self._reformatter.reformat(
            frame,
            width=_WIDTH,
            height=_HEIGHT,
            format="gray",
            interpolation=Interpolation.AREA,
            src_colorspace=self._matrix,
            src_color_range=_FULL_RANGE if self._full else _LIMITED_RANGE,
            dst_color_range=_FULL_RANGE,
            threads=1,
        )
        codes = small.to_ndarray().astype(np.uint8, copy=False).ravel()
        if not self._full and _is_grey(frame.format):
            # libswscale treats grey as full range, whatever range it is told.
            black, white = 16, 235
            spread = (codes.astype(np.float32) - black) * (255 / (white - black))
            codes = np.clip(np.rint(spread), 0, 255).astype(np.uint8)
        return codes


def _is_grey(form: Any) -> bool:
    return len([c for c in form.components if not c.is_alpha]) == 1 and not form.has_palette
