"""Pixels of `av.VideoFrame` to RGB images and back, without losing a code value.

Planar formats are read and written through the buffer protocol. Any other format is first
rearranged by libswscale into the planar one that holds the same code values.
"""

from __future__ import annotations

import ctypes
import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Literal

import av
import numpy as np
from av.error import FFmpegError
from av.video.reformatter import Interpolation, VideoReformatter
from numpy.typing import NDArray

from videnhance.core import ChromaLocation, Colour, Image, InputError, UsageError
from videnhance.kernels import chroma
from videnhance.kernels import colour as kernel

_BT2020_PRIMARIES = 9
_CENTRED_CODECS = frozenset({"mjpeg", "mpeg1video", "h261", "h263"})
_PLANAR = re.compile(
    r"(?P<family>yuvj?|yuva|gbra?p|gray)(?P<sampling>4\d\d)?p?(?P<float>f)?(?P<depth>\d+)?(?:le)?"
)


@dataclass(frozen=True)
class _Layout:
    """A planar format: how its code values lie in memory and what they stand for."""

    name: str
    family: Literal["yuv", "gbr", "gray"]
    depth: int
    floating: bool
    h_shift: int
    v_shift: int

    @property
    def dtype(self) -> np.dtype[Any]:
        if self.floating:
            return np.dtype("<f4" if self.depth == 32 else "<f2")
        return np.dtype("u1" if self.depth == 8 else "<u2")


def to_image(frame: av.VideoFrame, colour: Colour) -> Image:
    """RGB of shape (3, H, W), float32, nominally 0..1, not clipped; alpha is left out.

    `colour` must be resolved: a matrix (but for RGB and grey formats) and, where chroma is
    subsampled, a chroma location. Raises InputError for formats and matrices that are not
    supported.
    """
    layout = _planar(frame.format.name)
    if frame.format.name != layout.name:
        frame = _rearrange(frame, layout.name)
    planes = [_plane(frame, i, layout.dtype) for i in range(1 if layout.family == "gray" else 3)]
    if layout.family == "yuv":
        y, cb, cr = planes
        return kernel.rgb_from_yuv(
            y.astype(np.float32),
            _enlarge_chroma(cb, frame, layout, colour),
            _enlarge_chroma(cr, frame, layout, colour),
            colour.matrix,
            colour.full_range,
            layout.depth,
        )
    scale, black = _rgb_codes(layout, colour)
    image = np.empty((3, frame.height, frame.width), np.float32)
    for channel, plane in zip(image, _rgb_order(planes), strict=True):
        np.multiply(plane, np.float32(1 / scale), out=channel, dtype=np.float32)
        if black:
            channel -= np.float32(black / scale)
    return image


def from_image(image: Image, pix_fmt: str, colour: Colour) -> av.VideoFrame:
    """A frame of `pix_fmt` with the nearest code values of `image` (3, H, W), tagged as `colour`.

    Values are clipped to what the integers can hold, not to the nominal range, so that footroom
    and headroom survive. The inverse of `to_image` for every supported format without alpha.
    Raises ValueError for a format with alpha or a `colour` that is not resolved.
    """
    layout = _planar(pix_fmt)
    if has_alpha(pix_fmt):
        raise ValueError(f"{pix_fmt} has alpha, which an image does not hold")
    if pix_fmt.startswith("yuvj") and not colour.full_range:
        raise ValueError(f"{pix_fmt} is full range, but the colour is tagged limited")
    height, width = image.shape[1:]
    frame = av.VideoFrame(width, height, layout.name)
    for i, plane in enumerate(_code_values(image, layout, colour)):
        _store(plane, _plane(frame, i, layout.dtype), layout)
    if pix_fmt != layout.name:
        frame = _rearrange(frame, pix_fmt)
    frame.colorspace = colour.matrix
    frame.color_range = 2 if colour.full_range else 1
    frame.color_primaries = colour.primaries
    frame.color_trc = colour.transfer
    return frame


def has_alpha(pix_fmt: str) -> bool:
    """Whether the format carries opacity, which `to_image` leaves out."""
    format_ = av.VideoFormat(pix_fmt)
    return format_.has_palette or any(c.is_alpha for c in format_.components)


def depth(pix_fmt: str) -> int:
    """Bits per component (8 where a format has fewer, 16 or 32 for half and single floats)."""
    return _planar(pix_fmt).depth


