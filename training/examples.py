"""Examples to learn from: crops of damaged recordings beside what they should become, in one file.

They are made once, on all cores, from photographs and clips. The file is all that training needs:
it can be carried to a machine that has nothing but PyTorch, NumPy and OpenCV.
"""

from __future__ import annotations

import json
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass, replace
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any
from zipfile import BadZipFile

import cv2
import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from training.damage import Recording
    from videnhance.core import Model

Pixels = NDArray[np.uint8]

CLEANED = {"filtered": 3, "recording": 3, "noise": 2}
"""Planes that a network reads which removes noise: the recursive filter's picture, the recording
itself, and the noise that the filter expects to have left in luma and in colour."""
_FRAMES = 5
_SHOWN = (2, 4)
"""Frames of a recording that crops are taken from: one that others follow, and the last."""
_FRAMES_CLEANED = 8
_SHOWN_CLEANED = (0, 2, 5, 7)
"""The same of recordings that are filtered first: without a past, and with ever longer ones."""
_MARGIN = 8
"""Pixels of a recording around its crops, so that no filter's edge is seen."""


@dataclass(frozen=True)
class Examples:
    """Crops of (N, side, side, 3) RGB, the same before noise and compression, and the truth.

    For a network that removes noise the first are half-precision floats, (N, side, side, 8), the
    planes of `CLEANED`; the second are the recording, of which nothing is to be left.
    """

    scale: int
    kinds: list[str]
    damaged: Any
    plain: Pixels
    truth: Pixels
    about: dict[str, Any]
    """What they were made of."""

    @staticmethod
    def recording(images: Any) -> Any:
        """The recording's planes of a network's input (N, C, H, W)."""
        return images[:, 3:6] if images.shape[1] == sum(CLEANED.values()) else images


@dataclass(frozen=True)
class Request:
    """What examples to make."""

    photographs: tuple[Path, ...]
    clips: tuple[Path, ...]
    count: int
    """Of recordings, each of which gives four crops."""
    side: int
    scale: int
    seed: int
    teacher: str | None = None
    """Card of the network whose answer takes the place of the truth."""
    cleans: bool = False
    """Whether they are for a network that removes noise."""
    clip_share: float = 0.3

    @property
    def about(self) -> dict[str, Any]:
        """What a file of examples says of itself."""
        paths = {"photographs": self.photographs, "clips": self.clips}
        names = {name: [path.name for path in listed] for name, listed in paths.items()}
        return asdict(self) | names


def make(request: Request, path: Path, quality: int | None = None) -> None:
    """Make examples on all cores and write them to `path`.

    `quality` is that of JPEG for the truth, and the rest is kept without loss; without it,
    nothing is compressed.
    """
    from videnhance.inference.resources import usable_cores

    cv2.setNumThreads(1)
    jobs = [(request, number) for number in range(request.count)]
    kinds: list[str] = []
    packed: dict[str, list[Any]] = {"damaged": [], "plain": [], "truth": []}
    with ProcessPoolExecutor(usable_cores()) as pool:
        for number, crops in enumerate(pool.map(_crops, jobs, chunksize=4)):
            for kind, damaged, plain, truth in crops:
                kinds.append(kind)
                packed["damaged"].append(damaged)
                packed["plain"].append(plain)
                packed["truth"].append(truth)
            if number % 100 == 99:
                print(f"{number + 1} of {request.count} recordings", flush=True)
    arrays: dict[str, Any] = {}
    for name, pictures in packed.items():
        if quality is None or pictures[0].dtype != np.uint8:  # floats are not compressed
            arrays[name] = np.stack(pictures)
            continue
        coded = [_coded(picture, quality if name == "truth" else None) for picture in pictures]
        arrays[name] = np.frombuffer(b"".join(coded), np.uint8)
        arrays[f"{name}_ends"] = np.cumsum([len(one) for one in coded])
    header = json.dumps({"scale": request.scale, "kinds": kinds, "about": request.about})
    with path.with_suffix(".part").open("wb") as file:
        np.savez(file, header=np.array(header), **arrays)
    path.with_suffix(".part").replace(path)


def read(path: Path) -> Examples:
    """Read a file of examples. Raises SystemExit where it is none."""
    try:
        with path.open("rb") as raw, np.load(raw) as file:
            header = json.loads(str(file["header"]))
            parts = [_unpacked(file, name) for name in ("damaged", "plain", "truth")]
    except (OSError, ValueError, KeyError, BadZipFile) as exc:
        raise SystemExit(f"{path} holds no examples: {exc}.") from exc
    return Examples(header["scale"], header["kinds"], *parts, about=header["about"])


