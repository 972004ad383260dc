"""What may be opened, whatever its name, and what is refused."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest

from videnhance.core import InputError
from videnhance.engine import enhance
from videnhance.media.source import open_source, probe


@pytest.mark.parametrize(
    "name", ["Alien: one.mp4", "file:two.mp4", "shot%03d.mp4", "-y.mp4", "what?*[1].mp4", "a|b.mp4"]
)
def test_any_file_name_is_read_and_written(
    ffmpeg: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    clip = ffmpeg.clip("plain.mp4", "-c:v", "libx264", "-pix_fmt", "yuv420p", seconds=0.2)
    shutil.copy(clip, tmp_path / name)
    monkeypatch.chdir(tmp_path)
    output = f"{name[:-4]} larger.mkv"
    assert enhance(name, output, scale=1, strength=0).frames == 5
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted([name, output])


@pytest.mark.parametrize("name", ["shot%03d.gif", "a*.gif", "b{1,2}?.gif"])
def test_a_pattern_in_a_name_is_no_sequence_of_pictures(
    ffmpeg: Any, tmp_path: Path, name: str
) -> None:
    shutil.copy(ffmpeg.clip("plain.gif", rate="10", seconds=0.5), tmp_path / name)
    assert probe(str(tmp_path / name)).format == "gif"


@pytest.mark.parametrize("scheme", ["rtsp", "rtmp", "srt", "udp", "tcp", "RTSP"])
def test_a_live_stream_is_refused(scheme: str) -> None:
    with pytest.raises(InputError, match="record it to a file first"), open_source(f"{scheme}://a"):
        pass
