"""A drawn picture and photographs, and what recordings do to them."""

from __future__ import annotations

import io
from fractions import Fraction

import av
import cv2
import numpy as np
import skimage.data

from videnhance.core import Image
from videnhance.kernels.motion import interleaved, planar

PHOTOGRAPHS = ("astronaut", "chelsea", "coffee", "rocket", "camera")
"""Names of photographs that scikit-image ships."""
_INK = (30, 25, 35)


def photograph(name: str = "chelsea", height: int = 240) -> Image:
    """A photograph of that many rows; those without colour are grey."""
    image = getattr(skimage.data, name)()
    if image.ndim == 2:
        image = np.repeat(image[..., None], 3, axis=2)
    return _sized(image, height)


def cartoon(seed: int = 0, height: int = 240) -> Image:
    """Two outlined figures in flat colours before hills, a house and a sky that pales."""
    dice = np.random.default_rng(seed)
    canvas = np.linspace((110, 170, 235), (215, 235, 250), 720).astype(np.uint8)
    canvas = np.ascontiguousarray(np.repeat(canvas[:, None], 1280, axis=1))
    for _ in range(4):
        centre = (int(dice.integers(0, 1280)), int(dice.integers(620, 800)))
        axes = (int(dice.integers(250, 500)), int(dice.integers(150, 350)))
        _outlined(canvas, cv2.ellipse2Poly(centre, axes, 0, 0, 360, 3), _colour(dice))
    left = int(dice.integers(100, 700))
    wall = np.array([(left, 330), (left + 300, 330), (left + 300, 620), (left, 620)])
    _outlined(canvas, wall, _colour(dice))
    _outlined(
        canvas, np.array([(left - 40, 330), (left + 150, 200), (left + 340, 330)]), _colour(dice)
    )
    for x in (int(dice.integers(150, 500)), int(dice.integers(700, 1150))):
        body = np.array([(x - 80, 720), (x - 60, 430), (x + 60, 430), (x + 80, 720)])
        _outlined(canvas, body, _colour(dice))
        _outlined(canvas, cv2.ellipse2Poly((x, 330), (110, 120), 0, 0, 360, 3), (240, 205, 180))
        for eye in (x - 40, x + 40):
            _outlined(canvas, cv2.ellipse2Poly((eye, 320), (20, 28), 0, 0, 360, 6), (250,) * 3)
            cv2.circle(canvas, (eye, 325), 9, _INK, -1, cv2.LINE_AA)
    return _sized(canvas, height)


def _colour(dice: np.random.Generator) -> tuple[int, int, int]:
    red, green, blue = (int(value) for value in dice.integers(40, 240, 3))
    return red, green, blue


def _outlined(canvas: np.ndarray, points: np.ndarray, colour: tuple[int, int, int]) -> None:
    cv2.fillPoly(canvas, [points], colour, cv2.LINE_AA)
    cv2.polylines(canvas, [points], True, _INK, 5, cv2.LINE_AA)


def _sized(image: np.ndarray, height: int) -> Image:
    width = round(image.shape[1] * height / image.shape[0])
    sized = cv2.resize(image, (width, height), interpolation=cv2.INTER_AREA)
    return planar(sized.astype(np.float32) / 255)


def noisy(image: Image, sigma: float, seed: int = 0) -> Image:
    """With white noise of that deviation in 8-bit code values."""
    dice = np.random.default_rng(seed)
    noise = dice.normal(0, sigma / 255, image.shape).astype(np.float32)
    return np.clip(image + noise, 0, 1)


def grey(image: Image) -> Image:
    """Without colour."""
    return np.repeat(image.mean(axis=0, keepdims=True), 3, axis=0)


def blurred(image: Image, sigma: float) -> Image:
    """Out of focus."""
    return planar(cv2.GaussianBlur(interleaved(image), (0, 0), sigma))


def barred(image: Image) -> Image:
    """Between black bars above and below."""
    made = image.copy()
    bar = image.shape[1] // 8
    made[:, :bar] = made[:, -bar:] = 0
    return made


def compressed(image: Image, crf: int) -> Image:
    """As H.264 keeps it."""
    rows, columns = (side - side % 2 for side in image.shape[1:])
    picture = np.round(interleaved(image)[:rows, :columns] * 255).astype(np.uint8)
    file = io.BytesIO()
    with av.open(file, "w", format="matroska") as out:
        stream = out.add_stream("libx264", rate=25)
        stream.width, stream.height, stream.pix_fmt = columns, rows, "yuv420p"
        stream.options = {"crf": str(crf)}
        frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(picture), format="rgb24")
        frame.pts, frame.time_base = 0, Fraction(1, 25)
        out.mux([*stream.encode(frame), *stream.encode(None)])
    file.seek(0)
    with av.open(file) as recording:
        (decoded,) = recording.decode(video=0)
    return planar(decoded.to_ndarray(format="rgb24").astype(np.float32) / 255)
