"""Judge pictures of damaged live action: PSNR-Y, VMAF NEG and error flicker against bicubic.

    python pictures.py --media FOLDER --work FOLDER --run span-x2="--model span-x2 --temporal off"
    python pictures.py --media FOLDER --work FOLDER --kinds dark \\
        --run ours="--denoise 1" --run hqdn3d="-vf hqdn3d=8"

Noisy kinds are judged at their own size, against the noisy clip.

README.md says what is measured. What was measured before is kept in `--work`.
"""

from __future__ import annotations

import argparse
import json
import math
import re
import shlex
import statistics
import sys
from collections.abc import Callable
from dataclasses import asdict, dataclass
from datetime import date
from pathlib import Path
from typing import Any

import judged
import measure
import pictures_damage as damage
from pictures_damage import Clip
from pictures_figures import Figures, figures, luma_of, motions

ROOT = Path(__file__).resolve().parent.parent
DEFAULT_KINDS = ("web", "film", "tape", "clean")
PLAIN = "bicubic"


@dataclass(frozen=True)
class Run:
    """A contestant: a name for the tables, and options of `videnhance enhance`, or -vf and filters
    of ffmpeg."""

    name: str
    options: tuple[str, ...]

    @classmethod
    def of(cls, text: str) -> Run:
        """From NAME=OPTIONS. Raises ArgumentTypeError."""
        name, separator, options = text.partition("=")
        if not separator or not re.fullmatch(r"[\w.+-]+", name) or name == PLAIN:
            raise argparse.ArgumentTypeError(
                f'{text!r} must be NAME="OPTIONS", with a name of letters, digits and -+._'
            )
        return cls(name, tuple(shlex.split(options)))

    def key(self) -> dict[str, Any]:
        """What a kept result must agree with: the options, and the card of a named model."""
        named = [b for a, b in zip(self.options, self.options[1:], strict=False) if a == "--model"]
        cards = [ROOT / "models" / f"{name}.toml" for name in named]
        texts = [card.read_text(encoding="utf-8") for card in cards if card.is_file()]
        return {"options": list(self.options), "cards": texts}

    def enhance(self, source: Path, output: Path, scale: int = 2) -> None:
        """Enhance as a user would, to a lossless file."""
        if self.options[:1] == ("-vf",):
            damage.convert(source, output, self.options[1])
            return
        size = ["--scale", "1", "--restore", "0"] if scale == 1 else ["--scale", "2"]
        fixed = [*size, *judged.LOSSLESS]
        measure.run([*judged.VIDENHANCE, str(source), str(output), *fixed, *self.options])


@dataclass(frozen=True)
class Case:
    """A clip with one kind of damage, in a folder of its own below the clip's."""

    clip: Clip
    kind: str
    folder: Path

    @property
    def bright_truth(self) -> Path:
        return self.folder.parent / "truth.mkv"

    @property
    def truth(self) -> Path:
        return self.folder / "truth.mkv" if self.kind == "dark" else self.bright_truth

    @property
    def scale(self) -> int:
        return 1 if self.kind in damage.FULL_SIZE else 2

    @property
    def source(self) -> Path:
        return self.folder / "source.mkv"

    def output(self, name: str) -> Path:
        return self.folder / f"{name}.mkv"

    def prepare(self, media: Path) -> None:
        """Write truth, damaged source and bicubic where they are not yet there."""
        self.folder.mkdir(parents=True, exist_ok=True)
        if not self.bright_truth.exists():
            recording = media / self.clip.file
            if not recording.is_file():
                raise SystemExit(f"{recording} is missing: name the clips' folder with --media.")
            whole(self.bright_truth, lambda path: damage.write_truth(self.clip, recording, path))
        if not self.truth.exists():
            dark = damage.write_dark_truth
            whole(self.truth, lambda path: dark(self.bright_truth, path, self.clip))
        if not self.source.exists():
            make = damage.KINDS[self.kind]
            whole(self.source, lambda path: make(self.truth, path, self.clip))
        if not self.output(PLAIN).exists():
            size = damage.enlarge if self.scale == 2 else damage.keep
            whole(self.output(PLAIN), lambda path: size(self.source, path))


def whole(target: Path, make: Callable[[Path], object]) -> None:
    """Write a file under another name first, so that what is there is complete."""
    part = target.with_name(f"part-{target.name}")
    make(part)
    part.replace(target)


class Judge:
    """Measures outputs of one clip; the truth is decoded and followed once, if at all."""

    def __init__(self, truth: Path) -> None:
        self._truth = truth
        self._known: tuple[Any, Any] | None = None

    def measured(self, output: Path) -> Figures:
        if self._known is None:
            luma = luma_of(self._truth, self._truth)
            self._known = luma, motions(luma)
        return figures(output, self._truth, *self._known)


def judge_run(case: Case, run: Run | None, judge: Judge, again: bool) -> Figures:
    """The figures of one contestant, bicubic for None; kept ones where they still hold."""
    name, key = (run.name, run.key()) if run else (PLAIN, {})
    output, kept = case.output(name), case.folder / f"{name}.json"
    if kept.exists() and output.exists() and not again:
        known = json.loads(kept.read_text())
        if known["key"] == key:
            return Figures(**known["figures"])
    if run:
        whole(output, lambda path: run.enhance(case.source, path, case.scale))
    found = judge.measured(output)
    kept.write_text(json.dumps({"key": key, "figures": asdict(found)}, indent=2) + "\n")
    return found


