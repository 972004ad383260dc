import subprocess
import sys

import pytest

from videnhance.core import UsageError
from videnhance.inference import devices
from videnhance.inference.devices import CPU, Device, select_device

CARD = Device("cuda", 0, "a card")
SECOND = Device("cuda", 1, "another card")
GPU = Device("vulkan", 1, "a GPU")
SOFTWARE = Device("vulkan", 0, "llvmpipe")


@pytest.fixture
def present(monkeypatch):
    def put(cuda=(), vulkan=()):
        monkeypatch.setattr(devices, "_cuda_devices", lambda: list(cuda))
        monkeypatch.setattr(devices, "_vulkan_devices", lambda: list(vulkan))

    return put


def test_auto_prefers_cuda_then_a_real_gpu_then_the_cpu(present):
    present([CARD], [(GPU, False)])
    assert select_device("auto") == CARD
    present([], [(SOFTWARE, True), (GPU, False)])
    assert select_device("auto") == GPU
    present([], [(SOFTWARE, True)])
    assert select_device("auto") == CPU


def test_a_named_device_is_taken_or_refused(present):
    present([CARD, SECOND], [(SOFTWARE, True)])
    assert select_device("cuda:1") == SECOND
    assert select_device("cuda") == CARD
    assert select_device("vulkan") == SOFTWARE
    assert select_device("cpu") == CPU
    with pytest.raises(UsageError, match=r"cuda:2 is not available \(found: cuda:0 \(a card\)"):
        select_device("cuda:2")


@pytest.mark.parametrize("wish", ["gpu", "cpu:1", "auto:0", "cuda:", "cuda:x", ""])
def test_an_unknown_device_is_refused(wish):
    with pytest.raises(UsageError, match="unknown"):
        select_device(wish)


def test_names_can_be_given_back_to_select():
    assert str(CPU) == "cpu"
    assert str(SECOND) == "cuda:1"


def test_without_a_driver_torch_is_not_asked(monkeypatch):
    monkeypatch.setattr(devices, "_nvidia_driver_present", lambda: False)
    assert devices._cuda_devices() == []


def test_importing_the_package_loads_nothing_heavy():
    modules = ", ".join(
        f"videnhance.inference.{name}"
        for name in (
            "ncnn_backend",
            "torch_backend",
            "loading",
            "runtime",
            "tiled_network",
            "tiling",
        )
    )
    code = (
        f"import sys, {modules}\n"
        "from videnhance.inference import plan_tile, CPU, Resources\n"
        "plan_tile('realesrgan-x4plus', 640, 480, device=CPU, resources=Resources.of_machine())\n"
        "heavy = {'torch', 'ncnn', 'spandrel', 'kornia', 'cv2', 'av'} & set(sys.modules)\n"
        "assert not heavy, heavy"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
