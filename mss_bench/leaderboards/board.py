"""Boards and entries on disk, read strictly."""

from __future__ import annotations

import hashlib
import io
import json
import math
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from mss_bench.core.config import load_yaml
from mss_bench.core.files import write_atomic
from mss_bench.core.names import invisible, nfc
from mss_bench.core.parameters import Parameterized, param
from mss_bench.core.schema import FLOOR, Status
from mss_bench.errors import ConfigError
from mss_bench.report.idle import Idle
from mss_bench.stats.aggregate import over_tracks
from mss_bench.stats.choices import AGGREGATIONS
from mss_bench.stats.rating import AT

if TYPE_CHECKING:
    import pandas as pd

__all__ = [
    "COLUMNS", "GREATEST", "ORIGINS", "REPLICATES", "Board", "Entry", "aggregates", "entry_names", "file_stem",
    "has_other_numbers", "has_same_numbers", "idle_entries", "infinite", "read_board", "read_entry",
    "track_table", "write_board", "write_entry",
]  # fmt: skip

COLUMNS = ("track", "group", "target", "metric", "value", "n_frames", "n_valid", "n_inf", "status")
"""Columns of an entry's table; that of a method that ran several times has `REPLICATES` as well."""

REPLICATES = "replicates"
"""Column with the values of the seeds or checkpoints whose mean a track's value is, in their order."""

ORIGINS = {
    "run": "run with mss_bench, and can be run again",
    "museval": "imported from museval's JSON files",
    "published": "taken over from a publication's per-track numbers",
    "table": "taken over from a table of each song's values",
}
"""Where an entry's numbers come from."""

GREATEST = 1e9
"""No score of a board is as great: an infinity that somebody wrote as a number."""

_DECLARED = ("description", "licence", "family", "released", "parameters", "trained_on")
_DIGITS = 6
_OF_WINDOWS = re.compile(r"(?i)(con|prn|aux|nul|com\d|lpt\d)(\.|$)")  # no file can be called so there


class Board(Parameterized):
    """A leaderboard: what is compared, and by which rule.

    Attributes
    ----------
    folder : Path
        Where its files are.
    """

    folder: Path

    title: str = param("", doc="Heading of the page; by default the folder's name.")
    kind: str = param("scores", choices=("scores", "literature"), doc="Per-track scores, or published aggregates.")
    description: str = param("", doc="What the board is about.")
    dataset: str = param("", doc="Name of the data set.")
    subset: str = param("", doc="Its subset.")
    revision: str = param("", doc="What tells the content of the data set, e.g. the fingerprint of a run.")
    tracks: tuple[str, ...] = param((), doc="All tracks that an entry may have.")
    ranked_on: tuple[str, ...] = param(
        (), doc="Of these, what a ranked entry needs, and ranked numbers are over (default: all tracks)."
    )
    training_songs: bool = param(
        False, doc="Whether the tracks are training songs: the head says so, and nobody loses a rank for it."
    )
    metrics: tuple[str, ...] = param((), doc="Metrics that an entry needs.")
    targets: tuple[str, ...] = param((), doc="Targets, as columns.")
    preset: str = param("", doc="Definition of the metrics, e.g. museval.")
    rank_metric: str = param("", doc="Metric that the board is sorted by.")
    rank_target: str = param("", doc="Target that it is sorted by; mean is the mean over a method's targets.")
    floor: str = param("", doc="Entry that is the mixture, scaled to each target's share: gains are over it.")
    aggregation: str = param("median_of_medians", choices=tuple(AGGREGATIONS), doc="How tracks are aggregated.")
    lower_is_better: tuple[str, ...] = param((), doc="Metrics of which less is better.")
    units: dict[str, str] = param({}, doc="Units of metrics that are no dB; empty of a plain number.")
    licence: str = param("", doc="Licence of the numbers.")
    source: str = param("", doc="Where the numbers come from.")
    rules: tuple[str, ...] = param((), doc="What an entry must keep, in words.")
    rating: Mapping[str, Any] = param(
        {},
        doc="anchor: entry that ratings are calibrated to; at: what it is rated (default: the mean of all at 1000).",
    )

    def setup(self) -> None:
        self.tracks, self.ranked_on = tuple(map(nfc, self.tracks)), tuple(map(nfc, self.ranked_on))
        for name in ("tracks", "ranked_on", "metrics", "targets"):
            names = getattr(self, name)
            twice = next((n for n in names if names.count(n) > 1), None)
            if twice is not None:
                self.refuse(name, f"each once, but {twice!r} stands there twice")
        if self.kind == "literature":
            return
        for name in ("dataset", "tracks", "metrics", "targets", "preset", "rank_metric", "rank_target"):
            if not getattr(self, name):
                raise ConfigError(f"{name} is missing; a board of scores needs it")
        if strange := [name for name in self.ranked_on if name not in self.tracks]:
            self.refuse("ranked_on", f"tracks of the board, but {strange[0]!r} is none")
        if self.rank_metric not in self.metrics:
            self.refuse("rank_metric", f"one of {', '.join(self.metrics)}")
        if strange := sorted({*self.rating} - {"anchor", "at"}):
            self.refuse("rating", f"anchor and at, but got {strange[0]!r}")
        if not isinstance(self.rating.get("anchor", ""), str):
            self.refuse("rating", "the name of an entry as anchor")
        if not isinstance(self.rating.get("at", AT), int | float):
            self.refuse("rating", "a number as at")
        if self.rank_target not in (*self.targets, "mean"):
            self.refuse("rank_target", f"{', '.join(self.targets)} or mean")

    @property
    def anchor(self) -> str:
        """Return the entry that ratings are calibrated to; empty for the mean of all that are ranked."""
        return str(self.rating.get("anchor", ""))

    @property
    def anchored_at(self) -> float:
        """Return what `anchor` is rated."""
        return float(self.rating.get("at", AT))


