"""`videnhance doctor`: what this machine offers, and what will be used."""

from __future__ import annotations

import platform
from collections.abc import Iterable
from fractions import Fraction

import typer

from videnhance.cli.ending import PlainSpeaker, answering

_PACKAGES = ("av", "numpy", "opencv-python-headless", "numba", "ncnn", "torch", "spandrel")


def doctor() -> None:
    """Show versions, devices, encoders and weights, and what will be used."""
    with answering(PlainSpeaker()):
        _section("versions", _versions())
        _section("devices", _devices())
        _section("encoders", _encoders())
        _section("models", _weights())
        _section("in use", _used())


def _section(title: str, rows: Iterable[tuple[str, str]]) -> None:
    typer.echo(title)
    listed = list(rows)
    width = max(len(name) for name, _ in listed)
    for name, text in listed:
        typer.echo(f"  {name:<{width}}  {text}")


def _versions() -> Iterable[tuple[str, str]]:
    import importlib.metadata

    from videnhance import __version__
    from videnhance.media.encode import ffmpeg_versions

    yield "videnhance", __version__
    yield "python", f"{platform.python_version()} on {platform.platform()}"
    for package in _PACKAGES:
        try:
            yield package, importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            yield package, "missing"
    yield "ffmpeg", ", ".join(f"{name} {version}" for name, version in ffmpeg_versions().items())


def _devices() -> Iterable[tuple[str, str]]:
    from videnhance.inference.devices import all_devices
    from videnhance.inference.resources import free_memory, usable_cores

    memory = f"{free_memory() / 2**30:.1f} GiB of memory free"
    for device, software in all_devices():
        note = ", a program on the CPU, used only when named" if software else ""
        if device.kind == "cpu":
            yield "cpu", f"{usable_cores()} cores, {memory}"
        else:
            yield str(device), device.name + note


def _encoders() -> Iterable[tuple[str, str]]:
    from videnhance.media.encode import encoder_available
    from videnhance.media.encoding import CODECS

    for name, codec in CODECS.items():
        there = encoder_available(codec.encoder)
        yield name, codec.encoder if there else f"{codec.encoder} is not in this FFmpeg build"


def _weights() -> Iterable[tuple[str, str]]:
    from videnhance.cli.models import whereabouts
    from videnhance.inference import all_cards

    for name in all_cards():
        yield name, whereabouts(name)


def _used() -> Iterable[tuple[str, str]]:
    from videnhance.core import ClipInfo
    from videnhance.engine.look import LazyLook
    from videnhance.inference import select_device, weights
    from videnhance.stages import Upscale

    device = select_device()
    clip = ClipInfo(64, 64, time_base=Fraction(1, 25), rate=None)
    yield "device", f"{device} ({device.name})" if device.name else str(device)
    yield "model", Upscale().resolve(clip, device.kind, LazyLook()).model
    yield "weights", f"downloads go to {weights.store()}"
