"""``README.md`` and ``index.html`` of an arena of metrics, made from its rating sets alone."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mss_bench.core.files import write_atomic
from mss_bench.listening.arena import Arena, RatingSet
from mss_bench.listening.arena_results import ALL, CEILING, ENOUGH, answer, judge, read_results, verdict
from mss_bench.listening.bootstrap import FEWEST
from mss_bench.report.html import templates
from mss_bench.report.markdown import markdown_escape
from mss_bench.report.table import CellValue, Column, Table, TableCell, number

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["build_arena", "judged_table", "other_pages", "overview", "verdict_table", "write_pages"]

_SAME = "≈"
_ALPHA = 0.05

_RULES = (
    "Each number is Spearman's rho between a metric and what stands for the scores of a signal (the median or the mean "
    "over its listeners), pooled over songs and systems. Hidden references and anchors take no part. Of metrics of "
    "which less is better the sign is turned (↓).",
    "The interval holds 95 % of resamples of whole songs, since signals of one song are not independent.",
    "Where a metric has no finite value of some rated signals, its number is over the others, which are counted beside "
    "it (n of all): it compares only roughly with numbers over all.",
    f"A metric ranks a kind of system, that is its estimates of all songs, where the interval lies above {ENOUGH}, and "
    "does not where it lies below; else, "
    f"and of fewer than {FEWEST} songs, it is undecided. {ENOUGH} is a convention of ours: a quarter of the ranks' "
    "variance. All systems of a set together say little: a correlation then lives on the distance between the kinds.",
    f"Bold is the best of a column. {_SAME} stands at those that are not told apart from it: Meng's test of dependent "
    "correlations (p after Holm), or the interval of the difference over songs, finds no difference. The best "
    "was searched for, so that its lead looks larger than it is.",
    "The row of the listeners is the correlation that can be expected at best: that of two halves of the listeners, "
    "stepped up to all of them after Spearman and Brown, and its root.",
    "Of every column there are more numbers: the mean rho within songs that have at least 4 systems, and how many of "
    "the pairs of systems that listeners tell apart the metric surely orders alike; where there is no such pair (–), "
    "the set says nothing of an order of systems.",
    "Metrics of one name are computed alike in all sets; another definition has another name. What a study found holds "
    "for systems, target and scale like its own.",
)


@dataclass(frozen=True)
class _Place:
    """A column of the arena: a set and a kind of system."""

    set: str
    kind: str
    rows: dict[str, dict[Any, Any]]  # by metric

    def heading(self, own: RatingSet) -> str:
        title = ", ".join(filter(None, [own.title, own.target]))
        return f"{title}: {'all systems' if self.kind == ALL else self.kind}"


def build_arena(arena: Arena) -> list[Path]:
    """Write ``results.csv``, ``README.md`` and ``index.html``.

    Returns
    -------
    list of Path

    Raises
    ------
    MssBenchError
        A set cannot be read, or a file cannot be written.
    """
    table = judge(arena).to_csv(index=False, lineterminator="\n")
    return [write_atomic(arena.folder / "results.csv", table), *write_pages(arena)]


def write_pages(arena: Arena) -> list[Path]:
    """Write the pages of the results that lie there; see `build_arena`."""
    return [write_atomic(arena.folder / name, content) for name, content in _pages(arena).items()]


def other_pages(arena: Arena) -> list[str]:
    """Return the pages of an arena that say anything else than its results give."""
    made = ((arena.folder / name, text) for name, text in _pages(arena).items())
    other = [file.name for file, text in made if file.is_file() and file.read_text(encoding="utf-8") != text]
    return [f"{name} is not what the results give: it was edited, or made before; build it again" for name in other]


def _pages(arena: Arena) -> dict[str, str]:
    results = read_results(arena)
    said, table = verdict_table(arena, results), overview(arena, results)
    details = [_details(place, arena.sets[place.set]) for place in _places(results)]
    sets = [(own.title, _about(own, results[results["set"] == name])) for name, own in arena.sets.items()]
    parts = [
        f"# {arena.title}", arena.description, said.markdown(level=2), table.markdown(level=2),
        "## What the numbers mean", "\n".join(f"- {rule}" for rule in _RULES),
        "## Sets of ratings", "\n".join(f"- {markdown_escape(f'{title}: {text}')}" for title, text in sets),
        "Made by `mss-bench metrics arena build`; checked by `mss-bench leaderboard verify`.",
    ]  # fmt: skip
    page = templates("mss_bench.listening").get_template("arena.html.j2").render(
        title=arena.title, description=arena.description, verdicts=said, table=table, details=details, sets=sets,
        rules=_RULES, enough=ENOUGH,
    )  # fmt: skip
    return {"README.md": "\n\n".join(part.strip() for part in parts if part.strip()) + "\n", "index.html": page}


def _places(results: pd.DataFrame) -> Iterator[_Place]:
    for (name, kind), rows in results.groupby(["set", "kind"], sort=False):
        yield _Place(str(name), str(kind), {str(row["metric"]): dict(row) for row in rows.to_dict("records")})


def _metrics(results: pd.DataFrame) -> list[str]:
    """Return the metrics: those that rank the most kinds first, then by their mean rho over kinds."""

    def order(metric: str) -> tuple[int, float, str]:
        own = results[results["metric"] == metric]
        apart = own[own["kind"] != ALL]
        own = apart if len(apart) else own
        yes = sum(answer(row["low"], row["high"], row["songs"]) == "yes" for row in own.to_dict("records"))
        return -yes, -float(own["rho"].mean()), metric

    return sorted((m for m in dict.fromkeys(results["metric"]) if m != CEILING), key=order)


def verdict_table(arena: Arena, results: pd.DataFrame) -> Table:
    """Return the verdicts as sentences, each with the metrics that it holds for."""
    titles = {name: own.title for name, own in arena.sets.items()}
    said: dict[str, list[str]] = {}
    for metric in _metrics(results):
        said.setdefault(verdict(results[results["metric"] == metric], titles), []).append(metric)
    rows: list[Sequence[str]] = [[text, ", ".join(names)] for text, names in said.items()]
    return Table("In short", ["verdict", "metrics"], [rows])


def overview(arena: Arena, results: pd.DataFrame) -> Table:
    """Return the arena: metrics as rows, sets and kinds of systems as columns."""
    places = list(_places(results))
    lower = {metric for own in arena.sets.values() for metric in own.lower_is_better}
    head = [Column(place.heading(arena.sets[place.set]), "right") for place in places]
    rows: list[list[CellValue]] = [
        [f"{metric} ↓" if metric in lower else metric, *(_cell(place, metric) for place in places)]
        for metric in _metrics(results)
    ]
    heard: list[CellValue] = ["listeners, at best", *(_cell(place, CEILING) for place in places)]
    return Table("Metrics against ears: rho", ["metric", *head], [[heard], rows])


def _cell(place: _Place, metric: str) -> TableCell:
    row = place.rows.get(metric)
    if row is None or math.isnan(row["rho"]):
        return TableCell("–", math.nan)
    interval = None if math.isnan(row["low"]) else (number(row["low"]), number(row["high"]))
    best = metric != CEILING and bool(row["best"])
    same = metric != CEILING and not best and not _behind(row)
    heard = int(place.rows[CEILING]["signals"])
    tag = f"{row['signals']} of {heard}" if row["signals"] < heard else ""
    return TableCell(number(row["rho"], 3), row["rho"], _SAME if same else "", bold=best, interval=interval, tag=tag)


def _behind(row: Mapping[str, Any]) -> bool:
    """Return whether the best of the column is surely ahead, by both tests."""
    return bool(row["behind_low"] > 0 and row["p"] < _ALPHA)


def _details(place: _Place, own: RatingSet) -> Table:
    """Return what there is beside rho in one column of the arena."""
    columns: list[Column | str] = [
        "metric", Column("signals", "right"), Column("rho", "right"), Column("95 %", "right"),
        Column("within songs", "right"), Column("pairs of systems in order", "right"),
        Column("best leads by", "right"), Column("p (Meng, Holm)", "right"), "ranks them",
    ]  # fmt: skip
    rows = []
    for metric, row in place.rows.items():
        if metric == CEILING:
            continue
        lead = "–" if row["best"] else f"{number(row['behind_low'])} to {number(row['behind_high'])}"
        order = f"{row['right']} of {row['pairs']}" + (f", {row['wrong']} reversed" if row["wrong"] else "")
        p = "< 0.001" if row["p"] < 0.001 else number(row["p"], 3)
        rows.append([
            metric, row["signals"], TableCell.number(row["rho"], 3),
            f"{number(row['low'])} to {number(row['high'])}", TableCell.number(row["within_songs"]),
            order if row["pairs"] else "–", lead, TableCell(p, row["p"]),
            answer(row["low"], row["high"], row["songs"]),
        ])  # fmt: skip
    return Table(place.heading(own), columns, [rows])


def _about(own: RatingSet, results: pd.DataFrame) -> str:
    """Return what a set is in a line."""
    ratings = own.read_ratings()
    first = results.iloc[0]
    kinds: dict[str, list[str]] = {}
    for system, kind in own.kinds.items():
        kinds.setdefault(kind, []).append(system)
    parts = [
        f"{len(ratings)} ratings of {ratings['listener'].nunique()} listeners on {first['songs']} songs, scale "
        f"{own.scale[0]:g} to {own.scale[1]:g}, {own.centre} over listeners",
        *(f"{kind}: {', '.join(systems)}" for kind, systems in kinds.items()),
        f"source: {own.source}", f"licence: {own.licence}" if own.licence else "", *own.notes,
    ]  # fmt: skip
    return "; ".join(part.strip(". ") for part in parts if part) + "."


def judged_table(results: pd.DataFrame, new: Sequence[str], own: RatingSet) -> Table:
    """Return new metrics in the order of all of a set, for the command line."""
    places = list(_places(results))
    metrics = _metrics(results)
    columns = [Column(place.heading(own), "right") for place in places]
    rows = [
        [TableCell(metric, tag="yours" if metric in new else ""), *(_cell(place, metric) for place in places)]
        for metric in metrics
    ]
    heard: list[CellValue] = ["listeners, at best", *(_cell(place, CEILING) for place in places)]
    notes = [f"{_SAME} not told apart from the best of the column, which is bold on the page."]
    return Table("", ["metric", *columns], [[heard], rows], notes)
