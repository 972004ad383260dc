"""videnhance enlarges and cleans recorded video, and proves what it wrote.

Everything in `__all__` is the library's public face. It is imported when first used, so that
`import videnhance` and the command line's help stay quick.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from videnhance.core import (
        ClipInfo,
        Frame,
        InputError,
        Interrupted,
        ResourceError,
        UsageError,
        VerificationError,
        VidenhanceError,
    )
    from videnhance.engine.chain import enhance_frames
    from videnhance.engine.compare import Comparison, compare
    from videnhance.engine.enhance import enhance
    from videnhance.engine.judging import Measure
    from videnhance.engine.result import Result
    from videnhance.media.verify import VerificationReport, verify

__version__ = "0.1.0"

_HOMES = {
    "videnhance.core": (
        "ClipInfo",
        "Frame",
        "InputError",
        "Interrupted",
        "ResourceError",
        "UsageError",
        "VerificationError",
        "VidenhanceError",
    ),
    "videnhance.engine": ("Result", "enhance", "enhance_frames"),
    "videnhance.engine.compare": ("Comparison", "compare"),
    "videnhance.engine.judging": ("Measure",),
    "videnhance.media.verify": ("VerificationReport", "verify"),
}

__all__ = [
    "ClipInfo",
    "Comparison",
    "Frame",
    "InputError",
    "Interrupted",
    "Measure",
    "ResourceError",
    "Result",
    "UsageError",
    "VerificationError",
    "VerificationReport",
    "VidenhanceError",
    "compare",
    "enhance",
    "enhance_frames",
    "verify",
]


def __getattr__(name: str) -> Any:
    for home, names in _HOMES.items():
        if name in names:
            return getattr(importlib.import_module(home), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return [*globals(), *__all__]
