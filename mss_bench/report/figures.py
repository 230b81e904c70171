"""Which figures a report has, and their files."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, NamedTuple

from mss_bench.core.schema import Status
from mss_bench.errors import RunError
from mss_bench.report.options import DEFAULT_FIGURES
from mss_bench.report.score_tables import Block
from mss_bench.report.style import Look, looks

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

__all__ = ["Drawing", "draw", "file_name"]


@dataclass(frozen=True)
class Drawing:
    """A figure in the formats asked for."""

    place: tuple[str, str]  # `Block.name`, and `Block.label` or nothing where it belongs to the whole group
    kind: str  # a key of options.FIGURES
    name: str  # of its file, without the ending
    alt: str
    contents: dict[str, bytes]  # by format
    main: bool  # of the first metric of its group
    target: str = ""  # empty where it is of all


class _Plan(NamedTuple):
    """A figure that is still to be drawn."""

    kind: str
    target: str  # empty where the figure is of the whole group
    alt: str
    draw: Callable[[], Figure]


def draw(
    blocks: Sequence[Block],
    tracks: pd.DataFrame,
    costs: pd.DataFrame | None,
    *,
    kinds: Sequence[str] = DEFAULT_FIGURES,
    formats: Sequence[str] = ("png",),
    frames: Mapping[str, Callable[..., pd.DataFrame]] | None = None,
) -> Iterator[Drawing]:
    """Draw the figures of a report, one after the other, without those that have nothing to show.

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

    Yields
    ------
    Drawing
    """
    if not formats:
        return
    from mss_bench.report import plots

    look = looks(row.separator for block in blocks for row in block.rows)
    taken: set[str] = set()
    mains: dict[str, Block] = {}
    for block in blocks:
        main = mains.setdefault(block.name, block) is block
        second = next((b for b in blocks if b.name == block.name and b is not block), None)
        plans = list(_of_targets(block, second, frames or {}, look))
        if main:
            plans += _of_group(block, tracks, costs, look)
        for plan in plans:
            # Most kinds are drawn of the main metric alone, as a reader looks at few figures.
            if plan.kind not in kinds or not (main or plan.kind in ("box", "violin")):
                continue
            with suppress(RunError):  # too few tracks or methods, no time, no frames: the report has no such figure
                figure = plan.draw()
                label = "" if plan.kind == "cost" else block.label
                what = "" if plan.kind == "box" else plan.kind
                name = file_name(f"{block.name} {plan.target} {label} {what}", taken)
                place = (block.name, block.label if plan.target else "")
                contents = {kind: plots.save(figure, kind) for kind in formats}
                yield Drawing(place, plan.kind, name, f"{plan.alt}, {block.name}", contents, main, plan.target)


def _of_targets(
    block: Block, second: Block | None, frames: Mapping[str, Callable[..., pd.DataFrame]], look: Mapping[str, Look]
) -> Iterator[_Plan]:
    from mss_bench.report import plots

    what, label = block.quantity, block.label
    for target, finding in block.findings.items():
        if not block.n_tracks[target]:
            continue
        scores, test = finding.scores, finding.how.posthoc
        tested = scores.without(scores.oracles)
        box = partial(plots.box_plot, scores, quantity=what, look=look)
        ranks = partial(plots.critical_difference_plot, tested, test=test, alpha=finding.how.alpha, look=look)
        pairs = partial(plots.significance_plot, tested, test=test)
        yield _Plan("box", target, f"Box plots of {label} by method: {target}", box)
        yield _Plan("violin", target, f"Violin plots of {label} by method: {target}", partial(box, shape="violin"))
        yield _Plan("cd", target, f"Mean ranks by {label} and groups of tied methods: {target}", ranks)
        yield _Plan("pairs", target, f"Significance of differences in {label} of all pairs of methods: {target}", pairs)
        heat = partial(plots.heat_map, scores, quantity=what)
        yield _Plan("heat", target, f"{label} of every track and method: {target}", heat)
        if second is not None and target in second.findings:
            other, quantities = second.findings[target].scores, (second.quantity, what)
            scatter = partial(plots.scatter_plot, other, scores, quantities=quantities, look=look)
            yield _Plan("scatter", target, f"{label} against {second.label}: {target}", scatter)
        where = {"group": block.group, "target": target, "metric": block.metric, "preset": block.preset}
        for track, read in frames.items():
            yield _Plan(
                "frames", target, f"{label} of the frames of {track}: {target}",
                lambda read=read, where=where: plots.frame_plot(read(**where), quantity=what, look=look),  # type: ignore[misc]
            )  # fmt: skip


def _of_group(
    block: Block, tracks: pd.DataFrame, costs: pd.DataFrame | None, look: Mapping[str, Look]
) -> Iterator[_Plan]:
    from mss_bench.report import plots

    if costs is not None:
        cost = partial(plots.cost_plot, block, costs, look=look)
        yield _Plan("cost", "", f"Mean {block.label} against separation time by method", cost)
    chosen = tracks["status"] == Status.OK
    for name in ("dataset", "subset", "group", "metric", "preset"):
        chosen &= (tracks[name] == getattr(block, name)).fillna(False).astype(bool)
    if chosen.any():
        silence = partial(plots.silence_plot, tracks[chosen], look=look)
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
