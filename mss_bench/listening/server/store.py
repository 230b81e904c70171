"""Listeners and their answers in SQLite.

One file beside the pack, in WAL mode with ``synchronous=FULL``: a commit returns when its bytes are on the disk, and
only then is an answer acknowledged. Step n of a listener is a key of its own, and the first answer to it is kept:
what a browser sends twice is there once.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import secrets
import sqlite3
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mss_bench.errors import ConfigError, MssBenchError

__all__ = ["Answer", "Conflict", "Listener", "Store"]

_SCHEMA = """
CREATE TABLE IF NOT EXISTS settings (name TEXT PRIMARY KEY, value TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS listeners (
    number INTEGER PRIMARY KEY, code TEXT NOT NULL UNIQUE, way TEXT NOT NULL,
    token TEXT NOT NULL, digest TEXT NOT NULL UNIQUE, stage TEXT NOT NULL,
    started REAL, seen REAL, finished REAL, level_db REAL NOT NULL DEFAULT 0, attempts INTEGER NOT NULL DEFAULT 0,
    name TEXT NOT NULL DEFAULT '', questionnaire TEXT NOT NULL DEFAULT '{}');
CREATE TABLE IF NOT EXISTS answers (
    listener INTEGER NOT NULL REFERENCES listeners (number), step INTEGER NOT NULL, submission TEXT NOT NULL,
    trial TEXT NOT NULL, answer TEXT NOT NULL, ms REAL NOT NULL, at REAL NOT NULL, PRIMARY KEY (listener, step));
"""
_CHANGEABLE = frozenset({"stage", "finished", "level_db", "attempts", "name", "questionnaire"})


class Conflict(MssBenchError):
    """What was sent does not fit what is there already."""


@dataclass(frozen=True)
class Listener:
    """A listener.

    Parameters
    ----------
    number : int
        From 0; determines the configuration.
    code : str
        As in tables; never a name.
    way : str
        How they come: ``"link"`` of their own, ``"panel"`` with a participant id, or ``"open"`` without one.
    token : str
    stage : str
        Where they are: one of `mss_bench.listening.server.flow.Stage`.
    done : int
        Trials that are saved.
    started, seen, finished : float or None
        Seconds since 1970.
    level_db : float
        The level that they set.
    attempts : int
        Failed headphone checks.
    name : str
        Empty unless the test asks for it.
    questionnaire : dict
    """

    number: int
    code: str
    way: str
    token: str
    stage: str
    done: int
    started: float | None
    seen: float | None
    finished: float | None
    level_db: float
    attempts: int
    name: str
    questionnaire: dict[str, str]


@dataclass(frozen=True)
class Answer:
    """A saved trial: the listener's number, its step, the trial's id, what was answered, and its time."""

    listener: int
    step: int
    trial: str
    answer: dict[str, Any]
    ms: float
    at: float


class Store:
    """The database of a test.

    Parameters
    ----------
    folder : Path
        Made where it does not exist, readable by its owner alone: links are in it.
    pack : str
        Checksum of the pack, to which the answers belong.

    Raises
    ------
    ConfigError
        The folder holds the answers to another pack, or a file that is no database.
    """

    def __init__(self, folder: Path, pack: str) -> None:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        self.path = folder / "ratings.sqlite"
        self._lock = threading.Lock()
        try:
            self.path.touch(mode=0o600)
            self._db = sqlite3.connect(self.path, timeout=30, isolation_level=None, check_same_thread=False)
            self._db.row_factory = sqlite3.Row
            self._db.execute("PRAGMA journal_mode=WAL")
            # What was acknowledged must survive a power cut, and readers must not stop writers.
            self._db.execute("PRAGMA synchronous=FULL")
            self._db.execute("PRAGMA foreign_keys=ON")
            self._db.executescript(_SCHEMA)
            stored = self._setting("pack", pack)
        except (OSError, sqlite3.Error) as error:
            raise ConfigError(f"{self.path} cannot be used for ratings: {error}") from error
        if stored != pack:
            raise ConfigError(
                f"{self.path} holds the ratings of a pack that was made anew since; move {folder} away to start afresh"
            )
        self.experimenter = self._setting("experimenter", secrets.token_urlsafe(32))
        self.join = self._setting("join", secrets.token_urlsafe(32))

    def close(self) -> None:
        """Close the file."""
        with self._lock:
            self._db.close()

    def _setting(self, name: str, value: str) -> str:
        """Return what is stored under a name; store `value` where nothing is."""
        with self._writing():
            self._db.execute("INSERT OR IGNORE INTO settings VALUES (?, ?)", (name, value))
            row = self._db.execute("SELECT value FROM settings WHERE name = ?", (name,)).fetchone()
        return str(row["value"])

    @contextmanager
    def _writing(self) -> Iterator[None]:
        with self._lock:
            # The write lock at once: two that read first and write then would fail at the commit.
            self._db.execute("BEGIN IMMEDIATE")
            try:
                yield
            except BaseException:
                self._db.execute("ROLLBACK")
                raise
            self._db.execute("COMMIT")

    def _select(self, where: str, *values: object) -> list[Listener]:
        text = (
            "SELECT listeners.*, (SELECT count(*) FROM answers WHERE listener = number) AS done FROM listeners "
            f"{where} ORDER BY number"
        )
        return [_listener(row) for row in self._db.execute(text, values)]

    def listeners(self) -> list[Listener]:
        """Return all listeners, by number."""
        with self._lock:
            return self._select("")

    def answers(self) -> list[Answer]:
        """Return all answers, by listener and step."""
        with self._lock:
            rows = self._db.execute("SELECT * FROM answers ORDER BY listener, step").fetchall()
        return [
            Answer(r["listener"], r["step"], r["trial"], json.loads(r["answer"]), r["ms"], r["at"]) for r in rows
        ]  # fmt: skip

    def find(self, token: str) -> Listener | None:
        """Return the listener with a token.

        The look-up is by digest, whose bytes nobody can steer, so that its time tells nothing about the token.
        """
        with self._lock:
            listeners = self._select("WHERE digest = ?", _digest(token))
        return next((who for who in listeners if hmac.compare_digest(who.token.encode(), token.encode())), None)

    def add(self, stage: str, *, way: str = "link", code: str | None = None, most: int | None = None) -> Listener:
        """Add a listener.

        Parameters
        ----------
        stage : str
            Where they begin.
        way : str
            See `Listener`.
        code : str, optional
            Otherwise one is given.
        most : int, optional
            Listeners of ways other than ``"link"`` that there may be.

        Raises
        ------
        Conflict
            The code is taken, or there are enough listeners.
        """
        token = secrets.token_urlsafe(32)  # 256 bits: the address is all that identifies a listener
        with self._writing():
            # Counted in the transaction that inserts, so that two who join at once get two configurations.
            number = int(self._db.execute("SELECT count(*) FROM listeners").fetchone()[0])
            joined = self._db.execute("SELECT count(*) FROM listeners WHERE way <> 'link'").fetchone()[0]
            if most is not None and joined >= most:
                raise Conflict("this test has all the listeners that it needs; thank you for your interest")
            name = code or self._free_code(number, way)
            try:
                self._db.execute(
                    "INSERT INTO listeners (number, code, way, token, digest, stage) VALUES (?, ?, ?, ?, ?, ?)",
                    (number, name, way, token, _digest(token), stage),
                )
            except sqlite3.IntegrityError:
                raise Conflict(f"the code {name!r} is taken by another listener") from None
        listener = self.find(token)
        assert listener is not None
        return listener

    def _free_code(self, number: int, way: str) -> str:
        """Return a code that nobody has: a panel may have named a participant as links are named."""
        taken = {row["code"] for row in self._db.execute("SELECT code FROM listeners")}
        plain = f"{'L' if way == 'link' else 'O'}{number + 1:03d}"
        name = plain if way == "link" else f"{plain}-{secrets.token_hex(3)}"
        while name in taken:
            name = f"{plain}-{secrets.token_hex(3)}"
        return name

    def participant(self, code: str) -> Listener | None:
        """Return the listener who came from a panel with this id."""
        with self._lock:
            return next(iter(self._select("WHERE code = ? AND way = 'panel'", code)), None)

    def touch(self, listener: Listener) -> None:
        """Note that a listener is there."""
        now = time.time()
        with self._writing():
            self._db.execute(
                "UPDATE listeners SET seen = ?, started = coalesce(started, ?) WHERE number = ?",
                (now, now, listener.number),
            )

    def advance(self, listener: Listener, **changes: object) -> None:
        """Change a listener who is still at the stage that `listener` says.

        Raises
        ------
        Conflict
            They went on in the meantime, e.g. in a second window.
        """
        if unknown := set(changes) - _CHANGEABLE:
            raise TypeError(f"no such field of a listener: {unknown}")
        fields = ", ".join(f"{name} = ?" for name in changes)
        now = time.time()
        with self._writing():
            changed = self._db.execute(
                f"UPDATE listeners SET seen = ?, started = coalesce(started, ?), {fields} "
                "WHERE number = ? AND stage = ?",
                (now, now, *changes.values(), listener.number, listener.stage),
            )
            if changed.rowcount != 1:
                raise Conflict("this page was left already, perhaps in another window; reload it")

    def save(
        self, listener: Listener, step: int, submission: str, trial: str, answer: dict[str, Any], ms: float,
        *, last: bool, after: str,
    ) -> bool:  # fmt: skip
        """Save a trial; when this returns it is on the disk.

        Parameters
        ----------
        listener : Listener
        step : int
            Of the listener's configuration.
        submission : str
            Made by the browser, the same whenever it sends the same again.
        trial : str
        answer : dict
        ms : float
            Time on the trial.
        last : bool
            Whether this is the last step; `after` is then the next stage.
        after : str

        Returns
        -------
        bool
            False where the very same was saved before.

        Raises
        ------
        Conflict
            Another answer to this step is saved, or an earlier step has none.
        """
        now = time.time()
        with self._writing():
            row = self._db.execute(
                "SELECT submission FROM answers WHERE listener = ? AND step = ?", (listener.number, step)
            ).fetchone()
            if row is not None:
                if row["submission"] == submission:
                    return False
                raise Conflict(f"trial {step + 1} is answered already, perhaps in another window; reload this page")
            done = self._db.execute("SELECT count(*) FROM answers WHERE listener = ?", (listener.number,)).fetchone()[0]
            if step != done:
                raise Conflict(f"trial {step + 1} was sent, expected trial {done + 1}; reload this page")
            self._db.execute(
                "INSERT INTO answers VALUES (?, ?, ?, ?, ?, ?, ?)",
                (listener.number, step, submission, trial, json.dumps(answer), ms, now),
            )
            self._db.execute(
                "UPDATE listeners SET seen = ?, stage = CASE WHEN ? THEN ? ELSE stage END WHERE number = ?",
                (now, last, after, listener.number),
            )
        return True


def _digest(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()


def _listener(row: sqlite3.Row) -> Listener:
    fields = {name: row[name] for name in row.keys() if name != "digest"}  # noqa: SIM118 (a Row iterates over values)
    return Listener(**fields | {"questionnaire": json.loads(row["questionnaire"])})
