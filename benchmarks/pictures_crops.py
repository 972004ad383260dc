"""Draw crops of what `pictures.py` judges, and of real recordings, side by side.

    python pictures_crops.py --media FOLDER --work FOLDER --output FOLDER \\
        --run now="--model live-x2" --still x4plus="--model realesrgan-x4plus"

A `--run` enlarges whole clips (kept in `--work`); a `--still`, for slow networks, the crop of one
frame alone.
"""

from __future__ import annotations

import argparse
import json
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import measure
import numpy as np
import pictures
import pictures_damage as damage
from clip import size_and_count
from numpy.typing import NDArray
from pictures import PLAIN, Case, Judge, Run

SIDE = 192
"""Pixels that a crop is wide and high where it is shown."""
LEAD = 8
"""Frames of a real recording that a run is given; the last one is shown."""
MARGIN = 40
"""Source pixels around a crop that a still is given, for its network's receptive field."""
LARGEST = 300_000
"""Bytes of a sheet, at most; its JPEG quality is lowered from 90 until it fits."""


@dataclass(frozen=True)
class Crop:
    """A square of one frame of an output of twice the source's size."""

    clip: str
    """A clip of the list `figures`, or the file of a real recording."""
    kind: str
    """The damage; empty for a real recording, which has no truth."""
    frame: int
    x: int
    """Of the left upper corner in the output, as is `y`; both even."""
    y: int
    zoom: int = 1
    """How many times larger it is shown; 1 is 100 %."""

    @property
    def label(self) -> str:
        """What stands over the source."""
        shown = f", shown x{self.zoom}" if self.zoom > 1 else ""
        return f"source, {self.kind or 'as it is'}{shown}"

    @property
    def side(self) -> int:
        return SIDE // self.zoom


SHEETS = {
    "faces": (
        Crop("talkinghead", "web", 16, 196, 110),
        Crop("signer", "web", 20, 168, 32, 2),
        Crop("chaplin", "film", 20, 160, 2, 2),
        Crop("talkinghead", "tape", 16, 196, 110),
        Crop("talkinghead", "clean", 16, 196, 110),
    ),
    "scenes": (
        Crop("signer", "web", 20, 132, 108),
        Crop("signer", "tape", 20, 132, 108),
        Crop("motorway", "web", 13, 288, 0),
        Crop("chaplin", "film", 20, 132, 0),
        Crop("motorway", "tape", 13, 140, 96, 2),
    ),
    "real": (
        Crop("bw_film_chaplin.mp4", "", 180, 666, 30),
        Crop("lowlight_webcam_vfr.mov", "", 16, 640, 220),
        Crop("noisy_mjpeg_422_camera.avi", "", 16, 220, 40),
        Crop("phone_rot90_screen_text.mov", "", 16, 4, 396),
    ),
}
"""What is drawn: a row for each crop."""

Picture = NDArray[np.uint8]


def frame_of(path: Path, number: int, x: int, y: int, side: int) -> Picture:
    """A square of one frame, (side, side, 3) in RGB."""
    select = f"select=eq(n\\,{number}),format=rgb24,crop={side}:{side}:{x}:{y}:exact=1"
    form = ("-frames:v", "1", "-f", "rawvideo", "-pix_fmt", "rgb24", "-")
    raw = damage.ffmpeg("-i", str(path), "-vf", select, *form)
    return np.frombuffer(raw, np.uint8).reshape(side, side, 3)


def labelled(picture: Picture, zoom: int, label: str, above: int = 22) -> Picture:
    """The picture, enlarged without interpolation, under its name."""
    larger = picture.repeat(zoom, axis=0).repeat(zoom, axis=1)
    canvas = np.full((larger.shape[0] + above, larger.shape[1], 3), 255, np.uint8)
    canvas[above:] = larger
    cv2.putText(
        canvas, label, (2, above - 7), cv2.FONT_HERSHEY_SIMPLEX, 0.45, (0, 0, 0), 1, cv2.LINE_AA
    )
    return canvas


def stacked(rows: Sequence[Sequence[Picture]], gap: int = 4) -> Picture:
    """Rows of pictures of one size on white; a row may be shorter than others."""
    height, width = rows[0][0].shape[:2]
    across = max(len(row) for row in rows)
    size = (len(rows) * (height + gap) - gap, across * (width + gap) - gap, 3)
    canvas = np.full(size, 255, np.uint8)
    for number, row in enumerate(rows):
        top = number * (height + gap)
        for column, picture in enumerate(row):
            left = column * (width + gap)
            canvas[top : top + height, left : left + width] = picture
    return canvas


def save(sheet: Picture, path: Path) -> None:
    """As JPEG of quality 90, or less where that is too large a file."""
    for quality in range(90, 50, -5):
        options = [cv2.IMWRITE_JPEG_QUALITY, quality]
        _, data = cv2.imencode(".jpg", cv2.cvtColor(sheet, cv2.COLOR_RGB2BGR), options)
        if data.size <= LARGEST:
            break
    path.write_bytes(data.tobytes())


