"""Chains of perturbations, and tracks that go through them."""

from __future__ import annotations

import json
import tempfile
from collections import Counter
from dataclasses import dataclass, field, fields, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mss_bench.core.annotations import Annotations
from mss_bench.core.audio import check_finite
from mss_bench.core.processes import apart
from mss_bench.core.spec import Spec, build
from mss_bench.core.tracks import Audio, Stems, Track, TrackAudio
from mss_bench.errors import AudioError, ConfigError, UnknownNameError
from mss_bench.perturbations import Perturbation, perturbations

__all__ = ["Chain", "PerturbedTrack"]


@dataclass(frozen=True)
class Chain:
    """Perturbations, one after another.

    Parameters
    ----------
    specs : tuple of Spec
    seed : int
        Of those that are random.
    plugins : tuple of str
        Python files that may define some of them; they run in a process of their own.
    """

    specs: tuple[Spec, ...]
    seed: int = 0
    plugins: tuple[str, ...] = ()

    @cached_property
    def steps(self) -> tuple[Perturbation, ...]:
        """Return the perturbations.

        Raises
        ------
        UnknownNameError, ConfigError
            Unknown name or parameter, a value out of range.
        """
        return tuple(build(perturbations, spec)[0] for spec in self.specs)

    @cached_property
    def label(self) -> str:
        """Return what tables call the chain, each with its strength: ``limiter:loudness=-8 + mp3:rate=64``."""
        return " + ".join(map(str, self.described))

    @cached_property
    def described(self) -> tuple[Spec, ...]:
        """Return the specs with the parameters that differ from their defaults, and the strength in any case."""
        described = []
        for spec, step in zip(self.specs, self.steps, strict=True):
            strong = {step.strength: getattr(step, step.strength)} if step.strength else {}
            given = build(perturbations, spec)[1]
            described.append(replace(spec, params=strong | {n: _plain(v) for n, v in given.items()}))
        return tuple(described)

    @property
    def strength(self) -> float | None:
        """Return how strong a single perturbation is; None of a chain, and of one that has no strength."""
        if len(self.steps) != 1 or not self.steps[0].strength:
            return None
        return float(getattr(self.steps[0], self.steps[0].strength))

    @property
    def changes_references(self) -> bool:
        """Return whether the references become others."""
        return any(step.alike or step.stems for step in self.steps)

    @property
    def keeps_time(self) -> bool:
        """Return whether annotations of what was played when remain true."""
        return all(step.keeps_time for step in self.steps)

    @property
    def foreign(self) -> bool:
        """Return whether code that is not of this package takes part."""
        # A worker process has not registered what plugin files define.
        names = [spec.name for spec in self.specs]
        return any(name not in perturbations or perturbations.origin(name) != "mss_bench" for name in names)

    def __reduce__(self) -> tuple[Any, ...]:
        # Without the instances, whose classes another process need not know.
        return Chain, (self.specs, self.seed, self.plugins)

    def check(self, stems: tuple[str, ...], sample_rate: int) -> None:
        """Refuse, before anything runs, what cannot work here: a codec that is not installed, unknown stems, no change.

        Raises
        ------
        ConfigError, UnknownNameError
        """
        for spec, step in zip(self.specs, self.steps, strict=True):
            if reason := step.missing():
                raise ConfigError(f"perturbation {spec}: {reason}")
            if reason := step.without_effect(sample_rate):
                raise ConfigError(f"perturbation {spec} changes nothing: {reason}; choose another value")
            for stem in step.stems:
                if stem not in stems:
                    raise UnknownNameError(f"stem in perturbation {spec.name}", stem, stems)

    def apply(self, audio: TrackAudio, song: str) -> TrackAudio:
        """Return the audio of a track as it has become; nothing of what is given is written to."""
        if self.foreign:
            mixture, references, in_time = self._apply_apart(audio, song)
        else:
            mixture, references = self.changed(audio.mixture, audio.references, audio.sample_rate, song)
            in_time = self.keeps_time
        for array in (mixture, *references.values()):
            array.flags.writeable = False
        return replace(
            audio, mixture=mixture, references=references, annotations=audio.annotations if in_time else None
        )

    def changed(self, mixture: Audio, references: Stems, sample_rate: int, song: str) -> tuple[Audio, Stems]:
        """Return mixture and references after every step."""
        seen: Counter[str] = Counter()
        for step in self.steps:
            seen[step.name] += 1
            nth = f"{seen[step.name]}"
            if step.stems:
                for stem in step.stems:
                    before = references[stem]
                    rng = step.generator(self.seed, song, f"{stem} {nth}")
                    after = _float32(step, step.prepare(before, sample_rate, rng)(before), before)
                    # Added, not summed anew: a mixture on disk need not be the exact sum of its stems.
                    mixture, references = mixture + (after - before), references | {stem: after}
                continue
            transform = step.prepare(mixture, sample_rate, step.generator(self.seed, song, nth))
            mixture = _float32(step, transform(mixture), mixture)
            if step.alike:
                references = {name: _float32(step, transform(stem), stem) for name, stem in references.items()}
        return mixture, references

    def _apply_apart(self, audio: TrackAudio, song: str) -> tuple[Audio, Stems, bool]:
        """Return what `changed` does, and `keeps_time`, of an interpreter that alone imports plugins."""
        with tempfile.TemporaryDirectory(prefix="mss_bench-") as folder:
            there = Path(folder)
            _save(there / "before.npz", audio.mixture, audio.references)
            plain = [spec.plain() for spec in self.specs]
            in_time = apart(
                _change_files, folder, json.dumps([plain, self.seed, self.plugins, audio.sample_rate, song])
            )
            with np.load(there / "after.npz", allow_pickle=False) as arrays:
                return arrays["mixture"], {name: arrays[f"stem {name}"] for name in audio.references}, in_time


