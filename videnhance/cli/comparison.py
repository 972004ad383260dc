"""Show comparisons as a table, as JSON or as curves, and their progress as a bar."""

from __future__ import annotations

import importlib.util
import json
import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

from videnhance.cli.tables import counted
from videnhance.core import UsageError
from videnhance.engine.compare import Comparison
from videnhance.engine.judging import Measure

_PLOTS = (".png", ".svg", ".pdf")
_WIDTH, _ROW = 10.0, 1.6  # inches
_DOTS_PER_INCH = 120


def comparison_table(found: Comparison) -> Table:
    """Every measure with its mean, its worst frame, and the baseline's mean beside it."""
    title = f"{counted(found.frames, 'frame')}, {found.width}x{found.height}"
    table = Table(
        box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold",
        title=title, title_justify="left", title_style="",
    )  # fmt: skip
    table.add_column("measure", no_wrap=True)
    for column in ("mean", "worst", "at", "baseline"):
        table.add_column(column, justify="right", no_wrap=True)
    table.add_column("better")
    for measure in found.measures:
        table.add_row(
            measure.title,
            _figure(measure.mean, measure),
            _figure(measure.worst, measure),
            "" if measure.worst_time is None else f"{measure.worst_time:.2f} s",
            "" if measure.baseline is None else _figure(measure.baseline, measure),
            measure.better or "(detail)",
        )
    followed = "source's motion" if found.source else "reference's motion, for want of --source"
    table.caption = (
        f"baseline: the same measure on the {found.baseline}\nsteadiness: along the {followed}"
    )
    table.caption_justify, table.caption_style = "left", ""
    return table


def _figure(value: float, measure: Measure) -> str:
    if math.isnan(value):
        return "none"
    number = f"{value:.2f}" if measure.unit == "dB" or measure.name == "vmaf" else f"{value:.4g}"
    return f"{number} {measure.unit}".strip()


def as_json(found: Comparison) -> str:
    """One JSON object; a figure that could not be measured is null, an infinite one "inf"."""
    measures = {
        m.name: {
            "mean": _plain(m.mean),
            "worst": _plain(m.worst),
            "worst_frame": m.worst_frame,
            "worst_time": m.worst_time,
            "baseline": None if m.baseline is None else _plain(m.baseline),
            "unit": m.unit,
            "better": m.better,
        }
        for m in found.measures
    }
    answer = {
        "output": found.output,
        "reference": found.reference,
        "source": found.source,
        "width": found.width,
        "height": found.height,
        "frames": found.frames,
        "baseline": found.baseline,
        "measures": measures,
        "warnings": found.warnings,
    }
    return json.dumps(answer, allow_nan=False)


def _plain(value: float) -> float | str | None:
    if math.isnan(value):
        return None
    return "inf" if math.isinf(value) else value


@contextmanager
def progress_bar() -> Iterator[Callable[[int, int], None]]:
    """A bar on standard error, if that is a terminal."""
    screen = Console(stderr=True)
    columns = (TextColumn("Comparing"), BarColumn(), TextColumn("{task.completed} frames"),
               TimeRemainingColumn())  # fmt: skip
    with Progress(
        *columns, console=screen, transient=True, disable=not screen.is_interactive
    ) as bar:
        task = bar.add_task("")

        def show(done: int, expected: int) -> None:
            bar.update(task, completed=done, total=max(done, expected))

        yield show


def check_plot(path: Path) -> None:
    """Raise UsageError before hours of measuring, if the plot could not be drawn after them."""
    if path.suffix.lower() not in _PLOTS:
        raise UsageError(f"--plot is {path}; its ending must be one of {', '.join(_PLOTS)}.")
    if not path.absolute().parent.is_dir():
        raise UsageError(f"--plot is {path}; its folder does not exist.")
    if importlib.util.find_spec("matplotlib") is None:
        raise UsageError("--plot needs matplotlib; pip install 'videnhance[plot]' brings it.")


def draw(found: Comparison, path: Path) -> None:
    """Draw every measure over time, one below the other, their means dotted."""
    # Not pyplot, which would look for a display.
    figures: Any = importlib.import_module("matplotlib.figure")
    count = len(found.measures)
    figure = figures.Figure(figsize=(_WIDTH, _ROW * count + 0.9), layout="constrained")
    figure.suptitle(f"{found.output}, frame by frame; dotted: the mean", fontsize="medium")
    rows = figure.subplots(count, 1, sharex=True, squeeze=False)[:, 0]
    for axes, measure in zip(rows, found.measures, strict=True):
        axes.plot(found.times, measure.values, linewidth=1.0, marker="." if count == 1 else None)
        if math.isfinite(measure.mean):
            axes.axhline(measure.mean, linestyle=":", linewidth=1.0, color="grey")
        note = f" ({measure.better} is better)" if measure.better else ""
        axes.set_title(f"{measure.title}{note}", loc="left", fontsize="small")
        axes.set_ylabel(measure.unit)
        axes.margins(x=0)
    rows[-1].set_xlabel("seconds")
    try:
        figure.savefig(path, dpi=_DOTS_PER_INCH)
    except OSError as exc:
        raise UsageError(f"{path} cannot be written ({exc.strerror}).") from exc
