"""L1-freq, MR-STFT, bleedless and fullness; their tools' numbers are compared in test_tools.py."""

from __future__ import annotations

import numpy as np
import pytest

from mss_bench.errors import AudioError, ConfigError
from mss_bench.metrics._magnitudes import Magnitudes, hann
from mss_bench.metrics._mel import mel_weights
from mss_bench.metrics.bleed_full import BleedFull
from mss_bench.metrics.spectral import MRSTFT, L1Freq

RATE = 44100


@pytest.mark.parametrize("padding", ["reflect", "zeros"])
@pytest.mark.parametrize("samples", [9, 16, 17, 100])
def test_frames_are_centred_on_multiples_of_the_hop(padding, samples):
    x = np.random.default_rng(0).standard_normal(samples)
    padded = np.pad(x, 8, mode="reflect" if padding == "reflect" else "constant")
    window = hann(12, 16)
    magnitudes = Magnitudes(16, 5, window, padding)
    expected = [np.abs(np.fft.rfft(window * padded[5 * t : 5 * t + 16])) for t in range(samples // 5 + 1)]
    np.testing.assert_allclose(np.concatenate([*magnitudes.blocks(x)]), expected, atol=1e-12)


def test_blocks_join_without_a_seam():
    x = np.random.default_rng(0).standard_normal(300_000)
    magnitudes = Magnitudes(1024, 256)
    blocks = [*magnitudes.blocks(x)]
    assert len(blocks) > 2
    joined = np.concatenate(blocks)
    assert joined.shape == (magnitudes.frames(len(x)), 513)
    frame = 700
    start = frame * 256 - 512
    np.testing.assert_allclose(joined[frame], np.abs(np.fft.rfft(x[start : start + 1024])), atol=1e-9)


def test_perfect_estimates(evaluate, noise):
    references = noise("ab")
    for metric, best in ((L1Freq(), 100), (MRSTFT(), 0), (BleedFull(), 100)):
        assert all(s.values[0] == best for s in evaluate(metric, references, references, RATE).values())


def test_l1_freq_of_a_gain(evaluate):
    """A constant of 0.5 against one of 0.25: only the bins around 0 differ, by a known sum."""
    s = np.full((2, 8192), 0.5)
    magnitude = np.abs(np.fft.rfft(np.full(2048, 0.25))).sum() / 1025
    found = evaluate(L1Freq(), {"a": s}, {"a": s / 2}, RATE)["a", "L1-freq"].values[0]
    assert found == pytest.approx(100 / (1 + 10 * magnitude), abs=1e-9)


def test_mr_stft_of_a_gain(evaluate, noise):
    """Half the magnitude everywhere: convergence 1/2, logarithms ln 2."""
    s = noise("a")["a"]
    found = evaluate(MRSTFT(eps=1e-20), {"a": s}, {"a": s / 2}, RATE)["a", "MR-STFT"].values[0]
    assert found == pytest.approx(0.5 + np.log(2), abs=1e-9)


def test_bleed_and_loss_show_on_their_own_side(evaluate, noise):
    sources = noise("ab", seconds=4.0)
    s = sources["a"]
    gated = s * (np.arange(s.shape[1]) % 8000 < 4000)
    for estimate, reference, spared, hit in ((s, gated, "Fullness", "Bleedless"), (gated, s, "Bleedless", "Fullness")):
        scores = evaluate(BleedFull(), {"a": reference}, {"a": estimate}, RATE)
        assert scores["a", hit].values[0] < 10
        assert scores["a", spared].values[0] > scores["a", hit].values[0] * 3


def test_bleed_is_measured_at_44100_hz(evaluate, noise):
    import soxr

    references = noise("a", channels=1)
    estimates = {"a": references["a"] + 0.01 * np.random.default_rng(0).standard_normal(references["a"].shape)}
    lower = [
        {n: soxr.resample(a.T, RATE, 22050, quality="HQ").T for n, a in x.items()} for x in (references, estimates)
    ]
    again = [{n: soxr.resample(a.T, 22050, RATE, quality="HQ").T for n, a in x.items()} for x in lower]
    low, high = evaluate(BleedFull(), *lower, 22050), evaluate(BleedFull(), *again, RATE)
    for key, score in low.items():
        assert score.values[0] == pytest.approx(high[key].values[0], abs=1e-4)


def test_tools_score_silence(evaluate, noise):
    s = noise("a")["a"]
    silent = np.zeros_like(s)
    for metric in (L1Freq(preset="zfturbo"), MRSTFT(preset="auraloss"), BleedFull(preset="zfturbo")):
        for reference, estimate in ((silent, s), (s, silent), (silent, silent)):
            for score in evaluate(metric, {"a": reference}, {"a": estimate}, RATE).values():
                assert np.isfinite(score.values).all()


def test_too_short_for_an_fft_is_said(evaluate):
    s = np.random.default_rng(0).standard_normal((2, 1024))
    score = evaluate(L1Freq(), {"a": s}, {"a": s}, RATE)["a", "L1-freq"]
    assert score.reason == "1024 samples are too few for an FFT of 2048: expected at least 1025"
    assert evaluate(L1Freq(n_fft=2046), {"a": s}, {"a": s}, RATE)["a", "L1-freq"].values[0] == 100
    assert "FFT of 4096" in evaluate(MRSTFT(), {"a": np.tile(s, 2)}, {"a": np.tile(s, 2)}, RATE)["a", "MR-STFT"].reason


def test_nan_and_integers(evaluate, noise):
    references = noise("ab")
    holed = references["a"].copy()
    holed[1, 5] = np.inf
    for metric in (L1Freq(), MRSTFT(), BleedFull()):
        scores = evaluate(metric, references, references | {"a": holed}, RATE)
        for (target, _), score in scores.items():
            assert (score.reason == "estimate 'a' holds inf at channel 1, sample 5") == (target == "a")
        with pytest.raises(AudioError, match="estimate 'a' is of int16"):
            evaluate(metric, references, {"a": np.zeros((2, 20000), dtype=np.int16)}, RATE)


def test_mel_bands_are_triangles_of_equal_area():
    weights = mel_weights(RATE, 4096, 64).toarray()
    assert weights.shape == (64, 2049)
    areas = weights.sum(axis=1) * RATE / 4096
    np.testing.assert_allclose(areas[20:], 1.0, rtol=0.05)
    assert np.all(np.diff(weights.argmax(axis=1)) > 0)


@pytest.mark.parametrize(
    ("cls", "parameters", "message"),
    [
        (L1Freq, {"n_fft": 3}, "expected an even number"),
        (L1Freq, {"hop": 0}, "hop is 0, expected a whole number of at least 1"),
        (MRSTFT, {"hops": [1, 2]}, "expected as many of each"),
        (MRSTFT, {"n_ffts": [256], "hops": [64], "windows": [512]}, "expected 1 to 256"),
        (MRSTFT, {"eps": 0.0}, "eps is 0.0"),
        (BleedFull, {"n_mels": 0}, "n_mels is 0"),
        (BleedFull, {"top_db": -1.0}, "top_db is -1.0"),
    ],
)
def test_bad_parameters(cls, parameters, message):
    with pytest.raises(ConfigError, match=message):
        cls(**parameters)
