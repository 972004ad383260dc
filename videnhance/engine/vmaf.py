"""Measure VMAF with an ffmpeg program that includes libvmaf."""

from __future__ import annotations

import importlib
import json
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from videnhance.core import VidenhanceError
from videnhance.media.source import SourceInfo, file_name, is_url

_POLL_SECONDS = 0.1
_LOG = "vmaf.json"


class VmafError(VidenhanceError):
    """VMAF could not be measured; other measures are not affected."""


def find_program() -> str | None:
    """Find an ffmpeg with libvmaf: the one on the PATH, else imageio-ffmpeg's, else None."""
    return next((program for program in _programs() if _has_vmaf(program)), None)


def _programs() -> Iterator[str]:
    if (found := shutil.which("ffmpeg")) is not None:
        yield found
    with suppress(ImportError, RuntimeError):  # not installed, or without a program
        yield str(importlib.import_module("imageio_ffmpeg").get_ffmpeg_exe())


def _has_vmaf(program: str) -> bool:
    command = [program, "-hide_banner", "-filters"]
    try:
        done = subprocess.run(
            command, stdin=subprocess.DEVNULL, capture_output=True, check=False, timeout=20
        )
    except (OSError, subprocess.TimeoutExpired):
        return False
    return b" libvmaf " in done.stdout


def vmaf_scores(
    output: SourceInfo,
    reference: SourceInfo,
    frames: int,
    stop: Callable[[], None] = lambda: None,
) -> NDArray[np.float64]:
    """VMAF (0..100, the model vmaf_v0.6.1) of each of the first `frames` frames.

    Frames are paired by their order, not by their times as the filter itself would do. `stop` is
    called often and may raise. Raises VmafError if no program has libvmaf, or if it fails.
    """
    program = find_program()
    if program is None:
        raise VmafError(
            "VMAF was not measured, since no ffmpeg with libvmaf was found; "
            "pip install 'videnhance[vmaf]' brings one."
        )
    deep = max(output.clip.bit_depth, reference.clip.bit_depth) > 8
    form = f"scale=out_range=tv,format=yuv420p{'10le' if deep else ''}"
    graph = ";".join(
        f"[{index}:{info.video}]settb=1/25,setpts=N,{form}[clip{index}]"
        for index, info in enumerate((output, reference))
    )
    graph += f";[clip0][clip1]libvmaf=shortest=1:log_fmt=json:log_path={_LOG}"
    command = [program, "-hide_banner", "-nostdin", "-v", "error"]
    for info in (output, reference):
        name = info.path if is_url(info.path) else file_name(info.path)
        command += ["-noautorotate", "-i", name]
    command += ["-filter_complex", graph, "-fps_mode", "passthrough", "-f", "null", "-"]
    with tempfile.TemporaryDirectory(prefix="videnhance-") as folder:
        _run(command, Path(folder), stop)
        try:
            log = json.loads(Path(folder, _LOG).read_text(encoding="utf-8"))
            found = [float(frame["metrics"]["vmaf"]) for frame in log["frames"][:frames]]
        except (OSError, ValueError, KeyError, TypeError) as exc:
            raise VmafError(
                f"VMAF was not measured: the figures of {program} cannot be read ({exc})."
            ) from exc
    # ffmpeg may refuse a damaged frame that our own decoder shows: a missing score becomes nan.
    return np.array(found + [np.nan] * (frames - len(found)), np.float64)


def _run(command: list[str], folder: Path, stop: Callable[[], None]) -> None:
    """Run the program in `folder`, and kill it when `stop` raises."""
    with (folder / "errors").open("w+b") as errors:
        child = subprocess.Popen(
            command, cwd=folder, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=errors
        )
        try:
            while child.poll() is None:
                stop()
                with suppress(subprocess.TimeoutExpired):
                    child.wait(_POLL_SECONDS)
        finally:
            if child.poll() is None:
                child.kill()
                child.wait()
        if child.returncode:
            errors.seek(0)
            lines = errors.read().decode(errors="replace").splitlines() or ["no reason given"]
            raise VmafError(f"VMAF was not measured: {command[0]} failed ({lines[-1].strip()}).")
