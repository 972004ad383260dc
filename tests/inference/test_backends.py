import os
import pickle
import subprocess
import sys

import numpy as np
import pytest

from videnhance.core import InputError, UsageError
from videnhance.inference import (
    CPU,
    Device,
    Resources,
    load_network,
    plan_tile,
    select_device,
    weights,
)
from videnhance.inference.cards import all_cards
from videnhance.inference.ncnn_backend import NcnnNetwork
from videnhance.inference.ncnn_file import read_ncnn

SHIPPED = [name for name, card in all_cards().items() if card.package]

ENOUGH = Resources(threads=2, memory=8 << 30)


def picture(height=24, width=24):
    """Smooth with one edge: what networks see; white noise drives some out of their range."""
    y, x = np.mgrid[0:height, 0:width].astype(np.float32)
    planes = [0.5 + 0.3 * np.sin(x / (5 + c)) * np.cos(y / 7) + 0.15 * (x > y) for c in range(3)]
    return np.clip(np.stack(planes), 0, 1).astype(np.float32)


def shipped(name):
    card = all_cards()[name]
    if weights.locate(card) is None:
        pytest.skip(f"{card.package} is not installed")
    return weights.obtain(card)[0]


def write_ncnn(folder, lines, arrays):
    """An ncnn pair; arrays of float16 are tagged as such, others follow as they are."""
    data = b""
    for array in arrays:
        if array.ndim > 1:
            data += np.uint32(0x01306B47 if array.dtype == np.float16 else 0).tobytes()
        data += array.tobytes() + b"\0" * (-array.nbytes % 4)
    param = folder / "net.param"
    blobs = sum(int(line.split()[3]) for line in lines)
    param.write_text("\n".join(["7767517", f"{len(lines)} {blobs}", *lines]) + "\n")
    (folder / "net.bin").write_bytes(data)
    return param


def compact(folder, *, half=True, final=""):
    """A random network of the shipped architecture in small: 5 features, 1 inner layer, x2."""
    rng = np.random.default_rng(5)
    kernels = [(rng.normal(0, 0.2, shape)) for shape in ((5, 3, 3, 3), (5, 5, 3, 3), (12, 5, 3, 3))]
    kernels = [k.astype(np.float16 if half else np.float32) for k in kernels]
    slopes = [rng.random(5, dtype=np.float32) for _ in range(2)]
    biases = [rng.normal(0, 0.1, len(k)).astype(np.float32) for k in kernels]
    lines = [
        "Input in 0 1 data",
        "Split s 1 2 data data0 data1",
        "Convolution c0 1 1 data1 a 0=5 1=3 4=1 5=1 6=135",
        "PReLU p0 1 1 a b 0=5",
        "Convolution c1 1 1 b c 0=5 1=3 4=1 5=1 6=225",
        "PReLU p1 1 1 c d 0=5",
        "Convolution c2 1 1 d e 0=12 1=3 4=1 5=1 6=540",
        "PixelShuffle u 1 1 e f 0=2",
        "Interp i 1 1 data0 g 0=1 1=2.0 2=2.0",
        "BinaryOp add 2 1 f g output",
    ]
    if final:
        lines[-1] = "BinaryOp add 2 1 f g h"
        lines.append(final)
    arrays = [
        item
        for k, b, s in zip(kernels, biases, [*slopes, None], strict=True)
        for item in (k, b, s)
        if item is not None
    ]
    return write_ncnn(folder, lines, arrays), kernels


@pytest.mark.parametrize("name", SHIPPED)
def test_all_backends_agree_on_the_shipped_weights(name):
    from videnhance.inference.torch_backend import load_torch

    param = shipped(name)
    with_torch = load_torch(param, CPU)
    model = load_network(name, device=CPU)
    image = picture()
    result = model(image)
    by_ncnn = NcnnNetwork(param, param.with_suffix(".bin"), CPU)(image)
    assert np.abs(result - np.clip(by_ncnn, 0, 1)).max() < 1e-4
    assert model.scale == with_torch.scale == all_cards()[name].scale
    assert result.shape == (3, 24 * model.scale, 24 * model.scale)
    assert np.abs(result - np.clip(with_torch(image), 0, 1)).max() < 1e-4
    # It enlarges the picture, rather than agreeing on something else.
    reduced = result.reshape(3, 24, model.scale, 24, model.scale).mean(axis=(2, 4))
    assert np.abs(reduced - image).mean() < 0.05


