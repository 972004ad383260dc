"""Compare videnhance with its peers in fidelity, flicker and time, on the same clips and weights.

    python peers.py CLIP... --framelift-python ... --vapoursynth-python ... --markdown peers.md

Any recording serves: it is halved, and enlarged again. Peers that are not installed are skipped.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from dataclasses import asdict
from pathlib import Path
from typing import Any

import clip as clips
import contestants
import judged
import measure
from contestants import Contestant, Skipped
from judged import Clip, shown
from measure import Spread
from throughput import job, rounds, say

LOSSLESS = "0"


def entrants(
    options: argparse.Namespace, folder: Path, crf: str
) -> tuple[list[Contestant], list[Skipped]]:
    """Everybody, encoding at one crf; `--temporal off` comes first, with which all are compared."""
    streams, vapoursynth = options.streams, options.vapoursynth_python
    found = [
        *(contestants.videnhance(mode, crf) for mode in ("off", "steady", "reuse")),
        *contestants.framelift(options.framelift_python, folder, options.workers, crf),
        *contestants.vapoursynth(vapoursynth, folder, streams, crf),
        *contestants.vapoursynth(vapoursynth, folder, streams, crf, fix=True),
    ]
    skipped = [peer for peer in found if isinstance(peer, Skipped)]
    return [peer for peer in found if isinstance(peer, Contestant)], skipped


def able(
    field: list[Contestant], lossless: list[Contestant], folder: Path
) -> tuple[list[Contestant], list[Contestant], list[Skipped]]:
    """Both lists without peers that cannot enlarge the clip of the benchmark, and why not."""
    probe = folder / "probe.mp4"
    clips.write_clip(probe, 12, 64, 48)
    kept, skipped = [], []
    for contestant, lossless_one in zip(field, lossless, strict=True):
        try:
            job(contestant, probe, folder / "probed.mp4")
        except measure.CommandError as error:
            skipped.append(Skipped(contestant.name, str(error).splitlines()[-1]))
        else:
            kept.append((contestant, lossless_one))
    return [one for one, _ in kept], [other for _, other in kept], skipped


def trial(
    clip: Clip,
    field: list[Contestant],
    lossless: list[Contestant],
    options: argparse.Namespace,
    folder: Path,
) -> dict[str, Any]:
    """Everybody's figures and times on one clip."""
    plain = judged.figures(clip.plain, clip)
    outputs: list[Path] = []
    results: list[dict[str, Any]] = []
    for index, contestant in enumerate(lossless):
        # Some write MP4 only; x264 at crf 0 is lossless there.
        outputs.append(folder / f"judged-{index}.mp4")
        job(contestant, clip.source, outputs[index])
        found = judged.figures(outputs[index], clip)
        alone = results[0] if results else found
        result: dict[str, Any] = {"name": contestant.name, "jobs": [], **found}
        result |= judged.shares(found, alone, plain)
        if index:
            result["to_off"] = judged.likeness(outputs[index], outputs[0])
        results.append(result)
        say(f"{clip.name}, {contestant.name}: {result['psnr']:.2f} dB")
    # The first round warms up: caches of kernels and files.
    for number, order in enumerate(rounds(options.rounds + 1, len(field))):
        for index in order:
            times = job(field[index], clip.source, folder / "timed.mp4")
            if number:
                results[index]["jobs"].append(times)
    size = {"width": clip.width, "height": clip.height, "frames": clip.frames}
    return {"clip": clip.name, **size, "plain": plain, "contestants": results}


HEAD = (
    *("", "frames/s", "processor ms/frame", "time over ours (off)", "PSNR-Y", "SSIM"),
    *("E_warp ×10⁴", "static flicker ×10³", "gradient energy", "dB to ours (off)"),
)


def row(result: dict[str, Any], ours: dict[str, Any], frames: int) -> list[str]:
    """One contestant's line."""
    jobs = result["jobs"]
    pairs = list(zip(jobs, ours["jobs"], strict=True))
    speed = Spread.of([frames / one["seconds"] for one in jobs])
    cpu = Spread.of([1000 * one["cpu"] / frames for one in jobs])
    ratio = Spread.of([one["seconds"] / other["seconds"] for one, other in pairs])
    near = result.get("to_off")
    return [
        *(result["name"], f"{speed.median:.2f}", f"{cpu.median:.0f}", f"{ratio.median:.2f}"),
        *(shown(result["psnr"]), shown(result["ssim"], 4), shown(result["warp_error"], 2, 1e4)),
        *(shown(result["static_flicker"], 2, 1e3), shown(result["gradient_ratio"])),
        f"{near['mean']:.1f}" if near else "–",
    ]


def markdown(result: dict[str, Any]) -> str:
    """A table for each clip."""
    lines = judged.said(result)
    lines += [f"- {peer['name']} was skipped: {peer['reason']}" for peer in result["skipped"]]
    for name, versions in result["versions"].items():
        lines.append(f"- {name}: {', '.join(f'{key} {value}' for key, value in versions.items())}")
    for trial in result["trials"]:
        plain, field = trial["plain"], trial["contestants"]
        lines += [
            "",
            f"{judged.heading(trial, contestants.MODEL)}, "
            f"static flicker {1e3 * plain['static_flicker']:.2f}·10⁻³",
            "",
            *judged.table(HEAD, [row(entry, field[0], trial["frames"]) for entry in field]),
        ]
    return "\n".join(lines) + "\n"


def arguments() -> argparse.Namespace:
    parser = judged.parser(__doc__)
    contestants.add_peers(parser)
    return parser.parse_args()


def main() -> None:
    options = arguments()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        try:
            field, skipped = entrants(options, folder, contestants.CRF)
            lossless, _ = entrants(options, folder, LOSSLESS)
            field, lossless, failed = able(field, lossless, folder)
            skipped += failed
            for peer in skipped:
                say(f"skipped {peer.name}: {peer.reason}")
            result = judged.begun(options.rounds)
            result["skipped"] = [asdict(peer) for peer in skipped]
            result["versions"] = {peer.name: peer.versions for peer in field}
            for path in options.clips:
                clip = judged.prepare(path, folder, options.frames)
                result["trials"].append(trial(clip, field, lossless, options, folder))
                judged.save(result, markdown(result), options)
        except measure.CommandError as error:
            raise SystemExit(str(error)) from error
    if not options.markdown:
        sys.stdout.write(markdown(result))


if __name__ == "__main__":
    main()
