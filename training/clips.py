"""Clean clips to damage: photographs that a camera moves over, and cuts from real recordings."""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

Picture = NDArray[np.float32]
"""RGB, (H, W, 3), 0..1."""

_PHOTOGRAPHS = (".jpg", ".jpeg", ".png")
_RECORDINGS = (".mp4", ".mkv", ".mov", ".webm", ".avi")
_MOST_REDUCTION = 3.0
_SUBFRAMES = 4
"""Pictures that motion blur is the mean of."""


def listed(folder: Path, *, recordings: bool = False) -> tuple[list[Path], list[Path]]:
    """Files to train with, and every tenth by name, which is kept aside to validate with.

    Raises SystemExit where there are fewer than two.
    """
    endings = _RECORDINGS if recordings else _PHOTOGRAPHS
    paths = sorted(path for path in folder.iterdir() if path.suffix.lower() in endings)
    if len(paths) < 2:
        raise SystemExit(f"{folder} must hold at least two files ({', '.join(endings)}).")
    aside = paths[::10]
    return [path for path in paths if path not in aside], aside


@lru_cache(maxsize=6)
def _photograph(path: Path) -> Picture:
    pixels = cv2.imread(str(path), cv2.IMREAD_COLOR)
    if pixels is None:
        raise SystemExit(f"{path} cannot be read as a picture.")
    return np.ascontiguousarray(pixels[:, :, ::-1], np.float32) / np.float32(255)


def photographed(path: Path, side: int, frames: int, rng: np.random.Generator) -> list[Picture]:
    """A shot of a camera that moves over a photograph, sometimes past a cut-out that moves too.

    Everything is drawn at twice the size and reduced by area, so that moving softens nothing.
    """
    photo = _photograph(path)
    whole = side * 1.15
    most = min(_MOST_REDUCTION, min(photo.shape[:2]) / whole)
    if most < 0.7:
        raise SystemExit(f"{path} must be at least {round(0.7 * whole)} pixels high and wide.")
    factor = math.exp(rng.uniform(math.log(min(1.15, most)), math.log(most)))
    still = rng.random() < 0.25
    camera = _Path(rng, 0.0 if still else 4.0)
    moving = _Path(rng, 6.0)
    cutout = _cutout(photo, side, factor, rng) if rng.random() < 0.4 else None
    blurred = rng.random() < 0.3
    centre = [
        rng.uniform(whole * factor / 2, length - whole * factor / 2) if length > whole * factor
        else length / 2
        for length in photo.shape[1::-1]
    ]  # fmt: skip
    base = cv2.resize(photo, None, fx=2 / factor, fy=2 / factor, interpolation=_kernel(factor))
    middle = np.array(centre) * 2 / factor
    shots = []
    for number in range(frames):
        times = number + (np.arange(_SUBFRAMES) / _SUBFRAMES * 0.6 if blurred else np.zeros(1))
        drawn = [_drawn(base, middle, side, camera, moving, cutout, time) for time in times]
        large = np.mean(drawn, axis=0, dtype=np.float32) if len(drawn) > 1 else drawn[0]
        shots.append(cv2.resize(large, (side, side), interpolation=cv2.INTER_AREA))
    return [np.clip(shot, 0, 1) for shot in shots]


def _kernel(factor: float) -> int:
    return cv2.INTER_AREA if factor > 2 else cv2.INTER_CUBIC


class _Path:
    """How something moves: pixels, a factor and radians a frame."""

    def __init__(self, rng: np.random.Generator, fastest: float) -> None:
        angle, pace = rng.uniform(0, 2 * math.pi), fastest * rng.random() ** 2
        self.shift = pace * np.array([math.cos(angle), math.sin(angle)])
        self.zoom = rng.normal(0, 0.003) if fastest else 0.0
        self.turn = rng.normal(0, 0.004) if fastest else 0.0

    def matrix(self, time: float, middle: NDArray[np.float64], size: int) -> NDArray[np.float64]:
        """The affine map from a picture of `size` pixels at twice the scale to what it shows."""
        zoom, turn = math.exp(self.zoom * time), self.turn * time
        linear = zoom * np.array(
            [[math.cos(turn), -math.sin(turn)], [math.sin(turn), math.cos(turn)]]
        )
        shift = middle + 2 * self.shift * time - linear @ np.full(2, size / 2)
        return np.column_stack([linear, shift])


