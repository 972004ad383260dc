"""What an output declares to be, written into it, so that `verify` can judge it alone.

A declaration says which streams were left out and, where frames are not one for one, which frame
of the source each frame shows, and when. Matroska holds it as a tag, MP4 and MOV as a box of their
own kind (ISO/IEC 14496-12, `uuid`) at the end of the file. Where a container has no place for it
and it says something, it lies beside the output as OUTPUT.videnhance.json.
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
"""The key of Matroska's tag."""
_BOX = bytes.fromhex("7c1b6c1e5e5c4b0e9a3f2f6d76656e68")
"""The extended type of MP4's box; drawn once, at random."""
_LARGEST = 256 << 20
"""Bytes of an unpacked declaration that are read: far more than days of video need."""
_TAGGED, _BOXED = ("matroska", "webm"), ("mp4", "mov")


@dataclass(frozen=True)
class ShownFrame:
    """What one frame of an output shows, and when.

    `source` is the number of the source frame that it shows, among those that can be decoded. It
    is shown `fraction` of the way from source frame `base` to the next; behind the last one the
    last gap goes on.
    """

    source: int
    base: int
    fraction: Fraction


@dataclass(frozen=True)
class Declaration:
    """What an output is to its source."""

    dropped: tuple[int, ...] = ()
    """Streams of the source that were left out."""
    waived: tuple[str, ...] = ()
    """Checks that the user released the container from."""
    frames: tuple[ShownFrame, ...] | None = None
    """None where frames are one for one, each at its own time."""
    version: str = __version__

    @property
    def says_something(self) -> bool:
        """Whether it differs from what is judged without one."""
        return bool(self.dropped or self.waived or self.frames is not None)

    def text(self) -> str:
        """As it is written."""
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
        """Raises ValueError for what `text` did not write."""
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
    """What is shown, from the times of the source's frames and the frames of the output.

    Of the latter there are the number of the source frame, from 0, and the time. All times are in
    the same ticks. None where frames are one for one.
    """
    if list(enumerate(times)) == list(outputs):
        return None
    return tuple(_placed(source, pts, times) for source, pts in outputs)


def _placed(source: int, pts: int, times: Sequence[int]) -> ShownFrame:
    at = max(0, bisect_right(times, pts) - 1)
    return ShownFrame(source, at, Fraction(pts - times[at], _gap(times, at)))


def _gap(times: Sequence[int], at: int) -> int:
    """Ticks to the next frame; behind the last one those from the one before."""
    if len(times) < 2:
        return 1
    at = min(at, len(times) - 2)
    return times[at + 1] - times[at]


def expected_times(
    frames: Sequence[ShownFrame], times: Sequence[Fraction]
) -> Iterator[Fraction | None]:
    """When each frame is to be shown, given the times of the source's frames.

    None where the source has no such frame.
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
    # As differences, which repeat with the pattern and take next to no room.
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
    """The tags with which a muxer writes a declaration; none where it cannot."""
    return {TAG: declaration.text()} if muxer in _TAGGED else {}


def complete(path: Path, declaration: Declaration, muxer: str) -> None:
    """Write what no tag holds: MP4's box, or the file beside the output."""
    beside = sidecar(path)
    beside.unlink(missing_ok=True)
    if muxer in _BOXED:
        body = _BOX + declaration.text().encode()
        with path.open("ab") as file:
            file.write(struct.pack(">I4s", 8 + len(body), b"uuid") + body)
    elif muxer not in _TAGGED and declaration.says_something:
        beside.write_text(declaration.text() + "\n", encoding="utf-8")


def sidecar(path: Path) -> Path:
    """Where a declaration lies that a container has no place for."""
    return path.with_name(path.name.removesuffix(".part") + ".videnhance.json")


def read_declaration(path: str, metadata: Mapping[str, str]) -> Declaration | None:
    """The declaration of a file with that metadata; None where it has none that can be read."""
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
    """The texts of our boxes at the top level of an MP4 file."""
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
