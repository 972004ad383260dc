"""Choose the device that networks run on, without loading more than the answer needs."""

from __future__ import annotations

import contextlib
import ctypes
import os
import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from videnhance.core import UsageError

_PATTERN = re.compile(r"(auto|cpu|cuda|vulkan)(?::(\d+))?")
_SOFTWARE = ("llvmpipe", "lavapipe", "swiftshader")
_VULKAN_CPU = 3
"""ncnn's number for VK_PHYSICAL_DEVICE_TYPE_CPU."""


@dataclass(frozen=True)
class Device:
    """Where networks run: `kind` is "cpu", "cuda" or "vulkan"."""

    kind: str
    index: int = 0
    name: str = ""
    """What the driver calls it, for the report."""

    def __str__(self) -> str:
        return self.kind if self.kind == "cpu" else f"{self.kind}:{self.index}"


CPU = Device("cpu")


def select_device(wish: str = "auto") -> Device:
    """The device for ``auto``, ``cpu``, ``cuda[:n]`` or ``vulkan[:n]``.

    `auto` means CUDA if it works, else Vulkan on a real GPU, else the CPU. Raises UsageError if a
    named device is missing. A software Vulkan device is used only if it is named.
    """
    match = _PATTERN.fullmatch(wish)
    if match is None or (match[2] and match[1] in ("auto", "cpu")):
        raise UsageError(f"Device {wish!r} is unknown; use auto, cpu, cuda[:n] or vulkan[:n].")
    kind, index = match[1], int(match[2]) if match[2] else None
    if kind == "cpu":
        return CPU
    if kind == "auto":
        real = [device for device in _vulkan_devices() if not device[1]]
        found = _cuda_devices() or [device for device, _ in real]
        return found[0] if found else CPU
    devices = _cuda_devices() if kind == "cuda" else [device for device, _ in _vulkan_devices()]
    chosen = next((d for d in devices if index is None or d.index == index), None)
    if chosen is None:
        there = ", ".join(f"{device} ({device.name})" for device in devices) or "none"
        raise UsageError(
            f"Device {wish} is not available (found: {there}); use --device auto or cpu."
        )
    return chosen


def all_devices() -> list[tuple[Device, bool]]:
    """Every device of this machine, each with True if it is a GPU emulated in software."""
    return [(CPU, False), *((device, False) for device in _cuda_devices()), *_vulkan_devices()]


def _nvidia_driver_present() -> bool:
    """Whether an NVIDIA driver is installed; importing torch to ask would take seconds."""
    if sys.platform == "darwin":
        return False
    if sys.platform == "win32":
        return _loads("nvcuda.dll")
    traces = ("/proc/driver/nvidia/version", "/dev/nvidiactl", "/usr/lib/wsl/lib/libcuda.so.1")
    return any(Path(trace).exists() for trace in traces)


def _loads(library: str) -> bool:
    try:
        ctypes.CDLL(library)
    except OSError:
        return False
    return True


def _cuda_devices() -> list[Device]:
    if not _nvidia_driver_present():
        return []
    import torch

    if not torch.cuda.is_available():
        return []
    names = [torch.cuda.get_device_name(index) for index in range(torch.cuda.device_count())]
    return [Device("cuda", index, name) for index, name in enumerate(names)]


@contextlib.contextmanager
def _quiet_stderr() -> Iterator[None]:
    """Discard what C++ code writes to stderr: ncnn lists each GPU's properties there."""
    sys.stderr.flush()
    kept = os.dup(2)
    try:
        with Path(os.devnull).open("wb") as nowhere:
            os.dup2(nowhere.fileno(), 2)
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)


def _vulkan_devices() -> list[tuple[Device, bool]]:
    """Vulkan devices, each with True if it is emulated in software on the CPU."""
    # ncnn writes to stderr when the loader is missing, so look for it first. On macOS the loader
    # may be inside ncnn itself.
    loader = {"win32": "vulkan-1.dll", "darwin": ""}.get(sys.platform, "libvulkan.so.1")
    if loader and not _loads(loader):
        return []
    import ncnn

    with _quiet_stderr():
        count = ncnn.get_gpu_count()
    found = []
    for index in range(count):
        info = ncnn.get_gpu_info(index)
        name = str(info.device_name())
        software = info.type() == _VULKAN_CPU or any(s in name.lower() for s in _SOFTWARE)
        found.append((Device("vulkan", index, name), software))
    return found
