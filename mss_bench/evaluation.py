"""One call from arrays to tables: `evaluate`.

No data set, no separator, no files: references and estimates in, every metric of the registry out. A run
(`mss_bench.run`) does the same for many methods and tracks, resumes, and keeps what it found.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import reduce
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from mss_bench.core import schema
from mss_bench.core.arrays import Samples
from mss_bench.core.audio import check_finite, check_same_shape
from mss_bench.core.schema import DEFAULT_METRICS
from mss_bench.core.spec import Spec, build
from mss_bench.core.stem_map import StemMap
from mss_bench.core.tracks import Stems, TargetGroup, Targets, TrackAudio
from mss_bench.errors import AudioError, ConfigError
from mss_bench.metrics import Metric, Score, refuse_shared_quantities
from mss_bench.metrics import metrics as registry
from mss_bench.metrics._checks import checked_references, spoiled_estimates

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["AGGREGATE_COLUMNS", "FRAME_COLUMNS", "Evaluation", "evaluate"]

FRAME_COLUMNS: dict[str, str] = {
    column: schema.FRAME_COLUMNS[column]
    for column in ("target", "metric", "preset", "frame", "time", "duration", "value")
}
"""Columns of the frame table with their types, as in a run's."""

AGGREGATE_COLUMNS: dict[str, str] = {
    column: schema.TRACK_COLUMNS[column]
    for column in (
        "target", "metric", "preset", "value", "n_frames", "n_valid", "n_inf", "flags", "reason", "condition",
    )
}  # fmt: skip
"""Columns of the aggregate table with their types, as in a run's track table."""

Signals = NDArray[np.floating] | Mapping[str, NDArray[np.floating]]


@dataclass(frozen=True)
class Evaluation:
    """Tables of scores, as `evaluate` returns them.

    Parameters
    ----------
    frames : DataFrame
        One row for each target, quantity and frame of the metrics that go frame by frame; columns of `FRAME_COLUMNS`.
    aggregate : DataFrame
        One row for each target and quantity; columns of `AGGREGATE_COLUMNS`.
    """

    frames: pd.DataFrame
    aggregate: pd.DataFrame

    def __repr__(self) -> str:
        table = self.aggregate.set_index(["metric", "preset", "target"])["value"].unstack("target", sort=False)
        return f"{table.round(3).to_string()}\n({len(self.frames)} rows in frames, {len(self.aggregate)} in aggregate)"


def evaluate(
    references: Signals,
    estimates: Signals,
    sample_rate: int,
    metrics: Sequence[str | Mapping[str, Any] | Metric] = DEFAULT_METRICS,
    *,
    mixture: Samples | None = None,
    map: str | Mapping[str, Any] | None = None,
    threads: int = 1,
) -> Evaluation:
    """Score estimates of the sources of one track.

    Parameters
    ----------
    references : dict of str to (channels, samples) float array, or (sources, channels, samples) float array
        Mono signals may leave out the axis of channels: ``(samples,)`` in a dict, ``(sources, samples)`` as an array.
        The sources of an array are named ``"source 0"``, ``"source 1"``, ... All of them span the projections of
        BSS Eval, whichever were estimated.
    estimates : dict or array
        As the references: in a dict some or all of their names, as an array every source in the same order.
    sample_rate : int
        Hz.
    metrics : sequence of str, mapping or Metric
        ``"bss_eval:window=2"``, ``{"name": "bss_eval", "window": 2}``, or a metric of your own; see
        ``mss-bench metrics list``.
    mixture : (channels, samples) float array, optional
        For metrics that look at it; the sum of the references by default.
    map : str or mapping, optional
        What the names of the estimates mean: ``{"other": ["guitar", "piano", "other"]}`` or
        ``"accompaniment=mixture-vocals"``, see `mss_bench.core.stem_map`.
    threads : int
        Of linear algebra; more than one helps BSS Eval on an idle machine and can change last digits.

    Returns
    -------
    Evaluation
        Tables `frames` and `aggregate`. A value that cannot be had is NaN with the reason beside it: a silent source,
        SIR of a lone source, an estimate with NaN (which spoils no other).

    Raises
    ------
    AudioError
        Other shapes, more channels than samples (probably ``(samples, channels)``), integers, empty arrays, NaN in a
        reference or the mixture; the message names source, channel and sample.
    ConfigError
        An invalid sample rate, a wrong metric or parameter, no metric, or two that report the same quantity with
        the same preset.

    Examples
    --------
    >>> import numpy as np, mss_bench
    >>> rng = np.random.default_rng(0)
    >>> stems = {name: rng.standard_normal((2, 44100)) for name in ("vocals", "accompaniment")}
    >>> noisy = {name: stem + 0.1 * rng.standard_normal(stem.shape) for name, stem in stems.items()}
    >>> result = mss_bench.evaluate(stems, noisy, 44100, ["usdr"])
    >>> [round(value, 1) for value in result.aggregate["value"]]
    [20.0, 20.0]
    """
    chosen = _metrics(metrics)
    if isinstance(sample_rate, bool) or not isinstance(sample_rate, int | np.integer) or sample_rate <= 0:
        raise ConfigError(f"sample_rate is {sample_rate!r}, expected a positive whole number of Hz")
    true, estimated = _sources(references, "reference"), _sources(estimates, "estimate")
    if isinstance(references, Mapping) != isinstance(estimates, Mapping):
        raise AudioError("references and estimates are a dict and an array, expected two dicts or two arrays")
    if not isinstance(references, Mapping) and len(true) != len(estimated):
        raise AudioError(f"{len(true)} references and {len(estimated)} estimates were given, expected as many of both")
    estimated = _mapped(estimated, StemMap.from_parameter(map), true, mixture)
    track, group = _checked(true, estimated, mixture, int(sample_rate)), TargetGroup("given", tuple(true))
    with threadpool_limits(limits=threads):
        scores = [(m.preset, score) for m in chosen for score in m.score(m.prepare(track, group), estimated)]
    return Evaluation(_frame_table(scores), _aggregate_table(scores))


