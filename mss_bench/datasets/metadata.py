"""The layout of data sets in which a file beside each track says which of its audio files is what."""

from __future__ import annotations

import fnmatch
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from mss_bench.core.listing import audio_files, matching
from mss_bench.core.parameters import param
from mss_bench.core.tracks import Track, TrackId
from mss_bench.datasets.base import Dataset
from mss_bench.datasets.documents import items, read_document
from mss_bench.datasets.stems import mixture_of, track_folders, unreadable
from mss_bench.errors import DatasetError

__all__ = ["Metadata"]

REST = "rest"
"""Written for the files of a stem: every source that no other stem takes."""


class Metadata(Dataset):
    """``<root>/<subset>/<track>`` with a YAML or JSON file that says which audio file is what.

    ``stems`` maps a stem to values of the field `by`: words with globs, ranges of numbers (``24-31``), or ``rest`` for
    every source that no other stem takes. A source that no stem takes, or two, makes its track unreadable, with the
    reason: nothing is silently left out of a sum.
    """

    layout = "metadata"

    metadata: tuple[str, ...] = param(
        doc="The file of a track, in its folder or below the root; may hold globs and {track}.",
        expects="a file, as in metadata.yaml",
    )
    sources: str = param("stems[]", doc="Where it lists the sources, as in stems[] or stems[].tracks[].")
    file: str = param(doc="Audio file of a source in the track's folder; may hold its fields, as in stems/{key}.flac.")
    by: str = param(doc="Field that decides to which stem a source belongs.")
    only: dict[str, Any] = param({}, doc="Field to the value that a source must have; others have no file.")
    bleed: str = param("", doc="Field that is true or yes where a source holds others too: an erratum of the track.")

    def setup(self) -> None:
        given: Any = self.stems
        if not isinstance(given, Mapping):  # a name alone is the value that its sources have
            self.stems = {name: (name,) for name in self._once("stems")}
        super().setup()

    def find(self, subset: str) -> list[Track]:
        """Return a track for every folder of the subset that has metadata or audio.

        Raises
        ------
        DatasetError
            None has metadata.
        """
        folders = track_folders(self.folder(subset), self.name)
        described = [folder for folder in folders if self._metadata_file(folder).is_file()]
        if folders and not described:
            raise DatasetError(
                f"data set {self.name!r}: no folder in {self.folder(subset)} has {' or '.join(self.metadata)}; "
                "expected one folder a track, each with it"
            )
        return [self._track(subset, f) for f in folders if f in described or audio_files(f).files]

    def _track(self, subset: str, folder: Path) -> Track:
        identity = TrackId(self.name, subset, folder.name)
        file = self._metadata_file(folder)
        try:
            stems, erratum = self._stems(folder, file)
        except DatasetError as error:
            return unreadable(identity, self.sample_rate, tuple(self.stems), str(error), file)
        return Track(identity, self.sample_rate, stems, mixture_of(self, folder), erratum=erratum)

    def _metadata_file(self, folder: Path) -> Path:
        """Return the file that describes a track, or where it should be."""
        named = [pattern.replace("{track}", _escaped(folder.name)) for pattern in self.metadata]
        places = [match for pattern in named for match in matching(folder, pattern)]
        if self.root is not None:
            places += [match for pattern in named for match in matching(self.root, pattern)]
        return next(iter(places), folder / self.metadata[0].replace("{track}", folder.name))

    def _stems(self, folder: Path, file: Path) -> tuple[dict[str, tuple[Path, ...]], str]:
        """Return the files of every stem, and a note on bleed."""
        files: dict[str, list[Path]] = {stem: [] for stem in self.stems}
        bleeding: dict[str, None] = {}
        document = read_document(file)
        try:
            sources = list(items(document, self.sources))
        except DatasetError as error:
            raise DatasetError(f"{file}: {self.sources} leads nowhere: {error}") from error
        for source, around in sources:
            fields = {**around, **(source if isinstance(source, Mapping) else {"value": source})}
            if any(fields.get(name) != value for name, value in self.only.items()):
                continue
            path = folder / self._path(fields, file)
            if any(path in own for own in files.values()):
                raise DatasetError(f"{file} names {self._path(fields, file)} twice; it would be summed twice")
            files[self._stem(fields, file)].append(path)
            if str(fields.get(self.bleed, "")).lower() in ("true", "yes"):
                whole = not isinstance(source, Mapping) or self.bleed not in source
                bleeding["the song" if whole else _text(fields.get(self.by))] = None
        if self.missing_stems == "error" and not self.complete:
            missing = [stem for stem, own in files.items() if not own]
            if missing:
                raise DatasetError(f"{file} names no source of {', '.join(missing)}")
        return {
            stem: tuple(own) for stem, own in files.items()
        }, f"{self.bleed}: {', '.join(bleeding)}" if bleeding else ""

    def _stem(self, fields: Mapping[str, Any], file: Path) -> str:
        """Return the stem of a source."""
        value = fields.get(self.by)
        values = value if isinstance(value, list) and value else [value]
        stems = list(dict.fromkeys(stem for each in values for stem in self._takers(each)))
        if len(stems) == 1:
            return stems[0]
        start = f"{file}: source {fields.get('key')} has the {self.by} {_text(value)}, which"
        if stems:
            raise DatasetError(f"{start} belongs to several stems: {', '.join(stems)}; leave the track out")
        raise DatasetError(f"{start} no stem takes; add it to one, or give one stem the value {REST}")

    def _takers(self, value: Any) -> list[str]:
        """Return the stems that take a value, else the one that takes the rest."""
        takers = [stem for stem, patterns in self.stems.items() if any(_fits(value, p) for p in patterns)]
        return takers or [stem for stem, patterns in self.stems.items() if REST in patterns][:1]

    def _path(self, fields: Mapping[str, Any], file: Path) -> str:
        """Return the path of a source, which never leaves the track's folder."""
        try:
            path = self.file.format_map({name: value for name, value in fields.items() if isinstance(value, str | int)})
        except (KeyError, IndexError, ValueError, AttributeError, TypeError) as error:
            raise DatasetError(
                f"{file}: file is {self.file!r}, and source {fields.get('key')} has no field {error}; there is "
                f"{', '.join(map(str, fields))}"
            ) from error
        if Path(path).is_absolute() or ".." in Path(path).parts or "\\" in path:
            raise DatasetError(f"{file}: {path!r} leaves the track's folder; expected a relative path without '..'")
        return path


def _fits(value: Any, pattern: str) -> bool:
    numbers = re.fullmatch(r"(\d+)-(\d+)", pattern)
    if numbers and isinstance(value, int):
        return int(numbers[1]) <= value <= int(numbers[2])
    return pattern != REST and fnmatch.fnmatchcase(_text(value).casefold(), pattern.casefold())


def _text(value: Any) -> str:
    if isinstance(value, list):
        return ", ".join(map(_text, value))
    return str(value).lower() if isinstance(value, bool) else str(value)


def _escaped(name: str) -> str:
    return re.sub(r"([*?\[])", r"[\1]", name)
