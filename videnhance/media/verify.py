"""Prove a finished file against its source: frames, times, streams, tags."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field, replace
from fractions import Fraction
from typing import Any

from videnhance.core import Colour, InputError, Matrix
from videnhance.media.assemble import (
    cover_picture,
    is_chapter_track,
    is_cover,
    kept_metadata,
    stream_metadata,
)
from videnhance.media.decode import Decoder
from videnhance.media.repair import timed_packets
from videnhance.media.source import (
    Hdr,
    Losses,
    SourceInfo,
    open_source,
    probe,
)
from videnhance.media.timeline import Segment, read_timeline

_WHOLE = Segment(0, None, None, None)
_TAGS_OF_EVERY_CONTAINER = ("language", "title")
MAY_BE_LET_GO = ("metadata", "stream labels", "chapters", "attachments")
"""Promises that a user may release a container from; pictures, times and colour are not."""
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
        """Whether every promise was kept."""
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
class _Description:
    """What a file says of itself."""

    info: SourceInfo
    described: dict[int, dict[str, str]]
    dispositions: dict[int, int]
    copied: tuple[int, ...]
    """Streams beside the video whose packets are copied."""
    covers: tuple[bytes, ...]
    attachments: tuple[bytes, ...]
    chapters: tuple[tuple[Fraction, Fraction, str], ...]
    metadata: dict[str, str]

    @property
    def tick(self) -> Fraction:
        return self.info.clip.time_base


@dataclass(frozen=True)
class _Content:
    """What is in a file: the times of its frames, in seconds, and its other streams' packets."""

    frames: tuple[Fraction, ...]
    losses: Losses
    copies: dict[int, _Copy]
    earliest: Fraction | None
    """The first time of any packet, decoding times included."""


def verify(
    source: str,
    output: str,
    *,
    size: tuple[int, int] | None = None,
    dropped: Sequence[int] = (),
    let_go: Collection[str] = (),
    stop: Callable[[], None] = lambda: None,
) -> Proof:
    """Decode both files and compare. `size` is the width and height the output must have.

    Without `size` the picture must keep its shape. `dropped` are source streams that the user
    let go, `let_go` promises that the container was released from; `stop` is called often and
    may raise. Raises InputError for files that cannot be read.
    """
    before, after = _describe(source), _describe(output)
    old, new = _read(before, stop), _read(after, stop)
    if not old.frames or not new.frames:
        empty = source if not old.frames else output
        raise InputError(f"{empty} holds no frame that can be decoded.")
    shift = new.frames[0] - old.frames[0]
    checks = [
        _frames(old, new),
        _times(old, new, shift, max(before.tick, after.tick)),
        _start(shift, old, new, max(before.tick, after.tick)),
        Check("output decodes", not new.losses, f"losses: {new.losses}"),
        _geometry(before, after, size),
        *_tags(before, after),
        *_streams(before, after, set(dropped)),
        *_packets(before, after, old, new, shift, set(dropped)),
        _attachments(before, after, set(dropped)),
        _chapters(before, after, shift),
    ]
    checks = [_released(check) if check.promise in let_go else check for check in checks]
    return Proof(tuple(checks), len(new.frames), old.losses)


def _released(check: Check) -> Check:
    return check if check.kept else replace(check, kept=True, detail=f"let go: {check.detail}")


def rehearsal_faults(source: str, rehearsal: str, dropped: Sequence[int] = ()) -> tuple[Check, ...]:
    """The promises beside frames and packets that a short output, made like the real one, broke."""
    before, after = _describe(source), _describe(rehearsal)
    size = after.info.clip.width, after.info.clip.height
    checks = [
        _geometry(before, after, size),
        *_tags(before, after),
        *_streams(before, after, set(dropped)),
        _attachments(before, after, set(dropped)),
        _chapters(before, after, Fraction(0)),
    ]
    return tuple(check for check in checks if not check.kept)


