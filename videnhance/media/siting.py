"""The chroma location a source is tagged with, which FFmpeg knows but PyAV does not tell."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

import av
from av.error import FFmpegError

from videnhance.core import ChromaLocation

if TYPE_CHECKING:
    from av.video.stream import VideoStream

_SEGMENT, _TRACKS, _TRACK_ENTRY, _VIDEO, _COLOUR = 0x18538067, 0x1654AE6B, 0xAE, 0xE0, 0x55B0
_HORIZONTAL, _VERTICAL = 0x55B7, 0x55B8
_LOCATIONS = {
    (1, 1): ChromaLocation.TOPLEFT,
    (1, 2): ChromaLocation.LEFT,
    (2, 1): ChromaLocation.TOP,
    (2, 2): ChromaLocation.CENTER,
}
"""By ChromaSitingHorz and ChromaSitingVert of RFC 9559 (1 at the left or top, 2 half way)."""


def tagged_chroma_location(stream: VideoStream) -> ChromaLocation:
    """What the stream says of its chroma samples, UNSPECIFIED where it says nothing.

    FFmpeg's Matroska writer states it in its header, so the header of an empty Matroska copy is
    written to memory and read back (about 1 ms). BOTTOMLEFT and BOTTOM have no place there and
    come out UNSPECIFIED, as do codecs that Matroska does not take. FFmpeg's decoders of MPEG-2,
    H.264 and HEVC give the default of their standard, LEFT, where the stream is silent.
    """
    header = io.BytesIO()
    try:
        with av.open(header, "w", format="matroska") as container:
            container.add_stream_from_template(stream)
            container.start_encoding()
    except (FFmpegError, ValueError):
        return ChromaLocation.UNSPECIFIED
    colour = header.getvalue()
    for element in (_SEGMENT, _TRACKS, _TRACK_ENTRY, _VIDEO, _COLOUR):
        colour = _children(colour).get(element, b"")
    found = _children(colour)
    horizontal, vertical = (
        int.from_bytes(found.get(element, b"")) for element in (_HORIZONTAL, _VERTICAL)
    )
    return _LOCATIONS.get((horizontal, vertical), ChromaLocation.UNSPECIFIED)


def _children(data: bytes) -> dict[int, bytes]:
    """The first element of each id in an EBML body (RFC 8794), to its end or the data's."""
    found: dict[int, bytes] = {}
    at = 0
    while at < len(data) and data[at]:
        id_length = 9 - data[at].bit_length()
        element = int.from_bytes(data[at : at + id_length])
        at += id_length
        if at >= len(data) or not data[at]:
            break
        length = 9 - data[at].bit_length()
        marker = 1 << 7 * length
        size = int.from_bytes(data[at : at + length]) - marker
        at += length
        if size == marker - 1:  # an unknown size: everything that follows
            size = len(data) - at
        found.setdefault(element, data[at : at + size])
        at += size
    return found
