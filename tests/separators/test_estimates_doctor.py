"""The estimate doctor finds what ruins the numbers, and does not cry wolf."""

from __future__ import annotations

import re
import time
from functools import cache
from pathlib import Path

import numpy as np
import pytest
from scipy import signal

from mss_bench.core import audio
from mss_bench.core.spec import Spec, build
from mss_bench.core.tracks import Audio, Stems, Targets
from mss_bench.dsp.median import running_median
from mss_bench.separators import separators
from mss_bench.separators.estimates.doctor import Finding, examine

RATE = 44100
STEMS = ("vocals", "drums", "bass", "other")
TARGETS = Targets(STEMS, {"accompaniment": ("drums", "bass", "other")})


class Song:
    """References, mixture and honest estimates of several qualities."""

    def __init__(self, stems: Stems, mixture: Audio) -> None:
        self.stems, self.mixture = stems, mixture
        self.references = stems | {"accompaniment": stems["drums"] + stems["bass"] + stems["other"]}
        self.spectrum = signal.stft(mixture, nperseg=4096, noverlap=3072)[2]
        self.power = {k: np.abs(signal.stft(v, nperseg=4096, noverlap=3072)[2]) ** 2 for k, v in stems.items()}

    def masked(self, masks: dict[str, np.ndarray]) -> Stems:
        samples = self.mixture.shape[1]
        return {
            k: signal.istft(self.spectrum * m, nperseg=4096, noverlap=3072)[1][:, :samples].astype(np.float32)
            for k, m in masks.items()
        }

    @cache  # noqa: B019 (two songs a run)
    def ratio(self, noise: float = 0.0) -> Stems:
        rng, total = np.random.default_rng(0), sum(self.power.values()) + 1e-10
        masks = {}
        for k, power in self.power.items():
            odds = np.log(power / total + 1e-6) - np.log1p(1e-6 - power / total)
            odds += noise * signal.fftconvolve(rng.standard_normal(odds.shape), np.ones((1, 5, 5)) / 5, mode="same")
            masks[k] = 1 / (1 + np.exp(-odds))
        return self.masked(masks)

    @cache  # noqa: B019
    def blend(self, weight: float) -> Stems:
        return {k: weight * v + (1 - weight) / 4 * self.mixture for k, v in self.ratio().items()}

    def bands(self) -> Stems:
        edges = {"bass": (0, 250), "vocals": (250, 4000), "drums": (4000, 22050), "other": (300, 8000)}
        f = np.linspace(0, RATE / 2, self.spectrum.shape[1])[:, None]
        return self.masked({k: (f >= low) & (f < high) for k, (low, high) in edges.items()})

    def harmonic_percussive(self) -> Stems:
        magnitude = np.abs(self.spectrum)
        harmonic, percussive = running_median(magnitude, 31, -1) ** 2, running_median(magnitude, 31, -2) ** 2
        mask = harmonic / (harmonic + percussive + 1e-10)
        return self.masked({"drums": 1 - mask, "other": mask})

    def low_passed(self) -> Stems:
        filter_ = signal.butter(4, 2000, fs=RATE, output="sos")
        return {k: signal.sosfiltfilt(filter_, v).astype(np.float32) for k, v in self.stems.items()}

    def noisy(self) -> Stems:
        rng = np.random.default_rng(1)
        return {k: (v + v.std() * rng.standard_normal(v.shape)).astype(np.float32) for k, v in self.ratio().items()}

    def examine(self, estimates: Stems) -> list[Finding]:
        return [f for f in examine(estimates, self.references, self.mixture, RATE, "t") if f.code != "absent"]


@pytest.fixture(scope="module")
def real(excerpt: Path) -> Song:
    (folder,) = (p for p in (excerpt / "train").iterdir() if p.is_dir())
    return Song({k: audio.read(folder / f"{k}.wav") for k in STEMS}, audio.read(folder / "mixture.wav"))


@pytest.fixture(scope="module")
def demo() -> Song:
    from mss_bench.datasets.demo import render

    song = render("test", 0)
    return Song({k: song.stems[k][:, : 8 * RATE] for k in STEMS}, song.mixture[:, : 8 * RATE])


