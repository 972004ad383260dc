"""What every test may use: tiny recordings, an independent judge, and guards against leaks."""

from __future__ import annotations

import signal
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from types import FrameType

import pytest

_GRACE_SECONDS = 3.0
_HANG_SECONDS = 120


@dataclass(frozen=True)
class Shown:
    """One frame as the ffmpeg program sees it: its time in seconds, and a digest of its planes."""

    time: Fraction
    digest: str


@dataclass(frozen=True)
class Sent:
    """One packet as the ffmpeg program sees it."""

    time: Fraction
    size: int
    digest: str


class FFmpeg:
    """The ffmpeg program: it makes the tests' recordings and judges the results."""

    def __init__(self, program: str, folder: Path) -> None:
        self.program = program
        self.folder = folder

    def run(self, *arguments: str | Path) -> str:
        """Standard output of a run that must succeed."""
        command = [self.program, "-hide_banner", "-nostdin", "-v", "error", "-y"]
        done = subprocess.run(
            [*command, *map(str, arguments)], cwd=self.folder, capture_output=True, check=False
        )
        if done.returncode:
            raise RuntimeError(f"ffmpeg {' '.join(map(str, arguments))}: {done.stderr.decode()}")
        return done.stdout.decode()

    def make(self, name: str, *arguments: str | Path) -> Path:
        """A recording of that name in the folder of this session, made once."""
        path = self.folder / name
        if not path.exists():
            temporary = path.with_name(f"making.{path.name}")
            self.run(*arguments, temporary)
            temporary.rename(path)
        return path

    def clip(self, name: str, *arguments: str | Path, **source: object) -> Path:
        """A recording of a moving test picture; `source` as `picture` takes it."""
        return self.make(name, *self.picture(**source), *arguments)  # type: ignore[arg-type]

    def picture(
        self, size: str = "64x48", rate: str = "25", seconds: float = 1.2, noise: int = 6
    ) -> tuple[str, ...]:
        """Arguments for an input of pictures no two of which are alike, unless `noise` is 0."""
        graph = f"testsrc2=s={size}:r={rate}:d={seconds},noise=alls={noise}:allf=t:all_seed=7"
        return ("-f", "lavfi", "-i", graph)

    def shown(self, path: Path, stream: str = "v:0", pix_fmt: str | None = None) -> list[Shown]:
        """Every frame of a stream."""
        form = ("-pix_fmt", pix_fmt) if pix_fmt else ()
        hashing = ("-f", "framehash", "-hash", "md5", "-")
        text = self.run(
            "-noautorotate", "-copyts", "-i", path, "-map", f"0:{stream}", "-fps_mode",
            "passthrough", "-enc_time_base", "demux", *form, *hashing,
        )  # fmt: skip
        return [Shown(time, row[5]) for time, row in _rows(text)]

    def sent(self, path: Path, stream: str) -> list[Sent]:
        """Every packet of a stream."""
        text = self.run(
            "-copyts", "-i", path, "-map", f"0:{stream}", "-c", "copy", "-f", "framehash",
            "-hash", "md5", "-",
        )  # fmt: skip
        return [Sent(time, int(row[4]), row[5]) for time, row in _rows(text)]

    def describe(self, path: Path) -> str:
        """What the program prints of a file's streams."""
        done = subprocess.run(
            [self.program, "-hide_banner", "-nostdin", "-i", str(path)],
            capture_output=True, check=False,
        )  # fmt: skip
        return done.stderr.decode(errors="replace")


def _rows(text: str) -> Iterator[tuple[Fraction, list[str]]]:
    """Lines of FFmpeg's framehash format: stream, dts, pts, duration, size, digest."""
    unit = Fraction(1)
    for line in text.splitlines():
        if line.startswith("#tb"):
            unit = Fraction(line.split(":")[1].strip())
        elif line and not line.startswith("#"):
            row = [field.strip() for field in line.split(",")]
            yield int(row[2]) * unit, row


@pytest.fixture(scope="session")
def ffmpeg(tmp_path_factory: pytest.TempPathFactory) -> FFmpeg:
    imageio_ffmpeg = pytest.importorskip("imageio_ffmpeg")
    return FFmpeg(imageio_ffmpeg.get_ffmpeg_exe(), tmp_path_factory.mktemp("media"))


@pytest.fixture(scope="session")
def shared_media() -> Path:
    """Real recordings that may lie beside the repository."""
    folder = Path(__file__).parents[2] / "shared" / "media"
    if not folder.is_dir():
        pytest.skip("no real recordings beside the repository")
    return folder


@pytest.fixture(autouse=True)
def _no_thread_left() -> Iterator[None]:
    before = set(threading.enumerate())
    yield
    end = time.monotonic() + _GRACE_SECONDS
    while (left := set(threading.enumerate()) - before) and time.monotonic() < end:
        time.sleep(0.01)
    assert not left, f"threads left behind: {sorted(thread.name for thread in left)}"


@pytest.fixture(autouse=True)
def _no_hang() -> Iterator[None]:
    """A test that hangs fails instead of stopping the whole run."""
    if not hasattr(signal, "SIGALRM"):
        yield
        return

    def ring(number: int, frame: FrameType | None) -> None:
        raise AssertionError(f"still running after {_HANG_SECONDS} s")

    old: Callable[..., object] | int | None = signal.signal(signal.SIGALRM, ring)
    signal.setitimer(signal.ITIMER_REAL, _HANG_SECONDS)
    yield
    signal.setitimer(signal.ITIMER_REAL, 0)
    signal.signal(signal.SIGALRM, old)
