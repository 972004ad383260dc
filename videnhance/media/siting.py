"""Read the chroma location that a source is tagged with, which PyAV does not expose."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

import av
from av.error import FFmpegError

from videnhance.core import ChromaLocation
from videnhance.media.matroska import SEGMENT, TRACK_ENTRY, TRACKS, VIDEO, Element, child, elements

if TYPE_CHECKING:
    from av.video.stream import VideoStream

_COLOUR, _HORIZONTAL, _VERTICAL = 0x55B0, 0x55B7, 0x55B8
_LOCATIONS = {
    (1, 1): ChromaLocation.TOPLEFT,
    (1, 2): ChromaLocation.LEFT,
    (2, 1): ChromaLocation.TOP,
    (2, 2): ChromaLocation.CENTER,
}
"""By ChromaSitingHorz and ChromaSitingVert of RFC 9559 (1: left or top, 2: half way)."""


def tagged_chroma_location(stream: VideoStream) -> ChromaLocation:
    """The chroma location that a stream is tagged with, or UNSPECIFIED.

    FFmpeg's Matroska muxer writes it into the header, so this writes the header of an empty
    Matroska copy to memory and reads it back (0.04 to 0.4 ms). Matroska cannot express BOTTOMLEFT
    and BOTTOM: these come out as UNSPECIFIED, and so do codecs that Matroska does not take. For
    untagged MPEG-2, H.264 and HEVC, FFmpeg's decoders give the default of the standard, LEFT.
    """
    header = io.BytesIO()
    try:
        with av.open(header, "w", format="matroska") as container:
            container.add_stream_from_template(stream)
            container.start_encoding()
    except (FFmpegError, ValueError):
        return ChromaLocation.UNSPECIFIED
    data = header.getvalue()
    place: Element | None = next((e for e in elements(data) if e.id == SEGMENT), None)
    for wanted in (TRACKS, TRACK_ENTRY, VIDEO, _COLOUR):
        place = child(data, place, wanted) if place else None
    if place is None:
        return ChromaLocation.UNSPECIFIED
    found = {
        e.id: int.from_bytes(data[e.body : e.end]) for e in elements(data, place.body, place.end)
    }
    siting = found.get(_HORIZONTAL, 0), found.get(_VERTICAL, 0)
    return _LOCATIONS.get(siting, ChromaLocation.UNSPECIFIED)
