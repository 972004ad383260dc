"""Read the coded luma of a recording's frames, in order, for measuring."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self

import numpy as np

from videnhance.core import ClipInfo, Matrix
from videnhance.kernels.colour import Plane, luma_codes, luma_from_rgb
from videnhance.media.decode import Decoder, check_size
from videnhance.media.pixels import planar_layout, planes_of, rearranged, to_image
from videnhance.media.source import DecodeErrors, SourceInfo
from videnhance.media.timeline import Segment, read_timeline

_WHOLE = Segment(0, None, None, None)


@dataclass(frozen=True)
class LumaScale:
    """Black, and the distance from black to white, as fractions of the largest code value.

    Recordings of different depths and ranges become comparable in the scale of one of them. The
    largest code value is 1 in it, the peak for which PSNR is usually given.
    """

    black: float
    span: float

    @classmethod
    def of(cls, clip: ClipInfo) -> LumaScale:
        """The scale of a recording's own code values."""
        if clip.colour.full_range:
            return cls(0.0, 1.0)
        span, black = luma_codes(False, clip.bit_depth)
        greatest = float((1 << clip.bit_depth) - 1)
        return cls(black / greatest, span / greatest)


@dataclass(frozen=True)
class LumaFrame:
    """One frame's luma, (H, W), float32, in a `LumaScale`, and its time in seconds."""

    luma: Plane
    time: float


class LumaReader:
    """Decodes a recording from its beginning to its end; use as a context manager.

    `stop` is called often and may raise. Raises InputError for files that cannot be read.
    """

    def __init__(
        self, info: SourceInfo, scale: LumaScale, stop: Callable[[], None] = lambda: None
    ) -> None:
        self.info = info
        timeline = read_timeline(info, stop=stop)
        self.expected = timeline.frames
        """Estimated number of frames."""
        self.spacing = float(1 / timeline.rate)
        """Average seconds from frame to frame."""
        self._scale = scale
        self._decoder = Decoder(info, timeline)

    def __enter__(self) -> Self:
        self._decoder.__enter__()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        value: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._decoder.__exit__(kind, value, traceback)

    @property
    def decode_errors(self) -> DecodeErrors:
        """Decode errors of the recording; complete when all frames were read."""
        return self._decoder.decode_errors

    def frames(self) -> Iterator[LumaFrame]:
        """Every frame in order. Raises InputError if the picture's size changes."""
        clip = self.info.clip
        for picture, _ in self._decoder.pictures(_WHOLE):
            check_size(self.info, picture)
            time = float(picture.pts * clip.time_base)
            yield LumaFrame(self._luma(picture.frame), time)

    def _luma(self, frame: Any) -> Plane:
        """The Y plane in this reader's scale; for RGB and grey formats, BT.709 luma."""
        colour, layout = self.info.clip.colour, planar_layout(frame.format.name)
        if layout.family == "yuv":
            if frame.format.name != layout.name:
                frame = rearranged(frame, layout.name)
            codes = planes_of(frame, layout)[0]
            luma: Plane = np.right_shift(codes, layout.padding).astype(np.float32)
            span, black = luma_codes(colour.full_range, layout.depth)
        else:
            luma = luma_from_rgb(to_image(frame, colour), Matrix.RGB)
            span, black = 1.0, 0.0
        factor = self._scale.span / span
        luma *= np.float32(factor)
        offset = self._scale.black - black * factor
        # In the recording's own scale the offset is zero, except for rounding errors.
        if abs(offset) > 1e-12:
            luma += np.float32(offset)
        return luma
