"""The built-in data set: what is promised of its songs, their ground truth, their hashes and their cache."""

from __future__ import annotations

import hashlib
import json
import multiprocessing
import string
from functools import cache
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mss_bench.core import audio
from mss_bench.datasets import demo
from mss_bench.datasets.demo import effects, plan
from mss_bench.datasets.demo.dice import Dice
from mss_bench.datasets.demo.synth import frequency_of, pluck
from mss_bench.errors import ConfigError, DatasetError, UnknownNameError

GOLDEN = Path(__file__).parents[1] / "data" / "demo_sha256.json"
HASHED = [("test", index, "default") for index in range(6)] + [
    ("train", 0, "default"),
    ("test", 0, "limiter"),
    ("test", 4, "two_voices"),
    ("test", 4, "two_guitars"),
    ("test", 4, "sources:6"),
]


@cache
def song(split: str, index: int, variant: str = "default") -> demo.Song:
    return demo.render(split, index, variant)


def sha256_of(rendered: demo.Song) -> dict[str, str]:
    """SHA-256 of the interleaved little-endian 16-bit samples of the mixture and each stem."""
    parts = {"mixture": rendered.mixture_pcm, **rendered.stems_pcm}
    return {name: hashlib.sha256(pcm.T.astype("<i2").tobytes()).hexdigest() for name, pcm in parts.items()}


# --- the same bytes everywhere ------------------------------------------------------------------------------------


@pytest.mark.parametrize(("split", "index", "variant"), HASHED)
def test_the_samples_are_those_of_the_golden_hashes(split, index, variant):
    golden = json.loads(GOLDEN.read_text())
    assert golden["dataset"] == demo.DATASET_ID
    assert sha256_of(song(split, index, variant)) == golden["songs"][f"{split}/{index}/{variant}"]


def test_rendering_twice_gives_the_same_song_whatever_was_rendered_between():
    first = demo.render("test", 2)
    demo.render("train", 7, "sources:2")
    second = demo.render("test", 2)
    assert sha256_of(first) == sha256_of(second)
    assert first.annotations == second.annotations


def test_the_splits_hold_different_songs():
    assert not set(sha256_of(song("test", 0)).values()) & set(sha256_of(song("train", 0)).values())


def test_the_dice_draw_the_raw_stream_of_pcg64():
    raw = np.random.PCG64(np.random.SeedSequence([1, 2])).random_raw(3)
    dice = Dice(1, 2)
    assert [dice.uniform() for _ in range(3)] == [(int(word) >> 11) * 2.0**-53 for word in raw]


@given(st.integers(1, 50), st.integers(0, 2**31))
def test_dice_keep_to_their_ranges(n, seed):
    dice = Dice(seed)
    assert 0 <= dice.index(n) < n
    assert 3 <= dice.between(3, 2 + n) <= 2 + n
    assert sorted(dice.shuffled(range(n))) == list(range(n))
    assert dice.weighted("ab", (1.0, 0.0)) == "a"


# --- every song ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("split", "index", "variant"), HASHED)
def test_a_song_is_stereo_of_12_to_20_seconds_without_clipping(split, index, variant):
    rendered = song(split, index, variant)
    assert rendered.sample_rate == 44100
    assert tuple(rendered.stems_pcm) == demo.stems_of(variant)
    shapes = {pcm.shape for pcm in [rendered.mixture_pcm, *rendered.stems_pcm.values()]}
    assert len(shapes) == 1
    channels, samples = shapes.pop()
    assert channels == 2
    assert 12 * 44100 <= samples <= 20 * 44100
    for pcm in [rendered.mixture_pcm, *rendered.stems_pcm.values()]:
        assert 1000 < np.max(np.abs(pcm.astype(np.int32))) < 0.9 * 32768


@pytest.mark.parametrize(("split", "index", "variant"), [case for case in HASHED if case[2] != "limiter"])
def test_the_mixture_is_the_exact_sum_of_the_stems(split, index, variant):
    rendered = song(split, index, variant)
    total = sum(pcm.astype(np.int32) for pcm in rendered.stems_pcm.values())
    np.testing.assert_array_equal(total, rendered.mixture_pcm)
    np.testing.assert_array_equal(sum(rendered.stems.values()), rendered.mixture)


@pytest.mark.parametrize("index", range(6))
def test_levels_are_those_of_a_pop_mix(index):
    stems = {name: array.astype(np.float64) for name, array in song("test", index).stems.items()}
    accompaniment = sum(stems[name] for name in ("drums", "bass", "other"))
    vocals_to_rest = effects.loudness(stems["vocals"]) - effects.loudness(accompaniment)
    assert -6.0 < vocals_to_rest < 0.5
    for name in ("bass", "other"):
        assert abs(effects.loudness(stems[name]) - effects.loudness(stems["drums"])) < 4.5


