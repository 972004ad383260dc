"""Damage clean clips as recordings are: soft, small, noisy, worn, and compressed by real codecs."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from training.clips import Picture
from training.codecs import Coded, coded, planar

Rng = np.random.Generator

KINDS = {"clean": 0.22, "web": 0.28, "film": 0.22, "tape": 0.16, "dark": 0.12}
"""What recordings are made, and how often."""
NOISY_KINDS = {"night": 0.32, "dark": 0.12, "film": 0.18, "tape": 0.12, "web": 0.1, "white": 0.1,
               "clean": 0.06}  # fmt: skip
"""The same for networks that remove noise."""

_LUMA = np.array([0.299, 0.587, 0.114], np.float32)
_YCC = np.array(
    [[0.299, 0.587, 0.114], [-0.1687, -0.3313, 0.5], [0.5, -0.4187, -0.0813]], np.float32
)
_RGB = np.linalg.inv(_YCC).astype(np.float32)


@dataclass(frozen=True)
class Recording:
    """Frames of one damaged clip."""

    kind: str
    truth: list[Picture]
    """The clean pictures, `scale` times as large."""
    plain: list[Picture]
    """What reducing makes of the truth, soft as it may be, before noise and compression."""
    damaged: list[Coded]


def record(frames: list[Picture], kind: str, scale: int, rng: Rng) -> Recording:
    """Make a recording of a kind of clean frames, which it makes `scale` times smaller."""
    truth = _toned(frames, kind, rng)
    plain = _reduced(truth, kind, scale, rng)
    worn = _WEAR[kind](plain, rng)
    pixels = [np.rint(frame * 255).clip(0, 255).astype(np.uint8) for frame in worn]
    return Recording(kind, truth, plain, _compressed(pixels, kind, rng))


def _toned(frames: list[Picture], kind: str, rng: Rng) -> list[Picture]:
    """Light and colour of a recording; they are not to be undone, so the truth has them too."""
    if kind == "film":
        if rng.random() < 0.75:
            frames = [np.repeat((frame @ _LUMA)[:, :, None], 3, axis=2) for frame in frames]
        contrast, black = rng.uniform(0.6, 1), rng.uniform(0, 0.1)
        level = 1 + rng.uniform(0, 0.05) * rng.normal(size=len(frames))
        frames = [
            black + contrast * (1 - black) * frame * light
            for frame, light in zip(frames, level, strict=True)
        ]
    if kind == "dark":
        gain, gamma = rng.uniform(0.1, 0.5), rng.uniform(0.9, 1.3)
        black = rng.uniform(0, 0.03)
        frames = [gain * frame**gamma + black for frame in frames]
    if kind == "night":
        light = math.exp(rng.uniform(math.log(1 / 24), math.log(1 / 2)))
        frames = [(light * frame**2.2) ** (1 / 2.2) for frame in frames]
    if kind in ("web", "clean", "tape") and rng.random() < 0.4:
        gain, gamma = rng.uniform(0.6, 1.05), rng.uniform(0.8, 1.3)
        frames = [gain * frame**gamma for frame in frames]
    return [np.clip(frame, 0, 1).astype(np.float32) for frame in frames]


_SOFT = {
    "clean": (0.0, 0.0),
    "web": (0.5, 1.1),
    "film": (0.8, 1.8),
    "tape": (0.7, 1.4),
    "dark": (0.6, 1.4),
    "night": (0.2, 1.0),
    "white": (0.0, 0.0),
}
"""How often a kind is blurred, and the largest sigma, in half pixels of the reduced picture."""


def _reduced(truth: list[Picture], kind: str, scale: int, rng: Rng) -> list[Picture]:
    often, most = _SOFT[kind]
    blur = (rng.uniform(0.3, most), rng.uniform(0.3, most)) if rng.random() < often else None
    size = tuple(length // scale for length in truth[0].shape[1::-1])
    way = rng.choice(["area", "cubic", "gauss", "aliased"], p=[0.35, 0.35, 0.2, 0.1])
    sigma = rng.uniform(0.35, 0.6)

    def reduce(frame: Picture) -> Picture:
        if blur:
            kernel = (scale / 2 * blur[0], scale / 2 * (blur[0] if rng.random() < 0.7 else blur[1]))
            frame = cv2.GaussianBlur(frame, (0, 0), kernel[0], sigmaY=kernel[1])
        if way == "cubic":
            from videnhance.kernels.resize import resize

            planes = np.ascontiguousarray(frame.transpose(2, 0, 1))
            return np.ascontiguousarray(resize(planes, *size[::-1]).transpose(1, 2, 0))
        if way == "gauss":
            frame = cv2.GaussianBlur(frame, (0, 0), sigma * scale / 2)
        how = cv2.INTER_LINEAR if way == "aliased" and scale > 2 else cv2.INTER_AREA
        if way == "aliased" and scale == 2:
            how = cv2.INTER_LANCZOS4
        return np.asarray(cv2.resize(frame, size, interpolation=how), np.float32)

    state = rng.bit_generator.state
    made = []
    for frame in truth:
        rng.bit_generator.state = state  # the same lens for all frames
        made.append(reduce(frame))
    return made


def _field(shape: tuple[int, ...], across: float, down: float, rng: Rng) -> NDArray[np.float32]:
    """Noise of standard deviation 1, correlated over so many pixels; 0 is white."""
    noise = rng.standard_normal(shape, np.float32)
    if max(across, down) > 0.2:
        noise = np.asarray(
            cv2.GaussianBlur(noise, (0, 0), max(across, 0.05), sigmaY=max(down, 0.05))
        )
        noise /= max(float(noise.std()), 1e-6)
    return noise.reshape(shape)


def _skewed(least: float, most: float, rng: Rng) -> float:
    """A strength: weak ones are more common than strong ones."""
    return float(least + (most - least) * rng.random() ** 1.5)


def _sensor(frames: list[Picture], strength: float, rng: Rng) -> list[Picture]:
    """Photon and read noise in linear light, smoothed as cameras do."""
    photons, read = strength * rng.uniform(0.001, 0.006), strength * rng.uniform(0.002, 0.012)
    smooth = rng.uniform(0, 0.7) if rng.random() < 0.6 else 0.0
    made = []
    for frame in frames:
        light = np.power(frame.clip(0, 1), 2.2)
        noise = np.stack([_field(frame.shape[:2], smooth, smooth, rng) for _ in range(3)], axis=2)
        light = light + noise * np.sqrt(photons * light + read**2)
        made.append(np.power(light.clip(0, None), 1 / 2.2))
    return made


def _clean(frames: list[Picture], rng: Rng) -> list[Picture]:
    return frames


def _web(frames: list[Picture], rng: Rng) -> list[Picture]:
    if rng.random() < 0.35:
        frames = _sensor(frames, rng.uniform(0.05, 0.6), rng)
    if rng.random() < 0.25:  # sharpened in the camera
        amount = rng.uniform(0.2, 0.8)
        frames = [
            frame + amount * (frame - cv2.GaussianBlur(frame, (0, 0), 1.0)) for frame in frames
        ]
    return frames


def _film(frames: list[Picture], rng: Rng) -> list[Picture]:
    """Grain, of a size, and strongest where the picture is neither black nor white."""
    size, strength = rng.uniform(0, 1.1), _skewed(1, 14, rng) / 255
    shaped, coloured = rng.uniform(0, 1), rng.random() < 0.2
    made = []
    for frame in frames:
        light = (frame @ _LUMA)[:, :, None]
        level = 1 - shaped + shaped * 4 * light * (1 - light)
        planes = 3 if coloured else 1
        grain = np.stack([_field(frame.shape[:2], size, size, rng) for _ in range(planes)], axis=2)
        made.append(frame + strength * level * grain)
    return made


def _tape(frames: list[Picture], rng: Rng) -> list[Picture]:
    """Streaks along lines, noise and shift of colour, ringing, now and then a lost line."""
    band = rng.uniform(0.2, 1.0)
    ringing = rng.uniform(0, 0.9) if rng.random() < 0.5 else 0.0
    streaks = _skewed(0.5, 6, rng) / 255, rng.uniform(3, 25)
    white = rng.uniform(0.5, 4.5) / 255
    colour = _skewed(2, 14, rng) / 255, rng.uniform(1.5, 8), rng.uniform(0.3, 1.5)
    shift, bleed = rng.uniform(-1.5, 3), rng.uniform(0.5, 4)
    dropouts = rng.random() < 0.15
    made = []
    for frame in frames:
        luma, *chroma = np.moveaxis(frame @ _YCC.T, 2, 0)
        luma = cv2.GaussianBlur(luma, (0, 0), band, sigmaY=0.05)
        luma = luma + ringing * (luma - cv2.GaussianBlur(luma, (0, 0), 1.3, sigmaY=0.05))
        luma = luma + streaks[0] * _field(luma.shape, streaks[1], 0, rng)
        luma = luma + white * _field(luma.shape, 0.4, 0, rng)
        move = np.array([[1, 0, shift], [0, 1, 0]], np.float32)
        planes = []
        for plane in chroma:
            plane = cv2.GaussianBlur(np.ascontiguousarray(plane), (0, 0), bleed, sigmaY=0.5)
            plane = cv2.warpAffine(plane, move, plane.shape[::-1], borderMode=cv2.BORDER_REPLICATE)
            planes.append(plane + colour[0] * _field(plane.shape, colour[1], colour[2], rng))
        if dropouts:
            row, start = rng.integers(0, luma.shape[0]), rng.integers(0, luma.shape[1] - 16)
            luma[row, start : start + int(rng.integers(8, 60))] = rng.uniform(0.5, 1)
        made.append(np.stack([luma, *planes], axis=2) @ _RGB.T)
    return made


def _dark(frames: list[Picture], rng: Rng) -> list[Picture]:
    return _sensor(frames, _skewed(0.05, 0.9, rng), rng)


def _night(frames: list[Picture], rng: Rng) -> list[Picture]:
    return _sensor(frames, _skewed(0.2, 2.5, rng), rng)


def _white(frames: list[Picture], rng: Rng) -> list[Picture]:
    """Gaussian noise, alike everywhere, as the tests of the literature have it."""
    sigma = _skewed(3, 55, rng) / 255
    return [frame + sigma * _field(frame.shape, 0, 0, rng) for frame in frames]


_WEAR: dict[str, Callable[[list[Picture], Rng], list[Picture]]] = {
    "clean": _clean,
    "web": _web,
    "film": _film,
    "tape": _tape,
    "dark": _dark,
    "night": _night,
    "white": _white,
}

_CODECS: dict[str, list[tuple[float, str, int, int]]] = {
    "clean": [(0.5, "", 0, 0), (0.5, "h264", 8, 18)],
    "web": [(0.75, "h264", 20, 36), (0.13, "mpeg4", 3, 13), (0.12, "mjpeg", 4, 16)],
    "film": [
        (0.35, "", 0, 0),
        (0.4, "h264", 12, 28),
        (0.15, "mpeg2video", 2, 8),
        (0.1, "mpeg4", 2, 7),
    ],
    "tape": [
        (0.1, "", 0, 0),
        (0.55, "mpeg2video", 2, 12),
        (0.25, "h264", 14, 28),
        (0.1, "mjpeg", 3, 8),
    ],
    "dark": [(0.2, "", 0, 0), (0.6, "h264", 16, 30), (0.2, "mjpeg", 3, 9)],
    "night": [(0.15, "", 0, 0), (0.75, "h264", 16, 30), (0.1, "mjpeg", 3, 9)],
    "white": [(1.0, "raw", 0, 0)],
}
"""By kind: how often which codec (none where empty), and its best and worst quality."""


def _compressed(frames: list[Coded], kind: str, rng: Rng) -> list[Coded]:
    choices = _CODECS[kind]
    _, codec, best, worst = choices[int(rng.choice(len(choices), p=[c[0] for c in choices]))]
    if codec == "raw":
        return frames
    if not codec:
        return planar(frames)
    return coded(frames, codec, int(rng.integers(best, worst + 1)), rng)
