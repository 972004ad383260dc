"""Help pages, the version, and the library's public face: complete, and light to import."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

import videnhance
from videnhance.cli.flags import declared_options

HEAVY = ("av", "cv2", "kornia", "ncnn", "numpy", "pydantic", "spandrel", "torch")
ROOT = Path(__file__).parents[2]


def loaded_after(code: str) -> set[str]:
    """Which of the heavy packages a fresh interpreter has loaded after running `code`."""
    tell = f"print('LOADED', *[name for name in {HEAVY} if name in sys.modules])"
    done = subprocess.run(
        [sys.executable, "-c", f"import sys\n{code}\n{tell}"],
        cwd=ROOT, capture_output=True, text=True, check=True,
    )  # fmt: skip
    return set(done.stdout.splitlines()[-1].split()[1:])


@pytest.mark.parametrize(
    "command", [[], ["enhance"], ["verify"], ["compare"], ["models"], ["doctor"]]
)
def test_help_loads_nothing_heavy(command: list[str]) -> None:
    code = f"""
from videnhance.cli import main
sys.argv = ["videnhance", *{command!r}, "--help"]
try:
    main()
except SystemExit as end:
    assert not end.code, end
"""
    assert loaded_after(code) == set()


def test_the_check_for_heavy_packages_can_fail() -> None:
    assert loaded_after("import numpy") == {"numpy"}


def test_the_library_is_light_until_used() -> None:
    assert loaded_after("import videnhance") == set()


def test_every_declared_option_is_a_flag(run) -> None:
    text = run("enhance", "--help").stdout
    shown = re.findall(r"^  (?:-\w, )?(--[\w-]+)", text, re.MULTILINE)
    assert [flag for flag in shown if flag in {o.flag for o in declared_options()}] == [
        option.flag for option in declared_options()
    ]
    flat = " ".join(text.split())
    for option in declared_options():
        assert option.help[1:] in flat


@pytest.mark.parametrize("command", [(), ("enhance",)])
def test_exit_codes_are_documented(run, command: tuple[str, ...]) -> None:
    text = " ".join(run(*command, "--help").stdout.split())
    assert "0 done, 1 unexpected (a bug), 2 usage, 3 input unreadable" in text
    assert "130 interrupted" in text


def test_version(run) -> None:
    assert run("--version").stdout == f"videnhance {videnhance.__version__}\n"


def test_the_program_starts(program) -> None:
    child = program("--version")
    assert child.communicate()[0] == f"videnhance {videnhance.__version__}\n"
    assert child.returncode == 0


def test_every_public_name_is_there_and_documented() -> None:
    assert videnhance.__all__ == [
        "ClipInfo", "Comparison", "Frame", "InputError", "Interrupted", "Measure",
        "ResourceError", "Result", "UsageError", "VerificationError", "VerificationReport",
        "VidenhanceError", "compare",
        "enhance", "enhance_frames", "verify",
    ]  # fmt: skip
    for name in videnhance.__all__:
        assert getattr(videnhance, name).__doc__
    with pytest.raises(AttributeError, match="no attribute 'enhnace'"):
        _ = videnhance.enhnace  # type: ignore[attr-defined]
