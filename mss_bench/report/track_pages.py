"""Pages of single songs: the excerpts that the run kept, frames over time, and the scores beside those of all songs.

Sounds and their spectrograms are linked where the run wrote them.
"""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import numpy as np

from mss_bench.core.files import write_atomic
from mss_bench.core.schema import Status
from mss_bench.core.stages import watched
from mss_bench.report.blocks import Block
from mss_bench.report.contents import Contents
from mss_bench.report.figures import file_name
from mss_bench.report.html import TrackLink, templates
from mss_bench.report.media import EVERY, Excerpt, Target, TrackMedia
from mss_bench.report.page_model import Model, method_facts, numbers
from mss_bench.report.selection import labels
from mss_bench.report.table import Column, Table, TableCell, number

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["TrackPages"]

_KINDS = {
    "best": ("Best", "{metric} {value}, the median over {n}, is the best of the song."),
    "worst": ("Worst", "{metric} {value}, the median over {n}, is the worst of the song."),
    "disagreeing": ("Most disagreeing", "{metric} of {n} differs most: interquartile range {value}."),
}


@dataclass(frozen=True)
class TrackPages:
    """The pages of single songs.

    Parameters
    ----------
    out : Path
        The report's folder.
    contents : Contents
        The first metric of each group is shown.
    frames : callable
        Reads the frames of a song, given its name and ``group=, metric=, preset=``.
    digits : int
    errata : mapping of str to str
        Song to what is known to be wrong with its recording.
    report : str
        Title of the report's page.
    """

    out: Path
    contents: Contents
    frames: Callable[..., pd.DataFrame]
    digits: int
    errata: Mapping[str, str] = field(default_factory=dict)
    report: str = "Report"

    def write(self, names: Sequence[str], media: Sequence[TrackMedia]) -> Iterator[tuple[Path, TrackLink]]:
        """Write the pages of some songs (`EVERY` for all) and of all that have media.

        Yields
        ------
        file : Path
        link : TrackLink
        """
        chosen = self.contents.tracks[["dataset", "subset", "track"]].astype("string").drop_duplicates()
        taken: set[str] = set()
        pages: list[tuple[str, TrackLink, list[TrackMedia]]] = []
        for dataset, subset, track in chosen.sort_values("track").itertuples(index=False):
            own = [m for m in media if (m.dataset, m.subset, m.track) == (dataset, subset, track)]
            if own or track in names or EVERY in names:
                name = file_name(f"{subset} {track}", taken)
                sounds = sum(len(e.sounds) for m in own for t in m.targets for e in t.excerpts)
                link = TrackLink(f"tracks/{quote(name)}.html", str(dataset), str(subset), str(track), sounds)
                pages.append((name, link, own))
        for i, (name, link, own) in enumerate(watched(pages, "writing the pages of songs")):
            around = {
                "before": pages[i - 1][1] if i else None,
                "after": pages[i + 1][1] if i + 1 < len(pages) else None,
            }
            text = self._page(link, own, f"Song {i + 1} of {len(pages)}", around)
            yield write_atomic(self.out / "tracks" / f"{name}.html", text), link

    def _page(self, link: TrackLink, media: Sequence[TrackMedia], place: str, around: Mapping[str, Any]) -> str:
        blocks: dict[str, Block] = {}  # of the song's groups, the main metric
        for block in self.contents.blocks:
            if (block.dataset, block.subset) == (link.dataset, link.subset):
                blocks.setdefault(block.name, block)
        rows = {row.separator: row for block in blocks.values() for row in block.rows}
        at = {name: i for i, name in enumerate(rows)}
        targets: dict[str, Model] = {}
        for block in blocks.values():
            frames = self.frames(link.name, group=block.group, metric=block.metric, preset=block.preset)
            own = frames.assign(label=labels(frames)) if len(frames) else frames
            for name in block.targets:
                if name not in targets:
                    excerpts = [
                        self._excerpt(t, e) for m in media for t in m.targets if t.target == name for e in t.excerpts
                    ]
                    targets[name] = (
                        self._target(block, name, link, at) | _curves(own, name, at) | {"excerpts": excerpts}
                    )
        model: Model = {"digits": self.digits, "methods": [method_facts(row) for row in rows.values()]}
        model["targets"] = [{"name": name} | facts for name, facts in targets.items()]
        framed = [t for t in targets.values() if t["starts"]]
        lead = f"{place}, {len(framed[0]['starts'])} frames of {framed[0]['seconds']:g} s" if framed else place
        return (
            templates()
            .get_template("track.html.j2")
            .render(
                title=link.name, lead=lead, erratum=self.errata.get(link.name, ""), report=self.report,
                model=model, tables=[self._table(block, link.name) for block in blocks.values()],
                **{key: near and (near.href.partition("/")[2], near.name) for key, near in around.items()},
            )
        )  # fmt: skip

    def _target(self, block: Block, target: str, link: TrackLink, at: Mapping[str, int]) -> Model:
        """Return the scores of the song, and of all songs, by method."""
        everywhere, here = (np.full(len(at), math.nan) for _ in range(2))
        for row in block.rows:
            if row.score(target) is not None:
                everywhere[at[row.separator]] = row.scores[target]["value"]
        for label, value in self._scores(block, link.name).get(target, {}).items():
            if label in at:
                here[at[label]] = value
        facts = {"metric": block.label, "unit": block.unit, "up": block.higher_is_better, "group": block.group}
        return facts | {"value": numbers(here, self.digits), "all": numbers(everywhere, self.digits)}

    def _scores(self, block: Block, track: str) -> dict[str, dict[str, float]]:
        """Return the scores of a song by target and method."""
        rows = self.contents.tracks[self.contents.tracks["track"] == track]
        for column in ("dataset", "subset", "group", "metric", "preset"):
            rows = rows[rows[column] == getattr(block, column)]
        rows = rows[rows["status"] == Status.OK]
        scores: dict[str, dict[str, float]] = {}
        for label, target, value in zip(labels(rows), rows["target"], rows["value"].to_numpy(float), strict=True):
            scores.setdefault(str(target), {})[str(label)] = value
        return scores

    def _table(self, block: Block, track: str) -> Table:
        """Return the scores for readers without script: separators in the order of the report, targets as columns."""
        known = self._scores(block, track)

        def cells(separator: str) -> list[TableCell]:
            return [TableCell.number(known.get(t, {}).get(separator, math.nan), self.digits) for t in block.targets]

        groups: list[list[list[TableCell | str]]] = [
            [[row.separator, *cells(row.separator)] for row in block.rows if row.oracle == oracle]
            for oracle in (False, True)
        ]
        columns = [Column(target, "right") for target in block.targets]
        better = "" if block.higher_is_better else ", lower is better"
        return Table(f"{block.group or block.name}: {block.quantity}{better}", ["separator", *columns], groups)

    def _excerpt(self, target: Target, excerpt: Excerpt) -> Model:
        title, why = _KINDS.get(excerpt.kind, (excerpt.kind, "{metric} {value}, {n}."))
        methods = "1 method" if target.deciding == 1 else f"{target.deciding} methods"
        value = "–" if excerpt.value is None else f"{number(excerpt.value, self.digits)} {target.unit}".strip()
        return {
            "title": title,
            "why": why.format(metric=target.metric, n=methods, value=value.replace("-", "−")),
            "start": excerpt.start,
            "seconds": excerpt.seconds,
            "sounds": [
                {
                    "name": sound.name, "role": sound.role, "oracle": sound.oracle, "value": sound.value,
                    "loudness": sound.loudness, "wave": sound.wave, "audio": self._address(sound.audio),
                    "picture": self._address(sound.picture),
                }
                for sound in excerpt.sounds
            ],
        }  # fmt: skip

    def _address(self, file: Path) -> str:
        """Return the address of a file of the run, seen from the page."""
        return quote(Path(os.path.relpath(file.resolve(), (self.out / "tracks").resolve())).as_posix())


def _curves(frames: pd.DataFrame, target: str, at: Mapping[str, int]) -> Model:
    """Return the frames of a target: their starts, their length, and a list of scores a method, 0 without any."""
    own = frames[frames["target"] == target] if len(frames) else frames
    if own.empty:
        return {"starts": [], "seconds": 0.0, "frames": []}
    wide = own.pivot_table(index="time", columns="label", values="value", aggfunc="first", dropna=False).sort_index()
    curves: list[Any] = [0] * len(at)
    for name in wide.columns:
        if str(name) in at:
            curves[at[str(name)]] = numbers(wide[name].to_numpy(float), 1)
    starts = [round(float(start), 3) for start in wide.index]
    return {"starts": starts, "seconds": round(float(own["duration"].median()), 3), "frames": curves}
