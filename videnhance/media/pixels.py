"""Convert `av.VideoFrame` to RGB images and back, without changing a code value.

Planar and semi-planar formats are read and written in place. Any other format is first
rearranged by libswscale into the planar one that holds the same code values. Each of these pairs
was checked: libswscale is not exact between all formats, nor with every odd size.
"""

from __future__ import annotations

import ctypes
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Literal

import av
import numpy as np
from av.error import FFmpegError
from av.video.reformatter import Interpolation, VideoReformatter
from numpy.typing import NDArray

from videnhance.core import ChromaLocation, Colour, Image, InputError, Matrix, UsageError
from videnhance.kernels import chroma
from videnhance.kernels import colour as kernel

_BT2020_PRIMARIES = 9
_BAND = 1 << 16  # pixels
_CENTRED_CODECS = frozenset({"mjpeg", "mpeg1video", "h261", "h263"})
_PLANAR = re.compile(
    r"(?P<family>yuvj?|yuva|gbra?p|gray)(?:4\d\dp)?(?P<float>f)?(?:\d+)?(?P<msb>msb)?(?:le|be)?"
)


@dataclass(frozen=True)
class PlaneLayout:
    """How the code values of a planar or semi-planar format lie in memory.

    `h_shift` and `v_shift` are log2 of the chroma subsampling. `padding` is the number of unused
    low bits in each word. `interleaved` has the positions of Cb and Cr in the common plane of a
    semi-planar format.
    """

    name: str
    family: Literal["yuv", "gbr", "gray"]
    depth: int
    dtype: np.dtype[Any]
    h_shift: int = 0
    v_shift: int = 0
    padding: int = 0
    interleaved: tuple[int, int] | None = None

    @property
    def floating(self) -> bool:
        """Whether codes are floats, 0..1."""
        return self.dtype.kind == "f"


def to_image(frame: av.VideoFrame, colour: Colour) -> Image:
    """RGB of shape (3, H, W), float32, nominally 0..1, not clipped; alpha is left out.

    `colour` must be resolved: it needs a matrix (except for RGB and grey formats) and, if chroma
    is subsampled, a chroma location. Raises InputError for unsupported formats and matrices.
    """
    layout = planar_layout(frame.format.name)
    if frame.format.name != layout.name:
        frame = rearranged(frame, layout.name)
    planes = [p >> layout.padding if layout.padding else p for p in planes_of(frame, layout)]
    image = np.empty((3, frame.height, frame.width), np.float32)
    if layout.family == "yuv":
        _yuv_to_image(planes, layout, colour, image)
        return image
    scale, black = _rgb_codes(layout, colour)
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
    layout = planar_layout(pix_fmt)
    if not holds_images(pix_fmt, full_range=colour.full_range):
        raise ValueError(
            f"{pix_fmt} has alpha, fewer than 8 bits, or another range than the colour"
        )
    height, width = image.shape[1:]
    frame = av.VideoFrame(width, height, layout.name)
    planes = planes_of(frame, layout)
    if layout.family == "yuv":
        _image_to_yuv(image, planes, layout, colour)
    else:
        scale, black = _rgb_codes(layout, colour)
        grey = layout.family == "gray"
        source = [kernel.luma_from_rgb(image, colour.matrix)] if grey else image[[1, 2, 0]]
        for plane, target in zip(source, planes, strict=True):
            plane *= np.float32(scale)
            plane += np.float32(black)
            _store(plane, target, layout)
    if pix_fmt != layout.name:
        frame = rearranged(frame, pix_fmt)
    frame.colorspace = Matrix.RGB if layout.family == "gbr" else colour.matrix
    frame.color_range = 2 if colour.full_range else 1
    frame.color_primaries = colour.primaries
    frame.color_trc = colour.transfer
    return frame


def has_alpha(pix_fmt: str) -> bool:
    """Whether the format has an alpha channel, which `to_image` leaves out."""
    format_ = av.VideoFormat(pix_fmt)
    return format_.has_palette or any(c.is_alpha for c in format_.components)


def depth(pix_fmt: str) -> int:
    """Bits per component (8 where a format has fewer, 16 or 32 for half and single floats)."""
    return planar_layout(pix_fmt).depth


