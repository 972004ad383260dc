"""Networks of our own: pixels in pairs, and a dial, the same in PyTorch and by our convolutions."""

from itertools import pairwise

import numpy as np
import pytest

from videnhance.core import InputError
from videnhance.inference.devices import CPU
from videnhance.inference.tiled_network import TiledNetwork
from videnhance.inference.torch_backend import load_torch
from videnhance.inference.winograd.network import load_winograd


def state(scale=2, channels=32, layers=2, unshuffle=2, planes=3):
    rng = np.random.default_rng(scale)
    widths = [planes * unshuffle**2, *[channels] * layers, 3 * (unshuffle * scale) ** 2]
    made = {}
    for number, (into, out) in enumerate(pairwise(widths)):
        spread = 0.5 * (9 * into) ** -0.5
        made[f"body.{2 * number}.weight"] = rng.normal(0, spread, (out, into, 3, 3))
        made[f"body.{2 * number}.bias"] = rng.normal(0, 0.05, out)
        made[f"body.{2 * number}.dial"] = rng.normal(0, 0.05, out)
        if number < layers:
            made[f"body.{2 * number + 1}.weight"] = rng.uniform(0, 0.3, out)
    return {key: value.astype(np.float16) for key, value in made.items()}


def written(tmp_path, weights):
    save_file = pytest.importorskip("safetensors.numpy").save_file
    path = tmp_path / "ours.safetensors"
    save_file(weights, path)
    return path


def image(height, width, seed=0, planes=3):
    return np.random.default_rng(seed).random((planes, height, width), dtype=np.float32)


@pytest.mark.parametrize("scale", [2, 4])
@pytest.mark.parametrize("size", [(8, 12), (9, 13), (31, 8)])
@pytest.mark.parametrize("dial", [0.0, 0.3, 1.0])
def test_both_ways_of_computing_agree(tmp_path, scale, size, dial):
    path = written(tmp_path, state(scale))
    own, torch = load_winograd(path), load_torch(path, CPU)
    assert own.scale == torch.scale == scale
    made = own(image(*size), restore=dial)
    assert made.shape == (3, scale * size[0], scale * size[1])
    assert np.abs(made - torch(image(*size), restore=dial)).max() < 1e-4


@pytest.mark.parametrize("size", [(8, 12), (9, 13)])
@pytest.mark.parametrize(("planes", "unshuffle"), [(8, 2), (4, 2), (4, 1), (8, 1)])
def test_planes_beside_the_picture_are_read(tmp_path, size, planes, unshuffle):
    """By both, without a dial; the result is added to the first three."""
    weights = state(1, planes=planes, unshuffle=unshuffle)
    weights = {key: value for key, value in weights.items() if not key.endswith("dial")}
    path = written(tmp_path, weights)
    own, torch = load_winograd(path), load_torch(path, CPU)
    given = image(*size, planes=planes)
    made = own(given)
    assert made.shape == (3, *size)
    assert np.abs(made - torch(given)).max() < 1e-4
    other = given.copy()
    other[3:] = 0
    assert np.abs(own(other) - made).max() > 0.01


def test_the_dial_is_a_straight_line_of_the_biases(tmp_path):
    weights = state(layers=0)
    network = load_winograd(written(tmp_path, weights))
    ends = [network(image(8, 8), restore=dial) for dial in (0.0, 0.5, 1.0)]
    assert np.abs(ends[0] - ends[2]).max() > 0.01
    assert np.allclose(ends[1], (ends[0] + ends[2]) / 2, atol=1e-5)


def test_without_a_dial_nothing_changes(tmp_path):
    weights = {key: value for key, value in state().items() if not key.endswith("dial")}
    network = load_winograd(written(tmp_path, weights))
    assert (network(image(8, 8), restore=0.0) == network(image(8, 8), restore=1.0)).all()


@pytest.mark.parametrize("size", [(120, 131), (97, 150)])
def test_tiles_do_not_part_the_pairs(tmp_path, size):
    network = load_winograd(written(tmp_path, state()))
    whole = TiledNetwork("a", network, halo=8, warn=pytest.fail)
    tiled = TiledNetwork("a", network, halo=8, tile=1, warn=pytest.fail)
    expected, made = (network(image(*size), restore=0.4) for network in (whole, tiled))
    assert np.abs(made - expected).max() < 1e-4


def test_weights_that_do_not_fit_together_are_an_error(tmp_path):
    weights = state()
    weights["body.4.weight"] = weights["body.4.weight"][:-1]
    path = written(tmp_path, weights)
    for load in (load_winograd, lambda path: load_torch(path, CPU)):
        with pytest.raises(InputError, match="is not the network"):
            load(path)
