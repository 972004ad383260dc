"""Clips whose undamaged picture is known, and what is measured of what was made of them."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

import av
import clip as clips
import measure
import numpy as np
from numpy.typing import NDArray

import videnhance
from videnhance.kernels.resize import resize

ROOT = Path(__file__).resolve().parent.parent
RATE = 25
LEAST_GAIN = 0.3
"""dB by which a network must be nearer to the original than bicubic for its gain to be shared."""
LEAST_EXCESS = 0.05
"""Share of bicubic's E_warp that a network must add for its excess to be shared."""


@dataclass(frozen=True)
class Clip:
    """What is enlarged, what should come of it, and what plain enlargement makes of it."""

    name: str
    source: Path
    reference: Path
    plain: Path
    width: int
    """Of the source, as is `height`."""
    height: int
    frames: int


def prepare(path: Path, folder: Path, frames: int) -> Clip:
    """The first frames of a recording, halved; a sample of the repository stays as it is.

    All are written losslessly (FFV1, 4:2:0) at 25 frames a second, tagged BT.601 of limited range,
    so that nobody has to guess. The halving is bicubic and does not alias. What a sample should
    look like is known: it is rendered anew, at twice the size.
    """
    place = folder / path.stem
    place.mkdir()
    source, reference = place / "source.mkv", place / "reference.mkv"
    if path.resolve().parent == ROOT / "samples":
        sys.path.insert(0, str(ROOT / "samples"))
        from make_samples import CLIPS, write_clean

        if path.stem not in CLIPS:
            raise SystemExit(f"{path.name} is no sample that make_samples.py makes.")
        clean = place / "clean.mkv"
        write_clean(path.stem, 2, clean)
        _write(source, _planes(path, frames, 2))
        _write(reference, _planes(clean, frames, 4))
    else:
        pictures = list(_planes(path, frames, 4))
        _write(reference, pictures)
        _write(source, [[_halved(plane) for plane in picture] for picture in pictures])
    plain = place / "plain.mkv"
    measure.run([*VIDENHANCE, str(source), str(plain), *LOSSLESS, "--strength", "0"])
    width, height, count = clips.size_and_count(source)
    return Clip(path.stem, source, reference, plain, width, height, count)


VIDENHANCE = [sys.executable, "-m", "videnhance", "enhance", "--device", "cpu", "--quiet"]
LOSSLESS = ["--codec", "ffv1", "--overwrite"]

_Plane = NDArray[np.uint8]


