"""What an arena says: metrics held against sets of ratings, verdicts in words, and the check of all numbers."""

from __future__ import annotations

import io
import math
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from mss_bench.core.files import read_whole
from mss_bench.errors import ConfigError, MssBenchError, RunError
from mss_bench.listening.analysis import compare_systems, questions
from mss_bench.listening.arena import Arena, RatingSet, checksums, read_arena
from mss_bench.listening.bootstrap import FEWEST
from mss_bench.listening.findings import SHARES, counted
from mss_bench.listening.metric_table import MetricTable, join
from mss_bench.listening.metrics_against_ears import Verdict, agreement, by_kind, ceiling, compare_metrics, verdicts
from mss_bench.listening.sheets import RatingsError

if TYPE_CHECKING:
    import pandas as pd

__all__ = [
    "ALL", "CEILING", "ENOUGH", "RESULT_COLUMNS", "answer", "counted_questions", "judge", "judge_set", "read_results",
    "verdict", "verify_arena", "with_metrics",
]  # fmt: skip

ALL = "all"
"""Column of all systems of a set, where it has several kinds or names none."""

CEILING = "listeners"
"""Row of the listeners themselves: the correlation that can be expected at best."""

ENOUGH = 0.5
"""Correlation from which on a metric ranks a kind of system: a convention of ours, a quarter of the ranks' variance."""

RESULT_COLUMNS = (
    "set", "kind", "metric", "signals", "songs", "systems", "rho", "low", "high", "within_songs", "pairs", "right",
    "wrong", "behind_low", "behind_high", "p", "best",
)  # fmt: skip
"""Columns of ``results.csv``: pooled rho with its interval over songs, the mean rho within songs; of the pairs of
systems that listeners tell apart how many are surely ordered alike and how many reversed; how far the best metric of
the column leads (rho, interval over songs) with Meng's p after Holm; whether it is that best."""

_DIGITS = 6
_TOLERANCE = 2e-6
_COUNTS = ("signals", "songs", "systems", "pairs", "right", "wrong")


def judge(arena: Arena) -> pd.DataFrame:
    """Hold every metric against the ratings of every set, for each kind of system apart.

    Parameters
    ----------
    arena : Arena

    Returns
    -------
    DataFrame
        Columns `RESULT_COLUMNS`; the row `CEILING` of each column holds what listeners reach themselves.

    Raises
    ------
    MssBenchError
        There is no set, or one cannot be read.
    """
    import pandas as pd

    if not arena.sets:
        raise ConfigError(f"{arena.folder} has no set of ratings; add one: mss-bench metrics arena add RATINGS ARENA")
    parts = [judge_set(name, own, own.read_values()) for name, own in arena.sets.items()]
    return pd.concat(parts, ignore_index=True)


def judge_set(name: str, own: RatingSet, values: MetricTable, *, draws: int = 1000) -> pd.DataFrame:
    """Hold metrics against one set, as `judge`; `draws` are those of the bootstrap over songs."""
    import pandas as pd

    ratings = own.read_ratings()
    joined = join(ratings, values, own.centre)
    kinds = by_kind(joined, own.kinds)
    parts = {ALL: joined} if len(kinds) == 0 else kinds if len(kinds) == 1 else kinds | {ALL: joined}
    try:
        tests = compare_systems(ratings, draws=draws)
    except (
        RatingsError,
        RunError,
    ):  # too few to tell systems apart: correlations stand all the same
        tests = None
    rows = []
    for kind, part in parts.items():
        table = agreement(part, coefficients=["rho"], draws=draws)
        lead = compare_metrics(part, by="rho", draws=draws)
        leads = {str(row["other"]): row for row in lead.to_dict("records")}
        told = verdicts(part, tests, draws=draws) if tests is not None else []
        pairs = {found.metric: found for found in told}
        of_kind = ratings[ratings["system"].isin(part.table["system"])]
        heard = ceiling(of_kind, by="rho", centre=own.centre)
        songs, systems = part.table["song"].nunique(), part.table["system"].nunique()
        counts = {"set": name, "kind": kind, "songs": songs, "systems": systems}
        rows.append(counts | {"metric": CEILING, "signals": len(part.table), "rho": heard["ceiling"]})
        for metric, row in table.iterrows():
            found = pairs.get(str(metric), Verdict(str(metric), "open", [], [], []))
            asked = len(found.right) + len(found.unsure) + len(found.wrong)
            behind = leads.get(str(metric), {"low": math.nan, "high": math.nan, "p_meng": math.nan})
            rows.append(counts | {
                "metric": metric, "signals": int(row["n"]), "rho": row["rho"], "low": row["rho_low"],
                "high": row["rho_high"], "within_songs": row["song_rho_mean"], "pairs": asked,
                "right": len(found.right), "wrong": len(found.wrong), "behind_low": behind["low"],
                "behind_high": behind["high"], "p": behind["p_meng"], "best": str(metric) not in leads,
            })  # fmt: skip
    table = pd.DataFrame(rows, columns=list(RESULT_COLUMNS))
    return _typed(table.round(_DIGITS))


def _typed(table: pd.DataFrame) -> pd.DataFrame:
    return table.astype(dict.fromkeys(_COUNTS, "Int64") | {"best": "boolean"})


