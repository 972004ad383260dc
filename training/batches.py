"""Draw batches from examples: patches, turned and mirrored, with a dial for each."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch

from training.examples import Examples

DIRECTED = ("tape",)
"""Kinds whose damage lies along lines: they are mirrored only from left to right."""

_FULL = 0.6
"""Share of patches whose dial is 1; the others get a random dial."""


@dataclass(frozen=True)
class Batch:
    """Tensors (N, 3, H, W) of 0..1, but for the dials, (N,)."""

    images: torch.Tensor
    wanted: torch.Tensor
    """(N, 3, scale·H, scale·W): the truth, and of noise and damage as much as the dial leaves."""
    dials: torch.Tensor


def draw(
    examples: Examples, count: int, patch: int, rng: np.random.Generator, place: torch.device
) -> Batch:
    """A batch of patches of `patch` input pixels a side."""
    scale, side = examples.scale, examples.damaged.shape[1]
    sources = examples.damaged, examples.plain, examples.truth
    small, plain, large = (
        np.empty((count, side, side, source.shape[3]), source.dtype)
        for source, side in zip(sources, (patch, patch, scale * patch), strict=True)
    )
    for number, index in enumerate(rng.integers(0, len(examples.kinds), count)):
        top, left = rng.integers(0, side - patch + 1, 2)
        y, x = slice(top, top + patch), slice(left, left + patch)
        rows = slice(scale * top, scale * (top + patch))
        columns = slice(scale * left, scale * (left + patch))
        parts = (
            examples.damaged[index, y, x],
            examples.plain[index, y, x],
            examples.truth[index, rows, columns],
        )
        turn, mirror = rng.integers(0, 4), rng.random() < 0.5
        if examples.kinds[index] in DIRECTED:
            turn = 0
        for array, part in zip((small, plain, large), parts, strict=True):
            part = np.rot90(part, turn)
            array[number] = part[:, ::-1] if mirror else part
    dials = np.where(rng.random(count) < _FULL, 1.0, rng.random(count)).astype(np.float32)
    images, before, truth = (tensor(array, place) for array in (small, plain, large))
    dial = torch.from_numpy(dials).to(place)
    return Batch(images, wanted(examples.recording(images), before, truth, dial), dial)


def wanted(
    images: torch.Tensor, plain: torch.Tensor, truth: torch.Tensor, dials: torch.Tensor
) -> torch.Tensor:
    """The truth, and so much of the damage as each dial leaves, enlarged plainly.

    With a teacher, `plain` equals the input, so nothing is left over.
    """
    left = torch.nn.functional.interpolate(
        images - plain, size=truth.shape[2:], mode="bicubic", align_corners=False
    )
    return truth + (1 - dials[:, None, None, None]) * left


def tensor(pixels: np.ndarray, place: torch.device) -> torch.Tensor:
    """Pictures (N, H, W, C), of bytes or of floats within 0..1, as a tensor (N, C, H, W)."""
    planes = torch.from_numpy(np.ascontiguousarray(pixels)).to(place).permute(0, 3, 1, 2)
    return planes.float() / (255 if pixels.dtype == np.uint8 else 1)
