"""Make the frames between two references: carry, compute the worst anew, audit, and smooth."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from videnhance.core import Image
from videnhance.kernels.motion import Floats, Mask, interleaved
from videnhance.temporal.control import Cost
from videnhance.temporal.propagate import Between, Propagated, Reference, mean_square
from videnhance.temporal.region import Region
from videnhance.temporal.scenes import Seen
from videnhance.temporal.smooth import Shown, smooth
from videnhance.temporal.tiles import (
    FEATHER,
    composite,
    parts_of,
    recompute,
    tile_means,
    tile_side,
)

_CONTEXT = 6
"""Input pixels around a part that moves which are looked at as well."""
_SMOOTHED = 0.35
"""Of the error that is allowed, what may come from smoothing in time, beside all that carrying may
leave, as it is predicted. Both are rarely used up: most clips come out at less than is allowed."""
_LOST = 0.03
"""Share of what a PSNR-oriented network adds to plain enlargement (its mean square) that may be
lost where nothing moves: some 5 % of its gain in dB where that is 5 dB."""
_LOST_MOVING = 0.06
"""The same where everything moves, and nobody sees as much."""
_LIKELY = 1.3
"""What predicted errors are multiplied with: the median of found over predicted error on six clips
and two networks, where single tiles differed by 0.6 to 2.5."""
_HALF_WAY = (0.4, 0.7)
"""Places between references where tiles are audited: there, most is lost."""
_WORST_TILE = 10.0
"""How many times the mean error allowed one tile's may be."""


@dataclass(frozen=True)
class Networks:
    """The network and its cheap stand-in, both from (3, H, W), 0..1, to (3, scale·H, scale·W)."""

    full: Callable[[Image], Image]
    draft: Callable[[Image], Image]
    scale: int
    reach: int
    """Input pixels around a part that the network must see for it to come out as in the whole."""
    psnr_oriented: bool = False
    """Whether the network restores rather than invents: then what it adds must not be lost."""


@dataclass(frozen=True)
class Made:
    """A finished frame, (sH, sW, 3)."""

    result: Floats
    cost: Cost