@pytest.fixture(params=["real", "demo"])
def song(request: pytest.FixtureRequest) -> Song:
    return request.getfixturevalue(request.param)


HONEST = {
    "oracle": lambda s: s.ratio(),
    "references": lambda s: dict(s.stems),
    "unsure masks": lambda s: s.ratio(3.0),
    "half the way from the floor": lambda s: s.blend(0.5),
    "near the floor": lambda s: s.blend(0.2),
    "bands": lambda s: s.bands(),
    "harmonic-percussive": lambda s: s.harmonic_percussive(),
    "low-passed": lambda s: s.low_passed(),
    "noisy": lambda s: s.noisy(),
    "one stem": lambda s: {"vocals": s.ratio()["vocals"]},
    "two sources": lambda s: {"vocals": s.ratio()["vocals"], "accompaniment": s.mixture - s.ratio()["vocals"]},
}


@pytest.mark.parametrize("kind", HONEST)
def test_honest_estimates_have_no_findings(song: Song, kind: str) -> None:
    assert song.examine(HONEST[kind](song)) == []


@pytest.mark.parametrize("gain", [0.25, 1.0])
def test_the_mixture_is_named_as_such_and_as_nothing_else(song: Song, gain: float) -> None:
    found = song.examine(dict.fromkeys(STEMS, np.float32(gain) * song.mixture))
    assert {(f.target, f.code, f.severity) for f in found} == {(k, "mixture", "warning") for k in STEMS}


def late(estimate: Audio, samples: int) -> Audio:
    before, after = max(samples, 0), max(-samples, 0)
    return np.pad(estimate, ((0, 0), (before, after)))[:, after : after + estimate.shape[1]]


@pytest.fixture(params=["good", "mediocre"])
def sound(request: pytest.FixtureRequest, song: Song) -> Stems:
    return song.ratio() if request.param == "good" else song.blend(0.3)


def codes(findings: list[Finding]) -> dict[str, str]:
    """Target to code; every target has one."""
    assert len({f.target for f in findings}) == len(findings), findings
    return {f.target: f.code for f in findings}


@pytest.mark.parametrize("samples", [1105, -529, 37, 8000])
def test_a_constant_lag_is_found_to_the_sample(song: Song, sound: Stems, samples: int) -> None:
    found = song.examine({k: late(v, samples) for k, v in sound.items()})
    assert codes(found) == dict.fromkeys(STEMS, "lag")
    assert {f.value for f in found} == {samples}
    assert f"{abs(samples)} samples" in found[0].message
    assert ("late" if samples > 0 else "early") in found[0].message


def test_a_lag_of_one_estimate_is_its_own(song: Song, sound: Stems) -> None:
    assert codes(song.examine(sound | {"drums": late(sound["drums"], 700)})) == {"drums": "lag"}


def test_inverted_polarity_is_found(song: Song, sound: Stems) -> None:
    assert codes(song.examine({k: -v for k, v in sound.items()})) == dict.fromkeys(STEMS, "polarity")


def test_one_inverted_channel_is_named(song: Song, sound: Stems) -> None:
    found = song.examine({k: v * np.float32([[1], [-1]]) for k, v in sound.items()})
    assert codes(found) == dict.fromkeys(STEMS, "polarity")
    assert all("channel 2" in f.message for f in found)


@pytest.mark.parametrize("level", [-20, 15])
def test_a_gain_is_found(song: Song, sound: Stems, level: float) -> None:
    found = song.examine({k: np.float32(10 ** (level / 20)) * v for k, v in sound.items()})
    assert codes(found) == dict.fromkeys(STEMS, "gain")
    assert all(np.sign(f.value) == np.sign(level) for f in found)


@pytest.mark.parametrize("level", [-6, 6])
def test_a_gain_of_good_estimates_is_measured(song: Song, level: float) -> None:
    found = song.examine({k: np.float32(10 ** (level / 20)) * v for k, v in song.stems.items()})
    assert codes(found) == dict.fromkeys(STEMS, "gain")
    assert [f.value for f in found] == pytest.approx([level] * 4, abs=0.1)


