"""The encoders and their options. Imports nothing slow, so help pages can use it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, ClassVar

from videnhance.core import Option


@dataclass(frozen=True)
class Codec:
    """An encoder with its default options."""

    encoder: str
    """FFmpeg's name."""
    crf: tuple[float, float, float] | None
    """Default, lowest and highest --crf; None if the encoder has none."""
    preset_key: str | None
    """The encoder's option that --encoder-preset sets."""
    preset: str | None
    options: Mapping[str, str]
    params_key: str | None = None
    """The option that takes the encoder library's own `key=value:…` list."""


# Thread counts are fixed where they change the bits (x264, x265). Default qualities are high enough
# for encoding losses not to be seen: on the samples, VMAF against the unencoded enlargement stays
# above 97. x264's preset veryfast costs 4 % of the default network's time, medium 11 %.
CODECS = {
    "x264": Codec(
        "libx264", (15, 0, 51), "preset", "veryfast", {"threads": "4"}, "x264-params"
    ),
    "x265": Codec(
        "libx265", (17, 0, 51), "preset", "medium", {}, "x265-params"
    ),
    "svtav1": Codec("libsvtav1", (20, 0, 63), "preset", "6", {}, "svtav1-params"),
    "vp9": Codec(
        "libvpx-vp9", (20, 0, 63), "cpu-used", "3",
        {"b": "0", "deadline": "good", "row-mt": "1", "threads": "4", "tile-columns": "1"},
    ),
    "ffv1": Codec(
        "ffv1", None, None, None,
        {"level": "3", "coder": "1", "context": "1", "g": "1", "slices": "4", "slicecrc": "1"},
    ),
    "prores": Codec("prores_ks", None, "profile", "hq", {"vendor": "apl0"}),
}  # fmt: skip
FIXED_PARAMS = {"x265": {"log-level": "none", "frame-threads": "2"}, "svtav1": {"lp": "2"}}
"""Parameters of the encoder library that are set unless --encoder-option sets them."""


@dataclass(frozen=True)
class EncodeOptions:
    """How the enhanced video is encoded, as the user asks for it."""

    flag_prefix: ClassVar[str] = ""

    codec: Annotated[
        str,
        Option(
            "encoder; auto takes x264, and 10-bit x265 for sources above 8 bit; "
            "vp9 and svtav1 for .webm",
            choices=("auto", *CODECS),
        ),
    ] = "auto"
    crf: Annotated[
        float | None,
        Option("quality, smaller is better (x264 15, x265 17, svtav1 20, vp9 20)", min=0, max=63),
    ] = None
    encoder_preset: Annotated[
        str | None,
        Option("speed against size, in the encoder's words (x264 veryfast, x265 medium)"),
    ] = None
    pix_fmt: Annotated[
        str | None, Option("pixel format; by default the one that loses least of the source's")
    ] = None
    encoder_option: Annotated[
        tuple[str, ...], Option("one more option for the encoder, key=value; may be repeated")
    ] = ()
