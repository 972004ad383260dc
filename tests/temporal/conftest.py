"""Pictures that are known at every point, so that motion can be made to measure."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TypeAlias

import numpy as np
import pytest

from videnhance.core import Frame, FrameKind, Image

View: TypeAlias = Callable[..., Image]
Clip: TypeAlias = Callable[..., list[Frame]]


@pytest.fixture(scope="session")
def view() -> View:
    """What a camera at (x, y) sees of a world of waves; every seed is another world."""

    def look(
        x: float = 0.0,
        y: float = 0.0,
        *,
        seed: int = 0,
        size: tuple[int, int] = (72, 96),
        contrast: float = 0.075,
    ) -> Image:
        dice = np.random.default_rng(seed)
        image = np.empty((3, *size))
        image[:] = dice.uniform(0.35, 0.65, (3, 1, 1))
        for _ in range(16):
            length, angle, phase = dice.uniform(5, 40), dice.uniform(0, np.pi), dice.uniform(0, 6.3)
            step = 2 * np.pi / length
            along = np.exp(1j * step * np.cos(angle) * (np.arange(size[1]) + x))
            across = np.exp(1j * (step * np.sin(angle) * (np.arange(size[0]) + y) + phase))
            wave = (across[:, None] * along).imag
            image += contrast * dice.uniform(0.4, 1, (3, 1, 1)) * wave
        return np.clip(image, 0, 1).astype(np.float32)

    return look


@pytest.fixture(scope="session")
def clip() -> Clip:
    """Frames of these images, at times of their own; those of `starts` begin scenes."""

    def framed(images: Iterable[Image], starts: Iterable[int] = ()) -> list[Frame]:
        begins = set(starts)
        return [
            Frame(
                image,
                1000 + 40 * number,
                40,
                kind=FrameKind.CUT if number in begins else FrameKind.PLAIN,
            )
            for number, image in enumerate(images)
        ]

    return framed
