"""The contract suite, which checks whether a metric does what it declares.

One function, `check_metric`, for built-in metrics and for plugins alike. It scores made-up signals in many forms
(perfect, degraded, silent, with NaN, very short, mono, three channels, other sample rates, some targets only) and looks
at what comes out. A form that the metric cannot take is to be refused by an `MssBenchError`, which says so to the user,
or answered by NaN with a reason; any other exception is a defect.

Of silence it asks what every family keeps to: a reference that is silent throughout has no value and takes none from
the others, a silent estimate makes nobody better, a frame counts for no source while one of them is exactly 0 in all
channels, and channels that cancel (L = -R) are no silence. A metric that means it otherwise says so by its attributes
`silent_reference` and `silence`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property, partial

import numpy as np

from mss_bench.core.checks import BrokenPromise, CheckResult, check_facts, check_parameters, run_check
from mss_bench.core.parameters import parameters
from mss_bench.core.tracks import Audio, Stems, TargetGroup, TrackAudio
from mss_bench.errors import ConfigError, MssBenchError
from mss_bench.metrics.base import Metric, Score

__all__ = ["CheckResult", "check_metric"]

_TARGETS = ("vocals", "drums", "bass")
_PAUSING = "drums"  # silent in the second third of the reference, and in the last of the estimate

_UNITS = ("", "dB", "LU", "ms", "µs")

_FACTS: dict[str, type] = {  # attribute to its type
    **dict.fromkeys(("name", "version", "citation", "caution", "extra", "module", "package"), str),
    **dict.fromkeys(("slow", "joint", "needs_annotations"), bool),
    **dict.fromkeys(("path_parameters", "targets"), tuple),
    "works_at": int,
}

_ROUNDING = 1e-9  # difference up to which two values are the same, relative to the larger


def check_metric(
    metric: Metric, *, seconds: float = 3.0, sample_rate: int = 16000, seed: int = 0, references: Stems | None = None
) -> list[CheckResult]:
    """Check a metric against its declarations.

    Parameters
    ----------
    metric : Metric
        An instance, with the parameters that are to be checked. One whose attribute ``joint`` is true gives one number
        for all targets together, which a NaN in any of them may spoil.
    seconds : float
        Length of the signals; a third should be no shorter than a frame of the metric.
    sample_rate : int
        Hz.
    seed : int
        Of the made-up signals.
    references : dict of str to (2, samples) float array, optional
        Vocals, drums and bass in place of coloured noise, for a metric that looks for music.

    Returns
    -------
    list of CheckResult
        In a fixed order. Where the declarations or the first scores are wrong, there is that one alone.
    """
    declared = run_check("declarations", lambda: _check_declarations(metric))
    if not declared.passed:
        return [declared]
    case = _case(metric, sample_rate, references or _noise(sample_rate, seconds, seed), seed)
    pausing, alone = _own(metric, _PAUSING), _own(metric, _TARGETS[0])
    first = run_check("names and shapes", lambda: _check_scores(case, case.scores))
    if not first.passed:
        return [first]
    checks: dict[str, Callable[[], str]] = {
        "parameters": lambda: check_parameters(type(metric)),
        "input unchanged": lambda: _check_input(case),
        "deterministic, state unchanged": lambda: _check_deterministic(case),
        "direction": lambda: _check_direction(case),
        "NaN": lambda: _check_nan(case, alone),
        "silent reference": lambda: _check_silent_reference(case, pausing),
        "silent estimate": lambda: _check_silent_estimate(case, pausing),
        "pauses": lambda: _check_pauses(case),
        "channels that cancel": lambda: _check_cancelling(case, alone),
        "all silent": lambda: _check_form(case.changed(np.zeros_like)),
        "one target": lambda: _check_form(replace(case, estimates={pausing: case.estimates[pausing]})),
        "mono": lambda: _check_form(case.changed(lambda array: array[:1])),
        "3 channels": lambda: _check_form(case.changed(lambda array: np.concatenate([array, array[:1] * 0.5]))),
        "0.1 s": lambda: _check_form(case.changed(lambda array: array[:, : sample_rate // 10])),
        "1 sample": lambda: _check_form(case.changed(lambda array: array[:, :1])),
        "float64": lambda: _check_form(case.changed(lambda array: array.astype(np.float64))),
    }
    checks |= {f"{rate} Hz": partial(_check_form, replace(case, sample_rate=rate)) for rate in (22050, 48000)}
    return [declared, first, *(run_check(name, check) for name, check in checks.items())]


@dataclass(frozen=True)
class _Case:
    """Input of a metric."""

    metric: Metric
    references: Stems
    estimates: Stems
    sample_rate: int

    def prepare(self) -> object:
        mixture = np.asarray(np.sum([*self.references.values()], axis=0))
        return self.metric.prepare(
            TrackAudio(self.references, mixture, self.sample_rate), TargetGroup("group", tuple(self.references))
        )

    @property
    def signals(self) -> dict[str, Stems]:
        return {"reference": self.references, "estimate": self.estimates}

    @cached_property
    def scores(self) -> list[Score]:
        """Return what the metric makes of it, which several checks look at."""
        return self.scored_anew()

    def scored_anew(self) -> list[Score]:
        return self.metric.score(self.prepare(), self.estimates)

    def values(self) -> dict[tuple[str, str], float]:
        return {(score.target, score.quantity): score.value for score in self.scores}

    def both(self, change: Callable[[Stems], Stems]) -> _Case:
        return replace(self, references=change(self.references), estimates=change(self.estimates))

    def changed(self, change: Callable[[Audio], Audio]) -> _Case:
        """Return the case with every signal changed in the same way."""
        return self.both(lambda stems: {name: np.ascontiguousarray(change(array)) for name, array in stems.items()})

    def without(self, name: str) -> _Case:
        """Return the case without a target."""
        return self.both(lambda stems: {n: array for n, array in stems.items() if n != name})

    def with_reference(self, name: str, change: Callable[[Audio], Audio]) -> _Case:
        return replace(self, references=self.references | {name: change(self.references[name])})

    def with_estimate(self, name: str, change: Callable[[Audio], Audio]) -> _Case:
        return replace(self, estimates=self.estimates | {name: change(self.estimates[name])})


def _check_scores(case: _Case, scores: list[Score]) -> str:
    targets = [t for t in case.references if t in case.estimates and t in (case.metric.targets or _TARGETS)]
    expected = [(t, q.name) for t in targets for q in case.metric.quantities]
    given = [(score.target, score.quantity) for score in scores]
    if sorted(given) != sorted(expected):
        raise BrokenPromise(f"scores of {given}; expected one for each delivered target and quantity: {expected}")
    for score in scores:
        what = f"{score.quantity} of {score.target}"
        values = score.values
        if not isinstance(values, np.ndarray) or values.dtype != np.float64 or values.ndim != 1 or not values.size:
            kind = getattr(values, "dtype", type(values).__name__)
            raise BrokenPromise(f"{what} is {kind} of shape {np.shape(values)}; expected float64 of one axis")
        if score.scope == "track" and (len(values) != 1 or score.window or score.hop):
            raise BrokenPromise(f"{what} has scope track and {len(values)} values; expected one, window and hop 0")
        if score.scope == "frame" and not (score.window > 0 and score.hop > 0):
            raise BrokenPromise(f"{what} has scope frame, window {score.window} and hop {score.hop}; expected seconds")
        if np.isnan(values).all() and not score.reason:
            raise BrokenPromise(f"{what} is NaN without a reason")
    return ", ".join(f"{q} of {t}" for t, q in given)


def _check_declarations(metric: Metric) -> str:
    check_facts(metric, _FACTS)
    if unknown := set(metric.path_parameters) - parameters(type(metric)).keys():
        raise BrokenPromise(f"path_parameters names {min(unknown)!r}, which is no parameter")
    for preset, changes in metric.presets.items():
        for name, value in changes.items():
            if name not in parameters(type(metric)):
                raise BrokenPromise(f"preset {preset} sets {name!r}, which is no parameter")
            try:
                parameters(type(metric))[name].convert(value)
            except ConfigError as error:
                raise BrokenPromise(f"preset {preset}: {error}") from error
    names = [q.name for q in metric.quantities]
    if not (metric.name and metric.version and metric.citation and metric.preset):
        raise BrokenPromise("name, version, citation or preset is empty")
    if not names or len(set(names)) != len(names):
        raise BrokenPromise(f"quantities are {names}; expected at least one, with a name each")
    for quantity in metric.quantities:
        if not quantity.definition or quantity.unit not in _UNITS:
            raise BrokenPromise(f"{quantity.name} has unit {quantity.unit!r} and definition {quantity.definition!r}")
    return ", ".join(f"{q.name} [{q.unit or 'no unit'}]" for q in metric.quantities)


def _check_input(case: _Case) -> str:
    arrays = {f"{kind} {n}": a for kind in ("references", "estimates") for n, a in getattr(case, kind).items()}
    before = {name: array.copy() for name, array in arrays.items()}
    case.scored_anew()
    changed = [name for name, array in arrays.items() if not np.array_equal(array, before[name])]
    if changed:
        raise BrokenPromise(f"prepare() or score() wrote into its input: {', '.join(changed)}")
    return "as it was"


def _check_deterministic(case: _Case) -> str:
    state = case.prepare()
    first = case.metric.score(state, case.estimates)
    # Other estimates in between: a state that keeps something of them shows.
    case.metric.score(state, {name: array[:, ::-1].copy() for name, array in case.estimates.items()})
    for what, again in (
        ("the same state", case.metric.score(state, case.estimates)),
        ("a new state", case.scored_anew()),
    ):
        for a, b in zip(first, again, strict=True):
            named_alike = (a.target, a.quantity) == (b.target, b.quantity)
            if not (named_alike and np.array_equal(a.values, b.values, equal_nan=True)):
                raise BrokenPromise(f"{a.quantity} of {a.target} is another when scored again with {what}")
    return "scored three times alike"


def _check_direction(case: _Case) -> str:
    """Check that a perfect estimate is best, and noise, leakage or loss worse for every quantity."""
    perfect = replace(case, estimates=dict(case.references)).values()
    details = []
    degraded = {name: replace(case, estimates=stems).values() for name, stems in _degraded(case).items()}
    for quantity in case.metric.quantities:
        sign, worse = 1 if quantity.higher_is_better else -1, set()
        for name, values in degraded.items():
            for target in case.metric.targets or case.references:
                best, value = sign * perfect[target, quantity.name], sign * values[target, quantity.name]
                if value > best + _ROUNDING * max(1.0, abs(value)):
                    raise BrokenPromise(
                        f"{quantity.name} of {target} is {sign * value:g} with {name} and {sign * best:g} for the "
                        f"reference itself; expected {'less' if sign > 0 else 'more'}"
                    )
                if value < best:
                    worse.add(name)
        if not worse:
            raise BrokenPromise(f"{quantity.name} is no worse with {', '.join(degraded)} than for the reference itself")
        details.append(f"{quantity.name} worse with {', '.join(sorted(worse))}")
    return "; ".join(details)


def _degraded(case: _Case) -> dict[str, Stems]:
    # Three kinds of damage, since a metric need not react to each: one of bleeding has nothing to say about loss.
    rng = np.random.default_rng(1)
    mixture = np.sum([*case.references.values()], axis=0)
    noise = {n: 0.05 * rng.standard_normal(s.shape) for n, s in case.references.items()}
    made = {
        "noise": {n: s + noise[n] for n, s in case.references.items()},
        "leakage": {n: 0.8 * s + 0.2 * mixture for n, s in case.references.items()},
        "loss": {n: s * (np.arange(s.shape[1]) > s.shape[1] // 3) for n, s in case.references.items()},
    }
    return {name: {n: y.astype(np.float32) for n, y in stems.items()} for name, stems in made.items()}


def _check_nan(case: _Case, spoiled: str) -> str:
    def hole(array: Audio) -> Audio:
        array = array.copy()
        array[-1, 7] = np.nan
        return array

    before = {(s.target, s.quantity): s.values for s in case.scores}
    scores = case.with_estimate(spoiled, hole).scores
    for score in scores:
        key = (score.target, score.quantity)
        if score.target == spoiled or case.metric.joint:
            if not np.isnan(score.values).all() or not score.reason:
                raise BrokenPromise(f"{score.quantity} of {spoiled} with a NaN sample is {score.values}, expected NaN")
        elif not np.allclose(score.values, before[key], rtol=1e-9, atol=1e-9, equal_nan=True):
            raise BrokenPromise(f"a NaN sample in the estimate of {spoiled} changes {score.quantity} of {score.target}")
    return next(score.reason for score in scores if score.target == spoiled)


def _check_form(case: _Case) -> str:
    """Check that a form of input has scores or reasons, or is refused in so many words."""
    try:
        scores = case.scores
    except MssBenchError as error:
        return f"refused: {error}"
    _check_scores(case, scores)
    reasons = dict.fromkeys(score.reason for score in scores if np.isnan(score.values).all())
    return f"no value: {'; '.join(reasons)}" if reasons else "handled"


def _check_silent_reference(case: _Case, silent: str) -> str:
    """Check that a reference that is silent throughout has no value and leaves the other targets theirs."""
    case = case.with_reference(silent, np.zeros_like)
    detail = _check_form(case)
    if detail.startswith("refused") or case.metric.silent_reference == "scored":
        return detail
    for score in case.scores:
        if score.target == silent and not np.isnan(score.values).all():
            raise BrokenPromise(
                f"{score.quantity} of {silent} is {score.value:g} where its reference is silent throughout; expected "
                "NaN with a reason (or the attribute silent_reference = 'scored')"
            )
    others = [t for t in case.references if t != silent and t in (case.metric.targets or case.references)]
    if others and _rule(case.metric) != "channel_sum":  # a tool's rule, which may void the others
        _compare_missing(case.scores, case.without(silent).scores, f"the silent reference of {silent}")
    return detail


def _check_silent_estimate(case: _Case, silent: str) -> str:
    """Check that an estimate that is silent throughout makes no other target better."""
    silenced = case.with_estimate(silent, np.zeros_like)
    detail = _check_form(silenced)
    if detail.startswith("refused"):
        return detail
    before, after = case.values(), silenced.values()
    for quantity in case.metric.quantities:
        sign = 1 if quantity.higher_is_better else -1
        for target in () if case.metric.joint else [t for t, q in after if q == quantity.name and t != silent]:
            was, value = before[target, quantity.name], after[target, quantity.name]
            if sign * value > sign * was + _ROUNDING * max(1.0, abs(was)) or (np.isnan(was) and not np.isnan(value)):
                raise BrokenPromise(
                    f"{quantity.name} of {target} becomes {value:g} from {was:g} when the estimate of {silent} is "
                    "silent; expected nothing better"
                )
    return detail


def _check_pauses(case: _Case) -> str:
    """Check that frames in which some signal is exactly silent count for no target."""
    if (rule := _rule(case.metric)) == "none":
        return "speaks of silence"
    left_out = 0
    for score in (s for s in case.scores if s.scope == "frame" and np.isfinite(s.window + s.hop)):
        names = [score.target] if rule == "per_source" else list(case.references)
        signals = {f"{kind} {n}": a[n] for kind, a in case.signals.items() for n in names}
        window, hop = (round(seconds * case.sample_rate) for seconds in (score.window, score.hop))
        for frame, value in enumerate(score.values):
            part = slice(frame * hop, frame * hop + window)
            silent = [name for name, array in signals.items() if not array[:, part].any()]
            if silent and not np.isnan(value):
                raise BrokenPromise(
                    f"{score.quantity} of {score.target} is {value:g} in frame {frame}, in which {silent[0]} is "
                    "silent; expected NaN (or another rule in the attribute silence than 'joint')"
                )
            left_out += bool(silent)
    return f"{left_out} frames left out" if left_out else "no frame in which a signal is silent"


def _check_cancelling(case: _Case, target: str) -> str:
    """Check that frames of a stem with L = -R count as those of one with L = R."""
    if _rule(case.metric) == "channel_sum":
        return "a tool's rule: the channels are summed"

    def turned(sign: int) -> _Case:
        return case.both(lambda own: own | {target: np.concatenate([own[target][:1], sign * own[target][:1]])})

    opposite = turned(-1)
    detail = _check_form(opposite)
    if not detail.startswith("refused"):
        given, expected = ([s for s in own.scores if s.scope == "frame"] for own in (opposite, turned(1)))
        _compare_missing(given, expected, f"{target} with channels that cancel")
    return detail


def _rule(metric: Metric) -> str:
    """Return which frames count: a rule of `mss_bench.metrics._frames.SilencePolicy`."""
    return str(getattr(metric, "silence", "joint"))


def _compare_missing(scores: list[Score], expected: list[Score], what: str) -> None:
    """Check that values are missing in just the frames in which they are expected to be."""
    given = {(s.target, s.quantity): s for s in scores}
    for score in expected:
        missing = np.isnan(given[score.target, score.quantity].values)
        if not np.array_equal(missing, np.isnan(score.values)):
            raise BrokenPromise(
                f"{score.quantity} of {score.target} has {np.count_nonzero(~missing)} of {missing.size} values beside "
                f"{what}; expected {score.n_valid}"
            )


def _own(metric: Metric, usual: str) -> str:
    """Return a target that the metric has numbers for: the usual one if possible."""
    return usual if usual in (metric.targets or _TARGETS) else metric.targets[0]


def _noise(sample_rate: int, seconds: float, seed: int) -> Stems:
    """Make references of coloured noise, one of which pauses."""
    rng = np.random.default_rng(seed)
    samples = round(seconds * sample_rate)
    references: Stems = {}
    for index, name in enumerate(_TARGETS):
        white = rng.standard_normal((2, samples + 1))
        coloured = white[:, 1:] + (0.4 * index - 0.4) * white[:, :-1]
        references[name] = (0.1 * (coloured + 0.3 * coloured[::-1])).astype(np.float32)
    references[_PAUSING][:, samples // 3 : 2 * samples // 3] = 0
    return references


def _case(metric: Metric, sample_rate: int, references: Stems, seed: int) -> _Case:
    """Add estimates that are degraded a little."""
    rng = np.random.default_rng(seed + 1)
    mixture = np.sum([*references.values()], axis=0)
    estimates = {
        name: (0.9 * s + 0.1 * mixture + 0.01 * rng.standard_normal(s.shape)).astype(np.float32)
        for name, s in references.items()
    }
    estimates[_PAUSING][:, 2 * mixture.shape[1] // 3 :] = 0
    return _Case(metric, references, estimates, sample_rate)
