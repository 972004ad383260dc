"""The VapourSynth and vs-mlrt (OpenVINO) side of the benchmark; run by their own interpreter.

    python vapoursynth_ov.py versions
    python vapoursynth_ov.py weights NETWORK.npz FOLDER
    python vapoursynth_ov.py bare CLIP FOLDER STREAMS
    python vapoursynth_ov.py job CLIP FOLDER STREAMS OUTPUT FFMPEG PRESET CRF plain|fixed

Each prints one line of JSON. The job is what such a script usually looks like: decode with
BestSource, convert to RGB float, run the network, convert to YUV 4:2:0 at the wanted size in one
call of the resizer, and pipe to an ffmpeg that encodes with x264. "fixed" puts vs_temporalfix's
classic filter, with its defaults, behind the resizer.
"""

from __future__ import annotations

import contextlib
import importlib.metadata
import json
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

ONNX_FILE = "realesr-animevideov3.onnx"
OPSET = 17


def versions() -> dict[str, str]:
    import vapoursynth as vs

    found = {"python": sys.version.split()[0]}
    for package in ("vapoursynth", "vapoursynth-mlrt-ov", "vapoursynth-bestsource"):
        found[package] = importlib.metadata.version(package)
    with contextlib.suppress(importlib.metadata.PackageNotFoundError):
        found["vs_temporalfix"] = importlib.metadata.version("vs_temporalfix")
    runtime = vs.core.ov.Version()["openvino_version"]
    found["openvino"] = runtime.decode() if isinstance(runtime, bytes) else str(runtime)
    return found


def write_onnx(network: Path, folder: Path) -> dict[str, str]:
    """Write the compact network as ONNX, with free height and width: output ×4, as trained."""
    import numpy as np
    import onnx
    from onnx import TensorProto, helper, numpy_helper

    arrays = np.load(network)
    last = max(int(key.split(".")[1]) for key in arrays.files)
    nodes, constants, value = [], [], "input"

    def constant(name: str, array: Any) -> str:
        constants.append(numpy_helper.from_array(array, name))
        return name

    for index in range(last + 1):
        key = f"body.{index}"
        weight = arrays[f"{key}.weight"]
        if weight.ndim == 4:
            inputs = [value, constant(f"{key}.weight", weight)]
            inputs.append(constant(f"{key}.bias", arrays[f"{key}.bias"]))
            node = helper.make_node("Conv", inputs, [key], kernel_shape=[3, 3], pads=[1] * 4)
        else:
            slopes = constant(f"{key}.weight", weight.reshape(-1, 1, 1))
            node = helper.make_node("PRelu", [value, slopes], [key])
        nodes.append(node)
        value = key
    nodes.append(helper.make_node("DepthToSpace", [value], ["detail"], blocksize=4, mode="CRD"))
    scales = constant("scales", np.array([1, 1, 4, 4], np.float32))
    nodes.append(
        helper.make_node(
            "Resize",
            ["input", "", scales],
            ["base"],
            mode="nearest",
            coordinate_transformation_mode="asymmetric",
            nearest_mode="floor",
        )
    )
    nodes.append(helper.make_node("Add", ["detail", "base"], ["output"]))
    graph = helper.make_graph(
        nodes,
        "realesr-animevideov3",
        [helper.make_tensor_value_info("input", TensorProto.FLOAT, [1, 3, "h", "w"])],
        [helper.make_tensor_value_info("output", TensorProto.FLOAT, [1, 3, "oh", "ow"])],
        constants,
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=8)
    onnx.checker.check_model(model)
    folder.mkdir(parents=True, exist_ok=True)
    onnx.save(model, str(folder / ONNX_FILE))
    return {"weights": str(folder / ONNX_FILE)}


def source(clip: Path) -> Any:
    """The clip as decoded. No index is kept on disk: each job begins with an unknown file."""
    import vapoursynth as vs

    return vs.core.bs.VideoSource(str(clip), cachemode=0)


def to_rgb(decoded: Any) -> Any:
    """RGB float; a clip that names no matrix is taken as its size suggests."""
    import vapoursynth as vs

    unnamed = decoded.get_frame(0).props.get("_Matrix", 2) == 2
    matrix = {"matrix_in_s": "709" if decoded.height >= 720 else "170m"} if unnamed else {}
    return vs.core.resize.Bicubic(decoded, format=vs.RGBS, **matrix)


def network(clip: Any, folder: Path, streams: int) -> Any:
    import vapoursynth as vs

    return vs.core.ov.Model(
        clip, str(folder / ONNX_FILE), device="CPU", num_streams=streams, fp16=False
    )


def bare(clip: Path, folder: Path, streams: int) -> dict[str, float]:
    """Time the network alone, on frames that are already RGB float in memory."""
    import vapoursynth as vs

    converted = to_rgb(source(clip))
    pictures = [converted.get_frame(number) for number in range(converted.num_frames)]
    blank = vs.core.std.BlankClip(converted, keep=True)
    memory = vs.core.std.ModifyFrame(blank, blank, lambda n, f: pictures[n])
    enlarged = network(memory, folder, streams)
    enlarged.get_frame(0)
    started, cpu = time.perf_counter(), time.process_time()
    for frame in enlarged.frames(prefetch=2 * streams, backlog=2 * streams, close=True):
        assert frame.height == 4 * converted.height
    seconds, cpu = time.perf_counter() - started, time.process_time() - cpu
    return {"seconds": seconds, "cpu": cpu, "frames": converted.num_frames}


def job(
    clip: Path, folder: Path, streams: int, output: Path, *encoder_and_fix: str
) -> dict[str, float]:
    """Decode, enlarge ×2 and encode one clip, as videnhance and framelift do.

    A matrix that the clip names is kept; otherwise it is what the output's size suggests.
    """
    import vapoursynth as vs

    ffmpeg, preset, crf, fix = encoder_and_fix
    decoded = source(clip)
    named = int(decoded.get_frame(0).props.get("_Matrix", 2))
    guessed = 1 if 2 * decoded.height >= 720 else 6  # H.273: BT.709 and BT.601
    result = vs.core.resize.Bicubic(
        network(to_rgb(decoded), folder, streams),
        2 * decoded.width,
        2 * decoded.height,
        format=vs.YUV420P8,
        matrix=guessed if named == 2 else named,
    )
    if fix == "fixed":
        from vs_temporalfix import classic

        result = classic(result)
    command = [ffmpeg, "-y", "-loglevel", "error", "-f", "yuv4mpegpipe", "-i", "-"]
    command += ["-c:v", "libx264", "-preset", preset, "-crf", crf, str(output)]
    with subprocess.Popen(command, stdin=subprocess.PIPE) as encoder:
        result.output(encoder.stdin, y4m=True)
        assert encoder.stdin is not None
        encoder.stdin.close()
        if encoder.wait():
            raise SystemExit(f"ffmpeg ended with exit code {encoder.returncode}")
    return {"frames": result.num_frames}


def main(command: str, *rest: str) -> None:
    result: object
    if command == "versions":
        result = versions()
    elif command == "weights":
        result = write_onnx(Path(rest[0]), Path(rest[1]))
    elif command == "bare":
        result = bare(Path(rest[0]), Path(rest[1]), int(rest[2]))
    elif command == "job":
        result = job(Path(rest[0]), Path(rest[1]), int(rest[2]), Path(rest[3]), *rest[4:])
    else:
        raise SystemExit(f"unknown command {command!r}; use versions, weights, bare or job")
    print(json.dumps(result))


if __name__ == "__main__":
    main(*sys.argv[1:])
