"""Carry what a network adds to a frame over to frames near it, and tell how well that went."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from videnhance.kernels.motion import Floats, enlarged, stretched, warp
from videnhance.temporal.flow import LumaPicture, find_flow, judged
from videnhance.temporal.once import Once
from videnhance.temporal.scenes import Seen
from videnhance.temporal.tiles import tile_means

_MOVES = 2.0
"""Pixels of displacement to both anchors, summed, from which on something moves."""


@dataclass(frozen=True)
class Detail:
    """What the network's result has over the draft, (sH, sW, 3)."""

    picture: Floats
    energy: Floats
    """Its mean square by tiles."""
    added: float
    """Mean square of what a faithful network adds to plain enlargement; infinite of others."""


@dataclass(frozen=True)
class Anchor:
    """A frame that the network saw whole."""

    picture: LumaPicture
    result: Floats
    detail: Once[Detail]
    """Needed where there is a frame between this anchor and another."""


class Blend:
    """Detail carried to a frame from the anchors on both sides."""

    def __init__(self, seen: Seen, before: Anchor, after: Anchor, place: float, scale: int) -> None:
        self._scale = scale
        sources = (before.detail(), after.detail())
        self._energy = np.maximum(sources[0].energy, sources[1].energy)
        self.added = min(sources[0].added, sources[1].added)
        """See `Detail`."""
        picture = LumaPicture(seen.luma)
        height, width = before.result.shape[:2]
        details, weights, length = [], [], np.zeros_like(seen.luma)
        shares = (1 - place, place)
        for anchor, source, share in zip((before, after), sources, shares, strict=True):
            motion = judged(picture, anchor.picture, find_flow(picture, anchor.picture), seen.sigma)
            details.append(warp(source.picture, enlarged(motion.flow, height, width)))
            length += abs(motion.flow).sum(axis=2)
            weights.append((motion.confidence, np.float32(share)))
        (first, near), (second, far) = weights
        total = first * near + second * far + np.float32(1e-4)
        part = second * far / total
        trust = np.maximum(first, second)
        self._part, self._trust = part, trust
        self.moving = float(np.mean(length > _MOVES))
        """Share of the picture that moves."""
        self._difference = details[1] - details[0]
        self.detail = details[0] + stretched(part, height, width)[..., None] * self._difference
        self.detail *= stretched(trust, height, width)[..., None]

    def error(self, side: int) -> Floats:
        """Mean square error by tiles, as far as it can be told without the network.

        Two carried details that err independently differ by the sum of their errors, of which
        their mean keeps a quarter; where neither can be trusted the draft stands alone, and errs
        by the detail that it lacks.
        """
        spread = tile_means(mean_square(self._difference), self._scale, side)
        part = tile_means(self._part * (1 - self._part), 1, side)
        lack = tile_means(np.square(1 - self._trust), 1, side)
        return np.asarray(spread * part + lack * self._energy, np.float32)


def mean_square(picture: Floats) -> Floats:
    """Mean square over the channels."""
    return np.asarray(np.einsum("hwc,hwc->hw", picture, picture) / picture.shape[2], np.float32)
