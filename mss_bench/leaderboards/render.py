"""``README.md`` and ``index.html`` of a board, made from its entries alone."""

from __future__ import annotations

import math
import shlex
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from mss_bench.core.files import write_atomic
from mss_bench.core.schema import is_floor
from mss_bench.core.text import counted
from mss_bench.errors import ConfigError, MssBenchError
from mss_bench.leaderboards.board import ORIGINS, Board, Entry, entry_names, idle_entries, read_entry
from mss_bench.leaderboards.completeness import Completeness, completeness
from mss_bench.leaderboards.entry_facts import facts_table
from mss_bench.leaderboards.history import history_table, read_history
from mss_bench.leaderboards.incomplete import incomplete_tables
from mss_bench.leaderboards.literature import DEFINITION, read_rows
from mss_bench.leaderboards.page import board_page
from mss_bench.leaderboards.ratings import rating_table
from mss_bench.leaderboards.verify import checked_entries, verify_board
from mss_bench.report.idle import NO_ARTEFACTS, Idle
from mss_bench.report.leakage import overlap
from mss_bench.report.significance import marks
from mss_bench.report.table import Column, Note, Table, TableCell, number
from mss_bench.stats.aggregate import aggregate
from mss_bench.stats.choices import AGGREGATIONS
from mss_bench.stats.matrix import MIN_TRACKS, ScoreMatrix, score_matrix
from mss_bench.stats.signed_rank import DIGITS
from mss_bench.stats.significance import friedman, posthoc
from mss_bench.stats.verdicts import Family, family

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["build", "other_pages", "published", "standings"]


def build(board: Board, published_tests: bool = False) -> list[Path]:
    """Write ``README.md`` and ``index.html`` of a board that passes `mss_bench.leaderboards.verify.verify_board`.

    Parameters
    ----------
    board : Board
    published_tests : bool
        Whether the tests stand there, too, that SiSEC 2018 published: not of pairs, of all entries with the oracles.

    Returns
    -------
    list of Path

    Raises
    ------
    MssBenchError
        The board cannot be read or written, or would not pass: nothing is published that its rows do not support.
    """
    return [write_atomic(board.folder / name, text) for name, text in _pages(board, published_tests).items()]


def other_pages(board: Board) -> list[str]:
    """Return the pages of a board that say anything else than its entries give now, with or without published tests."""
    files = {name: board.folder / name for name in ("README.md", "index.html")}
    there = {name: file.read_text(encoding="utf-8") for name, file in files.items() if file.is_file()}
    for tests in (False, True) if there else ():
        made = _pages(board, tests)
        there = {name: text for name, text in there.items() if text != made[name]}
        if not there or board.kind == "literature":
            break
    return [f"{name} is not what the entries give: it was edited, or made before; build it again" for name in there]


def _pages(board: Board, published_tests: bool) -> dict[str, str]:
    """Return the pages by their files' names."""
    literature = board.kind == "literature"
    entries, problems = ([], verify_board(board)) if literature else checked_entries(board)
    if problems:
        more = f" (and {len(problems) - 1} more)" if len(problems) > 1 else ""
        raise ConfigError(
            f"{board.folder} is not built, as it would not pass mss-bench leaderboard verify: {problems[0]}{more}"
        )
    remarks: list[str] = []
    state = None
    if literature:
        tables, source = published(board), "Collected from"
        intro = (
            "Published numbers; nothing here was recomputed but the mean over the targets where a source gives none."
            " Rows are compared only within a table: other tables use another test set, definition or aggregation, and"
            " their numbers mean something else."
        )
    else:
        state = completeness(board, entries) if entries else None
        tables, source = _tables(board, entries, state), "Source"
        tables += [_published_tests(board, state)] if state and published_tests else []
        events = read_history(board)
        tables += [history_table(events, board.rank_metric)] if events else []
        intro, remarks = _head(board, state), _remarks(board, entries, state)
    origin = f"{source}: {board.source}." if board.source else ""
    origin += f" Licence: {board.licence}." if board.licence else ""
    rules = ["Rules:", "\n".join(f"- {rule}" for rule in board.rules)] if board.rules else []
    shown = (table.markdown(level=2) for table in tables)
    parts = [f"# {board.title}", board.description, *remarks, intro, *shown, *rules, origin]
    text = "\n\n".join(part.strip() for part in parts if part.strip()) + "\n"
    page = board_page(board, tables, entries, state, (intro, *remarks), origin)
    return {"README.md": text, "index.html": page}


