"""The fitted numbers of `--temporal reuse`.

The weights of the predicted error stand beside their formula, in `propagate`; sizes in pixels and
the thresholds of the flow stand where they are used.
"""

from __future__ import annotations

import math
from dataclasses import dataclass


@dataclass(frozen=True)
class ReuseParameters:
    """Numbers that no theory gives.

    They were fitted to six clips; benchmarks/README.md ("What reuse does without") says what the
    parts of the method that use them do on others. Errors are mean squares of values within 0..1.
    """

    residual: float
    """Fraction of a change's mean square that is left as error where nothing moves."""
    blend: float
    """Weight of the previous output when a picture is smoothed in time, at full confidence."""
    max_loss: float = math.inf
    """Fraction of what the network adds to bicubic enlargement (its mean square) that may be lost.
    It is finite for PSNR-oriented networks, whose whole gain is that."""

    still_limit: float = 2.0
    """A block counts as still if its residual error is below this multiple of the allowed one."""
    spot_limit: float = 8.0
    """The same for any 5×5 pixels in the block, so that small moving things are not averaged out of
    a large one."""
    light_weight: float = 0.25
    """Weight of slow changes over the picture. Most of them are light, which the enlargement of the
    source follows."""
    contrast_limit: float = 4.0
    """Multiple of the reference frames' variance above which a frame's contrast counts as new."""
    contrast_detail: float = 15.0
    """Energy of the detail that new contrast needs, as a multiple of the frame's usual ratio of
    energy to variance; a skipping rope stays whole with it."""
    bias: float = 1.3
    """Found error over predicted error, median."""
    worst_tile: float = 10.0
    """Multiple of the allowed mean error that one tile may have."""
    smoothing: float = 0.35
    """Fraction of the allowed error that smoothing in time may add."""
    overhead: float = 0.4
    """Work of following the motion of a whole frame, as a fraction of the default network's."""
    patience: int = 24
    """Reference frames in a row before reconstruction is tried again; doubles with each try."""

    @property
    def psnr_oriented(self) -> bool:
        """Whether whole frames get a draft, rather than regions that move: where little of what the
        network adds may be lost."""
        return math.isfinite(self.max_loss)


PERCEPTUAL = ReuseParameters(residual=0.55, blend=0.7)
"""For networks that are to look sharp."""
PSNR_ORIENTED = ReuseParameters(residual=0.08, blend=0.5, max_loss=0.045)
"""For networks that are to be near the truth."""
