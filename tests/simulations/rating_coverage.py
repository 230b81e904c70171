"""How often the interval of a rating holds the rating of the population that the songs were drawn from.

Not run by pytest. Of 25 methods of SiSEC 2018 whose 50 songs are the population, and of 8 made-up methods 0.25 dB apart
on songs of which each method's score has a standard deviation of 0.7 dB; 11 CPU seconds for 30 samples::

    python tests/simulations/rating_coverage.py 30

It printed, in percent over methods and samples (columns: the interval, percentiles of the same resamples)::

    songs   SiSEC 2018     made up
        6    95.1  62.9  100.0  86.7
       10    93.8  70.4   97.6  90.0
       20    90.0  74.9   94.8  91.4
       50    91.0  86.1   96.2  93.8

Methods of a sample share its songs, so that 30 samples leave a figure uncertain by some points.
"""

import sys
from pathlib import Path

import numpy as np
import pandas as pd
from scipy.stats import rankdata, t

from mss_bench.leaderboards.board import entry_names, read_board, read_entry, track_table
from mss_bench.stats.matrix import score_matrix
from mss_bench.stats.rating import _fit

SISEC = Path(__file__).parents[2] / "leaderboards" / "sisec18"


def wins(scores):
    return scores.shape[1] - rankdata(-scores, axis=1)


def strengths(drawn, songs, anchor):
    fitted = _fit(drawn, songs)[0]
    return fitted - fitted[:, [anchor]]


def coverage(sample, truth, songs, samples, anchor, rng, draws=400):
    by_t, by_percentiles = [], []
    others = np.arange(len(truth)) != anchor
    for _ in range(samples):
        own = wins(sample(songs))
        point = strengths(own.mean(axis=0)[None], songs, anchor)[0]
        counts = rng.multinomial(songs, [1 / songs] * songs, size=draws)
        drawn = strengths(counts @ own / songs, songs, anchor)
        reach = t.ppf(0.975, songs - 1) * drawn.std(axis=0, ddof=1)
        low, high = np.quantile(drawn, [0.025, 0.975], axis=0)
        by_t.append((np.abs(point - truth) <= reach)[others])
        by_percentiles.append(((low <= truth) & (truth <= high))[others])
    return 100 * np.mean(by_t), 100 * np.mean(by_percentiles)


def main():
    samples = int(sys.argv[1])
    rng = np.random.default_rng(1)
    board = read_board(SISEC)
    entries = [e for e in (read_entry(board, n) for n in entry_names(board)) if not e.oracle and e.method != "MIX"]
    table: pd.DataFrame = score_matrix(track_table(board, entries), "SDR", "vocals", missing="complete").values
    scores, anchor = table.to_numpy(float), list(table.columns).index("STL1")
    abilities = 0.25 * np.arange(8)

    def made_up(songs):
        return rng.normal(0, 2, (songs, 1)) + abilities + rng.normal(0, 0.7, (songs, 8))

    worlds = [
        (lambda songs: scores[rng.integers(0, len(scores), songs)], scores, anchor),
        (made_up, made_up(100_000), 3),
    ]
    for songs in (6, 10, 20, 50):
        shown = [
            coverage(draw, strengths(wins(all_).mean(axis=0)[None], len(all_), at)[0], songs, samples, at, rng)
            for draw, all_, at in worlds
        ]
        print(songs, " ".join(f"{value:5.1f}" for pair in shown for value in pair), flush=True)


if __name__ == "__main__":
    main()
