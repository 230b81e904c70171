"""How a planned cell ended: what failed, what is missing, what was left out with a reason."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from mss_bench.core.schema import PERTURBED_COLUMNS, CellCounts, Status, perturbed_name
from mss_bench.running.store import Cell, Record, ScoreSet

__all__ = ["CellEnd", "end_of", "failure_rows", "identity", "left_out", "unscored", "why_missing"]


def identity(planned: Record) -> Record:
    """Return the columns that name the cell of a row."""
    track = planned["track"]
    dataset = perturbed_name(track["dataset"], planned.get("perturbation", ""))
    names = {"dataset": dataset, "subset": track["subset"], "track": track["name"]}
    columns = ("separator", "params", *(name for name in PERTURBED_COLUMNS if name in planned))
    return names | {name: planned[name] for name in columns}


def left_out(wanted: Record) -> list[tuple[str, str]]:
    """Return the targets that are delivered and not scored, with the reason; older plans have none."""
    return list(wanted.get("left_out", {}).items())


def unscored(wanted: Record, score: ScoreSet | None) -> list[tuple[str, str]]:
    """Return the targets and quantities that were to be scored and were not."""
    there = {row.target for row in score.rows} if score is not None and score.status == Status.OK else set()
    return [(t, q) for t in wanted["expected"] if t not in there for q in wanted["quantities"]]


def why_missing(cell: Cell, score: ScoreSet | None, *targets: str) -> tuple[str, str]:
    """Return status and reason of a cell, a metric or targets without values."""
    if not cell.ok:
        return cell.status, cell.reason
    if score is not None and score.status != Status.OK:
        return score.status, score.reason.splitlines()[-1] if score.reason else ""
    problems = [cell.problems[t] for t in targets if t in cell.problems] or list(cell.problems.values())
    return str(Status.INVALID_OUTPUT), "; ".join(sorted(set(problems))) or "the separator did not return this target"


def failure_rows(planned: Record, cell: Cell) -> Iterator[Record]:
    """Yield what of a cell failed, or is left out with a reason; what is not computed yet did not fail."""
    base = identity(planned) | {"log": "", "estimate_key": planned["estimate_key"]}
    if not cell.ok:
        log = "" if cell.status == Status.SKIPPED else cell.log
        yield base | {"group": "", "metric": "", "status": cell.status, "reason": cell.reason, "log": log}
        return
    for wanted in planned["scores"]:
        score = cell.scores.get(wanted["key"])
        if score is not None and (score.status != Status.OK or unscored(wanted, score)):
            status, reason = why_missing(cell, score)
            log = score.reason if score.status != Status.OK and "\n" in score.reason else ""
            yield base | {
                "group": wanted["group"], "metric": wanted["metric"], "status": status, "reason": reason, "log": log,
            }  # fmt: skip
        for target, why in left_out(wanted):
            reason = f"{target} is not scored: {why}"
            yield base | {
                "group": wanted["group"], "metric": wanted["metric"], "status": str(Status.SKIPPED), "reason": reason,
            }  # fmt: skip


@dataclass(frozen=True)
class CellEnd:
    """How one planned cell stands: what `run`, `status` and the tables all count by.

    Attributes
    ----------
    failed, skipped : bool
        A part of it failed, or all of it was skipped.
    missing : bool
        It has no result, or lacks a score that was planned; such a cell may have failed as well.
    failures : list of mapping
        Rows of the table of failures, without what was left out with a reason.
    unscored : tuple of str
        Metrics that a finished cell lacks.
    """

    failed: bool
    skipped: bool
    missing: bool
    failures: list[Record] = field(default_factory=list)
    unscored: tuple[str, ...] = ()

    @property
    def whole(self) -> bool:
        """Return whether nothing failed and nothing is missing."""
        return not (self.failed or self.missing)

    @property
    def counts(self) -> CellCounts:
        """Return this cell as counts, to be added up."""
        return CellCounts.of(failed=self.failed, skipped=self.skipped, missing=self.missing)


def end_of(planned: Record, cell: Cell | None) -> CellEnd:
    """Return how a cell of the record stands; the cell is read with its frames, so that damage shows."""
    if cell is None:
        return CellEnd(failed=False, skipped=False, missing=True)
    failures = [row for row in failure_rows(planned, cell) if row["status"] != Status.SKIPPED]
    lacking = {s["metric"]: None for s in planned["scores"] if cell.ok and s["key"] not in cell.scores}
    return CellEnd(bool(failures), cell.status == Status.SKIPPED, bool(lacking), failures, tuple(lacking))