def _metrics(given: Sequence[str | Mapping[str, Any] | Metric]) -> list[Metric]:
    if isinstance(given, str | Mapping | Metric):
        given = [given]
    if not isinstance(given, Sequence):
        raise ConfigError(f"metrics is {given!r}, expected a list of names, mappings or metrics")
    if not given:
        raise ConfigError(f"no metric was given, expected some of {', '.join(registry.names())}")
    chosen = [
        (item.name, item) if isinstance(item, Metric) else (str(spec := Spec.parse(item)), build(registry, spec)[0])
        for item in given
    ]
    refuse_shared_quantities(chosen)
    return [metric for _, metric in chosen]


def _sources(given: Signals, kind: str) -> Stems:
    """Return named arrays with an axis of channels; all else about them is checked by `_checked`."""
    if isinstance(given, np.ndarray):
        if given.ndim not in (2, 3):
            raise AudioError(f"{kind}s have shape {given.shape}, expected (sources, channels, samples)")
        if given.ndim == 2 and given.shape[0] > given.shape[1]:
            raise AudioError(_turned(f"{kind}s have", given.shape, "(sources, samples)"))
        given = {f"source {index}": array for index, array in enumerate(given)}
    elif not isinstance(given, Mapping):
        raise AudioError(
            f"{kind}s are a {type(given).__name__}, expected a dict of arrays or an array (sources, channels, samples)"
        )
    return {name: _with_channels(array, f"{kind} {name!r}") for name, array in given.items()}


def _mapped(estimates: Stems, stem_map: StemMap, references: Stems, mixture: Samples | None) -> Stems:
    """Return the estimates under the names of the references."""
    if not stem_map:
        return estimates
    targets = Targets(tuple(references))
    stem_map.check_targets(targets)
    stem_map.check_delivered(tuple(estimates), targets.stems)
    arrays = {f"reference {name!r}": array for name, array in references.items()}
    arrays |= {f"estimate {name!r}": array for name, array in estimates.items()}
    if mixture is not None:
        arrays["the mixture"] = mixture = _with_channels(mixture, "the mixture")
    check_same_shape({name: array.shape for name, array in arrays.items()}, "evaluate")
    whole = reduce(np.add, references.values()) if mixture is None else mixture
    return stem_map.apply(estimates, whole, targets)[0]


def _with_channels(array: Samples, name: str) -> Samples:
    if not isinstance(array, np.ndarray):
        raise AudioError(f"{name} is a {type(array).__name__}, expected an array (channels, samples)")
    array = array[np.newaxis] if array.ndim == 1 else array
    if array.ndim == 2 and array.shape[0] > array.shape[1] > 0:
        raise AudioError(_turned(f"{name} has", array.shape, "(channels, samples)"))
    return array


def _turned(what: str, shape: tuple[int, ...], expected: str) -> str:
    return (
        f"{what} shape {shape}, expected {expected}; that is more of the first than samples, so the axes are probably "
        "the other way round (museval's order): swap them with array.swapaxes(-1, -2)"
    )


def _checked(references: Stems, estimates: Stems, mixture: Samples | None, sample_rate: int) -> TrackAudio:
    """Check that everything is floats of one shape, and all but the estimates finite; return the track."""
    if not references:
        raise AudioError("there are no references, expected at least one")
    track = TrackAudio(references, next(iter(references.values())), sample_rate)
    spoiled_estimates(checked_references(track, TargetGroup("given", tuple(references))), estimates)
    if mixture is None:
        return replace(track, mixture=reduce(np.add, references.values()))
    mixture = _with_channels(mixture, "the mixture")
    if not np.issubdtype(mixture.dtype, np.floating):
        raise AudioError(f"the mixture is of {mixture.dtype}, expected float32 or float64")
    check_same_shape({"the references": track.mixture.shape, "the mixture": mixture.shape}, "evaluate")
    check_finite(mixture, "the mixture")
    return replace(track, mixture=mixture)


def _frame_table(scores: list[tuple[str, Score]]) -> pd.DataFrame:
    import pandas as pd

    rows = [
        (score.target, score.quantity, preset, frame, frame * score.hop, score.window, value)
        for preset, score in scores
        if score.scope == "frame"
        for frame, value in enumerate(np.ravel(score.values))
    ]
    return pd.DataFrame(rows, columns=list(FRAME_COLUMNS)).astype(FRAME_COLUMNS)


def _aggregate_table(scores: list[tuple[str, Score]]) -> pd.DataFrame:
    import pandas as pd

    rows = [
        (
            s.target, s.quantity, preset, s.value, s.n_frames, s.n_valid, s.n_inf,
            ",".join(sorted(s.flags)), s.why_missing, s.condition,
        )
        for preset, s in scores
    ]  # fmt: skip
    return pd.DataFrame(rows, columns=list(AGGREGATE_COLUMNS)).astype(AGGREGATE_COLUMNS)
