"""Open a recording and read what it holds: streams, colour, geometry, chapters."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from fractions import Fraction
from itertools import pairwise
from pathlib import Path
from typing import Any

import av
import av.container
import av.logging
from av.sidedata.sidedata import Type as SideDataType
from av.stream import Disposition

from videnhance.core import ClipInfo, Colour, InputError, Matrix
from videnhance.kernels.colour import check_matrix, guess_matrix
from videnhance.media.pixels import (
    depth,
    has_alpha,
    resolve_chroma_location,
    resolve_full_range,
)
from videnhance.media.side_data import Hdr, display_matrix, hdr_metadata, side_data
from videnhance.media.siting import tagged_chroma_location

av.logging.set_level(None)  # FFmpeg's own lines would break the progress display; errors are raised

_NOT_THE_VIDEO = Disposition.attached_pic | Disposition.timed_thumbnails | Disposition.still_image
_URL_SCHEMES = ("http://", "https://", "ftp://")
_LIVE_SCHEMES = ("rtsp://", "rtmp://", "srt://", "udp://", "tcp://")
_INTERLACED_FIELD_ORDERS = range(2, 6)  # AV_FIELD_TT, BB, TB, BT
_PROBE_PACKETS = 4096
_DEMUX_RETRIES = 8  # errors in a row after which the rest counts as unreadable


@dataclass(frozen=True)
class StreamInfo:
    """One stream of the source, as messages name it."""

    index: int
    kind: str
    codec: str
    title: str

    def __str__(self) -> str:
        label = f"#{self.index} ({self.kind}, {self.codec})"
        return f'{label} "{self.title}"' if self.title else label


@dataclass(frozen=True)
class SourceInfo:
    """What a recording holds; `video` is the index of the stream that will be enhanced."""

    path: str
    format: str
    seekable: bool
    streams: tuple[StreamInfo, ...]
    video: int
    clip: ClipInfo
    pix_fmt: str
    codec: str
    display_matrix: tuple[int, ...] | None
    hdr: Hdr
    ordered: bool
    """False if the decoder's timestamps are not in the order of the frames (H.264 in AVI)."""
    warnings: tuple[str, ...]

    @property
    def others(self) -> tuple[StreamInfo, ...]:
        """All streams except the enhanced video and chapters, a stream in QuickTime only."""
        return tuple(s for s in self.streams if s.index != self.video and s.kind != "chapters")


def is_url(path: str) -> bool:
    """Whether a path names something FFmpeg opens over a network."""
    return path.lower().startswith(_URL_SCHEMES + _LIVE_SCHEMES)


def file_name(path: str | Path) -> str:
    """A path for FFmpeg. It is absolute, or FFmpeg takes "Alien: one.mp4" for a protocol."""
    return str(Path(path).absolute())


@contextmanager
def open_source(path: str) -> Iterator[av.container.InputContainer]:
    """Open a recording for reading. Raises InputError with a message for the user."""
    if path.lower().startswith(_LIVE_SCHEMES):
        raise InputError(
            f"{path} is a live stream, and a recording must be read more than once; record it to "
            "a file first, or pipe it through standard input."
        )
    name = path
    if not is_url(path):
        _check_file(Path(path))
        name = file_name(path)
    try:
        container = av.open(name, "r", metadata_errors="replace")
    except (av.error.FFmpegError, OSError, ValueError) as exc:
        raise InputError(
            f"{path} cannot be read as a recording ({_reason(exc)}); "
            "check that it is complete and that it plays elsewhere."
        ) from exc
    try:
        yield container
    finally:
        container.close()


def _check_file(path: Path) -> None:
    if not path.exists():
        raise InputError(f"{path} does not exist; check the path.")
    if path.is_dir():
        raise InputError(f"{path} is a folder; name one recording in it.")
    try:
        with path.open("rb") as file:
            empty = path.is_file() and not file.read(1)
    except OSError as exc:
        raise InputError(
            f"{path} cannot be opened ({exc.strerror}); check its permissions."
        ) from exc
    if empty:
        raise InputError(f"{path} is empty; copy the recording again.")


def _reason(exc: Exception) -> str:
    return getattr(exc, "strerror", None) or str(exc) or type(exc).__name__


