"""How networks are made: on two tiny photographs, a tiny clip, and for a few steps."""

import json
import subprocess
import sys
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import av
import cv2
import numpy as np
import pytest
import torch

from training import codecs, damage, examples, export, losses, recipe
from training import train as course
from training.adversary import Adversary
from training.batches import draw, wanted
from training.clips import listed, photographed, recorded
from training.fast import suits
from training.network import Compact
from videnhance.inference.winograd.network import load_winograd

ROOT = Path(__file__).parents[2]
RECIPE = """
[network]
channels = 48
layers = 1
scale = 2
[examples]
recordings = 3
validation = 2
side = 24
seed = 5
[training]
seed = 1
steps = 40
batch = 4
patch = 22
rate = 2e-3
[loss]
spectrum = 0.05
"""


@pytest.fixture(scope="module")
def photographs(tmp_path_factory):
    folder = tmp_path_factory.mktemp("photographs")
    rng = np.random.default_rng(5)
    for name in ("a.png", "b.png"):
        coarse = rng.integers(60, 200, (40, 44, 3), dtype=np.uint8)
        fine = cv2.resize(coarse, (240, 220), interpolation=cv2.INTER_CUBIC)
        cv2.imwrite(str(folder / name), fine)
    return folder


@pytest.fixture(scope="module")
def clips(tmp_path_factory):
    folder = tmp_path_factory.mktemp("clips")
    for name in ("a.mp4", "b.mp4"):
        with av.open(folder / name, "w") as container:
            stream = container.add_stream("libx264", rate=Fraction(25))
            stream.width, stream.height, stream.pix_fmt = 128, 112, "yuv420p"
            for number in range(6):
                pixels = np.full((112, 128, 3), 20 * number, np.uint8)
                container.mux(stream.encode(av.VideoFrame.from_ndarray(pixels, format="rgb24")))
            container.mux(stream.encode(None))
    return folder


def request(photographs, clips=(), **changes):
    values = {"count": 3, "side": 24, "scale": 2, "seed": 5} | changes
    return examples.Request(tuple(photographs), tuple(clips), **values)


BARE = """
import runpy, sys
for name in ("av", "numba", "safetensors", "scipy", "spandrel", "torchvision", "videnhance"):
    sys.modules[name] = None
runpy.run_module("training", run_name="__main__", alter_sys=True)
"""
"""Runs the command where there is nothing but PyTorch, NumPy and OpenCV."""


def train(photographs, work, *arguments, bare=False):
    """Run the command as people do, with the tiny recipe."""
    (work / "tiny.toml").write_text(RECIPE)
    program = ("-c", BARE) if bare else ("-m", "training")
    command = [sys.executable, *program, "tiny", photographs, "--recipes", work]
    places = ("--work", work / "work", "--out", work / "out")
    return subprocess.run(
        [*map(str, command), *map(str, places), *map(str, arguments)],
        cwd=ROOT, capture_output=True, text=True, check=False,
    )  # fmt: skip


def read(folder, **length):
    """The tiny recipe."""
    return recipe.read("tiny", folder, **length)


@pytest.fixture(scope="module")
def trained(photographs, clips, tmp_path_factory):
    work = tmp_path_factory.mktemp("trained")
    done = train(photographs, work, "--clips", clips)
    assert done.returncode == 0, done.stderr
    return work, done


def test_it_writes_a_network_that_runs(trained):
    work, done = trained
    path = work / "out" / "tiny.safetensors"
    network = load_winograd(path)
    assert network.scale == 2
    assert network(np.zeros((3, 10, 12), np.float32)).shape == (3, 20, 24)
    assert export.digest(path) in done.stdout


def test_it_learns_and_notes_how(trained):
    note = json.loads((trained[0] / "out" / "tiny.json").read_text())
    losses_of = [entry["loss"] for entry in note["curve"]]
    assert np.mean(losses_of[-3:]) < 0.8 * losses_of[0]
    assert note["steps"] == 40
    assert note["recipe"]["channels"] == 48
    assert note["aside"]["photographs"] == ["a.png"]
    assert set(note["gain_over_bicubic_db"]) == {"0.0", "0.5", "1.0"}


