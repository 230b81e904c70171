"""A report of a run: tables, figures and a page, written into a folder."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mss_bench.core.files import write_atomic
from mss_bench.core.schema import FLOOR
from mss_bench.core.text import frame_csv
from mss_bench.errors import ConfigError, UnknownNameError
from mss_bench.report.blocks import Block, Quantities
from mss_bench.report.conclusions import conclusions
from mss_bench.report.contents import Contents, arrange
from mss_bench.report.costs import cost_table
from mss_bench.report.facts import measured_on
from mss_bench.report.failures import Failures, group_failures
from mss_bench.report.figures import draw
from mss_bench.report.frames import frames_of_track
from mss_bench.report.latex import render, slug
from mss_bench.report.markdown_page import markdown_page
from mss_bench.report.media import EVERY, read_media
from mss_bench.report.options import Options, Style
from mss_bench.report.protocols import protocol_scores, protocol_tables, protocols_csv
from mss_bench.report.score_tables import by_table, score_table
from mss_bench.report.selection import chosen_separators, labels
from mss_bench.report.significance import explanations, friedman_table, means_table, pairs_table, scores_table
from mss_bench.report.style import COLUMN_WIDTH, figure_width

if TYPE_CHECKING:
    import pandas as pd

    from mss_bench.report.html import TrackLink

__all__ = ["Report", "latex_tables", "write_report"]


class Report(list[Path]):
    """The files of a report in the order of writing; `conclusions` has what it shows, in lines."""

    def __init__(self, files: Iterable[Path], conclusions: Sequence[str]) -> None:
        super().__init__(files)
        self.conclusions = list(conclusions)


def write_report(
    out: Path,
    tracks: pd.DataFrame,
    failures: pd.DataFrame | None = None,
    costs: pd.DataFrame | None = None,
    run: Mapping[str, Any] | None = None,
    options: Options | None = None,
    *,
    quantities: Quantities = (),
    frames: Sequence[Path] = (),
    media: Sequence[Path] = (),
) -> Report:
    """Write a report.

    The folder then holds ``report.md``, ``index.html``, ``tables.tex``, ``figures/``, ``tracks/`` and as CSV
    ``scores.csv`` (one row a separator, target and metric), ``means.csv`` (one a separator and metric: the mean over
    targets), ``tests.csv`` (one a target and metric) and ``pairs.csv`` (one a pair of separators). Each file is
    replaced as a whole: a report that is interrupted leaves no half-written one.

    Parameters
    ----------
    out : Path
        The folder, made where it is absent.
    tracks, failures, costs : DataFrame
        The tables of a run. Without failures they are read off the track table.
    run : mapping, optional
        The content of ``run.json``.
    options : Options, optional
    quantities : sequence of mapping
        Units, directions and definitions of metrics; by default those of `run`.
    frames : sequence of Path
        Frame tables, for the tracks whose frames are drawn.
    media : sequence of Path
        Folders of excerpts that runs kept; their tracks have pages of their own, which link them.

    Returns
    -------
    Report
        The files, in the order of writing, and what they show in a few lines.

    Raises
    ------
    UnknownNameError
        A format, metric, target, separator, track or rule is not known.
    RunError
        The track table is malformed, or the folder cannot be written.
    """
    run = run or {}
    options = (options or Options()).of_run(run)
    quantities = quantities or run.get("quantities", ())
    for name in options.pages:
        if name not in {EVERY, *tracks["track"]}:
            raise UnknownNameError("track", name, tracks["track"].dropna().unique())
    facts = {name: run.get(name, ()) for name in ("separators", "protocols")}
    contents = arrange(tracks, options, quantities=quantities, **facts)
    shown = set(labels(contents.tracks))
    # Names with commas are told apart by what the run has; afterwards they are a plain mapping.
    style = options.style.with_values(labels=options.style.labels.of(labels(tracks)))
    options = options.with_values(style=style)
    counted = group_failures(tracks, failures, run, chosen_separators(tracks, options.separators))

    def read(track: str, **where: str) -> pd.DataFrame:
        of_track = frames_of_track(frames, track, **where)
        return of_track[labels(of_track).isin(shown)]

    paged = tracks["track"].dropna().unique() if EVERY in options.pages else options.pages
    readers = {name: partial(read, name) for name in paged}
    figures = list(draw(
        contents.blocks, contents.tracks, costs, kinds=options.figures, frames=readers, style=style,
        formats=options.figure_formats, note=counted.counts.banner,
        machine=measured_on(run, costs),
    ))  # fmt: skip
    files = [(f"{figure.name}.{kind}", content) for figure in figures for kind, content in figure.contents.items()]
    written = [write_atomic(out / "figures" / name, content) for name, content in files]
    of_shown = tracks[labels(tracks).isin({*shown, FLOOR})]  # which stands in for what failed
    by_protocol = protocol_tables(of_shown, run, called=style.labels.by_name)
    if "csv" in options.formats:
        protocols = protocols_csv(protocol_scores(of_shown, run)) if by_protocol else None
        written += [write_atomic(out / name, text) for name, text in _csv(contents, counted, protocols)]
    if "tex" in options.formats:
        written.append(write_atomic(out / "tables.tex", latex_tables(contents.blocks, style, counted.banner)))
        if by_protocol:
            text = "\n".join(["% Needs \\usepackage{booktabs}.", *(table.latex() for table in by_protocol)])
            written.append(write_atomic(out / "protocols.tex", text))
    if "md" in options.formats:
        linked = [figure for figure in figures if figure.main and "png" in figure.contents]
        spent = cost_table(costs, run, style.labels.by_name)
        text = markdown_page(contents.blocks, style, counted, run, linked, spent, by_protocol)
        written.append(write_atomic(out / "report.md", text))
    if "html" in options.formats:
        from mss_bench.report.html import html_page, page_title
        from mss_bench.report.track_pages import TrackPages

        links: list[TrackLink] = []
        if not options.single_file:
            errata = dict(run.get("dataset", {}).get("errata", {}))
            pages = TrackPages(out, contents, read, style.digits, errata, page_title(contents))
            kept = read_media(media, set(tracks["estimate_key"].dropna()), shown)
            for file, link in pages.write(options.pages, kept):
                written.append(file)
                links.append(link)
        beside = [] if options.single_file else [file.name for file in written if file.parent == out]
        text = html_page(
            contents, options, failures=counted, costs=costs, run=run, tracks=links, files=beside,
            protocols=by_protocol,
        )  # fmt: skip
        written.append(write_atomic(out / ("report.html" if options.single_file else "index.html"), text))
    return Report(written, conclusions(contents, counted, costs, run, style.labels.by_name))


def _csv(contents: Contents, counted: Failures, protocols: pd.DataFrame | None) -> Iterator[tuple[str, str]]:
    """Yield the names and texts of CSV files: numbers in full, infinity as inf, missing values empty."""
    # A row is read without what stands beside it: a last column says that it may still change.
    ended = f"not finished: {counted.counts.missing} of {counted.counts.planned} cells are missing"
    unfinished = {"run": ended} if counted.counts.missing else {}
    tables = {
        "scores": scores_table(contents.aggregated, contents.blocks),
        "means": means_table(contents.blocks),
        "tests": friedman_table(contents.findings),
        "pairs": pairs_table(contents.findings),
        "protocols": protocols,
    }
    for name, table in tables.items():
        if table is not None:
            yield f"{name}.csv", frame_csv(table.assign(**unfinished))


def latex_tables(blocks: Sequence[Block], style: Style, banner: Sequence[str] = ()) -> str:
    r"""Return the tables of a report in LaTeX, to be read with ``\input``; each tells how its values came about.

    Parameters
    ----------
    blocks : sequence of Block
    style : Style
    banner : sequence of str
        What stands below each table before all else: that the run is not finished.
    """
    if not blocks:
        return "% No scores.\n"
    of_tables = by_table(blocks, style)
    tables = [score_table(own, style) for own in of_tables]
    if style.caption and len(tables) > 1:
        raise ConfigError(
            f"--caption is of one table, and there are {len(tables)} "
            f"({', '.join(table.name for table in tables[:3])}, ...): choose with -m, --targets, --groups, or take "
            "--table-by target for several metrics of a target"
        )
    column = figure_width(style.width) < 1.2 * COLUMN_WIDTH
    shown = []
    for table, own in zip(tables, of_tables, strict=True):
        table.notes[:0] = [*banner, explanations(own, style)]
        end = f"-{slug(table.name)}" if style.latex_label and len(tables) > 1 else ""
        shown.append(render(table, column=column, caption=style.caption, label=style.latex_label + end))
    needs = "% Needs \\usepackage{booktabs}" + (" and \\usepackage{graphicx}" if column else "")
    return "\n".join([f"{needs}.", *(f"% {sentence}" for sentence in banner), *shown])