def nearest_pix_fmt(source: str, supported: Sequence[str], *, monochrome: bool = False) -> str:
    """The format among an encoder's `supported` ones that keeps most of `source`.

    What counts, in this order: RGB stays RGB and the rest stays Y'CbCr; no bits lost; no chroma
    resolution lost; nothing stored in vain; the encoder's own order. Formats with alpha are
    passed over, and the full-range yuvj* in favour of their yuv* twins. Grey stays grey only
    with `monochrome`, meant for archival codecs (ffv1): hardware decoders refuse grey H.264 and
    HEVC, so else it becomes 4:2:0. Raises UsageError when the encoder takes no usable format.
    """
    wanted = _planar(source)
    ranked: list[tuple[tuple[int, ...], str]] = []
    for index, name in enumerate(supported):
        try:
            layout = _planar(name)
        except InputError:
            continue
        if has_alpha(name) or (layout.family == "gray" and wanted.family != "gray"):
            continue
        if layout.family == "gray" and not monochrome:
            continue
        ranked.append(((*_cost(wanted, layout), name.startswith("yuvj"), index), name))
    if not ranked:
        raise UsageError(
            f"The encoder takes none of the pixel formats this program can write "
            f"({', '.join(supported) or 'it names none'}); choose another codec."
        )
    return min(ranked)[1]


def resolve_full_range(pix_fmt: str, tagged: int) -> bool:
    """Whether code values span the full range, given the stream's `color_range` (0, 1 or 2).

    Where it is not tagged, RGB, palettes, 1-bit and yuvj* are full range; Y'CbCr and grey are
    limited, as H.264 and HEVC infer it.
    """
    if tagged in (1, 2):
        return tagged == 2
    packed_bits = pix_fmt in ("monow", "monob")
    return _planar(pix_fmt).family == "gbr" or pix_fmt.startswith("yuvj") or packed_bits


def resolve_chroma_location(
    pix_fmt: str, tagged: int, codec: str, primaries: int
) -> ChromaLocation:
    """Where chroma samples lie, given the stream's tag (a `ChromaLocation`, 0 where unknown).

    Without a tag: CENTER for JPEG, MPEG-1, H.261 and H.263, which define it so; TOPLEFT for
    4:2:0 with BT.2020 primaries, as BT.2020 and Ultra HD Blu-ray have it; LEFT for all others,
    the default of MPEG-2, H.264 and HEVC. `codec` is FFmpeg's name of the source's codec.
    """
    if tagged in set(ChromaLocation) - {ChromaLocation.UNSPECIFIED}:
        return ChromaLocation(tagged)
    if codec in _CENTRED_CODECS:
        return ChromaLocation.CENTER
    layout = _planar(pix_fmt)
    if primaries == _BT2020_PRIMARIES and (layout.h_shift, layout.v_shift) == (1, 1):
        return ChromaLocation.TOPLEFT
    return ChromaLocation.LEFT


@lru_cache(maxsize=512)
def _planar(pix_fmt: str) -> _Layout:
    """The planar format that holds the code values of `pix_fmt`, itself where it is planar."""
    try:
        format_ = av.VideoFormat(pix_fmt)
    except ValueError:
        raise InputError(f"The pixel format {pix_fmt} is not known to this FFmpeg.") from None
    own = _layout(pix_fmt)
    if own is not None:
        return own
    components = [c for c in format_.components if not c.is_alpha]
    # XYZ looks like Y'CbCr in its description, and a mosaic like RGB.
    if not components or format_.is_bayer or pix_fmt.startswith("xyz"):
        raise _unsupported(pix_fmt)
    bits = max(8, *(c.bits for c in components))
    floating = re.search(r"f(16|32)[bl]e$", pix_fmt) is not None
    suffix = ("f" if floating else "") + (f"{bits}le" if bits > 8 else "")
    if format_.is_rgb or format_.has_palette:
        name = f"gbrp{suffix}"
    elif len(components) == 1:
        name = f"gray{suffix}"
    else:
        shifts = _shifts(format_)
        sampling = next((s for s, known in _SAMPLINGS.items() if known == shifts), "")
        name = f"yuv{sampling}p{suffix}"
    layout = _layout(name)
    if layout is None:
        raise _unsupported(pix_fmt)
    return layout


_SAMPLINGS = {
    "444": (0, 0),
    "422": (1, 0),
    "420": (1, 1),
    "440": (0, 1),
    "411": (2, 0),
    "410": (2, 2),
}
"""Log2 of the chroma subsampling, horizontal and vertical."""


def _layout(name: str) -> _Layout | None:
    """The layout of a planar little-endian format, None for all others."""
    match = _PLANAR.fullmatch(name)
    if match is None:
        return None
    bits = int(match["depth"] or 8)
    floating = match["float"] is not None
    if bits > 16 and not floating:
        return None  # float32 cannot hold 32-bit integers
    if bits == 16 and floating and name.startswith("yuv"):
        return None
    try:
        format_ = av.VideoFormat(name)
    except ValueError:
        return None
    if match["family"].startswith("yuv"):
        return _Layout(name, "yuv", bits, floating, *_shifts(format_))
    return _Layout(name, "gray" if match["family"] == "gray" else "gbr", bits, floating, 0, 0)


