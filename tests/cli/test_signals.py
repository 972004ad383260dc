"""What SIGINT and SIGTERM do to the real program."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from videnhance.cli.ending import Signals
from videnhance.pipeline import Stop

pytestmark = pytest.mark.skipif(os.name == "nt", reason="Windows cannot send itself SIGINT")
ROOT = Path(__file__).parents[2]


def events(text: str) -> list[dict[str, object]]:
    return [json.loads(line) for line in text.splitlines()]


def test_a_stopped_job_goes_on_where_it_was(program, make_clip, tmp_path: Path) -> None:
    source, output = tmp_path / "slow.mkv", tmp_path / "out.mkv"
    make_clip(source, frames=22, rate=1, size=(112, 80))  # two segments of 10 s and a rest
    arguments = ("enhance", source, output, "--scale", "2", "--model", "realesr-animevideov3-x4")
    child = program(*arguments)
    first = tmp_path / "out.mkv.videnhance" / "00000.json"
    while not first.exists():
        assert child.poll() is None, child.communicate()
        time.sleep(0.02)
    child.send_signal(signal.SIGINT)
    stdout, stderr = child.communicate()
    assert child.returncode == 130
    assert stdout == ""
    assert stderr.splitlines()[-1].startswith("Stopped; finished work is kept in ")
    assert not output.exists()

    child = program(*arguments, "--json")
    stdout, stderr = child.communicate()
    assert (child.returncode, stderr) == (0, "")
    planned, finished = events(stdout)[0], events(stdout)[-1]
    assert planned["resumed"] >= 10  # type: ignore[operator]
    assert finished["frames"] == 22
    assert finished["computed"] == 22 - planned["resumed"]  # type: ignore[operator]
    assert output.exists()


def test_a_stop_with_json_is_an_event(program, make_clip, tmp_path: Path) -> None:
    source = tmp_path / "slow.mkv"
    make_clip(source, frames=60, size=(320, 240))
    child = program("enhance", source, tmp_path / "out.mkv", "--json", "--scale", "4")
    for line in child.stdout:
        if json.loads(line)["event"] == "progress":
            break
    child.send_signal(signal.SIGTERM)
    stdout, stderr = child.communicate()
    assert (child.returncode, stderr) == (130, "")
    assert events(stdout)[-1]["event"] == "error"
    assert events(stdout)[-1]["exit_code"] == 130


def test_a_signal_before_the_work_ends_the_program_quietly() -> None:
    code = """
import os, signal, sys
import videnhance.cli as cli
class Interrupting:
    def find_spec(self, name, *_):
        if name == "videnhance.engine":
            os.kill(os.getpid(), signal.SIGINT)
sys.meta_path.insert(0, Interrupting())
sys.argv = ["videnhance", "enhance", "in.mkv", "out.mkv"]
cli.main()
"""
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout, done.stderr) == (130, "", "")


@pytest.mark.parametrize("signals", [1, 2])
def test_work_that_does_not_stop_is_left(signals: int) -> None:
    code = f"""
import os, signal, time
from videnhance.cli.ending import Signals
from videnhance.pipeline import Stop
with Signals(Stop(), lambda: print("last words")):
    for _ in range({signals}):
        os.kill(os.getpid(), signal.SIGINT)
        time.sleep(0.1)
    time.sleep(60)
"""
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout, done.stderr) == (130, "last words\n", "")


def test_a_signal_asks_and_leaves_the_main_thread_alone() -> None:
    before = signal.getsignal(signal.SIGINT)
    stop = Stop()
    with Signals(stop, lambda: None):
        os.kill(os.getpid(), signal.SIGINT)
        while not stop.requested:
            time.sleep(0.001)
    assert signal.getsignal(signal.SIGINT) is before


def test_a_reader_that_leaves_is_no_error(program, clip: Path, tmp_path: Path) -> None:
    child = program("enhance", clip, tmp_path / "out.mkv", "--json", "--strength", "0")
    child.stdout.close()
    assert child.wait() == 1
    assert child.stderr.read() == ""
    child.stderr.close()