@pytest.mark.parametrize("half", [True, False])
def test_a_random_network_in_both_weight_formats(tmp_path, half):
    from videnhance.inference.torch_backend import load_torch

    param, kernels = compact(tmp_path, half=half)
    read = read_ncnn(param, param.with_suffix(".bin"))
    assert read.architecture == "Compact"
    assert read.shrink == 1
    assert np.array_equal(read.state["body.2.weight"], kernels[1].astype(np.float32))
    image = picture(11, 17)
    model = load_network(str(param), device=CPU)
    assert model.id == "net.param"
    result = model(image)
    assert np.abs(result - np.clip(load_torch(param, CPU)(image), 0, 1)).max() < 1e-4


def test_the_reduction_at_the_end_belongs_to_the_network(tmp_path):
    from videnhance.inference.torch_backend import load_torch

    param, _ = compact(tmp_path, final="Interp r 1 1 h output 0=3 1=0.5 2=0.5")
    assert read_ncnn(param, param.with_suffix(".bin")).shrink == 0.5
    network = load_torch(param, CPU)
    assert network.scale == 1
    by_ncnn = NcnnNetwork(param, param.with_suffix(".bin"), CPU)(picture(10, 12))
    assert np.abs(network(picture(10, 12)) - by_ncnn).max() < 1e-4


def test_vulkan_agrees_with_the_cpu(tmp_path):
    try:
        device = select_device("vulkan")
    except UsageError:
        pytest.skip("no Vulkan device, not even in software")
    param, _ = compact(tmp_path)
    image = picture(20, 24)
    on_gpu = NcnnNetwork(param, param.with_suffix(".bin"), device)
    on_cpu = NcnnNetwork(param, param.with_suffix(".bin"), CPU)(image)
    assert not on_gpu.exact
    assert np.abs(on_gpu(image) - on_cpu).max() < 0.02
    assert np.abs(on_gpu(image, precise=True) - on_cpu).max() < 1e-4
    assert plan_tile(str(param), 64, 48, device=device, resources=ENOUGH) is None


def test_results_do_not_depend_on_what_runs_beside():
    from concurrent.futures import ThreadPoolExecutor

    model = load_network("realesr-animevideov3-x2", device=CPU)
    images = [picture(20 + 3 * i, 40) for i in range(6)]
    alone = [model(image) for image in images]
    with ThreadPoolExecutor(3) as pool:
        together = list(pool.map(model, images))
    assert all(np.array_equal(a, b) for a, b in zip(alone, together, strict=True))


@pytest.mark.parametrize(("name", "most"), [("realesr-animevideov3-x2", 1e-5), ("span-x4", 1e-4)])
def test_tiles_of_a_shipped_network_show_no_seam(name, most):
    shipped(name)
    image = picture(70, 150)
    whole = load_network(name, device=CPU)(image)
    tiled = load_network(name, device=CPU, tile=72)(image)
    assert np.abs(tiled - whole).max() < most


def test_weights_cut_short_are_refused(tmp_path):
    param, _ = compact(tmp_path)
    binary = param.with_suffix(".bin")
    binary.write_bytes(binary.read_bytes()[:-8])
    with pytest.raises(InputError, match="do not fit together"):
        read_ncnn(param, binary)
    with pytest.raises(InputError, match="not a network that ncnn can read"):
        load_network(str(param), device=CPU)


def test_an_unknown_ncnn_network_is_left_to_ncnn(tmp_path):
    from videnhance.inference.torch_backend import load_torch

    kernel = np.zeros((12, 3, 1, 1), np.float32)
    lines = [
        "Input in 0 1 data",
        "Convolution c 1 1 data a 0=12 1=1 5=1 6=36",
        "PixelShuffle u 1 1 a output 0=2",
    ]
    param = write_ncnn(tmp_path, lines, [kernel, np.full(12, 0.5, np.float32)])
    assert np.allclose(load_network(str(param), device=CPU)(picture(9, 9)), 0.5)
    with pytest.raises(InputError, match="use --device cpu or vulkan"):
        load_torch(param, CPU)


def test_a_network_that_does_not_enlarge_is_refused(tmp_path):
    param = write_ncnn(tmp_path, ["Input in 0 1 data", "Pooling p 1 1 data o 0=0 1=2 2=2"], [])
    with pytest.raises(InputError, match="does not enlarge RGB images"):
        load_network(str(param), device=CPU)


