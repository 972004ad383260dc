"""What the sample clips show: free photographs, a gliding camera, subjects that move on their own.

A scene is a camera over a photograph, with one cut-out subject that moves in front of it. Every
frame is rendered at four times the clip's size; the clean pictures at scales 1, 2 and 4 are area
averages of that rendering. The clip itself is the picture at scale 1, degraded and compressed by
`make_samples.py`, so a clean frame lies exactly, in place and time, under the frame made from it.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from fractions import Fraction
from functools import lru_cache
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

Picture = NDArray[np.float32]  # (H, W, 3) RGB, 0..1

RENDER_SCALE = 4


@dataclass(frozen=True)
class View:
    """Where the camera looks: centre and field width in photograph pixels, roll in degrees."""

    x: float
    y: float
    width: float
    roll: float = 0.0


@dataclass(frozen=True)
class Cutout:
    """A subject lifted off its photograph, moving in front of it.

    `outline` may be rough: a guided filter pulls the matte to the edges in the photograph. `path`
    gives the displacement (photograph pixels) and the turn (degrees about `pivot`) for the progress
    of the scene, 0..1. `exhaust` lights a flame below the pivot as the subject rises.
    """

    outline: tuple[tuple[int, int], ...]
    pivot: tuple[float, float]
    path: Callable[[float], tuple[float, float, float]]
    exhaust: bool = False


@dataclass(frozen=True)
class Scene:
    """One shot. The camera eases from `start` to `end`, then rests for `hold` seconds."""

    photo: str
    seconds: float
    start: View
    end: View
    cutout: Cutout | None = None
    hold: float = 0.0
    shake: float = 0.0
    gain: float = 1.0


@dataclass(frozen=True)
class Wear:
    """How a picture ages. `noise` and `flicker` are standard deviations of a 0..1 signal."""

    seed: int
    noise: float
    grain_blur: float = 0.6
    colour_noise: float = 0.0
    softness: float = 0.45
    flicker: float = 0.0
    scratches: int = 0
    dust: float = 0.0


@dataclass(frozen=True)
class Clip:
    """A file: its shots, its damage, and all that is said about it in the container.

    `width` and `height` are those of the upright picture; `rotation` is how many degrees
    counter-clockwise a player has to turn the stored picture.
    """

    file: str
    width: int
    height: int
    scenes: tuple[Scene, ...]
    wear: Wear
    title: str
    codec: str
    codec_options: dict[str, str]
    audio_codec: str
    audio_bit_rate: int
    time_base: Fraction
    ticks: tuple[int, ...]
    rate: Fraction
    matrix: int
    monochrome: bool = False
    sample_aspect: Fraction = Fraction(1)
    rotation: int = 0
    chapters: tuple[tuple[float, str], ...] = ()
    subtitles: tuple[tuple[float, float, str], ...] = ()
    audio_start: Fraction = Fraction(0)
    tune: tuple[int, ...] = (0, 4, 7, 12)
    container_options: dict[str, str] = field(default_factory=dict)

    @property
    def duration(self) -> float:
        return sum(scene.seconds for scene in self.scenes)

    def seconds(self, n: int) -> float:
        """Time of frame `n` since the first."""
        return float((self.ticks[n] - self.ticks[0]) * self.time_base)


# ---------------------------------------------------------------------------------- the set


def _steady(count: int, step: int, first: int = 0) -> tuple[int, ...]:
    return tuple(first + n * step for n in range(count))


def _handheld_ticks(seconds: float) -> tuple[int, ...]:
    """A phone's timing in 1/90000 s: 30 fps with jitter, a dark part at 20, dropped frames."""
    rng = np.random.default_rng(11)
    ticks, tick = [], 0
    while tick < seconds * 90_000:
        ticks.append(tick)
        step = 4500 if 1.0 < tick / 90_000 < 1.6 else 3000
        tick += (step + int(rng.integers(-90, 91))) * (2 if rng.random() < 0.06 else 1)
    return tuple(ticks)


def _nod(t: float) -> tuple[float, float, float]:
    return 7 * math.sin(5.2 * t), 3 * math.sin(8.5 * t + 0.5), 1.6 * math.sin(5.2 * t + 0.9)


def _lean(t: float) -> tuple[float, float, float]:
    return 9 * math.sin(3.6 * t - 0.8), 0.0, 0.9 * math.sin(3.6 * t - 0.8)


def _lift_off(t: float) -> tuple[float, float, float]:
    return 0.25 * math.sin(30 * t), -110 * max(0.0, t - 0.12) ** 2, 0.0


