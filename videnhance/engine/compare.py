"""Measure an output against its reference, its source, or both, frame by frame."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from itertools import zip_longest
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from videnhance.core import InputError, UsageError
from videnhance.engine.judging import Judge, Measure
from videnhance.engine.vmaf import VmafError, vmaf_scores
from videnhance.kernels.motion import one_opencv_thread
from videnhance.media.luma import LumaFrame, LumaReader, LumaScale
from videnhance.media.source import SourceInfo, probe
from videnhance.metrics import LEAST_SIDE

_VMAF_PLACE = 2  # behind PSNR and SSIM
_UNLIKE = 15.0
"""PSNR in dB below which two recordings probably differ in content (unrelated films: 8 to 12)."""


@dataclass(frozen=True)
class Comparison:
    """The measures of one comparison: `comparison["psnr_y"].mean` is one of its figures."""

    output: str
    reference: str | None
    source: str | None
    width: int
    """Width and `height` are those of the output, in pixels."""
    height: int
    frames: int
    """How many frames were compared."""
    baseline: str
    """The recording that the baseline figures were measured on, in words."""
    measures: tuple[Measure, ...]
    warnings: tuple[str, ...]
    """Reasons to doubt the figures (other pictures, frame counts or times), or missing measures."""
    times: NDArray[np.float64] = field(repr=False, compare=False)
    """When each compared frame of the output is shown, in seconds."""

    def __getitem__(self, name: str) -> Measure:
        """The measure of that name; KeyError where it was not taken."""
        for measure in self.measures:
            if measure.name == name:
                return measure
        raise KeyError(name)


def compare(
    output: str | Path,
    reference: str | Path | None = None,
    source: str | Path | None = None,
    *,
    vmaf: bool = True,
    stop: Callable[[], None] = lambda: None,
    progress: Callable[[int, int], None] = lambda done, expected: None,
) -> Comparison:
    """Measure how faithful and how steady an output is.

    `reference` is what the output should look like, in the output's size. `source` is what it was
    made from, in the output's size or smaller. At least one of them is needed. Fidelity (PSNR,
    SSIM, VMAF) is measured against the reference, and back-projection against the source.
    Steadiness is measured along the motion of the source or, without one, of the reference at half
    its size. Frames are paired by their order. Memory grows with the clip only by some figures per
    frame.

    VMAF is measured if an ffmpeg program with libvmaf is found, unless `vmaf` is False. `stop` is
    called often and may raise; `progress` is called with the frames done and expected. Raises
    UsageError for files that do not belong together and InputError for files that cannot be read.
    """
    if reference is None and source is None:
        raise UsageError("Nothing to compare with: name a reference, a source (--source), or both.")
    named = {"output": output, "reference": reference, "source": source}
    paths = {role: str(path) for role, path in named.items() if path is not None}
    infos = {role: probe(path) for role, path in paths.items()}
    _check_sizes(infos)
    judge = Judge()
    with one_opencv_thread():
        pairing = _judged(infos, judge, stop, progress)
    times = np.array(pairing.times)
    measures = list(judge.measures(times))
    warnings = [*_unlike(measures), *pairing.warnings()]
    if vmaf and "reference" in infos:
        try:
            scores = vmaf_scores(infos["output"], infos["reference"], len(times), stop)
            measures.insert(_VMAF_PLACE, Measure.of("vmaf", scores, times))
        except VmafError as exc:
            warnings.append(str(exc))
    clip = infos["output"].clip
    return Comparison(
        output=paths["output"],
        reference=paths.get("reference"),
        source=paths.get("source"),
        width=clip.width,
        height=clip.height,
        frames=len(times),
        baseline="reference" if "reference" in paths else "source, enlarged plainly",
        measures=tuple(measures),
        warnings=tuple(warnings),
        times=times,
    )


def _judged(
    infos: dict[str, SourceInfo],
    judge: Judge,
    stop: Callable[[], None],
    progress: Callable[[int, int], None],
) -> _Pairing:
    """Decode all recordings once, in step, and pass their frames to the judge."""
    scale = LumaScale.of(infos.get("reference", infos["output"]).clip)
    with ExitStack() as stack:
        readers = {
            role: stack.enter_context(LumaReader(info, scale, stop)) for role, info in infos.items()
        }
        pairing = _Pairing(readers)
        for frames in pairing:
            stop()
            judge.add({role: frame.luma for role, frame in frames.items()})
            progress(len(pairing.times), readers["output"].expected)
    for role, count in pairing.counts.items():
        if not count:
            raise InputError(f"{infos[role].path} holds no frame that can be decoded.")
    return pairing


def _unlike(measures: list[Measure]) -> Iterator[str]:
    """Warn if the recordings probably do not belong together."""
    measured_against = {"psnr_y": "reference", "back_projection": "source"}
    for measure in measures:
        role = measured_against.get(measure.name)
        if role and measure.mean < _UNLIKE:
            yield (
                f"The output hardly looks like the {role} ({measure.mean:.1f} dB): check that "
                "they belong together."
            )


def _check_sizes(infos: dict[str, SourceInfo]) -> None:
    """Raise UsageError if the sizes of the pictures do not allow a comparison."""
    clips = {role: info.clip for role, info in infos.items()}
    names = {role: f"{infos[role].path} ({c.width}x{c.height})" for role, c in clips.items()}
    for role, clip in clips.items():
        if min(clip.width, clip.height) < LEAST_SIDE:
            raise UsageError(
                f"{names[role]} is too small to be measured; at least {LEAST_SIDE} pixels a side "
                "are needed."
            )
    output = clips["output"]
    reference, source = clips.get("reference"), clips.get("source")
    if reference and (reference.width, reference.height) != (output.width, output.height):
        raise UsageError(
            f"The sizes of {names['output']} and of its reference {names['reference']} differ; "
            "make the output in the reference's size, or compare it with its source (--source) "
            "alone."
        )
    if source and (source.width > output.width or source.height > output.height):
        raise UsageError(
            f"{names['output']} is smaller than its source {names['source']}; only pictures of the "
            "source's size or larger can be compared with it."
        )


class _Pairing:
    """Pairs the frames of recordings by their order, and notes where their times diverge."""

    def __init__(self, readers: dict[str, LumaReader]) -> None:
        self._readers = readers
        self.counts = dict.fromkeys(readers, 0)
        self.times: list[float] = []
        self._first: dict[str, float] = {}
        self._parted: dict[str, int] = {}
        """By recording, the first frame whose time differs from the output's."""

    def __iter__(self) -> Iterator[dict[str, LumaFrame]]:
        row: tuple[LumaFrame | None, ...]
        for row in zip_longest(*(reader.frames() for reader in self._readers.values())):
            frames = {r: f for r, f in zip(self._readers, row, strict=True) if f is not None}
            for role in frames:
                self.counts[role] += 1
            # After one recording has ended, the others are read only to count their frames.
            if len(frames) == len(self._readers):
                self._note(frames)
                yield frames

    def _note(self, frames: dict[str, LumaFrame]) -> None:
        for role, frame in frames.items():
            first = self._first.setdefault(role, frame.time)
            late = (frame.time - first) - (frames["output"].time - self._first["output"])
            if abs(late) > self._readers[role].spacing / 2:
                self._parted.setdefault(role, len(self.times))
        self.times.append(frames["output"].time)

    def warnings(self) -> Iterator[str]:
        """Warn of decode errors, and of frame counts and times that differ."""
        for role, reader in self._readers.items():
            if reader.decode_errors:
                lost = reader.decode_errors
                yield f"The {role} is damaged ({lost}); its figures suffer from that."
        output = self.counts["output"]
        for role, count in self.counts.items():
            if count != output:
                yield (
                    f"The output has {output} frames and the {role} {count}: only the first "
                    f"{len(self.times)} were compared."
                )
        for role, frame in self._parted.items():
            yield (
                f"From frame {frame} on (at {self.times[frame]:.3f} s) the {role} shows its frames "
                "at other times than the output: frames may be missing, and the compared frames "
                "may not belong together."
            )
