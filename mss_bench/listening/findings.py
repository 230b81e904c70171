"""Everything that a listening test says, question by question: what a report shows."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from mss_bench.errors import RunError
from mss_bench.listening.analysis import SystemTests, abx, cells, compare_systems, questions, summarise
from mss_bench.listening.metric_table import Joined, MetricTable, join
from mss_bench.listening.metrics_against_ears import (
    Verdict,
    agreement,
    by_kind,
    ceiling,
    compare_metrics,
    pooled_rho,
    verdicts,
)
from mss_bench.listening.mixed import RatingModel, rating_model
from mss_bench.listening.needed import answers_by_share, listeners_in_words
from mss_bench.listening.pairs import MODELS, PairScale, PairTests, answers, pair_scale, pair_tests
from mss_bench.listening.protocols import CHOICES, PROTOCOLS, Kind
from mss_bench.listening.ratings import SCALE, Role, normalised, usual_centre
from mss_bench.listening.reliability import (
    Agreement,
    alpha_of_songs,
    concordance,
    consistency_of_listeners,
    icc,
    krippendorff_alpha,
    rating_units,
    replicate_pairs,
)
from mss_bench.listening.screening import Screening, flag_conditions, flag_listeners, screen
from mss_bench.listening.sheets import RatingsError
from mss_bench.listening.votes import Votes, count_votes

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["SHARES", "Ears", "Findings", "Question", "counted", "find"]

SHARES = {p.tasks[0].name: p.kind for p in PROTOCOLS.values() if p.kind in CHOICES}
"""Tasks whose answers are chosen or not, right or wrong, with their kinds."""


@dataclass(frozen=True)
class Ears:
    """Metrics against the ratings of a question; of one kind of system, or of all."""

    name: str  # the kind, or empty
    joined: Joined
    agreement: pd.DataFrame
    comparison: pd.DataFrame
    verdicts: list[Verdict]
    listeners: dict[str, float]
    rho_all: dict[str, float] = field(default_factory=dict)  # with the listeners that were screened out


@dataclass
class Question:
    """One task and target. What the ratings do not allow is absent, and `notes` says why."""

    task: str
    target: str
    kind: Kind
    scale: tuple[float, float]
    ratings: pd.DataFrame  # of the listeners that count
    centre: str = "median"
    summary: pd.DataFrame | None = None
    centres_all: pd.Series[float] | None = None  # of each signal, with the listeners that were screened out
    tests: SystemTests | None = None
    model: RatingModel | None = None
    scales: list[PairScale] = field(default_factory=list)
    abx: pd.DataFrame | None = None
    votes: Votes | None = None
    reliability: list[tuple[str, Agreement]] = field(default_factory=list)
    consistency: pd.DataFrame | None = None  # of each listener with themselves, where trials came again
    song_alphas: pd.DataFrame | None = None
    sides: PairTests | None = None
    needed: dict[str, int] = field(default_factory=dict)  # listeners or answers for a difference, in words
    sd: float = float("nan")
    ears: list[Ears] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    @property
    def title(self) -> str:
        """Return e.g. ``quality of vocals``."""
        return self.task.replace("_", " ") + (f" of {self.target}" if self.target else "")

    def file(self, *what: str) -> str:
        """Return the name of a file of a table or figure: ``quality_vocals_pairs``."""
        return re.sub(r"[^A-Za-z0-9]+", "_", " ".join([self.task, self.target, *what])).strip("_").lower()


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
    screening: bool = True,
    centre: str | None = None,
    normalise: str | None = None,
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
    screening : bool
        Whether listeners that screening excludes are left out of everything: tests, pairs, metrics against ears.
    centre : {"median", "mean"}, optional
        What stands for the scores of a signal; by default `mss_bench.listening.ratings.usual_centre`.
    normalise : {"z", "minmax"}, optional
        As for `mss_bench.listening.ratings.normalised`, after screening.
    draws, seed : int
        Of bootstraps and permutations.

    Raises
    ------
    MssBenchError
        Ratings that do not answer their question, metrics that fit none of them.
    """
    known = dict.fromkeys(SHARES, (0.0, 1.0)) | dict(scales or {})
    kept, screened = counted(ratings, scales=known, scale=scale, mid_anchor=mid_anchor, screening=screening)
    asked = []
    for task, target, rows in questions(ratings):
        kind, own = SHARES.get(task, Kind.MULTI), known.get(task, scale)
        shares = kind is not Kind.MULTI
        rows = rows if shares else normalised(rows, normalise, own)
        question = Question(task, target, kind, own, screened.apply(rows), centre or usual_centre(own))
        if kind is Kind.PREFERENCE:
            given = answers(question.ratings)
            question.scales = [pair_scale(given, model, draws=min(draws, 1000), seed=seed) for model in MODELS]
            question.sides = pair_tests(question.ratings, given, draws=draws, seed=seed)
        elif kind is Kind.ABX:
            question.abx = abx(question.ratings)
        elif kind is Kind.VOTES:
            question.votes = count_votes(question.ratings, draws=draws, seed=seed)
        else:
            _analyse_scores(question, rows, draws, seed)
            if normalise:
                question.notes.append(f"Scores were normalised by listener: {normalise}.")
            if metrics and target in metrics:
                question.ears = _ears(question, rows, metrics[target], kinds or {}, draws, seed)
        if shares:
            choices = len(question.votes.systems) if question.votes else 2
            question.needed = answers_by_share(kind, choices=choices)
        asked.append(question)
    rated = ratings[~ratings["task"].isin(SHARES)]
    flags = flag_listeners(rated, seconds=seconds, scale=scale) if len(rated) else flag_listeners(ratings)
    name = ", ".join(filter(None, dict.fromkeys(map(str, ratings["test"]))))
    return Findings(name, ratings, screened, flags, flag_conditions(kept[kept.index.isin(rated.index)]), asked)


