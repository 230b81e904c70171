"""Ensembles: the estimates of several methods of a run, combined stem by stem.

The call, of two methods that the run has under these names, or that are registered::

    mss-bench run -s hpss -s model:manifest=a/manifest.yaml,as=a -s ensemble:of=a+hpss,how=median
    mss-bench run -s ensemble:of=hpss+repet_sim,weights=2+1,as=both

of estimates that exist already::

    mss-bench run -s estimates:dir=A,as=a -s estimates:dir=B,as=b -s ensemble:of=a+b

and in a run file, where members may have parameters::

    separators:
      - name: ensemble
        of: [a, {name: hpss, power: 1, margin: 2}]
        how: max_mag

A member that the run does not have yet is added to it. Members are separated first and their estimates kept in the run
folder, so that another ensemble of them costs next to nothing; tables of costs count what the members took. The weights
are constants that the user gives: nothing is fitted to references.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from functools import reduce
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from mss_bench.core import audio
from mss_bench.core.parameters import check, param
from mss_bench.core.spec import Spec
from mss_bench.core.tracks import Audio, Stems, Targets, TrackId
from mss_bench.dsp.stft import STFT, Spectrogram
from mss_bench.errors import ConfigError, InvalidOutputError, RunError, UnknownNameError
from mss_bench.separators import separators
from mss_bench.separators.base import Separator

__all__ = ["Ensemble", "Members", "Weights", "members_of", "with_members"]

_BLOCK = 1 << 18  # samples that are combined at a time, so that memory stays near that of the members' stems


class Members(tuple[Spec, ...]):
    """The members of an ensemble, ``a+b`` on a command line."""

    __slots__ = ()

    @classmethod
    def from_parameter(cls, value: object) -> Self:
        """Read text with signs between the names, or a list of names and mappings.

        Raises
        ------
        ConfigError
            Neither of them; fewer than two members, or one twice.
        """
        given = value.split("+") if isinstance(value, str) else value
        if not isinstance(given, list | tuple) or not all(given):
            raise ConfigError(f"ensemble: of is {value!r}, expected names like a+b, or a list of separators")
        members = cls(Spec.parse(each if isinstance(each, Mapping | Spec) else str(each)) for each in given)
        texts = [str(member) for member in members]
        if len(members) < 2 or len({*texts}) < len(texts):
            raise ConfigError(f"ensemble: of is {members}, expected at least two members, each once")
        return members

    def __str__(self) -> str:
        return "+".join(member.alias or str(member) for member in self)


class Weights(tuple[float, ...]):
    """Weights of members, ``2+1`` on a command line."""

    __slots__ = ()

    @classmethod
    def from_parameter(cls, value: object) -> Self:
        """Read text with signs between the numbers, or a list of numbers.

        Raises
        ------
        ConfigError
            Neither of them, or a number that is not above 0.
        """
        try:
            given = value if isinstance(value, list | tuple) else str(value).split("+")
            weights = cls(map(float, given))
        except (TypeError, ValueError):
            weights = cls((np.nan,))
        if not all(0 < weight < np.inf for weight in weights):
            raise ConfigError(f"ensemble: weights is {value!r}, expected numbers above 0 like 2+1")
        return weights

    def __str__(self) -> str:
        return "+".join(f"{weight:g}" for weight in self)


class Ensemble(Separator):
    """Combine the estimates of several methods of a run.

    ::

        mss-bench run -s model:manifest=a/manifest.yaml,as=a -s demo_net -s ensemble:of=a+demo_net,how=median
        mss-bench run -s estimates:dir=A,as=a -s estimates:dir=B,as=b -s ensemble:of=a+b,weights=2+1,as=both

    All members must deliver the same stems. What is combined are samples (``mean``, ``median``), or the bins of a
    spectrogram with 2048 samples a frame and a hop of 1024 (``min_mag``, ``max_mag``): each bin is that of the member
    where it is smallest or largest, with that member's phase.
    """

    name = "ensemble"
    assumption = "The members' errors differ, so that they cancel."

    of: Members = param(
        metavar="A+B",
        expects="names like a+b, or a list of separators",
        doc="The members: what the run calls them (``as=``), or separators; in YAML and Python a list.",
    )
    how: str = param("mean", choices=("mean", "median", "min_mag", "max_mag"), doc="How estimates are combined.")
    weights: Weights = param(
        Weights(),
        metavar="W+W",
        expects="numbers above 0 like 2+1",
        doc="Weight of each member's estimates in the mean; alike by default.",
    )

    stored: Mapping[str, Mapping[str, Path]] = {}
    """The files of each member's estimates of the song; set by the runner before `separate`."""

    @check("weights", "how", "of")
    def _weights_are_of_members(self) -> None:
        if self.weights and self.how != "mean":
            self.refuse("weights", "none: they are for how=mean")
        if self.weights and len(self.weights) != len(self.of):
            self.refuse("weights", f"one for each of {self.of}")

    def adopt(self, members: Sequence[Separator]) -> None:
        """Take over what the members declare."""
        self.deterministic = all(member.deterministic for member in members)
        self.random = any(member.random for member in members)
        self.needs_references = any(member.needs_references for member in members)
        self.trained_on = tuple(dict.fromkeys(name for member in members for name in member.trained_on))
        self.licence, self.citation = (
            "; ".join(dict.fromkeys(filter(None, (getattr(member, name) for member in members))))
            for name in ("licence", "citation")
        )

    def expect(self, delivered: Mapping[str, Collection[str]], targets: Targets) -> None:
        """Take over the names of the stems that the members deliver.

        Raises
        ------
        RunError
            They differ.
        """
        self.target_sets = (_shared(delivered, targets),)

    def files(self, track: TrackId) -> list[Path]:
        # None are there when the run is planned: the members' keys are part of the ensemble's.
        return [file for files in self.stored.values() for file in files.values()]

    def separate(self, mixture: Audio, sample_rate: int, *, targets: Targets, **_: Any) -> Stems:
        if not self.stored:
            raise ConfigError("an ensemble combines methods of a run; use it with mss-bench run")
        return {name: self._combined(name, mixture.shape, sample_rate) for name in _shared(self.stored, targets)}

    def _combined(self, name: str, shape: tuple[int, ...], sample_rate: int) -> Audio:
        signals = []
        for member, files in self.stored.items():
            signals.append(audio.read(files[name], sample_rate))
            if signals[-1].shape != shape:
                raise InvalidOutputError(f"{member}: {name} has the shape {signals[-1].shape}, expected {shape}")
        if self.how in ("min_mag", "max_mag"):
            return _extreme(signals, np.less if self.how == "min_mag" else np.greater)
        combined = np.empty(shape, dtype=np.float32)
        for start in range(0, shape[1], _BLOCK):
            part = np.stack([signal[:, start : start + _BLOCK] for signal in signals])
            block = np.median(part, axis=0) if self.how == "median" else np.average(part, 0, self.weights or None)
            combined[:, start : start + _BLOCK] = block
        return combined


