"""Read the header of a Matroska file, and write the display size that PyAV cannot set.

EBML is RFC 8794, Matroska is RFC 9559. An element is an id, a size and a body. The id and the size
each begin with as many zero bits as bytes follow their first one.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

from videnhance.core import ClipInfo

MATROSKA_MUXERS = ("matroska", "webm")
"""FFmpeg's names of its Matroska muxers, which write times in whole milliseconds."""

SEGMENT, TRACKS, TRACK_ENTRY, VIDEO = 0x18538067, 0x1654AE6B, 0xAE, 0xE0
_CRC, _VOID, _TRACK_TYPE, _PIXEL_WIDTH, _PIXEL_HEIGHT = 0xBF, 0xEC, 0x83, 0xB0, 0xBA
_DISPLAY_WIDTH, _DISPLAY_HEIGHT, _DISPLAY_UNIT = b"\x54\xb0", b"\x54\xba", 0x54B2
_HEADER_BYTES = 1 << 20  # bytes to search; FFmpeg writes the tracks at the beginning of the file


@dataclass(frozen=True)
class Element:
    """Where an element lies, as offsets into the data: its id at `start`, its `body`, its `end`."""

    id: int
    start: int
    body: int
    end: int


def elements(data: bytes, start: int = 0, end: int | None = None) -> Iterator[Element]:
    """The consecutive elements of a body; the last may reach past the end of the data."""
    at, end = start, len(data) if end is None else min(end, len(data))
    while at < end and data[at]:
        body = at + 9 - data[at].bit_length()
        if body >= end or not data[body]:
            return
        length = 9 - data[body].bit_length()
        marker = 1 << 7 * length
        size = int.from_bytes(data[body : body + length]) - marker
        # A size of all ones is unknown: the element takes everything that follows.
        stop = end if size == marker - 1 else body + length + size
        yield Element(int.from_bytes(data[at:body]), at, body + length, stop)
        at = stop


def child(data: bytes, parent: Element, wanted: int) -> Element | None:
    """The first child of an element with the `wanted` id."""
    return next((e for e in elements(data, parent.body, parent.end) if e.id == wanted), None)


def write_sample_aspect_ratio(path: Path, clip: ClipInfo) -> None:
    """Write the display size of the track that has the pixel size of `clip`.

    PyAV cannot tell FFmpeg's muxer the aspect ratio of a stream. With codecs whose own bitstream
    does not hold it (VP9, FFV1, ProRes) it would be lost. The muxer writes "display unit unknown"
    and leaves a void in the track's entry. Width and height take their place, so the entry keeps
    its length. Does nothing if the header looks different.
    """
    with path.open("r+b") as file:
        data = file.read(_HEADER_BYTES)
        segment = next((e for e in elements(data) if e.id == SEGMENT), None)
        tracks = child(data, segment, TRACKS) if segment else None
        if tracks is None or tracks.end > len(data):
            return
        for entry in elements(data, tracks.body, tracks.end):
            mended = _with_display_size(data, entry, clip) if entry.id == TRACK_ENTRY else None
            if mended is None:
                continue
            start, patch = mended
            data = data[:start] + patch + data[start + len(patch) :]
            file.seek(tracks.start)
            file.write(_with_checksum(data, tracks))
            return


def _with_display_size(data: bytes, entry: Element, clip: ClipInfo) -> tuple[int, bytes] | None:
    """New bytes from a track's video element to the end of the void after it, and their offset.

    None if the track is another one, or has no room.
    """
    video, void = child(data, entry, VIDEO), child(data, entry, _VOID)
    if video is None or void is None or void.start < video.end:
        return None
    inner = list(elements(data, video.body, video.end))
    pixels = {e.id: int.from_bytes(data[e.body : e.end]) for e in inner}
    size = (pixels.get(_PIXEL_WIDTH), pixels.get(_PIXEL_HEIGHT))
    if size != (clip.width, clip.height) or _DISPLAY_UNIT not in pixels:
        return None
    shape = Fraction(clip.width, clip.height) * clip.sample_aspect_ratio
    # In pixels if the width is then whole, else the smallest numbers with that ratio.
    even = clip.height % shape.denominator == 0
    shown = (int(shape * clip.height), clip.height) if even else shape.as_integer_ratio()
    kept = b"".join(data[e.start : e.end] for e in inner if e.id != _DISPLAY_UNIT)
    for key, value in zip((_DISPLAY_WIDTH, _DISPLAY_HEIGHT), shown, strict=True):
        number = value.to_bytes((value.bit_length() + 7) // 8)
        kept += key + bytes([0x80 | len(number)]) + number
    length = video.body - video.start - 1
    body = b"\xe0" + (len(kept) | 1 << 7 * length).to_bytes(length) + kept
    between = data[video.end : void.start]
    room = void.end - video.start - len(body) - len(between)
    if len(kept) >= (1 << 7 * length) - 1 or room < 2:
        return None
    # A size of one byte says at most 126.
    size_bytes = 1 if room <= 128 else 2
    left = room - 1 - size_bytes
    void_head = b"\xec" + (left | 1 << 7 * size_bytes).to_bytes(size_bytes)
    return video.start, body + between + void_head + bytes(left)


def _with_checksum(data: bytes, parent: Element) -> bytes:
    """An element's bytes, with its CRC-32 computed anew if it has one."""
    crc = child(data, parent, _CRC)
    if crc is None:
        return data[parent.start : parent.end]
    value = zlib.crc32(data[crc.end : parent.end]).to_bytes(4, "little")
    return data[parent.start : crc.body] + value + data[crc.end : parent.end]
