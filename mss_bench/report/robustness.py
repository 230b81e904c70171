"""The robustness report: tables, a figure and a page of quality against the strength of perturbations."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mss_bench.core.files import write_atomic
from mss_bench.core.schema import does_nothing, is_floor
from mss_bench.core.text import harmless, percent
from mss_bench.errors import RunError, UnknownNameError
from mss_bench.report.blocks import TARGETS, ordered
from mss_bench.report.facts import commands, lower_is_better
from mss_bench.report.html import Picture, data_uri, templates
from mss_bench.report.markdown import markdown_escape
from mss_bench.report.selection import labels
from mss_bench.report.style import figure_width
from mss_bench.report.table import Table, TableCell, number
from mss_bench.stats.matrix import OVER_TARGETS, ScoreMatrix, mean_over_targets, score_matrices
from mss_bench.stats.robustness import KEPT, Robustness, robustness
from mss_bench.stats.signed_rank import FEWEST

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["compare_runs", "robustness_tables", "rules", "write_robustness"]

LEAST_GAIN = 0.5
"""Gain over the floor, in dB, below which nothing can break, where songs are too few for its interval."""

Step = tuple[str, "pd.DataFrame"]
"""Strength in words, and the track table of the run under it."""


def compare_runs(
    clean: pd.DataFrame, ladders: Mapping[str, Sequence[Step]], run: Mapping[str, Any], metric: str = "",
    target: str = "", group: str = "",
) -> Robustness:  # fmt: skip
    """Compare the track tables of a clean run and of perturbed ones.

    Parameters
    ----------
    clean : DataFrame
    ladders : mapping of str to sequence of (str, DataFrame)
        Perturbation to its steps, mild to severe: the strength in words, and the track table.
    run : mapping
        The content of ``run.json`` of the clean run.
    metric, target, group : str
        What is shown: by default SDR where there is one, else the first; the mean over targets where every method
        delivers all of them, else the target that most deliver; the first group.

    Raises
    ------
    UnknownNameError
        There is no such metric, target or group.
    RunError
        The runs have nothing in common.
    """
    metrics = ordered(clean["metric"], ["SDR"])
    metric = metric or metrics[0]
    known = {"metric": (metric, metrics), "group": (group, list(dict.fromkeys(clean["group"])))}
    for kind, (name, names) in known.items():
        if name and name not in names:
            raise UnknownNameError(f"{kind} of the run", name, names)
    group = group or str(clean.loc[clean["metric"] == metric, "group"].iloc[0])
    own = clean[(clean["metric"] == metric) & (clean["group"] == group)]
    if target and target not in set(own["target"]):
        raise UnknownNameError("target of the run", target, set(own["target"]))
    target = target or _usual_target(own)
    lower = lower_is_better(run.get("quantities", ()))

    def matrix(tracks: pd.DataFrame) -> ScoreMatrix:
        shown = tracks[(tracks["metric"] == metric) & (tracks["group"] == group)]
        shown = shown[shown["target"] == target] if target else shown
        matrices = list(score_matrices(shown, lower_is_better=lower))
        if not matrices:
            raise RunError(f"a run has no score of {metric} of {group}; run it with the metric of the clean run")
        return mean_over_targets(matrices) if len(matrices) > 1 else matrices[0]

    steps = {name: [(strength, matrix(tracks)) for strength, tracks in ladder] for name, ladder in ladders.items()}
    in_db = any(q["name"] == metric and q.get("unit") == "dB" for q in run.get("quantities", ()))
    found = robustness(matrix(clean), steps, LEAST_GAIN if in_db else 0.0)
    compared = set(found.points["separator"])
    times = int((run.get("options") or {}).get("repeats", 1))
    seeds = {str(m["label"]): times for m in run.get("separators", ()) if m.get("random") and m["label"] in compared}
    left_out = [name for name in dict.fromkeys(labels(clean)) if name not in compared]
    return replace(found, left_out=left_out, seeds=seeds)


def _usual_target(scores: pd.DataFrame) -> str:
    """Return the target that most methods deliver; empty, the mean over targets, where every method delivers all."""
    delivered = scores[scores["value"].notna()].assign(method=lambda table: labels(table))
    methods = {str(target): set(part["method"]) for target, part in delivered.groupby("target", sort=False)}
    if all(own == set(delivered["method"]) for own in methods.values()):
        return ""
    return max(ordered(methods, TARGETS), key=lambda target: len(methods[target]))


def robustness_tables(found: Robustness) -> list[Table]:
    """Return the tables of the report: losses with where methods break, and ranks."""
    methods = _methods(found)
    names = list(dict.fromkeys(found.curves["perturbation"]))
    records = [{str(name): value for name, value in row.items()} for row in found.curves.to_dict("records")]
    curves = {(row["perturbation"], row["separator"]): row for row in records}
    clean = {row["separator"]: row["clean"] for row in curves.values()}
    what = found.clean.unit.get("metric", "score")

    def loss(row: Mapping[str, Any]) -> TableCell:
        hint = f"area under the curve {number(row['area'])}"
        if not math.isnan(row["loss_low"]):
            hint += f"; loss {number(row['loss_low'])} to {number(row['loss_high'])}"
        return TableCell(number(row["loss"], signed=True), float(row["loss"]), hint=hint)

    def breaks(row: Mapping[str, Any]) -> TableCell:
        if not row["gains"]:
            return TableCell("–", hint=f"clean gain over the floor: {_gain(row)}")
        text, dip = row["breaks_at"] or "holds", row["dips_at"]
        return TableCell(text, marks="†", hint=f"less than half at {dip}") if dip else TableCell(text)

    def rank(row: Mapping[str, Any]) -> TableCell:
        change = row["rank_change"]
        text = "0" if change == 0 else number(change, 0 if float(change).is_integer() else 1, signed=True)
        return TableCell(text + moved[row["perturbation"], row["separator"]], change, marks="*" * row["rank_changed"])

    moved = _moves(found)
    losses = [[_named(m, found), clean[m], *(loss(curves[n, m]) for n in names)] for m in methods]
    dips = ["† it keeps less than half at a milder strength, and more again at a stronger one"]
    dips *= any(found.curves["dips_at"])
    first = {row["separator"]: row for row in records if not row["gains"] and not is_floor(row["separator"])}
    if first:
        gains = "; ".join(f"{m} {_gain(first[m])}" for m in methods if m in first)
        dips.append(f"– no gain over the floor on the clean songs that could be told from none: {gains}")
    drawn = _seeds(found)
    broken = [[_named(m, found), *(breaks(curves[n, m]) for n in names)] for m in methods if not is_floor(m)]
    ranked = [m for m in methods if not all(math.isnan(curves[n, m]["rank_change"]) for n in names)]
    tables = [
        Table(f"Loss of {what} over the ladder", ["separator", "clean", *names], [losses], drawn, name="loss"),
        Table("Breaks at", ["separator", *names], [broken], [*dips, *drawn], name="breaks"),
    ]
    if ranked:
        rows = [[_named(m, found), *(rank(curves[n, m]) for n in names)] for m in ranked]
        notes = ["(rank on the clean songs → where it differs most, each with its interval)"]
        notes += ["* the two intervals do not overlap"] * bool(found.curves["rank_changed"].any())
        tables.append(
            Table("Greatest change of rank (+: falls)", ["separator", *names], [rows], [*notes, *drawn], name="ranks")
        )
    return tables


def _methods(found: Robustness) -> list[str]:
    """Return the methods, the best on clean songs first, oracles and the floor last."""
    first = found.points[found.points["step"] == 0].drop_duplicates("separator")
    sign = -1 if found.clean.higher_is_better else 1
    values = dict(zip(first["separator"], sign * first["value"], strict=True))
    return sorted(values, key=lambda m: (is_floor(m), m in found.clean.oracles, values[m]))


def _named(method: str, found: Robustness) -> TableCell:
    kind = "floor" if is_floor(method) else "oracle" if method in found.clean.oracles else ""
    return TableCell(method, tag=kind, marks="~" if method in found.seeds else "")


def _seeds(found: Robustness) -> list[str]:
    """Return what the mark of methods that start at random means."""
    if not found.seeds:
        return []
    times = max(found.seeds.values())
    if times > 1:
        return [f"~ starts at random: the mean over {times} seeds"]
    return ["~ starts at random: one draw of many, so that its changes may be chance; --repeats averages over seeds"]


def _gain(row: Mapping[str, Any]) -> str:
    text = number(row["clean_gain"], signed=True)
    if math.isnan(row["clean_gain_low"]):
        return text
    return f"{text} ({number(row['clean_gain_low'], signed=True)} to {number(row['clean_gain_high'], signed=True)})"


def _moves(found: Robustness) -> dict[tuple[str, str], str]:
    """Return the clean rank and the one that differs most from it, with their intervals; empty where none differs."""
    moves = {}
    for (name, method), own in found.points.groupby(["perturbation", "separator"]):
        steps = own.sort_values("step").to_dict("records")
        far = max(steps, key=lambda step: abs(step["rank"] - steps[0]["rank"]))
        changed = far["rank"] != steps[0]["rank"] and not math.isnan(far["rank"])
        moves[str(name), str(method)] = f" ({_rank(steps[0])} → {_rank(far)})" if changed else ""
    return moves


def _rank(step: Mapping[Any, Any]) -> str:
    return f"{step['rank']:g} [{step['rank_low']:g}–{step['rank_high']:g}]"


def rules(found: Robustness) -> list[str]:
    """Return what the numbers mean, in sentences."""
    unit, n = found.clean.unit, found.n_tracks
    target = "mean over the targets" if unit.get("target") == OVER_TARGETS else unit.get("target", "")
    place = ", ".join(filter(None, [f"{unit.get('dataset', '')} {unit.get('subset', '')}".strip(), unit.get("group")]))
    said = [
        f"{unit.get('metric', 'Score')} ({target}) of {place}: {n} song{'s' * (n != 1)}, the same under every "
        "strength. Steps of a ladder stand at equal distances.",
        "Loss: typical difference of a song's clean score and the area under its curve from clean to the last step, "
        "divided by the length of the ladder" + (" (Hodges and Lehmann)." if n > 1 else "."),
        f"Breaks at: the mildest strength from which on a method keeps less than {percent(KEPT)} of its gain over the "
        "floor, the scaled mixture under the same perturbation. A dash: it has no gain on the clean songs that is more "
        f"than chance: its interval reaches zero, or of fewer than {FEWEST} songs it is below {LEAST_GAIN:g} dB.",
    ]
    if n < FEWEST:
        said.append(f"{n} song{'s are' if n > 1 else ' is'} too few for intervals, which take {FEWEST}.")
    said += _unranked(found)
    if found.left_out:
        said.append(f"Left out, since some run lacks a score: {', '.join(found.left_out)}.")
    return said


def _unranked(found: Robustness) -> list[str]:
    """Return why methods have no rank, in a sentence; empty where all have one."""
    first = found.points[found.points["step"] == 0].drop_duplicates("separator")
    without = {
        str(m): "an oracle" if m in found.clean.oracles else "attempts no separation" if does_nothing(str(m)) else ""
        for m in first["separator"][first["rank"].isna()]
    }
    ranked = len(first) - sum(map(bool, without.values()))
    if "" in without.values():
        return [f"No ranks, which take 3 songs and 2 methods that separate: there are {found.n_tracks} and {ranked}."]
    return [f"Without a rank: {', '.join(f'{m} ({why})' for m, why in without.items())}."] if without else []


def write_robustness(found: Robustness, out: Path, run: Mapping[str, Any]) -> list[Path]:
    """Write ``index.html``, ``robustness.md``, ``points.csv``, ``curves.csv`` and ``figures/robustness.*``.

    Parameters
    ----------
    found : Robustness
    out : Path
        Folder, which may be new.
    run : mapping
        The content of ``run.json`` of the clean run.

    Returns
    -------
    list of Path
        The files, the page first.
    """
    from mss_bench.report.plots.base import Layout, save
    from mss_bench.report.plots.robustness import legend_of, panel_of, robustness_figure

    figure = robustness_figure(found, Layout(width=figure_width("page")))
    images = {kind: save(figure, kind) for kind in ("png", "pdf", "svg")}
    tables, said = robustness_tables(found), rules(found)
    alt = "Quality against strength, a panel for each perturbation; the numbers are in the tables and points.csv."
    names = list(dict.fromkeys(found.points["perturbation"]))
    drawn = {f"Quality against the strength of {name}": panel_of(found, name) for name in names}
    drawn |= {"Legend: how each method is drawn": legend_of(found)}
    pictures = [
        Picture(data_uri(save(own, "svg", transparent=True), "image/svg+xml"), what) for what, own in drawn.items()
    ]
    title = f"How long scores hold: {found.clean.unit.get('dataset', '')}"
    page = templates().get_template("robustness.html.j2").render(
        title=harmless(title), rules=said, pictures=pictures, tables=tables, commands=commands(run)
    )  # fmt: skip
    text = [f"# {markdown_escape(title)}", *map(markdown_escape, said), f"![{alt}](figures/robustness.png)"]
    text += [table.markdown(2) for table in tables]
    contents: dict[str, str | bytes] = {
        "index.html": page,
        "robustness.md": "\n\n".join(part.strip("\n") for part in text) + "\n",
        "points.csv": found.points.to_csv(index=False, float_format="%.4f", lineterminator="\n"),
        "curves.csv": found.curves.to_csv(index=False, float_format="%.4f", lineterminator="\n"),
    } | {f"figures/robustness.{kind}": image for kind, image in images.items()}
    for name, content in contents.items():
        (out / name).parent.mkdir(parents=True, exist_ok=True)
        write_atomic(out / name, content)
    return [out / name for name in contents]
