"""A tiny recording, and the command line in this process and as a program."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import TypeAlias

import av
import numpy as np
import pytest
from typer.testing import CliRunner

from videnhance.cli.app import app

Program: TypeAlias = Callable[..., "subprocess.Popen[str]"]


class Answer:
    """What a command printed and how it ended."""

    def __init__(self, exit_code: int, stdout: str, stderr: str) -> None:
        self.exit_code, self.stdout, self.stderr = exit_code, stdout, stderr


Run: TypeAlias = Callable[..., Answer]


def _make(path: Path, frames: int = 12, rate: int = 25, size: tuple[int, int] = (64, 48)) -> None:
    """Moving gradients, a keyframe every 10 frames."""
    width, height = size
    rows, columns = np.mgrid[0:height, 0:width]
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=rate, options={"g": "10", "bf": "0"})
        stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
        stream.codec_context.colorspace = 1
        for number in range(frames):
            image = np.stack([columns * 3 + number * 7, rows * 5, columns + rows + number], -1)
            picture = av.VideoFrame.from_ndarray((image % 256).astype(np.uint8), "rgb24")
            picture.pts, picture.time_base = number, Fraction(1, rate)
            container.mux(stream.encode(picture))
        container.mux(stream.encode(None))


@pytest.fixture(scope="session")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("clips") / "clip.mkv"
    _make(path)
    return path


@pytest.fixture(scope="session")
def make_clip() -> Callable[..., None]:
    """Makes a recording at a path."""
    return _make


@pytest.fixture
def run() -> Run:
    """Run a command in this process."""

    def run(*arguments: object) -> Answer:
        result = CliRunner().invoke(app, [str(a) for a in arguments], prog_name="videnhance")
        if result.exception is not None and not isinstance(result.exception, SystemExit):
            raise result.exception
        return Answer(result.exit_code, result.stdout, result.stderr)

    return run


@pytest.fixture
def program() -> Program:
    """Start the program as its users do."""

    def start(*arguments: object, **more: object) -> subprocess.Popen[str]:
        root = str(Path(__file__).parents[2])
        return subprocess.Popen(
            [sys.executable, "-m", "videnhance", *map(str, arguments)],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env={**os.environ, "PYTHONPATH": root},
            **more,
        )  # type: ignore[call-overload]

    return start
