#!/usr/bin/env python3
"""Draw the README's picture: a frame of two samples, enlarged plainly and by videnhance.

python benchmarks/before_after.py docs/images/before-after.jpg
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path

import av
import cv2
import numpy as np
from numpy.typing import NDArray

ROOT = Path(__file__).resolve().parent.parent
SHOWN = (("archive.mp4", 20), ("colour.mkv", 12))
"""Samples, and the number of the frame that is shown."""
_GAP = 8
_QUALITY = 92

Picture = NDArray[np.uint8]


def frame(path: Path, number: int) -> Picture:
    """One decoded frame, (H, W, 3) BGR."""
    with av.open(str(path)) as container:
        for index, shown in enumerate(container.decode(video=0)):
            if index == number:
                return np.asarray(shown.to_ndarray(format="bgr24"), np.uint8)
    raise SystemExit(f"{path} has no frame {number}.")


def pair(sample: str, number: int, folder: Path) -> Picture:
    """Plainly on the left, with the defaults of videnhance on the right."""
    source = ROOT / "samples" / sample
    pictures = []
    for name, options in (("plain", ["--strength", "0"]), ("enhanced", [])):
        output = folder / f"{name}-{source.stem}.mkv"
        command = [sys.executable, "-m", "videnhance", "enhance", str(source), str(output)]
        subprocess.run([*command, "--codec", "ffv1", "--quiet", *options], check=True)
        pictures.append(frame(output, number))
    gap = np.full((pictures[0].shape[0], _GAP, 3), 255, np.uint8)
    return np.hstack([pictures[0], gap, pictures[1]])


def main() -> None:
    """Write the picture that the first argument names."""
    with tempfile.TemporaryDirectory() as folder:
        rows = [pair(sample, number, Path(folder)) for sample, number in SHOWN]
    width = max(row.shape[1] for row in rows)
    lines = []
    for row in rows:
        missing = width - row.shape[1]
        sides = ((0, _GAP), (missing // 2, missing - missing // 2), (0, 0))
        lines.append(np.pad(row, sides, constant_values=255))
    cv2.imwrite(sys.argv[1], np.vstack(lines)[:-_GAP], [cv2.IMWRITE_JPEG_QUALITY, _QUALITY])


if __name__ == "__main__":
    main()
