"""The two keys of a cell, and the content hashes of files that go into them.

The *estimate key* stands for all that determines the estimates, a *score key* for all that determines the scores of one
metric on one group of targets. `mss_bench.running.plan` puts together what each is made of, its preimage; the list is
in ``docs/architecture.md`` under "Why a cell is recomputed". A key is the SHA-256 of its preimage's JSON; the preimage
is stored beside it.

Code counts by what it does, not by how it is written (`source_hash`). Parameters at their defaults are left out of
a preimage, yet a new parameter of a separator or metric is new code, so that its cells are computed again.
"""

from __future__ import annotations

import ast
import contextlib
import functools
import hashlib
import inspect
import json
import os
import sqlite3
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mss_bench.core.audio import hash_file
from mss_bench.core.files import cache_folder
from mss_bench.core.tracks import Track
from mss_bench.errors import AudioError, ConfigError
from mss_bench.perturbations.track import Chain, PerturbedTrack

__all__ = ["CONFORM", "HashCache", "digest", "file_hash", "file_stamp", "known_code", "source_hash"]

_TABLE = "content (path TEXT PRIMARY KEY, size INT, mtime INT, ctime INT, sha TEXT, checksum TEXT)"
_CACHE_SECONDS = 1.0  # to wait for another process that writes hashes; hashing anew is the way out

_PACKAGE = Path(__file__).resolve().parents[1]

# Where this package computes. The rest of it (the command line, strict YAML, parameters ...) cannot change a number
# without changing a parameter or a file, which are part of a key themselves.
_COMPUTING = (
    "separators", "metrics", "perturbations", "dsp", "core/audio.py", "core/ffmpeg.py", "core/tracks.py",
    "core/annotations.py",
    "core/stem_map.py",  # sums and rests of stems
    "core/names.py", "core/patterns.py", "core/listing.py",  # which file of a folder is whose
    "running/conform.py",
)  # fmt: skip

CONFORM = _PACKAGE / "running" / "conform.py"
"""What the runner itself does to estimates: trim, pad, map and sum."""

_TEXTS = {"citation", "caution", "assumption", "licence", "only_reads", "unlike_paper"}
"""Class attributes that describe and do not compute."""

_HELP = {"doc", "unit", "flag", "short", "metavar", "expects"}
"""Arguments of `param` that describe and do not compute."""

_NO_MEANING = {"ctx", "kind", "type_comment", "type_ignores"}
"""Fields of nodes that follow from other fields, or that no longer mean anything."""


def digest(preimage: dict[str, Any]) -> str:
    """Return the key of a preimage: 40 hexadecimal digits of SHA-256 over its canonical JSON."""
    return hashlib.sha256(_canonical(preimage).encode()).hexdigest()[:40]


def _plain(value: object) -> str:
    if isinstance(value, Path):
        return str(value)
    # The text of an array leaves out its middle: two models would share a key.
    raise ConfigError(f"{value!r:.200} cannot be part of a key; parameters are numbers, text, lists and mappings")


_canonical = json.JSONEncoder(sort_keys=True, default=_plain).encode


def _stamp(stat: os.stat_result) -> tuple[int, int, int]:
    """Return what changes with a file's content; ctime catches copies that keep the time of modification."""
    return stat.st_size, stat.st_mtime_ns, stat.st_ctime_ns


def _text(path: str) -> str:
    """Return a path as text that a database takes: a name on Linux need not be Unicode."""
    return os.fsencode(path).decode("utf-8", "backslashreplace")


def _absolute(path: Path) -> str:
    return str(path if path.is_absolute() else path.absolute())


