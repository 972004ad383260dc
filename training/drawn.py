"""Fit and report the boundary between drawn pictures and live action.

    python training/drawn.py --photographs DIR --drawings DIR [--clips DIR ...] [--count 400]

`--photographs` holds the live action: every tenth photograph by name is for reporting, the rest
for fitting. `--drawings` holds Debian packages, unpacked side by side (`apt-get download PACKAGE`,
`dpkg-deb -x FILE DIR/PACKAGE`); FITTED and REPORTED name them. Frames of cartoons are put together
from their backgrounds and figures. `--clips` are recordings whose verdicts are printed.
The script prints the constants of `videnhance/analysis/drawn.py` and the share of wrong verdicts
for each kind of damage. Nothing of the reporting lists takes part in the fit.
"""

from __future__ import annotations

import argparse
import hashlib
import io
from collections import defaultdict
from collections.abc import Iterator
from fractions import Fraction
from functools import cache
from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np

from videnhance.analysis import drawn
from videnhance.kernels.motion import planar
from videnhance.media.sample import sample_frames
from videnhance.media.source import probe

FITTED = ("supertux-data", "hedgewars-data", "pingus-data", "frozen-bubble-data")
"""Packages whose backgrounds are fitted on, with three quarters of openclipart-png's folders."""
REPORTED = ("warmux-data", "plasma-workspace-wallpapers")
"""Packages whose backgrounds are reported on, with the other folders of openclipart-png."""
ANIME = ("renpy-thequestion", "renpy-demo")
"""Packages of backgrounds and characters in the manner of anime: reported on, apart."""
PHOTOGRAPHIC = (
    "/Autumn/", "/BytheWater/", "/ColdRipple/", "/ColorfulCups/", "/DarkestHour/", "/Elarun/",
    "/EveningGlow/", "/FallenLeaf/", "/Grey/", "/Kite/", "/MilkyWay/", "/OneStandsOut/",
    "/Kokkini/", "/Opal/", "/Path/", "/summer_1am/", "/bg carillon", "/bg washington",
    "/bg whitehouse", "/bg cave", "renpy/demo/game/gui", "/textures/", "/map.png",
    "/background/misc/",
)  # fmt: skip
"""Parts of paths that are photographs, renderings, or textures without a picture."""
FIGURES = ("animals", "people", "buildings", "food", "plants", "recreation", "transportation")
"""Folders of openclipart-png whose pictures serve as figures."""
HEIGHTS = {120: 8, 144: 8, 240: 16, 288: 12, 360: 18, 480: 16, 576: 8, 720: 10, 1080: 4}
"""Rows of the frames that are made, and how often out of 100."""
DAMAGE = ("clean", "h264", "mpeg2", "noise", "grain", "blur", "grey", "dark", "bars", "small")
"""Kinds of damage that are reported one by one; "mixed", for fitting, is several at once."""
FALSE_DRAWN = 0.01
"""Share of fitted live frames that the offset lets through as drawn."""

Pixels = Any
"""8-bit BGR (H, W, 3), or BGRA."""


