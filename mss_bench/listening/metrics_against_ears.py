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
"""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from mss_bench.listening.analysis import SystemTests
from mss_bench.listening.bootstrap import FEWEST, cluster_weights, draw_counts, percentile_interval
from mss_bench.listening.metric_table import Joined
from mss_bench.listening.reliability import rating_units
from mss_bench.stats.correlation import COEFFICIENTS, correlations, fisher_mean, meng, monotone_rmse, williams
from mss_bench.stats.significance import correct
from mss_bench.stats.units import Floats

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["Verdict", "agreement", "by_kind", "ceiling", "compare_metrics", "pooled_rho", "verdicts"]

_FEWEST = 4  # systems in a song of which a correlation is taken: of three, a rank correlation has four values
_ALPHA = 0.05


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


def agreement(
    joined: Joined, *, coefficients: Collection[str] = tuple(COEFFICIENTS), draws: int = 2000, seed: int = 0
) -> pd.DataFrame:
    """Measure how each metric agrees with the ratings.

    Parameters
    ----------
    joined : Joined
    coefficients : collection of str
        Keys of `mss_bench.stats.correlation.COEFFICIENTS`.
    draws, seed : int
        Of the bootstrap, which resamples songs.

    Returns
    -------
    DataFrame
        Index metric, the highest pooled rho first. ``n``; for each c of them ``c``, ``c_low``, ``c_high`` pooled,
        ``song_c_mean`` (by Fisher's z) and ``song_c_median`` within songs, ``system_c`` of system means; ``rmse`` after
        the best monotone fit; ``n_songs`` that have at least 4 systems, ``n_systems``.
    """
    import pandas as pd

    rows = {metric: _row(joined, metric, coefficients, draws, seed) for metric in joined.metrics}
    table = pd.DataFrame.from_dict(rows, orient="index").rename_axis("metric")
    order = [name for name in ("rho", "r", "tau") if name in coefficients]
    return table.sort_values(order, ascending=False, kind="stable")


def _row(joined: Joined, metric: str, coefficients: Collection[str], draws: int, seed: int) -> dict[str, float]:
    import pandas as pd

    own = _finite(joined, metric)
    x, y = own[metric].to_numpy(dtype=np.float64), own["rating"].to_numpy(dtype=np.float64)
    item, items = pd.factorize(own["item"])
    # Whole songs are resampled, for signals of one song are not independent.
    weights = cluster_weights(pd.factorize(own["song"])[0], draws, seed)
    pooled, drawn = correlations(x, y, names=coefficients), correlations(x, y, weights, coefficients)
    within: dict[str, list[float]] = {name: [] for name in coefficients}
    for number in range(len(items)):
        at = item == number
        if at.sum() >= _FEWEST:
            for name, value in correlations(x[at], y[at], names=coefficients).items():
                within[name].append(float(value[0]))
    # A mean over songs compares systems where all have the same songs; of two systems r is always 1 or -1.
    means = own.pivot(index="item", columns="system", values=metric).dropna().mean()
    heard = own.pivot(index="item", columns="system", values="rating").dropna().mean()
    of_systems = correlations(means.to_numpy(), heard.to_numpy()) if len(means) > 2 else {}
    row: dict[str, float] = {"n": x.size, "n_songs": len(next(iter(within.values()))), "n_systems": len(means)}
    for name in coefficients:
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


def compare_metrics(joined: Joined, *, by: str = "r", draws: int = 2000, seed: int = 0) -> pd.DataFrame:
    """Compare the metric with the highest pooled correlation with each other, on the points that both have.

    Parameters
    ----------
    joined, draws, seed
        As for `agreement`.
    by : {"r", "rho"}
        The correlation that is highest, and whose differences are resampled.

    Returns
    -------
    DataFrame
        ``best``, ``other``, ``n``, ``r_best``, ``r_other``, ``r_between``; ``t`` and ``p_williams`` of r, ``z`` and
        ``p_meng`` of rho (both as if points were independent, p after Holm); ``low`` and ``high`` of the difference of
        the correlation `by` over resampled songs, which does not suppose that.
    """
    import pandas as pd

    pooled = {}
    for metric in joined.metrics:
        x, y = _columns(_finite(joined, metric), metric, "rating")
        pooled[metric] = float(correlations(x, y, names=[by])[by][0])
    # Only the best is compared, which is what one asks; the search for it makes its lead look larger than it is.
    first = max(pooled, key=lambda name: pooled[name])
    rows = []
    for other in joined.metrics:
        if other == first:
            continue
        own = _finite(joined, first, other)
        x, z, y = _columns(own, first, other, "rating")
        a, b, ab = (correlations(*pair, names=("r", "rho")) for pair in ((x, y), (z, y), (x, z)))
        weights = cluster_weights(pd.factorize(own["song"])[0], draws, seed)
        apart = correlations(x, y, weights, [by])[by] - correlations(z, y, weights, [by])[by]
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


def ceiling(
    ratings: pd.DataFrame, *, by: str = "r", centre: str = "median", splits: int = 200, seed: int = 0
) -> dict[str, float]:
    """Measure how well listeners predict listeners: what a metric can reach at best.

    Parameters
    ----------
    ratings : DataFrame
        Of one task and target.
    by : {"r", "rho", "tau"}
        The correlation.
    centre : {"median", "mean"}
        Of the listeners of a signal, as for `mss_bench.listening.metric_table.rating_centres`.
    splits : int
        Random halves of the listeners.
    seed : int

    Returns
    -------
    dict
        ``single``: mean correlation of one listener with the centre of the others; ``halves``: that of the centres of
        two halves; ``reliability``: that, stepped up to all listeners after Spearman and Brown; ``ceiling``: its square
        root, the highest correlation that can be expected of any metric. NaN of fewer than 4 listeners.
    """
    units = rating_units(ratings)
    values: Floats = units.to_numpy(dtype=np.float64)
    listeners = values.shape[1]
    if listeners < 4 or len(values) < 3:  # halves of fewer than four are single listeners
        return dict.fromkeys(("single", "halves", "reliability", "ceiling"), math.nan)
    rng = np.random.default_rng(seed)
    single = [_correlation(values[:, n], _centres(np.delete(values, n, axis=1), centre), by) for n in range(listeners)]
    halves = []
    for _ in range(splits):
        order = rng.permutation(listeners)
        half, rest = values[:, order[: listeners // 2]], values[:, order[listeners // 2 :]]
        halves.append(_correlation(_centres(half, centre), _centres(rest, centre), by))
    r = float(np.nanmean(halves))
    # Spearman and Brown: from half of the listeners to all of them.
    reliability = max(2 * r / (1 + r), 0.0)
    return {
        "single": float(np.nanmean(single)), "halves": r, "reliability": reliability,
        "ceiling": math.sqrt(reliability),
    }  # fmt: skip


def _centres(values: Floats, centre: str) -> Floats:
    centres = np.full(len(values), np.nan)
    some = np.isfinite(values).any(axis=1)  # of nothing, nanmedian would warn
    centres[some] = (np.nanmean if centre == "mean" else np.nanmedian)(values[some], axis=1)
    return centres


def _correlation(x: Floats, y: Floats, name: str) -> float:
    both = np.isfinite(x) & np.isfinite(y)
    return float(correlations(x[both], y[both], names=[name])[name][0]) if both.sum() > 2 else math.nan


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
