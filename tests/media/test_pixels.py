from typing import Any

import av
import numpy as np
import pytest
from av.video.reformatter import Interpolation, VideoReformatter
from hypothesis import given, settings
from hypothesis import strategies as st

from videnhance.core import ChromaLocation, Colour, InputError, Matrix, UsageError
from videnhance.media.pixels import (
    depth,
    from_image,
    has_alpha,
    nearest_pix_fmt,
    resolve_chroma_location,
    resolve_full_range,
    to_image,
)

MATRICES = [m for m in Matrix if m not in (Matrix.RGB, Matrix.UNSPECIFIED)]
LOCATIONS = [c for c in ChromaLocation if c is not ChromaLocation.UNSPECIFIED]
YUV = [
    *(f"yuv{s}p{d}" for s in (420, 422, 444) for d in ("", "9le", "10le", "12le", "14le", "16le")),
    *(f"yuvj{s}p" for s in (411, 420, 422, 440, 444)),
    *("yuv410p", "yuv411p", "yuv440p", "yuv440p10le", "yuv440p12le"),
    *("yuv420p10be", "yuv444p16be", "yuv444p10msble"),
    *("nv12", "nv21", "nv16", "nv24", "nv42", "nv20le", "p010le", "p016le", "p210be", "p412le"),
]
OTHERS = [
    *(f"{f}{d}" for f in ("gbrp", "gray") for d in ("", "9le", "10le", "12le", "14le", "16le")),
    *("gbrp12be", "gray16be", "gbrp10msble"),
]
REARRANGED = ["rgb24", "bgr0", "rgb48le", "x2rgb10le", "yuyv422", "uyvy422", "xv36le", "v30xle"]


def planes(frame: av.VideoFrame) -> list[np.ndarray[Any, Any]]:
    """The frame's lines without their padding, as integers, by its own description."""
    wide = any(c.bits > 8 for c in frame.format.components)
    kind = np.dtype("u2" if wide else "u1").newbyteorder(">" if frame.format.is_big_endian else "<")
    semi = [c.plane for c in frame.format.components] == [0, 1, 1]
    return [
        np.frombuffer(plane, kind).reshape(plane.height, -1)[
            :, : plane.width * (2 if semi and i else 1)
        ]
        for i, plane in enumerate(frame.planes)
    ]


def noise(pix_fmt: str, width: int, height: int, seed: int) -> av.VideoFrame:
    """Code values over the whole range of the integers: most lie outside any RGB gamut."""
    frame = av.VideoFrame(width, height, pix_fmt)
    bits = frame.format.components[0].bits
    msb = "msb" in pix_fmt or pix_fmt.startswith("p")
    rng = np.random.default_rng(seed)
    for plane in planes(frame):
        plane[...] = rng.integers(0, 1 << bits, plane.shape) << (16 - bits if msb else 0)
    return frame


def assert_same(one: av.VideoFrame, other: av.VideoFrame) -> None:
    assert one.format.name == other.format.name
    for a, b in zip(planes(one), planes(other), strict=True):
        np.testing.assert_array_equal(a, b)


@settings(max_examples=400, deadline=None)
@given(
    pix_fmt=st.sampled_from(YUV),
    matrix=st.sampled_from(MATRICES),
    full_range=st.booleans(),
    location=st.sampled_from(LOCATIONS),
    size=st.tuples(st.integers(1, 40), st.integers(1, 40)),
    seed=st.integers(0, 2**32 - 1),
)
def test_yuv_comes_back_to_the_code_value(
    pix_fmt: str,
    matrix: Matrix,
    full_range: bool,
    location: ChromaLocation,
    size: tuple[int, int],
    seed: int,
) -> None:
    full_range = full_range or pix_fmt.startswith("yuvj")
    colour = Colour(matrix, full_range, 1, 1, location)
    frame = noise(pix_fmt, *size, seed)
    image = to_image(frame, colour)
    assert image.shape == (3, size[1], size[0])
    assert image.dtype == np.float32
    assert_same(from_image(image, pix_fmt, colour), frame)


@pytest.mark.parametrize("pix_fmt", YUV)
@pytest.mark.parametrize("size", [(1, 1), (2, 2), (5, 3), (301, 257)])
def test_every_yuv_format_comes_back(pix_fmt: str, size: tuple[int, int]) -> None:
    colour = Colour(Matrix.BT709, pix_fmt.startswith("yuvj"), 1, 1, ChromaLocation.LEFT)
    frame = noise(pix_fmt, *size, seed=4)
    assert_same(from_image(to_image(frame, colour), pix_fmt, colour), frame)