def main() -> None:
    """Fit, and print the constants and the report."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--photographs", type=Path, required=True)
    parser.add_argument("--drawings", type=Path, required=True)
    parser.add_argument("--clips", type=Path, nargs="*", default=[])
    parser.add_argument("--count", type=int, default=400, help="drawn frames to fit on")
    given = parser.parse_args()
    cv2.setNumThreads(1)
    dice = np.random.default_rng(1)
    samples = [*fitting(given, dice), *reporting(given, dice)]
    seen = [s for s in samples if s[2] is not None]
    weights = fit([s for s in seen if s[0].startswith("fit")])
    report([s for s in samples if not s[0].startswith("fit")], weights)
    for path in given.clips:
        verdict = drawn.judge(sample_frames(probe(str(path)), 5))
        print(f"{path.name}: {verdict.reason}")


# What is shown


def fitting(given: argparse.Namespace, dice: np.random.Generator) -> Iterator[tuple[str, str, Any]]:
    """List, damage and measures of every frame to fit on."""
    for path in photographs(given.photographs, reported=False):
        image = opened(path)[..., :3]
        for _ in range(2):
            yield "fit live", "mixed", measured(image, "mixed", dice)
    scenery = backgrounds(given.drawings, FITTED)
    figures = [f for f in cliparts(given.drawings) if not is_reported(f)][::3]
    for _ in range(given.count):
        image = cartoon(scenery, figures, dice)
        for _ in range(2):
            yield "fit drawn", "mixed", measured(image, "mixed", dice)


def reporting(
    given: argparse.Namespace, dice: np.random.Generator
) -> Iterator[tuple[str, str, Any]]:
    """List, damage and measures of every frame to report on: each picture in every damage."""
    shown = [("live", opened(p)[..., :3]) for p in photographs(given.photographs, reported=True)]
    scenery = backgrounds(given.drawings, REPORTED)
    figures = [f for f in cliparts(given.drawings) if is_reported(f)]
    shown += [("drawn", cartoon(scenery, figures, dice)) for _ in range(len(shown))]
    scenery, figures = backgrounds(given.drawings, ANIME), sprites(given.drawings)
    shown += [("anime", cartoon(scenery, figures, dice)) for _ in range(len(shown) // 4)]
    for name, image in shown:
        for damage in DAMAGE:
            yield name, damage, measured(image, damage, dice)


def photographs(folder: Path, *, reported: bool) -> list[Path]:
    """Every tenth photograph by name, or the others."""
    paths = sorted(folder.glob("*.jpg"))
    return [path for n, path in enumerate(paths) if (n % 10 == 9) == reported]


def backgrounds(folder: Path, packages: tuple[str, ...]) -> list[Path]:
    """Opaque pictures large enough to fill a frame."""
    found = []
    for package in packages:
        for path in sorted((folder / package).rglob("*")):
            if path.suffix.lower() not in (".png", ".jpg", ".webp") or path.is_symlink():
                continue
            if any(part in str(path) for part in PHOTOGRAPHIC) or not path.is_file():
                continue
            image = opened(path)
            if image.shape[0] < 270 or image.shape[1] < 480 or image[..., :3].std() < 8:
                continue
            if (image[..., 3] > 250).mean() > 0.8:
                found.append(path)
    return found


def cliparts(folder: Path) -> list[Path]:
    """Figures on a transparent ground."""
    base = folder / "openclipart-png" / "usr/share/openclipart/png"
    return [path for name in FIGURES for path in sorted((base / name).rglob("*.png"))]


def is_reported(path: Path) -> bool:
    """Whether a clip art belongs to the reporting list: a quarter of the folders do."""
    return hashlib.sha256(path.parent.name.encode()).digest()[0] % 4 == 0


def sprites(folder: Path) -> list[Path]:
    """The characters of the anime packages."""
    names = ("eileen*.png", "lucy*.png", "sylvie*.png")
    return sorted(p for k in ANIME for name in names for p in (folder / k).rglob(name))


@cache
def opened(path: Path) -> Pixels:
    """A picture as 8-bit BGRA, at most 1500 pixels a side; black where it cannot be read."""
    image = cv2.imread(str(path), cv2.IMREAD_UNCHANGED)
    if image is None:
        return np.zeros((1, 1, 4), np.uint8)
    if image.dtype != np.uint8:
        image = (image / 257).astype(np.uint8)
    if image.ndim == 2:
        image = cv2.cvtColor(image, cv2.COLOR_GRAY2BGRA)
    if image.shape[2] == 3:
        image = np.dstack([image, np.full(image.shape[:2], 255, np.uint8)])
    factor = min(1.0, 1500 / max(image.shape[:2]))
    return cv2.resize(image, None, fx=factor, fy=factor, interpolation=cv2.INTER_AREA)


def cartoon(scenery: list[Path], figures: list[Path], dice: np.random.Generator) -> Pixels:
    """A frame of a cartoon: one to five figures before a background, or before plain colours."""
    width, height = (960 if dice.random() < 0.25 else 1280), 720
    if dice.random() < 0.75:
        image = opened(scenery[dice.integers(len(scenery))]).astype(np.float32)
        alpha = image[..., 3:] / 255
        canvas = _filled(image[..., :3] * alpha + 200 * (1 - alpha), width, height, dice)
    else:
        top, bottom = dice.uniform(0, 255, (2, 3))
        t = np.linspace(0, 1, height)[:, None, None] * (dice.random() < 0.5)
        canvas = np.repeat(top + (bottom - top) * t, width, axis=1)
    for _ in range(dice.integers(1, 6)):
        figure = opened(figures[dice.integers(len(figures))])
        if min(figure.shape[:2]) >= 150:
            _paste(canvas, figure, dice)
    return canvas.clip(0, 255).astype(np.uint8)


def _filled(image: Any, width: int, height: int, dice: np.random.Generator) -> Any:
    factor = max(width / image.shape[1], height / image.shape[0]) * dice.uniform(1, 1.5)
    image = _scaled(image, factor)
    top = dice.integers(0, max(image.shape[0] - height, 0) + 1)
    left = dice.integers(0, max(image.shape[1] - width, 0) + 1)
    return cv2.resize(image[top : top + height, left : left + width], (width, height))


def _scaled(image: Any, factor: float) -> Any:
    filter_ = cv2.INTER_AREA if factor < 1 else cv2.INTER_CUBIC
    return cv2.resize(image, None, fx=factor, fy=factor, interpolation=filter_)


def _paste(canvas: Any, figure: Pixels, dice: np.random.Generator) -> None:
    """Put a figure, 0.3 to 1.3 times as high as the canvas, somewhere on it."""
    rows, columns = canvas.shape[:2]
    factor = dice.uniform(0.3, 1.3) * rows / figure.shape[0]
    if factor > 3 or factor * figure.shape[1] > 3 * columns:
        return
    image = figure.astype(np.float32)
    image[..., :3] *= image[..., 3:] / 255
    image = _scaled(image, factor).clip(0, 255)[:, :: 1 if dice.random() < 0.5 else -1]
    high, wide = image.shape[:2]
    y = int(dice.uniform(-0.2 * high, max(rows - 0.6 * high, 1)))
    x = int(dice.uniform(-0.4 * wide, columns - 0.6 * wide))
    target = canvas[max(y, 0) : y + high, max(x, 0) : x + wide]
    image = image[max(-y, 0) :, max(-x, 0) :][: target.shape[0], : target.shape[1]]
    target *= 1 - image[..., 3:] / 255
    target += image[..., :3]


# What recordings do to it


def measured(image: Pixels, damage: str, dice: np.random.Generator) -> Any:
    """The features of a damaged frame."""
    frame = damaged(image, damage, dice)
    return drawn.features(planar(frame[..., ::-1].astype(np.float32) / 255))


def damaged(image: Pixels, damage: str, dice: np.random.Generator) -> Pixels:
    """A frame as a recording holds it, of a size by chance; all but the clean ones encoded."""
    shares = np.array(list(HEIGHTS.values())) / sum(HEIGHTS.values())
    side = 120 if damage == "small" else int(dice.choice(list(HEIGHTS), p=shares))
    factor = side / min(image.shape[:2])

    def has(kind: str, share: float) -> bool:
        return damage == kind or (damage == "mixed" and dice.random() < share)

    x = _scaled(image.astype(np.float32), factor)
    if has("blur", 0.3):
        x = cv2.GaussianBlur(x, (0, 0), dice.uniform(0.5, 2) * max(side, 240) / 480)
    if has("grey", 0.15):
        x = np.repeat(x.mean(axis=2, keepdims=True), 3, axis=2)
    if has("dark", 0.15):
        x = 255 * (x.clip(0, 255) / 255) ** dice.uniform(1, 1.6) * dice.uniform(0.12, 0.5)
    if has("noise", 0.3):
        sigma = dice.uniform(2, 15)
        x = x + dice.normal(0, sigma, (*x.shape[:2], 1)) + dice.normal(0, sigma / 2, x.shape)
    if has("grain", 0.2):
        grain = cv2.GaussianBlur(dice.normal(0, 1, x.shape[:2]), (0, 0), dice.uniform(0.6, 1.2))
        x = x + (grain * (dice.uniform(3, 12) / grain.std()))[..., None]
    if has("bars", 0.1):
        bar = int(x.shape[0] * dice.uniform(0.06, 0.14))
        x[:bar] = x[-bar:] = 0
    pixels = x.clip(0, 255).round().astype(np.uint8)
    if damage == "clean" or (damage == "mixed" and dice.random() < 0.15):
        return pixels
    if has("mpeg2", 0.25):
        return encoded(pixels, "mpeg2video", {"qmin": "3", "qmax": str(dice.integers(3, 16))}, dice)
    crf = dice.integers(30, 36) if damage == "h264" else dice.integers(18, 36)
    return encoded(pixels, "libx264", {"crf": str(crf), "preset": "veryfast"}, dice)


def encoded(
    pixels: Pixels, codec: str, options: dict[str, str], dice: np.random.Generator
) -> Pixels:
    """The last of three frames of a slow pan, encoded and decoded."""
    pixels = pixels[: pixels.shape[0] // 2 * 2, : pixels.shape[1] // 2 * 2]
    step, file = int(dice.integers(0, 4)), io.BytesIO()
    with av.open(file, "w", format="matroska") as out:
        stream: Any = out.add_stream(codec, rate=25, options=options)
        stream.height, stream.width = pixels.shape[:2]
        stream.pix_fmt, stream.codec_context.thread_count = "yuv420p", 1
        for number in range(3):
            shown = np.ascontiguousarray(np.roll(pixels, number * step, axis=1))
            frame = av.VideoFrame.from_ndarray(shown, format="bgr24")
            frame.pts, frame.time_base = number, Fraction(1, 25)
            out.mux(stream.encode(frame))
        out.mux(stream.encode(None))
    file.seek(0)
    with av.open(file) as recording:
        return list(recording.decode(video=0))[-1].to_ndarray(format="bgr24")


# The boundary


def fit(samples: list[tuple[str, str, Any]]) -> Any:
    """Weights of a logistic regression, the offset last; printed for the module."""
    x = np.array([np.append(s[2], 1) for s in samples])
    t = np.array([s[0] == "fit drawn" for s in samples], float)
    weights = np.zeros(x.shape[1])
    scale = x.std(axis=0) + (x.std(axis=0) == 0)
    for _ in range(50):
        p = 1 / (1 + np.exp(-(x / scale) @ weights))
        hessian = (x / scale).T @ ((x / scale) * (p * (1 - p))[:, None]) + 0.1 * np.eye(len(scale))
        weights += np.linalg.solve(hessian, (x / scale).T @ (t - p) - 0.1 * weights)
    weights /= scale
    weights[-1] -= np.quantile(x[t == 0] @ weights, 1 - FALSE_DRAWN)
    print("weights:", ", ".join(f"{w:.3f}" for w in weights[:-1]), f"offset: {weights[-1]:.3f}")
    print(f"fitted on {int((t == 0).sum())} live and {int(t.sum())} drawn frames")
    return weights


def report(samples: list[tuple[str, str, Any]], weights: Any) -> None:
    """Print the share of wrong verdicts on single frames, by damage."""
    wrong: dict[tuple[str, str], list[bool]] = defaultdict(list)
    for name, damage, features in samples:
        is_drawn = features is not None and float(np.append(features, 1) @ weights) > 0
        for row in (damage, "all"):
            wrong[row, name].append(is_drawn == (name == "live"))
    print("| damage | live taken for drawn | drawn taken for live | anime taken for live |")
    print("|---|---|---|---|")
    for row in (*DAMAGE, "all"):
        cells = (wrong[row, name] for name in ("live", "drawn", "anime"))
        print(f"| {row} |", " | ".join(f"{sum(c)} of {len(c)}" for c in cells), "|")


if __name__ == "__main__":
    main()
