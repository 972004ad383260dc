"""Take the measures of one comparison frame by frame, and summarise them."""

from __future__ import annotations

import math
from array import array
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from videnhance.kernels.resize import resize
from videnhance.metrics import (
    LEAST_SIDE,
    FlowDifference,
    LuminanceFlicker,
    MeasuredMotion,
    MotionTracker,
    StaticFlicker,
    WarpError,
    back_projection_error,
    decibels,
    gradient_energy,
    squared_error,
    ssim,
)

_Luma = NDArray[np.float32]
_Figures = dict[str, float]


def _same(value: float) -> float:
    return value


@dataclass(frozen=True)
class _Kind:
    """A measure's title and unit, which values are better, and how its figures are converted."""

    title: str
    better: str
    unit: str = ""
    final: Callable[[float], float] = _same
    """Converts a figure, or a mean of figures, into the value that is shown."""


KINDS = {
    "psnr_y": _Kind("PSNR-Y", "higher", "dB", decibels),
    "ssim_y": _Kind("SSIM-Y", "higher"),
    "vmaf": _Kind("VMAF", "higher"),
    "back_projection": _Kind("back-projection PSNR-Y", "higher", "dB", decibels),
    "warp_error": _Kind("E_warp", "lower"),
    "flow_difference": _Kind("tOF", "lower", "px"),
    "static_flicker": _Kind("static flicker", "lower"),
    "luminance_flicker": _Kind("luminance flicker", "lower"),
    "gradient_energy": _Kind("gradient energy", ""),
}
"""Every measure, in the order in which tables list them."""


@dataclass(frozen=True)
class Measure:
    """One measure over a clip. Its figures are nan where there was nothing to measure.

    A clip's PSNR is that of its mean squared error; the means of other measures are arithmetic.
    """

    name: str
    title: str
    unit: str
    better: str
    """Which values are better: "higher", "lower", or "" if the measure is not one of quality."""
    mean: float
    worst: float
    """The figure of the worst frame; the lowest figure if the measure is not one of quality."""
    worst_frame: int | None
    worst_time: float | None
    """When the worst frame is shown, in seconds."""
    baseline: float | None
    """The mean of the same measure on the baseline; None if it is not measured there."""
    values: NDArray[np.float64] = field(repr=False, compare=False)
    """One figure per compared frame; nan where a frame has none."""

    @classmethod
    def of(
        cls,
        name: str,
        figures: NDArray[np.float64],
        times: NDArray[np.float64],
        baseline: NDArray[np.float64] | None = None,
    ) -> Measure:
        """Summarise figures per frame, in the form in which they are averaged."""
        kind = KINDS[name]
        values = np.array([kind.final(v) for v in figures], np.float64)
        worst = None
        if not np.isnan(values).all():
            lowest = kind.better != "lower"
            worst = int(np.nanargmin(values) if lowest else np.nanargmax(values))
        return cls(
            name=name,
            title=kind.title,
            unit=kind.unit,
            better=kind.better,
            mean=kind.final(_mean(figures)),
            worst=math.nan if worst is None else float(values[worst]),
            worst_frame=worst,
            worst_time=None if worst is None else float(times[worst]),
            baseline=None if baseline is None else kind.final(_mean(baseline)),
            values=values,
        )


def _mean(figures: NDArray[np.float64]) -> float:
    known = figures[~np.isnan(figures)]
    return float(known.mean()) if known.size else math.nan


class Judge:
    """Takes every measure that the given recordings allow, frame by frame."""

    def __init__(self) -> None:
        self._tracker = MotionTracker()
        self._flow = FlowDifference()
        self._own, self._baseline = _Steadiness(), _Steadiness()
        self._figures: dict[str, array[float]] = {}
        self._baselines: dict[str, array[float]] = {}

    def add(self, frames: dict[str, _Luma]) -> None:
        """Measure the next frames: "output", and "reference", "source" or both."""
        output, reference, source = frames["output"], frames.get("reference"), frames.get("source")
        height, width = output.shape
        guide = source if source is not None else _halved(frames["reference"])
        motion = self._tracker.add(guide)
        if motion is not None:
            motion = motion.resized(height, width)
        figures: _Figures = {}
        if reference is not None:
            figures["psnr_y"] = squared_error(output, reference)
            figures["ssim_y"] = ssim(output, reference)
        figures |= self._own.add(output, motion, source)
        figures["flow_difference"] = self._flow.add(output, motion, reference)
        baseline = resize(guide[None], height, width)[0] if reference is None else reference
        _append(self._figures, figures)
        _append(self._baselines, self._baseline.add(baseline, motion, source))

    def measures(self, times: NDArray[np.float64]) -> Iterator[Measure]:
        """Every measure taken, in the order of `KINDS`; `times` are those of the frames, in s."""
        for name in KINDS:
            if name in self._figures:
                baseline = self._baselines.get(name)
                yield Measure.of(
                    name,
                    np.array(self._figures[name]),
                    times,
                    None if baseline is None else np.array(baseline),
                )


class _Steadiness:
    """The measures that need no reference. They are taken on the baseline as well."""

    def __init__(self) -> None:
        self._warp, self._static = WarpError(), StaticFlicker()
        self._brightness = LuminanceFlicker()

    def add(self, luma: _Luma, motion: MeasuredMotion | None, source: _Luma | None) -> _Figures:
        figures = {
            "warp_error": self._warp.add(luma, motion),
            "static_flicker": self._static.add(luma, motion),
            "luminance_flicker": self._brightness.add(luma, motion),
            "gradient_energy": gradient_energy(luma),
        }
        if source is not None:
            figures["back_projection"] = back_projection_error(luma, source)
        return figures


def _append(series: dict[str, array[float]], figures: _Figures) -> None:
    """Append a frame's figures; a figure that comes late goes to the frame it belongs to."""
    for name, figure in figures.items():
        values = series.setdefault(name, array("d"))
        late = LuminanceFlicker.latency if name == "luminance_flicker" else 0
        values.append(math.nan if late else figure)
        if late and len(values) > late:
            values[-1 - late] = figure


def _halved(luma: _Luma) -> _Luma:
    """Halve the size. It serves only to find motion, which is more reliable at half the size."""
    height, width = (max(LEAST_SIDE, side // 2) for side in luma.shape)
    return np.asarray(resize(luma[None], height, width)[0])