def test_swapped_channels_are_found_wherever_it_matters(song: Song, sound: Stems) -> None:
    found = codes(song.examine({k: v[::-1] for k, v in sound.items()}))
    assert set(found.values()) == {"swapped_channels"}
    for k, estimate in sound.items():
        error = [float(np.sum((song.stems[k] - e) ** 2)) for e in (estimate, estimate[::-1])]
        assert k in found or error[1] < 1.06 * error[0], "what is not reported costs less than 0.25 dB"


def test_swapped_names_are_found(song: Song, sound: Stems) -> None:
    found = song.examine(sound | {"drums": sound["bass"], "bass": sound["drums"]})
    assert codes(found) == {"drums": "swapped_names", "bass": "swapped_names"}
    assert "fits bass" in found[0].message


def test_names_swapped_in_a_circle_are_found(song: Song) -> None:
    good = song.ratio()
    found = song.examine(dict(zip(STEMS, (good[k] for k in (*STEMS[1:], STEMS[0])), strict=True)))
    assert codes(found) == dict.fromkeys(STEMS, "swapped_names")


def test_a_single_estimate_under_another_name_is_found(song: Song) -> None:
    assert codes(song.examine({"vocals": song.ratio()["drums"]})) == {"vocals": "swapped_names"}


def test_silence_is_found_unless_the_reference_is_silent(song: Song) -> None:
    silent = np.zeros_like(song.mixture)
    assert codes(song.examine(song.ratio() | {"bass": silent})) == {"bass": "silent"}
    references = song.references | {"bass": silent}
    found = examine({"bass": silent, "vocals": song.stems["vocals"]}, references, song.mixture, RATE)
    assert [f.code for f in found] == ["absent"]


def test_clipping_is_found_but_not_where_the_music_itself_is_clipped(song: Song) -> None:
    loud = song.stems["drums"] * np.float32(4 / np.abs(song.stems["drums"]).max())
    clipped = np.clip(loud, -1, 1)
    assert "clipping" in {f.code for f in song.examine({"drums": clipped})}
    references = song.references | {"drums": clipped}
    mixture = song.mixture - song.stems["drums"] + clipped
    assert "clipping" not in {f.code for f in examine({"drums": clipped}, references, mixture, RATE)}


def test_nan_channels_and_length_are_found(real: Song) -> None:
    damaged = real.stems["vocals"].copy()
    damaged[0, 5] = np.nan
    estimates = {"vocals": damaged, "drums": real.stems["drums"][:1], "bass": real.stems["bass"][:, :-5000]}
    found = real.examine(estimates)
    assert codes(found) == {"vocals": "nan", "drums": "channels", "bass": "length"}
    assert {f.severity for f in found} == {"error"}
    assert {f.track for f in found} == {"t"}


@pytest.mark.parametrize("difference", [-4096, 4096])
def test_a_length_that_the_runner_trims_is_no_finding(real: Song, difference: int) -> None:
    samples = real.mixture.shape[1]
    estimate = np.pad(real.ratio()["vocals"], ((0, 0), (0, 4096)))[:, : samples + difference]
    assert real.examine({"vocals": estimate}) == []


@pytest.mark.parametrize("rate", [48000, 22050, 32000])
def test_a_wrong_rate_in_disguise_is_found_by_its_length(real: Song, rate: int) -> None:
    found = real.examine({"vocals": audio.resample(real.stems["vocals"], RATE, rate)})
    assert [(f.code, f.value) for f in found] == [("rate", rate)]


def test_targets_without_an_estimate_are_noted_once(real: Song) -> None:
    (note,) = examine({"vocals": real.stems["vocals"]}, real.references, real.mixture, RATE)
    assert (note.severity, note.code) == ("note", "absent")
    assert "drums, bass, other, accompaniment" in note.message


