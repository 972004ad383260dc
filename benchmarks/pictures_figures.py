"""How near an enlarged clip is to its truth, and how much its error flickers."""

from __future__ import annotations

import itertools
import json
import statistics
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray
from pictures_damage import ffmpeg

from videnhance.media.luma import LumaReader, LumaScale
from videnhance.media.source import probe
from videnhance.metrics import psnr, ssim
from videnhance.metrics.motion import MeasuredMotion, warped

Luma = NDArray[np.float32]


@dataclass(frozen=True)
class Figures:
    """Means over the frames of one output."""

    psnr: float
    """Of the coded luma, in dB."""
    neg: float
    """VMAF NEG (vmaf_v0.6.1neg), 0 to 100: VMAF that sharpening does not raise."""
    ssim: float
    """Of the coded luma."""
    flicker: float
    """Error flicker, in code values of 8 bits."""


def luma_of(path: Path, like: Path) -> list[Luma]:
    """All frames' coded luma, 0..1, in the scale of the recording `like`."""
    with LumaReader(probe(str(path)), LumaScale.of(probe(str(like)).clip)) as reader:
        return [frame.luma for frame in reader.frames()]


def motions(truth: Sequence[Luma]) -> list[MeasuredMotion]:
    """For each frame but the first, where its pixels were in the frame before."""
    return [MeasuredMotion.between(now, before) for before, now in itertools.pairwise(truth)]


def error_flicker(
    output: Sequence[Luma], truth: Sequence[Luma], motion: Sequence[MeasuredMotion]
) -> float:
    """Mean absolute change of the error along the truth's motion, in code values of 8 bits.

    Pixels that are hidden in one of both frames, and frames behind a cut, do not count. nan where
    nothing is left.
    """
    errors = [cv2.subtract(a, b) for a, b in zip(output, truth, strict=True)]
    changes = []
    for before, now, moved in zip(errors, errors[1:], motion, strict=False):
        if not moved.continuous:
            continue
        change = cv2.absdiff(now, warped(before, moved.flow))
        changes.append(float(change[moved.visible].mean(dtype=np.float64)))
    return 255 * statistics.fmean(changes) if changes else float("nan")


def vmaf_neg(output: Path, truth: Path) -> float:
    """Mean VMAF NEG; frames are paired by their order."""
    with tempfile.TemporaryDirectory(prefix="pictures-") as folder:
        log = Path(folder, "vmaf.json")
        # The filter's options know no path with a colon or a quote.
        model = f"libvmaf=model=version=vmaf_v0.6.1neg:log_fmt=json:log_path={log}:shortest=1"
        form = "settb=1/25,setpts=N,format=yuv420p"
        graph = f"[0:v]{form}[a];[1:v]{form}[b];[a][b]{model}"
        inputs = ("-i", str(output), "-i", str(truth))
        ffmpeg(*inputs, "-filter_complex", graph, "-fps_mode", "passthrough", "-f", "null", "-")
        frames = json.loads(log.read_text())["frames"]
    return statistics.fmean(frame["metrics"]["vmaf"] for frame in frames)


def figures(
    output: Path, truth: Path, wanted: Sequence[Luma], motion: Sequence[MeasuredMotion]
) -> Figures:
    """Measure one output; `wanted` and `motion` are the truth's."""
    made = luma_of(output, truth)
    if len(made) != len(wanted):
        raise SystemExit(f"{output} has {len(made)} frames, expected {len(wanted)}")
    pairs = list(zip(made, wanted, strict=True))
    return Figures(
        psnr=statistics.fmean(psnr(a, b) for a, b in pairs),
        neg=vmaf_neg(output, truth),
        ssim=statistics.fmean(ssim(a, b) for a, b in pairs),
        flicker=error_flicker(made, wanted, motion),
    )
