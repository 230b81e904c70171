"""Bundles: what somebody submits to a board, in one ZIP file or folder that others check without trusting it.

::

    bundle.json              board, methods, contact, licence of the numbers, checksum of every other file
    board.yaml               the board as the submitter had it
    entries/<method>.csv     scores of each song, as on the board
    entries/<method>.yaml    what the method is, and where its numbers come from
    run.json                 the run that they are of: versions, machine, options, data
    recipe.yaml              a run file that runs it again
    method/...               manifests, plugins and catalogs that the recipe names; weights are named by their checksum
    ro-crate-metadata.json   the same in words that archives read
    .zenodo.json

A bundle comes from a stranger. It is read into memory, within limits, and nothing of it is executed or written outside
a temporary folder; its own checksums find a damaged or carelessly edited file, not a lie, which takes computing again.
"""

from __future__ import annotations

import copy
import hashlib
import io
import re
import stat
import tempfile
import zipfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mss_bench.core.files import json_text, parse_json, read_whole, write_atomic
from mss_bench.core.text import harmless
from mss_bench.errors import ConfigError, RunError
from mss_bench.leaderboards.board import Board, Entry, entry_names, read_board, read_entry, write_entry

__all__ = ["Bundle", "bundle_files", "is_bundle", "read_bundle", "write_bundle"]

FORMAT = 1
_MOST_FILES = 2000
_MOST_FILE = 2**26  # bytes of one file
_MOST_ALL = 2**28  # bytes of all: a ZIP file of a megabyte can claim a thousand times as much
_ALLOWED = re.compile(
    r"bundle\.json|board\.yaml|run\.json|recipe\.yaml|ro-crate-metadata\.json|\.zenodo\.json"
    r"|entries/[^/]+\.(csv|yaml)|method/.+"
)
_DATE = (1980, 1, 1, 0, 0, 0)  # of every member: the same content is the same file


@dataclass(frozen=True)
class Bundle:
    """A bundle in memory, its checksums compared.

    Parameters
    ----------
    path : Path
        Where it was read.
    files : mapping of str to bytes
        Everything in it by its path, ``bundle.json`` apart.
    facts : mapping
        What ``bundle.json`` says.
    """

    path: Path
    files: Mapping[str, bytes]
    facts: Mapping[str, Any]

    @property
    def run(self) -> dict[str, Any]:
        """Return ``run.json``; empty where the numbers are of no run."""
        return _json(self.path, "run.json", self.files["run.json"]) if "run.json" in self.files else {}

    @contextmanager
    def unpacked(self) -> Iterator[Path]:
        """Yield a temporary folder with the files."""
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            for path, content in self.files.items():
                file = folder / path
                file.parent.mkdir(parents=True, exist_ok=True)
                file.write_bytes(content)
            yield folder

    def board(self, folder: Path, of: Board | None = None) -> Board:
        """Return the board of the unpacked entries: that of the bundle, or another one's rules for them.

        Parameters
        ----------
        folder : Path
            From `unpacked`.
        of : Board, optional
        """
        board = read_board(folder) if of is None else copy.copy(of)
        board.folder = folder
        return board

    def entries(self, board: Board) -> list[Entry]:
        """Return the entries.

        Raises
        ------
        ConfigError
            One is not of the form, or has more rows than the board has cells.
        """
        with self.unpacked() as folder:
            own = self.board(folder, board)
            self.refuse_too_many(own)
            return [read_entry(own, name) for name in entry_names(own)]

    def refuse_too_many(self, board: Board) -> None:
        """Refuse a table with more rows than a board has cells, before it is parsed."""
        most = 4 * len(board.tracks) * len(board.targets) * len(board.metrics)  # a target may be scored in some groups
        for path, content in self.files.items():
            if path.startswith("entries/") and path.endswith(".csv") and (rows := content.count(b"\n") - 1) > most:
                raise ConfigError(
                    f"{self.path}: {path} has {rows} rows, and the board {len(board.tracks)} songs, "
                    f"{len(board.targets)} targets and {len(board.metrics)} metrics; expected at most {most} rows"
                )


def is_bundle(path: Path) -> bool:
    """Return whether a path is meant as a bundle: a ZIP file, or a folder with ``bundle.json``."""
    return path.suffix.lower() == ".zip" or (path / "bundle.json").is_file()


def bundle_files(
    board: Board, entries: list[Entry], further: Mapping[str, bytes], facts: Mapping[str, Any]
) -> dict[str, bytes]:
    """Return the files of a bundle, ``bundle.json`` with their checksums last.

    Parameters
    ----------
    board : Board
    entries : list of Entry
    further : mapping of str to bytes
        ``run.json``, ``recipe.yaml``, files of the method.
    facts : mapping
        ``contact``, ``licence``, ``weights``, ``made``.
    """
    files = {"board.yaml": (board.folder / "board.yaml").read_bytes()}
    with tempfile.TemporaryDirectory() as name:
        own = copy.copy(board)
        own.folder = Path(name)
        for entry in entries:
            for file in write_entry(own, entry):
                files[f"entries/{file.name}"] = file.read_bytes()
    files |= further
    content = {
        "format": FORMAT,
        "board": {"name": board.folder.resolve().name, "title": board.title, "dataset": board.dataset,
                  "subset": board.subset, "revision": board.revision, "preset": board.preset},
        "methods": [entry.method for entry in entries],
        **facts,
        "files": {path: hashlib.sha256(content).hexdigest() for path, content in sorted(files.items())},
    }  # fmt: skip
    return files | {"bundle.json": json_text(content).encode("utf-8", "backslashreplace")}


