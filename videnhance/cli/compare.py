"""`videnhance compare`: measure an output against a reference, its source, or both."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from videnhance.cli.ending import PlainSpeaker, answering
from videnhance.core import UsageError


def compare(
    recordings: Annotated[
        list[str],
        typer.Argument(
            metavar="[REFERENCE] OUTPUT",
            help="What the output should look like, if there is such a file, and the output.",
        ),
    ],
    source: Annotated[
        str | None,
        typer.Option(metavar="INPUT", help="What the output was made from.", show_default=False),
    ] = None,
    vmaf: Annotated[
        bool,
        typer.Option(
            "--vmaf/--no-vmaf",
            help="Measure VMAF too, where an ffmpeg with libvmaf is found.",
        ),
    ] = True,
    json: Annotated[bool, typer.Option("--json", help="Print the figures as JSON.")] = False,
    plot: Annotated[
        Path | None,
        typer.Option(metavar="FILE.png", help="Draw every measure over time (.png, .svg or .pdf)."),
    ] = None,
    verbose: Annotated[
        bool, typer.Option("--verbose", "-v", help="Print tracebacks of errors.")
    ] = False,
) -> None:
    """Measure how faithful and how steady an output is.

    Fidelity (PSNR, SSIM, VMAF) needs a REFERENCE of the output's size. Steadiness follows the
    motion of the INPUT (--source), or else of the REFERENCE. Blur makes a picture steady too, so
    gradient energy is shown as well: it tells how much detail there is.
    """
    with answering(PlainSpeaker(), verbose=verbose):
        if len(recordings) > 2:
            raise UsageError(
                f"There are {len(recordings)} recordings; give one REFERENCE and one OUTPUT, and "
                "the INPUT with --source."
            )
    from rich.console import Console

    from videnhance.cli.comparison import as_json, check_plot, comparison_table, draw, progress_bar
    from videnhance.engine.compare import compare as measure
    from videnhance.pipeline import Stop

    stop = Stop()
    with answering(PlainSpeaker(), stop=stop, verbose=verbose):
        output, reference = recordings[-1], recordings[0] if len(recordings) == 2 else None
        if plot is not None:
            check_plot(plot)
        with progress_bar() as progress:
            found = measure(
                output, reference, source, vmaf=vmaf, stop=stop.check, progress=progress
            )
        if json:
            typer.echo(as_json(found))
        else:
            Console(highlight=False).print(comparison_table(found))
            for warning in found.warnings:
                typer.echo(warning, err=True)
        if plot is not None:
            draw(found, plot)
            typer.echo(f"Curves are in {plot}.", err=True)
