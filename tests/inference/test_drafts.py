"""Draft networks: cards like any other, which imitate the networks whose cards name them."""

import numpy as np
import pytest

from videnhance import resources
from videnhance.core import UsageError
from videnhance.inference import CPU, Device, cards, load_network, weights
from videnhance.inference.cards import all_cards
from videnhance.kernels.resize import resize

CARDS = all_cards()
TAUGHT = sorted(card.id for card in CARDS.values() if card.draft)


def photograph(side, at=(20, 180)):
    """A face of scikit-image's astronaut, (3, side, side), made half as large."""
    data = pytest.importorskip("skimage.data")
    image = data.astronaut()[at[0] : at[0] + 2 * side, at[1] : at[1] + 2 * side]
    small = resize(image.transpose(2, 0, 1).astype(np.float32) / np.float32(255), side, side)
    return np.rint(small.clip(0, 1) * 255).astype(np.float32) / np.float32(255)


def psnr(made, wanted):
    return -10 * np.log10(np.mean((made - wanted) ** 2))


def test_the_important_networks_have_drafts():
    assert {"span-x2", "realesr-animevideov3-x2"} <= set(TAUGHT)


def test_every_draft_is_of_the_network_that_names_it():
    drafts = {card.id for card in CARDS.values() if card.kind == "draft"}
    assert drafts == {CARDS[name].draft for name in TAUGHT}
    for name in TAUGHT:
        assert CARDS[CARDS[name].draft].scale == CARDS[name].scale


def test_no_file_lies_among_the_weights_that_no_card_names():
    files = {path.name for path in (resources.folder("models") / "weights").glob("*.safetensors")}
    assert files == {f for c in CARDS.values() if c.folder == "weights" for f in c.files}


def test_they_are_small():
    paths = [path for name in TAUGHT for path in weights.locate(CARDS[CARDS[name].draft])]
    assert sum(path.stat().st_size for path in paths) < 1 << 20


@pytest.mark.parametrize("name", TAUGHT)
def test_a_draft_comes_nearer_to_its_teacher_than_bicubic_does(name):
    card = CARDS[name]
    if weights.locate(card) is None:
        pytest.skip("not on this machine")
    image = photograph(48)
    wanted = load_network(name, device=CPU)(image)
    draft = load_network(CARDS[name].draft, device=CPU)
    assert draft.scale == card.scale
    made = draft(image)
    plain = resize(image, *wanted.shape[1:]).clip(0, 1)
    # What a network trained to look sharp invents, so small a network cannot foresee.
    margin = 1 if card.architecture == "ESRGAN" else 3
    assert psnr(made, wanted) > psnr(plain, wanted) + margin


@pytest.mark.parametrize("name", TAUGHT)
def test_torch_computes_the_same(name):
    from videnhance.inference.torch_backend import load_torch

    image = photograph(40)
    network = load_torch(weights.locate(CARDS[CARDS[name].draft])[0], CPU)
    assert network.scale == CARDS[name].scale
    made = load_network(CARDS[name].draft, device=CPU)(image)
    assert np.abs(network(image).clip(0, 1) - made).max() < 1e-4


@pytest.mark.parametrize("name", TAUGHT)
def test_tiles_do_not_show(name):
    image = photograph(100)
    whole = load_network(CARDS[name].draft, device=CPU)(image)
    tiled = load_network(CARDS[name].draft, device=CPU, tile=1)(image)
    assert np.abs(whole - tiled).max() < 1e-5


def test_on_vulkan_a_draft_runs_on_the_cpu():
    image = photograph(24)
    beside = load_network("span-x2-draft", device=Device("vulkan"))
    assert np.array_equal(beside(image), load_network("span-x2-draft", device=CPU)(image))


def test_a_card_of_an_unknown_kind_or_input_is_refused(tmp_path):
    text = (resources.folder("models") / "span-x2-draft.toml").read_text()
    path = tmp_path / "a.toml"
    path.write_text(text)
    assert cards.read(path).kind == "draft"
    for damage in ('kind = "other"', 'kind = "draft"\ninputs = ["sound"]'):
        path.write_text(text.replace('kind = "draft"', damage))
        with pytest.raises(UsageError, match=r"a\.toml"):
            cards.read(path)
