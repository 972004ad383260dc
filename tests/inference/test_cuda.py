"""The networks on a CUDA device give what they give on the CPU."""

import os

import numpy as np
import pytest

from videnhance.inference import CPU, load_network, select_device, weights
from videnhance.inference.cards import all_cards
from videnhance.inference.devices import _cuda_devices

pytestmark = pytest.mark.cuda
NAMES = ["live-x2", "realesr-animevideov3-x2", "realesr-animevideov3-x2-draft", "span-x2"]


@pytest.fixture
def device():
    if not _cuda_devices() and not os.environ.get("FAIL_WITHOUT_CUDA"):
        pytest.skip("no CUDA device")
    return select_device("cuda")


@pytest.mark.parametrize("name", NAMES)
def test_a_gpu_gives_the_picture_of_the_cpu(device, name):
    if weights.locate(all_cards()[name]) is None:
        pytest.skip("not on this machine")
    image = np.random.default_rng(0).random((3, 48, 64), np.float32)
    made, wanted = (load_network(name, device=place)(image) for place in (device, CPU))
    assert np.abs(made - wanted).max() < 0.02