def read_results(arena: Arena) -> pd.DataFrame:
    """Read ``results.csv``, which `verify_arena` checks.

    Raises
    ------
    ConfigError
        It is absent, or has other columns or metrics twice.
    """
    import pandas as pd

    file = arena.folder / "results.csv"
    table = pd.read_csv(io.BytesIO(read_whole(file)))
    if list(table.columns) != list(RESULT_COLUMNS) or table.duplicated(["set", "kind", "metric"]).any():
        raise ConfigError(f"{file} does not have each metric once, with the columns {', '.join(RESULT_COLUMNS)}")
    try:
        return _typed(table)
    except (TypeError, ValueError) as error:
        raise ConfigError(f"{file}: a number is not one: {error}") from error


def with_metrics(name: str, own: RatingSet, values: MetricTable) -> tuple[pd.DataFrame, list[str]]:
    """Judge metrics beside those that a set has.

    Returns
    -------
    results : DataFrame
        Of all metrics, as `judge` gives them.
    verdicts : list of str
        A sentence for each of the new ones.
    """
    before = own.read_values()
    new = list(map(str, values.values.columns))
    kept = before.values.drop(columns=[column for column in new if column in before.values])
    both = MetricTable(kept.join(values.values), before.lower_is_better | values.lower_is_better, [])
    results = judge_set(name, own, both)
    return results, [f"{metric}: {verdict(results[results['metric'] == metric])}" for metric in new]


def counted_questions(
    ratings: pd.DataFrame, scales: Mapping[str, tuple[float, float]], scale: tuple[float, float], *, screening: bool
) -> dict[tuple[str, str], pd.DataFrame]:
    """Return the ratings of each task and target, of the listeners that count.

    Raises
    ------
    RatingsError
        Nothing was rated on a scale: choices have no centre that a metric could follow.
    """
    kept = counted(ratings, scales=scales, scale=scale, screening=screening)[0]
    rated = {(task, target): rows for task, target, rows in questions(kept) if task not in SHARES}
    if not rated:
        raise RatingsError("an arena takes ratings on a scale; these are choices")
    return rated


def answer(low: float, high: float, songs: int) -> str:
    """Return whether a metric ranks a kind of system: ``yes``, ``no`` or ``open``, by an interval of rho."""
    if songs < FEWEST or math.isnan(low):
        return "open"
    return "yes" if low >= ENOUGH else "no" if high < ENOUGH else "open"


def verdict(results: pd.DataFrame, titles: Mapping[str, str] | None = None) -> str:
    """Say in a sentence which kinds of systems a metric ranks.

    Parameters
    ----------
    results : DataFrame
        Rows of one metric, as `judge` gives them.
    titles : mapping of str to str, optional
        Of the sets, to be named where they disagree.
    """
    kinds: dict[str, dict[str, str]] = {}
    for row in results.to_dict("records"):
        kinds.setdefault(str(row["kind"]), {})[str(row["set"])] = answer(row["low"], row["high"], int(row["songs"]))
    # Pooled over kinds a correlation lives on the distance between them: it speaks only where no kind does.
    if len(kinds) > 1:
        kinds.pop(ALL, None)
    said: dict[str, list[str]] = {"yes": [], "no": [], "open": []}
    for kind, answers in kinds.items():
        word = "the" if kind == ALL else kind
        if len(set(answers.values())) == 1:
            said[next(iter(answers.values()))].append(word)
            continue
        for name, own in answers.items():
            said[own].append(f"{word} systems of {(titles or {}).get(name, name)}")
    return _sentence(said)


def _sentence(said: Mapping[str, list[str]]) -> str:
    def listed(answered: str, noun: str = "systems") -> str:
        words = said[answered]
        if any(" systems of " in word for word in words):
            return " and ".join(word if " systems of " in word else f"{word} systems" for word in words)
        return f"{' and '.join(words)} {noun}"

    if said["yes"]:
        text = f"Ranks {listed('yes')}" + (f", not {listed('no', 'ones')}" if said["no"] else "")
    elif said["no"]:
        text = f"Does not rank {listed('no')}"
    else:
        return f"Undecided for {listed('open')}."
    return text + (f"; undecided for {listed('open', 'ones')}." if said["open"] else ".")


def verify_arena(folder: Path) -> list[str]:
    """Return what is wrong with an arena: files changed, or numbers that do not follow from ratings and values.

    Parameters
    ----------
    folder : Path

    Returns
    -------
    list of str
        Sentences; empty where all is right.
    """
    try:
        arena = read_arena(folder)
        problems = [
            f"{name}: {file} was changed: its checksum is not the one that set.yaml names"
            for name, own in arena.sets.items()
            for file, checksum in checksums(own).items()
            if own.checksums.get(file) != checksum
        ]
        derived = judge(arena)
        named = read_results(arena)
    except MssBenchError as error:
        return [str(error)]
    return problems + _differences(derived, named)


def _differences(derived: pd.DataFrame, named: pd.DataFrame) -> list[str]:
    keys = ["set", "kind", "metric"]
    left, right = derived.set_index(keys), named.set_index(keys)
    if wrong := sorted({*left.index} ^ {*right.index}):
        return [f"results.csv and the sets differ in {' / '.join(map(str, wrong[0]))}; build the arena again"]
    problems = []
    for column in RESULT_COLUMNS[3:]:
        ours = left[column].astype("float64").to_numpy(na_value=np.nan)
        theirs = right.loc[left.index, column].astype("float64").to_numpy(na_value=np.nan)
        for at in np.flatnonzero(~np.isclose(ours, theirs, rtol=0, atol=_TOLERANCE, equal_nan=True))[:3]:
            where = " / ".join(map(str, left.index[at]))
            problems.append(f"{where}: {column} is {theirs[at]:g}, ratings and values give {ours[at]:g}")
    return problems
