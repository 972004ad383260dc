import importlib
import subprocess
import sys
import tracemalloc
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise

import numpy as np
import pytest

from videnhance.core import InputError
from videnhance.inference import winograd
from videnhance.inference.ncnn_file import NcnnFile
from videnhance.inference.winograd import network as network_module
from videnhance.inference.winograd.compact import Compact
from videnhance.inference.winograd.convolution import Convolution, Features, Scratch
from videnhance.inference.winograd.network import WinogradNetwork, load_winograd
from videnhance.inference.winograd.rrdb import RRDB
from videnhance.kernels import compiling

SIZES = [(1, 1), (1, 9), (5, 7), (6, 6), (13, 200), (200, 13)]


def layer(rng, out, into):
    scale = (9 * into) ** -0.5
    return (
        rng.normal(0, scale, (out, into, 3, 3)).astype(np.float32),
        rng.normal(0, 0.1, out).astype(np.float32),
    )


def compact_state(channels=5, layers=3, out=48):
    rng = np.random.default_rng(3)
    widths = [3, *[channels] * layers, out]
    state = {}
    for index, (into, width) in enumerate(pairwise(widths)):
        name = f"body.{2 * index}"
        state[f"{name}.weight"], state[f"{name}.bias"] = layer(rng, width, into)
        if width != out:
            state[f"body.{2 * index + 1}.weight"] = rng.random(width, dtype=np.float32)
    return state


def rrdb_state(channels=16, growth=32, blocks=2):
    rng = np.random.default_rng(4)
    shapes = {"conv_first": (channels, 3), "conv_last": (3, channels)}
    for name in ("conv_body", "conv_up1", "conv_up2", "conv_hr"):
        shapes[name] = (channels, channels)
    for block in range(blocks):
        for part in (1, 2, 3):
            for number in range(5):
                out = growth if number < 4 else channels
                name = f"body.{block}.rdb{part}.conv{number + 1}"
                shapes[name] = (out, channels + number * growth)
    state = {}
    for name, (out, into) in shapes.items():
        state[f"{name}.weight"], state[f"{name}.bias"] = layer(rng, out, into)
    return state


def noise(height, width):
    return np.random.default_rng(height).random((3, height, width), dtype=np.float32)


def by_definition(source, weight, bias, slope):
    """In float64: sums over the nine shifts of the padded image."""
    height, width = source.shape[:2]
    padded = np.pad(source.astype(np.float64), ((1, 1), (1, 1), (0, 0)))
    total = np.zeros((height, width, len(weight))) + bias
    for y in range(3):
        for x in range(3):
            total += padded[y : y + height, x : x + width] @ weight[:, :, y, x].T
    return np.where(total > 0, total, total * slope)


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize(
    "channels", [(3, 64), (64, 64), (64, 48), (192, 32), (24, 24), (5, 7), (1, 1)]
)
def test_a_convolution_is_what_its_definition_says(size, channels):
    into, out = channels
    rng = np.random.default_rng(0)
    weight, bias = layer(rng, out, into)
    slope = rng.normal(0, 1, out).astype(np.float32)
    source, target = Features(*size, into), Features(*size, out)
    source.image[:, :, :into] = rng.random((*size, into), dtype=np.float32)
    Convolution(weight, bias, slope)(source, target, Scratch(max(channels)))
    expected = by_definition(source.image[:, :, :into], weight, bias, slope)
    assert np.abs(target.image[:, :, :out] - expected).max() < 5e-5
    target.image[:, :, :out] = 0
    assert not target.data.any()


def test_a_convolution_of_more_channels_than_a_block_is_meant_for():
    rng = np.random.default_rng(6)
    weight, bias = layer(rng, 290, 300)
    source, target = Features(13, 20, 300), Features(13, 20, 290)
    source.image[:, :, :300] = rng.random((13, 20, 300), dtype=np.float32)
    Convolution(weight, bias)(source, target, Scratch(300))
    expected = by_definition(source.image[:, :, :300], weight, bias, 1)
    assert np.abs(target.image[:, :, :290] - expected).max() < 5e-5


def test_a_convolution_may_write_beside_what_it_reads():
    rng = np.random.default_rng(1)
    weight, bias = layer(rng, 16, 8)
    features = Features(20, 31, 32)
    features.image[:] = before = rng.random((20, 31, 32), dtype=np.float32)
    Convolution(weight, bias, 0.2)(features, features, Scratch(16), offset=8)
    expected = by_definition(before[:, :, :8], weight, bias, 0.2)
    assert np.abs(features.image[:, :, 8:24] - expected).max() < 1e-5
    assert np.array_equal(features.image[:, :, :8], before[:, :, :8])
    assert np.array_equal(features.image[:, :, 24:], before[:, :, 24:])


