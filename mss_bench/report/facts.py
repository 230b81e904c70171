"""What reports read off the facts of metrics and separators in ``run.json``."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from mss_bench.report.score_tables import Quantities

__all__ = ["commands", "lower_is_better", "name_maps", "trained_on"]


def commands(run: Mapping[str, Any]) -> list[str]:
    """Return every command that made a run, or several that are reported as one, each once."""
    said = [str(entry.get("command", "")) for entry in run.get("commands") or ()] or [str(run.get("command") or "")]
    return list(dict.fromkeys(filter(None, said)))


def lower_is_better(quantities: Quantities) -> set[str]:
    """Return the names of the metrics of which a smaller value is better."""
    return {str(q["name"]) for q in quantities if not q.get("higher_is_better", True)}


def name_maps(separators: Iterable[Mapping[str, Any]]) -> str:
    """Return the maps of stem names by separator as sentences; empty where no map was given."""
    said = {str(s["label"]): str(s["map"]) for s in separators if s.get("map") and "label" in s}
    mapped = ", ".join(f"{label} {lines}" for label, lines in said.items() if lines != "none")
    kept = ", ".join(label for label, lines in said.items() if lines == "none")
    sentences = [f"Names of stems were mapped: {mapped}.", f"Names of stems were taken as given (--map none): {kept}."]
    return " ".join(text for text, labels in zip(sentences, (mapped, kept), strict=True) if labels)


def trained_on(separators: Iterable[Mapping[str, Any]]) -> dict[str, list[str]]:
    """Return training data by separator, from the ``separators`` of ``run.json``."""
    return {str(s["label"]): [str(d) for d in s.get("trained_on") or ()] for s in separators if "label" in s}
