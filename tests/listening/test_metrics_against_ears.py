"""Metrics against ratings: the published correlations, other people's formulas, verdicts, models on what is unseen."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from mss_bench.api import load
from mss_bench.errors import RunError, UnknownNameError
from mss_bench.listening.analysis import compare_systems, summarise
from mss_bench.listening.fit import fit_metrics
from mss_bench.listening.metric_table import Joined, MetricTable, join, metrics_of_csv, metrics_of_run, rating_centres
from mss_bench.listening.metrics_against_ears import agreement, by_kind, ceiling, compare_metrics, verdicts
from mss_bench.listening.screening import screen
from mss_bench.listening.sheets import RatingsError
from mss_bench.stats.correlation import correlations, fisher_mean, meng, monotone_rmse, williams

from .real_ratings import made_ratings, similarity


@pytest.fixture(scope="module")
def published(test_data: Path) -> Joined:
    table = metrics_of_csv(test_data / "listening" / "bss_eval_images_excerpt.csv",
                           columns={"item": "song", "system": "condition"})  # fmt: skip
    return join(similarity(test_data), table)


@pytest.mark.parametrize(
    ("metric", "r", "rho"), [("SDR", 0.859, 0.837), ("SIR", 0.843, 0.865), ("SISDR", 0.781, 0.838)]
)
def test_the_published_correlations_come_out(metric: str, r: float, rho: float, published: Joined) -> None:
    row = agreement(published, draws=100).loc[metric]
    assert row["n"] == 90
    assert row["r"] == pytest.approx(r, abs=0.001)
    assert row["rho"] == pytest.approx(rho, abs=0.001)
    assert (row["n_songs"], row["n_systems"]) == (15, 6)
    own = published.table
    assert row["tau"] == pytest.approx(stats.kendalltau(own[metric], own["rating"]).statistic)
    within = [np.corrcoef(song[metric], song["rating"])[0, 1] for _, song in own.groupby("item")]
    assert row["song_r_mean"] == pytest.approx(np.tanh(np.mean(np.arctanh(within))))
    assert row["song_r_median"] == pytest.approx(np.median(within))
    means = own.groupby("system")[[metric, "rating"]].mean()
    assert row["system_r"] == pytest.approx(means.corr().iloc[0, 1])


def test_screening_moves_sir_as_published(test_data: Path, published: Joined) -> None:
    ratings = similarity(test_data)
    kept = rating_centres(screen(ratings, mid_anchor="Anch2").apply(ratings))
    both = published.table[["item", "system", "SIR"]].merge(kept, on=["item", "system"])
    assert stats.spearmanr(both["SIR"], both["rating"]).statistic == pytest.approx(0.870, abs=0.001)


@given(st.integers(0, 10_000))
def test_weighted_correlations_are_scipys_on_the_resample(seed: int) -> None:
    rng = np.random.default_rng(seed)
    x, y = rng.integers(0, 6, 15).astype(float), rng.integers(0, 6, 15).astype(float)
    times = rng.multinomial(15, np.full(15, 1 / 15))
    if min(np.ptp(np.repeat(x, times)), np.ptp(np.repeat(y, times))) == 0:
        return
    found = correlations(x, y, times[None, :].astype(float))
    drawn = np.repeat(x, times), np.repeat(y, times)
    assert found["r"][0] == pytest.approx(stats.pearsonr(*drawn).statistic)
    assert found["rho"][0] == pytest.approx(stats.spearmanr(*drawn).statistic)
    assert found["tau"][0] == pytest.approx(stats.kendalltau(*drawn).statistic)


def test_what_does_not_spread_has_no_correlation() -> None:
    flat = correlations(np.full(5, 0.1), np.arange(5.0))
    assert all(np.isnan(value[0]) for value in flat.values())


def test_dependent_correlations_are_compared_as_published() -> None:
    # Meng, Rosenthal and Rubin 1992: r .63 and -.03, -.19 between, 15 people: Z = 1.68.
    z, p = meng(0.63, -0.03, -0.19, 15)
    assert (round(z, 2), round(p, 3)) == (1.68, 0.093)
    # R's psych, r.test(n = 103, r12 = .4, r13 = .5, r23 = .1): t = -.89, p < .37
    t, p = williams(0.4, 0.5, 0.1, 103)
    assert (round(t, 2), round(p, 2)) == (-0.89, 0.37)
    assert np.isnan(williams(0.8, 0.8, 1.0, 50)).all()
    assert np.isnan(meng(0.8, 0.8, 1.0, 50)).all()
    assert np.isnan(williams(0.8, 0.2, 0.1, 3)).all()


def test_tests_of_dependent_correlations_hold_their_level() -> None:
    rng = np.random.default_rng(0)
    found = []
    for _ in range(400):
        a, b, y = rng.multivariate_normal(np.zeros(3), [[1, 0.6, 0.5], [0.6, 1, 0.5], [0.5, 0.5, 1]], 60).T
        rs = [np.corrcoef(*pair)[0, 1] for pair in ((a, y), (b, y), (a, b))]
        found.append((williams(*rs, 60)[1], meng(*rs, 60)[1]))
    assert (np.array(found) < 0.05).mean(axis=0) == pytest.approx([0.05, 0.05], abs=0.03)


def test_the_best_metric_is_compared_with_the_others(published: Joined) -> None:
    found = compare_metrics(published, draws=200).set_index("other")
    assert set(found["best"]) == {"SDR"}
    assert found.loc["ISR", "p_williams"] < 0.01
    assert found.loc["SIR", "p_williams"] > 0.05
    assert found.loc["SIR", "low"] < 0 < found.loc["SIR", "high"]
    assert np.isnan(found.loc["SNR", "t"])  # one metric under two names
    assert found.loc["SNR", "r_between"] == pytest.approx(1.0)


def test_monotone_error_and_fishers_mean() -> None:
    x = np.array([1.0, 2, 3, 4])
    assert monotone_rmse(x, np.array([1.0, 10, 100, 1000])) == pytest.approx(0)
    assert monotone_rmse(x, np.array([1.0, 3, 2, 4])) == pytest.approx(np.sqrt(2 * 0.25 / 4))
    assert fisher_mean(np.array([0.5, 0.5, np.nan])) == pytest.approx(0.5)
    assert fisher_mean(np.array([1.0, 1.0])) == pytest.approx(0.99)
    assert np.isnan(fisher_mean(np.array([np.nan])))


EFFECTS = {"bad": -30.0, "fair": 0.0, "good": 30.0}


def _metrics(ratings: pd.DataFrame, **columns) -> MetricTable:
    medians = rating_centres(ratings).set_index(["item", "system"])
    values = pd.DataFrame({name: make(medians["rating"]) for name, make in columns.items()}, index=medians.index)
    return MetricTable(values, frozenset({"error"}), [])


def test_verdicts_tell_good_metrics_from_bad() -> None:
    ratings = made_ratings(EFFECTS, items=8, noise=4.0)
    noise = np.random.default_rng(0)
    joined = join(ratings, _metrics(
        ratings,
        good=lambda r: np.sqrt(r) + noise.normal(0, 0.1, len(r)),
        error=lambda r: 100 - r,
        reversed=lambda r: -r,
        blind=lambda r: noise.normal(size=len(r)),
        half=lambda r: np.maximum(r, 45.0),
    ))  # fmt: skip
    found = {v.metric: v for v in verdicts(joined, compare_systems(ratings, draws=200), draws=500)}
    assert found["good"].answer == "yes"
    assert found["error"].answer == "yes"  # lower is better, and its sign was turned
    assert joined.turned == ["error"]
    assert found["reversed"].answer == "no"
    assert len(found["reversed"].wrong) == 3
    assert "reverses" in found["reversed"].why
    assert found["blind"].answer == "no"
    assert found["half"].answer == "yes"
    table = agreement(joined, draws=100)
    assert table.index[0] == "error"
    assert table.loc["error", "r"] == pytest.approx(1.0)
    assert table.loc["reversed", "rho"] == pytest.approx(-1.0)


def test_a_few_songs_make_nothing_sure() -> None:
    ratings = made_ratings(EFFECTS, items=5, noise=4.0)
    joined = join(ratings, _metrics(ratings, copy=lambda r: r))
    (verdict,) = verdicts(joined, compare_systems(ratings, draws=100), draws=100)
    assert verdict.why == "5 songs are too few to be sure of anything, expected at least 6"
    told = fit_metrics(joined, ratings, draws=100).conclusions
    assert told[0].startswith("5 songs are too few to show that anything generalises to new songs")
    assert told[1].startswith("3 systems are too few")


def test_where_listeners_tell_nothing_apart_no_metric_is_judged() -> None:
    ratings = made_ratings({"a": 0.0, "b": 0.0, "c": 0.0}, seed=3)
    joined = join(ratings, _metrics(ratings, copy=lambda r: r))
    (found,) = verdicts(joined, compare_systems(ratings, draws=200), draws=200)
    assert found.answer == "open"
    assert found.why == "listeners tell no two of these systems apart"


def test_kinds_of_systems_are_held_apart(published: Joined) -> None:
    kinds = {"TAK2": "deep", "UHL3": "deep", "JY3": "deep", "MELO": "other", "REP2": "other"}
    found = by_kind(published, kinds)
    assert list(found) == ["deep", "other"]
    assert set(found["deep"].table["system"]) == {"TAK2", "UHL3", "JY3"}
    # Pooled over both kinds a correlation lives on the distance between them.
    assert agreement(found["deep"], draws=100).loc["ISR", "r"] < 0.6


def test_values_that_are_not_finite_are_left_out_and_counted() -> None:
    ratings = made_ratings(EFFECTS)
    metrics = _metrics(
        ratings, some=lambda r: r.where(r > r.iloc[0], -np.inf), none=lambda r: r * np.nan, flat=lambda r: r * 0
    )
    joined = join(ratings, metrics)
    assert joined.metrics == ["some"]
    assert sum("was left out" in note for note in joined.notes) == 2
    lost = int(np.isinf(joined.table["some"]).sum())
    assert f"some is not finite on {lost} of 18 signals" in " ".join(joined.notes)
    assert agreement(joined, draws=100).loc["some", "n"] == 18 - lost


def test_listeners_own_ceiling(test_data: Path) -> None:
    found = ceiling(similarity(test_data), splits=50)
    assert found["single"] < found["halves"] < found["ceiling"] < 1
    assert found["reliability"] == pytest.approx(2 * found["halves"] / (1 + found["halves"]))
    assert np.isnan(list(ceiling(made_ratings(EFFECTS, listeners=3)).values())).all()


def test_a_fit_generalises_where_something_does(published: Joined, test_data: Path) -> None:
    found = fit_metrics(published, similarity(test_data), draws=300)
    own = found.validation.set_index(["left_out", "model"])
    assert own.loc[("song", "best_linear"), "rmse"] == pytest.approx(12.77, abs=0.01)
    assert own.loc[("song", "all_monotone"), "over_mean_high"] < 0
    assert own.loc[("song", "all_monotone"), "rmse"] < own.loc[("song", "mean"), "rmse"]
    # What is left out is harder where it is a system.
    assert own.loc[("system", "best_linear"), "rmse"] > own.loc[("song", "best_linear"), "rmse"]
    # No system was seen in training: predictions of a straight line, by hand.
    table = published.table
    out = table["system"] == "MDL1"
    slope, offset = np.polyfit(table.loc[~out, "SDR"], table.loc[~out, "rating"], 1)
    expected = (slope * table.loc[out, "SDR"] + offset).clip(0, 100)
    assert found.predictions.loc[out, "system/best_linear"].to_numpy() == pytest.approx(expected.to_numpy())
    weights = found.models["all_monotone"]["weights"]
    assert min(weights.values()) >= 0
    assert any("On new songs" in text for text in found.conclusions)


def test_a_fit_says_honestly_that_nothing_generalises() -> None:
    effects = dict(zip("abcdef", (-20.0, -10.0, 0.0, 5.0, 10.0, 20.0), strict=True))
    ratings = made_ratings(effects, items=8)
    rng = np.random.default_rng(1)
    joined = join(
        ratings, _metrics(ratings, one=lambda r: rng.normal(size=len(r)), two=lambda r: rng.normal(size=len(r)))
    )
    found = fit_metrics(joined, ratings, draws=300)
    told = [text for text in found.conclusions if text.startswith("Nothing is shown to generalise")]
    assert [text.split(":")[0].rpartition(" ")[2] for text in told] == ["songs", "systems"]
    spread = joined.table["rating"].std(ddof=0)
    assert all(f"than the mean rating (error {spread:.1f} points)" in text for text in told)


def test_models_in_the_metrics_own_signs() -> None:
    ratings = made_ratings(EFFECTS, noise=3.0)
    joined = join(ratings, _metrics(ratings, error=lambda r: 100 - r))
    model = fit_metrics(joined, ratings, draws=100).models["best_linear"]
    assert model["weights"] == {"error": pytest.approx(-1.0)}
    assert model["offset"] == pytest.approx(100.0)


def _remixed(ratings: pd.DataFrame) -> pd.DataFrame:
    """Every item twice, as two remixes of its song that were heard alike."""
    items = ratings["item"] + " @10.0"
    twice = [ratings.assign(item=items + gain, trial=items + gain) for gain in (" +6 dB", " -6 dB")]
    return pd.concat(twice, ignore_index=True)


def test_items_of_one_song_are_not_counted_as_new_songs() -> None:
    ratings = made_ratings(EFFECTS, noise=20.0)
    noise = np.random.default_rng(1).normal(0, 20, 18)
    once = join(ratings.assign(item=ratings["item"] + " @10.0"), _metrics(
        ratings.assign(item=ratings["item"] + " @10.0"), m=lambda r: r + noise))  # fmt: skip
    both = _remixed(ratings)
    twice = join(both, _metrics(both, m=lambda r: r + np.repeat(noise.reshape(6, 3), 2, axis=0).ravel()))
    columns = ["r", "r_low", "r_high", "rho_low", "rho_high"]
    rows = [agreement(joined, draws=300).loc["m", columns].to_numpy(dtype=float) for joined in (once, twice)]
    assert rows[1][:3] == pytest.approx(rows[0][:3])
    assert rows[1][3:] == pytest.approx(rows[0][3:], abs=0.02)  # mid-ranks of pairs
    summaries = [summarise(table, draws=200)[["mean_low", "mean_high"]] for table in (ratings, both)]
    assert summaries[1].to_numpy() == pytest.approx(summaries[0].to_numpy())
    # A song that is left out is left out with all of its remixes.
    found = fit_metrics(twice, both, draws=100).predictions
    table = twice.table
    out = table["song"] == "Song 2"
    assert out.sum() == 6
    slope, offset = np.polyfit(table.loc[~out, "m"], table.loc[~out, "rating"], 1)
    expected = (slope * table.loc[out, "m"] + offset).clip(0, 100)
    assert found.loc[out, "song/best_linear"].to_numpy() == pytest.approx(expected.to_numpy())


def test_too_little_for_a_fit_is_said() -> None:
    ratings = made_ratings({"a": 0.0, "b": 10.0})
    joined = join(ratings, _metrics(ratings, copy=lambda r: r))
    with pytest.raises(RatingsError, match="at least 3 systems with metrics and ratings, got 2"):
        fit_metrics(joined, ratings)


def test_metrics_of_a_run_are_taken_over_the_excerpt(finished_run: Path) -> None:
    found = metrics_of_run(finished_run, {"Song 0 @2.0", "Song 1 @1.0"}, "vocals", seconds=3.0)
    assert "over the frames of the excerpt on 2 of 2 items" in found.notes[0]
    frames = load(finished_run).frames
    own = frames[(frames["track"] == "Song 0") & (frames["separator"] == "irm") & (frames["metric"] == "SDR")
                 & (frames["target"] == "vocals")]  # fmt: skip
    own = own[own["group"] == own["group"].iloc[0]]
    inside = own[own["time"].isin([2.0, 3.0, 4.0])]
    assert len(inside) == 3
    assert found.values.loc[("Song 0 @2.0", "irm"), "SDR"] == pytest.approx(inside["value"].median())
    whole = metrics_of_run(finished_run, {"Song 0 @2.0"}, "vocals")
    assert whole.values.loc[("Song 0 @2.0", "irm"), "SDR"] == pytest.approx(own["value"].median())
    # One value a track stands for the excerpt.
    tracks = load(finished_run).tracks
    usdr = tracks[(tracks["track"] == "Song 0") & (tracks["separator"] == "irm") & (tracks["metric"] == "uSDR")
                  & (tracks["target"] == "vocals")]["value"].iloc[0]  # fmt: skip
    assert found.values.loc[("Song 0 @2.0", "irm"), "uSDR"] == pytest.approx(usdr)


def test_a_metric_that_is_not_defined_in_the_excerpt_has_no_value_there(finished_run: Path, tmp_path: Path) -> None:
    shutil.copytree(finished_run, tmp_path / "run", ignore=shutil.ignore_patterns("estimates"))
    file = tmp_path / "run" / "frames.parquet"
    frames = pd.read_parquet(file)
    frames.loc[(frames["metric"] == "SIR") & (frames["time"] < 3), "value"] = np.nan
    frames.to_parquet(file)
    info = file.with_name("run.json")  # which vouches for the tables that the run wrote
    content = json.loads(info.read_text()) | {"tables_of": ""}
    content.pop("checksum", None)
    info.write_text(json.dumps(content))
    found = metrics_of_run(tmp_path / "run", {"Song 0 @0.0"}, "vocals", seconds=3.0).values
    assert found["SIR"].isna().all()  # not that of the whole track
    assert found["SDR"].notna().all()


def test_runs_that_do_not_fit_are_refused(finished_run: Path, tmp_path: Path) -> None:
    with pytest.raises(RatingsError, match="has none of the items that were rated"):
        metrics_of_run(finished_run, {"Song 9 @1"}, "vocals")
    with pytest.raises(RatingsError, match="the ratings do not say which was heard"):
        metrics_of_run(finished_run, {"Song 0"}, "")
    with pytest.raises(UnknownNameError, match="unknown target of"):
        metrics_of_run(finished_run, {"Song 0"}, "vocal")
    with pytest.raises(RunError, match="is not a run folder"):
        metrics_of_run(tmp_path, {"Song 0"}, "vocals")


@pytest.mark.parametrize(
    ("text", "options", "message"),
    [
        ("song,system,SDR\nS,a,1\n", {}, "has no column 'item' for the item; it has song, system, SDR"),
        ("item,system\nS,a\n", {}, "holds no metric"),
        ('item,system,sdr\nS,a,"3,5"\n', {}, "sdr is '3,5', expected a number; write it with a decimal point"),
        ("item,system,kind\nS,a,deep\n", {}, "holds no metric"),
        ("item,system,SDR\nS,a,1\nS,a,2\n", {}, "csv:3: a of S is there twice"),
        ("item,system,SDR\nS,a,1\n", {"lower_is_better": ["SIR"]}, "unknown metric in"),
        ("item,system,target,SDR\nS,a,bass,1\n", {"target": "vocals"}, "unknown target of .*known: bass"),
    ],
)
def test_tables_of_metrics_that_do_not_fit_are_refused(text: str, options, message: str, tmp_path: Path) -> None:
    (tmp_path / "m.csv").write_text(text)
    with pytest.raises((RatingsError, UnknownNameError), match=message):
        metrics_of_csv(tmp_path / "m.csv", **options)


def test_names_that_do_not_meet_are_shown(tmp_path: Path) -> None:
    (tmp_path / "m.csv").write_text("item,system,SDR\nOther song,a,1\n")
    with pytest.raises(RatingsError, match=r"0 of 18 rated signals .* Rated is e\.g\. 'bad' of 'Song 0', measured 'a'"):
        join(made_ratings(EFFECTS), metrics_of_csv(tmp_path / "m.csv"))