def _row_checksum(row: Sequence[Any]) -> str:
    return _sha256(repr(tuple(row)))[:16]


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
        self._seen: dict[str, str] = {}  # by absolute paths as text, of which hashes are made ten times as fast
        self._stamps: dict[str, tuple[int, int, int]] = {}
        self._new: list[tuple[str, int, int, int, str, str]] = []
        self.problem = ""  # why the cache cannot be used, in words
        self._file = cache_folder() / "hashes.sqlite"

    def file(self, path: Path) -> str:
        """Return the SHA-256 of a file's content.

        Raises
        ------
        AudioError
            When it cannot be read.
        """
        name = _absolute(path)
        if name not in self._seen:
            try:
                stamp = _stamp(path.stat())
                known = None if self._rehash else self._table.get((_text(name), *stamp))
                self._seen[name] = known or hash_file(name)
            except OSError as error:
                raise AudioError(f"{name} cannot be read: {error.strerror or error}") from error
            self._stamps[name] = stamp
            if known is None:
                row = (_text(name), *stamp, self._seen[name])
                self._new.append((*row, _row_checksum(row)))
        return self._seen[name]

    def stamps(self, paths: Iterable[Path]) -> tuple[tuple[str, tuple[int, int, int]], ...]:
        """Return the stamps of files when they were hashed; missing files have zeros."""
        return tuple((str(p), self._stamps.get(_absolute(p), (0, 0, 0))) for p in paths)

    def mixture(self, track: Track) -> dict[str, Any]:
        """Return what determines a track's mixture."""
        content = self._mixture(track)
        if isinstance(track, PerturbedTrack):
            # Of a stem that is changed the mixture has what became of it.
            stems = {"stems": self._references(track)} if any(step.stems for step in track.chain.steps) else {}
            content |= {"perturbed": _perturbed(track.chain) | stems}
        return content

    def references(self, track: Track) -> dict[str, Any]:
        """Return what determines a track's references."""
        content = self._references(track)
        if isinstance(track, PerturbedTrack) and track.chain.changes_references:
            # A limiter's gain, for one, follows the mixture.
            content |= {"perturbed": _perturbed(track.chain) | {"mixture": self._mixture(track)}}
        return content

    def _mixture(self, track: Track) -> dict[str, Any]:
        if track.mixture and not track.fit.trim:
            return self._content(track, {"mixture": track.mixture})
        return self._content(track, self._trimmed(track)) | ({} if track.mixture else {"mixture": "sum"})

    def _references(self, track: Track) -> dict[str, Any]:
        mapped = {"map": str(track.stem_map)} if track.stem_map else {}
        return self._content(track, self._trimmed(track)) | mapped

    def _trimmed(self, track: Track) -> dict[str, tuple[Path, ...]]:
        """Return the files of the stems, and those that decide where they are cut."""
        return track.stems | ({"mixture": track.mixture} if track.fit.trim and track.mixture else {})

    def _content(self, track: Track, files: dict[str, tuple[Path, ...]]) -> dict[str, Any]:
        # A missing file has no content; reading the track reports it, for this track alone.
        content = {n: [self.file(f) if f.is_file() else "missing" for f in fs] for n, fs in sorted(files.items())}
        # Facts hold only what differs from the default, so that a new kind of them keeps the keys of other tracks.
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
        try:
            self._file.parent.mkdir(parents=True, exist_ok=True)
            with contextlib.closing(sqlite3.connect(self._file, timeout=_CACHE_SECONDS)) as base, base:
                base.execute(f"CREATE TABLE IF NOT EXISTS {_TABLE}")
                base.executemany("INSERT OR REPLACE INTO content VALUES (?, ?, ?, ?, ?, ?)", self._new)
        except (sqlite3.Error, OSError) as error:
            self._unusable(error)
        else:
            self._new.clear()

    def _unusable(self, error: Exception) -> None:
        """Note that the cache does not answer, once."""
        self.problem = self.problem or (
            f"the cache of content hashes {self._file} cannot be used ({error}): files are hashed again, which takes "
            "longer; end the process that holds it, remove it, or name another folder in MSS_BENCH_CACHE"
        )

    # Read once as a whole: a run asks for thousands of files, and every shard of a job array has the file open.
    @functools.cached_property
    def _table(self) -> dict[tuple[str, int, int, int], str]:
        if not self._file.is_file():
            return {}
        try:
            with contextlib.closing(sqlite3.connect(self._file, timeout=_CACHE_SECONDS)) as base:
                if not base.execute("SELECT name FROM sqlite_master WHERE name = 'content'").fetchone():
                    return {}  # of an earlier version
                rows = base.execute("SELECT path, size, mtime, ctime, sha, checksum FROM content")
                # A bit that flipped here would give a file another content, and its cells keys that nobody has.
                return {tuple(row[:4]): row[4] for row in rows if _row_checksum(row[:5]) == row[5]}
        except sqlite3.Error as error:
            self._unusable(error)
            return {}


def _perturbed(chain: Chain) -> dict[str, Any]:
    """Return what determines what a chain of perturbations does to audio."""
    steps = [
        {"name": s.name, "version": p.version, "params": s.params, "source": source_hash(type(p))}
        for s, p in zip(chain.described, chain.steps, strict=True)
    ]
    return {"steps": steps, "seed": chain.seed}


def source_hash(cls: type) -> str:
    """Return the hash of the source that a class runs.

    That is its module, those of its bases, and whatever these import, directly or through others, of the parts of this
    package that compute. Other packages are not looked into: raise the version where a new release of one changes the
    output.
    """
    files: list[Path] = []
    for base in cls.__mro__[:-1]:
        with contextlib.suppress(TypeError, OSError):
            source = inspect.getsourcefile(base)
            if source and base.__module__ != "abc":
                module = Path(source).resolve()
                if _counts(module):
                    # A method that is a package of its own is made of all its files.
                    files += module.parent.glob("*.py") if module.name == "__init__.py" else [module]
    return file_hash(*files)


