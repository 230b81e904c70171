"""Metrics of ZFTurbo's training code have its numbers, and those of a study and a challenge theirs."""

from __future__ import annotations

import json
import math
from pathlib import Path

import numpy as np
import pytest

from mss_bench.core.spec import Spec, build, format_params
from mss_bench.core.tracks import TargetGroup, TrackAudio
from mss_bench.errors import ConfigError, MissingDependencyError
from mss_bench.metrics import metrics
from mss_bench.registry import import_file

DATA = Path(__file__).parents[1] / "data"
make = import_file(DATA / "make_metric_families.py")
MSST = json.loads((DATA / "msst_metrics.json").read_text())


def scored(spec, reference, estimate, rate=44100):
    metric = build(metrics, Spec.parse(spec))[0]
    track = TrackAudio({"a": reference}, reference, rate)
    return metric.score(metric.prepare(track, TargetGroup("g", ("a",))), {"a": estimate})


def value(spec, reference, estimate, rate=44100):
    return float(scored(spec, reference, estimate, rate)[0].value)


@pytest.mark.parametrize("metric", ["k_sdr", "l1_snr", "aura_stft", "aura_mrstft"])
@pytest.mark.parametrize("kind", make.KINDS)
def test_the_numbers_are_those_of_its_own_code(metric, kind):
    references, estimates, _ = make.signals(kind)
    for name, theirs in MSST["values"][kind].items():
        s, y = references[name].astype(np.float32), estimates[name].astype(np.float32)
        for found, (a, b) in zip(theirs, [(s, y), (s / 10, (s - 3 * y) / 10)], strict=True):
            assert value(f"{metric}:preset=zfturbo", a, b) == pytest.approx(found[metric], rel=2e-4, abs=2e-4), name


def test_k_sdr_is_held_at_both_ends():
    s = np.random.default_rng(0).standard_normal((2, 4000))
    assert value("k_sdr", s, s) == 100
    assert value("k_sdr", s, -9 * s) == pytest.approx(0, abs=1e-4)
    assert value("k_sdr", s, 2 * s) == pytest.approx(100 * math.log(11) / math.log(21)), "0 dB"


def test_the_level_counts_in_l1_snr():
    s = np.random.default_rng(0).standard_normal((2, 4000))
    loud, soft = (value("l1_snr", gain * s, 0.9 * gain * s) for gain in (1.0, 1e-3))
    assert loud > 9
    assert soft < 5