def write_bundle(path: Path, files: Mapping[str, bytes]) -> Path:
    """Write a bundle: a ZIP file where the name ends so, else a folder, which must not be there yet.

    Raises
    ------
    RunError
        It cannot be written; nothing is left behind.
    """
    if path.suffix.lower() == ".zip":
        stream = io.BytesIO()
        with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
            for name, content in sorted(files.items()):
                info = zipfile.ZipInfo(name, _DATE)
                info.external_attr, info.compress_type = 0o644 << 16, zipfile.ZIP_DEFLATED
                archive.writestr(info, content)
        return write_atomic(path, stream.getvalue())
    if path.exists():
        raise RunError(f"{path} is there already; name another folder or a file that ends in .zip with -o, --out")
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=path.parent) as name:
        for each, content in files.items():
            write_atomic(Path(name) / "bundle" / each, content)
        (Path(name) / "bundle").rename(path)
    return path


def read_bundle(path: Path) -> Bundle:
    """Read a bundle without trusting it.

    Raises
    ------
    ConfigError
        It is no whole bundle, holds what no bundle has (links, paths that leave it, too much), or a file that is not
        what its checksum says.
    """
    members = _of_folder(path) if path.is_dir() else _of_zip(path)
    if "bundle.json" not in members:
        raise ConfigError(f"{path} is no bundle: it has no bundle.json; make one with mss-bench leaderboard submit")
    facts = _json(path, "bundle.json", members.pop("bundle.json"))
    listed = facts.get("files")
    if facts.get("format") != FORMAT or not isinstance(listed, dict):
        raise ConfigError(f"{path}: bundle.json is of format {facts.get('format')!r}, expected {FORMAT}")
    for name in sorted({*members} | {*listed}):
        if name not in members:
            raise ConfigError(f"{path}: {harmless(name)} is missing, which bundle.json lists")
        if name not in listed:
            raise ConfigError(f"{path}: {harmless(name)} is not listed in bundle.json; make the bundle anew")
        if hashlib.sha256(members[name]).hexdigest() != listed[name]:
            raise ConfigError(f"{path}: {harmless(name)} was changed: its checksum is not the one in bundle.json")
    return Bundle(path, members, facts)


def _json(path: Path, name: str, content: bytes) -> dict[str, Any]:
    try:
        value = parse_json(content)
    except ValueError as error:
        raise ConfigError(f"{path}: {name} cannot be read: {error}") from error
    if not isinstance(value, dict):
        raise ConfigError(f"{path}: {name} is no mapping")
    return value


def _of_zip(path: Path) -> dict[str, bytes]:
    members: dict[str, bytes] = {}
    left = _MOST_ALL
    try:
        with zipfile.ZipFile(io.BytesIO(read_whole(path, most=_MOST_ALL))) as archive:
            infos = [info for info in archive.infolist() if not info.is_dir()]
            _refuse_many(path, len(infos))
            for info in infos:
                kind = stat.S_IFMT(info.external_attr >> 16)
                if kind and not stat.S_ISREG(kind):
                    raise ConfigError(f"{path}: {harmless(info.filename)} is a link, expected files alone")
                if info.flag_bits & 1:
                    raise ConfigError(f"{path}: {harmless(info.filename)} is encrypted")
                name = _plain(path, info.filename, members)
                with archive.open(info) as stream:  # what the archive says of sizes may be wrong
                    members[name] = stream.read(min(left, _MOST_FILE) + 1)
                left = _less(path, name, left, len(members[name]))
    except OSError as error:
        raise ConfigError(f"{path} cannot be read: {error.strerror or error}") from error
    except (zipfile.BadZipFile, EOFError, NotImplementedError, ValueError, zipfile.zlib.error) as error:  # type: ignore[attr-defined]
        raise ConfigError(f"{path} is no whole ZIP file: {error}") from error
    return members


def _of_folder(path: Path) -> dict[str, bytes]:
    members: dict[str, bytes] = {}
    left = _MOST_ALL
    try:
        found = sorted(path.rglob("*"))
        _refuse_many(path, len(found))
        for file in found:
            name = file.relative_to(path).as_posix()
            if file.is_symlink():
                raise ConfigError(f"{path}: {harmless(name)} is a link, expected files alone")
            if not file.is_dir():
                members[_plain(path, name, members)] = read_whole(file, most=_MOST_FILE + 1)
                left = _less(path, name, left, len(members[name]))
    except OSError as error:
        raise ConfigError(f"{path} cannot be read: {error.strerror or error}") from error
    return members


def _refuse_many(path: Path, count: int) -> None:
    if count > _MOST_FILES:
        raise ConfigError(f"{path} holds {count} files, expected at most {_MOST_FILES}")


def _less(path: Path, name: str, left: int, size: int) -> int:
    """Return how many bytes may still come after a file; refuse one that is too large."""
    if size > min(left, _MOST_FILE):
        raise ConfigError(
            f"{path}: {name} unpacks to more than a bundle holds, {_MOST_FILE >> 20} MiB a file and "
            f"{_MOST_ALL >> 20} MiB in all"
        )
    return left - size


def _plain(path: Path, name: str, known: Mapping[str, bytes]) -> str:
    """Return the path of a file in a bundle; refuse one that leaves it, is there twice, or that no bundle has."""
    parts = name.split("/")
    if name != harmless(name, keep="") or "\\" in name or ":" in name or {"", ".", ".."} & {*parts}:
        raise ConfigError(f"{path} holds the path {harmless(name)!r}, which leaves the bundle or is no plain path")
    if name.casefold() in {each.casefold() for each in known}:
        raise ConfigError(f"{path} holds {name!r} twice")
    if not _ALLOWED.fullmatch(name):
        raise ConfigError(f"{path} holds {name!r}, which no bundle has")
    return name
