"""Put finished segments and everything else of the source into one file, packet by packet."""

from __future__ import annotations

import heapq
import io
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from fractions import Fraction
from itertools import pairwise
from pathlib import Path
from typing import Any

import av

from videnhance.core import ClipInfo, UsageError
from videnhance.media.declaration import TAG, Declaration, complete, tags
from videnhance.media.encode import disk_error
from videnhance.media.matroska import MATROSKA_MUXERS, write_sample_aspect_ratio
from videnhance.media.repair import timed_packets
from videnhance.media.source import (
    DecodeErrors,
    SourceInfo,
    StreamInfo,
    file_name,
    is_chapter_track,
    open_source,
    read_packets,
)

_FORMATS = {
    ".mkv": "matroska", ".webm": "webm", ".mp4": "mp4", ".m4v": "mp4", ".mov": "mov",
    ".avi": "avi", ".ts": "mpegts", ".m2ts": "mpegts", ".mts": "mpegts",
}  # fmt: skip
_TIMED_BY_EDIT_LIST = ("mp4", "mov")
"""Muxers that write the start offset of a stream as an edit list."""
_COARSEST_MOVIE_TIMESCALE = 10_000
"""Smallest time scale for edit lists, in ticks per second."""
_TELLING_LATE = ("mpegts", "avi")
"""Muxers that write a header even for streams that they cannot hold."""
# Tags that a muxer writes itself, or that describe the old file and not the recording.
_CONTAINER_TAGS = frozenset(
    {
        "encoder", "major_brand", "minor_version", "compatible_brands", "duration", "vendor_id",
        "bps", "number_of_frames", "number_of_bytes", "_statistics_writing_app",
        "_statistics_writing_date_utc", "_statistics_tags", TAG.lower(),
    }
)  # fmt: skip
# Tags for which FFmpeg's MP4 muxer has an iTunes atom (libavformat/movenc.c, mov_write_ilst_tag).
_CLASSIC_KEYS = frozenset(
    {
        "title", "artist", "album_artist", "composer", "album", "date", "comment", "genre",
        "copyright", "grouping", "lyrics", "description", "synopsis", "show", "episode_id",
        "network", "keywords", "creation_time",
    }
)  # fmt: skip


@dataclass(frozen=True)
class SegmentFile:
    """A finished segment: its file, its frames' times, and the encoder's reordering delay."""

    path: Path
    pts: tuple[int, ...]
    """In ticks of the job's time base."""
    sources: tuple[int, ...]
    """For each frame, the number of the segment's source frame that it shows, from 0."""
    last_duration: int
    delay: int
    """In frames."""


def container_format(output: Path) -> str:
    """FFmpeg's muxer for a file name. Raises UsageError for unsupported endings."""
    try:
        return _FORMATS[output.suffix.lower()]
    except KeyError:
        raise UsageError(
            f"{output.name} does not end in a container that is supported; "
            f"use one of {', '.join(_FORMATS)}."
        ) from None


def is_container_tag(key: str) -> bool:
    """Whether a metadata key describes the file and not the recording."""
    base, dash, language = key.lower().rpartition("-")
    return key.lower() in _CONTAINER_TAGS or (
        bool(dash) and len(language) == 3 and base in _CONTAINER_TAGS
    )


def unsupported_streams(source: SourceInfo, muxer: str) -> tuple[StreamInfo, ...]:
    """The streams besides the video that a container cannot hold, found by asking its muxer."""
    with open_source(source.path) as container:
        return tuple(
            info
            for info in source.others
            if not _accepts(source, container.streams[info.index], muxer)
        )


def _accepts(source: SourceInfo, stream: Any, muxer: str) -> bool:
    """Whether a muxer can hold a stream, found by writing a header to memory.

    Attachments and covers are not written but decided by the muxer's name.
    """
    if stream.type == "attachment" or is_cover(stream):
        return muxer == "matroska" or (is_cover(stream) and muxer == "mp4")
    try:
        with av.open(io.BytesIO(), "w", format=muxer) as trial:
            _copy_stream(trial, stream)
            trial.start_encoding()
        return muxer not in _TELLING_LATE or _comes_back(source, stream, muxer)
    except (av.error.FFmpegError, ValueError, OSError):
        return False


