"""Make a command's flags from what the stages and the encoder declare."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from typing import Annotated, Any

import typer

from videnhance.media.encoding import EncodeOptions
from videnhance.options import DeclaredOption, declared
from videnhance.stages import STAGES

_METAVARS = {int: "INTEGER", float: "NUMBER", str: "TEXT", tuple: "TEXT"}


def declared_options() -> tuple[DeclaredOption, ...]:
    """Every option of every stage, then those of the encoder."""
    return tuple(option for owner in (*STAGES, EncodeOptions) for option in declared(owner))


def with_declared_flags(command: Callable[..., None]) -> Callable[..., None]:
    """Replace the ``**options`` of a command by one flag per declared option.

    The command gets only options that were given, by the names of their flags:
    ``encoder_preset="slow"``. Bounds and choices are checked later, like those of presets.
    """
    signature = inspect.signature(command, eval_str=True)
    own = [p for p in signature.parameters.values() if p.kind is not p.VAR_KEYWORD]
    names = {option.flag[2:].replace("-", "_"): option for option in declared_options()}
    added = [
        inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=None, annotation=_flag(o))
        for name, o in names.items()
    ]

    @functools.wraps(command)
    def wrapped(**values: Any) -> None:
        ungiven = [name for name in names if values[name] in (None, [], ())]
        command(**{name: value for name, value in values.items() if name not in ungiven})

    parameters = [*own, *added]
    wrapped.__signature__ = signature.replace(parameters=parameters)  # type: ignore[attr-defined]
    wrapped.__annotations__ = {p.name: p.annotation for p in parameters} | {"return": None}
    del wrapped.__wrapped__
    return wrapped


def _flag(option: DeclaredOption) -> Any:
    kind = list[str] if option.kind is tuple else option.kind
    spelled = f"{option.flag}/--no-{option.flag[2:]}" if option.kind is bool else option.flag
    metavar = "NAME" if option.declaration.choices else _METAVARS.get(option.kind)
    text = option.help[0].upper() + option.help[1:] + "."
    return Annotated[
        kind | None, typer.Option(spelled, help=text, metavar=metavar, show_default=False)
    ]
