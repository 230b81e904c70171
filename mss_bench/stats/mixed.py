"""A linear mixed model of scores: methods fixed, tracks random.

It says what a method adds to the score of a track, with tracks as a sample of many [1]_ [2]_. Unlike rank tests it
takes incomplete tables, as long as what is missing does not depend on the score; failures usually do.

References
----------
.. [1] N. M. Laird, J. H. Ware, "Random-effects models for longitudinal data", Biometrics 38, 1982.
.. [2] J. C. Pinheiro, D. M. Bates, Mixed-Effects Models in S and S-PLUS, Springer 2000.
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import scipy

from mss_bench.core.arrays import Floats
from mss_bench.core.schema import FLOOR
from mss_bench.errors import MissingDependencyError, RunError, UnknownNameError
from mss_bench.stats.matrix import MIN_TRACKS, ScoreMatrix, check_level, check_matrix

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["MixedModel", "effect_table", "mixed_model"]


@dataclass(frozen=True)
class MixedModel:
    """A fitted model ``score = method + track + residual``."""

    effects: pd.DataFrame  # index methods but the reference; columns estimate, se, low, high, p
    reference: str
    reference_mean: float  # of the reference over tracks, as the model has it
    track_variance: float
    residual_variance: float
    icc: float  # share of the variance, methods aside, that lies between tracks
    n_tracks: int
    n_missing: int  # cells without a value
    level: float
    converged: bool
    warnings: tuple[str, ...]  # of the fit


def mixed_model(matrix: pd.DataFrame | ScoreMatrix, *, reference: str | None = None, level: float = 0.95) -> MixedModel:
    """Fit a linear mixed model by restricted maximum likelihood, with the statsmodels of the extra ``stats``.

    Parameters
    ----------
    matrix : DataFrame or ScoreMatrix
        Scores, index tracks, columns methods. NaN is left out and counted.
    reference : str, optional
        The method that the others are compared with: by default ``mixture`` where it is there, else the first.
    level : float
        Of the intervals, in (0, 1).

    Returns
    -------
    MixedModel
        `converged` false means that its numbers are not to be used; `warnings` says why.

    Raises
    ------
    MissingDependencyError
        statsmodels is not installed.
    RunError
        Fewer than 3 tracks or 2 methods, a method or track without any value, infinite scores, or scores that leave
        nothing to estimate a variance from.
    UnknownNameError
        There is no such reference.
    """
    import pandas as pd

    check_level("level", level)
    values, methods, missing = _checked(matrix)
    if reference is None:
        reference = FLOOR if FLOOR in methods else methods[0]
    if reference not in methods:
        raise UnknownNameError("separator", reference, methods)
    order = [methods.index(reference), *(i for i, name in enumerate(methods) if name != reference)]
    others = [methods[i] for i in order[1:]]
    fit, warnings_of_fit = _fit(values[:, order])
    estimate, error = np.asarray(fit.fe_params), np.asarray(fit.bse_fe)
    track, residual = float(np.asarray(fit.cov_re)[0, 0]), float(fit.scale)
    return MixedModel(
        effects=effect_table(estimate[1:], error[1:], pd.Index(others, name="separator"), level),
        reference=reference,
        reference_mean=float(estimate[0]),
        track_variance=track,
        residual_variance=residual,
        icc=track / (track + residual),
        n_tracks=values.shape[0],
        n_missing=int(missing),
        level=level,
        converged=bool(fit.converged) and bool(np.isfinite(error).all()),
        warnings=warnings_of_fit,
    )


def effect_table(estimate: Floats, error: Floats, names: pd.Index[Any], level: float) -> pd.DataFrame:
    """Return the fixed effects of a model with intervals and p values: columns estimate, se, low, high, p.

    Estimates are taken as normal, as statsmodels takes them: beside random effects a t test has no exact degrees
    of freedom.
    """
    import pandas as pd

    half = scipy.stats.norm.ppf((1 + level) / 2) * error
    columns = {"estimate": estimate, "se": error, "low": estimate - half, "high": estimate + half}
    return pd.DataFrame(columns | {"p": 2 * scipy.stats.norm.sf(np.abs(estimate / error))}, index=names)


def _checked(matrix: pd.DataFrame | ScoreMatrix) -> tuple[Floats, list[str], int]:
    """Return values with NaN where they are missing, methods, and how many are missing."""
    import pandas as pd

    what = "the mixed model"
    table = matrix.values if isinstance(matrix, ScoreMatrix) else pd.DataFrame(matrix)
    try:
        values = table.to_numpy(dtype=np.float64, na_value=np.nan)
    except (TypeError, ValueError) as error:
        raise RunError(f"{what} needs numbers: {error}") from None
    there = ~np.isnan(values)
    _, methods = check_matrix(pd.DataFrame(np.where(there, values, 0.0), table.index, table.columns), what)
    if np.isinf(values).any():
        raise RunError(
            f"{what} needs finite scores, got {int(np.isinf(values).sum())} infinite; use rank tests instead"
        )
    empty = [name for name, any_there in zip(methods, there.any(axis=0), strict=True) if not any_there]
    if empty:
        raise RunError(f"{what} found no score of method {empty[0]!r}; leave it out")
    used = there.any(axis=1)
    if used.sum() < MIN_TRACKS:
        raise RunError(f"{what} needs at least {MIN_TRACKS} tracks with scores, got {int(used.sum())}")
    values, there = values[used], there[used]
    centred = values - np.nanmean(values, axis=0)
    centred = centred - np.nanmean(centred, axis=1, keepdims=True)
    if np.nanmax(np.abs(centred)) < 1e-9:
        raise RunError(f"{what} needs scores that spread, but methods differ by the same on every track")
    return values, methods, int((~there).sum())


def _fit(values: Floats) -> tuple[Any, tuple[str, ...]]:
    """Return the fit of statsmodels, whose reference is the first column, and its warnings."""
    try:
        from statsmodels.regression.mixed_linear_model import MixedLM
    except ModuleNotFoundError:
        raise MissingDependencyError("statsmodels", "the mixed model", "pip install 'mss-bench[stats]'") from None
    there = ~np.isnan(values)
    track, method = np.nonzero(there)
    design = (method[:, None] == np.arange(values.shape[1])).astype(np.float64)
    design[:, 0] = 1.0
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        fit = MixedLM(values[there], design, groups=track).fit(reml=True)
    return fit, tuple(dict.fromkeys(str(w.message) for w in caught))
