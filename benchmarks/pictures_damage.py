"""Clips for judging pictures, and the damage done to them; shares no code with `training/`.

ffmpeg halves, blurs and encodes. NumPy makes what ffmpeg has no filter for: grain and flicker of
brightness, tape streaks, chroma noise and chroma shift. All of it is the same on every run.
"""

from __future__ import annotations

import subprocess
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import cv2
import imageio_ffmpeg
import numpy as np
from numpy.typing import NDArray

RATE = 25
"""Frames a second of everything written here; the clips' own rates play no part."""
BICUBIC = "flags=bicubic+accurate_rnd+full_chroma_int"
LOSSLESS = ("-c:v", "ffv1")
_TAGS = ("-pix_fmt", "yuv420p", "-colorspace", "smpte170m", "-color_range", "tv")
_BLACK = 16.0
"""Code value of black: all clips are BT.601 of limited range, so that nobody has to guess."""


@dataclass(frozen=True)
class Clip:
    """Some frames of a recording, cropped and reduced by area until they are clean."""

    name: str
    file: str
    width: int
    """Of the truth, as is `height`: multiples of 4, so that half of it is still 4:2:0."""
    height: int
    frames: int
    start: int = 0
    """The first frame taken."""
    crop: str = ""
    """width:height:x:y in the recording, before it is reduced; all of it where empty."""


FIGURES = (
    Clip("talkinghead", "talkinghead_3chapters.mp4", 540, 360, 30),
    Clip("signer", "static_signer_fullrange.mkv", 432, 324, 32, start=16),
    Clip("motorway", "fast_motorway.mp4", 480, 268, 32, crop="960:536:0:2"),
    Clip("chaplin", "bw_film_chaplin.mp4", 328, 240, 32, start=160, crop="492:360:74:0"),
)
"""Recordings that no network of ours is trained on, reduced by 2 or 1.5 to be clean."""
VALIDATION = (
    Clip("bottle", "bottle_cloth_8k_source.mp4", 960, 536, 8, crop="960:536:0:2"),
    Clip("panel", "panel_texture_60fps.mp4", 540, 960, 18),
)
"""Every tenth of the clips for training, by sorted name: kept aside to choose weights by."""
TRAINING = (
    Clip("dog", "dog_and_woman_a.mp4", 480, 268, 24, crop="960:536:0:2"),
    Clip("blocks", "hands_letter_blocks.mp4", 480, 268, 24, crop="960:536:0:2"),
    Clip("crossing", "drive_tree_crossing.mp4", 480, 268, 24, crop="960:536:0:2"),
    Clip("path", "walking_path_a.mp4", 640, 360, 24),
)
"""Clips that networks of ours are trained on: only to see whether one learned anything."""
_Noise = NDArray[np.float32]
LISTS = {"figures": FIGURES, "validation": VALIDATION, "training": TRAINING}


@dataclass(frozen=True)
class Stack:
    """All frames of a clip as planes of 8 bits, 4:2:0: `luma` (N, H, W), chroma of half size."""

    luma: NDArray[np.uint8]
    cb: NDArray[np.uint8]
    cr: NDArray[np.uint8]


class FfmpegError(Exception):
    """ffmpeg ended with an error."""


def ffmpeg(*arguments: str, data: bytes | None = None) -> bytes:
    """Run imageio-ffmpeg's program; gives its output. Raises FfmpegError."""
    command = [imageio_ffmpeg.get_ffmpeg_exe(), "-v", "error", "-y", *arguments]
    done = subprocess.run(command, input=data or b"", capture_output=True, check=False)
    if done.returncode:
        raise FfmpegError(f"{' '.join(command)}\n{done.stderr.decode(errors='replace')[-2000:]}")
    return done.stdout


def convert(source: Path, target: Path, filters: str, codec: tuple[str, ...] = LOSSLESS) -> None:
    """Filter a recording and encode it, at `RATE`."""
    timed = f"{filters},setpts=N/{RATE}/TB"
    ffmpeg("-i", str(source), "-an", "-vf", timed, "-r", str(RATE), *_TAGS, *codec, str(target))


