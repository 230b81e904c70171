"""Croissant 1.0 metadata of a data set: what a catalog's entry says, and the songs where they are on this disk.

https://docs.mlcommons.org/croissant/docs/croissant-spec.html. The audio is described by file sets, one for each subset
and stem, by patterns below the folder of the data set, where the file belongs; a record set lists every song with its
files. Nothing is invented: what the entry does not say is left out, and named.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from mss_bench.core.schema import FLOOR
from mss_bench.core.tracks import Track
from mss_bench.datasets import Dataset
from mss_bench.errors import MssBenchError
from mss_bench.exports.crate import licence_url

__all__ = ["croissant"]

_TYPES = {".wav": "audio/wav", ".flac": "audio/flac", ".mp3": "audio/mpeg", ".m4a": "audio/mp4", ".mp4": "audio/mp4"}
_CITED = re.compile(r"^(?P<names>.+?) \((?P<year>\d{4})\): (?P<title>.*)$")
_LISTED = ("subset", "track", "stem", "file")


def croissant(dataset: Dataset, *, hashes: bool = False) -> tuple[dict[str, Any], list[str]]:
    """Return the metadata of a data set, and what Croissant asks for and its entry does not say.

    Parameters
    ----------
    dataset : Dataset
    hashes : bool
        Whether each file's SHA-256 is computed, which reads all audio.

    Returns
    -------
    metadata : dict
        JSON-LD.
    absent : list of str
    """
    cited = _CITED.match(dataset.citation)
    facts = {
        "description": dataset.description,
        "license": licence_url(dataset.licence) if dataset.licence else "",
        "url": dataset.homepage,
        "citeAs": dataset.citation,
        "creator": [{"@type": "Person", "name": n} for n in cited["names"].split(", ")] if cited else [],
        "datePublished": cited["year"] if cited else "",
    }
    if facts["license"] == "#licence":  # words that are no licence of SPDX stay words
        facts["license"] = dataset.licence
    tracks = _tracks(dataset)
    content = {
        "@context": _CONTEXT,
        "@type": "sc:Dataset",
        "conformsTo": "http://mlcommons.org/croissant/1.0",
        "name": dataset.name,
        **{key: value for key, value in facts.items() if value},
        "keywords": ["music", "source separation", *dataset.targets.stems],
        "distribution": _file_sets(dataset, tracks),
    }
    if records := _records(dataset, tracks, hashes):
        content["recordSet"] = [_record_set(records)]
    needed = ("description", "license", "url", "creator", "datePublished")
    return content, [key for key in needed if not facts[key]]


def _tracks(dataset: Dataset) -> list[tuple[str, Track]]:
    """Return the songs that are here, with their subset; none of a data set that is not here, or generated."""
    if not dataset.has_root or dataset.root is None:
        return []
    try:
        return [(subset, track) for subset in dataset.present_subsets() or [""] for track in _of(dataset, subset)]
    except MssBenchError:
        return []


def _of(dataset: Dataset, subset: str) -> list[Track]:
    return dataset.tracks(subset or None)


def _pieces(dataset: Dataset, track: Track) -> list[tuple[str, Path]]:
    """Return the name and the file of everything that a track is read from."""
    names = [*dataset.targets.stems, FLOOR]
    found = [(name, file) for name in names for file, _ in track.pieces(name)]
    return [(name, file) for name, file in dict.fromkeys(found) if file.is_file()]


def _relative(dataset: Dataset, file: Path) -> str:
    """Return a file's path below the data set's folder; its name where it lies elsewhere."""
    root = Path(dataset.root).resolve() if dataset.root is not None else Path()
    whole = file.absolute()
    return whole.relative_to(root).as_posix() if whole.is_relative_to(root) else file.name


def _file_sets(dataset: Dataset, tracks: Sequence[tuple[str, Track]]) -> list[dict[str, Any]]:
    """Return a file set for each subset and stem: the patterns of the files that are here, else those declared."""
    patterns: dict[str, dict[str, None]] = {}
    kinds: dict[str, str] = {}
    for subset, track in tracks:
        for name, file in _pieces(dataset, track):
            parts = _relative(dataset, file).split("/")
            general = "/".join("*" if part == track.name else part for part in parts)
            general = re.sub(re.escape(track.name), "*", general)
            key = "-".join(filter(None, (subset, name)))
            patterns.setdefault(key, {})[general] = None
            kinds[key] = _TYPES.get(file.suffix.lower(), "audio/wav")
    if not patterns:
        for subset, folder in (dataset.subsets or {"": ""}).items():
            for stem in (*dataset.targets.stems, FLOOR):
                key = "-".join(filter(None, (subset, stem)))
                patterns[key] = {"/".join(filter(None, (folder, "*", f"{stem}.*"))): None}
                kinds[key] = "audio/wav"
    return [
        {
            "@type": "cr:FileSet", "@id": key, "name": key, "encodingFormat": kinds[key],
            "includes": [*each] if len(each) > 1 else next(iter(each)),
        }
        for key, each in patterns.items()
    ]  # fmt: skip


def _records(dataset: Dataset, tracks: Sequence[tuple[str, Track]], hashes: bool) -> list[dict[str, str]]:
    """Return a record for each file of each song."""
    records = []
    for subset, track in tracks:
        for name, file in _pieces(dataset, track):
            record = dict(zip(_LISTED, (subset, track.name, name, _relative(dataset, file)), strict=True))
            if hashes:
                with file.open("rb") as stream:
                    record["sha256"] = hashlib.file_digest(stream, "sha256").hexdigest()
            records.append({f"files/{key}": value for key, value in record.items()})
    return records


def _record_set(records: Sequence[dict[str, str]]) -> dict[str, Any]:
    fields = [
        {"@type": "cr:Field", "@id": key, "name": key.partition("/")[2], "dataType": "sc:Text"} for key in records[0]
    ]
    return {
        "@type": "cr:RecordSet", "@id": "files", "name": "files", "description": "Every audio file of every song.",
        "field": fields, "data": list(records),
    }  # fmt: skip


_CR = (
    "citeAs", "column", "equivalentProperty", "extract", "field", "fileProperty", "fileObject", "fileSet", "format",
    "includes", "isLiveDataset", "jsonPath", "key", "md5", "parentField", "path", "recordSet", "references", "regex",
    "repeated", "replace", "samplingRate", "separator", "source", "subField", "transform",
)  # fmt: skip
_CONTEXT = {
    "@language": "en", "@vocab": "https://schema.org/", "sc": "https://schema.org/",
    "cr": "http://mlcommons.org/croissant/", "rai": "http://mlcommons.org/croissant/RAI/",
    "dct": "http://purl.org/dc/terms/", "conformsTo": "dct:conformsTo",
    "data": {"@id": "cr:data", "@type": "@json"}, "dataType": {"@id": "cr:dataType", "@type": "@vocab"},
    "examples": {"@id": "cr:examples", "@type": "@json"}, **{name: f"cr:{name}" for name in _CR},
}  # fmt: skip
