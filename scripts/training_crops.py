"""Low-resolution pictures as recordings have them, made from photographs to train with."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import av
import cv2
import numpy as np
from numpy.typing import NDArray

from videnhance.core import Image
from videnhance.kernels.resize import resize

Picture = NDArray[np.uint8]
"""RGB of 8 bits, (3, H, W)."""

KINDS = {"clean": 0.45, "recorded": 0.25, "degraded": 0.3}
"""What becomes of a reduced photograph, and how often: nothing but rounding to 8 bits; H.264 of
good quality; light, colour, sharpness, noise and strong compression of bad recordings."""

_SUFFIXES = (".jpg", ".jpeg", ".png")
_LEAST_REDUCTION, _MOST_REDUCTION = 1.5, 6.0
_FRAMES = 4
_MARGIN = 12
"""Pixels around a crop: for the camera to move in, and so that no filter reaches an edge."""


@dataclass(frozen=True)
class Crop:
    """One picture to enlarge."""

    kind: str
    data: Picture


def photographs(folder: Path) -> tuple[list[Path], list[Path]]:
    """Those to train with, and every tenth by name, to validate with.

    Raises SystemExit where there are fewer than two.
    """
    paths = sorted(path for path in folder.iterdir() if path.suffix.lower() in _SUFFIXES)
    if len(paths) < 2:
        raise SystemExit(f"{folder} must hold at least two photographs (.jpg, .png).")
    held_out = paths[::10]
    return [path for path in paths if path not in held_out], held_out


def crops(paths: list[Path], count: int, side: int, seed: int) -> Iterator[Crop]:
    """So many crops of `side` pixels, all photographs in turn; the same ones for the same seed."""
    rng = np.random.default_rng(seed)
    kinds = rng.choice(list(KINDS), size=count, p=list(KINDS.values()))
    for number in range(count):
        frames = _camera(_read(paths[number % len(paths)]), side, rng)
        kind = str(kinds[number])
        if kind == "clean":
            picture = _whole(frames[-1])
        elif kind == "recorded":
            picture = _h264(frames, int(rng.integers(10, 25)))
        else:
            picture = _degraded(frames, rng)
        yield Crop(kind, np.ascontiguousarray(picture))


def _read(path: Path) -> Image:
    pixels = cv2.imread(str(path), cv2.IMREAD_COLOR)
    if pixels is None:
        raise SystemExit(f"{path} cannot be read as a picture.")
    planes = pixels[:, :, ::-1].transpose(2, 0, 1)
    return np.ascontiguousarray(planes, np.float32) / np.float32(255)


def _camera(photo: Image, side: int, rng: np.random.Generator) -> list[Image]:
    """A short shot of a camera that moves evenly over a place of the photograph, made smaller."""
    whole = side + 2 * _MARGIN
    most = min(_MOST_REDUCTION, min(photo.shape[1:]) / whole)
    if most < 1:
        raise SystemExit(f"Photographs must be at least {whole} pixels high and wide.")
    factor = math.exp(rng.uniform(math.log(min(_LEAST_REDUCTION, most)), math.log(most)))
    cut = int(whole * factor)
    top, left = (int(rng.integers(0, length - cut + 1)) for length in photo.shape[1:])
    place = resize(photo[:, top : top + cut, left : left + cut], whole, whole)
    pace = rng.integers(-2, 3, 2)
    windows = (_MARGIN + pace * (number - _FRAMES + 1) for number in range(_FRAMES))
    return [place[:, y : y + side, x : x + side] for y, x in windows]


def _degraded(frames: list[Image], rng: np.random.Generator) -> Picture:
    """A bad recording: each fault with a chance of its own."""
    if rng.random() < 0.3:
        grey = np.array([0.2126, 0.7152, 0.0722], np.float32)
        frames = [np.stack([np.tensordot(grey, frame, 1)] * 3) for frame in frames]
    if rng.random() < 0.5:
        gain, black = rng.uniform(0.2, 0.8), rng.uniform(0, 0.2)
        frames = [black + gain * (frame - black) for frame in frames]
    if rng.random() < 0.5:
        sigma = rng.uniform(0.4, 1.1)
        frames = [
            np.stack([cv2.GaussianBlur(plane, (0, 0), sigma) for plane in frame])
            for frame in frames
        ]
    if rng.random() < 0.6:
        strength = rng.uniform(1, 9) / 255
        frames = [frame + rng.normal(0, strength, frame.shape) for frame in frames]
    way = rng.random()
    if way < 0.55:
        return _h264(frames, int(rng.integers(24, 35)))
    return _jpeg(frames[-1], int(rng.integers(35, 91))) if way < 0.75 else _whole(frames[-1])


def _whole(image: Image) -> Picture:
    return np.rint(image * 255).clip(0, 255).astype(np.uint8)


def _jpeg(image: Image, quality: int) -> Picture:
    pixels = np.ascontiguousarray(_whole(image)[::-1].transpose(1, 2, 0))
    _, data = cv2.imencode(".jpg", pixels, [cv2.IMWRITE_JPEG_QUALITY, quality])
    decoded = np.asarray(cv2.imdecode(data, cv2.IMREAD_COLOR), np.uint8)
    return decoded[:, :, ::-1].transpose(2, 0, 1)


def _h264(frames: list[Image], quality: int) -> Picture:
    """The last of the frames as H.264 (4:2:0) keeps it at a constant rate factor."""
    encoder = av.CodecContext.create("libx264", "w")
    encoder.height, encoder.width = frames[0].shape[1:]
    encoder.pix_fmt, encoder.time_base = "yuv420p", Fraction(1, 25)
    encoder.thread_count = 1
    encoder.options = {"preset": "veryfast", "crf": str(quality), "tune": "zerolatency"}
    decoder = av.CodecContext.create("h264", "r")
    decoder.thread_count = 1
    packets = []
    for number, image in enumerate(frames):
        pixels = np.ascontiguousarray(_whole(image).transpose(1, 2, 0))
        frame = av.VideoFrame.from_ndarray(pixels, format="rgb24")
        frame.pts = number
        packets += encoder.encode(frame)
    packets += encoder.encode(None)
    decoded = [frame for packet in [*packets, None] for frame in decoder.decode(packet)]
    return np.asarray(decoded[-1].to_ndarray(format="rgb24"), np.uint8).transpose(2, 0, 1)
