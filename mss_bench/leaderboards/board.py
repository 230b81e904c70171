"""Boards and entries on disk, read strictly."""

from __future__ import annotations

import hashlib
import io
import json
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mss_bench.core.config import ConfigMap, load_yaml
from mss_bench.core.schema import Status
from mss_bench.errors import ConfigError
from mss_bench.stats.aggregate import AGGREGATIONS, aggregate

if TYPE_CHECKING:
    import pandas as pd

__all__ = [
    "COLUMNS", "ORIGINS", "Board", "Entry", "aggregates", "entry_names", "file_stem", "read_board", "read_entry",
    "track_table", "write_entry",
]  # fmt: skip

COLUMNS = ("track", "group", "target", "metric", "value", "n_frames", "n_valid", "n_inf", "status")
"""Columns of an entry's table."""

ORIGINS = {
    "run": "run with mss_bench, and can be run again",
    "museval": "imported from museval's JSON files",
    "published": "taken over from a publication's per-track numbers",
}
"""Where an entry's numbers come from."""

_DIGITS = 6


@dataclass(frozen=True)
class Board:
    """What is compared.

    Parameters
    ----------
    folder : Path
    title, description : str
    kind : {"scores", "literature"}
    dataset, subset, revision : str
        `revision` tells the data set's content, e.g. the fingerprint of a run.
    tracks : tuple of str
        All that an entry needs.
    metrics, targets : tuple of str
    preset : str
        Definition of the metrics, e.g. ``museval``.
    rank_metric, rank_target, aggregation : str
        What the table is sorted by; target ``mean`` is the mean over a method's targets.
    lower_is_better : tuple of str
        Metrics of which less is better.
    licence, source : str
        Of the numbers.
    rules : tuple of str
        What an entry must keep, in words.
    """

    folder: Path
    title: str
    kind: str = "scores"
    description: str = ""
    dataset: str = ""
    subset: str = ""
    revision: str = ""
    tracks: tuple[str, ...] = ()
    metrics: tuple[str, ...] = ()
    targets: tuple[str, ...] = ()
    preset: str = ""
    rank_metric: str = ""
    rank_target: str = ""
    aggregation: str = "median_of_medians"
    lower_is_better: tuple[str, ...] = ()
    licence: str = ""
    source: str = ""
    rules: tuple[str, ...] = ()


@dataclass(frozen=True)
class Entry:
    """A method's scores on a board.

    Parameters
    ----------
    method, description, licence : str
    oracle : bool
        It saw the references.
    trained_on : tuple of str
        ``data set/subset`` or words; empty for a method that learned nothing.
    origin : str
        One of `ORIGINS`.
    provenance : dict
        Version, revision, date, data set fingerprint, parameters, source.
    sha256 : str
        Of the table's file.
    aggregates : dict of str to dict of str to float or None
        Target to metric to aggregated value, as the board aggregates.
    table : DataFrame
        Columns of `COLUMNS`.
    """

    method: str
    origin: str
    table: pd.DataFrame
    description: str = ""
    licence: str = ""
    oracle: bool = False
    trained_on: tuple[str, ...] = ()
    provenance: dict[str, Any] = field(default_factory=dict)
    sha256: str = ""
    aggregates: dict[str, dict[str, float | None]] = field(default_factory=dict)


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
    raw = load_yaml(folder / "board.yaml")
    texts = (
        "title", "kind", "description", "dataset", "subset", "revision", "preset", "rank_metric", "rank_target",
        "aggregation", "licence", "source",
    )  # fmt: skip
    lists = ("tracks", "metrics", "targets", "lower_is_better", "rules")
    raw.only((*texts, *lists), "a leaderboard")
    values: dict[str, Any] = {key: raw.typed(key, str, "a text", "") for key in texts if key in raw}
    values |= {key: raw.names(key) for key in lists if key in raw}
    board = Board(folder, **({"title": folder.name} | values))
    if board.kind not in ("scores", "literature"):
        raw.fail(f"kind is {board.kind!r}, expected scores or literature", "kind")
    if board.kind == "scores":
        for key in ("dataset", "tracks", "metrics", "targets", "preset", "rank_metric", "rank_target"):
            if not getattr(board, key):
                raw.fail(f"{key} is missing; a board of scores needs it")
        if board.aggregation not in AGGREGATIONS:
            raw.fail(f"aggregation is {board.aggregation!r}, expected {', '.join(AGGREGATIONS)}", "aggregation")
        if board.rank_metric not in board.metrics:
            raw.fail(f"rank_metric is {board.rank_metric!r}, expected one of {', '.join(board.metrics)}", "rank_metric")
        if board.rank_target not in (*board.targets, "mean"):
            raw.fail(
                f"rank_target is {board.rank_target!r}, expected {', '.join(board.targets)} or mean", "rank_target"
            )
    return board


def file_stem(method: str) -> str:
    """The name of a method's files."""
    plain = re.sub(r"[^\w.+=-]+", "_", method).strip("._")
    return plain if plain == method else f"{plain}-{hashlib.sha256(method.encode()).hexdigest()[:6]}"


def entry_names(board: Board) -> list[str]:
    """File names of the entries, without their endings; sorted."""
    found = {f.stem for kind in ("*.yaml", "*.csv") for f in (board.folder / "entries").glob(kind)}
    return sorted(found, key=str.lower)


