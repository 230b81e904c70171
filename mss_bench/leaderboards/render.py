"""``README.md`` and ``index.html`` of a board, made from its entries alone."""

from __future__ import annotations

import math
import re
from pathlib import Path
from typing import Any

from markupsafe import Markup, escape

from mss_bench.core.files import write_atomic
from mss_bench.errors import ConfigError, MssBenchError
from mss_bench.leaderboards.board import ORIGINS, Board, Entry, entry_names, read_entry, track_table
from mss_bench.leaderboards.literature import DEFINITION, read_rows
from mss_bench.report.html import templates
from mss_bench.report.leakage import overlap
from mss_bench.report.table import Column, Note, Table, TableCell, number
from mss_bench.stats.aggregate import aggregate
from mss_bench.stats.choices import AGGREGATIONS
from mss_bench.stats.matrix import score_matrix
from mss_bench.stats.ranking import tied_with
from mss_bench.stats.significance import friedman, posthoc

__all__ = ["build", "published", "standings"]

_LEVEL = 0.05


def build(board: Board) -> list[Path]:
    """Write ``README.md`` and ``index.html``.

    Returns
    -------
    list of Path

    Raises
    ------
    MssBenchError
        The board cannot be read or written.
    """
    if board.kind == "literature":
        tables, source = published(board), "Collected from"
        intro = (
            "Published numbers; nothing here was recomputed but the mean over the targets where a source gives none."
            " Rows are compared only within a table: other tables use another test set, definition or aggregation, and"
            " their numbers mean something else."
        )
    else:
        tables, source = [standings(board)], "Source"
        place = f"{board.dataset}, {board.subset}" if board.subset else board.dataset
        ranked = "the mean over the targets" if board.rank_target == "mean" else board.rank_target
        intro = (
            f"{place}: {len(board.tracks)} tracks; {board.rank_metric} ({board.preset}),"
            f" {AGGREGATIONS[board.aggregation]}. Ranked by {ranked}. Made by `mss-bench leaderboard build`; checked by"
            " `mss-bench leaderboard verify`."
        )
    origin = f"{source}: {board.source}." if board.source else ""
    origin += f" Licence: {board.licence}." if board.licence else ""
    rules = ["Rules:", "\n".join(f"- {rule}" for rule in board.rules)] if board.rules else []
    parts = [f"# {board.title}", board.description, intro, *(t.markdown(level=2) for t in tables), *rules, origin]
    text = "\n\n".join(part.strip() for part in parts if part.strip()) + "\n"
    environment = templates("mss_bench.leaderboards")
    environment.filters["prose"] = _prose
    page = environment.get_template("board.html.j2").render(board=board, intro=intro, tables=tables, origin=origin)
    return [write_atomic(board.folder / "README.md", text), write_atomic(board.folder / "index.html", page)]


def _prose(text: str) -> Markup:
    """Return text of a board as HTML: escaped, and what stands between backticks as code."""
    return Markup(re.sub(r"`([^`]*)`", r"<code>\1</code>", str(escape(text))))


