"""Whether listeners hear a difference at all: proportions of right answers in an ABX test.

References
----------
.. [1] C. J. Clopper, E. S. Pearson, "The use of confidence or fiducial limits illustrated in the case of the binomial",
   Biometrika 26, 1934.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from mss_bench.listening.ratings import Role
from mss_bench.stats.matrix import check_level
from mss_bench.stats.significance import correct

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["ABX_COLUMNS", "abx"]

ABX_COLUMNS = ("n", "right", "share", "low", "high", "p")
"""Answers, right ones, their share with its exact interval [1]_, p of a one-sided binomial test of guessing (Holm)."""


def abx(ratings: pd.DataFrame, *, level: float = 0.95) -> pd.DataFrame:
    """Right answers of each system.

    Parameters
    ----------
    ratings : DataFrame
        Of an ABX task: score 1 where the answer was right, else 0.
    level : float

    Returns
    -------
    DataFrame
        Index system, columns `ABX_COLUMNS`, the best heard first.
    """
    import pandas as pd
    from scipy import stats

    check_level("level", level)
    rows = {}
    for system, own in ratings[ratings["role"] == Role.TEST].groupby("system"):
        n, right = len(own), int(own["score"].sum())
        interval = stats.binomtest(right, n).proportion_ci(level)
        p = stats.binomtest(right, n, 0.5, alternative="greater").pvalue
        rows[str(system)] = (n, right, right / n, interval.low, interval.high, p)
    table = pd.DataFrame.from_dict(rows, orient="index", columns=list(ABX_COLUMNS)).rename_axis("system")
    table["p"] = correct(table["p"].to_numpy(dtype=np.float64))
    return table.sort_values("share", ascending=False, kind="stable")
