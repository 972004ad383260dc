"""Prove a finished file against its source: frames, times, streams, tags."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any

from videnhance.media.assemble import (
    is_chapter_track,
    kept_metadata,
)
from videnhance.media.decode import Decoder
from videnhance.media.source import (
    Losses,
    SourceInfo,
    open_source,
    probe,
    read_packets,
)
from videnhance.media.timeline import Segment, Timeline, read_timeline

_WHOLE = Segment(0, None, None, None)
_TAGS_OF_EVERY_CONTAINER = ("language", "title")
_UPRIGHT = (1 << 16, 0, 0, 0, 1 << 16)


@dataclass(frozen=True)
class Check:
    """One promise, whether it was kept, and the figures behind the answer."""

    promise: str
    kept: bool
    detail: str


@dataclass(frozen=True)
class Proof:
    """The outcome of a verification; `kept` when every promise was."""

    checks: tuple[Check, ...]
    frames: int
    losses: Losses

    @property
    def kept(self) -> bool:
        return all(check.kept for check in self.checks)

    @property
    def broken(self) -> tuple[Check, ...]:
        """The checks that failed."""
        return tuple(check for check in self.checks if not check.kept)


@dataclass
class _Copy:
    """What a stream's packets amount to, however a container cuts them."""

    digest: Any = field(default_factory=lambda: hashlib.blake2b(digest_size=16))
    count: int = 0
    stamps: list[Fraction] = field(default_factory=list)


@dataclass(frozen=True)
class _Content:
    """Everything about a file that the proof compares."""

    info: SourceInfo
    timeline: Timeline
    frames: tuple[int, ...]
    losses: Losses
    copies: dict[int, _Copy]
    described: dict[int, dict[str, str]]
    dispositions: dict[int, int]
    covers: tuple[bytes, ...]
    attachments: tuple[tuple[str, bytes], ...]
    chapters: tuple[tuple[Fraction, Fraction, str], ...]
    metadata: dict[str, str]

    def seconds(self, stamp: int) -> Fraction:
        return stamp * self.info.clip.time_base

    @property
    def tick(self) -> Fraction:
        return self.info.clip.time_base


def verify(
    source: str,
    output: str,
    *,
    size: tuple[int, int] | None = None,
    dropped: Sequence[int] = (),
    stop: Callable[[], None] = lambda: None,
) -> Proof:
    """Decode both files and compare. `size` is the width and height the output must have.

    Without `size` the picture must keep its shape. `dropped` are source streams that the user
    let go; `stop` is called often and may raise. Raises InputError for files that cannot be read.
    """
    before = _read(source, stop)
    after = _read(output, stop)
    shift = after.seconds(after.frames[0]) - before.seconds(before.frames[0])
    checks = [
        _frames(before, after),
        _times(before, after, shift),
        _start(shift, before, after),
        _clean(after),
        _geometry(before, after, size),
        _colour(before, after),
        _hdr(before, after),
        *_streams(before, after, shift, set(dropped)),
        _attachments(before, after, set(dropped)),
        _chapters(before, after, shift),
        _metadata(before, after),
    ]
    return Proof(tuple(checks), len(after.frames), before.losses)


def _read(path: str, stop: Callable[[], None]) -> _Content:
    info = probe(path)
    timeline = read_timeline(info)
    frames = []
    with Decoder(info, timeline) as decoder:
        for picture, _ in decoder.pictures(_WHOLE):
            stop()
            frames.append(picture.pts)
        losses = decoder.losses
    copies: dict[int, _Copy] = {}
    covers = []
    with open_source(path) as container:
        cover_streams = {s.index for s in container.streams if _is_cover(s)}
        chapter_tracks = {s.index for s in container.streams if is_chapter_track(container, s)}
        wanted = [
            s
            for s in container.streams
            if s.index != info.video and s.index not in chapter_tracks and s.type != "attachment"
        ]
        copies = {s.index: _Copy() for s in wanted if s.index not in cover_streams}
        for packet in read_packets(container, wanted, Losses()) if wanted else ():
            stop()
            if packet.stream.index in cover_streams:
                covers.append(bytes(packet))
                continue
            copy = copies[packet.stream.index]
            copy.count += 1
            copy.digest.update(_payload(packet))
            if packet.pts is not None:
                copy.stamps.append(packet.pts * packet.time_base)
        attachments = tuple(
            (s.metadata.get("filename", ""), s.data)
            for s in container.streams
            if s.type == "attachment"
        )
        return _Content(
            info,
            timeline,
            tuple(frames),
            losses,
            copies,
            {s.index: dict(s.metadata) for s in container.streams},
            {s.index: int(s.disposition) for s in container.streams},
            tuple(covers),
            attachments,
            tuple(_chapter(c) for c in container.chapters()),
            kept_metadata(container.metadata),
        )


