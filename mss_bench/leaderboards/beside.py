"""Which published rows a number may stand beside: those of boards that have its data, definition and average."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mss_bench.errors import ConfigError, UnknownNameError
from mss_bench.leaderboards.board import Board, entry_names, read_board, read_entry, track_table
from mss_bench.leaderboards.literature import read_rows
from mss_bench.protocols import Beside, Protocol, load_protocols
from mss_bench.report.protocols import ProtocolScore, ProtocolScores, protocol_scores
from mss_bench.report.table import Table, number
from mss_bench.stats.matrix import OVER_TARGETS

__all__ = [
    "PublishedRow",
    "boards_folder",
    "is_here",
    "overview",
    "published_rows",
    "reproduced",
    "reproducible",
    "standing_beside",
]


@dataclass(frozen=True)
class PublishedRow:
    """A published number of a method."""

    method: str
    value: float


def boards_folder() -> Path:
    """Return the folder of the boards that come with the package (in a checkout, the one at its top)."""
    shipped = Path(__file__).with_name("boards")
    return shipped if shipped.is_dir() else Path(__file__).resolve().parents[2] / "leaderboards"


def is_here(beside: Beside) -> bool:
    """Return whether the board comes with this installation: the repository also has boards of other licences."""
    return (boards_folder() / beside.board).is_dir()


def _board(beside: Beside) -> Board:
    if not is_here(beside):
        raise ConfigError(f"{_absent(beside)}; work from a checkout of the repository")
    return read_board(boards_folder() / beside.board)


def _absent(beside: Beside) -> str:
    of_ours = {rows.board for protocol in load_protocols().values() for rows in protocol.beside}
    if beside.board not in of_ours:
        return str(UnknownNameError("board", beside.board, of_ours))
    return (
        f"the board {beside.board} is not part of the installed package, for the licence of its numbers; it is "
        f"leaderboards/{beside.board} of mss_bench's repository"
    )


def published_rows(beside: Beside, metric: str, target: str, targets: Sequence[str]) -> list[PublishedRow]:
    """Return what is published of a target, or of the mean over `targets`, the best first.

    Parameters
    ----------
    beside : Beside
        The board, and which of its rows.
    metric : str
        As the board calls it; a literature board has it in its rows.
    target : str
        A target, or `mss_bench.stats.matrix.OVER_TARGETS`.
    targets : sequence of str
        Those that the mean is over, where the board gives none.

    Raises
    ------
    ConfigError
        There is no such board, or it cannot be read.
    """
    board = _board(beside)
    rows = _of_literature(board, beside) if board.kind == "literature" else _of_entries(board, metric)
    values = {name: _value(row, target, targets) for name, row in rows}
    found = [PublishedRow(name, value) for name, value in values.items() if not math.isnan(value)]
    return sorted(found, key=lambda row: -row.value)


def _of_entries(board: Board, metric: str) -> list[tuple[str, dict[str, float]]]:
    rows = []
    for name in entry_names(board):
        entry = read_entry(board, name)
        values = {target: own.get(metric) for target, own in entry.aggregates.items()}
        rows.append((entry.method, {t: math.nan if v is None else float(v) for t, v in values.items()}))
    return rows


def _of_literature(board: Board, beside: Beside) -> list[tuple[str, dict[str, float]]]:
    rows = read_rows(board)
    meant = (rows["test_set"] == beside.test_set) & (rows["metric"] == beside.metric)
    meant &= rows["aggregation"].isin(beside.aggregation)
    numbers = rows.loc[meant, ["method", *board.targets, "average"]].to_dict("records")
    return [(str(r["method"]), {t: float(r[t]) for t in board.targets} | {OVER_TARGETS: r["average"]}) for r in numbers]


def _value(row: Mapping[str, float], target: str, targets: Sequence[str]) -> float:
    value = row.get(target, math.nan)
    if target == OVER_TARGETS and math.isnan(value):  # as boards do where a source gives none
        return sum(row.get(t, math.nan) for t in targets) / len(targets)
    return value


def reproducible() -> str:
    """Return the names of the protocols that `reproduced` is for, in words: those whose boards hold values of songs."""
    named = {name: rows for name, p in load_protocols().items() for rows in p.beside if not rows.metric}
    return ", ".join(name if is_here(rows) else f"{name} (in the repository)" for name, rows in named.items())


def reproduced(protocol: Protocol) -> ProtocolScores:
    """Return the published numbers of a protocol, derived from the values of each song that its board holds.

    Raises
    ------
    ConfigError
        No board has values of each song by this protocol.
    """
    if not (of_songs := [rows for rows in protocol.beside if not rows.metric]):
        raise ConfigError(f"no board holds values of each song by {protocol.name}; expected {reproducible()}")
    board = _board(of_songs[0])
    tracks = track_table(board, [read_entry(board, name) for name in entry_names(board)]).assign(group=board.title)
    facts = {
        "name": protocol.name, "title": protocol.title, "definition": protocol.definition, "differs": [],
        "aggregation": protocol.aggregation, "mean": protocol.mean, "tracks": list(protocol.tracks),
        "targets": dict.fromkeys(protocol.targets, board.title),
        "quantities": dict.fromkeys(protocol.quantities, board.preset),
    }  # fmt: skip
    return protocol_scores(tracks, {"protocols": [facts]})[0]


def standing_beside(scores: ProtocolScores, score: ProtocolScore, known: Collection[str] = ()) -> str:
    """Return which published rows a number may stand beside and between which it lies, or why beside none.

    What is `known` of the differences is not said again.
    """
    reasons = [*scores.differs, *filter(None, [score.lacks])]
    if reasons:
        own = [reason for reason in reasons if reason not in known]
        return f"none: {'; '.join(own)}" if own else "none"
    said = []
    for chosen in scores.facts.get("beside", ()):
        beside, targets = Beside(**chosen), list(scores.facts["targets"])
        if not is_here(beside):
            said.append(_absent(beside))
            continue
        rows = published_rows(beside, score.metric, score.target, targets)
        if rows:
            better = [row for row in rows if row.value > score.value]
            worse = [row for row in rows if row.value <= score.value]
            ends = [f"{row.method} ({number(row.value)})" for row in (*better[-1:], *worse[:1])]
            place = f"between {' and '.join(ends)}" if len(ends) == 2 else f"{'below' if better else 'above'} {ends[0]}"
            said.append(f"{len(rows)} rows of {beside.board}, {place}")
    return "; ".join(said) or f"{'; '.join(scores.facts.get('published', ()))} (no rows here)"


def overview(every: Sequence[ProtocolScores], methods: Sequence[str], not_served: Mapping[Protocol, str]) -> Table:
    """Return a line a protocol and method: value, definition, and the published rows that it may stand beside.

    Parameters
    ----------
    every : sequence of ProtocolScores
    methods : sequence of str
        As tables name them.
    not_served : mapping of Protocol to str
        Further protocols, with what the data set lacks of what they ask for.
    """
    shared = [text for text in every[0].differs if all(text in scores.differs for scores in every)] if every else []
    groups: list[list[list[Any]]] = []
    for scores in every:
        rows: list[list[Any]] = []
        for method in methods:
            name, definition = ("", "") if rows else (scores.name, str(scores.facts["definition"]))
            value, stands = _line(scores, method, shared)
            known = any(row[-1] == stands for row in rows)
            rows.append([name, method, value, definition, "likewise" if known else stands])
        groups.append(rows)
    groups += [[[p.name, "", "–", p.definition, f"none: the data lack {what}"]] for p, what in not_served.items()]
    columns = ["protocol", "method", "value", "what it is", "may stand beside"]
    notes = [f"No number carries the name of its protocol: {'; '.join(shared)}."] if shared else []
    if len(methods) == 1:  # whose name is that of the table, and a line a protocol needs no rules
        columns.remove("method")
        groups = [[[row[0], *row[2:]] for group in groups for row in group]]
    title = methods[0] if len(methods) == 1 else f"{len(methods)} methods"
    return Table(f"{title} by every scoring protocol", columns, groups, notes)


def _line(scores: ProtocolScores, method: str, known: Collection[str]) -> tuple[str, str]:
    """Return the value of a method by a protocol, of each target or quantity, and what it may stand beside."""
    quantity = scores.quantities[0] if scores.quantities else ""
    own = {s.target: s for s in scores.scores if (s.separator, s.metric) == (method, quantity)}
    having = [own[t] for t in scores.targets if t in own and not math.isnan(own[t].value)]
    if not having:
        return "–", "none: the method has no value"
    value = f"{quantity}: {', '.join(f'{score.target} {number(score.value)}' for score in having)}"
    if len(scores.targets) == 1:  # as in its table, all that is published
        by_metric = {s.metric: s for s in scores.scores if (s.separator, s.target) == (method, having[0].target)}
        others = [by_metric[q] for q in scores.quantities[1:] if q in by_metric]
        value = "; ".join([value, *(f"{s.metric} {number(s.value)}" for s in others if not math.isnan(s.value))])
    return value, standing_beside(scores, having[0], known)
