"""Verify a finished file against its source: frames, times, streams, tags."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, replace
from fractions import Fraction

from av.stream import Disposition

from videnhance.core import Colour, InputError, Matrix
from videnhance.media.content import Content, Copy, Description, describe, read_content
from videnhance.media.declaration import Declaration, expected_times
from videnhance.media.side_data import Hdr
from videnhance.media.source import DecodeErrors, StreamInfo
from videnhance.media.thumbnails import Aside, Reading, ThumbnailCheck, compare_frames

_TAGS_OF_EVERY_CONTAINER = ("language", "title")
MAY_BE_WAIVED = ("metadata", "stream labels", "chapters", "attachments")
"""Checks that a user may waive for a container. Pictures, times and colour are always checked."""
_UPRIGHT = (1 << 16, 0, 0, 0, 1 << 16)
_DEFAULT = int(Disposition.default)
_QUICKTIME_PREFIX, _QUICKTIME_LOCATION = "com.apple.quicktime.", "location.iso6709"


@dataclass(frozen=True)
class Check:
    """One comparison of output and source: whether it held, and the figures behind that."""

    name: str
    kept: bool
    detail: str


@dataclass(frozen=True)
class VerificationReport:
    """All checks of an output, with its number of frames and the source's decode errors."""

    checks: tuple[Check, ...]
    frames: int
    decode_errors: DecodeErrors

    @property
    def kept(self) -> bool:
        """Whether every check held."""
        return all(check.kept for check in self.checks)

    @property
    def broken(self) -> tuple[Check, ...]:
        """The checks that failed."""
        return tuple(check for check in self.checks if not check.kept)


def verify(
    source: str,
    output: str,
    *,
    size: tuple[int, int] | None = None,
    declared: Declaration | None = None,
    stop: Callable[[], None] = lambda: None,
    aside: Aside = nullcontext,
) -> VerificationReport:
    """Decode both files and compare.

    The output is judged by its declaration, which says what streams were left out and which source
    frame each of its frames shows. Without a declaration, it must have every stream, and every
    frame one for one. `size` is the width and height that the output must have; without it the
    picture must keep its aspect ratio. `declared` is the declaration that the output must have.
    `stop` is called often and may raise. The output is decoded `aside`. Raises InputError for files
    that cannot be read.
    """
    before, after = describe(source), describe(output)
    found = after.declaration
    judged = found or Declaration()
    shown = None if judged.frames is None else [frame.source for frame in judged.frames]
    seen, made, thumbnails = compare_frames(before.info, after.info, stop, aside, shown)
    if not seen.times.ticks or not made.times.ticks:
        empty = output if seen.times.ticks else source
        raise InputError(f"{empty} holds no frame that can be decoded.")
    old, new = read_content(before, stop), read_content(after, stop)
    expected = _expected(judged, seen)
    first = next((time for time in expected if time is not None), seen.times.earliest())
    shift = made.times.earliest() - first
    tick = max(before.tick, after.tick)
    dropped = set(judged.dropped)
    checks = [
        _declared(found, declared),
        _frames(seen, made, judged),
        _pictures(thumbnails),
        _times(expected, made, shift, tick),
        _start(shift, first, old, new, tick),
        Check("output decodes", not made.decode_errors, f"decode errors: {made.decode_errors}"),
        _geometry(before, after, size),
        *_tags(before, after),
        *_streams(before, after, dropped),
        *_packets(before, after, old, new, shift, dropped),
        _attachments(before, after, dropped),
        _chapters(before, after, shift),
    ]
    checks = [_waived(check) if check.name in judged.waived else check for check in checks]
    return VerificationReport(tuple(checks), len(made.times.ticks), seen.decode_errors)


def _declared(found: Declaration | None, declared: Declaration | None) -> Check:
    """Check that the output has the declaration that was written."""
    kept = declared is None or found == declared or not (found or declared.says_something)
    if found is None:
        return Check("declaration", kept, "no declaration found, judged one for one")
    parts = ["one for one" if found.frames is None else "its stages change frames or their times"]
    if found.dropped:
        parts.append(f"without stream {', '.join(map(str, found.dropped))} of the source")
    if found.waived:
        parts.append(f"waived: {', '.join(found.waived)}")
    detail = f"made by videnhance {found.version}: {', '.join(parts)}"
    return Check("declaration", kept, detail if kept else f"{detail}, which is not what was made")


def _expected(judged: Declaration, seen: Reading) -> list[Fraction | None]:
    """Time at which each output frame must be shown; None if the source lacks its frame."""
    times = list(seen.times.seconds())
    if judged.frames is None:
        return list(times)
    return list(expected_times(judged.frames, times))


def _waived(check: Check) -> Check:
    return check if check.kept else replace(check, kept=True, detail=f"waived: {check.detail}")


