#!/usr/bin/env python3
"""Distil a network into a student: a tiny one of the Compact architecture that imitates it.

    python scripts/train_student.py PHOTOGRAPHS --teacher span-x2 --steps 20000

Writes OUT/ID.safetensors and OUT/ID.json (how it was made, and how near it comes), and prints
the table that the teacher's card needs. The same photographs, seed, steps and number of threads
give the same file.
"""

from __future__ import annotations

import argparse
import json
import math
import statistics
import time
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors.torch import save
from spandrel.architectures.Compact import Compact
from training_crops import KINDS, crops, photographs

from videnhance.core import Image
from videnhance.inference import CPU, load_model, resolve
from videnhance.inference.weights import sha256
from videnhance.inference.winograd.network import WinogradNetwork
from videnhance.kernels.resize import resize

ROOT = Path(__file__).resolve().parent.parent
_RATE, _WARM_UP = 2e-3, 200
_LEAST_ERROR = 1e-10
"""So that flat crops count no more than 100 dB."""


@dataclass(frozen=True)
class Lessons:
    """What a teacher made of crops; kept on disk, for these take gigabytes."""

    kinds: list[str]
    small: NDArray[np.uint8]
    """(N, 3, side, side)"""
    large: NDArray[np.uint16]
    """(N, 3, scale·side, scale·side), 65535 for 1"""

    @property
    def scale(self) -> int:
        """Output size over input size, per axis."""
        return self.large.shape[-1] // self.small.shape[-1]


def main() -> None:
    """Teach, train, write, and say what was reached."""
    args = _arguments()
    torch.set_num_threads(args.threads)
    torch.use_deterministic_algorithms(True)
    torch.manual_seed(args.seed)
    card = resolve(args.teacher)
    training, held_out = photographs(args.photographs)
    taught = _lessons(args, training, args.crops, args.seed, "training")
    asked = _lessons(args, held_out, args.validation, args.seed + 1, "validation")
    student = _untrained(args.features, args.convolutions, card.scale)
    steps = args.steps or _steps_in(args.minutes, student, taught, args)
    curve = _train(student, taught, asked, steps, args)
    state = {key: value.half().contiguous() for key, value in student.state_dict().items()}
    student.load_state_dict(state)
    args.out.mkdir(parents=True, exist_ok=True)
    path = args.out / f"{card.id}.safetensors"
    path.write_bytes(save(state))
    record = {
        "teacher": card.id,
        "teacher_sha256": dict(card.sha256),
        "student": {"features": args.features, "convolutions": args.convolutions},
        "parameters": sum(value.numel() for value in state.values()),
        "training": {"photographs": len(training), "crops": args.crops, "side": args.side}
        | {"kinds": KINDS, "seed": args.seed, "steps": steps, "batch": args.batch}
        | {"patch": args.patch, "threads": args.threads},
        "validation": {"photographs": len(held_out), "crops": args.validation}
        | {"psnr": _psnr_by_kind(student, asked)}
        | {"psnr_of_bicubic": _by_kind(asked.kinds, list(_psnr_of_bicubic(asked)))},
        "milliseconds_320x180": _milliseconds(state),
        "curve": curve,
        "versions": {name: version(name) for name in ("torch", "numpy", "videnhance")},
    }
    (args.out / f"{card.id}.json").write_text(json.dumps(record, indent=1) + "\n")
    print(json.dumps({key: record[key] for key in ("validation", "milliseconds_320x180")}))
    print(f'For models/{card.id}.toml:\n\n[student]\nfile = "students/{path.name}"')
    print(f'sha256 = "{sha256(path)}"')


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("photographs", type=Path, help="folder of .jpg or .png files")
    parser.add_argument("--teacher", required=True, help="id of a model card")
    parser.add_argument("--out", type=Path, default=ROOT / "models" / "students")
    parser.add_argument("--cache", type=Path, required=True, help="folder for the teacher's output")
    length = parser.add_mutually_exclusive_group(required=True)
    length.add_argument("--steps", type=int)
    length.add_argument("--minutes", type=float, help="as many steps as these are likely to take")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--features", type=int, default=32)
    parser.add_argument("--convolutions", type=int, default=3)
    parser.add_argument("--crops", type=int, default=900)
    parser.add_argument("--validation", type=int, default=99, help="crops to validate with")
    parser.add_argument("--side", type=int, default=96, help="of a crop, in pixels")
    parser.add_argument("--patch", type=int, default=56, help="part of a crop, in pixels")
    parser.add_argument("--batch", type=int, default=16, help="patches per step")
    parser.add_argument("--threads", type=int, default=2)
    return parser.parse_args()


