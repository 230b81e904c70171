"""Pairs of methods that were not scored on the same tracks: each is compared on the tracks that both have."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from mss_bench.errors import UnknownNameError
from mss_bench.stats.matrix import check_level
from mss_bench.stats.signed_rank import FEWEST, hodges_lehmann, signed_rank
from mss_bench.stats.significance import correct
from mss_bench.stats.units import difference
from mss_bench.stats.verdicts import Verdict

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["compare_on_common_tracks"]


def compare_on_common_tracks(
    scores: pd.DataFrame, pairs: Sequence[tuple[str, str]], *, higher_is_better: bool = True, alpha: float = 0.05,
    level: float = 0.95,
) -> pd.DataFrame:  # fmt: skip
    """Compare pairs of methods, each on the tracks that both have; the family of tests is the pairs that are given.

    Parameters
    ----------
    scores : DataFrame
        Scores, tracks x methods; NaN where a method has none.
    pairs : sequence of (str, str)
        The methods *a* and *b* of each comparison, each pair once.
    higher_is_better : bool
    alpha : float
        Level of the tests (Wilcoxon's signed-rank test, Holm's correction), in (0, 1).
    level : float
        Of the intervals, uncorrected, in (0, 1).

    Returns
    -------
    DataFrame
        A row a pair, in their order: ``a``, ``b``; ``n_tracks`` that both have; ``difference``, ``low``, ``high``:
        Hodges and Lehmann's typical difference *a - b* with its interval, NaN of fewer than 6 tracks; ``wins``, tracks
        on which a is better; ``lean``, positive where a is; ``p`` within the family; ``verdict``, a
        `mss_bench.stats.verdicts.Verdict`, "too few songs" where not even the least p of so many tracks would do.

    Raises
    ------
    UnknownNameError
        A method is not in the matrix.
    ConfigError
        A level is out of range.
    """
    import pandas as pd

    for name, number in (("alpha", alpha), ("level", level)):
        check_level(name, number)
    names = [str(name) for name in scores.columns]
    if unknown := next((name for pair in pairs for name in pair if name not in names), None):
        raise UnknownNameError("method to compare", unknown, names)
    values = scores.to_numpy(dtype=np.float64)
    a, b = (np.array([names.index(pair[side]) for pair in pairs], dtype=int) for side in (0, 1))
    sign = 1.0 if higher_is_better else -1.0
    both = ~np.isnan(values[:, a]) & ~np.isnan(values[:, b])
    count = both.sum(axis=0)
    typical = np.full((3, len(pairs)), np.nan)
    p, lean, wins = np.ones(len(pairs)), np.zeros(len(pairs)), np.zeros(len(pairs), dtype=int)
    # Pairs with the same tracks in common are computed together.
    masks, group = np.unique(both, axis=1, return_inverse=True)
    for which in range(masks.shape[1] if len(pairs) else 0):
        tracks, own = masks[:, which], np.flatnonzero(group.ravel() == which)
        if not tracks.any():
            continue
        apart = difference(values[np.ix_(tracks, a[own])], values[np.ix_(tracks, b[own])])
        wins[own] = (sign * apart > 0).sum(axis=0)
        typical[:, own] = hodges_lehmann(apart, level)
        p[own], lean[own] = signed_rank(sign * apart)
    p = np.where(count < FEWEST, 1.0, p)
    typical[1:, count < FEWEST] = np.nan
    corrected = correct(p, "holm")
    hopeless = (count < FEWEST) | (2.0 ** (1.0 - count) * len(pairs) >= alpha)
    verdicts = np.where(hopeless, str(Verdict.TOO_FEW), str(Verdict.NOT_TOLD_APART))
    columns = {
        "a": [pair[0] for pair in pairs], "b": [pair[1] for pair in pairs], "n_tracks": count,
        "difference": typical[0], "low": typical[1], "high": typical[2], "wins": wins, "lean": lean, "p": corrected,
        "verdict": np.where(corrected < alpha, str(Verdict.TOLD_APART), verdicts),
    }  # fmt: skip
    return pd.DataFrame(columns)