def against(found: Figures, plain: Figures) -> dict[str, float]:
    """Differences to bicubic; flicker as a ratio."""
    ratio = found.flicker / plain.flicker if plain.flicker else math.nan
    return {
        "psnr": found.psnr - plain.psnr,
        "neg": found.neg - plain.neg,
        "ssim": found.ssim - plain.ssim,
        "flicker": ratio,
    }


def entry(clip: str, kind: str, name: str, found: Figures, plain: Figures) -> dict[str, Any]:
    """One contestant on one clip with one kind of damage."""
    return {
        "clip": clip,
        "kind": kind,
        "run": name,
        **asdict(found),
        "to_bicubic": against(found, plain),
    }


def means(entries: list[dict[str, Any]], kind: str, name: str) -> dict[str, Any]:
    """Means over the clips of one kind of damage, and the least gain in PSNR among them."""
    chosen = [e for e in entries if e["run"] == name and e["kind"] == kind]
    mean: dict[str, Any] = {key: statistics.fmean(e[key] for e in chosen) for key in MEASURES}
    gains = [e["to_bicubic"] for e in chosen]
    mean["to_bicubic"] = {key: statistics.fmean(gain[key] for gain in gains) for key in MEASURES}
    mean["least_psnr"] = min(gain["psnr"] for gain in gains)
    return {"kind": kind, "run": name, "clips": len(chosen), **mean}


MEASURES = ("psnr", "neg", "ssim", "flicker")
HEAD = ("damage", "", "PSNR-Y, dB", "to bicubic", "VMAF NEG", "to bicubic", "SSIM", "flicker")


def row(found: dict[str, Any], first: str) -> list[str]:
    """One line of a table; that of a mean shows the least gain in PSNR too."""
    beside = found["to_bicubic"]
    least = f" (least {found['least_psnr']:+.2f})" if "least_psnr" in found else ""
    return [
        *(first, found["run"], f"{found['psnr']:.2f}", f"{beside['psnr']:+.2f}{least}"),
        *(f"{found['neg']:.1f}", f"{beside['neg']:+.1f}", judged.shown(found["ssim"], 4)),
        f"×{judged.shown(beside['flicker'])}",
    ]


def summary(entries: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The means of every kind and contestant, in the order of their first entries."""
    pairs = dict.fromkeys((e["kind"], e["run"]) for e in entries)
    return [means(entries, kind, name) for kind, name in pairs]


def markdown(result: dict[str, Any]) -> str:
    """A table of means, and one of every clip."""
    entries = result["entries"]
    clips = dict.fromkeys(e["clip"] for e in entries)
    lines = [f"List `{result['list']}` ({', '.join(clips)}), measured on {result['date']}.", ""]
    for name, options in result["runs"].items():
        lines.append(f"- {name}: `{options or 'defaults'}`")
    lines += ["", *judged.table(HEAD, [row(mean, mean["kind"]) for mean in result["means"]]), ""]
    rows = [row(e, f"{e['kind']}, {e['clip']}") for e in entries]
    return "\n".join([*lines, *judged.table(HEAD, rows)]) + "\n"


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    add = parser.add_argument
    add("--media", type=Path, required=True, metavar="FOLDER", help="where the list's clips lie")
    add("--work", type=Path, required=True, metavar="FOLDER", help="where results are kept")
    add("--list", choices=list(damage.LISTS), default="figures", help="(default figures)")
    add("--clips", nargs="+", metavar="NAME", help="only these of the list")
    add("--kinds", nargs="+", choices=list(damage.KINDS), default=DEFAULT_KINDS)
    add("--run", type=Run.of, action="append", default=[], metavar='NAME="OPTIONS"')
    add("--again", nargs="+", default=[], metavar="NAME", help="runs whose kept results are void")
    add("--json", type=Path, help="where to write every figure")
    add("--markdown", type=Path, help="where to write the tables (default: standard output)")
    return parser.parse_args()


def judge_clip(clip: Clip, options: argparse.Namespace) -> list[dict[str, Any]]:
    """All kinds of damage and all contestants on one clip."""
    found = []
    judges: dict[Path, Judge] = {}
    for kind in options.kinds:
        case = Case(clip, kind, options.work / clip.name / kind)
        case.prepare(options.media)
        judge = judges.setdefault(case.truth, Judge(case.truth))
        plain = judge_run(case, None, judge, PLAIN in options.again)
        found.append(entry(clip.name, kind, PLAIN, plain, plain))
        for run in options.run:
            made = judge_run(case, run, judge, run.name in options.again)
            found.append(entry(clip.name, kind, run.name, made, plain))
            print(" | ".join(row(found[-1], f"{kind}, {clip.name}")), file=sys.stderr, flush=True)
    return found


def main() -> None:
    options = arguments()
    clips = [c for c in damage.LISTS[options.list] if not options.clips or c.name in options.clips]
    if not clips:
        raise SystemExit(f"The list {options.list} has no clip of that name.")
    print(f"list {options.list}: {', '.join(c.name for c in clips)}", file=sys.stderr)
    runs = {run.name: shlex.join(run.options) for run in options.run}
    result = {"date": date.today().isoformat(), "list": options.list, "runs": runs}
    entries: list[dict[str, Any]] = []
    try:
        for clip in clips:
            entries += judge_clip(clip, options)
            entries.sort(key=lambda e: list(options.kinds).index(e["kind"]))
            result |= {"means": summary(entries), "entries": entries}
            judged.save(result, markdown(result), options)
    except (measure.CommandError, damage.FfmpegError) as error:
        raise SystemExit(str(error)) from error
    if not options.markdown:
        sys.stdout.write(markdown(result))


if __name__ == "__main__":
    main()
