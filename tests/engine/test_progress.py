"""How fast a job goes, as it is told while it runs."""

from __future__ import annotations

import pytest

from videnhance.engine import segments


def test_the_time_left_does_not_count_what_the_first_frame_took(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """It may have had to wait for a compiler, once."""
    clock = iter([100.0, 101.0, 102.0, 140.0])
    monkeypatch.setattr(segments.time, "monotonic", lambda: next(clock))
    speed = segments.Speedometer(60, before=10)
    first = speed.count()
    assert (first.done, first.fps, first.eta) == (11, 0.0, None)
    assert speed.count().eta == pytest.approx(48)
    assert speed.count().fps == pytest.approx(2 / 2)
    assert speed.count().fps == pytest.approx(1 / 38)
    assert speed.made == 4