class Entry(Parameterized):
    """Scores of a method on a board.

    Attributes
    ----------
    table : DataFrame
        Its per-track scores, with the columns of `COLUMNS`, and `REPLICATES` where it may have run several times.
    """

    table: pd.DataFrame = None  # type: ignore[assignment]  # set by whoever makes an entry: it is a file of its own

    method: str = param(doc="Name of the method.")
    description: str = param("", doc="What it is.")
    licence: str = param("", doc="Licence of the method.")
    family: str = param("", doc="Kind of method, e.g. RoFormer: pages filter by it.")
    released: str = param("", doc="When it came out, as 2026, 2026-05 or 2026-05-31.")
    parameters: int | None = param(None, at_least=0, doc="Number of its learnt parameters.")
    speed: float | None = param(None, above=0, doc="Seconds of audio that it separates in a second.")
    memory: float | None = param(None, above=0, unit="MB", doc="The most that it holds while it separates.")
    measured_on: str = param("", doc="The machine that speed and memory are of.")
    oracle: bool = param(False, doc="Whether it saw the references.")
    does_nothing: bool = param(False, doc="Whether it is the mixture itself: it has no rank.")
    trained_on: tuple[str, ...] = param((), doc="Training data: 'data set/subset' or words.")
    origin: str = param(choices=tuple(ORIGINS), doc="Where the numbers come from.")
    provenance: Mapping[str, Any] = param({}, doc="Version, date, data, parameters, source.")
    sha256: str = param("", doc="Checksum of the table's file.")
    aggregates: dict[str, dict[str, float | None]] = param({}, doc="Aggregated value by target and metric.")

    def setup(self) -> None:
        if self.released and not re.fullmatch(r"\d{4}(-(0[1-9]|1[0-2])(-(0[1-9]|[12]\d|3[01]))?)?", self.released):
            self.refuse("released", "a date as 2026, 2026-05 or 2026-05-31")
        self.method = nfc(self.method)
        if sign := invisible(self.method):
            self.refuse("method", f"a name that can be seen whole, without {sign}")

    def take_declared(self, before: Entry) -> list[str]:
        """Take over what people declared of the entry before and this one does not say; return the names of these."""
        kept = [name for name in _DECLARED if getattr(before, name) and not getattr(self, name)]
        for name in kept:
            setattr(self, name, getattr(before, name))
        return kept


