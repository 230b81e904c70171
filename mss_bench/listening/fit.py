"""From metrics to ratings: simple models, held against songs and systems that they have not seen.

Whatever is chosen or estimated (the best metric, a ridge's weight, the standardisation) is so within the training part
of each fold. A model that does not beat the mean rating on unseen songs or systems is said not to generalise.

References
----------
.. [1] V. Emiya, E. Vincent, N. Harlander, V. Hohmann, "Subjective and objective quality assessment of audio source
   separation", IEEE Trans. Audio, Speech, and Language Processing 19(7), 2011: the mapping of PEASS.
.. [2] T. Hastie, R. Tibshirani, J. Friedman, The Elements of Statistical Learning, 2nd ed., Springer 2009, 7.10.2.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from mss_bench.listening.bootstrap import FEWEST, LEVEL, cluster_weights, percentile_interval
from mss_bench.listening.metric_table import Joined
from mss_bench.listening.metrics_against_ears import ceiling
from mss_bench.listening.ratings import SCALE
from mss_bench.listening.sheets import RatingsError
from mss_bench.stats.correlation import correlations
from mss_bench.stats.units import Floats

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["FOLDS", "MODELS", "Fit", "fit_metrics"]

MODELS = {
    "mean": "the mean rating of all, what is left out included: the best that no metric at all can do",
    "best_linear": "a straight line of the one metric that correlates best in the training part",
    "best_monotone": "the best non-decreasing curve of that metric",
    "all_linear": "all metrics, ridge regression, its weight by cross-validation within the training part",
    "all_monotone": "all metrics with weights that are not negative: better in any metric is never worse",
}
"""Names of the models and what they are, in words."""

FOLDS = {"song": "songs", "system": "systems"}
"""What is left out, one at a time."""

_FEWEST = 3  # songs or systems: of two, one alone would be left to train on
_GAPS = 0.2  # of a metric's values that may be missing: every model loses the signals that one metric lacks
_PENALTIES = np.logspace(-3, 4, 15)  # of standardised metrics: from as good as none to nothing but the mean

Predictor = Callable[[Floats], Floats]


@dataclass(frozen=True)
class Fit:
    """Models of ratings and how they do on what they have not seen.

    Parameters
    ----------
    validation : DataFrame
        ``left_out`` (``song`` or ``system``), ``model``, ``rmse``, ``low``, ``high``, ``r``, ``rho``;
        ``over_mean`` with ``over_mean_low`` and ``over_mean_high``, the change of the error against the mean, and
        ``over_best`` likewise against the better of the single-metric models: negative is better. Intervals resample
        what was left out; those of changes are wider, for four models that could look better by chance.
    predictions : DataFrame
        ``item``, ``song``, ``system``, ``rating``, then ``left_out/model``.
    listeners : dict
        From `mss_bench.listening.metrics_against_ears.ceiling`.
    models : dict
        The models fitted to everything, as plain data.
    conclusions : list of str
    notes : list of str
    """

    validation: pd.DataFrame
    predictions: pd.DataFrame
    listeners: dict[str, float]
    models: dict[str, Any]
    conclusions: list[str]
    notes: list[str]

    def to_json(self) -> str:
        """Return the fitted models as JSON."""
        return json.dumps(self.models, indent=1, sort_keys=True, ensure_ascii=False) + "\n"


def fit_metrics(
    joined: Joined, ratings: pd.DataFrame, *, scale: tuple[float, float] = SCALE, draws: int = 2000, seed: int = 0
) -> Fit:  # fmt: skip
    """Fit models and validate them.

    Parameters
    ----------
    joined : Joined
    ratings : DataFrame
        Of the same task and target, for the listeners' own agreement.
    scale : (float, float)
        Predictions are kept within it.
    draws, seed : int

    Returns
    -------
    Fit

    Raises
    ------
    RatingsError
        Fewer than 3 songs or systems with finite metrics.
    """
    import pandas as pd

    table, metrics, notes = _complete(joined)
    x, y = table[metrics].to_numpy(dtype=np.float64), table["rating"].to_numpy(dtype=np.float64)
    signs = [-1.0 if metric in joined.turned else 1.0 for metric in metrics]  # to the metrics' own, as tables have them
    predictions = table[["item", "song", "system", "rating"]].copy()
    rows: list[dict[str, Any]] = []
    for column in FOLDS:
        groups = pd.factorize(table[column])[0]
        # The mean of the others alone lies off the left-out part, the further the fewer there are: luck would beat it.
        predicted = {"mean": np.full(y.size, y.mean())}
        for name in (name for name in MODELS if name != "mean"):
            held_out = np.empty_like(y)
            for group in range(groups.max() + 1):
                out = groups == group
                held_out[out] = _train(name, x[~out], y[~out], metrics, signs)[0](x[out])
            predicted[name] = np.clip(held_out, *scale)
        for name, values in predicted.items():
            predictions[f"{column}/{name}"] = values
        # The same resamples for every model, so that differences of errors are paired.
        weights = cluster_weights(groups, draws, seed)
        errors = {name: (values - y) ** 2 for name, values in predicted.items()}
        best = min(("best_linear", "best_monotone"), key=lambda name: errors[name].mean())
        for name in MODELS:
            row: dict[str, Any] = {"left_out": column, "model": name}
            row |= _errors(errors[name], errors["mean"], errors[best], weights)
            # The mean is the same everywhere: nothing correlates with it, and rounding must not say otherwise.
            against = correlations(predicted[name], y) if name != "mean" else {}
            rows.append(row | {c: float(against[c][0]) if against else math.nan for c in ("r", "rho")})
    validation = pd.DataFrame(rows)
    listeners = ceiling(ratings, seed=seed)
    models = {name: _train(name, x, y, metrics, signs)[1] for name in MODELS if name != "mean"}
    left_out = {column: int(table[column].nunique()) for column in FOLDS}
    return Fit(validation, predictions, listeners, models, _conclusions(validation, left_out, listeners), notes)


def _complete(joined: Joined) -> tuple[pd.DataFrame, list[str], list[str]]:
    """Return the signals with every metric; metrics with too many gaps are left out first."""
    notes = list(joined.notes)
    finite = {m: np.isfinite(joined.table[m].to_numpy(dtype=np.float64)) for m in joined.metrics}
    metrics = [m for m in joined.metrics if (~finite[m]).mean() <= _GAPS]
    notes += [f"{m} was left out of the models: not finite on too many signals." for m in finite if m not in metrics]
    if not metrics:
        raise RatingsError("no metric is finite on four fifths of the rated signals: nothing to fit")
    whole = np.all([finite[m] for m in metrics], axis=0)
    if not whole.all():
        notes.append(f"{int((~whole).sum())} of {whole.size} signals lack one of the metrics, and were left out.")
    table = joined.table[whole].reset_index(drop=True)
    for column, what in FOLDS.items():
        if table[column].nunique() < _FEWEST:
            raise RatingsError(
                f"a fit needs at least {_FEWEST} {what} with metrics and ratings, got {table[column].nunique()}: with "
                "fewer there is nothing to be left out"
            )
    return table, metrics, notes


def _train(
    name: str, x: Floats, y: Floats, metrics: Sequence[str], signs: Sequence[float]
) -> tuple[Predictor, dict[str, Any]]:
    """Fit a model and return what predicts with it, and the model as plain data, in the metrics' own signs."""
    if name.startswith("all"):
        weights, offset = _weights(name, x, y)
        terms = {m: sign * float(weight) for m, sign, weight in zip(metrics, signs, weights, strict=True)}
        return (lambda new: np.asarray(new @ weights + offset)), {"offset": offset, "weights": terms}
    r = np.array([float(correlations(column, y)["r"][0]) for column in x.T])
    best = int(np.nanargmax(np.where(np.isnan(r), -2.0, r)))  # a metric that is constant here is never the best
    if name == "best_linear":
        slope, offset = np.polyfit(x[:, best], y, 1)
        plain = {"offset": float(offset), "weights": {metrics[best]: signs[best] * float(slope)}}
        return (lambda new: np.asarray(slope * new[:, best] + offset)), plain
    from sklearn.isotonic import IsotonicRegression

    curve = IsotonicRegression(out_of_bounds="clip").fit(x[:, best], y)
    plain = {
        "metric": metrics[best], "interpolation": "linear, constant outside",
        "at": [signs[best] * float(v) for v in curve.X_thresholds_], "rating": list(map(float, curve.y_thresholds_)),
    }  # fmt: skip
    return (lambda new: np.asarray(curve.predict(new[:, best]))), plain


