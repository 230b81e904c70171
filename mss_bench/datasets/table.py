"""The layout of data sets that a table describes: a CSV file with a row for each audio file.

Columns are ``track``, ``stem`` and ``path``, and where they are needed ``subset``, ``channel`` (left, right or a number
from 1), ``gain_db``, and ``start`` and ``stop`` in seconds. Rows of one stem are summed; the stem ``mixture`` is the
mixture. Paths start at the table and never leave its folder.
"""

from __future__ import annotations

import csv
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path, PurePosixPath
from typing import Any

from mss_bench.core import audio
from mss_bench.core.config import plain_name
from mss_bench.core.parameters import MappingError, param
from mss_bench.core.stem_map import StemMap
from mss_bench.core.tracks import Part, Track, TrackId
from mss_bench.datasets.base import Dataset
from mss_bench.datasets.channels import channel_number
from mss_bench.datasets.references import usual_targets
from mss_bench.errors import ConfigError, DatasetError, UnknownNameError

__all__ = ["Row", "Table", "from_table", "read_rows"]

COLUMNS = ("track", "subset", "stem", "path", "channel", "gain_db", "start", "stop")
NEEDED = ("track", "stem", "path")
_SHOWN_PROBLEMS = 20


@dataclass(frozen=True)
class Row:
    """A row of the table: a part of a file, which belongs to a stem."""

    line: int
    subset: str
    track: str
    stem: str
    path: str
    part: Part


class Table(Dataset):
    """A CSV file with a row for each audio file: track, subset, stem, path, channel, gain_db, start, stop."""

    layout = "table"

    root: Any = param(".", doc="Folder of the table; a relative one starts at the catalog's file.")
    table: str = param("tracks.csv", doc="The CSV file, below the root.")

    def setup(self) -> None:
        super().setup()
        self._inside("table", self.table)

    def folder(self, subset: str) -> Path:
        """Return the folder of the table, which all subsets share."""
        super().folder("")  # says why there is no root
        return self.file.parent

    @property
    def file(self) -> Path:
        """The table."""
        return (self.root or Path()) / self.table

    def present_subsets(self) -> list[str]:
        """Return the subsets that the table has rows of."""
        return [subset for subset in self.subsets if any(row.subset == subset for row in self._rows)]

    def find(self, subset: str) -> list[Track]:
        """Return the tracks of the table's rows.

        Raises
        ------
        MappingError
            Everything that is wrong with the table, with its lines.
        """
        self.folder(subset)
        by_track: dict[str, list[Row]] = {}
        for row in self._rows:
            if row.subset == subset:
                by_track.setdefault(row.track, []).append(row)
        return [self._track(subset, name, rows) for name, rows in sorted(by_track.items())]

    @cached_property
    def _rows(self) -> list[Row]:
        rows, problems = read_rows(self.file)
        by_track: dict[tuple[str, str], list[Row]] = {}
        for row in rows:
            by_track.setdefault((row.subset, row.track), []).append(row)
            if row.stem != "mixture" and row.stem not in self.stems:
                problems[row.line] = str(UnknownNameError("stem", row.stem, self.stems))
            elif row.stem == "mixture" and self.mixture == "sum":
                problems[row.line] = "the entry says mixture: sum, and this is a mixture; remove one of the two"
            elif row.subset not in (self.subsets or [""]):
                named = row.subset or "(none)"
                problems[row.line] = str(UnknownNameError("subset", named, self.subsets or ["(none)"]))
        for (_, name), own in by_track.items():
            stems = {row.stem for row in own}
            wanted = [] if self.mixture == "sum" else ["mixture"]
            wanted += [] if self.complete or self.missing_stems != "error" else list(self.stems)
            if missing := [stem for stem in wanted if stem not in stems]:
                problems.setdefault(own[0].line, f"track {name!r} has no row of {', '.join(missing)}")
        _raise(self.file, problems)
        return rows

    def _track(self, subset: str, name: str, rows: list[Row]) -> Track:
        def of(stem: str) -> list[Row]:
            return [row for row in rows if row.stem == stem]

        stems = {stem: tuple(self.file.parent / row.path for row in of(stem)) for stem in self.stems}
        parts = {stem: tuple(row.part for row in of(stem)) for stem in (*self.stems, "mixture") if of(stem)}
        mixture = tuple(self.file.parent / row.path for row in of("mixture"))
        return Track(TrackId(self.name, subset, name), self.sample_rate, stems, mixture, parts=parts)


