"""Fit from how much damage on a recording is restored: `python -m training.restoration EXAMPLES NET`.

EXAMPLES is a file of validation examples, NET the exported weights of a network with a dial. Prints
the two constants of `videnhance/analysis/restoration.py` with the highest mean PSNR, beside what
restoring nothing, everything, and the best of five dials for each example would reach.
"""

from __future__ import annotations

import math
import sys
from itertools import combinations
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from training.examples import read
from videnhance.analysis.restoration import damage
from videnhance.core import Image
from videnhance.inference.winograd.network import load_winograd

_DIALS = (0.0, 0.25, 0.5, 0.75, 1.0)
_LIMITS = (0.0, 0.2, 0.4, 0.6, 0.8, 1.0, 1.25, 1.5, 2.0, 2.5, 3.0, 4.0)
"""Code values that are tried for the two constants."""
_LUMA = np.array([0.299, 0.587, 0.114], np.float32)[:, None, None]


def main() -> None:
    """Measure every recording once, then try all pairs of limits."""
    examples, network = read(Path(sys.argv[1])), load_winograd(Path(sys.argv[2]))

    def enlarge(image: Image, restore: float) -> Image:
        return network(image, restore=restore).clip(0, 1)

    found, reached = [], []
    for index in range(0, len(examples.kinds), 4):
        image, truth = (_image(pixels[index]) for pixels in (examples.damaged, examples.truth))
        found.append(damage([image], enlarge))
        reached.append([_psnr(enlarge(image, dial), truth) for dial in _DIALS])
    figures = np.array(reached)
    for name, values in (
        ("nothing", figures[:, 0]),
        ("everything", figures[:, -1]),
        ("the best", figures.max(axis=1)),
    ):
        print(f"{name} restored: {values.mean():.3f} dB")
    best = max(combinations(_LIMITS, 2), key=lambda pair: _mean(figures, found, pair))
    print(f"clean up to {best[0]}, damaged from {best[1]}: {_mean(figures, found, best):.3f} dB")
    for kind in dict.fromkeys(examples.kinds[::4]):
        chosen = [number for number, other in enumerate(examples.kinds[::4]) if other == kind]
        means = ", ".join(f"{value:.2f}" for value in figures[chosen].mean(axis=0))
        middle = np.median([found[number] for number in chosen])
        print(f"{kind}: median damage {middle:.2f}; dB at dials {_DIALS}: {means}")


def _mean(figures: NDArray[np.float64], found: list[float], pair: tuple[float, float]) -> float:
    """Mean PSNR if the dial rises from 0 to 1 between two limits of damage."""
    dials = np.clip((np.array(found) - pair[0]) / (pair[1] - pair[0]), 0, 1)
    rows = (np.interp(dial, _DIALS, row) for dial, row in zip(dials, figures, strict=True))
    return float(np.mean(list(rows)))


def _image(pixels: NDArray[np.uint8]) -> Image:
    return np.ascontiguousarray(pixels.transpose(2, 0, 1), np.float32) / np.float32(255)


def _psnr(made: Image, truth: Image) -> float:
    error = float(np.mean(((made - truth) * _LUMA).sum(axis=0) ** 2))
    return -10 * math.log10(max(error, 1e-10))


if __name__ == "__main__":
    main()
