"""Train a network on examples, with checkpoints to resume from and a curve to look at."""

from __future__ import annotations

import json
import math
import statistics
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch

from training import losses
from training.adversary import Adversary
from training.batches import draw, tensor
from training.examples import Examples
from training.network import Compact
from training.recipe import Recipe

_RISE = 200
"""Steps until the learning rate is reached."""
_SAVE_SECONDS = 120.0
_CLIP = 1.0
"""Largest norm of a gradient."""
_EDGE = 6
"""Pixels left out of validation crops, so that our own convolutions take them."""
_POINTS = 20
"""Entries of a curve."""


@dataclass
class Course:
    """How far a training has come."""

    step: int = 0
    seconds: float = 0.0
    curve: list[dict[str, Any]] = field(default_factory=list)


def device() -> torch.device:
    """The GPU where there is one."""
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


def build(recipe: Recipe) -> Compact:
    """The untrained network of a recipe."""
    torch.manual_seed(recipe.seed)
    return Compact(
        recipe.channels,
        recipe.layers,
        recipe.scale,
        recipe.unshuffle,
        inputs=recipe.inputs,
        dialled=recipe.dialled,
    )


class Training:
    """A network in training: everything that a checkpoint keeps."""

    def __init__(self, network: Compact, recipe: Recipe) -> None:
        self.place = device()
        self.network, self.recipe = network.to(self.place), recipe
        self.optimizer = torch.optim.Adam(network.parameters(), lr=recipe.rate, betas=(0.9, 0.99))
        self.adversary = Adversary(recipe.seed, self.place) if recipe.adversarial else None
        self.course = Course()

    def step(self, examples: Examples) -> float:
        """Learn from one batch; returns its loss."""
        recipe, course = self.recipe, self.course
        rng = np.random.default_rng((recipe.seed, course.step))
        for group in self.optimizer.param_groups:
            group["lr"] = recipe.rate * _pace(course.step, _progress(course, recipe))
        batch = draw(examples, recipe.batch, recipe.patch, rng, self.place)
        with torch.autocast(self.place.type, torch.bfloat16, enabled=self.place.type == "cuda"):
            made = self.network(batch.images, batch.dials)
        made = losses.within(made.float(), batch.wanted)
        loss = recipe.charbonnier * losses.charbonnier(made, batch.wanted)
        if recipe.spectrum:
            loss = loss + recipe.spectrum * losses.spectrum(made, batch.wanted)
        if recipe.information:
            loss = loss + recipe.information * losses.information(made, batch.wanted)
        if self.adversary:
            loss = loss + recipe.adversarial * self.adversary.loss(made)
        self.optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(self.network.parameters(), _CLIP)
        self.optimizer.step()
        if self.adversary:
            self.adversary.learn(made, batch.wanted)
        course.step += 1
        return float(loss.detach())

    def save(self, path: Path) -> None:
        """Write a checkpoint, whole or not at all."""
        part = path.with_suffix(".part")
        state = {
            "recipe": self.recipe.table,
            "network": self.network.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "adversary": self.adversary.state() if self.adversary else None,
            "course": (self.course.step, self.course.seconds, self.course.curve),
        }
        torch.save(state, part)
        part.replace(path)

    def resume(self, path: Path) -> None:
        """Go on from a checkpoint. Raises SystemExit where it is of another recipe."""
        saved = torch.load(path, map_location=self.place, weights_only=True)
        if saved["recipe"] != self.recipe.table:
            raise SystemExit(f"{path} is of another recipe; move it away to begin anew.")
        self.network.load_state_dict(saved["network"])
        self.optimizer.load_state_dict(saved["optimizer"])
        if self.adversary:
            self.adversary.load(saved["adversary"])
        step, seconds, curve = saved["course"]
        self.course = Course(step, seconds, list(curve))
        print(f"resumed at step {step}", flush=True)


def train(
    network: Compact, recipe: Recipe, examples: Examples, aside: Examples, checkpoint: Path
) -> Course:
    """Train in place, from the checkpoint on where there is one of the same recipe."""
    training = Training(network, recipe)
    if checkpoint.is_file():
        training.resume(checkpoint)
    course = training.course
    began, saved = time.monotonic() - course.seconds, time.monotonic()
    recent: list[float] = []
    while _progress(course, recipe) < 1:
        recent.append(training.step(examples))
        course.seconds = time.monotonic() - began
        if _progress(course, recipe) * _POINTS >= len(course.curve) + 1:
            _note(course, network, aside, recent)
        if time.monotonic() - saved > _SAVE_SECONDS:
            training.save(checkpoint)
            saved = time.monotonic()
    training.save(checkpoint)
    return course


def _progress(course: Course, recipe: Recipe) -> float:
    if recipe.steps is not None:
        return course.step / recipe.steps
    return course.seconds / (60 * (recipe.minutes or 0))


def _pace(step: int, done: float) -> float:
    """Factor of the learning rate: a short rise, then half a cosine down to a hundredth."""
    rise = min(1.0, (step + 1) / _RISE)
    return rise * (0.01 + 0.99 * 0.5 * (1 + math.cos(math.pi * min(done, 1))))


def _note(course: Course, network: Compact, aside: Examples, recent: list[float]) -> None:
    entry: dict[str, Any] = {
        "step": course.step,
        "minutes": round(course.seconds / 60, 2),
        "loss": round(statistics.fmean(recent), 6),
        "psnr": gain(network, aside, 1.0),
    }
    course.curve.append(entry)
    recent.clear()
    print(json.dumps(entry), flush=True)


def gain(network: Compact, aside: Examples, dial: float) -> dict[str, float]:
    """PSNR of luma over that of the recording, enlarged bicubically, in dB: of all, and by kind."""
    place = next(network.parameters()).device
    gains: dict[str, list[float]] = {"all": []}
    # One crop of each recording: the four are alike, and time is better spent on training.
    chosen = np.arange(0, len(aside.kinds), 4)
    side = aside.damaged.shape[1] - _EDGE
    for indices in np.array_split(chosen, max(1, len(chosen) // 16)):
        image, truth = (
            tensor(pixels[indices, :length, :length], place)
            for pixels, length in ((aside.damaged, side), (aside.truth, side * aside.scale))
        )
        with torch.no_grad():
            made = network(image, torch.full((len(image),), dial, device=place))
            plain = torch.nn.functional.interpolate(
                aside.recording(image), size=truth.shape[2:], mode="bicubic", align_corners=False
            )
        better = _psnr(made, truth) - _psnr(plain, truth)
        for index, value in zip(indices, better.tolist(), strict=True):
            gains["all"].append(value)
            gains.setdefault(aside.kinds[index], []).append(value)
    return {kind: round(statistics.fmean(values), 3) for kind, values in gains.items()}


def _psnr(made: torch.Tensor, truth: torch.Tensor) -> torch.Tensor:
    luma = torch.tensor([0.299, 0.587, 0.114], device=truth.device)[:, None, None]
    error = (((made.clamp(0, 1) - truth) * luma).sum(1) ** 2).mean((1, 2))
    return -10 * torch.log10(error.clamp(min=1e-10))
