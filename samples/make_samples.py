"""Make the sample clips, or the clean pictures they were made from.

    python samples/make_samples.py                          remake the committed clips
    python samples/make_samples.py --clean DIR --scale 2 4  write the undamaged pictures, losslessly

Everything random has a fixed seed, encoders run on one thread and containers are written without
dates or version strings, so that a second run with the same libraries gives the same bytes.
"""

from __future__ import annotations

import argparse
import io
import math
from collections.abc import Iterator
from fractions import Fraction
from functools import lru_cache
from pathlib import Path

import av
import cv2
import numpy as np
from numpy.typing import NDArray
from scenes import (
    CLIPS,
    Clip,
    Picture,
    as_stored,
    clean_frame,
    clean_frames,
    clean_upright,
)

__all__ = ["CLIPS", "clean_frame", "clean_frames", "degraded_frame", "main", "make_clip"]

HERE = Path(__file__).resolve().parent
AUDIO_RATE = 48_000
BITEXACT = {"fflags": "+bitexact"}


# ---------------------------------------------------------------------------------- wear


@lru_cache(maxsize=8)
def _flicker(name: str) -> NDArray[np.float64]:
    """Gain of each frame: uncorrelated from frame to frame with a slow drift beneath."""
    clip = CLIPS[name]
    rng = np.random.default_rng([clip.wear.seed, 1])
    fast = rng.standard_normal(len(clip.ticks))
    slow = cv2.GaussianBlur(rng.standard_normal((1, len(clip.ticks))), (0, 0), 6)[0] * 4
    return np.asarray(1 + clip.wear.flicker * (0.8 * fast + 0.6 * slow))


def _scratches(clip: Clip, n: int) -> Picture:
    """What the scratches running through frame `n` add, (H, W); each wanders, then ends."""
    rng = np.random.default_rng([clip.wear.seed, 2])
    y, x = np.mgrid[: clip.height, : clip.width].astype(np.float32)
    total = np.zeros((clip.height, clip.width), np.float32)
    for _ in range(clip.wear.scratches):
        first = int(rng.integers(0, len(clip.ticks) - 10))
        life = int(rng.integers(12, 40))
        at = rng.uniform(0.1, 0.9) * clip.width
        walk = np.cumsum(rng.normal(0, 0.35, life))
        width, slant, phase = rng.uniform(0.35, 0.6), rng.normal(0, 0.004), rng.uniform(0, 6)
        strength = 0.38 if rng.random() < 0.75 else -0.3
        if first <= n < first + life:
            line = at + walk[n - first] + slant * y + 0.4 * np.sin(y / 37 + phase)
            worn = 0.65 + 0.35 * np.sin(y / 23 + phase + 0.7 * (n - first))
            total += strength * worn * np.exp(-(((x - line) / width) ** 2) / 2)
    return total


def _dust(clip: Clip, rng: np.random.Generator) -> tuple[Picture, Picture]:
    """Specks and hairs of one frame: their opacity (H, W) and their brightness (H, W)."""
    over = 4
    opacity = np.zeros((clip.height * over, clip.width * over), np.uint8)
    bright = np.zeros_like(opacity)
    for _ in range(rng.poisson(clip.wear.dust)):
        centre = rng.uniform((0, 0), (clip.width * over, clip.height * over))
        tone = 230 if rng.random() < 0.6 else 15
        if rng.random() < 0.12:
            turns = np.cumsum(rng.normal(0, 0.35, 24)) + rng.uniform(0, 6)
            steps = np.stack([np.cos(turns), np.sin(turns)], 1) * 3.5
            shape = np.rint(centre + np.cumsum(steps, 0)).astype(np.int32)
            for target, value in ((opacity, 200), (bright, tone)):
                cv2.polylines(target, [shape], False, value, 4 if target is opacity else 12)
            continue
        angles = np.sort(rng.uniform(0, 2 * math.pi, 9))
        radius = rng.lognormal(1.5, 0.4) * rng.uniform(0.5, 1.3, 9)
        ring = np.stack([np.cos(angles), np.sin(angles)], 1) * radius[:, None]
        shape = np.rint(centre + ring).astype(np.int32)
        cv2.fillPoly(opacity, [shape], 235)
        cv2.circle(bright, tuple(int(v) for v in centre), 40, tone, -1)
    size = clip.width, clip.height
    return tuple(  # type: ignore[return-value]
        cv2.resize(image, size, interpolation=cv2.INTER_AREA).astype(np.float32) / 255
        for image in (opacity, bright)
    )


