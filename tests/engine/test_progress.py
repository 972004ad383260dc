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
    speed = segments._Speedometer(60)
    first = speed.report(1)
    assert (first.done, first.fps, first.eta) == (1, 0.0, None)
    assert speed.report(3).eta == pytest.approx(57 / 2)
    assert speed.report(9).fps == pytest.approx(8 / 2)
    assert speed.report(28).fps == pytest.approx(19 / 38)
