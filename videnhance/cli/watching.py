"""Show a running job as a progress bar, plain lines, JSON lines, or nothing."""

from __future__ import annotations

import json as json_format
import sys
import threading
import time
from typing import Any, Self

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TaskProgressColumn, TextColumn

from videnhance.cli.tables import (
    clock,
    found_lines,
    plan_line,
    plan_lines,
    preview_lines,
    report_table,
    result_lines,
)
from videnhance.engine import Event, Finished, Phase, Planned, Preview, Result, Warned
from videnhance.engine import Progress as Progressed

_PHASES = {
    "plan": "Planning",
    "preflight": "Checking what the container can hold",
    "run": "Enhancing",
    "measure": "Measuring",
    "assemble": "Assembling",
    "verify": "Verifying",
}
_LINE_SECONDS = 10.0
_JSON_SECONDS = 0.5


def watcher(*, json: bool, quiet: bool, verbose: bool) -> Watcher:
    """Choose a watcher by the flags, and by whether standard error is a terminal."""
    if json:
        return JsonLines()
    if quiet:
        return Watcher()
    screen = Console(stderr=True, highlight=False)
    return Bar(screen, verbose) if screen.is_interactive else Lines(screen, verbose)


class Watcher:
    """Listens to a job and prints only its failure; a context manager."""

    def __init__(self) -> None:
        self._last_words = threading.Lock()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __call__(self, event: Event) -> None:
        """Handle an event."""

    def previewed(self, preview: Preview) -> None:
        """Handle the outcome of a dry run."""

    def close(self) -> None:
        """Remove anything drawn on the terminal."""

    def failed(self, message: str, exit_code: int) -> None:
        """Tell the user why the command ends, once: only the first thread's message counts."""
        if self._last_words.acquire(blocking=False):
            self.close()
            self.say_failure(message, exit_code)

    def say_failure(self, message: str, exit_code: int) -> None:
        """Print the failure."""
        print(message, file=sys.stderr, flush=True)


class JsonLines(Watcher):
    """One JSON object per event and line on standard output."""

    def __init__(self) -> None:
        super().__init__()
        self._due = 0.0

    def __call__(self, event: Event) -> None:
        """Print an event; progress at most every `_JSON_SECONDS`, and at the end."""
        if isinstance(event, Progressed):
            now = time.monotonic()
            if now < self._due and event.done < event.total:
                return
            self._due = now + _JSON_SECONDS
        self._print(_values(event))

    def previewed(self, preview: Preview) -> None:
        """Print the estimates as an event."""
        self._print(
            {
                "event": "preview",
                "frames": preview.plan.frames,
                "measured": preview.measured,
                "seconds": round(preview.seconds, 1),
                "space_needed": preview.space_needed,
                "space_free": preview.space_free,
                "job": preview.plan.job.table(),
            }
        )

    def say_failure(self, message: str, exit_code: int) -> None:
        """Print the failure as an event."""
        self._print({"event": "error", "message": message, "exit_code": exit_code})

    def _print(self, values: dict[str, Any]) -> None:
        print(json_format.dumps(values), flush=True)


def _values(event: Event) -> dict[str, Any]:
    """An event as JSON can hold it."""
    if isinstance(event, Planned):
        plan = event.plan
        return {
            "event": "planned",
            "frames": plan.frames,
            "resumed": event.resumed,
            "job": plan.job.table(),
        }
    if isinstance(event, Phase):
        return {"event": "phase", "name": event.name}
    if isinstance(event, Progressed):
        return {
            "event": "progress",
            "done": event.done,
            "total": event.total,
            "fps": round(event.fps, 3),
            "eta": None if event.eta is None else round(event.eta, 1),
        }
    if isinstance(event, Warned):
        return {"event": "warning", "message": event.message}
    return {"event": "finished", **event.result.report()}


class Lines(Watcher):
    """Prints plain lines for logs and pipes, with a progress line every `_LINE_SECONDS`."""

    def __init__(self, screen: Console, verbose: bool) -> None:
        super().__init__()
        self.screen = screen
        self.verbose = verbose
        self._due = 0.0

    def __call__(self, event: Event) -> None:
        """Print lines for an event."""
        if isinstance(event, Planned):
            self.planned(event)
        elif isinstance(event, Phase):
            self.phase(event.name)
        elif isinstance(event, Progressed):
            self.progress(event)
        elif isinstance(event, Warned):
            self.line(f"Warning: {event.message}", style="yellow")
        elif isinstance(event, Finished):
            self.close()
            self.finished(event.result)

    def line(self, text: str, style: str | None = None) -> None:
        """Print one line, above the bar if there is one; long lines are not wrapped."""
        self.screen.print(text, style=style, markup=False, soft_wrap=True)

    def planned(self, event: Planned) -> None:
        """Print the plan, and how much of it earlier runs have made."""
        plan = event.plan
        brief = [plan_line(plan), *found_lines(plan)]
        for text in plan_lines(plan) if self.verbose else brief:
            self.line(text)
        if event.resumed:
            self.line(f"Going on: {event.resumed} of {event.plan.frames} frames are there already.")

    def phase(self, name: str) -> None:
        """Print that a step begins."""
        self._due = time.monotonic() + _LINE_SECONDS
        self.line(f"{_PHASES[name]} …")

    def progress(self, event: Progressed) -> None:
        """Print how far the job is, every `_LINE_SECONDS`."""
        now = time.monotonic()
        if now >= self._due:
            self._due = now + _LINE_SECONDS
            self.line(f"{event.done} of {event.total} frames, {_speed(event)}")

    def finished(self, result: Result) -> None:
        """Print the summary on standard output."""
        answer = Console(highlight=False)
        if self.verbose:
            answer.print(report_table(result.verification))
        for text in result_lines(result):
            answer.print(text, markup=False, soft_wrap=True)

    def previewed(self, preview: Preview) -> None:
        """Print the plan and the estimates on standard output."""
        self.close()
        answer = Console(highlight=False)
        for text in preview_lines(preview):
            answer.print(text, markup=False, soft_wrap=True)

    def say_failure(self, message: str, exit_code: int) -> None:
        """Print the failure on standard error."""
        self.line(message, style="red" if exit_code != 130 else None)


class Bar(Lines):
    """One bar over the whole job, on a terminal."""

    def __init__(self, screen: Console, verbose: bool) -> None:
        super().__init__(screen, verbose)
        self._bar = Progress(
            TextColumn("{task.description:<10}"),
            BarColumn(bar_width=30),
            TaskProgressColumn(),
            TextColumn("{task.fields[speed]}"),
            console=screen,
            transient=True,
            redirect_stdout=False,
            redirect_stderr=False,
        )
        self._task: TaskID = self._bar.add_task(_PHASES["plan"], total=None, speed="")

    def __enter__(self) -> Self:
        self._bar.start()
        return self

    def close(self) -> None:
        """Remove the bar."""
        self._bar.stop()

    def phase(self, name: str) -> None:
        """Name the step beside the bar, which moves only while frames are made."""
        self._bar.update(self._task, description=_PHASES[name])
        if name in ("assemble", "verify"):
            self._bar.update(self._task, speed="")

    def progress(self, event: Progressed) -> None:
        """Move the bar."""
        speed = f"{event.done}/{event.total}  {_speed(event)}"
        self._bar.update(self._task, completed=event.done, total=event.total, speed=speed)


def _speed(event: Progressed) -> str:
    if not event.fps:
        return "starting"
    left = "" if event.eta is None else f", {clock(event.eta)} left"
    return f"{event.fps:.2f} fps{left}"