def _tables(board: Board, entries: list[Entry], state: Completeness | None) -> list[Table]:
    """Return the standings, and a table of the entries that lack something; nothing of an empty board."""
    if state is None:
        return []
    table, verdicts = _standings(board, entries, state)
    places = {row[0].text: int(row[1].text) for row in table.rows if row[1].text}
    rated = rating_table(board, entries, state, places, verdicts)
    further = [rated, facts_table(entries, table), *incomplete_tables(board, entries, state, [*places])]
    return [table, *(each for each in further if each is not None)]


def standings(board: Board) -> Table:
    """Return the complete entries of a board, sorted by its rule, oracles apart.

    The columns are the targets of the ranking metric, then the other metrics of the ranking target.

    Raises
    ------
    MssBenchError
        An entry cannot be read, or there is none.
    """
    entries = [read_entry(board, name) for name in entry_names(board)]
    if not entries:
        add = f"mss-bench leaderboard add RUN {shlex.quote(str(board.folder))}"
        raise ConfigError(f"{board.folder} has no entries; add some: {add}")
    return _standings(board, entries, completeness(board, entries))[0]


def _standings(board: Board, entries: list[Entry], state: Completeness) -> tuple[Table, Family | None]:
    """Return the standings, and what the scores say of the target that they are ranked by."""
    scores = state.ranked(board)
    present = {*scores["separator"]}
    entries = [e for e in entries if e.method in present]
    shown = _Standings.of(board, entries, scores)
    competing = [e for e in entries if not e.oracle and e.method not in shown.unranked]
    places = {e.method: shown.order(e)[1] for e in competing if not shown.order(e)[0]}
    groups: dict[bool, list[list[TableCell | str | int]]] = {False: [], True: []}
    for entry in sorted(entries, key=shown.order):
        # Equal values share a rank: 1, 1, 3.
        rank = 1 + sorted(places.values()).index(places[entry.method]) if entry.method in places else ""
        tag = "oracle" if entry.oracle else "does nothing" if entry.method in shown.idle.methods else ""
        tag = "floor" if is_floor(entry.method) else tag
        name = TableCell(entry.method, tag=tag, hint=entry.description)
        groups[entry.oracle].append([name, rank, *(shown.cell(entry, *column) for column in shown.columns)])
    headings = [target if metric == board.rank_metric else f"{metric} ({target})" for target, metric in shown.columns]
    headed = [Column(heading, "right") for heading in ("rank", *headings)]
    untold = Note("One value a song, not known over which of its frames", of=sorted(state.frames_untold & present))
    notes = [*shown.notes(entries), *([untold] if untold.of else [])]
    table = Table("", ["entry", *headed], list(groups.values()), notes, name=board.title)
    return table, shown.verdicts.get(board.rank_target)


