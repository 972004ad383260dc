import io

import av
import pytest

from videnhance.core import ChromaLocation
from videnhance.media.siting import tagged_chroma_location


def encoded(codec: str, location: str | None, container: str = "matroska") -> io.BytesIO:
    file = io.BytesIO()
    with av.open(file, "w", format=container) as output:
        stream = output.add_stream(codec, rate=25)
        stream.width, stream.height, stream.pix_fmt = 64, 64, "yuv420p"
        if location is not None:
            stream.codec_context.options = {"chroma_sample_location": location}
        for pts in range(2):
            frame = av.VideoFrame(64, 64, "yuv420p")
            for plane in frame.planes:
                plane.update(bytes(plane.buffer_size))
            frame.pts = pts
            output.mux(stream.encode(frame))
        output.mux(stream.encode())
    file.seek(0)
    return file


@pytest.mark.parametrize(
    ("location", "expected"),
    [
        ("left", ChromaLocation.LEFT),
        ("center", ChromaLocation.CENTER),
        ("topleft", ChromaLocation.TOPLEFT),
        ("top", ChromaLocation.TOP),
        ("bottomleft", ChromaLocation.UNSPECIFIED),
    ],
)
def test_reads_the_tag_of_the_bitstream(location: str, expected: ChromaLocation) -> None:
    with av.open(encoded("libx264", location, "mp4")) as source:
        assert tagged_chroma_location(source.streams.video[0]) is expected


@pytest.mark.parametrize(
    ("codec", "expected"),
    [("mpeg1video", ChromaLocation.CENTER), ("mpeg2video", ChromaLocation.LEFT)],
)
def test_knows_what_a_codec_implies(codec: str, expected: ChromaLocation) -> None:
    with av.open(encoded(codec, None)) as source:
        assert tagged_chroma_location(source.streams.video[0]) is expected


def test_is_unspecified_where_nothing_is_said() -> None:
    with av.open(encoded("ffv1", None)) as source:
        assert tagged_chroma_location(source.streams.video[0]) is ChromaLocation.UNSPECIFIED


def test_leaves_the_source_readable() -> None:
    with av.open(encoded("libx264", "topleft")) as source:
        tagged_chroma_location(source.streams.video[0])
        assert len(list(source.decode(video=0))) == 2
