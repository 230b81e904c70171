"""Which figures a report has, and their files."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

from mss_bench.core.schema import Status
from mss_bench.errors import RunError
from mss_bench.report.blocks import Block
from mss_bench.report.findings import Finding
from mss_bench.report.options import DEFAULT_FIGURES
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


@dataclass(frozen=True)
class _Plan:
    """A figure that is not drawn yet."""

    block: Block
    kind: str
    target: str  # empty where it is of all
    alt: str
    make: Callable[[], Figure]
    whole: bool = False  # belongs to the group rather than to its metric


def draw(
    blocks: Sequence[Block],
    tracks: pd.DataFrame,
    costs: pd.DataFrame | None,
    *,
    kinds: Sequence[str] = DEFAULT_FIGURES,
    formats: Sequence[str] = ("png",),
    frames: Mapping[str, Callable[..., pd.DataFrame]] | None = None,
) -> Iterator[Drawing]:
    """The figures of a report, one after the other; those with nothing to show are left out.

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

    methods = list(dict.fromkeys(row.method for block in blocks for row in block.rows))
    planner = _Planner(looks(methods), tracks, costs, frames or {})
    taken: set[str] = set()
    mains: dict[str, Block] = {}
    for block in blocks:
        main = mains.setdefault(block.name, block) is block
        second = next((b for b in blocks if b.name == block.name and b is not block), None)
        for plan in planner.plans(block, second, kinds, main=main):
            with suppress(RunError):  # too few tracks or methods, no time, no frames: the report has no such figure
                figure = plan.make()
                place = (block.name, "" if plan.whole else block.label)
                what = "" if plan.kind == "box" else plan.kind
                name = file_name(
                    f"{block.name} {plan.target} {'' if plan.kind == 'cost' else block.label} {what}", taken
                )
                contents = {kind: plots.save(figure, kind) for kind in formats}
                yield Drawing(place, plan.kind, name, f"{plan.alt}, {block.name}", contents, main, plan.target)


@dataclass(frozen=True)
class _Planner:
    look: Mapping[str, Look]
    tracks: pd.DataFrame
    costs: pd.DataFrame | None
    frames: Mapping[str, Callable[..., pd.DataFrame]]

    def plans(self, block: Block, second: Block | None, kinds: Sequence[str], *, main: bool) -> Iterator[_Plan]:
        """The figures of a block; most are of the main metric alone, as a reader looks at few."""
        for target in block.targets:
            finding = block.findings.get(target)
            if finding is None or not block.n_tracks[target]:
                continue
            other = second.findings.get(target) if second is not None else None
            plans = list(self._of_target(block, target, finding, second, other))
            yield from (p for p in plans if p.kind in kinds and (main or p.kind in ("box", "violin")))
        if main:
            yield from (p for p in self._of_group(block) if p.kind in kinds)

    def _of_target(
        self, block: Block, target: str, finding: Finding, second: Block | None, other: Finding | None
    ) -> Iterator[_Plan]:
        from mss_bench.report import plots

        scores, what, look = finding.scores, block.quantity, self.look
        tested = scores.without(scores.oracles)
        test, alpha = finding.how.posthoc, finding.how.alpha

        def plan(kind: str, alt: str, make: Callable[[], Figure]) -> _Plan:
            return _Plan(block, kind, target, f"{alt}: {target}", make)

        alt = f"plots of {block.label} by method"
        yield plan("box", f"Box {alt}", lambda: plots.box_plot(scores, quantity=what, look=look))
        yield plan("violin", f"Violin {alt}", lambda: plots.box_plot(scores, quantity=what, shape="violin", look=look))
        yield plan("cd", f"Mean ranks by {block.label} and groups of tied methods",
                   lambda: plots.critical_difference_plot(tested, test=test, alpha=alpha, look=look))  # fmt: skip
        yield plan("pairs", f"Significance of differences in {block.label} of all pairs of methods",
                   lambda: plots.significance_plot(tested, test=test))  # fmt: skip
        yield plan("heat", f"{block.label} of every track and method", lambda: plots.heat_map(scores, quantity=what))
        if second is not None and other is not None:
            x, names = other.scores, (second.quantity, what)
            yield plan("scatter", f"{block.label} against {second.label}",
                       lambda: plots.scatter_plot(x, scores, quantities=names, look=look))  # fmt: skip
        where = {"group": block.group, "target": target, "metric": block.metric, "preset": block.preset}
        for track, read in self.frames.items():
            yield plan("frames", f"{block.label} of the frames of {track}",
                       lambda read=read: plots.frame_plot(read(**where), quantity=what, look=look))  # type: ignore[misc]  # fmt: skip

    def _of_group(self, block: Block) -> Iterator[_Plan]:
        from mss_bench.report import plots

        costs = self.costs
        if costs is not None:
            alt = f"Mean {block.label} against separation time by method"
            yield _Plan(block, "cost", "", alt, lambda: plots.cost_plot(block, costs, look=self.look), whole=True)
        names = ("dataset", "subset", "group", "metric", "preset")
        chosen = self.tracks["status"] == Status.OK
        for name in names:
            chosen &= (self.tracks[name] == getattr(block, name)).fillna(False).astype(bool)
        rows = self.tracks[chosen]
        if len(rows):
            alt = f"Shares of frames that {block.label} leaves out"
            yield _Plan(block, "silence", "", alt, lambda: plots.silence_plot(rows, look=self.look), whole=True)


def file_name(text: str, taken: set[str]) -> str:
    """A file name of plain characters that is not taken yet, and takes it."""
    plain = re.sub(r"[^A-Za-z0-9.+-]+", "_", text).strip("_.")[:120] or "figure"
    name, i = plain, 1
    while name.lower() in taken:
        i += 1
        name = f"{plain}_{i}"
    taken.add(name.lower())
    return name
