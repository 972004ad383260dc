"""How far references may lie apart, and what audits change."""

from __future__ import annotations

import numpy as np
import pytest

from videnhance.temporal.control import Control, Cost, longest_distance
from videnhance.temporal.lazy import Lazy

_SIZE = 100_000


@pytest.mark.parametrize(
    ("height", "width", "scale", "expected"),
    [(180, 320, 2, 32), (720, 1280, 2, 16), (1080, 1920, 2, 4), (1080, 1920, 4, 2),
     (2160, 3840, 2, 2), (576, 720, 8, 2), (4320, 7680, 8, 2)],
)  # fmt: skip
def test_large_pictures_bring_anchors_together(
    height: int, width: int, scale: int, expected: int
) -> None:
    assert longest_distance(height, width, scale) == expected


def spent(share: float, distance: int, *, audited: int = 0, size: int = _SIZE) -> list[Lazy[Cost]]:
    """Costs of a span's carried frames, of which the network saw this share."""
    cost = Cost(round(share * size) + audited, size, audited)
    return [Lazy(lambda: cost) for _ in range(distance - 1)]


def distances(control: Control, share: float, *, size: int = _SIZE) -> list[int]:
    """What a long scene settles to in which every span costs this."""
    found = [control.distance()]
    for _ in range(12):
        control.planned(found[-1], spent(share, found[-1], size=size))
        found.append(control.distance())
    return found


@pytest.mark.parametrize(("changed", "expected"), [(0.0, 16), (0.4, 16), (0.5, 2), (1.0, 2)])
def test_a_scene_begins_with_what_its_first_frames_promise(changed: float, expected: int) -> None:
    assert Control(32).begin_scene(changed) == expected
    assert Control(4).begin_scene(changed) == min(expected, 4)


def test_what_costs_nothing_goes_as_far_as_it_may() -> None:
    control = Control(32)
    control.begin_scene(0.4)
    assert distances(control, 0.0)[:4] == [16, 16, 32, 32]


def test_what_cannot_be_carried_is_not() -> None:
    """A single frame tells, and is tried again after a while."""
    control = Control(32)
    found = [control.begin_scene(1.0)]
    for _ in range(400):
        control.planned(found[-1], spent(1.0, found[-1]))
        found.append(control.distance())
    tried = [place for place, distance in enumerate(found) if distance > 1]
    assert {found[place] for place in tried} == {2}
    waited = np.diff(tried)
    assert len(waited) > 2
    assert (np.diff(waited) > 0).all()


def test_what_can_be_carried_after_all_soon_is() -> None:
    control = Control(32)
    first = control.begin_scene(1.0)
    control.planned(first, spent(0.0, first))
    assert distances(control, 0.0)[:8] == [1, 2, 2, 4, 4, 8, 8, 16]


@pytest.mark.parametrize(("share", "goes_on"), [(0.4, True), (0.55, False)])
def test_one_frame_in_two_is_carried_only_where_that_saves_more_than_it_takes(
    share: float, goes_on: bool
) -> None:
    """Its own motion is followed, and what it is carried from drafted and measured."""
    control = Control(2)
    control.begin_scene(0.0)
    assert (distances(control, share)[-1] == 2) is goes_on


def test_small_frames_are_carried_less() -> None:
    """Each has an expense of its own, whatever its size."""
    large, small = Control(32), Control(32)
    for control in (large, small):
        control.begin_scene(0.0)
    assert distances(large, 0.5)[-1] > 1
    assert distances(small, 0.5, size=3000)[-1] == 1


def test_audits_are_no_reason_to_come_nearer() -> None:
    control = Control(32)
    control.begin_scene(0.4)
    for _ in range(3):
        control.planned(16, spent(0.0, 16, audited=_SIZE // 2))
    assert control.distance() == 32


def test_of_a_span_planned_before_nothing_could_be_carried_nothing_is_learned() -> None:
    control = Control(4)
    found = [control.begin_scene(0.0), control.distance()]
    for share in (1.0, 0.9, 1.0, 1.0, 1.0, 1.0):
        control.planned(found[-1], spent(share, found[-1]))
        found.append(control.distance())
    assert found[:3] == [4, 4, 4]
    assert found[4:] == [1] * len(found[4:])
