"""What a run keeps to be heard and seen: the right seconds, of the right sounds, as they are."""

from __future__ import annotations

import io
import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import soundfile
from PIL import Image

import mss_bench
from mss_bench.core import audio
from mss_bench.dsp.loudness import integrated_loudness
from mss_bench.errors import UnknownNameError
from mss_bench.running.media import BARS, choose, waveform
from mss_bench.running.pictures import GAP, WAVE, level, picture


def _scores(frames: int = 12) -> np.ndarray:
    """Two methods and an oracle: best in frames 0 to 3, worst in 4 to 7, apart in 8 to 11."""
    a = np.array([9.0, 9, 9, 9, -1, -3, -3, -5, 4, 8, 9, 10])
    b = np.array([7.0, 7, 7, 7, -3, -5, -5, -7, 0, 0, 0, 0])
    return np.stack([a, b, np.full(12, 20.0)])[:, :frames]


def test_excerpts_are_where_methods_are_best_worst_and_apart() -> None:
    found = {e.kind: e for e in choose(_scores(), [0, 1], 4)}
    assert {kind: e.first for kind, e in found.items()} == {"best": 0, "worst": 4, "disagreeing": 8}
    assert found["best"].value == 8.0
    assert found["worst"].value == -4.0
    assert found["disagreeing"].value == 4.25  # the interquartile range of 8.5 and 0
    np.testing.assert_array_equal(found["worst"].scores, [-3.0, -5.0, 20.0])


def test_where_less_is_better_best_and_worst_change_places() -> None:
    found = {e.kind: e.first for e in choose(_scores(), [0, 1], 4, higher_is_better=False)}
    assert (found["best"], found["worst"]) == (4, 0)


def test_silence_is_no_excerpt_and_excerpts_share_at_most_half_of_their_seconds() -> None:
    values = _scores()
    values[:, :3] = np.nan  # what was the best is silent but for a frame
    found = choose(values, [0, 1], 4)
    assert all(np.isfinite(values[0, e.first : e.first + 4]).sum() >= 2 for e in found)
    starts = [e.first for e in found]
    assert min(abs(p - q) for i, p in enumerate(starts) for q in starts[:i]) >= 2


def test_little_to_choose_from() -> None:
    assert [(e.kind, e.frames) for e in choose(_scores(3), [0, 1], 4)] == [("best", 3)]  # shorter than an excerpt
    assert [e.kind for e in choose(_scores(), [0], 4)] == ["best", "worst"]  # nobody to disagree with
    assert choose(np.full((2, 9), np.nan), [0, 1], 4) == []
    assert choose(_scores(), [], 4) == []


def test_a_perfect_frame_is_the_best_and_nothing_becomes_nan() -> None:
    values = _scores()
    values[0, 9:11] = np.inf
    values[1, 5] = -np.inf
    found = choose(values, [0, 1], 4)
    assert len(found) == 3
    assert all(np.isfinite(e.value) and np.isfinite(e.scores).all() for e in found)


def _pixels(array: np.ndarray, rate: int) -> np.ndarray:
    png = picture(array, rate, level(array, rate), float(np.abs(array).max()))
    return np.asarray(Image.open(io.BytesIO(png)).convert("RGB"), dtype=int)


