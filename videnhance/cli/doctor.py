"""`videnhance doctor`: what this machine offers, and what will be used."""

from __future__ import annotations

import typer

from videnhance.cli.ending import PlainSpeaker, answering


def doctor() -> None:
    """Show versions, devices, encoders and weights, and what will be used."""
    with answering(PlainSpeaker()):
        typer.echo("")