def _drawn(
    base: Picture, middle: NDArray[np.float64], side: int, camera: _Path, moving: _Path,
    cutout: tuple[Picture, Picture] | None, time: float,
) -> Picture:  # fmt: skip
    size = (2 * side, 2 * side)
    flags = cv2.INTER_CUBIC | cv2.WARP_INVERSE_MAP
    there = camera.matrix(time, middle, 2 * side)
    drawn = cv2.warpAffine(base, there, size, flags=flags, borderMode=cv2.BORDER_REFLECT_101)
    if cutout is not None:
        thing, matte = cutout
        there = moving.matrix(time, np.array(thing.shape[1::-1]) / 2, 2 * side)
        thing = cv2.warpAffine(thing, there, size, flags=flags, borderMode=cv2.BORDER_REFLECT_101)
        matte = cv2.warpAffine(matte, there, size, flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP)
        drawn = drawn + matte[:, :, None] * (thing - drawn)
    return np.asarray(drawn, np.float32)


def _cutout(
    photo: Picture, side: int, factor: float, rng: np.random.Generator
) -> tuple[Picture, Picture]:
    """Another part of the photograph, at twice the size, and a lobed outline for it."""
    length = min(int(side * factor), *photo.shape[:2])
    y, x = (int(rng.integers(0, whole - length + 1)) for whole in photo.shape[:2])
    thing = cv2.resize(
        photo[y : y + length, x : x + length], (2 * side, 2 * side), interpolation=_kernel(factor)
    )
    angles = np.linspace(0, 2 * math.pi, 96, endpoint=False)
    radius = np.full(96, rng.uniform(0.15, 0.5) * side)
    for lobe in range(2, 6):
        radius *= 1 + rng.normal(0, 0.25 / lobe) * np.cos(lobe * angles + rng.uniform(0, 6.3))
    at = side + rng.uniform(-0.5, 0.5, 2) * side
    points = at + radius[:, None] * np.stack([np.cos(angles), np.sin(angles)], axis=1)
    matte = np.zeros((2 * side, 2 * side), np.float32)
    cv2.fillPoly(matte, [np.rint(points * 16).astype(np.int32)], 1.0, cv2.LINE_AA, shift=4)
    return thing, cv2.GaussianBlur(matte, (0, 0), rng.uniform(0.6, 2.5))


@lru_cache(maxsize=16)
def _recording(path: Path) -> NDArray[np.uint8]:
    import av

    with av.open(str(path)) as container:
        frames = [frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)]
    return np.stack(frames)


def recorded(path: Path, side: int, frames: int, rng: np.random.Generator) -> list[Picture]:
    """A cut of so many frames from a recording, sometimes made a little smaller."""
    shots: Sequence[NDArray[np.uint8]] = _recording(path)
    height, width = shots[0].shape[:2]
    most = min(height, width) / side
    if most < 1 or len(shots) < frames:
        raise SystemExit(f"{path} must have {frames} frames of at least {side} pixels a side.")
    factor = rng.uniform(1, min(1.5, most)) if rng.random() < 0.5 else 1.0
    length = int(side * factor)
    first = int(rng.integers(0, len(shots) - frames + 1))
    y, x = (int(rng.integers(0, whole - length + 1)) for whole in (height, width))
    cut = [
        shots[first + i][y : y + length, x : x + length].astype(np.float32) / np.float32(255)
        for i in range(frames)
    ]
    if length == side:
        return cut
    return [cv2.resize(shot, (side, side), interpolation=cv2.INTER_AREA) for shot in cut]
