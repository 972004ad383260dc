"""Finish a picture: light, sharpness and grain."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Annotated, ClassVar, Self

from videnhance.core import ClipInfo, Frame, Look, Option, Runtime, Stage, UsageError

# Kernels are imported where they are used: help pages import this module.

_AUTO = 1 / 3
"""Fraction of the recording's grain that auto puts back."""
_HDR = {16: "PQ", 18: "HLG"}
"""Transfer characteristics (H.273) whose values are no share of the display's light."""


@dataclass(frozen=True)
class Finish(Stage):
    """Light is lifted first, then edges are sharpened, and grain comes last."""

    name: ClassVar[str] = "finish"
    flag_prefix: ClassVar[str] = ""

    grain: Annotated[
        str,
        Option(
            "how much grain to put on the picture, as a fraction of what the recording has; auto "
            "takes a third, and none for clean recordings",
            0,
            1,
            choices=("auto", "off"),
        ),
    ] = "off"
    grain_strength: Annotated[
        float | None,
        Option(
            "strength of that grain at --grain 1, in 8-bit code values at middle grey; measured "
            "if not given",
            0,
            40,
        ),
    ] = None
    grain_size: Annotated[
        float | None,
        Option("size of that grain in output pixels (a blur's sigma); measured if not given", 0, 8),
    ] = None
    grain_colour: Annotated[
        float | None,
        Option("how much of that grain differs between the colours; measured if not given", 0, 1),
    ] = None
    sharpen: Annotated[float, Option("how much to sharpen, without halos", 0, 1)] = 0.0
    lift: Annotated[
        float, Option("how much to lighten the shadows: 1 makes them eight times as light", 0, 1)
    ] = 0.0

    def resolve(self, clip: ClipInfo, device_kind: str, look: Look) -> Self:
        """The same stage with the grain measured. Raises UsageError."""
        if self.lift and clip.colour.transfer in _HDR:
            raise UsageError(
                f"--lift is for SDR, and this recording is {_HDR[clip.colour.transfer]}; leave it "
                "out, of a preset too."
            )
        grain = self._amount(look)
        given = [
            f"--{name.replace('_', '-')}"
            for name in ("grain_strength", "grain_size", "grain_colour")
            if getattr(self, name) is not None
        ]
        if grain == "off":
            if given:
                chosen = ", which auto has chosen" if self.grain == "auto" else ""
                raise UsageError(
                    f"{given[0]} does nothing with --grain off{chosen}; leave it out, of a preset "
                    "too, or use --grain 1."
                )
            return replace(self, grain=grain)
        return replace(self, grain=grain)._measured(clip, look)

    def _amount(self, look: Look) -> str:
        if self.grain != "auto":
            return "off" if self.grain == "0" else self.grain
        if self.grain_strength is not None:
            return f"{_AUTO:g}"
        from videnhance.stages.choosing import noise_of

        level = noise_of(look)
        if not level:
            return "off"
        look.found("grain", f"{_AUTO:.2f} (noise of {255 * level:.1f} code values)")
        return f"{_AUTO:g}"

    def _measured(self, clip: ClipInfo, look: Look) -> Self:
        """With the kind of grain that the recording has, where it was not given."""
        wanted = (self.grain_strength, self.grain_size, self.grain_colour)
        if None not in wanted:
            return self
        from videnhance.kernels.finishing import measured_grain

        found = measured_grain(look.frames)
        scale = clip.height / look.frames[0].shape[1] if look.frames else 1.0
        measured = (round(255 * found.strength, 2), round(scale * found.size, 2), found.colour)
        strength, size, colour = (
            own if own is not None else value for own, value in zip(wanted, measured, strict=True)
        )
        return replace(
            self,
            grain_strength=min(strength, 40.0),
            grain_size=min(size, 8.0),
            grain_colour=round(colour, 2),
        )

    def on(self, clip: ClipInfo) -> bool:
        """Whether it changes anything."""
        return bool(self.grain != "off" or self.sharpen or self.lift)

    def run(self, frames: Iterator[Frame], clip: ClipInfo, rt: Runtime) -> Iterator[Frame]:
        """Finish each frame alone; its time seeds its grain."""
        return map(self._finished, frames)

    def _finished(self, frame: Frame) -> Frame:
        from videnhance.kernels.finishing import Grain, lifted, sharpened, with_grain

        image = frame.data
        if self.lift:
            image = lifted(image, self.lift)
        if self.sharpen:
            image = sharpened(image, self.sharpen)
        if self.grain != "off":
            strength = float(self.grain) * (self.grain_strength or 0) / 255
            grain = Grain(strength, self.grain_size or 0.0, self.grain_colour or 0.0)
            image = with_grain(image, grain, abs(frame.pts))
        return replace(frame, data=image)
