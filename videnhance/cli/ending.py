"""How the program ends: exit codes, one sentence per failure, and what signals do."""

from __future__ import annotations

import errno
import os
import signal
import socket
import sys
import threading
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import partial
from types import FrameType, TracebackType
from typing import NoReturn, Protocol, Self

import typer

from videnhance.core import Interrupted, ResourceError, VidenhanceError

_GRACE_SECONDS = 2.0  # for a stopped job to end by itself, before the process is ended
_SIGNALS = (signal.SIGINT, signal.SIGTERM)


class Stoppable(Protocol):
    """The interface of `pipeline.Stop`, so that help pages need not import the pipeline."""

    def request(self) -> None:
        """Ask all threads to stop."""
        ...


class Speaker(Protocol):
    """Prints the message with which a command fails."""

    def failed(self, message: str, exit_code: int) -> None:
        """Tell the user why the command ends."""
        ...


class PlainSpeaker:
    """One line on standard error."""

    def failed(self, message: str, exit_code: int) -> None:
        """Tell the user why the command ends."""
        print(message, file=sys.stderr, flush=True)


@contextmanager
def answering(
    speaker: Speaker,
    *,
    stop: Stoppable | None = None,
    stopped: Callable[[], str] = lambda: "Stopped.",
    verbose: bool = False,
) -> Iterator[None]:
    """Turn whatever a command raises into one sentence and an exit code.

    With `stop`, a signal asks the work to stop instead of aborting it; `stopped` returns the
    sentence to print then.
    """
    try:
        if stop is None:
            yield
        else:
            with Signals(stop, lambda: speaker.failed(stopped(), Interrupted.exit_code)):
                yield
    except (typer.Exit, SystemExit):
        raise
    except BrokenPipeError:
        # Nobody reads standard output any more. Redirect it, so that the last flush works.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        raise typer.Exit(1) from None
    except (Interrupted, KeyboardInterrupt):
        speaker.failed(stopped(), Interrupted.exit_code)
        # Threads may compute in a network for many seconds more; nobody needs their results.
        leave(Interrupted.exit_code)
    except Exception as exc:
        failure = _as_failure(exc)
        speaker.failed(str(failure), failure.exit_code)
        if verbose and failure is not exc:
            traceback.print_exc()
        raise typer.Exit(failure.exit_code) from None


def _as_failure(exc: Exception) -> VidenhanceError:
    """Turn any error into one of the error tree in `core`."""
    if isinstance(exc, VidenhanceError):
        return exc
    if isinstance(exc, MemoryError):
        return ResourceError(
            "Memory ran out; close other programs, or choose a smaller --scale or model."
        )
    if isinstance(exc, OSError) and exc.errno in (errno.ENOSPC, errno.EDQUOT):
        return ResourceError("The disk is full; free some space and run the same command again.")
    what = " ".join(f"{type(exc).__name__}: {exc}".split())
    return VidenhanceError(
        f"Something unexpected happened ({what}); this is a bug in videnhance: run the "
        "same command with -v and report what it prints."
    )


def leave(code: int) -> NoReturn:
    """End the process now, without waiting for threads."""
    for stream in (sys.stdout, sys.stderr):
        with suppress(OSError, ValueError):
            stream.flush()
    os._exit(code)


class Signals:
    """The first SIGINT or SIGTERM asks the work to stop, the second ends the program at once.

    A thread waits on a socket that Python writes to as soon as a signal arrives. Python's own
    handlers would wait for the main thread, which may compute for many seconds.
    """

    def __init__(self, stop: Stoppable, last_words: Callable[[], None]) -> None:
        self._stop = stop
        self._last_words = last_words
        self._restore: list[Callable[[], object]] = []

    def __enter__(self) -> Self:
        self._reader, self._writer = socket.socketpair()
        self._writer.setblocking(False)
        before = signal.set_wakeup_fd(self._writer.fileno(), warn_on_full_buffer=False)
        self._restore.append(partial(signal.set_wakeup_fd, before))
        for number in _SIGNALS:
            self._restore.append(partial(signal.signal, number, signal.signal(number, _heard)))
        threading.Thread(target=self._watch, name="signals", daemon=True).start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        value: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        for restore in self._restore:
            restore()
        self._writer.close()

    def _watch(self) -> None:
        with self._reader as reader:
            if not _next_signal(reader):
                return
            self._stop.request()
            reader.settimeout(_GRACE_SECONDS)
            try:
                if not _next_signal(reader):
                    return
            except TimeoutError:
                pass
            self._last_words()
            leave(Interrupted.exit_code)


def _heard(number: int, frame: FrameType | None) -> None:
    """Do nothing: `Signals` reads the signal from the socket."""


def _next_signal(reader: socket.socket) -> bool:
    """Wait for one of the signals; False if the socket was closed."""
    while received := reader.recv(1):
        if received[0] in _SIGNALS:
            return True
    return False
