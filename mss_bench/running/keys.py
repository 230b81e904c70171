"""The two keys of a cell, and the content hashes of files that go into them.

The *estimate key* stands for all that determines the estimates, a *score key* for all that determines the scores of one
metric on one group of targets. `mss_bench.running.plan` puts together what each is made of, its preimage; the list is
in ``docs/architecture.md`` under "Why a cell is recomputed". A key is the SHA-256 of its preimage's JSON; the preimage
is stored beside it.

Code counts by what it does (`mss_bench.running.source`). Parameters at their defaults are left out of a preimage, yet a
new parameter of a separator or metric is new code, so that its cells are computed again.
"""

from __future__ import annotations

import contextlib
import functools
import hashlib
import json
import os
import sqlite3
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from mss_bench.core.audio import hash_file
from mss_bench.core.files import cache_folder
from mss_bench.core.tracks import Track
from mss_bench.errors import AudioError, ConfigError

__all__ = ["HashCache", "digest", "file_stamp"]


def digest(preimage: dict[str, Any]) -> str:
    """Return the key of a preimage: 40 hexadecimal digits of SHA-256 over its canonical JSON."""
    text = json.dumps(preimage, sort_keys=True, default=_plain)
    return hashlib.sha256(text.encode()).hexdigest()[:40]


def _plain(value: object) -> str:
    if isinstance(value, Path):
        return str(value)
    # The text of an array leaves out its middle: two models would share a key.
    raise ConfigError(f"{value!r:.200} cannot be part of a key; parameters are numbers, text, lists and mappings")


def _stamp(stat: os.stat_result) -> tuple[int, int, int]:
    """Return what changes with a file's content; ctime catches copies that keep the time of modification."""
    return stat.st_size, stat.st_mtime_ns, stat.st_ctime_ns


def file_stamp(path: str | Path) -> tuple[int, int, int]:
    """Return the stamp of a file, zeros where there is none."""
    try:
        return _stamp(Path(path).stat())
    except OSError:
        return 0, 0, 0


class HashCache:
    """Content hashes of files, remembered by path, size and modification time.

    Parameters
    ----------
    rehash : bool
        Read every file again whatever is remembered.
    """

    def __init__(self, rehash: bool = False) -> None:
        self._rehash = rehash
        self._seen: dict[Path, str] = {}
        self._stamps: dict[Path, tuple[int, int, int]] = {}
        self._new: list[tuple[str, int, int, int, str]] = []
        self._file = cache_folder() / "hashes.sqlite"

    def file(self, path: Path) -> str:
        """Return the SHA-256 of a file's content.

        Raises
        ------
        AudioError
            When it cannot be read.
        """
        path = path.absolute()
        if path not in self._seen:
            try:
                stat = path.stat()
                known = None if self._rehash else self._look_up(path, stat)
                self._seen[path] = known or hash_file(path)
            except OSError as error:
                raise AudioError(f"{path} cannot be read: {error.strerror or error}") from error
            self._stamps[path] = _stamp(stat)
            if known is None:
                self._new.append((str(path), *_stamp(stat), self._seen[path]))
        return self._seen[path]

    def stamps(self, paths: Iterable[Path]) -> tuple[tuple[str, tuple[int, int, int]], ...]:
        """Return the stamps of files when they were hashed; those that were not there have zeros."""
        return tuple((str(p), self._stamps.get(p.absolute(), (0, 0, 0))) for p in paths)

    def mixture(self, track: Track) -> dict[str, Any]:
        """Return what determines a track's mixture."""
        if track.mixture and not track.fit.trim:
            return self._content(track, {"mixture": track.mixture})
        return self._content(track, self._trimmed(track)) | ({} if track.mixture else {"mixture": "sum"})

    def references(self, track: Track) -> dict[str, Any]:
        """Return what determines a track's references."""
        return self._content(track, self._trimmed(track))

    def _trimmed(self, track: Track) -> dict[str, tuple[Path, ...]]:
        """Return the files of the stems, and of all else that decides how long they are."""
        return track.stems | ({"mixture": track.mixture} if track.fit.trim and track.mixture else {})

    def _content(self, track: Track, files: dict[str, tuple[Path, ...]]) -> dict[str, Any]:
        # A file that is missing has no content; reading the track says so for this track alone.
        content = {n: [self.file(f) if f.is_file() else "missing" for f in fs] for n, fs in sorted(files.items())}
        # Facts are what differs from the usual, so that a new kind of them leaves other tracks' keys as they are.
        facts: dict[str, Any] = dict(track.facts)
        if parts := {name: [vars(part) for part in track.parts[name]] for name in files if name in track.parts}:
            facts["parts"] = parts
        if fit := track.fit.flags():
            facts["fit"] = fit | {"sample_rate": track.sample_rate}
        return {"content": content, "start": track.start, "duration": track.duration} | facts

    def save(self) -> None:
        """Remember what was hashed. A cache that cannot be written is only slower next time."""
        if not self._new:
            return
        with contextlib.suppress(sqlite3.Error, OSError):
            self._file.parent.mkdir(parents=True, exist_ok=True)
            with contextlib.closing(sqlite3.connect(self._file, timeout=10)) as base, base:
                base.execute(
                    "CREATE TABLE IF NOT EXISTS files (path TEXT PRIMARY KEY, size INT, mtime INT, ctime INT, sha TEXT)"
                )
                base.executemany("INSERT OR REPLACE INTO files VALUES (?, ?, ?, ?, ?)", self._new)
            self._new.clear()

    def _look_up(self, path: Path, stat: os.stat_result) -> str | None:
        return self._table.get((str(path), *_stamp(stat)))

    # Read once as a whole: a run asks for thousands of files, and every shard of a job array has the file open.
    @functools.cached_property
    def _table(self) -> dict[tuple[str, int, int, int], str]:
        if not self._file.is_file():
            return {}
        try:
            with contextlib.closing(sqlite3.connect(self._file, timeout=10)) as base:
                rows = base.execute("SELECT path, size, mtime, ctime, sha FROM files")
                return {(path, size, mtime, ctime): sha for path, size, mtime, ctime, sha in rows}
        except sqlite3.Error:
            return {}
