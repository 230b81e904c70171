"""Verify a run with museval: it scores some cells itself, and where its values differ it is said why.

A difference is *explained* where this package's engine gives the run's value under the run's rules, and museval's under
museval's, on the same arrays: it is then a matter of rules, of which references span the projections and which frames
count. So it is where the run's own row says that its value hangs on rounding. What is left is a
contradiction.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import ModuleType
from typing import Any, Literal

import numpy as np

from mss_bench.core import audio
from mss_bench.core.arrays import Floats
from mss_bench.core.spec import build
from mss_bench.core.tracks import Stems, TargetGroup, TrackAudio
from mss_bench.errors import MissingDependencyError, RunError
from mss_bench.metrics import metrics
from mss_bench.metrics._frames import SilencePolicy
from mss_bench.metrics.bss_eval.v4 import BSSEval
from mss_bench.metrics.scores import Score
from mss_bench.running.conform import conform
from mss_bench.running.messages import Task
from mss_bench.running.outputs import saved_estimates
from mss_bench.running.planned import PlannedScore
from mss_bench.running.reasons import changed_parts
from mss_bench.running.store import ScoreSet
from mss_bench.running.verify import DrawnCell, draw_cells

__all__ = ["QUANTITIES", "TOLERANCE", "Check", "verify_with_museval"]

QUANTITIES = ("SDR", "ISR", "SIR", "SAR")
"""In the order in which museval returns them."""

TOLERANCE = 1e-3
"""dB up to which values are the same."""

_CEILING = 100.0
"""dB from which a value is a matter of rounding."""

_HANGS = ("ill_conditioned", "dependent_references", "underdetermined")
"""Flags of rows whose value museval need not meet."""

Verdict = Literal["same", "explained", "DIFFERENT", "not compared"]


@dataclass
class Check:
    """The scores of a cell on one group of targets, compared.

    Parameters
    ----------
    differences : dict of str to float
        Quantity to the largest difference in dB over targets and frames that both have.
    values : int
        Values of both, over targets, quantities and frames.
    notes : list of str
        Why values differ, or why there are none.
    """

    track: str
    method: str
    group: str
    verdict: Verdict = "same"
    differences: dict[str, float] = field(default_factory=dict)
    values: int = 0
    notes: list[str] = field(default_factory=list)


def verify_with_museval(
    run: Path, options: dict[str, object], sample: int, seed: int = 0, notify: Callable[[str], None] = print
) -> list[Check]:
    """Let museval score cells of a run, drawn at random, and compare its values with the run's.

    Estimates that the run saved are read, others are separated again.

    Parameters
    ----------
    run, options, sample, seed, notify
        As of `mss_bench.running.verify.draw_cells`.

    Raises
    ------
    MissingDependencyError
        museval, or ffmpeg, without which it cannot be imported.
    RunError
        The run has no scores of BSS Eval v4 to compare with.
    """
    museval = _museval()
    checks = [
        check
        for drawn in draw_cells(run, options, sample, seed, notify)
        for check in _checks(run, drawn, museval, notify)
    ]
    if not checks:
        raise RunError(f"the cells drawn from {run} have no scores of bss_eval, which is what museval computes")
    return checks


def _museval() -> ModuleType:
    try:
        import museval.metrics
    except (ImportError, RuntimeError) as error:  # the latter without ffmpeg
        missing = "ffmpeg" if isinstance(error, RuntimeError) else "the package museval"
        raise MissingDependencyError(missing, "verify --with museval", "pip install museval; ffmpeg") from error
    module: ModuleType = museval.metrics
    return module


def _checks(run: Path, drawn: DrawnCell, museval: ModuleType, notify: Callable[[str], None]) -> Iterator[Check]:
    """Yield the comparison of each group of a cell."""
    stored = {s["key"]: (s["group"], s["preset"]) for s in drawn.planned["scores"] if s["metric"] == "bss_eval"}
    scores = {where: drawn.cell.scores[key] for key, where in stored.items() if key in drawn.cell.scores}
    if drawn.task is None:
        why = "the track or the method is no longer there"
        yield from (Check(drawn.track, drawn.method, group, "not compared", notes=[why]) for group, _ in scores)
        return
    asked = [s for s in drawn.task.scores if (s.group.name, s.preset) in scores and s.metric.name == "bss_eval"]
    if not asked:
        return
    changed = set(changed_parts(drawn.cell.preimage, drawn.task.cell.preimage))
    try:
        track, estimates = _audio(run, drawn, drawn.task)
    except RunError as error:
        yield from (Check(drawn.track, drawn.method, s.group.name, "not compared", notes=[str(error)]) for s in asked)
        return
    for planned in asked:
        rows = scores[planned.group.name, planned.preset].rows
        if any(flag.startswith("dependent_references") for row in rows for flag in row.flags):
            notify(
                f"museval scores {drawn.method} on {drawn.track!r} ({planned.group.name}): a reference follows from "
                "others there, its matrix may be singular, and the least squares that it then solves take a minute and "
                "more"
            )
        check = _compare(planned, scores[planned.group.name, planned.preset], track, estimates, drawn.task, museval)
        check.track, check.method = drawn.track, drawn.method
        if changed:
            check.notes.append(f"changed since the run: {', '.join(sorted(changed))}")
        yield check


def _audio(run: Path, drawn: DrawnCell, task: Task) -> tuple[TrackAudio, Stems]:
    """Return the track and the estimates as the run scored them."""
    saved = saved_estimates(run, task.cell)
    if saved is None:
        new = drawn.compute(replace(task, scores=(), save_estimates=True))
        saved = saved_estimates(drawn.folder, task.cell)
        if saved is None:
            raise RunError(f"the separation fails now: {new.reason if new else 'no result'}")
    track = task.cell.track.load()
    loaded = {target: audio.read(file, track.sample_rate) for target, file in saved.files.items()}
    estimates, _, _ = conform(loaded, track.mixture, task.cell.targets, tuple(loaded))
    return track, task.cell.delivery.scored(estimates, task.cell.targets)[0]


def _compare(
    planned: PlannedScore, scores: ScoreSet, track: TrackAudio, estimates: Stems, task: Task, museval: ModuleType
) -> Check:
    """Compare the rows of one group with museval's values, and these with the engine's under museval's rules."""
    check = Check("", "", planned.group.name)
    metric = build(metrics, planned.metric)[0]
    assert isinstance(metric, BSSEval)
    references = planned.group.references(track.references, task.cell.targets)
    delivered = list(dict.fromkeys(row.target for row in scores.rows if row.target in estimates))
    usable = [t for t in delivered if _usable(t, references[t], estimates[t], check)]
    if not usable:
        check.verdict = "not compared"
        check.notes += [scores.reason or "museval has nothing to score"]
        return check
    theirs = _museval_values({t: (references[t], estimates[t]) for t in usable}, metric, track.sample_rate, museval)
    if isinstance(theirs, str):
        check.verdict = "not compared"
        check.notes.append(f"museval fails: {theirs}")
        return check
    rules = BSSEval(
        preset="museval",
        perfect_frames="kept",
        window=metric.window,
        hop=metric.hop,
        filter_length=metric.filter_length,
    )
    own = _rows(metric, replace(track, references=references), planned.group, {t: estimates[t] for t in delivered})
    same = {t: references[t] for t in usable}, {t: estimates[t] for t in usable}
    ruled = _rows(rules, replace(track, references=same[0]), TargetGroup(planned.group.name, tuple(usable)), same[1])
    fewer = metric.references == "group" and len(usable) < len(planned.group.targets)
    for row in scores.rows:
        if row.target in usable:
            values = theirs[row.quantity][usable.index(row.target)]
            if metric.perfect_frames == "dropped":
                values = np.where(np.isposinf(values), np.nan, values)
            name = row.target, row.quantity
            _compare_row(check, row, values, own[name], ruled[name], usable if fewer else [])
    return check


