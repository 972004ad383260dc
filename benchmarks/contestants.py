"""Who takes part: for each contestant the command of its whole job and of its bare network."""

from __future__ import annotations

import argparse
import json
import shutil
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import measure
import numpy as np

from videnhance.inference import ncnn_file, resolve, weights

HERE = Path(__file__).resolve().parent
MODEL, SCALE = "realesr-animevideov3", 2
PRESET, CRF = "veryfast", "15"
"""The defaults of videnhance for H.264; every contestant encodes with them."""


@dataclass(frozen=True)
class Contestant:
    """One way to enlarge a clip ×2 with the network; commands are argument lists."""

    name: str
    settings: str
    job: Callable[[Path, Path], list[str]]
    """Command of the whole job, from the clip and the output to write."""
    bare: Callable[[Path], list[str]]
    """Command that times the network alone and prints JSON with "seconds" and "frames"."""
    versions: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Skipped:
    """A peer that is not here, and how to make it so."""

    name: str
    reason: str


def add_peers(parser: argparse.ArgumentParser) -> None:
    """The flags that say where peers are installed and how they run."""
    add = parser.add_argument
    add("--framelift-python", help="interpreter in which framelift-video is installed")
    add("--vapoursynth-python", help="interpreter in which VapourSynth and vs-mlrt are installed")
    add("--workers", type=int, default=1, help="--workers of framelift (default 1)")
    add("--streams", type=int, default=2, help="num_streams of vs-mlrt (default 2)")


def network_file(folder: Path) -> Path:
    """The network's weights as a NumPy archive, for interpreters that lack this project."""
    target = folder / "network.npz"
    param, data = sorted(weights.obtain(resolve(MODEL, SCALE)), key=lambda path: path.suffix)[::-1]
    np.savez(target, **ncnn_file.read_ncnn(param, data).state)
    return target


def videnhance(temporal: str = "", crf: str = CRF) -> Contestant:
    """Ours with its defaults, or with `--temporal` as given; its bare network sees every frame.

    `crf` is x264's, here and below; 0 loses nothing, which is for judging pictures.
    """
    command = [sys.executable, "-m", "videnhance", "enhance"]
    options = ["--model", MODEL, "--scale", str(SCALE), "--device", "cpu", "--quiet", "--overwrite"]
    if temporal:
        options += ["--temporal", temporal]
    if crf != CRF:
        options += ["--crf", crf]
    return Contestant(
        f"videnhance --temporal {temporal}" if temporal else "videnhance",
        f"x264 {PRESET}, crf {crf}" if temporal else f"defaults: x264 {PRESET}, crf {crf}",
        lambda clip, output: [*command, str(clip), str(output), *options],
        lambda clip: [sys.executable, str(HERE / "bare_network.py"), str(clip), MODEL, str(SCALE)],
        measure.versions(("numba", "av", "numpy", "opencv-python-headless")),
    )


def framelift(
    python: str | None, folder: Path, workers: int, crf: str = CRF
) -> list[Contestant | Skipped]:
    """framelift with each of its CPU backends that is installed.

    It runs the ×4 network and halves the result (Lanczos), as the wheel's ×2 file does (bicubic).
    """
    name = "framelift"
    if not python or not shutil.which("ffmpeg"):
        return [
            Skipped(
                name,
                "needs ffmpeg on the PATH and an interpreter of its own: "
                "python -m venv framelift && "
                "framelift/bin/pip install framelift-video==2.1.0 openvino, "
                "then --framelift-python framelift/bin/python",
            )
        ]
    helper = [python, str(HERE / "peers" / "framelift_video.py")]
    found = json.loads(measure.run([*helper, "versions"]).stdout)
    store = folder / "framelift"
    measure.run([*helper, "weights", str(network_file(folder)), str(store)])
    options = ["--model", MODEL, "--scale", str(SCALE), "--ai-strength", "1", "--profile", "none"]
    options += ["--device", "cpu", "--tile", "0", "--weights-dir", str(store), "--no-audio"]
    options += ["--x264-preset", PRESET, "--crf", crf, "--quiet"]

    def contestant(backend: str) -> Contestant:
        chosen = [*options, "--backend", backend, "--workers", str(workers)]
        return Contestant(
            f"{name} ({backend})",
            f"--tile 0 --workers {workers} --backend {backend}, x264 {PRESET}, crf {crf}",
            lambda clip, output: [
                *(python, "-m", "framelift", "-i", str(clip), "-o", str(output)),
                *chosen,
            ],
            lambda clip: [*helper, "bare", str(clip), str(store), backend, str(workers)],
            found,
        )

    backends = ("torch", "openvino") if "openvino" in found else ("torch",)
    return [contestant(backend) for backend in backends]


def vapoursynth(
    python: str | None, folder: Path, streams: int, crf: str = CRF, *, fix: bool = False
) -> list[Contestant | Skipped]:
    """A VapourSynth script with vs-mlrt (OpenVINO); with `fix`, vs_temporalfix behind it."""
    name = "VapourSynth + vs-mlrt (OpenVINO)" + (" + vs_temporalfix" if fix else "")
    ffmpeg = shutil.which("ffmpeg")
    if not python or not ffmpeg:
        return [
            Skipped(
                name,
                "needs ffmpeg on the PATH and an interpreter (3.12 or newer) of its own: "
                "python -m venv vapoursynth && vapoursynth/bin/pip install vapoursynth "
                "vapoursynth-mlrt-ov vapoursynth-bestsource onnx"
                + (" vs_temporalfix 'vapoursynth-mvutensils<10'" if fix else "")
                + ", then --vapoursynth-python vapoursynth/bin/python",
            )
        ]
    helper = [python, str(HERE / "peers" / "vapoursynth_ov.py")]
    found = json.loads(measure.run([*helper, "versions"]).stdout)
    if fix and "vs_temporalfix" not in found:
        return [Skipped(name, f"needs vs_temporalfix in the environment of {python}")]
    store = folder / "vapoursynth"
    measure.run([*helper, "weights", str(network_file(folder)), str(store)])
    fixed = [str(store), str(streams)]
    return [
        Contestant(
            name,
            f"BestSource, num_streams={streams}, x264 {PRESET}, crf {crf}",
            lambda clip, output: [
                *(*helper, "job", str(clip), *fixed, str(output)),
                *(ffmpeg, PRESET, crf, "fixed" if fix else "plain"),
            ],
            lambda clip: [*helper, "bare", str(clip), *fixed],
            found,
        )
    ]
