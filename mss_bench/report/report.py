"""A report of a run: tables, figures and a page, written into a folder."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from mss_bench.core.files import write_atomic
from mss_bench.core.schema import FLOOR
from mss_bench.errors import UnknownNameError
from mss_bench.report.blocks import Block, Quantities, blocks, lower_is_better, trained_on
from mss_bench.report.failures import Failures, group_failures
from mss_bench.report.figures import Drawing, draw
from mss_bench.report.findings import Findings, examine
from mss_bench.report.frames import frames_of_track
from mss_bench.report.markdown_page import markdown_page
from mss_bench.report.media import TrackMedia, read_media
from mss_bench.report.options import Options, Style
from mss_bench.report.score_tables import explanations, score_tables
from mss_bench.report.selection import chosen_methods, labels, select
from mss_bench.report.significance import friedman_table, means_table, pairs_table, with_findings
from mss_bench.report.style import looks
from mss_bench.stats.aggregate import aggregate
from mss_bench.stats.matrix import score_matrices

if TYPE_CHECKING:
    import pandas as pd

    from mss_bench.report.html import TrackLink

__all__ = ["Contents", "Options", "arrange", "latex_tables", "write_report"]


@dataclass(frozen=True)
class Contents:
    """Contents of a report: what the options choose of the tables, arranged."""

    tracks: pd.DataFrame
    aggregated: pd.DataFrame
    blocks: list[Block]
    findings: Findings
    quantities: Quantities


def arrange(
    tracks: pd.DataFrame,
    options: Options | None = None,
    *,
    quantities: Quantities = (),
    separators: Sequence[Mapping[str, Any]] = (),
) -> Contents:
    """Choose rows of a track table, aggregate and test them, and arrange them into blocks.

    Parameters
    ----------
    tracks : DataFrame
        The track table.
    options : Options, optional
    quantities, separators : sequence of mapping
        Facts of metrics and methods, as in ``run.json``.

    Raises
    ------
    UnknownNameError
        There is no such metric, target, method, aggregation or rule.
    RunError
        The track table is malformed.
    """
    options = options or Options()
    methods = chosen_methods(tracks, options.separators)
    gap_to = chosen_methods(tracks, [options.gap_to])[0] if options.gap_to else ""
    wanted = [*methods, gap_to] if methods and gap_to else methods
    metrics = _quantities(options.metrics, quantities)
    table = select(tracks, metrics, options.targets, wanted, options.groups)
    rule: dict[str, Any] = {
        "aggregation": options.aggregation,
        "missing": options.missing,
        "lower_is_better": lower_is_better(quantities),
    }
    aggregated = aggregate(table, oracle=gap_to, **rule)
    hidden = {FLOOR, gap_to} - set(methods) - {""} if methods else set()
    aggregated = aggregated[~aggregated["method"].isin(hidden)].reset_index(drop=True)
    findings = {}
    if options.statistics is not None:
        matrices = (scores.without(hidden) for scores in score_matrices(table, **rule))
        statistic = "median" if options.aggregation == "median_of_medians" else "mean"
        findings = examine(matrices, statistic, options.statistics)
    arranged = blocks(
        aggregated,
        quantities,
        options.style.digits,
        findings=findings,
        training=trained_on(separators),
        sort=options.sort,
        metrics=metrics,
        targets=options.targets,
        methods=methods,
    )
    return Contents(table[~labels(table).isin(hidden)], aggregated, arranged, findings, quantities)


def _quantities(metrics: Sequence[str], quantities: Quantities) -> list[str]:
    """Return the metrics with every family of them written out, bss_eval as SDR, ISR, SIR and SAR."""
    families: dict[str, list[str]] = {}
    for quantity in quantities:
        families.setdefault(str(quantity.get("family", "")), []).append(str(quantity["name"]))
    return [name for metric in metrics for name in families.get(metric, [metric])]


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
) -> list[Path]:
    """Write a report.

    The folder then holds ``report.md``, ``index.html``, ``tables.tex``, ``figures/``, ``tracks/`` and as CSV
    ``scores.csv`` (one row a method, target and metric), ``means.csv`` (one a method and metric: the mean over
    targets), ``tests.csv`` (one a target and metric) and ``pairs.csv`` (one a pair of methods). Each file is replaced
    as a whole: a report that is interrupted leaves no half-written one.

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
    list of Path
        The files, in the order of writing.

    Raises
    ------
    UnknownNameError
        A format, metric, target, method, track or rule is not known.
    RunError
        The track table is malformed, or the folder cannot be written.
    """
    options, run = options or Options(), run or {}
    quantities = quantities or run.get("quantities", ())
    contents = arrange(tracks, options, quantities=quantities, separators=run.get("separators", ()))
    counted = group_failures(*(_chosen(table, tracks, options.separators) for table in (tracks, failures)))
    kinds = [f for f in dict.fromkeys(options.formats) if f in {"png", "pdf", "svg"}]
    page = "html" in options.formats
    drawn = list(dict.fromkeys([*kinds, "png"])) if page else kinds
    beside = kinds if options.single_file else drawn
    readers = {name: partial(_frames, frames, name, contents.tracks) for name in _known_tracks(tracks, options.pages)}
    figures = list(draw(contents.blocks, contents.tracks, costs, kinds=options.figures, formats=drawn, frames=readers))
    written = [write_atomic(out / "figures" / f"{f.name}.{kind}", f.contents[kind]) for f in figures for kind in beside]
    if "csv" in options.formats:
        for name, table in _csv_tables(contents).items():
            # Numbers in full, infinity as inf, missing values empty.
            written.append(write_atomic(out / f"{name}.csv", table.to_csv(index=False, lineterminator="\n")))
    if "tex" in options.formats:
        written.append(write_atomic(out / "tables.tex", latex_tables(contents.blocks, options.style)))
    if "md" in options.formats:
        linked = [f for f in figures if f.main] if "png" in beside else []
        text = markdown_page(contents.blocks, options.style, counted, run, linked)
        written.append(write_atomic(out / "report.md", text))
    if page:
        links: list[TrackLink] = []
        if not options.single_file:
            kept = read_media(media, set(tracks["estimate_key"].dropna()), set(labels(contents.tracks)))
            for file, link in _track_pages(out, contents, options, frames, kept):
                written.append(file)
                links += [link] if link is not None else []
        name = "report.html" if options.single_file else "index.html"
        written.append(write_atomic(out / name, _page(contents, options, counted, costs, run, figures, links)))
    return written


def latex_tables(blocks: Sequence[Block], style: Style) -> str:
    r"""Return the tables of a report in LaTeX, to be read with ``\input``; each tells how its values came about."""
    if not blocks:
        return "% No scores.\n"
    tables = score_tables(blocks, style)
    for table in tables:
        table.notes.insert(0, explanations(blocks, style))
    return "% Needs \\usepackage{booktabs}.\n" + "\n".join(table.latex() for table in tables)


def _csv_tables(contents: Contents) -> dict[str, pd.DataFrame]:
    return {
        "scores": with_findings(contents.aggregated, contents.blocks),
        "means": means_table(contents.blocks),
        "tests": friedman_table(contents.findings),
        "pairs": pairs_table(contents.findings),
    }


def _page(
    contents: Contents, options: Options, failures: Failures, costs: pd.DataFrame | None, run: Mapping[str, Any],
    figures: Sequence[Drawing], links: Sequence[TrackLink],
) -> str:  # fmt: skip
    from mss_bench.report.html import Picture, data_uri, page

    pictures: dict[tuple[str, str], list[Picture]] = {}
    for figure in figures:
        folded = figure.kind in ("pairs", "heat", "scatter")
        uri = data_uri(figure.contents["png"]) if options.single_file else f"figures/{quote(figure.name)}.png"
        pictures.setdefault(figure.place, []).append(Picture(uri, figure.alt, folded, figure.target))
    return page(
        contents.blocks,
        failures=failures,
        costs=costs,
        run=run,
        quantities=contents.quantities,
        pictures=pictures,
        tracks=links,
        style=options.style,
    )


def _track_pages(
    out: Path, contents: Contents, options: Options, frames: Sequence[Path], media: Sequence[TrackMedia]
) -> Iterator[tuple[Path, TrackLink | None]]:
    from mss_bench.report.track_pages import TrackPages

    def read(track: str, **where: str) -> pd.DataFrame:
        return _frames(frames, track, contents.tracks, **where)

    look = looks(row.method for block in contents.blocks for row in block.rows)
    pages = TrackPages(out, contents.blocks, contents.tracks, read, look, options.style.digits)
    yield from pages.write(options.pages, media)


def _chosen(table: pd.DataFrame | None, tracks: pd.DataFrame, methods: Sequence[str]) -> Any:
    """Return the rows of the methods of the report."""
    if table is None or not methods or table.empty:
        return table
    return table[labels(table).isin(chosen_methods(tracks, methods))]


def _known_tracks(tracks: pd.DataFrame, wanted: Sequence[str]) -> list[str]:
    known = set(tracks["track"].dropna().astype(str))
    for name in wanted:
        if name not in known:
            raise UnknownNameError("track", name, known)
    return list(wanted)


def _frames(paths: Sequence[Path], track: str, tracks: pd.DataFrame, **where: str) -> pd.DataFrame:
    """Read the frames of a track, of the methods of the report."""
    found = frames_of_track(paths, track, **where)
    return found[labels(found).isin(set(labels(tracks)))]
