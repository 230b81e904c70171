"""Entries from results: of a run made with mss_bench, of museval's JSON files, or of a published table."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from mss_bench.core.names import nfc
from mss_bench.core.schema import Status
from mss_bench.core.text import shortened
from mss_bench.errors import ConfigError
from mss_bench.leaderboards.board import COLUMNS, REPLICATES, Board, Entry
from mss_bench.report.facts import measured_on
from mss_bench.report.idle import Idle
from mss_bench.report.page_model import cost_facts
from mss_bench.report.selection import labels

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["entries_of_medians", "entries_of_run", "measured_costs"]


def entries_of_run(
    board: Board, tracks: pd.DataFrame, run: Mapping[str, Any], methods: Sequence[str] = (),
    costs: pd.DataFrame | None = None,
) -> list[Entry]:  # fmt: skip
    """Make entries of a run's methods.

    Parameters
    ----------
    board : Board
    tracks : DataFrame
        The run's track table.
    run : mapping
        Its ``run.json``.
    methods : sequence of str
        Labels; empty for all.
    costs : DataFrame, optional
        Its cost table.

    Returns
    -------
    list of Entry

    Raises
    ------
    ConfigError
        The run is of other data or another definition of the metrics, or has none of the methods.
    """
    revision = run["dataset"]["fingerprint"]
    if run["dataset"]["name"] != board.dataset or (board.revision and revision != board.revision):
        raise ConfigError(
            f"the run is of {run['dataset']['name']} ({revision}), the board {board.folder.name} of {board.dataset} "
            f"({board.revision or 'any revision'})"
        )
    tracks = tracks.assign(track=tracks["track"].map(nfc))
    own = tracks[(tracks["subset"] == board.subset) & tracks["metric"].isin(board.metrics)]
    own = own[own["target"].isin(board.targets) & own["track"].isin(board.tracks)]
    if own.empty:
        what = {"subset": (board.subset,), "track": board.tracks, "target": board.targets, "metric": board.metrics}
        lacks = [c for c, names in what.items() if not tracks[c].isin(names).any()] or ["track"]
        raise ConfigError(
            f"the run has no {lacks[0]} of the board {board.folder.name}: it has "
            f"{shortened(tracks[lacks[0]].unique().tolist())}; the board has {shortened(what[lacks[0]])}"
        )
    presets = sorted({*own["preset"]})
    if board.preset not in presets:
        raise ConfigError(
            f"the run's {', '.join(board.metrics)} are defined as {' and '.join(presets)}, the board's as "
            f"{board.preset!r}; score again with preset={board.preset} of the metric"
        )
    own = own[own["preset"] == board.preset]
    own = own.assign(label=labels(own), **{REPLICATES: own[REPLICATES].fillna("") if REPLICATES in own else ""})
    known = list(dict.fromkeys(own["label"]))
    for name in methods:
        if name not in known:
            raise ConfigError(f"the run has no {name!r} with the board's metrics; it has {', '.join(known)}")
    facts = {s["label"]: s for s in run["separators"]}
    # A target that is scored in two groups counts in the larger one, for every method in the same.
    order = own["group"].map(own.groupby("group")["target"].nunique()).rank(method="dense", ascending=False)
    own = own.assign(order=order).sort_values("order", kind="stable")
    idle = Idle.of(tracks, run["separators"])
    cost = measured_costs(run, costs)
    entries = []
    for name in methods or known:
        table = own[own["label"] == name].drop_duplicates(["track", "target", "metric"])
        if (table["status"] == str(Status.SKIPPED)).all():
            continue
        fact = facts.get(name, {})
        entry = Entry(
            method=name, origin="run", description=str(fact.get("citation", "")), licence=str(fact.get("licence", "")),
            oracle=bool(fact.get("oracle", False)), does_nothing=name in idle.methods,
            trained_on=tuple(fact.get("trained_on", ())),
            provenance={
                "mss_bench": run["mss_bench"], "revision": run["revision"], "started": run["started"],
                "revision_of_data": revision, "seed": run["seed"], "preset": board.preset,
                "params": fact.get("params", {}), "version": fact.get("version", ""),
            },
        )  # fmt: skip
        entry.assign(cost.get(name, {}))
        entry.table = table[[*COLUMNS, REPLICATES]].reset_index(drop=True)
        if times := max(len(text.split()) for text in entry.table[REPLICATES]):
            entry.provenance = {**entry.provenance, "replicates": times}
        entries.append(entry)
    return entries


def measured_costs(run: Mapping[str, Any], costs: pd.DataFrame | None) -> dict[str, dict[str, Any]]:
    """Return the speed and memory of a run's methods as entries state them, by label; none of what only reads files."""
    known = {
        label: {key: float(f"{value:.3g}") for key, value in cost.items() if value > 0}
        for label, cost in cost_facts(costs).items()
    }
    return {label: own | {"measured_on": measured_on(run, costs)} for label, own in known.items() if own}


def entries_of_medians(board: Board, table: pd.DataFrame, *, origin: str, provenance: Mapping[str, Any]) -> list[Entry]:
    """Make entries of a table of per-track values, as `mss-bench results import-museval` or a publication gives them.

    Parameters
    ----------
    board : Board
    table : DataFrame
        Columns method, track, target and either metric and value, or a column for each metric; n_frames, n_valid and
        n_inf where they are known, and oracle where the table says which methods saw the references.
    origin : str
        ``museval`` or ``published``.
    provenance : mapping

    Raises
    ------
    ConfigError
        A column is missing.
    """
    keys = ["method", "track", "target"]
    missing = [c for c in keys if c not in table]
    if missing:
        raise ConfigError(f"the table lacks the columns {', '.join(missing)}; it has {', '.join(table.columns)}")
    if "value" not in table:
        present = [m for m in board.metrics if m in table]
        table = table.melt(keys, present, var_name="metric", value_name="value")
    table = table.assign(track=table["track"].map(nfc), method=table["method"].map(nfc))
    table = table[table["metric"].isin(board.metrics) & table["target"].isin(board.targets)]
    table = table[table["track"].isin(board.tracks)]
    if table.empty:
        raise ConfigError(f"the table has nothing of the board {board.folder.name}: other tracks, targets or metrics")
    valued = table["value"].notna().astype("int64")
    defaults: dict[str, Any] = {"n_frames": 1, "n_valid": valued, "n_inf": 0, "group": ""}
    table = table.assign(status=str(Status.OK), **{c: v for c, v in defaults.items() if c not in table})
    entries = []
    for method, part in table.groupby("method", sort=True):
        oracle = "oracle" in part and bool(part["oracle"].any())
        entry = Entry(
            method=str(method), origin=origin, oracle=oracle, provenance={"preset": board.preset, **provenance}
        )
        entry.table = part[list(COLUMNS)].reset_index(drop=True)
        entries.append(entry)
    return entries