def _weights(name: str, x: Floats, y: Floats) -> tuple[Floats, float]:
    """Return weights of the metrics and an offset, in the metrics' own units."""
    middle, spread = x.mean(axis=0), x.std(axis=0)
    # A metric that is constant in this training part gets the weight 0, not a division by 0.
    spread = np.where(spread > 0, spread, 1.0)
    z = (x - middle) / spread
    if name == "all_monotone":
        from scipy.optimize import nnls

        fitted = nnls(z, y - y.mean())[0]
    else:
        from sklearn.linear_model import RidgeCV

        fitted = RidgeCV(_PENALTIES).fit(z, y - y.mean()).coef_
    weights = np.asarray(fitted) / spread
    return weights, float(y.mean() - middle @ weights)


def _errors(squares: Floats, mean: Floats, best: Floats, weights: Floats) -> dict[str, float]:
    def rmse(values: Floats) -> Floats:
        with np.errstate(invalid="ignore"):
            return np.asarray(np.sqrt(weights @ values / weights.sum(axis=1)))

    row = {"rmse": float(np.sqrt(squares.mean()))}
    row["low"], row["high"] = percentile_interval(rmse(squares))
    strict = 1 - (1 - LEVEL) / (len(MODELS) - 1)  # Bonferroni: the best of four models looks better by chance
    for name, other in (("over_mean", mean), ("over_best", best)):
        row[name] = row["rmse"] - float(np.sqrt(other.mean()))
        row[f"{name}_low"], row[f"{name}_high"] = percentile_interval(rmse(squares) - rmse(other), strict)
    return row