@pytest.mark.parametrize("suffix", [".pth", ".safetensors"])
def test_a_file_that_spandrel_knows_runs_on_the_cpu(tmp_path, suffix):
    import torch
    from safetensors.torch import save_file

    param, _ = compact(tmp_path, half=False)
    state = read_ncnn(param, param.with_suffix(".bin")).state
    tensors = {key: torch.from_numpy(value.copy()) for key, value in state.items()}
    path = tmp_path / f"own{suffix}"
    if suffix == ".pth":
        torch.save({"params": tensors}, path)
    else:
        save_file(tensors, path)
    image = picture(13, 9)
    result = load_network(str(path), device=CPU)(image)
    assert np.abs(result - load_network(str(param), device=CPU)(image)).max() < 1e-4
    with pytest.raises(UsageError, match="cannot run on Vulkan"):
        load_network(str(path), device=Device("vulkan"))


class Evil:
    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return os.mkdir, (str(self.path),)


def test_a_pickle_that_runs_code_is_refused(tmp_path):
    import torch

    trace = tmp_path / "trace"
    for name, write in (
        ("zipped.pth", lambda path: torch.save({"params": Evil(trace)}, path)),
        ("bare.pth", lambda path: path.write_bytes(pickle.dumps(Evil(trace), 2))),
    ):
        write(tmp_path / name)
        with pytest.raises(InputError, match=r"more than weights.*safetensors\.$") as caught:
            load_network(str(tmp_path / name), device=CPU)
        assert "\n" not in str(caught.value)
    assert not trace.exists()


@pytest.mark.parametrize("name", ["net.pth", "net.safetensors", "net.param"])
@pytest.mark.parametrize("content", [b"", b"nothing of use" * 99])
def test_rubbish_is_refused_by_name(tmp_path, name, content):
    (tmp_path / name).write_bytes(content)
    (tmp_path / "net.bin").write_bytes(content)
    with pytest.raises(InputError, match=r"net\.") as caught:
        load_network(str(tmp_path / name), device=CPU)
    assert "\n" not in str(caught.value)


def test_weights_of_something_else_are_refused(tmp_path):
    import torch

    torch.save({"params": {"a.weight": torch.zeros(3)}}, tmp_path / "other.pth")
    with pytest.raises(InputError, match="no network that spandrel knows"):
        load_network(str(tmp_path / "other.pth"), device=CPU)


def test_a_missing_file_or_half_is_named(tmp_path):
    with pytest.raises(InputError, match=r"no weight file .*absent\.pth"):
        load_network(str(tmp_path / "absent.pth"), device=CPU)
    param, _ = compact(tmp_path)
    param.with_suffix(".bin").unlink()
    with pytest.raises(InputError, match=r"net\.bin is missing"):
        load_network(str(param), device=CPU)


def test_the_plan_loads_nothing_and_knows_paths(tmp_path):
    assert plan_tile("realesr-animevideov3", 64, 48, device=CPU, resources=ENOUGH) is None
    assert (
        plan_tile(str(tmp_path / "own.pth"), 20000, 20000, device=CPU, resources=ENOUGH) is not None
    )
    with pytest.raises(UsageError):
        plan_tile("no such model", 64, 48, device=CPU, resources=ENOUGH)


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="address space limits are Linux's")
def test_real_shortage_of_memory_ends_in_tiles():
    code = """
import resource
import numpy as np
from videnhance.inference import CPU, load_network
told = []
model = load_network("realesr-animevideov3-x2", device=CPU, warn=told.append)
image = np.random.default_rng(0).random((3, 240, 320), dtype=np.float32)
used = int(open("/proc/self/statm").read().split()[0]) * resource.getpagesize()
resource.setrlimit(resource.RLIMIT_AS, (used + (15 << 20), resource.RLIM_INFINITY))
small = model(image)
resource.setrlimit(resource.RLIMIT_AS, (resource.RLIM_INFINITY,) * 2)
assert told and "tiles" in told[0], told
whole = load_network("realesr-animevideov3-x2", device=CPU)(image)
assert np.abs(small - whole).max() < 1e-4
"""
    # The OpenBLAS in OpenCV's wheels (0.3.15) calls a null pointer where a thread of its own gets
    # no memory, and on a busy machine that begins under the limit.
    environment = os.environ | {"OPENBLAS_NUM_THREADS": "1"}
    subprocess.run([sys.executable, "-c", code], check=True, env=environment)
