"""The Job: everything one run needs, decided before it begins, and saved beside the output."""

from __future__ import annotations

import dataclasses
import tomllib
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from fractions import Fraction
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import tomli_w

from videnhance import __version__
from videnhance.core import ClipInfo, Options, Stage, UsageError
from videnhance.media.encode import Encoding
from videnhance.media.encoding import EncodeOptions
from videnhance.media.timeline import Segment
from videnhance.options import checked, declared, in_use, layered, read_preset, unknown
from videnhance.stages import STAGES

_OWNERS = {**{stage.name: stage for stage in STAGES}, "encode": EncodeOptions}
"""Who declares the options of each table that presets may have."""


@dataclass(frozen=True)
class Settings:
    """What the user asked for, checked: the stages and the encoder's options."""

    stages: tuple[Stage, ...]
    encode: EncodeOptions
    asked: Mapping[str, Options] = field(default_factory=dict)
    """The options that the user gave, by table, in a preset or otherwise."""


def settings(preset: str | None = None, given: Mapping[str, Options] | None = None) -> Settings:
    """Defaults, overridden by a preset, overridden by what was `given` (tables of options).

    Raises UsageError for unknown names and values out of bounds, wherever they came from.
    """
    base = read_preset(preset, _OWNERS) if preset else {}
    merged = layered(
        {
            table: checked(_OWNERS[table], values, f"[{table}] of {preset}")
            for table, values in base.items()
        },
        {table: checked(_OWNERS[table], values) for table, values in (given or {}).items()},
    )
    stages = tuple(stage(**merged.get(stage.name, {})) for stage in STAGES)
    return Settings(stages, EncodeOptions(**merged.get("encode", {})), merged)


def sort_options(options: Options) -> dict[str, Options]:
    """Tables from a flat list of options, as Python callers give them: `scale=2, crf=18`.

    Raises UsageError for a name that no stage and no encoder option has.
    """
    tables: dict[str, Options] = {}
    owners = {
        stage.flag_prefix.replace("-", "_") + option.name: (stage.name, option.name)
        for stage in STAGES
        for option in declared(stage)
    }
    owners |= {option.name: ("encode", option.name) for option in declared(EncodeOptions)}
    for key, value in options.items():
        if key not in owners:
            raise UsageError(unknown(f"option {key!r}", key, owners))
        table, name = owners[key]
        tables.setdefault(table, {})[name] = value
    return tables


def library_versions() -> dict[str, str]:
    """Installed versions of everything that decides the bits of an output."""
    found = {}
    for name in ("av", "numpy", "opencv-python-headless", "ncnn", "numba", "torch", "spandrel"):
        with suppress(PackageNotFoundError):
            found[name] = version(name)
    return found


@dataclass(frozen=True)
class Job:
    """A frozen run: equal jobs give equal bytes.

    `tiles` are the sides of the tiles that fitted into memory when the job was made; they are
    part of it so that a continued run cuts its frames the same way.
    """

    source: str
    fingerprint: str
    output: str
    muxer: str
    dropped: tuple[int, ...]
    drop_unsupported: bool
    """Whether the user lets go what the container cannot hold."""
    device: str
    stages: tuple[Stage, ...]
    encoding: Encoding
    clip: ClipInfo
    """What goes into the encoder."""
    ticks: int
    """How many ticks of the job's time base make one of the source's."""
    rate: Fraction
    """Average frames per second of the output: a hint for the encoder."""
    models: Mapping[str, Mapping[str, str]]
    """The sha256 of every weight file, by model and file name."""
    tiles: Mapping[str, int]
    segments: tuple[Segment, ...]
    libraries: Mapping[str, str]
    """Versions of what makes the bits; work of others is not continued."""
    asked: Mapping[str, Options] = field(default_factory=dict, compare=False)
    """The options that the user gave, by table: what makes a saved job a preset."""
    found: Mapping[str, str] = field(default_factory=dict, compare=False)
    """What was decided by looking at the recording, and why, by option: for people to read. What
    was decided stands in the stages' own options, and only these are compared."""
    version: str = __version__

    def table(self) -> dict[str, Any]:
        """The job as plain values, in the order they are written."""
        return {
            "videnhance": self.version,
            "libraries": dict(self.libraries),
            "source": {"path": self.source, "fingerprint": self.fingerprint},
            "output": {
                "path": self.output, "container": self.muxer, "dropped": list(self.dropped),
                "drop_unsupported": self.drop_unsupported,
                "width": self.clip.width, "height": self.clip.height,
            },
            "time": {"ticks": self.ticks, "rate": str(self.rate)},
            "device": {"kind": self.device, "tiles": dict(self.tiles)},
            **{stage.name: _set(in_use(stage)) for stage in self.stages},
            "found": dict(self.found),
            "asked": {table: _set(options) for table, options in self.asked.items()},
            "encode": {
                "encoder": self.encoding.encoder,
                "pix_fmt": self.encoding.pix_fmt,
                "options": dict(self.encoding.options),
                "colour": dataclasses.asdict(self.clip.colour),
            },
            "models": {model: dict(files) for model, files in self.models.items()},
            "segments": [_set(dataclasses.asdict(segment)) for segment in self.segments],
        }  # fmt: skip

    def entering(self, source: ClipInfo) -> ClipInfo:
        """What goes into the first stage: the source in the job's time base."""
        return dataclasses.replace(source, time_base=source.time_base / self.ticks)

    def with_tiles(self, tiles: Mapping[str, int]) -> Job:
        """The same job with the tiles of the run that began it."""
        return dataclasses.replace(self, tiles=dict(tiles))

    def save(self, path: Path) -> None:
        """Write the job as TOML."""
        # File names may hold bytes that no encoding knows; paths are not compared, so ? will do.
        path.write_bytes(tomli_w.dumps(self.table()).encode("utf-8", "replace"))

    def differences(self, saved: Mapping[str, Any]) -> tuple[str, ...]:
        """Dotted names of what makes a saved job another one; paths, tiles and reasons do not,
        nor what was asked for where the same came of it."""
        return tuple(
            name
            for name in _different(saved, self.table(), "")
            if name not in ("source.path", "output.path")
            and not name.startswith("device.tiles")
            and name.split(".")[0] not in ("found", "asked")
        )


def read_saved(path: Path) -> dict[str, Any] | None:
    """The table of a saved job; None where there is none, or where it is damaged."""
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, tomllib.TOMLDecodeError, UnicodeDecodeError):
        return None


def _set(values: Mapping[str, Any]) -> dict[str, Any]:
    """Values as TOML can hold them: it has no null, so what is not set is left out."""
    return {
        name: list(value) if isinstance(value, tuple) else value
        for name, value in values.items()
        if value is not None
    }


def _different(old: Any, new: Any, name: str) -> list[str]:
    if isinstance(old, Mapping) and isinstance(new, Mapping):
        return [
            found
            for key in sorted({*old, *new})
            for found in _different(old.get(key), new.get(key), f"{name}.{key}" if name else key)
        ]
    return [] if old == new else [name]
