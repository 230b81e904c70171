"""RO-Crate 1.1 and Zenodo metadata of a bundle or a run folder.

``ro-crate-metadata.json`` is JSON-LD: the root data set with name, description, date, licence and authors, an entity
for every file with size and checksum, and the software that made them. ``.zenodo.json`` is what Zenodo takes over when
the files are uploaded or the repository is archived.
"""

from __future__ import annotations

import hashlib
import json
import mimetypes
from collections.abc import Mapping, Sequence
from typing import Any

import mss_bench
from mss_bench.leaderboards.board import Board, Entry

__all__ = ["CRATE", "ZENODO", "crate_files", "described", "licence_url", "ro_crate", "zenodo"]

CRATE, ZENODO = "ro-crate-metadata.json", ".zenodo.json"

_SOFTWARE = "#mss_bench"
_NOBODY = "anonymous submitter"
_TYPES = {".yaml": "application/yaml", ".parquet": "application/vnd.apache.parquet", ".npz": "application/zip"}
_LICENCES = {
    "cc by": "CC-BY-4.0", "cc by 4.0": "CC-BY-4.0", "cc by-sa 4.0": "CC-BY-SA-4.0",
    "cc by-nc-sa 4.0": "CC-BY-NC-SA-4.0", "cc by-nc 4.0": "CC-BY-NC-4.0", "cc0": "CC0-1.0", "mit": "MIT",
}  # fmt: skip


def crate_files(
    files: Mapping[str, bytes], facts: Mapping[str, Any], board: Board, entries: Sequence[Entry]
) -> dict[str, bytes]:
    """Return the metadata of a bundle, by the names of their files.

    Parameters
    ----------
    files : mapping of str to bytes
        The others, without ``bundle.json``, which holds the checksum of these.
    facts : mapping
        ``made`` (date), ``licence``, ``authors``.
    board : Board
    entries : sequence of Entry
    """
    methods = ", ".join(entry.method for entry in entries)
    words = f"Scores of each song of {methods}, for the board {board.title!r}: {board.dataset} {board.subset}".strip()
    sizes = {name: (len(content), hashlib.sha256(content).hexdigest()) for name, content in files.items()}
    return described(f"{methods} on {board.title}", f"{words}, metrics {', '.join(board.metrics)}.", facts,
                     {name: size for name, size in sizes.items() if name != "bundle.json"})  # fmt: skip


def described(
    title: str, words: str, facts: Mapping[str, Any], sizes: Mapping[str, tuple[int, str]]
) -> dict[str, bytes]:
    """Return both files of metadata.

    Parameters
    ----------
    title, words : str
        Name and description.
    facts : mapping
        ``made`` (date), ``licence``, ``authors``.
    sizes : mapping
        Bytes and SHA-256 of each file by its path.
    """
    content = {CRATE: ro_crate(title, words, facts, sizes), ZENODO: zenodo(title, words, facts)}
    return {name: (json.dumps(each, indent=1, ensure_ascii=False) + "\n").encode() for name, each in content.items()}


def ro_crate(
    title: str, words: str, facts: Mapping[str, Any], sizes: Mapping[str, tuple[int, str]]
) -> dict[str, Any]:  # fmt: skip
    """Return the content of ``ro-crate-metadata.json``; parameters as for `described`."""
    authors = [{"@id": f"#author-{i}", "@type": "Person", "name": name} for i, name in enumerate(_authors(facts), 1)]
    licence = licence_url(str(facts.get("licence", "")))
    root: dict[str, Any] = {
        "@id": "./", "@type": "Dataset", "name": title, "description": words, "datePublished": facts["made"],
        "license": {"@id": licence}, "author": [{"@id": author["@id"]} for author in authors],
        "hasPart": [{"@id": name} for name in sorted(sizes)],
        "mentions": [{"@id": _SOFTWARE}],
    }  # fmt: skip
    descriptor = {
        "@id": CRATE, "@type": "CreativeWork", "about": {"@id": "./"},
        "conformsTo": {"@id": "https://w3id.org/ro/crate/1.1"},
    }  # fmt: skip
    software = {
        "@id": _SOFTWARE, "@type": "SoftwareApplication", "name": "mss_bench", "version": mss_bench.__version__,
        "softwareVersion": mss_bench.__version__,
    }  # fmt: skip
    parts = [_file(name, *size) for name, size in sorted(sizes.items())]
    used = [{"@id": licence, "@type": "CreativeWork", "name": str(facts.get("licence", ""))}]
    graph = [descriptor, root, *parts, *authors, software, *used]
    return {"@context": "https://w3id.org/ro/crate/1.1/context", "@graph": graph}


def zenodo(title: str, words: str, facts: Mapping[str, Any]) -> dict[str, Any]:
    """Return the content of ``.zenodo.json``; parameters as for `described`."""
    return {
        "title": title,
        "upload_type": "dataset",
        "description": words,
        "creators": [{"name": name} for name in _authors(facts)],
        "license": str(facts.get("licence", "")),
        "access_right": "open",
        "publication_date": facts["made"],
        "keywords": ["music", "source separation", "evaluation", "benchmark"],
        "notes": f"Made with mss_bench {mss_bench.__version__}; mss-bench reproduce runs it again.",
    }


def licence_url(text: str) -> str:
    """Return the page of a licence that SPDX knows; of other words an address within the document."""
    spdx = _LICENCES.get(text.strip().casefold(), text.strip())
    if spdx.startswith(("http://", "https://")):
        return spdx
    plain = spdx and all(c.isalnum() or c in "-.+" for c in spdx)
    return f"https://spdx.org/licenses/{spdx}" if plain else "#licence"


def _authors(facts: Mapping[str, Any]) -> list[str]:
    return [str(name) for name in facts.get("authors") or ()] or [_NOBODY]


def _file(name: str, size: int, sha256: str) -> dict[str, Any]:
    suffix = name[name.rfind(".") :] if "." in name else ""
    kind = _TYPES.get(suffix) or mimetypes.guess_type(name)[0] or "application/octet-stream"
    return {
        "@id": name, "@type": "File", "name": name.rpartition("/")[2], "contentSize": str(size),
        "encodingFormat": kind, "sha256": sha256,
    }  # fmt: skip
