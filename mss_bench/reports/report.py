"""A report of a run: tables, figures and a page, written into a folder."""

from __future__ import annotations

import os
import re
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mss_bench.errors import RunError, UnknownNameError
from mss_bench.reports import tables
from mss_bench.reports.failures import Failures, group_failures
from mss_bench.reports.layout import Block, Quantities, blocks, lower_is_better
from mss_bench.stats.aggregate import aggregate, comparable

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["DEFAULT_FORMATS", "FORMATS", "write_report"]

FORMATS = ("md", "csv", "tex", "html", "png", "pdf", "svg")
DEFAULT_FORMATS = FORMATS[:5]
"""What a report can hold; the last three are the figures' formats."""


def write_report(
    out: Path,
    tracks: pd.DataFrame,
    failures: pd.DataFrame | None = None,
    costs: pd.DataFrame | None = None,
    run: Mapping[str, Any] | None = None,
    formats: Sequence[str] = DEFAULT_FORMATS,
    *,
    aggregation: str = "median_of_medians",
    quantities: Quantities = (),
    digits: int = 2,
) -> list[Path]:
    """Write a report.

    The folder then holds ``report.md``, ``scores.csv`` (the aggregated table), ``tables.tex``, ``index.html`` and
    ``figures/``. Each file is replaced as a whole: a report that is interrupted leaves no half-written one.

    Parameters
    ----------
    out : Path
        The folder, made where it is absent.
    tracks, failures, costs : DataFrame
        The tables of a run. Without failures they are read off the track table.
    run : mapping, optional
        The content of ``run.json``.
    formats : sequence of str
        Any of `FORMATS`.
    aggregation : {"median_of_medians", "mean_of_medians", "mean_of_means"}
        How tracks are aggregated.
    quantities : sequence of mapping
        Units, directions and definitions of metrics.
    digits : int
        Decimals of the tables.

    Returns
    -------
    list of Path
        The files, in the order of writing.

    Raises
    ------
    UnknownNameError
        A format or aggregation is not known.
    RunError
        The track table is malformed, or the folder cannot be written.
    """
    for name in formats:
        if name not in FORMATS:
            raise UnknownNameError("report format", name, FORMATS)
    aggregated = aggregate(tracks, aggregation=aggregation, lower_is_better=lower_is_better(quantities))
    found = group_failures(tracks, failures)
    arranged = blocks(aggregated, quantities, digits)
    kinds = [f for f in dict.fromkeys(formats) if f in {"png", "pdf", "svg"}]
    values = comparable(tracks, lower_is_better=lower_is_better(quantities))
    figures = list(_figures(values, costs, arranged, kinds, page="html" in formats))
    written = [_write(out / "figures" / f"{f.name}.{kind}", f.contents[kind]) for f in figures for kind in kinds]
    if "csv" in formats:
        written.append(_write(out / "scores.csv", tables.csv(aggregated)))
    if "tex" in formats:
        written.append(_write(out / "tables.tex", tables.latex(aggregated, quantities=quantities, digits=digits)))
    if "md" in formats:
        body = tables.markdown(aggregated, quantities=quantities, digits=digits)
        linked = [f for f in figures if f.main] if "png" in kinds else []
        written.append(_write(out / "report.md", _markdown(body, found, run or {}, linked)))
    if "html" in formats:
        from mss_bench.reports.html import Picture, page

        pictures: dict[tuple[str, str], list[Picture]] = {}
        for figure in figures:
            pictures.setdefault(figure.place, []).append(Picture(figure.contents["png"], figure.alt))
        text = page(
            arranged, failures=found, costs=costs, run=run, quantities=quantities, pictures=pictures, digits=digits
        )
        written.append(_write(out / "index.html", text))
    return written


@dataclass(frozen=True)
class _Figure:
    place: tuple[str, str]  # `Block.name`, and `Block.label` or nothing where it belongs to the whole group
    name: str  # of its file, without the ending
    alt: str
    contents: dict[str, bytes]  # by format
    main: bool  # of the first metric of its group


def _figures(
    values: pd.DataFrame, costs: pd.DataFrame | None, arranged: list[Block], kinds: list[str], *, page: bool
) -> Iterator[_Figure]:
    """Every figure in the formats asked for, and as PNG where a page embeds it."""
    formats = list(dict.fromkeys([*kinds, "png"] if page else kinds))
    if not formats:
        return
    from mss_bench.reports import plots

    names: set[str] = set()
    seen: set[str] = set()
    for block in arranged:
        main = block.name not in seen
        seen.add(block.name)
        for target in block.targets:
            if not block.n_tracks[target]:
                continue
            figure = plots.box_plot(values, block, target)
            name = _file_name(f"{block.name} {target} {block.label}", names)
            alt = f"Box plots of {block.label} by method: {target}, {block.name}"
            contents = {kind: plots.save(figure, kind) for kind in formats}
            yield _Figure((block.name, block.label), name, alt, contents, main)
        if costs is None or not main:
            continue
        try:
            figure = plots.cost_plot(block, costs)
        except RunError:  # nothing has both a score and a time: the report has no such figure
            continue
        name = _file_name(f"{block.name} cost", names)
        alt = f"Mean {block.label} against separation time by method: {block.name}"
        yield _Figure((block.name, ""), name, alt, {kind: plots.save(figure, kind) for kind in formats}, main)


def _file_name(text: str, taken: set[str]) -> str:
    """A file name of plain characters that is not taken yet, and takes it."""
    plain = re.sub(r"[^A-Za-z0-9.+-]+", "_", text).strip("_.")[:120] or "figure"
    name, i = plain, 1
    while name.lower() in taken:
        i += 1
        name = f"{plain}_{i}"
    taken.add(name.lower())
    return name


def _markdown(body: str, failures: Failures, run: Mapping[str, Any], figures: Sequence[_Figure]) -> str:
    escape = tables.markdown_escape
    lines = ["# Report", ""]
    if run.get("command"):
        command = run["command"] if isinstance(run["command"], str) else " ".join(map(str, run["command"]))
        lines += [f"Command: {escape(command)}", ""]
    lines += [body]
    for figure in figures:
        lines += [f"![{escape(figure.alt)}](figures/{figure.name}.png)", ""]
    lines += ["## Failures", ""]
    if not failures.groups:
        return "\n".join([*lines, f"None in {failures.n_cells} cells.", ""])
    skipped = f", {failures.n_skipped} skipped" if failures.n_skipped else ""
    lines += [f"{failures.n_failed} of {failures.n_cells} cells failed{skipped}.", ""]
    lines += ["| method | status | cells | concerns | reason |", "| --- | --- | ---: | --- | --- |"]
    for group in failures.groups:
        cells = [group.method, group.status, str(group.count), group.scope or "separation", group.reason]
        lines.append(f"| {' | '.join(map(escape, cells))} |")
    return "\n".join([*lines, ""])


def _write(path: Path, content: str | bytes) -> Path:
    """Replace a file as a whole, by way of a temporary one beside it."""
    data = content.encode("utf-8") if isinstance(content, str) else content
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name[:40]}.", suffix=".tmp")
    except OSError as error:
        raise RunError(f"cannot write the report to {path.parent}: {error.strerror}; choose another folder") from error
    try:
        with open(handle, "wb") as file:
            file.write(data)
        os.chmod(temporary, 0o644)
        os.replace(temporary, path)
    except OSError as error:
        Path(temporary).unlink(missing_ok=True)
        raise RunError(f"cannot write {path}: {error.strerror}; free space or choose another folder") from error
    return path
