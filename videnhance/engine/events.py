"""The events that a running job sends to its listener."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

from videnhance.engine.plan import Plan
from videnhance.engine.result import Result


@dataclass(frozen=True)
class Planned:
    """The job is planned; an earlier run has already made `resumed` of its frames."""

    plan: Plan
    resumed: int


@dataclass(frozen=True)
class Phase:
    """A step begins: "preflight", "run", "assemble", "verify", or "measure" of a preview."""

    name: str


@dataclass(frozen=True)
class Progress:
    """Frames done so far, frames expected in all, and the speed of this run."""

    done: int
    total: int
    fps: float
    eta: float | None
    """Estimated seconds for the remaining frames; None before there is an estimate."""


@dataclass(frozen=True)
class Warned:
    """Something the user should know; the job goes on."""

    message: str


@dataclass(frozen=True)
class Finished:
    """The output is written and verified."""

    result: Result


Event: TypeAlias = Planned | Phase | Progress | Warned | Finished