def _rows(metric: BSSEval, track: TrackAudio, group: TargetGroup, estimates: Stems) -> dict[tuple[str, str], Score]:
    """Return the engine's rows by target and quantity."""
    return {(row.target, row.quantity): row for row in metric.score(metric.prepare(track, group), estimates)}


def _usable(target: str, reference: Any, estimate: Any, check: Check) -> bool:
    """Return whether museval takes a source; note why not."""
    for kind, array in (("reference", reference), ("estimate", estimate)):
        if SilencePolicy("channel_sum").silent(array, [(0, array.shape[1])])[0]:
            check.notes.append(f"{kind} {target!r} is silent throughout, which museval refuses: left out")
            return False
        if not np.isfinite(array).all():
            check.notes.append(
                f"{kind} {target!r} is not finite: in museval it spoils every row, so that it was left out"
            )
            return False
    return True


def _museval_values(
    pairs: Mapping[str, tuple[Any, Any]], metric: BSSEval, rate: int, museval: ModuleType
) -> dict[str, Floats] | str:
    """Return museval's values ``(targets, frames)`` by quantity, or why it has none."""
    arrays = [np.stack([pair[i].T.astype(np.float64) for pair in pairs.values()]) for i in (0, 1)]
    frames = metric.frames(arrays[0].shape[1], rate)
    try:
        found = museval.bss_eval(*arrays, window=frames.window, hop=frames.hop, filters_len=metric.filter_length)
    except Exception as error:  # other people's code: with NumPy 2 a singular system is an AttributeError there
        return f"{type(error).__name__}: {str(error).splitlines()[0] if str(error) else ''}"
    return dict(zip(QUANTITIES, found[:4], strict=True))