def _lessons(
    args: argparse.Namespace, paths: list[Path], count: int, seed: int, part: str
) -> Lessons:
    """The teacher's work on crops of these photographs, from the cache where it was done before."""
    card = resolve(args.teacher)
    folder: Path = args.cache / f"{card.id}-{part}-{count}x{args.side}-{seed}"
    wanted = {"digests": dict(card.sha256), "photographs": [path.name for path in paths]}
    notes = folder / "lessons.json"
    if not notes.is_file() or json.loads(notes.read_text())["of"] != wanted:
        folder.mkdir(parents=True, exist_ok=True)
        model = load_model(card.id, device=CPU)
        side = args.side
        small = np.empty((count, 3, side, side), np.uint8)
        large = np.lib.format.open_memmap(
            folder / "large.npy", "w+", np.uint16, (count, 3, side * card.scale, side * card.scale)
        )
        kinds = []
        for number, crop in enumerate(crops(paths, count, side, seed)):
            small[number] = crop.data
            (enlarged,) = model([_unit(crop.data)])
            large[number] = np.rint(enlarged * 65535)
            kinds.append(crop.kind)
            if number % 100 == 99:
                print(f"{card.id}: {number + 1} of {count} {part} crops", flush=True)
        large.flush()
        np.save(folder / "small.npy", small)
        notes.write_text(json.dumps({"of": wanted, "kinds": kinds}))
    return Lessons(
        json.loads(notes.read_text())["kinds"],
        np.load(folder / "small.npy"),
        np.load(folder / "large.npy", mmap_mode="r"),
    )


def _unit(picture: NDArray[np.uint8]) -> Image:
    return picture.astype(np.float32) / np.float32(255)


def _untrained(features: int, convolutions: int, scale: int) -> Compact:
    student = Compact(num_feat=features, num_conv=convolutions, upscale=scale)
    layers = [layer for layer in student.body if isinstance(layer, torch.nn.Conv2d)]
    for layer in layers:
        torch.nn.init.kaiming_normal_(layer.weight, a=0.25)
        torch.nn.init.zeros_(layer.bias)
    with torch.no_grad():  # it begins as the repetition of pixels that it adds to
        layers[-1].weight *= 0.1
    return student.to(memory_format=torch.channels_last)


