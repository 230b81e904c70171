"""The base class of metrics: the template that each of them fills.

A benchmark scores many estimates against the same references. A metric therefore works in two steps: `Metric.prepare`
does once per track and target group what needs no estimate, `Metric.score` the rest per method. Both are written here,
with their checks, the order of the rows and the reasons of missing values; a metric adds what makes its number::

    class MaxError(Metric):
        \"\"\"Largest difference between estimate and reference.\"\"\"

        name = "max_error"
        quantities = (Quantity("MaxError", "", False, "max |y - s|", least=0),)
        citation = "This example."

        def measure(self, track: Prepared[None], target: str, estimate: Samples) -> Value:
            return float(np.abs(estimate - track.references[target]).max())

Parameters are declared with `mss_bench.core.parameters.param`. `presets` names sets of them that give the numbers of
other tools; ``preset=NAME`` is then a parameter, too, and the others default to the preset's values:
``usdr:preset=zfturbo``, ``si_sdr:preset=torchmetrics,zero_mean=true``. The tools that presets are named after: *mdx21*,
the starter kit of the Music Demixing Challenge 2021; *demucs*, Demucs' evaluation; *zfturbo*, ZFTurbo's
Music-Source-Separation-Training; *torchmetrics* 1.9, on float32 tensors; *auraloss* 0.4; *fast_bss_eval* 0.1.4;
*museval* 0.4.1; *mir_eval* 0.8, its whole-signal and framewise functions with their defaults; *nomono*,
log-wmse-audio-quality 0.2.

Metrics compute in float64.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path
from typing import Any, ClassVar, Literal

import numpy as np

from mss_bench.core.arrays import Samples
from mss_bench.core.parameters import Parameterized, declare_preset, param
from mss_bench.core.tracks import Stems, TargetGroup, TrackAudio
from mss_bench.errors import MissingDependencyError
from mss_bench.metrics._checks import checked_references, spoiled_estimates
from mss_bench.metrics._frames import Frames, Mask, SilencePolicy
from mss_bench.metrics._room import Room
from mss_bench.metrics.scores import Measured, Outcome, Prepared, Quantity, Score, Value

__all__ = [
    "Framewise",
    "Measured",
    "Metric",
    "Outcome",
    "Prepared",
    "Quantity",
    "Score",
    "SilentReferences",
    "Value",
]


class Metric(Parameterized):
    """Base class of every metric.

    A metric overrides `measure`, and `derive` where references cost something. One that looks at several estimates at
    once overrides `measure_all`; one that fits none of this may override `prepare` and `score` themselves.

    Attributes
    ----------
    name : str
        Name in the registry and on the command line.
    version : str
        Part of the score key, as is the code of the class, of its bases and of what they import from the parts of
        this package that compute (comments, docstrings and layout aside). Other packages' code is not: raise the
        version when a new release of one changes a number.
    quantities : tuple of Quantity
        What it reports, in the order of the tables.
    citation : str
    caution : str
        Where it must not be trusted, in a sentence or two.
    presets : dict of str to dict
        Conventions and the parameters in which each differs from the declared defaults; the first is the default.
    preset : str
        Name of the convention that the parameters follow, with the parameters in which they differ from it, e.g.
        ``"museval"`` or ``"v4 window=2.0"``; a column of the track table. An instance may set its own.
    works_at : int
        Sample rate in Hz to which it resamples: rows of other audio carry the flag ``resampled:HZ``. 0 for none; an
        instance may set its own.
    extra : str
        The optional dependencies of this package that it needs, e.g. ``"peass"``; empty for none.
    install : str
        The command that installs what it needs, where no extra does.
    module, package : str
        What `extra` or `install` installs: the module that is imported, and the package that provides it.
    slow : bool
        Takes so long that "all metrics" leaves it out: it is asked for by name.
    path_parameters : tuple of str
        Parameters that say where files lie; `files` names them and their content is part of the key, the place is not.
    joint : bool
        One number for all targets of the group together, repeated for each.
    silent_reference : {"undefined", "scored"}
        What becomes of a target whose reference is silent throughout. ``undefined``: it has no value, and its estimate
        is not measured. ``scored``: it is measured like any other, by a metric that speaks of silence, or as a tool
        does it. An instance may set its own.
    targets : tuple of str
        The targets that it has numbers for, e.g. the vocals for a measure of their melody; empty for all. An instance
        may set its own. A group without any of them is not scored.
    takes_room : bool
        Keeps more of the references the more memory it may take; see `room`.
    needs_annotations : bool
        Looks at what was played, whose content is then part of the score key. An instance may set its own.
    """

    name: ClassVar[str] = ""
    version: ClassVar[str] = "1"
    quantities: ClassVar[tuple[Quantity, ...]] = ()
    citation: ClassVar[str] = ""
    caution: ClassVar[str] = ""
    presets: ClassVar[Mapping[str, Mapping[str, Any]]] = {}
    preset: str = "default"
    extra: ClassVar[str] = ""
    install: ClassVar[str] = ""
    module: ClassVar[str] = ""
    package: ClassVar[str] = ""
    slow: ClassVar[bool] = False
    path_parameters: ClassVar[tuple[str, ...]] = ()
    joint: ClassVar[bool] = False
    silent_reference: str = "undefined"
    works_at: int = 0
    targets: tuple[str, ...] = ()
    takes_room: ClassVar[bool] = False
    needs_annotations: bool = False

    room: Room | None = None
    """Memory for what saves time with the next estimates; set by the runner before `prepare`, None for none."""

    def __init_subclass__(cls, **options: Any) -> None:
        declare_preset(cls, "Convention whose parameters the others default to.")
        super().__init_subclass__(**options)

    @classmethod
    def defaults(cls, given: Mapping[str, Any]) -> dict[str, Any]:
        """Return what every parameter is where it is left out: the preset's value, else the declared default."""
        preset = given.get("preset") or next(iter(cls.presets), "")
        return super().defaults(given) | dict(cls.presets.get(preset, {}))

    def assign(self, values: Mapping[str, Any]) -> None:
        """Set an attribute for every parameter; `preset` becomes the name of the convention."""
        super().assign(values)
        self._asked = values.get("preset")
        self.preset = self._convention({n: v for n, v in values.items() if n != "preset"})

    def values(self) -> dict[str, Any]:
        """Return every parameter with its value; the preset as it was asked for."""
        return super().values() | ({"preset": self._asked} if "preset" in self._declared else {})

    def _convention(self, values: Mapping[str, Any]) -> str:
        """Return the preset that has just these values, the one asked for if it does; else it with what differs."""
        declared = super().defaults({})
        presets = self.presets or {type(self).preset: {}}
        tables = {name: {n: (declared | dict(changes))[n] for n in values} for name, changes in presets.items()}
        standard = self._asked or next(iter(tables))
        for name in (standard, *tables):
            if tables[name] == values:
                return name
        # A tool's name stands before numbers that are not the tool's only where it was asked for.
        shown = standard if self._asked or not self.presets or standard == "default" else ""
        # In the order of the declarations, those of a base first.
        order = dict.fromkeys(n for cls in reversed(type(self).__mro__) for n in vars(cls).get("_declared", ()))
        differences = [f"{n}={values[n]}" for n in order if n in values and values[n] != tables[standard][n]]
        return " ".join(filter(None, [shown, *differences]))

    @classmethod
    def available(cls) -> bool:
        """Return whether what `extra` installs is there; a metric without it is left out of "all metrics"."""
        return not cls.module or find_spec(cls.module) is not None

    @classmethod
    def install_command(cls) -> str:
        """Return the command that installs what it needs."""
        return cls.install or f"pip install 'mss-bench[{cls.extra}]'"

    def files(self) -> list[Path]:
        """Return the files whose content determines the scores, e.g. a network's weights; part of the score key."""
        return []

    def prepare(self, track: TrackAudio, group: TargetGroup) -> Any:
        """Check the references of a track and compute what needs no estimate.

        Parameters
        ----------
        track : TrackAudio
            ``references`` holds one array for every target of the group: the full set spans the projections whatever a
            method delivers.
        group : TargetGroup

        Returns
        -------
        state
            Passed to every `score`; never changed by it.

        Raises
        ------
        MissingDependencyError
            What the metric needs is not installed.
        ConfigError, AudioError
            References that cannot be scored.
        """
        if not self.available():
            raise MissingDependencyError(self.package or self.module, f"the metric {self.name}", self.install_command())
        checked = replace(track, references=checked_references(track, group))
        silent = frozenset(t for t, array in checked.references.items() if not array.any())
        return Prepared(checked.references, checked.mixture, checked.sample_rate, self.derive(checked), silent)

    def score(self, state: Any, estimates: Stems) -> list[Score]:
        """Score the estimates of one method.

        Parameters
        ----------
        state
            From `prepare`.
        estimates : dict of str to (channels, samples) float array
            Some or all of the group's targets, each of the references' shape.

        Returns
        -------
        list of Score
            One for each delivered target, of `targets` where the metric names them, and quantity, in the order of the
            group. What has no value is NaN with the reason: an estimate that holds NaN, a reference that is silent
            throughout unless `silent_reference` says otherwise.

        Raises
        ------
        AudioError
            Estimates that cannot be scored.
        """
        spoiled = spoiled_estimates(state.references, estimates)
        targets = [t for t in state.references if t in estimates and t in (self.targets or state.references)]
        if self.joint and spoiled:  # a sum over all estimates has no value where one of them has none
            reason = next(iter(spoiled.values()))
            spoiled = dict.fromkeys(targets, f"the number is of all estimates together, and {reason}")
        undefined = dict[str, str]()
        if self.silent_reference == "undefined":
            undefined = {t: f"reference {t!r} is silent throughout" for t in targets if t in state.silent}
        # A sum over all sources holds what an estimate adds where there is nothing; no other looks at that estimate.
        left_out = spoiled if self.joint else spoiled | undefined
        usable = {t: estimates[t] for t in targets if t not in left_out}
        measured = self.measure_all(state, usable) if usable else {}
        outcomes = {**measured, **undefined, **spoiled}
        flags = self.flags(state, estimates)
        return [score for t in targets for score in self._rows(state, t, outcomes[t], flags)]

    def derive(self, track: TrackAudio) -> Any:
        """Return what is computed once a track.

        Parameters
        ----------
        track : TrackAudio
            Its references are checked and those of the target group, in its order.
        """
        return None

    def measure(self, track: Prepared[Any], target: str, estimate: Samples) -> Outcome:
        """Return the value of an estimate.

        Parameters
        ----------
        track : Prepared
        target : str
        estimate : (channels, samples) float array
            Finite, of the shape of ``track.references[target]``.

        Returns
        -------
        float, (frames,) float64, str, or a tuple of these
            A tuple where there are several quantities. A text says why there is no value.
        """
        raise NotImplementedError(f"{type(self).__name__} overrides neither measure, measure_all nor score")

    def measure_all(self, track: Prepared[Any], estimates: dict[str, Samples]) -> Mapping[str, Outcome]:
        """Return the outcome of each of a method's estimates; none is spoiled, and there is at least one."""
        return {target: self.measure(track, target, estimate) for target, estimate in estimates.items()}

    def grid(self, track: Prepared[Any]) -> tuple[int, float, float]:
        """Return the number of frames with their window and hop in seconds; by default one value for the track."""
        return 1, 0.0, 0.0

    def flags(self, track: Prepared[Any], estimates: Mapping[str, Samples]) -> tuple[str, ...]:
        """Return the flags of every row."""
        return (f"resampled:{self.works_at}",) if self.works_at not in (0, track.sample_rate) else ()

    def _rows(self, track: Prepared[Any], target: str, outcome: Outcome, flags: tuple[str, ...]) -> list[Score]:
        count, window, hop = self.grid(track)
        outcomes: Sequence[Value | Measured] = outcome if isinstance(outcome, tuple) else (outcome,)
        if isinstance(outcome, str):
            outcomes = (outcome,) * len(self.quantities)
        scores = []
        for quantity, found in zip(self.quantities, outcomes, strict=True):
            row = found if isinstance(found, Measured) else Measured(found)
            missing = isinstance(row.value, str)
            values = np.full(count, np.nan) if missing else np.atleast_1d(np.asarray(row.value, dtype=np.float64))
            reason = str(row.value) if missing else "it is not a number" if np.isnan(values).all() else ""
            scope: Literal["frame", "track"] = "frame" if window else "track"
            scores.append(
                Score(target, quantity.name, values, scope, window, hop, flags + row.flags, reason, row.condition)
            )
        return scores