def _compare_row(check: Check, row: Score, theirs: Floats, own: Score, ruled: Score, fewer: Sequence[str]) -> None:
    """Compare one row, and say why it differs.

    Parameters
    ----------
    check : Check
        Gets the outcome.
    row, own, ruled : Score
        Of the run, of the engine under the run's rules, and of the engine under museval's.
    theirs : (frames,) float64
        Of museval.
    fewer : sequence of str
        The references that span museval's projections, where they are fewer than the run's.
    """
    if row.values.shape != theirs.shape:
        check.verdict = "DIFFERENT"
        check.notes.append(f"{row.quantity} of {row.target}: {row.values.size} frames, in museval {theirs.size}")
        return
    both = np.isfinite(row.values) & np.isfinite(theirs)
    difference = _largest(row.values, theirs)
    check.values += int(both.sum())
    check.differences[row.quantity] = max(check.differences.get(row.quantity, 0.0), difference)
    lone = row.quantity == "SIR" and np.isposinf(theirs[~np.isnan(theirs)]).all() and not both.any()
    one_sided = 0 if lone else int((np.isnan(row.values) != np.isnan(theirs)).sum())
    if lone and not np.isposinf(row.values).any():
        _note(check, "SIR of a lone source is +inf in museval and undefined here")
    if difference <= TOLERANCE and not one_sided:
        return
    hangs = sorted({flag.partition(":")[0] for flag in (*own.flags, *ruled.flags)} & set(_HANGS))
    if not _alike(row.values, own.values) or not (hangs or lone or _alike(ruled.values, theirs)):
        check.verdict = "DIFFERENT"
        check.notes.append(f"{row.quantity} of {row.target} differs by {difference:.2g} dB, and no rule explains it")
        return
    if check.verdict == "same":
        check.verdict = "explained"
    if one_sided:
        _note(
            check,
            "frames count by another rule: in museval none in which the channels of any delivered source add up to 0, "
            "here as the row's preset says",
        )
    if hangs:
        _note(check, f"flagged {', '.join(hangs)}: values hang on rounding of the references")
    elif difference > TOLERANCE and fewer:
        _note(
            check,
            f"SIR and SAR differ since museval projects on the delivered {', '.join(fewer)} alone, the run on the "
            "references of the whole group",
        )


def _alike(mine: Floats, theirs: Floats) -> bool:
    """Return whether values are missing in the same frames and the same in the others."""
    return bool((np.isnan(mine) == np.isnan(theirs)).all()) and _largest(mine, theirs) <= TOLERANCE


def _largest(mine: Floats, theirs: Floats) -> float:
    """Return the largest difference of values that are not a matter of rounding."""
    counts = ~np.isnan(mine) & ~np.isnan(theirs) & (np.fmin(mine, theirs) < _CEILING) & (mine != theirs)
    return float(np.abs(mine[counts] - theirs[counts]).max(initial=0.0))


def _note(check: Check, text: str) -> None:
    if text not in check.notes:
        check.notes.append(text)