CAMERAMAN = Cutout(
    ((-40, 290), (0, 262), (18, 232), (40, 195), (60, 160), (78, 140), (100, 131), (130, 124),
     (146, 110), (160, 104), (166, 90), (180, 74), (205, 63), (232, 72), (258, 92), (271, 118),
     (266, 133), (258, 138), (323, 139), (325, 157), (321, 168), (331, 174), (333, 196), (318, 212),
     (306, 214), (308, 240), (301, 250), (305, 274), (298, 280), (298, 345), (287, 345), (287, 288),
     (262, 304), (246, 313), (228, 308), (206, 296), (180, 325), (140, 380), (152, 512),
     (-40, 512)),
    (150.0, 420.0), lambda t: (7 * t - 3, 0.0, 0.5 * math.sin(4 * t)),
)  # fmt: skip
ROCKET = Cutout(
    ((322, 126), (317, 130), (312, 142), (310, 152), (310, 172), (313, 179), (313, 406), (332, 406),
     (331, 179), (334, 172), (334, 150), (332, 141), (327, 130)),
    (322.0, 406.0), _lift_off, exhaust=True,
)  # fmt: skip
ASTRONAUT = Cutout(
    ((0, 640), (20, 500), (18, 400), (30, 345), (45, 290), (68, 245), (112, 212), (116, 185),
     (130, 160), (155, 148), (182, 148), (180, 132), (172, 128), (158, 108), (153, 80), (158, 58),
     (180, 36), (200, 22), (230, 15), (262, 20), (287, 40), (299, 70), (299, 100), (288, 122),
     (276, 132), (268, 138), (262, 165), (290, 190), (306, 230), (330, 245), (348, 280), (360, 330),
     (366, 350), (400, 343), (440, 350), (475, 380), (492, 430), (497, 455), (520, 520),
     (520, 640)),
    (230.0, 520.0), _lean,
)  # fmt: skip
CAT = Cutout(
    ((38, -30), (34, 0), (32, 90), (20, 110), (0, 125), (-40, 140), (-40, 340), (345, 340),
     (322, 285), (316, 255), (318, 225), (335, 190), (348, 160), (358, 130), (360, 105), (352, 72),
     (366, 50), (384, 20), (396, 0), (396, -30)),
    (150.0, 330.0), _nod,
)  # fmt: skip

_X264 = {"preset": "veryslow", "threads": "1"}

CLIPS = {
    clip.file.split(".")[0]: clip
    for clip in (
        Clip(
            "archive.mp4", 320, 180,
            (
                Scene("camera", 44 * 1001 / 24_000, View(226, 172, 430, -0.5),
                      View(256, 166, 470, 0.3), CAMERAMAN),
                Scene("rocket", 52 * 1001 / 24_000, View(320, 264, 540), View(322, 216, 570),
                      ROCKET, gain=1.25),
            ),
            Wear(7, 0.028, flicker=0.05, scratches=6, dust=2.2),
            "The launch", "libx264", {**_X264, "crf": "26", "g": "48"}, "aac", 48_000,
            Fraction(1, 24_000), _steady(96, 1001), Fraction(24_000, 1001), 6, monochrome=True,
            chapters=((0.0, "The cameraman"), (44 * 1001 / 24_000, "The launch")),
        ),
        Clip(
            "colour.mkv", 256, 144,
            (
                Scene("chelsea", 1.8, View(222, 138, 340), View(232, 150, 390), CAT),
                Scene("coffee", 1.6, View(300, 200, 420, -4.0), View(330, 190, 520, 0.0), hold=0.6),
            ),
            Wear(2, 0.03, colour_noise=0.02),
            "Two still lives", "libx264", {**_X264, "crf": "26", "g": "50"}, "libopus", 32_000,
            Fraction(1, 1000), _steady(85, 40, 500), Fraction(25), 1,
            chapters=((0.0, "The cat"), (1.8, "The cup")),
            subtitles=((0.7, 2.0, "Chelsea looks up."), (2.5, 3.7, "The coffee is getting cold.")),
            audio_start=Fraction(620, 1000), tune=(0, 3, 7, 10),
        ),
        Clip(
            "phone.mp4", 144, 256,
            (Scene("astronaut", 2.6, View(222, 262, 238), View(240, 238, 262), ASTRONAUT,
                   shake=2.2),),
            Wear(3, 0.015, colour_noise=0.012, softness=0.6),
            "At the exhibition", "libx264", {**_X264, "crf": "25", "g": "60"}, "aac", 40_000,
            Fraction(1, 90_000), _handheld_ticks(2.6), Fraction(30), 1, rotation=-90,
            tune=(0, 5, 9, 14), container_options={"movie_timescale": "90000"},
        ),
        Clip(
            "pal.mpg", 180, 144,
            (Scene("rocket", 2.4, View(190, 240, 330), View(430, 205, 360), gain=0.62),),
            Wear(4, 0.022, colour_noise=0.02, grain_blur=0.4),
            "The pad at dusk", "mpeg2video",
            {"qmin": "3", "qmax": "7", "g": "12", "threads": "1", "flags": "+bitexact"},
            "mp2", 64_000, Fraction(1, 25), _steady(60, 1), Fraction(25), 5,
            sample_aspect=Fraction(16, 15), tune=(0, 2, 4, 7),
        ),
    )
}  # fmt: skip
"""The clips by name. Numbers of `matrix` are those of ITU-T H.273."""


