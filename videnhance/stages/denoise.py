"""Remove noise in time, and with a network what is left of it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Annotated, ClassVar, Self

from videnhance.core import ClipInfo, Frame, Look, Option, Runtime, Stage, UsageError

if TYPE_CHECKING:
    from videnhance.core import Network
    from videnhance.temporal.recursive import Estimate

# Kernels, inference and temporal are imported where they are used: help pages import this module.

_OWN = "clean"
"""Card of the network that is told how much noise there is."""


@dataclass(frozen=True)
class Denoise(Stage):
    """A recursive filter along the motion, then a network that is told what noise is left.

    With x the frame and C the cleaned picture, the result is x + denoise·(C − x), for luma and for
    colour separately.
    """

    name: ClassVar[str] = "denoise"
    flag_prefix: ClassVar[str] = "denoise-"

    denoise: Annotated[
        str,
        Option(
            "how much of the noise to remove; auto looks at a few frames, and takes 1 where there "
            "is noise, unless --restore 0 or --strength 0 ask to leave it",
            0,
            1,
            choices=("auto", "off"),
        ),
    ] = "auto"
    colour: Annotated[
        float | None,
        Option("how much of the noise in colour to remove, as much as of all if not given", 0, 1),
    ] = None
    model: Annotated[
        str,
        Option(
            "the network that removes what the filter leaves: clean, or a weight file of a network "
            "that keeps the size (.pth, .safetensors)"
        ),
    ] = _OWN

    @property
    def scans(self) -> bool:
        """It keeps nothing across cuts."""
        return True

    @property
    def preroll(self) -> int:
        """Frames before a segment after which the filter knows what it knows in an uncut run."""
        from videnhance.temporal import recursive

        return recursive.PREROLL

    @property
    def amounts(self) -> tuple[float, float]:
        """How much of the noise is removed from luma and from colour, of a resolved stage."""
        amount = 0.0 if self.denoise == "off" else float(self.denoise)
        return amount, amount if self.colour is None else self.colour

    def resolve(self, clip: ClipInfo, device_kind: str, look: Look) -> Self:
        """The same stage with its strength decided. Raises UsageError."""
        from videnhance.inference import cards
        from videnhance.inference.loading import is_path

        if not is_path(self.model) and cards.resolve(self.model).kind != "clean":
            raise UsageError(
                f"--denoise-model {self.model} enlarges; use {_OWN}, or a weight file."
            )
        resolved = self
        if self.denoise == "auto" and (look.keeps_noise or device_kind == "vulkan"):
            resolved = replace(self, denoise="off")
        elif self.denoise == "auto":
            from videnhance.stages.choosing import noise_of

            level = noise_of(look)
            resolved = replace(self, denoise="1" if level else "off")
            if level:
                look.found("denoise", f"1 (noise of {255 * level:.1f} code values)")
        if resolved.denoise == "off":
            chosen = ", which auto has chosen" if self.denoise == "auto" else ""
            ignored = "--denoise-colour" if self.colour is not None else ""
            if self.model != _OWN:
                ignored = "--denoise-model"
            if ignored:
                raise UsageError(
                    f"{ignored} does nothing with --denoise off{chosen}; leave it out, of a preset "
                    "too, or use --denoise 1."
                )
        elif device_kind == "vulkan":
            raise UsageError("--denoise cannot run on Vulkan; use --device cpu or cuda.")
        look.noise_left *= 1 - resolved.amounts[0]
        return resolved

    def on(self, clip: ClipInfo) -> bool:
        """Whether anything is removed."""
        return any(self.amounts)

    def models(self, clip: ClipInfo) -> tuple[str, ...]:
        """The network's card or path."""
        return (self.model,)

    def run(self, frames: Iterator[Frame], clip: ClipInfo, rt: Runtime) -> Iterator[Frame]:
        """Clean frames, one after the other in the filter, several at once in the network."""
        from videnhance.inference.loading import is_path
        from videnhance.temporal.recursive import filtered

        network = rt.network(self.model)
        if network.scale != 1:
            raise UsageError(
                f"--denoise-model {self.model} enlarges {network.scale} times; use a "
                "network that keeps the size."
            )
        told = not is_path(self.model)
        clean = partial(_cleaned, network=network, told=told, amounts=self.amounts)
        return rt.map(clean, filtered(frames), network.workers)


def _cleaned(
    estimate: Estimate, network: Network, told: bool, amounts: tuple[float, float]
) -> Frame:
    """A frame without noise; `told` says whether the network takes the noise's level."""
    import numpy as np

    from videnhance.kernels.colour import is_grey, without_colour
    from videnhance.kernels.motion import luma

    data = estimate.frame.data
    now = data.clip(0, 1)
    filtered = estimate.picture.clip(0, 1)
    noise = estimate.noise.clip(0, 1)
    picture = network(filtered, now, noise[:1], noise[1:]) if told else network(filtered)
    if is_grey(now):
        picture = without_colour(picture)
    change = picture - now
    of_luma, of_colour = (np.float32(amount) for amount in amounts)
    frame = replace(estimate.frame, noise=float((1 - amounts[0]) * estimate.frame.noise))
    if of_luma == of_colour:
        return replace(frame, data=data + of_luma * change)
    shared = luma(change)
    return replace(frame, data=data + of_luma * shared + of_colour * (change - shared))
