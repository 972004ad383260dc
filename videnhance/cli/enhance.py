"""`videnhance enhance`: run one job and show how it goes."""

from __future__ import annotations

import os
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import typer

from videnhance.cli.ending import answering
from videnhance.core import UsageError

Source = Annotated[
    str,
    typer.Argument(metavar="SOURCE", help="A recording: a file, a URL, or - for standard input."),
]
Output = Annotated[
    Path,
    typer.Argument(
        metavar="OUTPUT",
        help="The file to write; its ending chooses the container: .mkv, .mp4, .mov, .webm, "
        ".avi, .ts.",
    ),
]
Preset = Annotated[
    str | None,
    typer.Option(
        metavar="NAME|FILE.toml",
        help="Begin with these settings (see `videnhance presets`); flags override them.",
    ),
]
Device = Annotated[
    str,
    typer.Option(
        metavar="auto|cpu|cuda[:N]|vulkan[:N]", help="Where networks run.", show_default=False
    ),
]
Overwrite = Annotated[
    bool,
    typer.Option(
        "--overwrite",
        help="Replace OUTPUT where it exists, and drop unfinished work of other settings.",
    ),
]
DropUnsupported = Annotated[
    bool, typer.Option("--drop-unsupported", help="Leave out streams that OUTPUT cannot hold.")
]
Threads = Annotated[
    int | None,
    typer.Option(metavar="N", help="Threads that compute at once; all cores if not given."),
]
Memory = Annotated[
    float | None,
    typer.Option(metavar="GIB", help="Memory to plan with; half of what is free if not given."),
]
Report = Annotated[
    Path | None, typer.Option(metavar="FILE", help="Write settings, checks and timings as JSON.")
]
DryRun = Annotated[
    bool,
    typer.Option("--dry-run", help="Show the plan with space and time needed; write no output."),
]
Json = Annotated[
    bool, typer.Option("--json", help="Print one event per line as JSON, and nothing else.")
]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="Print errors only.")]
Verbose = Annotated[bool, typer.Option("--verbose", "-v", help="Print all checks and details.")]


def enhance(
    source: Source,
    output: Output,
    *,
    preset: Preset = None,
    device: Device = "auto",
    overwrite: Overwrite = False,
    drop_unsupported: DropUnsupported = False,
    threads: Threads = None,
    memory: Memory = None,
    report: Report = None,
    dry_run: DryRun = False,
    json: Json = False,
    quiet: Quiet = False,
    verbose: Verbose = False,
    **options: Any,
) -> None:
    """Enhance a recording and verify the output against it.

    Run again after an interruption, the same command goes on where it stopped.
    """
    from videnhance import engine
    from videnhance.cli.watching import watcher
    from videnhance.pipeline import Stop

    os.environ.setdefault("SVT_LOG", "1")  # errors only: SVT-AV1 prints its settings otherwise
    stop = Stop()
    arguments = {
        "preset": preset,
        "device": device,
        "overwrite": overwrite,
        "drop_unsupported": drop_unsupported,
        "threads": threads,
        "memory": memory,
        "stop": stop,
        **options,
    }
    with (
        watcher(json=json, quiet=quiet, verbose=verbose) as watch,
        answering(watch, stop=stop, stopped=partial(_stopped, output), verbose=verbose),
    ):
        _check_together({"--dry-run": dry_run, "--report": report is not None})
        _check_together({"--dry-run": dry_run, "--quiet": quiet})
        _check_together({"--json": json, "--quiet": quiet})
        _check_together({"--verbose": verbose, "--quiet": quiet})
        if dry_run:
            watch.previewed(engine.preview(source, output, listener=watch, **arguments))
        else:
            engine.enhance(source, output, report=report, listener=watch, **arguments)


def _check_together(given: dict[str, bool]) -> None:
    """Raise UsageError if all of these flags were given, since one would be ignored."""
    if all(given.values()):
        raise UsageError(f"Give either {' or '.join(given)}, not both.")


def _stopped(output: Path) -> str:
    from videnhance.engine.work import WorkFolder

    work = WorkFolder.of(output)
    if work.holds_work:
        return f"Stopped; finished work is kept in {work.path}, the same command goes on from it."
    return "Stopped before anything was finished; the same command begins again."
