"""Encode frames to a segment file, with settings that give the same bits on every machine."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from fractions import Fraction
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import av
from av.video.format import VideoFormat

from videnhance.core import (
    ChromaLocation,
    ClipInfo,
    Frame,
    Matrix,
    ResourceError,
    UsageError,
)
from videnhance.kernels.colour import guess_matrix
from videnhance.media.encoding import CODECS, FIXED_PARAMS, EncodeOptions
from videnhance.media.pixels import (
    depth,
    from_image,
    holds_images,
    nearest_pix_fmt,
    resolve_chroma_location,
)
from videnhance.media.side_data import Hdr
from videnhance.media.source import SourceInfo, file_name

_TICK = Fraction(1, 1000)  # Matroska's time base; packets of a segment hold frame numbers in it
_DTS_ROOM = 512  # frames, more than any encoder reorders: decoding times stay below frame numbers
_OTHER_RATE_CONTROLS = ("qp", "b")  # encoder options that take the place of --crf

_CHROMA_LOCATIONS = {
    location.value: location.name.lower() for location in ChromaLocation if location.value
}


@dataclass(frozen=True)
class Encoding:
    """Everything that decides the encoder's bits."""

    encoder: str
    pix_fmt: str
    options: Mapping[str, str] = field(default_factory=dict)


def resolve_encoding(
    wanted: EncodeOptions,
    source: SourceInfo,
    size: tuple[int, int],
    warn: Callable[[str], None] = lambda message: None,
    muxer: str = "matroska",
) -> Encoding:
    """Resolve the user's options for an output of `size` (width, height) in a container.

    `warn` is called for choices that the user may not expect. Raises UsageError for options that
    the encoder does not support.
    """
    name = wanted.codec
    if name == "auto":
        deep = source.clip.bit_depth > 8
        choice = ("vp9", "svtav1") if muxer == "webm" else ("x264", "x265")
        name = choice[deep]
    codec = CODECS[name]
    try:
        known = [f.name for f in av.codec.Codec(codec.encoder, "w").video_formats or ()]
    except av.codec.codec.UnknownCodecError as exc:
        raise UsageError(
            f"This FFmpeg build has no {codec.encoder}; choose another --codec."
        ) from exc
    formats = [form for form in known if _is_writable(form, codec.encoder, source.clip)]
    pix_fmt = wanted.pix_fmt or _fitting_pix_fmt(source.pix_fmt, formats, size, codec.encoder, warn)
    if pix_fmt not in formats:
        raise UsageError(
            f"{name} cannot encode this source in pixel format {pix_fmt}; "
            f"choose among {', '.join(formats)}."
        )
    options = dict(codec.options)
    if wanted.crf is not None and codec.crf is None:
        raise UsageError(f"{name} has no --crf; leave it out.")
    if codec.crf is not None:
        usual, low, high = codec.crf
        crf = usual if wanted.crf is None else wanted.crf
        if not low <= crf <= high:
            raise UsageError(f"--crf {crf:g} is outside {low:g} to {high:g} of {name}.")
        options["crf"] = f"{crf:g}"
    if wanted.encoder_preset is not None and codec.preset_key is None:
        raise UsageError(f"{name} has no --encoder-preset; leave it out.")
    if codec.preset_key is not None:
        profile = "4444" if name == "prores" and "444" in pix_fmt else codec.preset
        options[codec.preset_key] = wanted.encoder_preset or str(profile)
    params = {**FIXED_PARAMS.get(name, {}), **_hdr_params(name, source.hdr)}
    for item in wanted.encoder_option:
        key, sign, value = item.partition("=")
        if not sign or not key:
            raise UsageError(f"--encoder-option {item!r} is not of the form key=value.")
        if key == codec.params_key:
            params.update(p.partition("=")[::2] for p in value.split(":"))
        else:
            options[key] = value
        if key in _OTHER_RATE_CONTROLS and codec.crf and name != "vp9":
            # If both are set, these encoders use --crf and ignore the other.
            if wanted.crf is not None:
                raise UsageError(f"--encoder-option {item} and --crf exclude each other.")
            options.pop("crf", None)
    if params and codec.params_key:
        options[codec.params_key] = ":".join(f"{k}={v}" if v else k for k, v in params.items())
    return Encoding(codec.encoder, pix_fmt, options)


