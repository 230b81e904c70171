"""Selection of metrics, targets and separators from a track table."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from mss_bench.core.schema import FLOOR, method_label
from mss_bench.errors import ConfigError, RunError, UnknownNameError

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["chosen_separators", "labels", "select", "shared_unit", "the_separator", "usual_unit"]


def labels(tracks: pd.DataFrame) -> pd.Series[str]:
    """Return each row's separator as it is written, ``hpss:power=2``."""
    params = tracks["params"].astype("object").where(tracks["params"].notna(), "")
    return (tracks["separator"].astype("object") + (":" + params).where(params != "", "")).astype("object")


def select(
    tracks: pd.DataFrame,
    metrics: Sequence[str] = (),
    targets: Sequence[str] = (),
    separators: Sequence[str] = (),
    groups: Sequence[str] = (),
) -> pd.DataFrame:
    """Return the rows of some metrics, targets, separators and target groups; all where none are named.

    The floor stays, as it stands in for missing values and improvements are over it; hide it in what is shown.

    Raises
    ------
    UnknownNameError
        The table has no such metric, target, separator or group.
    """
    rows = tracks
    for column, wanted in (("metric", metrics), ("target", targets), ("group", groups)):
        if wanted:
            _known(column, wanted, tracks[column].dropna().astype(str).unique())
            rows = rows[rows[column].isin(list(wanted))]
    if separators:
        rows = rows[labels(rows).isin([*separators, FLOOR])]
    return rows


def chosen_separators(tracks: pd.DataFrame, wanted: Sequence[str]) -> list[str]:
    """Return separators that are named with their parameters, or by name alone for all variants, as tables name them.

    Parameters hold commas where there are several: pieces that make one together are joined.

    Raises
    ------
    UnknownNameError
        There is no such separator.
    """
    pairs = tracks[["separator", "params"]].drop_duplicates().fillna("")
    variants: dict[str, list[str]] = {}
    for separator, params in pairs.itertuples(index=False):
        label = method_label(str(separator), str(params))
        variants.setdefault(str(separator), []).append(label)
        if label != separator:
            variants.setdefault(label, []).append(label)
    chosen: list[str] = []
    rest = [piece.strip() for piece in wanted if piece.strip()]
    while rest:
        joined = [",".join(rest[:n]) for n in range(1, len(rest) + 1)]
        fits = [n for n, text in enumerate(joined, start=1) if text in variants]
        if not fits:
            _known("separator", [rest[0]], {label for each in variants.values() for label in each})
        n = max(fits)
        chosen += [label for label in variants[joined[n - 1]] if label not in chosen]
        rest = rest[n:]
    return chosen


def the_separator(tracks: pd.DataFrame, name: str) -> str:
    """Return the one method that a name means, with its parameters or by its separator's name.

    Raises
    ------
    UnknownNameError
        There is no such separator.
    ConfigError
        It has several variants.
    """
    variants = chosen_separators(tracks, [name])
    if len(variants) != 1 and name not in variants:
        raise ConfigError(f"{name!r} is {len(variants)} methods: {', '.join(variants)}; expected one of them")
    return name if name in variants else variants[0]


def shared_unit(
    tracks: pd.DataFrame, a: str, b: str, metric: str = "", target: str = "", group: str = "", preset: str = ""
) -> dict[str, str]:
    """Return `usual_unit` or, where one of two methods has none of it, what is usual among the scores that both have.

    Parameters
    ----------
    tracks : DataFrame
        The track table.
    a, b : str
        The methods, as tables name them.
    metric, target, group, preset : str
        What is wanted; only the others may differ from the usual.

    Raises
    ------
    UnknownNameError, RunError
        As for `usual_unit`.
    """
    unit = usual_unit(tracks, metric, target, group, preset)
    named = {"metric": unit["metric"], "target": target, "group": group, "preset": preset}
    rows = tracks[tracks["value"].notna().to_numpy(bool)]
    for column, wanted in named.items():
        rows = rows[(rows[column].fillna("").astype(str) == wanted).to_numpy(bool)] if wanted else rows
    places = ["group", "target", "preset"]
    rows = rows.assign(
        label=labels(rows).to_numpy(), **{column: rows[column].fillna("").astype(str) for column in places}
    )
    other = rows.loc[rows["label"] == b, places].drop_duplicates()
    both = rows[rows["label"] == a].merge(other, on=places)
    usual = {column: unit.get(column, "") for column in places}
    if both.empty or (both[places] == usual).all(axis=1).any():
        return unit
    return usual_unit(both, **named)


def usual_unit(
    tracks: pd.DataFrame, metric: str = "", target: str = "", group: str = "", preset: str = ""
) -> dict[str, str]:
    """Return what a call means that does not name everything: keys of a unit of scores.

    Parameters
    ----------
    tracks : DataFrame
        The track table.
    metric : str
        By default SDR, or else the first metric of the table.
    target : str
        By default the vocals, or else the first target of the group with most stems.
    group : str
        By default the group with most stems of those that hold the target.
    preset : str
        By default the first in which the metric was computed.

    Raises
    ------
    UnknownNameError
        There is no such metric, target, group or preset.
    RunError
        The table is empty.
    """
    if tracks.empty:
        raise RunError("the track table is empty: nothing was scored")
    unit: dict[str, str] = {}
    sizes = tracks.groupby("group")["target"].nunique()
    usual = {"metric": ("SDR", metric), "target": ("vocals", target), "group": ("", group), "preset": ("", preset)}
    for column, (first, wanted) in usual.items():
        if not isinstance(wanted, str):
            raise ConfigError(f"{column} is {wanted!r}, expected a name, or nothing for the usual one")
        known = list(dict.fromkeys(tracks[column].fillna("").astype(str)))
        if column == "target" and first not in known:
            largest = tracks["group"] == max(tracks["group"].unique(), key=lambda name: int(sizes[name]))
            first = str((tracks[largest] if largest.any() else tracks)["target"].iloc[0])
        if column == "group":
            first = max(known, key=lambda name: int(sizes.get(name, 0)))
        _known(column, [wanted] if wanted else [], known)
        unit[column] = wanted or (first if first in known else known[0])
        tracks = tracks[tracks[column].fillna("").astype(str) == unit[column]]
    return {column: value for column, value in unit.items() if value}


def _known(kind: str, wanted: Iterable[str], known: Iterable[str]) -> None:
    there = {str(name) for name in known}
    for name in wanted:
        if name not in there:
            raise UnknownNameError(kind, name, there)
