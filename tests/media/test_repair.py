"""Times of copied packets that bit errors took away or moved."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pytest

from videnhance.media import repair
from videnhance.media.source import DecodeErrors


@dataclass
class _Stream:
    index: int
    type: str


@dataclass
class _Packet:
    stream: _Stream
    pts: int | None
    dts: int | None
    duration: int = 20


_SOUND, _TEXT, _PICTURE = _Stream(1, "audio"), _Stream(2, "subtitle"), _Stream(3, "video")


def _sound(*times: int | None) -> list[_Packet]:
    return [_Packet(_SOUND, time, time) for time in times]


def _timed(
    packets: list[_Packet], monkeypatch: pytest.MonkeyPatch
) -> tuple[list[Any], DecodeErrors]:
    decode_errors = DecodeErrors()
    monkeypatch.setattr(
        repair, "read_packets", lambda container, streams, decode_errors: iter(packets)
    )
    return list(repair.timed_packets(None, None, decode_errors)), decode_errors


@pytest.mark.parametrize(
    ("given", "expected", "retimed"),
    [
        ((0, 20, 40, 60), (0, 20, 40, 60), 0),
        ((-40, -20, 0, 20), (-40, -20, 0, 20), 0),
        ((0, 20, 20, 40), (0, 20, 20, 40), 0),  # the millisecond of a container may repeat
        ((0, 20, 5000, 5020), (0, 20, 5000, 5020), 0),  # a gap in the recording
        ((0, None, 40, 60), (0, 20, 40, 60), 1),
        ((None, 20, 40), (0, 20, 40), 1),
        ((0, 20, 9999, 60, 80), (0, 20, 40, 60, 80), 1),  # leaps ahead
        ((100, 120, 3, 160), (100, 120, 140, 160), 1),  # falls behind
        ((0, 20, None, None), (0, 20, 40, 60), 2),
        ((), (), 0),
    ],
)
def test_sound_follows_its_neighbours(
    monkeypatch: pytest.MonkeyPatch,
    given: tuple[int | None, ...],
    expected: tuple[int, ...],
    retimed: int,
) -> None:
    packets = _sound(*given)
    found, decode_errors = _timed(list(packets), monkeypatch)
    assert all(a is b for a, b in zip(found, packets, strict=True))
    assert tuple(packet.pts for packet in found) == expected
    assert tuple(packet.dts for packet in found) == expected
    assert decode_errors.retimed == retimed


def test_every_stream_is_judged_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    other = _Stream(4, "audio")
    packets = [*_sound(0, 20), _Packet(other, 900, 900), *_sound(40), _Packet(other, 920, 920)]
    found, decode_errors = _timed(packets, monkeypatch)
    assert not decode_errors
    assert sorted(map(id, found)) == sorted(map(id, packets))


def test_sparse_streams_are_left_as_they_are_and_not_held_back(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Subtitles may begin together or overlap; and the next one may be minutes away."""
    text = [_Packet(_TEXT, time, time) for time in (500, 500, 300)]
    found, decode_errors = _timed([text[0], *_sound(0, 20), text[1], text[2]], monkeypatch)
    assert not decode_errors
    assert found[0] is text[0]
    assert [packet.pts for packet in found if packet.stream is _TEXT] == [500, 500, 300]


def test_reordered_pictures_keep_their_times(monkeypatch: pytest.MonkeyPatch) -> None:
    pairs = [(0, -40), (120, 0), (40, 20), (80, 60), (60, None)]
    packets = [_Packet(_PICTURE, pts, dts) for pts, dts in pairs]
    found, decode_errors = _timed(packets, monkeypatch)
    assert not decode_errors
    assert [(packet.pts, packet.dts) for packet in found] == pairs


def test_a_packet_is_never_shown_before_it_is_decoded(monkeypatch: pytest.MonkeyPatch) -> None:
    found, decode_errors = _timed([_Packet(_SOUND, 5, 40)], monkeypatch)
    assert (found[0].pts, found[0].dts) == (40, 40)
    assert decode_errors.retimed == 1