def encoded_clip(clip: ClipInfo, encoding: Encoding) -> ClipInfo:
    """The clip as it is encoded. An RGB source gets a matrix if the pixel format is Y'CbCr."""
    target = VideoFormat(encoding.pix_fmt)
    colour = clip.colour
    if target.is_rgb:
        colour = replace(colour, matrix=int(Matrix.RGB), full_range=True)
    elif colour.matrix == Matrix.RGB:
        matrix = int(guess_matrix(clip.width, clip.height))
        location = resolve_chroma_location(encoding.pix_fmt, encoding.encoder, colour.primaries)
        colour = replace(colour, matrix=matrix, full_range=False, chroma_location=int(location))
    return replace(clip, colour=colour)


def _is_writable(pix_fmt: str, encoder: str, clip: ClipInfo) -> bool:
    """Whether frames of a clip can be converted to `pix_fmt`, one of the encoder's formats."""
    if pix_fmt.startswith(("grayf", "gbrpf")):
        return False  # FFV1 lists these, but they are experimental
    colour = encoded_clip(clip, Encoding(encoder, pix_fmt)).colour
    return holds_images(pix_fmt, full_range=colour.full_range)


def _fitting_pix_fmt(
    source: str,
    formats: list[str],
    size: tuple[int, int],
    encoder: str,
    warn: Callable[[str], None],
) -> str:
    """The format that loses least, 4:4:4 if the encoder cannot halve the chroma of an odd side.

    H.264, HEVC and AV1 cannot.
    """
    chosen = nearest_pix_fmt(source, formats, monochrome=encoder == "ffv1")
    if encoder in ("libvpx-vp9", "ffv1"):
        return chosen
    form = VideoFormat(chosen, *size)
    odd_x = size[0] % 2 and form.chroma_width() != size[0]
    odd_y = size[1] % 2 and form.chroma_height() != size[1]
    if not (odd_x or odd_y):
        return chosen
    full = [name for name in formats if "444" in name and depth(name) >= depth(chosen)]
    if not full:
        raise UsageError(
            f"{encoder} needs even sides, not {size[0]}x{size[1]}; choose another --scale or "
            "--codec."
        )
    larger = nearest_pix_fmt(source, full)
    warn(
        f"{size[0]}x{size[1]} has an odd side, for which {encoder} cannot halve the chroma, so the "
        f"output is {larger}, which some players refuse; a --scale that gives even sides avoids it."
    )
    return larger


def _hdr_params(name: str, hdr: Hdr) -> dict[str, str]:
    """HDR10 static metadata in each encoder library's own notation."""
    params: dict[str, str] = {}
    if hdr.mastering is not None:
        gx, gy, bx, by, rx, ry, wx, wy, high, low = hdr.mastering
        if name in ("x264", "x265"):
            key = "mastering-display" if name == "x264" else "master-display"
            params[key] = f"G({gx},{gy})B({bx},{by})R({rx},{ry})WP({wx},{wy})L({high},{low})"
        elif name == "svtav1":
            g, b, r, w = (
                f"({x / 50000:.5f},{y / 50000:.5f})"
                for x, y in ((gx, gy), (bx, by), (rx, ry), (wx, wy))
            )
            params["mastering-display"] = (
                f"G{g}B{b}R{r}WP{w}L({high / 10000:.4f},{low / 10000:.4f})"
            )
    if hdr.light is not None:
        light_key = {"x264": "cll", "x265": "max-cll", "svtav1": "content-light"}.get(name)
        if light_key:
            params[light_key] = f"{hdr.light[0]},{hdr.light[1]}"
    return params


def carries_hdr(encoding: Encoding) -> bool:
    """Whether the encoder writes HDR10 static metadata into its bitstream."""
    return encoding.encoder in ("libx264", "libx265", "libsvtav1")


