"""The students: their files are those the cards mean, and they imitate their teachers."""

import numpy as np
import pytest

from videnhance import resources
from videnhance.core import InputError, UsageError
from videnhance.inference import CPU, Device, cards, load_model, load_student, loading, weights
from videnhance.inference.cards import all_cards
from videnhance.kernels.resize import resize

TAUGHT = sorted(card.id for card in all_cards().values() if card.student)
CARD = """
id = "a"
architecture = "Compact"
scale = 2
halo = 4
bytes_per_pixel = 1
purpose = "p"
licence = "MIT"
source = "s"
[weights]
url = "u"
[weights.sha256]
f = "0"
[student]
file = "students/a.safetensors"
"""


def photograph(side, at=(20, 180)):
    """A face of scikit-image's astronaut, (3, side, side), made half as large."""
    data = pytest.importorskip("skimage.data")
    image = data.astronaut()[at[0] : at[0] + 2 * side, at[1] : at[1] + 2 * side]
    small = resize(image.transpose(2, 0, 1).astype(np.float32) / np.float32(255), side, side)
    return np.rint(small.clip(0, 1) * 255).astype(np.float32) / np.float32(255)


def psnr(made, wanted):
    return -10 * np.log10(np.mean((made - wanted) ** 2))


def test_the_important_models_have_students():
    assert {"span-x2", "realesr-animevideov3-x2"} <= set(TAUGHT)


def test_no_file_lies_among_the_students_that_no_card_names():
    lying = {path.name for path in (resources.folder("models") / "students").glob("*.safetensors")}
    assert lying == {f"{name}.safetensors" for name in TAUGHT}
    assert len({all_cards()[name].student.file for name in TAUGHT}) == len(TAUGHT)


def test_they_are_small():
    files = (resources.folder("models") / "students").glob("*.safetensors")
    assert sum(path.stat().st_size for path in files) < 1 << 20


@pytest.mark.parametrize("name", TAUGHT)
def test_a_student_comes_nearer_to_its_teacher_than_bicubic_does(name):
    card = all_cards()[name]
    if weights.locate(card) is None:
        pytest.skip("not on this machine")
    image = photograph(48)
    (wanted,) = load_model(name, device=CPU)([image])
    student = load_student(name, device=CPU)
    assert student.scale == card.scale
    (made,) = student([image])
    plain = resize(image, *wanted.shape[1:]).clip(0, 1)
    # What a network trained to look sharp invents, so small a network cannot foresee.
    margin = 1 if card.architecture == "ESRGAN" else 3
    assert psnr(made, wanted) > psnr(plain, wanted) + margin


@pytest.mark.parametrize("name", TAUGHT)
def test_torch_computes_the_same(name):
    from videnhance.inference.torch_backend import load_torch

    image = photograph(40)
    network = load_torch(resources.folder("models") / all_cards()[name].student.file, CPU)
    assert network.scale == all_cards()[name].scale
    (made,) = load_student(name, device=CPU)([image])
    assert np.abs(network(image).clip(0, 1) - made).max() < 1e-4


@pytest.mark.parametrize("name", TAUGHT)
def test_tiles_do_not_show(name):
    image = photograph(100)
    (whole,) = load_student(name, device=CPU)([image])
    (tiled,) = load_student(name, device=CPU, tile=1)([image])
    assert np.abs(whole - tiled).max() < 1e-5


def test_a_family_gives_the_student_of_the_model_that_it_would_take():
    student = load_student("realesr-animevideov3", device=CPU, scale=1.5)
    assert (student.id, student.scale) == ("realesr-animevideov3-x2 student", 2)


def test_the_frames_of_a_vulkan_device_have_a_student_too():
    assert load_student("span-x2", device=Device("vulkan")).scale == 2


def test_a_card_or_file_without_a_student_has_none(tmp_path):
    assert load_student("realesr-general-x4v3", device=CPU) is None
    assert load_student(str(tmp_path / "mine.pth"), device=CPU) is None


def test_an_unknown_model_is_an_error():
    with pytest.raises(UsageError, match="span"):
        load_student("spam", device=CPU)


@pytest.mark.parametrize("damage", [b"", b"other", None])
def test_a_damaged_or_missing_file_is_named(tmp_path, monkeypatch, damage):
    path = tmp_path / all_cards()["span-x2"].student.file
    path.parent.mkdir()
    if damage is not None:
        path.write_bytes(damage)
    monkeypatch.setattr(loading, "folder", lambda name: tmp_path)
    with pytest.raises(InputError, match="install videnhance again"):
        load_student("span-x2", device=CPU)


def test_a_card_names_its_students_digest(tmp_path):
    path = tmp_path / "a.toml"
    path.write_text(CARD + 'sha256 = "0"\n')
    assert cards.read(path).student == cards.Student("students/a.safetensors", "0")
    for text in (CARD, CARD.replace("[student]", "student = 1\n[other]")):
        path.write_text(text)
        with pytest.raises(UsageError, match=r"a\.toml"):
            cards.read(path)
