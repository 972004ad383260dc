"""The command line: it parses and prints; the work is the engine's."""

from __future__ import annotations


def main() -> None:
    """Run the command line; the entry point of `videnhance`."""
    from videnhance.cli.app import app

    app(prog_name="videnhance")


__all__ = ["main"]
