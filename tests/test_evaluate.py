"""`mss_bench.evaluate`: arrays in, two tables out, and one clear error for whatever is wrong."""

from __future__ import annotations

import re

import numpy as np
import pytest

import mss_bench
from mss_bench.errors import AudioError, ConfigError, UnknownNameError
from mss_bench.evaluation import AGGREGATE_COLUMNS, FRAME_COLUMNS
from mss_bench.metrics import Metric, Quantity, Score

RATE = 8000
FAST = ["bss_eval:window=0.5,hop=0.5,filter_length=16", "usdr"]


def stems(names=("vocals", "drums"), channels=2, seconds=1.1, seed=0, dtype=np.float64):
    rng = np.random.default_rng(seed)
    return {n: (0.1 * rng.standard_normal((channels, round(seconds * RATE)))).astype(dtype) for n in names}


def noisy(references, seed=1):
    rng = np.random.default_rng(seed)
    return {n: (a + 0.02 * rng.standard_normal(a.shape)).astype(a.dtype) for n, a in references.items()}


def stacked(signals):
    return np.stack(list(signals.values()))


@pytest.fixture(scope="module")
def scored():
    references = stems()
    return mss_bench.evaluate(references, noisy(references), RATE, FAST)


def test_tables_have_their_columns_and_rows(scored):
    assert dict(scored.frames.dtypes.astype(str)) == FRAME_COLUMNS
    assert dict(scored.aggregate.dtypes.astype(str)) == AGGREGATE_COLUMNS
    assert len(scored.frames) == 2 * 4 * 2  # targets, quantities, frames
    assert len(scored.aggregate) == 2 * (4 + 1)
    first = scored.frames.query("target == 'drums' and metric == 'SIR'")
    assert first["frame"].tolist() == [0, 1]
    assert first["time"].tolist() == [0.0, 0.5]
    assert first["duration"].tolist() == [0.5, 0.5]


def test_the_aggregate_is_the_median_over_frames(scored):
    medians = scored.frames.groupby(["target", "metric"])["value"].median()
    for row in scored.aggregate.query("metric != 'uSDR'").itertuples():
        assert row.value == pytest.approx(medians[row.target, row.metric])
        assert (row.n_frames, row.n_valid, row.n_inf, row.flags, row.reason) == (2, 2, 0, "", "")
    whole = scored.aggregate.query("metric == 'uSDR'")
    assert whole["n_frames"].tolist() == [1, 1]
    assert whole["value"].to_numpy() == pytest.approx([20 * np.log10(5)] * 2, abs=0.3)


def test_it_prints_as_a_table(scored):
    assert re.search(r"SDR\s+v4.*\n.*ISR", repr(scored))
    assert "vocals" in repr(scored)


def test_arrays_and_dicts_and_mono_without_channels_are_one():
    references = stems(channels=1)
    estimates = noisy(references)
    expected = mss_bench.evaluate(references, estimates, RATE, ["usdr"]).aggregate["value"].tolist()
    flat = [{n: a[0] for n, a in x.items()} for x in (references, estimates)]
    for forms in ((stacked(references), stacked(estimates)), flat, (stacked(flat[0]), stacked(flat[1]))):
        assert mss_bench.evaluate(*forms, RATE, ["usdr"]).aggregate["value"].tolist() == expected
    named = mss_bench.evaluate(stacked(references), stacked(estimates), RATE, ["usdr"])
    assert named.aggregate["target"].tolist() == ["source 0", "source 1"]


def test_inputs_stay_as_they_are_and_float32_is_taken():
    references = stems(dtype=np.float32)
    estimates = noisy(references)
    before = [a.copy() for x in (references, estimates) for a in x.values()]
    mss_bench.evaluate(references, estimates, RATE, FAST)
    for old, new in zip(before, [*references.values(), *estimates.values()], strict=True):
        np.testing.assert_array_equal(old, new)


def test_every_reference_counts_whichever_was_estimated():
    references = stems()
    estimates = noisy(references)
    both = mss_bench.evaluate(references, estimates, RATE, FAST).aggregate.query("target == 'vocals'")
    one = mss_bench.evaluate(references, {"vocals": estimates["vocals"]}, RATE, FAST).aggregate
    assert one["value"].to_numpy() == pytest.approx(both["value"].to_numpy(), abs=1e-9)


def test_names_of_estimates_are_mapped_as_everywhere():
    rng = np.random.default_rng(0)
    six = {name: rng.standard_normal((2, 4000)) for name in ("vocals", "drums", "guitar", "other")}
    stems = {"vocals": six["vocals"], "drums": six["drums"], "other": six["guitar"] + six["other"]}
    given = {"other": ["guitar", "other"], "drums": "mixture - vocals - other"}
    assert mss_bench.evaluate(stems, six, 8000, ["usdr"], map=given).aggregate["value"].min() > 100
    with pytest.raises(ConfigError, match="there is no stem 'gitar'; did you mean 'guitar'"):
        mss_bench.evaluate(stems, six, 8000, ["usdr"], map="other=gitar+other")
    with pytest.raises(AudioError, match="estimate 'guitar'"):
        mss_bench.evaluate(stems, six | {"guitar": six["guitar"][:, 1:]}, 8000, ["usdr"], map=given)


