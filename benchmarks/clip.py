"""The benchmark clip: a photograph panned back and forth under a little noise, as H.264."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import av
import cv2
import numpy as np
from numpy.typing import NDArray

RATE = 25
STEP = 1.3
"""Horizontal motion in pixels a frame: no two frames are alike, so none can be skipped."""
NOISE = 2.0
"""Standard deviation of the Gaussian noise added to each frame, in 8-bit code values."""


def photograph() -> NDArray[np.uint8]:
    """The picture of an astronaut that scikit-image ships (512×512×3, RGB, public domain)."""
    from skimage import data

    image: NDArray[np.uint8] = data.astronaut()
    return image


def triangle(position: float, span: float) -> float:
    """Where a point that walks back and forth over `span` pixels is after `position` pixels."""
    inside = position % (2 * span)
    return min(inside, 2 * span - inside)


def picture(image: NDArray[np.uint8], number: int, width: int, height: int) -> NDArray[np.uint8]:
    """Frame `number` of the pan over `image`: (height, width, 3) uint8, the same on each call.

    The photograph is first enlarged where it is too small to leave room for the motion.
    """
    factor = max(1.0, 1.25 * width / image.shape[1], 1.1 * height / image.shape[0])
    span_x, span_y = (image.shape[1] * factor - width - 8, image.shape[0] * factor - height - 8)
    x = 4 + triangle(number * STEP, span_x)
    y = 4 + triangle(number * STEP * span_y / span_x / 2, span_y)
    view = cv2.warpAffine(
        image,
        np.array([[factor, 0, -x], [0, factor, -y]]),
        (width, height),
        flags=cv2.INTER_CUBIC,
        borderMode=cv2.BORDER_REPLICATE,
    )
    noise = np.random.default_rng(number).normal(0, NOISE, view.shape)
    return np.clip(np.rint(view + noise), 0, 255).astype(np.uint8)


def write_clip(path: Path, frames: int, width: int, height: int) -> None:
    """Write the clip: H.264, yuv420p, 25 frames a second, a keyframe every two seconds."""
    image = photograph()
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=RATE)
        stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
        stream.time_base = Fraction(1, RATE)
        stream.options = {"crf": "20", "preset": "medium", "g": str(2 * RATE), "threads": "1"}
        for number in range(frames):
            frame = av.VideoFrame.from_ndarray(picture(image, number, width, height), "rgb24")
            frame.pts, frame.time_base = number, Fraction(1, RATE)
            container.mux(stream.encode(frame))
        container.mux(stream.encode())


def decode_rgb(path: Path, limit: int | None = None) -> list[NDArray[np.uint8]]:
    """The first `limit` frames of a video as RGB, each (H, W, 3) uint8."""
    pictures = []
    with av.open(str(path)) as container:
        for number, frame in enumerate(container.decode(video=0)):
            if number == limit:
                break
            pictures.append(frame.to_ndarray(format="rgb24"))
    return pictures


def size_and_count(path: Path) -> tuple[int, int, int]:
    """Width, height and number of decodable frames of a video file."""
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        count = sum(1 for _ in container.decode(stream))
        return stream.width, stream.height, count


def frame_psnrs(one: Path, other: Path) -> list[float]:
    """PSNR in dB of each RGB frame of two videos of one length and size; 100 for equal frames."""
    values = []
    for a, b in zip(decode_rgb(one), decode_rgb(other), strict=True):
        error = float(np.mean((np.float32(a) - np.float32(b)) ** 2)) / 255**2
        values.append(float(-10 * np.log10(max(error, 1e-10))))
    return values
