"""The parts of the temporal benchmark that compute: clips, shares, tables and places."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest

FOLDER = Path(__file__).resolve().parents[2] / "benchmarks"


@pytest.fixture(autouse=True)
def _benchmarks_on_path(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(FOLDER))


def _figures(psnr: float, warp_error: float) -> dict[str, float]:
    return {"psnr": psnr, "warp_error": warp_error, "gradient": 2.0, "ssim": 0.9}


def test_shares_are_of_what_the_network_adds_to_bicubic() -> None:
    import judged

    plain, alone = _figures(30, 1e-4), _figures(34, 3e-4)
    found = judged.shares(_figures(33, 2e-4), alone, plain)
    assert found["gain_kept"] == pytest.approx(0.75)
    assert found["excess_left"] == pytest.approx(0.5)
    assert found["gradient_ratio"] == 1


def test_a_network_without_gain_has_no_shares() -> None:
    import judged

    plain, alone = _figures(30, 1e-4), _figures(29, 1.01e-4)
    found = judged.shares(_figures(28, 1e-4), alone, plain)
    assert found["gain_kept"] is None
    assert found["excess_left"] is None


def test_written_planes_come_back_and_are_cut(tmp_path: Path) -> None:
    import clip as clips
    import judged

    rng = np.random.default_rng(0)
    picture = [
        rng.integers(20, 230, size, dtype=np.uint8) for size in ((36, 50), (18, 25), (18, 25))
    ]
    path = tmp_path / "clip.mkv"
    judged._write(path, [picture, picture])
    assert clips.size_and_count(path) == (50, 36, 2)
    (read,) = judged._planes(path, 1, 4)
    for before, after in zip(picture, read, strict=True):
        np.testing.assert_array_equal(after, before[: after.shape[0], : after.shape[1]])
    assert [plane.shape for plane in read] == [(36, 48), (18, 24), (18, 24)]
    assert judged._halved(read[0]).shape == (18, 24)
    assert clips.frame_psnrs(path, path) == [100, 100]


def test_table_shows_dashes_for_what_is_unknown() -> None:
    import judged
    import temporal

    mode: dict[str, Any] = {
        "mode": "reuse 42",
        "work": 0.25,
        "audit": None,
        "wall_ratio": [0.5, 0.4, 0.3],
        "cpu_ratio": [],
        "to_off": {"mean": 43.21, "least": 41.0},
        **_figures(31, 2e-4),
        "gain_kept": None,
        "excess_left": math.nan,
        "gradient_ratio": 0.97,
    }
    cells = dict(zip(temporal.HEAD, temporal.row(mode, _figures(30, 1e-4)), strict=True))
    assert cells["wall"] == "0.40"
    assert cells["processor"] == cells["gain kept"] == cells["excess left"] == "–"
    assert cells["PSNR-Y over bicubic, dB"] == "+1.00"
    assert cells["E_warp ×10⁴"] == "2.00"
    assert judged.table(["a", "b"], [["1", "2"]]) == ["| a | b |", "| --- | --- |", "| 1 | 2 |"]


def test_slices_are_taken_where_only_the_network_flickers() -> None:
    import temporal_pictures as pictures

    plain = np.full((6, 40, 160, 3), 100, np.uint8)
    alone = plain.copy()
    alone[::2, 30, 80:150] = 140
    plain[::2, 10], alone[::2, 10] = 160, 200  # the source itself flickers there
    row, column = pictures.flickering_place(alone, plain)
    assert 28 <= row <= 32
    assert 76 <= column <= 82
