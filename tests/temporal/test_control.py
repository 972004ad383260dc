"""How far reference frames lie apart."""

from __future__ import annotations

import numpy as np
import pytest

from videnhance.temporal.control import Control, Cost, longest_distance
from videnhance.temporal.lazy import Lazy
from videnhance.temporal.parameters import PERCEPTUAL

_SIZE = 100_000


@pytest.mark.parametrize(
    ("height", "width", "scale", "expected"),
    [(180, 320, 2, 32), (720, 1280, 2, 16), (1080, 1920, 2, 4), (1080, 1920, 4, 2),
     (2160, 3840, 2, 2), (576, 720, 8, 2), (4320, 7680, 8, 2)],
)  # fmt: skip
def test_large_pictures_bring_reference_frames_together(
    height: int, width: int, scale: int, expected: int
) -> None:
    assert longest_distance(height, width, scale) == expected


def spent(share: float, distance: int, *, audited: int = 0, size: int = _SIZE) -> list[Lazy[Cost]]:
    """Costs of a group's inner frames, of which the network saw this share."""
    cost = Cost(round(share * size) + audited, size, audited)
    return [Lazy(lambda: cost) for _ in range(distance - 1)]


def distances(control: Control, share: float, *, size: int = _SIZE) -> list[int]:
    """Distances in a long scene in which every group costs this."""
    found = [control.distance()]
    for _ in range(12):
        control.planned(found[-1], spent(share, found[-1], size=size))
        found.append(control.distance())
    return found


def begun(longest: int) -> Control:
    control = Control(longest, PERCEPTUAL)
    control.begin_scene()
    return control


@pytest.mark.parametrize(("longest", "expected"), [(32, 8), (8, 8), (4, 4), (2, 2)])
def test_a_scene_begins_with_what_most_scenes_allow(longest: int, expected: int) -> None:
    assert begun(longest).distance() == expected


def test_what_costs_nothing_goes_as_far_as_it_may() -> None:
    assert distances(begun(32), 0.0)[:6] == [8, 8, 16, 16, 32, 32]


def test_what_cannot_be_reconstructed_is_not() -> None:
    """A single frame is tried again after a while."""
    control, found = begun(32), []
    for _ in range(400):
        found.append(control.distance())
        control.planned(found[-1], spent(1.0, found[-1]))
    assert found[:2] == [8, 8]
    tried = [place for place, distance in enumerate(found) if distance > 1][2:]
    assert {found[place] for place in tried} == {2}
    waited = np.diff(tried)
    assert len(waited) > 2
    assert (np.diff(waited) > 0).all()


def test_what_can_be_reconstructed_after_all_soon_is() -> None:
    control, found = begun(32), []
    for number in range(60):
        found.append(control.distance())
        control.planned(found[-1], spent(1.0 if number < 4 else 0.0, found[-1]))
    assert found[4:20] == [1] * 16
    assert found[-1] == 32


@pytest.mark.parametrize(("share", "goes_on"), [(0.4, True), (0.65, False)])
def test_one_frame_in_two_is_reconstructed_only_where_that_saves_more_than_it_takes(
    share: float, goes_on: bool
) -> None:
    """Its motion is followed, which costs as well."""
    assert (distances(begun(2), share)[-1] == 2) is goes_on


def test_audits_are_no_reason_to_come_nearer() -> None:
    control = begun(32)
    for _ in range(3):
        control.planned(8, spent(0.0, 8, audited=_SIZE // 2))
    assert control.distance() == 16


def test_of_a_group_planned_before_nothing_could_be_reconstructed_nothing_is_learned() -> None:
    control, found = begun(4), []
    for share in (1.0, 0.9, 1.0, 1.0, 1.0, 1.0):
        found.append(control.distance())
        control.planned(found[-1], spent(share, found[-1]))
    assert found == [4, 4, 1, 1, 1, 1]
