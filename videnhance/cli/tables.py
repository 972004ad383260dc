"""Plans, results and proofs as text for people."""

from __future__ import annotations

from collections.abc import Iterable

from rich.table import Table

from videnhance.engine import Plan, Result
from videnhance.media.verify import Proof


def aligned(rows: Iterable[tuple[str, str]]) -> list[str]:
    """Lines of a name and what it stands for, one below the other."""
    return [f"{name + ':':<10} {text}" for name, text in rows]


def plan_lines(plan: Plan, verbose: bool) -> list[str]:
    """What will be made, in a line; with `verbose` in full."""
    job, before, after = plan.job, plan.source.clip, plan.job.clip
    sizes = f"{before.width}x{before.height} to {after.width}x{after.height}"
    models = ", ".join(job.models) or "no model"
    short = f"{plan.frames} frames, {sizes}, {models} on {plan.device}, {job.encoding.encoder}"
    if not verbose:
        return [short]
    streams = [str(s) for s in plan.source.others if s.index not in job.dropped]
    options = " ".join(f"{k}={v}" for k, v in job.encoding.options.items())
    tiles = ", ".join(f"{side} pixels for {model}" for model, side in job.tiles.items())
    name = f" ({plan.device.name})" if plan.device.name else ""
    return aligned(
        [
            ("source", f"{job.source} ({plan.source.format}, {plan.source.codec}, "
                       f"{plan.source.pix_fmt})"),
            ("frames", f"{plan.frames} in {len(job.segments)} segments"),
            ("size", sizes),
            ("model", f"{models} on {plan.device}{name}"),
            ("tiles", tiles or "whole frames"),
            ("encoder", f"{job.encoding.encoder}, {job.encoding.pix_fmt}, {options}"),
            ("copied", ", ".join(streams) or "no other stream"),
        ]
    )  # fmt: skip


def proof_table(proof: Proof) -> Table:
    """Every promise with whether it was kept."""
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold")
    table.add_column("promise", no_wrap=True)
    table.add_column("")
    table.add_column("found", overflow="fold")
    for check in proof.checks:
        mark = "[green]kept[/]" if check.kept else "[bold red]BROKEN[/]"
        table.add_row(check.promise, mark, check.detail.replace("[", r"\["))
    return table


def result_lines(result: Result) -> list[str]:
    """The summary of a finished job."""
    earlier = result.frames - result.computed
    made = f", {earlier} of them by an earlier run" if earlier > 0 else ""
    rows = [("frames", f"{result.frames}{made}")]
    if result.bottleneck and result.computed:
        share = result.busy[result.bottleneck]
        rows.append(
            ("speed", f"{result.fps:.2f} frames per second; the busiest step was "
                      f"{result.bottleneck} ({share:.0%})")
        )  # fmt: skip
    size = result.job.clip
    rows.append(("proof", f"{len(result.proof.checks)} promises kept"))
    rows.append(("output", f"{result.output} ({size.width}x{size.height})"))
    return aligned(rows)