class Reconstruction:
    """A frame at `place` of the way from one reference to the other, in the making."""

    def __init__(
        self, networks: Networks, seen: Seen, references: tuple[Reference, Reference], place: float
    ) -> None:
        self._networks, self._seen, self._place = networks, seen, place
        self._image = seen.image
        self._height, self._width = self._image.shape[1:]
        self._side = tile_side(self._height, self._width)
        self._added = min(reference.added() for reference in references)
        # All of a frame is worth a draft only where nothing that a network adds may be lost.
        self._whole = Region(0, 0, self._height, self._width)
        self._drafted: Floats | None = None
        if networks.psnr_oriented:
            self._drafted = self._draft(self._whole)
        self._between = Between(seen, references, place, self._drafted)

    def made(self, max_mse: float, last: Callable[[], Shown]) -> Made:
        """Finish it.

        `max_mse` is the mean square error it may have; `last` is asked for the frame before as late
        as possible.
        """
        moving = self._moving(_allowed(max_mse, self._added))
        carried = [self._between.propagated(outer) for _, outer in moving]
        error = self._error(moving, carried)
        moves = min(1.0, sum(part.moving for part in carried) / (self._height * self._width))
        allowed = _allowed(max_mse, self._added, moves)
        predicted = _LIKELY * tile_means(error, self._side)
        chosen = _worst(predicted, allowed)
        audited = _audited(self._seen.frame.pts, self._place, chosen)
        parts = parts_of(chosen, self._side, self._networks.reach, self._height, self._width)
        alone = parts == [self._whole]
        if alone and audited is None:
            result = interleaved(self._networks.full(self._image))
            return Made(result, Cost.of_network(self._whole.pixels))
        result = self._composited(moving, carried)
        kept = self._tile(audited).of(result, self._networks.scale).copy() if audited else None
        cost = self._recomputed(parts, result)
        if audited and kept is not None:
            true, spent = self._truth(self._tile(audited), result, alone=alone)
            found = float(mean_square(true.clip(0, 1) - kept.clip(0, 1)).mean())
            cost = Cost(cost.pixels + spent, cost.size, spent, found)
        if not alone:  # or it is the network's own, as a reference is
            self._smooth(result, moving, max_mse, allowed, last)
        return Made(result, cost)

    def _smooth(
        self,
        result: Floats,
        moving: list[tuple[Region, Region]],
        max_mse: float,
        allowed: float,
        last: Callable[[], Shown],
    ) -> None:
        """Smooth it in time, in place, where it was warped or drafted."""
        most, restores = _smoothing(max_mse, allowed), self._networks.psnr_oriented
        if restores:  # all of the frame is drafted, and flickers with its noise
            smooth(result, self._seen, [(self._whole,) * 2], last(), most, psnr_oriented=True)
        elif moving:
            share = sum(outer.pixels for _, outer in moving) / (self._height * self._width)
            smooth(result, self._seen, moving, last(), most / share, psnr_oriented=False)

    def _draft(self, part: Region) -> Floats:
        if self._drafted is not None:
            return part.of(self._drafted, self._networks.scale)
        return interleaved(self._networks.draft(part.of_planes(self._image)))

    def _moving(self, allowed: float) -> list[tuple[Region, Region]]:
        """Parts that may not be treated as still, each without and with its surroundings."""
        side = self._side // 2
        blocks = self._between.moving(allowed, side)
        parts = parts_of(blocks, side, _CONTEXT, self._height, self._width)
        return [(part, part.grown(_CONTEXT + FEATHER, self._height, self._width)) for part in parts]

    def _error(self, moving: list[tuple[Region, Region]], carried: list[Propagated]) -> Floats:
        """What the picture will lack without the network's help, as a mean square (H, W)."""
        error = self._between.error()
        for (part, outer), of_part in zip(moving, carried, strict=True):
            part.of(error)[:] = part.within(outer).of(of_part.error)
        return error

    def _composited(self, moving: list[tuple[Region, Region]], carried: list[Propagated]) -> Floats:
        """The picture without the network's help."""
        if moving and moving[0][0] == self._whole:  # nothing still would remain to be seen
            return self._draft(self._whole) + carried[0].detail
        result = self._between.still()
        for (part, outer), of_part in zip(moving, carried, strict=True):
            made = self._draft(outer) + of_part.detail
            composite(made, outer, part, result, self._networks.scale)
        return result

    def _recomputed(self, parts: list[Region], result: Floats) -> Cost:
        networks = self._networks
        pixels = recompute(
            networks.full, self._image, parts, result, reach=networks.reach, scale=networks.scale
        )
        return Cost(pixels, self._height * self._width)

    def _tile(self, index: tuple[int, int]) -> Region:
        top, left = (self._side * at for at in index)
        bottom, right = top + self._side, left + self._side
        return Region(top, left, min(self._height, bottom), min(self._width, right))

    def _truth(self, tile: Region, result: Floats, *, alone: bool) -> tuple[Floats, int]:
        """What the network makes of a tile, and how many input pixels it sees for that.

        No more are needed where all of the result is the network's own.
        """
        networks = self._networks
        if alone:
            return tile.of(result, networks.scale), 0
        outer = tile.grown(networks.reach, self._height, self._width)
        made = interleaved(networks.full(outer.of_planes(self._image)))
        return tile.within(outer).of(made, networks.scale), outer.pixels


def _allowed(max_mse: float, added: float, moves: float = 0.0) -> float:
    """The error that is allowed where that share moves: networks that restore may lose little."""
    return min(max_mse, (_LOST + (_LOST_MOVING - _LOST) * moves) * added)


def _smoothing(max_mse: float, allowed: float) -> float:
    """What of an error may come from smoothing.

    All that is allowed, where that is much less than max_mse: what a network that restores loses
    by smoothing is flicker for the most part, and less of its gain than by warping.
    """
    return min(_SMOOTHED * max_mse, allowed)


def _audited(pts: int, place: float, chosen: Mask) -> tuple[int, int] | None:
    """A random carried tile of a frame about half way between references."""
    least, most = _HALF_WAY
    if not least < place < most:
        return None
    free = np.argwhere(~chosen)
    if not len(free):
        return None
    row, column = free[np.random.default_rng(abs(pts)).integers(len(free))]
    return int(row), int(column)


def _worst(predicted: Floats, allowed: float) -> Mask:
    """Tiles to compute anew: where most is lost, until the rest keeps within the mean allowed."""
    order = np.argsort(predicted, axis=None)
    total = np.cumsum(predicted.ravel()[order]) / predicted.size
    chosen = predicted.ravel() > _WORST_TILE * allowed
    chosen[order[total > allowed]] = True
    return np.asarray(chosen.reshape(predicted.shape), np.bool_)
