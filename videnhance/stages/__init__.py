"""The steps that frames go through, in their order."""

from videnhance.core import Stage
from videnhance.stages.upscale import Upscale

STAGES: tuple[type[Stage], ...] = (Upscale,)

__all__ = ["STAGES", "Upscale"]
