"""Listeners and their answers in SQLite, one file beside the pack.

An answer is acknowledged when it is on the disk (see `mss_bench.listening.server.database`). Step n of a listener is a
key of its own, and the first answer to it is kept: what a browser sends twice is there once. Who was excluded or
deleted is in the audit trail, by number and reason; of a deleted listener nothing else is left.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import secrets
import sqlite3
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from mss_bench.errors import ConfigError, MssBenchError, UnknownNameError
from mss_bench.listening.server.database import Database

__all__ = ["Answer", "Audit", "Conflict", "Full", "Listener", "Store"]

_SCHEMA = """
CREATE TABLE IF NOT EXISTS settings (name TEXT PRIMARY KEY, value TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS listeners (
    number INTEGER PRIMARY KEY, code TEXT NOT NULL UNIQUE, way TEXT NOT NULL,
    token TEXT NOT NULL, digest TEXT NOT NULL UNIQUE, stage TEXT NOT NULL,
    started REAL, seen REAL, finished REAL, level_db REAL NOT NULL DEFAULT 0, attempts INTEGER NOT NULL DEFAULT 0,
    name TEXT NOT NULL DEFAULT '', questionnaire TEXT NOT NULL DEFAULT '{}',
    excluded TEXT NOT NULL DEFAULT '', panel TEXT NOT NULL DEFAULT '{}', trained INTEGER NOT NULL DEFAULT 0);
CREATE TABLE IF NOT EXISTS answers (
    listener INTEGER NOT NULL REFERENCES listeners (number), step INTEGER NOT NULL, submission TEXT NOT NULL,
    trial TEXT NOT NULL, answer TEXT NOT NULL, ms REAL NOT NULL, at REAL NOT NULL, PRIMARY KEY (listener, step));
CREATE TABLE IF NOT EXISTS audit (
    at REAL NOT NULL, action TEXT NOT NULL, number INTEGER NOT NULL, reason TEXT NOT NULL, answers INTEGER NOT NULL);
"""
_CHANGEABLE = frozenset({"stage", "finished", "level_db", "attempts", "name", "questionnaire", "trained"})


class Conflict(MssBenchError):
    """What was sent does not fit what is there already."""


class Full(Conflict):
    """There are as many listeners as the test needs."""


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
    excluded : str
        Why the experimenter excluded them by hand; empty of everybody else.
    panel : dict
        Further parameters of the join link, e.g. a panel's ids of study and session.
    trained : int
        Training pages that are done.
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
    excluded: str
    panel: dict[str, str]
    trained: int


@dataclass(frozen=True)
class Answer:
    """A saved trial: the listener's number, its step, the trial's id, what was answered, and its time."""

    listener: int
    step: int
    trial: str
    answer: dict[str, Any]
    ms: float
    at: float


@dataclass(frozen=True)
class Audit:
    """What the experimenter did about a listener: when, what, to which number, why, and how many answers that was."""

    at: float
    action: str
    number: int
    reason: str
    answers: int

    @property
    def when(self) -> str:
        """Return the time in UTC."""
        return datetime.fromtimestamp(self.at, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


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
        self.database = Database(folder / "ratings.sqlite", _SCHEMA)
        self.path = self.database.path
        try:
            stored = self._setting("pack", pack)
            if stored != pack:
                raise ConfigError(
                    f"{self.path} holds the ratings of a pack that was made anew since; move {folder} away to start "
                    "afresh"
                )
            self.experimenter = self._setting("experimenter", secrets.token_urlsafe(32))
            self.join = self._setting("join", secrets.token_urlsafe(32))
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """Close the file."""
        self.database.close()

    def _setting(self, name: str, value: str) -> str:
        """Return what is stored under a name; store `value` where nothing is."""
        stored = self.database.read("SELECT value FROM settings WHERE name = ?", (name,))
        if not stored:
            with self.database.writing() as db:
                db.execute("INSERT OR IGNORE INTO settings VALUES (?, ?)", (name, value))
            stored = self.database.read("SELECT value FROM settings WHERE name = ?", (name,))
        return str(stored[0]["value"])

    def _select(self, where: str, *values: object) -> list[Listener]:
        text = (
            "SELECT listeners.*, (SELECT count(*) FROM answers WHERE listener = number) AS done FROM listeners "
            f"{where} ORDER BY number"
        )
        return [_listener(row) for row in self.database.read(text, values)]

    def listeners(self) -> list[Listener]:
        """Return all listeners, by number."""
        return self._select("")

    def answers(self) -> list[Answer]:
        """Return all answers, by listener and step."""
        rows = self.database.read("SELECT listener, step, trial, answer, ms, at FROM answers ORDER BY listener, step")
        return [Answer(**dict(row) | {"answer": json.loads(row["answer"])}) for row in rows]

    def find(self, token: str) -> Listener | None:
        """Return the listener with a token.

        The look-up is by digest, whose bytes nobody can steer, so that its time tells nothing about the token.
        """
        listeners = self._select("WHERE digest = ?", _digest(token))
        return next((who for who in listeners if hmac.compare_digest(who.token.encode(), token.encode())), None)

    def add(
        self, stage: str, *, way: str = "link", code: str | None = None, most: int | None = None,
        panel: dict[str, str] | None = None,
    ) -> Listener:  # fmt: skip
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
        panel : dict, optional
            See `Listener`.

        Raises
        ------
        Conflict
            The code is taken, or, as `Full`, there are enough listeners.
        """
        token = secrets.token_urlsafe(32)  # 256 bits: the address is all that identifies a listener
        with self.database.writing() as db:
            # Counted in the transaction that inserts, so that two who join at once get two configurations; a number
            # that was deleted is not given again, as the audit trail knows listeners by it.
            numbers = "SELECT number FROM listeners UNION SELECT number FROM audit"
            number = int(db.execute(f"SELECT 1 + coalesce(max(number), -1) FROM ({numbers})").fetchone()[0])
            joined = db.execute("SELECT count(*) FROM listeners WHERE way <> 'link'").fetchone()[0]
            if most is not None and joined >= most:
                raise Full(f"all {most} places of this test are taken")
            taken = {row["code"] for row in db.execute("SELECT code FROM listeners")}
            name = code or _free_code(taken, number, way)
            try:
                db.execute(
                    "INSERT INTO listeners (number, code, way, token, digest, stage, panel) "
                    "VALUES (?, ?, ?, ?, ?, ?, ?)",
                    (number, name, way, token, _digest(token), stage, json.dumps(panel or {})),
                )
            except sqlite3.IntegrityError:
                raise Conflict(f"the code {name!r} is taken by another listener") from None
        listener = self.find(token)
        assert listener is not None
        return listener

    def exclude(self, code: str, reason: str) -> None:
        """Exclude a listener from the ratings by hand, or take them in again where the reason is empty.

        Raises
        ------
        UnknownNameError
            Nobody has the code.
        """
        self._note("exclude" if reason else "include", code, reason)

    def delete(self, code: str, reason: str) -> int:
        """Delete a listener with all answers, names and ids; return how many answers that were.

        Raises
        ------
        UnknownNameError
            Nobody has the code.
        """
        answers = self._note("delete", code, reason)
        self.database.fold()  # the log holds what was deleted, too
        return answers

    def _note(self, action: str, code: str, reason: str) -> int:
        with self.database.writing() as db:
            row = db.execute("SELECT number FROM listeners WHERE code = ?", (code,)).fetchone()
            if row is None:
                codes = [known["code"] for known in db.execute("SELECT code FROM listeners ORDER BY number")]
                raise UnknownNameError("listener", code, codes)
            number = int(row["number"])
            answers = int(db.execute("SELECT count(*) FROM answers WHERE listener = ?", (number,)).fetchone()[0])
            if action == "delete":
                db.execute("DELETE FROM answers WHERE listener = ?", (number,))
                db.execute("DELETE FROM listeners WHERE number = ?", (number,))
            else:
                db.execute("UPDATE listeners SET excluded = ? WHERE number = ?", (reason, number))
            db.execute("INSERT INTO audit VALUES (?, ?, ?, ?, ?)", (time.time(), action, number, reason, answers))
        return answers

    def audit(self) -> list[Audit]:
        """Return what was done about listeners, in order."""
        return [Audit(**dict(row)) for row in self.database.read("SELECT * FROM audit ORDER BY at, rowid")]

    def participant(self, code: str) -> Listener | None:
        """Return the listener who came from a panel with this id."""
        return next(iter(self._select("WHERE code = ? AND way = 'panel'", code)), None)

    def note_panel(self, listener: Listener, panel: dict[str, str]) -> None:
        """Keep the ids with which a listener came again beside the earlier ones, separated by spaces."""
        kept = dict(listener.panel)
        for name, value in panel.items():
            kept[name] = " ".join(dict.fromkeys([*kept.get(name, "").split(), value]))
        if kept != listener.panel:
            with self.database.writing() as db:
                db.execute("UPDATE listeners SET panel = ? WHERE number = ?", (json.dumps(kept), listener.number))

    def touch(self, listener: Listener) -> None:
        """Note that a listener is there."""
        with self.database.writing() as db:
            seen = "UPDATE listeners SET seen = ?1, started = coalesce(started, ?1) WHERE number = ?2"
            db.execute(seen, (time.time(), listener.number))

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
        with self.database.writing() as db:
            changed = db.execute(
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
        with self.database.writing() as db:
            row = db.execute(
                "SELECT submission FROM answers WHERE listener = ? AND step = ?", (listener.number, step)
            ).fetchone()
            if row is not None:
                if row["submission"] == submission:
                    return False
                raise Conflict(f"trial {step + 1} is answered already, perhaps in another window; reload this page")
            done = db.execute("SELECT count(*) FROM answers WHERE listener = ?", (listener.number,)).fetchone()[0]
            if step != done:
                raise Conflict(f"trial {step + 1} was sent, expected trial {done + 1}; reload this page")
            db.execute(
                "INSERT INTO answers VALUES (?, ?, ?, ?, ?, ?, ?)",
                (listener.number, step, submission, trial, json.dumps(answer), ms, now),
            )
            db.execute(
                "UPDATE listeners SET seen = ?, stage = CASE WHEN ? THEN ? ELSE stage END, "
                "finished = coalesce(?, finished) WHERE number = ?",
                (now, last, after, now if last and after == "done" else None, listener.number),
            )
        return True


def _digest(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()


def _free_code(taken: set[str], number: int, way: str) -> str:
    """Return a code that nobody has: a panel may have named a participant as links are named."""
    plain = f"{'L' if way == 'link' else 'O'}{number + 1:03d}"
    name = plain if way == "link" else f"{plain}-{secrets.token_hex(3)}"
    while name in taken:
        name = f"{plain}-{secrets.token_hex(3)}"
    return name


def _listener(row: sqlite3.Row) -> Listener:
    fields = {name: row[name] for name in row.keys() if name != "digest"}  # noqa: SIM118 (a Row iterates over values)
    return Listener(**fields | {name: json.loads(row[name]) for name in ("questionnaire", "panel")})