def file_hash(*files: Path) -> str:
    """Return the hash of the code in some files, and in what they import of the parts of this package that compute."""
    waiting = list(files)
    codes: dict[Path, _Code] = {}
    while waiting:
        file = waiting.pop()
        if file not in codes:
            codes[file] = _code(file)
            waiting += codes[file].imports
    # A set, so that a file may move. Beside each stand the contents of the files it imports from: which of two
    # functions of one name it calls is part of what it does.
    parts = {f"{code.text} {sorted(codes[file].text for file in code.imports)}" for code in codes.values()}
    return _sha256("\n".join(sorted(parts)))[:40]


@dataclass(frozen=True)
class _Code:
    """What the code of a file means, as a hash, and the files of this package that it computes with."""

    text: str
    imports: tuple[Path, ...]


known_code: dict[tuple[Path, tuple[int, ...]], _Code] = {}
"""The code of files that were read, by path and stamp; a run tells it to its workers, which would take 0.1 s each."""


def _code(file: Path) -> _Code:
    stat = file.stat()  # a plugin may change while the process lives
    key = file, (stat.st_size, stat.st_mtime_ns, stat.st_ctime_ns, stat.st_ino)
    if key not in known_code:
        tree = ast.parse(file.read_bytes())
        known_code[key] = _Code(_sha256(json.dumps(meaning(tree))), tuple(sorted(_imports(tree))))
    return known_code[key]


def _sha256(text: str) -> str:
    return hashlib.sha256(text.encode(errors="surrogatepass")).hexdigest()


def meaning(node: Any) -> Any:
    """Return a syntax tree as nested lists, without what does not change the result.

    Fields that are empty are left out, so that those which later versions of Python add change nothing.
    """
    if isinstance(node, list):
        return [meaning(n) for n in node if not _tells_only(n)]
    if not isinstance(node, ast.AST):
        return repr(node)
    instead: dict[str, Any] = {}
    if isinstance(node, ast.ClassDef):
        instead["body"] = [n for n in node.body if not _TEXTS & _assigned(n)]
    elif isinstance(node, ast.Call) and _name(node.func) == "param":
        instead["keywords"] = [k for k in node.keywords if k.arg not in _HELP]
    elif isinstance(node, ast.ImportFrom) and (node.module or "").partition(".")[0] == _PACKAGE.name:
        instead["module"] = None  # files of this package may move; what is imported is hashed by its content
    elif isinstance(node, ast.JoinedStr):
        return ["JoinedStr", _pieces(node)]
    elif _types_only(node):
        instead["body"] = []
    said: list[Any] = [type(node).__name__]
    for name in node._fields:
        child = instead.get(name, getattr(node, name, None)) if instead else getattr(node, name, None)
        if child is not None and name not in _NO_MEANING and (told := meaning(child)) != []:
            said += name, told
    return said


def _tells_only(node: Any) -> bool:
    """Return whether a statement is a docstring, another bare text, or there for type checkers alone."""
    if isinstance(node, ast.If):
        return _types_only(node) and not node.orelse
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str)


def _assigned(statement: ast.stmt) -> set[str]:
    targets = statement.targets if isinstance(statement, ast.Assign) else [getattr(statement, "target", None)]
    return {t.id for t in targets if isinstance(t, ast.Name)}


def _name(node: ast.expr) -> str:
    return node.attr if isinstance(node, ast.Attribute) else node.id if isinstance(node, ast.Name) else ""


def _pieces(text: ast.JoinedStr) -> list[Any]:
    """Return the pieces of an f-string; how constant text is cut into pieces differs between versions of Python."""
    pieces: list[Any] = []
    for value in text.values:
        if not isinstance(value, ast.Constant):
            pieces.append(meaning(value))
        elif value.value and pieces and isinstance(pieces[-1], str):
            pieces[-1] += str(value.value)
        elif value.value:
            pieces.append(str(value.value))
    return pieces


def _types_only(node: ast.AST) -> bool:
    """Return whether a statement is there for type checkers alone."""
    return isinstance(node, ast.If) and _name(node.test) == "TYPE_CHECKING"


def _imports(tree: ast.Module) -> set[Path]:
    """Return the files of this package that a module computes with, those imported inside its functions too."""
    names: set[str] = set()
    waiting: list[ast.AST] = [tree]
    while waiting:
        node = waiting.pop()
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
        elif isinstance(node, ast.If) and _types_only(node):
            waiting += node.orelse
        elif not isinstance(node, ast.expr):
            waiting += ast.iter_child_nodes(node)
    paths = [_PACKAGE.joinpath(*name.split(".")[1:]) for name in names if name.startswith(f"{_PACKAGE.name}.")]
    files = {f for p in paths for f in (p.with_suffix(".py"), p / "__init__.py") if f.is_file()}
    # The registries, which name every method, are none of what one of them computes.
    return {f for f in files if _counts(f) and (f.name != "__init__.py" or f.parent.parent != _PACKAGE)}


def _counts(file: Path) -> bool:
    """Return whether a file computes: all do but those of the other parts of this package."""
    if not file.is_relative_to(_PACKAGE):
        return True
    return any(file.is_relative_to(_PACKAGE / part) for part in _COMPUTING)
