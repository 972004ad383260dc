"""The parts of the benchmark that compute: orders, spreads, tables and the clip."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

FOLDER = Path(__file__).resolve().parents[2] / "benchmarks"


@pytest.fixture(autouse=True)
def _benchmarks_on_path(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(FOLDER))


def _entry(name: str, seconds: list[float], alone: list[float]) -> dict[str, Any]:
    return {
        "name": name,
        "settings": "some",
        "versions": {"python": "3"},
        "jobs": [{"seconds": s, "cpu": 2 * s, "peak": 1} for s in seconds],
        "bares": [{"seconds": s, "cpu": 2 * s} for s in alone],
    }


def test_spread_of_unsorted_values() -> None:
    from measure import Spread

    assert Spread.of([3.0, 1.0, 2.0]) == Spread(2.0, 1.0, 3.0)
    assert Spread(2.0, 1.0, 3.0).text(1) == "2.0 (1.0–3.0)"


def test_every_round_runs_everyone_and_orders_differ() -> None:
    from throughput import rounds

    orders = list(rounds(4, 3))
    assert all(sorted(order) == [0, 1, 2] for order in orders)
    assert len({tuple(order) for order in orders}) > 2


def test_table_compares_within_rounds() -> None:
    from report import markdown

    ours = _entry("videnhance", [10.0, 20.0, 10.0], [8.0, 16.0, 10.0])
    peer = _entry("peer", [15.0, 30.0, 15.0], [14.0, 28.0, 14.0]) | {"psnr": 40.0}
    text = markdown(
        {
            "date": "2020-01-01",
            "machine": {"cores": "2"},
            "clip": {"width": 4, "height": 2, "frames": 20},
            "rounds": 3,
            "skipped": [],
            "results": [ours, peer],
        }
    )
    # The middle round was twice as slow for both: the ratio does not see it.
    assert "1.50 (1.50–1.50)" in text
    assert "| 20 | 1.250 (1.000–1.250) |" in text
    assert "2.00 (1.00–2.00)" in text


def test_pictures_repeat_by_number_and_move() -> None:
    from clip import picture

    image = np.random.default_rng(0).integers(0, 256, (60, 80, 3), dtype=np.uint8)
    first, again, later = (picture(image, number, 32, 18) for number in (3, 3, 4))
    assert first.shape == (18, 32, 3)
    np.testing.assert_array_equal(first, again)
    assert np.abs(first.astype(int) - later).mean() > 5


def test_triangle_walks_back_and_forth() -> None:
    from clip import triangle

    assert [triangle(x, 4) for x in (0, 3, 4, 5, 8, 9)] == [0, 3, 4, 3, 0, 1]


def test_failing_command_is_reported_with_its_message() -> None:
    from measure import CommandError, run

    with pytest.raises(CommandError, match="no such luck"):
        run([sys.executable, "-c", "raise SystemExit('no such luck')"])


def test_memory_of_children_counts() -> None:
    from measure import run

    child = "import time; a = bytearray(60 << 20); time.sleep(0.5)"
    parent = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {child!r}])"
    assert run([sys.executable, "-c", parent], sample_memory=True).peak > 60 << 20
