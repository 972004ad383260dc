"""Check option values against their declarations, whether from a flag, a preset or a call."""

from __future__ import annotations

import dataclasses
import difflib
import json
import tomllib
import types
import typing
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from videnhance.core import Option, Options, UsageError
from videnhance.resources import folder

_KINDS = {bool: "true or false", int: "a whole number", float: "a number", str: "a text"}
_KINDS[tuple] = "a list of texts"


@dataclass(frozen=True)
class DeclaredOption:
    """A dataclass field that is annotated with an `Option`."""

    name: str
    flag: str
    """The flag as it is typed on the command line: ``--encoder-preset``."""
    kind: Any
    """bool, int, float, str, or tuple for a list of strings."""
    optional: bool
    default: Any
    declaration: Option

    @property
    def help(self) -> str:
        """The declared sentence with bounds and default."""
        parts = [self.declaration.help]
        if self.declaration.choices:
            also = " or a number" if self.declaration.min is not None else ""
            parts.append(f"one of {', '.join(self.declaration.choices)}{also}")
        if self.declaration.min is not None and self.declaration.max is not None:
            parts.append(f"{self.declaration.min:g} to {self.declaration.max:g}")
        if self.default not in (None, ()):
            shown = f"{self.default:g}" if isinstance(self.default, float) else self.default
            parts.append(f"default {shown}")
        return "; ".join(parts)


def declared(owner: type[Any]) -> tuple[DeclaredOption, ...]:
    """The options of a dataclass (a stage or EncodeOptions), in their order."""
    hints = typing.get_type_hints(owner, include_extras=True)
    found = []
    for field in dataclasses.fields(owner):
        hint = hints[field.name]
        if typing.get_origin(hint) is not typing.Annotated:
            continue
        kind, *marks = typing.get_args(hint)
        declaration = next(mark for mark in marks if isinstance(mark, Option))
        plain, optional = _plain(kind)
        flag = f"--{owner.flag_prefix}{field.name.replace('_', '-')}"
        if field.name == getattr(owner, "name", None):  # the stage's main option
            flag = f"--{field.name}"
        found.append(DeclaredOption(field.name, flag, plain, optional, field.default, declaration))
    return tuple(found)


def _plain(kind: Any) -> tuple[type, bool]:
    if isinstance(kind, types.UnionType):
        inner = next(arg for arg in kind.__args__ if arg is not types.NoneType)
        return inner, True
    return typing.get_origin(kind) or kind, False


def checked(owner: type[Any], values: Mapping[str, Any], table: str = "") -> Options:
    """Option values, each checked against its declaration.

    `table` names the table of a file that they come from, e.g. "[encode] of fast.toml"; without it
    messages name flags. Raises UsageError naming the option as the user wrote it.
    """
    known = {option.name: option for option in declared(owner)}
    found = {}
    for key, value in values.items():
        if key not in known:
            place = f" in {table}" if table else ""
            raise UsageError(unknown(f"option {key!r}{place}", key, known))
        option = known[key]
        found[key] = _checked(option, value, f"{key} in {table}" if table else option.flag)
    return found


def _checked(option: DeclaredOption, value: Any, name: str) -> Any:
    declaration = option.declaration
    if value is None and option.optional:
        return None
    if option.kind is float and isinstance(value, int) and not isinstance(value, bool):
        value = float(value)
    if option.kind is tuple and isinstance(value, list | tuple):
        if not all(isinstance(item, str) for item in value):
            raise UsageError(f"{name} must be a list of texts, not {value!r}.")
        return tuple(value)
    if option.kind is str and declaration.min is not None:
        return _word_or_number(value, declaration, name)
    if not isinstance(value, option.kind) or (option.kind is not bool and isinstance(value, bool)):
        raise UsageError(f"{name} must be {_KINDS[option.kind]}, not {value!r}.")
    if declaration.choices and value not in declaration.choices:
        raise UsageError(unknown(f"value {value!r} of {name}", value, declaration.choices))
    _check_bounds(value, declaration, name)
    return value


def _check_bounds(value: Any, declaration: Option, name: str) -> None:
    below = declaration.min is not None and not value >= declaration.min
    above = declaration.max is not None and not value <= declaration.max
    if below or above:
        shown = f"{value:g}" if isinstance(value, float) else value
        raise UsageError(f"{name} is {shown}; it must {_bounds(declaration)}.")


