"""Which figures a report has, and their files."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple

from mss_bench.core.schema import Status
from mss_bench.core.stages import watched
from mss_bench.errors import RunError
from mss_bench.report.blocks import Block
from mss_bench.report.options import DEFAULT_STYLE, FIGURE_FORMATS, Style
from mss_bench.report.style import figure_width, looks

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

    from mss_bench.report.plots import Layout

__all__ = ["Drawing", "draw", "file_name"]

_WHY_NONE = {
    "frames": "it is drawn of the tracks that --page names",
    "scatter": "it is of two metrics of one group of targets",
    "cost": "the run has no table of costs",
}


@dataclass(frozen=True)
class Drawing:
    """A figure in the formats asked for."""

    kind: str  # a key of options.FIGURES
    name: str  # of its file, without the ending
    alt: str
    contents: dict[str, bytes]  # by format
    main: bool  # of the first metric of its group


class _Plan(NamedTuple):
    """A figure that is still to be drawn."""

    kind: str
    target: str  # empty where the figure is of all
    alt: str
    draw: Callable[[], Figure]


def draw(
    blocks: Sequence[Block],
    tracks: pd.DataFrame,
    costs: pd.DataFrame | None,
    *,
    kinds: Sequence[str],
    formats: Sequence[str] = FIGURE_FORMATS[:1],
    frames: Mapping[str, Callable[..., pd.DataFrame]] | None = None,
    style: Style = DEFAULT_STYLE,
    note: str = "",
    machine: str = "",
) -> Iterator[Drawing]:
    """Draw the figures of a report, one after the other, for a paper: its caption says what a title would.

    A kind of figure of which some groups or targets have nothing to show is drawn of the others.

    Parameters
    ----------
    blocks : sequence of Block
        With findings.
    tracks : DataFrame
        The track table, for shares of silent frames.
    costs : DataFrame, optional
        The cost table.
    kinds : sequence of str
        Keys of `mss_bench.report.options.FIGURES`.
    formats : sequence of {"png", "pdf", "svg"}
    frames : mapping of str to callable, optional
        By track whose frames are drawn: what reads them, given ``group=, target=, metric=, preset=``.
    style : Style
        Width of the figures, and what methods are called in them.
    note : str
        What stands above every figure: that the run is not finished.
    machine : str
        What times were measured on.

    Yields
    ------
    Drawing

    Raises
    ------
    RunError
        A kind of figure has nothing to show at all.
    """
    if not kinds:
        return
    from mss_bench.report import plots

    methods = [row.separator for block in blocks for row in block.rows]
    width, labels = figure_width(style.width), style.labels.of(methods)
    layout = plots.Layout(width, labels, looks(methods), title=False, note=note)
    refusals: dict[str, str] = {}
    drawn: set[str] = set()
    taken: set[str] = set()
    mains: dict[str, Block] = {}
    for block in watched(blocks, "drawing the figures of metrics"):
        main = mains.setdefault(block.name, block) is block
        second = next((b for b in blocks if b.name == block.name and b is not block), None)
        plans = [*_of_block(block, layout), *_of_targets(block, second, frames or {}, layout)]
        if main:
            plans += _of_group(block, tracks, costs, machine, layout)
        for plan in plans:
            # Most kinds are drawn of the main metric alone, as a reader looks at few figures.
            if plan.kind not in kinds or not (main or plan.kind in ("box", "violin")):
                continue
            try:
                figure = plan.draw()
            except RunError as error:  # too few tracks or methods, no time, no frames
                refusals.setdefault(plan.kind, str(error))
                continue
            drawn.add(plan.kind)
            label = "" if plan.kind == "cost" else block.label
            name = file_name(f"{block.name} {plan.target} {label} {plan.kind}", taken)
            contents = {kind: plots.save(figure, kind) for kind in formats}
            yield Drawing(plan.kind, name, f"{plan.alt}, {block.name}", contents, main)
    for kind in kinds:
        if kind not in drawn:
            why = refusals.get(kind) or _WHY_NONE.get(kind, "the tables have no scores for it")
            raise RunError(f"there is nothing for a figure of the kind {kind!r}: {why}")


def _of_block(block: Block, layout: Layout) -> Iterator[_Plan]:
    """Yield the figures that have a panel for each target."""
    from mss_bench.report import plots

    scores = [finding.scores for target, finding in block.findings.items() if block.n_tracks[target]]
    for shape, alt in (("box", "Box plots"), ("violin", "Violin plots")) if scores else ():
        drawn = partial(plots.box_plot, scores, quantity=block.quantity, shape=shape, layout=layout)
        yield _Plan(shape, "", f"{alt} of {block.label} by method: {', '.join(block.findings)}", drawn)


def _of_targets(
    block: Block, second: Block | None, frames: Mapping[str, Callable[..., pd.DataFrame]], layout: Layout
) -> Iterator[_Plan]:
    from mss_bench.report import plots

    what, label = block.quantity, block.label
    for target, finding in block.findings.items():
        if not block.n_tracks[target]:
            continue
        scores, test = finding.scores, finding.how.posthoc
        unranked = set(map(str, scores.values.columns)) - set(finding.family.ranked)
        how: dict[str, Any] = {"test": test, "unranked": unranked, "layout": layout}
        ranks = partial(plots.critical_difference_plot, scores, alpha=finding.how.alpha, **how)
        pairs = partial(plots.significance_plot, scores, **how)
        yield _Plan("cd", target, f"Mean ranks by {label} and groups of tied methods: {target}", ranks)
        yield _Plan("pairs", target, f"Significance of differences in {label} of all pairs of methods: {target}", pairs)
        heat = partial(plots.heat_map, scores, quantity=what, layout=layout)
        yield _Plan("heat", target, f"{label} of every song and method: {target}", heat)
        if second is not None and target in second.findings:
            other, quantities = second.findings[target].scores, (second.quantity, what)
            scatter = partial(plots.scatter_plot, other, scores, quantities=quantities, layout=layout)
            yield _Plan("scatter", target, f"{label} against {second.label}: {target}", scatter)
        where = {"group": block.group, "target": target, "metric": block.metric, "preset": block.preset}
        for track, read in frames.items():
            yield _Plan(
                "frames", target, f"{label} of the frames of {track}: {target}",
                lambda read=read, where=where: plots.frame_plot(read(**where), quantity=what, layout=layout),  # type: ignore[misc]
            )  # fmt: skip


def _of_group(
    block: Block, tracks: pd.DataFrame, costs: pd.DataFrame | None, machine: str, layout: Layout
) -> Iterator[_Plan]:
    from mss_bench.report import plots

    if costs is not None:
        cost = partial(plots.cost_plot, block, costs, machine=machine, layout=layout)
        yield _Plan("cost", "", f"Mean {block.label} against separation time by method", cost)
    chosen = tracks["status"] == Status.OK
    for name in ("dataset", "subset", "group", "metric", "preset"):
        chosen &= (tracks[name] == getattr(block, name)).fillna(False).astype(bool)
    if chosen.any():
        silence = partial(plots.silence_plot, tracks[chosen], layout=layout)
        yield _Plan("silence", "", f"Shares of frames that {block.label} leaves out", silence)


def file_name(text: str, taken: set[str]) -> str:
    """Return a file name of plain characters that is not taken yet, and take it."""
    plain = re.sub(r"[^A-Za-z0-9.+-]+", "_", text).strip("_.")[:120] or "figure"
    name, i = plain, 1
    while name.lower() in taken:
        i += 1
        name = f"{plain}_{i}"
    taken.add(name.lower())
    return name