@pytest.mark.parametrize("pix_fmt", OTHERS)
@pytest.mark.parametrize("full_range", [False, True])
@pytest.mark.parametrize("size", [(1, 1), (7, 5), (64, 33)])
def test_rgb_and_grey_come_back(pix_fmt: str, full_range: bool, size: tuple[int, int]) -> None:
    for matrix in (Matrix.RGB, Matrix.BT709, Matrix.YCGCO):
        colour = Colour(matrix, full_range)
        frame = noise(pix_fmt, *size, seed=5)
        assert_same(from_image(to_image(frame, colour), pix_fmt, colour), frame)


@pytest.mark.parametrize("pix_fmt", REARRANGED)
@pytest.mark.parametrize("full_range", [False, True])
@pytest.mark.parametrize("size", [(1, 1), (7, 5), (64, 33)])
def test_packed_formats_come_back(pix_fmt: str, full_range: bool, size: tuple[int, int]) -> None:
    planar = {"yuyv422": "yuv422p", "uyvy422": "yuv422p", "xv36le": "yuv444p12le"}
    planar |= {"v30xle": "yuv444p10le", "x2rgb10le": "gbrp10le", "rgb48le": "gbrp16le"}
    colour = Colour(Matrix.BT709, full_range, 1, 1, ChromaLocation.LEFT)
    image = to_image(noise(planar.get(pix_fmt, "gbrp"), *size, seed=6), colour)
    packed = from_image(image, pix_fmt, colour)
    assert packed.format.name == pix_fmt
    np.testing.assert_array_equal(to_image(packed, colour), image)


@pytest.mark.parametrize("pix_fmt", ["gbrpf32le", "gbrpf16le", "gbrpf32be", "grayf32le"])
def test_floats_come_back_unclipped(pix_fmt: str) -> None:
    values = np.array([[-0.5, 0, 0.25], [1, 1.5, 4]], np.float32)
    image = np.stack([values, values, values])
    colour = Colour(Matrix.BT709, False)
    again = to_image(from_image(image, pix_fmt, colour), colour)
    np.testing.assert_allclose(again, image, atol=1e-6)


@pytest.mark.parametrize(
    ("pix_fmt", "planar"),
    [
        ("nv12", "yuv420p"),
        ("nv21", "yuv420p"),
        ("nv42", "yuv444p"),
        ("nv20le", "yuv422p10le"),
        ("p010le", "yuv420p10le"),
        ("p216be", "yuv422p16le"),
        ("yuv444p12msble", "yuv444p12le"),
        ("yuv422p10be", "yuv422p10le"),
    ],
)
def test_reads_layouts_as_swscale_does(pix_fmt: str, planar: str) -> None:
    colour = Colour(Matrix.BT709, False, 1, 1, ChromaLocation.LEFT)
    frame = noise(planar, 64, 32, seed=7)
    np.testing.assert_array_equal(
        to_image(frame.reformat(format=pix_fmt), colour), to_image(frame, colour)
    )


