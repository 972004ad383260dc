"""The five steps of every job: plan, preflight, run, assemble, verify."""

from videnhance.engine.chain import enhance_frames
from videnhance.engine.enhance import enhance
from videnhance.engine.events import Event, Finished, Phase, Planned, Progress, Warned
from videnhance.engine.plan import Plan, make_plan
from videnhance.engine.preview import Preview, preview
from videnhance.engine.result import Result

__all__ = [
    "Event",
    "Finished",
    "Phase",
    "Plan",
    "Planned",
    "Preview",
    "Progress",
    "Result",
    "Warned",
    "enhance",
    "enhance_frames",
    "make_plan",
    "preview",
]
