"""Pages of single tracks: scores, frames over time, and the excerpts that the run kept.

Sounds and their pictures are linked where the run wrote them.
"""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from mss_bench.core.files import write_atomic
from mss_bench.errors import RunError
from mss_bench.report.contents import Contents
from mss_bench.report.figures import file_name
from mss_bench.report.html import Picture, TrackLink, templates
from mss_bench.report.media import Excerpt, Target, TrackMedia
from mss_bench.report.score_tables import Block, name_cell
from mss_bench.report.selection import labels
from mss_bench.report.style import Look, looks
from mss_bench.report.table import Column, Table, TableCell, number

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["TrackPages"]

_KINDS = {
    "best": ("Best", "{metric} {value}, the median over {n}, is the best of the track."),
    "worst": ("Worst", "{metric} {value}, the median over {n}, is the worst of the track."),
    "disagreeing": ("Most disagreeing", "{metric} of {n} differs most: interquartile range {value}."),
}
_LISTENED = (
    "Chosen by the frames of the metric that is named; a method's score in an excerpt is the median of its frames"
    " there, and excerpts of a target share at most half of their seconds. The floor is left out, as it is the mixture"
    " made quieter. Pictures: waveform, and spectrogram on the mel scale to 16 kHz over 80 dB, of one scale within an"
    " excerpt."
)


@dataclass(frozen=True)
class TrackPages:
    """The pages of single tracks.

    Parameters
    ----------
    out : Path
        The report's folder.
    contents : Contents
        The first metric of each group is shown.
    frames : callable
        Reads the frames of a track, given its name and ``group=, target=, metric=, preset=``.
    digits : int
    errata : mapping of str to str
        Track to what is known to be wrong with its recording.
    """

    out: Path
    contents: Contents
    frames: Callable[..., pd.DataFrame]
    digits: int
    errata: Mapping[str, str] = field(default_factory=dict)

    @cached_property
    def _look(self) -> Mapping[str, Look]:
        return looks(row.separator for block in self.contents.blocks for row in block.rows)

    def write(self, names: Sequence[str], media: Sequence[TrackMedia]) -> Iterator[tuple[Path, TrackLink | None]]:
        """Write the pages of some tracks and of all that have media.

        Yields
        ------
        file : Path
        link : TrackLink or None
            Of a page; None for the figures beside it.
        """
        chosen = self.contents.tracks[["dataset", "subset", "track"]].astype("string").drop_duplicates()
        taken: set[str] = set()
        for dataset, subset, track in chosen.itertuples(index=False):
            own = [m for m in media if (m.dataset, m.subset, m.track) == (dataset, subset, track)]
            if own or track in names:
                name = file_name(f"{subset} {track}", taken)
                yield from self._page(str(dataset), str(subset), str(track), own, name)

    def _page(
        self, dataset: str, subset: str, track: str, media: Sequence[TrackMedia], name: str
    ) -> Iterator[tuple[Path, TrackLink | None]]:
        blocks: dict[str, Block] = {}  # of the track's groups, the main metric
        for block in self.contents.blocks:
            if (block.dataset, block.subset) == (dataset, subset):
                blocks.setdefault(block.name, block)
        sections: dict[str, dict[str, Any]] = {}
        for block in blocks.values():
            for target in block.targets:
                if target in sections:
                    continue
                curve = self._curve(block, target, track, f"{name}_{len(sections) + 1}")
                if curve is not None:
                    yield curve[0], None
                excerpts = [
                    self._excerpt(t, e) for m in media for t in m.targets if t.target == target for e in t.excerpts
                ]
                sections[target] = {"name": target, "curve": curve and curve[1], "excerpts": excerpts}
        sounds = sum(len(e["sounds"]) for s in sections.values() for e in s["excerpts"])
        text = (
            templates()
            .get_template("track.html.j2")
            .render(
                track=track,
                erratum=self.errata.get(track, ""),
                place=f"{dataset} {subset}".strip(),
                tables=[self._table(block, track) for block in blocks.values()],
                targets=list(sections.values()),
                listened=_LISTENED if sounds else "",
            )
        )
        file = write_atomic(self.out / "tracks" / f"{name}.html", text)
        yield file, TrackLink(f"tracks/{quote(name)}.html", track, subset, sounds)

    def _curve(self, block: Block, target: str, track: str, name: str) -> tuple[Path, Picture] | None:
        from mss_bench.report import plots

        where = {"group": block.group, "target": target, "metric": block.metric, "preset": block.preset}
        with suppress(RunError):  # no frames of this metric: the page has no such figure
            figure = plots.frame_plot(
                self.frames(track, **where), quantity=block.quantity, layout=plots.Layout(look=self._look)
            )
            file = write_atomic(self.out / "tracks" / f"{name}.png", plots.save(figure, "png"))
            return file, Picture(quote(file.name), f"{block.label} of the frames of {track}: {target}")
        return None

    def _table(self, block: Block, track: str) -> Table:
        """Return the main metric of a group: separators in the order of the report, targets as columns."""
        rows = self.contents.tracks[self.contents.tracks["track"] == track]
        for column in ("dataset", "subset", "group", "metric", "preset"):
            rows = rows[rows[column] == getattr(block, column)]
        known = dict(zip(zip(labels(rows), rows["target"], strict=True), rows["value"].to_numpy(float), strict=True))

        def cells(separator: str) -> list[TableCell]:
            return [TableCell.number(known.get((separator, t), math.nan), self.digits) for t in block.targets]

        groups = [
            [[name_cell(row), *cells(row.separator)] for row in block.rows if row.oracle == oracle]
            for oracle in (False, True)
        ]
        columns = [Column(target, "right") for target in block.targets]
        return Table(f"{block.group or block.name}: {block.quantity}", ["separator", *columns], groups)

    def _excerpt(self, target: Target, excerpt: Excerpt) -> dict[str, Any]:
        title, why = _KINDS.get(excerpt.kind, (excerpt.kind, "{metric} {value}, {n}."))
        unit = f" {target.unit}" if target.unit else ""

        def shown(value: float | None) -> str:
            return "" if value is None else f"{number(value, self.digits).replace('-', '−')}{unit}"

        methods = "1 method" if target.deciding == 1 else f"{target.deciding} methods"
        return {
            "title": f"{title}: {excerpt.start:g} to {excerpt.start + excerpt.seconds:g} s",
            "why": why.format(metric=target.metric, n=methods, value=shown(excerpt.value) or "–"),
            "sounds": [
                {
                    "name": sound.name,
                    "role": sound.role,
                    "tag": "oracle" if sound.oracle else "",
                    "value": shown(sound.value),
                    "gain": f"played {sound.gain_db:g} dB".replace("-", "−") if sound.gain_db else "",
                    "audio": self._address(sound.audio),
                    "picture": self._address(sound.picture),
                }
                for sound in excerpt.sounds
            ],
        }

    def _address(self, file: Path) -> str:
        """Return the address of a file of the run, seen from the page."""
        return quote(Path(os.path.relpath(file.resolve(), (self.out / "tracks").resolve())).as_posix())
