"""Pictures of the temporal benchmark: rows of pixels over time, and quality against work."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import clip as clips
import cv2
import matplotlib as mpl
import numpy as np
from judged import Clip
from numpy.typing import NDArray

mpl.use("Agg")
from matplotlib import pyplot as plt

WIDTH = 72
"""Columns that a slice shows: few, so that single pixels are seen."""
CALM = 2.0
"""Code values of 8 bits that plain enlargement may flicker where a slice is taken."""
_GREY = np.array([0.299, 0.587, 0.114], np.float32)
_Stack = NDArray[np.uint8]


def _stack(path: Path) -> _Stack:
    return np.stack(clips.decode_rgb(path))


def flickering_place(alone: _Stack, plain: _Stack) -> tuple[int, int]:
    """Row and first column where `alone` (N, H, W, 3) flickers most while `plain` is calm.

    Flicker is what a frame deviates from the mean of its neighbours in time.
    """

    def flicker(stack: _Stack) -> NDArray[np.float32]:
        grey = np.stack([frame.astype(np.float32) @ _GREY for frame in stack])
        bend = np.abs(grey[1:-1] - (grey[:-2] + grey[2:]) / 2)
        return np.asarray(bend.mean(axis=0), np.float32)

    source = flicker(plain)
    beyond = np.where(source < CALM, flicker(alone) - source, -source)
    windows = cv2.boxFilter(beyond, -1, (WIDTH, 5), normalize=True)
    half = min(WIDTH, windows.shape[1]) // 2
    inside = windows[2:-2, half : windows.shape[1] - half + 1]
    row, column = np.unravel_index(int(np.argmax(inside)), inside.shape)
    return int(row) + 2, int(column)


def slices(clip: Clip, outputs: dict[str, Path], target: Path) -> None:
    """One row of pixels, a line for each frame: time runs down, and steady things draw lines."""
    shown = [name for name in ("steady normal", "reuse 42") if name in outputs]
    shown = shown or [name for name in outputs if name != "off"][:2]
    panels = {"bicubic": clip.plain, "off: every frame alone": outputs["off"]}
    panels |= {name: outputs[name] for name in shown}
    stacks = {name: _stack(path) for name, path in panels.items()}
    alone = stacks["off: every frame alone"]
    row, column = flickering_place(alone, stacks["bicubic"])
    cuts = {name: stack[:, row, column : column + WIDTH] for name, stack in stacks.items()}
    low, high = (np.percentile(cuts["off: every frame alone"], q) for q in (0.5, 99.5))
    figure, axes = plt.subplots(
        1, len(cuts), figsize=(2.9 * len(cuts), 2.9 * len(alone) / WIDTH * 1.6 + 0.6), dpi=110
    )
    for axis, (name, cut) in zip(axes, cuts.items(), strict=True):
        spread = (cut.astype(np.float32) - low) / max(high - low, 1)
        axis.imshow(spread.clip(0, 1), interpolation="nearest", aspect=1.6)
        axis.set_title(name, fontsize=10)
        axis.set_xticks([])
        axis.set_yticks([])
    axes[0].set_ylabel("time →", rotation=90, loc="top")
    figure.tight_layout(pad=0.4)
    figure.savefig(target)
    plt.close(figure)


def plot(result: dict[str, Any], target: Path) -> None:
    """Likeness to every frame's own output, and excess of E_warp left, against processor time."""
    figure, (left, right) = plt.subplots(1, 2, figsize=(11, 4.2), dpi=110)
    for number, trial in enumerate(result["trials"]):
        colour = f"C{number % 10}"
        label = f"{trial['clip']}, {trial['model']}"
        for family, mark in (("steady", "s"), ("reuse", "o")):
            points = [
                (_work(mode), mode["to_off"]["mean"], mode["excess_left"])
                for mode in trial["modes"]
                if mode["mode"].startswith(family)
            ]
            if not points:
                continue
            work, near, excess = zip(*points, strict=True)
            named = label if family == "reuse" else None
            left.plot(work, near, f"{mark}-", color=colour, label=named)
            known = [(w, e) for w, e in zip(work, excess, strict=True) if e is not None]
            if known:
                right.plot(*zip(*known, strict=True), f"{mark}-", color=colour)
    for axis in (left, right):
        axis.set_xlabel("processor time of the whole job, 1 is --temporal off")
        axis.axvline(1, color="0.7", lw=1)
        axis.grid(alpha=0.3)
    left.set_ylabel("PSNR to --temporal off, dB")
    right.set_ylabel("E_warp beyond bicubic's, 1 is --temporal off")
    right.axhline(1, color="0.7", lw=1)
    left.legend(fontsize=7)
    figure.suptitle("circles: reuse, squares: steady", fontsize=10)
    figure.tight_layout()
    figure.savefig(target)
    plt.close(figure)


def _work(mode: dict[str, Any]) -> float:
    ratios = mode["cpu_ratio"]
    return float(np.median(ratios)) if ratios else float(mode["work"])