@pytest.mark.parametrize("index", range(6))
def test_the_spectrum_reaches_16_khz(index):
    power = np.abs(np.fft.rfft(song("test", index).mixture.mean(axis=0))) ** 2
    frequency = np.fft.rfftfreq(2 * (len(power) - 1), 1 / 44100)
    high = power[(frequency > 10000) & (frequency < 16000)].sum() / power.sum()
    assert -26.0 < 10 * np.log10(high) < -10.0


# --- what the first six stand for ---------------------------------------------------------------------------------


@pytest.mark.parametrize("split", demo.SPLITS)
def test_song_0_repeats_its_accompaniment_exactly_and_centres_its_vocals(split):
    rendered = song(split, 0)
    loop = round(rendered.annotations["exact_loop_bars"] * plan.plan_song(split, 0).bar)
    for stem in ("drums", "bass", "other"):
        pcm = rendered.stems_pcm[stem].astype(np.int32)
        second, third = pcm[:, loop : 2 * loop], pcm[:, 2 * loop : 3 * loop]
        assert np.max(np.abs(second - third)) <= 1
    left, right = rendered.stems["vocals"].astype(np.float64)
    assert 10 * np.log10(np.sum((left - right) ** 2) / np.sum((left + right) ** 2)) < -15.0


def test_song_2_has_vocals_that_are_mono_to_the_last_bit_in_a_stereo_mixture():
    rendered = song("test", 2)
    np.testing.assert_array_equal(*rendered.stems_pcm["vocals"])
    assert np.any(rendered.mixture_pcm[0] != rendered.mixture_pcm[1])


def test_song_3_spreads_its_vocals():
    left, right = song("test", 3).stems["vocals"].astype(np.float64)
    assert np.corrcoef(left, right)[0, 1] < 0.9


def test_song_4_has_drums_that_are_digital_silence_for_the_first_half():
    drums = song("test", 4).stems_pcm["drums"]
    half = drums.shape[1] // 2
    assert not drums[:, :half].any()
    assert drums[:, half:].any()


def test_song_5_does_not_repeat():
    rendered = song("test", 5)
    bar = plan.plan_song("test", 5).bar
    drums = rendered.stems["drums"].mean(axis=0).astype(np.float64)
    bars = [drums[number * bar : (number + 1) * bar] for number in range(4)]
    assert all(np.sum((one - other) ** 2) > 0.3 * np.sum(one**2) for one, other in pairwise(bars))


# --- variants -----------------------------------------------------------------------------------------------------


def test_the_limiter_holds_the_mixture_6_db_below_its_peak_and_leaves_the_stems():
    plain, limited = song("test", 0), song("test", 0, "limiter")
    for name, pcm in plain.stems_pcm.items():
        np.testing.assert_array_equal(pcm, limited.stems_pcm[name])
    peak = np.max(np.abs(plain.mixture))
    assert np.max(np.abs(limited.mixture)) <= 0.5 * peak + 1 / 32768
    error = limited.mixture.astype(np.float64) - plain.mixture
    distortion = 10 * np.log10(np.sum(error**2) / np.sum(plain.mixture.astype(np.float64) ** 2))
    assert -35.0 < distortion < -8.0


def test_each_of_the_sources_is_a_point_between_left_and_right():
    stems = song("test", 4, "sources:6").stems
    angles = []
    for array in stems.values():
        left, right = array.astype(np.float64)
        assert abs(np.corrcoef(left, right)[0, 1]) > 0.9999
        angles.append(np.degrees(np.arctan2(np.sqrt(np.sum(right**2)), np.sqrt(np.sum(left**2)))))
    assert np.diff(sorted(angles)).min() > 5.0


def test_two_voices_sing_together_and_in_turn():
    stems = song("test", 4, "two_voices").annotations["stems"]
    voiced = [np.array(stems[name]["f0"]["hertz"]) > 0 for name in ("voice_1", "voice_2")]
    assert (voiced[0] & voiced[1]).mean() > 0.1
    assert (voiced[0] ^ voiced[1]).mean() > 0.1


def test_two_guitars_are_the_same_instrument():
    stems = song("test", 4, "two_guitars").annotations["stems"]
    instruments = {note["instrument"] for name in ("guitar_1", "guitar_2") for note in stems[name]["notes"]}
    assert len(instruments) == 1


