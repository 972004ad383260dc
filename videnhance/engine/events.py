"""What a running job tells whoever watches it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

from videnhance.engine.plan import Plan
from videnhance.engine.result import Result


@dataclass(frozen=True)
class Planned:
    """The plan stands; `resumed` frames are there already from an earlier run."""

    plan: Plan
    resumed: int


@dataclass(frozen=True)
class Phase:
    """A step begins: "preflight", "run", "assemble", "verify", or "measure" of a preview."""

    name: str


@dataclass(frozen=True)
class Progress:
    """Frames done so far, of how many expected, and how fast this run makes them."""

    done: int
    total: int
    fps: float
    eta: float | None
    """Seconds that the remaining frames will take; None before it can be told."""


@dataclass(frozen=True)
class Warned:
    """Something the user should know; the job goes on."""

    message: str


@dataclass(frozen=True)
class Finished:
    """The output is written and verified."""

    result: Result


Event: TypeAlias = Planned | Phase | Progress | Warned | Finished