def _noise(clip: Clip, rng: np.random.Generator) -> Picture:
    """Noise (H, W, 3) of unit-free strength: fine grain in all channels, blotches of colour."""
    wear, shape = clip.wear, (clip.height, clip.width)

    def field(sigma: float) -> Picture:
        raw = cv2.GaussianBlur(rng.standard_normal(shape, np.float32), (0, 0), sigma)
        return np.asarray(raw / raw.std())

    noise = np.repeat(wear.noise * field(wear.grain_blur)[..., None], 3, axis=2)
    if wear.colour_noise:
        noise += wear.colour_noise * np.stack([field(1.2) for _ in range(3)], axis=2)
    return np.asarray(noise, np.float32)


def degraded_frame(name: str, n: int) -> NDArray[np.float32]:
    """Frame `n` of clip `name` as it goes into the encoder: RGB (3, H, W) float32 in 0..1."""
    clip = CLIPS[name]
    wear = clip.wear
    rng = np.random.default_rng([wear.seed, 3, n])
    picture = cv2.GaussianBlur(clean_upright(clip, n, 1), (0, 0), wear.softness)
    if wear.flicker:
        picture = picture * np.float32(_flicker(name)[n])
    # Grain shows most in the middle tones.
    tone = 0.55 + 1.8 * (picture * (1 - np.clip(picture, 0, 1))).clip(0)
    picture = picture + _noise(clip, rng) * tone
    if wear.scratches:
        picture = picture + _scratches(clip, n)[..., None]
    if wear.dust:
        opacity, bright = _dust(clip, rng)
        picture = picture + opacity[..., None] * (bright[..., None] - picture)
    stored = as_stored(clip, np.clip(picture, 0, 1).astype(np.float32))
    return np.ascontiguousarray(stored.transpose(2, 0, 1))


# ---------------------------------------------------------------------------------- sound


def _melody(clip: Clip) -> NDArray[np.float32]:
    """A plucked tune over a soft fifth, shape (1, samples), at AUDIO_RATE."""
    count = round(clip.duration * AUDIO_RATE)
    out = np.zeros(count)
    order = (0, 2, 1, 3, 2, 1)
    note_length = 0.3
    for i in range(math.ceil(clip.duration / note_length)):
        begin = round(i * note_length * AUDIO_RATE)
        t = np.arange(count - begin) / AUDIO_RATE
        pitch = 220 * 2 ** (clip.tune[order[i % len(order)]] / 12)
        for overtone in (1, 2, 3):
            decay = np.exp(-t * 3.5 * overtone) * np.minimum(t / 0.005, 1)
            out[begin:] += 0.16 / overtone**1.5 * decay * np.sin(math.tau * pitch * overtone * t)
    t = np.arange(count) / AUDIO_RATE
    out += 0.04 * (np.sin(math.tau * 110 * t) + np.sin(math.tau * 165 * t))
    out *= np.minimum(1, np.minimum(t, t[::-1]) / 0.02)
    return out.astype(np.float32)[None]


# ---------------------------------------------------------------------------------- files