@dataclass(frozen=True)
class _Standings:
    """What is known of the complete entries of a board."""

    board: Board
    numbers: Mapping[tuple[str, str, str], tuple[float, float]]  # value and spread by method, target and metric
    idle: Idle
    leaks: frozenset[str]  # entries that were trained on tracks of the board
    verdicts: Mapping[str, Family | None]  # by target, of the ranking metric

    @classmethod
    def of(cls, board: Board, entries: Sequence[Entry], scores: pd.DataFrame) -> _Standings:
        """Aggregate and test scores, the rows of `entries` that are compared."""
        idle = idle_entries(board, entries, scores)
        values = aggregate(
            scores, aggregation=board.aggregation, missing="complete", lower_is_better=board.lower_is_better
        )
        values = idle.without_sar(values)
        keys = zip(values["separator"], values["target"], values["metric"], strict=True)
        numbers = zip(values["value"].to_numpy(float).tolist(), values["spread"].to_numpy(float).tolist(), strict=True)
        overlapping = {e.method for e in entries if overlap(e.trained_on, board.dataset, board.subset)}
        leaks = frozenset() if board.training_songs else frozenset(overlapping)
        verdicts = {target: _verdicts(board, scores, target, idle, leaks) for target in board.targets}
        return cls(board, dict(zip(keys, numbers, strict=True)), idle, leaks, verdicts)

    @property
    def columns(self) -> list[tuple[str, str]]:
        """Return target and metric of each column: the ranking metric, then the others of the ranking target."""
        board = self.board
        first = board.targets[0] if board.rank_target == "mean" else board.rank_target
        others = [(first, metric) for metric in board.metrics if metric != board.rank_metric]
        return [*((target, board.rank_metric) for target in board.targets), *others]

    @property
    def unranked(self) -> frozenset[str]:
        """Return the methods without a rank, beside oracles."""
        return self.idle.methods | self.leaks

    def number(self, entry: Entry, target: str, metric: str) -> tuple[float, float]:
        """Return a value and its spread over seeds; NaN where there is none."""
        return self.numbers.get((entry.method, target, metric), (math.nan, math.nan))

    def order(self, entry: Entry) -> tuple[bool, float, str]:
        """Return what entries are sorted by, the best first, those without a value last."""
        board = self.board
        targets = board.targets if board.rank_target == "mean" else (board.rank_target,)
        values = [self.number(entry, target, board.rank_metric)[0] for target in targets]
        value = round(sum(values) / len(values), DIGITS) * (1.0 if board.rank_metric in board.lower_is_better else -1.0)
        return (math.isnan(value), 0.0 if math.isnan(value) else value, entry.method.lower())

    def cell(self, entry: Entry, target: str, metric: str) -> TableCell:
        """Return a number with the marks of its verdict."""
        value, spread = self.number(entry, target, metric)
        if math.isnan(value) and metric == "SAR" and any(entry.method == label for label, *_ in self.idle.blank):
            return TableCell("–", math.nan, hint=NO_ARTEFACTS)
        text = number(value) + ("" if math.isnan(spread) else f" ±{number(spread)}")
        found = self.verdicts[target] if metric == self.board.rank_metric else None
        if found is None:
            return TableCell(text, value)
        best = entry.method in found.leaders
        marked = "≈" * (entry.method in found.tied) + "°" * (entry.method in found.may_be_best and not best)
        return TableCell(text, value, marked, bold=best)

    def notes(self, entries: Sequence[Entry]) -> list[Note | str]:
        """Return what stands below the table."""
        board = self.board
        elsewhere = [
            Note(f"{words}, not recomputed here", "‡", [e.method for e in entries if e.origin == origin])
            for origin, words in ORIGINS.items()
            if origin != "run"
        ]
        times = {e.method: str(e.provenance["replicates"]) for e in entries if "replicates" in e.provenance}
        filtered = {label for label, *_ in self.idle.blank} - self.idle.methods
        notes = [
            *elsewhere,
            Note("trained on songs of this board: no rank", "§", sorted(self.leaks)),
            Note("Does nothing: has the scores of the floor on every song", of=sorted(self.idle.imitations)),
            Note(NO_ARTEFACTS, of=sorted(filtered)),
            Note("± is the standard deviation over the seeds (or checkpoints) whose mean the number is", of=times),
        ]
        lower = [f"Lower is better: {', '.join(board.lower_is_better)}."] if board.lower_is_better else []
        return [*lower, *_said(self.verdicts), *(note for note in notes if note.of)]


