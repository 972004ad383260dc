"""Enlarge a stream of frames: each alone, filtered in time, or with detail of its neighbours."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from typing import TypeAlias, TypeVar

from videnhance.core import Frame, Image, Runtime
from videnhance.inference.cascade import Cascade
from videnhance.kernels.motion import planar
from videnhance.kernels.resize import resize
from videnhance.temporal.control import longest_distance
from videnhance.temporal.parameters import PERCEPTUAL, PSNR_ORIENTED
from videnhance.temporal.reconstruct import Networks
from videnhance.temporal.reuse import Reuse
from videnhance.temporal.scenes import Seen, seen
from videnhance.temporal.steady import STRENGTHS, filtered

T = TypeVar("T")


Finish: TypeAlias = Callable[[Frame, Image, Image], Frame]
"""Makes the output frame, from a frame, its image within 0..1, and that image enlarged."""


def each_alone(
    frames: Iterator[Frame],
    cascade: Cascade,
    output_size: tuple[int, int],
    finish: Finish,
    rt: Runtime,
) -> Iterator[Frame]:
    """Enlarge every frame by the network; `output_size` is height and width."""

    def enlarged(frame: Frame) -> Frame:
        image = frame.data.clip(0, 1)
        return finish(frame, image, cascade(image, *output_size))

    return rt.map(enlarged, frames, cascade.workers)


def steadily(
    frames: Iterator[Frame],
    cascade: Cascade,
    scale: int,
    strength: str,
    finish: Finish,
    rt: Runtime,
) -> Iterator[Frame]:
    """Enlarge every frame by the network, to `scale` times the size, and filter in time.

    `strength` is a key of `steady.STRENGTHS`.
    """

    def enlarged(now: Seen) -> tuple[Seen, Image, Image]:
        height, width = scale * now.frame.height, scale * now.frame.width
        return now, cascade(now.image, height, width), resize(now.image, height, width)

    items = rt.map(enlarged, seen(frames), cascade.workers)
    for now, picture in filtered(items, STRENGTHS[strength]):
        # In place, since new memory takes ten times as long.
        yield finish(now.frame, now.image, picture.clip(0, 1, out=picture))


def with_reuse(
    frames: Iterator[Frame],
    input_size: tuple[int, int],
    cascade: Cascade,
    drafts: Cascade | None,
    scale: int,
    quality: float,
    finish: Finish,
    rt: Runtime,
) -> Iterator[Frame]:
    """Enlarge a few frames by the network, to `scale` times the size; reconstruct the others.

    `input_size` is height and width. `quality` is the PSNR in dB that the reconstructed frames
    should have against the network's own output.
    """
    longest = longest_distance(*input_size, scale)

    def full(image: Image) -> Image:
        return cascade(image, scale * image.shape[1], scale * image.shape[2])

    def draft(image: Image) -> Image:
        height, width = scale * image.shape[1], scale * image.shape[2]
        made = drafts(image, height, width) if drafts else resize(image, height, width)
        return made.clip(0, 1)

    parameters = PSNR_ORIENTED if cascade.psnr_oriented else PERCEPTUAL
    networks = Networks(full, draft, scale, cascade.receptive_field, parameters)
    tasks = Reuse(networks, quality, longest).tasks(seen(frames), cascade.workers)
    # Reference frames take long. Meanwhile, frames between earlier ones are reconstructed.
    for done in rt.map(_called, tasks, cascade.workers, longest):
        if done is None:
            continue
        now, made = done
        pts = now.frame.pts
        rt.count("pixels", pts, made.cost.size)
        rt.count("network_pixels", pts, made.cost.pixels)
        if made.cost.audit is not None:
            rt.record("audit", pts, -10 * math.log10(max(made.cost.audit, 1e-10)))
        picture = planar(made.result)
        yield finish(now.frame, now.image, picture.clip(0, 1, out=picture))


def _called(task: Callable[[], T]) -> T:
    return task()