@dataclass(frozen=True)
class PerturbedTrack(Track):
    """A track whose audio goes through a chain of perturbations when it is loaded.

    Parameters
    ----------
    chain : Chain
    part : tuple of float, optional
        Start and duration, in seconds, of what is wanted of the perturbed audio; all of it by default.
    """

    chain: Chain = field(default_factory=lambda: Chain(()))
    part: tuple[float, float | None] | None = None

    @classmethod
    def of(cls, track: Track, chain: Chain) -> PerturbedTrack:
        """Return a track that goes through a chain."""
        return cls(**{f.name: getattr(track, f.name) for f in fields(Track)}, chain=chain)

    def clean(self) -> Track:
        """Return the track as it is on disk."""
        return Track(**{f.name: getattr(self, f.name) for f in fields(Track)})

    def excerpt(self, duration: float | None, start: float = 0.0) -> Track:
        """Return a part of the perturbed audio: what a codec, a limiter or a draw does depends on where it begins."""
        return replace(self, part=(start - self.start, duration))

    def load(self) -> TrackAudio:
        """Read the track and perturb it, see `Track.load`."""
        audio = self.chain.apply(super().load(), self.name)
        if self.part is None:
            return audio
        start, duration = self.part
        first = round(start * self.sample_rate)
        last = None if duration is None else first + round(duration * self.sample_rate)
        played = audio.annotations and Annotations(self.annotations, self.start + start, duration)  # type: ignore[arg-type]
        references = {name: stem[:, first:last] for name, stem in audio.references.items()}
        return replace(audio, mixture=audio.mixture[:, first:last], references=references, annotations=played)


def _float32(step: Perturbation, audio: NDArray[np.floating], before: Audio) -> Audio:
    """Return what a perturbation made as float32, once it has the shape that it promises and no NaN."""
    kept = audio.shape == before.shape or (not step.keeps_length and audio.shape[:1] == before.shape[:1])
    if not kept:
        raise AudioError(f"perturbation {step.name} made {audio.shape} of an array {before.shape}; expected its shape")
    check_finite(audio, f"what perturbation {step.name} made")
    return np.ascontiguousarray(audio, dtype=np.float32)


def _plain(value: Any) -> Any:
    return "+".join(value) if isinstance(value, tuple) else value


def _change_files(folder: str, described: str) -> bool:
    """Apply a chain to the arrays in a folder, in a process of its own, and return whether it keeps the time."""
    specs, seed, plugins, sample_rate, song = json.loads(described)
    perturbations.use_files(plugins)
    chain = Chain(tuple(map(Spec.parse, specs)), seed)
    with np.load(Path(folder) / "before.npz", allow_pickle=False) as arrays:
        stems = {name.removeprefix("stem "): arrays[name] for name in arrays.files if name != "mixture"}
        mixture, references = chain.changed(arrays["mixture"], stems, sample_rate, song)
    _save(Path(folder) / "after.npz", mixture, references)
    return chain.keeps_time


def _save(file: Path, mixture: Audio, references: Stems) -> None:
    arrays: dict[str, Any] = {"mixture": mixture} | {f"stem {name}": stem for name, stem in references.items()}
    np.savez(file, **arrays)