def _word_or_number(value: Any, declaration: Option, name: str) -> str:
    """The value of an option that takes a few words, or a number within bounds, as text."""
    if value in declaration.choices:
        return str(value)
    try:
        number = float(value)
    except (TypeError, ValueError) as exc:
        words = ", ".join(declaration.choices)
        raise UsageError(f"{name} must be {words} or a number, not {value!r}.") from exc
    _check_bounds(number, declaration, name)
    return f"{number:g}"


def refuse_ignored(asked: Any, resolved: Any, given: Collection[str]) -> None:
    """Raise UsageError for a given option that does nothing, because of the value of another one.

    `asked` holds the options as the user gave them, `resolved` the same after resolving. `given`
    are the names of the options that the user gave in a flag, a preset or a call.
    """
    options = {option.name: option for option in declared(type(resolved))}
    for name in given:
        only = options[name].declaration.only
        if only is None or getattr(resolved, only[0]) == only[1]:
            continue
        needed, value = options[only[0]], getattr(resolved, only[0])
        chosen = ", which auto has chosen" if getattr(asked, only[0]) == "auto" else ""
        raise UsageError(
            f"{options[name].flag} does nothing with {needed.flag} {value}{chosen}; "
            f"leave it out, of a preset too, or use {needed.flag} {only[1]}."
        )


def in_use(owner: Any) -> Options:
    """The options of a resolved stage, without those that do nothing."""
    return {
        option.name: getattr(owner, option.name)
        for option in declared(type(owner))
        if (only := option.declaration.only) is None or getattr(owner, only[0]) == only[1]
    }


def _bounds(declaration: Option) -> str:
    if declaration.min is None:
        return f"be at most {declaration.max:g}"
    if declaration.max is None:
        return f"be at least {declaration.min:g}"
    return f"lie between {declaration.min:g} and {declaration.max:g}"


def unknown(what: str, name: str, known: Iterable[str]) -> str:
    """The message for an unknown name, with the nearest known one."""
    names = list(known)
    near = difflib.get_close_matches(name, names, n=1)
    hint = f"did you mean {near[0]}?" if near else f"known are {', '.join(names)}."
    return f"There is no {what}; {hint}"


def presets() -> dict[str, Path]:
    """The presets that come with the program, by name."""
    return {path.stem: path for path in sorted(folder("configs").glob("*.toml"))}


def read_preset(name: str, tables: Iterable[str]) -> dict[str, Options]:
    """Read the tables of a preset.

    `name` is the name of a preset, or a file: a preset in TOML, the `job.toml` of an interrupted
    run, or the report of a finished one. `tables` are the known table names. Raises UsageError for
    unknown names, and for files that cannot be read.
    """
    own = presets()
    path = Path(name) if name.endswith((".toml", ".json")) else own.get(name)
    if path is None:
        raise UsageError(unknown(f"preset {name!r}", name, own))
    try:
        text = path.read_text(encoding="utf-8")
        content = tomllib.loads(text) if path.suffix == ".toml" else json.loads(text)["job"]
    except OSError as exc:
        raise UsageError(f"The preset {path} cannot be read ({exc.strerror}).") from exc
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as exc:
        raise UsageError(f"The preset {path} is not valid TOML: {exc}.") from exc
    except (json.JSONDecodeError, KeyError, TypeError) as exc:
        raise UsageError(f"{path} is no report of an earlier run; give one, or TOML.") from exc
    known = list(tables)
    if "videnhance" in content:  # the job of an earlier run
        content = content.get("asked", {})
    content.pop("description", None)
    for table, values in content.items():
        if table not in known:
            raise UsageError(unknown(f"table [{table}] in {path.name}", table, known))
        if not isinstance(values, dict):
            raise UsageError(f"[{table}] in {path.name} must be a table of options.")
    return content


def overridden(owner: type[Any], base: Options, given: Options) -> Options:
    """Options of a preset with those that were `given` beside it, which win.

    What a given option replaces, or leaves without effect, is dropped from the preset.
    """
    kept = dict(base)
    for option in declared(owner):
        declaration = option.declaration
        if option.name in given:
            kept.pop(declaration.instead_of, None)
        elif declaration.only is not None:
            needed, value = declaration.only
            if given.get(needed, value) not in (value, "auto"):
                kept.pop(option.name, None)
    return kept | given
