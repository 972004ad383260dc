"""Send clips through real codecs, as recordings went."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from typing import Any

import av
import numpy as np
from numpy.typing import NDArray

from videnhance.core import ChromaLocation, Colour, Matrix
from videnhance.media.pixels import from_image, to_image

Coded = NDArray[np.uint8]
"""RGB, (H, W, 3), 8 bits."""


def _colour(pix_fmt: str) -> Colour:
    """That of old recordings; MJPEG's has full range."""
    full = pix_fmt.startswith("yuvj")
    location = ChromaLocation.CENTER if full else ChromaLocation.LEFT
    return Colour(Matrix.SMPTE170M, full, chroma_location=location)


def _frame(pixels: Coded, pix_fmt: str) -> av.VideoFrame:
    # FFmpeg's own quick conversion darkens by a code value, which a network learns to undo.
    image = np.ascontiguousarray(pixels.transpose(2, 0, 1), np.float32) / np.float32(255)
    return from_image(image, pix_fmt, _colour(pix_fmt))


def _pixels(frame: av.VideoFrame) -> Coded:
    image = to_image(frame, _colour(frame.format.name))
    return np.rint(255 * image.transpose(1, 2, 0)).clip(0, 255).astype(np.uint8)


def planar(frames: Sequence[Coded]) -> list[Coded]:
    """What 8 bits and half the colour (4:2:0) leave, without any compression."""
    return [_pixels(_frame(frame, "yuv420p")) for frame in frames]


def coded(
    frames: Sequence[Coded], codec: str, quality: int, rng: np.random.Generator
) -> list[Coded]:
    """What a codec (h264, mpeg2video, mpeg4, mjpeg) makes of frames of one size.

    `quality` is x264's constant rate factor, or the quantiser of the others.
    """
    encoder: Any = av.CodecContext.create("libx264" if codec == "h264" else codec, "w")
    encoder.height, encoder.width = frames[0].shape[:2]
    encoder.pix_fmt = "yuvj420p" if codec == "mjpeg" else "yuv420p"
    encoder.time_base, encoder.framerate = Fraction(1, 25), Fraction(25)
    encoder.thread_count = 1
    if codec == "h264":
        preset = str(rng.choice(["veryfast", "fast", "medium"]))
        encoder.options = {"preset": preset, "crf": str(quality)}
    else:
        encoder.options = {"qmin": str(quality), "qmax": str(quality)}
        encoder.gop_size = int(rng.choice([1, 12]))
    packets = []
    for number, pixels in enumerate(frames):
        frame = _frame(pixels, encoder.pix_fmt)
        frame.pts, frame.time_base = number, encoder.time_base
        packets += encoder.encode(frame)
    packets += encoder.encode(None)
    decoder: Any = av.CodecContext.create(codec, "r")
    decoder.thread_count = 1
    if encoder.extradata:
        decoder.extradata = encoder.extradata
    shown = [frame for packet in [*packets, None] for frame in decoder.decode(packet)]
    if len(shown) != len(frames):
        raise RuntimeError(f"{codec} gave {len(shown)} frames for {len(frames)}")
    return [_pixels(frame) for frame in shown]