class SegmentEncoder:
    """Writes one segment's frames to a Matroska file; use as a context manager.

    The time of a packet in the file is its frame's number in the segment, since Matroska's
    milliseconds are too coarse for the source's times. These are kept in `pts` and
    `last_duration`.
    """

    def __init__(self, path: Path, encoding: Encoding, clip: ClipInfo, rate: Fraction) -> None:
        self.path = path
        self.encoding = encoding
        self.clip = clip
        self.pts: list[int] = []
        self.sources: list[int] = []
        """Number of the source frame that each frame shows."""
        self.last_duration = 0
        self.delay = 0
        """Largest reordering by the encoder so far, in frames."""
        self._numbers: dict[int, int] = {}
        self._packets = 0
        self._container: Any = av.open(file_name(path), "w", format="matroska")
        try:
            self._stream = self._open_stream(rate)
        except BaseException:
            self._container.close()
            raise

    def _open_stream(self, rate: Fraction) -> Any:
        clip, encoding = self.clip, self.encoding
        stream: Any = self._container.add_stream(
            encoding.encoder, rate=rate, options=dict(encoding.options)
        )
        stream.width, stream.height, stream.pix_fmt = clip.width, clip.height, encoding.pix_fmt
        context = stream.codec_context
        context.time_base = clip.time_base
        context.sample_aspect_ratio = clip.sample_aspect_ratio
        context.color_range = 2 if clip.colour.full_range else 1
        context.colorspace = clip.colour.matrix
        context.color_primaries = clip.colour.primaries
        context.color_trc = clip.colour.transfer
        location = _CHROMA_LOCATIONS.get(clip.colour.chroma_location)
        if location:
            context.options["chroma_sample_location"] = location
        try:
            context.open()
        except (av.error.FFmpegError, ValueError) as exc:
            options = {k: v for k, v in encoding.options.items() if k != "threads"}
            given = "".join(f", {key}={value}" for key, value in options.items())
            raise UsageError(
                f"{encoding.encoder} refuses {clip.width}x{clip.height} {encoding.pix_fmt}{given}; "
                "change --codec, --encoder-preset, --pix-fmt or --encoder-option."
            ) from exc
        unknown = [k for k in encoding.options if k in stream.codec_context.options]
        if unknown:
            raise UsageError(
                f"{encoding.encoder} does not know the option {', '.join(unknown)}; "
                "correct --encoder-option."
            )
        return stream

    def __enter__(self) -> Self:
        return self

    def write(self, frame: Frame) -> None:
        """Encode one frame. Raises ResourceError when the disk is full."""
        picture = from_image(frame.data, self.encoding.pix_fmt, self.clip.colour)
        picture.pts = frame.pts
        picture.time_base = self.clip.time_base
        self._numbers[frame.pts] = len(self.pts)
        self.pts.append(frame.pts)
        self.sources.append(frame.source)
        self.last_duration = frame.duration
        self._mux(self._stream.encode(picture))

    def finish(self) -> None:
        """Flush the encoder and complete the file."""
        if self.pts:
            self._mux(self._stream.encode(None))
        self._close()

    def _mux(self, packets: list[Any]) -> None:
        for packet in packets:
            number = self._numbers.pop(packet.pts)
            self.delay = max(self.delay, self._packets - number)
            packet.time_base = _TICK
            packet.pts, packet.duration = number, 1
            packet.dts = self._packets - _DTS_ROOM
            self._packets += 1
            try:
                self._container.mux(packet)
            except OSError as exc:
                raise disk_error(self.path, exc) from exc

    def _close(self) -> None:
        try:
            self._container.close()
        except OSError as exc:
            raise disk_error(self.path, exc) from exc

    def __exit__(
        self,
        kind: type[BaseException] | None,
        value: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if kind is None:
            self.finish()
        else:
            self.abandon()

    def abandon(self) -> None:
        """Close the unfinished file. Errors are ignored: an earlier one is the one to report."""
        with suppress(OSError, ValueError):
            self._container.close()


def disk_error(path: Path, exc: OSError) -> ResourceError:
    """The error to raise for a failed write."""
    return ResourceError(
        f"Writing {path} failed ({exc.strerror or exc}); free some disk space and run the same "
        "command again, it goes on where it stopped."
    )


def encoder_available(name: str) -> bool:
    """Whether this FFmpeg build has an encoder, named as FFmpeg does ("libx264")."""
    try:
        av.codec.Codec(name, "w")
    except av.codec.codec.UnknownCodecError:
        return False
    return True


def ffmpeg_versions() -> dict[str, str]:
    """Versions of the FFmpeg libraries that decode, encode and mux, by their names."""
    names = ("libavcodec", "libavformat", "libavutil")
    return {name: ".".join(map(str, av.library_versions[name])) for name in names}
