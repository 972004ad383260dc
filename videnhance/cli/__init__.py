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

    Everything is closed by then, and taking numba and OpenCV apart would cost half a second.
    """
    # Starting is most of a short job. Little of what is made then is ever garbage, and numba would
    # import SciPy, where that is installed, to multiply matrices, which no kernel does.
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
    # Until a command that works for long listens itself, a signal ends the program quietly.
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, _end)
    # Names of files may hold bytes that no encoding knows; printing one must not fail.
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")
    from videnhance.cli.app import app

    app(prog_name="videnhance")


def _end(number: int, frame: FrameType | None) -> None:
    raise SystemExit(130)


__all__ = ["main", "run"]
