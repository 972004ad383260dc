"""Decide by a look at the recording which network enlarges it."""

from __future__ import annotations

from videnhance.core import Look

LIVE, DRAWN = "live", "realesr-animevideov3"
"""The default networks: families of cards for live action and for drawn pictures."""


def network_for(device_kind: str, look: Look) -> str:
    """The family of networks for what the recording shows. The reason is recorded in `look`."""
    from videnhance.analysis.drawn import judge

    if device_kind == "vulkan":
        look.found("model", f"{DRAWN} ({LIVE} cannot run on vulkan)")
        return DRAWN
    verdict = judge(look.frames)
    model = DRAWN if verdict.drawn else LIVE
    look.found("model", f"{model} ({verdict.reason})")
    return model