def test_it_goes_on_where_it_was_to_the_same_weights(trained, tmp_path, monkeypatch):
    work, _ = trained
    taught, aside = (
        examples.read(work / "work" / f"x2-{part}.npz") for part in ("training", "validation")
    )
    recipe = read(work, steps=8)
    weights = []
    for interrupted in (False, True):
        network, checkpoint = course.build(recipe), tmp_path / f"{interrupted}.pt"
        if interrupted:
            monkeypatch.setattr(course, "_SAVE_SECONDS", -1.0)
            with monkeypatch.context() as patch:
                patch.setattr(course.losses, "spectrum", broken_after(5))
                with pytest.raises(KeyboardInterrupt):
                    course.train(network, recipe, taught, aside, checkpoint)
            network = course.build(recipe)
        assert course.train(network, recipe, taught, aside, checkpoint).step == 8
        weights.append(export.state_of(network))
    for key, value in weights[0].items():
        assert torch.equal(value, weights[1][key]), key


def test_a_discriminator_is_taught_and_resumed(trained, tmp_path):
    work, _ = trained
    taught = examples.read(work / "work" / "x2-validation.npz")
    recipe = replace(read(work, steps=6), adversarial=0.01)
    weights = []
    for steps in ((6,), (3, 3)):
        training = course.Training(course.build(recipe), recipe)
        first = [value.clone() for value in training.adversary.network.parameters()]
        for number, count in enumerate(steps):
            if number:
                training = course.Training(course.build(recipe), recipe)
                training.resume(tmp_path / "a.pt")
            for _ in range(count):
                training.step(taught)
            training.save(tmp_path / "a.pt")
        now = list(training.adversary.network.parameters())
        assert any(not torch.equal(a, b) for a, b in zip(first, now, strict=True))
        weights.append(export.state_of(training.network))
    assert all(torch.equal(weights[0][key], weights[1][key]) for key in weights[0])


def test_a_discriminator_learns_to_tell_pictures_apart():
    judge = Adversary(0, torch.device("cpu"))
    smooth, rough = torch.full((4, 3, 32, 32), 0.5), torch.rand(4, 3, 32, 32)
    before = judge.loss(smooth) - judge.loss(rough)
    for _ in range(40):
        judge.learn(smooth, rough)
    assert judge.loss(smooth) - judge.loss(rough) > before + 0.1


def broken_after(calls):
    """A loss that works so many times."""
    left = [calls]

    def spectrum(made, wanted):
        left[0] -= 1
        if left[0] < 0:
            raise KeyboardInterrupt
        return losses.spectrum(made, wanted)

    return spectrum


def test_a_checkpoint_of_another_recipe_is_refused(trained, tmp_path):
    work, _ = trained
    aside = examples.read(work / "work" / "x2-validation.npz")
    recipe = read(work, steps=1)
    course.train(course.build(recipe), recipe, aside, aside, tmp_path / "a.pt")
    other = replace(recipe, rate=1e-4)
    with pytest.raises(SystemExit, match="another recipe"):
        course.train(course.build(other), other, aside, aside, tmp_path / "a.pt")


def test_prepared_examples_are_enough(photographs, clips, tmp_path):
    carried = tmp_path / "work"
    done = train(photographs, tmp_path, "--clips", clips, "--carry")
    assert done.returncode == 0, done.stderr
    assert sorted(path.name for path in carried.iterdir()) == [
        "x2-training.npz",
        "x2-validation.npz",
    ]
    done = train(carried, tmp_path, "--steps", "3", "--batch", "2", bare=True)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "out" / "tiny.safetensors").is_file()


def test_examples_of_something_else_are_refused(trained, photographs):
    work, _ = trained
    done = train(photographs, work, "--steps", "3")  # without the clips
    assert done.returncode == 1
    assert "was made of something else" in done.stderr


def test_what_is_no_file_of_examples_is_an_error(tmp_path):
    (tmp_path / "a.npz").write_bytes(b"PK\x03\x04 broken")
    with pytest.raises(SystemExit, match="holds no examples"):
        examples.read(tmp_path / "a.npz")


