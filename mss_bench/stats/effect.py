"""Effect sizes of pairs of methods: how much better, where a p value only says how sure.

References
----------
.. [1] D. S. Kerby, "The simple difference formula: an approach to teaching nonparametric correlation",
   Comprehensive Psychology 3, 2014.
.. [2] N. Cliff, "Dominance statistics: ordinal analyses to answer ordinal questions", Psychol. Bull. 114, 1993.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import TYPE_CHECKING

import numpy as np
import scipy

from mss_bench.core.arrays import Floats
from mss_bench.stats.matrix import ScoreMatrix, check_matrix, check_pairs
from mss_bench.stats.signed_rank import DIGITS
from mss_bench.stats.units import difference

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["EFFECT_COLUMNS", "cliffs_delta", "paired", "rank_biserial"]

EFFECT_COLUMNS = ("a", "b", "rank_biserial", "cliffs_delta", "wins", "ties", "losses", "n_tracks")
"""Columns of a table of effect sizes, all seen from ``a``."""


def paired(
    matrix: pd.DataFrame | ScoreMatrix,
    pairs: Collection[tuple[str, str]] | None = None,
    *,
    higher_is_better: bool = True,
) -> pd.DataFrame:
    """Return the effect sizes of pairs of methods.

    Parameters
    ----------
    matrix : DataFrame or ScoreMatrix
        Scores, index tracks, columns methods; no NaN.
    pairs : collection of (a, b), optional
        Names of methods; by default every pair once.
    higher_is_better : bool
        Of the metric; a `ScoreMatrix` knows and is not asked.

    Returns
    -------
    DataFrame
        Columns `EFFECT_COLUMNS`, one row a pair:

        - ``rank_biserial`` in [-1, 1]: matched pairs [1]_, the sum of the ranks of the tracks on which `a` is better
          less that of the others, over their total; zeros are left out. The effect size of Wilcoxon's test;
        - ``cliffs_delta`` in [-1, 1] [2]_: the probability that `a` on some track beats `b` on some other or the same,
          less the reverse. It is not paired, so it is small where tracks differ more than methods;
        - ``wins``, ``ties``, ``losses``: tracks.

        All are 0 where two methods tie on every track.

    Raises
    ------
    RunError
        Fewer than 3 tracks or 2 methods, or a malformed matrix.
    UnknownNameError
        A pair names a method that is not there.

    Examples
    --------
    >>> import pandas as pd
    >>> pairs = paired(pd.DataFrame({"a": [2, 4, 6], "b": [1, 2, 7]}), [("a", "b")])
    >>> float(pairs.loc[0, "rank_biserial"]), int(pairs.loc[0, "wins"])
    (0.5, 2)
    """
    import pandas as pd

    values, methods = check_matrix(matrix, "an effect size")
    higher = matrix.higher_is_better if isinstance(matrix, ScoreMatrix) else higher_is_better
    values = values if higher else -values
    chosen = check_pairs(pairs, methods)
    a, b = np.array(chosen, dtype=np.intp).reshape(-1, 2).T
    apart = difference(values[:, a], values[:, b])
    columns = (
        [methods[i] for i in a],
        [methods[i] for i in b],
        rank_biserial(apart),
        [cliffs_delta(values[:, i], values[:, j]) for i, j in chosen],
        (apart > 0).sum(axis=0),
        (apart == 0).sum(axis=0),
        (apart < 0).sum(axis=0),
        np.full(len(chosen), values.shape[0]),
    )
    return pd.DataFrame(dict(zip(EFFECT_COLUMNS, columns, strict=True)))


def rank_biserial(differences: Floats) -> Floats:
    """Return the rank-biserial correlation of each column; 0 of zeros alone."""
    differences = np.round(differences, DIGITS)  # as the test takes them
    zero = differences == 0
    # Ranks of what is not zero: zeros rank first, and are taken off.
    ranks = np.where(zero, 0.0, scipy.stats.rankdata(np.abs(differences), axis=0) - zero.sum(axis=0))
    total = ranks.sum(axis=0)
    return np.asarray((np.sign(differences) * ranks).sum(axis=0) / np.where(total == 0, 1.0, total))


def cliffs_delta(a: Floats, b: Floats) -> float:
    """Return the probability that `a` on some track is above `b` on some other or the same, less the reverse."""
    ordered = np.sort(b)
    below, upto = np.searchsorted(ordered, a, side="left"), np.searchsorted(ordered, a, side="right")
    return float((below.sum() - (b.size - upto).sum()) / (a.size * b.size))