def standings(board: Board) -> Table:
    """Return the entries of a board, sorted by its rule, oracles apart.

    The columns are the targets of the ranking metric, then the other metrics of the ranking target.

    Raises
    ------
    MssBenchError
        An entry cannot be read, or there is none.
    """
    entries = [read_entry(board, name) for name in entry_names(board)]
    if not entries:
        raise ConfigError(f"{board.folder} has no entries; add some: mss-bench leaderboard add RUN {board.folder}")
    scores = track_table(board, entries)
    values = aggregate(scores, aggregation=board.aggregation, missing="complete", lower_is_better=board.lower_is_better)
    keys = zip(values["separator"], values["target"], values["metric"], strict=True)
    lookup = dict(zip(keys, values["value"].to_numpy(float).tolist(), strict=True))
    first = board.targets[0] if board.rank_target == "mean" else board.rank_target
    columns = [(target, board.rank_metric) for target in board.targets]
    columns += [(first, metric) for metric in board.metrics if metric != board.rank_metric]
    best, tests = _first_places(board, scores)
    sign = -1.0 if board.rank_metric in board.lower_is_better else 1.0

    def ranked(entry: Entry) -> float:
        targets = board.targets if board.rank_target == "mean" else (board.rank_target,)
        values = [lookup.get((entry.method, target, board.rank_metric), math.nan) for target in targets]
        return float(sum(values) / len(values))

    def order(entry: Entry) -> tuple[bool, float, str]:
        value = ranked(entry)
        return (math.isnan(value), 0.0 if math.isnan(value) else -sign * value, entry.method.lower())

    def cell(entry: Entry, target: str, metric: str) -> TableCell:
        value = lookup.get((entry.method, target, metric), math.nan)
        bold = metric == board.rank_metric and entry.method in best.get(target, ())
        return TableCell(number(value), value, bold=bold)

    groups: dict[bool, list[list[TableCell | str | int]]] = {False: [], True: []}
    for entry in sorted(entries, key=order):
        has_rank = not entry.oracle and not math.isnan(ranked(entry))
        rank = len(groups[False]) + 1 if has_rank else ""
        name = TableCell(entry.method, tag="oracle" if entry.oracle else "", hint=entry.description)
        groups[entry.oracle].append([name, rank, *(cell(entry, *column) for column in columns)])
    headings = [target if metric == board.rank_metric else f"{metric} ({target})" for target, metric in columns]
    elsewhere = [
        Note(f"{words}, not recomputed here", "‡", [e.method for e in entries if e.origin == origin])
        for origin, words in ORIGINS.items()
        if origin != "run"
    ]
    leaks = [e.method for e in entries if overlap(e.trained_on, board.dataset, board.subset)]
    notes: list[Note | str] = [
        *tests,
        "Bold: the best, or not told apart from it (Conover's test after Friedman's, Holm, 5 %); oracles apart.",
        *(note for note in (*elsewhere, Note("trained on tracks of this board", "§", leaks)) if note.of),
    ]
    numbers = [Column(heading, "right") for heading in ("rank", *headings)]
    return Table("", ["entry", *numbers], list(groups.values()), notes, name=board.title)


def _first_places(board: Board, table: Any) -> tuple[dict[str, list[str]], list[str]]:
    """Return the methods that are best in a target of the ranking metric or tied with the best, and what tests say."""
    best: dict[str, list[str]] = {}
    notes = []
    for target in board.targets:
        try:
            scores = score_matrix(
                table, board.rank_metric, target, missing="complete", lower_is_better=board.lower_is_better
            )  # fmt: skip
            scores = scores.without(scores.oracles)
            test, p = friedman(scores), posthoc(scores, "conover")
        except MssBenchError as error:
            notes.append(f"{target}: no test, {error}")
            continue
        middle = scores.values.median() if board.aggregation == "median_of_medians" else scores.values.mean()
        first = str(middle.idxmax() if scores.higher_is_better else middle.idxmin())
        best[target] = [first, *tied_with(p, first, _LEVEL)]
        notes.append(
            f"{target}: Friedman chi-square {test.statistic:.4g}, p = {test.p:.2g}, Kendall's W {test.w:.2f}; "
            f"{len(scores.values)} tracks, {scores.values.shape[1]} methods"
        )
    return best, notes


def published(board: Board) -> list[Table]:
    """Return one table a definition, the best average first.

    The average is computed where all targets but no average were published.
    """
    targets = list(board.targets)
    tables = []
    for (test_set, metric, aggregation), rows in read_rows(board).groupby([*DEFINITION], sort=False):
        known = rows[targets]
        average = rows["average"].fillna(known.mean(axis=1).where(known.notna().all(axis=1)))
        rows = rows.assign(mean=average).sort_values(
            ["mean", "method"], ascending=[False, True], na_position="last", kind="stable"
        )
        shown = rows[["method", *targets, "mean", "extra_training_data", "source"]]
        numbers = [Column(heading, "right") for heading in (*targets, "mean")]
        columns: list[Column | str] = ["entry", *numbers, "extra training data", "source"]
        tables.append(Table(f"{test_set}: {metric}, {aggregation}", columns, [shown.to_numpy().tolist()]))
    return tables