def _describe(path: str) -> _Description:
    info = probe(path)
    container: Any
    with open_source(path) as container:
        copied = []
        covers: list[bytes] = []
        for stream in container.streams:
            if stream.index == info.video or stream.type == "attachment":
                continue
            if is_cover(stream):
                covers.append(cover_picture(path, stream.index))
            elif not is_chapter_track(container, stream):
                copied.append(stream.index)
        return _Description(
            info=info,
            described={s.index: stream_metadata(s) for s in container.streams},
            dispositions={s.index: int(s.disposition) for s in container.streams},
            copied=tuple(copied),
            covers=tuple(covers),
            attachments=tuple(s.data for s in container.streams if s.type == "attachment"),
            chapters=tuple(_chapter(c) for c in container.chapters()),
            metadata=kept_metadata(container.metadata),
        )


def _read(description: _Description, stop: Callable[[], None]) -> _Content:
    """Decode the video and read every other packet."""
    info = description.info
    frames = []
    with Decoder(info, read_timeline(info, stop=stop)) as decoder:
        for picture, _ in decoder.pictures(_WHOLE):
            stop()
            frames.append(picture.pts * info.clip.time_base)
        losses = decoder.losses
    copies = {index: _Copy() for index in description.copied}
    earliest: Fraction | None = None
    with open_source(info.path) as container:
        wanted = [container.streams[index] for index in (info.video, *copies)]
        for packet in timed_packets(container, wanted, Losses()):
            stop()
            if packet.dts is not None:
                time = packet.dts * packet.time_base
                earliest = time if earliest is None else min(time, earliest)
            copy = copies.get(packet.stream.index)
            if copy is None:
                continue
            copy.count += 1
            copy.digest.update(_payload(packet))
            if packet.pts is not None:
                copy.stamps.append(packet.pts * packet.time_base)
    return _Content(tuple(frames), losses, copies, earliest)


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


def _frames(old: _Content, new: _Content) -> Check:
    return Check(
        "every frame",
        len(old.frames) == len(new.frames),
        f"{len(old.frames)} in the source, {len(new.frames)} in the output",
    )


def _times(old: _Content, new: _Content, shift: Fraction, tick: Fraction) -> Check:
    worst = max(abs(b - a - shift) for a, b in zip(old.frames, new.frames, strict=False))
    return Check(
        "every timestamp",
        worst <= tick,
        f"largest difference {_ms(worst)}, one tick is {_ms(tick)}",
    )


def _start(shift: Fraction, old: _Content, new: _Content, tick: Fraction) -> Check:
    """The start may move only to make room for what lies before zero, and then for all streams."""
    stamps = [stamp for copy in old.copies.values() for stamp in copy.stamps]
    room = max(Fraction(0), -min([*stamps, old.frames[0]]))
    detail = f"moved by {_ms(shift)}"
    if abs(shift) <= tick:
        return Check("start time", True, detail)
    # Decoding times lie before the first frame's where the encoder reorders, and some
    # containers (MPEG-TS) move everything until these begin at zero.
    at_zero = shift > 0 and new.earliest is not None and abs(new.earliest) <= tick
    if at_zero or (room and abs(shift - room) <= tick):
        detail += ", all streams alike, since this container cannot begin before zero"
        return Check("start time", True, detail)
    return Check("start time", False, detail)


def _ms(seconds: Fraction) -> str:
    return f"{float(seconds) * 1000:.3f} ms"


def _geometry(before: _Description, after: _Description, size: tuple[int, int] | None) -> Check:
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


def _tags(before: _Description, after: _Description) -> list[Check]:
    return [_colour(before, after), _hdr(before, after), _metadata(before, after)]


def _colour(before: _Description, after: _Description) -> Check:
    old, new = before.info.clip.colour, after.info.clip.colour
    same = (old.primaries, old.transfer) == (new.primaries, new.transfer)
    # A source in RGB is encoded in the matrix and range that the codec has.
    if old.matrix != Matrix.RGB:
        same = same and (old.matrix, old.full_range) == (new.matrix, new.full_range)

    def text(c: Colour) -> str:
        span = "full" if c.full_range else "limited"
        return f"{c.primaries}/{c.transfer}/{c.matrix} {span}"

    return Check("colour tags", same, f"{text(old)} to {text(new)} (primaries/transfer/matrix)")


def _hdr(before: _Description, after: _Description) -> Check:
    old, new = before.info.hdr, after.info.hdr
    kept = old.light is None or old.light == new.light
    if old.mastering is not None:
        near = new.mastering is not None and all(
            abs(a - b) <= 1 for a, b in zip(old.mastering, new.mastering, strict=True)
        )
        kept = kept and near
    if not kept:
        return Check("HDR metadata", False, f"{old} to {new}")
    return Check("HDR metadata", True, "kept" if old != Hdr() else "none")