def _batch(
    lessons: Lessons, args: argparse.Namespace, rng: np.random.Generator
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Patches, what the teacher made of them, and the weight of each pixel.

    Patches are neither turned nor mirrored: the teacher would not turn its answer with them.
    """
    side, patch, scale = lessons.small.shape[-1], args.patch, lessons.scale
    # What the zeros around an image do must not be learned where the image goes on, but at the
    # edges of the crops it must, for frames have edges: so these are met more often.
    reach = args.convolutions + 2
    small = np.empty((args.batch, 3, patch, patch), np.float32)
    large = np.empty((args.batch, 3, patch * scale, patch * scale), np.float32)
    weight = np.zeros((args.batch, 1, patch * scale, patch * scale), np.float32)
    for number, index in enumerate(rng.integers(0, len(lessons.small), args.batch)):
        spots = rng.integers(-reach, side - patch + reach + 1, 2).clip(0, side - patch)
        y, x = (slice(int(spot), int(spot) + patch) for spot in spots)
        small[number] = lessons.small[index, :, y, x]
        y, x = (slice(scale * part.start, scale * part.stop) for part in (y, x))
        large[number] = lessons.large[index, :, y, x]
        y, x = (
            slice(
                0 if spot == 0 else scale * reach,
                scale * (patch if spot + patch == side else patch - reach),
            )
            for spot in spots
        )
        weight[number, :, y, x] = 1
    tensors = (small / 255, large / 65535, weight)
    return tuple(torch.from_numpy(array) for array in tensors)  # type: ignore[return-value]


def _loss(made: torch.Tensor, wanted: torch.Tensor, weight: torch.Tensor) -> torch.Tensor:
    """Charbonnier's, and nothing for what lies beyond 0 or 1 where it will be clipped."""
    made = torch.where((wanted <= 0) & (made < 0) | (wanted >= 1) & (made > 1), wanted, made)
    error = torch.sqrt((made - wanted) ** 2 + 1e-6) - 1e-3
    return (error * weight).sum() / (3 * weight.sum())


def _steps_in(minutes: float, student: Compact, taught: Lessons, args: argparse.Namespace) -> int:
    """How many steps are likely to take so long, by a few that change nothing."""
    rng = np.random.default_rng(args.seed)
    times = []
    for _ in range(12):
        began = time.perf_counter()
        small, large, weight = _batch(taught, args, rng)
        _loss(student(small), large, weight).backward()
        times.append(time.perf_counter() - began)
    student.zero_grad()
    return max(1, int(60 * minutes / statistics.median(times)))


def _train(
    student: Compact, taught: Lessons, asked: Lessons, steps: int, args: argparse.Namespace
) -> list[dict[str, float]]:
    """Train in place; returns step, mean loss since the last entry, and PSNR at some ten steps."""
    rng = np.random.default_rng(args.seed)
    optimizer = torch.optim.Adam(student.parameters(), lr=_RATE, betas=(0.9, 0.99))
    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: _pace(step, steps))
    curve, losses = [], []
    for step in range(1, steps + 1):
        small, large, weight = _batch(taught, args, rng)
        optimizer.zero_grad()
        loss = _loss(student(small), large, weight)
        loss.backward()
        optimizer.step()
        schedule.step()
        losses.append(loss.item())
        if step % max(1, steps // 10) == 0 or step == steps:
            psnr = statistics.fmean(_psnr(student, asked))
            curve.append({"step": step, "loss": statistics.fmean(losses), "psnr": round(psnr, 3)})
            print(json.dumps({"teacher": args.teacher, **curve[-1]}), flush=True)
            losses.clear()
    return curve


def _pace(step: int, steps: int) -> float:
    """Factor of the learning rate: a short rise, then half a cosine down to nothing."""
    rise = min(1.0, (step + 1) / min(_WARM_UP, max(1, steps // 10)))
    return rise * 0.5 * (1 + math.cos(math.pi * step / steps))


def _psnr(student: Compact, lessons: Lessons) -> list[float]:
    """Of each crop, clipped, against the teacher's output, in dB."""
    values = []
    with torch.inference_mode():
        for small, large in zip(lessons.small, lessons.large, strict=True):
            made = student(torch.from_numpy(_unit(small))[None])[0].clamp(0, 1)
            values.append(_decibels(made.numpy(), large))
    return values


def _psnr_of_bicubic(lessons: Lessons) -> Iterator[float]:
    side = lessons.large.shape[-1]
    for small, large in zip(lessons.small, lessons.large, strict=True):
        yield _decibels(resize(_unit(small), side, side).clip(0, 1), large)


def _decibels(made: Image, wanted: NDArray[np.uint16]) -> float:
    error = float(np.mean((made - wanted.astype(np.float32) / np.float32(65535)) ** 2))
    return -10 * math.log10(max(error, _LEAST_ERROR))


def _psnr_by_kind(student: Compact, lessons: Lessons) -> dict[str, float]:
    return _by_kind(lessons.kinds, _psnr(student, lessons))


def _by_kind(kinds: list[str], values: list[float]) -> dict[str, float]:
    """Means over all crops and over those of each kind."""
    pairs = list(zip(kinds, values, strict=True))
    means = {
        kind: statistics.fmean(value for of, value in pairs if of == kind)
        for kind in dict.fromkeys(kinds)
    }
    return {
        key: round(value, 2) for key, value in {"all": statistics.fmean(values), **means}.items()
    }


def _milliseconds(state: dict[str, torch.Tensor]) -> float:
    """Median processor time of the package's own convolutions for a frame of 320×180."""
    from videnhance.inference.winograd.compact import Compact as Own

    network = WinogradNetwork(Own({key: value.float().numpy() for key, value in state.items()}))
    image = np.random.default_rng(0).random((3, 180, 320), dtype=np.float32)
    times = []
    for _ in range(15):
        began = time.thread_time()
        network(image)
        times.append(time.thread_time() - began)
    return round(1000 * statistics.median(times), 1)


if __name__ == "__main__":
    main()
