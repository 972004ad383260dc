"""framelift-video's side of the benchmark; run by the interpreter framelift is installed in.

    python framelift_video.py versions
    python framelift_video.py weights NETWORK.npz FOLDER
    python framelift_video.py bare CLIP FOLDER BACKEND WORKERS

Each prints one line of JSON. The whole job is framelift's own command line.
"""

from __future__ import annotations

import importlib.metadata
import json
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

MODEL = "realesr-animevideov3"


def versions() -> dict[str, str]:
    found = {}
    for package in ("framelift-video", "torch", "openvino", "opencv-python", "numpy"):
        try:
            found[package] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            continue
    return {"python": sys.version.split()[0], **found}


def write_weights(network: Path, folder: Path) -> dict[str, str]:
    """Write the weights file framelift looks for, so that it downloads nothing."""
    import numpy as np
    import torch
    from framelift.models import get_model

    arrays = np.load(network)
    state = {key: torch.from_numpy(arrays[key]) for key in arrays.files}
    folder.mkdir(parents=True, exist_ok=True)
    target = folder / get_model(MODEL).filename
    torch.save({"params": state}, target)
    return {"weights": str(target)}


def bare(clip: Path, folder: Path, backend: str, workers: int) -> dict[str, float]:
    """Time framelift's own upscaler object on decoded frames, as its pipeline drives it."""
    import cv2
    from framelift.device import DEFAULT_CPU_THREADS, configure_torch, resolve_device
    from framelift.models import get_model
    from framelift.upscaler import AIUpscaler

    configure_torch(0 if workers == 1 else max(1, DEFAULT_CPU_THREADS // workers))
    spec = get_model(MODEL)
    upscaler = AIUpscaler(
        spec, folder / spec.filename, resolve_device("cpu"), tile=0, backend=backend
    )
    capture, frames = cv2.VideoCapture(str(clip)), []
    while (step := capture.read())[0]:
        frames.append(step[1])
    upscaler.infer(frames[0])
    with ThreadPoolExecutor(workers) as pool:
        started, cpu = time.perf_counter(), time.process_time()
        for output in pool.map(upscaler.infer, frames):
            assert output.shape[0] == spec.native_scale * frames[0].shape[0]
        seconds, cpu = time.perf_counter() - started, time.process_time() - cpu
    return {"seconds": seconds, "cpu": cpu, "frames": len(frames)}


def main(command: str, *rest: str) -> None:
    result: object
    if command == "versions":
        result = versions()
    elif command == "weights":
        result = write_weights(Path(rest[0]), Path(rest[1]))
    elif command == "bare":
        result = bare(Path(rest[0]), Path(rest[1]), rest[2], int(rest[3]))
    else:
        raise SystemExit(f"unknown command {command!r}; use versions, weights or bare")
    print(json.dumps(result))


if __name__ == "__main__":
    main(*sys.argv[1:])