def from_table(file: str | Path, **options: Any) -> Dataset:
    """Make a data set of a table alone: stems, subsets and groups follow from its rows, the rate from its first file.

    Parameters
    ----------
    file : path
    **options
        Keys of an entry with other values.

    Raises
    ------
    MappingError
        Everything that is wrong with the table, with its lines.
    AudioError
        The first file cannot be read.
    """
    path = Path(file).expanduser().absolute()
    rows, problems = read_rows(path)
    _raise(path, problems)
    stems = tuple(dict.fromkeys(row.stem for row in rows if row.stem != "mixture"))
    if not stems:
        raise DatasetError(f"{path} has rows of mixtures alone; expected a row for each stem")
    subsets = [subset for subset in dict.fromkeys(row.subset for row in rows) if subset]
    stem_map = StemMap.from_parameter(options.get("map"))
    stem_map.check_delivered(stems)
    entry = {
        "root": str(path.parent),
        "table": path.name,
        "sample_rate": audio.info(path.parent / rows[0].path).sample_rate,
        "subsets": subsets,
        "default_subset": "test" if "test" in subsets else "",
        "stems": list(stems),
        "mixture": "file" if any(row.stem == "mixture" for row in rows) else "sum",
        "description": f"what {path} lists",
        **usual_targets(stem_map.names(stems)),
        **options,
    }
    return Table.declared(path.stem, entry)


def read_rows(file: Path) -> tuple[list[Row], dict[int, str]]:
    """Read the valid rows of a table, and the problems of others by their lines.

    Columns may be separated by commas, semicolons or tabs.

    Raises
    ------
    DatasetError
        It cannot be read, or lacks a column.
    """
    try:
        text = file.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "not UTF-8; save it as CSV UTF-8"
        raise DatasetError(f"{file} cannot be read: {reason}") from error
    head = text.partition("\n")[0]
    lines = csv.reader(text.splitlines(keepends=True), delimiter=max(",;\t", key=head.count), strict=True)
    rows: list[Row] = []
    problems: dict[int, str] = {}
    try:
        columns = [column.strip() for column in next(lines, [])]
        for column in columns:
            if column not in COLUMNS:
                problems[1] = str(UnknownNameError("column", column, COLUMNS))
        if missing := [column for column in NEEDED if column not in columns]:
            problems[1] = f"no column {', '.join(missing)}; there is {', '.join(columns) or 'none'}"
        _raise(file, problems)
        seen: dict[Row, int] = {}
        for cells in lines:
            if not any(cell.strip() for cell in cells):
                continue
            try:
                row = _row(dict(zip(columns, map(str.strip, cells), strict=True)), lines.line_num)
                content = Row(0, row.subset, row.track, row.stem, row.path, row.part)
                if content in seen:
                    raise ConfigError(f"the same as line {seen[content]}; the file would be summed twice")
                seen[content] = row.line
                rows.append(row)
            except ConfigError as error:
                problems[lines.line_num] = str(error)
            except ValueError:  # of zip
                problems[lines.line_num] = f"{len(cells)} cells, expected {len(columns)} as in the first line"
    except csv.Error as error:
        problems[lines.line_num] = f"not valid CSV: {error}"
    if not rows and not problems:
        problems[1] = "no rows"
    return rows, problems


def _row(cells: Mapping[str, str], line: int) -> Row:
    for column in NEEDED:
        if not cells[column]:
            raise ConfigError(f"{column} is empty")
    path = PurePosixPath(cells["path"])
    if path.is_absolute() or ".." in path.parts or "\\" in cells["path"]:
        raise ConfigError(
            f"path is {cells['path']!r}, expected a relative path with / that does not leave the table's folder"
        )
    channel = None
    if cells.get("channel"):
        channel = channel_number(cells["channel"])
        if channel is None:
            raise ConfigError(f"channel is {cells['channel']!r}, expected left, right or a number from 1")
    numbers = dict(_numbers(cells))
    start, stop = numbers.get("start", 0.0), numbers.get("stop")
    if start < 0 or (stop is not None and stop <= start):
        raise ConfigError(f"start is {start:g} and stop {cells.get('stop')}, expected 0 <= start < stop, in seconds")
    part = Part(channel, numbers.get("gain_db", 0.0), start, stop)
    return Row(line, cells.get("subset", ""), plain_name(cells["track"], "track"), cells["stem"], cells["path"], part)


def _numbers(cells: Mapping[str, str]) -> Iterator[tuple[str, float]]:
    for column in ("gain_db", "start", "stop"):
        if not cells.get(column):
            continue
        try:
            number = float(cells[column])
        except ValueError:
            number = math.nan
        if not math.isfinite(number):
            raise ConfigError(f"{column} is {cells[column]!r}, expected a number, as in -3.5")
        yield column, number


def _raise(file: Path, problems: Mapping[int, str]) -> None:
    """Refuse a table with problems, naming as many of them as one can read."""
    if not problems:
        return
    told = [f"{file}:{line}: {problem}" for line, problem in sorted(problems.items())]
    more = len(told) - _SHOWN_PROBLEMS
    raise MappingError(told[:_SHOWN_PROBLEMS] + ([f"{file}: {more} more lines are wrong"] if more > 0 else []))