def test_mono_music_and_music_without_a_side_are_examined(real: Song) -> None:
    for channels in ([0], [0, 0]):
        stems = {k: v[channels] for k, v in real.stems.items()}
        assert examine(stems, stems, real.mixture[channels], RATE) == []
        found = examine({k: -late(v, 300) for k, v in stems.items()}, stems, real.mixture[channels], RATE)
        assert {(f.target, f.code) for f in found} == {(k, c) for k in STEMS for c in ("lag", "polarity")}


def test_degenerate_signals_are_no_obstacle() -> None:
    silent, short = np.zeros((2, 2000), np.float32), np.full((2, 3), 0.1, np.float32)
    assert examine({"a": silent}, {"a": silent, "b": silent}, silent, RATE)[0].code == "absent"
    assert examine({"a": short}, {"a": short}, short, RATE) == []
    assert examine({}, {"a": short}, short, RATE)[0].code == "absent"


def test_thirty_seconds_of_four_stereo_stems_take_little_time(real: Song) -> None:
    long = {k: np.tile(v, (1, 5))[:, : 30 * RATE] for k, v in real.references.items()}
    mixture = np.tile(real.mixture, (1, 5))[:, : 30 * RATE]
    estimates = {k: (0.8 * long[k] + 0.05 * mixture).astype(np.float32) for k in STEMS}
    start = time.process_time()
    examine(estimates, long, mixture, RATE)
    assert time.process_time() - start < 3, "about 0.4 s on one core; room for a slow machine"


def drifting(estimate: Audio, ppm: float) -> Audio:
    index = np.arange(estimate.shape[1])
    return np.stack([np.interp(index * (1 - ppm * 1e-6), index, c) for c in estimate]).astype(np.float32)


@pytest.mark.parametrize("ppm", [400, -100])
def test_a_drift_is_measured(song: Song, ppm: float) -> None:
    (found,) = song.examine({"vocals": drifting(song.blend(0.3)["vocals"], ppm)})
    assert (found.target, found.code, found.severity) == ("vocals", "drift", "error")
    assert found.value == pytest.approx(ppm, rel=0.06)


def test_a_small_gain_is_found_with_its_cost(song: Song) -> None:
    vocals = song.ratio()["vocals"]
    (found,) = song.examine({"vocals": np.float32(0.8) * vocals})
    assert (found.target, found.code) == ("vocals", "gain")
    assert found.value == pytest.approx(20 * np.log10(0.8), abs=0.4)
    before, after = (np.sum((song.stems["vocals"] - e) ** 2) for e in (vocals, np.float32(0.8) * vocals))
    cost = float(re.search(r"costs (\d+\.\d) dB", found.message)[1])  # type: ignore[index]
    assert cost == pytest.approx(10 * np.log10(after / before), abs=0.5)


@pytest.mark.parametrize("factor", [0.8, 0.93])
def test_one_scaled_estimate_is_told_by_what_adds_up(song: Song, factor: float) -> None:
    stems = song.blend(0.75)
    scaled = stems | {"vocals": np.float32(factor) * stems["vocals"]}
    (found,) = song.examine(scaled)
    assert (found.target, found.code) == ("vocals", "gain")
    assert float(found.message.rpartition("by ")[2]) == pytest.approx(1 / factor, abs=0.002)
    # A song without drums: those that were delivered add up with the others all the same.
    without = {t: a for t, a in song.references.items() if t not in ("drums", "accompaniment")}
    assert [f for f in examine(stems, without, song.mixture, RATE) if f.code == "gain"] == []


def test_what_a_codec_adds_to_estimates_is_no_gain(song: Song) -> None:
    rng = np.random.default_rng(0)
    estimates = song.blend(0.75)
    level = np.float32(0.08 * song.mixture.std())
    noisy = {k: y + level * rng.standard_normal(y.shape).astype(np.float32) for k, y in estimates.items()}
    assert song.examine(noisy) == []


def test_an_offset_in_one_channel_costs_what_that_channel_costs(song: Song) -> None:
    drums = song.ratio()["drums"] + np.float32([[0.01], [0]])
    (found,) = song.examine({"drums": drums})
    assert found.code == "offset"
    offset = np.mean(drums[0], dtype=np.float64)
    true = 10 * np.log10(np.mean(song.stems["drums"].astype(float) ** 2) / (offset**2 / 2))
    assert "in channel 1, which" in found.message
    assert f"no SDR above {true:.1f} dB" in found.message


