"""A run for each strength of some perturbations, beside the clean one, in folders below one."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mss_bench.core.files import folder_name
from mss_bench.core.spec import Spec
from mss_bench.perturbations import perturbations
from mss_bench.perturbations.track import Chain
from mss_bench.running.options import RunOptions
from mss_bench.running.store import read_info

__all__ = ["CLEAN", "USUAL", "Step", "finished_steps", "steps"]

CLEAN = "clean"
"""Folder of the clean run."""

USUAL = ("mp3", "limiter", "reverberation", "noise", "band_loss", "clipping", "resampling", "speed")
"""Perturbations of a robustness report where none is named."""


@dataclass(frozen=True)
class Step:
    """One run of a ladder.

    Parameters
    ----------
    perturbation : str
        What the ladder is called; empty of the clean run.
    strength : str
        In words.
    options : RunOptions
    """

    perturbation: str
    strength: str
    options: RunOptions

    @property
    def folder(self) -> Path:
        """Return the run folder."""
        assert self.options.out is not None
        return self.options.out


def steps(options: RunOptions, out: Path) -> list[Step]:
    """Return the clean run and, for each perturbation, one a strength, mild to severe.

    A perturbation without its strength stands for all of its ladder: ``mp3`` for three rates, ``mp3:rate=64`` for one.
    Of a ladder those are left out that change nothing at the sample rate of the data set.

    Raises
    ------
    UnknownNameError, ConfigError
        Before anything runs: an unknown perturbation, a value out of range, a codec that is not there.
    """
    found = [Step("", CLEAN, options.with_values(perturbations=(), out=out / CLEAN))]
    dataset = options.open_dataset()
    for spec in map(Spec.parse, options.perturbations or USUAL):
        for rung in _rungs(spec):
            chain = Chain((rung,), options.seed)
            if rung is not spec and chain.steps[0].without_effect(dataset.sample_rate):
                continue  # of a ladder, such as 48 kHz of songs that have this rate
            chain.check(dataset.targets.stems, dataset.sample_rate)
            own = options.with_values(perturbations=(rung.plain(),), out=out / folder_name(chain.label))
            found.append(Step(*_named(chain), own))
    return found


def _rungs(spec: Spec) -> Iterator[Spec]:
    cls = perturbations.load(spec.name)
    if not cls.ladder or cls.strength in spec.params:
        yield spec
        return
    for value in cls.ladder:
        yield Spec(spec.name, spec.params | {cls.strength: value})


def _named(chain: Chain) -> tuple[str, str]:
    """Return the name of the ladder that a chain stands on, and its strength in words."""
    if len(chain.steps) != 1 or not chain.steps[0].strength:
        return chain.label, "on"
    (spec,), (step,) = chain.described, chain.steps
    rest = Spec(spec.name, {n: v for n, v in spec.params.items() if n != step.strength})
    unit = type(step)._declared[step.strength].unit
    return str(rest), f"{getattr(step, step.strength):g} {unit}".strip()


def finished_steps(out: Path) -> list[tuple[str, str, Path]]:
    """Return the runs in the folders below one, as perturbation, strength and folder, each ladder mild to severe."""
    found: list[tuple[Any, ...]] = []
    for file in sorted(out.glob("*/run.json")):
        specs = [Spec.parse(spec) for spec in read_info(file.parent)["options"].get("perturbations", ())]
        if not specs:
            found.append(((-1, 0.0), "", CLEAN, file.parent))
            continue
        chain = Chain(tuple(specs))
        cls, strength = type(chain.steps[0]), chain.strength or 0.0
        falls = len(cls.ladder) > 1 and cls.ladder[-1] < cls.ladder[0]
        place = perturbations.names().index(specs[0].name), -strength if falls else strength
        found.append((place, *_named(chain), file.parent))
    return [(name, strength, folder) for _, name, strength, folder in sorted(found, key=lambda step: step[0])]