@pytest.mark.parametrize("size", [*SIZES, (40, 77), (77, 40)])
@pytest.mark.parametrize("channels", [5, 24, 64])
def test_convolutions_there_and_back_within_the_same_memory(size, channels):
    rng = np.random.default_rng(7)
    features, scratch = Features(*size, channels), Scratch(channels)
    others = features.shifted()
    assert np.shares_memory(features.data, others.data)
    features.image[:, :, :channels] = rng.random((*size, channels), dtype=np.float32)
    for source, target in [(features, others), (others, features)] * 2:
        weight, bias = layer(rng, channels, channels)
        expected = by_definition(source.image[:, :, :channels], weight, bias, 0.2)
        Convolution(weight, bias, 0.2)(source, target, scratch)
        assert np.abs(target.image[:, :, :channels] - expected).max() < 5e-5
        kept = target.image.copy()
        target.image[:] = 0
        assert not target.data.any()
        target.image[:] = kept


def test_a_convolution_refuses_features_that_do_not_fit():
    convolution = Convolution(*layer(np.random.default_rng(2), 16, 8))
    good = Features(9, 9, 16)
    for source, target, scratch, offset in (
        (Features(9, 9, 16), good, Scratch(8), 0),
        (good, good, Scratch(16), 8),
        (good, Features(9, 9, 8), Scratch(16), 0),
        (Features(9, 8, 16), good, Scratch(16), 0),
    ):
        with pytest.raises(ValueError, match=r"fit|size"):
            convolution(source, target, scratch, offset)


@pytest.mark.parametrize("shrink", [1.0, 0.75, 0.5])
@pytest.mark.parametrize("size", SIZES)
def test_random_compact_networks_agree_with_torch(size, shrink):
    import torch
    from spandrel import ModelLoader

    state = compact_state()
    reference = ModelLoader().load_from_state_dict(
        {key: torch.from_numpy(value.copy()) for key, value in state.items()}
    )
    image = noise(*size)
    with torch.inference_mode():
        expected = reference.model(torch.from_numpy(image)[None])
        if shrink != 1:
            expected = torch.nn.functional.interpolate(
                expected, scale_factor=shrink, mode="bicubic", antialias=False
            )
    network = WinogradNetwork(Compact(state, shrink))
    result = network(image)
    assert network.scale == 4 * shrink
    assert result.shape == (3, network.scale * size[0], network.scale * size[1])
    # PyTorch counts the places between samples in float32, which shows where they are many.
    most = 2e-4 if shrink == 0.75 else 1e-5
    assert np.abs(result - expected[0].numpy()).max() < most


@pytest.mark.parametrize("shrink", [1.0, 0.5])
@pytest.mark.parametrize("factor", [1, 2, 3])
def test_other_factors_than_four(factor, shrink):
    import torch
    from spandrel import ModelLoader

    state = compact_state(out=3 * factor**2)
    reference = ModelLoader().load_from_state_dict(
        {key: torch.from_numpy(value.copy()) for key, value in state.items()}
    )
    image = noise(10, 14)
    with torch.inference_mode():
        expected = reference.model(torch.from_numpy(image)[None])
        if shrink != 1:
            expected = torch.nn.functional.interpolate(
                expected, scale_factor=shrink, mode="bicubic", antialias=False
            )
    result = Compact(state, shrink).prepared(10, 14)(image, 1.0)
    assert np.abs(result - expected[0].numpy()).max() < 1e-5


@pytest.mark.parametrize("size", [(1, 1), (5, 7), (12, 13)])
def test_random_dense_networks_agree_with_torch(size):
    import torch
    from spandrel import ModelLoader

    state = rrdb_state()
    reference = ModelLoader().load_from_state_dict(
        {key: torch.from_numpy(value.copy()) for key, value in state.items()}
    )
    image = noise(*size)
    with torch.inference_mode():
        expected = reference.model(torch.from_numpy(image)[None])[0].numpy()
    assert np.abs(WinogradNetwork(RRDB(state))(image) - expected).max() < 1e-5


@pytest.mark.parametrize("network", [Compact(compact_state(), 0.5), RRDB(rrdb_state())])
def test_memory_used_again_keeps_nothing_of_earlier_images(network):
    running = WinogradNetwork(network)
    image = noise(16, 20)
    first = running(image)
    broken = np.full_like(image, np.nan)
    assert np.isnan(running(broken)).all()
    assert np.array_equal(running(image), first)
    running(noise(9, 40))
    assert np.array_equal(running(image), first)


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_what_is_not_a_number_is_not_hidden(value):
    image = noise(30, 40)
    image[1, 14, 21] = value
    result = WinogradNetwork(Compact(compact_state()))(image)
    assert not np.isfinite(result[:, 4 * 14 : 4 * 14 + 4, 4 * 21 : 4 * 21 + 4]).any()
    assert np.isfinite(result[:, :, :16]).all()