def preflight_faults(source: str, preflight: str, dropped: Sequence[int] = ()) -> tuple[Check, ...]:
    """The checks that the output of a preflight fails. Frames and packets are not compared."""
    before, after = describe(source), describe(preflight)
    size = after.info.clip.width, after.info.clip.height
    checks = [
        _geometry(before, after, size),
        *_tags(before, after),
        *_streams(before, after, set(dropped)),
        _attachments(before, after, set(dropped)),
        _chapters(before, after, Fraction(0)),
    ]
    return tuple(check for check in checks if not check.kept)


def _frames(old: Reading, new: Reading, judged: Declaration) -> Check:
    count, made = len(old.times.ticks), len(new.times.ticks)
    detail = f"{count} in the source, {made} in the output"
    if judged.frames is None:
        return Check("every frame", count == made, detail)
    missing = any(not 0 <= frame.source < count for frame in judged.frames)
    kept = made == len(judged.frames) and not missing
    return Check("every frame", kept, f"{detail}, {len(judged.frames)} declared")


def _pictures(thumbnails: ThumbnailCheck) -> Check:
    """Check that each frame shows what its counterpart shows: none frozen, black or misplaced."""
    detail = f"thumbnails differ by {thumbnails.difference:.1f} of 255 at most"
    if thumbnails.difference:
        detail += f" (frame {thumbnails.frame})"
    if thumbnails.other is not None:
        detail += f", where the output shows frame {thumbnails.other} of the source"
    return Check("same pictures", thumbnails.same, detail)


def _times(
    expected: Sequence[Fraction | None], new: Reading, shift: Fraction, tick: Fraction
) -> Check:
    # If one side has more frames, the check "every frame" has failed already.
    pairs = zip(expected, new.times.seconds(), strict=False)
    worst = max((abs(b - a - shift) for a, b in pairs if a is not None), default=Fraction(0))
    return Check(
        "every timestamp",
        worst <= tick,
        f"largest difference {_ms(worst)}, one tick is {_ms(tick)}",
    )


def _start(shift: Fraction, first: Fraction, old: Content, new: Content, tick: Fraction) -> Check:
    """Check that the start moved only to avoid times before zero, and then for all streams."""
    firsts = [copy.times.earliest() for copy in old.copies.values() if copy.times.ticks]
    room = max(Fraction(0), -min([*firsts, first]))
    detail = f"moved by {_ms(shift)}"
    if abs(shift) <= tick:
        return Check("start time", True, detail)
    # If the encoder reorders, decoding times begin before the first frame's time. Some containers
    # (MPEG-TS) then move everything so that decoding times begin at zero.
    at_zero = shift > 0 and new.earliest is not None and abs(new.earliest) <= tick
    if at_zero or (room and abs(shift - room) <= tick):
        detail += ", all streams alike, since this container cannot begin before zero"
        return Check("start time", True, detail)
    return Check("start time", False, detail)


def _ms(seconds: Fraction) -> str:
    return f"{float(seconds) * 1000:.3f} ms"


def _geometry(before: Description, after: Description, size: tuple[int, int] | None) -> Check:
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


def _tags(before: Description, after: Description) -> list[Check]:
    return [_colour(before, after), _hdr(before, after), _metadata(before, after)]


def _colour(before: Description, after: Description) -> Check:
    old, new = before.info.clip.colour, after.info.clip.colour
    same = (old.primaries, old.transfer) == (new.primaries, new.transfer)
    # If either side is RGB, matrix and range follow from the encoder's pixel format.
    if Matrix.RGB not in (old.matrix, new.matrix):
        same = same and (old.matrix, old.full_range) == (new.matrix, new.full_range)

    def text(c: Colour) -> str:
        span = "full" if c.full_range else "limited"
        return f"{c.primaries}/{c.transfer}/{c.matrix} {span}"

    return Check("colour tags", same, f"{text(old)} to {text(new)} (primaries/transfer/matrix)")


def _hdr(before: Description, after: Description) -> Check:
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


def _streams(before: Description, after: Description, dropped: set[int]) -> list[Check]:
    """Check that every stream is there, of the same kind and with the same labels."""
    expected = [index for index in before.copied if index not in dropped]
    count = Check(
        "streams",
        len(expected) == len(after.copied),
        f"{len(expected)} beside the video to be kept, {len(after.copied)} in the output",
    )
    # MPEG-TS stores a codec that it has no number for as data, which nothing can play.
    changed = [
        f"{before.info.streams[old]} became {after.info.streams[new]}"
        for old, new in zip(expected, after.copied, strict=False)
        if before.info.streams[old].kind != after.info.streams[new].kind
    ]
    if count.kept and changed:
        count = Check("streams", False, "; ".join(changed))
    pairs = zip([before.info.video, *expected], [after.info.video, *after.copied], strict=False)
    wrong = [fault for old, new in pairs for fault in _label_faults(before, after, old, new)]
    wrong += _default_faults(before, after, [before.info.video, *expected])
    labels = Check("stream labels", not wrong, "; ".join(wrong) or "languages, titles, flags kept")
    return [count, labels]