def test_a_carried_file_holds_nearly_the_same(photographs, tmp_path):
    paths = sorted(photographs.iterdir())
    examples.make(request(paths), tmp_path / "plain.npz")
    examples.make(request(paths), tmp_path / "small.npz", quality=95)
    plain, small = (examples.read(tmp_path / f"{name}.npz") for name in ("plain", "small"))
    assert (plain.damaged == small.damaged).all()
    assert (plain.plain == small.plain).all()
    assert np.abs(plain.truth.astype(int) - small.truth).mean() < 2
    assert plain.kinds == small.kinds


def test_the_same_seed_gives_the_same_examples(photographs, clips, tmp_path):
    films = sorted(clips.iterdir())
    for name in ("a.npz", "b.npz"):
        examples.make(request(sorted(photographs.iterdir()), films), tmp_path / name)
    first, second = (examples.read(tmp_path / name) for name in ("a.npz", "b.npz"))
    assert (first.damaged == second.damaged).all()
    assert (first.truth == second.truth).all()


def test_a_folder_without_photographs_is_named(tmp_path):
    with pytest.raises(SystemExit, match="at least two files"):
        listed(tmp_path)


def test_every_tenth_file_is_kept_aside(tmp_path):
    for number in range(21):
        (tmp_path / f"{number:02}.png").touch()
    training, aside = listed(tmp_path)
    assert [path.stem for path in aside] == ["00", "10", "20"]
    assert len(training) == 18


