"""The judge of pictures: damage, error flicker, tables and crops, without weights."""

from __future__ import annotations

import argparse
import json
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pytest

FOLDER = Path(__file__).resolve().parents[2] / "benchmarks"
WIDTH, HEIGHT, FRAMES = 64, 48, 3


@pytest.fixture(autouse=True)
def _benchmarks_on_path(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(FOLDER))


@pytest.fixture
def truth(tmp_path: Path) -> Path:
    """A textured picture that moves by two pixels a frame."""
    import pictures_damage as damage

    rng = np.random.default_rng(0)
    wide = rng.integers(60, 200, (HEIGHT // 4, WIDTH // 4 + 4), dtype=np.uint8)
    wide = wide.repeat(4, axis=0).repeat(4, axis=1)
    luma = np.stack([wide[:, 2 * n : 2 * n + WIDTH] for n in range(FRAMES)])
    chroma = np.full((FRAMES, HEIGHT // 2, WIDTH // 2), 110, np.uint8)
    path = tmp_path / "truth.mkv"
    damage.write(path, damage.Stack(luma, chroma, chroma))
    return path


@pytest.mark.parametrize("kind", ["web", "film", "tape", "clean", "area"])
def test_damage_halves_keeps_frames_and_is_the_same_again(
    kind: str, truth: Path, tmp_path: Path
) -> None:
    import clip as clips
    import pictures_damage as damage

    clip = damage.Clip("textured", "none", WIDTH, HEIGHT, FRAMES)
    stacks = []
    for name in ("one.mkv", "other.mkv"):
        damage.KINDS[kind](truth, tmp_path / name, clip)
        assert clips.size_and_count(tmp_path / name) == (WIDTH // 2, HEIGHT // 2, FRAMES)
        stacks.append(damage.read(tmp_path / name, WIDTH // 2, HEIGHT // 2))
    for plane in ("luma", "cb", "cr"):
        np.testing.assert_array_equal(getattr(stacks[0], plane), getattr(stacks[1], plane))
    damage.enlarge(tmp_path / "one.mkv", tmp_path / "large.mkv")
    assert clips.size_and_count(tmp_path / "large.mkv") == (WIDTH, HEIGHT, FRAMES)


def _flat() -> tuple[np.ndarray, np.ndarray]:
    return np.full((8, 60, 80), 126, np.uint8), np.full((8, 30, 40), 110, np.uint8)


def test_film_is_grey_with_grain_and_flickers_within_its_bounds() -> None:
    import pictures_damage as damage

    luma, chroma = _flat()
    made = damage.film(damage.Stack(luma, chroma, chroma), np.random.default_rng(1))
    assert (made.cb == 128).all()
    assert (made.cr == 128).all()
    brightness = made.luma.mean(axis=(1, 2)) - 16
    assert np.ptp(brightness) > 0.5
    assert np.abs(brightness / 110 - 1).max() < damage.FLICKER + 0.02
    assert made.luma.std(axis=(1, 2)) == pytest.approx(damage.GRAIN, rel=0.2)
    beside = np.corrcoef(made.luma[0, :, 1:].ravel(), made.luma[0, :, :-1].ravel())[0, 1]
    far = np.corrcoef(made.luma[0, :, 4:].ravel(), made.luma[0, :, :-4].ravel())[0, 1]
    assert beside > 0.3
    assert abs(far) < 0.1


def test_tape_noise_lies_along_the_lines_and_chroma_to_the_right() -> None:
    import pictures_damage as damage

    luma, chroma = _flat()
    chroma[:, :, 20:] = 150
    made = damage.tape(damage.Stack(luma, chroma, chroma), np.random.default_rng(1))
    noise = made.luma[0].astype(np.float32)
    along = np.corrcoef(noise[:, 1:].ravel(), noise[:, :-1].ravel())[0, 1]
    across = np.corrcoef(noise[1:].ravel(), noise[:-1].ravel())[0, 1]
    assert along > 0.8
    assert abs(across) < 0.2
    profile = made.cb.mean(axis=(0, 1))
    assert np.interp(130, profile, np.arange(40)) == pytest.approx(19.5 + 1.5, abs=0.7)


def _moving(count: int = 4) -> list[np.ndarray]:
    import cv2

    rng = np.random.default_rng(3)
    wide = cv2.GaussianBlur(rng.random((64, 96 + count * 2), np.float32), (0, 0), 2)
    wide = (wide - wide.min()) / np.ptp(wide)
    return [np.ascontiguousarray(wide[:, 2 * n : 2 * n + 96]) for n in range(count)]


def test_an_error_that_is_everywhere_the_same_does_not_flicker() -> None:
    from pictures_figures import error_flicker, motions

    truth = _moving()
    motion = motions(truth)
    assert error_flicker(truth, truth, motion) == 0
    brighter = [frame + np.float32(0.1) for frame in truth]
    assert error_flicker(brighter, truth, motion) == pytest.approx(0, abs=1e-3)


def test_an_error_that_moves_with_the_picture_flickers_less_than_one_that_stays() -> None:
    from pictures_figures import error_flicker, motions

    truth = _moving()
    motion = motions(truth)
    moves = [frame + (frame - np.float32(0.5)) * np.float32(0.2) for frame in truth]
    stays = [frame + (truth[0] - np.float32(0.5)) * np.float32(0.2) for frame in truth]
    assert error_flicker(moves, truth, motion) < 0.2 * error_flicker(stays, truth, motion)


def test_a_change_of_the_error_is_given_in_code_values() -> None:
    from pictures_figures import error_flicker, motions

    still = [_moving(1)[0]] * 3
    output = [frame + np.float32(0.02 * (n % 2)) for n, frame in enumerate(still)]
    assert error_flicker(output, still, motions(still)) == pytest.approx(255 * 0.02, rel=1e-3)


def test_a_run_is_a_name_and_options() -> None:
    from pictures import Run

    run = Run.of("span-x2=--model span-x2 --temporal off")
    assert run.name == "span-x2"
    assert run.options == ("--model", "span-x2", "--temporal", "off")
    assert "span-x2" in run.key()["cards"][0]
    assert Run.of("default=").options == ()
    for wrong in ("none", "bicubic=", "a/b=--crf 3"):
        with pytest.raises(argparse.ArgumentTypeError):
            Run.of(wrong)


def test_kept_figures_are_taken_only_for_the_same_options(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import pictures
    from pictures_damage import FIGURES
    from pictures_figures import Figures

    asked: list[str] = []

    def enhance(self: pictures.Run, source: Path, output: Path, scale: int) -> None:
        asked.append(" ".join(self.options))
        output.write_bytes(b"")

    monkeypatch.setattr(pictures.Run, "enhance", enhance)
    found = Figures(31.0, 60.0, 0.9, 2.0)
    monkeypatch.setattr(pictures.Judge, "measured", lambda self, output: found)
    case = pictures.Case(FIGURES[0], "web", tmp_path)
    judge = pictures.Judge(case.truth)
    one, other = pictures.Run("net", ("--crf", "3")), pictures.Run("net", ("--crf", "4"))
    for run, again in ((one, False), (one, False), (other, False), (other, True)):
        assert pictures.judge_run(case, run, judge, again) == found
    assert asked == ["--crf 3", "--crf 4", "--crf 4"]
    assert json.loads((tmp_path / "net.json").read_text())["figures"] == asdict(found)


def test_tables_show_differences_to_bicubic() -> None:
    import pictures
    from pictures_figures import Figures

    entries = []
    for clip, gain in (("one", 1.0), ("two", -0.5)):
        plain = Figures(30.0, 50.0, 0.9, 2.0)
        better = Figures(30.0 + gain, 60.0, 0.95, 1.0)
        entries.append(pictures.entry(clip, "web", "bicubic", plain, plain))
        entries.append(pictures.entry(clip, "web", "net", better, plain))
    means = pictures.summary(entries)
    assert [(mean["kind"], mean["run"], mean["clips"]) for mean in means] == [
        ("web", "bicubic", 2),
        ("web", "net", 2),
    ]
    cells = pictures.row(means[1], "web")
    wanted = ["web", "net", "30.25", "+0.25 (least -0.50)", "60.0", "+10.0", "0.9500", "×0.50"]
    assert cells == wanted
    assert len(cells) == len(pictures.HEAD)
    result = {"date": "2000-01-01", "list": "figures", "runs": {"net": ""}}
    text = pictures.markdown(result | {"means": means, "entries": entries})
    assert "List `figures` (one, two)" in text
    assert "- net: `defaults`" in text
    assert "| web, two | net | 29.50 | -0.50 | 60.0 | +10.0 | 0.9500 | ×0.50 |" in text


def test_crops_show_the_frame_and_place_that_was_asked_for(truth: Path, tmp_path: Path) -> None:
    import pictures_crops as crops
    import pictures_damage as damage

    luma = damage.read(truth, WIDTH, HEIGHT).luma
    cut = crops.frame_of(truth, 2, 10, 6, 16)
    assert cut.shape == (16, 16, 3)
    grey = cut.mean(axis=2).ravel()
    assert np.corrcoef(grey, luma[2, 6:22, 10:26].ravel())[0, 1] > 0.99
    cell = crops.labelled(cut, 2, "name", above=20)
    assert cell.shape == (52, 32, 3)
    np.testing.assert_array_equal(cell[20::2, ::2], cut)
    sheet = crops.stacked([[cell, cell], [cell]], gap=4)
    assert sheet.shape == (108, 68, 3)
    assert (sheet[60:, 40:] == 255).all()
    crops.save(sheet, tmp_path / "sheet.jpg")
    assert 0 < (tmp_path / "sheet.jpg").stat().st_size <= crops.LARGEST


def test_every_crop_lies_in_its_clip() -> None:
    import pictures_crops as crops
    import pictures_damage as damage

    clips = {clip.name: clip for clip in damage.FIGURES}
    for crop in (crop for sheet in crops.SHEETS.values() for crop in sheet):
        assert crop.x % 2 == crop.y % 2 == crop.side % 2 == 0
        if crop.kind:
            clip = clips[crop.clip]
            assert crop.x + crop.side <= clip.width
            assert crop.y + crop.side <= clip.height
            assert crop.frame < clip.frames
        else:
            assert crop.frame >= crops.LEAD - 1
    for clip in (*damage.FIGURES, *damage.VALIDATION, *damage.TRAINING):
        assert clip.width % 4 == clip.height % 4 == 0