# --- ground truth -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("index", [0, 2])
def test_the_f0_track_is_the_pitch_that_is_heard(index):
    """Where a frame is voiced throughout, its autocorrelation is high at the annotated period."""
    rendered = song("test", index)
    voice = rendered.stems["vocals"].mean(axis=0).astype(np.float64)
    f0 = np.array(rendered.annotations["stems"]["vocals"]["f0"]["hertz"])
    similarity = []
    for frame in range(5, len(f0) - 10, 7):
        around = f0[frame - 3 : frame + 4]
        if around.min() > 0 and around.max() < 1.01 * around.min():
            period, first = round(44100 / f0[frame]), 441 * frame
            one, other = voice[first - 300 : first + 300], voice[first - 300 + period : first + 300 + period]
            similarity.append(np.sum(one * other) / np.sqrt(np.sum(one**2) * np.sum(other**2)))
    assert len(similarity) > 40
    assert np.median(similarity) > 0.95


def test_the_vocals_pause():
    for index in range(6):
        f0 = np.array(song("test", index).annotations["stems"]["vocals"]["f0"]["hertz"])
        assert 0.4 < (f0 > 0).mean() < 0.9


def test_annotated_drum_hits_are_where_the_energy_rises():
    rendered = song("test", 1)
    drums = rendered.stems["drums"].mean(axis=0).astype(np.float64)
    onsets = [round(44100 * hit["onset"]) for hit in rendered.annotations["stems"]["drums"]["hits"]]
    rises = [np.sum(drums[at : at + 441] ** 2) > 2 * np.sum(drums[at - 441 : at] ** 2) for at in onsets if at > 441]
    assert np.mean(rises) > 0.9


@pytest.mark.parametrize(("split", "index", "variant"), HASHED)
def test_annotations_lie_within_the_song(split, index, variant):
    annotations = song(split, index, variant).annotations
    end = annotations["duration"]
    assert set(annotations["stems"]) == set(demo.stems_of(variant))
    assert set(annotations["downbeats"]) <= set(annotations["beats"])
    assert np.allclose(np.diff(annotations["beats"]), 60 / annotations["tempo"], atol=1e-4)
    for stem in annotations["stems"].values():
        for note in stem.get("notes", []):
            assert 0 <= note["onset"] < note["offset"] <= end
            assert 24 <= note["pitch"] <= 100
        for hit in stem.get("hits", []):
            assert 0 <= hit["onset"] < end
        assert ("f0" in stem) == (stem["kind"] == "vocals")


def test_bass_notes_are_chord_tones():
    annotations = song("test", 0).annotations
    names = ("C", "C#", "D", "Eb", "E", "F", "F#", "G", "Ab", "A", "Bb", "B")
    for note in annotations["stems"]["bass"]["notes"]:
        chord = next(c for c in annotations["chords"] if c["onset"] - 0.01 <= note["onset"] < c["offset"] - 0.01)
        assert names[note["pitch"] % 12] in chord["pitch_classes"]


@pytest.mark.parametrize("pitch", [33, 52, 64, 81])
def test_a_plucked_string_is_in_tune(pitch):
    frequency = frequency_of(pitch)
    string = pluck(frequency, 44100, Dice(1), t60=3.0, damping=0.05, brightness=6000.0, position=0.2)
    spectrum = np.abs(np.fft.rfft(string * np.hanning(44100), 8 * 44100))
    low, high = round(8 * frequency * 0.97), round(8 * frequency * 1.03)
    found = (low + np.argmax(spectrum[low:high])) / 8
    assert abs(1200 * np.log2(found / frequency)) < 5.0


# --- effects ------------------------------------------------------------------------------------------------------


@given(st.floats(-1.0, 1.0))
def test_panning_keeps_the_power(position):
    left, right = effects.pan(np.ones(1), position)[:, 0]
    assert left**2 + right**2 == pytest.approx(1.0)


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 1000), st.floats(0.1, 0.9))
def test_the_limiter_never_exceeds_its_threshold_and_leaves_quiet_signals(seed, threshold):
    signal = np.stack([Dice(seed).noise(3000), Dice(seed, 1).noise(3000)])
    assert np.max(np.abs(effects.limit(signal, threshold))) <= threshold
    quiet = 0.99 * threshold * signal
    np.testing.assert_array_equal(effects.limit(quiet, threshold), quiet)


# --- names and bad input ------------------------------------------------------------------------------------------


def test_names_are_unique_readable_and_safe_as_file_names():
    names = demo.song_names("test", 150)
    assert len(set(names)) == 150
    assert all(name.startswith(f"test-{index:02d} ") for index, name in enumerate(names))
    assert set("".join(names)) <= set(string.ascii_letters + string.digits + "- ")
    assert names[:6] == demo.song_names("test", 6) == [song("test", index).name for index in range(6)]


def test_all_songs_keep_the_length_that_is_promised():
    for index in range(300):
        planned = plan.plan_song("train", index)
        assert 12.0 <= planned.bars * planned.bar / 44100 + plan.TAIL_SECONDS <= 20.0