def read(path: Path, width: int, height: int) -> Stack:
    """Decode a recording of even sides to planes."""
    raw = ffmpeg("-i", str(path), "-f", "rawvideo", "-pix_fmt", "yuv420p", "-")
    rows = np.frombuffer(raw, np.uint8).reshape(-1, width * height * 3 // 2)
    luma, cb, cr = np.split(rows, [width * height, width * height * 5 // 4], axis=1)
    half = (-1, height // 2, width // 2)
    return Stack(luma.reshape(-1, height, width), cb.reshape(half), cr.reshape(half))


def write(path: Path, stack: Stack, codec: tuple[str, ...] = LOSSLESS) -> None:
    """Encode planes."""
    count, height, width = stack.luma.shape
    planes = (plane.reshape(count, -1) for plane in (stack.luma, stack.cb, stack.cr))
    raw = np.concatenate(list(planes), axis=1).tobytes()
    form = ("-f", "rawvideo", "-pix_fmt", "yuv420p", "-s", f"{width}x{height}", "-r", str(RATE))
    ffmpeg(*form, "-i", "-", *_TAGS, *codec, str(path), data=raw)


def write_truth(clip: Clip, recording: Path, target: Path) -> None:
    """The clip as it should be, lossless."""
    last = clip.start + clip.frames - 1
    parts = [f"select=between(n\\,{clip.start}\\,{last})"]
    parts += [f"crop={clip.crop}"] if clip.crop else []
    scale = "flags=area+accurate_rnd+full_chroma_int:out_color_matrix=bt601:out_range=tv"
    convert(recording, target, ",".join([*parts, f"scale={clip.width}:{clip.height}:{scale}"]))


def enlarge(source: Path, target: Path) -> None:
    """Twice the size, bicubic: what everything is compared with."""
    convert(source, target, f"scale=iw*2:ih*2:{BICUBIC}")


def keep(source: Path, target: Path) -> None:
    """The same size: what cleaned clips are compared with."""
    convert(source, target, "null")


_HALF = f"scale=iw/2:ih/2:{BICUBIC}"


def _clean(truth: Path, target: Path, clip: Clip) -> None:
    """Halved only."""
    convert(truth, target, _HALF)


def _area(truth: Path, target: Path, clip: Clip) -> None:
    """Halved only, by means of 2x2: softer edges, more aliasing than bicubic."""
    convert(truth, target, "scale=iw/2:ih/2:flags=area+accurate_rnd+full_chroma_int")


def _web(truth: Path, target: Path, clip: Clip) -> None:
    """Halved, H.264 at CRF 30."""
    convert(truth, target, _HALF, ("-c:v", "libx264", "-crf", "30", "-threads", "1"))


def _film(truth: Path, target: Path, clip: Clip) -> None:
    """Grey, soft, halved, with grain and a flicker of brightness; lossless."""
    halved = _halved(truth, target, clip, "gblur=sigma=1.0,")
    write(target, film(halved, _generator(clip, "film")))


def _tape(truth: Path, target: Path, clip: Clip) -> None:
    """Halved, soft along the lines, with streaks, chroma noise and chroma shift; MPEG-2."""
    halved = _halved(truth, target, clip, "gblur=sigma=1.4:sigmaV=0.1,")
    codec = ("-c:v", "mpeg2video", "-q:v", "10", "-g", "15", "-bf", "2", "-threads", "1")
    write(target, tape(halved, _generator(clip, "tape")), codec)


def _dark(truth: Path, target: Path, clip: Clip) -> None:
    """Photon and read noise, clipped; H.264 at CRF 23. The truth is dark already."""
    frames = _noisy(_rgb(truth, clip), _generator(clip, "dark"))
    codec = ("-c:v", "libx264", "-crf", "23", "-threads", "1")
    _write_rgb(target, np.rint(255 * frames).astype(np.uint8), clip, codec)


def _white(sigma: int) -> Callable[[Path, Path, Clip], None]:
    def made(truth: Path, target: Path, clip: Clip) -> None:
        """Gaussian noise of one strength in all planes, rounded and clipped; lossless."""
        stack, rng = read(truth, clip.width, clip.height), _generator(clip, f"white{sigma}")
        planes = (
            _codes(plane + sigma * rng.standard_normal(plane.shape, np.float32))
            for plane in (stack.luma, stack.cb, stack.cr)
        )
        write(target, Stack(*planes))

    return made


KINDS: dict[str, Callable[[Path, Path, Clip], None]] = {
    "web": _web,
    "film": _film,
    "tape": _tape,
    "clean": _clean,
    "area": _area,
    "dark": _dark,
    **{f"white{sigma}": _white(sigma) for sigma in (10, 20, 30, 50)},
}
"""The kinds of damage: each reads a truth and writes what a network is given, half its size but for
those of `FULL_SIZE`."""
FULL_SIZE = tuple(kind for kind in KINDS if kind == "dark" or kind.startswith("white"))
"""Kinds that are not halved: what there is to judge is how noise is removed."""

LIGHT = 1 / 8
"""Light of a dark clip, as a share of the recording's."""
ELECTRONS, READ_NOISE = 400, 0.005
"""Electrons of full light, and the read noise as a share of it."""
_GAMMA = 2.2


def write_dark_truth(truth: Path, target: Path, clip: Clip) -> None:
    """The clip as it would be in an eighth of the light, without noise; lossless."""
    frames = (LIGHT * _rgb(truth, clip) ** _GAMMA) ** (1 / _GAMMA)
    _write_rgb(target, np.rint(255 * frames).astype(np.uint8), clip, LOSSLESS)


def _noisy(frames: _Noise, rng: np.random.Generator) -> _Noise:
    """With the noise of a sensor, made in linear light."""
    light = frames**_GAMMA
    noise = rng.standard_normal(light.shape, np.float32)
    light += noise * np.sqrt(light / ELECTRONS + READ_NOISE**2)
    return np.asarray(np.clip(light, 0, 1) ** (1 / _GAMMA), np.float32)


def _rgb(path: Path, clip: Clip) -> _Noise:
    raw = ffmpeg("-i", str(path), "-f", "rawvideo", "-pix_fmt", "rgb24", "-")
    shape = (-1, clip.height, clip.width, 3)
    return np.frombuffer(raw, np.uint8).reshape(shape).astype(np.float32) / 255


def _write_rgb(path: Path, frames: NDArray[np.uint8], clip: Clip, codec: tuple[str, ...]) -> None:
    form = ("-f", "rawvideo", "-pix_fmt", "rgb24", "-s", f"{clip.width}x{clip.height}")
    scale = "scale=flags=accurate_rnd+full_chroma_int:out_color_matrix=bt601:out_range=tv"
    given = (*form, "-r", str(RATE), "-i", "-", "-vf", scale)
    ffmpeg(*given, *_TAGS, *codec, str(path), data=frames.tobytes())


def _halved(truth: Path, target: Path, clip: Clip, before: str) -> Stack:
    between = target.with_suffix(".half.mkv")
    convert(truth, between, before + _HALF)
    stack = read(between, clip.width // 2, clip.height // 2)
    between.unlink()
    return stack


def _generator(clip: Clip, kind: str) -> np.random.Generator:
    """One seed for each clip and kind, the same on every machine."""
    return np.random.default_rng(zlib.crc32(f"{clip.name} {kind}".encode()))


GRAIN = 6.5
"""Standard deviation of film grain at middle grey, in code values."""
FLICKER = 0.04
"""How far a frame's brightness may be off, as a share of it."""


def film(stack: Stack, rng: np.random.Generator) -> Stack:
    """Grey pictures with grain and a flicker of brightness."""
    frames = []
    for luma in stack.luma.astype(np.float32):
        noise = rng.standard_normal(luma.shape, np.float32)
        # A grain covers about 1.5 pixels.
        grain = _scaled(cv2.GaussianBlur(noise, (0, 0), 0.65))
        light = np.clip((luma - _BLACK) / 219, 0, 1)
        # Least in black and white, where film is all clear or all dense.
        strength = GRAIN * (0.4 + 2.4 * light * (1 - light))
        gain = 1 + rng.uniform(-FLICKER, FLICKER)
        frames.append(_codes((luma - _BLACK + strength * grain) * gain + _BLACK))
    grey = np.full_like(stack.cb, 128)
    return Stack(np.stack(frames), grey, grey)


STREAK = 5.0
"""Standard deviation of tape noise along a line, in code values."""
DROPOUTS = 5
"""Bright or dark streaks a frame, on average."""
CHROMA_NOISE = 7.0
"""Standard deviation of chroma noise, in code values."""
CHROMA_SHIFT = (1.5, 0.5)
"""How far chroma lies to the right and below, in chroma samples."""


def tape(stack: Stack, rng: np.random.Generator) -> Stack:
    """Streaks along the lines, noisy chroma that lies beside its luma."""
    luma = [
        _codes(frame + STREAK * _along(rng, frame.shape, 6) + _dropouts(rng, frame.shape))
        for frame in stack.luma.astype(np.float32)
    ]
    chroma = [np.stack([_tape_chroma(p, rng) for p in planes]) for planes in (stack.cb, stack.cr)]
    return Stack(np.stack(luma), *chroma)


def _tape_chroma(plane: NDArray[np.uint8], rng: np.random.Generator) -> NDArray[np.uint8]:
    right, down = CHROMA_SHIFT
    move = np.array([[1, 0, right], [0, 1, down]], np.float32)
    size = (plane.shape[1], plane.shape[0])
    moved = cv2.warpAffine(
        plane.astype(np.float32),
        move,
        size,
        flags=cv2.INTER_LINEAR,
        borderMode=cv2.BORDER_REPLICATE,
    )
    bled = cv2.GaussianBlur(moved, (0, 0), sigmaX=1.5, sigmaY=0.1)
    return _codes(bled + CHROMA_NOISE * _along(rng, plane.shape, 4, 0.8))


def _along(
    rng: np.random.Generator, shape: tuple[int, ...], length: float, lines: float = 0.1
) -> _Noise:
    """Noise of deviation 1, smooth over `length` samples of a line and a deviation of `lines`."""
    noise = rng.standard_normal(shape, np.float32)
    return _scaled(cv2.GaussianBlur(noise, (0, 0), sigmaX=length / 2, sigmaY=lines))


def _dropouts(rng: np.random.Generator, shape: tuple[int, ...]) -> _Noise:
    """Streaks that begin hard and fade along the line."""
    height, width = shape
    drawn = np.zeros(shape, np.float32)
    for _ in range(rng.poisson(DROPOUTS)):
        row, column = rng.integers(height), rng.integers(width)
        length = rng.uniform(10, 40)
        fade = np.exp(-np.arange(width - column) / length)
        drawn[row, column:] += rng.choice((-1, 1)) * rng.uniform(20, 45) * fade
    return drawn


def _scaled(noise: _Noise) -> _Noise:
    """The same noise with a deviation of 1."""
    return np.asarray(noise / noise.std(), np.float32)


def _codes(values: NDArray[np.float32]) -> NDArray[np.uint8]:
    return np.asarray(np.clip(np.rint(values), 0, 255), np.uint8)