def _label_faults(before: Description, after: Description, old: int, new: int) -> list[str]:
    name = before.info.streams[old]
    wrong = []
    for key in _TAGS_OF_EVERY_CONTAINER:
        was, now = before.described[old].get(key), after.described[new].get(key)
        if was not in (None, "und", now):
            wrong.append(f"the {key} of {name} was {was} and is {now}")
    if (before.dispositions[old] ^ after.dispositions[new]) & ~_DEFAULT:
        wrong.append(f"the disposition flags of {name} changed")
    return wrong


def _default_faults(before: Description, after: Description, kept: Sequence[int]) -> list[str]:
    """Faults for kinds of streams whose default changed: players would choose another stream."""
    was = _defaults(before, kept)
    now = _defaults(after, [after.info.video, *after.copied])
    return [f"the default {kind} stream changed" for kind in was if was[kind] != now.get(kind)]


def _defaults(description: Description, indices: Sequence[int]) -> dict[str, list[int]]:
    """The default streams of each kind, by their position among the streams of that kind.

    If none is marked as default, it is the first: players then take that one, and MP4 marks it.
    AVI and MPEG-TS have no mark.
    """
    flags: dict[str, list[bool]] = {}
    for index in sorted(indices):
        kind = description.info.streams[index].kind
        flags.setdefault(kind, []).append(bool(description.dispositions[index] & _DEFAULT))
    return {k: [i for i, flag in enumerate(f) if flag] or [0] for k, f in flags.items()}


def _packets(
    before: Description,
    after: Description,
    old: Content,
    new: Content,
    shift: Fraction,
    dropped: set[int],
) -> list[Check]:
    """Check that the packets of other streams are the same, with the same offset to the video."""
    tick = max(before.tick, after.tick, Fraction(1, 1000))
    expected = [index for index in before.copied if index not in dropped]
    checks = []
    for i, j in zip(expected, after.copied, strict=False):
        a, b = old.copies[i], new.copies[j]
        same = a.digest.digest() == b.digest.digest()
        count = f"({len(a.offsets)} packets in the source, {len(b.offsets)} in the output)"
        data = f"{len(a.offsets)} packets identical" if same else f"its data differ {count}"
        stream = before.info.streams[i]
        # Some muxers join packets of subtitles and PCM. All other packets must begin at the same
        # bytes: a packet that begins on one side only has no time to be compared with.
        if a.offsets != b.offsets and same and not _may_be_joined(stream):
            same, data = False, f"it is split differently {count}"
        worst = max((abs(y - x - shift) for x, y in _shared_times(a, b)), default=Fraction(0))
        checks.append(
            Check(
                f"stream {stream}",
                same and worst <= tick,
                f"{data}, offset to the video within {_ms(worst)}",
            )
        )
    return checks


def _may_be_joined(stream: StreamInfo) -> bool:
    return stream.kind == "subtitle" or stream.codec.startswith("pcm_")


def _shared_times(a: Copy, b: Copy) -> Iterator[tuple[Fraction, Fraction]]:
    """For every byte at which a packet begins on both sides, its times on both sides."""
    if a.offsets == b.offsets:
        yield from zip(a.times.seconds(), b.times.seconds(), strict=True)
        return
    begins = dict(zip(b.offsets, b.times.seconds(), strict=True))
    for offset, time in zip(a.offsets, a.times.seconds(), strict=True):
        if offset in begins:
            yield time, begins[offset]


def _attachments(before: Description, after: Description, dropped: set[int]) -> Check:
    """Check fonts, files and cover pictures, which containers store in different ways."""
    asked = [f for f in before.attachments if f.index not in dropped]
    pictures = Counter(f.digest for f in before.covers if f.index not in dropped)
    files = Counter((f.name, f.digest) for f in asked)
    found = Counter((f.name, f.digest) for f in after.attachments)
    missing = files - found
    # Matroska stores a cover in an uncommon format like any other file.
    extra = Counter([f.digest for f in after.covers])
    for (_, digest), count in (found - files).items():
        extra[digest] += count
    was, now = len(before.attachments) + len(before.covers), found.total() + len(after.covers)
    gone = was - len(asked) - pictures.total()
    detail = f"{was} to {now}" + (f", {gone} left out as asked" if gone else "")
    if missing:
        detail += f", not as they were: {', '.join(sorted(name for name, _ in missing))}"
    return Check("attachments", not missing and extra == pictures, detail)


def _chapters(before: Description, after: Description, shift: Fraction) -> Check:
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


def _metadata(before: Description, after: Description) -> Check:
    found = {_tag(key, value) for key, value in after.metadata.items()}
    lost = [k for k, v in before.metadata.items() if _tag(k, v) not in found]
    detail = f"lost or changed: {', '.join(lost)}" if lost else f"{len(before.metadata)} tags"
    return Check("metadata", not lost, detail)


def _tag(key: str, value: str) -> tuple[str, str]:
    """A tag in a form that does not depend on the container.

    Containers differ in capitals, in the prefix of QuickTime's keys, and in the punctuation of
    times.
    """
    key = key.lower().removeprefix(_QUICKTIME_PREFIX)
    if key == _QUICKTIME_LOCATION:
        key = "location"
    if key == "creation_time":
        value = "".join(c for c in value if c.isdigit())[:14]
    return key, value
