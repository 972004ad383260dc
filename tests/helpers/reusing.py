"""A network that is known exactly, and `Reuse` run with it."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import cv2
import numpy as np

from videnhance.core import Frame, Image
from videnhance.kernels.motion import interleaved, planar
from videnhance.kernels.resize import resize
from videnhance.temporal.control import DISTANCES
from videnhance.temporal.parameters import PERCEPTUAL, PSNR_ORIENTED
from videnhance.temporal.reconstruct import FrameOutput, Networks
from videnhance.temporal.reuse import Reuse
from videnhance.temporal.scenes import Seen, scan, seen

Clip = Callable[..., list[Frame]]
View = Callable[..., Image]
Shot = Callable[[int], Image]

SCALE = 2
REACH = 5


def plainly(image: Image) -> Image:
    return resize(image, SCALE * image.shape[1], SCALE * image.shape[2])


def inventive(image: Image) -> Image:
    """A network that brings out faint detail: not linear, and of a known receptive field."""
    picture = interleaved(plainly(image))
    detail = picture - cv2.blur(picture, (5, 5), borderType=cv2.BORDER_REPLICATE)
    return planar(np.clip(picture + np.float32(0.06) * np.tanh(12 * detail), 0, 1))


class Counting:
    """A network that counts the input pixels it sees, and the whole frames."""

    def __init__(self, network: Callable[[Image], Image] = inventive) -> None:
        self._network = network
        self._lock = threading.Lock()
        self.pixels = 0
        self.areas: list[int] = []

    def __call__(self, image: Image) -> Image:
        with self._lock:
            self.pixels += image[0].size
            self.areas.append(image[0].size)
        return self._network(image)


def called(task: Callable[[], Any]) -> Any:
    return task()


def run(
    frames: Iterable[Frame],
    network: Callable[[Image], Image] = inventive,
    quality: float = 42.0,
    mapped: Callable[..., Iterator[Any]] = map,
    draft: Callable[[Image], Image] = plainly,
    longest: int = DISTANCES[-1],
    psnr_oriented: bool = False,
    workers: int = 1,
) -> Iterator[tuple[Seen, FrameOutput]]:
    parameters = PSNR_ORIENTED if psnr_oriented else PERCEPTUAL
    reuse = Reuse(Networks(network, draft, SCALE, REACH, parameters), quality, longest)
    done = mapped(called, reuse.tasks(seen(scan(iter(frames))), workers))
    return (made for made in done if made is not None)


def counted(frames: list[Frame], **options: Any) -> tuple[list[tuple[Seen, FrameOutput]], Counting]:
    network = Counting(options.pop("network", inventive))
    made = list(run(frames, network, **options))
    assert all(now.frame.data is frame.data for (now, _), frame in zip(made, frames, strict=True))
    assert sum(one.cost.pixels for _, one in made) == network.pixels
    return made, network


def errors(made: list[tuple[Seen, FrameOutput]], network: Callable[[Image], Image]) -> list[float]:
    """Mean square error of each frame against the network's own."""
    return [
        float(np.square(one.result.clip(0, 1) - interleaved(network(seen.frame.data))).mean())
        for seen, one in made
    ]


def noisy(image: Image, sigma: float, seed: int) -> Image:
    dice = np.random.default_rng(seed)
    return np.asarray(image + dice.normal(0, sigma, image.shape), np.float32).clip(0, 1)


def whole(network: Counting, size: int) -> int:
    """How often it saw a whole frame."""
    return sum(area == size for area in network.areas)


def fond(image: Image) -> Image:
    """A network that loves noise."""
    return planar(interleaved(np.clip(3 * inventive(image) - 2 * plainly(image), 0, 1)))


def grainy(frames: int) -> list[Image]:
    """Noise on a ground that holds the scene together."""
    ground = np.linspace(0.2, 0.8, 64, dtype=np.float32) * np.ones((3, 48, 1), np.float32)
    return [noisy(ground, 0.04, t) for t in range(frames)]
