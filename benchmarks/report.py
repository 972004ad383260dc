"""Turn the measurements of throughput.py into tables for the README."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from measure import Spread


def ratios(ours: Sequence[dict[str, float]], theirs: Sequence[dict[str, float]]) -> Spread:
    """Our speed over theirs, round by round, so that what slows a whole round cancels out."""
    pairs = zip(ours, theirs, strict=True)
    return Spread.of([their["seconds"] / our["seconds"] for our, their in pairs])


def row(result: dict[str, Any], ours: dict[str, Any], frames: int) -> str:
    """One contestant's line of the table."""
    whole = Spread.of([frames / job["seconds"] for job in result["jobs"]])
    alone = Spread.of([frames / bare["seconds"] for bare in result["bares"]])
    processor = Spread.of([1000 * job["cpu"] / frames for job in result["jobs"]])
    faster = "–" if result is ours else ratios(ours["jobs"], result["jobs"]).text(2)
    likeness = f"{result['psnr']:.1f} dB" if "psnr" in result else "–"
    cells = (
        result["name"],
        result["settings"],
        whole.text(2),
        alone.text(2),
        f"{processor.median:.0f}",
        faster,
        likeness,
    )
    return f"| {' | '.join(cells)} |"


def overhead(result: dict[str, Any], frames: int) -> str:
    """The whole job's time over that of the network alone on every frame."""
    spread = ratios(result["bares"], result["jobs"])
    return f"| {result['name']} | {frames} | {spread.text(3)} |"


def markdown(result: dict[str, Any]) -> str:
    """The whole report: machine, comparison, overhead and memory."""
    clip, results = result["clip"], result["results"]
    ours, frames = results[0], clip["frames"]
    lines = [f"Measured on {result['date']}.", ""]
    lines += [f"- {key}: {value}" for key, value in result["machine"].items()]
    for entry in {tuple(entry["versions"].items()): entry for entry in results}.values():
        found = ", ".join(f"{name} {version}" for name, version in entry["versions"].items())
        lines.append(f"- {entry['name'].split(' (')[0].split(' --')[0]} ran with {found}")
    lines += [f"- {peer['name']} was skipped" for peer in result["skipped"]]
    lines += [
        "",
        f"{clip['width']}×{clip['height']}, {frames} frames, ×2; median (lowest–highest) of "
        f"{result['rounds']} interleaved rounds after a preroll.",
        "",
        "| | settings | whole job, frames/s | network alone, frames/s | processor ms/frame "
        "| videnhance is faster by | PSNR to `--temporal off` |",
        "|---|---|---|---|---|---|---|",
        *(row(entry, ours, frames) for entry in results),
        "",
        "| | frames of the clip | whole job over the bare network on every frame, in time |",
        "|---|---|---|",
        *(overhead(entry, frames) for entry in results if entry["name"].startswith(ours["name"])),
    ]
    if "long" in result:
        lines += [overhead(entry, result["long_frames"]) for entry in result["long"]]
    if "memory" in result:
        lines += ["", "| clip | peak resident memory |", "|---|---|"]
        lines += [f"| {m['clip']} s | {m['peak'] / 2**20:.0f} MiB |" for m in result["memory"]]
    return "\n".join(lines) + "\n"
