"""Recipes: how a network of ours is made, read from `training/recipes/NAME.toml`."""

from __future__ import annotations

import tomllib
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).parent / "recipes"


@dataclass(frozen=True)
class Recipe:
    """Everything that decides what a network becomes, but for its examples' sources."""

    name: str
    channels: int
    """Of every layer but the last, at half the input's size."""
    layers: int
    """But for the last."""
    scale: int
    recordings: int
    """How many recordings are made to learn from; each gives four crops."""
    validation: int
    """How many recordings are made of what is kept aside."""
    side: int
    """Of a crop in input pixels."""
    patch: int
    """Side in input pixels of what is cut from a crop for a step."""
    batch: int
    rate: float
    """Adam's learning rate after its rise; it falls as half a cosine."""
    seed: int
    examples_seed: int
    minutes: float | None = None
    steps: int | None = None
    charbonnier: float = 1.0
    """Weight of the Charbonnier loss."""
    spectrum: float = 0.0
    """Weight of the mean distance in the spectrum."""
    information: float = 0.0
    """Weight of 1 - VIF."""
    adversarial: float = 0.0
    """Weight of the discriminator's judgement; 0 is none."""
    unshuffle: int = 2
    """How many pixels of a row become one for the convolutions."""
    cleans: bool = False
    """Whether it removes noise from what the recursive filter made, at the recording's size."""
    teacher: str | None = None
    """Card of the network to imitate, instead of the truth; what imitates one has no dial."""
    start: str | None = None
    """Name of the network whose body it begins with."""

    @property
    def inputs(self) -> int:
        """Planes that the network reads; see `examples.CLEANED`."""
        return 8 if self.cleans else 3

    @property
    def dialled(self) -> bool:
        """Whether it has a dial."""
        return self.teacher is None and not self.cleans

    @property
    def table(self) -> dict[str, Any]:
        """Its values, for notes and to compare."""
        return {key: value for key, value in asdict(self).items() if value is not None}


def read(
    name: str, folder: Path = FOLDER, *, minutes: float | None = None, steps: int | None = None
) -> Recipe:
    """Read a recipe; `minutes` or `steps` replace its own length.

    Raises SystemExit where there is none, or where it says too little or too much.
    """
    path = folder / f"{name}.toml"
    try:
        tables = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, tomllib.TOMLDecodeError) as exc:
        known = ", ".join(sorted(path.stem for path in folder.glob("*.toml")))
        raise SystemExit(f"{path} is no recipe ({exc}); there are: {known}.") from exc
    examples = tables.pop("examples", {})
    examples["examples_seed"] = examples.pop("seed", None)
    values = {key: value for table in (*tables.values(), examples) for key, value in table.items()}
    unknown = set(values) - {field.name for field in fields(Recipe)}
    try:
        if unknown:
            raise TypeError(f"unknown keys {', '.join(sorted(unknown))}")
        recipe = Recipe(name=name, **values)
    except TypeError as exc:
        raise SystemExit(f"{path} is no recipe: {exc}.") from exc
    if minutes is not None or steps is not None:
        recipe = replace(recipe, minutes=minutes, steps=steps)
    if (recipe.minutes is None) == (recipe.steps is None):
        raise SystemExit(f"{path} must say either minutes or steps.")
    return recipe
