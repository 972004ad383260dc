"""`videnhance verify`: verify a finished file against its source."""

from __future__ import annotations

from typing import Annotated

import typer

from videnhance.cli.ending import PlainSpeaker, answering


def verify(
    source: Annotated[
        str, typer.Argument(metavar="SOURCE", help="The recording that was enhanced.")
    ],
    output: Annotated[str, typer.Argument(metavar="OUTPUT", help="The enhanced file.")],
    json: Annotated[bool, typer.Option("--json", help="Print the checks as JSON.")] = False,
    verbose: Annotated[
        bool, typer.Option("--verbose", "-v", help="Print tracebacks of errors.")
    ] = False,
) -> None:
    """Decode both files and compare them: frames, times, streams, tags.

    Ends with exit code 4 if a check fails.
    """
    import dataclasses
    import json as json_format

    from rich.console import Console

    from videnhance.cli.tables import report_table
    from videnhance.media.verify import verify as verify_files
    from videnhance.pipeline import Stop

    stop = Stop()
    with answering(PlainSpeaker(), stop=stop, verbose=verbose):
        report = verify_files(source, output, stop=stop.check)
        if json:
            checks = [dataclasses.asdict(check) for check in report.checks]
            typer.echo(json_format.dumps({"kept": report.kept, "checks": checks}))
        else:
            Console(highlight=False).print(report_table(report))
        if not report.kept:
            raise typer.Exit(4)
