"""Agreement: published examples, other people's formulas, replicates of the real test."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mss_bench.errors import UnknownNameError
from mss_bench.listening.ratings import build_ratings
from mss_bench.listening.reliability import (
    alpha_of_songs,
    concordance,
    consistency_of_listeners,
    icc,
    krippendorff_alpha,
    rating_units,
    replicate_pairs,
)
from mss_bench.listening.sheets import RatingsError

from .real_ratings import similarity

NAN = np.nan
# K. Krippendorff, "Computing Krippendorff's alpha-reliability", 2011, section C: four observers, twelve units.
TEXTBOOK = np.array([
    [1, 2, 3, 3, 2, 1, 4, 1, 2, NAN, NAN, NAN],
    [1, 2, 3, 3, 2, 2, 4, 1, 2, 5, NAN, 3],
    [NAN, 3, 3, 3, 2, 3, 4, 2, 2, 5, 1, NAN],
    [1, 2, 3, 3, 2, 4, 4, 1, 2, 5, 1, NAN],
]).T  # fmt: skip

# P. E. Shrout, J. L. Fleiss, Psychological Bulletin 86, 1979, table 2: six targets, four judges.
SHROUT_FLEISS = np.array(
    [[9, 2, 5, 8], [6, 1, 3, 2], [8, 4, 6, 8], [7, 1, 2, 6], [10, 5, 6, 9], [6, 2, 4, 7]], dtype=float
)


@pytest.mark.parametrize(
    ("level", "alpha"), [("nominal", 0.743), ("ordinal", 0.815), ("interval", 0.849), ("ratio", 0.797)]
)
def test_alpha_is_that_of_the_textbook(level: str, alpha: float) -> None:
    assert krippendorff_alpha(TEXTBOOK, level) == pytest.approx(alpha, abs=5e-4)


def test_icc_is_that_of_shrout_and_fleiss() -> None:
    single, mean = icc(SHROUT_FLEISS), icc(SHROUT_FLEISS, average=True)
    assert (round(single.value, 2), round(mean.value, 2)) == (0.29, 0.62)
    # The interval as R's psych prints it for the same table.
    assert (round(single.low, 3), round(single.high, 2)) == (0.019, 0.76)
    assert (round(mean.low, 3), round(mean.high, 2)) == (0.071, 0.93)


def test_one_mind_agrees_fully_and_chance_not_at_all() -> None:
    units = np.repeat(np.arange(20.0)[:, None], 5, axis=1)
    for level in ("nominal", "ordinal", "interval", "ratio"):
        assert krippendorff_alpha(units, level) == pytest.approx(1.0)
    assert icc(units).value == pytest.approx(1.0)
    noise = np.random.default_rng(0).uniform(size=(300, 6))
    assert krippendorff_alpha(noise, "interval") == pytest.approx(0, abs=0.05)
    assert icc(noise).value == pytest.approx(0, abs=0.05)


@given(st.integers(0, 10_000))
def test_interval_alpha_is_that_of_all_pairs(seed: int) -> None:
    rng = np.random.default_rng(seed)
    units = rng.integers(0, 6, (7, 4)).astype(float)
    units[rng.random(units.shape) < 0.2] = NAN
    units[0] = [1, 2, 3, 4]
    rated = [row[~np.isnan(row)] for row in units if (~np.isnan(row)).sum() > 1]
    every = np.concatenate(rated)
    observed = sum(((r[:, None] - r) ** 2).sum() / (r.size - 1) for r in rated) / every.size
    expected = ((every[:, None] - every) ** 2).sum() / (every.size * (every.size - 1))
    assert krippendorff_alpha(units) == pytest.approx(1 - observed / expected)


def test_levels_do_not_compare(test_data: Path) -> None:
    units = rating_units(similarity(test_data)).to_numpy()
    alphas = {level: krippendorff_alpha(units, level) for level in ("ordinal", "interval", "ratio")}
    assert alphas["interval"] - alphas["ratio"] == pytest.approx(0.20, abs=0.01)
    everything = rating_units(similarity(test_data), everything=True).to_numpy()
    assert krippendorff_alpha(everything) > alphas["interval"] + 0.15  # references and anchors are easy


def test_replicates_stand_beside_their_originals(test_data: Path) -> None:
    pairs = replicate_pairs(similarity(test_data))
    assert len(pairs) == 24 * 9
    one = pairs[(pairs["listener"] == "L01") & (pairs["system"] == "TAK2")]
    assert one[["first", "again"]].to_numpy().tolist() == [[87.0, 90.0]]
    tested = pairs[pairs["role"] == "test"]
    found = concordance(tested["first"].to_numpy(), tested["again"].to_numpy())
    assert found.low < found.value < found.high
    assert found.value == pytest.approx(0.752, abs=0.001)


def test_alpha_of_each_song_is_that_of_the_package_krippendorff(test_data: Path) -> None:
    songs = alpha_of_songs(similarity(test_data))
    # krippendorff 0.9.0, alpha(level_of_measurement="interval") of the same ratings, replicates averaged
    package = {
        "The Sunshine Garcia Band - For I Am The Moon": 0.28256923714860527,
        "Side Effects Project - Sing With Me": 0.3349192979642206,
        "Georgia Wonder - Siren": 0.5458141543901991,
        "BKS - Bulldozer": 0.6352234459701194,
        "M_E_R_C Music - Knockout": 0.6554307813895813,
    }
    assert songs.loc[list(package), "alpha"].to_list() == pytest.approx(list(package.values()), abs=1e-12)
    assert songs.index[0] == next(iter(package))
    assert (len(songs), set(songs["n"]), set(songs["listeners"])) == (15, {6}, {24})


def test_each_listener_stands_beside_themselves(test_data: Path) -> None:
    table = consistency_of_listeners(similarity(test_data))
    assert set(table.index[:4]) == {"L08", "L10", "L11", "L17"}  # three of them are those whom screening excludes
    # By hand, after Lin 1989 (variances over n): means 2 and 4, variances 8/3 and 26/3, covariance 14/3.
    scores = {"first": (0, 2, 4), "again": (1, 3, 8)}
    rows = [
        {"listener": who, "item": f"Song {k}", "system": "a", "score": float(score + shift), "order": order,
         "replicate": order > 2}
        for who, shift in (("Ann", 0), ("Ben", 20))
        for place, (name, values) in enumerate(scores.items())
        for k, score in enumerate(values) if (who, name, k) != ("Ben", "again", 2)
        for order in [3 * place + k]
    ]  # fmt: skip
    made = consistency_of_listeners(build_ratings(rows, ["row"] * len(rows)))
    assert made.loc["Ann", "ccc"] == pytest.approx(28 / 3 / (34 / 3 + 4))
    assert made.loc["Ann", "low"] < made.loc["Ann", "ccc"] < made.loc["Ann", "high"]
    assert np.isnan(made.loc["Ben", "ccc"])  # two pairs tell nothing
    assert made["n"].to_dict() == {"Ann": 3, "Ben": 2}
    once = [row for row in rows if not row["replicate"]]
    assert consistency_of_listeners(build_ratings(once, ["row"] * len(once))).empty


def test_a_song_of_one_signal_has_no_alpha() -> None:
    rows = [{"listener": who, "item": item, "system": system, "score": score}
            for who, score in (("Ann", 10.0), ("Ben", 30.0), ("Cem", 20.0))
            for item, system in (("Song A @1.0", "a"), ("Song A @9.0", "a"), ("Song B", "a"))]  # fmt: skip
    songs = alpha_of_songs(build_ratings(rows, ["row"] * len(rows)))
    assert songs["n"].to_dict() == {"Song A": 2, "Song B": 1}  # excerpts of one song stand together
    assert np.isfinite(songs.loc["Song A", "alpha"])
    assert np.isnan(songs.loc["Song B", "alpha"])


def test_concordance_punishes_what_correlation_forgives() -> None:
    first = np.linspace(0, 100, 40)
    assert concordance(first, first).value == pytest.approx(1.0)
    moved = concordance(first, first + 20)
    expected = 2 * first.var() / (2 * first.var() + 400)
    assert moved.value == pytest.approx(expected)
    assert concordance(first, -first).value == pytest.approx(-2 * first.var() / (2 * first.var() + 100**2))
    assert np.isnan(concordance(first, np.full(40, 50.0)).value)


def test_concordance_intervals_cover() -> None:
    rng = np.random.default_rng(0)
    truth, covered = 2 * 0.8 / (1 + 1 + 0.3**2), 0
    for _ in range(300):
        first, again = rng.multivariate_normal([0, 0.3], [[1, 0.8], [0.8, 1]], 60).T
        found = concordance(first, again)
        covered += found.low <= truth <= found.high
    assert covered / 300 == pytest.approx(0.95, abs=0.03)


def test_what_cannot_be_had_is_said() -> None:
    with pytest.raises(UnknownNameError, match="unknown level of measurement 'rank'"):
        krippendorff_alpha(TEXTBOOK, "rank")
    with pytest.raises(RatingsError, match="something that two listeners rated"):
        krippendorff_alpha(np.array([[1.0, NAN]]))
    with pytest.raises(RatingsError, match="from 0 up, got -1"):
        krippendorff_alpha(np.array([[-1.0, 2.0]]), "ratio")
    with pytest.raises(RatingsError, match=r"complete table .* got 12 x 4 with 7 gaps"):
        icc(TEXTBOOK)
    assert np.isnan(krippendorff_alpha(np.ones((3, 3))))