def test_gensvs_numbers_are_those_of_the_packages_that_it_used():
    torch = pytest.importorskip("torch")
    auraloss = pytest.importorskip("auraloss.freq")
    audio = pytest.importorskip("torchmetrics.functional.audio")
    sizes = [256, 512, 1024, 2048, 4096]
    loss = auraloss.MultiResolutionSTFTLoss(
        fft_sizes=sizes, win_lengths=sizes, hop_sizes=[n // 4 for n in sizes], sample_rate=44100,
        perceptual_weighting=True,
    )  # fmt: skip
    references, estimates, _ = make.signals("plain")
    s, y = references["a"][:, :9000], estimates["a"][:, :9000]
    a, b = (torch.from_numpy(x.astype(np.float32)) for x in (s, y))
    theirs = np.mean([float(loss(y[None, None], x[None, None])) for x, y in zip(a, b, strict=True)])
    assert value("mr_stft:preset=gensvs", s, y) == pytest.approx(theirs, rel=1e-4)
    sdr = float(audio.signal_distortion_ratio(b, a).mean())
    scores = scored("bss_eval_v3_sources:preset=torchmetrics", s, y)
    assert float(scores[0].value) == pytest.approx(sdr, abs=1e-4)
    assert scores[1].reason == "each channel is measured without the other references"


def test_channels_one_by_one_are_of_the_whole_track():
    with pytest.raises(ConfigError, match="channels is 'each', expected joint beside windows or permute"):
        build(metrics, Spec.parse("bss_eval_v3_sources:channels=each,window=30"))


def test_multi_mel_snr_has_the_check_values_of_the_challenge_and_forgives_a_gain():
    rng, t = np.random.default_rng(0), np.arange(96000) / 48000
    s = (0.3 * np.sin(2 * np.pi * 440 * t) + 0.1 * rng.standard_normal(len(t)))[np.newaxis]
    y = s + 0.1 * rng.standard_normal(len(t))
    assert value("multi_mel_snr", s, y, 48000) == pytest.approx(10.7678, abs=1e-4)
    assert value("multi_mel_snr", s, y / 2, 48000) == pytest.approx(10.7678, abs=1e-4)
    # Channels by themselves: a silent one of the reference says nothing.
    stereo = value("multi_mel_snr", np.concatenate([s, 0 * s]), np.concatenate([y, y]), 48000)
    assert stereo == pytest.approx(10.7678, abs=1e-4)


def test_zimtohrli_is_that_of_its_package():
    package = pytest.importorskip("zimtohrli")
    rng = np.random.default_rng(0)
    s = (0.3 * rng.standard_normal((2, 24000))).astype(np.float32)
    y = (s + 0.1 * rng.standard_normal(s.shape)).astype(np.float32)
    theirs = np.mean([package.Pyohrli().distance(a, b) for a, b in zip(s, y, strict=True)])
    assert value("zimtohrli", s, y, 48000) == pytest.approx(theirs, rel=1e-6)
    assert theirs > 0
    assert value("zimtohrli", s, s, 48000) == 0


def test_haaqi_is_that_of_pyclarity_ear_by_ear():
    haaqi = pytest.importorskip("clarity.evaluator.haaqi")
    audiogram = pytest.importorskip("clarity.utils.audiogram").Audiogram
    rng = np.random.default_rng(0)
    s = 0.1 * rng.standard_normal((1, 6000))
    y = s + 0.05 * rng.standard_normal(s.shape)
    levels = np.array([20.0, 25, 30, 45, 55, 60])
    ears = audiogram(levels=levels, frequencies=np.array([250, 500, 1000, 2000, 4000, 6000]))
    level = 65 - 20 * np.log10(np.sqrt(np.mean(s[0] ** 2)))
    np.random.seed(0)  # noqa: NPY002  # the package adds noise at the threshold of hearing
    theirs = haaqi.compute_haaqi(y[0], s[0], 24000, 24000, ears, 1, level)
    state = np.random.get_state()[1]  # noqa: NPY002
    assert value("haaqi:left=20/25/30/45/55/60", s, y, 24000) == pytest.approx(theirs, abs=1e-12)
    assert (np.random.get_state()[1] == state).all(), "others draw on as if nothing had been"  # noqa: NPY002


@pytest.mark.parametrize("given", ["1/2", "0/0/0/0/0/130", [0, 0, 0, 0, 0, "x"], 7])
def test_an_audiogram_has_six_levels(given):
    with pytest.raises(ConfigError, match="is no audiogram; expected six levels of -20 to 120 dB"):
        metrics.load("haaqi")(left=given)


def test_an_audiogram_reads_back():
    metric, changed = build(metrics, Spec.parse("haaqi:left=20/25/30/45/55/60"))
    assert format_params(changed) == "left=20/25/30/45/55/60"
    assert metric.left == (20, 25, 30, 45, 55, 60)
    assert build(metrics, Spec("haaqi", {"left": list(metric.left)}))[0].left == metric.left


def test_what_no_extra_installs_says_how(monkeypatch):
    cls = metrics.load("haaqi")
    monkeypatch.setattr(cls, "module", "no_such_module")
    s = np.ones((1, 100))
    with pytest.raises(MissingDependencyError, match="pip install --no-deps pyclarity numba"):
        cls().prepare(TrackAudio({"a": s}, s, 44100), TargetGroup("g", ("a",)))