def _planes(path: Path, limit: int, multiple: int) -> Iterator[list[_Plane]]:
    """Y, Cb, Cr of the first frames, 4:2:0, cut to sides that are whole multiples."""
    with av.open(str(path)) as container:
        for number, frame in enumerate(container.decode(video=0)):
            if number == limit:
                return
            same = frame.reformat(format="yuv420p", dst_colorspace="ITU601", dst_color_range="MPEG")
            height, width = (side - side % multiple for side in (frame.height, frame.width))
            picture = []
            for plane, part in zip(same.planes, (1, 2, 2), strict=True):
                rows = np.frombuffer(plane, np.uint8).reshape(plane.height, plane.line_size)
                picture.append(rows[: height // part, : width // part].copy())
            yield picture


def _halved(plane: _Plane) -> _Plane:
    height, width = plane.shape
    small = resize(plane[None].astype(np.float32), height // 2, width // 2)[0]
    return np.asarray(np.clip(np.rint(small), 0, 255), np.uint8)


def _write(path: Path, pictures: Iterator[list[_Plane]] | list[list[_Plane]]) -> None:
    with av.open(str(path), "w") as container:
        stream = container.add_stream("ffv1", rate=RATE)
        stream.pix_fmt = "yuv420p"
        for number, (y, cb, cr) in enumerate(pictures):
            if number == 0:
                stream.height, stream.width = y.shape
                # H.273: 6 is BT.601 of 525 lines; 1 is limited range.
                stream.codec_context.colorspace, stream.codec_context.color_range = 6, 1
            stacked = np.concatenate([y.ravel(), cb.ravel(), cr.ravel()])
            frame = av.VideoFrame.from_ndarray(stacked.reshape(-1, y.shape[1]), format="yuv420p")
            frame.pts, frame.colorspace, frame.color_range = number, 6, 1
            container.mux(stream.encode(frame))
        container.mux(stream.encode())


def figures(output: Path, clip: Clip) -> dict[str, float]:
    """Fidelity and steadiness of one lossless output, as `videnhance compare` measures them."""
    found = videnhance.compare(output, clip.reference, clip.source, vmaf=False)
    if found.frames != clip.frames:
        raise SystemExit(f"{output} has {found.frames} frames, expected {clip.frames}")
    names = {
        "psnr": "psnr_y",
        "ssim": "ssim_y",
        "warp_error": "warp_error",
        "static_flicker": "static_flicker",
        "gradient": "gradient_energy",
    }
    return {name: float(found[measured].mean) for name, measured in names.items()}


def likeness(output: Path, other: Path) -> dict[str, float]:
    """PSNR in dB of the RGB frames of two videos: of the mean square error, and of the worst frame.

    Equal frames count as 100 dB.
    """
    values = clips.frame_psnrs(output, other)
    errors = [10 ** (-value / 10) for value in values]
    return {"mean": float(-10 * np.log10(np.mean(errors))), "least": float(min(values))}


def shares(
    made: dict[str, float], alone: dict[str, float], plain: dict[str, float]
) -> dict[str, float | None]:
    """What of the network's gain, and of its excess of E_warp, over bicubic an output has.

    `alone` is what the network makes of each frame by itself. None where that has too little of
    either for a share of it to mean anything. `gradient` is the ratio to `alone`'s energy.
    """
    gain = alone["psnr"] - plain["psnr"]
    excess = alone["warp_error"] - plain["warp_error"]
    return {
        "gain_kept": (made["psnr"] - plain["psnr"]) / gain if gain >= LEAST_GAIN else None,
        "excess_left": (made["warp_error"] - plain["warp_error"]) / excess
        if excess >= LEAST_EXCESS * plain["warp_error"]
        else None,
        "gradient_ratio": made["gradient"] / alone["gradient"],
    }


def shown(value: float | None, digits: int = 2, factor: float = 1.0) -> str:
    """A figure for a table; a dash for none."""
    return "–" if value is None or np.isnan(value) else f"{factor * value:.{digits}f}"


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    """Lines of a Markdown table."""
    lines = [head, ["---"] * len(head), *rows]
    return [f"| {' | '.join(cells)} |" for cells in lines]


def said(result: dict[str, Any]) -> list[str]:
    """Machine and date, as lines of a list."""
    lines = [f"Measured on {result['date']}.", ""]
    return [*lines, *(f"- {key}: {value}" for key, value in result["machine"].items()), ""]


def parser(doc: str | None) -> argparse.ArgumentParser:
    """What benchmarks of judged clips are told; `doc` is the script's docstring."""
    made = argparse.ArgumentParser(description=(doc or "").splitlines()[0])
    add = made.add_argument
    samples = [ROOT / "samples" / name for name in ("archive.mp4", "colour.mkv")]
    add("clips", nargs="*", type=Path, default=samples, help="recordings (default: two samples)")
    add("--frames", type=int, default=48, help="of each clip, at most (default 48)")
    add("--rounds", type=int, default=3, help="timed rounds (default 3)")
    add("--json", type=Path, help="where to write every measurement")
    add("--markdown", type=Path, help="where to write the tables (default: standard output)")
    return made


def begun(rounds: int) -> dict[str, Any]:
    """A result without trials yet."""
    machine = {"date": date.today().isoformat(), "machine": measure.machine()}
    return {**machine, "rounds": rounds, "trials": []}


def save(result: dict[str, Any], tables: str, options: argparse.Namespace) -> None:
    """Write what there is so far: a long run may be interrupted."""
    if options.json:
        options.json.write_text(json.dumps(result, indent=2) + "\n")
    if options.markdown:
        options.markdown.write_text(tables)


def heading(trial: dict[str, Any], model: str) -> str:
    """What a clip is, and what plain enlargement makes of it."""
    plain = trial["plain"]
    return (
        f"**{trial['clip']}**, {trial['width']}×{trial['height']}, {trial['frames']} frames, "
        f"`{model}`; bicubic: PSNR-Y {plain['psnr']:.2f} dB, SSIM {plain['ssim']:.4f}, "
        f"E_warp {1e4 * plain['warp_error']:.2f}·10⁻⁴"
    )
