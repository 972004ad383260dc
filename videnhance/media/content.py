"""Read everything of a file that verification compares, except the frames of its video."""

from __future__ import annotations

import hashlib
from array import array
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any

from videnhance.media.assemble import (
    attachment_name,
    cover_picture,
    is_cover,
    kept_metadata,
    stream_metadata,
)
from videnhance.media.declaration import Declaration, read_declaration
from videnhance.media.repair import timed_packets
from videnhance.media.source import DecodeErrors, SourceInfo, is_chapter_track, open_source, probe


@dataclass
class Times:
    """Timestamps in a compact array, since a film has hundreds of thousands.

    `unit` is the length of a tick in seconds.
    """

    unit: Fraction
    ticks: array[int] = field(default_factory=lambda: array("q"))

    def seconds(self) -> Iterator[Fraction]:
        """All times in seconds, in their order."""
        return (tick * self.unit for tick in self.ticks)

    def earliest(self) -> Fraction:
        """The smallest time in seconds. There must be at least one."""
        return min(self.ticks) * self.unit


@dataclass
class Copy:
    """The packets of a copied stream: a digest of their bytes, and where and when each begins.

    The digest does not depend on how a container splits the bytes into packets. `times` and
    `offsets` have one entry per packet; the offset is its position among the stream's bytes.
    """

    times: Times
    offsets: array[int] = field(default_factory=lambda: array("q"))
    digest: Any = field(default_factory=lambda: hashlib.blake2b(digest_size=16))
    size: int = 0

    def add(self, packet: Any) -> None:
        """Add the next packet. Its time is its pts, or its dts if it has no pts."""
        payload = _payload(packet)
        self.digest.update(payload)
        self.offsets.append(self.size)
        self.size += len(payload)
        self.times.ticks.append(packet.dts if packet.pts is None else packet.pts)


@dataclass(frozen=True)
class Attached:
    """A file in a recording: an attachment, or a cover picture, whose name is left empty."""

    index: int
    name: str
    digest: str


@dataclass(frozen=True)
class Description:
    """What a file's headers say, and its attachments."""

    info: SourceInfo
    described: dict[int, dict[str, str]]
    """Metadata of each stream, by its index."""
    dispositions: dict[int, int]
    """Disposition flags of each stream, by its index."""
    copied: tuple[int, ...]
    """Indices of the streams besides the video whose packets are copied."""
    covers: tuple[Attached, ...]
    attachments: tuple[Attached, ...]
    chapters: tuple[tuple[Fraction, Fraction, str], ...]
    metadata: dict[str, str]
    declaration: Declaration | None
    """None if the file has none that can be read."""

    @property
    def tick(self) -> Fraction:
        """The time base of the video: the smallest step of its times, in seconds."""
        return self.info.clip.time_base


@dataclass(frozen=True)
class Content:
    """The packets of a file's streams besides the video."""

    copies: dict[int, Copy]
    earliest: Fraction | None
    """The earliest decoding time of any packet, those of the video included, in seconds."""


def describe(path: str) -> Description:
    """Read headers, chapters, attachments and covers. Raises InputError."""
    info = probe(path)
    container: Any
    with open_source(path) as container:
        copied = []
        covers: list[Attached] = []
        attachments: list[Attached] = []
        for stream in container.streams:
            if stream.index == info.video:
                continue
            if stream.type == "attachment":
                name = attachment_name(stream)
                attachments.append(Attached(stream.index, name, _digest(stream.data)))
            elif is_cover(stream):
                picture = cover_picture(path, stream.index)
                covers.append(Attached(stream.index, "", _digest(picture)))
            elif not is_chapter_track(container, stream):
                copied.append(stream.index)
        return Description(
            info=info,
            described={s.index: stream_metadata(s) for s in container.streams},
            dispositions={s.index: int(s.disposition) for s in container.streams},
            copied=tuple(copied),
            covers=tuple(covers),
            attachments=tuple(attachments),
            chapters=tuple(_chapter(c) for c in container.chapters()),
            metadata=kept_metadata(container.metadata),
            declaration=read_declaration(path, container.metadata),
        )


def read_content(description: Description, stop: Callable[[], None]) -> Content:
    """Read every packet without decoding any; `stop` is called often and may raise."""
    info = description.info
    earliest: Fraction | None = None
    with open_source(info.path) as container:
        streams = [container.streams[index] for index in (info.video, *description.copied)]
        copies = {s.index: Copy(Times(s.time_base or Fraction(1))) for s in streams[1:]}
        for packet in timed_packets(container, streams, DecodeErrors()):
            stop()
            if packet.dts is not None:
                time = packet.dts * packet.time_base
                earliest = time if earliest is None else min(time, earliest)
            copy = copies.get(packet.stream.index)
            if copy is not None:
                copy.add(packet)
    return Content(copies, earliest)


def _digest(data: bytes) -> str:
    return hashlib.blake2b(data, digest_size=16).hexdigest()


def _payload(packet: Any) -> bytes:
    """A packet's bytes, without the ADTS header that MPEG-TS puts before AAC (ISO 14496-3)."""
    data = bytes(packet)
    context = packet.stream.codec_context
    is_adts = len(data) > 7 and data[0] == 0xFF and data[1] & 0xF6 == 0xF0
    if is_adts and context is not None and context.name == "aac":
        return data[7 if data[1] & 1 else 9 :]
    return data


def _chapter(chapter: Any) -> tuple[Fraction, Fraction, str]:
    unit = chapter["time_base"] or Fraction(1)
    return chapter["start"] * unit, chapter["end"] * unit, chapter["metadata"].get("title", "")
