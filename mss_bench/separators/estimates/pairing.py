"""Check and show which estimate files belong to which track and target."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from mss_bench.core.text import columns
from mss_bench.core.tracks import TrackId
from mss_bench.errors import ConfigError

__all__ = ["EstimateFile", "Pairing"]

_MAX_IGNORED = 5


@dataclass(frozen=True)
class EstimateFile:
    """An estimate file as it was understood.

    Parameters
    ----------
    path : Path
    spelling : str
        The target as the file's name spells it.
    layout : str
    """

    path: Path
    spelling: str
    layout: str


@dataclass(frozen=True)
class Pairing:
    """The files of a folder for the tracks of a data set.

    Parameters
    ----------
    directory : Path
    targets : tuple of str
        The data set's.
    found : dict of TrackId to dict of str to EstimateFile
        One entry for each track, in the data set's order; empty where nothing was found.
    unpaired_files : dict of Path to str
        Files that belong to no track or target, with the reason.
    ambiguous : dict of (TrackId, str) to list of Path
        Targets for which there is more than one file.
    ignored : dict of Path to str
        Files that are rightly not used, with the reason.
    """

    directory: Path
    targets: tuple[str, ...]
    found: dict[TrackId, dict[str, EstimateFile]]
    unpaired_files: dict[Path, str] = field(default_factory=dict)
    ambiguous: dict[tuple[TrackId, str], list[Path]] = field(default_factory=dict)
    ignored: dict[Path, str] = field(default_factory=dict)
    map_hint: str = ""

    @property
    def files(self) -> dict[TrackId, dict[str, Path]]:
        """Return target to file, for each track that has any."""
        return {track: {t: f.path for t, f in files.items()} for track, files in self.found.items() if files}

    @property
    def delivered(self) -> tuple[str, ...]:
        """Return the targets that at least one track has, in the data set's order."""
        return tuple(t for t in self.targets if any(t in files for files in self.found.values()))

    @property
    def unpaired_tracks(self) -> tuple[TrackId, ...]:
        """Return the tracks for which there is no file."""
        disputed = {track for track, _ in self.ambiguous}
        return tuple(track for track, files in self.found.items() if not files and track not in disputed)

    @property
    def incomplete(self) -> dict[TrackId, tuple[str, ...]]:
        """Return the targets that other tracks have and a track with some file lacks."""
        lacking = {t: tuple(d for d in self.delivered if d not in files) for t, files in self.found.items() if files}
        return {track: targets for track, targets in lacking.items() if targets}

    def check(self) -> None:
        """Refuse a folder that does not pair.

        A track without a file is no reason to refuse: it is listed and fails when it is scored, so that leaving a
        track out cannot raise a score.

        Raises
        ------
        ConfigError
            A file belongs to no track or target, two files claim one target, or no track has a file. The message
            shows the table.
        """
        problems = []
        if self.ambiguous:
            problems.append("two files claim one target; keep one, or choose by --pattern")
        if self.unpaired_files:
            problems.append(
                "files belong to no track or target; rename or remove them, or say by --pattern how to read their paths"
                f" or by --map what their names mean{self.map_hint and f', e.g. {self.map_hint}'}"
            )
        if not self.files and not self.ambiguous:
            problems.append("no track has a file; check the folder, the data set and the subset, or give --pattern")
        if problems:
            raise ConfigError(f"estimates in {self.directory} do not pair: {'; '.join(problems)}\n\n{self.table()}")

    def table(self, rows: int = 20) -> str:
        """Return the pairing for a console: a row per track with the name that its file has for each target.

        Parameters
        ----------
        rows : int
            Complete tracks beyond this many are only counted; those with something missing are always shown.
        """
        layouts = dict.fromkeys(f.layout for files in self.found.values() for f in files.values())
        head = f"{len(self.files)} of {len(self.found)} tracks have estimates in {self.directory}"
        lines = [head + (f" ({', '.join(layouts)})" if layouts else ""), *self._rows(rows)]
        lines += _section("tracks without a file", map(_name, self.unpaired_tracks))
        lacking = [f"{_name(track)}: no {', '.join(targets)}" for track, targets in self.incomplete.items()]
        lines += _section("tracks that lack what others have", lacking)
        for (track, target), paths in self.ambiguous.items():
            lines += _section(f"{len(paths)} files for {target} of {_name(track)}", map(self._below, paths))
        lines += _section("files that do not pair", self._reasons(self.unpaired_files))
        ignored = self._reasons(self.ignored)
        more = [f"and {len(ignored) - _MAX_IGNORED} more"] if len(ignored) > _MAX_IGNORED else []
        lines += _section("files passed over", ignored[:_MAX_IGNORED] + more)
        return "\n".join(lines)

    def _rows(self, most: int) -> list[str]:
        disputed = {track for track, _ in self.ambiguous}
        targets = [t for t in self.targets if t in self.delivered or any(t == d for _, d in self.ambiguous)]
        hidden = [t for t in self.files if t not in self.incomplete and t not in disputed][most:]
        shown = [t for t, files in self.found.items() if t not in hidden and (files or t in disputed)]
        if not shown:
            return []
        cells = [[_name(track), *(self._cell(track, target) for target in targets)] for track in shown]
        lines = [columns([["track", *targets], *cells], indent="  ")]
        return lines + ([f"  and {len(hidden)} more tracks with all of {', '.join(self.delivered)}"] if hidden else [])

    def _cell(self, track: TrackId, target: str) -> str:
        if paths := self.ambiguous.get((track, target)):
            return f"{len(paths)} files"
        file = self.found[track].get(target)
        return file.spelling if file else "-"

    def _below(self, path: Path) -> str:
        return path.relative_to(self.directory).as_posix()

    def _reasons(self, files: dict[Path, str]) -> list[str]:
        return [f"{self._below(path)}: {reason}" for path, reason in files.items()]


def _name(track: TrackId) -> str:
    return f"{track.subset}/{track.name}" if track.subset else track.name


def _section(title: str, lines: Iterable[str]) -> list[str]:
    indented = [f"  {line}" for line in lines]
    return [f"{title}:", *indented] if indented else []
