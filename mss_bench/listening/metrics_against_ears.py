"""Can a metric rank these systems? Metrics held against the medians of a listening test.

Three questions have three answers: *pooled* over songs and systems, a correlation profits from some songs being easy
for all; *within a song* it tells whether the metric ranks the systems as the listeners did there; over *system means*
it says whether the leaderboard would be the listeners'. Hidden references and anchors take no part: with them PEASS'
correlation rose from 0.50 to 0.85 in a published test [1]_ [2]_.

References
----------
.. [1] D. Ward, H. Wierstorf, R. Mason, E. Grais, M. Plumbley, "BSS Eval or PEASS? Predicting the perception of
   singing-voice separation", Proc. ICASSP, 2018.
.. [2] E. Cano, D. FitzGerald, K. Brandenburg, "Evaluation of quality of sound source separation algorithms: human
   perception vs quantitative metrics", Proc. EUSIPCO, 2016.
.. [3] M. G. Kendall, "The treatment of ties in ranking problems", Biometrika 33, 1945.
.. [4] E. J. Williams, "The comparison of regression variables", J. R. Stat. Soc. B 21, 1959.
.. [5] X.-L. Meng, R. Rosenthal, D. B. Rubin, "Comparing correlated correlation coefficients", Psychological Bulletin
   111, 1992.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from mss_bench.listening.analysis import SystemTests
from mss_bench.listening.bootstrap import FEWEST, cluster_weights, draw_counts, percentile_interval
from mss_bench.listening.metric_table import Joined
from mss_bench.listening.reliability import rating_units
from mss_bench.stats.significance import correct
from mss_bench.stats.units import Floats

if TYPE_CHECKING:
    import pandas as pd

__all__ = [
    "COEFFICIENTS", "Verdict", "agreement", "by_kind", "ceiling", "compare_metrics", "correlations", "fisher_mean",
    "meng", "monotone_rmse", "pooled_rho", "verdicts", "williams",
]  # fmt: skip

COEFFICIENTS = {"r": "Pearson's r", "rho": "Spearman's rho", "tau": "Kendall's tau-b"}
"""Correlations and what they are, in words."""

_FEWEST = 4  # systems in a song of which a correlation is taken: of three, a rank correlation has four values
_ALPHA = 0.05
_NEARLY = 0.99  # correlations beyond it have no finite Fisher's z of use


@dataclass(frozen=True)
class Verdict:
    """Whether a metric ranks the systems as listeners do.

    Parameters
    ----------
    metric : str
    answer : str
        ``yes``: every pair of systems that listeners tell apart has the same order, surely; ``partly``: no more than
        a sixth of those pairs is reversed, and two thirds are surely right; ``no``; or ``open``, where listeners tell
        no pair apart, or the songs are fewer than `mss_bench.listening.bootstrap.FEWEST`.
    right, unsure, wrong : list of (str, str)
        Pairs that listeners tell apart, the better first: those that the metric orders alike, with an interval over
        songs that leaves out 0; those whose interval holds 0; and those that it surely reverses.
    songs : int
        Over which intervals were taken.
    """

    metric: str
    answer: str
    right: list[tuple[str, str]]
    unsure: list[tuple[str, str]]
    wrong: list[tuple[str, str]]
    songs: int = FEWEST

    @property
    def why(self) -> str:
        """Return what the answer goes by, in words."""
        asked = len(self.right) + len(self.unsure) + len(self.wrong)
        if not asked:
            return "listeners tell no two of these systems apart"
        if self.answer == "open":
            return f"{self.songs} songs are too few to be sure of anything, expected at least {FEWEST}"
        text = f"orders {len(self.right)} of {asked} pairs as listeners do"
        for what, pairs in (("cannot tell", self.unsure), ("reverses", self.wrong)):
            if pairs:
                text += f"; {what} " + ", ".join(f"{better} > {worse}" for better, worse in pairs)
        return text


def agreement(joined: Joined, *, draws: int = 2000, seed: int = 0) -> pd.DataFrame:
    """Measure how each metric agrees with the ratings.

    Parameters
    ----------
    joined : Joined
    draws, seed : int
        Of the bootstrap, which resamples songs.

    Returns
    -------
    DataFrame
        Index metric, the highest pooled rho first. ``n``; for c in r, rho, tau: ``c``, ``c_low``, ``c_high`` pooled,
        ``song_c_mean`` (by Fisher's z) and ``song_c_median`` within songs, ``system_c`` of system means; ``rmse`` after
        the best monotone fit; ``n_songs`` that have at least 4 systems, ``n_systems``.
    """
    import pandas as pd

    rows = {metric: _row(joined, metric, draws, seed) for metric in joined.metrics}
    table = pd.DataFrame.from_dict(rows, orient="index").rename_axis("metric")
    return table.sort_values(["rho", "r"], ascending=False, kind="stable")


def _row(joined: Joined, metric: str, draws: int, seed: int) -> dict[str, float]:
    import pandas as pd

    own = _finite(joined, metric)
    x, y = own[metric].to_numpy(dtype=np.float64), own["rating"].to_numpy(dtype=np.float64)
    item, items = pd.factorize(own["item"])
    # Whole songs are resampled, for signals of one song are not independent.
    weights = cluster_weights(pd.factorize(own["song"])[0], draws, seed)
    pooled, drawn = correlations(x, y), correlations(x, y, weights)
    within: dict[str, list[float]] = {name: [] for name in COEFFICIENTS}
    for number in range(len(items)):
        at = item == number
        if at.sum() >= _FEWEST:
            for name, value in correlations(x[at], y[at]).items():
                within[name].append(float(value[0]))
    # A mean over songs compares systems where all have the same songs; of two systems r is always 1 or -1.
    means = own.pivot(index="item", columns="system", values=metric).dropna().mean()
    heard = own.pivot(index="item", columns="system", values="rating").dropna().mean()
    of_systems = correlations(means.to_numpy(), heard.to_numpy()) if len(means) > 2 else {}
    row: dict[str, float] = {"n": x.size, "n_songs": len(within["r"]), "n_systems": len(means)}
    for name in COEFFICIENTS:
        row[name] = float(pooled[name][0])
        row[f"{name}_low"], row[f"{name}_high"] = percentile_interval(drawn[name])
        values = np.array(within[name])
        row[f"song_{name}_mean"] = fisher_mean(values)
        row[f"song_{name}_median"] = float(np.nanmedian(values)) if np.isfinite(values).any() else math.nan
        row[f"system_{name}"] = float(of_systems[name][0]) if of_systems else math.nan
    return row | {"rmse": monotone_rmse(x, y)}


def pooled_rho(joined: Joined) -> dict[str, float]:
    """Return the pooled rho of each metric alone."""
    finite = {name: _finite(joined, name) for name in joined.metrics}
    return {name: float(correlations(*_columns(own, name, "rating"))["rho"][0]) for name, own in finite.items()}


def _finite(joined: Joined, *metrics: str) -> pd.DataFrame:
    finite = np.isfinite(joined.table[list(metrics)].to_numpy(dtype=np.float64)).all(axis=1)
    table: pd.DataFrame = joined.table[finite]
    return table


def compare_metrics(joined: Joined, *, draws: int = 2000, seed: int = 0) -> pd.DataFrame:
    """Compare the metric with the highest pooled r with each other, on the points that both have.

    Parameters
    ----------
    joined, draws, seed
        As for `agreement`.

    Returns
    -------
    DataFrame
        ``best``, ``other``, ``n``, ``r_best``, ``r_other``, ``r_between``; ``t`` and ``p_williams`` of r, ``z`` and
        ``p_meng`` of rho (both as if points were independent, p after Holm); ``low`` and ``high`` of the difference of
        r over resampled songs, which does not suppose that.
    """
    import pandas as pd

    pooled = {m: float(correlations(*_columns(_finite(joined, m), m, "rating"))["r"][0]) for m in joined.metrics}
    # Only the best is compared, which is what one asks; the search for it makes its lead look larger than it is.
    first = max(pooled, key=lambda name: pooled[name])
    rows = []
    for other in joined.metrics:
        if other == first:
            continue
        own = _finite(joined, first, other)
        x, z, y = _columns(own, first, other, "rating")
        a, b, ab = correlations(x, y), correlations(z, y), correlations(x, z)
        weights = cluster_weights(pd.factorize(own["song"])[0], draws, seed)
        apart = correlations(x, y, weights)["r"] - correlations(z, y, weights)["r"]
        t, p_t = williams(float(a["r"][0]), float(b["r"][0]), float(ab["r"][0]), y.size)
        m, p_m = meng(float(a["rho"][0]), float(b["rho"][0]), float(ab["rho"][0]), y.size)
        rows.append((first, other, y.size, a["r"][0], b["r"][0], ab["r"][0], t, p_t, m, p_m,
                     *percentile_interval(apart)))  # fmt: skip
    names = ["best", "other", "n", "r_best", "r_other", "r_between", "t", "p_williams", "z", "p_meng", "low", "high"]
    table = pd.DataFrame(rows, columns=names)
    for name in ("p_williams", "p_meng"):
        p = table[name].to_numpy(dtype=np.float64).copy()
        defined = ~np.isnan(p)
        p[defined] = correct(p[defined])
        table[name] = p
    return table


def _columns(table: pd.DataFrame, *names: str) -> tuple[Floats, ...]:
    return tuple(table[name].to_numpy(dtype=np.float64) for name in names)


def verdicts(joined: Joined, tests: SystemTests, *, draws: int = 2000, seed: int = 0) -> list[Verdict]:
    """Say of each metric whether it can rank these systems.

    Parameters
    ----------
    joined : Joined
    tests : SystemTests
        Which pairs listeners tell apart: Conover's test over listeners, after Holm.
    draws, seed : int

    Returns
    -------
    list of Verdict
        In the order of `joined.metrics`.
    """
    heard = [
        (str(row["a"]), str(row["b"])) if row["difference"] > 0 else (str(row["b"]), str(row["a"]))
        for _, row in tests.pairs.iterrows()
        if row["p"] < _ALPHA
    ]
    return [_verdict(joined, metric, heard, draws, seed) for metric in joined.metrics]


def _verdict(joined: Joined, metric: str, heard: list[tuple[str, str]], draws: int, seed: int) -> Verdict:
    values = _finite(joined, metric).pivot(index=["song", "item"], columns="system", values=metric)
    sorted_out: dict[str, list[tuple[str, str]]] = {"right": [], "unsure": [], "wrong": []}
    for better, worse in heard:
        if better not in values or worse not in values:
            continue
        apart = (values[better] - values[worse]).dropna().groupby("song").mean().to_numpy(dtype=np.float64)
        if not apart.size:
            continue
        weights = draw_counts(apart.size, draws, np.random.default_rng(seed))
        low, high = percentile_interval(weights @ apart / apart.size, 1 - _ALPHA)
        sorted_out["right" if low > 0 else "wrong" if high < 0 else "unsure"].append((better, worse))
    right, asked = len(sorted_out["right"]), sum(map(len, sorted_out.values()))
    answer = "no"
    songs = values.index.get_level_values("song").nunique()
    if not asked or songs < FEWEST:
        answer = "open"
    elif right == asked:
        answer = "yes"
    # At most a sixth reversed, and two thirds surely right: a convention of ours, for which there is no source.
    elif 6 * len(sorted_out["wrong"]) <= asked and 3 * right >= 2 * asked:
        answer = "partly"
    return Verdict(metric, answer, **sorted_out, songs=songs)


def ceiling(ratings: pd.DataFrame, *, splits: int = 200, seed: int = 0) -> dict[str, float]:
    """Measure how well listeners predict listeners: what a metric can reach at best.

    Parameters
    ----------
    ratings : DataFrame
        Of one task and target.
    splits : int
        Random halves of the listeners.
    seed : int

    Returns
    -------
    dict
        ``single``: mean r of one listener with the median of the others; ``halves``: mean r of the medians of two
        halves; ``reliability``: that, stepped up to all listeners after Spearman and Brown; ``ceiling``: its square
        root, the highest r that can be expected of any metric. NaN of fewer than 4 listeners.
    """
    units = rating_units(ratings)
    values: Floats = units.to_numpy(dtype=np.float64)
    listeners = values.shape[1]
    if listeners < 4 or len(values) < 3:  # halves of fewer than four are single listeners
        return dict.fromkeys(("single", "halves", "reliability", "ceiling"), math.nan)
    rng = np.random.default_rng(seed)
    single = [_r(values[:, n], _medians(np.delete(values, n, axis=1))) for n in range(listeners)]
    halves = []
    for _ in range(splits):
        order = rng.permutation(listeners)
        halves.append(_r(_medians(values[:, order[: listeners // 2]]), _medians(values[:, order[listeners // 2 :]])))
    r = float(np.nanmean(halves))
    # Spearman and Brown: from half of the listeners to all of them.
    reliability = max(2 * r / (1 + r), 0.0)
    return {
        "single": float(np.nanmean(single)), "halves": r, "reliability": reliability,
        "ceiling": math.sqrt(reliability),
    }  # fmt: skip


def _medians(values: Floats) -> Floats:
    medians = np.full(len(values), np.nan)
    some = np.isfinite(values).any(axis=1)  # of nothing, nanmedian would warn
    medians[some] = np.nanmedian(values[some], axis=1)
    return medians


def _r(x: Floats, y: Floats) -> float:
    both = np.isfinite(x) & np.isfinite(y)
    return float(correlations(x[both], y[both])["r"][0]) if both.sum() > 2 else math.nan


def by_kind(joined: Joined, kinds: Mapping[str, str]) -> dict[str, Joined]:
    """Split what was joined by kind of system, e.g. discriminative and generative.

    Parameters
    ----------
    joined : Joined
    kinds : mapping
        System to kind; systems without one take no part.
    """
    parts = {}
    for kind in dict.fromkeys(kinds.values()):
        own = joined.table[[kinds.get(str(name)) == kind for name in joined.table["system"]]]
        kept = [m for m in joined.metrics if np.isfinite(own[m]).sum() >= 3 and own[m].nunique() > 1]
        if len(own) >= 3 and kept:
            parts[kind] = Joined(own.reset_index(drop=True), kept, joined.turned, joined.notes)
    return parts


def correlations(x: Floats, y: Floats, weights: Floats | None = None) -> dict[str, Floats]:
    """Compute Pearson's r, Spearman's rho and Kendall's tau-b [3]_.

    Parameters
    ----------
    x, y : (n,) arrays
        Finite.
    weights : (draws, n) array, optional
        How often each point counts, whole numbers: a resample a row. By default every point once.

    Returns
    -------
    dict of str to (draws,) array
        Keys of `COEFFICIENTS`; NaN where x or y does not spread.
    """
    drawn = np.ones((1, x.size)) if weights is None else weights
    return {
        "r": _pearson(np.broadcast_to(x, drawn.shape), np.broadcast_to(y, drawn.shape), drawn),
        "rho": _pearson(_ranks(x, drawn), _ranks(y, drawn), drawn),
        "tau": _tau(x, y, drawn),
    }


def _pearson(x: Floats, y: Floats, weights: Floats) -> Floats:
    total = weights.sum(axis=1, keepdims=True)
    with np.errstate(invalid="ignore", divide="ignore"):
        x = x - (weights * x).sum(axis=1, keepdims=True) / total
        y = y - (weights * y).sum(axis=1, keepdims=True) / total
        xx, yy = (weights * x**2).sum(axis=1), (weights * y**2).sum(axis=1)
        # Rounding leaves a little spread where there is none.
        flat = (xx < 1e-20 * np.maximum(1.0, np.abs(x).max(axis=1) ** 2)) | (yy < 1e-20)
        return np.where(flat, np.nan, (weights * x * y).sum(axis=1) / np.sqrt(xx * yy))


def _ranks(x: Floats, weights: Floats) -> Floats:
    """Return the mid-ranks within each resample, of all points."""
    below = (x[:, None] < x).astype(np.float64) + 0.5 * (x[:, None] == x)
    return np.asarray(weights @ below + 0.5)


def _tau(x: Floats, y: Floats, weights: Floats) -> Floats:
    right, up = np.sign(x[:, None] - x), np.sign(y[:, None] - y)
    agree, in_x, in_y = (((weights @ part) * weights).sum(axis=1) for part in (right * up, right**2, up**2))
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.where((in_x > 0) & (in_y > 0), agree / np.sqrt(in_x * in_y), np.nan)


def monotone_rmse(x: Floats, y: Floats) -> float:
    """Return the root mean square of what the best non-decreasing function of x leaves of y."""
    from sklearn.isotonic import IsotonicRegression

    fitted = IsotonicRegression().fit(x, y).predict(x)
    return float(np.sqrt(np.mean((y - fitted) ** 2)))


def fisher_mean(values: Floats) -> float:
    """Average correlations by way of Fisher's z; those beyond 0.99 count as 0.99."""
    finite = values[np.isfinite(values)]
    return float(np.tanh(np.arctanh(np.clip(finite, -_NEARLY, _NEARLY)).mean())) if finite.size else math.nan


def williams(r_a: float, r_b: float, r_ab: float, n: int) -> tuple[float, float]:
    """Test by Williams [4]_ the difference of two correlations with one variable.

    Parameters
    ----------
    r_a, r_b : float
        Correlations of a and of b with the common variable.
    r_ab : float
        Of a with b.
    n : int
        Points, above 3.

    Returns
    -------
    t, p : float
        Of n - 3 degrees of freedom, two-sided; NaN where it is not defined (a and b are one).
    """
    from scipy import stats

    determinant = 1 - r_a**2 - r_b**2 - r_ab**2 + 2 * r_a * r_b * r_ab
    below = 2 * (n - 1) / max(n - 3, 1) * determinant + ((r_a + r_b) / 2) ** 2 * (1 - r_ab) ** 3
    if n <= 3 or not below > 1e-12:
        return math.nan, math.nan
    t = (r_a - r_b) * math.sqrt((n - 1) * (1 + r_ab) / below)
    return t, float(2 * stats.t.sf(abs(t), n - 3))


def meng(r_a: float, r_b: float, r_ab: float, n: int) -> tuple[float, float]:
    """Test by Meng, Rosenthal and Rubin [5]_ the same, for ranks too.

    Parameters
    ----------
    r_a, r_b, r_ab, n
        As for `williams`.

    Returns
    -------
    z, p : float
        Two-sided; NaN where it is not defined.
    """
    from scipy import stats

    mean = (r_a**2 + r_b**2) / 2
    if n <= 3 or max(abs(r_a), abs(r_b)) >= 1 or not 1 - r_ab > 1e-12:
        return math.nan, math.nan
    f = min((1 - r_ab) / (2 * (1 - mean)), 1.0)
    h = (1 - f * mean) / (1 - mean)
    z = (math.atanh(r_a) - math.atanh(r_b)) * math.sqrt((n - 3) / (2 * (1 - r_ab) * h))
    return z, float(2 * stats.norm.sf(abs(z)))
