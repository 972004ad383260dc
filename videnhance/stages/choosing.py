"""Decide by a look at the recording which network enlarges it."""

from __future__ import annotations

from videnhance.core import Look

LIVE, DRAWN = "live", "realesr-animevideov3"
"""The default networks: families of cards for live action and for drawn pictures."""


_RESTLESS = 1 / 255
"""Noise, on the scale of 0..1, above which little can be reused. The halved clips of
`benchmarks/pictures.py` measure 2.2 to 2.7 code values with grain and 1.2 to 2.5 with the noise of
a tape, where `reuse` gave every frame to the network, and 0.2 to 0.4 clean (an old film 2.3)."""


def noise_of(look: Look) -> float:
    """Noise of a recording on the scale of 0..1, median of the frames looked at.

    0 where it is not above one code value: there it cannot be told from fine texture.
    """
    import numpy as np

    from videnhance.kernels.motion import luma
    from videnhance.kernels.noise import spatial_noise_level

    levels = [spatial_noise_level(luma(frame.clip(0, 1))) for frame in look.frames]
    level = float(np.median(levels)) if levels else 0.0
    return level if level > _RESTLESS else 0.0


def restless(look: Look) -> bool:
    """Whether the recording is so noisy that frames should be filtered, not reused.

    The reason is recorded in `look`.
    """
    level = look.noise_left * noise_of(look)
    if level <= _RESTLESS:
        return False
    look.found("temporal", f"steady (noise of {255 * level:.1f} code values, little to reuse)")
    return True


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
