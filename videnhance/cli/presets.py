"""`videnhance presets`: named sets of options."""

from __future__ import annotations

import tomllib
from typing import Annotated

import typer

from videnhance.cli.ending import PlainSpeaker, answering
from videnhance.core import UsageError


def presets(
    name: Annotated[str | None, typer.Argument(help="Show the TOML file of this one.")] = None,
) -> None:
    """List the presets, or show one as a start for your own."""
    from videnhance.options import presets as known

    with answering(PlainSpeaker()):
        files = known()
        if name is not None:
            if name not in files:
                raise UsageError(f"There is no preset {name!r}; known are {', '.join(files)}.")
            typer.echo(files[name].read_text(encoding="utf-8"), nl=False)
            return
        width = max(map(len, files), default=0)
        for key, path in files.items():
            description = tomllib.loads(path.read_text(encoding="utf-8"))["description"]
            typer.echo(f"{key:<{width}}  {description}")