def _streams(before: _Description, after: _Description, dropped: set[int]) -> list[Check]:
    """That every stream is there and says the same of itself."""
    expected = [index for index in before.copied if index not in dropped]
    count = Check(
        "streams",
        len(expected) == len(after.copied),
        f"{len(expected)} beside the video to be kept, {len(after.copied)} in the output",
    )
    # MPEG-TS takes a codec that it has no number for, as data that nothing can play.
    changed = [
        f"{before.info.streams[old]} became {after.info.streams[new]}"
        for old, new in zip(expected, after.copied, strict=False)
        if before.info.streams[old].kind != after.info.streams[new].kind
    ]
    if count.kept and changed:
        count = Check("streams", False, "; ".join(changed))
    pairs = zip([before.info.video, *expected], [after.info.video, *after.copied], strict=False)
    wrong = [fault for old, new in pairs for fault in _label_faults(before, after, old, new)]
    labels = Check("stream labels", not wrong, "; ".join(wrong) or "languages, titles, flags kept")
    return [count, labels]


def _label_faults(before: _Description, after: _Description, old: int, new: int) -> list[str]:
    name = before.info.streams[old]
    wrong = []
    for key in _TAGS_OF_EVERY_CONTAINER:
        was, now = before.described[old].get(key), after.described[new].get(key)
        if was not in (None, "und", now):
            wrong.append(f"the {key} of {name} was {was} and is {now}")
    if before.dispositions[old] and before.dispositions[old] != after.dispositions[new]:
        wrong.append(f"the disposition flags of {name} changed")
    return wrong


def _packets(
    before: _Description,
    after: _Description,
    old: _Content,
    new: _Content,
    shift: Fraction,
    dropped: set[int],
) -> list[Check]:
    """That the other streams' packets are the same, at the same distance to the video."""
    tick = max(before.tick, after.tick, Fraction(1, 1000))
    expected = [index for index in before.copied if index not in dropped]
    checks = []
    for i, j in zip(expected, after.copied, strict=False):
        a, b = old.copies[i], new.copies[j]
        same = a.digest.digest() == b.digest.digest()
        # Muxers may join packets (PGS subtitles); then only the first has a counterpart.
        count = min(len(a.stamps), len(b.stamps)) if a.count == b.count else 1
        pairs = zip(a.stamps[:count], b.stamps[:count], strict=False)
        worst = max((abs(y - x - shift) for x, y in pairs), default=Fraction(0))
        data = (
            f"{a.count} packets identical"
            if same
            else (f"its data differ ({a.count} packets in the source, {b.count} in the output)")
        )
        checks.append(
            Check(
                f"stream {before.info.streams[i]}",
                same and worst <= tick,
                f"{data}, offset to the video within {_ms(worst)}",
            )
        )
    return checks


def _attachments(before: _Description, after: _Description, dropped: set[int]) -> Check:
    """Fonts, files and cover pictures, which containers hold in different ways."""
    wanted = sorted((*before.attachments, *before.covers))
    found = sorted((*after.attachments, *after.covers))
    gone = [s for s in before.info.streams if s.index in dropped and s.index not in before.copied]
    kept = not set(found) - set(wanted) if gone else wanted == found
    detail = f"{len(wanted)} to {len(found)}" + (", left out as asked" if gone else "")
    return Check("attachments", kept, detail)


def _chapters(before: _Description, after: _Description, shift: Fraction) -> Check:
    tolerance = max(before.tick, after.tick, Fraction(1, 1000))
    same = len(before.chapters) == len(after.chapters) and all(
        title_a == title_b
        and min(abs(start_b - start_a - shift), abs(start_b - start_a)) <= tolerance
        for (start_a, _, title_a), (start_b, _, title_b) in zip(
            before.chapters, after.chapters, strict=True
        )
    )
    detail = f"{len(before.chapters)} in the source, {len(after.chapters)} in the output"
    return Check("chapters", same, detail if same else f"{detail}, with other times or titles")


def _metadata(before: _Description, after: _Description) -> Check:
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