def _comes_back(source: SourceInfo, stream: Any, muxer: str) -> bool:
    """Whether the stream has the same type when one of its packets is written and read back."""
    file = io.BytesIO()
    with open_source(source.path) as container:
        packets = read_packets(container, container.streams[stream.index], DecodeErrors())
        packet = next(packets, None)
        if packet is None:
            return True
        with av.open(file, "w", format=muxer) as trial:
            packet.stream = _copy_stream(trial, container.streams[stream.index])
            packet.pts = packet.dts = 0
            trial.mux(packet)
    file.seek(0)
    with av.open(file, format=muxer) as again:
        return [found.type for found in again.streams] == [stream.type]


def is_cover(stream: Any) -> bool:
    """Whether a video stream is a cover picture."""
    return bool(stream.disposition & av.stream.Disposition.attached_pic)


def holding_formats(source: SourceInfo) -> tuple[str, ...]:
    """Endings of the containers that can hold every stream of a source."""
    return tuple(
        ending
        for ending in (".mkv", ".mp4", ".mov")
        if not unsupported_streams(source, _FORMATS[ending])
    )


def _movflags(metadata: dict[str, str]) -> str:
    """FFmpeg's `movflags` for this metadata.

    Keys without an iTunes atom need QuickTime's own list. It is used only for these, since some
    players do not read it.
    """
    return "+write_colr" if metadata.keys() <= _CLASSIC_KEYS else "+write_colr+use_metadata_tags"


