"""A board that is begun by the first table that is added: what is compared follows from its columns."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from mss_bench.core.names import known_stem
from mss_bench.errors import ConfigError, nearest
from mss_bench.leaderboards.board import Board
from mss_bench.leaderboards.foreign import FACTS, NAMES, ForeignTable
from mss_bench.report.blocks import ordered

__all__ = ["PRESET", "begin_board", "is_new"]

PRESET = "definition not stated"
"""What stands for the definition of the metrics, of which a table says nothing."""

_METRICS = ("SDR", "ISR", "SIR", "SAR", "SI-SDR", "uSDR", "cSDR")  # columns that need no --columns


def is_new(folder: Path) -> bool:
    """Return whether a board may be begun there: an empty folder, or none and no board of nearly that name beside it.

    Raises
    ------
    ConfigError
        A board beside it has nearly its name.
    """
    if folder.exists():
        return folder.is_dir() and not any(folder.iterdir())
    boards = [file.parent.name for file in folder.parent.glob("*/board.yaml")]
    if near := nearest(folder.name, boards, cutoff=0.8):
        raise ConfigError(
            f"there is no board {folder}; did you mean {folder.parent / near[0]}? Make the folder to begin another"
        )
    return True


def begin_board(
    folder: Path, table: ForeignTable, *, columns: Mapping[str, str], constants: Mapping[str, str],
    targets: Mapping[str, str],
) -> Board:  # fmt: skip
    """Return a board of all songs, targets and metrics of a long table; nothing is written.

    Parameters
    ----------
    folder : Path
    table : ForeignTable
    columns, constants
        As for `mss_bench.leaderboards.foreign.entries_of_table`.
    targets : mapping
        Target of the board by what the table calls it.

    Raises
    ------
    ConfigError
        A column is not there, or none says what the songs, targets or metrics are.
    """

    def told(name: str) -> list[str]:
        column = columns.get(name, name)
        names = (row[column] for row in table.rows) if column in table.header else [constants.get(name, "")]
        return list(dict.fromkeys(filter(None, names)))

    table.check_columns(columns)
    stems = [name for name in columns if known_stem(name) == name]  # columns that are targets
    wide = [name for name in columns if name not in (*NAMES, *FACTS, *stems)]
    wide += [name for name in table.header if name in _METRICS and name not in (*wide, *columns.values())]
    called = [targets.get(name, name) for name in told("target")] or stems
    contents = {"track": told("track"), "target": called, "metric": told("metric") or wide}
    if absent := [name for name, names in contents.items() if not names]:
        raise ConfigError(
            f"{folder} is no leaderboard: it has no board.yaml, and none can be begun, as {table.name} does not say "
            f"which column is {' and which is '.join(absent)}; say it with --columns, e.g. target=stem,SDR=sdr"
        )
    columned = ordered(contents["target"])  # vocals first, which the board is then ranked by
    board = Board.from_mapping(
        {
            "dataset": Path(table.name).stem, "tracks": contents["track"], "metrics": contents["metric"],
            "targets": columned, "preset": PRESET, "rank_metric": contents["metric"][0], "rank_target": columned[0],
        },
        "a leaderboard",
    )  # fmt: skip
    board.folder, board.title = folder, folder.name
    return board
