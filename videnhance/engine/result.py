"""The result of a finished job, and its report."""

from __future__ import annotations

import dataclasses
import platform
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from videnhance.engine.notes import Notes
from videnhance.job import Job
from videnhance.media.source import DecodeErrors
from videnhance.media.verify import VerificationReport


@dataclass(frozen=True)
class Result:
    """A verified output, and figures of the run that finished it.

    `seconds` is the wall time of this run, `run_seconds` the part in which frames were made.
    `frames` counts all frames of the output, `computed` those that this run made. `busy` is the
    fraction of `run_seconds` in which each step worked, 0..1.
    """

    output: Path
    job: Job
    verification: VerificationReport
    frames: int
    computed: int
    seconds: float
    run_seconds: float
    busy: dict[str, float]
    decode_errors: DecodeErrors
    notes: Notes
    """The stages' notes on all segments, whichever run made them."""
    warnings: tuple[str, ...]

    @property
    def fps(self) -> float:
        """Frames per second, over `run_seconds`."""
        return self.computed / self.run_seconds if self.run_seconds else 0.0

    @property
    def bottleneck(self) -> str | None:
        """The busiest step; None when nothing had to be computed."""
        return max(self.busy, key=lambda name: self.busy[name]) if self.busy else None

    def report(self) -> dict[str, Any]:
        """The report, as values for JSON."""
        return {
            "output": str(self.output),
            "frames": self.frames,
            "computed": self.computed,
            "seconds": round(self.seconds, 3),
            "run_seconds": round(self.run_seconds, 3),
            "fps": round(self.fps, 3),
            "busy": {name: round(share, 4) for name, share in self.busy.items()},
            "bottleneck": self.bottleneck,
            "decode_errors": dataclasses.asdict(self.decode_errors),
            "temporal": self.notes.report(self.job.clip.time_base),
            "warnings": list(self.warnings),
            "verification": {
                "kept": self.verification.kept,
                "checks": [dataclasses.asdict(check) for check in self.verification.checks],
            },
            "job": self.job.table(),
            "machine": {"platform": platform.platform(), "python": platform.python_version()},
        }
