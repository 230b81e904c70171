"""Metrics beside ratings: one row an item and system, from a run or from any table.

A rating's item is an excerpt (``"Song A @31.5"``), a run's row a track. Frames of the excerpt are taken where a metric
has them, for a median over four minutes says little of eight seconds; metrics of the whole track stand for all of it.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from mss_bench.core.schema import method_label
from mss_bench.errors import UnknownNameError
from mss_bench.listening.ratings import excerpt_of, song_of
from mss_bench.listening.reliability import rating_units
from mss_bench.listening.sheets import RatingsError, comma_hint, read_sheet

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["Joined", "MetricTable", "join", "metrics_of_csv", "metrics_of_run", "rating_centres"]

_TEXT = ("item", "system")
_OURS = ("rating", "n", "song")  # columns that stand beside metrics


@dataclass(frozen=True)
class MetricTable:
    """Metrics of excerpts.

    Parameters
    ----------
    values : DataFrame
        Index item and system, a column a metric.
    lower_is_better : frozenset of str
    notes : list of str
        Where the values come from, in words.
    """

    values: pd.DataFrame
    lower_is_better: frozenset[str]
    notes: list[str]


@dataclass(frozen=True)
class Joined:
    """Ratings and metrics of the same items and systems.

    Parameters
    ----------
    table : DataFrame
        ``item``, ``system``, ``rating`` (the centre over listeners), ``song`` (of the item), then the metrics, turned
        so that more is better.
    metrics : list of str
    turned : list of str
        Metrics whose sign was changed, for lower is better.
    notes : list of str
    """

    table: pd.DataFrame
    metrics: list[str]
    turned: list[str]
    notes: list[str]


def rating_centres(ratings: pd.DataFrame, centre: str = "median") -> pd.DataFrame:
    """Return what metrics are held against: replicates averaged per listener, then the median or mean over listeners.

    Parameters
    ----------
    ratings : DataFrame
        Of one task and target.
    centre : {"median", "mean"}
        The mean is the mean opinion score of a signal.

    Returns
    -------
    DataFrame
        ``item``, ``system``, ``rating``, ``n`` (listeners); without references and anchors, whose great distance
        would make any metric look good.
    """
    import pandas as pd

    units = rating_units(ratings)
    return pd.DataFrame({"rating": units.agg(centre, axis=1), "n": units.count(axis=1)}).reset_index()


def metrics_of_csv(
    path: str | Path,
    *,
    columns: Mapping[str, str] | None = None,
    only: Collection[str] = (),
    lower_is_better: Collection[str] = (),
    target: str = "",
) -> MetricTable:
    """Read metrics from a table with an item, a system and any number of metrics as columns.

    Parameters
    ----------
    path : path
    columns : mapping, optional
        ``item``, ``system`` and ``target`` to the columns of the file, where they are named otherwise.
    target : str
        Whose rows are taken, where the file has a column of targets.
    only : collection of str
        Metrics that are taken; all where none is named.
    lower_is_better : collection of str
        Metrics of which less is better.

    Raises
    ------
    RatingsError
        No such columns, an item and system twice, no metric.
    UnknownNameError
        `only` or `lower_is_better` names none of the metrics.
    """
    import pandas as pd

    sheet = read_sheet(path)
    named = {name: (columns or {}).get(name, name) for name in _TEXT}
    for name, column in named.items():
        if column not in sheet.header:
            raise RatingsError(
                f"{path} has no column {column!r} for the {name}; it has {', '.join(sheet.header[:30])}. Say which it "
                f"is with --metric-columns {name}=..."
            )
    frame = pd.DataFrame(sheet.rows)
    keys = [named[name] for name in _TEXT]
    of = (columns or {}).get("target", "target")
    if of in sheet.header and target:
        known = sorted(set(frame[of]))
        if target not in known:
            raise UnknownNameError(f"target of {path}", target, known)
        frame = frame[frame[of] == target]
    twice = frame.duplicated(keys)
    if twice.any():
        first = int(twice.index[np.flatnonzero(twice)[0]])
        raise RatingsError(
            f"{sheet.places[first]}: {' of '.join(sheet.rows[first][name] for name in keys[::-1])} is there twice"
        )
    others = {name: frame[name].map(sheet.plain) for name in sheet.header if name not in (*keys, of, *_OURS)}
    numbers = {
        name: pd.to_numeric(column.replace("", "nan"), errors="coerce")
        for name, column in others.items()
        if _numeric(column)
    }
    for name in others.keys() - numbers.keys():
        if (not only or name in only) and _numeric(others[name].str.replace(",", ".")):
            told = next(text for text in others[name] if "," in text)
            raise RatingsError(f"{path}: {name} is {told!r}, expected a number{comma_hint(told)}")
    if not numbers:
        raise RatingsError(f"{path} holds no metric: no column beside {' and '.join(keys)} is of numbers")
    for name in [*only, *lower_is_better]:
        if name not in numbers:
            raise UnknownNameError(f"metric in {path}", name, numbers)
    numbers = {name: column for name, column in numbers.items() if not only or name in only}
    values = pd.DataFrame(numbers).astype("float64")
    values.index = pd.MultiIndex.from_frame(frame[keys].set_axis(list(_TEXT), axis=1))
    return MetricTable(values, frozenset(lower_is_better), [f"Metrics: {Path(path).name}, {len(values)} rows."])


def _numeric(column: Any) -> bool:
    """Whether a column holds numbers alone, gaps aside, and any at all."""
    import pandas as pd

    given = column[~column.str.lower().isin(["", "nan"])]
    return len(given) > 0 and bool(pd.to_numeric(given, errors="coerce").notna().all())


def metrics_of_run(
    run: str | Path, items: Collection[str], target: str, *, seconds: float | None = None
) -> MetricTable:
    """Read the metrics of excerpts from a finished run.

    Parameters
    ----------
    run : path
        The run folder.
    items : collection of str
        Items of the test: a track, or a track with the excerpt's start after ``@``.
    target : str
        The target that was listened to; empty where the run scored one alone.
    seconds : float, optional
        Length of the excerpts, over whose frames metrics that have frames are taken; without it values of whole tracks
        are taken.

    Raises
    ------
    RunError
        No run.
    RatingsError
        The run scored several targets and none was named, or has none of the items.
    """
    import pandas as pd

    from mss_bench import api

    results = api.load(run)
    tracks = _of_target(results.tracks, target, str(run))
    keys = ["track", "separator", "metric"]
    whole = tracks[tracks["status"] == "ok"].groupby(keys)["value"].first()
    framed = set(tracks.loc[tracks["n_frames"] > 1, "metric"])
    frames = _of_target(results.frames, target, str(run)) if framed and seconds else None
    rows, cut = [], 0
    for item in sorted(set(items)):
        name, start = excerpt_of(item)
        values = whole[whole.index.get_level_values("track") == name].droplevel("track").unstack("metric")
        if frames is not None and start is not None and seconds:
            inside = _inside(frames[frames["track"] == name], start, seconds)
            # A metric that is nowhere defined in the excerpt has no value there; that of the track is another thing.
            measured = [name for name in inside.columns if name in values.columns]
            values[measured] = inside[measured].reindex(values.index)
            cut += bool(len(inside))
        rows.append(values.assign(item=item).rename_axis("system").reset_index())
    table = pd.concat([part for part in rows if len(part)] or [pd.DataFrame()], ignore_index=True)
    if table.empty:
        known = ", ".join(sorted(set(map(str, tracks["track"])))[:5])
        raise RatingsError(
            f"{run} has none of the items that were rated, e.g. {sorted(items)[:1]}; its tracks: {known}"
        )
    # Metrics without frames keep the value of the whole track, and the note says so: better than no value.
    lower = {q["name"] for q in results.run["quantities"] if not q["higher_is_better"]}
    where = f"over the frames of the excerpt on {cut} of {len(rows)} items" if cut else "of whole tracks"
    told = f"Metrics: run {Path(run).name}, {where}" + ("; metrics without frames: of whole tracks." if cut else ".")
    return MetricTable(table.set_index(list(_TEXT)), frozenset(lower & set(table.columns)), [told])


def _of_target(table: pd.DataFrame, target: str, run: str) -> pd.DataFrame:
    """Return the rows of a target in its first group, each metric in its first preset; ``separator`` has parameters."""
    known = list(dict.fromkeys(map(str, table["target"])))
    if not target and len(known) > 1:
        raise RatingsError(
            f"{run} scored {', '.join(known)}; the ratings do not say which was heard: import "
            "them with --set target=..."
        )
    if target and target not in known:
        raise UnknownNameError(f"target of {run}", target, known)
    own = table[table["target"] == (target or known[0])]
    own = own[own["group"] == own["group"].iloc[0]]
    # Of several groups or presets the run's first counts, as in its tables.
    first = own.groupby("metric")["preset"].transform("first")
    own = own[own["preset"] == first]
    labels = [method_label(*names) for names in zip(own["separator"], own["params"], strict=True)]
    written: pd.DataFrame = own.assign(separator=labels).drop(columns="params")
    return written


def _inside(frames: pd.DataFrame, start: float, seconds: float) -> pd.DataFrame:
    """Return medians over frames at least half within the excerpt: separators x metrics, NaN of no value."""
    import pandas as pd

    # At least half within the excerpt: the middle of the frame is inside.
    middle = frames["time"] + frames["duration"] / 2
    own = frames[(middle >= start) & (middle <= start + seconds)]
    return pd.DataFrame(own.groupby(["separator", "metric"])["value"].median().unstack("metric"))


def join(ratings: pd.DataFrame, metrics: MetricTable, centre: str = "median") -> Joined:
    """Put metrics beside the ratings.

    Parameters
    ----------
    ratings : DataFrame
        Of one task and target.
    metrics : MetricTable
    centre : {"median", "mean"}
        As for `rating_centres`.

    Returns
    -------
    Joined

    Raises
    ------
    RatingsError
        No item and system is in both, or fewer than 3 are.
    """
    medians = rating_centres(ratings, centre)
    both = medians.merge(metrics.values.reset_index(), on=list(_TEXT), how="inner")
    notes = list(metrics.notes)
    if len(both) < 3:  # of two points every correlation is 1 or -1
        mine, other = medians.iloc[0], metrics.values.index[0]
        raise RatingsError(
            f"{len(both)} of {len(medians)} rated signals have metrics, expected at least 3: names must agree. "
            f"Rated is e.g. {mine['system']!r} of {mine['item']!r}, measured {other[1]!r} of {other[0]!r}"
        )
    if len(both) < len(medians):
        notes.append(f"{len(medians) - len(both)} of {len(medians)} rated signals have no metrics, and were left out.")
    names, turned = [], []
    for name in map(str, metrics.values.columns):
        values = both[name].to_numpy(dtype=np.float64)
        missing = int((~np.isfinite(values)).sum())
        if values.size - missing < 3 or np.ptp(values[np.isfinite(values)]) == 0:
            notes.append(f"{name} was left out: it has {values.size - missing} finite values, or all alike.")
            continue
        if missing:
            notes.append(f"{name} is not finite on {missing} of {values.size} signals; they are left out for it alone.")
        if name in metrics.lower_is_better:
            both[name] = -values
            turned.append(name)
        names.append(name)
    if not names:
        raise RatingsError("no metric has 3 finite values that differ on the rated signals")
    kept = both[[*_TEXT, "rating", *names]]
    kept.insert(3, "song", kept["item"].map(song_of))
    return Joined(kept, names, turned, notes)