def counted(
    ratings: pd.DataFrame, *, scales: Mapping[str, tuple[float, float]], scale: tuple[float, float],
    mid_anchor: str | None = None, screening: bool = True,
) -> tuple[pd.DataFrame, Screening]:  # fmt: skip
    """Return the ratings that everything is concluded from, and who was left out of them.

    Parameters
    ----------
    ratings : DataFrame
    scales, scale, mid_anchor, screening
        As for `find`.
    """
    # The rules of BS.1534 are of its scale; other questions of a test neither exclude nor shelter anybody.
    sliders = ratings[[scales.get(str(task), scale) == SCALE for task in ratings["task"]]]
    screened = screen(sliders if len(sliders) else ratings, mid_anchor=mid_anchor,
                      scale=SCALE if len(sliders) else (0.0, 1.0))  # fmt: skip
    if not screening:
        screened = screened.lifted("Nobody was left out, by choice (--no-screening).")
    elif screened.leaves_none:
        screened = screened.lifted(
            "Post-screening would leave no listener, so that everybody counts: see the hidden references, and "
            "--reference of the import."
        )
    return screened.apply(ratings), screened


def _analyse_scores(question: Question, everybody: pd.DataFrame, draws: int, seed: int) -> None:
    own = question.ratings
    question.summary = summarise(own, centre=question.centre, draws=draws, seed=seed)
    if len(everybody) > len(own):
        single = everybody.groupby(["system", "item", "listener"])["score"].mean()
        means = single.groupby(["system", "item"]).mean().groupby("system").mean()
        medians = everybody.groupby("system")["score"].median()
        question.centres_all = means if question.centre == "mean" else medians
    try:
        question.tests = compare_systems(own, draws=draws, seed=seed)
    except (RatingsError, RunError) as error:
        question.notes.append(f"No tests: {error}.")
    try:
        question.model = rating_model(own)
    except RatingsError as error:
        question.notes.append(f"No mixed model: {error}.")
    question.reliability = _reliability(own, question.notes)
    consistency, alphas = consistency_of_listeners(own), alpha_of_songs(own)
    question.consistency = consistency if len(consistency) else None
    question.song_alphas = alphas if alphas["alpha"].notna().any() else None
    question.sd = _sd_of_differences(own)
    question.needed = listeners_in_words(question.sd, question.scale) if question.sd > 0 else {}


def _sd_of_differences(ratings: pd.DataFrame) -> float:
    """Return the sd over listeners of the difference of two systems on one item, pooled over items and pairs."""
    variances = []
    for _, rows in cells(ratings).groupby("item"):
        values = rows.to_numpy(dtype=np.float64)
        if len(values) > 1 and values.shape[1] > 1:
            i, j = np.triu_indices(values.shape[1], 1)
            variances.extend((values[:, i] - values[:, j]).var(axis=0, ddof=1))
    return float(np.sqrt(np.mean(variances))) if variances else float("nan")


def _reliability(ratings: pd.DataFrame, notes: list[str]) -> list[tuple[str, Agreement]]:
    """Return coefficients by name; those that the ratings do not allow are noted."""
    coefficients: list[tuple[str, Agreement]] = []
    nan = float("nan")
    tested = rating_units(ratings).to_numpy(dtype=np.float64)
    everything = rating_units(ratings, everything=True).to_numpy(dtype=np.float64)
    alphas = [(level, "systems alone", tested) for level in ("interval", "ordinal", "ratio")]
    if len(everything) > len(tested):
        alphas.append(("interval", "with references and anchors", everything))
    try:
        for level, what, units in alphas:
            value = Agreement(krippendorff_alpha(units, level), nan, nan, len(units))
            coefficients.append((f"Krippendorff's alpha, {level}, {what}", value))
    except RatingsError as error:
        notes.append(f"No alpha: {error}.")
    try:
        coefficients.append(("ICC(2,1), one listener, systems alone", icc(tested)))
        name = f"ICC(2,k), mean of {tested.shape[1]} listeners, systems alone"
        coefficients.append((name, icc(tested, average=True)))
    except RatingsError as error:
        notes.append(f"No ICC: {error}; listeners did not all rate the same.")
    again = replicate_pairs(ratings)
    again = again[again["role"] == Role.TEST]
    if len(again):
        first, second = (again[name].to_numpy(dtype=np.float64) for name in ("first", "again"))
        coefficients.append(("Lin's CCC of replicates, systems alone", concordance(first, second)))
    return coefficients


def _ears(
    question: Question, everybody: pd.DataFrame, metrics: MetricTable, kinds: Mapping[str, str], draws: int, seed: int
) -> list[Ears]:
    """Hold metrics against all systems, then against each kind; by the ratings of the listeners that count."""
    ratings, tests = question.ratings, question.tests
    joined = join(ratings, metrics, question.centre)
    some = min(draws, 2000)  # each draws ranks of all signals, which takes time; the second digit stands by then
    without: dict[str, Joined] = {}
    if len(everybody) > len(ratings):
        whole = join(everybody, metrics, question.centre)
        without = {"": whole, **by_kind(whole, kinds)}
    return [
        Ears(name, part, agreement(part, draws=some, seed=seed), compare_metrics(part, draws=some, seed=seed),
             verdicts(part, tests, draws=some, seed=seed) if tests is not None else [],
             ceiling(ratings[ratings["system"].isin(part.table["system"])], seed=seed),
             pooled_rho(without[name]) if name in without else {})
        for name, part in {"": joined, **by_kind(joined, kinds)}.items()
    ]  # fmt: skip
