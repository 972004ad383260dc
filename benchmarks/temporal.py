"""Measure what `--temporal` saves and costs: time, likeness to every frame alone, flicker.

    python temporal.py CLIP... --models span-x2 realesr-animevideov3 --markdown temporal.md

Any recording serves: it is halved, and enlarged again. benchmarks/README.md says what is measured.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import judged
import measure
from judged import Clip, shown
from throughput import rounds, say


@dataclass(frozen=True)
class Mode:
    """One way to use a frame's neighbours, and its flags."""

    name: str
    flags: tuple[str, ...]


OFF = Mode("off", ("--temporal", "off"))


def modes(options: argparse.Namespace) -> list[Mode]:
    """`off` first: everything else is compared with it."""
    steady = [
        Mode(f"steady {name}", ("--temporal", "steady", "--steady-strength", name))
        for name in options.steady
    ]
    reuse = [
        Mode(f"reuse {quality:g}", ("--temporal", "reuse", "--reuse-quality", f"{quality:g}"))
        for quality in options.reuse
    ]
    return [OFF, *steady, *reuse]


def command(clip: Clip, model: str, mode: Mode, output: Path) -> list[str]:
    """The whole job, with the encoder's defaults."""
    fixed = ["--model", model, "--scale", "2", "--overwrite", *mode.flags]
    return [*judged.VIDENHANCE, str(clip.source), str(output), *fixed]


def made(clip: Clip, model: str, mode: Mode, folder: Path) -> tuple[Path, dict[str, Any]]:
    """A lossless output, and what its report tells of the work."""
    output, report = folder / f"{mode.name}.mkv", folder / f"{mode.name}.json"
    measure.run(
        [*command(clip, model, mode, output), *judged.LOSSLESS[:2], "--report", str(report)]
    )
    notes = json.loads(report.read_text())["temporal"]
    audits = [note["value"] for note in notes.get("audit", [])]
    work = notes["network_pixels"] / notes["pixels"] if "pixels" in notes else 1.0
    return output, {"work": work, "audit": statistics.median(audits) if audits else None}


def timings(
    clip: Clip, model: str, field: list[Mode], count: int, folder: Path
) -> list[dict[str, list[float]]]:
    """Wall and processor seconds of whole jobs in interleaved rounds."""
    found: list[dict[str, list[float]]] = [{"wall": [], "cpu": []} for _ in field]
    for order in rounds(count, len(field)):
        for index in order:
            cost = measure.run(command(clip, model, field[index], folder / "timed.mkv"))
            found[index]["wall"].append(cost.wall)
            found[index]["cpu"].append(cost.cpu)
    return found


def trial(
    clip: Clip, model: str, options: argparse.Namespace, folder: Path
) -> tuple[dict[str, Any], dict[str, Path]]:
    """Everything about one clip and model, and the lossless outputs by their modes."""
    field = modes(options)
    plain = judged.figures(clip.plain, clip)
    outputs: dict[str, Path] = {}
    results: list[dict[str, Any]] = []
    for mode in field:
        outputs[mode.name], work = made(clip, model, mode, folder)
        found = judged.figures(outputs[mode.name], clip)
        result: dict[str, Any] = {"mode": mode.name, **work, **found}
        alone = results[0] if results else found
        result |= judged.shares(found, alone, plain)
        if results:
            result["to_off"] = judged.likeness(outputs[mode.name], outputs["off"])
        results.append(result)
        say(f"{clip.name}, {model}, {mode.name}: {shown(result['work'])} of the network's work")
    for result, times in zip(
        results, timings(clip, model, field, options.rounds, folder), strict=True
    ):
        result |= times
    for result in results:
        for kind in ("wall", "cpu"):
            pairs = zip(result[kind], results[0][kind], strict=True)
            result[f"{kind}_ratio"] = [own / off for own, off in pairs]
    size = {"width": clip.width, "height": clip.height, "frames": clip.frames}
    return {"clip": clip.name, "model": model, **size, "plain": plain, "modes": results}, outputs


HEAD = (
    *("", "wall", "processor", "work", "dB to off: mean, least frame", "audit, dB"),
    *("PSNR-Y over bicubic, dB", "gain kept", "SSIM", "E_warp ×10⁴", "excess left"),
    "gradient energy",
)


def row(result: dict[str, Any], plain: dict[str, float]) -> list[str]:
    """One mode's line."""
    wall, cpu = (
        shown(statistics.median(ratios) if ratios else None)
        for ratios in (result["wall_ratio"], result["cpu_ratio"])
    )
    near = result.get("to_off")
    return [
        *(result["mode"], wall, cpu, shown(result["work"])),
        f"{near['mean']:.1f}, {near['least']:.1f}" if near else "–",
        shown(result["audit"], 1),
        f"{result['psnr'] - plain['psnr']:+.2f}",
        f"{shown(result['gain_kept'], 0, 100)} %" if result["gain_kept"] is not None else "–",
        shown(result["ssim"], 4),
        shown(result["warp_error"], 2, 1e4),
        shown(result["excess_left"]),
        shown(result["gradient_ratio"]),
    ]


def markdown(result: dict[str, Any]) -> str:
    """A table for each clip and model."""
    lines = judged.said(result)
    lines += [f"Median of {result['rounds']} rounds for times, as ratios to `off` in each round."]
    for trial in result["trials"]:
        plain = trial["plain"]
        lines += [
            "",
            judged.heading(trial, trial["model"]),
            "",
            *judged.table(HEAD, [row(mode, plain) for mode in trial["modes"]]),
        ]
    return "\n".join(lines) + "\n"


def arguments() -> argparse.Namespace:
    parser = judged.parser(__doc__)
    add = parser.add_argument
    add("--models", nargs="+", default=["span-x2", "realesr-animevideov3"], metavar="ID")
    add("--steady", nargs="*", default=["normal"], metavar="STRENGTH", help="(default normal)")
    add("--reuse", nargs="*", type=float, default=[38, 42, 46], metavar="DB")
    add("--plot", type=Path, help="where to draw quality and flicker against work (extra `plot`)")
    add("--slices", type=Path, metavar="FOLDER", help="draw rows of pixels over time here")
    return parser.parse_args()


def main() -> None:
    options = arguments()
    if options.plot or options.slices:
        import temporal_pictures as pictures
    result = judged.begun(options.rounds)
    try:
        for path in options.clips:
            with tempfile.TemporaryDirectory() as name:
                folder = Path(name)
                clip = judged.prepare(path, folder, options.frames)
                for model in options.models:
                    found, outputs = trial(clip, model, options, folder)
                    result["trials"].append(found)
                    judged.save(result, markdown(result), options)
                    if options.slices:
                        options.slices.mkdir(parents=True, exist_ok=True)
                        target = options.slices / f"slices-{clip.name}-{model}.png"
                        pictures.slices(clip, outputs, target)
    except measure.CommandError as error:
        raise SystemExit(str(error)) from error
    if options.plot:
        pictures.plot(result, options.plot)
    if not options.markdown:
        sys.stdout.write(markdown(result))


if __name__ == "__main__":
    main()
