"""What reports read off the facts of metrics and separators in ``run.json``."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from mss_bench.report.blocks import Quantities
from mss_bench.report.leakage import overlap

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["commands", "lower_is_better", "measured_on", "name_maps", "trained_here", "trained_on"]


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


def trained_here(separators: Sequence[Mapping[str, Any]], dataset: str, subset: str) -> set[str]:
    """Return the separators that were trained on what is evaluated, and compete with none."""
    return {name for name, data in trained_on(separators).items() if overlap(data, dataset, subset)}


def trained_on(separators: Iterable[Mapping[str, Any]]) -> dict[str, list[str]]:
    """Return training data by separator, from the ``separators`` of ``run.json``."""
    return {str(s["label"]): [str(d) for d in s.get("trained_on") or ()] for s in separators if "label" in s}
