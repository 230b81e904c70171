"""Wilcoxon's signed-rank test on many pairs of methods at once, with the ties and zeros that scores have.

SciPy's exact distribution holds without ties, and its permutation test takes seconds a pair; the distribution given the
ties is a polynomial of a few thousand terms.

References
----------
.. [1] F. Wilcoxon, "Individual comparisons by ranking methods", Biometrics Bull. 1, 1945.
.. [2] J. W. Pratt, "Remarks on zeros and ties in the Wilcoxon signed rank procedures", J. Am. Stat. Assoc. 54, 1959.
.. [3] B. Streitberg, J. Röhmel, "Exact distributions for permutation and rank tests", Stat. Software Newsl. 12, 1986.
"""

from __future__ import annotations

import numpy as np
import scipy

from mss_bench.core.arrays import Floats

__all__ = ["wilcoxon"]

_EXACT = 50  # tracks up to which the distribution is computed rather than approximated


def wilcoxon(differences: Floats, *, exact: bool = True) -> Floats:
    """Return two-sided p values of Wilcoxon's signed-rank test [1]_, one a column.

    Parameters
    ----------
    differences : ndarray (tracks, pairs)
        May hold infinities, no NaN. Zeros keep their ranks [2]_.
    exact : bool
        Up to 50 tracks the distribution is exact given the ties [3]_. Above, or where this is false, it is normal with
        the variance corrected for ties.

    Returns
    -------
    ndarray (pairs,)
        1 for a column of zeros.
    """
    p = np.ones(differences.shape[1])
    some = (differences != 0).any(axis=0)
    if not some.any():
        return p
    if differences.shape[0] > _EXACT or not exact:
        # SciPy takes these options one by one, its type stubs only together with keepdims.
        test = scipy.stats.wilcoxon(
            differences[:, some], zero_method="pratt", method="asymptotic", axis=0, keepdims=True
        ).pvalue
        p[some] = test[0]
        return p
    sizes = np.sort(np.abs(differences), axis=0)
    tied = (sizes[0] == 0) | (sizes[1:] == sizes[:-1]).any(axis=0)
    if not tied.all():
        p[~tied] = scipy.stats.wilcoxon(differences[:, ~tied], method="exact", axis=0).pvalue
    for column in np.flatnonzero(tied & some):
        p[column] = _given_ties(differences[:, column])
    return p


def _given_ties(differences: Floats) -> float:
    """Return the exact two-sided p given ties and zeros, by Streitberg and Röhmel's shifts."""
    doubled = np.rint(2 * scipy.stats.rankdata(np.abs(differences))).astype(np.int64)  # mean ranks are halves
    weights = doubled[differences != 0]
    share = np.zeros(int(weights.sum()) + 1)  # by the sum of the positive ranks
    share[0] = 1.0
    for weight in weights:  # each rank is positive or negative with probability one half
        share[weight:] = 0.5 * (share[weight:] + share[: share.size - weight])
        share[:weight] *= 0.5
    positive = int(doubled[differences > 0].sum())
    nearer = min(positive, int(weights.sum()) - positive)
    return min(2.0 * float(share[: nearer + 1].sum()), 1.0)
