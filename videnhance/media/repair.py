"""Repair the times of copied packets that bit errors destroyed, so that a muxer takes them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from videnhance.media.source import DecodeErrors, read_packets

_SPARSE = ("subtitle", "data")
"""Types of streams whose times are not compared with those of their neighbours."""


def timed_packets(container: Any, streams: Any, decode_errors: DecodeErrors) -> Iterator[Any]:
    """Packets of the given streams, nearly in file order, with decoding times that do not fall.

    A packet whose time is missing, or does not fit those around it, is placed right after its
    predecessor; `decode_errors.retimed` counts these. In audio streams the next packet is read
    ahead, to tell a time that is too late from a following one that is too early. In subtitle and
    data streams, times that do not fit are kept.
    """
    held: dict[int, Any] = {}
    last: dict[int, int] = {}
    step: dict[int, int] = {}

    def with_times(packet: Any, following: int | None) -> Any:
        index = packet.stream.index
        _repair(packet, last.get(index), step.get(index, 1), following, decode_errors)
        stamp = _stamp(packet)
        if stamp is not None:
            last[index] = stamp
        step[index] = max(1, packet.duration or 1)
        return packet

    for packet in read_packets(container, streams, decode_errors):
        if packet.stream.type != "audio":
            yield with_times(packet, None)
            continue
        earlier = held.get(packet.stream.index)
        held[packet.stream.index] = packet
        if earlier is not None:
            yield with_times(earlier, _stamp(packet))
    for packet in held.values():
        yield with_times(packet, None)


def _stamp(packet: Any) -> int | None:
    stamp: int | None = packet.dts if packet.dts is not None else packet.pts
    return stamp


def _repair(
    packet: Any, last: int | None, step: int, following: int | None, decode_errors: DecodeErrors
) -> None:
    stamp = _stamp(packet)
    if stamp is None:
        new = 0 if last is None else last + step
        if last is None and following is not None:
            new = following - max(1, packet.duration or 1)
    elif packet.stream.type in _SPARSE or last is None:
        new = stamp
    elif stamp < last or (following is not None and last < following < stamp):
        new = last + step
    else:
        new = stamp
    backwards = packet.pts is not None and packet.dts is not None and packet.pts < packet.dts
    if new == stamp and not backwards:
        return
    decode_errors.retimed += 1
    packet.dts = new
    packet.pts = new if packet.stream.type != "video" else max(new, packet.pts or new)