def _head(board: Board, state: Completeness | None) -> str:
    """Return what is compared on a board, and by which rule."""
    place = f"{board.dataset}, {board.subset}" if board.subset else board.dataset
    ranked = "the mean over the targets" if board.rank_target == "mean" else board.rank_target
    songs = len(board.ranked_on or board.tracks)
    fewer = {target: n for target, n in state.counting.items() if n < songs} if state else {}
    told = ", ".join(f"{n} of {target}" for target, n in fewer.items())
    parts = [
        f"{place}: {len(board.tracks)} songs"
        + (f", {songs} of which a ranked entry needs" if board.ranked_on else "")
        + (f", of which those count that most entries have a value on ({told})" if told else "")
        + f"; {board.rank_metric} ({board.preset}), {AGGREGATIONS[board.aggregation]}. Ranked by {ranked}."
    ]
    if state is None:
        parts.append(f"No entries yet; add some: `mss-bench leaderboard add TABLE {shlex.quote(board.folder.name)}`.")
    parts.append("Made by `mss-bench leaderboard build`; checked by `mss-bench leaderboard verify`.")
    return " ".join(parts)


def _remarks(board: Board, entries: list[Entry], state: Completeness | None) -> list[str]:
    """Return what must be known of a board before its numbers are read."""
    said = []
    if board.training_songs:
        said.append(
            "All songs are training songs: a model that learnt from them may know them, and the numbers say little"
            " about new songs. No model loses its rank for it."
        )
    if state and (lacking := sum(state.unranked(board, e.method) for e in entries)):
        whole, one = len(entries) - lacking, lacking == 1
        said.append(
            f"{whole} of {len(entries)} entries {'is' if whole == 1 else 'are'} complete; the other{'s'[: not one]} "
            f"stand{'s'[:one]} below, without a rank."
        )
    return said


def _published_tests(board: Board, state: Completeness) -> Table:
    """Return the tests of a campaign of all complete entries, by target: its own numbers, beside the paired ones."""
    rows: list[list[str | int]] = []
    for target in board.targets:
        scores = _matrix(board, state.compared, target)
        if scores is None or len(scores.values) < MIN_TRACKS or scores.values.shape[1] < 3:
            continue
        test, p = friedman(scores), posthoc(scores.values, "conover_iman", "none").to_numpy()
        k = len(p)
        below = int((p[np.triu_indices(k, 1)] < 0.05).sum())
        chi_square, pairs = f"{test.statistic:.4f}", f"{below} of {k * (k - 1) // 2}"
        rows.append([target, len(scores.values), k, chi_square, f"{test.p:.3g}", pairs])
    counts = [Column(heading, "right") for heading in ("songs", "entries", "Friedman's chi-square", "p", "pairs < .05")]
    note = "Pairs by Conover and Iman's test of unpaired samples, without correction; oracles take part."
    return Table("Tests as published", ["target", *counts], [rows], [note])


def _verdicts(board: Board, table: pd.DataFrame, target: str, idle: Idle, leaks: Collection[str]) -> Family | None:
    """Return what the scores say of a target of the ranking metric; None where no entry has it."""
    scores = _matrix(board, table, target)
    statistic = "median" if board.aggregation == "median_of_medians" else "mean"
    return family(idle.without(scores), statistic, unranked={*idle.methods, *leaks}) if scores is not None else None


def _matrix(board: Board, table: pd.DataFrame, target: str) -> ScoreMatrix | None:
    """Return the scores of a target in the ranking metric, track by track; None where no entry has it."""
    try:
        return score_matrix(
            table, board.rank_metric, target, missing="complete", lower_is_better=board.lower_is_better,
            aggregation=board.aggregation,
        )  # fmt: skip
    except MssBenchError:
        return None


def _said(verdicts: Mapping[str, Family | None]) -> list[str]:
    """Return what the verdicts of each target are, and what the marks mean."""
    known = {target: found for target, found in verdicts.items() if found is not None}
    lines = []
    for target, found in known.items():
        ranked = found.scores.values[found.ranked]
        agreement = ""
        if found.n_tracks >= MIN_TRACKS and len(found.ranked) > 2:
            agreement = f" Agreement of the songs, Kendall's W: {friedman(ranked).w:.2f}."
        # That the songs are too few is said once, below.
        said = found.sentence if found.enough or not found.ahead else f"{found.ahead}."
        of = f"{counted(found.n_tracks, 'song')}, {counted(len(found.ranked), 'method')}"
        lines.append(f"{target}, {of}: {said}{agreement}")
    lines.append("Bold: the best of a column; oracles and entries that do nothing have no rank.")
    return lines + marks([*known.values()], of_columns=False)


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
