"""Reconstruct the frames between two reference frames."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from videnhance.core import Image
from videnhance.kernels.motion import Floats, Mask, interleaved, mean_square
from videnhance.temporal.control import Cost
from videnhance.temporal.parameters import PERCEPTUAL, ReuseParameters
from videnhance.temporal.propagate import Between, Propagated, Reference
from videnhance.temporal.region import Region
from videnhance.temporal.scenes import Seen
from videnhance.temporal.smooth import Previous, smooth
from videnhance.temporal.tiles import (
    FEATHER,
    composite,
    recompute,
    regions_of,
    tile_means,
    tile_side,
)

_CONTEXT = 6
"""Input pixels around a moving region that its motion is searched with."""
_AUDITED = (0.4, 0.7)
"""Frames are audited at these fractions of the way between reference frames, where most is lost."""


@dataclass(frozen=True)
class Networks:
    """The network and its draft network, both from (3, H, W), 0..1, to (3, scale·H, scale·W)."""

    full: Callable[[Image], Image]
    draft: Callable[[Image], Image]
    scale: int
    receptive_field: int
    """Margin in input pixels with which a crop comes out as it does in the whole frame."""
    parameters: ReuseParameters = PERCEPTUAL


@dataclass(frozen=True)
class FrameOutput:
    """A finished frame, (sH, sW, 3)."""

    result: Floats
    cost: Cost


class Reconstruction:
    """A frame at the fraction `t` of the way from one reference frame to the next."""

    def __init__(
        self, networks: Networks, seen: Seen, references: tuple[Reference, Reference], t: float
    ) -> None:
        self._networks, self._seen, self._t = networks, seen, t
        self._parameters = networks.parameters
        self._image = seen.image
        self._height, self._width = self._image.shape[1:]
        self._side = tile_side(self._height, self._width)
        self._whole = Region(0, 0, self._height, self._width)
        self._drafted: Floats | None = None
        if self._parameters.psnr_oriented:
            self._drafted = self._draft(self._whole)
        self._max_loss = math.inf
        if self._parameters.psnr_oriented:
            added = min(reference.added() for reference in references)
            self._max_loss = self._parameters.max_loss * added
        self._between = Between(seen, references, t, self._parameters, self._drafted)

    def output(self, max_mse: float, previous: Callable[[], Previous]) -> FrameOutput:
        """Finish the frame.

        `max_mse` is the mean square error that it may have. `previous` is called as late as
        possible, since it may wait for another thread.
        """
        allowed = min(max_mse, self._max_loss)
        moving = self._moving(allowed)
        propagated = [self._between.propagated(outer) for _, outer in moving]
        predicted = tile_means(self._error(moving, propagated), self._side)
        chosen = self._worst(self._parameters.bias * predicted, allowed)
        margin = self._networks.receptive_field
        regions = regions_of(chosen, self._side, margin, self._height, self._width)
        if regions == [self._whole]:  # not smoothed, as a reference frame is not
            result = interleaved(self._networks.full(self._image))
            return FrameOutput(result, Cost.of_network(self._whole.pixels))
        result = self._composited(moving, propagated)
        cost = self._recomputed(regions, result)
        self._smooth(result, moving, max_mse, allowed, previous)
        return FrameOutput(result, self._audited(regions, chosen, result, cost))

    def _smooth(
        self,
        result: Floats,
        moving: list[tuple[Region, Region]],
        max_mse: float,
        allowed: float,
        previous: Callable[[], Previous],
    ) -> None:
        """Smooth in time, in place, what was warped or drafted."""
        # What a PSNR-oriented network loses by smoothing is flicker for the most part, and less of
        # its gain than by warping: it may take all that is allowed.
        budget = min(self._parameters.smoothing * max_mse, allowed)
        if self._parameters.psnr_oriented:
            moving = [(self._whole,) * 2]
        elif not moving:
            return
        budget /= sum(outer.pixels for _, outer in moving) / self._whole.pixels
        smooth(result, self._seen, moving, previous(), budget, self._parameters)

    def _draft(self, region: Region) -> Floats:
        if self._drafted is not None:
            return region.of(self._drafted, self._networks.scale)
        return interleaved(self._networks.draft(region.of_planes(self._image)))

    def _moving(self, allowed: float) -> list[tuple[Region, Region]]:
        """Regions that do not count as still, each without and with its surroundings."""
        side = self._side // 2
        blocks = self._between.moving(allowed, side)
        regions = regions_of(blocks, side, _CONTEXT, self._height, self._width)
        margin = _CONTEXT + FEATHER
        return [(one, one.grown(margin, self._height, self._width)) for one in regions]

    def _error(self, moving: list[tuple[Region, Region]], propagated: list[Propagated]) -> Floats:
        """Predicted mean square error (H, W) of what `_composited` makes."""
        error = self._between.error()
        for (region, outer), one in zip(moving, propagated, strict=True):
            region.of(error)[:] = region.within(outer).of(one.error)
        return error

    def _composited(
        self, moving: list[tuple[Region, Region]], propagated: list[Propagated]
    ) -> Floats:
        """The picture without the network's help."""
        if moving and moving[0][0] == self._whole:  # nothing still would remain to be seen
            return self._draft(self._whole) + propagated[0].detail
        result = self._between.still()
        for (region, outer), one in zip(moving, propagated, strict=True):
            composite(self._draft(outer) + one.detail, outer, region, result, self._networks.scale)
        return result

    def _recomputed(self, regions: list[Region], result: Floats) -> Cost:
        networks = self._networks
        pixels = recompute(
            networks.full,
            self._image,
            regions,
            result,
            margin=networks.receptive_field,
            scale=networks.scale,
        )
        return Cost(pixels, self._whole.pixels)

    def _worst(self, predicted: Floats, allowed: float) -> Mask:
        """Tiles for the network: the worst ones, until the mean of the rest is allowed."""
        order = np.argsort(predicted, axis=None)
        total = np.cumsum(predicted.ravel()[order]) / predicted.size
        chosen = predicted.ravel() > self._parameters.worst_tile * allowed
        chosen[order[total > allowed]] = True
        return np.asarray(chosen.reshape(predicted.shape), np.bool_)

    def _audited(self, regions: list[Region], chosen: Mask, result: Floats, cost: Cost) -> Cost:
        """The cost with the error of a random tile that the network did not see.

        Only frames about half way between reference frames are audited.
        """
        first, last = _AUDITED
        if not first < self._t < last:
            return cost
        seen = chosen.copy()
        for region in regions:
            rows = slice(region.top // self._side, -(-region.bottom // self._side))
            seen[rows, region.left // self._side : -(-region.right // self._side)] = True
        free = np.argwhere(~seen)
        if not len(free):
            return cost
        dice = np.random.default_rng(abs(self._seen.frame.pts))
        top, left = (self._side * int(at) for at in free[dice.integers(len(free))])
        bottom, right = top + self._side, left + self._side
        tile = Region(top, left, min(self._height, bottom), min(self._width, right))
        outer = tile.grown(self._networks.receptive_field, self._height, self._width)
        scale = self._networks.scale
        made = interleaved(self._networks.full(outer.of_planes(self._image)))
        truth, delivered = tile.within(outer).of(made, scale), tile.of(result, scale)
        error = float(mean_square(truth.clip(0, 1) - delivered.clip(0, 1)).mean())
        return Cost(cost.pixels + outer.pixels, cost.size, outer.pixels, error)
