"""The two keys.

*Estimate key*: what determines the estimates: separator, version, parameters, the code and files it is made of, the
content of the mixture (of the references too for an oracle), the targets asked for, the seed. *Score key*: the estimate
key, the content of the references, the target group, the metric with version and parameters. Paths, jobs and display
are in neither. A key is the SHA-256 of its preimage's JSON; the preimage is stored beside it.
"""

from __future__ import annotations

import contextlib
import functools
import hashlib
import inspect
import json
import os
import sqlite3
from pathlib import Path
from typing import Any

from mss_bench.audio import hash_file
from mss_bench.errors import AudioError
from mss_bench.tracks import Track

__all__ = ["HashCache", "digest", "source_hash"]


def digest(preimage: dict[str, Any]) -> str:
    """Key of a preimage: 40 hexadecimal digits of SHA-256 over its canonical JSON."""
    text = json.dumps(preimage, sort_keys=True, ensure_ascii=False, default=str)
    return hashlib.sha256(text.encode()).hexdigest()[:40]


def source_hash(cls: type) -> str:
    """Hash of the source that a class runs: its module, those of its bases and, for a built-in, the shared `dsp`."""
    files: set[Path] = set()
    for base in cls.__mro__[:-1]:
        with contextlib.suppress(TypeError, OSError):
            file = inspect.getsourcefile(base)
            if file and base.__module__ != "abc":
                # A method that is a package of its own is made of all its files.
                own = Path(file)
                files |= set(own.parent.glob("*.py")) if own.name == "__init__.py" else {own}
    package = Path(__file__).resolve().parents[1]
    if any(package in f.resolve().parents for f in files if f.name != "base.py"):
        files |= set((package / "dsp").glob("*.py"))
    return _hash_sources(tuple(sorted(files)))


@functools.cache
def _hash_sources(files: tuple[Path, ...]) -> str:
    return digest({f.name: hash_file(f) for f in files})


def cache_folder() -> Path:
    """Folder for what can be made anew: ``$MSS_BENCH_CACHE`` or the user's cache."""
    import platformdirs

    return Path(os.environ.get("MSS_BENCH_CACHE") or platformdirs.user_cache_dir("mss_bench"))


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
        self._new: list[tuple[str, int, int, str]] = []
        self._file = cache_folder() / "hashes.sqlite"

    def file(self, path: Path) -> str:
        """SHA-256 of a file's content.

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
            if known is None:
                self._new.append((str(path), stat.st_size, stat.st_mtime_ns, self._seen[path]))
        return self._seen[path]

    def mixture(self, track: Track) -> dict[str, Any]:
        """What determines a track's mixture."""
        if track.mixture:
            return self._content(track, {"mixture": track.mixture})
        return self._content(track, track.stems) | {"mixture": "sum"}

    def references(self, track: Track) -> dict[str, Any]:
        """What determines a track's references."""
        return self._content(track, track.stems)

    def _content(self, track: Track, files: dict[str, tuple[Path, ...]]) -> dict[str, Any]:
        # A file that is missing has no content; reading the track says so for this track alone.
        content = {n: [self.file(f) if f.is_file() else "missing" for f in fs] for n, fs in sorted(files.items())}
        return {"content": content, "start": track.start, "duration": track.duration} | track.facts

    def save(self) -> None:
        """Remember what was hashed. A cache that cannot be written is only slower next time."""
        if not self._new:
            return
        with contextlib.suppress(sqlite3.Error, OSError):
            self._file.parent.mkdir(parents=True, exist_ok=True)
            with contextlib.closing(sqlite3.connect(self._file, timeout=10)) as base, base:
                base.execute("CREATE TABLE IF NOT EXISTS hashes (path TEXT PRIMARY KEY, size INT, mtime INT, sha TEXT)")
                base.executemany("INSERT OR REPLACE INTO hashes VALUES (?, ?, ?, ?)", self._new)
            self._new.clear()

    def _look_up(self, path: Path, stat: os.stat_result) -> str | None:
        return self._table.get((str(path), stat.st_size, stat.st_mtime_ns))

    @functools.cached_property
    def _table(self) -> dict[tuple[str, int, int], str]:
        if not self._file.is_file():
            return {}
        try:
            with contextlib.closing(sqlite3.connect(self._file, timeout=10)) as base:
                return {(p, s, m): h for p, s, m, h in base.execute("SELECT path, size, mtime, sha FROM hashes")}
        except sqlite3.Error:
            return {}
