"""The model of a page: what its script draws, as JSON, made of a report's contents.

Nothing is computed here that the tables and statistics of the report do not hold; only whether metrics agree on the
order of methods (Kendall's tau) is of the page alone.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from itertools import groupby
from typing import TYPE_CHECKING, Any

import numpy as np

from mss_bench.core.arrays import Floats
from mss_bench.report.blocks import Block, SeparatorRow
from mss_bench.report.contents import Contents
from mss_bench.report.costs import speeds
from mss_bench.report.findings import Finding
from mss_bench.report.idle import MEANINGLESS
from mss_bench.report.selection import labels
from mss_bench.stats.matrix import ScoreMatrix
from mss_bench.stats.signed_rank import FEWEST, hodges_lehmann
from mss_bench.stats.units import difference

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["Model", "cost_facts", "method_facts", "numbers", "page_model"]

Model = dict[str, Any]
"""What `json.dumps` takes; a missing number is null, an infinite one the word that JavaScript reads."""


def page_model(
    contents: Contents,
    *,
    digits: int = 2,
    costs: Mapping[str, Mapping[str, float]] | None = None,
    links: Mapping[tuple[str, str, str], str] | None = None,
    mean: bool = True,
) -> Model:
    """Return the scores of a report, group by group and metric by metric.

    Parameters
    ----------
    contents : Contents
    digits : int
        Decimals to which scores are rounded: a page shows what the tables show.
    costs : mapping, optional
        From `cost_facts`, by method.
    links : mapping, optional
        Addresses of the pages of songs, by data set, subset and track.
    mean : bool
        Whether the mean over targets is a column.

    Returns
    -------
    dict
        ``methods``, and ``groups`` with their ``songs`` and ``metrics``; a metric has a column for each target and
        their mean, and the lists of a column are of its methods, whose places in ``methods`` are its ``of``.
    """
    blocks = contents.blocks
    rows = {row.separator: row for block in blocks for row in block.rows}
    at = {name: i for i, name in enumerate(rows)}
    costs = costs or {}
    methods = [
        method_facts(row) | {k: _number(v, 4) for k, v in costs.get(row.separator, {}).items()} for row in rows.values()
    ]
    groups = []
    for title, of_group in groupby(blocks, key=lambda block: block.name):
        own = list(of_group)
        first = own[0]
        shown = {block.label: block.with_mean if mean else block.targets for block in own}
        scores = {
            (b.metric, b.preset, t): m for b in own for t in shown[b.label] if (m := contents.matrix(b, t)) is not None
        }
        songs = sorted({str(song) for matrix in scores.values() for song in matrix.values.index})
        place = (first.dataset, first.subset)
        metrics = [
            {
                "name": block.label, "unit": block.unit, "up": block.higher_is_better,
                "rows": [at[row.separator] for row in block.rows],
                "columns": [
                    _column(block, target, scores.get((block.metric, block.preset, target)), at, songs, digits)
                    for target in shown[block.label]
                ],
            }
            for block in own
        ]  # fmt: skip
        _add_agreement(own, metrics)
        linked = [[song, (links or {}).get((*place, song), "")] for song in songs]
        groups.append({"title": title, "name": first.group or title, "songs": linked, "metrics": metrics})
    if len({(b.dataset, b.subset) for b in blocks}) > 1:
        for group in groups:  # groups of several data sets have the same names
            group["name"] = group["title"]
    return {"digits": digits, "methods": methods, "groups": groups}


def method_facts(row: SeparatorRow) -> Model:
    """Return what pages know of a method beside its scores."""
    facts: Model = {"name": row.separator, "kind": row.kind if row.kind in ("method", "oracle") else "idle"}
    if facts["kind"] == "idle":
        facts["tag"] = row.kind
    if row.imitates:
        facts["why"] = "has the scores of the floor on every song, at its level or another"
    if row.leaks:
        facts["leaks"] = ", ".join(row.leaks)
    return facts


def cost_facts(costs: pd.DataFrame | None) -> dict[str, dict[str, float]]:
    """Return speed and memory by method.

    Returns
    -------
    dict
        ``speed`` in seconds of audio a second (median over songs), ``memory`` in MB (the most); NaN of what only reads
        files.
    """
    if costs is None or costs.empty:
        return {}
    memory = costs["peak_memory_mb"].groupby(labels(costs)).max()
    return {
        label: {"speed": 1 / seconds, "memory": math.nan if math.isnan(seconds) else float(memory[label])}
        for label, seconds in speeds(costs).items()
    }


def _column(
    block: Block, target: str, matrix: ScoreMatrix | None, at: Mapping[str, int], songs: Sequence[str], digits: int
) -> Model:
    """Return a target (or the mean over them) of a metric: numbers of every method, and what the statistics say."""
    values, low, high, gain = (np.full(len(at), math.nan) for _ in range(4))
    sparse: dict[str, dict[int, int]] = {"imputed": {}, "infinite": {}, "failed": {}, "lacking": {}}
    best: list[int] = []  # several where they have exactly the same value
    blank: list[int] = []  # says nothing there, as the SAR of what does nothing
    for row in block.rows:
        score, i = row.score(target), at[row.separator]
        if score is None:
            continue
        values[i], gain[i] = score["value"], score["improvement"]
        low[i], high[i] = score["low"], score["high"]
        for name, count in (
            ("imputed", "n_imputed"),
            ("infinite", "n_inf"),
            ("failed", "n_failed"),
            ("lacking", "n_lacking"),
        ):
            if score[count]:
                sparse[name][i] = int(score[count])
        if MEANINGLESS in str(score.get("flags", "")).split(","):
            blank.append(i)
        if score["best"]:
            best.append(i)
    column: Model = {
        "name": target, "best": best, "value": numbers(values, digits), "low": numbers(low, digits),
        "high": numbers(high, digits), "gain": numbers(gain, digits),
    }  # fmt: skip
    named = {i: name for name, i in at.items()}
    if best and (room := block.room(target, named[best[0]])):
        column["room"] = [at[room[0]], _number(room[1], digits)]
    column |= {name: counts for name, counts in sparse.items() if counts} | ({"blank": blank} if blank else {})
    if matrix is None:
        return _dense(column)
    own = matrix.values.where(~matrix.imputed.astype(bool)).reindex(list(songs))
    by_method: list[Any] = [0] * len(at)
    for name in own.columns:
        if str(name) in at and at[str(name)] not in blank:
            by_method[at[str(name)]] = numbers(own[name].to_numpy(float), digits)
    column |= {"songs": by_method, "n": len(matrix.values)} | ({"counted": matrix.counted} if matrix.counted else {})
    finding = block.tested.get(target)
    return _dense(column | (_verdicts(finding, at, digits) if finding is not None else {}))


def _dense(column: Model) -> Model:
    """Return a column whose lists hold the methods that it has alone, named by ``of``: most have a target or two."""
    of = [i for i, value in enumerate(column["value"]) if value is not None or column.get("songs", [0] * (i + 1))[i]]
    lists = (
        "value",
        "low",
        "high",
        "gain",
        "difference",
        "difference_low",
        "difference_high",
        "songs",
        "wins",
    )
    dense = {name: [column[name][i] for i in of] for name in lists if name in column}
    known = {name: values for name, values in dense.items() if any(value is not None for value in values)}
    return {name: values for name, values in column.items() if name not in lists} | {"of": of} | known


def _verdicts(finding: Finding, at: Mapping[str, int], digits: int) -> Model:
    """Return what the statistics say of a column: pairs not told apart, and everything against the best."""
    found = finding.family
    ranked = [name for name in found.ranked if name in at]
    verdicts: Model = {"ranked": [at[name] for name in ranked]}
    ranks = [found.rank(name) for name in ranked]
    if ranks != list(range(1, len(ranks) + 1)):
        verdicts["ranks"] = ranks
    if not found.enough or found.ranked[:1] != found.leaders:
        verdicts["said"] = found.sentence
    if finding.friedman is not None:
        verdicts["agreement"] = _number(finding.friedman.w, 2)
    if found.enough:
        same = found.p.loc[ranked, ranked].to_numpy(float) >= found.alpha
        verdicts["same"] = np.packbits(same[np.triu_indices(len(ranked), 1)]).tobytes().hex()
    if found.may_be_best:
        verdicts["may"] = [at[name] for name in found.may_be_best if name in at]
    if found.best not in at:
        return verdicts
    # The typical difference of every method to the best, positive where the method is better, and on how many songs.
    scores = finding.scores
    names = [str(name) for name in scores.values.columns if str(name) in at]
    values = scores.values[names].to_numpy(float)
    apart = difference(values, values[:, [names.index(found.best)]])
    typical, low, high = hodges_lehmann(apart, found.level)
    if not scores.higher_is_better:
        typical, low, high = -typical, -high, -low
    if len(values) < FEWEST:
        low, high = np.full((2, len(names)), math.nan)
    places = [at[name] for name in names]
    better = apart if scores.higher_is_better else -apart
    for column, own in (("difference", typical), ("difference_low", low), ("difference_high", high)):
        everywhere = np.full(len(at), math.nan)
        everywhere[places] = own
        verdicts[column] = numbers(everywhere, digits)
    wins = dict(zip(places, (better > 0).sum(axis=0).tolist(), strict=True))
    verdicts["wins"] = [wins.get(i) for i in range(len(at))]
    if found.runner_up:
        verdicts["lead"] = found.pair(found.best, found.runner_up).wins
    return verdicts


def _add_agreement(blocks: Sequence[Block], metrics: Sequence[Model]) -> None:
    """Add to every column how far its order of methods is that of the first metric, as Kendall's tau."""
    import scipy

    def ranked(block: Block, target: str) -> dict[str, float]:
        sign = 1.0 if block.higher_is_better else -1.0
        scores = {r.separator: s for r in block.rows if r.ranked and (s := r.score(target)) is not None}
        whole = {name: score["value"] for name, score in scores.items() if not score["n_lacking"]}
        return {name: sign * value for name, value in whole.items() if not math.isnan(value)}

    for block, metric in zip(blocks, metrics, strict=True):
        for column in metric["columns"]:
            one, two = ranked(blocks[0], column["name"]), ranked(block, column["name"])
            both = [name for name in one if name in two]
            if block is blocks[0] or len(both) < 3:
                continue
            tau = scipy.stats.kendalltau([one[name] for name in both], [two[name] for name in both]).statistic
            column["tau"] = _number(float(tau), 2)


def numbers(values: Floats, digits: int) -> list[Any]:
    """Return numbers for JSON; see `Model`."""
    return [_number(value, digits) for value in values.tolist()]


def _number(value: float, digits: int) -> float | str | None:
    if math.isnan(value):
        return None
    return round(value, digits) + 0.0 if math.isfinite(value) else "Infinity" if value > 0 else "-Infinity"
