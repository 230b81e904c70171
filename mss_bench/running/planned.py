"""The cells of a plan and their scores, as the processes that compute them are handed them."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from mss_bench.core.schema import method_label
from mss_bench.core.spec import Spec
from mss_bench.core.tracks import TargetGroup, Targets, Track, TrackId
from mss_bench.running.delivery import Delivery

__all__ = ["PlannedCell", "PlannedScore", "Stamps"]

Stamps = tuple[tuple[str, tuple[int, int, int]], ...]
"""Files, each with its size and times when its content was hashed."""


@dataclass(frozen=True)
class PlannedScore:
    """One metric on one target group of one cell."""

    key: str
    preimage: dict[str, Any]
    group: TargetGroup
    metric: Spec
    preset: str
    quantities: tuple[str, ...]
    expected: tuple[str, ...]
    left_out: dict[str, str] = field(default_factory=dict)  # targets that are not scored, and why
    absent: dict[str, str] = field(default_factory=dict)  # targets that the song does not have, in words
    origin: str = "mss_bench"  # who registered the metric

    @property
    def foreign(self) -> bool:
        """Return whether the metric is not of this package, so that it is scored in a process of its own."""
        return self.origin != "mss_bench"


@dataclass(frozen=True)
class PlannedCell:
    """One separator on one track."""

    track: Track
    targets: Targets
    method: Spec
    separator: str
    params: str
    oracle: bool
    deterministic: bool
    estimate_key: str
    preimage: dict[str, Any]
    scores: tuple[PlannedScore, ...]
    skip: str = ""
    stamps: Stamps = ()  # of the track's and the metrics' files, when their content was hashed
    method_stamps: Stamps = ()  # of the separator's files
    origin: str = "mss_bench"  # who registered the separator: this package, another one or a file
    isolated: bool = False  # the separator runs other people's code and gets a process of its own
    all_tracks: tuple[TrackId, ...] = ()  # of the run, where the separator is told which track it separates
    facts: dict[str, Any] = field(default_factory=dict)  # of the separator, for run.json
    delivery: Delivery = field(default_factory=Delivery)
    perturbed: dict[str, Any] = field(default_factory=dict)  # what the tables say of what happened to the mixture
    replicate: int = 1  # of a method that runs under several seeds, or as several checkpoints
    members: tuple[PlannedCell, ...] = ()  # of an ensemble, which combines their estimates

    @property
    def label(self) -> str:
        """Return what people call the method: name or alias, with parameters."""
        return method_label(self.separator, self.params)

    def describe(self) -> dict[str, Any]:
        """Return what the tables need of the cell, for ``plan.json``."""
        scores = [
            {
                "key": s.key, "group": s.group.name, "metric": s.metric.name, "preset": s.preset,
                "quantities": list(s.quantities), "expected": list(s.expected), "left_out": s.left_out,
                "absent": s.absent,
            }
            for s in self.scores
        ]  # fmt: skip
        return {
            "estimate_key": self.estimate_key, "track": vars(self.track.id), "separator": self.separator,
            "params": self.params, "oracle": self.oracle, "only_reads": self.facts.get("only_reads", False),
            "skip": self.skip, "scores": scores, "replicate": self.replicate,
        } | self.perturbed  # fmt: skip