def test_unknown_names_are_refused_with_a_hint():
    with pytest.raises(UnknownNameError, match="did you mean 'two_voices'"):
        demo.stems_of("two_voice")
    with pytest.raises(UnknownNameError, match="sources:"):
        demo.render("test", 0, "sources:7")
    with pytest.raises(UnknownNameError, match="split of the demo 'valid'"):
        demo.song_names("valid", 1)
    with pytest.raises(ConfigError, match="index -1"):
        demo.render("test", -1)
    with pytest.raises(ConfigError, match="n_songs of the demo is -2"):
        demo.song_names("test", -2)


# --- the cache ----------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def filled(tmp_path_factory) -> Path:
    """A cache with one song."""
    folder = tmp_path_factory.mktemp("cache")
    assert demo.materialise("test", 1, cache_dir=folder) == folder / f"{demo.DATASET_ID}-default"
    return folder


@pytest.fixture
def place(filled) -> Path:
    return filled / f"{demo.DATASET_ID}-default" / "test" / demo.song_name("test", 0)


def test_the_files_hold_the_rendered_samples_bit_by_bit(place):
    rendered = song("test", 0)
    files = {"mixture": rendered.mixture, **rendered.stems}
    assert {path.name for path in place.iterdir()} == {f"{name}.wav" for name in files} | {
        "annotations.json",
        "manifest.json",
    }
    for name, array in files.items():
        assert audio.info(place / f"{name}.wav").subtype == "PCM_16"
        np.testing.assert_array_equal(audio.read(place / f"{name}.wav", 44100), array)
    assert json.loads((place / "annotations.json").read_text()) == rendered.annotations


def test_every_16_bit_number_survives_a_file(tmp_path):
    numbers = np.arange(-32768, 32768, dtype=np.int32).reshape(2, -1)
    audio.write(tmp_path / "all.wav", (numbers / 32768).astype(np.float32), 44100, "PCM_16")
    np.testing.assert_array_equal(audio.read(tmp_path / "all.wav") * 32768, numbers)


def test_a_complete_song_is_not_rendered_again(filled, place):
    before = {path: path.stat().st_mtime_ns for path in place.iterdir()}
    demo.materialise("test", 1, cache_dir=filled, verify=True)
    assert {path: path.stat().st_mtime_ns for path in place.iterdir()} == before


def _truncate(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-1000])


def _flip_a_bit(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(bytes(data))


@pytest.mark.parametrize(
    ("name", "damage", "verify"),
    [
        ("vocals.wav", _truncate, False),
        ("vocals.wav", _flip_a_bit, True),
        ("drums.wav", Path.unlink, False),
        ("annotations.json", _truncate, False),
        ("manifest.json", _truncate, False),
        ("manifest.json", Path.unlink, False),
    ],
)
def test_a_damaged_song_is_rendered_again(filled, place, name, damage, verify):
    damage(place / name)
    demo.materialise("test", 1, cache_dir=filled, verify=verify)
    np.testing.assert_array_equal(audio.read(place / "vocals.wav"), song("test", 0).stems["vocals"])
    manifest = json.loads((place / "manifest.json").read_text())
    assert {file: audio.hash_file(place / file) for file in manifest["files"]} == {
        file: facts["sha256"] for file, facts in manifest["files"].items()
    }


def test_nothing_but_songs_is_left_in_the_cache(filled, place):
    (place / "bass.wav").unlink()
    demo.materialise("test", 1, cache_dir=filled)
    root = place.parent.parent
    assert [path.name for path in root.iterdir()] == ["test"]
    assert [path.name for path in place.parent.iterdir()] == [place.name]


def test_two_processes_may_fill_the_same_cache_at_once(tmp_path):
    context = multiprocessing.get_context("spawn")
    workers = [
        context.Process(target=demo.materialise, args=("train", 2), kwargs={"cache_dir": tmp_path}) for _ in range(2)
    ]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert [worker.exitcode for worker in workers] == [0, 0]
    root = demo.cache_root("default", tmp_path)
    assert sorted(path.name for path in (root / "train").iterdir()) == sorted(demo.song_names("train", 2))
    assert [path.name for path in root.iterdir()] == ["train"]


def test_the_environment_chooses_the_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("MSS_BENCH_CACHE", str(tmp_path / "mine"))
    assert demo.cache_root("sources:3") == tmp_path / "mine" / f"{demo.DATASET_ID}-sources-3"
    monkeypatch.delenv("MSS_BENCH_CACHE")
    assert demo.cache_root().parent.name == "mss_bench"


def test_a_cache_that_cannot_be_written_is_named(tmp_path):
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(DatasetError, match="MSS_BENCH_CACHE"):
        demo.materialise("test", 1, cache_dir=tmp_path / "file")
