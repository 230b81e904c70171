"""Which published rows a number may stand beside: those of boards that have its data, definition and average."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mss_bench.errors import ConfigError
from mss_bench.leaderboards.board import Board, entry_names, read_board, read_entry, track_table
from mss_bench.leaderboards.literature import read_rows
from mss_bench.protocols import Beside, Protocol, load_protocols
from mss_bench.report.protocols import ProtocolScore, ProtocolScores, protocol_scores
from mss_bench.report.table import Table, number
from mss_bench.stats.matrix import OVER_TARGETS

__all__ = ["PublishedRow", "boards_folder", "is_here", "overview", "published_rows", "reproduced", "standing_beside"]


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


def reproduced(protocol: Protocol) -> ProtocolScores:
    """Return the published numbers of a protocol, derived from the values of each song that its board holds.

    Raises
    ------
    ConfigError
        No board has values of each song by this protocol.
    """
    for beside in protocol.beside:
        board = _board(beside)
        if board.kind != "literature":
            break
    else:
        known = [name for name, p in load_protocols().items() if any(not rows.metric for rows in p.beside)]
        raise ConfigError(f"no board holds values of each song by {protocol.name}; expected {', '.join(known)}")
    tracks = track_table(board, [read_entry(board, name) for name in entry_names(board)]).assign(group=board.title)
    facts = {
        "name": protocol.name, "title": protocol.title, "definition": protocol.definition, "differs": [],
        "aggregation": protocol.aggregation, "mean": protocol.mean, "tracks": list(protocol.tracks),
        "targets": dict.fromkeys(protocol.targets, board.title),
        "quantities": dict.fromkeys(protocol.quantities, board.preset),
    }  # fmt: skip
    return protocol_scores(tracks, {"protocols": [facts]})[0]


def standing_beside(scores: ProtocolScores, score: ProtocolScore) -> str:
    """Return which published rows a number may stand beside and between which it lies, or why beside none."""
    if scores.differs or score.lacks:
        return f"none: {'; '.join([*scores.differs, *filter(None, [score.lacks])])}"
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


def overview(every: Sequence[ProtocolScores], separator: str, not_served: Mapping[str, str]) -> Table:
    """Return a line a protocol of one method: value, definition, and the published rows that it may stand beside.

    Parameters
    ----------
    every : sequence of ProtocolScores
    separator : str
        The method, as tables name it.
    not_served : mapping of str to str
        Further protocols, with what the data set lacks of what they ask for.
    """
    rows: list[list[Any]] = []
    for scores in every:
        quantity, definition = scores.quantities[0] if scores.quantities else "", str(scores.facts["definition"])
        own = {s.target: s for s in scores.scores if (s.separator, s.metric) == (separator, quantity)}
        first = next((own[t] for t in scores.targets if t in own and not math.isnan(own[t].value)), None)
        if first is None:
            rows.append([scores.name, "–", definition, "none: the method has no value"])
            continue
        known = [f"{t} {number(own[t].value)}" for t in scores.targets if t in own and not math.isnan(own[t].value)]
        value = f"{quantity}: {', '.join(known)}"
        if len(scores.targets) == 1:  # as in its table, all that is published
            by_metric = {s.metric: s for s in scores.scores if (s.separator, s.target) == (separator, first.target)}
            others = [by_metric[q] for q in scores.quantities[1:] if q in by_metric]
            value = "; ".join([value, *(f"{s.metric} {number(s.value)}" for s in others if not math.isnan(s.value))])
        rows.append([scores.name, value, definition, standing_beside(scores, first)])
    rows += [[name, "–", "", f"not of these data, which lack {lacks}"] for name, lacks in not_served.items()]
    return Table(
        f"{separator} by every scoring protocol", ["protocol", "value", "what it is", "may stand beside"], [rows]
    )