# ---------------------------------------------------------------------------------- rendering


@lru_cache(maxsize=8)
def _photo(name: str) -> Picture:
    from skimage import data

    image = np.asarray(getattr(data, name)())
    if image.ndim == 2:
        image = np.repeat(image[..., None], 3, axis=2)
    return np.ascontiguousarray(image[..., :3], np.float32) / np.float32(255)


def _box(image: NDArray[Any], radius: int) -> NDArray[Any]:
    return np.asarray(cv2.blur(image, (2 * radius + 1,) * 2))


@lru_cache(maxsize=8)
def _layers(photo: str, outline: tuple[tuple[int, int], ...]) -> tuple[Picture, Picture]:
    """The subject's matte (H, W), and the photograph with the subject painted out."""
    image = _photo(photo)
    mask = np.zeros(image.shape[:2], np.uint8)
    cv2.fillPoly(mask, [np.array(outline, np.int32) * 16], 255, cv2.LINE_AA, 4)
    rough = mask.astype(np.float32) / 255
    # Guided filter (He, Sun and Tang, 2010) with the grey photograph as its guide.
    grey, radius = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY), 4
    mean, mean_mask = _box(grey, radius), _box(rough, radius)
    slope = (_box(grey * rough, radius) - mean * mean_mask) / (
        _box(grey * grey, radius) - mean * mean + 1e-3
    )
    matte = _box(slope, radius) * grey + _box(mean_mask - slope * mean, radius)
    matte = np.clip(1.25 * matte - 0.125, 0, 1).astype(np.float32)
    # Normalised convolution, coarse to fine, carries the surroundings into the hole.
    known = (cv2.dilate(matte, np.ones((13, 13))) < 0.02).astype(np.float32)
    filled = np.full_like(image, image.mean(axis=(0, 1)))
    for sigma in (64.0, 32.0, 16.0, 8.0, 4.0, 2.0):
        weight = cv2.GaussianBlur(known, (0, 0), sigma)[..., None]
        near = cv2.GaussianBlur(image * known[..., None], (0, 0), sigma) / (weight + 1e-6)
        trust = np.clip(4 * weight, 0, 1)
        filled = trust * near + (1 - trust) * filled
    return matte, known[..., None] * image + (1 - known[..., None]) * filled


def _turn(degrees: float) -> NDArray[np.float64]:
    c, s = math.cos(math.radians(degrees)), math.sin(math.radians(degrees))
    return np.array([[c, -s, 0], [s, c, 0], [0, 0, 1]])


def _shift(x: float, y: float) -> NDArray[np.float64]:
    return np.array([[1, 0, x], [0, 1, y], [0, 0, 1.0]])


def _camera(scene: Scene, seconds: float, clip: Clip) -> NDArray[np.float64]:
    """Affine map from pixels of the rendering to pixels of the photograph."""
    t = min(1.0, seconds / (scene.seconds - scene.hold))
    t = t * t * (3 - 2 * t) if scene.hold else t
    a, b = scene.start, scene.end
    x, y, width, roll = (
        p + (q - p) * t for p, q in ((a.x, b.x), (a.y, b.y), (a.width, b.width), (a.roll, b.roll))
    )
    if scene.shake:
        x += scene.shake * (math.sin(5.1 * seconds) + 0.5 * math.sin(13.7 * seconds + 1))
        y += scene.shake * (math.sin(6.3 * seconds + 2) + 0.4 * math.sin(17.3 * seconds))
        roll += 0.25 * scene.shake * math.sin(4.4 * seconds + 0.7)
    step = width / (RENDER_SCALE * clip.width)
    zoom = np.diag([step, step / float(clip.sample_aspect), 1.0])
    centre = (RENDER_SCALE * clip.width - 1) / 2, (RENDER_SCALE * clip.height - 1) / 2
    return np.asarray(_shift(x, y) @ _turn(roll) @ zoom @ _shift(-centre[0], -centre[1]))


