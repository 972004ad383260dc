"""The steps that frames go through, in their order."""

from videnhance.core import Stage
from videnhance.stages.denoise import Denoise
from videnhance.stages.finish import Finish
from videnhance.stages.upscale import Upscale

STAGES: tuple[type[Stage], ...] = (Denoise, Upscale, Finish)

__all__ = ["STAGES", "Denoise", "Finish", "Upscale"]