def test_metrics_are_specs_mappings_or_objects():
    class Peak(Metric):
        """The estimate's peak, or the mixture's."""

        name = "peak"
        quantities = (Quantity("peak", "", False, "max |y|"), Quantity("mix", "", False, "max |x|"))

        def prepare(self, track, group):
            return track

        def score(self, state, estimates):
            rows = [Score(t, "peak", np.array([np.abs(a).max()])) for t, a in estimates.items()]
            return rows + [Score(t, "mix", np.array([np.abs(state.mixture).max()])) for t in estimates]

    references = stems()
    chosen = [{"name": "usdr", "delta": 0.5}, "si_sdr", Peak()]
    table = mss_bench.evaluate(references, references, RATE, chosen).aggregate
    assert list(dict.fromkeys(table["metric"])) == ["uSDR", "SI-SDR", "peak", "mix"]
    mixture = table.set_index(["target", "metric"])["value"]["drums", "mix"]
    assert mixture == pytest.approx(np.abs(references["vocals"] + references["drums"]).max())
    loud = np.full((2, 8800), 2.0)
    table = mss_bench.evaluate(references, references, RATE, [Peak()], mixture=loud).aggregate
    assert table.set_index(["target", "metric"])["value"]["drums", "mix"] == 2.0


def test_perfect_frames_are_counted():
    references = stems()
    table = mss_bench.evaluate(references, references, RATE, FAST[0]).aggregate
    assert np.isposinf(table["value"]).all()
    assert table["n_inf"].tolist() == [2] * 8


def test_a_lone_source_has_no_sir():
    references = stems(["vocals"])
    table = mss_bench.evaluate(references, noisy(references), RATE, FAST).aggregate.set_index("metric")
    assert np.isnan(table.value["SIR"])
    assert table.reason["SIR"] == "SIR is undefined: there is no other reference"
    assert np.isfinite(table.value["SDR"])


def test_nan_spoils_its_own_estimate_only():
    references = stems()
    estimates = noisy(references)
    estimates["drums"][1, 30] = np.nan
    table = mss_bench.evaluate(references, estimates, RATE, FAST).aggregate.set_index(["target", "metric"])
    assert table.reason["drums", "SDR"] == "estimate 'drums' holds nan at channel 1, sample 30"
    assert table.value["drums"].isna().all()
    assert table.value["vocals"].notna().all()
    assert table.n_valid["drums", "SDR"] == 0


GOOD = stems()
ARRAY = stacked(GOOD)


def changed(**arrays):
    return GOOD | arrays


def with_nan(array):
    array = array.copy()
    array[1, 3] = np.inf
    return array


@pytest.mark.parametrize(
    ("references", "estimates", "options", "error", "message"),
    [
        (ARRAY.swapaxes(1, 2), ARRAY.swapaxes(1, 2), {}, AudioError, "other way round"),
        (ARRAY[0].T, ARRAY[0].T, {}, AudioError, "(sources, samples)"),
        (changed(vocals=GOOD["vocals"].T), GOOD, {}, AudioError, "reference 'vocals' has shape (8800, 2)"),
        (ARRAY, ARRAY[:1], {}, AudioError, "2 references and 1 estimates"),
        (ARRAY, GOOD, {}, AudioError, "a dict and an array"),
        ([GOOD["vocals"]], ARRAY, {}, AudioError, "references are a list"),
        (ARRAY[np.newaxis], ARRAY, {}, AudioError, "references have shape (1, 2, 2, 8800)"),
        (GOOD, {"vocals": [0.0, 1.0]}, {}, AudioError, "estimate 'vocals' is a list"),
        (GOOD, {"vocals": GOOD["vocals"][:, :-1]}, {}, AudioError, "estimate 'vocals' has 2 channels and 8799 samples"),
        (GOOD, {"vocals": GOOD["vocals"][0]}, {}, AudioError, "estimate 'vocals' has 1 channels"),
        (changed(drums=GOOD["drums"][:1]), GOOD, {}, AudioError, "reference 'drums' has 1 channels"),
        (GOOD, {"piano": GOOD["drums"]}, {}, AudioError, "estimates of ['piano']"),
        (GOOD, {}, {}, AudioError, "estimates of nothing"),
        ({}, {}, {}, AudioError, "no references"),
        (GOOD, {"drums": (9 * GOOD["drums"]).astype(np.int16)}, {}, AudioError, "estimate 'drums' is of int16"),
        (changed(drums=with_nan(GOOD["drums"])), GOOD, {}, AudioError, "'drums' holds inf at channel 1, sample 3"),
        ({n: a[:, :0] for n, a in GOOD.items()}, GOOD, {}, AudioError, "0 samples"),
        (GOOD, GOOD, {"mixture": GOOD["drums"][:1]}, AudioError, "the mixture has 1 channels"),
        (GOOD, GOOD, {"mixture": with_nan(GOOD["drums"])}, AudioError, "the mixture holds inf"),
        (GOOD, GOOD, {"mixture": np.ones((2, 8800), dtype=int)}, AudioError, "the mixture is of int64"),
        (GOOD, GOOD, {"sample_rate": 0}, ConfigError, "sample_rate is 0"),
        (GOOD, GOOD, {"sample_rate": 44100.0}, ConfigError, "sample_rate is 44100.0"),
        (GOOD, GOOD, {"metrics": []}, ConfigError, "no metric was given"),
        (GOOD, GOOD, {"metrics": ["usdr", "usdr"]}, ConfigError, "metrics usdr and usdr both report uSDR"),
        (GOOD, GOOD, {"metrics": ["usrd"]}, UnknownNameError, "did you mean 'uSDR'"),
        (GOOD, GOOD, {"metrics": ["usdr:gamma=1"]}, UnknownNameError, "has no parameter"),
    ],
)
def test_what_is_wrong_is_named(references, estimates, options, error, message):
    with pytest.raises(error, match=re.escape(message)):
        mss_bench.evaluate(references, estimates, **{"sample_rate": RATE, "metrics": FAST} | options)