def _exhaust(
    camera: NDArray[np.float64], base: tuple[float, float], rise: float, seconds: float,
    size: tuple[int, int],
) -> Picture:  # fmt: skip
    """Light (H, W, 3) of a flame hanging `rise` photograph pixels below `base`."""
    u, v = np.meshgrid(np.arange(size[0], dtype=np.float32), np.arange(size[1], dtype=np.float32))
    m = camera.astype(np.float32)
    x = m[0, 0] * u + m[0, 1] * v + m[0, 2] - base[0]
    y = m[1, 0] * u + m[1, 1] * v + m[1, 2] - base[1]
    burn = 1 + 0.08 * math.sin(41 * seconds) + 0.05 * math.sin(67 * seconds)
    length = 18 + 0.5 * rise
    flame = np.exp(-((x / (5 + 0.06 * np.clip(y, 0, 200))) ** 2) - (y / length - 0.6) ** 2 * 3)
    halo = np.exp(-((x / 60) ** 2) - ((y - 15) / 45) ** 2)
    light = burn * min(1.0, rise / 4) * (1.1 * flame * (y > -2) + 0.3 * halo)
    return np.asarray(light[..., None] * np.array([1.0, 0.86, 0.6]), np.float32)


def _render(clip: Clip, n: int) -> Picture:
    """Frame `n`, upright, at RENDER_SCALE times the clip's size."""
    seconds, index = clip.seconds(n), 0
    # A frame exactly on a cut belongs to the new shot, whatever the rounding of the sum.
    while seconds >= clip.scenes[index].seconds - 1e-6 and index < len(clip.scenes) - 1:
        seconds -= clip.scenes[index].seconds
        index += 1
    scene = clip.scenes[index]
    size = RENDER_SCALE * clip.width, RENDER_SCALE * clip.height
    camera = _camera(scene, max(0.0, seconds), clip)

    def look(image: Picture, to_photo: NDArray[np.float64]) -> Picture:
        flags = cv2.INTER_CUBIC | cv2.WARP_INVERSE_MAP
        out = cv2.warpAffine(image, to_photo[:2], size, flags=flags, borderMode=cv2.BORDER_REFLECT)
        return np.asarray(np.clip(out, 0, 1))

    if scene.cutout is None:
        picture = look(_photo(scene.photo), camera)
    else:
        cutout = scene.cutout
        matte, background = _layers(scene.photo, cutout.outline)
        dx, dy, degrees = cutout.path(seconds / scene.seconds)
        px, py = cutout.pivot
        own = _shift(px, py) @ _turn(-degrees) @ _shift(-px - dx, -py - dy) @ camera
        alpha = look(matte, own)[..., None]
        picture = (1 - alpha) * look(background, camera) + alpha * look(_photo(scene.photo), own)
        if cutout.exhaust:
            picture += _exhaust(camera, (px + dx, py + dy), -dy, seconds, size)
    picture = np.clip(scene.gain * picture, 0, 1)
    if clip.monochrome:
        picture = np.repeat(cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY)[..., None], 3, axis=2)
    return np.asarray(picture, np.float32)


def clean_upright(clip: Clip, n: int, scale: int) -> Picture:
    """Frame `n` upright and undamaged at `scale` (1, 2 or 4) times the clip's size."""
    if scale not in (1, 2, 4):
        raise ValueError(f"scale must be 1, 2 or 4, got {scale}")
    size = clip.width * scale, clip.height * scale
    return np.asarray(cv2.resize(_render(clip, n), size, interpolation=cv2.INTER_AREA))


def as_stored(clip: Clip, picture: Picture) -> Picture:
    """Turn an upright picture the way the file stores it."""
    return np.ascontiguousarray(np.rot90(picture, -clip.rotation // 90))


def clean_frame(name: str, n: int, scale: int = 1) -> NDArray[np.float32]:
    """Frame `n` of clip `name` without any damage, at `scale` (1, 2 or 4) times its size.

    Returns RGB (3, H, W) float32 in 0..1, turned as the clip stores it (before rotation and
    before the sample aspect ratio).
    """
    clip = CLIPS[name]
    return np.ascontiguousarray(as_stored(clip, clean_upright(clip, n, scale)).transpose(2, 0, 1))


def clean_frames(name: str, scale: int = 1) -> Iterator[NDArray[np.float32]]:
    """All frames of `clean_frame` in order; they match the decoded frames one to one."""
    return (clean_frame(name, n, scale) for n in range(len(CLIPS[name].ticks)))
