"""Carry what a network adds to a frame over to frames near it, and tell how well that went."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import cv2
import numpy as np

from videnhance.kernels.motion import (
    Floats,
    Mask,
    beyond_noise,
    box,
    interleaved,
    light_of,
    shrunk,
)
from videnhance.kernels.warping import fields_of, mix, warp_pair
from videnhance.temporal.flow import LumaPicture, Motion, find_motion
from videnhance.temporal.lazy import Lazy
from videnhance.temporal.region import Region
from videnhance.temporal.scenes import Seen
from videnhance.temporal.tiles import tile_maxima, tile_means

_STILL = 2.0
"""How many times the error allowed that of a block may be where it counts as still."""
_STILL_SPOT = 8.0
"""The same of any few pixels in it."""
_SPOT = 5
"""Pixels across such a spot: small things that move are not lost in a block's mean."""
_LOOKED_AT = 16
"""Side in pixels of the blocks in which a scene's first frames are compared."""
_LIGHT = np.float32(0.25)
"""How much of the mean square of a change that is slow over the picture counts: most of that is
light, which plain enlargement follows. Where a thing moves, its edges count fully."""
_DOUBTED = 2.0
"""Factor on the noise where nothing moves: fine changes below 5 sigma are left out, and all of them
shown from 10 sigma on. The network would not show most of them, and they flicker."""
_REMAINS_PLAIN, _REMAINS_DRAFTED = 0.55, 0.08
"""Share of the change's mean square that remains as error where it is enlarged so.

The first is low, for what does not count as still costs much more. Audits correct the errors that
are predicted by it, not what counts as still."""
_KNOWN = np.float32(4)
"""How many times the references' variance a frame's may be before its contrast counts as new."""
_NEW = 15.0
"""How many times the usual energy the detail of such contrast is expected to have. Both are chosen
so that a skipping rope stays whole, and five other clips take as little more work as may be."""
_ENERGY_SIDE = 9
"""Pixels over which the energy of detail is averaged."""
_EVEN = 1e-5
"""Variance of the luma, 0.8 code values squared, below which a whole frame counts as even."""
_MOVES = 2.0
"""Pixels of displacement to both references, summed, from which on something moves."""


@dataclass(frozen=True)
class Detail:
    """What the network's result has over the draft, (sH, sW, 3)."""

    picture: Floats
    energy: Floats
    """Its mean square around each pixel of the input, (H, W)."""
    gain: float
    """Mean energy over the mean variance of the luma."""

    @classmethod
    def of(cls, picture: Floats, luma: LumaPicture) -> Detail:
        """That of a frame with this luma."""
        energy = box(shrunk(mean_square(picture), *luma.luma.shape), _ENERGY_SIDE)
        return cls(picture, energy, float(energy.mean() / max(luma.variance.mean(), _EVEN)))


@dataclass(frozen=True)
class Reference:
    """A frame that the network saw whole."""

    luma: LumaPicture
    image: Floats
    """(H, W, 3), 0..1."""
    result: Floats
    """(sH, sW, 3)."""
    detail: Lazy[Detail]
    """Needed where something moves between this reference and another, or is drafted."""
    added: Lazy[float]
    """Mean square of what a PSNR-oriented network adds to plain enlargement; infinite of others."""


@dataclass(frozen=True)
class Propagated:
    """What a part of a frame gets from the references on both sides."""

    detail: Floats
    """To be added to the draft, (s·h, s·w, 3)."""
    error: Floats
    """Mean square error, (h, w), as far as it can be told without the network."""
    moving: float
    """Input pixels that move."""


