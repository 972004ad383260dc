"""The command line: it parses and prints; the work is the engine's."""

from __future__ import annotations

import io
import signal
import sys
from types import FrameType


def main() -> None:
    """Run the command line; the entry point of `videnhance`."""
    # Until a command that works for long listens itself, a signal ends the program quietly.
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, _end)
    # Names of files may hold bytes that no encoding knows; printing one must not fail.
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")
    from videnhance.cli.app import app
    from videnhance.cli.ending import leave

    try:
        app(prog_name="videnhance")
    except SystemExit as exc:
        # Everything is closed; taking numba and OpenCV apart would cost half a second.
        leave(exc.code if isinstance(exc.code, int) else 0)


def _end(number: int, frame: FrameType | None) -> None:
    raise SystemExit(130)


__all__ = ["main"]
