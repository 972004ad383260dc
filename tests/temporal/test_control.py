"""How far anchors may lie apart."""

from __future__ import annotations

import pytest

from videnhance.temporal.control import DISTANCES, LOOKAHEAD, longest_distance


@pytest.mark.parametrize(
    ("height", "width", "scale", "expected"),
    [(180, 320, 2, 32), (720, 1280, 2, 16), (1080, 1920, 2, 4), (1080, 1920, 4, 2),
     (2160, 3840, 2, 2), (576, 720, 8, 2), (4320, 7680, 8, 2)],
)  # fmt: skip
def test_large_pictures_bring_anchors_together(
    height: int, width: int, scale: int, expected: int
) -> None:
    assert longest_distance(height, width, scale) == expected


def test_two_groups_and_a_flash_are_seen_ahead() -> None:
    assert 2 * DISTANCES[-1] < LOOKAHEAD