class Between:
    """A frame at `place` of the way from one reference to another.

    `drafted` is the draft of all of it, (sH, sW, 3), where there is one.
    """

    def __init__(
        self,
        seen: Seen,
        references: tuple[Reference, Reference],
        place: float,
        drafted: Floats | None,
    ) -> None:
        self._references, self._place, self._drafted = references, place, drafted
        self._luma, self._sigma = LumaPicture(seen.luma), seen.sigma
        before, after = references
        self._scale = before.result.shape[0] // seen.luma.shape[0]
        image = interleaved(seen.image)
        self._change = image - _mixed(before.image, after.image, place)
        self._light = light_of(self._change)
        self._square = _square(self._change, self._light)
        self._remains = _REMAINS_PLAIN if drafted is None else _REMAINS_DRAFTED

    @cached_property
    def _like(self) -> list[LumaPicture]:
        return [reference.luma.like(self._luma) for reference in self._references]

    def moving(self, allowed: float, side: int) -> Mask:
        """Blocks of `side` input pixels in which more has changed than `still` makes good."""
        limit = allowed / self._remains
        spots = box(self._square, _SPOT)
        return np.asarray(
            (tile_means(self._square, side) > _STILL * limit)
            | (tile_maxima(spots, side) > _STILL_SPOT * limit),
            np.bool_,
        )

    def error(self) -> Floats:
        """Mean square error (H, W) of what `still` makes."""
        return np.float32(self._remains) * self._square

    def still(self) -> Floats:
        """The whole frame, (sH, sW, 3), as if nothing moved.

        What little has changed is enlarged plainly, as far as noise does not explain it, or as well
        as the draft does it.
        """
        before, after = self._references
        if self._drafted is None:
            result = np.empty_like(before.result)
            fine = self._change - self._light
            change = self._light + beyond_noise(fine, _DOUBTED * self._sigma)
            mix(before.result, after.result, self._place, fields_of(change), result)
        else:
            result = _mixed(before.detail().picture, after.detail().picture, self._place)
            result += self._drafted
        return result

    def propagated(self, part: Region) -> Propagated:
        """What the network added to the references there, brought along the motion."""
        here = self._luma.part(part)
        first, second = (
            find_motion(here, like.part(part), self._sigma, strictly=True) for like in self._like
        )
        details = [reference.detail() for reference in self._references]
        near, far = _weight(first, 1 - self._place), _weight(second, self._place)
        share = np.asarray(far / (near + far + np.float32(1e-4)), np.float32)
        trust = np.maximum(first.confidence, second.confidence)
        fields = fields_of(first.flow, second.flow, share, trust)
        spread, energy = np.empty_like(trust), np.empty_like(trust)
        before, after = (part.of(detail.picture, self._scale) for detail in details)
        picture = np.empty(before.shape, np.float32)
        warp_pair(before, after, fields, picture, spread, energy)
        # Two details that err independently differ by the sum of their errors. Where neither can be
        # trusted the draft errs by all that it lacks. These factors are fitted to four clips, on
        # which what is predicted so and what is found correlate by 0.6 to 0.9 (logarithms).
        error = spread * (0.1 + 2 * share * (1 - share)) + 0.1 * energy
        error += 0.5 * self._lacking(part, here, 1 - trust)
        # A sum over the last axis, which NumPy is slow at.
        length = cv2.transform(abs(first.flow) + abs(second.flow), np.ones((1, 2)))
        return Propagated(picture, error, float(np.count_nonzero(length > _MOVES)))

    def _lacking(self, part: Region, here: LumaPicture, distrust: Floats) -> Floats:
        """Mean square (h, w) of what the network adds to the draft and references do not give.

        Where nothing is trusted that is what it added to the references there, and more where a
        frame has far more contrast than they: what is new, like a thin thing that is fast, needs
        detail that neither has. Where there is some trust it is not new, and only differs in
        contrast.
        """
        before, after = (reference.detail() for reference in self._references)
        energy = np.maximum(part.of(before.energy), part.of(after.energy))
        known = np.maximum(*(part.of(like.variance) for like in self._like))
        new = np.maximum(here.variance - _KNOWN * known, 0)
        gain = np.float32(_NEW * (before.gain + after.gain) / 2)
        untrusted = distrust * distrust
        return np.asarray(untrusted * (energy + gain * untrusted * untrusted * new), np.float32)


def _weight(motion: Motion, nearness: float) -> Floats:
    """How much a reference's detail counts.

    Confidence cubed: what the near one shows where a small thing was would else outweigh what the
    far one knows better, and stay behind as a ghost.
    """
    trust = motion.confidence
    return trust * trust * trust * np.float32(nearness)


def _mixed(before: Floats, after: Floats, place: float) -> Floats:
    return np.asarray(cv2.addWeighted(before, 1 - place, after, place, 0), np.float32)


def changed(before: Seen, after: Seen, allowed: float) -> float:
    """Share of the picture where two frames are too unlike for what lies between them to be still.

    `allowed` is the mean square error that may be left.
    """
    change = (after.luma - before.luma)[..., None]
    square = _square(change, light_of(change))
    return float(np.mean(tile_means(square, _LOOKED_AT) > _STILL * allowed / _REMAINS_PLAIN))


def _square(change: Floats, light: Floats) -> Floats:
    """Mean square of a change (H, W, C), (H, W), of which its light counts less."""
    square = mean_square(change) - (1 - _LIGHT) * mean_square(light)
    return np.maximum(square, 0, out=square)


def mean_square(picture: Floats) -> Floats:
    """Mean square over the channels."""
    return np.asarray(np.einsum("hwc,hwc->hw", picture, picture) / picture.shape[2], np.float32)
