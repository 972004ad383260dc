"""The script that trains students, on two tiny pictures and for a few steps."""

import json
import statistics
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest

from videnhance.inference.weights import sha256
from videnhance.inference.winograd.network import load_student

SCRIPT = Path(__file__).parents[2] / "scripts" / "train_student.py"
SMALL = (
    *("--crops", "12", "--validation", "4", "--side", "20", "--patch", "20", "--batch", "12"),
    *("--features", "8", "--convolutions", "1", "--threads", "1"),
)


def train(folder, out, *arguments):
    places = ("--cache", folder / "cache", "--out", out)
    teacher = ("--teacher", "realesr-animevideov3-x2")
    command = [sys.executable, SCRIPT, folder, *teacher, *places, *SMALL, *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False)


@pytest.fixture(scope="module")
def photographs(tmp_path_factory):
    folder = tmp_path_factory.mktemp("photographs")
    rng = np.random.default_rng(5)
    for name in ("a.png", "b.png"):
        coarse = rng.integers(60, 200, (40, 44, 3), dtype=np.uint8)
        fine = cv2.resize(coarse, (110, 100), interpolation=cv2.INTER_CUBIC)
        cv2.imwrite(str(folder / name), fine)
    return folder


@pytest.fixture(scope="module")
def trained(photographs, tmp_path_factory):
    out = tmp_path_factory.mktemp("students")
    done = train(photographs, out, "--steps", "60")
    assert done.returncode == 0, done.stderr
    return done, out / "realesr-animevideov3-x2.safetensors"


def test_it_writes_a_network_that_runs(trained):
    done, path = trained
    network = load_student(path)
    assert network.scale == 2
    assert network(np.zeros((3, 9, 7), np.float32)).shape == (3, 18, 14)
    assert f'file = "students/{path.name}"' in done.stdout
    assert f'sha256 = "{sha256(path)}"' in done.stdout


def test_it_learns(trained):
    curve = json.loads(trained[1].with_suffix(".json").read_text())["curve"]
    assert [entry["step"] for entry in curve] == list(range(6, 61, 6))
    losses = [entry["loss"] for entry in curve]
    assert statistics.fmean(losses[-3:]) < 0.9 * losses[0]
    assert curve[-1]["psnr"] > curve[0]["psnr"] + 1


def test_it_notes_how_the_student_was_made(trained):
    notes = json.loads(trained[1].with_suffix(".json").read_text())
    assert notes["teacher"] == "realesr-animevideov3-x2"
    assert notes["training"]["photographs"] == notes["validation"]["photographs"] == 1
    assert (notes["training"]["seed"], notes["training"]["steps"]) == (0, 60)
    assert notes["parameters"] == 8 * 27 + 8 + 8 + 8 * 72 + 8 + 8 + 12 * 72 + 12
    assert notes["milliseconds_320x180"] > 0


def test_the_same_seed_gives_the_same_file(trained, photographs, tmp_path):
    done = train(photographs, tmp_path, "--steps", "60")
    assert done.returncode == 0, done.stderr
    assert (tmp_path / trained[1].name).read_bytes() == trained[1].read_bytes()


def test_a_folder_without_photographs_is_named(tmp_path):
    done = train(tmp_path, tmp_path, "--steps", "1")
    assert done.returncode == 1
    assert done.stderr == f"{tmp_path} must hold at least two photographs (.jpg, .png).\n"