def _add_video(
    output: av.container.OutputContainer, clip: Clip, size: tuple[int, int], codec: str
) -> av.VideoStream:
    stream = output.add_stream(codec, rate=clip.rate)
    assert isinstance(stream, av.VideoStream)
    stream.width, stream.height = size
    stream.codec_context.time_base = clip.time_base
    stream.codec_context.sample_aspect_ratio = clip.sample_aspect
    stream.time_base = clip.time_base
    return stream


def _add_audio(output: av.container.OutputContainer, clip: Clip) -> av.AudioStream:
    stream = output.add_stream(clip.audio_codec, rate=AUDIO_RATE, layout="mono")
    assert isinstance(stream, av.AudioStream)
    stream.bit_rate = clip.audio_bit_rate
    stream.codec_context.options = {"flags": "+bitexact", "threads": "1"}
    stream.time_base = Fraction(1, AUDIO_RATE)
    stream.metadata["language"] = "zxx"  # ISO 639-2: no linguistic content
    stream.metadata["title"] = "Melody"
    return stream


def _ass(clip: Clip, font: str) -> bytes:
    def stamp(seconds: float) -> str:
        return f"0:00:{seconds:05.2f}"

    lines = [
        "[Script Info]", "ScriptType: v4.00+", "PlayResX: 256", "PlayResY: 144", "", "[V4+ Styles]",
        "Format: Name, Fontname, Fontsize, PrimaryColour, OutlineColour, Outline, Alignment",
        f"Style: Default,{font},13,&H00FFFFFF,&H00000000,1,2", "", "[Events]",
        "Format: Layer, Start, End, Style, Text",
        *(f"Dialogue: 0,{stamp(a)},{stamp(b)},Default,{text}" for a, b, text in clip.subtitles),
    ]  # fmt: skip
    return "\n".join(lines).encode()


