"""`enhance`, `verify` and the small commands, in this process."""

from __future__ import annotations

import errno
import json
import os
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from rich.console import Console

from videnhance import engine
from videnhance.cli.tables import clock, mebibytes, report_table, result_lines
from videnhance.core import (
    InputError,
    OutOfMemory,
    UsageError,
    VerificationError,
    VidenhanceError,
)
from videnhance.engine.notes import Notes
from videnhance.inference import all_cards
from videnhance.media.source import DecodeErrors
from videnhance.media.verify import Check, VerificationReport
from videnhance.options import presets

PLAIN = ("--strength", "0")


def test_enhance_writes_a_proven_output(run, clip: Path, tmp_path: Path) -> None:
    output, report = tmp_path / "out.mkv", tmp_path / "report.json"
    answer = run("enhance", clip, output, *PLAIN, "--report", report)
    assert answer.exit_code == 0, answer.stderr
    assert output.exists()
    assert not (tmp_path / "out.mkv.videnhance").exists()
    assert "checks held" in answer.stdout
    assert f"{output} (128x96)" in answer.stdout
    assert "12 frames, 64x48 to 128x96" in answer.stderr
    assert json.loads(report.read_text())["verification"]["kept"] is True
    assert run("verify", clip, output).exit_code == 0


def test_the_default_network_runs(run, clip: Path, tmp_path: Path) -> None:
    answer = run("enhance", clip, tmp_path / "out.mkv")
    assert answer.exit_code == 0, answer.stderr
    assert "the busiest step was enhance" in answer.stdout
    lines = answer.stderr.splitlines()
    (model,) = (line for line in lines if line.startswith("model: "))
    assert model.startswith("model: live (live action: ")
    assert "llvmpipe" not in answer.stderr


def test_declared_flags_reach_the_job(run, clip: Path, tmp_path: Path) -> None:
    answer = run(
        "enhance", clip, tmp_path / "out.mkv", *PLAIN, "--scale", "1.5", "--codec", "ffv1",
        "--pix-fmt", "yuv444p", "--encoder-option", "slices=6", "--encoder-option", "context=0",
        "--json",
    )  # fmt: skip
    job = json.loads(answer.stdout.splitlines()[-1])["job"]
    assert job["upscale"]["scale"] == 1.5
    assert job["encode"]["encoder"] == "ffv1"
    assert job["encode"]["pix_fmt"] == "yuv444p"
    assert job["encode"]["options"]["slices"] == "6"
    assert job["encode"]["options"]["context"] == "0"


def test_json_is_one_event_per_line_and_nothing_else(run, clip: Path, tmp_path: Path) -> None:
    answer = run("enhance", clip, tmp_path / "out.mkv", *PLAIN, "--json", "-v")
    assert answer.stderr == ""
    events = [json.loads(line) for line in answer.stdout.splitlines()]
    kinds = [event["event"] for event in events]
    assert kinds[0] == "planned"
    assert kinds[-1] == "finished"
    assert [e["name"] for e in events if e["event"] == "phase"] == [
        "preflight", "run", "assemble", "verify",
    ]  # fmt: skip
    progress = [event for event in events if event["event"] == "progress"]
    assert (progress[0]["done"], progress[-1]["done"], progress[-1]["total"]) == (0, 12, 12)


def test_quiet_says_nothing(run, clip: Path, tmp_path: Path) -> None:
    answer = run("enhance", clip, tmp_path / "out.mkv", *PLAIN, "--quiet")
    assert (answer.exit_code, answer.stdout, answer.stderr) == (0, "", "")


def test_verbose_shows_plan_and_proof(run, clip: Path, tmp_path: Path) -> None:
    answer = run("enhance", clip, tmp_path / "out.mkv", *PLAIN, "-v")
    assert "every timestamp" in answer.stdout
    assert "temporal:" not in answer.stderr
    assert "encoder:   libx264, yuv420p" in answer.stderr


@pytest.mark.parametrize(
    ("counts", "records", "words"),
    [
        ({}, {}, None),
        ({"other": 3.0}, {"unknown": ((0, 1.0),)}, None),
        ({"pixels": 2000.0, "network_pixels": 280.0}, {}, "network on 14 % of the pixels"),
        ({"pixels": 2000.0, "network_pixels": 1.0}, {}, "network on under 1 % of the pixels"),
        ({"pixels": 2000.0}, {}, "network on 0 % of the pixels"),
        ({"repeats": 12.0}, {}, "12 repeated frames"),
        ({"repeats": 1.0}, {"cuts": ((5, 20.0),)}, "1 scene cut, 1 repeated frame"),
        (
            {},
            {"cuts": ((0, 9.0),) * 3, "audit": ((0, 50.0), (1, 43.12), (9, 44.0))},
            "3 scene cuts, 3 checked tiles 44.8 dB from the network's own",
        ),
    ],
)
def test_notes_are_told_in_plain_words(
    clip: Path, tmp_path: Path, counts: dict, records: dict, words: str | None
) -> None:
    result = engine.enhance(clip, tmp_path / "out.mkv", strength=0)
    lines = result_lines(replace(result, notes=Notes(counts, records)))
    assert [line for line in lines if line.startswith("noted")] == (
        [f"noted:     {words}"] if words else []
    )