def _shared(delivered: Mapping[str, Collection[str]], targets: Targets) -> tuple[str, ...]:
    """Return the stems that all members deliver.

    Raises
    ------
    RunError
        One delivers more than these and their sums.
    """
    (first, names), *others = delivered.items()
    for member, theirs in others:
        shared = [name for name in names if name in theirs]
        if {*names, *theirs}.difference(shared, targets.derivable(shared)):
            raise RunError(
                f"{first} delivers {', '.join(names)}, and {member} {', '.join(theirs)}; expected members with the "
                "same stems: choose others, or map their names (map=)"
            )
        names = shared
    return tuple(names)


def _extreme(signals: Sequence[Audio], goes_before: Callable[..., NDArray[np.bool_]]) -> Audio:
    """Return the signal whose spectrogram has each bin of the one whose magnitude goes before the others'."""
    stft = STFT(2048, 1024)

    def better(best: Spectrogram, signal: Audio) -> Spectrogram:
        other = stft.forward(signal)
        np.copyto(best, other, where=goes_before(np.abs(other), np.abs(best)))
        return best

    best = reduce(better, signals[1:], stft.forward(signals[0]))
    return np.asarray(stft.inverse(best, signals[0].shape[1]))


def with_members(specs: Sequence[Spec]) -> list[Spec]:
    """Return the separators of a run, and those that its ensembles name beside them.

    Raises
    ------
    UnknownNameError
        A name that neither the run nor the registry has.
    ConfigError
        A name that several methods of the run have, or that of another ensemble.
    """
    complete = list(specs)
    for spec in specs:
        if _is_ensemble(spec):
            for member in Members.from_parameter(spec.params.get("of")):
                if _in_run(member, complete) is None:
                    complete.append(member)
    return complete


def members_of(ensemble: Ensemble, specs: Sequence[Spec]) -> list[Spec]:
    """Return the separators of a run, as `with_members` returned them, that are members of an ensemble."""
    return [spec for member in ensemble.of if (spec := _in_run(member, specs)) is not None]


def _in_run(member: Spec, specs: Sequence[Spec]) -> Spec | None:
    """Return the separator of the run that a member is; None for one that is registered and not among them."""
    called = [spec for spec in specs if _identity(spec) == _identity(member)]
    if not (called or member.params or member.alias):
        called = [spec for spec in specs if member.name == (spec.alias or spec.name)]
    if len(called) > 1:
        raise ConfigError(
            f"ensemble of {member}: {' and '.join(map(str, called))} are both called so; give them names with as=NAME"
        )
    if _is_ensemble((called or [member])[0]):
        raise ConfigError(f"ensemble of {member}, which is an ensemble itself; name its members")
    if not called and member.name not in separators:
        names = [spec.alias or spec.name for spec in specs if not _is_ensemble(spec)]
        if member.name in names:
            raise ConfigError(
                f"ensemble of {member}: {member.name} is a method of the run and has its parameters there, so that "
                f"{', '.join(member.params) or 'as'} cannot be given; name it alone (`weights` are the ensemble's)"
            )
        raise UnknownNameError("member of the ensemble", member.name, [*names, *separators.names()])
    return called[0] if called else None


def _identity(spec: Spec) -> tuple[Any, ...]:
    """Return what tells separators apart, whatever the run adds to their parameters."""
    return spec.name, spec.alias, spec.replicate, {k: v for k, v in spec.params.items() if k not in ("fit", "map")}


def _is_ensemble(spec: Spec) -> bool:
    return spec.name in separators and separators.canonical(spec.name) == Ensemble.name
