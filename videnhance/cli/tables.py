"""Plans, results and verification reports as text for people."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator

from rich.table import Table
from rich.text import Text

from videnhance.engine import Plan, Preview, Result
from videnhance.engine.notes import Notes
from videnhance.media.verify import VerificationReport
from videnhance.stages.upscale import Upscale


def aligned(rows: Iterable[tuple[str, str]]) -> list[str]:
    """One line for each name and its text, with the texts below each other."""
    return [f"{name + ':':<10} {text}" for name, text in rows]


def plan_lines(plan: Plan) -> list[str]:
    """Describe a plan in full."""
    job, before, after = plan.job, plan.source.clip, plan.job.clip
    streams = [str(s) for s in plan.source.others if s.index not in job.dropped]
    options = " ".join(f"{k}={v}" for k, v in job.encoding.options.items())
    tiles = ", ".join(f"{side} pixels a side for {model}" for model, side in job.tiles.items())
    name = f" ({plan.device.name})" if plan.device.name else ""
    form = f"{plan.source.format}, {plan.source.codec}, {plan.source.pix_fmt}"
    count = len(job.segments)
    return aligned(
        [
            ("source", f"{job.source} ({form})"),
            ("frames", f"{plan.frames} in {counted(count, 'segment')}"),
            ("size", f"{before.width}x{before.height} to {after.width}x{after.height}"),
            ("model", f"{_models(plan)}{name}"),
            *([("temporal", _temporal(plan))] if job.models else []),
            *([("tiles", tiles or "none, whole frames")] if job.models else []),
            ("encoder", f"{job.encoding.encoder}, {job.encoding.pix_fmt}, {options}"),
            ("copied", ", ".join(streams) or "no other stream"),
            *(("chosen", line) for line in found_lines(plan)),
        ]
    )


def found_lines(plan: Plan) -> list[str]:
    """One line for each option that was decided by looking at the recording, with the reason."""
    return [f"{name}: {text}" for name, text in plan.job.found.items()]


def _models(plan: Plan) -> str:
    models = ", ".join(plan.job.models)
    if models:
        return f"{models} on {plan.device}"
    return "plain enlargement, no network" if plan.job.stages else "none, frames stay as they are"


def _temporal(plan: Plan) -> str:
    """Describe how frames use their neighbours."""
    for stage in plan.job.stages:
        if isinstance(stage, Upscale):
            aim = {"steady": f" {stage.steady_strength}", "reuse": f" {stage.reuse_quality:g} dB"}
            return f"{stage.temporal}{aim.get(stage.temporal, '')}"
    return "off"


def plan_line(plan: Plan) -> str:
    """Describe a plan in one line."""
    job, before, after = plan.job, plan.source.clip, plan.job.clip
    parts = [
        counted(plan.frames, "frame"),
        f"{before.width}x{before.height} to {after.width}x{after.height}",
        *([_models(plan)] if job.stages else []),
        *([f"temporal {_temporal(plan)}"] if job.models else []),
        job.encoding.encoder,
    ]
    return ", ".join(parts)


def preview_lines(preview: Preview) -> list[str]:
    """The plan and the estimates of a dry run."""
    speed = f"{1 / preview.seconds_per_frame:.2f} fps"
    needed, free = mebibytes(preview.space_needed), mebibytes(preview.space_free)
    return [
        *plan_lines(preview.plan),
        *aligned(
            [
                ("output", preview.plan.job.output),
                ("time", f"about {clock(preview.seconds)}, {speed} measured on the first "
                         f"{preview.measured}"),
                ("disk", f"about {needed} needed, {free} free"),
            ]
        ),
    ]  # fmt: skip


def mebibytes(size: int) -> str:
    """A size as people read it."""
    return f"{size / 2**30:.1f} GiB" if size >= 2**30 else f"{max(size / 2**20, 0.1):.1f} MiB"


def report_table(report: VerificationReport) -> Table:
    """Every check, and whether it held."""
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold")
    table.add_column("check", no_wrap=True)
    table.add_column("")
    table.add_column("found", overflow="fold")
    for check in report.checks:
        mark = Text("kept", "green") if check.kept else Text("BROKEN", "bold red")
        table.add_row(Text(check.name), mark, Text(check.detail))
    return table


def result_lines(result: Result) -> list[str]:
    """The summary of a finished job."""
    earlier = result.frames - result.computed
    made = f", {earlier} of them by an earlier run" if earlier > 0 else ""
    rows = [("frames", f"{result.frames}{made}")]
    if result.bottleneck and result.computed:
        share = result.busy[result.bottleneck]
        rows.append(
            ("speed", f"{result.fps:.2f} fps; the busiest step was "
                      f"{result.bottleneck} ({share:.0%})")
        )  # fmt: skip
    if noted := ", ".join(_noted(result.notes)):
        rows.append(("noted", noted))
    size = result.job.clip
    rows.append(("verified", f"{len(result.verification.checks)} checks held (-v shows them)"))
    rows.append(("output", f"{result.output} ({size.width}x{size.height})"))
    return aligned(rows)


def _noted(notes: Notes) -> Iterator[str]:
    """Describe the notes of a job in plain words."""
    counts, records = notes.counts, notes.records
    if counts.get("pixels"):
        share = 100 * counts.get("network_pixels", 0) / counts["pixels"]
        shown = "under 1" if 0 < share < 1 else f"{share:.0f}"
        yield f"network on {shown} % of the pixels"
    if "cuts" in records:
        yield counted(len(records["cuts"]), "scene cut")
    if "repeats" in counts:
        yield counted(round(counts["repeats"]), "repeated frame")
    if "audit" in records:
        errors = [10 ** (-value / 10) for _, value in records["audit"]]
        mean = -10 * math.log10(sum(errors) / len(errors))
        yield f"{counted(len(errors), 'checked tile')} {mean:.1f} dB from the network's own"


def counted(count: int, what: str) -> str:
    """A number of things: 1 frame, 2 frames."""
    return f"{count} {what}{'s' if count != 1 else ''}"


def clock(seconds: float) -> str:
    """A duration as people read it: 45 s, 3 min 5 s, 2 h 10 min."""
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s"
    return f"{whole // 3600} h {whole % 3600 // 60} min"
