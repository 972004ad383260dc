"""`videnhance models`: which networks there are, and where their weights lie."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from videnhance.cli.ending import PlainSpeaker, answering

if TYPE_CHECKING:
    from videnhance.inference import Card

models = typer.Typer(help="List the models, show one, or fetch its weights.")


@models.callback(invoke_without_command=True)
def _list(ctx: typer.Context) -> None:
    if ctx.invoked_subcommand is not None:
        return
    from rich.console import Console
    from rich.table import Table

    from videnhance.inference import all_cards

    with answering(PlainSpeaker()):
        table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold")
        for title in ("model", "scale", "weights", "for"):
            table.add_column(title, no_wrap=title != "for")
        for card in sorted(all_cards().values(), key=lambda card: card.kind == "draft"):
            table.add_row(card.id, f"x{card.scale}", whereabouts(card.id), card.purpose)
        console = Console(highlight=False)
        console.print(table)
        console.print("\ndocs/pictures.md shows what they make of real recordings.")


def whereabouts(model: str) -> str:
    """Whether a model's weights are installed, or else whether they can be downloaded."""
    from videnhance.inference import resolve, weights

    card = resolve(model)
    if weights.locate(card):
        return "installed"
    return "to download" if card.url else "not installed"


@models.command()
def info(name: Annotated[str, typer.Argument(help="A model, or a family of models.")]) -> None:
    """Show what is known of a model."""
    from videnhance.cli.tables import aligned
    from videnhance.inference import weights

    with answering(PlainSpeaker()):
        for number, card in enumerate(_named(name)):
            if number:
                typer.echo()
            found = weights.locate(card)
            how = f"from {card.url}" if card.url else card.remedy
            rows = [
                ("model", card.id),
                ("for", card.purpose),
                ("network", f"{card.architecture}, x{card.scale}"),
                ("licence", card.licence),
                ("source", card.source),
                ("memory", f"{card.bytes_per_pixel / 1000:g} kB per pixel of the frame or tile"),
                ("weights", ", ".join(map(str, found)) if found else f"missing; {how}"),
            ]
            if card.draft:
                rows.append(("draft", f"{card.draft}, for --temporal reuse"))
            typer.echo("\n".join(aligned(rows)))


@models.command()
def pull(
    names: Annotated[list[str], typer.Argument(help="Models, or families of models.")],
) -> None:
    """Fetch the weights of models and check their digests."""
    from rich.console import Console
    from rich.progress import BarColumn, DownloadColumn, Progress, TaskID, TextColumn

    from videnhance.inference import weights

    with (
        answering(PlainSpeaker()),
        Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            DownloadColumn(),
            console=Console(stderr=True),
            transient=True,
        ) as bar,
    ):
        tasks: dict[str, TaskID] = {}

        def show(file: str, done: int, total: int | None) -> None:
            if file not in tasks:
                tasks[file] = bar.add_task(file)
            bar.update(tasks[file], completed=done, total=total)

        for card in [card for name in names for card in _named(name)]:
            for path in weights.obtain(card, progress=show):
                typer.echo(f"{card.id}: {path}")


def _named(name: str) -> list[Card]:
    from videnhance.inference import all_cards, resolve

    family = [card for card in all_cards().values() if card.family == name]
    return family or [resolve(name)]
