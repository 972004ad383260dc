"""Draft networks in the engine: part of the job where `reuse` runs them, and only there."""

from __future__ import annotations

from fractions import Fraction

import pytest

from videnhance.core import ClipInfo
from videnhance.engine.look import LazyLook
from videnhance.engine.resolving import resolve_stages
from videnhance.inference import CPU, Resources, cards
from videnhance.job import settings

CLIP = ClipInfo(32, 24, Fraction(1, 25), Fraction(25))
RESOURCES = Resources(threads=2, memory=8 << 30)
TAUGHT, UNTAUGHT = "realesr-animevideov3-x2", "realesr-animevideov3-x3"


@pytest.mark.parametrize(
    ("model", "temporal", "drafts"),
    [
        (TAUGHT, "reuse", (f"{TAUGHT}-draft",)),
        (TAUGHT, "off", ()),
        (TAUGHT, "steady", ()),
        (UNTAUGHT, "reuse", ()),
    ],
)
def test_a_draft_belongs_to_the_job_where_it_is_used(
    model: str, temporal: str, drafts: tuple[str, ...]
) -> None:
    scale = float(cards.resolve(model).scale)
    given = {"upscale": {"model": model, "scale": scale, "temporal": temporal}}
    resolved = resolve_stages(settings(None, given), CLIP, CPU, RESOURCES, LazyLook())
    assert resolved.models == {name: dict(cards.resolve(name).sha256) for name in (model, *drafts)}
