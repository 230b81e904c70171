"""The table at the end of a run, as text for a terminal."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from itertools import groupby
from typing import TYPE_CHECKING, Any

from mss_bench.core.text import encodable, wrap
from mss_bench.report.contents import arrange
from mss_bench.report.facts import name_maps
from mss_bench.report.failures import Failures, group_failures
from mss_bench.report.options import Options, Style
from mss_bench.report.protocols import protocol_tables
from mss_bench.report.score_tables import score_table
from mss_bench.report.significance import marks
from mss_bench.report.table import Table
from mss_bench.stats.choices import AGGREGATIONS

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["summary", "summary_parts"]

_SHOWN_TRACKS = 3


def summary(
    tracks: pd.DataFrame,
    failures: pd.DataFrame | None = None,
    *,
    width: int = 80,
    run: Mapping[str, Any] | None = None,
    encoding: str | None = None,
    folders: Sequence[str] = (),
) -> str:
    """Return the result of a run in a screen or two of text.

    One table a target group: separators sorted by their mean over the targets in the first metric (SDR where there is
    one), the mean improvement over the floor, each target, then the means of further metrics as far as the width
    allows. Oracles stand below a rule. Failures follow, counted by reason. Above all stands what is not finished.

    Parameters
    ----------
    tracks : DataFrame
        The track table.
    failures : DataFrame, optional
        The failure table; without it, failures are read off the track table.
    width : int
        Columns of the terminal; at least 40 are used.
    run : mapping, optional
        The content of ``run.json``: counts of cells, facts of metrics and methods.
    encoding : str, optional
        Of the terminal, by default that of ``sys.stdout``. What it lacks is replaced.
    folders : sequence of str
        Run folders, for the command that shows the tracebacks of failures.

    Returns
    -------
    str
        Lines without a final newline.
    """
    width = max(width, 40)

    def printed(part: Table | str) -> str:
        if isinstance(part, Table):
            return part.console(width, encoding=encoding)
        lines = [(line, 6 if line.startswith(" ") else 0) for line in part.split("\n")]
        return "\n".join(
            row for line, indent in lines for row in wrap(encodable(line, encoding), width, indent, breaks=" ")
        )

    return "\n\n".join(map(printed, summary_parts(tracks, failures, run=run, folders=folders)))


def summary_parts(
    tracks: pd.DataFrame,
    failures: pd.DataFrame | None = None,
    *,
    run: Mapping[str, Any] | None = None,
    folders: Sequence[str] = (),
) -> list[Table | str]:
    """Return what `summary` prints, as tables and texts."""
    run = run or {}
    quantities, separators = run.get("quantities", ()), run.get("separators", ())
    counted = group_failures(tracks, failures, run)
    arranged = arrange(
        tracks, Options().of_run(run), quantities=quantities, separators=separators, protocols=run.get("protocols", ())
    ).blocks
    parts: list[Table | str] = []
    if counted.counts.banner:
        parts.append(f"{counted.counts.banner} The same command goes on with it.")
    if "all" not in run.get("options", {}).get("protocols", ()):  # those of all are in the report, and a line each
        parts += protocol_tables(tracks, run, first=True)
    for _, group in groupby(arranged, key=lambda block: block.name):
        first, *others = group
        failed = ["failed"] if any(row.mean["n_failed"] for row in first.rows) else []
        gained = ["gain"] if first.has_floor else []
        parts.append(score_table([first], Style(columns=("mean", *gained, "targets", *failed)), others))
    if arranged:
        values = (
            f"Values: {AGGREGATIONS[arranged[0].aggregation]}. Column 'mean' and other metrics: means over the targets."
        )
        gain = "gain: improvement over the floor (the scaled mixture), paired by song."
        gain = gain if any(block.has_floor for block in arranged) else ""
        verdicts = marks([finding.family for finding in arranged[0].tested.values()])
        parts.append("\n".join(filter(None, (values, gain, *verdicts, name_maps(separators)))))
    else:
        parts.append("No scores: the track table is empty.")
    logged = any(group.log for group in counted.groups)
    commands = [f"  tracebacks: mss-bench status {shlex.quote(folder)} --failures" for folder in folders if logged]
    parts.append("\n".join([counted.sentence, *(f"  {line}" for line in _failures(counted)), *commands]))
    return parts


def _failures(counted: Failures) -> list[str]:
    lines = []
    for group in counted.groups:
        more = len(group.tracks) - _SHOWN_TRACKS
        names = ", ".join(group.tracks[:_SHOWN_TRACKS]) + (f" and {more} more" if more > 0 else "")
        reason = f": {group.reason}" if group.reason else ""
        lines.append(f"{group.count}× {group.separator}, {group.status}{reason} ({names})")
    return lines
