"""The application: all commands put together."""

from __future__ import annotations

from typing import Annotated

import typer

from videnhance import __version__
from videnhance.cli.compare import compare
from videnhance.cli.doctor import doctor
from videnhance.cli.enhance import enhance
from videnhance.cli.flags import with_declared_flags
from videnhance.cli.models import models
from videnhance.cli.presets import presets
from videnhance.cli.verify import verify

_EXIT_CODES = (
    "Exit codes: 0 done, 1 unexpected (a bug), 2 usage, 3 input unreadable, "
    "4 verification failed, 5 out of memory or disk, 130 interrupted (work is kept; "
    "the same command goes on)."
)

_SETTINGS = {"help_option_names": ["-h", "--help"], "max_content_width": 100}

# Plain help instead of rich's boxes: drawing those costs more than everything else in --help.
app = typer.Typer(
    name="videnhance",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings=_SETTINGS,
)


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"videnhance {__version__}")
        raise typer.Exit


# Typer loads pydantic to convert a flag's value that is not a bool yet, even that of a --help that
# was not given. The default False avoids this, and a third of the time of every help page.
@app.callback(epilog=_EXIT_CODES, context_settings=_SETTINGS | {"default_map": {"help": False}})
def _videnhance(
    version: Annotated[
        bool,
        typer.Option("--version", callback=_version, is_eager=True, help="Show the version."),
    ] = False,
) -> None:
    """Enlarge and clean recorded video, with exact timing, resume and a verified output."""


app.command(epilog=_EXIT_CODES)(with_declared_flags(enhance))
app.command()(verify)
app.command()(compare)
app.add_typer(models, name="models")
app.command()(presets)
app.command()(doctor)