def read_entry(board: Board, name: str) -> Entry:
    """Read an entry as it lies on disk; `mss_bench.leaderboards.verify` says whether it is right.

    Raises
    ------
    ConfigError
        A file is missing or not of the form.
    """
    import pandas as pd

    stem = board.folder / "entries" / name
    raw = load_yaml(stem.with_name(f"{name}.yaml"))
    raw.only(
        ("method", "origin", "description", "licence", "oracle", "trained_on", "provenance", "sha256", "aggregates"),
        "an entry",
    )
    csv = stem.with_name(f"{name}.csv")
    try:
        content = csv.read_bytes()
        table = pd.read_csv(io.BytesIO(content), keep_default_na=False, na_values={"value": [""]})
    except (OSError, ValueError) as error:
        raise ConfigError(f"{csv} cannot be read: {error}") from error
    if tuple(table.columns) != COLUMNS:
        raise ConfigError(f"{csv} has the columns {', '.join(table.columns)}; expected {', '.join(COLUMNS)}")
    try:
        table = table.astype({"value": "float64"} | dict.fromkeys(("n_frames", "n_valid", "n_inf"), "int64"))
    except (TypeError, ValueError) as error:
        raise ConfigError(f"{csv}: a number is not one: {error}") from error
    nothing = ConfigMap({}, "", 0, {})
    return Entry(
        raw.typed("method", str, "a text", name), raw.typed("origin", str, ", ".join(ORIGINS), ""), table,
        raw.typed("description", str, "a text", ""), raw.typed("licence", str, "a text", ""),
        raw.typed("oracle", bool, "true or false", False), raw.names("trained_on"),
        dict(raw.typed("provenance", ConfigMap, "a mapping", nothing)), raw.typed("sha256", str, "a text", ""),
        {t: dict(v) for t, v in raw.typed("aggregates", ConfigMap, "a mapping", nothing).items()},
    )  # fmt: skip


def write_entry(board: Board, entry: Entry) -> list[Path]:
    """Write an entry's two files, with the checksum and aggregates that follow from its table.

    Returns
    -------
    list of Path

    Raises
    ------
    ConfigError
        It cannot be written.
    """
    folder = board.folder / "entries"
    table = entry.table[list(COLUMNS)].sort_values(["group", "target", "metric", "track"], kind="stable")
    content = table.to_csv(index=False, float_format=f"%.{_DIGITS}f", lineterminator="\n").encode()
    rounded = table.assign(value=table["value"].round(_DIGITS))
    facts = {
        "method": entry.method, "description": entry.description, "licence": entry.licence, "oracle": entry.oracle,
        "trained_on": list(entry.trained_on), "origin": entry.origin, "provenance": entry.provenance,
        "sha256": hashlib.sha256(content).hexdigest(), "aggregates": aggregates(board, entry.method, rounded),
    }  # fmt: skip
    files = [folder / f"{file_stem(entry.method)}.{kind}" for kind in ("csv", "yaml")]
    try:
        folder.mkdir(parents=True, exist_ok=True)
        files[0].write_bytes(content)
        files[1].write_text(_yaml({k: v for k, v in facts.items() if v not in ("", [], {}, False)}), encoding="utf-8")
    except OSError as error:
        raise ConfigError(f"{folder} cannot be written: {error.strerror or error}") from error
    return files


def track_table(board: Board, tables: Mapping[str, pd.DataFrame], oracles: Mapping[str, bool]) -> pd.DataFrame:
    """Entries' tables as one track table, for `mss_bench.stats`.

    Parameters
    ----------
    board : Board
    tables : dict of str to DataFrame
        Method to a table with `COLUMNS`.
    oracles : dict of str to bool
    """
    import pandas as pd

    parts = [
        table.assign(
            dataset=board.dataset, subset=board.subset, separator=method, params="", preset=board.preset, flags="",
            reason="", oracle=oracles[method],
        )
        for method, table in tables.items()
    ]  # fmt: skip
    return pd.concat(parts, ignore_index=True)


def aggregates(board: Board, method: str, table: pd.DataFrame) -> dict[str, dict[str, float | None]]:
    """Target to metric to the aggregated value of one method; None where it has none."""
    whole = track_table(board, {method: table[table["status"] != Status.SKIPPED]}, {method: False})
    found: dict[str, dict[str, float | None]] = {}
    table = aggregate(whole, aggregation=board.aggregation, missing="complete")
    for target, metric, value in zip(table["target"], table["metric"], table["value"].to_numpy(float), strict=True):
        found.setdefault(target, {})[metric] = None if math.isnan(value) else round(float(value), _DIGITS)
    return found


def _yaml(facts: dict[str, Any]) -> str:
    """Text that `mss_bench.core.config` reads back: strings are quoted, as in JSON, which YAML contains."""
    lines = []
    for key, value in facts.items():
        if isinstance(value, dict) and value:
            lines.append(f"{key}:")
            lines += [f"  {json.dumps(str(k), ensure_ascii=False)}: {_inline(v)}" for k, v in value.items()]
        else:
            lines.append(f"{key}: {_inline(value)}")
    return "\n".join(lines) + "\n"


def _inline(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, default=str)
