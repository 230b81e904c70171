"""How often the interval of a rating holds the rating of the population that the songs were drawn from.

Not run by pytest. Of 25 methods of SiSEC 2018 whose 50 songs are the population; of the same without the three songs
whose order of methods is least like that of all; and of 8 made-up methods 0.25 dB apart on songs of which each method's
score has a standard deviation of 0.7 dB; two CPU minutes for 60 samples::

    python tests/simulations/rating_coverage.py 60

It printed, in percent over methods and samples::

        6 SiSEC      ours  95.7 t  94.8 percentile  61.8 basic  89.3 BCa  67.2 studentised  95.7
        6 without 3  ours  95.9 t  94.9 percentile  68.7 basic  89.7 BCa  72.2 studentised  93.9
        6 made up    ours  99.0 t  98.3 percentile  80.5 basic  97.1 BCa  85.0 studentised  94.8
       10 SiSEC      ours  93.4 t  92.4 percentile  65.7 basic  92.9 BCa  74.7 studentised  93.9
       10 without 3  ours  97.0 t  96.1 percentile  80.1 basic  92.4 BCa  86.5 studentised  96.5
       10 made up    ours  99.0 t  98.6 percentile  93.8 basic  97.1 BCa  95.2 studentised  97.1
       20 SiSEC      ours  92.2 t  91.5 percentile  78.5 basic  89.7 BCa  83.8 studentised  90.3
       20 without 3  ours  94.8 t  94.0 percentile  81.5 basic  93.6 BCa  87.6 studentised  93.2
       20 made up    ours  97.9 t  97.6 percentile  94.3 basic  97.1 BCa  95.7 studentised  96.0
       50 SiSEC      ours  94.2 t  93.8 percentile  90.5 basic  92.2 BCa  91.9 studentised  93.6
       50 without 3  ours  94.7 t  94.6 percentile  90.3 basic  94.5 BCa  93.3 studentised  94.7
       50 made up    ours  95.2 t  95.2 percentile  94.3 basic  94.5 BCa  94.3 studentised  95.0

Methods of a sample share its songs, so that 60 samples leave a figure uncertain by two points. Intervals with the skew
of the resamples (percentile, BCa) miss most of few songs, whose resamples lie further out the more one-sided they are.
"""

import sys
from pathlib import Path

import numpy as np
import pandas as pd
from scipy.special import expit
from scipy.stats import norm, rankdata, t

from mss_bench.leaderboards.board import entry_names, read_board, read_entry, track_table
from mss_bench.stats.matrix import score_matrix
from mss_bench.stats.rating import _fit

SISEC = Path(__file__).parents[2] / "leaderboards" / "sisec18"
DRAWS = 400
TAILS = (0.025, 0.975)


def wins(scores):
    return scores.shape[1] - rankdata(-scores, axis=1)


def strengths(drawn, songs, anchor, start=None):
    fitted = _fit(drawn, songs, start)[0]
    return fitted - fitted[:, [anchor]]


def standard_errors(fitted, own, counts, anchor):
    """Return those of the distance to the anchor, by the delta method, of each draw's counts of songs."""
    n, k = own.shape
    chance = expit(fitted[:, :, None] - fitted[:, None, :])
    curvature = chance * (chance - 1)
    curvature[:, range(k), range(k)] += -curvature.sum(axis=2)
    inverse = np.linalg.inv(curvature + 1 / k)
    mean = counts @ own / n
    spread = np.einsum("dn,ni,nj->dij", counts / n, own, own, optimize=True) - mean[:, :, None] * mean[:, None, :]
    covariance = inverse @ (spread / (n - 1)) @ inverse
    variance = np.diagonal(covariance, axis1=1, axis2=2)
    apart = variance + variance[:, [anchor]] - 2 * covariance[:, :, anchor]
    return np.sqrt(np.maximum(apart, 0))


def intervals(own, anchor, rng):
    """Return the ends of every kind of interval, by name."""
    songs = len(own)
    point = strengths(own.mean(axis=0)[None], songs, anchor)[0]
    start = (point - point.mean())[None]
    counts = rng.multinomial(songs, [1 / songs] * songs, size=DRAWS).astype(float)
    drawn = strengths(counts @ own / songs, songs, anchor, start)
    reach = t.ppf(TAILS[1], songs - 1) * drawn.std(axis=0, ddof=1)
    wider = reach * np.sqrt(songs / (songs - 1))
    low, high = np.quantile(drawn, TAILS, axis=0)
    # BCa: bias from the share below the point, acceleration from leaving songs out.
    left = strengths((own.sum(axis=0) - own) / (songs - 1), songs - 1, anchor, start)
    apart = left.mean(axis=0) - left
    bend = (apart**3).sum(axis=0) / (6 * np.maximum((apart**2).sum(axis=0), 1e-30) ** 1.5)
    below = (drawn < point).mean(axis=0) + 0.5 * (drawn == point).mean(axis=0)
    bias = norm.ppf(np.clip(below, 1 / DRAWS, 1 - 1 / DRAWS))
    levels = [norm.cdf(bias + (bias + z) / (1 - bend * (bias + z))) for z in norm.ppf(TAILS)]
    bca = [np.array([np.quantile(drawn[:, i], p) for i, p in enumerate(level)]) for level in levels]
    error = standard_errors(start, own, np.ones((1, songs)), anchor)[0]
    errors = standard_errors(drawn - drawn.mean(axis=1, keepdims=True), own, counts, anchor)
    pivots = np.divide(drawn - point, errors, out=np.zeros_like(drawn), where=errors > 0)
    first, last = np.quantile(pivots, TAILS, axis=0)
    return {
        "ours": (point - wider, point + wider), "t": (point - reach, point + reach), "percentile": (low, high),
        "basic": (2 * point - high, 2 * point - low), "BCa": bca,
        "studentised": (point - last * error, point - first * error),
    }  # fmt: skip


def coverage(sample, truth, samples, anchor, rng):
    others = np.arange(len(truth)) != anchor
    held = {}
    for _ in range(samples):
        for name, (low, high) in intervals(wins(sample()), anchor, rng).items():
            held.setdefault(name, []).append(((low <= truth) & (truth <= high))[others])
    return {name: 100 * np.mean(each) for name, each in held.items()}


def main():
    samples = int(sys.argv[1])
    rng = np.random.default_rng(1)
    board = read_board(SISEC)
    entries = [e for e in (read_entry(board, n) for n in entry_names(board)) if not e.oracle and e.method != "MIX"]
    table: pd.DataFrame = score_matrix(track_table(board, entries), "SDR", "vocals", missing="complete").values
    scores, anchor = table.to_numpy(float), list(table.columns).index("STL1")
    won = wins(scores)
    usual = np.array([np.corrcoef(song, won.mean(axis=0))[0, 1] for song in won]).argsort()
    made_up = rng.normal(0, 2, (100_000, 1)) + 0.25 * np.arange(8) + rng.normal(0, 0.7, (100_000, 8))
    worlds = {"SiSEC": (scores, anchor), "without 3": (scores[usual[3:]], anchor), "made up": (made_up, 3)}
    for songs in (6, 10, 20, 50):
        for name, (every, at) in worlds.items():
            truth = strengths(wins(every).mean(axis=0)[None], len(every), at)[0]
            drawn = coverage(lambda of=every, n=songs: of[rng.integers(0, len(of), n)], truth, samples, at, rng)
            shown = " ".join(f"{kind} {value:5.1f}" for kind, value in drawn.items())
            print(f"{songs:5d} {name:10s}", shown, flush=True)


if __name__ == "__main__":
    main()