@dataclass
class DecodeErrors:
    """What could not be decoded of a damaged source, counted while it was read."""

    broken_packets: int = 0
    """Packets the demuxer or the decoder refused."""
    corrupt_frames: int = 0
    """Frames the decoder delivered but marked as damaged."""
    retimed: int = 0
    """Frames or packets whose missing or unusable timestamp was replaced."""

    def __bool__(self) -> bool:
        return bool(self.broken_packets or self.corrupt_frames or self.retimed)

    def add(self, other: DecodeErrors) -> None:
        """Add the decode errors of another part of the same source."""
        self.broken_packets += other.broken_packets
        self.corrupt_frames += other.corrupt_frames
        self.retimed += other.retimed

    def since(self, earlier: DecodeErrors) -> DecodeErrors:
        """The decode errors that were counted after `earlier`."""
        return DecodeErrors(
            self.broken_packets - earlier.broken_packets,
            self.corrupt_frames - earlier.corrupt_frames,
            self.retimed - earlier.retimed,
        )

    def __str__(self) -> str:
        parts = (
            (self.broken_packets, "broken packets skipped"),
            (self.corrupt_frames, "frames damaged"),
            (self.retimed, "frames without a usable timestamp"),
        )
        return ", ".join(f"{count} {what}" for count, what in parts if count) or "none"


def read_packets(container: Any, streams: Any, decode_errors: DecodeErrors) -> Iterator[Any]:
    """Packets of the given streams in file order. Unreadable ones are counted and skipped.

    The demuxer's closing flush packets are left out.
    """
    failures = 0
    while failures < _DEMUX_RETRIES:
        try:
            for packet in container.demux(streams):
                failures = 0
                if packet.pts is None and packet.dts is None and packet.size == 0:
                    continue
                yield packet
        except (av.error.EOFError, StopIteration):
            return
        except IndexError:
            # MPEG may announce a stream within the file. PyAV cannot read packets of such a stream.
            decode_errors.broken_packets += 1
        except av.error.FFmpegError:
            # One unreadable packet must not end the recording: most demuxers go on after it.
            decode_errors.broken_packets += 1
            failures += 1
        else:
            return


def decode_packet(context: Any, packet: Any | None, decode_errors: DecodeErrors) -> list[Any]:
    """Frames that one packet completes (None flushes the decoder); failures are counted."""
    if packet is not None and packet.size == 0:
        return []
    try:
        frames: list[Any] = context.decode(packet)
    except (av.error.FFmpegError, ValueError):
        if packet is not None:
            decode_errors.broken_packets += 1
        return []
    return frames


def probe(path: str) -> SourceInfo:
    """Read a recording's headers and first frames. Raises InputError."""
    with open_source(path) as container:
        stream = _main_video(container, path)
        known = tuple(_stream_info(container, s) for s in container.streams)
        first, ordered = _first_frames(container, stream, path)
        return _describe(container, stream, first, ordered, path, known)


def _main_video(container: Any, path: str) -> Any:
    candidates = [
        s
        for s in container.streams.video
        if not s.disposition & _NOT_THE_VIDEO and s.codec_context is not None
    ]
    if not candidates:
        unknown = [s for s in container.streams.video if s.codec_context is None]
        if unknown:
            raise InputError(
                f"{path} holds video in a codec that this FFmpeg build cannot decode; "
                "convert it with the program it came from."
            )
        kinds = sorted({s.type for s in container.streams}) or ["nothing"]
        raise InputError(
            f"{path} holds no video stream (only {', '.join(kinds)}); "
            "name a recording with pictures."
        )

    def rank(stream: Any) -> tuple[bool, int]:
        area = (stream.codec_context.width or 0) * (stream.codec_context.height or 0)
        return bool(stream.disposition & Disposition.default), area

    # A preview or an empty track may come first. Of equals, max() takes the first.
    return max(candidates, key=rank)


def _first_frames(container: Any, stream: Any, path: str) -> tuple[Any, bool]:
    """The first decodable frame, and whether the first frames' timestamps rise."""
    stream.thread_type = "SLICE"
    first, stamps, encrypted = None, [], False
    for count, packet in enumerate(read_packets(container, stream, DecodeErrors())):
        encrypted = encrypted or packet.has_sidedata("encryption_info")
        for frame in decode_packet(stream.codec_context, packet, DecodeErrors()):
            first = first or frame
            if frame.pts is not None:
                stamps.append(frame.pts)
        if len(stamps) > 32 or count > _PROBE_PACKETS:
            break
    if first is None:
        first = next(iter(decode_packet(stream.codec_context, None, DecodeErrors())), None)
    if encrypted:
        raise InputError(
            f"{path} is encrypted; remove the protection with the program it came from."
        )
    if first is None:
        raise InputError(
            f"{path} holds no frame that can be decoded; it may be damaged, encrypted or cut short."
        )
    return first, all(a < b for a, b in pairwise(stamps))


