"""The command line: it parses and prints; the work is the engine's."""

from __future__ import annotations

import gc
import io
import signal
import sys
from types import FrameType, ModuleType
from typing import NoReturn, cast


def run() -> NoReturn:
    """Run the command line and end the process at once; the entry point of `videnhance`.

    Python's own clean-up is skipped: all files are closed by then, and unloading numba and OpenCV
    would take half a second.
    """
    # A short job spends most of its time on starting. Garbage collection frees little then, so let
    # it run less often. Numba would import SciPy, if installed, for matrix products that no kernel
    # uses, so hide SciPy.
    gc.set_threshold(10_000)
    sys.modules.setdefault("scipy", cast("ModuleType", None))
    from videnhance.cli.ending import leave

    try:
        main()
    except SystemExit as exc:
        leave(exc.code if isinstance(exc.code, int) else int(exc.code is not None))
    leave(0)


def main() -> None:
    """Run the command line."""
    # A signal ends the program quietly, until a long-running command handles signals itself.
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, _end)
    # File names may hold bytes that are not valid text; printing one must not fail.
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")
    from videnhance.cli.app import app

    app(prog_name="videnhance")


def _end(number: int, frame: FrameType | None) -> None:
    raise SystemExit(130)


__all__ = ["main", "run"]
