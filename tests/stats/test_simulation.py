"""Five percent means five percent: every default that prints a verdict or an interval, on drawn songs of SiSEC 2018.

Songs are drawn with replacement from the 50 of SiSEC 2018. Methods are made equal by swapping their scores within a
song at random, which leaves everything else of real scores (skew, songs that are hard for all, outliers at -40 dB) as
it is. ``MSS_BENCH_SIMULATION_DRAWS`` sets the number of draws; 2000 take some minutes.
"""

from __future__ import annotations

import math
import os

import numpy as np
import pandas as pd
import pytest

from mss_bench.core.arrays import Floats
from mss_bench.stats.intervals import differences, intervals
from mss_bench.stats.significance import posthoc
from mss_bench.stats.verdicts import Verdict, family

pytestmark = pytest.mark.slow

DRAWS = int(os.environ.get("MSS_BENCH_SIMULATION_DRAWS", "150"))
ORACLES = ["IBM1", "IBM2", "IRM1", "IRM2", "MWF"]


@pytest.fixture(scope="module")
def scores(vocals: pd.DataFrame) -> Floats:
    """Scores of 50 songs by 25 methods, the best first."""
    methods = vocals.drop(columns=[*ORACLES, "MIX"])
    return methods[methods.median().sort_values(ascending=False).index].to_numpy()


def drawn(scores: Floats, n: int, equal: list[int], rng: np.random.Generator) -> pd.DataFrame:
    """Draw songs, the scores of some methods shuffled among them within each song."""
    songs = scores[rng.integers(0, len(scores), n)]
    songs[:, equal] = rng.permuted(songs[:, equal], axis=1)
    return pd.DataFrame(songs, columns=[f"m{i}" for i in range(songs.shape[1])])


def at_most(share: float, nominal: float = 0.05) -> bool:
    """Whether a share of `DRAWS` is no more than nominal, but for the error of the simulation."""
    return share <= nominal + 2.5 * math.sqrt(nominal * (1 - nominal) / DRAWS)


@pytest.mark.parametrize("n", [6, 14, 50, 60])
def test_equal_methods_are_told_apart_as_rarely_as_said(scores: Floats, n: int) -> None:
    rng = np.random.default_rng(n)
    alone = within = best_out = not_covered = 0
    for _ in range(DRAWS):
        found = family(drawn(scores, n, [0, 1], rng))
        pair = found.pair("m0", "m1")
        alone += pair.alone is Verdict.TOLD_APART
        within += pair.verdict is Verdict.TOLD_APART
        not_covered += not pair.low <= 0 <= pair.high
        best_out += bool(found.may_be_best) and "m0" not in found.may_be_best  # m0 and m1 are the best
    assert at_most(alone / DRAWS)
    assert at_most(within / DRAWS)
    assert at_most(not_covered / DRAWS)
    assert at_most(best_out / DRAWS)
    assert n >= 14 or within == 0


@pytest.mark.parametrize(("m", "equal"), [(12, 12), (25, 12)])
@pytest.mark.parametrize("test", ["wilcoxon", "maxt"])
def test_a_family_has_a_false_verdict_in_one_of_twenty_tables_at_most(
    scores: Floats, m: int, equal: int, test: str
) -> None:
    rng = np.random.default_rng(m)
    draws = DRAWS if test == "wilcoxon" else DRAWS // 5
    wrong = 0
    for _ in range(draws):
        p = posthoc(drawn(scores[:, :m], 20, [*range(equal)], rng), test).to_numpy()[:equal, :equal]
        wrong += bool((p < 0.05).any())
    assert at_most(wrong / draws)


def test_the_simulation_finds_out_a_test_that_is_wrong(scores: Floats) -> None:
    """Conover's test calls equal methods different beside ten that are worse by the same on every song."""
    rng = np.random.default_rng(0)
    worse = scores.mean(axis=1, keepdims=True) - 20.0 * np.arange(1, 11)
    tables = [drawn(np.hstack([scores[:, :2], worse]), 50, [0, 1], rng) for _ in range(100)]
    assert sum(posthoc(table, "conover").loc["m0", "m1"] < 0.05 for table in tables) > 20  # at a nominal 5 %
    assert sum(posthoc(table).loc["m0", "m1"] < 0.05 for table in tables) <= 12


@pytest.mark.parametrize("n", [6, 10, 20, 50])
def test_intervals_cover_the_medians_of_all_songs(scores: Floats, n: int) -> None:
    rng = np.random.default_rng(n)
    truth = np.median(scores, axis=0)
    first, second = np.triu_indices(len(scores))
    apart = scores[:, 0] - scores[:, 2]
    typical = np.median((apart[first] + apart[second]) / 2)
    missed, missed_typical = 0.0, 0
    for _ in range(DRAWS):
        songs = drawn(scores, n, [], rng)
        found = intervals(songs)
        missed += 1 - ((found["low"] <= truth) & (truth <= found["high"])).mean()
        row = differences(songs, pairs=[("m0", "m2")]).iloc[0]
        missed_typical += not row["low"] - 1e-9 <= typical <= row["high"] + 1e-9
    assert at_most(missed / DRAWS)
    assert at_most(missed_typical / DRAWS, 0.06)