def _encode_audio(stream: av.AudioStream, clip: Clip) -> Iterator[av.Packet[av.AudioStream]]:
    wave = _melody(clip)
    form = stream.codec_context.format.name
    if form.startswith("s16"):
        wave = (wave * 32767).astype(np.int16)
    size = stream.codec_context.frame_size
    for start in range(0, wave.shape[1] // size * size, size):
        piece = np.ascontiguousarray(wave[:, start : start + size])
        frame = av.AudioFrame.from_ndarray(piece, format=form, layout="mono")
        frame.sample_rate, frame.time_base = AUDIO_RATE, Fraction(1, AUDIO_RATE)
        frame.pts = start + round(clip.audio_start * AUDIO_RATE)
        yield from stream.encode(frame)
    yield from stream.encode(None)


def _encode_video(
    stream: av.VideoStream, clip: Clip, frames: Iterator[NDArray[np.float32]]
) -> Iterator[av.Packet[av.VideoStream]]:
    for tick, data in zip(clip.ticks, frames, strict=True):
        rgb = np.ascontiguousarray(np.rint(data.transpose(1, 2, 0) * 255).astype(np.uint8))
        frame = av.VideoFrame.from_ndarray(rgb, format="rgb24")
        if stream.pix_fmt == "yuv420p":
            frame = frame.reformat(
                format="yuv420p", dst_colorspace=clip.matrix, dst_color_range=1,
                interpolation="BICUBIC",
            )  # fmt: skip
        else:
            frame = frame.reformat(format=stream.pix_fmt)
        frame.pts, frame.time_base = tick, clip.time_base
        yield from stream.encode(frame)
    yield from stream.encode(None)


def make_clip(name: str, path: Path) -> None:
    """Render, degrade and encode clip `name` into `path`."""
    clip = CLIPS[name]
    turned = clip.rotation % 180 != 0
    size = (clip.height, clip.width) if turned else (clip.width, clip.height)
    with av.open(str(path), "w", options={**BITEXACT, **clip.container_options}) as output:
        output.metadata["title"] = clip.title
        output.metadata["comment"] = "Made from free photographs; see samples/README.md"
        video = _add_video(output, clip, size, clip.codec)
        video.pix_fmt = "yuv420p"
        video.codec_context.options = dict(clip.codec_options)
        video.codec_context.colorspace = clip.matrix
        video.codec_context.color_primaries = clip.matrix
        video.codec_context.color_trc = 1 if clip.matrix == 1 else 6
        video.codec_context.color_range = 1
        video.metadata["language"] = "und"
        if clip.rotation:
            video.set_display_rotation(clip.rotation)
        audio = _add_audio(output, clip)
        if clip.chapters:
            first = float(clip.ticks[0] * clip.time_base)
            begins = [first + begin for begin, _ in clip.chapters]
            ends = [*begins[1:], first + clip.duration]
            output.set_chapters([
                {"id": i + 1, "start": round(a * 1000), "end": round(b * 1000),
                 "time_base": Fraction(1, 1000), "metadata": {"title": title}}
                for i, (a, b, (_, title)) in enumerate(
                    zip(begins, ends, clip.chapters, strict=True)
                )
            ])  # fmt: skip
        if clip.subtitles:
            _mux_subtitles(output, clip)
        output.start_encoding()  # the size of an audio frame is known only now
        for sound in _encode_audio(audio, clip):
            output.mux(sound)
        frames = (degraded_frame(name, n) for n in range(len(clip.ticks)))
        for packet in _encode_video(video, clip, frames):
            output.mux(packet)


def _mux_subtitles(output: av.container.OutputContainer, clip: Clip) -> None:
    """Add styled subtitles and the font they name: Pillow's built-in one, Aileron (CC0)."""
    from PIL import ImageFont

    font = ImageFont.load_default(16)
    assert isinstance(font, ImageFont.FreeTypeFont)
    family = str(font.getname()[0])
    with av.open(io.BytesIO(_ass(clip, family)), mode="r", format="ass") as source:
        stream = output.add_stream_from_template(source.streams.subtitles[0])
        stream.metadata["language"] = "eng"
        stream.metadata["title"] = "English"
        attachment = output.add_attachment(
            "Aileron-Regular.ttf", "application/x-truetype-font", font.font_bytes
        )
        attachment.metadata["filename"] = "Aileron-Regular.ttf"
        for packet in [packet for packet in source.demux(0) if packet.size]:
            packet.stream = stream
            output.mux(packet)


def write_clean(name: str, scale: int, path: Path) -> None:
    """Write the undamaged clip at `scale` (1, 2 or 4) times its size as FFV1, with its timing."""
    clip = CLIPS[name]
    frames = clean_frames(name, scale)
    turned = clip.rotation % 180 != 0
    width, height = clip.width * scale, clip.height * scale
    with av.open(str(path), "w", options=BITEXACT) as output:
        video = _add_video(output, clip, (height, width) if turned else (width, height), "ffv1")
        video.pix_fmt = "bgr0"
        if clip.rotation:
            video.set_display_rotation(clip.rotation)
        for packet in _encode_video(video, clip, frames):
            output.mux(packet)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("names", nargs="*", help=f"which clips; default all: {', '.join(CLIPS)}")
    parser.add_argument("--out", type=Path, default=HERE, help="folder for the clips")
    parser.add_argument("--clean", type=Path, metavar="DIR", help="write clean pictures instead")
    parser.add_argument("--scale", type=int, nargs="+", choices=(1, 2, 4), default=[2])
    args = parser.parse_args()
    for name in args.names:
        if name not in CLIPS:
            parser.error(f"no clip is called {name!r}; there are {', '.join(CLIPS)}")
    target: Path = args.clean or args.out
    target.mkdir(parents=True, exist_ok=True)
    for name in args.names or CLIPS:
        if args.clean:
            for scale in args.scale:
                write_clean(name, scale, target / f"{name}_clean_x{scale}.mkv")
        else:
            make_clip(name, target / CLIPS[name].file)
        print(f"{name}: written to {target}")


if __name__ == "__main__":
    main()
