"""Everything that a listening test says, question by question: what a report shows."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from mss_bench.errors import RunError
from mss_bench.listening.abx import abx
from mss_bench.listening.analysis import SystemTests, compare_systems, questions, summarise
from mss_bench.listening.metric_table import Joined, MetricTable, join
from mss_bench.listening.metrics_against_ears import (
    Verdict,
    agreement,
    by_kind,
    ceiling,
    compare_metrics,
    verdicts,
)
from mss_bench.listening.mixed import RatingModel, rating_model
from mss_bench.listening.pairs import PairScale, answers, pair_scale
from mss_bench.listening.plan import listeners_needed
from mss_bench.listening.protocols import Kind, protocol
from mss_bench.listening.rating_table import SCALE, RatingsError
from mss_bench.listening.ratings import Role
from mss_bench.listening.reliability import (
    Agreement,
    concordance,
    icc,
    krippendorff_alpha,
    rating_units,
    replicate_pairs,
)
from mss_bench.listening.screening import Screening, flag_conditions, flag_listeners, screen

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["ABX", "PREFERENCE", "Ears", "Findings", "Question", "find"]

PREFERENCE = protocol("preference").tasks[0].name
ABX = protocol("abx").tasks[0].name

_DIFFERENCES = (5.0, 8.0, 10.0, 15.0)


@dataclass(frozen=True)
class Ears:
    """Metrics against the ratings of a question; of one kind of system, or of all."""

    name: str  # the kind, or empty
    joined: Joined
    agreement: pd.DataFrame
    comparison: pd.DataFrame
    verdicts: list[Verdict]
    listeners: dict[str, float]


@dataclass(frozen=True)
class Question:
    """One task and target. What the ratings do not allow is absent, and `notes` says why."""

    task: str
    target: str
    kind: str  # a `Kind`
    scale: tuple[float, float]
    ratings: pd.DataFrame  # of the listeners that count
    summary: pd.DataFrame | None = None
    summary_all: pd.DataFrame | None = None  # with the listeners that were screened out
    tests: SystemTests | None = None
    model: RatingModel | None = None
    scales: list[PairScale] = field(default_factory=list)
    abx: pd.DataFrame | None = None
    reliability: list[tuple[str, Agreement]] = field(default_factory=list)
    needed: list[tuple[float, int]] = field(default_factory=list)
    sd: float = float("nan")
    ears: list[Ears] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    @property
    def title(self) -> str:
        """E.g. ``quality of vocals``."""
        return self.task.replace("_", " ") + (f" of {self.target}" if self.target else "")


@dataclass(frozen=True)
class Findings:
    """A whole test."""

    name: str
    ratings: pd.DataFrame
    screening: Screening
    flags: pd.DataFrame
    camps: pd.DataFrame
    questions: list[Question]


def find(
    ratings: pd.DataFrame,
    *,
    scales: Mapping[str, tuple[float, float]] | None = None,
    scale: tuple[float, float] = SCALE,
    mid_anchor: str | None = None,
    seconds: float | None = None,
    metrics: Mapping[str, MetricTable] | None = None,
    kinds: Mapping[str, str] | None = None,
    draws: int = 10_000,
    seed: int = 0,
) -> Findings:
    """Analyse a test.

    Parameters
    ----------
    ratings : DataFrame
        Columns of `mss_bench.listening.ratings.RATING_COLUMNS`.
    scales : mapping, optional
        Ends of the scale of each task.
    scale : (float, float)
        Those of the others.
    mid_anchor : str, optional
        As for `mss_bench.listening.screening.screen`.
    seconds : float, optional
        Length of the excerpts.
    metrics : mapping, optional
        To hold against the ratings: target to table; questions of other targets have none.
    kinds : mapping, optional
        System to kind; metrics are then held against each kind apart too.
    draws, seed : int
        Of bootstraps and permutations.

    Raises
    ------
    MssBenchError
        Ratings that are no answers to their question, metrics that fit none of them.
    """
    known = {PREFERENCE: (0.0, 1.0), ABX: (0.0, 1.0)} | dict(scales or {})
    # The rules of BS.1534 are of its scale; other questions of a test neither exclude nor shelter anybody.
    sliders = ratings[[known.get(str(task), scale) == SCALE for task in ratings["task"]]]
    screening = screen(sliders if len(sliders) else ratings, mid_anchor=mid_anchor,
                       scale=SCALE if len(sliders) else (0.0, 1.0))  # fmt: skip
    kept = screening.apply(ratings)
    if kept.empty:
        raise RatingsError(
            "post-screening leaves no listener: see the hidden references, and --reference of the import"
        )
    rated = ratings[~ratings["task"].isin([PREFERENCE, ABX])]
    found = []
    for task, target, rows in questions(ratings):
        kind = {PREFERENCE: Kind.PREFERENCE, ABX: Kind.ABX}.get(task, Kind.MULTI)
        own = screening.apply(rows)
        question = Question(task, target, str(kind), known.get(task, scale), own)
        if kind is Kind.PREFERENCE:
            counted = answers(own)
            both = [pair_scale(counted, m, draws=min(draws, 1000), seed=seed) for m in ("bradley_terry", "thurstone")]
            question.scales.extend(both)
            found.append(question)
        elif kind is Kind.ABX:
            found.append(Question(task, target, str(kind), known[task], own, abx=abx(own)))
        else:
            found.append(_scored(question, rows, (metrics or {}).get(target), kinds or {}, draws, seed))
    flags = flag_listeners(rated, seconds=seconds, scale=scale) if len(rated) else flag_listeners(ratings)
    return Findings(
        ", ".join(filter(None, dict.fromkeys(map(str, ratings["test"])))), ratings, screening, flags,
        flag_conditions(kept[kept.index.isin(rated.index)]), found,
    )  # fmt: skip


def _scored(
    question: Question, everybody: pd.DataFrame, metrics: MetricTable | None, kinds: Mapping[str, str], draws: int,
    seed: int,
) -> Question:  # fmt: skip
    own, notes = question.ratings, list(question.notes)
    tests, model = None, None
    try:
        tests = compare_systems(own, draws=draws, seed=seed)
    except (RatingsError, RunError) as error:
        notes.append(f"No tests: {error}.")
    try:
        model = rating_model(own)
    except RatingsError as error:
        notes.append(f"No mixed model: {error}.")
    sd = _sd_of_differences(own)
    return Question(
        question.task, question.target, question.kind, question.scale, own,
        summary=summarise(own, draws=draws, seed=seed),
        summary_all=summarise(everybody, draws=100, seed=seed) if len(everybody) > len(own) else None,
        tests=tests, model=model, reliability=_reliability(own, notes),
        needed=[(d, listeners_needed(d, sd=sd)) for d in _DIFFERENCES] if sd > 0 else [], sd=sd,
        ears=_ears(everybody, tests, metrics, kinds, draws, seed) if metrics is not None else [], notes=notes,
    )  # fmt: skip


def _sd_of_differences(ratings: pd.DataFrame) -> float:
    """Standard deviation over listeners of the difference of two systems on one item, pooled over items and pairs."""
    tested = ratings[ratings["role"] == Role.TEST]
    cells = tested.groupby(["item", "listener", "system"])["score"].mean().unstack("system").dropna()
    variances = []
    for _, rows in cells.groupby("item"):
        values = rows.to_numpy(dtype=np.float64)
        if len(values) > 1 and values.shape[1] > 1:
            i, j = np.triu_indices(values.shape[1], 1)
            variances.extend((values[:, i] - values[:, j]).var(axis=0, ddof=1))
    return float(np.sqrt(np.mean(variances))) if variances else float("nan")


def _reliability(ratings: pd.DataFrame, notes: list[str]) -> list[tuple[str, Agreement]]:
    """Coefficients by name; those that the ratings do not allow are noted."""
    found: list[tuple[str, Agreement]] = []
    nan = float("nan")
    tested, everything = rating_units(ratings), rating_units(ratings, everything=True)
    try:
        for level in ("interval", "ordinal", "ratio"):
            value = krippendorff_alpha(tested.to_numpy(dtype=np.float64), level)
            found.append((f"Krippendorff's alpha, {level}, systems alone", Agreement(value, nan, nan, len(tested))))
        if len(everything) > len(tested):
            value = krippendorff_alpha(everything.to_numpy(dtype=np.float64), "interval")
            name = "Krippendorff's alpha, interval, with references and anchors"
            found.append((name, Agreement(value, nan, nan, len(everything))))
    except RatingsError as error:
        notes.append(f"No alpha: {error}.")
    try:
        units = tested.to_numpy(dtype=np.float64)
        found.append(("ICC(2,1), one listener, systems alone", icc(units)))
        found.append((f"ICC(2,k), mean of {units.shape[1]} listeners, systems alone", icc(units, average=True)))
    except RatingsError as error:
        notes.append(f"No ICC: {error}; listeners did not all rate the same.")
    again = replicate_pairs(ratings)
    again = again[again["role"] == Role.TEST]
    if len(again):
        first, second = (again[name].to_numpy(dtype=np.float64) for name in ("first", "again"))
        found.append(("Lin's CCC of replicates, systems alone", concordance(first, second)))
    return found


def _ears(
    ratings: pd.DataFrame, tests: SystemTests | None, metrics: MetricTable, kinds: Mapping[str, str], draws: int,
    seed: int,
) -> list[Ears]:  # fmt: skip
    """All systems, then each kind."""
    joined = join(ratings, metrics)
    some = min(draws, 2000)
    return [
        Ears(name, part, agreement(part, draws=some, seed=seed), compare_metrics(part, draws=some, seed=seed),
             verdicts(part, tests, draws=some, seed=seed) if tests is not None else [],
             ceiling(ratings[ratings["system"].isin(part.table["system"])], seed=seed))
        for name, part in {"": joined, **by_kind(joined, kinds)}.items()
    ]  # fmt: skip
