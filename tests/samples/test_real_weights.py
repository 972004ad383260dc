"""The shipped networks on the committed clips, with reuse: near the network's own frames."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

import videnhance
from videnhance.inference import all_cards, weights

SAMPLES = Path(__file__).parents[2] / "samples"


@pytest.mark.parametrize("model", ["live-x2", "realesr-animevideov3-x2", "span-x2"])
def test_reuse_is_near_the_network_on_a_sample(ffmpeg: Any, tmp_path: Path, model: str) -> None:
    if weights.locate(all_cards()[model]) is None:
        pytest.skip("not on this machine")
    source = tmp_path / "clip.mkv"
    ffmpeg.run("-i", SAMPLES / "archive.mp4", "-an", "-sn", "-vf", "crop=160:120", "-frames:v", 10,
               "-c:v", "ffv1", source)  # fmt: skip
    made = {}
    for temporal in ("off", "reuse"):
        made[temporal] = tmp_path / f"{temporal}.mkv"
        report = tmp_path / f"{temporal}.json"
        result = videnhance.enhance(
            source, made[temporal], model=model, temporal=temporal, codec="ffv1", device="cpu",
            report=report,
        )  # fmt: skip
        assert result.verification.kept
    noted = json.loads(report.read_text())["temporal"]
    assert 0 < noted["network_pixels"] <= 2 * noted["pixels"]
    found = videnhance.compare(made["reuse"], made["off"], vmaf=False)
    assert found["psnr_y"].mean > 39
