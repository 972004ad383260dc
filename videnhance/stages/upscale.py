"""Enlarge frames with a super-resolution network."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import partial
from typing import Annotated, ClassVar, Self

from videnhance.core import ClipInfo, Frame, Image, Knob, Model, Runtime, UsageError

# Kernels and inference are imported where they are used: help pages import this module.

_CPU_MODEL = "realesr-animevideov3"  # some 25 times cheaper than x4plus, and good on real footage
_GPU_MODEL = "realesrgan-x4plus"
_USUAL_SCALE = 2.0
_LARGEST_SCALE = 8
_GREY = 1 / 1024


@dataclass(frozen=True)
class Upscale:
    """Plain enlargement plus the detail that a network adds to it.

    With x the frame clipped to 0..1, U its bicubic enlargement and E the network's output brought
    to the same size, the result is U(x) + strength·(E(x) − U(x)), and what the clipping took away
    is enlarged plainly and put back, so that over-white and out-of-gamut values survive. Frames
    without colour stay without colour.
    """

    name: ClassVar[str] = "upscale"
    flag_prefix: ClassVar[str] = ""
    lookahead: ClassVar[int] = 0
    warmup: ClassVar[int] = 0
    runout: ClassVar[int] = 0

    model: Annotated[
        str,
        Knob(
            "a model's name (see `videnhance models`) or a weight file "
            "(.pth, .safetensors, .param); auto takes realesr-animevideov3 on a CPU and "
            "realesrgan-x4plus on a GPU"
        ),
    ] = "auto"
    scale: Annotated[
        float | None, Knob("how many times larger, 2 where neither this nor height is given", 1, 8)
    ] = None
    height: Annotated[int | None, Knob("height of the output in pixels, instead of a scale", 2)] = (
        None
    )
    strength: Annotated[
        float, Knob("share of the network's detail over a plain enlargement", 0, 1)
    ] = 1.0

    def settle(self, clip: ClipInfo, device_kind: str) -> Self:
        """The same stage with model and size decided. Raises UsageError."""
        from videnhance.inference import cards
        from videnhance.inference.loading import is_path

        if self.scale is not None and self.height is not None:
            raise UsageError("Give either --scale or --height, not both.")
        if self.height is not None:
            factor = self.height / clip.height
            if not 1 <= factor <= _LARGEST_SCALE:
                raise UsageError(
                    f"--height {self.height} is {factor:.2f} times the source's {clip.height}; "
                    f"it must lie between 1 and {_LARGEST_SCALE} times."
                )
        model = self.model
        if model == "auto":
            model = _CPU_MODEL if device_kind == "cpu" else _GPU_MODEL
        if not is_path(model):
            cards.resolve(model)
        scale = self.scale
        if scale is None and self.height is None:
            scale = _USUAL_SCALE
        return replace(self, model=model, scale=scale)

    def output(self, clip: ClipInfo) -> ClipInfo:
        """The enlarged size; sides are rounded to even numbers where the scale is broken."""
        if self.height is not None:
            width = 2 * round(clip.width * self.height / clip.height / 2)
            return replace(clip, width=max(width, 2), height=self.height)
        scale = self.scale or _USUAL_SCALE
        if scale == int(scale):
            return replace(clip, width=clip.width * int(scale), height=clip.height * int(scale))
        width, height = (max(2, 2 * round(side * scale / 2)) for side in (clip.width, clip.height))
        return replace(clip, width=width, height=height)

    def models(self, clip: ClipInfo) -> tuple[str, ...]:
        """Ids of the networks for one frame, in the order of their use; none at strength 0."""
        from videnhance.inference.loading import is_path

        if self.strength == 0:
            return ()
        if is_path(self.model):
            return (self.model,)
        return _passes(self.model, self.output(clip).height / clip.height)

    def students(self, clip: ClipInfo) -> tuple[str, ...]:
        """None: the models themselves see every frame."""
        return ()

    def run(self, frames: Iterator[Frame], clip: ClipInfo, rt: Runtime) -> Iterator[Frame]:
        """Enlarge every frame on its own."""
        from videnhance.inference.loading import is_path

        out = self.output(clip)
        networks = [rt.model(model) for model in self.models(clip)]
        if networks and is_path(self.model):
            networks *= _repeats(networks[0].scale, out.height / clip.height)
        workers = min((network.workers for network in networks), default=1)
        enlarge = partial(self._enlarge, networks=networks, height=out.height, width=out.width)
        return rt.map(enlarge, frames, workers)

    def _enlarge(self, frame: Frame, networks: list[Model], height: int, width: int) -> Frame:
        from videnhance.kernels.resize import enlarge_linear, resize

        if not networks:
            return replace(frame, data=resize(frame.data, height, width))
        clipped = frame.data.clip(0, 1)
        result = _detailed(clipped, networks, height, width)
        if _is_grey(clipped):
            # Networks tint black-and-white film by a code value or three.
            result = _without_colour(result)
        if self.strength < 1:
            plain = resize(clipped, height, width)
            result = plain + self.strength * (result - plain)
        beyond = frame.data - clipped
        if beyond.any():
            result = result + enlarge_linear(beyond, height, width)
        return replace(frame, data=result)


def _is_grey(image: Image) -> bool:
    """Whether an image has no colour, to a quarter of an 8-bit code value."""
    red, green, blue = image
    return bool(abs(red - green).max() < _GREY and abs(blue - green).max() < _GREY)


def _without_colour(image: Image) -> Image:
    """The mean of the channels in all three."""
    grey = image[0] + image[1]
    grey += image[2]
    grey *= 1 / 3
    image[:] = grey
    return image


def _detailed(image: Image, networks: list[Model], height: int, width: int) -> Image:
    """Through all networks; brought to size before the last, so that its output fits exactly."""
    from videnhance.kernels.resize import resize

    *earlier, last = networks
    for network in earlier:
        image = network([image])[0]
    if earlier:
        image = resize(image, round(height / last.scale), round(width / last.scale))
        image = image.clip(0, 1)
    return resize(last([image])[0], height, width)


def _passes(model: str, scale: float) -> tuple[str, ...]:
    """Cards whose factors together reach a scale, e.g. 2 and then 4 for 8."""
    from videnhance.inference import cards

    last = cards.resolve(model, scale)
    if last.scale >= scale or last.scale == 1:
        return (last.id,)
    return (*_passes(model, scale / last.scale), last.id)


def _repeats(factor: int, scale: float) -> int:
    """How often a network of one factor must run to reach a scale."""
    if factor <= 1 or scale <= factor:
        return 1
    return math.ceil(math.log(scale) / math.log(factor) - 1e-9)