def nearest_pix_fmt(source: str, supported: Sequence[str], *, monochrome: bool = False) -> str:
    """The format among an encoder's `supported` ones that keeps most of `source`.

    The criteria, in this order: RGB stays RGB and the rest stays Y'CbCr; no bits are lost; no
    chroma resolution is lost; no bits or chroma samples are added; the encoder's own order.
    Formats with alpha are skipped, and yuv* is preferred to its full-range twin yuvj*. Grey stays
    grey only with `monochrome`, which is meant for archival codecs (ffv1). Without it grey becomes
    4:2:0, since hardware decoders refuse grey H.264 and HEVC. Raises UsageError if the encoder
    takes no usable format.
    """
    wanted = planar_layout(source)
    ranked: list[tuple[tuple[int, ...], str]] = []
    for index, name in enumerate(supported):
        if not holds_images(name):
            continue
        layout = planar_layout(name)
        if layout.family == "gray" and not (monochrome and wanted.family == "gray"):
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

    Without a tag, RGB, palettes, 1-bit and yuvj* are full range. Y'CbCr and grey are limited range,
    as H.264 and HEVC infer it.
    """
    if tagged in (1, 2):
        return tagged == 2
    packed_bits = pix_fmt in ("monow", "monob")
    return planar_layout(pix_fmt).family == "gbr" or pix_fmt.startswith("yuvj") or packed_bits


def resolve_chroma_location(
    pix_fmt: str, codec: str, primaries: int, tagged: int = ChromaLocation.UNSPECIFIED
) -> ChromaLocation:
    """The chroma location: as `tagged` (see `siting.tagged_chroma_location`), or a guess.

    Without a tag it is CENTER for JPEG, MPEG-1, H.261 and H.263, which define it so; TOPLEFT for
    4:2:0 with BT.2020 primaries, as in BT.2020 and Ultra HD Blu-ray; LEFT for all others, which is
    the default of MPEG-2, H.264 and HEVC. `codec` is FFmpeg's name of the source's codec.
    """
    if tagged in set(ChromaLocation) - {ChromaLocation.UNSPECIFIED}:
        return ChromaLocation(tagged)
    if codec in _CENTRED_CODECS:
        return ChromaLocation.CENTER
    layout = planar_layout(pix_fmt)
    if primaries == _BT2020_PRIMARIES and (layout.h_shift, layout.v_shift) == (1, 1):
        return ChromaLocation.TOPLEFT
    return ChromaLocation.LEFT


def holds_images(pix_fmt: str, *, full_range: bool = True) -> bool:
    """Whether `from_image` can write a format in full or limited range."""
    try:
        planar_layout(pix_fmt)
    except InputError:
        return False
    if has_alpha(pix_fmt) or (pix_fmt.startswith("yuvj") and not full_range):
        return False
    return all(c.bits >= 8 for c in av.VideoFormat(pix_fmt).components)


@lru_cache(maxsize=512)
def planar_layout(pix_fmt: str) -> PlaneLayout:
    """The layout in which `pix_fmt` is read: its own, or that of a planar format."""
    try:
        format_ = av.VideoFormat(pix_fmt)
    except ValueError:
        raise InputError(f"The pixel format {pix_fmt} is not known to this FFmpeg.") from None
    components = [c for c in format_.components if not c.is_alpha]
    # FFmpeg describes XYZ like Y'CbCr, and a Bayer mosaic like RGB.
    if not components or format_.is_bayer or pix_fmt.startswith("xyz"):
        raise _unsupported(pix_fmt)
    own = _layout(format_)
    if own is not None:
        return own
    bits = max(8, *(c.bits for c in components))
    floating = re.search(r"f(16|32)[bl]e$", pix_fmt) is not None
    suffix = ("f" if floating else "") + (f"{bits}le" if bits > 8 else "")
    if format_.is_rgb or format_.has_palette:
        name = f"gbrp{suffix}"
    elif len(components) == 1:
        name = f"gray{suffix}"
    else:
        width, height = format_.chroma_width(4), format_.chroma_height(4)
        name = f"yuv{_SAMPLINGS[width, height]}p{suffix}"
    try:
        layout = _layout(av.VideoFormat(name))
    except ValueError:
        layout = None
    if layout is None:
        raise _unsupported(pix_fmt)
    return layout


_SAMPLINGS = {(4, 4): 444, (2, 4): 422, (2, 2): 420, (4, 2): 440, (1, 4): 411, (1, 1): 410}
"""Chroma subsampling J:a:b, by the width and height of the chroma planes of a 4x4 picture."""


def _layout(format_: av.VideoFormat) -> PlaneLayout | None:
    """The layout of a planar or semi-planar format, None for all others."""
    name, components = format_.name, [c for c in format_.components if not c.is_alpha]
    bits = components[0].bits
    match = _PLANAR.fullmatch(name)
    semi = [c.plane for c in components] == [0, 1, 1]
    floating = match is not None and match["float"] is not None
    if (match is None and not semi) or (bits > 16 and not floating):
        return None  # float32 cannot hold integers of 32 bits
    kind = "f" if floating else "u"
    dtype = np.dtype(f"{'>' if format_.is_big_endian else '<'}{kind}{(bits + 7) // 8}")
    if match is not None and not match["family"].startswith("yuv"):
        family: Literal["gbr", "gray"] = "gray" if match["family"] == "gray" else "gbr"
        return PlaneLayout(name, family, bits, dtype, padding=16 - bits if match["msb"] else 0)
    msb = name.startswith("p") if match is None else match["msb"] is not None
    return PlaneLayout(
        name,
        "yuv",
        bits,
        dtype,
        h_shift=(4 // format_.chroma_width(4)).bit_length() - 1,
        v_shift=(4 // format_.chroma_height(4)).bit_length() - 1,
        padding=16 - bits if msb else 0,
        interleaved=((1, 0) if name in ("nv21", "nv42") else (0, 1)) if semi else None,
    )


def _cost(wanted: PlaneLayout, layout: PlaneLayout) -> tuple[int, ...]:
    """The losses of a conversion from `wanted` to `layout`, the worst kind first."""
    # Grey has no chroma to keep. It counts as 4:2:0, which has the widest support.
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


def rearranged(frame: av.VideoFrame, pix_fmt: str) -> av.VideoFrame:
    """The same code values in another format; matrix and range are not converted."""
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


def planes_of(frame: av.VideoFrame, layout: PlaneLayout) -> list[NDArray[Any]]:
    """Views (H, W) of the components' memory, valid and writable while the frame lives."""
    dtype = layout.dtype
    if layout.interleaved is not None:
        pairs = _lines(frame, 1, dtype)[:, : 2 * frame.planes[1].width]
        return [
            _lines(frame, 0, dtype)[:, : frame.width],
            *(pairs[:, place::2] for place in layout.interleaved),
        ]
    count = 1 if layout.family == "gray" else 3
    return [_lines(frame, i, dtype)[:, : frame.planes[i].width] for i in range(count)]