@pytest.mark.parametrize("network", [Compact(compact_state(), 0.5), RRDB(rrdb_state())])
def test_the_same_bits_on_any_thread(network):
    running = WinogradNetwork(network)
    images = [noise(15 + i % 3, 33) for i in range(12)]
    alone = [running(image) for image in images]
    with ThreadPoolExecutor(4) as pool:
        together = list(pool.map(running, images))
    assert all(np.array_equal(a, b) for a, b in zip(alone, together, strict=True))


@pytest.mark.parametrize(
    ("architecture", "network"),
    [
        ("Compact", Compact(compact_state(64, 2), 0.75)),
        ("ESRGAN", RRDB(rrdb_state(64, 32, 1))),
    ],
)
def test_memory_per_pixel_is_what_the_plan_counts_with(architecture, network):
    image = noise(192, 192)
    tracemalloc.start()
    try:
        WinogradNetwork(network)(image)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    planned = winograd.BYTES_PER_PIXEL[architecture] * 192 * 192
    assert 0.7 * planned < peak < planned + (2 << 20)


@pytest.mark.parametrize(
    ("architecture", "state"),
    [
        ("Compact", {key: value for key, value in compact_state().items() if "4" not in key}),
        ("Compact", compact_state(out=47)),
        ("Compact", compact_state() | {"body.2.weight": np.zeros((5, 6, 3, 3), np.float32)}),
        ("Compact", compact_state() | {"body.2.bias": np.zeros(1, np.float32)}),
        ("ESRGAN", rrdb_state() | {"conv_hr.weight": np.zeros((99, 16, 3, 3), np.float32)}),
        ("ESRGAN", rrdb_state(growth=6)),
        ("SPAN", compact_state()),
    ],
)
def test_weights_that_do_not_fit_together_are_refused(tmp_path, monkeypatch, architecture, state):
    monkeypatch.setattr(
        network_module, "read_ncnn", lambda *_: NcnnFile(architecture, state, shrink=1.0)
    )
    with pytest.raises(InputError, match="is not the network it seems to be"):
        load_winograd(tmp_path / "net.param")


@pytest.mark.parametrize("suffix", [".pth", ".safetensors"])
def test_weights_in_the_files_of_pytorch(tmp_path, suffix):
    import torch
    from safetensors.torch import save_file

    tensors = {key: torch.from_numpy(value.copy()) for key, value in compact_state().items()}
    path = tmp_path / f"net{suffix}"
    if suffix == ".pth":
        torch.save({"params": tensors}, path)
    else:
        save_file(tensors, path)
    image = noise(9, 11)
    expected = WinogradNetwork(Compact(compact_state()))(image)
    assert np.array_equal(load_winograd(path)(image), expected)


def test_numba_is_imported_only_for_a_network():
    code = "import sys, videnhance.inference; assert 'numba' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_compiled_code_is_kept_until_the_package_changes(tmp_path, monkeypatch):
    (tmp_path / "kernels_of_a_test.py").write_text(
        "from videnhance.kernels.compiling import kernel\n"
        "@kernel('float32(float32)')\n"
        "def doubled(value):\n"
        "    return value + value\n"
    )
    monkeypatch.syspath_prepend(tmp_path)

    def loaded():
        sys.modules.pop("kernels_of_a_test", None)
        function = importlib.import_module("kernels_of_a_test").doubled
        assert function(np.float32(3)) == 6
        return sum(function.stats.cache_hits.values())

    assert [loaded(), loaded()] == [0, 1]
    ours = compiling._sources(tmp_path)
    compiling._sources.cache_clear()
    monkeypatch.setattr(compiling, "__file__", str(tmp_path / "kernels_of_a_test.py"))
    assert compiling._sources(tmp_path) != ours
    assert [loaded(), loaded()] == [0, 1]


def test_compiled_code_is_loaded_without_what_only_compiling_needs():
    script = """
import sys
import videnhance.inference.winograd.kernels
print([name for name in sys.modules if name.startswith("numba.typed.")])
"""
    for _ in range(2):  # the first may have to compile
        done = subprocess.run(
            [sys.executable, "-c", script], capture_output=True, text=True, check=True
        )
    assert done.stdout == "[]\n"
