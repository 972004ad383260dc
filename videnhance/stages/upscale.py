"""Enlarge frames with a super-resolution network, alone or with what their neighbours know."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Annotated, ClassVar, Self

from videnhance.core import ClipInfo, Frame, Image, Look, Option, Runtime, Stage, UsageError
from videnhance.stages.choosing import DRAWN, LIVE, network_for, restless

if TYPE_CHECKING:
    from videnhance.inference.cascade import Cascade

# Kernels, inference and temporal are imported where they are used: help pages import this module.

_USUAL_SCALE = 2.0
_USUAL_RESTORATION = 1.0
"""The network removes what it takes for damage, and leaves clean recordings alone; see ADR 6."""
_LARGEST_SCALE = 8


@dataclass(frozen=True)
class Upscale(Stage):
    """Plain enlargement plus the detail that a network adds to it.

    With x the frame clipped to 0..1, U its bicubic enlargement and E the network's output brought
    to the same size, the result is U(x) + strength·(E(x) − U(x)), and what the clipping took away
    is enlarged plainly and put back, so that over-white and out-of-gamut values survive. Frames
    without colour stay without colour.
    """

    name: ClassVar[str] = "upscale"
    flag_prefix: ClassVar[str] = ""

    model: Annotated[
        str,
        Option(
            "a model's name (see `videnhance models`) or a weight file "
            "(.pth, .safetensors, .param); auto looks at a few frames and takes live for live "
            "action and realesr-animevideov3 for drawn pictures, which on Vulkan is taken for all"
        ),
    ] = "auto"
    scale: Annotated[
        float | None,
        Option(
            "how many times larger, 2 where neither this nor height is given",
            1,
            8,
            instead_of="height",
        ),
    ] = None
    height: Annotated[
        int | None,
        Option("height of the output in pixels, instead of a scale", 2, instead_of="scale"),
    ] = None
    strength: Annotated[
        float, Option("share of the network's detail over a plain enlargement", 0, 1)
    ] = 1.0
    restore: Annotated[
        float | None,
        Option(
            "share of noise and damage to remove, 1 where not given; for models that have a dial "
            "for it (live)",
            0,
            1,
        ),
    ] = None
    temporal: Annotated[
        str,
        Option(
            "how frames use their neighbours: off not at all, steady filters what flickers, "
            "reuse carries detail from frame to frame and enlarges few; auto takes reuse on a CPU, "
            "and steady on a GPU and for live action whose noise is left in",
            choices=("auto", "off", "steady", "reuse"),
        ),
    ] = "auto"
    steady_strength: Annotated[
        str,
        Option(
            "how much --temporal steady filters",
            choices=("gentle", "normal", "strong"),
            only=("temporal", "steady"),
        ),
    ] = "normal"
    reuse_quality: Annotated[
        float,
        Option(
            "PSNR in dB that --temporal reuse aims at, against the network's own output of every "
            "frame, on average",
            30,
            60,
            only=("temporal", "reuse"),
        ),
    ] = 42.0

    @property
    def scans(self) -> bool:
        """Whether it uses what is known of cuts, flashes, repeats and noise."""
        return self.temporal in ("steady", "reuse")

    @property
    def keeps_noise(self) -> bool:
        """Whether the picture is to be enlarged as it is, noise and all."""
        return self.restore == 0 or self.strength == 0

    @property
    def lookahead(self) -> int:
        """Frames it must see after a frame before that can leave."""
        from videnhance.temporal import control

        return control.LOOKAHEAD if self.temporal == "reuse" else 0

    @property
    def preroll(self) -> int:
        """Frames before a segment after which the filter has its state; `reuse` begins with a
        reference frame."""
        from videnhance.temporal import steady

        share = steady.STRENGTHS[self.steady_strength]
        return steady.preroll(share) if self.temporal == "steady" else 0

    @property
    def postroll(self) -> int:
        """Frames behind a segment that its last ones need: with `reuse` the next segment's first,
        which is a reference frame."""
        return 1 if self.temporal == "reuse" else 0

    def resolve(self, clip: ClipInfo, device_kind: str, look: Look) -> Self:
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
        model = self._network(device_kind, look) if self.model == "auto" else self.model
        if not is_path(model):
            cards.resolve(model)
        scale = self.scale
        if scale is None and self.height is None:
            scale = _USUAL_SCALE
        resolved = replace(self, model=model, scale=scale)
        resolved = replace(resolved, restore=resolved._restoration(clip, look))
        idle = resolved._idle(clip)
        temporal = self.temporal
        if temporal == "auto" and idle:
            temporal = "off"
        elif temporal == "auto":
            temporal = resolved._mode(device_kind, look)
        if idle and temporal != "off":
            raise self._without_network(f"--temporal {temporal}", idle)
        return replace(resolved, temporal=temporal)

    def _mode(self, device_kind: str, look: Look) -> str:
        """What auto takes. On a CPU `steady` for a network that restores a noisy recording."""
        if device_kind != "cpu":
            return "steady"
        return "steady" if self.restore is not None and restless(look) else "reuse"

    def _network(self, device_kind: str, look: Look) -> str:
        """The default network."""
        if self.strength == 0:
            return DRAWN  # none runs
        if self.restore is not None and device_kind != "vulkan":
            look.found("model", f"{LIVE} (--restore works with it)")
            return LIVE
        return network_for(device_kind, look)

    def _restoration(self, clip: ClipInfo, look: Look) -> float | None:
        """How much to restore; None where the network has no dial. Raises UsageError."""
        from videnhance.inference import cards
        from videnhance.inference.loading import is_path

        if self.restore is not None and self.strength == 0:
            raise self._without_network("--restore", "--strength 0")
        first = self.model if is_path(self.model) else self._cascade(clip)[0]
        if is_path(first) or not cards.resolve(first).restores:
            if self.restore is None:
                return None
            able = sorted({card.family for card in cards.all_cards().values() if card.restores})
            raise UsageError(
                f"--restore does nothing with {self.model}, which has no dial for it; leave it "
                f"out, of a preset too, or use --model {' or '.join(able)} on a CPU or CUDA."
            )
        if self.strength == 0:
            return None
        if self.restore is not None:
            return self.restore
        out = self.output(clip)
        if (out.width, out.height) == (clip.width, clip.height) and look.noise_left == 0:
            # Measured on dark clips: 0.1 dB less with the network, in 1.4 times the time.
            look.found("restore", "0 (the noise has been removed already)")
            return 0.0
        return _USUAL_RESTORATION

    def _cascade(self, clip: ClipInfo) -> tuple[str, ...]:
        """Cards of the networks that reach the output's size together."""
        return _passes(self.model, self.output(clip).height / clip.height)

    def _idle(self, clip: ClipInfo) -> str:
        """The options with which no network runs; empty where one does."""
        if self.strength == 0:
            return "--strength 0"
        out = self.output(clip)
        if self.restore == 0 and (out.width, out.height) == (clip.width, clip.height):
            return "--restore 0 at the source's size"
        return ""

    @staticmethod
    def _without_network(flag: str, idle: str) -> UsageError:
        return UsageError(
            f"{flag} does nothing with {idle}, where no network runs; "
            "leave one of them out, of a preset too."
        )

    def on(self, clip: ClipInfo) -> bool:
        """Whether it enlarges or restores anything."""
        out = self.output(clip)
        return (out.width, out.height) != (clip.width, clip.height) or not self._idle(clip)

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
        """Cards of the networks for one frame, in the order of their use, then of their drafts.

        None at strength 0, or where nothing is enlarged and nothing restored.
        """
        from videnhance.inference.loading import is_path

        if self._idle(clip):
            return ()
        return ((self.model,) if is_path(self.model) else self._cascade(clip)) + self._drafts(clip)

    def _drafts(self, clip: ClipInfo) -> tuple[str, ...]:
        """Cards of the draft networks that `reuse` runs; none where not every network has one."""
        from videnhance.inference import cards
        from videnhance.inference.loading import is_path

        if self.temporal != "reuse" or is_path(self.model):
            return ()
        drafts = tuple(cards.resolve(name).draft for name in self._cascade(clip))
        return drafts if all(drafts) else ()

    def run(self, frames: Iterator[Frame], clip: ClipInfo, rt: Runtime) -> Iterator[Frame]:
        """Enlarge frames in the way that `temporal` says."""
        out = self.output(clip)
        size = out.height, out.width
        if self._idle(clip):
            return (_plain(frame, size) for frame in frames)
        return self._enlarged(frames, clip, size, rt)

    def _enlarged(
        self, frames: Iterator[Frame], clip: ClipInfo, size: tuple[int, int], rt: Runtime
    ) -> Iterator[Frame]:
        from videnhance.inference.cascade import Cascade
        from videnhance.temporal import enlarge

        cascade = self._loaded(clip, rt)
        finish = partial(_detailed, size=size, strength=self.strength)
        if self.temporal == "off":
            return enlarge.each_alone(frames, cascade, size, finish, rt)
        factor = max(size[0] / clip.height, size[1] / clip.width)
        # Regions of frames must begin on whole pixels: a broken scale is reached by resizing.
        scale = int(factor) if factor.is_integer() else min(cascade.scale, math.ceil(factor))
        if self.temporal == "steady":
            return enlarge.steadily(frames, cascade, scale, self.steady_strength, finish, rt)
        names = self._drafts(clip)
        drafts = Cascade([rt.network(name) for name in names]) if names else None
        shape = clip.height, clip.width
        return enlarge.with_reuse(
            frames, shape, cascade, drafts, scale, self.reuse_quality, finish, rt
        )

    def _loaded(self, clip: ClipInfo, rt: Runtime) -> Cascade:
        """The networks of a frame: a file's network may be needed more than once."""
        from videnhance.inference.cascade import Cascade
        from videnhance.inference.loading import is_path

        if not is_path(self.model):
            return Cascade([rt.network(name) for name in self._cascade(clip)], self.restore)
        network = rt.network(self.model)
        repeats = _repeats(network.scale, self.output(clip).height / clip.height)
        return Cascade([network] * repeats, self.restore)


def _plain(frame: Frame, size: tuple[int, int]) -> Frame:
    from videnhance.kernels.resize import resize

    return replace(frame, data=resize(frame.data, *size))


def _detailed(
    frame: Frame, clipped: Image, picture: Image, size: tuple[int, int], strength: float
) -> Frame:
    """A frame with the network's picture of what is `clipped`, as far as `strength` wants it."""
    from videnhance.kernels.colour import is_grey, without_colour
    from videnhance.kernels.resize import enlarge_linear, resize

    result = resize(picture, *size)
    if is_grey(clipped):
        # Networks tint black-and-white film by a code value or three.
        result = without_colour(result)
    if strength < 1:
        plain = resize(clipped, *size)
        result = plain + strength * (result - plain)
    beyond = frame.data - clipped
    if beyond.any():
        result = result + enlarge_linear(beyond, *size)
    return replace(frame, data=result)


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