def _is_cover(stream: Any) -> bool:
    return stream.type == "video" and "attached_pic" in (stream.disposition.name or "")


def _payload(packet: Any) -> bytes:
    """A packet's bytes; without the ADTS header that MPEG-TS puts before AAC (ISO 14496-3)."""
    data = bytes(packet)
    context = packet.stream.codec_context
    is_adts = len(data) > 7 and data[0] == 0xFF and data[1] & 0xF6 == 0xF0
    if is_adts and context is not None and context.name == "aac":
        return data[7 if data[1] & 1 else 9 :]
    return data


def _chapter(chapter: Any) -> tuple[Fraction, Fraction, str]:
    unit = chapter["time_base"] or Fraction(1)
    return chapter["start"] * unit, chapter["end"] * unit, chapter["metadata"].get("title", "")


def _frames(before: _Content, after: _Content) -> Check:
    return Check(
        "every frame",
        len(before.frames) == len(after.frames),
        f"{len(before.frames)} in the source, {len(after.frames)} in the output",
    )


def _times(before: _Content, after: _Content, shift: Fraction) -> Check:
    tick = max(before.tick, after.tick)
    worst = max(
        (
            abs(after.seconds(b) - before.seconds(a) - shift)
            for a, b in zip(before.frames, after.frames, strict=False)
        ),
        default=Fraction(0),
    )
    return Check(
        "every timestamp",
        worst <= tick,
        f"largest difference {float(worst) * 1000:.3f} ms, one tick is {float(tick) * 1000:.3f} ms",
    )


def _start(shift: Fraction, before: _Content, after: _Content) -> Check:
    """The start may move only to make room for what lies before zero, and then for all streams."""
    tick = max(before.tick, after.tick)
    stamps = [stamp for copy in before.copies.values() for stamp in copy.stamps]
    earliest = min([*stamps, before.seconds(before.frames[0])])
    room = -earliest if earliest < 0 else Fraction(0)
    kept = abs(shift) <= tick or (room > 0 and abs(shift - room) <= tick)
    detail = f"moved by {float(shift) * 1000:.3f} ms"
    if kept and abs(shift) > tick:
        detail += ", all streams alike, since this container cannot begin before zero"
    return Check("start time", kept, detail)


def _clean(after: _Content) -> Check:
    return Check("output decodes", not after.losses, f"losses: {after.losses}")


def _geometry(before: _Content, after: _Content, size: tuple[int, int] | None) -> Check:
    old, new = before.info.clip, after.info.clip
    if size is not None:
        kept = (new.width, new.height) == size
    else:
        kept = abs(new.width * old.height - old.width * new.height) <= 2 * max(
            old.width, old.height
        )
    kept = kept and abs(new.sample_aspect_ratio / old.sample_aspect_ratio - 1) < Fraction(1, 500)
    same_turn = _turn(before.info.display_matrix) == _turn(after.info.display_matrix)
    return Check(
        "shape and rotation",
        kept and same_turn,
        f"{old.width}x{old.height} to {new.width}x{new.height}, sample aspect ratio "
        f"{old.sample_aspect_ratio} to {new.sample_aspect_ratio}, "
        f"rotation {'kept' if same_turn else 'changed'}",
    )


def _turn(matrix: Sequence[int] | None) -> tuple[int, ...]:
    """Rotation and mirroring of a display matrix, without the translation that only MP4 keeps."""
    a, b, _, c, d = (matrix or _UPRIGHT)[:5]
    size = max(abs(v) for v in (a, b, c, d)) or 1
    return tuple(round(1000 * v / size) for v in (a, b, c, d))


def _colour(before: _Content, after: _Content) -> Check:
    old, new = before.info.clip.colour, after.info.clip.colour
    same = (old.primaries, old.transfer) == (new.primaries, new.transfer)
    # A source in RGB is encoded in the matrix and range that the codec has.
    if old.matrix != 0:
        same = same and (old.matrix, old.full_range) == (new.matrix, new.full_range)

    def text(c: Any) -> str:
        span = "full" if c.full_range else "limited"
        return f"{c.primaries}/{c.transfer}/{c.matrix} {span}"

    return Check("colour tags", same, f"{text(old)} to {text(new)} (primaries/transfer/matrix)")