def test_a_warning_is_one_line_said_once(run, clip: Path, tmp_path: Path, monkeypatch) -> None:
    real = engine.enhance

    def warned(*args, listener, **options):
        listener(engine.Warned("[Mind] the gap."))
        return real(*args, listener=listener, **options)

    monkeypatch.setattr(engine, "enhance", warned)
    answer = run("enhance", clip, tmp_path / "out.mkv", *PLAIN)
    assert answer.stderr.splitlines().count("Warning: [Mind] the gap.") == 1


def test_a_dry_run_writes_nothing(run, clip: Path, tmp_path: Path) -> None:
    answer = run("enhance", clip, tmp_path / "out.mkv", "--dry-run")
    assert answer.exit_code == 0, answer.stderr
    names = [line.split(":")[0] for line in answer.stdout.splitlines()]
    assert names == [
        "source", "frames", "size", "model", "temporal", "tiles", "encoder", "copied", "chosen",
        "output", "time", "disk",
    ]  # fmt: skip
    (chosen,) = (line for line in answer.stdout.splitlines() if line.startswith("chosen:"))
    assert "model: live (" in chosen
    assert list(tmp_path.iterdir()) == []
    event = run("enhance", clip, tmp_path / "out.mkv", *PLAIN, "--dry-run", "--json").stdout
    last = json.loads(event.splitlines()[-1])
    assert last["event"] == "preview"
    assert (last["frames"], last["measured"]) == (12, 12)
    assert 0 < last["space_needed"] < last["space_free"]
    assert list(tmp_path.iterdir()) == []


def test_a_dry_run_refuses_what_a_run_would(run, clip: Path, tmp_path: Path) -> None:
    (tmp_path / "out.mkv").touch()
    assert run("enhance", clip, tmp_path / "out.mkv", "--dry-run").exit_code == 2
    answer = run("enhance", "-", tmp_path / "new.mkv", "--dry-run")
    assert answer.exit_code == 2
    assert "Standard input" in answer.stderr


@pytest.mark.parametrize(
    ("arguments", "code", "sentence"),
    [
        (["--scale", "9"], 2, "--scale is 9; it must lie between 1 and 8."),
        (["--crf", "64"], 2, "--crf is 64; it must lie between 0 and 63."),
        (["--codec", "x26"], 2, "There is no value 'x26' of --codec; did you mean x265?"),
        (["--scale", "2", "--height", "96"], 2, "Give either --scale or --height, not both."),
        (["--dry-run", "--report", "r"], 2, "Give either --dry-run or --report, not both."),
        (["--verbose", "--quiet"], 2, "Give either --verbose or --quiet, not both."),
        (["--preset", "fats"], 2, "There is no preset 'fats'; did you mean fast?"),
        (["--device", "tpu"], 2,
         "Device 'tpu' is unknown; use auto, cpu, cuda[:n] or vulkan[:n]."),
        (["--model", "nothing.pth"], 3, "There is no weight file nothing.pth; check the path."),
    ],
)  # fmt: skip
def test_one_sentence_and_the_exit_code(
    run, clip: Path, tmp_path: Path, arguments: list[str], code: int, sentence: str
) -> None:
    answer = run("enhance", clip, tmp_path / "out.mkv", *arguments)
    assert (answer.exit_code, answer.stdout, answer.stderr) == (code, "", sentence + "\n")
    assert list(tmp_path.iterdir()) == []


def test_a_preset_file_is_named_with_its_key(run, clip: Path, tmp_path: Path) -> None:
    preset = tmp_path / "own.toml"
    preset.write_text("[upscale]\nstrength = 2\n")
    answer = run("enhance", clip, tmp_path / "out.mkv", "--preset", preset)
    assert answer.exit_code == 2
    assert answer.stderr == (
        f"strength in [upscale] of {preset} is 2; it must lie between 0 and 1.\n"
    )


@pytest.mark.parametrize(
    "arguments", [["enhance"], ["enhance", "a", "b", "--scael", "2"], ["enhance", "a", "b", "c"]]
)
def test_a_wrong_command_line_is_a_usage_error(run, arguments: list[str]) -> None:
    assert run(*arguments).exit_code == 2


@pytest.mark.parametrize(
    ("error", "code", "begins"),
    [
        (UsageError("Use it so."), 2, "Use it so."),
        (InputError("Give another."), 3, "Give another."),
        (VerificationError("It broke."), 4, "It broke."),
        (OutOfMemory("Too large."), 5, "Too large."),
        (MemoryError(), 5, "Memory ran out;"),
        (OSError(errno.ENOSPC, os.strerror(errno.ENOSPC)), 5, "The disk is full;"),
        (ValueError("what"), 1, "Something unexpected happened (ValueError: what); this is a bug"),
    ],
)
def test_errors_end_with_their_code(
    run, tmp_path: Path, monkeypatch, error: Exception, code: int, begins: str
) -> None:
    def fail(*args: object, **options: object) -> None:
        raise error

    monkeypatch.setattr(engine, "enhance", fail)
    plain = run("enhance", "in.mkv", tmp_path / "out.mkv")
    assert plain.exit_code == code
    assert plain.stderr.startswith(begins)
    assert plain.stderr.count("\n") == 1
    verbose = run("enhance", "in.mkv", tmp_path / "out.mkv", "-v")
    assert ("Traceback" in verbose.stderr) is not isinstance(error, VidenhanceError)
    event = json.loads(run("enhance", "in.mkv", tmp_path / "out.mkv", "--json").stdout)
    assert (event["event"], event["exit_code"]) == ("error", code)
    assert event["message"].startswith(begins)


