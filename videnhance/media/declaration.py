"""Write and read the declaration of an output, which lets `verify` judge the file alone.

A declaration lists the streams that were left out. If frames are not one for one, it also says
which source frame each frame shows, and when. Matroska holds it as a tag. MP4 and MOV hold it in a
box of their own type (ISO/IEC 14496-12, `uuid`) at the end of the file. Other containers have no
place for it: if it says something, it is written to OUTPUT.videnhance.json beside the output.
"""

from __future__ import annotations

import base64
import binascii
import json
import struct
import zlib
from bisect import bisect_right
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import accumulate, pairwise
from pathlib import Path
from typing import Any

from videnhance import __version__

TAG = "VIDENHANCE"
"""Key of the tag in Matroska."""
_BOX = bytes.fromhex("7c1b6c1e5e5c4b0e9a3f2f6d76656e68")
"""Extended type of the box in MP4 and MOV; chosen once, at random."""
_LARGEST = 256 << 20
"""Largest declaration that is read, in bytes after unpacking. Days of video need far less."""
_TAGGED, _BOXED = ("matroska", "webm"), ("mp4", "mov")


@dataclass(frozen=True)
class ShownFrame:
    """What one frame of an output shows, and when.

    `source` is the number of the source frame that it shows, counting only frames that can be
    decoded. Its time lies `fraction` of the way from source frame `base` to the next one. The last
    source frame has no next one: there, the gap before it is used.
    """

    source: int
    base: int
    fraction: Fraction


@dataclass(frozen=True)
class Declaration:
    """How an output differs from a copy of its source with the same streams and frames."""

    dropped: tuple[int, ...] = ()
    """Streams of the source that were left out."""
    waived: tuple[str, ...] = ()
    """Names of the checks that the user waived."""
    frames: tuple[ShownFrame, ...] | None = None
    """None if frames are one for one, each at the time of its source frame."""
    version: str = __version__

    @property
    def says_something(self) -> bool:
        """Whether it differs from what `verify` assumes of a file without a declaration."""
        return bool(self.dropped or self.waived or self.frames is not None)

    def text(self) -> str:
        """The declaration as JSON."""
        values: dict[str, Any] = {
            "videnhance": self.version,
            "dropped": list(self.dropped),
            "waived": list(self.waived),
        }
        if self.frames is not None:
            values["frames"] = _packed(self.frames)
        return json.dumps(values, separators=(",", ":"))

    @classmethod
    def parsed(cls, text: str) -> Declaration:
        """Read what `text` wrote. Raises ValueError for anything else."""
        try:
            values = json.loads(text)
            frames = values.get("frames")
            return cls(
                tuple(int(index) for index in values["dropped"]),
                tuple(str(name) for name in values["waived"]),
                None if frames is None else _unpacked(frames),
                str(values["videnhance"]),
            )
        except (KeyError, TypeError, AttributeError, ArithmeticError) as exc:
            raise ValueError(f"no declaration: {exc}") from exc


def shown_frames(
    times: Sequence[int], outputs: Sequence[tuple[int, int]]
) -> tuple[ShownFrame, ...] | None:
    """The declared frames of an output; None if frames are one for one.

    `times` are the times of the source's frames. `outputs` has for each output frame the number of
    the source frame that it shows, from 0, and its time. All times are in the same ticks.
    """
    if list(enumerate(times)) == list(outputs):
        return None
    return tuple(_placed(source, pts, times) for source, pts in outputs)


def _placed(source: int, pts: int, times: Sequence[int]) -> ShownFrame:
    at = max(0, bisect_right(times, pts) - 1)
    return ShownFrame(source, at, Fraction(pts - times[at], _gap(times, at)))


def _gap(times: Sequence[int], at: int) -> int:
    """Ticks from a frame to the next; for the last frame, those from the frame before."""
    if len(times) < 2:
        return 1
    at = min(at, len(times) - 2)
    return times[at + 1] - times[at]


