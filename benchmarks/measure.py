"""Run a command and say what it cost; describe the machine it ran on."""

from __future__ import annotations

import importlib.metadata
import os
import platform
import statistics
import subprocess
import tempfile
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import psutil

POLL_SECONDS = 0.02


@dataclass(frozen=True)
class Cost:
    """What one process, with its children, took. Times in seconds, memory in bytes."""

    wall: float
    """From before the start of the process to after its end."""
    cpu: float
    """User and system time of the process and of the children it waited for."""
    peak: int
    """Highest resident memory: summed over the process tree where that was sampled, otherwise
    that of the largest single process."""
    stdout: str


class CommandError(Exception):
    """A measured command ended with an error."""


def run(command: Sequence[str], *, sample_memory: bool = False) -> Cost:
    """Run `command` to its end. Raises CommandError with the end of its messages."""
    with tempfile.TemporaryFile("w+") as out, tempfile.TemporaryFile("w+") as err:
        started = time.perf_counter()
        process = subprocess.Popen(command, stdout=out, stderr=err, stdin=subprocess.DEVNULL)
        watch = Watch(process.pid) if sample_memory else None
        _, status, usage = os.wait4(process.pid, 0)
        wall = time.perf_counter() - started
        process.returncode = os.waitstatus_to_exitcode(status)
        sampled = watch.stop() if watch else 0
        out.seek(0)
        err.seek(0)
        if process.returncode:
            tail = err.read()[-2000:]
            raise CommandError(
                f"{' '.join(command)}\nended with exit code {process.returncode}:\n{tail}"
            )
        # Linux counts ru_maxrss in KiB, macOS in bytes.
        largest = usage.ru_maxrss * (1 if platform.system() == "Darwin" else 1024)
        return Cost(wall, usage.ru_utime + usage.ru_stime, max(largest, sampled), out.read())


class Watch:
    """Samples the resident memory of a process tree on a thread of its own."""

    def __init__(self, pid: int) -> None:
        self._process = psutil.Process(pid)
        self._peak = 0
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._sample)
        self._thread.start()

    def _sample(self) -> None:
        while not self._done.wait(POLL_SECONDS):
            total = 0
            try:
                for process in (self._process, *self._process.children(recursive=True)):
                    total += process.memory_info().rss
            except psutil.NoSuchProcess:
                continue
            self._peak = max(self._peak, total)

    def stop(self) -> int:
        """End sampling and return the highest sum in bytes."""
        self._done.set()
        self._thread.join()
        return self._peak


@dataclass(frozen=True)
class Spread:
    """Median, lowest and highest of repeated measurements."""

    median: float
    low: float
    high: float

    @classmethod
    def of(cls, values: Sequence[float]) -> Spread:
        return cls(statistics.median(values), min(values), max(values))

    def text(self, digits: int) -> str:
        """For people, e.g. ``2.41 (2.38–2.50)``."""
        return f"{self.median:.{digits}f} ({self.low:.{digits}f}–{self.high:.{digits}f})"


def machine() -> dict[str, str]:
    """Processor, cores, memory and operating system."""
    frequency = psutil.cpu_freq() if hasattr(psutil, "cpu_freq") else None
    return {
        "processor": _processor()
        + (f" at {frequency.max or frequency.current:.0f} MHz" if frequency else ""),
        "cores": f"{psutil.cpu_count(logical=False)} cores, {psutil.cpu_count()} threads",
        "memory": f"{psutil.virtual_memory().total / 2**30:.1f} GiB",
        "system": platform.platform(),
        "load before": f"{os.getloadavg()[0]:.2f}",
    }


def _processor() -> str:
    information = Path("/proc/cpuinfo")
    if information.is_file():
        wanted = {"model name", "cpu family", "model"}
        found: dict[str, str] = {}
        for line in information.read_text().splitlines():
            key, _, value = line.partition(":")
            if key.strip() in wanted:
                found.setdefault(key.strip(), value.strip())
        flags = " without AVX-512" if "avx512f" not in information.read_text() else " with AVX-512"
        family = f"family {found.get('cpu family', '?')}, model {found.get('model', '?')}"
        return f"{found.get('model name', platform.machine())} ({family}){flags}"
    return platform.processor() or platform.machine()


def versions(packages: Sequence[str]) -> dict[str, str]:
    """Installed versions of this interpreter and of `packages`."""
    found = {package: importlib.metadata.version(package) for package in packages}
    return {"python": platform.python_version(), **found}