def test_verify_finds_what_is_missing(run, clip: Path, make_clip, tmp_path: Path) -> None:
    short = tmp_path / "short.mkv"
    make_clip(short, frames=11)
    answer = run("verify", clip, short)
    assert answer.exit_code == 4
    assert "BROKEN" in answer.stdout
    found = json.loads(run("verify", clip, short, "--json").stdout)
    assert found["kept"] is False
    assert [c["kept"] for c in found["checks"] if c["name"] == "every frame"] == [False]
    answer = run("verify", clip, tmp_path / "nothing.mkv")
    assert (answer.exit_code, answer.stdout) == (3, "")
    assert "does not exist" in answer.stderr


@pytest.mark.parametrize("codec", ["x264", "x265", "svtav1", "vp9"])
def test_encoders_do_not_print(program, clip: Path, tmp_path: Path, codec: str) -> None:
    # In a process of its own: SVT-AV1 decides when it is first used how much it prints.
    child = program("enhance", clip, tmp_path / "out.mkv", *PLAIN, "--codec", codec, "--quiet")
    assert (*child.communicate(), child.returncode) == ("", "", 0)


@pytest.mark.skipif(sys.platform != "linux", reason="other systems refuse such names")
@pytest.mark.parametrize("more", [("-v",), ("--json",)])
def test_names_that_no_encoding_knows(
    program, clip: Path, tmp_path: Path, more: tuple[str, ...]
) -> None:
    source, output = (tmp_path / os.fsdecode(name) for name in (b"a\xff[b].mkv", b"\xfe.mkv"))
    shutil.copy(clip, source)
    child = program("enhance", source, output, *PLAIN, *more)
    stdout, stderr = child.communicate()
    assert child.returncode == 0, stderr
    assert r"\udcfe.mkv" in stdout
    assert output.exists()


def test_a_proof_is_shown_as_it_is(capsys: pytest.CaptureFixture[str]) -> None:
    report = VerificationReport((Check("stream [b]1[/]", False, "lost [red]"),), 1, DecodeErrors())
    Console().print(report_table(report))
    shown = capsys.readouterr().out
    assert "stream [b]1[/]  BROKEN  lost [red]" in shown


def test_standard_input_is_a_source(program, clip: Path, tmp_path: Path) -> None:
    with clip.open("rb") as source:
        child = program("enhance", "-", tmp_path / "out.mkv", *PLAIN, stdin=source)
        stdout, stderr = child.communicate()
    assert child.returncode == 0, stderr
    assert "checks held" in stdout
    child = program("enhance", "-", tmp_path / "two.mkv", *PLAIN, stdin=subprocess.DEVNULL)
    assert child.communicate() == ("", "Standard input is empty; pipe a recording into it.\n")
    assert child.returncode == 3


def test_models(run) -> None:
    listed = run("models").stdout
    assert all(card in listed for card in all_cards())
    known = run("models", "info", "realesr-animevideov3")
    assert known.stdout.count("licence:") == 3
    unknown = run("models", "info", "realesr-animevideo")
    assert unknown.exit_code == 2
    assert "did you mean" in unknown.stderr
    pulled = run("models", "pull", "realesrgan-x4plus")
    assert pulled.exit_code == 0
    assert "realesrgan-x4plus: " in pulled.stdout


def test_presets(run) -> None:
    listed = run("presets").stdout.splitlines()
    assert [line.split()[0] for line in listed] == sorted(presets())
    assert "strength = 0.6" in run("presets", "faithful").stdout
    assert run("presets", "nothing").exit_code == 2


def test_doctor(run) -> None:
    answer = run("doctor")
    assert answer.exit_code == 0
    assert answer.stderr == ""
    for title in ("versions", "devices", "encoders", "models", "in use"):
        assert f"{title}\n" in answer.stdout
    assert "libavcodec" in answer.stdout
    assert "libx264" in answer.stdout


@pytest.mark.parametrize(
    ("seconds", "shown"),
    [
        (0.2, "0 s"),
        (59.4, "59 s"),
        (59.6, "1 min 0 s"),
        (3599, "59 min 59 s"),
        (7800, "2 h 10 min"),
    ],
)
def test_durations(seconds: float, shown: str) -> None:
    assert clock(seconds) == shown


def test_sizes() -> None:
    assert [mebibytes(n) for n in (1, 3 << 20, 3 << 30)] == ["0.1 MiB", "3.0 MiB", "3.0 GiB"]
