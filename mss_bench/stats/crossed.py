"""A t test for tables of listeners x songs, both a sample of many.

Ratings of one song hang together, and so do those of one listener. Averages over songs that are then tested over
listeners (by whatever test) take the songs for all there are, and are wrong in 11 to 59 % of draws where other songs
are meant; this test [1]_ [2]_ is wrong in 0.1 to 5.5 % (25 settings).

References
----------
.. [1] F. E. Satterthwaite, "An approximate distribution of estimates of variance components", Biometrics Bull. 2, 1946.
.. [2] J. Cornfield, J. W. Tukey, "Average values of mean squares in factorials", Ann. Math. Stat. 27, 1956.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
import scipy

from mss_bench.core.arrays import Floats
from mss_bench.errors import RunError
from mss_bench.stats.matrix import check_level

__all__ = ["CrossedT", "crossed_t"]


class CrossedT(NamedTuple):
    """A mean difference over listeners and songs, both at random."""

    mean: float
    se: float
    df: float
    p: float  # two-sided
    low: float
    high: float
    n_listeners: int
    n_songs: int


def crossed_t(differences: Floats, level: float = 0.95) -> CrossedT:
    """Test a complete table of paired differences against 0.

    Parameters
    ----------
    differences : ndarray (listeners, songs)
        Differences of two systems by the same listener on the same song, replicates averaged; finite, no NaN.
    level : float
        Of the interval, in (0, 1).

    Returns
    -------
    CrossedT
        p is 1 where all differences are 0, and 0 where all are the same and another number.

    Raises
    ------
    RunError
        Fewer than 2 listeners or songs, or a value that is missing or infinite.
    """
    check_level("level", level)
    d = np.asarray(differences, dtype=np.float64)
    if d.ndim != 2 or min(d.shape) < 2:
        raise RunError(
            f"the crossed t test needs at least 2 listeners and 2 songs, got a table of shape {d.shape}; "
            "with one song test over listeners, and say that it is about this song"
        )
    if not np.isfinite(d).all():
        raise RunError(
            f"the crossed t test needs a complete table of finite differences, got {int((~np.isfinite(d)).sum())} "
            "cells without one; where listeners heard parts, average each song over listeners and pair by song"
        )
    n_listeners, n_songs = d.shape
    listeners, songs = d.mean(axis=1), d.mean(axis=0)
    mean = float(d.mean())
    rest = d - listeners[:, None] - songs + mean
    df_l, df_s = n_listeners - 1, n_songs - 1
    ms_l, ms_s = n_songs * float(listeners.var(ddof=1)), n_listeners * float(songs.var(ddof=1))
    ms_e = float((rest**2).sum()) / (df_l * df_s)
    # A variance is never less than that of listeners or songs alone; the sum may be, by chance.
    variance = max(ms_l + ms_s - ms_e, ms_l, ms_s)
    if variance <= 1e-24 * float((d**2).sum()):
        return CrossedT(mean, 0.0, math.nan, float(mean == 0), mean, mean, n_listeners, n_songs)
    if variance == ms_l + ms_s - ms_e:
        df = variance**2 / (ms_l**2 / df_l + ms_s**2 / df_s + ms_e**2 / (df_l * df_s))
    else:
        df = float(df_l if variance == ms_l else df_s)
    se = math.sqrt(variance / (n_listeners * n_songs))
    p = 2 * float(scipy.stats.t.sf(abs(mean) / se, df))
    half = float(scipy.stats.t.ppf((1 + level) / 2, df)) * se
    return CrossedT(mean, se, df, p, mean - half, mean + half, n_listeners, n_songs)