@pytest.mark.parametrize("samples", [1, 300, 32000])
def test_a_tone_is_a_line_at_its_frequency(samples: int) -> None:
    tone = 0.5 * np.sin(2 * np.pi * 1000 * np.arange(samples) / 8000)[None].astype(np.float32)
    pixels = _pixels(tone, 8000)
    assert pixels.shape == (180, 480, 3)
    if samples == 32000:
        brightness = pixels[WAVE + GAP :].sum(axis=(1, 2))
        mel = 2595 * np.log10(1 + np.array([1000, 4000]) / 700)
        assert abs(int(brightness.argmax()) - 119 * (1 - mel[0] / mel[1])) <= 1
        assert (pixels[: WAVE // 2] != 255).any()
        assert (pixels[0, :] == 255).all() or (pixels[1] != 255).any()  # the wave reaches the edge, at its peak


def _media(run: Path) -> dict:
    return json.loads((run / "media" / "test" / "Song A" / "media.json").read_text())


def test_excerpts_are_cut_from_what_was_scored(kept: Path) -> None:
    about = _media(kept)
    assert [t["target"] for t in about["targets"]] == ["vocals", "drums", "bass", "other", "accompaniment"]
    assert not (kept / "media" / "test" / "Song B").exists()
    folder = kept / "media" / "test" / "Song A"
    for target in about["targets"]:
        kinds = [e["kind"] for e in target["excerpts"]]
        # On eight seconds a third excerpt does not always fit; of drums centre has none to disagree with.
        assert kinds in (["best", "worst"], ["best", "worst", "disagreeing"][: 2 + (target["deciding"] > 1)])
        for excerpt in target["excerpts"]:
            roles = [(s["role"], s["name"]) for s in excerpt["sounds"]]
            assert roles[:2] == [("mixture", "mixture"), ("reference", "reference")]
            assert roles[-1] == ("estimate", "irm")  # oracles last, the floor not at all
            assert all((folder / s[what]).is_file() for s in excerpt["sounds"] for what in ("audio", "picture"))
    vocals = about["targets"][0]["excerpts"][0]
    first, count = round(vocals["start"] * 8000), round(vocals["seconds"] * 8000)
    assert count == 32000
    wanted = {
        "reference": audio.read(kept.parent / "tiny" / "test" / "Song A" / "vocals.wav"),
        "irm": audio.read(kept / "estimates" / "irm" / "test" / "Song A" / "vocals.wav"),
    }
    for sound in vocals["sounds"]:
        if sound["name"] in wanted:
            heard, rate = soundfile.read(folder / sound["audio"], always_2d=True)
            assert rate == 8000
            np.testing.assert_allclose(heard.T, wanted[sound["name"]][:, first : first + count], atol=2**-15)
            assert sound["loudness"] == pytest.approx(integrated_loudness(heard.T, rate), abs=0.01)
            assert len(sound["wave"]) == BARS


def test_a_waveform_has_the_peaks_of_its_stretches() -> None:
    ramp = np.linspace(0, 0.5, BARS * 10)[None] * np.array([[1.0], [-0.5]])
    heights = [int(digit, 36) for digit in waveform(ramp, 0.5)]
    assert heights == sorted(heights)
    assert (heights[0], heights[BARS // 2 - 1], heights[-1]) == (1, 18, 35)
    assert waveform(np.zeros((1, 5)), 0.0) == "0" * BARS
    assert waveform(2 * ramp, 0.5)[-1] == "z"  # louder than the mixture: cut off


@pytest.fixture
def again(kept: Path, tmp_path: Path):
    """The command of `kept` on a copy of its run."""
    shutil.copytree(kept, tmp_path / "run")

    def run(
        separators=("mixture_unscaled", "centre", "irm"),
        metrics=("bss_eval:filter_length=32",),
        media=("Song A",),
        **options,
    ):
        more = {"catalogs": [str(kept.parent / "catalog.yaml")], "out": tmp_path / "run", "jobs": 1, "quiet": True}
        return mss_bench.run("tiny", list(separators), list(metrics), media=list(media), **(more | options)).path

    return run


def test_the_same_command_writes_nothing_and_a_further_method_writes_anew(again, tmp_path: Path) -> None:
    run = tmp_path / "run"
    file = run / "media" / "test" / "Song A" / "media.json"
    before = file.stat().st_mtime_ns
    assert again() == run
    assert file.stat().st_mtime_ns == before
    again(["mixture_unscaled", "centre", "irm", "karaoke"])
    assert "karaoke" in {s["name"] for s in _media(run)["targets"][0]["excerpts"][0]["sounds"]}
    assert not list((run / "media").rglob("*.tmp"))


def test_estimates_of_tracks_with_media_alone_are_kept(kept: Path) -> None:
    assert {p.name for p in (kept / "estimates" / "centre" / "test").iterdir()} == {"Song A"}


def test_what_cannot_be_kept_is_said(again, tmp_path: Path, capsys) -> None:
    with pytest.raises(UnknownNameError, match="unknown track of --media 'Song X'; did you mean"):
        again(media=["Song X"])
    run = again(["centre"], ["usdr"], tracks=["Song A"], out=tmp_path / "other")
    assert "no media of Song A: no target has a metric of frames" in capsys.readouterr().err
    assert not (run / "media" / "test" / "Song A").exists()


def test_a_sound_that_would_clip_is_made_quieter_and_says_so(again, tmp_path: Path) -> None:
    loud = tmp_path / "loud.py"
    loud.write_text(
        "from mss_bench import Separator\n\nclass Loud(Separator):\n    name = 'loud'\n"
        "    def separate(self, mixture, sample_rate, *, targets, rng, references=None):\n"
        "        return {s: 20 * mixture for s in targets.stems}\n"
    )
    run = again(["loud"], tracks=["Song A"], plugins=[str(loud)], out=tmp_path / "loud")
    sounds = _media(run)["targets"][0]["excerpts"][0]["sounds"]
    assert [s["gain_db"] for s in sounds[:2]] == [0.0, 0.0]
    gain = next(s for s in sounds if s["name"] == "loud")
    assert gain["gain_db"] < -10
    heard, _ = soundfile.read(run / "media" / "test" / "Song A" / gain["audio"])
    assert 0.99 < np.abs(heard).max() < 1.0
