"""Compare the whole-job speed of videnhance with its peers, and both with the bare network.

Every contestant enlarges the same clip ×2 on the CPU with the same weights (Real-ESRGAN
anime-video-v3) and encodes it with the same x264 settings, in interleaved rounds of one run.
See benchmarks/README.md for how to install the peers and how to read the numbers.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from datetime import date
from pathlib import Path
from typing import Any

import clip as clips
import contestants
import measure
import numpy as np
from contestants import Contestant, Skipped
from report import markdown

ALONE = 1
"""Place of `--temporal off`, with which pictures are compared: every frame by the network."""
MEMORY_SECONDS = (10, 60)
MEMORY_SIZE = (96, 54)


def say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def check(source: Path, output: Path) -> None:
    """End the benchmark unless `output` has every frame of `source` at twice its size."""
    width, height, frames = clips.size_and_count(source)
    factor = contestants.SCALE
    wanted, got = (factor * width, factor * height, frames), clips.size_and_count(output)
    if got != wanted:
        raise SystemExit(f"{output} is {got} (width, height, frames), expected {wanted}")


def psnr(one: Path, other: Path) -> float:
    """Mean PSNR in dB between the RGB frames of two videos, to show that both hold one picture."""
    return float(np.mean(clips.frame_psnrs(one, other)))


def job(contestant: Contestant, source: Path, output: Path) -> dict[str, float]:
    """One whole job, checked: its seconds, processor seconds and peak of memory."""
    output.unlink(missing_ok=True)
    cost = measure.run(contestant.job(source, output))
    check(source, output)
    return {"seconds": cost.wall, "cpu": cost.cpu, "peak": cost.peak}


def bare(contestant: Contestant, source: Path) -> dict[str, float]:
    """One timing of the contestant's network alone."""
    result: dict[str, float] = json.loads(measure.run(contestant.bare(source)).stdout)
    return result


def rounds(count: int, size: int) -> Iterator[list[int]]:
    """Orders of `size` contestants for `count` rounds, so that no one always follows another."""
    for number in range(count):
        order = [(number + index) % size for index in range(size)]
        yield order if number % 2 == 0 else order[::-1]


def race(
    field: Sequence[Contestant], source: Path, folder: Path, count: int
) -> list[dict[str, Any]]:
    """Interleaved whole jobs and bare networks of all contestants; one preroll round first."""
    results: list[dict[str, Any]] = [{"jobs": [], "bares": []} for _ in field]
    for number, order in enumerate(rounds(count + 1, len(field))):
        for index in order:
            contestant = field[index]
            whole = job(contestant, source, folder / f"output-{index}.mp4")
            alone = bare(contestant, source)
            say(
                f"{'preroll' if number == 0 else f'round {number}'}: {contestant.name}: "
                f"{whole['seconds']:.2f} s whole, {alone['seconds']:.2f} s bare"
            )
            if number:
                results[index]["jobs"].append(whole)
                results[index]["bares"].append(alone)
    for index, (contestant, result) in enumerate(zip(field, results, strict=True)):
        result |= {"name": contestant.name, "settings": contestant.settings}
        result |= {"versions": contestant.versions}
        if index != ALONE:
            result["psnr"] = psnr(folder / f"output-{ALONE}.mp4", folder / f"output-{index}.mp4")
    return results


def memory(ours: Contestant, folder: Path) -> list[dict[str, float]]:
    """Peak resident memory of our process tree for a short and a long clip of one content."""
    found = []
    for seconds in MEMORY_SECONDS:
        source, output = folder / f"memory-{seconds}.mp4", folder / f"memory-{seconds}-out.mp4"
        clips.write_clip(source, seconds * clips.RATE, *MEMORY_SIZE)
        cost = measure.run(ours.job(source, output), sample_memory=True)
        check(source, output)
        say(f"memory: {seconds} s clip: {cost.peak / 2**20:.0f} MiB in {cost.wall:.1f} s")
        found.append({"clip": seconds, "peak": cost.peak, "seconds": cost.wall})
    return found


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    add = parser.add_argument
    add("--clip", type=Path, help="a clip of your own instead of the one made here")
    add("--frames", type=int, default=48, help="length of the clip made here (default 48)")
    add("--size", default="320x180", help="its size (default 320x180)")
    add("--rounds", type=int, default=5, help="measured rounds, after a preroll (default 5)")
    add("--long", type=int, default=0, metavar="FRAMES", help="also measure our overhead on this")
    add("--memory", action="store_true", help="also measure memory on a short and a long clip")
    contestants.add_peers(parser)
    add("--json", type=Path, help="where to write every measurement")
    add("--markdown", type=Path, help="where to write the tables (default: standard output)")
    return parser.parse_args()


def measure_all(options: argparse.Namespace, folder: Path) -> dict[str, Any]:
    """Everything the options ask for, as one object that JSON can hold."""
    width, height = (int(side) for side in options.size.split("x"))
    source = options.clip or folder / "clip.mp4"
    if options.clip is None:
        clips.write_clip(source, options.frames, width, height)
    ours = [contestants.videnhance(), contestants.videnhance("off")]
    entrants = [
        *ours,
        *contestants.framelift(options.framelift_python, folder, options.workers),
        *contestants.vapoursynth(options.vapoursynth_python, folder, options.streams),
    ]
    skipped = [peer for peer in entrants if isinstance(peer, Skipped)]
    for peer in skipped:
        say(f"skipped {peer.name}: {peer.reason}")
    field = [peer for peer in entrants if isinstance(peer, Contestant)]
    result: dict[str, Any] = {
        "date": date.today().isoformat(),
        "machine": measure.machine(),
        "clip": dict(zip(("width", "height", "frames"), clips.size_and_count(source), strict=True)),
        "rounds": options.rounds,
        "skipped": [asdict(peer) for peer in skipped],
        "results": race(field, source, folder, options.rounds),
    }
    if options.long:
        clips.write_clip(folder / "long.mp4", options.long, width, height)
        result["long"] = race(ours, folder / "long.mp4", folder, options.rounds)
        result["long_frames"] = options.long
    if options.memory:
        result["memory"] = memory(ours[0], folder)
    return result


def main() -> None:
    options = arguments()
    with tempfile.TemporaryDirectory() as folder:
        try:
            result = measure_all(options, Path(folder))
        except measure.CommandError as error:
            raise SystemExit(str(error)) from error
    if options.json:
        options.json.write_text(json.dumps(result, indent=2) + "\n")
    if options.markdown:
        options.markdown.write_text(markdown(result))
    else:
        print(markdown(result))


if __name__ == "__main__":
    main()
