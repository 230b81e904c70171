"""What becomes of stems that are silent, for a song or a while: values by the formulas, and those of the tools."""

from __future__ import annotations

import numpy as np
import pytest

from mss_bench.core.spec import Spec, build
from mss_bench.metrics import metrics

FRAME = 2000  # samples: 0.25 s at 8 kHz
SMALL = "window=0.25,hop=0.25"
FRAMEWISE = {f"bss_eval:{SMALL},filter_length=8": "SDR", f"csdr:{SMALL}": "cSDR"}


@pytest.fixture
def song(noise, blurred):
    """Four stems of a second, of which the bass is silent for the song and the drums in the second quarter."""
    references = noise(("vocals", "drums", "bass", "other"), seconds=1.0)
    references["bass"][:] = 0
    references["drums"][:, FRAME : 2 * FRAME] = 0
    return references, blurred(references)


def score(evaluate, spec, *stems):
    return evaluate(build(metrics, Spec.parse(spec))[0], *stems)


def sdr_of_frames(s, y, counting):
    """The SDR of each frame that counts by its definition, NaN of the others."""
    cut = [(a.reshape(2, -1, FRAME) ** 2).sum(axis=(0, 2)) for a in (s, y - s)]
    ratio = np.divide(*cut, where=np.array(counting), out=np.full(len(counting), np.nan))
    return 10 * np.log10(ratio)


@pytest.mark.parametrize("spec", FRAMEWISE)
@pytest.mark.parametrize("bass", ["leaks", "silent", "silent for a while"])
def test_a_stem_that_is_silent_for_the_song_leaves_the_others_their_frames(evaluate, song, spec, bass):
    references, estimates = song
    estimates["bass"][:, : {"leaks": 0, "silent": None, "silent for a while": FRAME}[bass]] = 0
    scores = score(evaluate, spec, references, estimates)
    for name in ("vocals", "drums", "other"):
        expected = sdr_of_frames(references[name], estimates[name], [True, False, True, True])
        np.testing.assert_allclose(scores[name, FRAMEWISE[spec]].values, expected, atol=1e-9)
    assert np.isnan(scores["bass", FRAMEWISE[spec]].values).all()
    assert scores["bass", FRAMEWISE[spec]].reason == "reference 'bass' is silent throughout"


@pytest.mark.parametrize("spec", FRAMEWISE)
def test_an_estimate_that_is_silent_takes_its_frames_from_all(evaluate, song, spec):
    references, estimates = song
    estimates["other"][:, 2 * FRAME :] = 0
    scores = score(evaluate, spec, references, estimates)
    expected = sdr_of_frames(references["vocals"], estimates["vocals"], [True, False, False, False])
    np.testing.assert_allclose(scores["vocals", FRAMEWISE[spec]].values, expected, atol=1e-9)
    estimates["other"][:] = 0
    void = score(evaluate, spec, references, estimates)["vocals", FRAMEWISE[spec]]
    assert void.reason == "estimate 'other' silent throughout (silence=joint)"


@pytest.mark.parametrize("spec", FRAMEWISE)
def test_channels_that_cancel_are_not_silent(evaluate, song, spec):
    references, estimates = song
    references["vocals"][1] = -references["vocals"][0]
    estimates["other"][1, :FRAME] = -estimates["other"][0, :FRAME]
    scores = score(evaluate, spec, references, estimates)
    for name in ("vocals", "other"):
        expected = sdr_of_frames(references[name], estimates[name], [True, False, True, True])
        np.testing.assert_allclose(scores[name, FRAMEWISE[spec]].values, expected, atol=1e-9)
    theirs = score(evaluate, spec + ",preset=museval", references, estimates)
    assert np.isnan(theirs["other", FRAMEWISE[spec]].values).all()


def test_the_mean_over_the_stems_of_a_song_is_that_of_those_that_sound(evaluate, song):
    references, estimates = song
    scores = score(evaluate, "usdr", references, estimates)
    ratios = {
        n: 10 * np.log10((np.sum(s**2) + 1e-7) / (np.sum((s - estimates[n]) ** 2) + 1e-7))
        for n, s in references.items()
    }
    assert ratios.pop("bass") < -80
    assert {n: scores[n, "uSDR"].value for n in ratios} == pytest.approx(ratios, abs=1e-9)
    assert np.isnan(scores["bass", "uSDR"].value)


def test_pes_speaks_of_a_stem_that_is_silent_for_the_song(evaluate, song):
    references, estimates = song
    pes = score(evaluate, f"silence:{SMALL}", references, estimates)["bass", "PES"].values
    energies = (estimates["bass"].reshape(2, -1, FRAME) ** 2).sum(axis=(0, 2))
    np.testing.assert_allclose(pes, 10 * np.log10(energies + 1e-12), atol=1e-9)


def test_one_number_of_all_stems_counts_what_leaks_into_a_silent_one(evaluate, song):
    references, estimates = song
    scores = score(evaluate, "sa_sdr:per_channel=false,scale_invariant=false", references, estimates)
    s, y = (np.stack(list(x.values())) for x in (references, estimates))
    expected = 10 * np.log10(np.sum(s**2) / np.sum((s - y) ** 2))
    assert scores["vocals", "SA-SDR"].value == pytest.approx(expected, abs=1e-9)
    assert scores["bass", "SA-SDR"].reason == "reference 'bass' is silent throughout"


@pytest.mark.parametrize("case", ["silent reference", "channels cancel", "silent estimate", "a while"])
def test_the_preset_museval_and_compat_keep_museval_s_rule(evaluate, song, case):
    museval = pytest.importorskip("museval.metrics", exc_type=(ImportError, RuntimeError))
    from mss_bench.compat import museval as compat

    references, estimates = song
    references["bass"] = references["other"][:, ::-1].copy()
    if case == "silent reference":
        references["bass"][:] = 0
    elif case == "channels cancel":
        references["bass"][1] = -references["bass"][0]
    elif case == "silent estimate":
        estimates["bass"][:] = 0
    else:
        references["vocals"][1, :FRAME] = -references["vocals"][0, :FRAME]
        estimates["other"][1, 3 * FRAME :] = -estimates["other"][0, 3 * FRAME :]
    arrays = [np.stack([x[n].T for n in references]) for x in (references, estimates)]
    options = {"window": FRAME, "hop": FRAME, "filters_len": 8}
    ours = score(evaluate, f"bss_eval:{SMALL},filter_length=8,preset=museval", references, estimates)
    values = np.array([[ours[n, q].values for n in references] for q in ("SDR", "ISR", "SIR", "SAR")])
    if case != "a while":
        for module in (museval, compat):
            with pytest.raises(ValueError, match="should be non-silent"):
                module.bss_eval(*arrays, **options)
        assert np.isnan(values).all()
        return
    theirs = np.array(museval.bss_eval(*arrays, **options)[:4])
    assert list(np.isnan(theirs[0, 0])) == [True, True, False, True]
    np.testing.assert_allclose(values, theirs, atol=1e-6)
    np.testing.assert_allclose(np.array(compat.bss_eval(*arrays, **options)[:4]), theirs, atol=1e-6)