def kept(folder: Path, source: Path, run: Run, what: str, again: Sequence[str]) -> Path:
    """An output of `source`, made unless the same options made it before."""
    key = zlib.crc32(json.dumps(run.key()).encode())
    output = folder / f"{what}-{run.name}-{key:08x}.mkv"
    if not output.exists() or run.name in again:
        pictures.whole(output, lambda path: run.enhance(source, path))
    return output


def still(crop: Crop, material: Material, run: Run, again: Sequence[str]) -> Picture:
    """The crop as a slow contestant makes it of that frame and part alone."""
    width, height, _ = size_and_count(material.source)
    left, top = (max(0, corner // 2 - MARGIN) // 2 * 2 for corner in (crop.x, crop.y))
    right = min(width, (crop.x + crop.side) // 4 * 2 + 2 + MARGIN)
    bottom = min(height, (crop.y + crop.side) // 4 * 2 + 2 + MARGIN)
    name = f"{material.frame}-{crop.x}-{crop.y}"
    part = material.folder / f"part-of-{name}.mkv"
    cut = f"crop={right - left}:{bottom - top}:{left}:{top}:exact=1"
    damage.convert(material.source, part, f"select=eq(n\\,{material.frame}),{cut}")
    output = kept(material.folder, part, run, name, again)
    return frame_of(output, 0, crop.x - 2 * left, crop.y - 2 * top, crop.side)


@dataclass(frozen=True)
class Material:
    """The files that a row is cut from."""

    folder: Path
    source: Path
    frame: int
    """Number of the frame in these files."""
    outputs: dict[str, Path]
    """Bicubic's and every run's, by their names."""
    truth: Path | None = None


def judged_material(crop: Crop, options: argparse.Namespace) -> Material:
    """What `pictures.py` made, or would make, of a damaged clip."""
    clip = next(clip for clip in damage.FIGURES if clip.name == crop.clip)
    case = Case(clip, crop.kind, options.work / clip.name / crop.kind)
    case.prepare(options.media)
    judge = Judge(case.truth)
    for run in options.run:
        pictures.judge_run(case, run, judge, run.name in options.again)
    outputs = {name: case.output(name) for name in (PLAIN, *(run.name for run in options.run))}
    return Material(case.folder, case.source, crop.frame, outputs, case.truth)


def real_material(crop: Crop, options: argparse.Namespace) -> Material:
    """Some frames of a recording as it is, enlarged."""
    folder = options.work / "real" / Path(crop.clip).stem
    folder.mkdir(parents=True, exist_ok=True)
    source, plain, number = folder / "source.mkv", folder / f"{PLAIN}.mkv", LEAD - 1
    if not plain.exists():
        frames = f"select=between(n\\,{crop.frame - number}\\,{crop.frame})"
        scale = "scale=out_color_matrix=bt601:out_range=tv"
        damage.convert(options.media / crop.clip, source, f"{frames},{scale}")
        pictures.whole(plain, lambda path: damage.enlarge(source, path))
    runs = {run.name: kept(folder, source, run, "clip", options.again) for run in options.run}
    return Material(folder, source, number, {PLAIN: plain, **runs})


def row(crop: Crop, options: argparse.Namespace) -> list[Picture]:
    """Source, bicubic, every contestant and, where it is known, the truth."""
    material = (judged_material if crop.kind else real_material)(crop, options)

    def cut(path: Path) -> Picture:
        return frame_of(path, material.frame, crop.x, crop.y, crop.side)

    cells = {name: cut(path) for name, path in material.outputs.items()}
    cells |= {run.name: still(crop, material, run, options.again) for run in options.still}
    if material.truth:
        cells["truth"] = cut(material.truth)
    half = frame_of(material.source, material.frame, crop.x // 2, crop.y // 2, crop.side // 2)
    first = labelled(half, 2 * crop.zoom, crop.label)
    return [first, *(labelled(picture, crop.zoom, name) for name, picture in cells.items())]


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    add = parser.add_argument
    add("--media", type=Path, required=True, metavar="FOLDER", help="where the recordings lie")
    add("--work", type=Path, required=True, metavar="FOLDER", help="that of pictures.py")
    add("--output", type=Path, required=True, metavar="FOLDER", help="where to write the sheets")
    add("--sheets", nargs="+", choices=list(SHEETS), default=list(SHEETS))
    add("--run", type=Run.of, action="append", default=[], metavar='NAME="OPTIONS"')
    add("--still", type=Run.of, action="append", default=[], metavar='NAME="OPTIONS"')
    add("--again", nargs="+", default=[], metavar="NAME", help="runs whose kept results are void")
    return parser.parse_args()


def main() -> None:
    options = arguments()
    options.output.mkdir(parents=True, exist_ok=True)
    try:
        for name in options.sheets:
            sheet = stacked([row(crop, options) for crop in SHEETS[name]])
            save(sheet, options.output / f"pictures-{name}.jpg")
    except (measure.CommandError, damage.FfmpegError) as error:
        raise SystemExit(str(error)) from error


if __name__ == "__main__":
    main()