class SilentReferences(Metric):
    """Base of metrics that some tools also compute where the reference is silent throughout."""

    silent_reference: Literal["undefined", "scored"] = param(
        "undefined",
        doc="What becomes of a target whose reference is silent throughout. ``undefined``: it has no value. "
        "``scored``, as in the presets that name a tool: the formula is applied, and small constants or what leaks "
        "decide the number.",
    )


class Framewise(Metric):
    """Base of metrics that have a value for each frame.

    Attributes
    ----------
    silence : {"joint", "per_source", "channel_sum", "none"}
        Which frames count, a rule of `mss_bench.metrics._frames.SilencePolicy`; in the others `measure` may find what
        it likes, their values are dropped. A metric that has values for silence sets ``none``.
    """

    silence: str = "joint"

    window: float = param(1.0, above=0, infinite=True, unit="s", doc="Length of a frame; infinite for the whole track.")
    hop: float = param(1.0, above=0, infinite=True, unit="s", doc="Step from frame to frame.")

    reach: int = 0
    """Samples by which filters reach over the edge of a frame."""

    def frames(self, samples: int, sample_rate: int) -> Frames:
        """Return the frames of a track of that length."""
        return Frames.of_seconds(samples, self.window, self.hop, sample_rate, self.reach)

    def grid(self, track: Prepared[Any]) -> tuple[int, float, float]:
        """Return the number of frames with their window and hop in seconds."""
        return self.frames(track.samples, track.sample_rate).count, self.window, self.hop

    def measure_all(self, track: Prepared[Any], estimates: dict[str, Samples]) -> Mapping[str, Outcome]:
        """Return the outcome of each of a method's estimates, without the frames that do not count."""
        outcomes = super().measure_all(track, estimates)
        counting, why = self.counting(track, estimates)
        return {t: _masked(outcome, counting[t], why[t]) for t, outcome in outcomes.items()}

    def counting(
        self, track: Prepared[Any], estimates: Mapping[str, Samples]
    ) -> tuple[dict[str, Mask], dict[str, str]]:
        """Return which frames count for each estimate, and why none does where that is so."""
        policy, spans = SilencePolicy(self.silence), self.frames(track.samples, track.sample_rate).spans
        references = {t: policy.silent(array, spans) for t, array in track.references.items()}
        silent = {t: policy.silent(array, spans) for t, array in estimates.items()}
        return (
            {t: policy.valid(t, t, references, silent) for t in estimates},
            {t: policy.why(t, references, silent) for t in estimates},
        )


def _masked(outcome: Outcome, counting: Mask, why: str) -> Outcome:
    """Return an outcome without the values of frames that do not count."""

    def kept(value: Value) -> Value:
        if isinstance(value, str) or counting.all():
            return value
        return np.where(counting, value, np.nan) if counting.any() else why

    def masked(part: Value | Measured) -> Value | Measured:
        return replace(part, value=kept(part.value)) if isinstance(part, Measured) else kept(part)

    return tuple(map(masked, outcome)) if isinstance(outcome, tuple) else masked(outcome)