def read_board(folder: str | Path) -> Board:
    """Read ``board.yaml``.

    Raises
    ------
    ConfigError
        Missing, unknown or wrong keys, with file and line.
    """
    folder = Path(folder)
    if not (folder / "board.yaml").is_file():
        raise ConfigError(f"{folder} is no leaderboard: it has no board.yaml")
    board = Board.from_mapping(load_yaml(folder / "board.yaml"), "a leaderboard")
    board.folder = folder
    board.title = board.title or folder.name
    return board


def write_board(board: Board) -> Path:
    """Write ``board.yaml`` of a board, with what is not as usual."""
    usual = Board.defaults({})
    facts = {name: value for name, value in board.values().items() if value != usual.get(name)}
    return write_atomic(board.folder / "board.yaml", _yaml(facts))


def file_stem(method: str) -> str:
    """Return the name of a method's files."""
    plain = re.sub(r"[^\w.+=-]+", "_", method).strip("._")
    if _OF_WINDOWS.match(plain):
        plain = f"_{plain}"
    return plain if plain == method else f"{plain}-{hashlib.sha256(method.encode()).hexdigest()[:6]}"


def entry_names(board: Board) -> list[str]:
    """Return the file names of the entries, without their endings, sorted."""
    files = [file for kind in ("*.yaml", "*.csv") for file in (board.folder / "entries").glob(kind)]
    return sorted({file.stem for file in files}, key=str.lower)


def read_entry(board: Board, name: str) -> Entry:
    """Read an entry as it lies on disk; `mss_bench.leaderboards.verify` says whether it is right.

    Raises
    ------
    ConfigError
        A file is missing or not of the form.
    """
    import pandas as pd

    stem = board.folder / "entries" / name
    entry = Entry.from_mapping(load_yaml(stem.with_name(f"{name}.yaml")), "an entry")
    csv = stem.with_name(f"{name}.csv")
    try:
        table = pd.read_csv(
            io.BytesIO(csv.read_bytes()), keep_default_na=False, na_values={"value": [""]},
            dtype=dict.fromkeys(("track", "group", "target", "metric", "status", REPLICATES), str),
        )  # fmt: skip
    except (OSError, ValueError) as error:
        raise ConfigError(f"{csv} cannot be read: {error}") from error
    if tuple(table.columns) not in (COLUMNS, (*COLUMNS, REPLICATES)):
        raise ConfigError(f"{csv} has the columns {', '.join(table.columns)}; expected {', '.join(COLUMNS)}")
    if REPLICATES not in table:
        table[REPLICATES] = ""
    numbers = {"value": "float64"} | dict.fromkeys(("n_frames", "n_valid", "n_inf"), "int64")
    try:
        table = table.assign(track=table["track"].map(nfc))
        entry.table = table.astype({name: kind for name, kind in numbers.items() if table[name].dtype != kind})
    except (TypeError, ValueError) as error:
        raise ConfigError(f"{csv}: a number is not one: {error}") from error
    return entry


def write_entry(board: Board, entry: Entry) -> list[Path]:
    """Write an entry's two files, with the checksum and aggregates that follow from its table.

    Returns
    -------
    list of Path

    Raises
    ------
    ConfigError
        A value is infinite.
    RunError
        A file cannot be written.
    """
    if (strange := infinite(entry)) is not None:
        raise ConfigError(f"{entry.method}: {strange}; nothing was written")
    stem = board.folder / "entries" / file_stem(entry.method)
    table = _rows(entry)
    content = _csv(table)
    rounded = table.assign(value=table["value"].round(_DIGITS))
    facts = entry.values() | {
        "sha256": hashlib.sha256(content).hexdigest(),
        "aggregates": aggregates(board, rounded),
    }
    text = _yaml({key: value for key, value in facts.items() if value})
    return [
        write_atomic(stem.with_name(f"{stem.name}.csv"), content),
        write_atomic(stem.with_name(f"{stem.name}.yaml"), text),
    ]