class Assembler:
    """Copies packets of segments and of the source's other streams into one file."""

    def __init__(
        self,
        source: SourceInfo,
        output: Path,
        muxer: str,
        declaration: Declaration | None = None,
        stop: Callable[[], None] = lambda: None,
    ) -> None:
        """Streams that the `declaration` lists as dropped are left out. `stop` is called often and
        may raise.
        """
        self.stop = stop
        self.source = source
        self.output = output
        self.muxer = muxer
        self.declaration = declaration or Declaration()
        self.dropped = frozenset(self.declaration.dropped)
        self.decode_errors = DecodeErrors()
        """Packets that could not be read, or whose times were repaired."""

    def run(
        self,
        parts: Sequence[SegmentFile],
        clip: ClipInfo,
        rate: Fraction,
        *,
        only_beginning: bool = False,
    ) -> None:
        """Write the file. `clip` describes the encoded video.

        With `only_beginning`, the copied streams end soon after the video. Raises ResourceError on
        a full disk, and UsageError if the container does not take the streams.
        """
        with ExitStack() as stack:
            source = stack.enter_context(open_source(self.source.path))
            first = stack.enter_context(av.open(file_name(parts[0].path)))
            options = self._options(kept_metadata(source.metadata), clip)
            output: Any = av.open(file_name(self.output), "w", format=self.muxer, options=options)
            try:
                video, copies = self._add_streams(output, source, first, clip, rate)
                self._add_rest(output, source)
                output.start_encoding()
                last = parts[-1].pts[-1] * clip.time_base + 1
                end = float(last) if only_beginning else None
                packets = heapq.merge(
                    self._video_packets(parts, video, clip.time_base),
                    self._copied_packets(source, copies, end),
                    key=lambda timed: timed[0],
                )
                for _, packet in packets:
                    self.stop()
                    output.mux(packet)
                output.close()
                if self.muxer in MATROSKA_MUXERS and clip.sample_aspect_ratio != 1:
                    write_sample_aspect_ratio(self.output, clip)
                complete(self.output, self.declaration, self.muxer)
            except OSError as exc:
                raise disk_error(self.output, exc) from exc
            except (av.error.FFmpegError, ValueError) as exc:
                reason = getattr(exc, "strerror", None) or exc
                raise UsageError(
                    f"{self.output.suffix} does not take these streams ({reason}); "
                    "choose another container or --codec."
                ) from exc
            finally:
                _close_quietly(output)

    def _options(self, metadata: dict[str, str], clip: ClipInfo) -> dict[str, str]:
        # Without it the Matroska muxer writes random identifiers, and no two runs give equal bytes.
        options = {"fflags": "+bitexact"}
        if self.muxer in _TIMED_BY_EDIT_LIST:
            # Start offsets are written to the edit list in the movie's time scale. With the default
            # of 1/1000, the rounding errors of two streams add up to more than a millisecond.
            scale = clip.time_base.denominator
            while scale < _COARSEST_MOVIE_TIMESCALE:
                scale *= 10
            return options | {"movie_timescale": str(scale), "movflags": _movflags(metadata)}
        if self.muxer in MATROSKA_MUXERS:
            # Audio that begins before the video (encoder priming) has negative times. Shifting all
            # streams to make them positive would change the times of the frames.
            return options | {"default_mode": "passthrough", "avoid_negative_ts": "disabled"}
        return options

    def _add_streams(
        self, output: Any, source: Any, first: Any, clip: ClipInfo, rate: Fraction
    ) -> tuple[Any, dict[int, Any]]:
        """Add the streams in the source's order; write attachments, and covers in Matroska, whole.

        Returns the video stream, and by their index in the source the streams whose packets are
        still to be copied.
        """
        copies: dict[int, Any] = {}
        for stream in source.streams:
            if stream.index == self.source.video:
                video = self._add_video(output, stream, first.streams.video[0], clip, rate)
            elif stream.index in self.dropped or is_chapter_track(source, stream):
                continue
            elif stream.type == "attachment":
                _add_attachment(output, stream)
            elif is_cover(stream) and self.muxer == "matroska":
                _add_cover(output, self.source.path, stream)
            else:
                copies[stream.index] = _copy_stream(output, stream)
        return video, copies

    def _add_video(
        self, output: Any, original: Any, encoded: Any, clip: ClipInfo, rate: Fraction
    ) -> Any:
        stream = output.add_stream_from_template(encoded, opaque=True)
        stream.time_base = clip.time_base
        context = stream.codec_context
        context.framerate = rate
        context.sample_aspect_ratio = clip.sample_aspect_ratio
        if self.muxer in _TIMED_BY_EDIT_LIST and context.name == "hevc":
            context.codec_tag = "hvc1"  # the tag that Apple's players insist on
        matrix = self.source.display_matrix
        if matrix is not None:
            stream.set_display_matrix(scaled_display_matrix(matrix, clip, self.source.clip))
        stream.disposition = original.disposition
        stream.metadata.update(stream_metadata(original))
        return stream

    def _add_rest(self, output: Any, source: Any) -> None:
        output.metadata.update(kept_metadata(source.metadata))
        output.metadata.update(tags(self.declaration, self.muxer))
        chapters = source.chapters()
        if chapters:
            output.set_chapters(chapters)

    def _video_packets(
        self, parts: Sequence[SegmentFile], stream: Any, time_base: Fraction
    ) -> Iterator[tuple[float, Any]]:
        """Packets of all segments, with their frames' times and with new decoding times.

        Decoding times carry no information of their own. Packet i gets the time of frame
        i - `delay` in presentation order.
        """
        pts = [stamp for part in parts for stamp in part.pts]
        delay = max(part.delay for part in parts)
        step = min((b - a for a, b in pairwise(pts)), default=1)
        done, base = 0, 0
        for part in parts:
            segment: Any
            with av.open(file_name(part.path)) as segment:
                for packet in segment.demux(segment.streams.video[0]):
                    if packet.size == 0:
                        continue
                    number = base + packet.pts
                    at = done - delay
                    packet.pts = pts[number]
                    packet.dts = pts[at] if at >= 0 else pts[0] + at * step
                    last = number + 1 == len(pts)
                    packet.duration = part.last_duration if last else pts[number + 1] - pts[number]
                    packet.time_base = time_base
                    packet.stream = stream
                    done += 1
                    yield float(packet.dts * time_base), packet
            base += len(part.pts)

    def _copied_packets(
        self, source: Any, copies: dict[int, Any], end: float | None
    ) -> Iterator[tuple[float, Any]]:
        if not copies:
            return
        latest = float("-inf")
        streams = [source.streams[index] for index in copies]
        for packet in timed_packets(source, streams, self.decode_errors):
            stamp = packet.dts if packet.dts is not None else packet.pts
            # The file's own order is kept. A packet without a time stays behind its predecessor.
            if stamp is not None:
                latest = max(latest, float(stamp * packet.time_base))
            if end is not None and latest > end:
                return
            packet.stream = copies[packet.stream.index]
            yield latest, packet