def expected_times(
    frames: Sequence[ShownFrame], times: Sequence[Fraction]
) -> Iterator[Fraction | None]:
    """Time at which each frame must be shown, given the times of the source's frames.

    None if the source does not have the frame's `base`.
    """
    gaps = [b - a for a, b in pairwise(times)] or [Fraction(0)]
    for frame in frames:
        if not 0 <= frame.base < len(times):
            yield None
            continue
        yield times[frame.base] + frame.fraction * gaps[min(frame.base, len(gaps) - 1)]


def _packed(frames: Sequence[ShownFrame]) -> str:
    columns = (
        [frame.source for frame in frames],
        [frame.base for frame in frames],
        [frame.fraction.numerator for frame in frames],
        [frame.fraction.denominator for frame in frames],
    )
    # Differences repeat with the pattern of the frames, so they compress to very few bytes.
    rows = [[b - a for a, b in pairwise([0, *column])] for column in columns]
    packed = zlib.compress(json.dumps(rows, separators=(",", ":")).encode(), 9)
    return base64.b64encode(packed).decode("ascii")


def _unpacked(text: str) -> tuple[ShownFrame, ...]:
    try:
        unpacking = zlib.decompressobj()
        packed = unpacking.decompress(base64.b64decode(text), _LARGEST)
        if unpacking.unconsumed_tail:
            raise ValueError("no declaration: it is too large")
        rows = json.loads(packed)
    except (binascii.Error, zlib.error) as exc:
        raise ValueError(f"no declaration: {exc}") from exc
    sources, bases, upper, lower = (accumulate(row) for row in rows)
    return tuple(
        ShownFrame(source, base, Fraction(a, b))
        for source, base, a, b in zip(sources, bases, upper, lower, strict=True)
    )


def tags(declaration: Declaration, muxer: str) -> dict[str, str]:
    """The metadata tags that hold a declaration; empty if the muxer has no place for them."""
    return {TAG: declaration.text()} if muxer in _TAGGED else {}


def complete(path: Path, declaration: Declaration, muxer: str) -> None:
    """Write a declaration that is not in a tag: into MP4's box, or to a file beside the output.

    A file that an earlier output left there is deleted.
    """
    beside = sidecar(path)
    beside.unlink(missing_ok=True)
    if muxer in _BOXED:
        body = _BOX + declaration.text().encode()
        with path.open("ab") as file:
            file.write(struct.pack(">I4s", 8 + len(body), b"uuid") + body)
    elif muxer not in _TAGGED and declaration.says_something:
        beside.write_text(declaration.text() + "\n", encoding="utf-8")


def sidecar(path: Path) -> Path:
    """Path of the file beside an output that holds its declaration."""
    return path.with_name(path.name.removesuffix(".part") + ".videnhance.json")


def read_declaration(path: str, metadata: Mapping[str, str]) -> Declaration | None:
    """The declaration of a file that has this metadata; None if there is none that can be read."""
    texts = [value for key, value in metadata.items() if key.upper() == TAG]
    file = Path(path)
    try:
        if not texts and file.is_file():
            beside = sidecar(file)
            texts = [beside.read_text("utf-8")] if beside.is_file() else list(_boxes(file))
        return Declaration.parsed(texts[-1]) if texts else None
    except (OSError, ValueError, struct.error):
        return None


def _boxes(path: Path) -> Iterator[str]:
    """The declarations in our boxes at the top level of an MP4 file, as text."""
    with path.open("rb") as file:
        end = file.seek(0, 2)
        at = 0
        while at + 8 <= end:
            file.seek(at)
            head = file.read(32)
            size, kind = struct.unpack(">I4s", head[:8])
            if not at and kind != b"ftyp":
                return
            body = 8
            if size == 1:
                size, body = struct.unpack(">Q", head[8:16])[0], 16
            if kind == b"uuid" and head[body : body + 16] == _BOX and size <= _LARGEST:
                file.seek(at + body + 16)
                yield file.read(size - body - 16).decode("utf-8")
            if size < 8:
                return
            at += size
