"""Run a method on one song in a process of its own, so that its memory can be measured."""

from __future__ import annotations

import multiprocessing
import os
from dataclasses import dataclass

import numpy as np

from mss_bench.core.tracks import Audio, Stems

__all__ = ["Example", "separate_once"]

_SHOWN = ("vocals", "drums", "bass", "other", "accompaniment")


@dataclass(frozen=True)
class Example:
    """A song and its separation by a method.

    Parameters
    ----------
    mixture : (channels, samples) float32
    references, estimates : dict of str to array
        The targets that the method delivers, true and estimated.
    sample_rate : int
        Hz.
    memory_mb : float
        Peak above what the process held with the song loaded and the method ready, MiB.
    """

    mixture: Audio
    references: Stems
    estimates: Stems
    sample_rate: int
    memory_mb: float

    @property
    def seconds(self) -> float:
        """Return the length of the song."""
        return float(self.mixture.shape[-1] / self.sample_rate)


def separate_once(name: str, data: str | dict[str, str] = "demo") -> Example:
    """Run a registered separator with its defaults on the first song of a data set."""
    # A process of its own: peak memory never falls, so a method would be charged with that of the one before.
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        return pool.apply(_separate, (name, data))


def _separate(name: str, data: str | dict[str, str]) -> Example:
    from mss_bench.core.processes import resident_mb
    from mss_bench.core.spec import Spec, build
    from mss_bench.datasets.catalog import get_dataset
    from mss_bench.running.usage import Usage
    from mss_bench.separators import separators

    spec = Spec.parse(data)
    dataset = get_dataset(spec.name, **spec.params)
    track, targets = dataset.tracks(max_tracks=1)[0], dataset.targets
    audio = track.load()
    separator = build(separators, Spec(name))[0]
    separator.load()

    def separate(samples: int | None) -> Stems:
        return separator.separate(
            audio.mixture[:, :samples], audio.sample_rate, targets=targets, rng=separator.generator(0, track.name),
            references={n: s[:, :samples] for n, s in audio.references.items()} if separator.needs_references else None,
        )  # fmt: skip

    separate(audio.sample_rate)  # libraries are loaded at the first call
    before, usage = resident_mb([os.getpid()]), Usage()
    estimates = separate(None)
    memory = usage.peak_memory_mb() - before
    separator.close()
    shown = {t: estimates[t] for t in _SHOWN if t in estimates and t in targets}
    references = {t: np.sum([audio.references[s] for s in targets[t]], axis=0) for t in shown}
    return Example(audio.mixture, references, shown, audio.sample_rate, memory)