def _copy_stream(output: Any, stream: Any) -> Any:
    copy = output.add_stream_from_template(stream, opaque=True)
    copy.disposition = stream.disposition
    copy.metadata.update(stream_metadata(stream))
    return copy


def attachment_name(stream: Any) -> str:
    """The file name of an attachment; Matroska requires one."""
    return stream.metadata.get("filename") or "attachment"


def _add_attachment(output: Any, stream: Any) -> None:
    copy = output.add_attachment(
        attachment_name(stream),
        stream.metadata.get("mimetype") or "application/octet-stream",
        stream.data,
    )
    copy.metadata.update(kept_metadata(stream.metadata))


def _add_cover(output: Any, path: str, stream: Any) -> None:
    """Add a cover picture the way Matroska holds it: as an attachment named cover.*."""
    mime = {"mjpeg": "image/jpeg", "png": "image/png"}.get(stream.codec_context.name, "image/bmp")
    name = stream.metadata.get("filename") or f"cover.{mime.rpartition('/')[2].replace('e', '')}"
    output.add_attachment(name, mime, cover_picture(path, stream.index))


def cover_picture(path: str, index: int) -> bytes:
    """The bytes of a cover picture; empty if its stream has no packet."""
    with open_source(path) as again:
        packet = next(read_packets(again, again.streams[index], DecodeErrors()), None)
        return b"" if packet is None else bytes(packet)


def kept_metadata(metadata: dict[str, str]) -> dict[str, str]:
    """The metadata that describes the recording, without that of the file."""
    return {
        key: value
        for key, value in metadata.items()
        if not is_container_tag(key) and not _is_translation(key, metadata)
    }


def stream_metadata(stream: Any) -> dict[str, str]:
    """A stream's own metadata. FFmpeg writes a title to MP4 but reads it back as `name`."""
    kept = kept_metadata(stream.metadata)
    if "name" in kept and "title" not in kept:
        kept["title"] = kept.pop("name")
    return kept


def _is_translation(key: str, metadata: dict[str, str]) -> bool:
    """Whether a key repeats a QuickTime tag with a language, as `key-fra` repeats `key`.

    FFmpeg lists such a tag twice. The muxer takes the plain one.
    """
    base, dash, language = key.rpartition("-")
    return bool(dash) and len(language) == 3 and base in metadata


def scaled_display_matrix(
    matrix: Sequence[int], clip: ClipInfo, source: ClipInfo
) -> tuple[int, ...]:
    """A display matrix whose translation fits the enlarged picture.

    Entries are 16.16 fixed point, those of the last column 2.30. The unit of the translation is
    one sample of the stored picture (ISO/IEC 14496-12, 6.2.2).
    """
    a, b, u, c, d, v, x, y, w = matrix
    scale = Fraction(clip.height, source.height)
    return (a, b, u, c, d, v, round(x * scale), round(y * scale), w)


def _close_quietly(output: Any) -> None:
    # The file may be closed already. If closing fails, an earlier error is the one to report.
    with suppress(OSError, ValueError):
        output.close()