def packed(pix_fmt: str, width: int, height: int, data: list[int], **tags: int) -> av.VideoFrame:
    frame = av.VideoFrame(width, height, pix_fmt)
    plane = frame.planes[0]
    lines = np.frombuffer(plane, np.uint8).reshape(height, plane.line_size)
    lines[:, : len(data) // height] = np.array(data, np.uint8).reshape(height, -1)
    for name, value in tags.items():
        setattr(frame, name, value)
    return frame


@pytest.mark.parametrize("range_tag", [0, 1, 2])
def test_packed_bytes_land_in_their_channels(range_tag: int) -> None:
    colour = Colour(Matrix.RGB, True)
    for pix_fmt, data in {
        "rgb24": [10, 20, 30],
        "bgr0": [30, 20, 10, 0],
        "argb": [255, 10, 20, 30],
    }.items():
        image = to_image(packed(pix_fmt, 1, 1, data, color_range=range_tag), colour)
        np.testing.assert_allclose(image.ravel() * 255, [10, 20, 30], atol=1e-4)
    one = to_image(packed("monow", 8, 1, [0b01010101]), colour)
    np.testing.assert_array_equal(one[0], [[1, 0, 1, 0, 1, 0, 1, 0]])
    grey = to_image(packed("ya8", 2, 1, [16, 255, 235, 0], color_range=range_tag), colour)
    np.testing.assert_allclose(grey[0] * 255, [[16, 235]], atol=1e-4)


def test_uyyvyy411_reads_as_yuv411p() -> None:
    colour = Colour(Matrix.SMPTE170M, False, 1, 1, ChromaLocation.LEFT)
    planar = av.VideoFrame(4, 1, "yuv411p")
    for plane, values in zip(planes(planar), ([16, 90, 140, 235], [60], [200]), strict=True):
        plane[0] = values
    image = to_image(packed("uyyvyy411", 4, 1, [60, 16, 90, 200, 140, 235]), colour)
    np.testing.assert_array_equal(image, to_image(planar, colour))


def test_alpha_is_left_out() -> None:
    colour = Colour(Matrix.BT709, False, 1, 1, ChromaLocation.LEFT)
    frame = noise("yuva420p", 8, 6, seed=8)
    plain = av.VideoFrame(8, 6, "yuv420p")
    for target, source in zip(planes(plain), planes(frame)[:3], strict=True):
        target[...] = source
    np.testing.assert_array_equal(to_image(frame, colour), to_image(plain, colour))
    assert [has_alpha(f) for f in ("yuva420p", "ya8", "pal8", "bgra")] == [True] * 4
    assert [has_alpha(f) for f in ("yuv420p", "gray", "bgr0", "gbrp")] == [False] * 4
    with pytest.raises(ValueError, match="alpha"):
        from_image(np.zeros((3, 2, 2), np.float32), "yuva420p", colour)


def test_bottom_up_planes() -> None:
    colour = Colour(Matrix.BT709, False, 1, 1, ChromaLocation.TOPLEFT)
    frame = noise("yuv444p", 9, 6, seed=9)
    graph = av.filter.Graph()
    source = graph.add_buffer(width=9, height=6, format="yuv444p", time_base="1/25")
    flip, sink = graph.add("vflip"), graph.add("buffersink")
    source.link_to(flip)
    flip.link_to(sink)
    graph.configure()
    frame.pts = 0
    source.push(frame)
    flipped = sink.pull()
    assert flipped.planes[0].line_size < 0
    np.testing.assert_array_equal(to_image(flipped, colour), to_image(frame, colour)[:, ::-1])


@pytest.mark.parametrize("full_range", [False, True])
@pytest.mark.parametrize(
    ("matrix", "sws"), [(Matrix.BT709, "ITU709"), (Matrix.SMPTE170M, "ITU601"),
                        (Matrix.FCC, "FCC"), (Matrix.SMPTE240M, "SMPTE240M"),
                        (Matrix.BT2020_NCL, "BT2020")],
)  # fmt: skip
def test_matrix_agrees_with_swscale(matrix: Matrix, sws: str, full_range: bool) -> None:
    y, x = np.mgrid[0:64, 0:64] / 63
    smooth = np.stack([0.1 + 0.8 * x, 0.1 + 0.8 * y, 0.5 + 0.2 * (x - y)]).astype(np.float32)
    colour = Colour(matrix, full_range, 1, 1, ChromaLocation.LEFT)
    frame = from_image(smooth, "yuv444p", colour)
    theirs = VideoReformatter().reformat(
        frame,
        format="gbrp",
        src_colorspace=sws,
        src_color_range=2 if full_range else 1,
        dst_color_range=2,
        interpolation=Interpolation.POINT | Interpolation.ACCURATE_RND
        | Interpolation.FULL_CHR_H_INT,
        threads=1,
    )  # fmt: skip
    green, blue, red = (p.astype(np.float32) for p in planes(theirs))
    difference = to_image(frame, colour) * 255 - np.stack([red, green, blue])
    assert np.abs(difference).max() <= 1.0


# Where the first chroma sample lies, in luma samples from the first one, and the steps after it.
PLACES = {
    ("yuv420p16le", ChromaLocation.LEFT): (0, 0.5, 2, 2),
    ("yuv420p16le", ChromaLocation.CENTER): (0.5, 0.5, 2, 2),
    ("yuv420p16le", ChromaLocation.TOPLEFT): (0, 0, 2, 2),
    ("yuv420p16le", ChromaLocation.TOP): (0.5, 0, 2, 2),
    ("yuv420p16le", ChromaLocation.BOTTOMLEFT): (0, 1, 2, 2),
    ("yuv420p16le", ChromaLocation.BOTTOM): (0.5, 1, 2, 2),
    ("yuv422p16le", ChromaLocation.LEFT): (0, 0, 2, 1),
    ("yuv422p16le", ChromaLocation.CENTER): (0.5, 0, 2, 1),
    ("yuv440p12le", ChromaLocation.LEFT): (0, 0.5, 1, 2),
    ("yuv411p", ChromaLocation.LEFT): (0, 0, 4, 1),
    ("yuv410p", ChromaLocation.CENTER): (1.5, 1.5, 4, 4),
}


@pytest.mark.parametrize(("pix_fmt", "location"), PLACES)
def test_chroma_lies_where_its_location_says(pix_fmt: str, location: ChromaLocation) -> None:
    left, top, across, down = PLACES[pix_fmt, location]
    bits = depth(pix_fmt)
    step = 1 << (bits - 8)
    frame = av.VideoFrame(32, 32, pix_fmt)
    luma, cb, cr = planes(frame)
    luma[...] = cr[...] = 128 * step
    y, x = np.mgrid[0 : cb.shape[0], 0 : cb.shape[1]]
    cb[...] = step * (100 + left + across * x + 2 * (top + down * y))
    image = to_image(frame, Colour(Matrix.BT709, True, 1, 1, location))
    found = 128 + (image[2] - image[0]) / 1.8556 * ((1 << bits) - 1) / step
    y, x = np.mgrid[0:32, 0:32]
    inner = (slice(8, -8), slice(8, -8))
    tolerance = 1 / step if bits > 8 else 1  # positions half way round to a code value
    np.testing.assert_allclose(found[inner], (100 + x + 2 * y)[inner], atol=1.01 * tolerance)


@pytest.mark.parametrize("location", LOCATIONS)
@pytest.mark.parametrize("pix_fmt", ["yuv420p16le", "yuv422p16le", "yuv440p12le", "yuv411p"])
def test_a_ramp_of_colour_survives(pix_fmt: str, location: ChromaLocation) -> None:
    colour = Colour(Matrix.BT709, True, 1, 1, location)
    y, x = np.mgrid[0:32, 0:32].astype(np.float32) / 32
    ramp = np.stack([0.4 + 0.2 * x, 0.5 + 0.1 * (x - y), 0.6 - 0.2 * y])
    again = to_image(from_image(ramp, pix_fmt, colour), colour)
    inner = (slice(None), slice(6, -6), slice(6, -6))
    step = 1 / ((1 << depth(pix_fmt)) - 1)
    np.testing.assert_allclose(again[inner], ramp[inner], atol=2.5 * step)


def test_output_is_tagged_rounded_and_clipped_to_the_integers() -> None:
    image = np.array([-9, -15 / 219, 100.4 / 219, 238 / 219, 9], np.float32)
    image = np.tile(image, (3, 1, 1))
    colour = Colour(Matrix.BT2020_NCL, False, 9, 16, ChromaLocation.TOPLEFT)
    frame = from_image(image, "yuv444p", colour)
    np.testing.assert_array_equal(planes(frame)[0], [[0, 1, 116, 254, 255]])
    np.testing.assert_array_equal(planes(frame)[1], [[128] * 5])
    assert (frame.colorspace, frame.color_range) == (9, 1)
    assert (frame.color_primaries, frame.color_trc) == (9, 16)
    rgb = from_image(image, "gbrp", Colour(Matrix.BT709, True))
    assert (rgb.colorspace, rgb.color_range) == (0, 2)


def test_inputs_are_left_alone() -> None:
    image = np.random.default_rng(1).random((3, 6, 6), np.float32)
    copy = image.copy()
    for pix_fmt in ("yuv420p", "gbrp", "gray", "bgr0", "p010le", "gbrpf32le"):
        from_image(image, pix_fmt, Colour(Matrix.BT709, False, 1, 1, ChromaLocation.LEFT))
    np.testing.assert_array_equal(image, copy)


@pytest.mark.parametrize("pix_fmt", ["bayer_rggb8", "xyz12le", "cuda", "gray32le", "no_such"])
def test_formats_it_cannot_read_are_named(pix_fmt: str) -> None:
    with pytest.raises(InputError, match=pix_fmt):
        depth(pix_fmt)


def test_unresolved_colour_is_refused() -> None:
    frame = noise("yuv420p", 4, 4, seed=2)
    with pytest.raises(ValueError, match="resolved"):
        to_image(frame, Colour(chroma_location=ChromaLocation.LEFT))
    with pytest.raises(ValueError, match="resolved"):
        to_image(frame, Colour(Matrix.BT709))
    with pytest.raises(ValueError, match="another range"):
        from_image(np.zeros((3, 2, 2), np.float32), "yuvj420p", Colour(Matrix.BT709, False))
    with pytest.raises(ValueError, match="8 bits"):
        from_image(np.zeros((3, 2, 2), np.float32), "rgb565le", Colour(Matrix.RGB, True))


def test_depth() -> None:
    known = {"yuv420p": 8, "p010le": 10, "gray12le": 12, "rgb565le": 8, "gbrpf32le": 32, "pal8": 8}
    assert {name: depth(name) for name in known} == known


ENCODERS = ["libx264", "libx265", "libsvtav1", "libvpx-vp9", "ffv1", "prores_ks"]
NEAREST = {
    "yuv420p": ["yuv420p", "yuv420p", "yuv420p", "yuv420p", "yuv420p", "yuv422p10le"],
    "yuvj420p": ["yuv420p", "yuv420p", "yuv420p", "yuv420p", "yuv420p", "yuv422p10le"],
    "nv12": ["yuv420p", "yuv420p", "yuv420p", "yuv420p", "yuv420p", "yuv422p10le"],
    "yuv422p": ["yuv422p", "yuv422p", "yuv420p", "yuv422p", "yuv422p", "yuv422p10le"],
    "yuv444p": ["yuv444p", "yuv444p", "yuv420p", "yuv444p", "yuv444p", "yuv444p10le"],
    "yuv411p": ["yuv422p", "yuv422p", "yuv420p", "yuv422p", "yuv411p", "yuv422p10le"],
    "yuv420p10le": ["yuv420p10le"] * 3 + [None, "yuv420p10le", "yuv422p10le"],
    "p010le": ["yuv420p10le"] * 3 + [None, "yuv420p10le", "yuv422p10le"],
    "yuv422p12le": [
        *("yuv422p10le", "yuv422p12le", "yuv420p10le", None, "yuv422p12le", "yuv422p10le")
    ],
    "gbrp": ["yuv444p", "gbrp", "yuv420p", "gbrp", "bgr0", "yuv444p10le"],
    "rgb24": ["yuv444p", "gbrp", "yuv420p", "gbrp", "bgr0", "yuv444p10le"],
    "gbrp10le": ["yuv444p10le", "gbrp10le", "yuv420p10le", None, "gbrp10le", "yuv444p10le"],
    "gray": ["yuv420p", "yuv420p", "yuv420p", "yuv420p", "yuv420p", "yuv422p10le"],
    "gray10le": ["yuv420p10le"] * 3 + [None, "yuv420p10le", "yuv422p10le"],
}


@pytest.mark.parametrize("source", NEAREST)
def test_nearest_format_of_real_encoders(source: str) -> None:
    for codec, expected in zip(ENCODERS, NEAREST[source], strict=True):
        if expected is None:  # depends on how libvpx was built
            continue
        formats = [f.name for f in av.codec.Codec(codec, "w").video_formats or ()]
        assert nearest_pix_fmt(source, formats) == expected, codec


def test_nearest_format_rules() -> None:
    assert nearest_pix_fmt("gray", ["yuv420p", "gray"], monochrome=True) == "gray"
    assert nearest_pix_fmt("yuv420p", ["gray", "yuvj420p"], monochrome=True) == "yuvj420p"
    assert nearest_pix_fmt("yuvj420p", ["yuvj420p", "yuv420p"]) == "yuv420p"
    assert nearest_pix_fmt("yuv420p10le", ["yuv420p", "p010le", "cuda"]) == "p010le"
    assert nearest_pix_fmt("rgb24", ["yuv444p", "rgb565le", "bgra", "rgb0"]) == "rgb0"
    with pytest.raises(UsageError, match="another codec"):
        nearest_pix_fmt("yuv420p", ["cuda", "yuva420p"])


def test_guesses() -> None:
    assert resolve_chroma_location("yuv420p", "h264", 1) is ChromaLocation.LEFT
    assert resolve_chroma_location("yuvj420p", "mjpeg", 2) is ChromaLocation.CENTER
    assert resolve_chroma_location("yuv420p10le", "hevc", 9) is ChromaLocation.TOPLEFT
    assert resolve_chroma_location("yuv422p10le", "hevc", 9) is ChromaLocation.LEFT
    top = ChromaLocation.TOP
    assert resolve_chroma_location("yuvj420p", "mjpeg", 2, top) is top
    assert [resolve_full_range("yuv420p", tag) for tag in (0, 1, 2)] == [False, False, True]
    untagged = {f: resolve_full_range(f, 0) for f in ("yuvj420p", "rgb24", "pal8", "monob", "gray")}
    assert untagged == {"yuvj420p": True, "rgb24": True, "pal8": True, "monob": True, "gray": False}
