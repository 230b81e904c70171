"""What reports read off the facts of metrics and separators in ``run.json``."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from mss_bench.core.schema import FLOOR, does_nothing
from mss_bench.report.leakage import overlap
from mss_bench.report.score_tables import Quantities
from mss_bench.report.selection import labels
from mss_bench.stats.matrix import ScoreMatrix
from mss_bench.stats.signed_rank import DIGITS
from mss_bench.stats.units import difference

if TYPE_CHECKING:
    import pandas as pd

__all__ = [
    "alike_floor", "commands", "computed_idle", "idle", "lower_is_better", "measured_on", "name_maps", "trained_on",
    "unranked", "without_idle", "without_idle_sar",
]  # fmt: skip


def commands(run: Mapping[str, Any]) -> list[str]:
    """Return every command that made a run, or several that are reported as one, each once."""
    said = [str(entry.get("command", "")) for entry in run.get("commands") or ()] or [str(run.get("command") or "")]
    return list(dict.fromkeys(filter(None, said)))


def lower_is_better(quantities: Quantities) -> set[str]:
    """Return the names of the metrics of which a smaller value is better."""
    return {str(q["name"]) for q in quantities if not q.get("higher_is_better", True)}


def measured_on(run: Mapping[str, Any], costs: pd.DataFrame | None = None) -> str:
    """Return the machine, the threads of a worker and the device that times and memory are of."""
    machine = run.get("machine") or {}
    parts = [str(machine["processor"])] if machine.get("processor") else []
    parts += [f"{machine['cores']} cores"] if machine.get("cores") else []
    threads, jobs = run.get("threads_per_worker"), run.get("jobs")
    if threads:
        workers = f", {jobs} workers at a time" if jobs and int(jobs) > 1 else ""
        parts.append(f"{threads} thread{'s'[: int(threads) != 1]} a worker{workers}")
    devices = sorted({str(d) for d in costs["device"].dropna() if d}) if costs is not None and "device" in costs else []
    parts += [f"device {' and '.join(devices)}"] if devices else []
    return ", ".join(parts) or "a machine that the run does not name"


def name_maps(separators: Iterable[Mapping[str, Any]]) -> str:
    """Return the maps of stem names by separator as sentences; empty where no map was given."""
    said = {str(s["label"]): str(s["map"]) for s in separators if s.get("map") and "label" in s}
    mapped = ", ".join(f"{label} {lines}" for label, lines in said.items() if lines != "none")
    kept = ", ".join(label for label, lines in said.items() if lines == "none")
    sentences = [f"Names of stems were mapped: {mapped}.", f"Names of stems were taken as given (--map none): {kept}."]
    return " ".join(text for text, labels in zip(sentences, (mapped, kept), strict=True) if labels)


def idle(separators: Iterable[Mapping[str, Any]]) -> set[str]:
    """Return the labels of separators that do nothing, whatever they are called in tables."""
    return {str(s["label"]) for s in separators if "label" in s and does_nothing(str(s.get("name", s["label"])))}


def unranked(separators: Sequence[Mapping[str, Any]], dataset: str, subset: str) -> set[str]:
    """Return the separators that compete with none: they do nothing, or were trained on what is evaluated."""
    leaking = {name for name, data in trained_on(separators).items() if overlap(data, dataset, subset)}
    return idle(separators) | leaking


def computed_idle(tracks: pd.DataFrame, separators: Iterable[Mapping[str, Any]] = ()) -> set[str]:
    """Return the labels of separators that do nothing and that this suite computed; what others published is not."""
    if "estimate_key" not in tracks:
        return set()
    computed = set(labels(tracks[tracks["estimate_key"].fillna("") != ""]))
    return computed & {*idle(separators), *filter(does_nothing, computed)}


def alike_floor(matrices: Iterable[ScoreMatrix]) -> set[str]:
    """Return the methods whose scores are the floor's on every song, of every metric but SAR: they do nothing, too."""
    same: dict[str, bool] = {}
    for scores in matrices:
        if scores.unit["metric"] == "SAR" or FLOOR not in scores.values:  # the SAR of a mixture is rounding errors
            continue
        values = scores.values.to_numpy(dtype=np.float64)
        apart = np.round(difference(values, scores.values[[FLOOR]].to_numpy(dtype=np.float64)), DIGITS)
        alike = (apart == 0).all(axis=0) & ~scores.imputed.to_numpy(dtype=bool).any(axis=0)
        for name, equal in zip(map(str, scores.values.columns), alike.tolist(), strict=True):
            if name not in scores.oracles:
                same[name] = same.get(name, True) and equal and len(values) > 0
    if all(same.values()):  # scores that differ nowhere say nothing of any method
        return set()
    return {name for name, equal in same.items() if equal} - {FLOOR}


def without_idle_sar(aggregated: pd.DataFrame, idle: Collection[str]) -> pd.DataFrame:
    """Take out the SAR of separators that do nothing, and gains over it, where this suite computed them.

    `idle` is from `computed_idle`.

    A mixture has no artefacts: its SAR is some 200 dB of rounding errors. What others published is left as it is.
    """
    sar = aggregated["metric"] == "SAR"
    if not sar.any():
        return aggregated
    blank = sar & labels(aggregated).isin(list(idle))
    gains = sar if FLOOR in idle else blank
    flags = aggregated["flags"].where(~blank, aggregated["flags"].str.cat(["meaningless"] * len(aggregated), ","))
    return aggregated.assign(
        value=aggregated["value"].where(~blank), gap=aggregated["gap"].where(~blank),
        improvement=aggregated["improvement"].where(~gains), flags=flags.str.strip(","),
    )  # fmt: skip


def without_idle(scores: ScoreMatrix, idle: Collection[str]) -> ScoreMatrix:
    """Return scores without those that mean nothing: the SAR of `computed_idle`, as in `without_idle_sar`."""
    if scores.unit["metric"] != "SAR":
        return scores
    left_out = [name for name in map(str, scores.values.columns) if name in idle]
    return replace(scores.without(left_out), left_out=[*scores.left_out, *left_out])


def trained_on(separators: Iterable[Mapping[str, Any]]) -> dict[str, list[str]]:
    """Return training data by separator, from the ``separators`` of ``run.json``."""
    return {str(s["label"]): [str(d) for d in s.get("trained_on") or ()] for s in separators if "label" in s}