@pytest.mark.parametrize("kind", damage.KINDS)
@pytest.mark.parametrize("scale", [2, 4])
def test_every_kind_of_recording_keeps_place_and_size(photographs, kind, scale):
    path = sorted(photographs.iterdir())[0]
    for seed in range(4):
        rng = np.random.default_rng(seed)
        frames = photographed(path, 96, 3, rng)
        made = damage.record(frames, kind, scale, rng)
        assert [frame.shape for frame in made.truth] == [(96, 96, 3)] * 3
        for frame in (*made.plain, *made.damaged):
            assert frame.shape == (96 // scale, 96 // scale, 3)
        # What reducing alone makes lies where the truth lies.
        small = cv2.resize(made.truth[1], (96 // scale, 96 // scale), interpolation=cv2.INTER_AREA)
        assert np.abs(small - made.plain[1]).mean() < 0.08


@pytest.mark.parametrize("codec", ["h264", "mpeg2video", "mpeg4", "mjpeg"])
def test_codecs_lose_more_at_worse_quality(photographs, codec):
    rng = np.random.default_rng(1)
    frames = photographed(sorted(photographs.iterdir())[0], 64, 3, rng)
    noisy = [frame + rng.normal(0, 0.05, frame.shape) for frame in frames]
    pixels = [np.rint(frame * 255).clip(0, 255).astype(np.uint8) for frame in noisy]
    qualities = (12, 36) if codec == "h264" else (2, 14)
    errors = []
    for quality in qualities:
        made = codecs.coded(pixels, codec, quality, np.random.default_rng(2))
        assert len(made) == 3
        errors.append(
            np.mean([(a.astype(float) - b) ** 2 for a, b in zip(made, pixels, strict=True)])
        )
    assert 0 < errors[0] < errors[1]


@pytest.mark.parametrize("codec", ["", "h264", "mpeg2video", "mpeg4", "mjpeg"])
def test_codecs_neither_darken_nor_tint(photographs, codec):
    frames = photographed(sorted(photographs.iterdir())[0], 64, 3, np.random.default_rng(1))
    pixels = [np.rint(frame * 255).clip(0, 255).astype(np.uint8) for frame in frames]
    made = codecs.coded(pixels, codec, 4, np.random.default_rng(2)) if codec else None
    change = np.stack(made or codecs.planar(pixels)).astype(float) - np.stack(pixels)
    assert np.abs(change.mean((0, 1, 2))).max() < 0.25


def test_cuts_from_recordings_are_their_frames(clips):
    frames = recorded(sorted(clips.iterdir())[0], 64, 3, np.random.default_rng(0))
    levels = [float(frame.mean()) * 255 for frame in frames]
    assert np.allclose(np.diff(levels), 20, atol=3)


@pytest.mark.parametrize(("channels", "batch"), [(48, 4), (96, 3)])
def test_our_convolutions_train_as_those_of_pytorch(channels, batch):
    torch.manual_seed(0)
    network = Compact(channels, 2, 2, 2)
    assert suits(11, network.sizes)
    with torch.no_grad():
        for layer in network.layers:
            layer.dial.normal_(0, 0.1)
            layer.bias.normal_(0, 0.1)
    images, dials = torch.rand(batch, 3, 22, 22), torch.rand(batch)
    change = torch.rand(batch, 3, 44, 44)
    results = []
    for own in (True, False):
        network.zero_grad()
        if not own:
            network._own = lambda features: None
        made = network(images, dials)
        (made * change).sum().backward()
        assert network._fast, "our own convolutions did not run"
        results.append((made.detach(), [p.grad.clone() for p in network.parameters()]))
    assert torch.allclose(results[0][0], results[1][0], atol=1e-4)
    for own, torchs in zip(results[0][1], results[1][1], strict=True):
        assert torch.allclose(own, torchs, atol=2e-4 * float(torchs.abs().max()))


def test_an_exported_network_is_the_trained_one(tmp_path):
    torch.manual_seed(0)
    network = Compact(48, 1, 2, 2)
    with torch.no_grad():
        network.layers[0].dial.normal_(0, 0.1)
    path = export.write(network, {}, tmp_path, "a")
    again = Compact(48, 1, 2, 2)
    export.load_state(again, export.read_state(path))
    image, dial = torch.rand(1, 3, 12, 10), torch.tensor([0.3])
    with torch.no_grad():
        expected = again(image, dial)[0].numpy()
        assert np.allclose(expected, network(image, dial)[0].numpy(), atol=5e-3)
    made = load_winograd(path)(image[0].numpy(), restore=0.3)
    assert np.abs(made - expected).max() < 1e-3


def test_a_network_of_another_scale_begins_with_the_body():
    source, target = Compact(48, 1, 2, 2), Compact(48, 1, 4, 2)
    last = target.layers[-1].weight.clone()
    export.load_state(target, export.state_of(source))
    assert torch.allclose(target.layers[0].weight, source.layers[0].weight, atol=1e-3)
    assert (target.layers[-1].weight == last).all()


def test_a_draft_network_has_no_dial():
    network = Compact(32, 1, 2, 1, dialled=False)
    assert not any(key.endswith("dial") for key in export.state_of(network))
    with torch.no_grad():
        image = torch.rand(2, 3, 8, 8)
        assert (network(image, torch.zeros(2)) == network(image, torch.ones(2))).all()


def test_the_dial_says_how_much_damage_is_left():
    truth, plain = torch.rand(2, 3, 16, 16), torch.rand(2, 3, 8, 8)
    images = plain + 0.1
    made = wanted(images, plain, truth, torch.tensor([1.0, 0.25]))
    assert torch.allclose(made[0], truth[0])
    assert torch.allclose(made[1], truth[1] + 0.075, atol=1e-5)


def test_batches_show_the_same_place_before_and_after(photographs, tmp_path):
    path = tmp_path / "a.npz"
    examples.make(request(sorted(photographs.iterdir()), count=2), path)
    batch = draw(examples.read(path), 8, 22, np.random.default_rng(0), torch.device("cpu"))
    small = torch.nn.functional.avg_pool2d(batch.wanted, 2)
    alike = [torch.corrcoef(torch.stack([a.flatten(), b.flatten()]))[0, 1]
             for a, b in zip(small, batch.images, strict=True)]  # fmt: skip
    assert np.mean(alike) > 0.6
    assert ((batch.dials >= 0) & (batch.dials <= 1)).all()


def test_what_lies_beyond_white_is_no_fault():
    made, asked = torch.tensor([1.2, -0.3, 0.5]), torch.tensor([1.0, 0.0, 0.4])
    inside = losses.within(made, asked)
    assert inside.tolist() == pytest.approx([1.0, 0.0, 0.5])
    assert losses.charbonnier(asked, asked) == pytest.approx(0, abs=1e-6)


@pytest.mark.parametrize("path", sorted((ROOT / "training" / "recipes").glob("*.toml")))
def test_every_recipe_can_be_read(path):
    found = recipe.read(path.stem)
    assert found.name == path.stem
    assert found.patch <= found.side


def test_an_unknown_recipe_is_an_error():
    with pytest.raises(SystemExit, match="there are"):
        recipe.read("nothing")
