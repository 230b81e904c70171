"""``README.md`` and ``index.html`` of a board, made from its entries alone."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from markupsafe import Markup, escape

from mss_bench.errors import MssBenchError
from mss_bench.leaderboards.board import ORIGINS, Board, Entry, entry_names, read_entry, track_table
from mss_bench.leaderboards.literature import DEFINITION, read_rows
from mss_bench.stats.aggregate import AGGREGATIONS, aggregate
from mss_bench.stats.matrix import score_matrix
from mss_bench.stats.ranking import tied_with
from mss_bench.stats.significance import friedman, posthoc

__all__ = ["build", "standings"]

_LEVEL = 0.05


@dataclass(frozen=True)
class Standing:
    """A row of the board.

    Parameters
    ----------
    rank : int
        0 for an oracle.
    entry : Entry
    values : list of (float, bool)
        A value for each column, and whether it is the best or statistically tied with it.
    marks : str
        Footnotes.
    """

    rank: int
    entry: Entry
    values: list[tuple[float, bool]]
    marks: str


@dataclass(frozen=True)
class Sheet:
    """The standings with what stands around them.

    Parameters
    ----------
    columns : list of str
        Targets of the ranking metric, then the other metrics of the ranking target.
    methods, oracles : list of Standing
    notes : list of str
    """

    columns: list[str]
    methods: list[Standing]
    oracles: list[Standing]
    notes: list[str]


def standings(board: Board) -> Sheet:
    """Sort a board's entries by its rule.

    Raises
    ------
    MssBenchError
        An entry cannot be read.
    """
    entries = [read_entry(board, name) for name in entry_names(board)]
    tables = {e.method: e.table for e in entries}
    whole = track_table(board, tables, {e.method: e.oracle for e in entries})
    values = aggregate(whole, aggregation=board.aggregation, missing="complete", lower_is_better=board.lower_is_better)
    keys = zip(values["method"], values["target"], values["metric"], strict=True)
    lookup = dict(zip(keys, values["value"].to_numpy(float).tolist(), strict=True))
    wanted = _columns(board)
    best, notes = _tied_with_best(board, whole, wanted)
    sign = -1.0 if board.rank_metric in board.lower_is_better else 1.0

    def key(entry: Entry) -> tuple[bool, float, str]:
        value = _ranked(board, lookup, entry.method)
        return (math.isnan(value), -sign * value if not math.isnan(value) else 0.0, entry.method.lower())

    rows: dict[bool, list[Standing]] = {False: [], True: []}
    for entry in sorted(entries, key=key):
        cells = [
            (lookup.get((entry.method, target, metric), math.nan), entry.method in best.get((target, metric), ()))
            for target, metric in wanted
        ]
        ranked = not math.isnan(key(entry)[1]) and not key(entry)[0] and not entry.oracle
        marks = ("" if entry.origin == "run" else "‡") + ("§" if _leaks(board, entry) else "")
        rows[entry.oracle].append(Standing(len(rows[False]) + 1 if ranked else 0, entry, cells, marks))
    names = [target if metric == board.rank_metric else f"{metric} ({target})" for target, metric in wanted]
    return Sheet(names, rows[False], rows[True], [*notes, *_footnotes(rows[False] + rows[True])])


def build(board: Board) -> list[Path]:
    """Write ``README.md`` and ``index.html``.

    Returns
    -------
    list of Path

    Raises
    ------
    MssBenchError
        The board cannot be read.
    OSError
        It cannot be written.
    """
    from jinja2 import Environment, PackageLoader, StrictUndefined

    facts: dict[str, Any] = {"board": board, "aggregations": AGGREGATIONS, "origins": ORIGINS}
    if board.kind == "literature":
        rows = read_rows(board)
        facts["tables"] = [
            (dict(zip(DEFINITION, key, strict=True)), _published(board, part))
            for key, part in rows.groupby([*DEFINITION], sort=False)
        ]
        name = "literature"
    else:
        facts["sheet"] = standings(board)
        name = "scores"
    files = []
    for file, template, escaped in (("README.md", f"{name}.md.j2", False), ("index.html", f"{name}.html.j2", True)):
        environment = Environment(
            loader=PackageLoader("mss_bench.leaderboards", "templates"), undefined=StrictUndefined, trim_blocks=True,
            lstrip_blocks=True, keep_trailing_newline=True, autoescape=escaped,
        )  # fmt: skip
        environment.filters |= {"number": _number, "cell": _cell, "prose": _prose}
        environment.globals["style"] = _shared("style.css.j2")
        environment.globals["script"] = _shared("tables.js.j2")
        text = environment.get_template(template).render(facts)
        files.append(board.folder / file)
        files[-1].write_text(text, encoding="utf-8")
    return files


def _columns(board: Board) -> list[tuple[str, str]]:
    first = [(t, board.rank_metric) for t in board.targets]
    target = board.rank_target if board.rank_target != "mean" else board.targets[0]
    return first + [(target, m) for m in board.metrics if m != board.rank_metric]


def _ranked(board: Board, lookup: dict[tuple[str, str, str], float], method: str) -> float:
    targets = board.targets if board.rank_target == "mean" else (board.rank_target,)
    values = [lookup.get((method, t, board.rank_metric), math.nan) for t in targets]
    return sum(values) / len(values)


def _tied_with_best(
    board: Board, whole: Any, wanted: Sequence[tuple[str, str]]
) -> tuple[dict[tuple[str, str], list[str]], list[str]]:
    """For each column the methods that are best or tied with the best, and what the tests say."""
    best: dict[tuple[str, str], list[str]] = {}
    notes = []
    for target, metric in wanted:
        if metric != board.rank_metric:
            continue
        try:
            scores = score_matrix(
                whole, metric, target, missing="complete", lower_is_better=board.lower_is_better
            )  # fmt: skip
            scores = scores.without(scores.oracles)
            found = friedman(scores)
            p = posthoc(scores)
        except MssBenchError as error:
            notes.append(f"{target}: no test, {error}")
            continue
        middle = scores.values.median() if board.aggregation == "median_of_medians" else scores.values.mean()
        first = str(middle.idxmax() if scores.higher_is_better else middle.idxmin())
        best[target, metric] = [first, *(m for m in tied_with(p, first, _LEVEL) if m != first)]
        notes.append(
            f"{target}: Friedman chi-square {found.statistic:.4g}, p = {found.p:.2g}, Kendall's W {found.w:.2f}; "
            f"{len(scores.values)} tracks, {scores.values.shape[1]} methods"
        )
    return best, notes


def _leaks(board: Board, entry: Entry) -> bool:
    place = f"{board.dataset}/{board.subset}"
    return any(source in (board.dataset, place) for source in entry.trained_on)


def _footnotes(rows: Sequence[Standing]) -> list[str]:
    marks = "".join(row.marks for row in rows)
    notes = ["Bold: the best, or not told apart from it (Conover's test after Friedman's, Holm, 5 %); oracles apart."]
    if "‡" in marks:
        kinds = sorted({ORIGINS[r.entry.origin] for r in rows if r.entry.origin != "run"})
        notes.append(f"‡ {'; '.join(kinds)}: not recomputed here.")
    if "§" in marks:
        notes.append("§ was trained on the tracks of this board.")
    return notes


def _published(board: Board, rows: Any) -> list[dict[str, Any]]:
    """Rows of one definition, best average first; it is computed where all targets but no average were published."""
    numbers = rows[list(board.targets)]
    average = rows["average"].fillna(numbers.mean(axis=1).where(numbers.notna().all(axis=1)))
    ordered = rows.assign(mean=average).sort_values(
        ["mean", "method"], ascending=[False, True], na_position="last", kind="stable"
    )
    return [{str(k): v for k, v in row.items()} for row in ordered.to_dict("records")]


def _shared(name: str) -> str:
    from importlib.resources import files

    return (files("mss_bench.report") / "templates" / name).read_text(encoding="utf-8")


def _number(value: float) -> str:
    return (
        "–"
        if math.isnan(value)
        else "∞"
        if value == math.inf
        else "-∞"
        if value == -math.inf
        else f"{round(value, 2) + 0.0:.2f}"
    )


def _prose(text: str) -> Markup:
    """Text of a board in HTML: escaped, and what stands between backticks as code."""
    return Markup(re.sub(r"`([^`]*)`", r"<code>\1</code>", str(escape(text))))


def _cell(cell: tuple[float, bool]) -> str:
    return f"**{_number(cell[0])}**" if cell[1] else _number(cell[0])