def _lines(frame: av.VideoFrame, index: int, dtype: np.dtype[Any]) -> NDArray[Any]:
    """One plane, including the padding at the end of its lines."""
    plane = frame.planes[index]
    line = plane.line_size
    memory: Any = plane
    if line < 0:
        # The picture is stored bottom up. The pointer is to its top line, the last one in memory.
        start = plane.buffer_ptr + (plane.height - 1) * line
        memory = (ctypes.c_uint8 * (plane.height * -line)).from_address(start)
    lines = np.frombuffer(memory, np.uint8).reshape(plane.height, abs(line))
    return lines[:: 1 if line > 0 else -1].view(dtype)


def _yuv_to_image(
    planes: list[NDArray[Any]], layout: PlaneLayout, colour: Colour, image: Image
) -> None:
    y, *coloured = planes
    tall = [_upsample(c, y.shape[0], layout.v_shift, colour, axis=0) for c in coloured]
    for rows in _bands(*y.shape):
        cb, cr = (_upsample(c[rows], y.shape[1], layout.h_shift, colour, axis=1) for c in tall)
        luma = y[rows].astype(np.float32)
        kernel.rgb_from_yuv(
            luma, cb, cr, colour.matrix, colour.full_range, layout.depth, image[:, rows]
        )


def _image_to_yuv(
    image: Image, planes: list[NDArray[Any]], layout: PlaneLayout, colour: Colour
) -> None:
    y, *coloured = planes
    height, width = y.shape
    tall = np.empty((2, height, coloured[0].shape[1]), np.float32)
    for rows in _bands(height, width):
        codes = kernel.yuv_from_rgb(image[:, rows], colour.matrix, colour.full_range, layout.depth)
        _store(codes[0], y[rows], layout)
        for source, target in zip(codes[1:], tall, strict=True):
            target[rows] = _downsample(source, layout.h_shift, colour, axis=1)
    for source, target in zip(tall, coloured, strict=True):
        _store(_downsample(source, layout.v_shift, colour, axis=0), target, layout)


def _bands(height: int, width: int) -> Iterator[slice]:
    """Bands of rows, small enough that one band of every plane fits the processor's cache."""
    step = max(1, _BAND // width)
    for start in range(0, height, step):
        yield slice(start, min(height, start + step))


def _upsample(
    plane: NDArray[Any], size: int, shift: int, colour: Colour, axis: int
) -> chroma.Plane:
    values = plane.astype(np.float32, copy=False)
    for step in reversed(range(shift)):
        length = (size + (1 << step) - 1) >> step
        values = chroma.upsample(values, length, _siting(colour, axis), axis)
    return values


def _downsample(plane: chroma.Plane, shift: int, colour: Colour, axis: int) -> chroma.Plane:
    for _ in range(shift):
        plane = chroma.downsample(plane, _siting(colour, axis), axis)
    return plane


def _siting(colour: Colour, axis: int) -> chroma.Siting:
    if axis == 0:
        return chroma.vertical_siting(colour.chroma_location)
    return chroma.horizontal_siting(colour.chroma_location)


def _rgb_codes(layout: PlaneLayout, colour: Colour) -> tuple[float, float]:
    """Scale and offset from 0..1 to stored values. Floats are stored unchanged."""
    return (1.0, 0.0) if layout.floating else kernel.luma_codes(colour.full_range, layout.depth)


def _rgb_order(planes: Sequence[NDArray[Any]]) -> tuple[NDArray[Any], ...]:
    """R, G, B from the planes G, B, R, or from grey alone."""
    if len(planes) == 1:
        return planes[0], planes[0], planes[0]
    return planes[2], planes[0], planes[1]


def _store(plane: chroma.Plane, target: NDArray[Any], layout: PlaneLayout) -> None:
    """Round, clip and write code values; `plane` is overwritten."""
    if not layout.floating:
        np.rint(plane, out=plane)
        np.clip(plane, 0, (1 << layout.depth) - 1, out=plane)
    target[...] = plane
    if layout.padding:
        target <<= layout.padding
