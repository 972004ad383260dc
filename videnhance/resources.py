"""Where the files that travel with the package (model cards, presets) lie."""

from __future__ import annotations

from pathlib import Path


def folder(name: str) -> Path:
    """The folder `models` or `configs`: inside an installed wheel, or in the source tree."""
    here = Path(__file__).parent
    packed = here / "_data" / name
    return packed if packed.is_dir() else here.parent / name
