"""Train a network of ours: `python -m training NAME PHOTOGRAPHS [--clips FOLDER]`.

Writes its examples once, trains with checkpoints, and exports weights and a note. Run again, it
goes on where it was. On a machine without the photographs, give a folder of prepared examples
instead (`--carry` makes small ones).
"""

from __future__ import annotations

import argparse
import platform
from dataclasses import replace
from pathlib import Path

import torch

from training import export
from training.examples import Examples, Request, make, read
from training.network import Compact
from training.recipe import FOLDER, Recipe
from training.recipe import read as read_recipe
from training.train import build, device, gain, train

_ROOT = Path(__file__).resolve().parent.parent
_CARRIED_QUALITY = 95
"""JPEG quality of the truth in examples that are to be carried."""


def main() -> None:
    """Do what the arguments say."""
    args = _arguments()
    recipe = read_recipe(args.name, args.recipes, minutes=args.minutes, steps=args.steps)
    if args.batch:
        recipe = replace(recipe, batch=args.batch)
    args.work.mkdir(parents=True, exist_ok=True)
    examples, aside = _examples(recipe, args)
    if args.carry:
        return
    network = build(recipe)
    start = args.start or (args.out / f"{recipe.start}.safetensors" if recipe.start else None)
    if start and not start.is_file():
        raise SystemExit(f"{start} is missing; train {recipe.start} first, or give --start.")
    if start:
        export.load_state(network, export.read_state(start))
    checkpoint = args.work / f"{recipe.name}.pt"
    course = train(network, recipe, read(examples), held := read(aside), checkpoint)
    note = _note(recipe, held, network, course.curve) | {
        "steps": course.step,
        "minutes": round(course.seconds / 60, 1),
        "start": start.name if start else None,
    }
    path = export.write(network, note, args.out, recipe.name)
    print(f'"{path.name}" = "{export.digest(path)}"')


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m training", description=__doc__)
    parser.add_argument("name", help="of a recipe, training/recipes/NAME.toml")
    parser.add_argument("source", type=Path, help="folder of photographs, or of prepared examples")
    parser.add_argument("--clips", type=Path, help="folder of recordings")
    parser.add_argument("--recipes", type=Path, default=FOLDER, help="folder of recipes")
    parser.add_argument("--work", type=Path, default=_ROOT / "build" / "training")
    parser.add_argument("--out", type=Path, default=_ROOT / "models" / "weights")
    parser.add_argument("--start", type=Path, help="weights to begin with")
    parser.add_argument("--carry", action="store_true", help="only make small examples to carry")
    parser.add_argument("--recordings", type=int, help="how many to make, instead of the recipe's")
    parser.add_argument("--batch", type=int, help="patches a step, instead of the recipe's")
    length = parser.add_mutually_exclusive_group()
    length.add_argument("--steps", type=int)
    length.add_argument("--minutes", type=float)
    return parser.parse_args()


def _examples(recipe: Recipe, args: argparse.Namespace) -> tuple[Path, Path]:
    """Files to train with and to validate with, made where they are missing."""
    what = "noisy" if recipe.cleans else recipe.teacher or f"x{recipe.scale}"
    names = [f"{what}-training.npz", f"{what}-validation.npz"]
    if all((args.source / name).is_file() for name in names):
        return args.source / names[0], args.source / names[1]
    paths = args.work / names[0], args.work / names[1]
    from training.clips import listed

    photographs = listed(args.source)
    clips = listed(args.clips, recordings=True) if args.clips else ([], [])
    counts = (args.recordings or recipe.recordings, recipe.validation)
    quality = _CARRIED_QUALITY if args.carry else None
    for part, path in enumerate(paths):
        request = Request(
            tuple(photographs[part]),
            tuple(clips[part]),
            counts[part],
            recipe.side,
            recipe.scale,
            recipe.examples_seed + part,
            recipe.teacher,
            recipe.cleans,
        )
        if not path.is_file():
            make(request, path, quality)
        elif read(path).about != request.about:
            raise SystemExit(f"{path} was made of something else; move it away to make it anew.")
    return paths


def _note(
    recipe: Recipe, aside: Examples, network: Compact, curve: list[dict[str, object]]
) -> dict[str, object]:
    """How it was made, and what it reaches on what was kept aside."""
    where = device()
    name = torch.cuda.get_device_name() if where.type == "cuda" else platform.processor()
    return {
        "recipe": recipe.table,
        "device": name or where.type,
        "parameters": sum(value.numel() for value in network.parameters()),
        "aside": aside.about,
        "gain_over_bicubic_db": {str(dial): gain(network, aside, dial) for dial in (0.0, 0.5, 1.0)},
        "curve": curve,
        "torch": torch.__version__,
    }


if __name__ == "__main__":
    main()