def _shifts(format_: av.VideoFormat) -> tuple[int, int]:
    return (
        (64 // format_.chroma_width(64)).bit_length() - 1,
        (64 // format_.chroma_height(64)).bit_length() - 1,
    )


def _cost(wanted: _Layout, layout: _Layout) -> tuple[int, ...]:
    """What is lost, the worst kind first, going from one layout to another."""
    # Grey has no chroma to keep; 4:2:0 holds it with the widest support.
    grey = wanted.family == "gray"
    h, v = (1, 1) if grey else (wanted.h_shift, wanted.v_shift)
    bits = layout.depth - wanted.depth
    return (
        (wanted.family == "gbr") != (layout.family == "gbr"),
        layout.family != "gray" if grey else 0,
        max(0, -bits),
        max(0, layout.h_shift - h) + max(0, layout.v_shift - v),
        max(0, bits),
        max(0, h - layout.h_shift) + max(0, v - layout.v_shift),
    )


def _unsupported(pix_fmt: str) -> InputError:
    return InputError(
        f"The pixel format {pix_fmt} is not supported; convert the video to a common one, "
        "such as yuv420p or gbrp, first."
    )


def _rearrange(frame: av.VideoFrame, pix_fmt: str) -> av.VideoFrame:
    """The same code values in another format, with matrix and range left alone."""
    range_ = 2 if resolve_full_range(frame.format.name, frame.color_range) else 1
    try:
        return VideoReformatter().reformat(
            frame,
            format=pix_fmt,
            interpolation=Interpolation.POINT | Interpolation.ACCURATE_RND,
            src_color_range=range_,
            dst_color_range=range_,
            threads=1,
        )
    except (FFmpegError, ValueError) as exc:
        raise _unsupported(frame.format.name) from exc


def _plane(frame: av.VideoFrame, index: int, dtype: np.dtype[Any]) -> NDArray[Any]:
    """A view (H, W) of one plane's memory, valid and writable while the frame lives."""
    plane = frame.planes[index]
    line = plane.line_size
    if line >= 0:
        flat = np.frombuffer(plane, dtype, count=plane.height * line // dtype.itemsize)
        return flat.reshape(plane.height, line // dtype.itemsize)[:, : plane.width]
    # Stored from the bottom up: the pointer is that of the last line in memory.
    start = plane.buffer_ptr + (plane.height - 1) * line
    memory = (ctypes.c_uint8 * (plane.height * -line)).from_address(start)
    rows = np.frombuffer(memory, dtype).reshape(plane.height, -line // dtype.itemsize)
    return rows[::-1, : plane.width]


def _enlarge_chroma(
    plane: NDArray[Any], frame: av.VideoFrame, layout: _Layout, colour: Colour
) -> chroma.Plane:
    values = plane.astype(np.float32)
    for axis, size, shift in ((0, frame.height, layout.v_shift), (1, frame.width, layout.h_shift)):
        for step in reversed(range(shift)):
            siting = _siting(colour, axis)
            values = chroma.upsample(values, -(-size // (1 << step)), siting, axis)
    return values


def _reduce_chroma(plane: chroma.Plane, layout: _Layout, colour: Colour) -> chroma.Plane:
    for axis, shift in ((1, layout.h_shift), (0, layout.v_shift)):
        for _ in range(shift):
            plane = chroma.downsample(plane, _siting(colour, axis), axis)
    return plane


def _siting(colour: Colour, axis: int) -> chroma.Siting:
    if axis == 0:
        return chroma.vertical_siting(colour.chroma_location)
    return chroma.horizontal_siting(colour.chroma_location)


def _rgb_codes(layout: _Layout, colour: Colour) -> tuple[float, float]:
    """Scale and offset from 0..1 to what is stored; floats are stored as they are."""
    return (1.0, 0.0) if layout.floating else kernel.luma_codes(colour.full_range, layout.depth)


def _rgb_order(planes: Sequence[NDArray[Any]]) -> tuple[NDArray[Any], ...]:
    """R, G, B from the planes G, B, R, or from grey alone."""
    if len(planes) == 1:
        return planes[0], planes[0], planes[0]
    return planes[2], planes[0], planes[1]


def _code_values(image: Image, layout: _Layout, colour: Colour) -> list[chroma.Plane]:
    """The planes of `layout` as unrounded code values."""
    if layout.family == "yuv":
        y, cb, cr = kernel.yuv_from_rgb(image, colour.matrix, colour.full_range, layout.depth)
        return [y, _reduce_chroma(cb, layout, colour), _reduce_chroma(cr, layout, colour)]
    scale, black = _rgb_codes(layout, colour)
    if layout.family == "gray":
        planes = [kernel.luma_from_rgb(image, colour.matrix)]
    else:
        planes = [image[1], image[2], image[0]]
    return [plane * np.float32(scale) + np.float32(black) for plane in planes]


def _store(plane: chroma.Plane, target: NDArray[Any], layout: _Layout) -> None:
    if not layout.floating:
        np.rint(plane, out=plane)
        np.clip(plane, 0, (1 << layout.depth) - 1, out=plane)
    target[...] = plane
