"""The bare network: the program's own model on decoded frames, and nothing else.

    python bare_network.py CLIP MODEL SCALE

Prints one line of JSON: the seconds from the first frame's start to the last frame's end (and the
processor time in them), after one frame of preroll, on as many threads as the model asks for.
"""

from __future__ import annotations

import json
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
from clip import decode_rgb

from videnhance.core import Image
from videnhance.inference import CPU, load_network


def main(clip: str, name: str, scale: str) -> None:
    model = load_network(name, device=CPU, scale=float(scale))
    pictures = decode_rgb(Path(clip))
    images: list[Image] = [
        np.ascontiguousarray(picture.transpose(2, 0, 1), np.float32) / np.float32(255)
        for picture in pictures
    ]

    def enlarge(image: Image) -> tuple[int, ...]:
        return model(image).shape

    expected = (3, model.scale * images[0].shape[1], model.scale * images[0].shape[2])
    enlarge(images[0])
    with ThreadPoolExecutor(model.workers) as pool:
        started, cpu = time.perf_counter(), time.process_time()
        shapes = set(pool.map(enlarge, images))
        seconds, cpu = time.perf_counter() - started, time.process_time() - cpu
    if shapes != {expected}:
        raise SystemExit(f"the network gave {shapes}, expected {expected}")
    print(json.dumps({"seconds": seconds, "cpu": cpu, "frames": len(images)}))


if __name__ == "__main__":
    main(*sys.argv[1:])
