"""Decide what was left to the program by a look at the recording."""

from __future__ import annotations

from videnhance.core import Image, Look

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


def restoration_for(card: str, look: Look) -> float:
    """How much of noise and damage that network shall remove. The reason is recorded in `look`.

    It is measured on the CPU whatever the job's device, so that all machines decide alike.
    """
    from videnhance.analysis.restoration import damage, restore_for
    from videnhance.inference import CPU, load_model

    frames = tuple(frame.clip(0, 1) for frame in look.frames)
    if not frames:
        look.found("restore", "1 (no frame could be looked at)")
        return 1.0
    model = load_model(card, device=CPU)

    def enlarge(image: Image, restore: float) -> Image:
        return model([image], restore)[0]

    found = damage(frames, enlarge)
    restore = restore_for(found)
    look.found("restore", f"{restore:g} (noise and damage of {found:.1f} code values)")
    return restore