def has_other_numbers(board: Board, entry: Entry) -> bool:
    """Return whether the board has an entry of this name already, with another table."""
    file = board.folder / "entries" / f"{file_stem(entry.method)}.csv"
    return file.is_file() and file.read_bytes() != _csv(_rows(entry))


def has_same_numbers(board: Board, entry: Entry) -> bool:
    """Return whether the board has an entry of this name already, with the same table."""
    return (board.folder / "entries" / f"{file_stem(entry.method)}.csv").is_file() and not has_other_numbers(
        board, entry
    )


def _rows(entry: Entry) -> pd.DataFrame:
    """Return an entry's table as it is written: sorted, replicates with the digits of values."""
    table = entry.table[list(COLUMNS)].sort_values(["group", "target", "metric", "track"], kind="stable")
    if REPLICATES in entry.table and (entry.table[REPLICATES] != "").any():
        drawn = [text.split() for text in entry.table[REPLICATES][table.index]]
        table[REPLICATES] = [" ".join(f"{float(value):.{_DIGITS}f}" for value in values) for values in drawn]
    return table


def _csv(table: pd.DataFrame) -> bytes:
    return table.to_csv(index=False, float_format=f"%.{_DIGITS}f", lineterminator="\n").encode()


def infinite(entry: Entry) -> str | None:
    """Return where an entry has an infinite value, in words; None where it has none."""
    rows = entry.table[entry.table["value"].abs() >= GREATEST]
    if rows.empty:
        return None
    row = rows.iloc[0]
    what = "infinite" if math.isinf(row["value"]) else f"{row['value']:g}"
    return (
        f"{row['track']}, {row['target']} {row['metric']} is {what}, which no median or mean can hold; a board takes "
        f"values below {GREATEST:g} only: an exact copy of the reference is no estimate"
    )


def track_table(board: Board, entries: Sequence[Entry]) -> pd.DataFrame:
    """Return the tables of entries as one track table, as statistics and reports take it."""
    import pandas as pd

    table = pd.concat([entry.table for entry in entries], ignore_index=True)
    rows = np.repeat(np.arange(len(entries)), [len(entry.table) for entry in entries])

    def told(facts: Sequence[Any], kind: str = "str") -> pd.Series[Any]:
        return pd.Series(facts, dtype=kind).take(rows).reset_index(drop=True)

    return table.assign(
        dataset=board.dataset, subset=board.subset, separator=told([e.method for e in entries]), params="",
        preset=board.preset, flags="", reason="", oracle=told([e.oracle for e in entries], "bool"),
        estimate_key=told(["run" if e.origin == "run" else "" for e in entries]),
    )  # fmt: skip


def idle_entries(board: Board, entries: Sequence[Entry], table: pd.DataFrame) -> Idle:
    """Return what of the entries in a track table does nothing: declared, or with the scores of the board's floor."""
    facts = [{"label": e.method, "name": FLOOR if e.does_nothing else e.method} for e in entries]
    return Idle.of(table, facts, board.floor or FLOOR)


def aggregates(board: Board, table: pd.DataFrame) -> dict[str, dict[str, float | None]]:
    """Return the aggregated values of an entry's table by target and metric; None where it has none."""
    by_target: dict[str, dict[str, float | None]] = {}
    for (target, metric), value in over_tracks(table[table["status"] != Status.SKIPPED], board.aggregation).items():
        by_target.setdefault(target, {})[metric] = None if math.isnan(value) else round(value, _DIGITS)
    return by_target


def _yaml(facts: dict[str, Any]) -> str:
    """Return text that `mss_bench.core.config` reads back: values are JSON, which YAML contains."""
    lines = []
    for key, value in facts.items():
        if isinstance(value, Mapping):
            lines += [f"{key}:", *(f"  {_json(str(k))}: {_json(v)}" for k, v in value.items())]
        else:
            lines.append(f"{key}: {_json(value)}")
    return "\n".join(lines) + "\n"


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, default=str)