def test_an_offset_is_found_in_any_estimate(song: Song) -> None:
    (found,) = song.examine({"drums": song.blend(0.3)["drums"] + np.float32(0.01)})
    assert (found.target, found.code) == ("drums", "offset")
    assert found.value == pytest.approx(0.01, abs=0.003)


def test_a_folded_stem_is_found_but_not_where_the_method_makes_it_good(song: Song) -> None:
    vocals = np.repeat(song.ratio()["vocals"].mean(axis=0, keepdims=True), 2, axis=0)
    (found,) = song.examine({"vocals": vocals})
    side = np.sum((song.stems["vocals"] - song.stems["vocals"].mean(axis=0)) ** 2)
    assert (found.target, found.code) == ("vocals", "mono")
    assert found.value == pytest.approx(10 * np.log10(np.sum(song.stems["vocals"] ** 2) / side), abs=0.01)
    assert song.examine({"vocals": vocals, "accompaniment": song.mixture - vocals}) == []


def test_a_silent_channel_is_named(song: Song) -> None:
    (found,) = song.examine({"other": song.ratio()["other"] * np.float32([[1], [0]])})
    assert (found.target, found.code) == ("other", "silent")
    assert "channel 2" in found.message


def test_the_mixture_beside_separated_stems_is_an_error(song: Song) -> None:
    (found,) = song.examine(song.ratio() | {"drums": song.mixture})
    assert (found.target, found.code, found.severity) == ("drums", "mixture", "error")


@pytest.mark.parametrize("quality", [1.0, 0.5])
def test_the_other_of_two_stems_is_told_from_the_other_of_four(song: Song, quality: float) -> None:
    vocals = quality * song.ratio()["vocals"] + (1 - quality) / 4 * song.mixture
    found = examine(
        {"vocals": vocals, "other": song.mixture - vocals}, song.references, song.mixture, RATE, "t", TARGETS
    )
    (target,) = [f for f in found if f.code != "absent"]
    assert (target.target, target.code, target.severity, target.meant) == ("other", "target", "error", "accompaniment")
    error = {t: np.sum((song.references[t] - song.mixture + vocals) ** 2) for t in ("other", "accompaniment")}
    sdr = {t: 10 * np.log10(np.sum(song.references[t] ** 2) / error[t]) for t in error}
    assert f"SDR {sdr['accompaniment']:.1f} dB against {sdr['other']:.1f} dB" in target.message


def test_a_sum_that_lacks_a_stem_beside_it_is_told_by_what_adds_up(song: Song) -> None:
    stems = song.ratio()
    vocals, drums, rest = stems["vocals"], stems["drums"], song.mixture - stems["vocals"]

    def asked(**delivered: Audio) -> list[tuple[str, ...]]:
        found = examine(delivered, song.references, song.mixture, RATE, "t", TARGETS)
        return [finding.made_of for finding in found if finding.code == "target"]

    assert asked(vocals=vocals, drums=drums, accompaniment=rest - drums) == [("drums", "accompaniment")]
    assert asked(vocals=vocals, drums=drums, bass=stems["bass"], accompaniment=rest - drums) == [
        ("drums", "accompaniment")
    ]
    assert asked(vocals=vocals, drums=drums, accompaniment=rest) == []


METHODS = ("bandsplit", "karaoke", "hpss", "repet", "harmonic_mask", "demo_net", "ibm")


@pytest.mark.parametrize("name", METHODS)
def test_built_in_methods_have_no_findings(real: Song, name: str) -> None:
    separator = build(separators, Spec.parse(name))[0]
    separator.load("cpu")
    estimates = separator.separate(
        real.mixture.copy(), RATE, targets=TARGETS, rng=np.random.default_rng(0), references=dict(real.stems)
    )
    found = examine(TARGETS.resolve(estimates), real.references, real.mixture, RATE, "t", TARGETS)
    assert [f for f in found if f.code != "absent"] == []
