"""Declared options: what is read from dataclasses, and how values are checked."""

from __future__ import annotations

import dataclasses
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, ClassVar

import pytest
from hypothesis import given
from hypothesis import strategies as st

from videnhance.core import Option, UsageError
from videnhance.job import settings, sort_options
from videnhance.media.encoding import EncodeOptions
from videnhance.options import checked, declared, presets, read_preset
from videnhance.stages import STAGES


@dataclass(frozen=True)
class Shades:
    flag_prefix: ClassVar[str] = "shade-"
    not_an_option: ClassVar[int] = 1

    depth: Annotated[float, Option("how dark", min=0, max=2)] = 0.5
    count: Annotated[int | None, Option("how many", min=1)] = None
    kind: Annotated[str, Option("which", choices=("soft", "hard"))] = "soft"
    on_top: Annotated[bool, Option("above")] = False
    extra: Annotated[tuple[str, ...], Option("more")] = ()


def test_declarations_are_read_in_order() -> None:
    found = declared(Shades)
    assert [o.name for o in found] == ["depth", "count", "kind", "on_top", "extra"]
    assert [o.flag for o in found][::3] == ["--shade-depth", "--shade-on-top"]
    assert [o.kind for o in found] == [float, int, str, bool, tuple]
    assert [o.optional for o in found] == [False, True, False, False, False]
    assert found[0].help == "how dark; 0 to 2; default 0.5"
    assert found[2].help == "which; one of soft, hard; default soft"


@given(st.floats(0, 2) | st.integers(0, 2))
def test_a_number_within_its_bounds_is_taken(value: float) -> None:
    assert checked(Shades, {"depth": value}) == {"depth": value}


@given(st.floats(max_value=0, exclude_max=True) | st.floats(2, exclude_min=True) | st.just(-1))
def test_a_number_beyond_its_bounds_is_refused(value: float) -> None:
    with pytest.raises(UsageError, match=r"--shade-depth is .*; it must lie between 0 and 2\."):
        checked(Shades, {"depth": value})


def test_not_a_number_is_refused() -> None:
    with pytest.raises(UsageError, match="lie between"):
        checked(Shades, {"depth": float("nan")})


@pytest.mark.parametrize(
    ("values", "table", "sentence"),
    [
        ({"count": 0}, "", "--shade-count is 0; it must be at least 1."),
        ({"count": 0}, "[shades] of x.toml",
         "count in [shades] of x.toml is 0; it must be at least 1."),
        ({"count": 1.5}, "", "--shade-count must be a whole number, not 1.5."),
        ({"count": True}, "", "--shade-count must be a whole number, not True."),
        ({"depth": "dark"}, "", "--shade-depth must be a number, not 'dark'."),
        ({"depth": None}, "", "--shade-depth must be a number, not None."),
        ({"on_top": 1}, "", "--shade-on-top must be true or false, not 1."),
        ({"kind": "sofd"}, "", "There is no value 'sofd' of --shade-kind; did you mean soft?"),
        ({"kind": "x"}, "", "There is no value 'x' of --shade-kind; known are soft, hard."),
        ({"extra": [1]}, "", "--shade-extra must be a list of texts, not [1]."),
        ({"extra": "a=b"}, "", "--shade-extra must be a list of texts, not 'a=b'."),
        ({"dept": 1}, "", "There is no option 'dept'; did you mean depth?"),
        ({"dept": 1}, "[shades] of x.toml",
         "There is no option 'dept' in [shades] of x.toml; did you mean depth?"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_named_as_it_was_written(
    values: dict[str, Any], table: str, sentence: str
) -> None:
    with pytest.raises(UsageError) as caught:
        checked(Shades, values, table)
    assert str(caught.value) == sentence


def test_values_take_the_declared_form() -> None:
    assert checked(Shades, {"extra": ["a=b"], "count": None, "depth": 1}) == {
        "extra": ("a=b",), "count": None, "depth": 1.0,
    }  # fmt: skip
    assert isinstance(checked(Shades, {"depth": 1})["depth"], float)


@pytest.mark.parametrize(
    ("preset", "given", "left"),
    [
        ({"scale": 3.0}, {"height": 300}, {"height": 300}),
        ({"height": 300}, {"scale": 2.0}, {"scale": 2.0}),
        (
            {"temporal": "reuse", "reuse_quality": 40.0, "strength": 0.5},
            {"temporal": "off"},
            {"temporal": "off", "strength": 0.5},
        ),
        (
            {"temporal": "reuse", "reuse_quality": 40.0},
            {"temporal": "auto"},
            {"temporal": "auto", "reuse_quality": 40.0},
        ),
    ],
)
def test_what_a_given_option_replaces_is_dropped_from_a_preset(
    tmp_path: Path, preset: dict[str, Any], given: dict[str, Any], left: dict[str, Any]
) -> None:
    path = tmp_path / "own.toml"
    lines = [f"{key} = {json.dumps(value)}" for key, value in preset.items()]
    path.write_text("\n".join(["[upscale]", *lines]))
    assert settings(str(path), {"upscale": given}).asked["upscale"] == left


@pytest.mark.parametrize("owner", [*STAGES, EncodeOptions])
def test_every_default_passes_its_own_check(owner: Any) -> None:
    defaults = {f.name: f.default for f in dataclasses.fields(owner)}
    assert owner(**checked(owner, defaults)) == owner()


def test_no_two_options_share_a_flag() -> None:
    flags = [o.flag for owner in (*STAGES, EncodeOptions) for o in declared(owner)]
    assert len(flags) == len(set(flags))


def test_flat_options_find_their_tables() -> None:
    assert sort_options({"scale": 2, "crf": 18}) == {"upscale": {"scale": 2}, "encode": {"crf": 18}}
    with pytest.raises(UsageError, match="did you mean scale"):
        settings(None, sort_options({"scael": 2}))


@pytest.mark.parametrize("name", sorted(presets()))
def test_every_preset_gives_settings(name: str) -> None:
    assert settings(name) != settings()


def test_there_are_presets() -> None:
    assert {"fast", "quality", "archive"} <= set(presets())


def test_given_values_override_a_preset(tmp_path: Path) -> None:
    path = tmp_path / "own.toml"
    path.write_text('description = "Mine."\n[upscale]\nscale = 3\nstrength = 0.5\n')
    upscale = settings(str(path), {"upscale": {"scale": 4}}).stages[1]
    assert (upscale.scale, upscale.strength) == (4.0, 0.5)  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("[upscale]\nscale = 9\n", r"scale in \[upscale\] of .*own\.toml is 9; it must lie"),
        ("[upscale]\nscal = 2\n", r"no option 'scal' in \[upscale\].*did you mean scale"),
        ("[upscael]\nscale = 2\n", r"no table \[upscael\] in own\.toml; did you mean upscale"),
        ("encode = 3\n", r"\[encode\] in own\.toml must be a table"),
        ("scale 2", "not valid TOML"),
    ],
)
def test_a_wrong_preset_is_refused(tmp_path: Path, text: str, sentence: str) -> None:
    path = tmp_path / "own.toml"
    path.write_text(text)
    with pytest.raises(UsageError, match=sentence):
        settings(str(path))


def test_an_unknown_preset_is_refused() -> None:
    with pytest.raises(UsageError, match="no preset 'fats'; did you mean fast"):
        read_preset("fats", ())
    with pytest.raises(UsageError, match="cannot be read"):
        read_preset("nowhere.toml", ())