def _describe(
    container: Any,
    stream: Any,
    first: Any,
    ordered: bool,
    path: str,
    known: tuple[StreamInfo, ...],
) -> SourceInfo:
    context = stream.codec_context
    warnings: list[str] = []
    pix_fmt = first.format.name
    found = side_data(first)
    colour = _colour(first, stream, warnings)
    if SideDataType.DOVI_METADATA in found or SideDataType.DOVI_RPU_BUFFER in found:
        warnings.append("Dolby Vision metadata is not carried over; the HDR base layer is kept.")
    if SideDataType.DYNAMIC_HDR_PLUS in found:
        warnings.append("HDR10+ dynamic metadata is not carried over; static HDR metadata is kept.")
    if has_alpha(pix_fmt):
        warnings.append(f"The transparency of {pix_fmt} is not carried over.")
    if first.interlaced_frame or context.field_order in _INTERLACED_FIELD_ORDERS:
        warnings.append(
            "The source is interlaced; it is enlarged as it is, combing included: "
            "deinterlace it first for a clean result."
        )
    # MPEG may announce streams within the file. A file opened anew does not know of them yet.
    warnings += [
        f"Stream {_stream_info(container, s)} begins within the recording and is not carried over."
        for s in list(container.streams)[len(known) :]
    ]
    if not ordered:
        warnings.append("Timestamps of the source are out of order; frames get them sorted.")
    ratio = stream.sample_aspect_ratio or context.sample_aspect_ratio or Fraction(1)
    clip = ClipInfo(
        width=first.width,
        height=first.height,
        time_base=stream.time_base,
        rate=_rate(stream),
        sample_aspect_ratio=ratio if ratio > 0 else Fraction(1),
        bit_depth=depth(pix_fmt),
        colour=colour,
    )
    return SourceInfo(
        path=path,
        format=container.format.name,
        seekable=not (is_url(path) and container.size <= 0),
        streams=known,
        video=stream.index,
        clip=clip,
        pix_fmt=pix_fmt,
        codec=context.name,
        display_matrix=display_matrix(found.get(SideDataType.DISPLAYMATRIX)),
        hdr=hdr_metadata(found),
        ordered=ordered,
        warnings=tuple(warnings),
    )


def _rate(stream: Any) -> Fraction | None:
    """The average frame rate if it is plausible; only a hint for encoders and estimates."""
    for rate in (stream.average_rate, stream.guessed_rate, stream.base_rate):
        if rate and Fraction(1, 100) <= rate <= 480:
            return Fraction(rate)
    return None


def is_chapter_track(source: Any, stream: Any) -> bool:
    """Whether a stream holds the chapters as QuickTime stores them; the muxer writes its own."""
    return (
        stream.type == "data"
        and "mov" in source.format.name
        and bool(source.chapters())
        and stream.metadata.get("handler_name", "").startswith("SubtitleH")
    )


def _stream_info(container: Any, stream: Any) -> StreamInfo:
    context = stream.codec_context
    name = context.name if context is not None else "unknown"
    if stream.type == "attachment":
        name = stream.mimetype or "unknown"
    title = stream.metadata.get("title") or stream.metadata.get("filename") or ""
    kind = "chapters" if is_chapter_track(container, stream) else stream.type
    return StreamInfo(stream.index, kind, name, title)


def _colour(first: Any, stream: Any, warnings: list[str]) -> Colour:
    """Colour from the tags of the first frame or else the stream; a missing tag is guessed.

    A guessed matrix is added to `warnings`.
    """
    pix_fmt, context = first.format.name, stream.codec_context
    matrix = _tag(first.colorspace, context.colorspace)
    full = resolve_full_range(pix_fmt, _tag(first.color_range, context.color_range, 0))
    primaries = _tag(first.color_primaries, context.color_primaries)
    if first.format.is_rgb or first.format.has_palette:
        matrix = int(Matrix.RGB)
    elif matrix in (Matrix.UNSPECIFIED, Matrix.RGB):
        matrix = int(guess_matrix(first.width, first.height))
        name = "BT.601" if matrix == Matrix.SMPTE170M else "BT.709"
        warnings.append(f"The source does not name its colour matrix; its size suggests {name}.")
    check_matrix(matrix)
    location = resolve_chroma_location(
        pix_fmt, context.name, primaries, tagged=tagged_chroma_location(stream)
    )
    return Colour(
        matrix=matrix,
        full_range=full,
        primaries=primaries,
        transfer=_tag(first.color_trc, context.color_trc),
        chroma_location=int(location),
    )


def _tag(of_frame: int, of_context: int, unknown: int = 2) -> int:
    return int(of_frame) if of_frame != unknown else int(of_context)