def _conclusions(validation: pd.DataFrame, groups: dict[str, int], listeners: dict[str, float]) -> list[str]:
    told = []
    for column, what in FOLDS.items():
        own = {str(r["model"]): r for r in validation.to_dict("records") if r["left_out"] == column}
        mean = own["mean"]["rmse"]
        if groups[column] < FEWEST:
            name = min(own, key=lambda model: float(own[model]["rmse"]))
            told.append(
                f"{groups[column]} {what} are too few to show that anything generalises to new {what}, expected at "
                f"least {FEWEST}: the least error there is that of {name}, {own[name]['rmse']:.1f} points; the mean "
                f"alone has {mean:.1f}."
            )
            continue
        better = {name: row for name, row in own.items() if row["over_mean_high"] < 0}
        if not better:
            least, row = min(((n, r) for n, r in own.items() if n != "mean"), key=lambda pair: float(pair[1]["rmse"]))
            told.append(
                f"Nothing is shown to generalise to new {what}: no model is surely better there than the mean rating "
                f"(error {mean:.1f} points). {least} comes to {row['rmse']:.1f} ({row['low']:.1f} to "
                f"{row['high']:.1f})."
            )
            continue
        name, best = min(better.items(), key=lambda pair: float(pair[1]["rmse"]))
        helping = [m for m in ("all_linear", "all_monotone") if own[m]["over_best_high"] < 0]
        told.append(
            f"On new {what} {name} does best: error {best['rmse']:.1f} points ({best['low']:.1f} to "
            f"{best['high']:.1f}), r {best['r']:.2f}; the mean alone has {mean:.1f}."
            + (
                f" More metrics than one help: {', '.join(helping)}."
                if helping
                else " No model of all metrics is surely better than the best single metric."
            )
        )
    if np.isfinite(listeners["ceiling"]):
        told.append(
            f"Listeners: one alone has r {listeners['single']:.2f} with the median of the others; no metric can be "
            f"expected above {listeners['ceiling']:.2f}."
        )
    return told
