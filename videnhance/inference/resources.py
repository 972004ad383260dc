"""Threads and memory that a job may use. Only this module asks the machine for either."""

from __future__ import annotations

import math
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from videnhance.core import UsageError

_FREE_MEMORY_SHARE = 0.5
"""Fraction of the free memory that a job plans with, if the user does not say how much."""


@dataclass(frozen=True)
class Resources:
    """How many threads compute at once, and how many bytes of main memory a job plans with."""

    threads: int
    memory: int

    @classmethod
    def of_machine(cls, threads: int | None = None, memory: float | None = None) -> Self:
        """The given resources (`memory` in GiB), or all usable cores and half of the free memory.

        Raises UsageError for less than one thread, or no memory.
        """
        if threads is not None and threads < 1:
            raise UsageError(f"--threads is {threads}; it must be at least 1.")
        if memory is not None and not 0 < memory < math.inf:
            raise UsageError(f"--memory is {memory:g}; it must be a number above 0.")
        return cls(
            usable_cores() if threads is None else threads,
            int(free_memory() * _FREE_MEMORY_SHARE if memory is None else memory * 2**30),
        )


def usable_cores() -> int:
    """Number of cores this process may run on."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def free_memory() -> int:
    """Bytes of main memory that this process can still get, within its container's limits."""
    import psutil  # type: ignore[import-untyped, unused-ignore]

    free = int(psutil.virtual_memory().available)
    root = Path("/sys/fs/cgroup")
    for limit, usage in (
        (root / "memory.max", root / "memory.current"),
        (root / "memory/memory.limit_in_bytes", root / "memory/memory.usage_in_bytes"),
    ):
        try:
            free = min(free, int(limit.read_text()) - int(usage.read_text()))
        except (OSError, ValueError):  # no such limit, or "max"
            continue
    return max(free, 0)