def _unpacked(file: Any, name: str) -> Pixels:
    if f"{name}_ends" not in file:
        return np.asarray(file[name])
    data, ends = file[name], file[f"{name}_ends"]
    pictures = [
        cv2.imdecode(data[first:end], cv2.IMREAD_COLOR)[:, :, ::-1]
        for first, end in zip([0, *ends[:-1]], ends, strict=True)
    ]
    return np.stack(pictures)


def _coded(picture: Any, quality: int | None) -> bytes:
    pixels = np.ascontiguousarray(picture[:, :, ::-1])
    if quality is None:
        return bytes(cv2.imencode(".webp", pixels, [cv2.IMWRITE_WEBP_QUALITY, 101])[1])
    options = [cv2.IMWRITE_JPEG_QUALITY, quality, cv2.IMWRITE_JPEG_SAMPLING_FACTOR, 0x111111]
    return bytes(cv2.imencode(".jpg", pixels, options)[1])


def _crops(job: tuple[Request, int]) -> list[tuple[str, Pixels, Pixels, Pixels]]:
    """Four crops of one recording, from different places and two frames."""
    from training.clips import photographed, recorded
    from training.damage import KINDS, NOISY_KINDS, record

    request, number = job
    count = _FRAMES_CLEANED if request.cleans else _FRAMES
    kinds = NOISY_KINDS if request.cleans else KINDS
    rng = np.random.default_rng((request.seed, number))
    large = request.scale * (2 * request.side + 2 * _MARGIN)
    kind = str(rng.choice(list(kinds), p=list(kinds.values())))
    if request.clips and rng.random() < request.clip_share:
        path = request.clips[int(rng.integers(len(request.clips)))]
        frames = recorded(path, large, count, rng)
    else:
        path = request.photographs[number % len(request.photographs)]
        frames = photographed(path, large, count, rng)
    recording = record(frames, kind, request.scale, rng)
    if request.teacher:
        recording = _taught(recording, request.teacher)
    damaged, plain_frames, truth_frames = recording.damaged, recording.plain, recording.truth
    shown_frames = _SHOWN
    if request.cleans:
        damaged, shown_frames = _filtered(recording), _SHOWN_CLEANED
        plain_frames, truth_frames = recording.damaged, recording.plain
    spots = [(y, x) for y in (0, 1) for x in (0, 1)]
    crops = []
    for which, (y, x) in enumerate(spots):
        shown = shown_frames[which % len(shown_frames)]
        top, left = (_MARGIN + request.side * i for i in (y, x))
        small = _cut(damaged[shown], top, left, request.side)
        plain = _cut(plain_frames[shown], top, left, request.side)
        scaled = request.scale * request.side
        truth = _cut(truth_frames[shown], request.scale * top, request.scale * left, scaled)
        crops.append((kind, small, _whole(plain), _whole(truth)))
    return crops


def _filtered(recording: Recording) -> list[Any]:
    """What a network that removes noise reads of each frame, (H, W, 8) in half precision."""
    from videnhance.core import Frame, FrameKind
    from videnhance.temporal.recursive import filtered

    frames = []
    for number, pixels in enumerate(recording.damaged):
        image = np.ascontiguousarray(pixels.transpose(2, 0, 1), np.float32) / np.float32(255)
        kind = FrameKind.PLAIN if number else FrameKind.CUT
        frames.append(Frame(image, number, 1, number, kind))
    return [
        np.concatenate((one.picture, one.frame.data, one.noise)).transpose(1, 2, 0).astype(np.half)
        for one in filtered(iter(frames))
    ]


def _taught(recording: Recording, teacher: str) -> Recording:
    """With what a network makes of the shown frames for truth, and no damage to leave."""
    plain, truth = list(recording.plain), list(recording.truth)
    for shown in _SHOWN:
        plain[shown] = recording.damaged[shown].astype(np.float32) / np.float32(255)
        image = np.ascontiguousarray(plain[shown].transpose(2, 0, 1))
        made = _loaded(teacher)(image)
        truth[shown] = made.transpose(1, 2, 0)
    return replace(recording, plain=plain, truth=truth)


@cache
def _loaded(card: str) -> Model:
    from videnhance.inference import CPU, load_network

    return load_network(card, device=CPU)


def _cut(picture: Any, top: int, left: int, side: int) -> Any:
    return np.ascontiguousarray(picture[top : top + side, left : left + side])


def _whole(picture: Any) -> Pixels:
    if picture.dtype == np.uint8:
        return picture  # type: ignore[no-any-return]
    return np.rint(picture * 255).clip(0, 255).astype(np.uint8)
