"""The Job: everything one run needs, decided before it begins, and saved in the work folder."""

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
from videnhance.options import checked, declared, in_use, overridden, read_preset, unknown
from videnhance.stages import STAGES

_OWNERS = {**{stage.name: stage for stage in STAGES}, "encode": EncodeOptions}
"""For each table that a preset may have, the class that declares its options."""


@dataclass(frozen=True)
class Settings:
    """The user's choices, checked: the stages and the encoder's options."""

    stages: tuple[Stage, ...]
    encode: EncodeOptions
    asked: Mapping[str, Options] = field(default_factory=dict)
    """By table, the options that the user gave in a flag, a preset or a call."""


def settings(preset: str | None = None, given: Mapping[str, Options] | None = None) -> Settings:
    """Defaults, overridden by a preset, overridden by the tables of options that were `given`.

    Raises UsageError for unknown names and values out of bounds, wherever they come from.
    """
    base = read_preset(preset, _OWNERS) if preset else {}
    given = given or {}
    merged = {
        table: overridden(
            _OWNERS[table],
            checked(_OWNERS[table], base.get(table, {}), f"[{table}] of {preset}"),
            checked(_OWNERS[table], given.get(table, {})),
        )
        for table in dict.fromkeys([*base, *given])
    }
    stages = tuple(stage(**merged.get(stage.name, {})) for stage in STAGES)
    return Settings(stages, EncodeOptions(**merged.get("encode", {})), merged)


def sort_options(options: Options) -> dict[str, Options]:
    """Sort the options of a Python call, such as `scale=2, crf=18`, into tables.

    Raises UsageError for unknown names.
    """
    tables: dict[str, Options] = {}
    owners = {
        option.flag[2:].replace("-", "_"): (stage.name, option.name)
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
    """Installed versions of the libraries that the bits of an output depend on."""
    found = {}
    for name in ("av", "numpy", "opencv-python-headless", "ncnn", "numba", "torch", "spandrel"):
        with suppress(PackageNotFoundError):
            found[name] = version(name)
    return found


@dataclass(frozen=True)
class Job:
    """Everything that decides the output, frozen: equal jobs give equal bytes.

    `tiles` are the sides of the tiles, by model, that fitted into memory when the job was planned.
    They belong to the job so that a resumed run uses the same tiles.
    """

    source: str
    fingerprint: str
    output: str
    muxer: str
    dropped: tuple[int, ...]
    drop_unsupported: bool
    """Whether the user accepts the loss of what the container cannot hold."""
    device: str
    stages: tuple[Stage, ...]
    encoding: Encoding
    clip: ClipInfo
    """The clip that enters the encoder."""
    ticks: int
    """Ticks of the job's time base per tick of the source's."""
    rate: Fraction
    """Average frames per second of the output: a hint for the encoder."""
    models: Mapping[str, Mapping[str, str]]
    """The sha256 of every weight file, by model and file name."""
    tiles: Mapping[str, int]
    segments: tuple[Segment, ...]
    libraries: Mapping[str, str]
    """Versions of the libraries that the bits depend on. Work of other versions is not resumed."""
    asked: Mapping[str, Options] = field(default_factory=dict, compare=False)
    """By table, the options that the user gave. With these, a saved job can serve as a preset."""
    found: Mapping[str, str] = field(default_factory=dict, compare=False)
    """By option, what was decided by looking at the recording, and why: for people to read.
    Jobs are compared by the stages' own options, which hold the decisions."""
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
        """The clip that enters the first stage: the source in the job's time base."""
        return dataclasses.replace(source, time_base=source.time_base / self.ticks)

    def with_tiles(self, tiles: Mapping[str, int]) -> Job:
        """The same job with the tiles of the run that began it."""
        return dataclasses.replace(self, tiles=dict(tiles))

    def save(self, path: Path) -> None:
        """Write the job as TOML."""
        # File names may hold bytes that are not valid text. They become "?", which does no harm:
        # paths are not compared.
        path.write_bytes(tomli_w.dumps(self.table()).encode("utf-8", "replace"))

    def differences(self, saved: Mapping[str, Any]) -> tuple[str, ...]:
        """Dotted names of the settings in which a saved job differs.

        Paths, tiles, `found` and `asked` are not compared.
        """
        return tuple(
            name
            for name in _different(saved, self.table(), "")
            if name not in ("source.path", "output.path")
            and not name.startswith("device.tiles")
            and name.split(".")[0] not in ("found", "asked")
        )


def read_saved(path: Path) -> dict[str, Any] | None:
    """The table of a saved job; None if the file is missing or damaged."""
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, tomllib.TOMLDecodeError, UnicodeDecodeError):
        return None


def _set(values: Mapping[str, Any]) -> dict[str, Any]:
    """Values as TOML can hold them: None is left out, since TOML has no null."""
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