def _hdr(before: _Content, after: _Content) -> Check:
    old, new = before.info.hdr, after.info.hdr
    kept = old.light is None or old.light == new.light
    if old.mastering is not None:
        kept = kept and new.mastering is not None and all(
            abs(a - b) <= 1 for a, b in zip(old.mastering, new.mastering, strict=True)
        )
    known = old.mastering is not None or old.light is not None
    detail = f"{old} to {new}" if not kept else ("kept" if known else "none")
    return Check("HDR metadata", kept, detail)


def _streams(
    before: _Content, after: _Content, shift: Fraction, dropped: set[int]
) -> list[Check]:
    expected = [i for i in before.copies if i not in dropped]
    found = list(after.copies)
    checks = [
        Check(
            "streams",
            len(expected) == len(found),
            f"{len(expected)} beside the video in the source, {len(found)} in the output",
        )
    ]
    kinds = {s.index: s for s in before.info.streams}
    for old, new in zip(expected, found, strict=False):
        checks.append(_stream(before, after, old, new, shift, str(kinds[old])))
    return checks


def _stream(
    before: _Content, after: _Content, old: int, new: int, shift: Fraction, name: str
) -> Check:
    a, b = before.copies[old], after.copies[new]
    wrong = []
    if a.digest.digest() != b.digest.digest():
        wrong.append(f"its data differ ({a.count} packets in the source, {b.count} in the output)")
    tick = max(before.tick, after.tick, Fraction(1, 1000))
    stamps = zip(a.stamps, b.stamps, strict=False) if a.count == b.count else ()
    if a.stamps and b.stamps and a.count != b.count:
        stamps = zip(a.stamps[:1], b.stamps[:1], strict=True)
    worst = max((abs(y - x - shift) for x, y in stamps), default=Fraction(0))
    if worst > tick:
        wrong.append(f"its offset to the video changed by up to {float(worst) * 1000:.3f} ms")
    for key in _TAGS_OF_EVERY_CONTAINER:
        was, now = before.described[old].get(key), after.described[new].get(key)
        if was not in (None, "und", now):
            wrong.append(f"its {key} was {was} and is {now}")
    if before.dispositions[old] and before.dispositions[old] != after.dispositions[new]:
        wrong.append("its disposition flags changed")
    detail = "; ".join(wrong) or (
        f"{a.count} packets identical, offset to the video within {float(worst) * 1000:.3f} ms"
    )
    return Check(f"stream {name}", not wrong, detail)


def _attachments(before: _Content, after: _Content, dropped: set[int]) -> Check:
    attached = {s.index for s in before.info.streams if s.kind == "attachment"}
    wanted = sorted(data for _, data in before.attachments) + sorted(before.covers)
    if attached & dropped:
        return Check("attachments", True, "left out as asked")
    found = sorted(data for _, data in after.attachments) + sorted(after.covers)
    return Check(
        "attachments", sorted(wanted) == sorted(found), f"{len(wanted)} to {len(found)}"
    )


def _chapters(before: _Content, after: _Content, shift: Fraction) -> Check:
    tolerance = max(before.tick, after.tick, Fraction(1, 1000))
    same = len(before.chapters) == len(after.chapters) and all(
        title_a == title_b
        and min(abs(start_b - start_a - shift), abs(start_b - start_a)) <= tolerance
        for (start_a, _, title_a), (start_b, _, title_b) in zip(
            before.chapters, after.chapters, strict=True
        )
    )
    return Check("chapters", same, f"{len(before.chapters)} to {len(after.chapters)}")


def _metadata(before: _Content, after: _Content) -> Check:
    # Containers spell keys their own way, so a tag is kept where its value is.
    values = {_tag_value(key, value) for key, value in after.metadata.items()}
    lost = [k for k, v in before.metadata.items() if _tag_value(k, v) not in values]
    detail = f"lost or changed: {', '.join(lost)}" if lost else f"{len(before.metadata)} tags"
    return Check("metadata", not lost, detail)


def _tag_value(key: str, value: str) -> str:
    """A tag's value; times without their punctuation, which each container writes differently."""
    if key.lower() == "creation_time":
        return "".join(c for c in value if c.isdigit())[:14]
    return value
